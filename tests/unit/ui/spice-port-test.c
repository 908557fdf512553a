/* tests/unit/ui/spice-port-test.c - ports of the guest reach one client, byte by byte, with room or without.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "spice-guest.h"

#include "system/runstate.h"
#include "system/vm-lock.h"
#include "ui/input.h"
#include "ui/spice/kinds.h"
#include "ui/spice/ports.h"
#include "ui/spice/session-state.h"

static void assert_event(FakeWire *w, int event) /* -1: none */
{
    g_autoptr(GByteArray) b = g_byte_array_new();

    if (event < 0) {
        g_assert_cmpuint(fake_hear(w, NULL), ==, 0);
        return;
    }
    g_assert_cmpuint(fake_hear(w, b), ==, SPICE_MSG_PORT_EVENT);
    g_assert_cmpmem(b->data, b->len, &(uint8_t){event}, 1);
}

static void assert_init(FakeWire *w, const char *name, bool is_open)
{
    g_autoptr(GByteArray) b = g_byte_array_new();

    g_assert_cmpuint(fake_hear(w, b), ==, SPICE_MSG_PORT_INIT);
    g_assert_cmpuint(b->len, ==, 9 + strlen(name) + 1);
    g_assert_cmpuint(load_le32(b->data), ==, strlen(name) + 1);
    g_assert_cmpuint(load_le32(b->data + 4), ==, 9);
    g_assert_cmpuint(b->data[8], ==, is_open);
    g_assert_cmpstr((const char *)b->data + 9, ==, name);
}

static void assert_data(FakeWire *w, const char *text)
{
    g_autoptr(GByteArray) b = g_byte_array_new();

    g_assert_cmpuint(fake_hear(w, b), ==, SPICE_MSG_SPICEVMC_DATA);
    g_assert_cmpmem(b->data, b->len, text, strlen(text));
}

static void a_port_is_named_opened_and_echoed(void)
{
    Guest g;
    FakeClient f;
    FakeWire *w;
    SpiceChannel *c;

    guest_plug(&g, "spiceport,id=p,name=org.baton.one");
    f = fake_client();
    c = fake_open(&f, SPICE_CHANNEL_PORT, 0, &w);
    spice_pump(c);
    assert_init(w, "org.baton.one", false);
    g_assert_cmpstr(g.events->str, ==, "o"); /* the guest sees that a client is there */
    fake_say(w, SPICE_MSGC_SPICEVMC_DATA, "nobody", 6);
    chardev_set_guest_open(g.c, true);
    spice_pump(c);
    assert_event(w, 0);
    g_assert_cmpuint(g.got->len, ==, 6); /* it was open when that was read */
    fake_say(w, SPICE_MSGC_SPICEVMC_DATA, "hello", 5);
    spice_pump(c);
    g_assert_cmpmem(g.got->data, g.got->len, "nobodyhello", 11);
    guest_say(&g, "there", 5);
    spice_pump(c);
    assert_data(w, "there");
    fake_say(w, SPICE_MSGC_PORT_EVENT, "\2", 1);
    spice_pump(c);
    g_assert_cmpstr(g.events->str, ==, "ob");
    chardev_set_guest_open(g.c, false);
    fake_say(w, SPICE_MSGC_SPICEVMC_DATA, "late", 4);
    spice_pump(c);
    assert_event(w, 1);
    g_assert_cmpuint(g.got->len, ==, 11);
    fake_leave(&f);
    g_assert_cmpstr(g.events->str, ==, "obc");
    guest_unplug(&g);
}

