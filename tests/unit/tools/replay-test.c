/* tests/unit/tools/replay-test.c - acknowledge and replay: whatever is cut, the guest gets all of it, once and in order.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "view-fake.h"
#include "chardev/chardev.h"
#include "qapi/opts.h"
#include "tools/view/outbox.h"
#include "ui/spice/ports.h"
#include "ui/spice/replay.h"
#include "util/bytes.h"

#include <errno.h>

/* ---- the numbering alone, against a model ---- */

typedef struct Model {
    Outbox box;
    uint32_t added, taken;      /* messages are their own numbers */
    uint32_t wire[64];          /* on their way, from `head` on */
    unsigned head, tail;
    uint64_t committed;         /* on its way back; 0: nothing */
    uint32_t bytes, messages;   /* the window */
} Model;

static void model_send(Model *m)
{
    const OutboxMessage *o;

    while (m->tail < G_N_ELEMENTS(m->wire) && (o = outbox_next(&m->box))) {
        m->wire[m->tail++] = load_le32(o->body->data);
        g_assert_cmpuint(o->type, ==, load_le32(o->body->data) % 100);
        g_assert_cmpuint(m->box.unsent - m->box.first, <=, MAX(m->messages, 1));
        g_assert_true(m->box.sent_bytes <= m->bytes || m->box.unsent - m->box.first == 1);
    }
}

static void model_receive(Model *m, unsigned n)
{
    for (; n && m->head < m->tail; n--) {
        g_assert_cmpuint(m->wire[m->head++], ==, ++m->taken); /* once, in order */
        if (g_test_rand_bit()) {
            m->committed = m->taken;
        }
    }
    if (m->head == m->tail) {
        m->head = m->tail = 0;
    }
}

/* What was on its way either way is gone. */
static void model_cut(Model *m)
{
    uint64_t lost;

    m->head = m->tail = 0;
    m->committed = 0;
    outbox_hold(&m->box);
    g_assert_null(outbox_next(&m->box));
    g_assert_true(outbox_adopt(&m->box, m->taken + 1, &lost));
    g_assert_cmpuint(lost, ==, 0);
}

static void model_step(Model *m)
{
    uint8_t body[40];

    switch (g_test_rand_int_range(0, 8)) {
    case 0: case 1:
        store_le32(body, ++m->added);
        outbox_add(&m->box, m->added % 100, body, g_test_rand_int_range(4, sizeof(body)));
        break;
    case 2: case 3:
        model_send(m);
        break;
    case 4: case 5:
        model_receive(m, g_test_rand_int_range(1, 5));
        break;
    case 6:
        g_assert_true(outbox_commit(&m->box, m->committed));
        break;
    default:
        if (!g_test_rand_int_range(0, 3)) {
            model_cut(m);
        }
    }
}

static void numbers_survive_any_cut(void)
{
    for (unsigned round = 0; round < 200; round++) {
        Model m = {.bytes = g_test_rand_int_range(1, 300), .messages = g_test_rand_int_range(1, 20)};

        outbox_init(&m.box);
        outbox_window(&m.box, m.bytes, m.messages);
        for (unsigned step = 0; step < 400; step++) {
            model_step(&m);
        }
        while (m.taken < m.added) {
            g_assert_true(outbox_commit(&m.box, m.taken));
            model_send(&m);
            model_receive(&m, 64);
        }
        g_assert_true(outbox_commit(&m.box, m.taken));
        g_assert_cmpuint(m.box.kept.length, ==, 0);
        outbox_clear(&m.box);
    }
}

