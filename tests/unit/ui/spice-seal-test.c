/* tests/unit/ui/spice-seal-test.c - what clients carry where the two processes cannot talk: believed if it is ours, and never else.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "spice-moving.h"
#include "ui/spice/agent.h"

/* ---- the seal ---- */

static const SealAbout us = {SESSION, SPICE_CHANNEL_INPUTS, 0};
static const uint8_t key[SEAL_KEY_BYTES] = {1, 2, 3}, other_key[SEAL_KEY_BYTES] = {1, 2, 4};

static bool opens(const uint8_t *k, SealAbout about, const GByteArray *body)
{
    g_autoptr(GByteArray) text = seal_open(k, &about, body->data, body->len);

    return text;
}

static void what_was_closed_opens_to_the_same(void)
{
    g_autofree uint8_t *text = g_malloc0(SEAL_BODY_MAX);
    static const size_t sizes[] = {0, 1, 15, 16, 17, 5000, SEAL_BODY_MAX - SEAL_EXTRA_BYTES};

    memset(text, 0x5a, SEAL_BODY_MAX);
    for (unsigned i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autoptr(GByteArray) body = seal_close(key, &us, text, sizes[i]), again = seal_close(key, &us, text, sizes[i]);
        g_autoptr(GByteArray) opened = seal_open(key, &us, body->data, body->len);

        g_assert_cmpuint(body->len, ==, SEAL_EXTRA_BYTES + sizes[i]);
        g_assert_cmpmem(opened->data, opened->len, text, sizes[i]);
        g_assert_true(memcmp(body->data, again->data, body->len)); /* no two are the same */
    }
    g_assert_null(seal_close(key, &us, text, SEAL_BODY_MAX - SEAL_EXTRA_BYTES + 1));
}

static void nothing_that_was_changed_opens(void)
{
    g_autoptr(GByteArray) body = seal_close(key, &us, "keys", 4);

    for (unsigned i = 0; i < 8 * body->len; i++) {
        body->data[i / 8] ^= 1 << i % 8;
        g_assert_false(opens(key, us, body));
        body->data[i / 8] ^= 1 << i % 8;
    }
    g_assert_true(opens(key, us, body));
    for (unsigned size = body->len; size--;) {
        g_assert_null(seal_open(key, &us, body->data, size));
    }
}

static void what_is_about_something_else_does_not_open(void)
{
    static const SealAbout others[] = {{SESSION + 1, SPICE_CHANNEL_INPUTS, 0}, {SESSION, SPICE_CHANNEL_MAIN, 0},
                                       {SESSION, SPICE_CHANNEL_INPUTS, 1}};
    g_autoptr(GByteArray) body = seal_close(key, &us, "keys", 4);

    for (unsigned i = 0; i < G_N_ELEMENTS(others); i++) {
        g_assert_false(opens(key, others[i], body));
    }
    g_assert_false(opens(other_key, us, body));
}

/* ---- sessions ---- */

static void stream_has_ended(void)
{
    runstate_set(RUN_STATE_POSTMIGRATE);
    part()->peer_gone(part());
    fake_settle();
}

static bool is_for_guest(unsigned channel)
{
    return channel == MAIN || channel == INPUTS;
}

static void assert_told_to_carry(Session *s)
{
    for (unsigned i = 0; i < CHANNELS; i++) {
        g_autoptr(GByteArray) flags = g_byte_array_new();

        spice_pump(s->c[i]);
        g_assert_cmpuint(fake_hear(s->w[i], flags), ==, SPICE_MSG_MIGRATE);
        g_assert_cmpuint(load_le32(flags->data), ==,
                         is_for_guest(i) ? SPICE_MIGRATE_NEED_FLUSH | SPICE_MIGRATE_NEED_DATA_TRANSFER : 0);
        g_assert_cmpuint(s->w[i]->out->len, ==, 0);
    }
}

/* What the client gets on that channel for its last word. */
static GByteArray *flush(Session *s, unsigned channel)
{
    GByteArray *body = g_byte_array_new();

    say(s, channel, SPICE_MSGC_MIGRATE_FLUSH_MARK, NULL, 0);
    g_assert_cmpuint(fake_hear(s->w[channel], body), ==, SPICE_MSG_MIGRATE_DATA);
    g_assert_cmpuint(s->w[channel]->out->len, ==, 0);
    return body;
}

typedef struct Carried {
    GByteArray *state, *main, *inputs;
} Carried;

static void carried_free(Carried *c)
{
    g_byte_array_unref(c->state);
    g_byte_array_unref(c->main);
    g_byte_array_unref(c->inputs);
}

/* Keys: k30 unread, k48 behind the stop, k46 when it was told to go. */
static Carried leave(void)
{
    Session a = linked_client();
    Carried c;

    is_one_way = true;
    space = 0;
    type_key(&a, 0x1e);
    guest_stops();
    type_key(&a, 0x30);
    c.state = guest_is_saved();
    stream_has_ended();
    assert_told_to_carry(&a);
    type_key(&a, 0x2e);
    c.main = flush(&a, MAIN);
    c.inputs = flush(&a, INPUTS);
    g_assert_cmpint(a.client->mig.state, ==, MIGRATE_LEAVING);
    hang_up(&a);
    g_assert_cmpuint(messages->len, ==, 0); /* nobody was there to be told anything */
    end_side();
    is_one_way = false;
    space = 1000;
    return c;
}

