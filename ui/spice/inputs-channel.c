/* ui/spice/inputs-channel.c - keys, buttons and movements of a client.  Owner: main loop (vm_lock).  Page: docs/spice.md.
 * Test: tests/unit/ui/spice-inputs-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the guest has no room for stays with the channel (TAKE_LATER), and the client's socket is not read. */
#include "agent.h"
#include "kinds.h"
#include "server.h"
#include "system/runstate.h"
#include "ui/console.h"
#include "ui/input.h"
#include "util/bytes.h"
#include "util/error.h"

#include <linux/input-event-codes.h>
#include <spice/protocol.h>
#include <string.h>

#define SCANCODES_MAX 2048              /* bytes of one KEY_SCANCODE */
#define MOTION_LIMIT 32767              /* pixels of one movement, each way */
#define LEDS_ALL (INPUT_LED_SCROLL | INPUT_LED_NUM | INPUT_LED_CAPS)
#define LEDS_NS (2 * NS_PER_SEC)        /* after a lock key was pressed for the client, it is told what came of it */

typedef struct InputsState {            /* S1: to the inputs channel of the same session */
    InputScancodes scan;                /* the middle of a scan code */
    uint32_t taken;                     /* bytes of the held message that the guest has already */
    uint32_t buttons;                   /* that the client holds: its mask */
    uint32_t motions;                   /* since the last MOTION_ACK */
    uint32_t leds;                      /* as the client knows them, or as they will be when the guest has followed, */
    uint32_t pressed;                   /* which it has not yet with these: nobody presses their keys again for that */
} InputsState;                          /* and the keys that the user holds */

typedef struct InputsChannel {
    SpiceChannel c;
    InputsState st;
    InputUser user;
    LoopTimer *tell_leds;
} InputsChannel;

static InputsChannel *inputs_of(SpiceChannel *c)
{
    return (InputsChannel *)c;
}

/* What is said before the guest has come is for nobody: it is not meant for the guest as it will be then. */
static bool has_no_guest(void)
{
    return runstate_get() == RUN_STATE_INMIGRATE;
}

/* ---- keys ---- */

/* One event a group: a tap is a press and, later, a release. */
static Taken take_scancodes(InputsChannel *i, const uint8_t *data, uint32_t size)
{
    while (i->st.taken < size && !has_no_guest()) {
        InputScancodes next = i->st.scan;
        InputEvent e;

        if (input_scancode_byte(&next, data[i->st.taken], &e) && !input_send(&i->user, -1, &e, 1)) {
            return TAKE_LATER;
        }
        i->st.scan = next;
        i->st.taken++;
    }
    i->st.taken = 0;
    return TAKEN;
}

static Taken take_raw(SpiceChannel *c, const uint8_t *data, uint32_t size)
{
    return take_scancodes(inputs_of(c), data, size);
}

/* Up to four bytes, the low one first; a 0 ends them. */
static Taken take_key(SpiceChannel *c, const uint8_t *data, uint32_t size)
{
    uint32_t n = 0;

    while (n < size && data[n]) {
        n++;
    }
    return take_scancodes(inputs_of(c), data, n);
}

/* ---- lock keys and lights ---- */

static const struct {
    uint32_t led;
    uint16_t key;
} locks[] = {{INPUT_LED_SCROLL, KEY_SCROLLLOCK}, {INPUT_LED_NUM, KEY_NUMLOCK}, {INPUT_LED_CAPS, KEY_CAPSLOCK}};

static void send_leds(InputsChannel *i, uint16_t type)
{
    GByteArray *b = g_byte_array_new();

    put_u16(b, i->st.leds);
    spice_send(&i->c, type, b);
}

static bool is_held(const InputUser *u, uint16_t key)
{
    return u->keys[key / 32] >> key % 32 & 1;
}

/* A lock that is not as the client has it is pressed, unless the user's finger is on it; the guest may follow, and LEDS_NS later
 * the client hears how it is. */
static Taken take_modifiers(SpiceChannel *c, const uint8_t *data, uint32_t size)
{
    InputsChannel *i = inputs_of(c);
    uint32_t wanted = load_le16(data);

    for (unsigned n = 0; n < G_N_ELEMENTS(locks) && !has_no_guest(); n++) {
        InputEvent down = {INPUT_KEY, locks[n].key, 1}, up = {INPUT_KEY, locks[n].key, 0};

        if (!((wanted ^ i->st.leds) & locks[n].led) || is_held(&i->user, locks[n].key)) {
            continue;
        }
        if (!input_send(&i->user, -1, (InputEvent[]){down, up}, 2)) {
            return TAKE_LATER;
        }
        i->st.leds ^= locks[n].led;
        i->st.pressed |= locks[n].led;
        loop_timer_set(i->tell_leds, time_monotonic_ns() + LEDS_NS);
    }
    return TAKEN;
}

