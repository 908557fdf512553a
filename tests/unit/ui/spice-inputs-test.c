/* tests/unit/ui/spice-inputs-test.c - what a client types and points at reaches the guest once, in order.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "spice-fake.h"
#include "system/runstate.h"
#include "system/vm-lock.h"
#include "ui/console.h"
#include "ui/input.h"
#include "ui/spice/kinds.h"
#include "ui/spice/server.h"

#include <spice/protocol.h>

typedef struct Device {
    InputSink sink;
    unsigned space;
    GString *got;
} Device;

static bool has_room(InputSink *s, unsigned events)
{
    return ((Device *)s)->space >= events;
}

static void take(InputSink *s, const InputEvent *e)
{
    ((Device *)s)->space--;
    g_string_append_printf(((Device *)s)->got, "%c%u=%d ", "kbra"[e->kind], e->code, e->value);
}

static void sync_events(InputSink *s)
{
}

static Device device; /* keyboard, mouse and tablet in one */

static void plug(unsigned takes)
{
    device = (Device){.sink = {.name = "all", .takes = takes, .room = has_room, .event = take, .sync = sync_events},
                      .space = 1000, .got = g_string_new(NULL)};
    input_add(&device.sink);
}

static void unplug(void)
{
    input_remove(&device.sink);
    g_string_free(device.got, true);
    fake_settle();
}

enum { EVERYTHING = 1 << INPUT_KEY | 1 << INPUT_BUTTON | 1 << INPUT_REL | 1 << INPUT_ABS };

static SpiceChannel *open_channel(FakeWire *w)
{
    SpiceCaps mini = {{1 << SPICE_COMMON_CAP_MINI_HEADER}}, none = {{0}};
    SpiceEnds ends = {{{0}}};
    SpiceChannel *c = spice_channel_new(&inputs_channel_kind, 0, NULL, &w->wire, &ends, &mini, &none);

    spice_channel_start(c);
    return c;
}

static void close_channel(SpiceChannel *c)
{
    spice_close(c);
    fake_settle();
}

static void assert_got(const char *wanted)
{
    g_assert_cmpstr(device.got->str, ==, wanted);
    g_string_truncate(device.got, 0);
}

/* ---- keys ---- */

static void keys_come_in_three_forms(void)
{
    FakeWire *w = fake_wire();
    SpiceChannel *c;

    plug(EVERYTHING);
    c = open_channel(w);
    fake_say(w, SPICE_MSGC_INPUTS_KEY_DOWN, "\x1e\0\0\0", 4);
    fake_say(w, SPICE_MSGC_INPUTS_KEY_UP, "\x9e\0\0\0", 4);
    spice_pump(c);
    assert_got("k30=1 k30=0 ");
    fake_say(w, SPICE_MSGC_INPUTS_KEY_DOWN, "\xe0\x48\0\0", 4);
    fake_say(w, SPICE_MSGC_INPUTS_KEY_UP, "\xe0\xc8\0\0", 4);
    spice_pump(c);
    assert_got("k103=1 k103=0 ");
    fake_say(w, SPICE_MSGC_INPUTS_KEY_SCANCODE, "\x1e\x9e\xe0", 3); /* a code may lie in two messages */
    fake_say(w, SPICE_MSGC_INPUTS_KEY_SCANCODE, "\x48\xe0\xc8", 3);
    spice_pump(c);
    assert_got("k30=1 k30=0 k103=1 k103=0 ");
    close_channel(c);
    unplug();
}

/* Nor does it wait for it. */
static void what_is_typed_before_the_guest_comes_is_for_nobody(void)
{
    RunState before = runstate_get();
    FakeWire *w = fake_wire();
    SpiceChannel *c;

    plug(EVERYTHING);
    c = open_channel(w);
    runstate_set(RUN_STATE_INMIGRATE);
    fake_say(w, SPICE_MSGC_INPUTS_KEY_SCANCODE, "\x1e\x9e", 2);
    fake_say(w, SPICE_MSGC_INPUTS_KEY_MODIFIERS, "\7\0", 2);
    fake_say(w, SPICE_MSGC_INPUTS_MOUSE_MOTION, "\5\0\0\0\6\0\0\0\1\0", 10);
    fake_say(w, SPICE_MSGC_INPUTS_MOUSE_PRESS, "\1\1\0", 3);
    spice_pump(c);
    g_assert_false(c->is_held);
    runstate_set(before);
    fake_say(w, SPICE_MSGC_INPUTS_KEY_SCANCODE, "\x30\xb0", 2);
    spice_pump(c);
    assert_got("k48=1 k48=0 ");
    close_channel(c);
    unplug();
}

