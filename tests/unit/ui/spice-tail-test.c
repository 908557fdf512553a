/* tests/unit/ui/spice-tail-test.c - what clients still say to a source whose guest has left: it arrives, or somebody says so.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "spice-moving.h"
#include "ui/spice/confirm.h"

/* Its source does not say how it went before that is known. */
static void who_said_something_last_has_gone_when_it_has_arrived(void)
{
    for (unsigned has_arrived = 0; has_arrived < 2; has_arrived++) {
        Session a = linked_client();
        g_autoptr(GByteArray) state = NULL;

        guest_stops();
        state = guest_is_saved();
        guest_has_left();
        assert_told_to_go(&a);
        type_key(&a, 0x1e);
        flush_all(&a);
        hang_up(&a);
        g_assert_true(migrate_has_target());
        g_assert_cmpuint(confirm_waiting(), ==, 1);
        if (has_arrived) {
            destination_client(MIGRATE_VERSION);
            guest_arrives(state);
            deliver();
            g_assert_cmpuint(confirm_waiting(), ==, 1);
            deliver();
        } else {
            part()->peer_gone(part());
        }
        g_assert_cmpuint(confirm_waiting(), ==, 0);
        g_assert_false(migrate_has_target());
        end_test();
    }
}

/* The connection ends between what it said last and the word that this was all. */
static void who_said_something_that_nobody_confirms_is_lost(void)
{
    Session a = linked_client();

    guest_stops();
    g_byte_array_unref(guest_is_saved());
    guest_has_left();
    assert_told_to_go(&a);
    type_key(&a, 0x1e);
    is_cut = true;
    flush_all(&a);
    g_assert_true(a.client->mig.has_lost);
    hang_up(&a);
    g_assert_cmpuint(confirm_waiting(), ==, 0);
    end_test();
}

static void a_source_that_is_gone_holds_nobody_up(void)
{
    Session b;
    g_autoptr(GByteArray) state = NULL;

    linked_client();
    guest_stops();
    state = guest_is_saved();
    guest_has_left();
    end_test();
    b = destination_client(MIGRATE_VERSION);
    guest_arrives(state);
    type_key(&b, 0x1e);
    assert_typed("");
    part()->peer_gone(part());
    fake_settle();
    spice_pump(b.c[INPUTS]);
    assert_typed("k30=1 k30=0 ");
    end_test();
}

/* The guest has a part of a message, a key that went down is in what has come of the tail, and then the source is gone. */
static void what_has_come_is_taken_before_the_rest_is_given_up(void)
{
    static const uint8_t three[] = {0x1e, 0x9e, 0x30, 0xb0, 0x2e, 0xae}, down = 0x2a;
    Session a = linked_client(), b;
    g_autoptr(GByteArray) state = NULL;

    space = 3;
    say(&a, INPUTS, SPICE_MSGC_INPUTS_KEY_SCANCODE, three, sizeof(three));
    assert_typed("k30=1 k30=0 k48=1 ");
    guest_stops();
    space = 1000;
    state = guest_is_saved();
    guest_has_left();
    assert_told_to_go(&a);
    say(&a, INPUTS, SPICE_MSGC_INPUTS_KEY_SCANCODE, &down, 1);
    hang_up(&a);
    end_side();
    g_ptr_array_set_size(messages, 1);

    space = 0;
    b = destination_client(MIGRATE_VERSION);
    guest_arrives(state);
    deliver();
    type_key(&b, 0x20);
    part()->peer_gone(part());
    fake_settle();
    assert_typed("");
    space = 1000;
    input_room(&sink);
    fake_settle();
    spice_pump(b.c[INPUTS]);
    assert_typed("k48=0 k46=1 k46=0 k42=1 k42=0 k32=1 k32=0 ");
    end_test();
}