/* One that is still to follow is not as the guest has it now: it may have been told of several. */
static void leds_are(InputsChannel *i, unsigned leds)
{
    i->st.pressed &= leds ^ i->st.leds;
    i->st.leds ^= (leds ^ i->st.leds) & ~i->st.pressed;
    if (!i->st.pressed) {
        loop_timer_cancel(i->tell_leds);
    }
    send_leds(i, SPICE_MSG_INPUTS_KEY_MODIFIERS);
}

/* Whatever has not followed by now will not. */
static void leds_now(void *opaque)
{
    InputsChannel *i = opaque;

    i->st.pressed = 0;
    leds_are(i, input_leds());
}

static void user_leds(InputUser *u, unsigned leds)
{
    leds_are((InputsChannel *)((char *)u - offsetof(InputsChannel, user)), leds);
}

/* ---- pointers ---- */

/* Mask bit n is button n + 1; the wheel's have no state. */
static const struct {
    uint8_t number;         /* SPICE_MOUSE_BUTTON_* */
    InputButton button;
    bool has_state;
} buttons[] = {
    {SPICE_MOUSE_BUTTON_LEFT, INPUT_LEFT, true},     {SPICE_MOUSE_BUTTON_MIDDLE, INPUT_MIDDLE, true},
    {SPICE_MOUSE_BUTTON_RIGHT, INPUT_RIGHT, true},   {SPICE_MOUSE_BUTTON_UP, INPUT_WHEEL_UP, false},
    {SPICE_MOUSE_BUTTON_DOWN, INPUT_WHEEL_DOWN, false}, {SPICE_MOUSE_BUTTON_SIDE, INPUT_SIDE, true},
    {SPICE_MOUSE_BUTTON_EXTRA, INPUT_EXTRA, true},
};
G_STATIC_ASSERT(G_N_ELEMENTS(buttons) + 2 <= INPUT_GROUP_MAX);

/* What the mask says besides the movement: a press that went unheard, for instance. */
static unsigned add_buttons(const InputsChannel *i, uint32_t mask, InputEvent *to)
{
    unsigned n = 0;

    for (unsigned b = 0; b < G_N_ELEMENTS(buttons); b++) {
        uint32_t bit = UINT32_C(1) << (buttons[b].number - 1);

        if (buttons[b].has_state && (mask ^ i->st.buttons) & bit) {
            to[n++] = (InputEvent){INPUT_BUTTON, buttons[b].button, !!(mask & bit)};
        }
    }
    return n;
}

static void count_motion(InputsChannel *i)
{
    if (++i->st.motions == SPICE_INPUT_MOTION_ACK_BUNCH) {
        i->st.motions = 0;
        spice_send(&i->c, SPICE_MSG_INPUTS_MOUSE_MOTION_ACK, NULL);
    }
}

/* To the agent goes the whole mask, wheels and all. */
static Taken press_by_agent(InputsChannel *i, uint32_t mask)
{
    if (!agent_press(mask)) {
        return TAKE_LATER;
    }
    i->st.buttons = mask;
    return TAKEN;
}

static Taken point_by_agent(InputsChannel *i, const uint8_t *data)
{
    uint32_t mask = load_le16(data + 8);

    if (!agent_point(load_le32(data), load_le32(data + 4), mask, data[10])) {
        return TAKE_LATER;
    }
    i->st.buttons = mask;
    count_motion(i);
    return TAKEN;
}

static Taken send_pointer(InputsChannel *i, int console, InputEvent *events, unsigned n, uint32_t mask)
{
    if (!has_no_guest()) {
        n += add_buttons(i, mask, events + n);
        if (n && !input_send(&i->user, console, events, n)) {
            return TAKE_LATER;
        }
        i->st.buttons = mask;
    }
    count_motion(i);
    return TAKEN;
}

static Taken take_motion(SpiceChannel *c, const uint8_t *data, uint32_t size)
{
    int32_t dx = (int32_t)load_le32(data), dy = (int32_t)load_le32(data + 4);
    InputEvent events[2 + G_N_ELEMENTS(buttons)] = {
        {INPUT_REL, INPUT_X, CLAMP(dx, -MOTION_LIMIT, MOTION_LIMIT)}, {INPUT_REL, INPUT_Y, CLAMP(dy, -MOTION_LIMIT, MOTION_LIMIT)}};

    /* Between two modes: what the client says of the old one. */
    return send_pointer(inputs_of(c), -1, events, server()->st.mouse_mode == SPICE_MOUSE_MODE_SERVER ? 2 : 0, load_le16(data + 8));
}