static void keys_wait_for_room_and_keep_their_order(void)
{
    FakeWire *w = fake_wire();
    SpiceChannel *c;

    plug(EVERYTHING);
    c = open_channel(w);
    device.space = 1;
    fake_say(w, SPICE_MSGC_INPUTS_KEY_SCANCODE, "\x1e\x9e\x30\xb0", 4);
    fake_say(w, SPICE_MSGC_INPUTS_KEY_DOWN, "\x2e\0\0\0", 4);
    spice_pump(c);
    assert_got("k30=1 ");
    g_assert_true(c->is_held);
    for (unsigned i = 0; i < 4; i++) {
        device.space = 1;
        input_room(&device.sink);
        fake_settle();
        spice_pump(c);
    }
    assert_got("k30=0 k48=1 k48=0 k46=1 ");
    device.space = 10;
    input_room(&device.sink);
    close_channel(c); /* lets go of what it holds */
    assert_got("k46=0 ");
    unplug();
}

/* ---- lock keys ---- */

static unsigned last_leds(FakeWire *w, uint16_t *ret_type)
{
    g_autoptr(GByteArray) b = g_byte_array_new();
    unsigned leds = UINT_MAX;
    uint16_t type;

    while ((type = fake_hear(w, b))) {
        *ret_type = type;
        leds = load_le16(b->data);
    }
    return leds;
}

static void locks_follow_the_client_once(void)
{
    FakeWire *w = fake_wire();
    uint16_t type = 0;
    SpiceChannel *c;

    plug(EVERYTHING);
    c = open_channel(w);
    spice_pump(c);
    g_assert_cmpuint(last_leds(w, &type), ==, 0);
    g_assert_cmpuint(type, ==, SPICE_MSG_INPUTS_INIT);
    fake_say(w, SPICE_MSGC_INPUTS_KEY_MODIFIERS, "\4\0", 2);
    fake_say(w, SPICE_MSGC_INPUTS_KEY_MODIFIERS, "\4\0", 2); /* before the guest has followed */
    spice_pump(c);
    assert_got("k58=1 k58=0 ");
    input_leds_changed(&device.sink, INPUT_LED_CAPS);
    fake_settle();
    spice_pump(c);
    g_assert_cmpuint(last_leds(w, &type), ==, INPUT_LED_CAPS);
    g_assert_cmpuint(type, ==, SPICE_MSG_INPUTS_KEY_MODIFIERS);
    fake_say(w, SPICE_MSGC_INPUTS_KEY_MODIFIERS, "\3\0", 2);
    spice_pump(c);
    assert_got("k70=1 k70=0 k69=1 k69=0 k58=1 k58=0 ");
    input_leds_changed(&device.sink, INPUT_LED_NUM); /* of three that were pressed it has followed two */
    fake_settle();
    fake_say(w, SPICE_MSGC_INPUTS_KEY_MODIFIERS, "\3\0", 2);
    spice_pump(c);
    assert_got("");
    input_leds_changed(&device.sink, INPUT_LED_NUM | INPUT_LED_SCROLL);
    fake_settle();
    input_leds_changed(&device.sink, 0);
    fake_settle();
    fake_say(w, SPICE_MSGC_INPUTS_KEY_DOWN, "\x3a\0\0\0", 4); /* a finger is on it */
    fake_say(w, SPICE_MSGC_INPUTS_KEY_MODIFIERS, "\4\0", 2);
    spice_pump(c);
    assert_got("k58=1 ");
    close_channel(c);
    unplug();
}

/* A note on the main channel is one too many: the session ends while its inputs channel starts. */
static void a_session_may_end_while_a_channel_starts(void)
{
    SpiceCaps mini = {{1 << SPICE_COMMON_CAP_MINI_HEADER}}, none = {{0}};
    SpiceEnds ends = {{{0}}};
    SpiceClient *client = g_new0(SpiceClient, 1);
    FakeWire *w = fake_wire();
    SpiceChannel *main, *inputs;

    plug(EVERYTHING);
    client->channels = g_ptr_array_new();
    g_ptr_array_add(server()->clients, client);
    w->room = 0;
    main = spice_channel_new(&main_channel_kind, 0, client, &w->wire, &ends, &mini, &none);
    g_ptr_array_add(client->channels, main);
    spice_channel_start(main);
    while (main->out.length < CHANNEL_QUEUE_MESSAGES_MAX) {
        spice_send(main, SPICE_MSG_MAIN_MULTI_MEDIA_TIME, NULL);
    }
    inputs = spice_channel_new(&inputs_channel_kind, 0, client, &fake_wire()->wire, &ends, &mini, &none);
    g_ptr_array_add(client->channels, inputs);
    spice_channel_start(inputs);
    g_assert_true(main->is_closed && inputs->is_closed);
    g_assert_cmpuint(server()->clients->len, ==, 0);
    fake_settle();
    g_assert_cmpuint(server()->dead->len, ==, 0);
    unplug();
}

/* ---- pointers ---- */

static unsigned heard(FakeWire *w, uint16_t wanted)
{
    unsigned n = 0;
    uint16_t type;

    while ((type = fake_hear(w, NULL))) {
        n += type == wanted;
    }
    return n;
}