static void both_sides_wait_for_room(void)
{
    Guest g;
    FakeClient f;
    FakeWire *w;
    SpiceChannel *c;
    g_autoptr(GByteArray) much = g_byte_array_new(), back = g_byte_array_new(), piece = g_byte_array_new();

    for (unsigned i = 0; i < 3 * CHANNEL_ROOM_BYTES; i++) {
        put_u8(much, i ^ i >> 8);
    }
    guest_plug(&g, "spiceport,id=p,name=org.spice-space.webdav.0");
    f = fake_client();
    c = fake_open(&f, SPICE_CHANNEL_WEBDAV, 0, &w);
    chardev_set_guest_open(g.c, true);
    spice_pump(c);
    assert_init(w, "org.spice-space.webdav.0", false);
    assert_event(w, 0);

    guest_allow(&g, 10); /* to the guest */
    fake_say(w, SPICE_MSGC_SPICEVMC_DATA, much->data, 1000);
    fake_say(w, SPICE_MSGC_SPICEVMC_DATA, much->data + 1000, 2000);
    spice_pump(c);
    g_assert_true(c->is_held);
    g_assert_cmpuint(port_state(c)->taken, ==, 10);
    for (unsigned i = 0; i < 4; i++) {
        guest_allow(&g, 1000);
        spice_pump(c);
    }
    g_assert_cmpmem(g.got->data, g.got->len, much->data, 3000);
    g_assert_cmpuint(port_state(c)->taken, ==, 0);

    w->room = 0; /* to the client */
    guest_say(&g, much->data, much->len);
    g_assert_cmpuint(c->out_bytes, <, CHANNEL_ROOM_BYTES + PORT_PIECE);
    g_assert_cmpuint(g.says->len, >, CHANNEL_ROOM_BYTES);
    w->room = SIZE_MAX;
    for (unsigned i = 0; i < 10; i++) {
        spice_pump(c);
    }
    while (fake_until(w, SPICE_MSG_SPICEVMC_DATA, piece)) {
        put_bytes(back, piece->data, piece->len);
    }
    g_assert_cmpmem(back->data, back->len, much->data, much->len);
    fake_leave(&f);
    guest_unplug(&g);
}

static void what_the_guest_has_closed_does_not_wait(void)
{
    Guest g;
    FakeClient f;
    FakeWire *w;
    SpiceChannel *c;

    guest_plug(&g, "spiceport,id=p,name=org.baton.one");
    f = fake_client();
    c = fake_open(&f, SPICE_CHANNEL_PORT, 0, &w);
    chardev_set_guest_open(g.c, true);
    guest_allow(&g, 2);
    fake_say(w, SPICE_MSGC_SPICEVMC_DATA, "for the first", 13);
    spice_pump(c);
    g_assert_true(c->is_held);
    chardev_set_guest_open(g.c, false);
    g_assert_false(c->is_held);
    chardev_set_guest_open(g.c, true);
    guest_allow(&g, 100);
    fake_say(w, SPICE_MSGC_SPICEVMC_DATA, "next", 4);
    spice_pump(c);
    g_assert_cmpmem(g.got->data, g.got->len, "fonext", 6);
    fake_leave(&f);
    guest_unplug(&g);
}

static void cut(SpiceChannel *c)
{
    g_assert_true(spice_detach(c));
    g_assert_true(c->is_lost);
}

static void assert_goes_on_with(FakeWire *w, uint64_t next, uint32_t partial)
{
    g_autoptr(GByteArray) b = g_byte_array_new();

    g_assert_true(fake_until(w, REPLAY_ADOPT, b));
    g_assert_cmpuint(load_le64(b->data), ==, next);
    g_assert_cmpuint(load_le32(b->data + 8), ==, partial);
}

/* The guest has half of a message when the connection is lost: it sees nothing of that, and gets the other half once. */
static void a_port_is_kept_for_who_comes_back(void)
{
    Guest g;
    FakeClient f;
    FakeWire *w;
    SpiceChannel *c;

    fake_extension = FAKE_RETURNS;
    guest_plug(&g, "spiceport,id=p,name=org.baton.one");
    f = fake_client();
    c = fake_open(&f, SPICE_CHANNEL_PORT, 0, &w);
    chardev_set_guest_open(g.c, true);
    guest_allow(&g, 5);
    fake_say(w, SPICE_MSGC_SPICEVMC_DATA, "one", 3);
    fake_say(w, SPICE_MSGC_SPICEVMC_DATA, "two", 3);
    spice_pump(c);
    assert_goes_on_with(w, 1, 0);
    cut(c);
    guest_say(&g, "is anybody there?", 17);
    g_assert_cmpuint(g.says->len, ==, 17); /* it waits, as for a client that does not read */
    guest_allow(&g, 100);
    w = fake_come_back(c);
    spice_pump(c);
    assert_goes_on_with(w, 2, 2);
    assert_init(w, "org.baton.one", true); /* some of what the guest said may be missing */
    fake_say(w, SPICE_MSGC_SPICEVMC_DATA, "two", 3);
    fake_say(w, SPICE_MSGC_SPICEVMC_DATA, "three", 5);
    spice_pump(c);
    g_assert_cmpmem(g.got->data, g.got->len, "onetwothree", 11);
    guest_write_more(&g);
    spice_pump(c);
    assert_data(w, "is anybody there?");
    g_assert_cmpstr(g.events->str, ==, "o");
    fake_leave(&f);
    g_assert_cmpstr(g.events->str, ==, "oc");
    fake_extension = 0;
    guest_unplug(&g);
}