/* It is gone before the guest runs: nobody says that a key is up again. */
static void a_source_that_dies_before_the_guest_runs_holds_no_keys(void)
{
    static const uint8_t down = 0x2a;
    Session a = linked_client();
    g_autoptr(GByteArray) state = NULL;
    StateReader r;

    say(&a, INPUTS, SPICE_MSGC_INPUTS_KEY_SCANCODE, &down, 1);
    assert_typed("k42=1 ");
    guest_stops();
    state = guest_is_saved();
    guest_has_left();
    end_test();
    destination_client(MIGRATE_VERSION);
    state_reader_init(&r, state->data, state->len, "test");
    g_assert_true(part()->load(part(), &r, NULL));
    part()->peer_gone(part());
    guest_arrives(NULL);
    assert_typed("k42=0 ");
    end_test();
}

static unsigned messages_of(uint8_t kind)
{
    unsigned n = 0;

    for (unsigned i = 0; i < messages->len; i++) {
        n += ((GByteArray *)messages->pdata[i])->data[0] == kind;
    }
    return n;
}

/* It typed a key at the source, which that has not told of yet, and is at the destination, as the guest is. */
static Session arrives_without_what_it_typed(Session *a)
{
    g_autoptr(GByteArray) state = NULL;
    Session b;

    guest_stops();
    state = guest_is_saved();
    guest_has_left();
    assert_told_to_go(a);
    type_key(a, 0x1e);
    flush_all(a);
    hang_up(a);
    end_side();
    b = destination_client(MIGRATE_VERSION);
    guest_arrives(state);
    return b;
}

/* Its client goes on meanwhile: what comes then would be behind what it said later. */
static void a_source_that_is_late_is_not_heard(void)
{
    enum { HAVE = 6 };
    Session a = linked_client(), b;

    b = arrives_without_what_it_typed(&a);
    type_key(&b, 0x30);
    assert_typed("");
    loop_timer_set(b.c[INPUTS]->patience, time_monotonic_ns()); /* it is over */
    fake_settle();
    assert_typed("k48=1 k48=0 ");
    deliver();
    spice_pump(b.c[INPUTS]);
    assert_typed("");
    g_assert_cmpuint(messages_of(HAVE), ==, 1); /* of main */
    end_test();
}

/* The guest is to go on before the first source has said all: what comes of it then is for the guest if it stays, and no session
 * goes without. */
static void a_tail_that_comes_while_the_guest_is_stopped_is_kept(void)
{
    Session a = linked_client(), b;
    g_autoptr(GByteArray) next = NULL;

    b = arrives_without_what_it_typed(&a);
    hear_all(&b);
    name_target();
    say(&b, MAIN, SPICE_MSGC_MAIN_MIGRATE_CONNECTED_SEAMLESS, NULL, 0);
    guest_stops();
    next = guest_is_saved();
    g_assert_false(b.client->mig.goes);
    deliver();
    assert_typed("");
    guest_stays();
    assert_typed("k30=1 k30=0 ");
    end_test();
}

/* Said by a destination that was told to migrate on the moment the guest ran there: before the word of that. */
static void who_migrates_on_at_once_waits_for_no_client(void)
{
    static const uint8_t hurry[] = {5};
    StateReader r;

    linked_client();
    guest_stops();
    g_byte_array_unref(guest_is_saved());
    state_reader_init(&r, hurry, sizeof(hurry), "test");
    part()->message(part(), &r);
    g_assert_cmpuint(tails_done, ==, 0);
    guest_has_left();
    g_assert_cmpuint(tails_done, ==, 1);
    end_test();
}

/* The guest is ours: whoever may get it one day says nothing to it. */
static void nobody_types_into_a_guest_that_is_not_theirs(void)
{
    static const uint8_t tail[] = {2, 0x12, 0x34, 0xab, 0xcd, SPICE_CHANNEL_INPUTS, 0, 0, SPICE_MSGC_INPUTS_KEY_SCANCODE, 0x1e};
    Session a = source_client();
    StateReader r;

    state_reader_init(&r, tail, sizeof(tail), "test");
    part()->message(part(), &r);
    fake_settle();
    spice_pump(a.c[INPUTS]);
    assert_typed("");
    end_test();
}

