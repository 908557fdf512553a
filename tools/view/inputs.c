/* tools/view/inputs.c - what a person types and points at.  Owner: main loop.  Page: docs/view.md.
 * Test: tests/unit/tools/view-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "session.h"
#include "util/bytes.h"

#include <spice/protocol.h>
#include <string.h>

#define SCANCODES_MAX 64        /* of one message */
#define CODE_SHIFT 0x2a
#define MOTIONS_AHEAD (2 * SPICE_INPUT_MOTION_ACK_BUNCH)

typedef struct InputsChannel {
    ViewChannel c;
    uint16_t buttons;
    unsigned motions;           /* not acknowledged; beyond MOTIONS_AHEAD only the latest waits, or their sum */
    bool has_next, is_relative;
    uint8_t display;
    int32_t next_x, next_y;
    bool knows_lights;
    uint16_t lights;
} InputsChannel;

/* ---- keys ---- */

static const struct { /* of a US keyboard: the codes of a row count up */
    uint8_t first;
    const char *plain, *shifted;
} rows_of_keys[] = {
    {0x02, "1234567890-=", "!@#$%^&*()_+"}, {0x10, "qwertyuiop[]\n", "QWERTYUIOP{}"}, {0x1e, "asdfghjkl;'`", "ASDFGHJKL:\"~"},
    {0x2b, "\\zxcvbnm,./", "|ZXCVBNM<>?"},  {0x39, " ", ""},                         {0x0e, "\b\t", ""},
};

/* 0: no key has it. */
static uint8_t code_of(char ch, bool *ret_shifted)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(rows_of_keys); i++) {
        const char *plain = strchr(rows_of_keys[i].plain, ch), *shifted = strchr(rows_of_keys[i].shifted, ch);

        if (ch && (plain || shifted)) {
            *ret_shifted = !plain;
            return rows_of_keys[i].first + (plain ? plain - rows_of_keys[i].plain : shifted - rows_of_keys[i].shifted);
        }
    }
    return 0;
}

/* A key with what its code begins with, the low byte first. */
static bool send_key(ViewChannel *c, const uint8_t *codes, uint32_t size)
{
    uint8_t word[4] = {0};

    memcpy(word, codes, size);
    return view_send(c, codes[size - 1] & 0x80 ? SPICE_MSGC_INPUTS_KEY_UP : SPICE_MSGC_INPUTS_KEY_DOWN, word, 4);
}

bool view_scancodes(ViewSession *s, const uint8_t *codes, uint32_t size)
{
    ViewChannel *c = view_channel(s, SPICE_CHANNEL_INPUTS, 0);

    if (!c || !size || size > SCANCODES_MAX) {
        return false;
    }
    if (c->conn && caps_has(conn_caps(c->conn), SPICE_INPUTS_CAP_KEY_SCANCODE)) {
        return view_send(c, SPICE_MSGC_INPUTS_KEY_SCANCODE, codes, size);
    }
    for (uint32_t i = 0, n; i < size; i += n) { /* what every server knows */
        n = MIN(codes[i] == 0xe0 ? 2 : codes[i] == 0xe1 ? 3 : 1, size - i);
        if (!send_key(c, codes + i, n)) {
            return false;
        }
    }
    return true;
}

bool view_type(ViewSession *s, const char *text)
{
    for (; *text; text++) {
        uint8_t codes[4] = {CODE_SHIFT, 0, 0, CODE_SHIFT | 0x80};
        bool shifted;
        uint8_t code = code_of(*text, &shifted);

        codes[1] = code;
        codes[2] = code | 0x80;
        if (code && !view_scancodes(s, shifted ? codes : codes + 1, shifted ? 4 : 2)) {
            return false;
        }
        if (!code) {
            view_say(s, "no key for byte %u", (uint8_t)*text);
        }
    }
    return true;
}

/* ---- the pointer ---- */

static bool send_next(InputsChannel *i)
{
    uint8_t body[11];

    store_le32(body, (uint32_t)i->next_x);
    store_le32(body + 4, (uint32_t)i->next_y);
    store_le16(body + 8, i->buttons);
    body[10] = i->display;
    i->has_next = false;
    i->motions++;
    return i->is_relative ? view_send(&i->c, SPICE_MSGC_INPUTS_MOUSE_MOTION, body, 10)
                          : view_send(&i->c, SPICE_MSGC_INPUTS_MOUSE_POSITION, body, 11);
}

