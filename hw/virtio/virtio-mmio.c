/* hw/virtio/virtio-mmio.c - a virtio device's registers in the memory map (virtio 1.2, 4.2.2, version 2).
 * Guarded by: vm_lock.  Page: docs/devices/virtio-mmio.md.  Test: tests/qtest/hw/virtio/virtio-mmio-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/virtio-mmio.h"

#include "hw/mmio.h"
#include "hw/virtio.h"
#include "util/error.h"
#include "util/log.h"

enum { MMIO_MAGIC = 0x74726976, MMIO_VERSION = 2, MMIO_VENDOR = 0x4e544142, CONFIG_AT = 0x100, REGION_SIZE = 0x1000 };

typedef struct VirtioMmio {
    MmioDevice mmio;
    VirtioSlot slot;
    bool force_legacy;
    struct {
        uint32_t device_word, driver_word, queue, shm; /* selectors */
    } st;
} VirtioMmio;

static VirtioDevice *device(void *opaque)
{
    return ((VirtioMmio *)opaque)->slot.device;
}

/* The selected queue, or NULL if there is no device or the queue does not exist. */
static VirtQueue *queue(void *opaque)
{
    VirtioMmio *m = opaque;
    VirtioDevice *v = m->slot.device;

    return v && m->st.queue < v->queue_count ? &v->queues[m->st.queue] : NULL;
}

/* The selected queue if its addresses and size may be changed. */
static VirtQueueState *idle_queue(void *opaque)
{
    VirtQueue *q = queue(opaque);

    if (!q || q->st->is_ready) {
        guest_error(mmio_name(opaque), "queue %u is %s", ((VirtioMmio *)opaque)->st.queue,
                    q ? "in use, it cannot be changed" : "not there");
        return NULL;
    }
    return q->st;
}

/* ---- registers ---- */
static uint32_t magic(void *opaque)
{
    return MMIO_MAGIC;
}

static uint32_t version(void *opaque)
{
    return MMIO_VERSION;
}

static uint32_t device_id(void *opaque)
{
    return device(opaque) ? virtio_ops(device(opaque))->device_id : 0;
}

static uint32_t vendor_id(void *opaque)
{
    return MMIO_VENDOR;
}

static uint32_t device_features(void *opaque)
{
    uint32_t word = ((VirtioMmio *)opaque)->st.device_word;

    return device(opaque) && word < 2 ? virtio_offered(device(opaque)) >> 32 * word : 0;
}

static void driver_features(void *opaque, uint32_t value)
{
    if (device(opaque)) {
        virtio_set_features(device(opaque), ((VirtioMmio *)opaque)->st.driver_word, value);
    }
}

static void nothing(void *opaque)
{
}

static uint32_t queue_size_max(void *opaque)
{
    return queue(opaque) ? queue(opaque)->size_max : 0;
}

static void queue_size(void *opaque, uint32_t value)
{
    VirtQueueState *st = idle_queue(opaque);

    if (st && (value == 0 || value > queue(opaque)->size_max || (value & (value - 1)))) {
        guest_error(mmio_name(opaque), "queue size %u is not allowed", value);
    } else if (st) {
        st->size = value;
    }
}

static uint32_t queue_ready(void *opaque)
{
    return queue(opaque) && queue(opaque)->st->is_ready;
}

static void set_queue_ready(void *opaque, uint32_t value)
{
    VirtQueue *q = queue(opaque);

    if (!q) {
        guest_error(mmio_name(opaque), "queue %u is not there", ((VirtioMmio *)opaque)->st.queue);
    } else if (!(value & 1)) {
        q->st->is_ready = false;
        q->desc = q->avail = q->used = NULL;
    } else if (virtqueue_map(q)) {
        q->st->is_ready = true;
    } else {
        q->desc = q->avail = q->used = NULL;
        virtio_break(device(opaque), "queue %u made ready with unusable addresses", q->index);
    }
}

