/* include/hw/virtio.h - what all virtio devices share: features, status, configuration, queues.  Virtio 1.2.
 * Guarded by: vm_lock.  docs/devices/virtio.md.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A device is one ObjectType row whose ops is a VirtioOps; a transport (virtio-mmio) is a VirtioSlot.  The guest is not
 * believed: every index, length and chain is bounded, and a broken ring sets DEVICE_NEEDS_RESET.  While the machine is
 * stopped no queue is served, except that what was in flight completes, and that a handoff puts received frames in just
 * before the start; when the machine starts each queue is looked at anew. */
#pragma once

#include "hw/virtio-ring.h"
#include "object/device.h"

#define VIRTIO_QUEUES_MAX 64
#define VIRTIO_QUEUES_USUAL 4 /* the others travel in a subsection of their own, with devices that have so many */

enum { VIRTIO_ACKNOWLEDGE = 1, VIRTIO_DRIVER = 2, VIRTIO_DRIVER_OK = 4, VIRTIO_FEATURES_OK = 8,
       VIRTIO_NEEDS_RESET = 64, VIRTIO_FAILED = 128 };
enum { VIRTIO_ISR_QUEUE = 1, VIRTIO_ISR_CONFIG = 2 };
enum { VIRTIO_F_INDIRECT_DESC = 28, VIRTIO_F_EVENT_IDX = 29, VIRTIO_F_VERSION_1 = 32 };
enum { VIRTIO_ID_NET = 1, VIRTIO_ID_BLOCK = 2, VIRTIO_ID_CONSOLE = 3, VIRTIO_ID_RNG = 4, VIRTIO_ID_GPU = 16, VIRTIO_ID_INPUT = 18 };

typedef struct VirtioDevice VirtioDevice;
typedef struct VirtioSlot VirtioSlot;

typedef struct VirtioOps {
    uint16_t device_id;
    unsigned queue_count;
    unsigned (*queues)(const VirtioDevice *v);                /* NULL: queue_count; else by its properties, no more */
    uint16_t queue_sizes[VIRTIO_QUEUES_MAX];
    uint64_t (*features)(VirtioDevice *v);                    /* what is offered now, beside the rings' own */
    uint64_t loadable;                                        /* what a loaded state may have accepted besides */
    void (*features_set)(VirtioDevice *v);                    /* the driver has chosen: v->st.features; also after a load */
    unsigned (*config)(VirtioDevice *v, uint8_t config[256]); /* writes it, returns its size */
    void (*config_write)(VirtioDevice *v, unsigned offset, const void *data, unsigned size); /* NULL: read only */
    void (*queue_notify)(VirtioDevice *v, unsigned queue);    /* live and running: look at the ring; also at start */
    void (*started)(VirtioDevice *v);                         /* live, machine starts: before its queues are notified */
    void (*reset)(VirtioDevice *v);                           /* drop what belongs to the driver's session */
} VirtioOps;

struct VirtioDevice { /* first member of a device */
    Device dev;
    char *bus;                 /* property: "virtio-mmio-bus.3"; NULL: first free */
    bool use_indirect, use_event_idx; /* properties */
    VirtioSlot *slot;
    struct {
        uint64_t features;     /* accepted by the driver */
        uint32_t generation;   /* of the configuration */
        uint8_t status, isr;
        uint32_t more_queues;  /* beyond the usual ones */
        VirtQueueState queues[VIRTIO_QUEUES_MAX];
    } st;
    VirtQueue queues[VIRTIO_QUEUES_MAX];
    unsigned queue_count;
    bool is_running;           /* the machine runs, as far as this device was told */
    uint64_t again;            /* queues that virtio_look_again() named */
};

struct VirtioSlot { /* a transport's side */
    char name[24];             /* of its bus */
    char address[32];          /* "virtio-mmio@10008000": prefixes the device's sections */
    VirtioDevice *device;      /* NULL: empty */
    void (*interrupt_changed)(VirtioSlot *s); /* st.isr changed */
    void (*was_reset)(VirtioSlot *s);
};
void virtio_slot_add(VirtioSlot *s); /* the last one added is the first to be filled */
void virtio_slot_remove(VirtioSlot *s);

/* Parent row of every virtio device: finds its slot, saves the queues, resets. */
extern const ObjectType virtio_device_type;

static inline const VirtioOps *virtio_ops(const VirtioDevice *v)
{
    return v->dev.obj.type->ops;
}

/* ---- for devices ---- */
static inline bool virtio_has(const VirtioDevice *v, unsigned feature)
{
    return v->st.features >> feature & 1;
}
bool virtio_is_live(const VirtioDevice *v); /* DRIVER_OK and not broken; says nothing of the run state */
void virtio_config_changed(VirtioDevice *v);
void virtio_break(VirtioDevice *v, const char *fmt, ...) G_GNUC_PRINTF(2, 3); /* the guest broke it: NEEDS_RESET */
const char *virtio_name(const VirtioDevice *v);
uint64_t virtio_offered(const VirtioDevice *v);

/* The main loop notifies the queue once more, a little later: a driver that adds chains as fast as they are served must
 * not keep vm_lock from others.  Forgotten if the machine stops: its start looks at all queues. */
void virtio_look_again(VirtioDevice *v, unsigned queue);

/* ---- for transports ---- */
void virtio_raise(VirtioDevice *v, unsigned isr);
void virtio_ack(VirtioDevice *v, uint32_t isr);
void virtio_set_status(VirtioDevice *v, uint32_t status); /* 0 resets */
void virtio_set_features(VirtioDevice *v, unsigned word, uint32_t value);
uint64_t virtio_config_read(VirtioDevice *v, uint64_t offset, unsigned size);
void virtio_config_write(VirtioDevice *v, uint64_t offset, uint64_t value, unsigned size);
void virtio_notify(VirtioDevice *v, uint32_t queue);
