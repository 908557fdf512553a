/* tests/unit/ui/spice-migrate-test.c - what clients are told when the guest leaves, stays, or may do either.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "spice-moving.h"

static void each_client_goes_as_well_as_it_can(void)
{
    static const struct {
        bool is_seamless;
        uint32_t caps;
        uint16_t begin, answer; /* 0: none */
        uint16_t told;          /* on main, when the guest has left */
    } cases[] = {
        {true, ALL_CAPS, SPICE_MSG_MAIN_MIGRATE_BEGIN_SEAMLESS, SPICE_MSGC_MAIN_MIGRATE_CONNECTED_SEAMLESS, SPICE_MSG_MIGRATE},
        {true, ALL_CAPS, SPICE_MSG_MAIN_MIGRATE_BEGIN_SEAMLESS, SPICE_MSGC_MAIN_MIGRATE_CONNECTED, SPICE_MSG_MAIN_MIGRATE_END},
        {true, ALL_CAPS, SPICE_MSG_MAIN_MIGRATE_BEGIN_SEAMLESS, SPICE_MSGC_MAIN_MIGRATE_CONNECT_ERROR, SPICE_MSG_NOTIFY},
        {true, ALL_CAPS, SPICE_MSG_MAIN_MIGRATE_BEGIN_SEAMLESS, 0, SPICE_MSG_NOTIFY},
        {true, NO_SEAMLESS, SPICE_MSG_MAIN_MIGRATE_BEGIN, SPICE_MSGC_MAIN_MIGRATE_CONNECTED, SPICE_MSG_MAIN_MIGRATE_END},
        {true, 0, 0, 0, 0}, /* it is thrown out: it would not understand */
        {false, ALL_CAPS, SPICE_MSG_MAIN_MIGRATE_BEGIN, SPICE_MSGC_MAIN_MIGRATE_CONNECTED, SPICE_MSG_MAIN_MIGRATE_END},
        {false, ALL_CAPS, SPICE_MSG_MAIN_MIGRATE_BEGIN, SPICE_MSGC_MAIN_MIGRATE_CONNECT_ERROR, SPICE_MSG_NOTIFY},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        Session s;
        g_autoptr(GByteArray) state = NULL;
        bool is_switched = cases[i].told == SPICE_MSG_NOTIFY;

        server()->config.seamless_migration = cases[i].is_seamless;
        s = link_client(SESSION, cases[i].caps, false);
        hear_all(&s);
        name_target();
        assert_hears(&s, MAIN, cases[i].begin);
        if (cases[i].answer) {
            say(&s, MAIN, cases[i].answer, NULL, 0);
            g_assert_false(s.c[MAIN]->is_closed);
        }
        guest_stops();
        state = guest_is_saved();
        guest_has_left();
        if (cases[i].told) {
            assert_hears(&s, MAIN, cases[i].told);
        }
        if (is_switched) {
            assert_hears(&s, MAIN, SPICE_MSG_MAIN_MIGRATE_SWITCH_HOST);
        }
        g_assert_cmpuint(server()->clients->len, ==, cases[i].caps ? 1 : 0);
        if (cases[i].caps) {
            hang_up(&s);
        }
        g_assert_cmpuint(server()->clients->len, ==, 0);
        g_assert_false(migrate_has_target());
        end_test();
    }
}

/* Nobody has told it of the destination; it is told when the guest has left. */
static void who_connects_after_the_others_were_told_is_not_left_behind(void)
{
    static const uint32_t caps[] = {ALL_CAPS, NO_SEAMLESS, 0};

    for (unsigned i = 0; i < G_N_ELEMENTS(caps); i++) {
        Session s;
        g_autoptr(GByteArray) state = NULL;

        name_target();
        s = link_client(SESSION, caps[i], false);
        hear_all(&s);
        guest_stops();
        state = guest_is_saved();
        guest_has_left();
        g_assert_cmpuint(server()->clients->len, ==, caps[i] ? 1 : 0);
        if (caps[i]) {
            assert_hears(&s, MAIN, SPICE_MSG_NOTIFY);
            assert_hears(&s, MAIN, SPICE_MSG_MAIN_MIGRATE_SWITCH_HOST);
            hang_up(&s);
        }
        g_assert_false(migrate_has_target());
        end_test();
    }
}