static int32_t scale(uint32_t at, int size)
{
    return size < 2 ? 0 : (int32_t)((uint64_t)MIN(at, (uint32_t)size - 1) * INPUT_AXIS_MAX / (uint32_t)(size - 1));
}

static Taken take_position(SpiceChannel *c, const uint8_t *data, uint32_t size)
{
    uint8_t display = data[10];
    Console *console = console_at(display);
    pixman_image_t *surface = console ? console_surface(console) : NULL;
    InputEvent events[2 + G_N_ELEMENTS(buttons)];
    bool counts = surface && server()->st.mouse_mode == SPICE_MOUSE_MODE_CLIENT;

    if (server_points_by_agent() && !has_no_guest()) {
        return point_by_agent(inputs_of(c), data);
    }
    if (counts) {
        events[0] = (InputEvent){INPUT_ABS, INPUT_X, scale(load_le32(data), pixman_image_get_width(surface))};
        events[1] = (InputEvent){INPUT_ABS, INPUT_Y, scale(load_le32(data + 4), pixman_image_get_height(surface))};
    }
    return send_pointer(inputs_of(c), console ? display : -1, events, counts ? 2 : 0, load_le16(data + 8));
}

static Taken take_button(InputsChannel *i, const uint8_t *data, bool is_down)
{
    for (unsigned b = 0; b < G_N_ELEMENTS(buttons); b++) {
        InputEvent e = {INPUT_BUTTON, buttons[b].button, is_down};
        uint32_t bit = UINT32_C(1) << (buttons[b].number - 1);

        if (buttons[b].number != data[0] || has_no_guest()) {
            continue;
        }
        if (server_points_by_agent()) {
            return press_by_agent(i, is_down ? i->st.buttons | bit : i->st.buttons & ~bit);
        }
        if (!input_send(&i->user, -1, &e, 1)) {
            return TAKE_LATER;
        }
        if (buttons[b].has_state) {
            i->st.buttons = is_down ? i->st.buttons | bit : i->st.buttons & ~bit;
        }
        return TAKEN;
    }
    return TAKEN; /* one that nobody has, or for nobody */
}

static Taken take_press(SpiceChannel *c, const uint8_t *data, uint32_t size)
{
    return take_button(inputs_of(c), data, true);
}

static Taken take_release(SpiceChannel *c, const uint8_t *data, uint32_t size)
{
    return take_button(inputs_of(c), data, false);
}

static const MessageRow inputs_rows[] = {
    {"key-down", SPICE_MSGC_INPUTS_KEY_DOWN, 4, 4, take_key},
    {"key-up", SPICE_MSGC_INPUTS_KEY_UP, 4, 4, take_key},
    {"key-modifiers", SPICE_MSGC_INPUTS_KEY_MODIFIERS, 2, 2, take_modifiers},
    {"key-scancode", SPICE_MSGC_INPUTS_KEY_SCANCODE, 0, SCANCODES_MAX, take_raw},
    {"mouse-motion", SPICE_MSGC_INPUTS_MOUSE_MOTION, 10, 11, take_motion}, /* spice-html5: as if it were a position */
    {"mouse-position", SPICE_MSGC_INPUTS_MOUSE_POSITION, 11, 11, take_position},
    {"mouse-press", SPICE_MSGC_INPUTS_MOUSE_PRESS, 3, 3, take_press},
    {"mouse-release", SPICE_MSGC_INPUTS_MOUSE_RELEASE, 3, 3, take_release},
    {},
};

/* ---- life ---- */

static unsigned inputs_count(void)
{
    return 1;
}

static void user_room(InputUser *u)
{
    spice_resume(&((InputsChannel *)((char *)u - offsetof(InputsChannel, user)))->c);
}

static void warn_of_listeners(InputsChannel *i)
{
    if (!i->c.wire->is_tls && !i->c.wire->is_unix && i->c.client) {
        spice_notify(client_main(i->c.client), SPICE_NOTIFY_SEVERITY_WARN, "keyboard channel is insecure");
    }
}

static uint32_t inputs_partial(const SpiceChannel *c)
{
    return ((const InputsChannel *)c)->st.taken;
}

static void inputs_open(SpiceChannel *c)
{
    InputsChannel *i = inputs_of(c);

    i->tell_leds = loop_timer_new(leds_now, i);
    i->user = (InputUser){.leds = user_leds, .room = user_room};
    input_join(&i->user);
}