static void movements_and_buttons_are_acknowledged_by_fours(void)
{
    FakeWire *w = fake_wire();
    SpiceChannel *c;

    plug(EVERYTHING);
    c = open_channel(w);
    spice_pump(c);
    heard(w, 0);
    fake_say(w, SPICE_MSGC_INPUTS_MOUSE_MOTION, "\5\0\0\0\xfd\xff\xff\xff\0\0\0", 11); /* as spice-html5 does */
    fake_say(w, SPICE_MSGC_INPUTS_MOUSE_PRESS, "\1\1\0", 3);
    fake_say(w, SPICE_MSGC_INPUTS_MOUSE_MOTION, "\xff\xff\xff\x7f\0\0\0\x80\1\0", 10);
    fake_say(w, SPICE_MSGC_INPUTS_MOUSE_RELEASE, "\1\0\0", 3);
    spice_pump(c);
    assert_got("r0=5 r1=-3 b0=1 r0=32767 r1=-32767 b0=0 ");
    fake_say(w, SPICE_MSGC_INPUTS_MOUSE_PRESS, "\4\0\0", 3); /* the wheel */
    fake_say(w, SPICE_MSGC_INPUTS_MOUSE_RELEASE, "\4\0\0", 3);
    fake_say(w, SPICE_MSGC_INPUTS_MOUSE_PRESS, "\xff\0\0", 3); /* one that nobody has */
    spice_pump(c);
    assert_got("b3=1 b3=0 ");
    g_assert_cmpuint(heard(w, SPICE_MSG_INPUTS_MOUSE_MOTION_ACK), ==, 0);
    fake_say(w, SPICE_MSGC_INPUTS_MOUSE_MOTION, "\0\0\0\0\0\0\0\0\4\0", 10); /* a press that went unheard */
    fake_say(w, SPICE_MSGC_INPUTS_MOUSE_MOTION, "\0\0\0\0\0\0\0\0\0\0", 10);
    spice_pump(c);
    assert_got("r0=0 r1=0 b2=1 r0=0 r1=0 b2=0 ");
    g_assert_cmpuint(heard(w, SPICE_MSG_INPUTS_MOUSE_MOTION_ACK), ==, 1);
    close_channel(c);
    unplug();
}

static const ConsoleDevice no_ops;

static void positions_span_the_screen(void)
{
    static const struct {
        const char *message, *got;
    } cases[] = {
        {"\0\0\0\0\0\0\0\0\0\0\0", "a0=0 a1=0 "},
        {"\xc7\0\0\0\x63\0\0\0\0\0\0", "a0=32767 a1=32767 "},
        {"\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0", "a0=32767 a1=32767 "},
        {"\1\0\0\0\0\0\0\0\0\0\7", ""}, /* a screen that is not there */
    };
    Console *screen = console_add(object_container("/machine"), 0, &no_ops, NULL, NULL);
    pixman_image_t *image = pixman_image_create_bits(PIXMAN_x8r8g8b8, 200, 100, NULL, 0);
    FakeWire *w = fake_wire();
    SpiceChannel *c;

    console_set_surface(screen, image);
    plug(EVERYTHING);
    c = open_channel(w);
    fake_say(w, SPICE_MSGC_INPUTS_MOUSE_POSITION, cases[1].message, 11);
    spice_pump(c);
    assert_got(""); /* the mode is another */
    server_set_mouse_mode(SPICE_MOUSE_MODE_CLIENT);
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        fake_say(w, SPICE_MSGC_INPUTS_MOUSE_POSITION, cases[i].message, 11);
        spice_pump(c);
        assert_got(cases[i].got);
    }
    server_set_mouse_mode(SPICE_MOUSE_MODE_SERVER);
    close_channel(c);
    unplug();
    console_remove(screen);
    pixman_image_unref(image);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    loop_init();
    runstate_init();
    vm_lock();
    input_init();
    server_init();
    g_test_add_func("/ui/spice/inputs/keys_come_in_three_forms", keys_come_in_three_forms);
    g_test_add_func("/ui/spice/inputs/what_is_typed_before_the_guest_comes_is_for_nobody",
                    what_is_typed_before_the_guest_comes_is_for_nobody);
    g_test_add_func("/ui/spice/inputs/keys_wait_for_room_and_keep_their_order", keys_wait_for_room_and_keep_their_order);
    g_test_add_func("/ui/spice/inputs/locks_follow_the_client_once", locks_follow_the_client_once);
    g_test_add_func("/ui/spice/inputs/a_session_may_end_while_a_channel_starts", a_session_may_end_while_a_channel_starts);
    g_test_add_func("/ui/spice/inputs/movements_and_buttons_are_acknowledged_by_fours",
                    movements_and_buttons_are_acknowledged_by_fours);
    g_test_add_func("/ui/spice/inputs/positions_span_the_screen", positions_span_the_screen);
    return g_test_run();
}
