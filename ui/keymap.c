/* ui/keymap.c - one key, three names: QKeyCode, Linux code, PC scan code.  Page: docs/input.md.
 * Test: tests/unit/ui/input-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "ui/input.h"

#include "qapi/qapi-types.h"

#include <linux/input-event-codes.h>

#define E0(code) (0xe000 | (code))

typedef struct KeyRow {
    uint16_t key, scancode; /* set 1 */
} KeyRow;

/* Where two names mean one key, the one that comes first in QKeyCode names it. */
static const KeyRow rows[Q_KEY_CODE__MAX] = {
    [Q_KEY_CODE_ESC] = {KEY_ESC, 0x01},                [Q_KEY_CODE_1] = {KEY_1, 0x02},
    [Q_KEY_CODE_2] = {KEY_2, 0x03},                    [Q_KEY_CODE_3] = {KEY_3, 0x04},
    [Q_KEY_CODE_4] = {KEY_4, 0x05},                    [Q_KEY_CODE_5] = {KEY_5, 0x06},
    [Q_KEY_CODE_6] = {KEY_6, 0x07},                    [Q_KEY_CODE_7] = {KEY_7, 0x08},
    [Q_KEY_CODE_8] = {KEY_8, 0x09},                    [Q_KEY_CODE_9] = {KEY_9, 0x0a},
    [Q_KEY_CODE_0] = {KEY_0, 0x0b},                    [Q_KEY_CODE_MINUS] = {KEY_MINUS, 0x0c},
    [Q_KEY_CODE_EQUAL] = {KEY_EQUAL, 0x0d},            [Q_KEY_CODE_BACKSPACE] = {KEY_BACKSPACE, 0x0e},
    [Q_KEY_CODE_TAB] = {KEY_TAB, 0x0f},                [Q_KEY_CODE_Q] = {KEY_Q, 0x10},
    [Q_KEY_CODE_W] = {KEY_W, 0x11},                    [Q_KEY_CODE_E] = {KEY_E, 0x12},
    [Q_KEY_CODE_R] = {KEY_R, 0x13},                    [Q_KEY_CODE_T] = {KEY_T, 0x14},
    [Q_KEY_CODE_Y] = {KEY_Y, 0x15},                    [Q_KEY_CODE_U] = {KEY_U, 0x16},
    [Q_KEY_CODE_I] = {KEY_I, 0x17},                    [Q_KEY_CODE_O] = {KEY_O, 0x18},
    [Q_KEY_CODE_P] = {KEY_P, 0x19},                    [Q_KEY_CODE_BRACKET_LEFT] = {KEY_LEFTBRACE, 0x1a},
    [Q_KEY_CODE_BRACKET_RIGHT] = {KEY_RIGHTBRACE, 0x1b}, [Q_KEY_CODE_RET] = {KEY_ENTER, 0x1c},
    [Q_KEY_CODE_CTRL] = {KEY_LEFTCTRL, 0x1d},          [Q_KEY_CODE_A] = {KEY_A, 0x1e},
    [Q_KEY_CODE_S] = {KEY_S, 0x1f},                    [Q_KEY_CODE_D] = {KEY_D, 0x20},
    [Q_KEY_CODE_F] = {KEY_F, 0x21},                    [Q_KEY_CODE_G] = {KEY_G, 0x22},
    [Q_KEY_CODE_H] = {KEY_H, 0x23},                    [Q_KEY_CODE_J] = {KEY_J, 0x24},
    [Q_KEY_CODE_K] = {KEY_K, 0x25},                    [Q_KEY_CODE_L] = {KEY_L, 0x26},
    [Q_KEY_CODE_SEMICOLON] = {KEY_SEMICOLON, 0x27},    [Q_KEY_CODE_APOSTROPHE] = {KEY_APOSTROPHE, 0x28},
    [Q_KEY_CODE_GRAVE_ACCENT] = {KEY_GRAVE, 0x29},     [Q_KEY_CODE_SHIFT] = {KEY_LEFTSHIFT, 0x2a},
    [Q_KEY_CODE_BACKSLASH] = {KEY_BACKSLASH, 0x2b},    [Q_KEY_CODE_Z] = {KEY_Z, 0x2c},
    [Q_KEY_CODE_X] = {KEY_X, 0x2d},                    [Q_KEY_CODE_C] = {KEY_C, 0x2e},
    [Q_KEY_CODE_V] = {KEY_V, 0x2f},                    [Q_KEY_CODE_B] = {KEY_B, 0x30},
    [Q_KEY_CODE_N] = {KEY_N, 0x31},                    [Q_KEY_CODE_M] = {KEY_M, 0x32},
    [Q_KEY_CODE_COMMA] = {KEY_COMMA, 0x33},            [Q_KEY_CODE_DOT] = {KEY_DOT, 0x34},
    [Q_KEY_CODE_SLASH] = {KEY_SLASH, 0x35},            [Q_KEY_CODE_SHIFT_R] = {KEY_RIGHTSHIFT, 0x36},
    [Q_KEY_CODE_ASTERISK] = {KEY_KPASTERISK, 0x37},    [Q_KEY_CODE_KP_MULTIPLY] = {KEY_KPASTERISK, 0x37},
    [Q_KEY_CODE_ALT] = {KEY_LEFTALT, 0x38},            [Q_KEY_CODE_SPC] = {KEY_SPACE, 0x39},
    [Q_KEY_CODE_CAPS_LOCK] = {KEY_CAPSLOCK, 0x3a},     [Q_KEY_CODE_F1] = {KEY_F1, 0x3b},
    [Q_KEY_CODE_F2] = {KEY_F2, 0x3c},                  [Q_KEY_CODE_F3] = {KEY_F3, 0x3d},
    [Q_KEY_CODE_F4] = {KEY_F4, 0x3e},                  [Q_KEY_CODE_F5] = {KEY_F5, 0x3f},
    [Q_KEY_CODE_F6] = {KEY_F6, 0x40},                  [Q_KEY_CODE_F7] = {KEY_F7, 0x41},
    [Q_KEY_CODE_F8] = {KEY_F8, 0x42},                  [Q_KEY_CODE_F9] = {KEY_F9, 0x43},
    [Q_KEY_CODE_F10] = {KEY_F10, 0x44},                [Q_KEY_CODE_NUM_LOCK] = {KEY_NUMLOCK, 0x45},
    [Q_KEY_CODE_SCROLL_LOCK] = {KEY_SCROLLLOCK, 0x46}, [Q_KEY_CODE_KP_7] = {KEY_KP7, 0x47},
    [Q_KEY_CODE_KP_8] = {KEY_KP8, 0x48},               [Q_KEY_CODE_KP_9] = {KEY_KP9, 0x49},
    [Q_KEY_CODE_KP_SUBTRACT] = {KEY_KPMINUS, 0x4a},    [Q_KEY_CODE_KP_4] = {KEY_KP4, 0x4b},
    [Q_KEY_CODE_KP_5] = {KEY_KP5, 0x4c},               [Q_KEY_CODE_KP_6] = {KEY_KP6, 0x4d},
    [Q_KEY_CODE_KP_ADD] = {KEY_KPPLUS, 0x4e},          [Q_KEY_CODE_KP_1] = {KEY_KP1, 0x4f},
    [Q_KEY_CODE_KP_2] = {KEY_KP2, 0x50},               [Q_KEY_CODE_KP_3] = {KEY_KP3, 0x51},
    [Q_KEY_CODE_KP_0] = {KEY_KP0, 0x52},               [Q_KEY_CODE_KP_DECIMAL] = {KEY_KPDOT, 0x53},
    [Q_KEY_CODE_SYSRQ] = {KEY_SYSRQ, 0x54},            [Q_KEY_CODE_PRINT] = {KEY_SYSRQ, E0(0x37)},
    [Q_KEY_CODE_LESS] = {KEY_102ND, 0x56},             [Q_KEY_CODE_F11] = {KEY_F11, 0x57},
    [Q_KEY_CODE_F12] = {KEY_F12, 0x58},                [Q_KEY_CODE_KP_EQUALS] = {KEY_KPEQUAL, 0x59},
    [Q_KEY_CODE_F20] = {KEY_F20, 0x5a},                [Q_KEY_CODE_LF] = {KEY_LINEFEED, 0x5b},
    [Q_KEY_CODE_F13] = {KEY_F13, 0x5d},                [Q_KEY_CODE_F14] = {KEY_F14, 0x5e},
    [Q_KEY_CODE_F15] = {KEY_F15, 0x5f},                [Q_KEY_CODE_F16] = {KEY_F16, 0x55},
    [Q_KEY_CODE_F17] = {KEY_F17, E0(0x03)},            [Q_KEY_CODE_F18] = {KEY_F18, E0(0x77)},
    [Q_KEY_CODE_F19] = {KEY_F19, E0(0x04)},            [Q_KEY_CODE_F21] = {KEY_F21, 0x74},
    [Q_KEY_CODE_F22] = {KEY_F22, E0(0x79)},            [Q_KEY_CODE_F23] = {KEY_F23, 0x6d},
    [Q_KEY_CODE_F24] = {KEY_F24, 0x6f},                [Q_KEY_CODE_OPEN] = {KEY_OPEN, 0x64},
    [Q_KEY_CODE_PASTE] = {KEY_PASTE, 0x65},            [Q_KEY_CODE_KATAKANAHIRAGANA] = {KEY_KATAKANAHIRAGANA, 0x70},
    [Q_KEY_CODE_LANG2] = {KEY_HANJA, 0x71},            [Q_KEY_CODE_LANG1] = {KEY_HANGEUL, 0x72},
    [Q_KEY_CODE_RO] = {KEY_RO, 0x73},                  [Q_KEY_CODE_HIRAGANA] = {KEY_HIRAGANA, 0x77},
    [Q_KEY_CODE_KATAKANA] = {KEY_KATAKANA, 0x78},      [Q_KEY_CODE_HENKAN] = {KEY_HENKAN, 0x79},
    [Q_KEY_CODE_MUHENKAN] = {KEY_MUHENKAN, 0x7b},      [Q_KEY_CODE_YEN] = {KEY_YEN, 0x7d},
    [Q_KEY_CODE_KP_COMMA] = {KEY_KPCOMMA, 0x7e},
    [Q_KEY_CODE_AGAIN] = {KEY_AGAIN, E0(0x05)},        [Q_KEY_CODE_PROPS] = {KEY_PROPS, E0(0x06)},
    [Q_KEY_CODE_UNDO] = {KEY_UNDO, E0(0x07)},          [Q_KEY_CODE_FRONT] = {KEY_FRONT, E0(0x0c)},
    [Q_KEY_CODE_AUDIOPREV] = {KEY_PREVIOUSSONG, E0(0x10)}, [Q_KEY_CODE_AUDIONEXT] = {KEY_NEXTSONG, E0(0x19)},
    [Q_KEY_CODE_KP_ENTER] = {KEY_KPENTER, E0(0x1c)},   [Q_KEY_CODE_CTRL_R] = {KEY_RIGHTCTRL, E0(0x1d)},
    [Q_KEY_CODE_MENU] = {KEY_MENU, E0(0x1e)},          [Q_KEY_CODE_AUDIOMUTE] = {KEY_MUTE, E0(0x20)},
    [Q_KEY_CODE_CALCULATOR] = {KEY_CALC, E0(0x21)},    [Q_KEY_CODE_AUDIOPLAY] = {KEY_PLAYPAUSE, E0(0x22)},
    [Q_KEY_CODE_AUDIOSTOP] = {KEY_STOPCD, E0(0x24)},   [Q_KEY_CODE_VOLUMEDOWN] = {KEY_VOLUMEDOWN, E0(0x2e)},
    [Q_KEY_CODE_VOLUMEUP] = {KEY_VOLUMEUP, E0(0x30)},  [Q_KEY_CODE_AC_HOME] = {KEY_HOMEPAGE, E0(0x32)},
    [Q_KEY_CODE_KP_DIVIDE] = {KEY_KPSLASH, E0(0x35)},  [Q_KEY_CODE_ALT_R] = {KEY_RIGHTALT, E0(0x38)},
    [Q_KEY_CODE_CUT] = {KEY_CUT, E0(0x3c)},            [Q_KEY_CODE_FIND] = {KEY_FIND, E0(0x41)},
    [Q_KEY_CODE_PAUSE] = {KEY_PAUSE, E0(0x46)},        [Q_KEY_CODE_HOME] = {KEY_HOME, E0(0x47)},
    [Q_KEY_CODE_UP] = {KEY_UP, E0(0x48)},              [Q_KEY_CODE_PGUP] = {KEY_PAGEUP, E0(0x49)},
    [Q_KEY_CODE_LEFT] = {KEY_LEFT, E0(0x4b)},          [Q_KEY_CODE_RIGHT] = {KEY_RIGHT, E0(0x4d)},
    [Q_KEY_CODE_END] = {KEY_END, E0(0x4f)},            [Q_KEY_CODE_DOWN] = {KEY_DOWN, E0(0x50)},
    [Q_KEY_CODE_PGDN] = {KEY_PAGEDOWN, E0(0x51)},      [Q_KEY_CODE_INSERT] = {KEY_INSERT, E0(0x52)},
    [Q_KEY_CODE_DELETE] = {KEY_DELETE, E0(0x53)},      [Q_KEY_CODE_META_L] = {KEY_LEFTMETA, E0(0x5b)},
    [Q_KEY_CODE_META_R] = {KEY_RIGHTMETA, E0(0x5c)},   [Q_KEY_CODE_COMPOSE] = {KEY_COMPOSE, E0(0x5d)},
    [Q_KEY_CODE_POWER] = {KEY_POWER, E0(0x5e)},        [Q_KEY_CODE_SLEEP] = {KEY_SLEEP, E0(0x5f)},
    [Q_KEY_CODE_WAKE] = {KEY_WAKEUP, E0(0x63)},        [Q_KEY_CODE_AC_BOOKMARKS] = {KEY_BOOKMARKS, E0(0x66)},
    [Q_KEY_CODE_AC_REFRESH] = {KEY_REFRESH, E0(0x67)}, [Q_KEY_CODE_STOP] = {KEY_STOP, E0(0x68)},
    [Q_KEY_CODE_AC_FORWARD] = {KEY_FORWARD, E0(0x69)}, [Q_KEY_CODE_AC_BACK] = {KEY_BACK, E0(0x6a)},
    [Q_KEY_CODE_COMPUTER] = {KEY_COMPUTER, E0(0x6b)},  [Q_KEY_CODE_MAIL] = {KEY_MAIL, E0(0x6c)},
    [Q_KEY_CODE_MEDIASELECT] = {KEY_MEDIA, E0(0x6d)},  [Q_KEY_CODE_HELP] = {KEY_HELP, E0(0x75)},
    [Q_KEY_CODE_COPY] = {KEY_COPY, E0(0x78)},
};

