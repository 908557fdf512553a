/* tests/unit/chardev/spice-test.c - ports between the guest and SPICE, with a server and a device that only count.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "chardev/spice-port.h"

#include "chardev/chardev.h"
#include "qapi/opts.h"
#include "util/loop.h"

#include <string.h>

/* ---- a device ---- */
typedef struct Front {
    Chardev *c;
    GString *in, *events;
    size_t room;         /* in all */
    size_t buffer;       /* at once */
    unsigned can_write;
} Front;

static size_t front_can_read(void *opaque)
{
    Front *f = opaque;

    return MIN(f->room, f->buffer);
}

static void front_read(void *opaque, const uint8_t *data, size_t size)
{
    Front *f = opaque;

    g_assert_cmpint(size, <=, front_can_read(f));
    g_string_append_len(f->in, (const char *)data, size);
    f->room -= size;
}

static void front_event(void *opaque, ChardevEvent event)
{
    g_string_append_c(((Front *)opaque)->events, "ocbr"[event]);
}

static void front_can_write(void *opaque)
{
    ((Front *)opaque)->can_write++;
}

static const ChardevHandlers handlers = {front_can_read, front_read, front_event, front_can_write, .is_guest = true};

/* ---- a server ---- */
typedef struct Server {
    SpicePort *p;
    GString *out;
    size_t room;
    unsigned rooms, gone;
    int guest_opened;    /* -1: not told */
} Server;

static size_t server_take(void *opaque, const uint8_t *data, size_t size)
{
    Server *s = opaque;
    size_t n = MIN(size, s->room);

    g_assert_true(spice_port_is_open(s->p));
    g_string_append_len(s->out, (const char *)data, n);
    s->room -= n;
    return n;
}

static void server_room(void *opaque)
{
    ((Server *)opaque)->rooms++;
}

static void server_guest_opened(void *opaque, bool is_open)
{
    ((Server *)opaque)->guest_opened = is_open;
}

static void server_gone(void *opaque)
{
    ((Server *)opaque)->gone++;
}

static const SpicePortServer server_ops = {server_take, server_room, server_guest_opened, server_gone};

static Chardev *add(const char *text, GError **errp)
{
    g_autoptr(Json) options = opts_parse(text, "backend", NULL, NULL);

    return chardev_add(options, errp);
}

typedef struct Pair {
    Front front;
    Server server;
} Pair;

static void pair_start(Pair *k)
{
    *k = (Pair){.front = {.c = add("spicevmc,id=a,name=vdagent", NULL), .in = g_string_new(NULL),
                          .events = g_string_new(NULL), .buffer = 4},
                .server = {.p = spice_port_find(SPICE_PORT_AGENT, NULL), .out = g_string_new(NULL), .room = 1000,
                           .guest_opened = -1}};
    g_assert_nonnull(k->server.p);
    g_assert_true(chardev_claim(k->front.c, &handlers, &k->front, NULL));
    g_assert_true(spice_port_attach(k->server.p, &server_ops, &k->server, NULL));
}

static void pair_end(Pair *k)
{
    chardev_release(k->front.c);
    g_assert_true(chardev_delete("a", NULL));
    g_assert_cmpuint(k->server.gone, ==, 1);
    g_assert_null(spice_port_find(SPICE_PORT_AGENT, NULL));
    g_string_free(k->front.in, true);
    g_string_free(k->front.events, true);
    g_string_free(k->server.out, true);
}

static size_t give(Pair *k, const char *text)
{
    return spice_port_give(k->server.p, (const uint8_t *)text, strlen(text));
}