static void queue_notify(void *opaque, uint32_t value)
{
    if (device(opaque)) {
        virtio_notify(device(opaque), value);
    }
}

static uint32_t interrupt_status(void *opaque)
{
    return device(opaque) ? device(opaque)->st.isr : 0;
}

static void interrupt_ack(void *opaque, uint32_t value)
{
    if (device(opaque)) {
        virtio_ack(device(opaque), value);
    }
}

static uint32_t status(void *opaque)
{
    return device(opaque) ? device(opaque)->st.status : 0;
}

static void set_status(void *opaque, uint32_t value)
{
    if (device(opaque)) {
        virtio_set_status(device(opaque), value);
    }
}

static void put_half(uint64_t *address, uint32_t value, bool is_high)
{
    *address = is_high ? (uint32_t)*address | (uint64_t)value << 32
                       : (*address & ~UINT64_C(0xffffffff)) | value;
}

#define ADDRESS_REGISTER(name, member, is_high)                                                    \
    static void name(void *opaque, uint32_t value)                                                 \
    {                                                                                              \
        VirtQueueState *st = idle_queue(opaque);                                                   \
                                                                                                   \
        if (st) {                                                                                  \
            put_half(&st->member, value, is_high);                                                 \
        }                                                                                          \
    }
ADDRESS_REGISTER(desc_low, desc, false)
ADDRESS_REGISTER(desc_high, desc, true)
ADDRESS_REGISTER(driver_low, avail, false)
ADDRESS_REGISTER(driver_high, avail, true)
ADDRESS_REGISTER(device_low, used, false)
ADDRESS_REGISTER(device_high, used, true)

static uint32_t all_ones(void *opaque)
{
    return UINT32_MAX; /* no shared memory: length and address are -1 */
}

static uint32_t generation(void *opaque)
{
    return device(opaque) ? device(opaque)->st.generation : 0;
}

static const Register mmio_regs[] = {
    REG(0x000, "MagicValue", magic, NULL),
    REG(0x004, "Version", version, NULL),
    REG(0x008, "DeviceID", device_id, NULL),
    REG(0x00c, "VendorID", vendor_id, NULL),
    REG(0x010, "DeviceFeatures", device_features, NULL),
    REGF(0x014, "DeviceFeaturesSel", VirtioMmio, st.device_word, nothing),
    REG(0x020, "DriverFeatures", NULL, driver_features),
    REGF(0x024, "DriverFeaturesSel", VirtioMmio, st.driver_word, nothing),
    REGF(0x030, "QueueSel", VirtioMmio, st.queue, nothing),
    REG(0x034, "QueueNumMax", queue_size_max, NULL),
    REG(0x038, "QueueNum", NULL, queue_size),
    REG(0x044, "QueueReady", queue_ready, set_queue_ready),
    REG(0x050, "QueueNotify", NULL, queue_notify),
    REG(0x060, "InterruptStatus", interrupt_status, NULL),
    REG(0x064, "InterruptACK", NULL, interrupt_ack),
    REG(0x070, "Status", status, set_status),
    REG(0x080, "QueueDescLow", NULL, desc_low),
    REG(0x084, "QueueDescHigh", NULL, desc_high),
    REG(0x090, "QueueDriverLow", NULL, driver_low),
    REG(0x094, "QueueDriverHigh", NULL, driver_high),
    REG(0x0a0, "QueueDeviceLow", NULL, device_low),
    REG(0x0a4, "QueueDeviceHigh", NULL, device_high),
    REGF(0x0ac, "SHMSel", VirtioMmio, st.shm, nothing),
    REG(0x0b0, "SHMLenLow", all_ones, NULL),
    REG(0x0b4, "SHMLenHigh", all_ones, NULL),
    REG(0x0b8, "SHMBaseLow", all_ones, NULL),
    REG(0x0bc, "SHMBaseHigh", all_ones, NULL),
    REG(0x0fc, "ConfigGeneration", generation, NULL),
    {}
};

