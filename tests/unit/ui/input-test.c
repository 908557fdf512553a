/* tests/unit/ui/input-test.c - which device gets an event, that groups stay whole, and what keys are called.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * BATON_REGENERATE=1 writes the golden description anew; a change of it is a change of the wire format. */
#include "../../../ui/keys.h"
#include "config-host.h"
#include "qapi/qapi-types.h"
#include "system/clock.h"
#include "system/handoff.h"
#include "system/runstate.h"
#include "system/vm-lock.h"
#include "ui/console.h"
#include "ui/input.h"
#include "util/loop.h"

#include <linux/input-event-codes.h>
#include <string.h>

/* ---- a device that writes down what it gets ---- */
typedef struct Device {
    InputSink sink;
    unsigned space;
    GString *got;
} Device;

static bool has_room(InputSink *s, unsigned events)
{
    return ((Device *)s)->space >= events + 1;
}

static void take(InputSink *s, const InputEvent *e)
{
    ((Device *)s)->space--;
    g_string_append_printf(((Device *)s)->got, "%c%u=%d ", "kbra"[e->kind], e->code, e->value);
}

static void sync_events(InputSink *s)
{
    ((Device *)s)->space--;
    g_string_append(((Device *)s)->got, "| ");
}

static Device *plug(const char *name, unsigned takes)
{
    Device *d = g_new0(Device, 1);

    *d = (Device){.sink = {.name = name, .takes = takes, .room = has_room, .event = take, .sync = sync_events},
                  .space = 1000, .got = g_string_new(NULL)};
    input_add(&d->sink);
    return d;
}

static void unplug(Device *d)
{
    input_remove(&d->sink);
    g_string_free(d->got, true);
    g_free(d);
}

static void assert_got(Device *d, const char *want)
{
    g_assert_cmpstr(d->got->str, ==, want);
    g_string_truncate(d->got, 0);
}

enum { KEYS = 1 << INPUT_KEY, MOUSE = 1 << INPUT_REL | 1 << INPUT_BUTTON, TABLET = 1 << INPUT_ABS | 1 << INPUT_BUTTON };

static void let_others_hear(void)
{
    while (g_main_context_iteration(NULL, false)) {
    }
}

static unsigned rooms, pointers, leds_heard;
static InputUser *sends_again;

static void on_room(InputUser *u)
{
    rooms++;
    if (sends_again == u) {
        const InputEvent again = {INPUT_KEY, KEY_B, 1};

        input_send(u, -1, &again, 1);
    }
}

static void on_leds(InputUser *u, unsigned leds)
{
    leds_heard = leds;
}

static void on_pointer(InputUser *u)
{
    pointers++;
}

static InputUser viewer = {.leds = on_leds, .room = on_room, .pointer = on_pointer};

static bool send(InputKind kind, uint16_t code, int32_t value)
{
    const InputEvent e = {kind, code, value};

    return input_send(&viewer, -1, &e, 1);
}

/* ---- who gets it ---- */
static void the_newest_device_of_a_kind_gets_it(void)
{
    Device *old = plug("old", KEYS), *mouse = plug("mouse", MOUSE), *new = plug("new", KEYS);

    g_assert_true(send(INPUT_KEY, KEY_A, 1));
    assert_got(new, "k30=1 | ");
    g_assert_true(send(INPUT_REL, INPUT_X, -5));
    assert_got(mouse, "r0=-5 | ");
    g_assert_true(send(INPUT_ABS, INPUT_X, 5)); /* nobody */
    g_assert_true(send(INPUT_KEY, KEY_A, 0));
    assert_got(new, "k30=0 | ");
    unplug(new);
    g_assert_true(send(INPUT_KEY, KEY_A, 1));
    assert_got(old, "k30=1 | ");
    new = plug("newer", KEYS); /* a key that is down goes up where it went down */
    g_assert_true(send(INPUT_KEY, KEY_B, 1) && send(INPUT_KEY, KEY_A, 0) && send(INPUT_KEY, KEY_B, 0));
    assert_got(old, "k30=0 | ");
    assert_got(new, "k48=1 | k48=0 | ");
    assert_got(mouse, "");
    unplug(old);
    unplug(mouse);
    unplug(new);
    g_assert_true(send(INPUT_KEY, KEY_A, 1));
    g_assert_false(input_has(INPUT_KEY, -1));
}