static void each_side_sees_the_other_come_and_go(void)
{
    Pair k;

    pair_start(&k);
    g_assert_cmpstr(k.front.events->str, ==, "");
    spice_port_set_open(k.server.p, true);
    spice_port_set_open(k.server.p, true);
    g_assert_cmpstr(k.front.events->str, ==, "o");
    g_assert_true(chardev_is_open(k.front.c));
    chardev_set_guest_open(k.front.c, false);
    g_assert_cmpint(k.server.guest_opened, ==, 0);
    chardev_set_guest_open(k.front.c, true);
    g_assert_cmpint(k.server.guest_opened, ==, 1);
    g_assert_true(spice_port_is_guest_open(k.server.p));
    spice_port_detach(k.server.p);
    g_assert_cmpstr(k.front.events->str, ==, "oc");
    spice_port_set_open(k.server.p, true); /* nobody is behind it */
    g_assert_false(spice_port_is_open(k.server.p));
    g_assert_true(spice_port_attach(k.server.p, &server_ops, &k.server, NULL));
    pair_end(&k);
}

static void what_the_guest_does_not_take_stays_with_the_server(void)
{
    Pair k;

    pair_start(&k);
    k.front.room = 6;
    g_assert_cmpuint(give(&k, "closed"), ==, 0);
    spice_port_set_open(k.server.p, true);
    k.server.rooms = 0;
    g_assert_cmpuint(give(&k, "0123456789"), ==, 6); /* in buffers of four */
    chardev_accept_input(k.front.c);
    g_assert_cmpuint(k.server.rooms, ==, 0);         /* there is none yet */
    k.front.room = 100;
    chardev_accept_input(k.front.c);
    chardev_accept_input(k.front.c);
    g_assert_cmpuint(k.server.rooms, ==, 1);
    g_assert_cmpuint(give(&k, "6789"), ==, 4);
    g_assert_cmpstr(k.front.in->str, ==, "0123456789");
    pair_end(&k);
}

static void what_the_server_does_not_take_stays_with_the_device(void)
{
    Pair k;

    pair_start(&k);
    g_assert_cmpuint(chardev_write(k.front.c, "nobody", 6), ==, 6); /* closed: forgotten */
    spice_port_set_open(k.server.p, true);
    k.server.room = 4;
    g_assert_cmpuint(chardev_write(k.front.c, "0123456789", 10), ==, 4);
    g_assert_cmpuint(k.front.can_write, ==, 0);
    k.server.room = 100;
    spice_port_has_room(k.server.p);
    spice_port_has_room(k.server.p);
    g_assert_cmpuint(k.front.can_write, ==, 1);
    g_assert_cmpuint(chardev_write(k.front.c, "456789", 6), ==, 6);
    g_assert_cmpstr(k.server.out->str, ==, "0123456789");
    pair_end(&k);
}

/* At the freeze a device takes nothing any more: what was given is in the guest, all else is with the server. */
static void at_a_freeze_nothing_is_in_between(void)
{
    static const char text[] = "a clipboard of some length, of which the guest has room for a part";
    Pair k;
    size_t done;

    pair_start(&k);
    spice_port_set_open(k.server.p, true);
    k.front.room = 20;
    done = give(&k, text);
    k.front.room = 0; /* the machine is stopped */
    g_assert_cmpuint(done, ==, k.front.in->len);
    g_assert_cmpuint(give(&k, text + done), ==, 0);
    g_assert_cmpuint(k.front.in->len, ==, done);
    pair_end(&k);
}

/* ---- registration ---- */
static void added(SpicePort *p, void *opaque)
{
    g_string_append_printf(opaque, "%d/%u:%s ", spice_port_kind(p), spice_port_channel(p), spice_port_name(p));
}

