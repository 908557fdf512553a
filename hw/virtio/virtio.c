/* hw/virtio/virtio.c - what all virtio devices share.
 * Guarded by: vm_lock.  Page: docs/devices/virtio.md.  Tests: tests/qtest/hw/virtio/
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/virtio.h"

#include "system/runstate.h"
#include "util/error.h"
#include "util/log.h"
#include "util/loop.h"

#include <stdarg.h>
#include <string.h>

/* After the network's own listener, so that what it holds can be delivered by the first look at the receive queue. */
#define STATE_ORDER_VIRTIO (STATE_ORDER_NET + 5)
#define CONFIG_MAX 256

/* ---- slots ---- */
static GPtrArray *slots; /* of VirtioSlot */

void virtio_slot_add(VirtioSlot *s)
{
    if (!slots) {
        slots = g_ptr_array_new();
    }
    g_ptr_array_add(slots, s);
}

void virtio_slot_remove(VirtioSlot *s)
{
    g_ptr_array_remove(slots, s);
}

static VirtioSlot *find_slot(const char *bus, GError **errp)
{
    for (unsigned i = slots ? slots->len : 0; i-- > 0;) {
        VirtioSlot *s = slots->pdata[i];

        if (bus && !strcmp(bus, s->name)) {
            if (s->device) {
                fail(errp, "bus '%s' is taken by '%s'", bus, virtio_name(s->device));
            }
            return s->device ? NULL : s;
        }
        if (!bus && !s->device) {
            return s;
        }
    }
    if (!slots || !slots->len) {
        fail(errp, "this machine has no bus for virtio devices");
    } else if (bus) {
        fail(errp, "bus '%s' does not exist; there are: %s ... %s", bus, ((VirtioSlot *)slots->pdata[0])->name,
             ((VirtioSlot *)slots->pdata[slots->len - 1])->name);
    } else {
        fail(errp, "all %u slots for virtio devices are taken", slots->len);
    }
    return NULL;
}

/* ---- small questions ---- */
const char *virtio_name(const VirtioDevice *v)
{
    return v->dev.obj.id ? v->dev.obj.id : v->dev.bus_address ? v->dev.bus_address : v->dev.obj.type->name;
}

bool virtio_is_live(const VirtioDevice *v)
{
    return (v->st.status & (VIRTIO_DRIVER_OK | VIRTIO_NEEDS_RESET)) == VIRTIO_DRIVER_OK;
}

uint64_t virtio_offered(const VirtioDevice *v)
{
    return virtio_ops(v)->features((VirtioDevice *)v) | UINT64_C(1) << VIRTIO_F_VERSION_1 |
           (uint64_t)v->use_indirect << VIRTIO_F_INDIRECT_DESC | (uint64_t)v->use_event_idx << VIRTIO_F_EVENT_IDX;
}

/* ---- interrupts ---- */
void virtio_raise(VirtioDevice *v, unsigned isr)
{
    v->st.isr |= isr;
    v->slot->interrupt_changed(v->slot);
}

void virtio_ack(VirtioDevice *v, uint32_t isr)
{
    v->st.isr &= ~isr;
    v->slot->interrupt_changed(v->slot);
}

void virtio_config_changed(VirtioDevice *v)
{
    v->st.generation++;
    if (v->st.status & VIRTIO_DRIVER_OK) {
        virtio_raise(v, VIRTIO_ISR_CONFIG);
    }
}

void virtio_break(VirtioDevice *v, const char *fmt, ...)
{
    char text[256];
    va_list ap;

    va_start(ap, fmt);
    g_vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    guest_error(virtio_name(v), "%s; the device needs a reset", text);
    if (!(v->st.status & VIRTIO_NEEDS_RESET)) {
        v->st.status |= VIRTIO_NEEDS_RESET;
        virtio_config_changed(v);
    }
}

/* ---- the driver's side of the life ---- */
static void queues_follow_features(VirtioDevice *v)
{
    for (unsigned i = 0; i < v->queue_count; i++) {
        v->queues[i].event_idx = virtio_has(v, VIRTIO_F_EVENT_IDX);
        v->queues[i].indirect = virtio_has(v, VIRTIO_F_INDIRECT_DESC);
    }
    if (virtio_ops(v)->features_set) {
        virtio_ops(v)->features_set(v);
    }
}

void virtio_notify(VirtioDevice *v, uint32_t queue)
{
    if (queue >= v->queue_count) {
        guest_error(virtio_name(v), "notification of queue %u, which does not exist", queue);
    } else if (virtio_is_live(v) && v->is_running && v->queues[queue].used) {
        virtio_ops(v)->queue_notify(v, queue);
    }
}

static void look_again(void *opaque)
{
    VirtioDevice *v = opaque;
    uint64_t queues = v->again;

    v->again = 0;
    for (unsigned i = 0; queues; i++, queues >>= 1) {
        if (queues & 1) {
            virtio_notify(v, i);
        }
    }
}

