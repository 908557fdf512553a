/* hw/virtio/virtio-input.c - keyboard, mouse, tablet: queues, state, life.
 * Guarded by: vm_lock.  Page: docs/devices/virtio-input.md.  Test: tests/qtest/hw/virtio/virtio-input-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Virtio 1.2, 5.8.  Events wait in st.events until the driver's ring has room for a whole group; they travel with the
 * guest.  A full queue is back-pressure: ui/input.c is told that there is no room, and then that there is. */
#include "hw/virtio/virtio-input.h"

#include "util/bytes.h"
#include "util/error.h"
#include "util/log.h"

#include <linux/input-event-codes.h>
#include <string.h>

enum { QUEUE_EVENTS, QUEUE_STATUS, QUEUES };
enum { EVENT_BYTES = 8, QUEUE_SIZE = 64 };

static VirtioInput *of_sink(InputSink *s)
{
    return (VirtioInput *)((char *)s - offsetof(VirtioInput, sink));
}

/* ---- to the guest ---- */
static void unpop(VirtioInput *in, VirtQueue *q, unsigned count)
{
    while (count) {
        virtqueue_unpop(q, in->gathered[--count]);
    }
}

/* Takes that many chains, or none. */
static bool gather(VirtioInput *in, VirtQueue *q, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        VirtioChain *c = virtqueue_pop(q);

        if (!c) {
            unpop(in, q, i);
            return false;
        }
        in->gathered[i] = c;
        if (c->in_bytes < EVENT_BYTES) {
            virtio_break(&in->v, "a buffer of %u bytes for an event", (unsigned)c->in_bytes);
            unpop(in, q, i + 1); /* which frees it */
            return false;
        }
    }
    return true;
}

/* Asks to be notified, and then looks again: the driver may have added buffers in between. */
static bool gather_or_ask(VirtioInput *in, VirtQueue *q, unsigned count)
{
    return gather(in, q, count) || (virtio_is_live(&in->v) && virtqueue_want_notify(q, true) && gather(in, q, count));
}

/* Up to the first SYN_REPORT; what is longer than the ring cannot go in as a whole. */
static unsigned next_group(const VirtioInput *in, const VirtQueue *q)
{
    unsigned n = 0;

    while (n < in->st.count && in->st.events[n].type != EV_SYN) {
        n++;
    }
    return MIN(n + 1, q->st->size);
}

static void write_events(VirtioInput *in, VirtQueue *q, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        const GuestEvent *e = &in->st.events[i];
        uint8_t bytes[EVENT_BYTES];

        store_le16(bytes, e->type);
        store_le16(bytes + 2, e->code);
        store_le32(bytes + 4, e->value);
        virtio_chain_write(in->gathered[i], 0, bytes, EVENT_BYTES);
        virtqueue_fill(q, in->gathered[i], EVENT_BYTES);
    }
    virtqueue_flush(q);
    in->st.count -= count;
    memmove(in->st.events, in->st.events + count, in->st.count * sizeof(GuestEvent));
}

static void serve_events(VirtioInput *in)
{
    VirtQueue *q = &in->v.queues[QUEUE_EVENTS];
    bool has_served = false;

    while (in->st.count && in->v.is_running && virtio_is_live(&in->v) && q->used) {
        unsigned n = next_group(in, q);

        if (!gather_or_ask(in, q, n)) {
            break;
        }
        write_events(in, q, n);
        has_served = true;
    }
    if (has_served) {
        virtqueue_interrupt(q);
        input_room(&in->sink);
    }
}

/* ---- from users ---- */
/* A device without a driver takes what is typed and forgets it, as a real one does. */
static bool input_has_room(InputSink *s, unsigned events)
{
    const VirtioInput *in = of_sink(s);

    return !virtio_is_live(&in->v) || in->st.count + events < INPUT_QUEUE_MAX;
}

static void input_event(InputSink *s, const InputEvent *e)
{
    VirtioInput *in = of_sink(s);

    if (virtio_is_live(&in->v) && virtio_input_translate(in, e, &in->st.events[in->st.count])) {
        in->st.count++;
    }
}