static void buttons_belong_to_what_was_moved(void)
{
    static const InputEvent click[] = {{INPUT_ABS, INPUT_X, 1}, {INPUT_ABS, INPUT_Y, 2}, {INPUT_BUTTON, INPUT_LEFT, 1}};
    Device *tablet = plug("tablet", TABLET), *mouse = plug("mouse", MOUSE);

    g_assert_true(send(INPUT_BUTTON, INPUT_LEFT, 1) && send(INPUT_BUTTON, INPUT_LEFT, 0));
    assert_got(mouse, "b0=1 | b0=0 | "); /* nothing was moved: the newest */
    g_assert_true(input_send(&viewer, -1, click, 3));
    assert_got(tablet, "a0=1 a1=2 b0=1 | ");
    g_assert_true(send(INPUT_REL, INPUT_Y, 3) && send(INPUT_BUTTON, INPUT_LEFT, 0));
    assert_got(tablet, "b0=0 | "); /* where it went down */
    g_assert_true(send(INPUT_BUTTON, INPUT_WHEEL_UP, 1) && send(INPUT_BUTTON, INPUT_WHEEL_UP, 0));
    assert_got(mouse, "r1=3 | b3=1 | b3=0 | ");
    unplug(mouse);
    unplug(tablet);
}

/* The destination's devices are others, in the same order; of a stream that says too much nothing is believed. */
static void what_is_down_goes_up_where_it_went_down_after_a_handoff_too(void)
{
    static const InputEvent click[] = {{INPUT_ABS, INPUT_X, 1}, {INPUT_BUTTON, INPUT_LEFT, 1}};
    Device *d[] = {plug("tablet", TABLET), plug("mouse", MOUSE), plug("first", KEYS), plug("second", KEYS)};
    const StateEntry *e = state_find("input-routes", 0);
    StateWriter *w = state_writer_new();
    const uint8_t *data;
    StateReader r;
    size_t size;

    g_assert_true(input_send(&viewer, -1, click, 2) && send(INPUT_KEY, KEY_A, 1));
    vmstate_save(e->state, e->object, w);
    data = state_writer_data(w, &size);
    unplug(d[0]);
    unplug(d[1]);
    unplug(d[2]);
    unplug(d[3]);
    d[0] = plug("tablet", TABLET);
    d[1] = plug("mouse", MOUSE);
    d[3] = plug("second", KEYS);
    d[2] = plug("newest", KEYS);
    state_reader_init(&r, data, size, "test");
    g_assert_true(vmstate_load(e->state, e->object, 1, &r, NULL));
    g_assert_true(send(INPUT_BUTTON, INPUT_LEFT, 0) && send(INPUT_BUTTON, INPUT_RIGHT, 1) && send(INPUT_BUTTON, INPUT_RIGHT, 0) &&
                  send(INPUT_KEY, KEY_A, 0));
    assert_got(d[0], "b0=0 | b2=1 | b2=0 | ");
    assert_got(d[2], "k30=0 | "); /* in the fourth place */
    for (size_t i = 0; i < size; i++) {
        g_autofree uint8_t *bad = g_memdup2(data, size);

        bad[i] ^= 0xff;
        state_reader_init(&r, bad, size, "test");
        g_assert_true(vmstate_load(e->state, e->object, 1, &r, NULL));
    }
    g_assert_true(send(INPUT_BUTTON, INPUT_LEFT, 0) && send(INPUT_KEY, KEY_A, 0));
    for (unsigned i = 0; i < G_N_ELEMENTS(d); i++) {
        unplug(d[i]);
    }
    state_writer_free(w);
}

static void a_group_goes_as_a_whole_or_not_at_all(void)
{
    static const InputEvent both[] = {{INPUT_KEY, KEY_LEFTCTRL, 1}, {INPUT_REL, INPUT_X, 1}, {INPUT_REL, INPUT_Y, 1}};
    Device *keyboard = plug("keyboard", KEYS), *mouse = plug("mouse", MOUSE);

    rooms = 0;
    mouse->space = 2; /* and three are needed with the sync */
    g_assert_false(input_send(&viewer, -1, both, 3));
    assert_got(keyboard, "");
    assert_got(mouse, "");
    mouse->space = 3;
    g_assert_cmpuint(rooms, ==, 0);
    input_room(&mouse->sink);
    input_room(&mouse->sink);
    let_others_hear();
    g_assert_cmpuint(rooms, ==, 1); /* once for each refusal */
    g_assert_true(input_send(&viewer, -1, both, 3));
    assert_got(keyboard, "k29=1 | ");
    assert_got(mouse, "r0=1 r1=1 | ");
    g_assert_true(send(INPUT_KEY, KEY_LEFTCTRL, 0));
    unplug(keyboard);
    unplug(mouse);
}