void virtio_look_again(VirtioDevice *v, unsigned queue)
{
    if (!v->again) {
        loop_call(look_again, v);
    }
    v->again |= UINT64_C(1) << queue;
}

static void look_at_all_queues(VirtioDevice *v)
{
    if (virtio_ops(v)->started && virtio_is_live(v)) {
        virtio_ops(v)->started(v);
    }
    for (unsigned i = 0; i < v->queue_count; i++) {
        virtio_notify(v, i);
    }
}

static uint32_t more_queues(const VirtioDevice *v)
{
    return v->queue_count - MIN(v->queue_count, VIRTIO_QUEUES_USUAL);
}

static void reset_session(VirtioDevice *v)
{
    v->st.status = 0;
    v->st.features = 0;
    v->st.more_queues = more_queues(v); /* a load that failed may have left anything there */
    if (virtio_ops(v)->reset) {
        virtio_ops(v)->reset(v);
    }
    for (unsigned i = 0; i < VIRTIO_QUEUES_MAX; i++) {
        virtqueue_reset(&v->queues[i]);
    }
    queues_follow_features(v);
    virtio_ack(v, UINT32_MAX);
}

void virtio_set_status(VirtioDevice *v, uint32_t status)
{
    uint8_t gained;

    status &= 0xff & ~VIRTIO_NEEDS_RESET;
    if (status == 0) {
        reset_session(v);
        v->slot->was_reset(v->slot);
        return;
    }
    gained = status & ~v->st.status;
    if (gained & VIRTIO_FEATURES_OK) {
        if ((v->st.features & ~virtio_offered(v)) || !virtio_has(v, VIRTIO_F_VERSION_1)) {
            guest_error(virtio_name(v), "features 0x%" G_GINT64_MODIFIER "x are not acceptable", v->st.features);
            gained &= ~VIRTIO_FEATURES_OK;
        } else {
            queues_follow_features(v);
        }
    }
    v->st.status |= gained;
    if ((gained & VIRTIO_DRIVER_OK) && !(v->st.status & VIRTIO_FEATURES_OK)) {
        virtio_break(v, "DRIVER_OK without FEATURES_OK");
    } else if (gained & VIRTIO_DRIVER_OK) {
        look_at_all_queues(v);
    }
}

void virtio_set_features(VirtioDevice *v, unsigned word, uint32_t value)
{
    if (v->st.status & VIRTIO_FEATURES_OK) {
        guest_error(virtio_name(v), "features written after FEATURES_OK");
    } else if (word < 2) {
        v->st.features = (v->st.features & ~(UINT64_C(0xffffffff) << 32 * word)) | (uint64_t)value << 32 * word;
    } else if (value) {
        guest_error(virtio_name(v), "feature bits above 63 are not offered");
    }
}

uint64_t virtio_config_read(VirtioDevice *v, uint64_t offset, unsigned size)
{
    uint8_t config[CONFIG_MAX] = {0};
    unsigned length = virtio_ops(v)->config ? virtio_ops(v)->config(v, config) : 0;
    uint64_t value = 0;

    if (offset > length || size > length - offset || size > 8) {
        guest_error(virtio_name(v), "configuration of %u bytes read at %u", length, (unsigned)offset);
        return 0;
    }
    memcpy(&value, config + offset, size); /* little-endian in the field's own size: the host's order is fixed by config() */
    return GUINT64_FROM_LE(value);
}

void virtio_config_write(VirtioDevice *v, uint64_t offset, uint64_t value, unsigned size)
{
    uint64_t le = GUINT64_TO_LE(value);

    if (!virtio_ops(v)->config_write || offset >= CONFIG_MAX || size > CONFIG_MAX - offset) {
        guest_error(virtio_name(v), "configuration written at %u: it is read only", (unsigned)offset);
        return;
    }
    virtio_ops(v)->config_write(v, offset, &le, size);
}

/* ---- life ---- */
static void run_changed(bool is_running, RunState s, void *opaque)
{
    VirtioDevice *v = opaque;

    v->is_running = is_running;
    if (is_running) {
        look_at_all_queues(v);
    }
}

static bool virtio_realize(Object *o, GError **errp)
{
    VirtioDevice *v = (VirtioDevice *)o;
    const VirtioOps *ops = virtio_ops(v);

    v->slot = find_slot(v->bus, errp);
    if (!v->slot) {
        return false;
    }
    v->queue_count = ops->queues ? ops->queues(v) : ops->queue_count;
    v->st.more_queues = more_queues(v);
    for (unsigned i = 0; i < VIRTIO_QUEUES_MAX; i++) {
        v->queues[i] = (VirtQueue){.device = v, .st = &v->st.queues[i], .index = i,
                                   .size_max = i < v->queue_count ? ops->queue_sizes[i] : 0};
        virtqueue_reset(&v->queues[i]);
    }
    v->slot->device = v;
    v->dev.bus_address = v->slot->address;
    v->is_running = runstate_is_running();
    runstate_notify(STATE_ORDER_VIRTIO, run_changed, v);
    return true;
}