static void a_tail_of_nonsense_costs_its_session(void)
{
    Session a = linked_client();
    g_autoptr(GByteArray) state = NULL;

    guest_stops();
    state = guest_is_saved();
    guest_has_left();
    assert_told_to_go(&a);
    say(&a, INPUTS, SPICE_MSGC_INPUTS_KEY_DOWN, "\x1e\0\0\0", 4);
    hang_up(&a);
    destination_client(MIGRATE_VERSION);
    guest_arrives(state);
    ((GByteArray *)messages->pdata[0])->data[8] ^= 0x7f; /* the message's type */
    deliver();
    g_assert_null(server_find_channel(SESSION, SPICE_CHANNEL_INPUTS, 0));
    end_test();
}

/* That the first source is gone is said when the guest has left for a third process: its tail goes there all the same. */
static void a_source_that_is_gone_late_takes_no_words_with_it(void)
{
    Session a = linked_client(), b;
    g_autoptr(GByteArray) state = NULL;

    guest_stops();
    state = guest_is_saved();
    guest_has_left();
    assert_told_to_go(&a);
    flush_all(&a);
    hang_up(&a);
    end_side();
    b = destination_client(MIGRATE_VERSION);
    guest_arrives(state);
    deliver();
    hear_all(&b);
    name_target();
    say(&b, MAIN, SPICE_MSGC_MAIN_MIGRATE_CONNECTED_SEAMLESS, NULL, 0);
    guest_stops();
    g_byte_array_unref(guest_is_saved());
    guest_has_left();
    part()->peer_gone(part());
    type_key(&b, 0x1e);
    g_assert_false(b.client->mig.has_lost);
    g_assert_cmpuint(messages_of(2), ==, 1);
    flush_all(&b);
    hang_up(&b);
    g_assert_cmpuint(confirm_waiting(), ==, 1);
    part()->peer_gone(part());
    g_assert_cmpuint(confirm_waiting(), ==, 0);
    end_test();
}

/* Empty ones, so that no bound on bytes ends it; what is behind them has not been heard, so nobody says that this was all. */
static void a_tail_has_a_bound_on_messages(void)
{
    enum { TAIL = 2, TAIL_END };
    Session a = linked_client(), b;
    g_autoptr(GByteArray) state = NULL;
    static const uint8_t down = 0x2a;

    guest_stops();
    state = guest_is_saved();
    guest_has_left();
    assert_told_to_go(&a);
    say(&a, INPUTS, SPICE_MSGC_INPUTS_KEY_SCANCODE, &down, 1);
    for (unsigned i = 0; i < MIGRATE_TAIL_MESSAGES_MAX; i++) {
        say(&a, INPUTS, SPICE_MSGC_INPUTS_KEY_SCANCODE, NULL, 0);
    }
    g_assert_true(a.c[INPUTS]->is_closed);
    g_assert_cmpuint(messages_of(TAIL), ==, MIGRATE_TAIL_MESSAGES_MAX);
    g_assert_cmpuint(messages_of(TAIL_END), ==, 0);
    say(&a, MAIN, SPICE_MSGC_MIGRATE_FLUSH_MARK, NULL, 0);
    g_assert_true(a.client->mig.has_lost);
    hang_up(&a);
    b = destination_client(MIGRATE_VERSION);
    guest_arrives(state);
    deliver();
    g_assert_false(b.c[INPUTS]->is_closed);
    assert_typed("k42=1 k42=0 ");
    end_test();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    prepare();
#define T(name) g_test_add_func("/ui/spice/tail/" #name, name)
    T(who_said_something_last_has_gone_when_it_has_arrived);
    T(who_said_something_that_nobody_confirms_is_lost);
    T(what_has_come_is_taken_before_the_rest_is_given_up);
    T(a_source_that_dies_before_the_guest_runs_holds_no_keys);
    T(a_source_that_is_late_is_not_heard);
    T(a_tail_that_comes_while_the_guest_is_stopped_is_kept);
    T(a_source_that_is_gone_holds_nobody_up);
    T(who_migrates_on_at_once_waits_for_no_client);
    T(nobody_types_into_a_guest_that_is_not_theirs);
    T(a_tail_of_nonsense_costs_its_session);
    T(a_source_that_is_gone_late_takes_no_words_with_it);
    T(a_tail_has_a_bound_on_messages);
    return g_test_run();
}
