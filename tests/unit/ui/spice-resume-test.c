/* tests/unit/ui/spice-resume-test.c - connections that are lost, and clients that come back: what is kept, and what a handoff does.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "qapi/qapi-commands.h"
#include "spice-moving.h"

#include <sys/socket.h>
#include <unistd.h>

static const uint8_t three[] = {0x1e, 0x9e, 0x30, 0xb0, 0x2e, 0xae}; /* keys, in one message */

static void cut(Session *s, unsigned channel)
{
    s->w[channel]->is_ended = true;
    spice_pump(s->c[channel]);
    g_assert_true(s->c[channel]->is_lost);
}

static void come_back(Session *s, unsigned channel)
{
    s->w[channel] = fake_come_back(s->c[channel]);
}

/* Others are passed over. */
static void assert_hears_later(Session *s, unsigned channel, uint16_t wanted, GByteArray *ret_body)
{
    uint16_t type;

    spice_pump(s->c[channel]);
    while ((type = fake_hear(s->w[channel], ret_body)) && type != wanted) {
    }
    g_assert_cmpuint(type, ==, wanted);
}

static void assert_goes_on_with(Session *s, unsigned channel, uint64_t next, uint32_t partial)
{
    g_autoptr(GByteArray) body = g_byte_array_new();

    assert_hears_later(s, channel, REPLAY_ADOPT, body);
    g_assert_cmpuint(load_le64(body->data), ==, next);
    g_assert_cmpuint(load_le32(body->data + 8), ==, partial);
}

static void answer(Session *s)
{
    say(s, MAIN, SPICE_MSGC_MAIN_MIGRATE_CONNECTED_SEAMLESS, NULL, 0);
    g_assert_cmpint(s->client->mig.state, ==, MIGRATE_LINKED);
}

/* ---- numbers ---- */

static void what_the_guest_has_half_is_ended_on_another_connection(void)
{
    Session s;

    fake_extension = FAKE_RETURNS;
    s = link_client(SESSION, ALL_CAPS, false);
    assert_goes_on_with(&s, INPUTS, 1, 0);
    type_key(&s, 0x10);
    space = 3;
    say(&s, INPUTS, SPICE_MSGC_INPUTS_KEY_SCANCODE, three, sizeof(three));
    assert_typed("k16=1 k16=0 k30=1 k30=0 k48=1 ");
    come_back(&s, INPUTS); /* the old one seems to be alive */
    assert_goes_on_with(&s, INPUTS, 2, 3);
    space = 1000;
    say(&s, INPUTS, SPICE_MSGC_INPUTS_KEY_SCANCODE, three, sizeof(three));
    type_key(&s, 0x11);
    assert_typed("k48=0 k46=1 k46=0 k17=1 k17=0 ");
    come_back(&s, INPUTS);
    assert_goes_on_with(&s, INPUTS, 4, 0);
    end_test();
}

static void who_replays_has_no_tail(void)
{
    Session a, b;
    g_autoptr(GByteArray) state = NULL;

    fake_extension = FAKE_RETURNS;
    a = linked_client();
    space = 3;
    say(&a, INPUTS, SPICE_MSGC_INPUTS_KEY_SCANCODE, three, sizeof(three));
    assert_typed("k30=1 k30=0 k48=1 ");
    guest_stops();
    type_key(&a, 0x20);
    state = guest_is_saved();
    guest_has_left();
    g_assert_cmpuint(tails_done, ==, 1); /* nobody's last word is awaited */
    for (unsigned i = 0; i < CHANNELS; i++) {
        g_autoptr(GByteArray) flags = g_byte_array_new();

        assert_hears_later(&a, i, SPICE_MSG_MIGRATE, flags);
        g_assert_cmpuint(load_le32(flags->data), ==, 0);
    }
    type_key(&a, 0x21);
    hang_up(&a);
    space = 1000;
    end_side();

    b = destination_client(MIGRATE_VERSION);
    guest_arrives(state);
    deliver();
    assert_typed("");
    assert_goes_on_with(&b, INPUTS, 1, 3);
    say(&b, INPUTS, SPICE_MSGC_INPUTS_KEY_SCANCODE, three, sizeof(three));
    type_key(&b, 0x20);
    assert_typed("k48=0 k46=1 k46=0 k32=1 k32=0 ");
    end_test();
}