static void bring(Session *b, unsigned channel, const GByteArray *body)
{
    say(b, channel, SPICE_MSGC_MIGRATE_DATA, body->data, body->len);
}

static void arrives_with_unread(Carried *c)
{
    guest_arrives(c->state);
    part()->peer_gone(part());
    fake_settle();
    assert_typed("k30=1 k30=0 ");
}

static void what_the_source_still_heard_comes_with_the_client(void)
{
    Carried c = leave();
    Session b = destination_client(MIGRATE_VERSION);

    assert_hears(&b, MAIN, SPICE_MSG_MAIN_MIGRATE_DST_SEAMLESS_ACK);
    arrives_with_unread(&c);
    assert_hears(&b, MAIN, SPICE_MSG_MAIN_MULTI_MEDIA_TIME);
    bring(&b, INPUTS, c.inputs);
    type_key(&b, 0x20);
    bring(&b, MAIN, c.main);
    assert_typed("k48=1 k48=0 k46=1 k46=0 k32=1 k32=0 ");
    g_assert_false(b.c[MAIN]->is_closed || b.c[INPUTS]->is_closed);
    assert_hears(&b, INPUTS, SPICE_MSG_INPUTS_KEY_MODIFIERS);
    g_assert_cmpuint(fake_hear(b.w[INPUTS], NULL), ==, 0); /* nothing was begun anew */
    carried_free(&c);
    end_test();
}

/* A stream in a file is run when somebody wants it: the client is there before. */
static void a_client_waits_for_its_guest(void)
{
    Carried c = leave();
    Session b = destination_client(MIGRATE_VERSION);

    bring(&b, MAIN, c.main);
    say(&b, MAIN, SPICE_MSGC_MAIN_ATTACH_CHANNELS, NULL, 0);
    bring(&b, INPUTS, c.inputs);
    type_key(&b, 0x20);
    g_assert_false(b.c[MAIN]->is_closed || b.c[INPUTS]->is_closed);
    guest_arrives(c.state);
    assert_typed("k30=1 k30=0 k48=1 k48=0 k46=1 k46=0 k32=1 k32=0 ");
    g_assert_false(b.c[MAIN]->is_closed);
    carried_free(&c);
    end_test();
}

typedef enum Wrong { DAMAGED, FORGED, OF_ANOTHER_CHANNEL, OF_ANOTHER_MOVE, EMPTY, MISSING, WRONG_ALL } Wrong;

static GByteArray *wrong_seal(Wrong how, const Carried *c, const Carried *before)
{
    GByteArray *body = g_byte_array_new();

    switch (how) {
    case DAMAGED:
        put_bytes(body, c->inputs->data, c->inputs->len);
        body->data[body->len / 2] ^= 1;
        return body;
    case FORGED:
        g_byte_array_unref(body);
        return seal_close(other_key, &us, "\1\0\x68\0\0\0\2\x12\x92", 9);
    case OF_ANOTHER_CHANNEL:
        put_bytes(body, c->main->data, c->main->len);
        return body;
    case OF_ANOTHER_MOVE:
        put_bytes(body, before->inputs->data, before->inputs->len);
        return body;
    default:
        put_u8(body, 0);
        return body;
    }
}

/* The channel begins anew, and what the client held is up; everything goes on. */
static void a_wrong_seal_costs_its_channel_what_it_knew(void)
{
    for (Wrong how = 0; how < WRONG_ALL; how++) {
        Carried before = leave(), c = leave();
        g_autoptr(GByteArray) body = wrong_seal(how, &c, &before);
        Session b = destination_client(MIGRATE_VERSION);

        arrives_with_unread(&c);
        hear_all(&b);
        if (how != MISSING) {
            bring(&b, INPUTS, body);
        }
        type_key(&b, 0x20);
        assert_typed("k32=1 k32=0 "); /* nothing of what it brought */
        assert_hears(&b, INPUTS, SPICE_MSG_INPUTS_KEY_MODIFIERS);
        assert_hears(&b, INPUTS, SPICE_MSG_INPUTS_MOUSE_MOTION_ACK);
        bring(&b, INPUTS, c.inputs); /* too late */
        assert_typed("");
        g_assert_true(b.c[INPUTS]->is_closed && !b.c[MAIN]->is_closed);
        carried_free(&before);
        carried_free(&c);
        end_test();
    }
}

static void a_seal_is_taken_once(void)
{
    Carried c = leave();
    Session b = destination_client(MIGRATE_VERSION);

    arrives_with_unread(&c);
    bring(&b, INPUTS, c.inputs);
    assert_typed("k48=1 k48=0 k46=1 k46=0 ");
    bring(&b, INPUTS, c.inputs);
    assert_typed("");
    g_assert_true(b.c[INPUTS]->is_closed);
    carried_free(&c);
    end_test();
}