/* ---- from one to another ---- */
enum { PLAIN = 0, EXTENDED = 128, SCANCODES = 256 };

static uint16_t by_scancode[SCANCODES];
static uint8_t by_key[INPUT_KEYS]; /* QKeyCode; 0, which is "unmapped": none */

static void index_rows(void)
{
    static bool is_done;

    if (is_done) {
        return;
    }
    is_done = true;
    for (unsigned i = Q_KEY_CODE__MAX; i-- > 0;) {
        const KeyRow *r = &rows[i];

        if (r->key) {
            by_scancode[(r->scancode & 0x7f) | (r->scancode >> 8 ? EXTENDED : PLAIN)] = r->key;
            by_key[r->key] = i;
        }
    }
}

uint16_t input_key_from_scancode(unsigned code)
{
    index_rows();
    if ((code & 0x7f) == 0 || (code & 0x80) || (code >> 8 != 0 && code >> 8 != 0xe0)) {
        return 0;
    }
    return by_scancode[(code & 0x7f) | (code >> 8 ? EXTENDED : PLAIN)];
}

uint16_t input_key_from_number(unsigned number)
{
    index_rows();
    return number < SCANCODES ? by_scancode[number] : input_key_from_scancode(number);
}

unsigned input_scancode_of(uint16_t key)
{
    index_rows();
    return key < INPUT_KEYS && by_key[key] ? rows[by_key[key]].scancode : 0;
}