/* Who had the first half has closed the port: whoever opened it then does not get the other one. */
static void half_a_message_is_for_who_had_its_beginning(void)
{
    Guest g;
    FakeClient f;
    FakeWire *w;
    SpiceChannel *c;

    fake_extension = FAKE_RETURNS;
    guest_plug(&g, "spiceport,id=p,name=org.baton.one");
    f = fake_client();
    c = fake_open(&f, SPICE_CHANNEL_PORT, 0, &w);
    chardev_set_guest_open(g.c, true);
    guest_allow(&g, 2);
    fake_say(w, SPICE_MSGC_SPICEVMC_DATA, "for the first", 13);
    spice_pump(c);
    cut(c);
    chardev_set_guest_open(g.c, false);
    chardev_set_guest_open(g.c, true);
    guest_allow(&g, 100);
    w = fake_come_back(c);
    fake_say(w, SPICE_MSGC_SPICEVMC_DATA, "for the first", 13);
    fake_say(w, SPICE_MSGC_SPICEVMC_DATA, "next", 4);
    spice_pump(c);
    g_assert_cmpmem(g.got->data, g.got->len, "fonext", 6);
    fake_leave(&f);
    fake_extension = 0;
    guest_unplug(&g);
}

/* It is its own until its time is over; then the next one has it. */
static void who_is_away_keeps_its_port_for_a_while(void)
{
    Guest g;
    FakeClient f[2];
    FakeWire *w[2];
    SpiceChannel *c[2];

    fake_extension = FAKE_RETURNS;
    guest_plug(&g, "spiceport,id=p,name=org.baton.one");
    for (unsigned i = 0; i < 2; i++) {
        f[i] = fake_client();
        c[i] = fake_open(&f[i], SPICE_CHANNEL_PORT, 0, &w[i]);
    }
    chardev_set_guest_open(g.c, true);
    cut(c[0]);
    g_assert_true(port_state(c[0])->is_owner);
    g_assert_cmpstr(g.events->str, ==, "o");
    loop_timer_set(c[0]->patience, time_monotonic_ns()); /* it is over */
    fake_settle();
    g_assert_cmpstr(g.events->str, ==, "oco");
    g_assert_true(port_state(c[1])->is_owner);
    fake_leave(&f[0]);
    fake_leave(&f[1]);
    fake_extension = 0;
    guest_unplug(&g);
}

static void one_client_after_the_other(void)
{
    Guest g;
    FakeClient f[2];
    FakeWire *w[2];
    SpiceChannel *c[2];

    guest_plug(&g, "spiceport,id=p,name=org.baton.one");
    for (unsigned i = 0; i < 2; i++) {
        f[i] = fake_client();
        c[i] = fake_open(&f[i], SPICE_CHANNEL_PORT, 0, &w[i]);
        spice_pump(c[i]);
        assert_init(w[i], "org.baton.one", false);
    }
    chardev_set_guest_open(g.c, true);
    fake_say(w[1], SPICE_MSGC_SPICEVMC_DATA, "not mine", 8);
    guest_say(&g, "first", 5);
    for (unsigned i = 0; i < 2; i++) {
        spice_pump(c[i]);
    }
    g_assert_cmpuint(g.got->len, ==, 0);
    assert_event(w[0], 0);
    assert_data(w[0], "first");
    assert_event(w[1], -1);
    fake_leave(&f[0]);
    g_assert_cmpstr(g.events->str, ==, "oco");
    guest_say(&g, "second", 6);
    spice_pump(c[1]);
    assert_event(w[1], 0);
    assert_data(w[1], "second");
    fake_leave(&f[1]);
    guest_unplug(&g);
}