static void who_leaves_lets_go(void)
{
    Device *keyboard = plug("keyboard", KEYS), *mouse = plug("mouse", MOUSE);
    InputUser guest = {.room = on_room};
    const InputEvent held[] = {{INPUT_KEY, KEY_LEFTSHIFT, 1}, {INPUT_KEY, KEY_A, 1}, {INPUT_KEY, KEY_A, 0},
                               {INPUT_KEY, KEY_B, 1}, {INPUT_BUTTON, INPUT_RIGHT, 1}};

    input_join(&guest);
    g_assert_true(input_send(&guest, -1, held, 5));
    assert_got(keyboard, "k42=1 k30=1 k30=0 k48=1 | ");
    assert_got(mouse, "b2=1 | ");
    keyboard->space = 2;
    input_leave(&guest);
    assert_got(keyboard, "k42=0 | "); /* the other one waits for room */
    keyboard->space = 100;
    input_room(&keyboard->sink);
    let_others_hear();
    assert_got(keyboard, "k48=0 | ");
    assert_got(mouse, "b2=0 | ");
    input_room(&keyboard->sink);
    let_others_hear();
    assert_got(keyboard, "");
    unplug(keyboard);
    unplug(mouse);
}

#if CONFIG_PIXMAN
static void a_screens_own_device_gets_what_is_for_it(void)
{
    static const ConsoleDevice ops;
    Console *c[2] = {console_add(object_container("/machine"), 0, &ops, NULL, NULL),
                     console_add(object_container("/machine"), 1, &ops, NULL, NULL)};
    Device *own = plug("own", TABLET), *shared = plug("shared", TABLET), *lost = plug("lost", 1 << INPUT_REL);
    const InputEvent move = {INPUT_ABS, INPUT_X, 5}, step = {INPUT_REL, INPUT_X, 1};

    own->sink.display = "/machine";
    own->sink.head = 1;
    lost->sink.display = "nobody"; /* as if it belonged to all */
    g_assert_true(input_send(&viewer, console_index(c[1]), &move, 1));
    assert_got(own, "a0=5 | ");
    g_assert_true(input_send(&viewer, console_index(c[0]), &move, 1) && input_send(&viewer, -1, &move, 1));
    assert_got(shared, "a0=5 | a0=5 | ");
    g_assert_true(input_send(&viewer, console_index(c[0]), &step, 1));
    assert_got(lost, "r0=1 | ");
    unplug(shared);
    g_assert_false(input_has_absolute(console_index(c[0])));
    g_assert_true(input_has_absolute(console_index(c[1])));
    g_assert_true(input_send(&viewer, -1, &move, 1)); /* no screen named: any will do */
    assert_got(own, "a0=5 | ");
    unplug(own);
    unplug(lost);
    console_remove(c[0]);
    console_remove(c[1]);
}
#endif

static void lights_are_those_of_the_keyboard_in_use(void)
{
    Device *old = plug("old", KEYS), *new = plug("new", KEYS);

    let_others_hear();
    input_leds_changed(&old->sink, INPUT_LED_CAPS);
    let_others_hear();
    g_assert_cmpuint(leds_heard, ==, 0);
    input_leds_changed(&new->sink, INPUT_LED_NUM);
    let_others_hear();
    g_assert_cmpuint(leds_heard, ==, INPUT_LED_NUM);
    unplug(new);
    let_others_hear();
    g_assert_cmpuint(leds_heard, ==, INPUT_LED_CAPS);
    unplug(old);
}

static void pointers_come_and_go(void)
{
    Device *tablet;

    let_others_hear();
    pointers = 0;
    g_assert_false(input_has_absolute(-1));
    tablet = plug("tablet", TABLET);
    let_others_hear();
    g_assert_true(input_has_absolute(-1) && input_has_absolute(0));
    g_assert_cmpuint(pointers, ==, 1);
    unplug(tablet);
    let_others_hear();
    g_assert_cmpuint(pointers, ==, 2);
}

/* ---- handoff ---- */
static HandoffPart *part(void)
{
    HandoffPart *p = handoff_find("input");

    g_assert_nonnull(p);
    return p;
}