static void a_server_cannot_acknowledge_what_was_not_said(void)
{
    Outbox b;
    uint64_t lost;

    outbox_init(&b);
    for (unsigned i = 0; i < 5; i++) {
        outbox_add(&b, i, "x", 1);
    }
    g_assert_false(outbox_commit(&b, 1));
    g_assert_false(outbox_adopt(&b, 2, &lost));
    outbox_next(&b);
    outbox_next(&b);
    g_assert_false(outbox_commit(&b, 3));
    g_assert_false(outbox_commit(&b, UINT64_MAX));
    g_assert_true(outbox_commit(&b, 2));
    g_assert_true(outbox_commit(&b, 1)); /* an old one */
    outbox_next(&b);
    g_assert_true(outbox_adopt(&b, 0, &lost)); /* nobody knows: what was said is not said again */
    g_assert_cmpuint(lost, ==, 1);
    g_assert_cmpuint(outbox_next(&b)->type, ==, 3);
    g_assert_cmpuint(b.unsent, ==, 2);
    outbox_clear(&b);
}

static void only_who_asks_hears_of_it(void)
{
    SpiceCaps stock = {{0xd, 0, 0, 0}}, ours = {{0xd, 0, 0, UINT32_MAX}}, offer = replay_offer(&stock);

    for (unsigned i = 0; i < CAPS_WORDS; i++) {
        g_assert_cmpuint(offer.word[i], ==, 0);
    }
    offer = replay_offer(&ours);
    g_assert_cmphex(offer.word[3], ==, 7);
    g_assert_true(replay_counts(SPICE_CHANNEL_INPUTS, SPICE_MSGC_INPUTS_KEY_SCANCODE));
    g_assert_true(replay_counts(SPICE_CHANNEL_MAIN, SPICE_MSGC_MAIN_AGENT_DATA));
    g_assert_false(replay_counts(SPICE_CHANNEL_MAIN, SPICE_MSGC_MAIN_MIGRATE_CONNECTED));
    g_assert_true(replay_counts(SPICE_CHANNEL_PORT, SPICE_MSGC_SPICEVMC_DATA));
    g_assert_true(replay_counts(SPICE_CHANNEL_PORT, SPICE_MSGC_PORT_EVENT));
    g_assert_false(replay_counts(SPICE_CHANNEL_INPUTS, SPICE_MSGC_ACK));
    g_assert_false(replay_counts(SPICE_CHANNEL_DISPLAY, SPICE_MSGC_DISPLAY_INIT));
}

/* ---- the viewer and the server, with connections that break ---- */

typedef struct CutWire {        /* over a socket: breaks after so many bytes; the last of what is written never arrives */
    SpiceWire wire;
    size_t reads, writes;
    bool is_over;
} CutWire;

static unsigned cuts;
static bool may_cut;

static ssize_t broken(SpiceWire *wire)
{
    cuts++;
    wire_hang_up(wire->lower);
    return -ECONNRESET;
}

static ssize_t cut_read(SpiceWire *wire, void *buf, size_t size)
{
    CutWire *w = (CutWire *)wire;
    ssize_t n;

    if (!may_cut) {
        return wire_read(wire->lower, buf, size);
    }
    if (!w->reads || w->is_over) {
        return broken(wire);
    }
    n = wire_read(wire->lower, buf, MIN(size, w->reads));
    w->reads -= MAX(n, 0);
    return n;
}

static ssize_t cut_write(SpiceWire *wire, const struct iovec *iov, int n)
{
    CutWire *w = (CutWire *)wire;
    struct iovec first = {iov->iov_base, iov->iov_len};
    ssize_t done;

    if (!may_cut) {
        return wire_write(wire->lower, iov, n);
    }
    if (w->writes) {
        first.iov_len = MIN(first.iov_len, w->writes);
        done = wire_write(wire->lower, &first, 1);
        w->writes -= MAX(done, 0);
        return done;
    }
    if (w->is_over) {
        return broken(wire);
    }
    w->is_over = true;
    wire_hang_up(wire->lower);
    return first.iov_len; /* it does not arrive */
}

static const WireOps cut_ops = {.read = cut_read, .write = cut_write};

static SpiceWire *cut_connect(void *opaque, const ViewPlace *to, GError **errp)
{
    CutWire *w = (CutWire *)wire_over(fake_connect(opaque, to, errp), &cut_ops, sizeof(*w));

    w->reads = g_test_rand_int_range(1, 20000);
    w->writes = g_test_rand_int_range(1, 2000);
    return &w->wire;
}