/* What waits is added to, or replaced. */
static bool move(ViewSession *s, uint8_t display, int32_t x, int32_t y, bool is_relative)
{
    InputsChannel *i = (InputsChannel *)view_channel(s, SPICE_CHANNEL_INPUTS, 0);

    if (!i || is_relative != (s->mouse_mode != SPICE_MOUSE_MODE_CLIENT)) {
        return false;
    }
    if (i->has_next && i->is_relative && is_relative) {
        x = CLAMP((int64_t)i->next_x + x, INT16_MIN, INT16_MAX);
        y = CLAMP((int64_t)i->next_y + y, INT16_MIN, INT16_MAX);
    }
    i->is_relative = is_relative;
    i->display = display;
    i->next_x = x;
    i->next_y = y;
    i->has_next = true;
    return i->motions >= MOTIONS_AHEAD || send_next(i);
}

bool view_move(ViewSession *s, uint8_t display, uint32_t x, uint32_t y)
{
    return move(s, display, (int32_t)MIN(x, INT32_MAX), (int32_t)MIN(y, INT32_MAX), false);
}

bool view_motion(ViewSession *s, int32_t dx, int32_t dy)
{
    return move(s, 0, dx, dy, true);
}

bool view_button(ViewSession *s, unsigned button, bool is_down)
{
    InputsChannel *i = (InputsChannel *)view_channel(s, SPICE_CHANNEL_INPUTS, 0);
    uint8_t body[3] = {button};
    uint16_t bit;

    if (!i || button < SPICE_MOUSE_BUTTON_LEFT || button > SPICE_MOUSE_BUTTON_EXTRA) {
        return false;
    }
    if (i->has_next) { /* the button is for where the pointer is, window or not */
        send_next(i);
    }
    bit = 1u << (button - 1);
    i->buttons = is_down ? i->buttons | bit : i->buttons & ~bit;
    store_le16(body + 1, i->buttons);
    return view_send(&i->c, is_down ? SPICE_MSGC_INPUTS_MOUSE_PRESS : SPICE_MSGC_INPUTS_MOUSE_RELEASE, body, sizeof(body));
}

static bool take_motion_ack(ViewChannel *c, const uint8_t *data, uint32_t size)
{
    InputsChannel *i = (InputsChannel *)c;

    i->motions -= MIN(i->motions, SPICE_INPUT_MOTION_ACK_BUNCH);
    if (i->has_next) {
        send_next(i);
    }
    return true;
}

bool view_lights(ViewSession *s, uint16_t wanted)
{
    InputsChannel *i = (InputsChannel *)view_channel(s, SPICE_CHANNEL_INPUTS, 0);
    uint8_t body[2];

    if (!i || !i->knows_lights || i->lights == wanted) {
        return i != NULL;
    }
    store_le16(body, wanted);
    return view_send(&i->c, SPICE_MSGC_INPUTS_KEY_MODIFIERS, body, sizeof(body));
}

static bool take_leds(ViewChannel *c, const uint8_t *data, uint32_t size)
{
    InputsChannel *i = (InputsChannel *)c;

    i->knows_lights = true;
    i->lights = load_le16(data);
    view_say(c->session, "lights %u", load_le16(data));
    return true;
}

static void inputs_reset(ViewChannel *c)
{
    InputsChannel *i = (InputsChannel *)c;

    i->motions = i->buttons = 0;
    i->has_next = false;
}

/* Acknowledgements may be lost: at worst one more is ahead than should. */
static void inputs_resumed(ViewChannel *c)
{
    InputsChannel *i = (InputsChannel *)c;

    i->motions = 0;
    if (i->has_next) {
        send_next(i);
    }
}

static const ViewRow inputs_rows[] = {
    {"init", SPICE_MSG_INPUTS_INIT, 2, 2, take_leds},
    {"key-modifiers", SPICE_MSG_INPUTS_KEY_MODIFIERS, 2, 2, take_leds},
    {"motion-ack", SPICE_MSG_INPUTS_MOUSE_MOTION_ACK, 0, 0, take_motion_ack},
    {},
};

const ViewKind view_inputs_kind = {.type = SPICE_CHANNEL_INPUTS, .size = sizeof(InputsChannel), .rows = inputs_rows,
                                   .resumed = inputs_resumed, .reset = inputs_reset};
