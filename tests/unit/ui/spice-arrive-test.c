/* tests/unit/ui/spice-arrive-test.c - sessions that come with the guest: nothing is lost, whatever else is wrong.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "spice-moving.h"
#include "ui/spice/agent.h"

#include <string.h>

/* Keys in each place where one can be: with the guest, in a message that it has half, unread, said after it left, and said to
 * the destination before all that has arrived. */
static void no_key_is_lost_or_doubled(void)
{
    static const uint8_t three[] = {0x1e, 0x9e, 0x30, 0xb0, 0x2e, 0xae};
    Session a = linked_client(), b;
    g_autoptr(GByteArray) state = NULL;

    space = 3;
    say(&a, INPUTS, SPICE_MSGC_INPUTS_KEY_SCANCODE, three, sizeof(three));
    assert_typed("k30=1 k30=0 k48=1 ");
    type_key(&a, 0x20);
    guest_stops();
    space = 1000;
    type_key(&a, 0x12);
    assert_typed("");
    state = guest_is_saved();
    type_key(&a, 0x21);
    guest_has_left();
    assert_told_to_go(&a);
    type_key(&a, 0x22);
    flush_all(&a);
    assert_typed("");
    hang_up(&a);
    g_assert_cmpuint(tails_done, ==, 1);
    end_side();

    b = destination_client(MIGRATE_VERSION);
    assert_hears(&b, MAIN, SPICE_MSG_MAIN_MIGRATE_DST_SEAMLESS_ACK);
    guest_arrives(state);
    assert_typed("k48=0 k46=1 k46=0 "); /* what the source had heard */
    type_key(&b, 0x23);
    assert_typed("");
    deliver();
    spice_pump(b.c[INPUTS]);
    assert_typed("k32=1 k32=0 k18=1 k18=0 k33=1 k33=0 k34=1 k34=0 k35=1 k35=0 ");
    end_test();
}

/* The guest goes on to a third process before it has taken what the first one heard. */
static void keys_that_still_wait_go_on_with_the_guest(void)
{
    Session a = linked_client(), b;
    g_autoptr(GByteArray) state = NULL, next = NULL;

    guest_stops();
    type_key(&a, 0x1e);
    state = guest_is_saved();
    guest_has_left();
    assert_told_to_go(&a);
    type_key(&a, 0x30);
    flush_all(&a);
    hang_up(&a);
    end_side();

    b = destination_client(MIGRATE_VERSION);
    guest_arrives(state);
    space = 0;
    deliver();
    spice_pump(b.c[INPUTS]);
    hear_all(&b);
    name_target();
    assert_hears(&b, MAIN, SPICE_MSG_MAIN_MIGRATE_BEGIN_SEAMLESS);
    say(&b, MAIN, SPICE_MSGC_MAIN_MIGRATE_CONNECTED_SEAMLESS, NULL, 0);
    guest_stops();
    next = guest_is_saved();
    guest_has_left();
    assert_told_to_go(&b);
    type_key(&b, 0x2e);
    flush_all(&b);
    hang_up(&b);
    end_side();

    space = 1000;
    b = destination_client(MIGRATE_VERSION);
    guest_arrives(next);
    deliver();
    spice_pump(b.c[INPUTS]);
    assert_typed("k30=1 k30=0 k48=1 k48=0 k46=1 k46=0 ");
    end_test();
}

static void keys_that_are_held_are_known_over_there(void)
{
    static const uint8_t down = 0x2a;
    Session a = linked_client(), b;
    g_autoptr(GByteArray) state = NULL;

    say(&a, INPUTS, SPICE_MSGC_INPUTS_KEY_SCANCODE, &down, 1);
    assert_typed("k42=1 ");
    guest_stops();
    state = guest_is_saved();
    guest_has_left();
    hang_up(&a);
    end_side();
    b = destination_client(MIGRATE_VERSION);
    guest_arrives(state);
    assert_typed("");
    deliver();
    hang_up(&b);
    assert_typed("k42=0 ");
    end_test();
}

/* A lock that was pressed is not pressed again because the guest has not followed yet: not by the rest of that message, nor
 * by another one. */