static void input_sync(InputSink *s)
{
    VirtioInput *in = of_sink(s);

    if (in->st.count && in->st.events[in->st.count - 1].type != EV_SYN) {
        in->st.events[in->st.count++] = (GuestEvent){EV_SYN, SYN_REPORT, 0};
        serve_events(in);
    }
}

/* ---- lights ---- */
static void take_status(VirtioInput *in, const uint8_t bytes[EVENT_BYTES])
{
    static const uint8_t leds[] = {[LED_NUML] = INPUT_LED_NUM, [LED_CAPSL] = INPUT_LED_CAPS,
                                   [LED_SCROLLL] = INPUT_LED_SCROLL};
    uint16_t type = load_le16(bytes), code = load_le16(bytes + 2);

    if (type == EV_LED && code < G_N_ELEMENTS(leds) && in->kind->is_keyboard) {
        in->st.leds = load_le32(bytes + 4) ? in->st.leds | leds[code] : in->st.leds & ~leds[code];
        input_leds_changed(&in->sink, in->st.leds);
    } else if (type != EV_SYN) {
        guest_error(virtio_name(&in->v), "status of type %u, code %u is not understood", type, code);
    }
}

/* false: nothing more. */
static bool serve_status_chain(VirtioInput *in, VirtQueue *q)
{
    VirtioChain *c = virtqueue_pop(q);
    uint8_t bytes[EVENT_BYTES];

    if (!c) {
        return false;
    }
    if (virtio_chain_read(c, 0, bytes, EVENT_BYTES) < EVENT_BYTES) {
        virtio_break(&in->v, "a status of %u bytes", (unsigned)c->out_bytes);
        g_free(c);
        return false;
    }
    take_status(in, bytes);
    virtqueue_push(q, c, 0);
    virtqueue_interrupt(q);
    return true;
}

static void serve_status(VirtioInput *in)
{
    VirtQueue *q = &in->v.queues[QUEUE_STATUS];
    unsigned left = q->st->size;

    while (left && virtqueue_want_notify(q, true) && serve_status_chain(in, q)) {
        left--;
    }
    if (!left) {
        virtio_look_again(&in->v, QUEUE_STATUS);
    }
}

/* ---- virtio ---- */
static void input_notify(VirtioDevice *v, unsigned queue)
{
    VirtioInput *in = (VirtioInput *)v;

    if (queue == QUEUE_STATUS) {
        serve_status(in);
    } else {
        virtqueue_want_notify(&v->queues[queue], false); /* asked again when the ring is too empty */
        serve_events(in);
    }
}

static uint64_t input_features(VirtioDevice *v)
{
    return 0;
}

static void forget_session(VirtioDevice *v)
{
    VirtioInput *in = (VirtioInput *)v;

    in->st.count = 0;
    in->st.select = in->st.subsel = in->st.leds = 0;
    input_leds_changed(&in->sink, 0);
    input_room(&in->sink);
}

const VirtioOps virtio_input_ops = {
    .device_id = VIRTIO_ID_INPUT, .queue_count = QUEUES, .queue_sizes = {QUEUE_SIZE, QUEUE_SIZE},
    .features = input_features, .config = virtio_input_config, .config_write = virtio_input_config_write,
    .queue_notify = input_notify, .reset = forget_session,
};

/* ---- life ---- */
static bool input_realize(Object *o, GError **errp)
{
    VirtioInput *in = (VirtioInput *)o;

    if (in->serial && strlen(in->serial) > INPUT_SERIAL_MAX) {
        return fail(errp, "Parameter 'serial' expects at most %u bytes", INPUT_SERIAL_MAX);
    }
    in->kind = virtio_input_kind(o->type->name);
    in->sink = (InputSink){.name = in->kind->name, .takes = in->kind->takes, .device = o, .display = in->display,
                           .head = in->head, .room = input_has_room, .event = input_event, .sync = input_sync};
    input_add(&in->sink);
    return true;
}