static void ports_are_found_by_kind_and_name(void)
{
    g_autoptr(GError) err = NULL;
    GString *seen = g_string_new(NULL);
    SpicePort *p;

    g_assert_nonnull(add("spiceport,id=p0,name=org.baton.one", NULL));
    spice_ports_listen(added, seen);
    g_assert_nonnull(add("spiceport,id=p1,name=org.baton.two", NULL));
    g_assert_nonnull(add("spiceport,id=w,name=org.spice-space.webdav.0", NULL));
    g_assert_nonnull(add("spicevmc,id=u0,name=usbredir", NULL));
    g_assert_nonnull(add("spicevmc,id=u1,name=usbredir", NULL));
    g_assert_cmpstr(seen->str, ==, "3/0:org.baton.one 3/1:org.baton.two 4/0:org.spice-space.webdav.0 1/0:usbredir "
                                   "1/1:usbredir ");
    p = spice_port_find(SPICE_PORT_NAMED, "org.baton.two");
    g_assert_nonnull(p);
    g_assert_null(spice_port_find(SPICE_PORT_NAMED, "org.baton.three"));
    g_assert_null(spice_port_find(SPICE_PORT_SMARTCARD, NULL));
    g_assert_true(chardev_delete("p0", NULL));
    g_assert_cmpuint(spice_port_channel(p), ==, 1); /* as before: clients know it by that */
    spice_ports_listen(NULL, NULL);
    g_assert_nonnull(add("spiceport,id=p2,name=org.baton.three", NULL));
    g_assert_cmpuint(spice_port_channel(spice_port_find(SPICE_PORT_NAMED, "org.baton.three")), ==, 0);
    for (const char *const *id = (const char *const[]){"p1", "p2", "w", "u0", "u1", NULL}; *id; id++) {
        g_assert_true(chardev_delete(*id, NULL));
    }
    g_string_free(seen, true);
}

static void wrong_options_are_refused(void)
{
    static const struct {
        const char *options, *says;
    } wrong[] = {
        {"spicevmc,id=x", "*no name given*"}, {"spicevmc,id=x,name=audio", "*vdagent, usbredir*"},
        {"spiceport,id=x", "*no name given*"}, {"spiceport,id=x,name=org.baton.one", "*'org.baton.one' already*"},
        {"spicevmc,id=x,name=vdagent", "*'vdagent' already*"}, {"spiceport,id=x,name=y,colour=red", "*colour*"},
    };

    g_assert_nonnull(add("spiceport,id=p0,name=org.baton.one", NULL));
    g_assert_nonnull(add("spicevmc,id=a,name=vdagent", NULL));
    for (unsigned i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autoptr(GError) err = NULL;

        g_assert_null(add(wrong[i].options, &err));
        g_test_message("%s", err->message);
        g_assert_true(g_pattern_match_simple(wrong[i].says, err->message));
        g_assert_null(chardev_find("x"));
    }
    g_assert_true(chardev_delete("p0", NULL));
    g_assert_true(chardev_delete("a", NULL));
}

static void their_number_is_bounded(void)
{
    g_autoptr(GError) err = NULL;

    for (unsigned i = 0; i <= SPICE_PORTS_MAX; i++) {
        g_autofree char *text = g_strdup_printf("spicevmc,id=u%u,name=usbredir", i);

        g_assert_true((add(text, &err) != NULL) == (i < SPICE_PORTS_MAX));
    }
    g_assert_nonnull(strstr(err->message, "64 SPICE ports already"));
    for (unsigned i = 0; i < SPICE_PORTS_MAX; i++) {
        g_autofree char *id = g_strdup_printf("u%u", i);

        g_assert_true(chardev_delete(id, NULL));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    loop_init();
    g_test_add_func("/chardev/spice/each_side_sees_the_other_come_and_go", each_side_sees_the_other_come_and_go);
    g_test_add_func("/chardev/spice/what_the_guest_does_not_take_stays_with_the_server",
                    what_the_guest_does_not_take_stays_with_the_server);
    g_test_add_func("/chardev/spice/what_the_server_does_not_take_stays_with_the_device",
                    what_the_server_does_not_take_stays_with_the_device);
    g_test_add_func("/chardev/spice/at_a_freeze_nothing_is_in_between", at_a_freeze_nothing_is_in_between);
    g_test_add_func("/chardev/spice/ports_are_found_by_kind_and_name", ports_are_found_by_kind_and_name);
    g_test_add_func("/chardev/spice/wrong_options_are_refused", wrong_options_are_refused);
    g_test_add_func("/chardev/spice/their_number_is_bounded", their_number_is_bounded);
    return g_test_run();
}