static const SessionHost cut_host = {.connect = cut_connect, .say = fake_say, .over = fake_over};

static unsigned space;          /* events that the guest takes now */

static bool little_room(InputSink *s, unsigned events)
{
    return space >= events;
}

static void take_and_fill(InputSink *s, const InputEvent *e)
{
    space -= MIN(space, 1);
    fake_take(s, e);
}

static void turn(ViewSession *s)
{
    if (!g_main_context_iteration(NULL, FALSE) || !g_test_rand_int_range(0, 4)) {
        space += g_test_rand_int_range(1, 6);
        input_room(&fake_sink);
    }
    if (s->is_over) {
        g_error("it is over; said:\n%s", said->str);
    }
}

#define KEYS 400
#define CUTS 4

static void expect_keys(const GString *wanted)
{
    if (strcmp(typed->str, wanted->str)) {
        g_error("typed %zu of %zu: ...%.40s; said:\n%.2000s", typed->len, wanted->len, typed->str + MAX(typed->len, 40) - 40,
                said->str + MAX(said->len, 2000) - 2000);
    }
}

static void no_key_is_lost_or_doubled(void)
{
    ViewPlace at = {.host = (char *)"here", .port = 1};
    g_autoptr(GString) wanted = g_string_new(NULL);
    int64_t limit = time_monotonic_ns() + 50 * NS_PER_SEC;
    ViewSession *s;

    g_string_truncate(said, 0);
    g_string_truncate(typed, 0);
    may_cut = false;
    s = session_new(&cut_host, NULL, &at, NULL);
    session_start(s);
    until(has_marked, s);
    fake_sink.room = little_room;
    fake_sink.event = take_and_fill;
    may_cut = true;
    for (unsigned key = 0; key < KEYS;) {
        uint8_t codes[12];
        unsigned n = 2 * g_test_rand_int_range(1, 7);

        for (unsigned i = 0; i < n; i += 2, key++) { /* several in a message: the guest may have half of it */
            codes[i] = 2 + key % 50;
            codes[i + 1] = codes[i] | 0x80;
            g_string_append_printf(wanted, "+%u -%u ", codes[i], codes[i]);
        }
        g_assert_true(view_scancodes(s, codes, n));
        turn(s);
    }
    while ((typed->len < wanted->len || cuts < CUTS) && time_monotonic_ns() < limit) {
        turn(s);
        if (!g_test_rand_int_range(0, 50)) {
            paint(typed->len); /* so that its channel has something to lose */
        }
    }
    expect_keys(wanted);
    g_assert_cmpuint(cuts, >=, CUTS);
    may_cut = false;
    space = 1000;
    until(shows_it, s);
    fake_sink.room = fake_has_room;
    fake_sink.event = fake_take;
    end_session(s);
}

/* ---- a port ---- */

#define PORT_BYTES 20000

typedef struct PortGuest {
    Chardev *c;
    size_t room, got;
} PortGuest;

static size_t port_can_read(void *opaque)
{
    return MIN(((PortGuest *)opaque)->room, 50);
}

static uint8_t port_byte(size_t at)
{
    return at * 7 + (at >> 8);
}

static void port_read(void *opaque, const uint8_t *data, size_t size)
{
    PortGuest *g = opaque;

    g->room -= size;
    for (size_t i = 0; i < size; i++) {
        g_assert_cmphex(data[i], ==, port_byte(g->got++));
    }
}

static void port_event(void *opaque, ChardevEvent event)
{
}

static const ChardevHandlers port_handlers = {port_can_read, port_read, port_event, .is_guest = true};

static bool has_port(const ViewSession *s)
{
    return strstr(said->str, "port 0 open\n") || strstr(said->str, "port 0 open org.baton.one\n");
}