/* A number that is said twice would have the client say all of it twice. */
static void where_to_go_on_is_said_once_on_a_connection(void)
{
    Session a, b;
    g_autoptr(GByteArray) state = NULL;
    unsigned adopts = 0;
    uint16_t type;

    fake_extension = FAKE_RETURNS;
    a = linked_client();
    type_key(&a, 0x10);
    come_back(&a, INPUTS);
    a.w[INPUTS]->room = 0; /* the source cannot say it any more, */
    patience_ms = 20;      /* and gives it up */
    assert_hears_later(&a, MAIN, SPICE_MSG_MAIN_MIGRATE_BEGIN_SEAMLESS, NULL);
    answer(&a);
    guest_stops();
    state = guest_is_saved();
    guest_has_left();
    end_side();
    b = destination_client(MIGRATE_VERSION);
    guest_arrives(state);
    spice_pump(b.c[INPUTS]);
    while ((type = fake_hear(b.w[INPUTS], NULL))) {
        adopts += type == REPLAY_ADOPT;
    }
    g_assert_cmpuint(adopts, ==, 1);
    g_assert_cmpuint(b.c[INPUTS]->replay.st.taken, ==, 1);
    end_test();
}

/* ---- what is kept ---- */

static unsigned connections(void)
{
    SpiceInfo *info = qmp_query_spice(NULL);
    unsigned n = 0;

    for (const SpiceChannelInfoList *at = info->channels; at; at = at->next) {
        n++;
    }
    SpiceInfo_free(info);
    return n;
}

static void who_does_not_come_back_is_gone_when_its_time_is_over(void)
{
    static const uint8_t down = 0x2a;
    int64_t before = time_monotonic_ns();
    Session s;

    fake_extension = FAKE_RETURNS;
    s = source_client();
    say(&s, INPUTS, SPICE_MSGC_INPUTS_KEY_SCANCODE, &down, 1);
    g_assert_cmpuint(connections(), ==, CHANNELS);
    cut(&s, DISPLAY);
    cut(&s, MAIN);
    g_assert_cmpuint(connections(), ==, CHANNELS - 2);
    come_back(&s, MAIN);
    g_assert_cmpuint(connections(), ==, CHANNELS - 1);
    g_assert_false(loop_timer_pending(s.c[MAIN]->patience));
    cut(&s, MAIN);
    g_assert_true(loop_timer_pending(s.c[MAIN]->patience));
    assert_typed("k42=1 ");
    loop_timer_set(s.c[MAIN]->patience, before); /* it is over */
    fake_settle();
    g_assert_cmpuint(server()->clients->len, ==, 0);
    assert_typed("k42=0 ");
    end_test();
}

/* ---- a handoff while a client is away ---- */

/* Whichever connection it is, its way to the destination is taken back; when it is here again it is asked again. */
static void who_loses_a_connection_on_the_way_is_asked_again(void)
{
    static const unsigned lost[] = {MAIN, DISPLAY, INPUTS, CURSOR};

    for (unsigned i = 0; i < 2 * G_N_ELEMENTS(lost); i++) {
        bool was_linked = i & 1;
        Session s;

        fake_extension = FAKE_RETURNS;
        s = source_client();
        name_target();
        assert_hears(&s, MAIN, SPICE_MSG_MAIN_MIGRATE_BEGIN_SEAMLESS);
        if (was_linked) {
            answer(&s);
        }
        cut(&s, lost[i / 2]);
        g_assert_cmpint(s.client->mig.state, ==, MIGRATE_APART);
        g_assert_cmpuint(migrate_count(MIGRATE_ASKING), ==, 0); /* nobody is waited for */
        if (lost[i / 2] != MAIN) {
            assert_hears(&s, MAIN, SPICE_MSG_MAIN_MIGRATE_CANCEL);
        }
        if (lost[i / 2] != MAIN && !was_linked) { /* each question has its answer */
            say(&s, MAIN, SPICE_MSGC_MAIN_MIGRATE_CONNECT_ERROR, NULL, 0);
        }
        come_back(&s, lost[i / 2]);
        assert_hears_later(&s, MAIN, SPICE_MSG_MAIN_MIGRATE_BEGIN_SEAMLESS, NULL);
        answer(&s);
        end_test();
    }
}

static void who_is_away_when_the_others_are_told_is_asked_when_it_is_back(void)
{
    Session s;

    fake_extension = FAKE_RETURNS;
    s = source_client();
    cut(&s, DISPLAY);
    cut(&s, MAIN);
    name_target();
    g_assert_cmpuint(migrate_count(MIGRATE_ASKING), ==, 0);
    come_back(&s, MAIN);
    g_assert_cmpint(s.client->mig.state, ==, MIGRATE_APART);
    come_back(&s, DISPLAY);
    assert_hears_later(&s, MAIN, SPICE_MSG_MAIN_MIGRATE_BEGIN_SEAMLESS, NULL);
    answer(&s);
    end_test();
}

