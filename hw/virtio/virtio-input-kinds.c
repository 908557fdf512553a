/* hw/virtio/virtio-input-kinds.c - keyboard, mouse and tablet: what each can say, and how the guest is told so.
 * Guarded by: vm_lock.  Page: docs/devices/virtio-input.md.  Test: tests/qtest/hw/virtio/virtio-input-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Virtio 1.2, 5.8; types and codes are Linux's. */
#include "hw/virtio/virtio-input.h"

#include "util/bytes.h"
#include "util/log.h"

#include <linux/input-event-codes.h>
#include <string.h>

enum { CFG_ID_NAME = 1, CFG_ID_SERIAL = 2, CFG_ID_DEVIDS = 3, CFG_PROP_BITS = 0x10, CFG_EV_BITS = 0x11,
       CFG_ABS_INFO = 0x12 };
enum { CONFIG_HEAD = 8, CONFIG_BODY = 128 };
enum { BUS_IS_VIRTUAL = 6, VENDOR = 0x0627 };

/* ---- the kinds ---- */
static const uint16_t pointer_buttons[] = {BTN_LEFT, BTN_RIGHT, BTN_MIDDLE, BTN_SIDE, BTN_EXTRA, 0};
static const uint16_t gears[] = {BTN_GEAR_DOWN, BTN_GEAR_UP, 0}; /* a wheel without an axis */
static const uint16_t wheels[] = {REL_HWHEEL, REL_WHEEL, 0};

static const VirtioInputKind kinds[] = {
    {.type = "virtio-keyboard-device", .name = "Baton Virtio Keyboard", .product = 1, .takes = 1 << INPUT_KEY,
     .is_keyboard = true},
    {.type = "virtio-mouse-device", .name = "Baton Virtio Mouse", .product = 2,
     .takes = 1 << INPUT_REL | 1 << INPUT_BUTTON},
    {.type = "virtio-tablet-device", .name = "Baton Virtio Tablet", .product = 3,
     .takes = 1 << INPUT_ABS | 1 << INPUT_BUTTON},
};

const VirtioInputKind *virtio_input_kind(const char *type)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(kinds); i++) {
        if (!strcmp(kinds[i].type, type)) {
            return &kinds[i];
        }
    }
    g_assert_not_reached();
}

/* ---- events ---- */
static const uint16_t buttons[INPUT_BUTTONS] = {
    [INPUT_LEFT] = BTN_LEFT, [INPUT_MIDDLE] = BTN_MIDDLE, [INPUT_RIGHT] = BTN_RIGHT, [INPUT_SIDE] = BTN_SIDE,
    [INPUT_EXTRA] = BTN_EXTRA, [INPUT_WHEEL_UP] = BTN_GEAR_UP, [INPUT_WHEEL_DOWN] = BTN_GEAR_DOWN,
};
static const struct {
    uint16_t axis;
    int8_t step;
} notches[INPUT_BUTTONS] = {
    [INPUT_WHEEL_UP] = {REL_WHEEL, 1}, [INPUT_WHEEL_DOWN] = {REL_WHEEL, -1},
    [INPUT_WHEEL_LEFT] = {REL_HWHEEL, -1}, [INPUT_WHEEL_RIGHT] = {REL_HWHEEL, 1},
};

static bool translate_button(const VirtioInput *in, const InputEvent *e, GuestEvent *ret)
{
    if (e->code >= INPUT_BUTTONS) {
        return false;
    }
    if (in->wheel_axis && notches[e->code].step) {
        *ret = (GuestEvent){EV_REL, notches[e->code].axis, notches[e->code].step};
        return e->value;
    }
    *ret = (GuestEvent){EV_KEY, buttons[e->code], !!e->value};
    return buttons[e->code];
}

bool virtio_input_translate(const VirtioInput *in, const InputEvent *e, GuestEvent *ret)
{
    switch (e->kind) {
    case INPUT_KEY:
        *ret = (GuestEvent){EV_KEY, e->code, !!e->value};
        return true;
    case INPUT_BUTTON:
        return translate_button(in, e, ret);
    case INPUT_REL:
        *ret = (GuestEvent){EV_REL, e->code == INPUT_X ? REL_X : REL_Y, e->value};
        return true;
    default:
        *ret = (GuestEvent){EV_ABS, e->code == INPUT_X ? ABS_X : ABS_Y, e->value};
        return true;
    }
}

/* ---- what it can say ---- */
static void set_bit(uint8_t bits[CONFIG_BODY], unsigned bit)
{
    bits[bit / 8] |= 1u << bit % 8;
}

static void set_bits(uint8_t bits[CONFIG_BODY], const uint16_t *codes)
{
    for (; *codes; codes++) {
        set_bit(bits, *codes);
    }
}