static void ports_may_come_later_and_go(void)
{
    g_autoptr(GByteArray) b = g_byte_array_new();
    Guest g[2];
    FakeClient f = fake_client();
    FakeWire *w;
    SpiceChannel *c;

    fake_say(f.w, SPICE_MSGC_MAIN_ATTACH_CHANNELS, NULL, 0);
    spice_pump(f.main);
    g_assert_true(fake_until(f.w, SPICE_MSG_MAIN_CHANNELS_LIST, b));
    guest_plug(&g[0], "spiceport,id=p0,name=org.baton.one");
    guest_plug(&g[1], "spiceport,id=p1,name=org.baton.two");
    spice_pump(f.main);
    g_assert_true(fake_until(f.w, SPICE_MSG_MAIN_CHANNELS_LIST, b));
    g_assert_cmpmem(b->data, b->len, "\1\0\0\0\12\0", 6);
    g_assert_true(fake_until(f.w, SPICE_MSG_MAIN_CHANNELS_LIST, b));
    g_assert_cmpmem(b->data, b->len, "\1\0\0\0\12\1", 6);
    c = fake_open(&f, SPICE_CHANNEL_PORT, 0, &w);
    guest_unplug(&g[0]);
    g_assert_true(c->is_closed);
    fake_settle();
    g_assert_cmpuint(port_channel_kind.count(), ==, 2);
    g_assert_false(port_channel_kind.has(0));
    g_assert_true(port_channel_kind.has(1));
    c = fake_open(&f, SPICE_CHANNEL_PORT, 0, &w); /* it went while the client linked */
    g_assert_true(c->is_closed);
    guest_unplug(&g[1]);
    fake_leave(&f);
}

/* ---- handoff ---- */

/* Nobody may open it then, and a client is told of a port once. */
static void a_port_that_comes_during_a_handoff_is_told_if_the_guest_stays(void)
{
    g_autoptr(GByteArray) b = g_byte_array_new();
    FakeClient f = fake_client();
    Guest g;

    fake_say(f.w, SPICE_MSGC_MAIN_ATTACH_CHANNELS, NULL, 0);
    spice_pump(f.main);
    g_assert_true(fake_until(f.w, SPICE_MSG_MAIN_CHANNELS_LIST, b));
    f.client->mig.state = MIGRATE_LINKED;
    migrate_freeze();
    guest_plug(&g, "spiceport,id=p,name=org.baton.one");
    spice_pump(f.main);
    g_assert_false(fake_until(f.w, SPICE_MSG_MAIN_CHANNELS_LIST, b));
    migrate_thaw();
    fake_settle();
    spice_pump(f.main);
    g_assert_true(fake_until(f.w, SPICE_MSG_MAIN_CHANNELS_LIST, b));
    g_assert_cmpmem(b->data, b->len, "\1\0\0\0\12\0", 6);
    spice_pump(f.main);
    g_assert_false(fake_until(f.w, SPICE_MSG_MAIN_CHANNELS_LIST, b));
    f.client->mig.state = MIGRATE_STAYS;
    guest_unplug(&g);
    fake_leave(&f);
}

static void save_and_leave(FakeClient *f, SpiceChannel *c, StateWriter *w)
{
    spice_freeze(c);
    channel_state_save(c, w);
    fake_leave(f);
}

static void load(SpiceChannel *c, const StateWriter *w)
{
    GError *err = NULL;
    StateReader r;
    size_t size;
    const uint8_t *data = state_writer_data(w, &size);

    state_reader_init(&r, data, size, "port");
    g_assert_true(channel_state_load(c, &r, &err));
    g_assert_no_error(err);
}

static SpiceChannel *open_quiet(FakeClient *f, FakeWire **ret)
{
    SpiceCaps common = fake_common(), all = {{UINT32_MAX}};
    SpiceEnds ends = {{{0}}};
    SpiceChannel *c;

    *ret = fake_wire();
    c = spice_channel_new(&port_channel_kind, 0, f->client, &(*ret)->wire, &ends, &common, &all);
    g_ptr_array_add(f->client->channels, c);
    spice_channel_wait(c);
    return c;
}

/* The guest has a part of a message when it moves: it gets the rest from the other process, or from its client, which says it
 * again, and sees no other client. */
