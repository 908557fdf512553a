/* include/hw/virtio-ring.h - split virtqueues, as a device sees them.
 * Guarded by: vm_lock; guest memory is shared with running harts.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "system/types.h"
#include "vmstate/vmstate.h"

#define VIRTQUEUE_SIZE_MAX 1024
#define VIRTIO_CHAIN_MAX 1024 /* buffers of one chain */

struct VirtioDevice;
typedef struct VirtQueue VirtQueue;

typedef struct VirtQueueState { /* all that a guest can see of a queue, and all that is saved */
    uint64_t desc, avail, used; /* guest addresses */
    uint32_t size;              /* chosen by the driver */
    uint16_t last_avail;        /* next entry of the available ring to take */
    uint16_t used_index;        /* next entry of the used ring to fill; as the guest sees it after a flush */
    uint16_t signalled;         /* used_index at the last interrupt, if signalled_valid (event index) */
    bool signalled_valid;
    bool is_ready;
    bool wants_notify;          /* the driver is asked to notify */
} VirtQueueState;
extern const VMStateDescription virtqueue_state;

struct VirtQueue { /* rebuilt, not saved */
    struct VirtioDevice *device;
    VirtQueueState *st;
    unsigned index, size_max;
    uint8_t *desc, *avail, *used; /* host addresses while ready */
    unsigned pending_used;        /* filled, not yet flushed */
    bool event_idx;               /* negotiated */
    bool indirect;
};

typedef struct VirtioBuffer {
    gpa_t gpa;
    void *host;
    uint32_t size;
} VirtioBuffer;

/* A chain taken from the ring: `out` buffers to be read by the device, then `in` buffers to be written. */
typedef struct VirtioChain {
    uint16_t head;
    unsigned out_count, in_count;
    uint64_t out_bytes, in_bytes;
    VirtioBuffer *in;             /* == buffers + out_count */
    VirtioBuffer buffers[];
} VirtioChain;

/* The driver set is_ready: checks sizes and addresses, finds the rings in memory.  false: they are unusable. */
bool virtqueue_map(VirtQueue *q);
void virtqueue_reset(VirtQueue *q);

/* The next chain, or NULL: none, or the ring is broken (virtio_break() was called).  Freed by virtqueue_push(), by
 * virtqueue_unpop() or, after a reset of the device, by g_free(). */
VirtioChain *virtqueue_pop(VirtQueue *q);
/* The chain that starts at `head`, without touching the ring's indices: a request that was in flight when the state was
 * saved. */
VirtioChain *virtqueue_refetch(VirtQueue *q, uint16_t head);
/* Puts the last chain taken back, as if it had never been taken; several: last one first. */
void virtqueue_unpop(VirtQueue *q, VirtioChain *c);
uint16_t virtqueue_waiting(VirtQueue *q); /* chains to be taken, as the driver says it */

/* Hands a chain back with the number of bytes written to it.  fill: not yet visible; flush: all filled ones at once. */
void virtqueue_fill(VirtQueue *q, VirtioChain *c, uint32_t written);
void virtqueue_flush(VirtQueue *q);
void virtqueue_push(VirtQueue *q, VirtioChain *c, uint32_t written);
/* Interrupts the driver, unless it asked not to be. */
void virtqueue_interrupt(VirtQueue *q);

/* Asks the driver to notify about chains from now on (or not to).  After asking, returns whether any wait already. */
bool virtqueue_want_notify(VirtQueue *q, bool want);

/* Copies between a chain and a flat buffer, from `offset` on; returns the bytes copied (less at the end). */
size_t virtio_chain_read(const VirtioChain *c, uint64_t offset, void *to, size_t size);
size_t virtio_chain_write(const VirtioChain *c, uint64_t offset, const void *from, size_t size);