static void keys_whose_release_is_lost_are_released(void)
{
    static const uint8_t down = 0x2a, up = 0xaa;
    Session a = linked_client(), b;
    g_autoptr(GByteArray) state = NULL;

    is_one_way = true;
    say(&a, INPUTS, SPICE_MSGC_INPUTS_KEY_SCANCODE, &down, 1);
    assert_typed("k42=1 ");
    guest_stops();
    state = guest_is_saved();
    stream_has_ended();
    assert_told_to_carry(&a);
    say(&a, INPUTS, SPICE_MSGC_INPUTS_KEY_SCANCODE, &up, 1);
    hang_up(&a);
    end_side();
    is_one_way = false;
    b = destination_client(MIGRATE_VERSION);
    guest_arrives(state);
    assert_typed("");
    type_key(&b, 0x20);
    assert_typed("k42=0 k32=1 k32=0 ");
    end_test();
}

/* More than a seal holds: it says so, and nothing of it is half taken. */
static void what_is_too_much_to_carry_is_lost_as_a_whole(void)
{
    static const uint8_t many[2048];
    Session a = linked_client(), b;
    g_autoptr(GByteArray) state = NULL, body = NULL;

    is_one_way = true;
    guest_stops();
    state = guest_is_saved();
    stream_has_ended();
    assert_told_to_carry(&a);
    for (unsigned i = 0; i < SEAL_BODY_MAX / sizeof(many) + 1; i++) {
        say(&a, INPUTS, SPICE_MSGC_INPUTS_KEY_SCANCODE, many, sizeof(many));
    }
    body = flush(&a, INPUTS);
    g_assert_cmpuint(body->len, ==, SEAL_EXTRA_BYTES + 1);
    hang_up(&a);
    end_side();
    is_one_way = false;
    b = destination_client(MIGRATE_VERSION);
    guest_arrives(state);
    hear_all(&b);
    bring(&b, INPUTS, body);
    assert_hears(&b, INPUTS, SPICE_MSG_INPUTS_KEY_MODIFIERS);
    assert_hears(&b, INPUTS, SPICE_MSG_INPUTS_MOUSE_MOTION_ACK);
    end_test();
}

/* Who replays says it again to whoever has the guest: there is nothing to carry. */
static void who_replays_carries_nothing(void)
{
    Session a;
    g_autoptr(GByteArray) state = NULL;

    fake_extension = FAKE_RETURNS;
    a = linked_client();
    hear_all(&a);
    is_one_way = true;
    guest_stops();
    state = guest_is_saved();
    stream_has_ended();
    for (unsigned i = 0; i < CHANNELS; i++) {
        g_autoptr(GByteArray) flags = g_byte_array_new();

        spice_pump(a.c[i]);
        g_assert_cmpuint(fake_hear(a.w[i], flags), ==, SPICE_MSG_MIGRATE);
        g_assert_cmpuint(load_le32(flags->data), ==, 0);
    }
    is_one_way = false;
    end_test();
}

/* It would have to be told again what it was told: whoever moves on before has a session that starts anew. */
static void a_guest_that_moves_on_does_not_take_who_has_not_said_all(void)
{
    Carried c = leave();
    Session b = destination_client(MIGRATE_VERSION);

    arrives_with_unread(&c);
    bring(&b, MAIN, c.main);
    b.client->mig.state = MIGRATE_LINKED;
    b.client->mig.opened_then = b.client->opened;
    g_assert_false(session_can_go(b.client));
    bring(&b, INPUTS, c.inputs);
    g_assert_true(session_can_go(b.client));
    carried_free(&c);
    end_test();
}

/* Session states of which the key is cut, or that say what there is not. */
static void a_damaged_key_costs_the_sessions_and_not_the_guest(void)
{
    for (unsigned at = 0; at < 60; at++) {
        Carried c = leave();
        Session b = destination_client(MIGRATE_VERSION);

        if (at < 30) {
            g_byte_array_set_size(c.state, 20 + 2 * at);
        } else {
            c.state->data[20 + 2 * (at - 30)] ^= 0xff;
        }
        guest_arrives(c.state);
        if (server()->clients->len && !b.c[INPUTS]->is_closed) {
            bring(&b, INPUTS, c.inputs);
        }
        carried_free(&c);
        end_test();
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    prepare();
#define T(name) g_test_add_func("/ui/spice/seal/" #name, name)
    T(what_was_closed_opens_to_the_same);
    T(nothing_that_was_changed_opens);
    T(what_is_about_something_else_does_not_open);
    T(what_the_source_still_heard_comes_with_the_client);
    T(a_client_waits_for_its_guest);
    T(a_wrong_seal_costs_its_channel_what_it_knew);
    T(a_seal_is_taken_once);
    T(keys_whose_release_is_lost_are_released);
    T(what_is_too_much_to_carry_is_lost_as_a_whole);
    T(who_replays_carries_nothing);
    T(a_guest_that_moves_on_does_not_take_who_has_not_said_all);
    T(a_damaged_key_costs_the_sessions_and_not_the_guest);
    return g_test_run();
}