static void nothing_is_taken_while_the_guest_is_on_its_way(void)
{
    Device *keyboard = plug("keyboard", KEYS);
    g_autoptr(GError) err = NULL;
    const uint16_t key = KEY_C;

    rooms = 0;
    part()->freeze(part());
    g_assert_false(input_is_open() || send(INPUT_KEY, KEY_A, 1));
    g_assert_false(input_press(&key, 1, 1, &err));
    g_assert_nonnull(err);
    part()->thaw(part(), false);
    sends_again = &viewer;
    let_others_hear();
    sends_again = NULL;
    g_assert_cmpuint(rooms, ==, 1);
    assert_got(keyboard, "k48=1 | ");
    g_assert_true(send(INPUT_KEY, KEY_B, 0));
    unplug(keyboard);
}

static void a_destination_takes_nothing_before_it_runs_the_guest(void)
{
    Device *keyboard = plug("keyboard", KEYS);

    runstate_set(RUN_STATE_INMIGRATE);
    g_assert_false(send(INPUT_KEY, KEY_A, 1));
    g_assert_true(part()->check(part(), NULL));
    runstate_set(RUN_STATE_PAUSED); /* parked */
    g_assert_false(send(INPUT_KEY, KEY_A, 1));
    part()->starting(part());
    g_assert_true(send(INPUT_KEY, KEY_A, 1) && send(INPUT_KEY, KEY_A, 0));
    assert_got(keyboard, "k30=1 | k30=0 | ");
    part()->freeze(part()); /* and it can give the guest away again */
    g_assert_false(send(INPUT_KEY, KEY_A, 1));
    part()->thaw(part(), false);
    unplug(keyboard);
}

/* ---- keys that are held ---- */
static void step_ms(unsigned ms)
{
    clock_step_to(clock_virtual_ns() + ms * NS_PER_MS);
    let_others_hear();
}

static void keys_are_held_by_the_guests_clock(void)
{
    Device *keyboard = plug("keyboard", KEYS);
    static const uint16_t combination[] = {KEY_LEFTCTRL, KEY_LEFTALT, KEY_F1}, next = KEY_A;

    g_assert_true(input_press(combination, 3, 100, NULL));
    g_assert_true(input_press(&next, 1, 100, NULL));
    assert_got(keyboard, "k29=1 | k56=1 | k59=1 | ");
    step_ms(99);
    assert_got(keyboard, "");
    step_ms(1);
    assert_got(keyboard, "k59=0 | k56=0 | k29=0 | k30=1 | ");
    keyboard->space = 0;
    step_ms(100);
    assert_got(keyboard, "");
    keyboard->space = 1000;
    input_room(&keyboard->sink);
    let_others_hear();
    assert_got(keyboard, "k30=0 | ");
    unplug(keyboard);
}

/* The time is over while the gate is closed, and the guest stays. */
static void a_key_is_released_after_a_handoff_that_failed(void)
{
    Device *keyboard = plug("keyboard", KEYS);
    const uint16_t key = KEY_A;

    g_assert_true(input_press(&key, 1, 100, NULL));
    assert_got(keyboard, "k30=1 | ");
    part()->freeze(part());
    step_ms(100);
    assert_got(keyboard, "");
    part()->thaw(part(), false);
    let_others_hear();
    assert_got(keyboard, "k30=0 | ");
    unplug(keyboard);
}

static void too_many_keys_are_refused_and_none_pressed(void)
{
    Device *keyboard = plug("keyboard", KEYS);
    g_autoptr(GError) err = NULL;
    const uint16_t key = KEY_A;
    unsigned taken = 0;

    keyboard->space = 0;
    while (input_press(&key, 1, 1, &err)) {
        taken++;
    }
    g_assert_cmpuint(taken, ==, KEY_STEPS_MAX / 3);
    g_assert_true(g_pattern_match_simple("*too many*", err->message));
    keyboard->space = 1u << 20;
    input_room(&keyboard->sink);
    let_others_hear();
    for (unsigned i = 0; i < taken; i++) {
        step_ms(1);
    }
    g_assert_cmpuint(keyboard->got->len, ==, taken * strlen("k30=1 | k30=0 | "));
    unplug(keyboard);
    g_clear_error(&err);
    g_assert_false(input_press(&key, 1, 1, &err));
    g_assert_true(g_pattern_match_simple("*no keyboard*", err->message));
}