static void answers_that_nobody_asked_for_end_the_session(void)
{
    static const uint16_t answers[] = {SPICE_MSGC_MAIN_MIGRATE_CONNECTED, SPICE_MSGC_MAIN_MIGRATE_CONNECTED_SEAMLESS,
                                       SPICE_MSGC_MAIN_MIGRATE_CONNECT_ERROR, SPICE_MSGC_MAIN_MIGRATE_END,
                                       SPICE_MSGC_MIGRATE_FLUSH_MARK, SPICE_MSGC_MIGRATE_DATA};

    for (unsigned i = 0; i < G_N_ELEMENTS(answers); i++) {
        Session s = source_client();

        say(&s, MAIN, answers[i], NULL, 0);
        g_assert_true(s.c[MAIN]->is_closed);
        end_test();
    }
}

static void only_the_last_target_is_answered(void)
{
    Session s = source_client();

    name_target();
    name_target();
    assert_hears(&s, MAIN, SPICE_MSG_MAIN_MIGRATE_BEGIN_SEAMLESS);
    assert_hears(&s, MAIN, SPICE_MSG_MAIN_MIGRATE_CANCEL);
    assert_hears(&s, MAIN, SPICE_MSG_MAIN_MIGRATE_BEGIN_SEAMLESS);
    say(&s, MAIN, SPICE_MSGC_MAIN_MIGRATE_CONNECTED_SEAMLESS, NULL, 0);
    g_assert_cmpint(s.client->mig.state, ==, MIGRATE_ASKED);
    say(&s, MAIN, SPICE_MSGC_MAIN_MIGRATE_CONNECT_ERROR, NULL, 0);
    g_assert_cmpint(s.client->mig.state, ==, MIGRATE_APART);
    end_test();
}

static void the_target_is_said_as_clients_read_it(void)
{
    static const uint8_t wanted[] = {0x0c, 0x17, 0, 0, 6, 0, 0, 0, 24, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0x56, 0x52,
                                     't', 'h', 'e', 'r', 'e', 0};
    Session s = source_client();
    g_autoptr(GByteArray) body = g_byte_array_new();

    name_target();
    spice_pump(s.c[MAIN]);
    g_assert_cmpuint(fake_hear(s.w[MAIN], body), ==, SPICE_MSG_MAIN_MIGRATE_BEGIN_SEAMLESS);
    g_assert_cmpmem(body->data, body->len, wanted, sizeof(wanted));
    end_test();
}

static void gate(unsigned want_asked)
{
    wanted_asked = 0;
    vm_unlock();
    part()->warm_wait(part());
    vm_lock();
    g_assert_cmpuint(wanted_asked, ==, want_asked);
}

static void the_stop_waits_for_who_is_on_the_way(void)
{
    Session s = source_client();

    gate(0);
    name_target();
    assert_hears(&s, MAIN, SPICE_MSG_MAIN_MIGRATE_BEGIN_SEAMLESS);
    gate(3); /* it ends when the handoff does */
    say(&s, MAIN, SPICE_MSGC_MAIN_MIGRATE_CONNECTED_SEAMLESS, NULL, 0);
    gate(0);
    end_test();
}

static void a_guest_that_stays_keeps_its_clients(void)
{
    Session s = linked_client();
    g_autoptr(GByteArray) state = NULL;

    guest_stops();
    type_key(&s, 0x1e);
    assert_typed("");
    state = guest_is_saved();
    guest_stays();
    fake_settle();
    spice_pump(s.c[INPUTS]);
    assert_typed("k30=1 k30=0 ");
    assert_hears(&s, MAIN, SPICE_MSG_MAIN_MIGRATE_CANCEL);
    g_assert_cmpint(s.client->mig.state, ==, MIGRATE_STAYS);
    name_target(); /* and again */
    assert_hears(&s, MAIN, SPICE_MSG_MAIN_MIGRATE_BEGIN_SEAMLESS);
    end_test();
}

