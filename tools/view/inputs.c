/* tools/view/inputs.c - what a person types and points at; the guest's pointer.  Owner: main loop.
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
    unsigned motions;           /* not acknowledged; beyond MOTIONS_AHEAD only the latest waits */
    bool has_next;
    uint32_t next_x, next_y;
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

static bool send_position(InputsChannel *i, uint32_t x, uint32_t y)
{
    uint8_t body[11];

    store_le32(body, x);
    store_le32(body + 4, y);
    store_le16(body + 8, i->buttons);
    body[10] = 0;
    i->motions++;
    return view_send(&i->c, SPICE_MSGC_INPUTS_MOUSE_POSITION, body, sizeof(body));
}

bool view_move(ViewSession *s, uint32_t x, uint32_t y)
{
    InputsChannel *i = (InputsChannel *)view_channel(s, SPICE_CHANNEL_INPUTS, 0);

    if (!i || s->mouse_mode != SPICE_MOUSE_MODE_CLIENT) {
        return false;
    }
    if (i->motions < MOTIONS_AHEAD) {
        return send_position(i, x, y);
    }
    i->has_next = true;
    i->next_x = x;
    i->next_y = y;
    return true;
}

bool view_button(ViewSession *s, unsigned button, bool is_down)
{
    InputsChannel *i = (InputsChannel *)view_channel(s, SPICE_CHANNEL_INPUTS, 0);
    uint8_t body[3] = {button};
    uint16_t bit;

    if (!i || button < SPICE_MOUSE_BUTTON_LEFT || button > SPICE_MOUSE_BUTTON_EXTRA) {
        return false;
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
        i->has_next = false;
        send_position(i, i->next_x, i->next_y);
    }
    return true;
}

static bool take_leds(ViewChannel *c, const uint8_t *data, uint32_t size)
{
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
        i->has_next = false;
        send_position(i, i->next_x, i->next_y);
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

/* ---- the guest's pointer: where it is is told, its shape is not drawn ---- */

#define CURSOR_MAX (22 + 4 * 256 * 256)

static bool take_shape(ViewChannel *c, const uint8_t *data, uint32_t size, uint32_t at)
{
    if (load_le16(data + at) & SPICE_CURSOR_FLAGS_NONE) {
        view_say(c->session, "pointer none");
        return true;
    }
    if (size - at < 19) {
        return false;
    }
    view_say(c->session, "pointer %ux%u at %d,%d", load_le16(data + at + 11), load_le16(data + at + 13),
             (int16_t)load_le16(data), (int16_t)load_le16(data + 2));
    return true;
}

static bool take_cursor_init(ViewChannel *c, const uint8_t *data, uint32_t size)
{
    return take_shape(c, data, size, 9);
}

static bool take_cursor_set(ViewChannel *c, const uint8_t *data, uint32_t size)
{
    return take_shape(c, data, size, 5);
}

static const ViewRow cursor_rows[] = {
    {"init", SPICE_MSG_CURSOR_INIT, 11, CURSOR_MAX, take_cursor_init},
    {"reset", SPICE_MSG_CURSOR_RESET, 0, 0},
    {"set", SPICE_MSG_CURSOR_SET, 7, CURSOR_MAX, take_cursor_set},
    {"move", SPICE_MSG_CURSOR_MOVE, 4, 4},
    {"hide", SPICE_MSG_CURSOR_HIDE, 0, 0},
    {"trail", SPICE_MSG_CURSOR_TRAIL, 4, 4},
    {"inval-one", SPICE_MSG_CURSOR_INVAL_ONE, 8, 8},
    {"inval-all", SPICE_MSG_CURSOR_INVAL_ALL, 0, 0},
    {},
};

const ViewKind view_cursor_kind = {.type = SPICE_CHANNEL_CURSOR, .size = sizeof(ViewChannel), .rows = cursor_rows};