/* Saved in the middle of a press, damaged or whole, and loaded. */
static void a_key_that_is_held_goes_along(void)
{
    Device *keyboard = plug("keyboard", KEYS);
    StateWriter *w = state_writer_new();
    const StateEntry *e = state_find("input-keys", 0);
    const uint16_t key = KEY_A;
    const uint8_t *data;
    StateReader r;
    size_t size;

    g_assert_true(input_press(&key, 1, 50, NULL));
    step_ms(20);
    assert_got(keyboard, "k30=1 | ");
    vmstate_save(e->state, e->object, w);
    step_ms(30);
    assert_got(keyboard, "k30=0 | ");
    data = state_writer_data(w, &size);
    clock_set_ns(clock_virtual_ns() - 30 * NS_PER_MS);
    state_reader_init(&r, data, size, "test");
    g_assert_true(vmstate_load(e->state, e->object, 1, &r, NULL));
    step_ms(29);
    assert_got(keyboard, "");
    step_ms(1);
    assert_got(keyboard, "k30=0 | ");
    for (size_t i = 0; i < size; i++) {
        g_autofree uint8_t *bad = g_memdup2(data, size);

        bad[i] ^= 0xff;
        state_reader_init(&r, bad, size, "test");
        vmstate_load(e->state, e->object, 1, &r, NULL);
        state_reader_init(&r, data, size, "test");
        g_assert_true(vmstate_load(e->state, e->object, 1, &r, NULL));
    }
    step_ms(1);
    state_writer_free(w);
    unplug(keyboard);
}

static void no_member_is_forgotten(void)
{
    const VMStateDescription *const tables[] = {&input_keys_state, &input_routes_state};

    for (unsigned i = 0; i < G_N_ELEMENTS(tables); i++) {
        const char *source = g_getenv("BATON_SOURCE");
        g_autofree char *name = g_strconcat(tables[i]->name, ".txt", NULL);
        g_autofree char *path = g_build_filename(source ? source : ".", "tests", "data", "vmstate", name, NULL);
        g_autofree char *missing = vmstate_uncovered(tables[i]), *then = NULL, *now = vmstate_describe_text(tables[i]);

        g_assert_null(missing);
        if (g_getenv("BATON_REGENERATE")) {
            g_assert_true(g_file_set_contents(path, now, -1, NULL));
        }
        g_assert_true(g_file_get_contents(path, &then, NULL, NULL));
        g_assert_cmpstr(now, ==, then);
    }
}

/* ---- names ---- */
static void each_name_is_a_key(void)
{
    for (int i = Q_KEY_CODE_UNMAPPED + 1; i < Q_KEY_CODE__MAX; i++) {
        uint16_t key = input_key_from_qcode(QKeyCode_str(i));
        const char *name = input_qcode_name(key);

        g_assert_cmpuint(key, >, 0);
        g_assert_cmpuint(key, <, INPUT_KEYS);
        g_assert_nonnull(name);
        g_assert_cmpuint(input_key_from_qcode(name), ==, key);
    }
    g_assert_cmpuint(input_key_from_qcode("unmapped"), ==, 0);
    g_assert_cmpuint(input_key_from_qcode("nonsense"), ==, 0);
    g_assert_null(input_qcode_name(0));
    g_assert_null(input_qcode_name(INPUT_KEYS));
    for (unsigned i = 0, last = 0; input_key_at(i); last = input_key_at(i++)) {
        g_assert_cmpuint(input_key_at(i), >, last);
    }
}

static void keys_have_their_codes(void)
{
    static const struct {
        const char *name;
        uint16_t key;
        unsigned scancode, number;
    } keys[] = {
        {"a", KEY_A, 0x1e, 0x1e}, {"ret", KEY_ENTER, 0x1c, 0x1c}, {"kp_enter", KEY_KPENTER, 0xe01c, 0x9c},
        {"ctrl_r", KEY_RIGHTCTRL, 0xe01d, 0x9d}, {"up", KEY_UP, 0xe048, 0xc8}, {"kp_8", KEY_KP8, 0x48, 0x48},
        {"delete", KEY_DELETE, 0xe053, 0xd3}, {"less", KEY_102ND, 0x56, 0x56}, {"f11", KEY_F11, 0x57, 0x57},
        {"print", KEY_SYSRQ, 0xe037, 0xb7}, {"sysrq", KEY_SYSRQ, 0x54, 0x54}, {"pause", KEY_PAUSE, 0xe046, 0xc6},
        {"meta_l", KEY_LEFTMETA, 0xe05b, 0xdb}, {"yen", KEY_YEN, 0x7d, 0x7d}, {"volumeup", KEY_VOLUMEUP, 0xe030, 0xb0},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(keys); i++) {
        g_assert_cmpuint(input_key_from_qcode(keys[i].name), ==, keys[i].key);
        g_assert_cmpuint(input_key_from_scancode(keys[i].scancode), ==, keys[i].key);
        g_assert_cmpuint(input_key_from_number(keys[i].number), ==, keys[i].key);
    }
    for (unsigned code = 0; code < 0x20000; code++) { /* and nothing else has one */
        bool plain = code < 0x80, extended = code >= 0xe000 && code < 0xe080;

        g_assert_true(plain || extended || !input_key_from_scancode(code));
    }
}

