/* tests/unit/ui/spice-channel-test.c - messages of a channel: framing, windows, bounds.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "spice-fake.h"
#include "ui/spice/server.h"

#include <spice/protocol.h>

#define SAY_MORE 150

typedef struct Toy {
    SpiceChannel c;
    GString *got;       /* first letter of each body */
    unsigned rooms, more;
    bool is_full, one_at_a_time;
} Toy;

static Taken take_letter(SpiceChannel *c, const uint8_t *data, uint32_t size)
{
    Toy *t = (Toy *)c;

    if (t->is_full) {
        return TAKE_LATER;
    }
    g_string_append_c(t->got, size ? data[0] : '-');
    return size && data[0] == '!' ? TAKE_BAD : TAKEN;
}

static const MessageRow toy_rows[] = {{"letter", 101, 0, 5000, take_letter}, {"nothing", 102, 4, 4}, {}};

static unsigned toy_count(void)
{
    return 1;
}

static void toy_start(SpiceChannel *c)
{
    ((Toy *)c)->got = g_string_new(NULL);
}

static void toy_room(SpiceChannel *c)
{
    Toy *t = (Toy *)c;

    t->rooms++;
    for (; t->more && spice_has_room(c); t->more--) {
        spice_send(c, SAY_MORE, NULL);
        if (t->one_at_a_time) {
            t->more--;
            return;
        }
    }
}

static const ChannelKind toy = {.type = SPICE_CHANNEL_PORT, .size = sizeof(Toy), .rows = toy_rows, .count = toy_count,
                                .start = toy_start, .room = toy_room};
static const ChannelKind windowed = {.type = SPICE_CHANNEL_PORT, .size = sizeof(Toy), .rows = toy_rows, .count = toy_count,
                                     .start = toy_start, .room = toy_room, .has_window = true};

static Toy *toy_new(const ChannelKind *kind, FakeWire *w)
{
    SpiceCaps mini = {{1 << SPICE_COMMON_CAP_MINI_HEADER}}, none = {{0}};
    SpiceEnds ends = {{{0}}};
    Toy *t = (Toy *)spice_channel_new(kind, 0, NULL, &w->wire, &ends, &mini, &none);

    spice_channel_start(&t->c);
    return t;
}

static void toy_end(Toy *t)
{
    g_string_free(t->got, true);
    spice_close(&t->c);
    fake_settle(); /* it is freed by the loop */
}

/* ---- reading ---- */

static void messages_may_come_in_any_pieces(void)
{
    static const size_t pieces[] = {1, 2, 5, 7, 0};

    for (unsigned i = 0; i < G_N_ELEMENTS(pieces); i++) {
        FakeWire *w = fake_wire();
        Toy *t = toy_new(&toy, w);

        w->piece = pieces[i];
        fake_say(w, 101, "abc", 3);
        fake_say(w, 101, "", 0);
        fake_say(w, 102, "1234", 4);
        fake_say(w, 101, "z", 1);
        spice_pump(&t->c);
        g_assert_cmpstr(t->got->str, ==, "a-z");
        g_assert_cmpuint(t->c.st.received, ==, 4);
        toy_end(t);
    }
}

static void what_no_row_allows_ends_the_channel(void)
{
    static const struct {
        uint16_t type;
        uint32_t size;
    } cases[] = {{103, 0}, {0, 0}, {5, 1}, {102, 3}, {102, 5}, {101, 5001}, {101, UINT32_MAX}, {1, 3}, {2, 1}, {3, 11}};

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        FakeWire *w = fake_wire();
        Toy *t = toy_new(&toy, w);

        put_u16(w->in, cases[i].type);
        put_u32(w->in, cases[i].size);
        spice_pump(&t->c);
        g_assert_true(t->c.is_closed);
        g_assert_cmpuint(t->c.body->len, ==, 0);
        toy_end(t);
    }
}