static void locks_are_pressed_once(void)
{
    static const uint8_t three[2] = {INPUT_LED_SCROLL | INPUT_LED_NUM | INPUT_LED_CAPS};

    for (unsigned before = 0; before <= 3; before++) {
        static const char *const pressed[] = {"k70=1 k70=0 ", "k69=1 k69=0 ", "k58=1 k58=0 "};
        Session a = linked_client(), b;
        g_autoptr(GByteArray) state = NULL;
        g_autoptr(GString) now = g_string_new(NULL), then = g_string_new(NULL);

        space = 2 * before;
        say(&a, INPUTS, SPICE_MSGC_INPUTS_KEY_MODIFIERS, three, 2);
        for (unsigned i = 0; i < 3; i++) {
            g_string_append(i < before ? now : then, pressed[i]);
        }
        assert_typed(now->str);
        guest_stops();
        state = guest_is_saved();
        guest_has_left();
        assert_told_to_go(&a);
        flush_all(&a);
        hang_up(&a);
        end_side();
        space = 1000;
        b = destination_client(MIGRATE_VERSION);
        guest_arrives(state);
        deliver();
        say(&b, INPUTS, SPICE_MSGC_INPUTS_KEY_MODIFIERS, three, 2);
        assert_typed(then->str);
        end_test();
    }
}

/* Who held them starts anew there, or not at all. */
static void keys_of_who_does_not_come_are_released(void)
{
    static const uint8_t down = 0x2a;
    Session a = source_client();
    g_autoptr(GByteArray) state = NULL;

    say(&a, INPUTS, SPICE_MSGC_INPUTS_KEY_SCANCODE, &down, 1);
    assert_typed("k42=1 ");
    guest_stops();
    state = guest_is_saved();
    guest_has_left();
    end_test();
    guest_arrives(state);
    assert_typed("k42=0 ");
    end_test();
}

/* Its session goes with the guest, but it is not there when the guest comes. */
static void keys_of_who_is_lost_on_the_way_are_released(void)
{
    static const uint8_t down = 0x2a;
    Session a = linked_client(), b;
    g_autoptr(GByteArray) state = NULL;

    say(&a, INPUTS, SPICE_MSGC_INPUTS_KEY_SCANCODE, &down, 1);
    guest_stops();
    state = guest_is_saved();
    guest_has_left();
    end_side();
    b = destination_client(MIGRATE_VERSION);
    hang_up(&b);
    guest_arrives(state);
    assert_typed("k42=0 ");
    end_test();
}

/* Nobody can read who holds it. */
static void keys_are_released_when_nobody_knows_whose_they_are(void)
{
    const InputEvent down = {INPUT_KEY, 42, 1};
    g_autoptr(GByteArray) state = NULL;

    linked_client();
    guest_stops();
    state = guest_is_saved();
    guest_has_left();
    end_test();
    g_assert_true(input_send(NULL, -1, &down, 1)); /* as the guest has it */
    assert_typed("k42=1 ");
    state->data[0] ^= 1; /* another version */
    guest_arrives(state);
    assert_typed("k42=0 ");
    end_test();
}

static void acknowledgements_begin_a_new_generation(void)
{
    Session a = linked_client(), b;
    g_autoptr(GByteArray) state = NULL, body = g_byte_array_new();
    uint32_t before = a.c[DISPLAY]->st.ack_generation;
    uint64_t sent;

    guest_stops();
    state = guest_is_saved();
    guest_has_left();
    assert_told_to_go(&a);
    sent = a.c[CURSOR]->st.sent;
    end_test();
    b = destination_client(MIGRATE_VERSION);
    guest_arrives(state);
    g_assert_cmpuint(b.c[CURSOR]->st.sent, ==, sent + 1); /* its SET_ACK */
    spice_pump(b.c[DISPLAY]);
    g_assert_cmpuint(fake_hear(b.w[DISPLAY], body), ==, SPICE_MSG_SET_ACK);
    g_assert_cmpuint(load_le32(body->data), ==, before + 1);
    end_test();
}

static void draw(Session *s, int x, int y, int width, int height)
{
    unsigned before = s->c[DISPLAY]->out.length;

    console_update(screen, x, y, width, height);
    while (s->c[DISPLAY]->out.length == before) {
        g_main_context_iteration(NULL, true);
    }
}

