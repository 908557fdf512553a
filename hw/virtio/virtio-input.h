/* hw/virtio/virtio-input.h - what kinds of input device there are, and what they have in common.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "hw/virtio.h"
#include "ui/input.h"

#define INPUT_QUEUE_MAX 1024 /* events that the guest has not taken yet */
#define INPUT_SERIAL_MAX 128

typedef struct VirtioInputKind {
    const char *type;        /* of its ObjectType */
    const char *name;        /* as the guest shows it */
    uint16_t product;
    unsigned takes;          /* bits 1 << InputKind */
    bool is_keyboard;        /* every key there is, lights, and the guest repeats them */
} VirtioInputKind;

typedef struct GuestEvent {  /* struct virtio_input_event */
    uint16_t type, code;
    uint32_t value;
} GuestEvent;

typedef struct VirtioInput {
    VirtioDevice v;
    struct {
        uint8_t select, subsel; /* of the configuration */
        uint8_t leds;           /* bits INPUT_LED_* */
        uint32_t count;
        GuestEvent events[INPUT_QUEUE_MAX]; /* whole groups: the last one is a SYN_REPORT */
    } st;
    const VirtioInputKind *kind;
    InputSink sink;
    VirtioChain *gathered[INPUT_GROUP_MAX + 1];
    /* properties */
    char *display, *serial;
    uint32_t head;
    bool wheel_axis;
} VirtioInput;

const VirtioInputKind *virtio_input_kind(const char *type);
/* The event as the guest's kernel knows it; false: this kind cannot say it. */
bool virtio_input_translate(const VirtioInput *in, const InputEvent *e, GuestEvent *ret);
/* What the kind can say of EV_* `type`, a bit for each code; returns the bytes that have any. */
unsigned virtio_input_bits(const VirtioInput *in, unsigned type, uint8_t bits[128]);
/* The `config` of VirtioOps: what select and subsel ask for. */
unsigned virtio_input_config(VirtioDevice *v, uint8_t config[256]);
void virtio_input_config_write(VirtioDevice *v, unsigned offset, const void *data, unsigned size);
extern const VirtioOps virtio_input_ops;