uint16_t input_key_from_qcode(const char *name)
{
    int code = QKeyCode_from_str(name);

    return code < 0 ? 0 : rows[code].key;
}

const char *input_qcode_name(uint16_t key)
{
    index_rows();
    return key < INPUT_KEYS && by_key[key] ? QKeyCode_str(by_key[key]) : NULL;
}

uint16_t input_key_at(unsigned i)
{
    index_rows();
    for (unsigned key = 0; key < INPUT_KEYS; key++) {
        if (by_key[key] && i-- == 0) {
            return key;
        }
    }
    return 0;
}

/* ---- streams ---- */
bool input_scancode_byte(InputScancodes *s, uint8_t byte, InputEvent *ret)
{
    uint8_t prefix = s->prefix, code = byte & 0x7f;

    if (s->skip) { /* behind 0xe1: 0x1d 0x45, or 0x9d 0xc5 for the release */
        s->skip--;
        *ret = (InputEvent){INPUT_KEY, KEY_PAUSE, !(byte & 0x80)};
        return s->skip == 0 && code == 0x45;
    }
    if (byte == 0xe0 || byte == 0xe1) {
        s->prefix = byte == 0xe0 ? byte : 0;
        s->skip = byte == 0xe1 ? 2 : 0;
        return false;
    }
    s->prefix = 0;
    if (prefix && (code == 0x2a || code == 0x36)) {
        return false; /* a shift that no finger pressed */
    }
    *ret = (InputEvent){INPUT_KEY, input_key_from_scancode(prefix << 8 | code), !(byte & 0x80)};
    return ret->code != 0;
}