/* The client has the picture: only what it was not told is drawn over there. */
static void only_what_is_missing_is_drawn(void)
{
    Session a = linked_client(), b;
    g_autoptr(GByteArray) state = NULL, body = g_byte_array_new();

    a.w[DISPLAY]->room = 0;
    draw(&a, 0, 0, 5, 5);    /* begun: the source ends it */
    draw(&a, 10, 20, 30, 5); /* made, and not begun */
    guest_stops();
    console_update(screen, 50, 60, 7, 8);
    state = guest_is_saved();
    a.w[DISPLAY]->room = SIZE_MAX;
    guest_has_left();
    assert_hears(&a, DISPLAY, SPICE_MSG_DISPLAY_DRAW_COPY);
    assert_hears(&a, DISPLAY, SPICE_MSG_MIGRATE);
    end_test();

    b = destination_client(MIGRATE_VERSION);
    console_update(screen, 0, 0, 100, 70); /* its own screen has come, too */
    guest_arrives(state);
    spice_pump(b.c[DISPLAY]);
    g_assert_cmpuint(fake_hear(b.w[DISPLAY], NULL), ==, SPICE_MSG_SET_ACK);
    g_assert_cmpuint(fake_hear(b.w[DISPLAY], body), ==, SPICE_MSG_DISPLAY_DRAW_COPY);
    g_assert_cmpuint(load_le32(body->data + 4), ==, 20); /* top, left, bottom, right */
    g_assert_cmpuint(load_le32(body->data + 8), ==, 10);
    g_assert_cmpuint(fake_hear(b.w[DISPLAY], body), ==, SPICE_MSG_DISPLAY_DRAW_COPY);
    g_assert_cmpuint(load_le32(body->data + 4), ==, 60);
    g_assert_cmpuint(load_le32(body->data + 8), ==, 50);
    g_assert_cmpuint(fake_hear(b.w[DISPLAY], NULL), ==, 0);
    end_test();
}

/* The client may have a video open, or be about to: over there they are found anew. */
static void videos_do_not_go_along(void)
{
    Session a = linked_client(), b;
    g_autoptr(GByteArray) state = NULL;

    a.w[DISPLAY]->room = 0;
    draw(&a, 0, 0, 5, 5);
    spice_send(a.c[DISPLAY], SPICE_MSG_DISPLAY_STREAM_CREATE, NULL);
    guest_stops();
    state = guest_is_saved();
    a.w[DISPLAY]->room = SIZE_MAX;
    guest_has_left();
    end_test();
    b = destination_client(MIGRATE_VERSION);
    guest_arrives(state);
    assert_hears(&b, DISPLAY, SPICE_MSG_SET_ACK);
    assert_hears(&b, DISPLAY, SPICE_MSG_DISPLAY_STREAM_DESTROY_ALL);
    g_assert_cmpuint(fake_hear(b.w[DISPLAY], NULL), ==, 0);
    end_test();
}

static void the_first_words_need_no_answer(void)
{
    Session b;
    g_autoptr(GByteArray) state = NULL;

    linked_client();
    guest_stops();
    state = guest_is_saved();
    guest_has_left();
    end_test();
    b = destination_client(MIGRATE_VERSION);
    assert_hears(&b, MAIN, SPICE_MSG_MAIN_MIGRATE_DST_SEAMLESS_ACK);
    guest_arrives(state);
    assert_hears(&b, MAIN, SPICE_MSG_MAIN_MULTI_MEDIA_TIME);
    assert_hears(&b, MAIN, SPICE_MSG_MAIN_MOUSE_MODE);
    assert_hears(&b, INPUTS, SPICE_MSG_INPUTS_KEY_MODIFIERS);
    assert_hears(&b, CURSOR, SPICE_MSG_SET_ACK);
    end_test();
}