static void inputs_start(SpiceChannel *c)
{
    InputsChannel *i = inputs_of(c);

    i->st.leds = input_leds();
    send_leds(i, SPICE_MSG_INPUTS_INIT);
    warn_of_listeners(i);
}

static void inputs_stop(SpiceChannel *c)
{
    InputsChannel *i = inputs_of(c);

    if (i->st.buttons && c->mode == CHANNEL_LIVE && server_points_by_agent()) {
        agent_press(0); /* who leaves lets go */
    }
    input_leave(&i->user);
    g_clear_pointer(&i->tell_leds, loop_timer_free);
}

/* ---- handoff ---- */

static void inputs_adopted(SpiceChannel *c)
{
    InputsChannel *i = inputs_of(c);

    if (i->st.pressed) {
        loop_timer_set(i->tell_leds, time_monotonic_ns() + LEDS_NS);
    }
    leds_are(i, input_leds());
}

static void inputs_let_go(SpiceChannel *c)
{
    InputsChannel *i = inputs_of(c);

    if (i->st.buttons && server_points_by_agent()) {
        agent_press(0);
    }
    input_leave(&i->user);
    input_join(&i->user);
}

/* How many movements it has counted nobody knows: one acknowledgement too many only lets it go on.  Nothing is held by it. */
static void inputs_reset(SpiceChannel *c)
{
    InputUser *u = &inputs_of(c)->user;

    inputs_of(c)->st = (InputsState){0};
    memset(u->keys, 0, sizeof(u->keys));
    u->buttons = 0;
    inputs_adopted(c);
    spice_send(c, SPICE_MSG_INPUTS_MOUSE_MOTION_ACK, NULL);
}

void inputs_add_held(const SpiceChannel *c, InputUser *to)
{
    const InputsChannel *i = (const InputsChannel *)c;

    if (c->st.type != SPICE_CHANNEL_INPUTS) {
        return;
    }
    for (unsigned n = 0; n < G_N_ELEMENTS(to->keys); n++) {
        to->keys[n] |= i->user.keys[n];
    }
    to->buttons |= i->user.buttons;
}

static void save_held(SpiceChannel *c, StateWriter *w)
{
    const InputUser *u = &inputs_of(c)->user;

    for (unsigned n = 0; n < G_N_ELEMENTS(u->keys); n++) {
        state_put_be32(w, u->keys[n]);
    }
    state_put_be32(w, u->buttons);
}

static bool load_held(SpiceChannel *c, StateReader *r, GError **errp)
{
    InputsChannel *i = inputs_of(c);

    for (unsigned n = 0; n < G_N_ELEMENTS(i->user.keys); n++) {
        if (!state_get_be32(r, &i->user.keys[n], errp)) {
            return false;
        }
    }
    if (!state_get_be32(r, &i->user.buttons, errp)) {
        return false;
    }
    return (i->st.taken <= SCANCODES_MAX && i->st.motions < SPICE_INPUT_MOTION_ACK_BUNCH && i->st.pressed <= LEDS_ALL &&
            i->user.buttons >> INPUT_BUTTONS == 0) ||
           fail(errp, "%s: out of range", r->what);
}

VMSTATE_DEFINE_SPAN(InputsChannel, st)

const VMStateDescription inputs_channel_vmstate = {
    .name = "spice-inputs",
    .version = 2,
    VMSTATE_SPAN(InputsChannel, st),
    .fields = VMSTATE_FIELDS(VMSTATE_U8(InputsChannel, st.scan.prefix), VMSTATE_U8(InputsChannel, st.scan.skip),
                             VMSTATE_U32(InputsChannel, st.taken), VMSTATE_U32(InputsChannel, st.buttons),
                             VMSTATE_U32(InputsChannel, st.motions), VMSTATE_U32(InputsChannel, st.leds),
                             VMSTATE_U32_SINCE(2, InputsChannel, st.pressed)),
};

static const ChannelPart inputs_parts[] = {{"inputs", &inputs_channel_vmstate, save_held, load_held}, {}};

const ChannelKind inputs_channel_kind = {
    .type = SPICE_CHANNEL_INPUTS, .caps = 1 << SPICE_INPUTS_CAP_KEY_SCANCODE, .size = sizeof(InputsChannel), .rows = inputs_rows,
    .needs_flush = true, .moves_queue = true, .parts = inputs_parts, .open = inputs_open, .adopted = inputs_adopted,
    .reset = inputs_reset, .let_go = inputs_let_go, .resumed = inputs_adopted, .partial = inputs_partial,
    .count = inputs_count, .start = inputs_start, .stop = inputs_stop,
};