static void goes_with_the_guest(uint32_t extension)
{
    StateWriter *state = state_writer_new();
    FakeClient f;
    FakeWire *w;
    SpiceChannel *c;
    Guest g;

    fake_extension = extension;
    guest_plug(&g, "spiceport,id=p,name=org.baton.one");
    f = fake_client();
    c = fake_open(&f, SPICE_CHANNEL_PORT, 0, &w);
    chardev_set_guest_open(g.c, true);
    guest_allow(&g, 4);
    fake_say(w, SPICE_MSGC_SPICEVMC_DATA, "0123456789", 10);
    spice_pump(c);
    g_assert_cmpuint(port_state(c)->taken, ==, 4);
    save_and_leave(&f, c, state);
    guest_unplug(&g);

    guest_plug(&g, "spiceport,id=p,name=org.baton.one"); /* the same guest */
    chardev_set_guest_open(g.c, true);
    f = fake_client();
    c = open_quiet(&f, &w);
    g_assert_cmpstr(g.events->str, ==, "");
    load(c, state);
    g_assert_cmpstr(g.events->str, ==, "o"); /* before the machine starts */
    spice_adopt(c, TAIL_NONE);
    replay_begin(c, true);
    port_channel_kind.adopted(c);
    spice_pump(c);
    if (extension) {
        assert_goes_on_with(w, 1, 4);
        fake_say(w, SPICE_MSGC_SPICEVMC_DATA, "0123456789", 10);
    }
    fake_say(w, SPICE_MSGC_SPICEVMC_DATA, "abc", 3);
    for (unsigned i = 0; i < 3; i++) {
        spice_pump(c);
    }
    g_assert_cmpmem(g.got->data, g.got->len, "456789abc", 9);
    guest_say(&g, "back", 4);
    spice_pump(c);
    assert_data(w, "back"); /* and no INIT, no event */
    fake_leave(&f);
    g_assert_cmpstr(g.events->str, ==, "oc");
    guest_unplug(&g);
    state_writer_free(state);
    fake_extension = 0;
}

static void a_port_goes_with_the_guest(void)
{
    goes_with_the_guest(0);
    goes_with_the_guest(FAKE_RETURNS);
}

/* Somebody has opened it before the guest came: whose it is comes with the guest, which sees no change. */
static void a_port_is_not_for_who_was_there_before_the_guest(void)
{
    StateWriter *state = state_writer_new();
    FakeClient f, looker;
    FakeWire *w, *lookers;
    SpiceChannel *c, *early;
    Guest g;

    guest_plug(&g, "spiceport,id=p,name=org.baton.one");
    f = fake_client();
    c = fake_open(&f, SPICE_CHANNEL_PORT, 0, &w);
    chardev_set_guest_open(g.c, true);
    spice_pump(c);
    save_and_leave(&f, c, state);
    guest_unplug(&g);

    guest_plug(&g, "spiceport,id=p,name=org.baton.one");
    looker = fake_client();
    early = fake_open(&looker, SPICE_CHANNEL_PORT, 0, &lookers);
    spice_pump(early);
    assert_init(lookers, "org.baton.one", false);
    chardev_set_guest_open(g.c, true);
    spice_pump(early);
    assert_event(lookers, 0);
    guest_allow(&g, 0);
    fake_say(lookers, SPICE_MSGC_SPICEVMC_DATA, "too early", 9);
    spice_pump(early);
    g_assert_true(early->is_held);
    f = fake_client();
    c = open_quiet(&f, &w);
    load(c, state);
    g_assert_true(port_state(c)->is_owner);
    g_assert_false(port_state(early)->is_owner);
    g_assert_false(early->is_held);
    g_assert_cmpstr(g.events->str, ==, "o");
    spice_adopt(c, TAIL_NONE);
    port_channel_kind.adopted(c);
    guest_allow(&g, 100);
    fake_say(w, SPICE_MSGC_SPICEVMC_DATA, "mine", 4);
    guest_say(&g, "back", 4);
    spice_pump(c);
    spice_pump(early);
    g_assert_cmpmem(g.got->data, g.got->len, "mine", 4);
    assert_data(w, "back");
    assert_event(lookers, 1);
    fake_leave(&f);
    spice_pump(early);
    assert_event(lookers, 0); /* its turn */
    fake_leave(&looker);
    guest_unplug(&g);
    state_writer_free(state);
}