/* Its pointer is as the guest's clients have it from then on, and its time is theirs. */
static void who_was_there_before_the_guest_hears_what_came_with_it(void)
{
    Session looker;
    g_autoptr(GByteArray) state = NULL, body = g_byte_array_new();

    linked_client();
    server_set_mouse_mode(SPICE_MOUSE_MODE_CLIENT);
    guest_stops();
    state = guest_is_saved();
    guest_has_left();
    end_test();
    server_set_mouse_mode(SPICE_MOUSE_MODE_SERVER);
    looker = link_client(SESSION + 1, ALL_CAPS, false);
    hear_all(&looker);
    guest_arrives(state);
    assert_hears(&looker, MAIN, SPICE_MSG_MAIN_MULTI_MEDIA_TIME);
    g_assert_cmpuint(fake_hear(looker.w[MAIN], body), ==, SPICE_MSG_MAIN_MOUSE_MODE);
    g_assert_cmpuint(load_le16(body->data + 2), ==, SPICE_MOUSE_MODE_CLIENT);
    server_set_mouse_mode(SPICE_MOUSE_MODE_SERVER);
    end_test();
}

static void what_was_not_said_is_said_over_there(void)
{
    Session a = linked_client(), b;
    g_autoptr(GByteArray) state = NULL, body = g_byte_array_new();

    a.w[MAIN]->room = 3;
    put_bytes(body, "begun", 5);
    spice_send(a.c[MAIN], 900, g_byte_array_ref(body));
    spice_send(a.c[MAIN], 901, g_byte_array_ref(body));
    spice_pump(a.c[MAIN]);
    guest_stops();
    state = guest_is_saved();
    a.w[MAIN]->room = SIZE_MAX;
    guest_has_left();
    assert_hears(&a, MAIN, 900); /* whoever has begun a message ends it */
    assert_hears(&a, MAIN, SPICE_MSG_MIGRATE);
    end_test();
    b = destination_client(MIGRATE_VERSION);
    guest_arrives(state);
    assert_hears(&b, MAIN, SPICE_MSG_MAIN_MIGRATE_DST_SEAMLESS_ACK);
    assert_hears(&b, MAIN, 901);
    end_test();
}

/* ---- when something is wrong ---- */

static void announce(void)
{
    vm_unlock();
    part()->warm(part());
    vm_lock();
}

static void damaged_state_costs_the_picture_and_not_the_guest(void)
{
    for (unsigned cut = 0; cut < 40; cut++) {
        Session b;
        g_autoptr(GByteArray) state = NULL;

        linked_client();
        announce();
        guest_stops();
        state = guest_is_saved();
        guest_has_left();
        end_side();
        b = destination_client(MIGRATE_VERSION);
        deliver();
        if (cut < 20) {
            g_byte_array_set_size(state, state->len * cut / 20);
        } else {
            state->data[state->len * (cut - 20) / 20] ^= 0x55;
        }
        guest_arrives(state);
        if (server()->clients->len && server_find_channel(SESSION, SPICE_CHANNEL_INPUTS, 0)) {
            type_key(&b, 0x1e);
        }
        end_test();
    }
}

enum { OF_MAIN = 30, UNREAD = OF_MAIN + 6, UNREAD_MOST = 40000 }; /* places in S1: the first channel, and its parts */

static void put_be32(GByteArray *b, uint32_t v)
{
    v = GUINT32_TO_BE(v);
    g_byte_array_append(b, (uint8_t *)&v, 4);
}

/* So many messages are said to be unread that the main channel ends by it, and with it the client. */
static void too_much_that_is_unread_costs_the_session(void)
{
    static const uint8_t name[] = "\6unread", nothing[6] = {0, SPICE_MSGC_MAIN_QUALITY_INDICATOR};
    g_autoptr(GByteArray) state = NULL, damaged = g_byte_array_new();
    const uint8_t *part;

    linked_client();
    guest_stops();
    state = guest_is_saved();
    guest_has_left();
    end_test();
    destination_client(MIGRATE_VERSION);
    g_assert_cmpuint(state->data[OF_MAIN], ==, SPICE_CHANNEL_MAIN);
    part = memmem(state->data, state->len, name, 7);
    put_bytes(damaged, state->data, OF_MAIN + 2);
    put_be32(damaged, load_be32(state->data + OF_MAIN + 2) + 6 * UNREAD_MOST);
    put_bytes(damaged, state->data + UNREAD, part + 7 - (state->data + UNREAD));
    put_be32(damaged, 4 + 6 * UNREAD_MOST);
    put_be32(damaged, UNREAD_MOST);
    for (unsigned i = 0; i < UNREAD_MOST; i++) {
        put_bytes(damaged, nothing, sizeof(nothing));
    }
    put_bytes(damaged, part + 15, state->data + state->len - (part + 15));
    guest_arrives(damaged);
    g_assert_cmpuint(server()->clients->len, ==, 0);
    end_test();
}

