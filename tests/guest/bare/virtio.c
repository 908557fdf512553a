/* tests/guest/bare/virtio.c - virtio-mmio, version 2 (virtio 1.2, 4.2), and split rings.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "bare.h"

enum {
    R_MAGIC = 0x00, R_VERSION = 0x04, R_DEVICE = 0x08, R_FEATURES = 0x10, R_FEATURES_SEL = 0x14, R_DRIVER = 0x20,
    R_DRIVER_SEL = 0x24, R_QUEUE_SEL = 0x30, R_QUEUE_MAX = 0x34, R_QUEUE_NUM = 0x38, R_QUEUE_READY = 0x44, R_NOTIFY = 0x50,
    R_STATUS = 0x70, R_DESC = 0x80, R_AVAIL = 0x90, R_USED = 0xa0, MAGIC = 0x74726976,
    ACKNOWLEDGE = 1, DRIVER = 2, DRIVER_OK = 4, FEATURES_OK = 8,
};

static bool agree(uintptr_t regs, uint64_t wanted, uint64_t *ret_features)
{
    uint64_t offered;

    write32(regs + R_STATUS, 0);
    write32(regs + R_STATUS, ACKNOWLEDGE);
    write32(regs + R_STATUS, ACKNOWLEDGE | DRIVER);
    write32(regs + R_FEATURES_SEL, 0);
    offered = read32(regs + R_FEATURES);
    write32(regs + R_FEATURES_SEL, 1);
    offered |= (uint64_t)read32(regs + R_FEATURES) << 32;
    wanted = (wanted | 1ULL << 32) & offered;           /* VERSION_1 */
    write32(regs + R_DRIVER_SEL, 0);
    write32(regs + R_DRIVER, (uint32_t)wanted);
    write32(regs + R_DRIVER_SEL, 1);
    write32(regs + R_DRIVER, wanted >> 32);
    write32(regs + R_STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK);
    *ret_features = wanted;
    return read32(regs + R_STATUS) & FEATURES_OK && wanted >> 32 & 1;
}

bool virtio_find(uint32_t device, uint64_t features, uint32_t from_slot, VirtioFound *ret)
{
    for (uint32_t slot = from_slot; slot < VIRTIO_SLOTS; slot++) {
        uintptr_t regs = VIRTIO + slot * VIRTIO_STEP;

        if (read32(regs + R_MAGIC) == MAGIC && read32(regs + R_VERSION) == 2 && read32(regs + R_DEVICE) == device &&
            agree(regs, features, &ret->features)) {
            ret->slot = slot;
            ret->regs = regs;
            return true;
        }
    }
    return false;
}

static void write_address(uintptr_t reg, const void *p)
{
    write32(reg, (uint32_t)(uintptr_t)p);
    write32(reg + 4, (uintptr_t)p >> 32);
}

void virtio_queue(uintptr_t regs, uint32_t index, Queue *q)
{
    uint32_t most;

    q->regs = regs;
    q->index = index;
    write32(regs + R_QUEUE_SEL, index);
    most = read32(regs + R_QUEUE_MAX);
    q->size = most < QUEUE_SIZE ? most : QUEUE_SIZE;
    if (!q->size) {
        print("no queue\n");
        return;
    }
    write32(regs + R_QUEUE_NUM, q->size);
    write_address(regs + R_DESC, q->desc);
    write_address(regs + R_AVAIL, &q->avail);
    write_address(regs + R_USED, &q->used);
    write32(regs + R_QUEUE_READY, 1);
}

void virtio_start(uintptr_t regs)
{
    write32(regs + R_STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
}

void queue_give(Queue *q, uint16_t head)
{
    volatile uint16_t *idx = &q->avail.idx;

    q->avail.ring[*idx % q->size] = head;
    fence();
    *idx = *idx + 1;
}

void queue_kick(Queue *q)
{
    fence();
    if (!(*(volatile uint16_t *)&q->used.flags & 1)) {
        write32(q->regs + R_NOTIFY, q->index);
    }
}

bool queue_take(Queue *q, uint32_t *ret_id, uint32_t *ret_len)
{
    if (*(volatile uint16_t *)&q->used.idx == q->seen) {
        return false;
    }
    fence();
    *ret_id = q->used.ring[q->seen % q->size].id;
    *ret_len = q->used.ring[q->seen % q->size].len;
    q->seen++;
    return true;
}