static void malformed_bodies_end_the_channel(void)
{
    FakeWire *w = fake_wire();
    Toy *t = toy_new(&toy, w);

    fake_say(w, 101, "!", 1);
    fake_say(w, 101, "x", 1);
    spice_pump(&t->c);
    g_assert_true(t->c.is_closed);
    g_assert_cmpstr(t->got->str, ==, "!");
    toy_end(t);
}

static void a_message_without_room_comes_again(void)
{
    FakeWire *w = fake_wire();
    Toy *t = toy_new(&toy, w);

    t->is_full = true;
    fake_say(w, 101, "a", 1);
    fake_say(w, 101, "b", 1);
    spice_pump(&t->c);
    g_assert_cmpstr(t->got->str, ==, "");
    g_assert_cmpuint(w->in->len, ==, 7); /* b is not read */
    t->is_full = false;
    spice_resume(&t->c);
    spice_pump(&t->c);
    g_assert_cmpstr(t->got->str, ==, "ab");
    toy_end(t);
}

/* ---- writing ---- */

static void slow_readers_get_whole_messages(void)
{
    FakeWire *w = fake_wire();
    Toy *t = toy_new(&toy, w);
    g_autoptr(GByteArray) body = g_byte_array_new(), copy = g_byte_array_new();

    put_bytes(body, "hello", 5);
    w->room = 8;
    spice_send(&t->c, 120, g_byte_array_ref(body));
    spice_send(&t->c, 121, NULL);
    spice_pump(&t->c);
    g_assert_cmpuint(fake_hear(w, NULL), ==, 0);
    g_assert_cmpuint(t->c.st.sent, ==, 1); /* the second has no serial yet: it could still go with the guest */
    w->room = SIZE_MAX;
    spice_pump(&t->c);
    g_assert_cmpuint(fake_hear(w, copy), ==, 120);
    g_assert_cmpmem(copy->data, copy->len, "hello", 5);
    g_assert_cmpuint(fake_hear(w, NULL), ==, 121);
    g_assert_cmpuint(t->c.st.sent, ==, 2);
    g_assert_cmpuint(t->c.out_bytes, ==, 0);
    toy_end(t);
}

static void who_never_reads_is_dropped(void)
{
    FakeWire *w = fake_wire();
    Toy *t = toy_new(&toy, w);

    w->room = 0;
    for (unsigned i = 0; !t->c.is_closed; i++) {
        GByteArray *b = g_byte_array_new();

        g_assert_cmpuint(i, <, 20);
        g_byte_array_set_size(b, 1024 * 1024);
        g_assert_true(spice_has_room(&t->c) == !i);
        spice_send(&t->c, 120, b);
    }
    spice_send(&t->c, 120, NULL); /* to nobody */
    toy_end(t);
}

/* What a guest writes byte by byte fills no queue to the bound at which a client is dropped. */
static void small_messages_stop_before_the_bound(void)
{
    FakeWire *w = fake_wire();
    Toy *t = toy_new(&toy, w);

    w->room = 0;
    t->more = 2 * CHANNEL_QUEUE_MESSAGES_MAX;
    spice_pump(&t->c);
    g_assert_false(t->c.is_closed);
    g_assert_cmpuint(t->more, >, CHANNEL_QUEUE_MESSAGES_MAX);
    g_assert_false(spice_has_room(&t->c));
    toy_end(t);
}

/* ---- the window ---- */

static unsigned heard(FakeWire *w)
{
    unsigned n = 0;

    while (fake_hear(w, NULL)) {
        n++;
    }
    return n;
}

static void answer_ack(FakeWire *w, uint32_t generation)
{
    generation = GUINT32_TO_LE(generation);
    fake_say(w, SPICE_MSGC_ACK_SYNC, &generation, 4);
}