static void who_starts_from_scratch_has_the_whole_picture(void)
{
    static const uint16_t wanted[] = {SPICE_MSG_SET_ACK, SPICE_MSG_DISPLAY_STREAM_DESTROY_ALL, SPICE_MSG_DISPLAY_INVAL_ALL_PIXMAPS,
                                      SPICE_MSG_DISPLAY_INVAL_ALL_PALETTES, SPICE_MSG_DISPLAY_SURFACE_DESTROY,
                                      SPICE_MSG_DISPLAY_SURFACE_CREATE, SPICE_MSG_DISPLAY_DRAW_COPY};
    Session b;
    g_autoptr(GByteArray) state = NULL;

    linked_client();
    announce();
    guest_stops();
    state = guest_is_saved();
    guest_has_left();
    end_side();
    b = destination_client(MIGRATE_VERSION);
    deliver();
    g_byte_array_set_size(state, 10);
    guest_arrives(state);
    spice_pump(b.c[DISPLAY]);
    for (unsigned i = 0; i < G_N_ELEMENTS(wanted); i++) {
        g_assert_cmpuint(fake_hear(b.w[DISPLAY], NULL), ==, wanted[i]);
    }
    assert_hears(&b, CURSOR, SPICE_MSG_SET_ACK);
    assert_hears(&b, CURSOR, SPICE_MSG_CURSOR_RESET);
    assert_hears(&b, CURSOR, SPICE_MSG_CURSOR_INIT);
    end_test();
}

static void who_was_not_announced_is_dropped(void)
{
    Session b;

    source_client();
    announce();
    end_side();
    link_client(SESSION + 1, ALL_CAPS, true);
    b = link_client(SESSION, ALL_CAPS, true);
    deliver();
    g_assert_cmpuint(server()->clients->len, ==, 1);
    g_assert_true(server()->clients->pdata[0] == b.client);
    end_test();
}

static void who_is_nobodys_is_dropped(void)
{
    Session b = destination_client(MIGRATE_VERSION);

    g_assert_cmpint(b.client->arr.state, ==, ARRIVE_SEAMLESS);
    guest_arrives(NULL);
    g_assert_cmpuint(server()->clients->len, ==, 0);
    end_test();
}

static void quiet_channels_hear_nothing_else(void)
{
    Session b = link_client(SESSION, ALL_CAPS, true);

    type_key(&b, 0x1e); /* nobody reads it yet */
    assert_typed("");
    console_update(screen, 0, 0, 10, 10);
    fake_settle();
    for (unsigned i = 0; i < CHANNELS; i++) {
        spice_pump(b.c[i]);
        g_assert_cmpuint(b.w[i]->out->len, ==, 0);
    }
    say(&b, MAIN, SPICE_MSGC_MAIN_ATTACH_CHANNELS, NULL, 0);
    g_assert_cmpuint(server()->clients->len, ==, 0);
    end_test();
}

static void sources_of_another_kind_are_refused(void)
{
    Session b = destination_client(1);

    assert_hears(&b, MAIN, SPICE_MSG_MAIN_MIGRATE_DST_SEAMLESS_NACK);
    guest_arrives(NULL);
    part()->peer_gone(part());
    say(&b, MAIN, SPICE_MSGC_MAIN_MIGRATE_END, NULL, 0);
    assert_hears(&b, MAIN, SPICE_MSG_MAIN_INIT);
    assert_hears(&b, INPUTS, SPICE_MSG_INPUTS_INIT);
    g_assert_cmpuint(fake_hear(b.w[INPUTS], NULL), ==, 0); /* nothing else: it had said nothing elsewhere */
    type_key(&b, 0x1e);
    assert_typed("k30=1 k30=0 ");
    end_test();
}