static void input_unrealize(Object *o)
{
    input_remove(&((VirtioInput *)o)->sink);
}

static bool event_is_known(const GuestEvent *e)
{
    return (e->type == EV_SYN && e->code == SYN_REPORT) || e->type == EV_KEY || e->type == EV_REL || e->type == EV_ABS;
}

static bool input_loaded(void *opaque, uint32_t version, GError **errp)
{
    VirtioInput *in = opaque;
    unsigned length = 0;

    for (unsigned i = 0; i < in->st.count; i++) {
        length = in->st.events[i].type == EV_SYN ? 0 : length + 1;
        if (!event_is_known(&in->st.events[i]) || length > INPUT_GROUP_MAX) {
            return fail(errp, "virtio device '%s': event %u of those that wait is none", virtio_name(&in->v), i);
        }
    }
    if (length) {
        return fail(errp, "virtio device '%s': the last event that waits ends no group", virtio_name(&in->v));
    }
    input_leds_changed(&in->sink, in->st.leds);
    return true;
}

static const VMStateDescription event_state = {
    .name = "input-event", .version = 1,
    .fields = VMSTATE_FIELDS(VMSTATE_U16(GuestEvent, type), VMSTATE_U16(GuestEvent, code),
                             VMSTATE_U32(GuestEvent, value)),
};

VMSTATE_DEFINE_SPAN(VirtioInput, st)
static const VMStateDescription input_state = {
    .name = "virtio-input", .version = 1, .phase = VMSTATE_SAVE_DEVICE, VMSTATE_SPAN(VirtioInput, st),
    .loaded = input_loaded,
    .fields = VMSTATE_FIELDS(VMSTATE_U8(VirtioInput, st.select), VMSTATE_U8(VirtioInput, st.subsel),
                             VMSTATE_U8(VirtioInput, st.leds), VMSTATE_U32(VirtioInput, st.count),
                             VMSTATE_VARRAY(VirtioInput, st.events, st.count, VMS_STRUCT, &event_state)),
};

static const Property input_props[] = {
    PROP_STR("display", VirtioInput, display, NULL, "id of the display device that it belongs to; default: to all"),
    PROP_U32("head", VirtioInput, head, 0, "screen of that device"),
    PROP_STR("serial", VirtioInput, serial, NULL, "serial number, for the guest"),
    {}
};
static const Property pointer_props[] = {
    PROP_BOOL("wheel-axis", VirtioInput, wheel_axis, true, "the wheel is an axis; off: two buttons"),
    {}
};

const ObjectType virtio_input_type = {
    .name = "virtio-input-device", .parent = "virtio-device", .kind = KIND_DEVICE, .props = input_props,
    .state = &input_state, .realize = input_realize, .unrealize = input_unrealize, .about = "any input device (virtio)",
};

const ObjectType virtio_keyboard_type = {
    .name = "virtio-keyboard-device", .parent = "virtio-input-device", .kind = KIND_DEVICE, .size = sizeof(VirtioInput),
    .bus = "virtio-bus", .ops = &virtio_input_ops, .flags = TYPE_USER_CREATABLE, .about = "keyboard (virtio)",
};

const ObjectType virtio_mouse_type = {
    .name = "virtio-mouse-device", .parent = "virtio-input-device", .kind = KIND_DEVICE, .size = sizeof(VirtioInput),
    .props = pointer_props, .bus = "virtio-bus", .ops = &virtio_input_ops, .flags = TYPE_USER_CREATABLE,
    .about = "mouse: it knows movements (virtio)",
};

const ObjectType virtio_tablet_type = {
    .name = "virtio-tablet-device", .parent = "virtio-input-device", .kind = KIND_DEVICE, .size = sizeof(VirtioInput),
    .props = pointer_props, .bus = "virtio-bus", .ops = &virtio_input_ops, .flags = TYPE_USER_CREATABLE,
    .about = "tablet: it knows positions (virtio)",
};