/* The guest sees it closed before and after. */
static void a_port_that_its_client_has_closed_stays_so(void)
{
    StateWriter *state = state_writer_new();
    FakeClient f;
    FakeWire *w;
    SpiceChannel *c;
    Guest g;

    guest_plug(&g, "spiceport,id=p,name=org.baton.one");
    f = fake_client();
    c = fake_open(&f, SPICE_CHANNEL_PORT, 0, &w);
    chardev_set_guest_open(g.c, true);
    fake_say(w, SPICE_MSGC_PORT_EVENT, "\1", 1);
    spice_pump(c);
    g_assert_cmpstr(g.events->str, ==, "oc");
    save_and_leave(&f, c, state);
    guest_unplug(&g);

    guest_plug(&g, "spiceport,id=p,name=org.baton.one");
    chardev_set_guest_open(g.c, true);
    f = fake_client();
    c = open_quiet(&f, &w);
    load(c, state);
    spice_adopt(c, TAIL_NONE);
    port_channel_kind.adopted(c);
    g_assert_cmpstr(g.events->str, ==, "");
    fake_say(w, SPICE_MSGC_PORT_EVENT, "\0", 1);
    spice_pump(c);
    g_assert_cmpstr(g.events->str, ==, "o");
    fake_leave(&f);
    guest_unplug(&g);
    state_writer_free(state);
}

/* Its turn comes while nobody may say anything, and the guest stays. */
static void a_port_has_an_heir_while_it_is_frozen(void)
{
    Guest g;
    FakeClient f[2];
    FakeWire *w[2];
    SpiceChannel *c[2];

    guest_plug(&g, "spiceport,id=p,name=org.baton.one");
    for (unsigned i = 0; i < 2; i++) {
        f[i] = fake_client();
        c[i] = fake_open(&f[i], SPICE_CHANNEL_PORT, 0, &w[i]);
        spice_pump(c[i]);
        assert_init(w[i], "org.baton.one", false);
        spice_freeze(c[i]);
    }
    chardev_set_guest_open(g.c, true);
    fake_leave(&f[0]);
    g_assert_true(port_state(c[1])->is_owner);
    spice_thaw(c[1]);
    fake_settle();
    guest_say(&g, "yours", 5);
    spice_pump(c[1]);
    assert_event(w[1], 0);
    assert_data(w[1], "yours");
    fake_leave(&f[1]);
    guest_unplug(&g);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    loop_init();
    runstate_init();
    vm_lock();
    input_init();
    server_init();
    ports_start();
    g_test_add_func("/ui/spice/port/a_port_is_named_opened_and_echoed", a_port_is_named_opened_and_echoed);
    g_test_add_func("/ui/spice/port/both_sides_wait_for_room", both_sides_wait_for_room);
    g_test_add_func("/ui/spice/port/what_the_guest_has_closed_does_not_wait", what_the_guest_has_closed_does_not_wait);
    g_test_add_func("/ui/spice/port/a_port_is_kept_for_who_comes_back", a_port_is_kept_for_who_comes_back);
    g_test_add_func("/ui/spice/port/half_a_message_is_for_who_had_its_beginning", half_a_message_is_for_who_had_its_beginning);
    g_test_add_func("/ui/spice/port/who_is_away_keeps_its_port_for_a_while", who_is_away_keeps_its_port_for_a_while);
    g_test_add_func("/ui/spice/port/one_client_after_the_other", one_client_after_the_other);
    g_test_add_func("/ui/spice/port/ports_may_come_later_and_go", ports_may_come_later_and_go);
    g_test_add_func("/ui/spice/port/a_port_goes_with_the_guest", a_port_goes_with_the_guest);
    g_test_add_func("/ui/spice/port/a_port_is_not_for_who_was_there_before_the_guest",
                    a_port_is_not_for_who_was_there_before_the_guest);
    g_test_add_func("/ui/spice/port/a_port_that_its_client_has_closed_stays_so", a_port_that_its_client_has_closed_stays_so);
    g_test_add_func("/ui/spice/port/a_port_has_an_heir_while_it_is_frozen", a_port_has_an_heir_while_it_is_frozen);
    g_test_add_func("/ui/spice/port/a_port_that_comes_during_a_handoff_is_told_if_the_guest_stays",
                    a_port_that_comes_during_a_handoff_is_told_if_the_guest_stays);
    return g_test_run();
}