static void a_client_with_a_new_channel_starts_anew(void)
{
    Session s = linked_client();
    g_autoptr(GByteArray) state = NULL;

    s.client->opened++; /* one that the destination cannot know */
    guest_stops();
    state = guest_is_saved();
    guest_has_left();
    assert_hears(&s, MAIN, SPICE_MSG_NOTIFY);
    assert_hears(&s, MAIN, SPICE_MSG_MAIN_MIGRATE_SWITCH_HOST);
    end_test();
}

/* ---- anything in any order ---- */


static bool has_main(const Session *s)
{
    return server()->clients->len && g_ptr_array_find(s->client->channels, s->c[MAIN], NULL);
}

static void random_event(GRand *rand, Session *s)
{
    static const uint16_t words[] = {SPICE_MSGC_MAIN_MIGRATE_CONNECTED, SPICE_MSGC_MAIN_MIGRATE_CONNECTED_SEAMLESS,
                                     SPICE_MSGC_MAIN_MIGRATE_CONNECT_ERROR, SPICE_MSGC_MAIN_MIGRATE_END,
                                     SPICE_MSGC_MAIN_ATTACH_CHANNELS, SPICE_MSGC_MIGRATE_FLUSH_MARK};

    s->client->mig.goes = session_can_go(s->client);
    if (g_rand_boolean(rand) || !has_main(s)) {
        migrate_step(s->client, g_rand_int_range(rand, MIGRATE_TARGET, MIGRATE_ENDED));
    } else {
        say(s, MAIN, words[g_rand_int_range(rand, 0, G_N_ELEMENTS(words))], NULL, 0);
    }
    fake_settle();
}

/* Whoever has said CONNECTED_SEAMLESS is never told MIGRATE_END, which hangs it, until it was told CANCEL; MIGRATE is the last
 * word on a connection. */
static void check_words(Session *s, bool *is_seamless, bool *has_left)
{
    uint16_t type;

    while ((type = fake_hear(s->w[MAIN], NULL))) {
        g_assert_false(*has_left);
        g_assert_false(type == SPICE_MSG_MAIN_MIGRATE_END && *is_seamless);
        *has_left = type == SPICE_MSG_MIGRATE;
        if (type == SPICE_MSG_MAIN_MIGRATE_CANCEL) {
            *is_seamless = false;
        }
    }
    *is_seamless |= s->client->mig.state == MIGRATE_LINKED;
}

static void any_order_of_events_is_survived(void)
{
    GRand *rand = g_rand_new_with_seed(4);

    for (unsigned run = 0; run < 300; run++) {
        Session s = source_client();
        bool is_seamless = false, has_left = false;
        MigrateTarget t = {g_strdup("there"), NULL, 5900, 0};

        migrate_set_target(&t);
        for (unsigned i = 0; i < 12 && server()->clients->len; i++) {
            random_event(rand, &s);
            if (has_main(&s)) {
                check_words(&s, &is_seamless, &has_left);
            }
        }
        end_test();
    }
    g_rand_free(rand);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    prepare();
    g_test_add_func("/ui/spice/migrate/each_client_goes_as_well_as_it_can", each_client_goes_as_well_as_it_can);
    g_test_add_func("/ui/spice/migrate/who_connects_after_the_others_were_told_is_not_left_behind",
                    who_connects_after_the_others_were_told_is_not_left_behind);
    g_test_add_func("/ui/spice/migrate/answers_that_nobody_asked_for_end_the_session",
                    answers_that_nobody_asked_for_end_the_session);
    g_test_add_func("/ui/spice/migrate/only_the_last_target_is_answered", only_the_last_target_is_answered);
    g_test_add_func("/ui/spice/migrate/the_target_is_said_as_clients_read_it", the_target_is_said_as_clients_read_it);
    g_test_add_func("/ui/spice/migrate/the_stop_waits_for_who_is_on_the_way", the_stop_waits_for_who_is_on_the_way);
    g_test_add_func("/ui/spice/migrate/a_guest_that_stays_keeps_its_clients", a_guest_that_stays_keeps_its_clients);
    g_test_add_func("/ui/spice/migrate/a_client_with_a_new_channel_starts_anew", a_client_with_a_new_channel_starts_anew);
    g_test_add_func("/ui/spice/migrate/any_order_of_events_is_survived", any_order_of_events_is_survived);
    return g_test_run();
}