static void no_member_is_forgotten(void)
{
    const VMStateDescription *const tables[] = {&channel_state_vmstate, &main_channel_vmstate, &display_channel_vmstate,
                                                &inputs_channel_vmstate, &cursor_channel_vmstate, &port_channel_vmstate,
                                                &agent_vmstate, &agent_client_vmstate, &channel_replay_vmstate};

    for (unsigned i = 0; i < G_N_ELEMENTS(tables); i++) {
        g_autofree char *missing = vmstate_uncovered(tables[i]), *then = NULL, *now = vmstate_describe_text(tables[i]);
        g_autofree char *name = g_strconcat(tables[i]->name, ".txt", NULL);
        const char *source = g_getenv("BATON_SOURCE");
        g_autofree char *path = g_build_filename(source ? source : ".", "tests", "data", "vmstate", name, NULL);

        g_assert_null(missing);
        if (g_getenv("BATON_REGENERATE")) {
            g_assert_true(g_file_set_contents(path, now, -1, NULL));
        }
        g_assert_true(g_file_get_contents(path, &then, NULL, NULL));
        g_assert_cmpstr(now, ==, then);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    prepare();
    g_test_add_func("/ui/spice/arrive/no_key_is_lost_or_doubled", no_key_is_lost_or_doubled);
    g_test_add_func("/ui/spice/arrive/keys_that_still_wait_go_on_with_the_guest", keys_that_still_wait_go_on_with_the_guest);
    g_test_add_func("/ui/spice/arrive/keys_that_are_held_are_known_over_there", keys_that_are_held_are_known_over_there);
    g_test_add_func("/ui/spice/arrive/locks_are_pressed_once", locks_are_pressed_once);
    g_test_add_func("/ui/spice/arrive/keys_of_who_does_not_come_are_released", keys_of_who_does_not_come_are_released);
    g_test_add_func("/ui/spice/arrive/keys_of_who_is_lost_on_the_way_are_released", keys_of_who_is_lost_on_the_way_are_released);
    g_test_add_func("/ui/spice/arrive/keys_are_released_when_nobody_knows_whose_they_are",
                    keys_are_released_when_nobody_knows_whose_they_are);
    g_test_add_func("/ui/spice/arrive/acknowledgements_begin_a_new_generation", acknowledgements_begin_a_new_generation);
    g_test_add_func("/ui/spice/arrive/only_what_is_missing_is_drawn", only_what_is_missing_is_drawn);
    g_test_add_func("/ui/spice/arrive/videos_do_not_go_along", videos_do_not_go_along);
    g_test_add_func("/ui/spice/arrive/the_first_words_need_no_answer", the_first_words_need_no_answer);
    g_test_add_func("/ui/spice/arrive/who_was_there_before_the_guest_hears_what_came_with_it",
                    who_was_there_before_the_guest_hears_what_came_with_it);
    g_test_add_func("/ui/spice/arrive/what_was_not_said_is_said_over_there", what_was_not_said_is_said_over_there);
    g_test_add_func("/ui/spice/arrive/damaged_state_costs_the_picture_and_not_the_guest",
                    damaged_state_costs_the_picture_and_not_the_guest);
    g_test_add_func("/ui/spice/arrive/too_much_that_is_unread_costs_the_session", too_much_that_is_unread_costs_the_session);
    g_test_add_func("/ui/spice/arrive/who_starts_from_scratch_has_the_whole_picture",
                    who_starts_from_scratch_has_the_whole_picture);
    g_test_add_func("/ui/spice/arrive/who_was_not_announced_is_dropped", who_was_not_announced_is_dropped);
    g_test_add_func("/ui/spice/arrive/who_is_nobodys_is_dropped", who_is_nobodys_is_dropped);
    g_test_add_func("/ui/spice/arrive/quiet_channels_hear_nothing_else", quiet_channels_hear_nothing_else);
    g_test_add_func("/ui/spice/arrive/sources_of_another_kind_are_refused", sources_of_another_kind_are_refused);
    g_test_add_func("/ui/spice/arrive/no_member_is_forgotten", no_member_is_forgotten);
    return g_test_run();
}