static void who_is_away_when_the_guest_leaves_holds_nobody_up(void)
{
    static const uint8_t down = 0x2a;
    g_autoptr(GByteArray) state = NULL;
    Session s;

    fake_extension = FAKE_RETURNS;
    s = source_client();
    say(&s, INPUTS, SPICE_MSGC_INPUTS_KEY_SCANCODE, &down, 1);
    cut(&s, MAIN);
    assert_typed("k42=1 "); /* it may come back */
    name_target();
    guest_stops();
    state = guest_is_saved();
    guest_has_left();
    g_assert_cmpuint(server()->clients->len, ==, 0);
    g_assert_false(migrate_has_target()); /* SPICE_MIGRATE_COMPLETED */
    end_test();
    guest_arrives(state);
    assert_typed("k42=0 ");
    end_test();
}

/* The source fills the queue of a channel that has something to say first. */
static void a_full_queue_costs_the_channel(void)
{
    Session a;
    g_autoptr(GByteArray) state = NULL;

    fake_extension = FAKE_RETURNS;
    patience_ms = 20; /* for who takes nothing */
    a = linked_client();
    a.w[INPUTS]->room = 0;
    while (a.c[INPUTS]->out.length < CHANNEL_QUEUE_MESSAGES_MAX) {
        spice_send(a.c[INPUTS], 900, NULL);
    }
    guest_stops();
    state = guest_is_saved();
    guest_has_left();
    end_side();
    destination_client(MIGRATE_VERSION);
    guest_arrives(state);
    g_assert_null(server_find_channel(SESSION, SPICE_CHANNEL_INPUTS, 0));
    g_assert_nonnull(server_find_channel(SESSION, SPICE_CHANNEL_MAIN, 0));
    end_test();
}

/* ---- places ---- */

/* What a main link of that session is told: SPICE_LINK_ERR_*. */
static uint32_t knock(uint32_t session_id)
{
    g_autoptr(GByteArray) b = g_byte_array_new();
    static const uint8_t ticket[TICKET_BYTES];
    int64_t limit = time_monotonic_ns() + 30 * NS_PER_SEC;
    uint8_t reply[512];
    size_t have = 0, whole = LINK_HEADER_BYTES;
    int fds[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), ==, 0);
    server_accept(fds[1], false, true);
    put_bytes(b, "REDQ", 4);
    put_u32(b, SPICE_VERSION_MAJOR);
    put_u32(b, SPICE_VERSION_MINOR);
    put_u32(b, LINK_MESS_BYTES);
    put_u32(b, session_id);
    put_u8(b, SPICE_CHANNEL_MAIN);
    put_u8(b, 0);
    put_u32(b, 0);
    put_u32(b, 0);
    put_u32(b, LINK_MESS_BYTES);
    put_bytes(b, ticket, sizeof(ticket));
    g_assert_cmpint(send(fds[0], b->data, b->len, MSG_NOSIGNAL), ==, b->len);
    while (have < whole && time_monotonic_ns() < limit) {
        ssize_t n = recv(fds[0], reply + have, MIN(whole, sizeof(reply)) - have, 0);

        have += MAX(n, 0);
        if (have == whole && whole == LINK_HEADER_BYTES) {
            whole += load_le32(reply + 12) + 4; /* the rest of it, the result */
        }
        g_main_context_iteration(NULL, false);
    }
    g_assert_cmpuint(have, ==, whole);
    close(fds[0]);
    return load_le32(reply + whole - 4);
}

static void a_kept_session_gives_way_to_a_new_one_and_to_no_stranger(void)
{
    Session s;

    for (unsigned i = 1; i < SPICE_CLIENTS_MAX; i++) {
        link_client(SESSION + i, ALL_CAPS, false);
    }
    fake_extension = FAKE_RETURNS;
    s = link_client(SESSION, ALL_CAPS, false);
    server()->config.disable_ticketing = true;
    g_assert_cmpuint(knock(0), ==, SPICE_LINK_ERR_ERROR);
    cut(&s, MAIN);
    g_assert_cmpuint(knock(77), ==, SPICE_LINK_ERR_BAD_CONNECTION_ID);
    g_assert_nonnull(server_find_channel(SESSION, SPICE_CHANNEL_MAIN, 0));
    g_assert_cmpuint(knock(0), ==, SPICE_LINK_ERR_OK);
    fake_settle();
    g_assert_null(server_find_channel(SESSION, SPICE_CHANNEL_MAIN, 0));
    server()->config.disable_ticketing = false;
    end_test();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    prepare();
#define T(name) g_test_add_func("/ui/spice/resume/" #name, name)
    T(what_the_guest_has_half_is_ended_on_another_connection);
    T(who_replays_has_no_tail);
    T(where_to_go_on_is_said_once_on_a_connection);
    T(who_does_not_come_back_is_gone_when_its_time_is_over);
    T(who_loses_a_connection_on_the_way_is_asked_again);
    T(who_is_away_when_the_others_are_told_is_asked_when_it_is_back);
    T(who_is_away_when_the_guest_leaves_holds_nobody_up);
    T(a_full_queue_costs_the_channel);
    T(a_kept_session_gives_way_to_a_new_one_and_to_no_stranger);
    return g_test_run();
}