static void unacknowledged_messages_stop_the_flow(void)
{
    FakeWire *w = fake_wire();
    Toy *t = toy_new(&windowed, w);

    t->more = 1000;
    spice_pump(&t->c);
    g_assert_cmpuint(heard(w), ==, 2 * CHANNEL_ACK_WINDOW + 1);
    spice_pump(&t->c);
    g_assert_cmpuint(heard(w), ==, 0);
    fake_say(w, SPICE_MSGC_ACK, NULL, 0); /* before the sync: of whatever was before */
    spice_pump(&t->c);
    g_assert_cmpuint(heard(w), ==, 0);
    answer_ack(w, 99);
    fake_say(w, SPICE_MSGC_ACK, NULL, 0);
    spice_pump(&t->c);
    g_assert_cmpuint(heard(w), ==, 0);
    answer_ack(w, 1);
    fake_say(w, SPICE_MSGC_ACK, NULL, 0);
    spice_pump(&t->c);
    g_assert_cmpuint(heard(w), ==, CHANNEL_ACK_WINDOW);
    toy_end(t);
}

/* Only the loop calls: each time the socket has taken all there was, the channel is asked for more. */
static void who_has_more_to_say_is_asked_again(void)
{
    FakeWire *w = fake_wire();
    Toy *t = toy_new(&toy, w);

    t->more = 10;
    t->one_at_a_time = true;
    spice_poke(&t->c);
    for (int64_t until = time_monotonic_ns() + 30 * NS_PER_SEC; t->more && time_monotonic_ns() < until;) {
        g_main_context_iteration(NULL, true);
    }
    g_assert_cmpuint(t->more, ==, 0);
    fake_settle();
    g_assert_cmpuint(heard(w), ==, 10);
    toy_end(t);
}

static void acks_out_of_nothing_do_no_harm(void)
{
    FakeWire *w = fake_wire();
    Toy *t = toy_new(&windowed, w);

    answer_ack(w, 1);
    for (unsigned i = 0; i < 100; i++) {
        fake_say(w, SPICE_MSGC_ACK, NULL, 0);
    }
    spice_pump(&t->c);
    g_assert_cmpuint(t->c.st.unacked, ==, 0);
    t->more = 1000;
    spice_pump(&t->c);
    g_assert_cmpuint(heard(w), <=, 2 * CHANNEL_ACK_WINDOW + 3);
    toy_end(t);
}

static void each_set_ack_is_a_new_generation(void)
{
    FakeWire *w = fake_wire();
    Toy *t = toy_new(&windowed, w);

    answer_ack(w, 1);
    spice_pump(&t->c);
    g_assert_true(t->c.st.ack_is_synced);
    spice_set_ack(&t->c);
    answer_ack(w, 1);
    spice_pump(&t->c);
    g_assert_false(t->c.st.ack_is_synced);
    answer_ack(w, 2);
    spice_pump(&t->c);
    g_assert_true(t->c.st.ack_is_synced);
    toy_end(t);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    loop_init();
    server_init();
    g_test_add_func("/ui/spice/channel/messages_may_come_in_any_pieces", messages_may_come_in_any_pieces);
    g_test_add_func("/ui/spice/channel/what_no_row_allows_ends_the_channel", what_no_row_allows_ends_the_channel);
    g_test_add_func("/ui/spice/channel/malformed_bodies_end_the_channel", malformed_bodies_end_the_channel);
    g_test_add_func("/ui/spice/channel/a_message_without_room_comes_again", a_message_without_room_comes_again);
    g_test_add_func("/ui/spice/channel/slow_readers_get_whole_messages", slow_readers_get_whole_messages);
    g_test_add_func("/ui/spice/channel/who_never_reads_is_dropped", who_never_reads_is_dropped);
    g_test_add_func("/ui/spice/channel/small_messages_stop_before_the_bound", small_messages_stop_before_the_bound);
    g_test_add_func("/ui/spice/channel/unacknowledged_messages_stop_the_flow", unacknowledged_messages_stop_the_flow);
    g_test_add_func("/ui/spice/channel/who_has_more_to_say_is_asked_again", who_has_more_to_say_is_asked_again);
    g_test_add_func("/ui/spice/channel/acks_out_of_nothing_do_no_harm", acks_out_of_nothing_do_no_harm);
    g_test_add_func("/ui/spice/channel/each_set_ack_is_a_new_generation", each_set_ack_is_a_new_generation);
    return g_test_run();
}