static void no_byte_for_a_port_is_lost_or_doubled(void)
{
    ViewPlace at = {.host = (char *)"here", .port = 1};
    g_autoptr(Json) options = opts_parse("spiceport,id=p,name=org.baton.one", "backend", NULL, NULL);
    int64_t limit = time_monotonic_ns() + 50 * NS_PER_SEC;
    PortGuest g = {.c = chardev_add(options, NULL)};
    uint8_t bytes[300];
    ViewSession *s;

    g_assert_true(chardev_claim(g.c, &port_handlers, &g, NULL));
    ports_start();
    chardev_set_guest_open(g.c, true);
    g_string_truncate(said, 0);
    may_cut = false;
    s = session_new(&cut_host, NULL, &at, NULL);
    s->has_ports = true;
    session_start(s);
    until(has_port, s);
    may_cut = true;
    cuts = 0;
    for (size_t done = 0; done < PORT_BYTES;) {
        uint32_t n = g_test_rand_int_range(1, sizeof(bytes));

        n = MIN(n, PORT_BYTES - done);
        for (uint32_t i = 0; i < n; i++) {
            bytes[i] = port_byte(done++);
        }
        g_assert_true(view_port_say(s, 0, bytes, n));
    }
    while ((g.got < PORT_BYTES || cuts < CUTS) && time_monotonic_ns() < limit) {
        g.room += g_test_rand_int_range(0, 100);
        chardev_accept_input(g.c);
        turn(s);
        if (g.got == PORT_BYTES && !g_test_rand_int_range(0, 50)) {
            paint(g.room);
        }
    }
    g_assert_cmpuint(g.got, ==, PORT_BYTES);
    g_assert_cmpuint(cuts, >=, CUTS);
    may_cut = false;
    end_session(s);
    ports_stop();
    chardev_release(g.c);
    g_assert_true(chardev_delete("p", NULL));
}

static bool has_lost_main(const ViewSession *s)
{
    SpiceChannel *c = server_find_channel(s->id, SPICE_CHANNEL_MAIN, 0);

    return c && c->is_lost;
}

static bool has_resumed_main(const ViewSession *s)
{
    return strstr(said->str, "resumed main 0\n");
}

static void a_lost_session_is_kept_for_a_bounded_time(void)
{
    ViewSession *s = new_session(NULL);
    SpiceChannel *c;

    until(has_marked, s);
    c = server_find_channel(s->id, SPICE_CHANNEL_MAIN, 0);
    shutdown(c->wire->fd, SHUT_RDWR);
    until(has_lost_main, s);
    g_assert_true(loop_timer_pending(c->patience)); /* REPLAY_PARK_NS */
    until(has_resumed_main, s);
    g_assert_false(c->is_lost);
    g_assert_false(loop_timer_pending(c->patience));
    g_assert_cmpuint(server()->clients->len, ==, 1);
    end_session(s);
}

static void who_says_goodbye_is_not_waited_for(void)
{
    ViewSession *s = new_session(NULL);
    int64_t limit = time_monotonic_ns() + 20 * NS_PER_SEC;

    until(has_marked, s);
    session_free(s);
    while (server()->clients->len && time_monotonic_ns() < limit) {
        g_main_context_iteration(NULL, TRUE);
    }
    g_assert_cmpuint(server()->clients->len, ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    prepare();
    g_test_add_func("/tools/replay/numbers_survive_any_cut", numbers_survive_any_cut);
    g_test_add_func("/tools/replay/a_server_cannot_acknowledge_what_was_not_said", a_server_cannot_acknowledge_what_was_not_said);
    g_test_add_func("/tools/replay/only_who_asks_hears_of_it", only_who_asks_hears_of_it);
    g_test_add_func("/tools/replay/no_key_is_lost_or_doubled", no_key_is_lost_or_doubled);
    g_test_add_func("/tools/replay/no_byte_for_a_port_is_lost_or_doubled", no_byte_for_a_port_is_lost_or_doubled);
    g_test_add_func("/tools/replay/a_lost_session_is_kept_for_a_bounded_time", a_lost_session_is_kept_for_a_bounded_time);
    g_test_add_func("/tools/replay/who_says_goodbye_is_not_waited_for", who_says_goodbye_is_not_waited_for);
    return g_test_run();
}