/* ---- configuration space: bytes behind the registers ---- */
static uint64_t config_read(void *opaque, uint64_t offset, unsigned size)
{
    return device(opaque) ? virtio_config_read(device(opaque), offset - CONFIG_AT, size) : 0;
}

static void config_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    if (device(opaque)) {
        virtio_config_write(device(opaque), offset - CONFIG_AT, value, size);
    }
}

static const RegionOps config_ops = {.read = config_read, .write = config_write};

/* ---- slot ---- */
static VirtioMmio *of_slot(VirtioSlot *s)
{
    return (VirtioMmio *)((char *)s - offsetof(VirtioMmio, slot));
}

static void interrupt_changed(VirtioSlot *s)
{
    irq_set(&of_slot(s)->mmio.irq, s->device && s->device->st.isr);
}

static void was_reset(VirtioSlot *s)
{
    of_slot(s)->st.queue = 0;
    of_slot(s)->st.device_word = of_slot(s)->st.driver_word = 0;
}

Object *virtio_mmio_create(unsigned n, gpa_t base, Object *controller, int irq, GError **errp)
{
    g_autofree char *id = g_strdup_printf("virtio-mmio%u", n);
    Object *o = object_new("virtio-mmio", id, object_container("/machine/unattached"));
    VirtioMmio *m = (VirtioMmio *)o;

    g_assert(n < VIRTIO_MMIO_SLOTS_MAX);
    m->mmio.base = base;
    g_snprintf(m->slot.name, sizeof(m->slot.name), "virtio-mmio-bus.%u", n);
    g_snprintf(m->slot.address, sizeof(m->slot.address), "virtio-mmio@%08" G_GINT64_MODIFIER "x", base);
    m->mmio.dev.bus_address = m->slot.address;
    if (controller) {
        irq_input(controller, NULL, irq, &m->mmio.irq);
    }
    return object_realize(o, errp) ? o : NULL;
}

static bool mmio_realize(Object *o, GError **errp)
{
    VirtioMmio *m = (VirtioMmio *)o;

    if (m->force_legacy) {
        return fail(errp, "virtio-mmio: force-legacy=on is not supported, only version 2 of the registers");
    }
    m->slot.interrupt_changed = interrupt_changed;
    m->slot.was_reset = was_reset;
    virtio_slot_add(&m->slot);
    return mmio_map(&m->mmio, REGION_SIZE, 4, mmio_regs, &config_ops, errp);
}

static void mmio_unrealize(Object *o)
{
    VirtioMmio *m = (VirtioMmio *)o;

    if (m->slot.was_reset) {
        virtio_slot_remove(&m->slot);
    }
    mmio_unmap(&m->mmio);
}

static void mmio_reset(Object *o)
{
    VirtioMmio *m = (VirtioMmio *)o;

    was_reset(&m->slot);
    m->st.shm = 0;
}

static const Property mmio_props[] = {
    PROP_BOOL("force-legacy", VirtioMmio, force_legacy, false, "version 1 of the registers (only off)"),
    {}
};

VMSTATE_DEFINE_SPAN(VirtioMmio, st)
static const VMStateDescription mmio_state = {
    .name = "virtio-mmio", .version = 1, .phase = VMSTATE_SAVE_BUS, VMSTATE_SPAN(VirtioMmio, st),
    .fields = VMSTATE_FIELDS(VMSTATE_U32(VirtioMmio, st.device_word), VMSTATE_U32(VirtioMmio, st.driver_word),
                             VMSTATE_U32(VirtioMmio, st.queue), VMSTATE_U32(VirtioMmio, st.shm)),
};

const ObjectType virtio_mmio_type = {
    .name = "virtio-mmio", .parent = "mmio-device", .kind = KIND_DEVICE, .size = sizeof(VirtioMmio),
    .props = mmio_props, .state = &mmio_state, .realize = mmio_realize, .unrealize = mmio_unrealize,
    .reset = mmio_reset, .about = "slot for a virtio device in the memory map",
};