static void virtio_unrealize(Object *o)
{
    VirtioDevice *v = (VirtioDevice *)o;

    runstate_unnotify(run_changed, v);
    if (v->slot) {
        v->slot->device = NULL;
        v->slot = NULL;
    }
}

static void virtio_reset(Object *o)
{
    reset_session((VirtioDevice *)o);
}

/* What a stream does not bring is as after a reset. */
static bool virtio_loading(void *opaque, GError **errp)
{
    VirtioDevice *v = opaque;

    v->st.more_queues = 0;
    for (unsigned i = VIRTIO_QUEUES_USUAL; i < v->queue_count; i++) {
        virtqueue_reset(&v->queues[i]);
    }
    return true;
}

static bool virtio_loaded(void *opaque, uint32_t version, GError **errp)
{
    VirtioDevice *v = opaque;
    uint64_t bad = v->st.features & ~(virtio_offered(v) | virtio_ops(v)->loadable);
    uint32_t more = v->st.more_queues;

    v->st.more_queues = more_queues(v);
    if (more != more_queues(v)) {
        return fail(errp, "virtio device '%s': the guest sees %u queues there, %u here", virtio_name(v),
                    VIRTIO_QUEUES_USUAL + more, v->queue_count);
    }
    if ((v->st.status & VIRTIO_FEATURES_OK) && bad) {
        return fail(errp, "virtio device '%s': the guest uses features 0x%" G_GINT64_MODIFIER
                    "x that are not offered here", virtio_name(v), bad);
    }
    if (virtio_is_live(v) && !(v->st.status & VIRTIO_FEATURES_OK)) {
        return fail(errp, "virtio device '%s': its driver is ready without having settled the features", virtio_name(v));
    }
    for (unsigned i = 0; i < VIRTIO_QUEUES_MAX; i++) {
        VirtQueue *q = &v->queues[i];

        if (q->st->size > q->size_max) {
            return fail(errp, "virtio device '%s': queue %u has %u entries, at most %u are possible", virtio_name(v),
                        i, q->st->size, q->size_max);
        }
        q->pending_used = 0;
        if (q->st->is_ready && !virtqueue_map(q)) {
            return fail(errp, "virtio device '%s': queue %u is not in memory", virtio_name(v), i);
        }
    }
    queues_follow_features(v);
    v->slot->interrupt_changed(v->slot);
    return true;
}

static bool has_more_queues(const void *opaque)
{
    return ((const VirtioDevice *)opaque)->st.more_queues;
}

#define QUEUES_FROM(first, n) \
    .name = "st.queues", .type = VMS_STRUCT, .offset = offsetof(VirtioDevice, st.queues[first]), \
    .size = sizeof(VirtQueueState), .count = n, .sub = &virtqueue_state

static const VMStateDescription more_queues_state = {
    .name = "virtio/more-queues", .version = 1, .needed = has_more_queues,
    .fields = VMSTATE_FIELDS(
        VMSTATE_U32(VirtioDevice, st.more_queues),
        {QUEUES_FROM(VIRTIO_QUEUES_USUAL, VIRTIO_QUEUES_MAX - VIRTIO_QUEUES_USUAL), .is_varray = true,
         .count_offset = offsetof(VirtioDevice, st.more_queues)}),
};

VMSTATE_DEFINE_SPAN(VirtioDevice, st)
static const VMStateDescription virtio_state = {
    .name = "virtio", .version = 1, .phase = VMSTATE_SAVE_DEVICE, VMSTATE_SPAN(VirtioDevice, st),
    .loading = virtio_loading, .loaded = virtio_loaded,
    .subsections = (const VMStateDescription *const[]){&more_queues_state, NULL},
    .fields = VMSTATE_FIELDS(VMSTATE_U64(VirtioDevice, st.features), VMSTATE_U32(VirtioDevice, st.generation),
                             VMSTATE_U8(VirtioDevice, st.status), VMSTATE_U8(VirtioDevice, st.isr),
                             {QUEUES_FROM(0, VIRTIO_QUEUES_USUAL)}),
};

static const Property virtio_props[] = {
    PROP_STR("bus", VirtioDevice, bus, NULL, "slot, such as virtio-mmio-bus.7"),
    PROP_BOOL("indirect_desc", VirtioDevice, use_indirect, true, "offer indirect descriptors"),
    PROP_BOOL("event_idx", VirtioDevice, use_event_idx, true, "offer the event index"),
    {}
};

const ObjectType virtio_device_type = {
    .name = "virtio-device", .parent = "device", .kind = KIND_DEVICE, .props = virtio_props, .state = &virtio_state,
    .realize = virtio_realize, .unrealize = virtio_unrealize, .reset = virtio_reset, .about = "any virtio device",
};