static void key_bits(const VirtioInput *in, uint8_t bits[CONFIG_BODY])
{
    for (unsigned i = 0; in->kind->is_keyboard && input_key_at(i); i++) {
        set_bit(bits, input_key_at(i));
    }
    if (in->kind->takes & 1 << INPUT_BUTTON) {
        set_bits(bits, pointer_buttons);
        if (!in->wheel_axis) {
            set_bits(bits, gears);
        }
    }
}

static void rel_bits(const VirtioInput *in, uint8_t bits[CONFIG_BODY])
{
    if (in->kind->takes & 1 << INPUT_REL) {
        set_bit(bits, REL_X);
        set_bit(bits, REL_Y);
    }
    if ((in->kind->takes & 1 << INPUT_BUTTON) && in->wheel_axis) {
        set_bits(bits, wheels);
    }
}

static void abs_bits(const VirtioInput *in, uint8_t bits[CONFIG_BODY])
{
    if (in->kind->takes & 1 << INPUT_ABS) {
        set_bit(bits, ABS_X);
        set_bit(bits, ABS_Y);
    }
}

static void led_bits(const VirtioInput *in, uint8_t bits[CONFIG_BODY])
{
    if (in->kind->is_keyboard) {
        set_bit(bits, LED_NUML);
        set_bit(bits, LED_CAPSL);
        set_bit(bits, LED_SCROLLL);
    }
}

static void repeat_bits(const VirtioInput *in, uint8_t bits[CONFIG_BODY])
{
    if (in->kind->is_keyboard) {
        set_bit(bits, REP_DELAY);
        set_bit(bits, REP_PERIOD);
    }
}

unsigned virtio_input_bits(const VirtioInput *in, unsigned type, uint8_t bits[CONFIG_BODY])
{
    static void (*const of_type[])(const VirtioInput *in, uint8_t bits[CONFIG_BODY]) = {
        [EV_KEY] = key_bits, [EV_REL] = rel_bits, [EV_ABS] = abs_bits, [EV_LED] = led_bits, [EV_REP] = repeat_bits,
    };
    unsigned size = CONFIG_BODY;

    memset(bits, 0, CONFIG_BODY);
    if (type < G_N_ELEMENTS(of_type) && of_type[type]) {
        of_type[type](in, bits);
    }
    while (size && !bits[size - 1]) {
        size--;
    }
    return size;
}

/* ---- configuration ---- */
static unsigned text(const char *s, uint8_t body[CONFIG_BODY])
{
    size_t size = s ? MIN(strlen(s), CONFIG_BODY) : 0;

    memcpy(body, s ? s : "", size);
    return size;
}

static unsigned ids(const VirtioInput *in, uint8_t body[CONFIG_BODY])
{
    store_le16(body, BUS_IS_VIRTUAL);
    store_le16(body + 2, VENDOR);
    store_le16(body + 4, in->kind->product);
    store_le16(body + 6, 1);
    return 8;
}

static unsigned axis(const VirtioInput *in, unsigned code, uint8_t body[CONFIG_BODY])
{
    if (!(in->kind->takes & 1 << INPUT_ABS) || (code != ABS_X && code != ABS_Y)) {
        return 0;
    }
    store_le32(body + 4, INPUT_AXIS_MAX); /* from 0; no fuzz, no flat part, of no size that is known */
    return 20;
}

static unsigned fill_body(const VirtioInput *in, uint8_t body[CONFIG_BODY])
{
    switch (in->st.select) {
    case CFG_EV_BITS:
        return virtio_input_bits(in, in->st.subsel, body);
    case CFG_ABS_INFO:
        return axis(in, in->st.subsel, body);
    default:
        break;
    }
    if (in->st.subsel) {
        return 0;
    }
    return in->st.select == CFG_ID_NAME ? text(in->kind->name, body) :
           in->st.select == CFG_ID_SERIAL ? text(in->serial, body) :
           in->st.select == CFG_ID_DEVIDS ? ids(in, body) : 0; /* no PROP_BITS: nothing special */
}

unsigned virtio_input_config(VirtioDevice *v, uint8_t config[256])
{
    VirtioInput *in = (VirtioInput *)v;

    config[0] = in->st.select;
    config[1] = in->st.subsel;
    config[2] = fill_body(in, config + CONFIG_HEAD);
    return CONFIG_HEAD + CONFIG_BODY;
}

void virtio_input_config_write(VirtioDevice *v, unsigned offset, const void *data, unsigned size)
{
    VirtioInput *in = (VirtioInput *)v;
    const uint8_t *bytes = data;

    for (unsigned i = 0; i < size; i++) {
        if (offset + i == 0) {
            in->st.select = bytes[i];
        } else if (offset + i == 1) {
            in->st.subsel = bytes[i];
        } else {
            guest_error(virtio_name(v), "configuration written at %u: only select and subsel can be", offset + i);
            return;
        }
    }
}