static void streams_of_scan_codes_become_keys(void)
{
    static const struct {
        const char *bytes; /* hexadecimal */
        const char *keys;
    } streams[] = {
        {"1e 9e", "30=1 30=0 "},
        {"e0 1c e0 9c", "96=1 96=0 "},
        {"e1 1d 45 e1 9d c5", "119=1 119=0 "},              /* Pause */
        {"e0 46 e0 c6", "119=1 119=0 "},                    /* with Ctrl */
        {"e0 2a e0 37 e0 b7 e0 aa", "99=1 99=0 "},          /* Print, with the shifts around it */
        {"54 d4", "99=1 99=0 "},                            /* with Alt */
        {"2a e0 aa e0 48 e0 c8 e0 2a aa", "42=1 103=1 103=0 42=0 "},
        {"e0 e0 e1 1e 00 80 7f ff 1f", "31=1 "},            /* nonsense is passed over */
        {"e0 01 1e", "30=1 "},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(streams); i++) {
        g_auto(GStrv) bytes = g_strsplit(streams[i].bytes, " ", -1);
        g_autoptr(GString) got = g_string_new(NULL);
        InputScancodes s = {0};
        InputEvent e;

        for (char **b = bytes; *b; b++) {
            if (input_scancode_byte(&s, strtoul(*b, NULL, 16), &e)) {
                g_assert_cmpint(e.kind, ==, INPUT_KEY);
                g_string_append_printf(got, "%u=%d ", e.code, e.value);
            }
        }
        g_assert_cmpstr(got->str, ==, streams[i].keys);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    loop_init();
    runstate_init();
    vm_lock();
    clock_use_steps();
    input_init();
    input_join(&viewer);
    g_test_add_func("/ui/input/the_newest_device_of_a_kind_gets_it", the_newest_device_of_a_kind_gets_it);
    g_test_add_func("/ui/input/buttons_belong_to_what_was_moved", buttons_belong_to_what_was_moved);
    g_test_add_func("/ui/input/what_is_down_goes_up_where_it_went_down_after_a_handoff_too",
                    what_is_down_goes_up_where_it_went_down_after_a_handoff_too);
    g_test_add_func("/ui/input/a_group_goes_as_a_whole_or_not_at_all", a_group_goes_as_a_whole_or_not_at_all);
    g_test_add_func("/ui/input/who_leaves_lets_go", who_leaves_lets_go);
#if CONFIG_PIXMAN
    g_test_add_func("/ui/input/a_screens_own_device_gets_what_is_for_it", a_screens_own_device_gets_what_is_for_it);
#endif
    g_test_add_func("/ui/input/lights_are_those_of_the_keyboard_in_use", lights_are_those_of_the_keyboard_in_use);
    g_test_add_func("/ui/input/pointers_come_and_go", pointers_come_and_go);
    g_test_add_func("/ui/input/nothing_is_taken_while_the_guest_is_on_its_way",
                    nothing_is_taken_while_the_guest_is_on_its_way);
    g_test_add_func("/ui/input/a_destination_takes_nothing_before_it_runs_the_guest",
                    a_destination_takes_nothing_before_it_runs_the_guest);
    g_test_add_func("/ui/input/keys_are_held_by_the_guests_clock", keys_are_held_by_the_guests_clock);
    g_test_add_func("/ui/input/a_key_is_released_after_a_handoff_that_failed", a_key_is_released_after_a_handoff_that_failed);
    g_test_add_func("/ui/input/too_many_keys_are_refused_and_none_pressed", too_many_keys_are_refused_and_none_pressed);
    g_test_add_func("/ui/input/a_key_that_is_held_goes_along", a_key_that_is_held_goes_along);
    g_test_add_func("/ui/input/no_member_is_forgotten", no_member_is_forgotten);
    g_test_add_func("/ui/keymap/each_name_is_a_key", each_name_is_a_key);
    g_test_add_func("/ui/keymap/keys_have_their_codes", keys_have_their_codes);
    g_test_add_func("/ui/keymap/streams_of_scan_codes_become_keys", streams_of_scan_codes_become_keys);
    return g_test_run();
}
