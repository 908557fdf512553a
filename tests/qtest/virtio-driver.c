/* tests/qtest/virtio-driver.c - rings, negotiation and waiting, as a guest would do them.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "virtio-driver.h"

#include <string.h>

#include "util/bytes.h"

enum { RAM = 0x80000000, HEAP = 0x80100000, HEAP_EACH = 0x100000 };

static uint32_t reg(Driver *d, unsigned at)
{
    return qtest_readl(d->q, d->base + at);
}

static void set_reg(Driver *d, unsigned at, uint32_t value)
{
    qtest_writel(d->q, d->base + at, value);
}

uint64_t driver_alloc(Driver *d, size_t size)
{
    uint64_t at = d->heap;

    d->heap = (d->heap + size + 63) & ~UINT64_C(63);
    return at;
}

static void set_address(Driver *d, unsigned at, uint64_t value)
{
    set_reg(d, at, value);
    set_reg(d, at + 4, value >> 32);
}

static void start_queue(Driver *d, unsigned i)
{
    DriverQueue *dq = &d->queues[i];

    *dq = (DriverQueue){.index = i, .desc = driver_alloc(d, 16 * DRIVER_QUEUE),
                        .avail = driver_alloc(d, 6 + 2 * DRIVER_QUEUE), .used = driver_alloc(d, 6 + 8 * DRIVER_QUEUE)};
    qtest_memset(d->q, dq->avail, 0, 6 + 2 * DRIVER_QUEUE);
    qtest_memset(d->q, dq->used, 0, 6 + 8 * DRIVER_QUEUE);
    set_reg(d, REG_QUEUE_SEL, i);
    g_assert_cmpuint(reg(d, REG_QUEUE_MAX), >=, 8);
    set_reg(d, REG_QUEUE_NUM, MIN(DRIVER_QUEUE, reg(d, REG_QUEUE_MAX)));
    set_address(d, REG_DESC, dq->desc);
    set_address(d, REG_AVAIL, dq->avail);
    set_address(d, REG_USED, dq->used);
    set_reg(d, REG_QUEUE_READY, 1);
    g_assert_cmpuint(reg(d, REG_QUEUE_READY), ==, 1);
}

static uint64_t offered(Driver *d)
{
    uint64_t low;

    set_reg(d, REG_FEATURES_SEL, 0);
    low = reg(d, REG_FEATURES);
    set_reg(d, REG_FEATURES_SEL, 1);
    return low | (uint64_t)reg(d, REG_FEATURES) << 32;
}

void driver_restart(Driver *d, uint64_t wanted, unsigned queues)
{
    set_reg(d, REG_STATUS, 0);
    g_assert_cmpuint(reg(d, REG_STATUS), ==, 0);
    set_reg(d, REG_STATUS, 1);
    set_reg(d, REG_STATUS, 3);
    d->offered = offered(d);
    d->features = (wanted & d->offered) | DRIVER_F(32);
    set_reg(d, REG_DRIVER_SEL, 0);
    set_reg(d, REG_DRIVER, d->features);
    set_reg(d, REG_DRIVER_SEL, 1);
    set_reg(d, REG_DRIVER, d->features >> 32);
    set_reg(d, REG_STATUS, 11);
    g_assert_cmpuint(reg(d, REG_STATUS), ==, 11);
    for (unsigned i = 0; i < queues; i++) {
        start_queue(d, i);
    }
    set_reg(d, REG_STATUS, 15);
    g_assert_cmpuint(reg(d, REG_STATUS), ==, 15);
}

void driver_start(Driver *d, QTest *q, unsigned slot, uint32_t device_id, uint64_t wanted, unsigned queues)
{
    *d = (Driver){.q = q, .base = 0x10001000 + 0x1000 * slot, .irq = 1 + slot, .heap = HEAP + (7 - slot) * HEAP_EACH};
    qtest_intercept_in(q, "/machine/unattached/plic");
    g_assert_cmphex(reg(d, REG_MAGIC), ==, 0x74726976);
    g_assert_cmpuint(reg(d, REG_VERSION), ==, 2);
    g_assert_cmpuint(reg(d, REG_DEVICE), ==, device_id);
    driver_restart(d, wanted, queues);
}

/* Does the device want to hear of the entry that was just added?  A driver that notifies anyway would hide mistakes. */
static bool is_asked(Driver *d, const DriverQueue *dq)
{
    if (d->features & DRIVER_F(29)) {
        return qtest_readw(d->q, dq->used + 4 + 8 * DRIVER_QUEUE) == (uint16_t)(dq->avail_index - 1);
    }
    return !(qtest_readw(d->q, dq->used) & 1);
}

uint16_t driver_add(Driver *d, unsigned queue, const DriverBuffer *buffers, unsigned count, bool notify)
{
    DriverQueue *dq = &d->queues[queue];
    uint16_t head = dq->next_desc % DRIVER_QUEUE;

    g_assert_cmpuint(count, <=, DRIVER_QUEUE);
    for (unsigned i = 0; i < count; i++) {
        uint16_t at = (head + i) % DRIVER_QUEUE;
        uint8_t desc[16];

        store_le64(desc, buffers[i].at);
        store_le32(desc + 8, buffers[i].size);
        store_le16(desc + 12, (i + 1 < count ? 1 : 0) | (buffers[i].is_in ? 2 : 0));
        store_le16(desc + 14, (at + 1) % DRIVER_QUEUE);
        qtest_memwrite(d->q, dq->desc + 16 * at, desc, 16);
    }
    dq->next_desc += count;
    qtest_writew(d->q, dq->avail + 4 + 2 * (dq->avail_index % DRIVER_QUEUE), head);
    qtest_writew(d->q, dq->avail + 2, ++dq->avail_index);
    if (notify && is_asked(d, dq)) {
        driver_notify(d, queue);
    }
    return head;
}

void driver_notify(Driver *d, unsigned queue)
{
    set_reg(d, REG_NOTIFY, queue);
}

bool driver_has_used(Driver *d, unsigned queue)
{
    DriverQueue *dq = &d->queues[queue];

    return qtest_readw(d->q, dq->used + 2) != dq->used_seen;
}

uint16_t driver_wait(Driver *d, unsigned queue, uint32_t *ret_written)
{
    DriverQueue *dq = &d->queues[queue];
    uint8_t entry[8];

    if (d->features & DRIVER_F(29)) { /* event index: interrupt at the next one */
        qtest_writew(d->q, dq->avail + 4 + 2 * DRIVER_QUEUE, dq->used_seen);
    }
    while (!driver_has_used(d, queue)) {
        qtest_wait_irq(d->q, d->irq, true);
        driver_ack(d);
    }
    qtest_memread(d->q, dq->used + 4 + 8 * (dq->used_seen % DRIVER_QUEUE), entry, 8);
    dq->used_seen++;
    if (ret_written) {
        *ret_written = load_le32(entry + 4);
    }
    return load_le32(entry);
}

uint32_t driver_status(Driver *d)
{
    return reg(d, REG_STATUS);
}

uint8_t driver_config8(Driver *d, unsigned at)
{
    return qtest_readb(d->q, d->base + REG_CONFIG + at);
}

uint16_t driver_config16(Driver *d, unsigned at)
{
    return qtest_readw(d->q, d->base + REG_CONFIG + at);
}

uint32_t driver_config32(Driver *d, unsigned at)
{
    return reg(d, REG_CONFIG + at);
}

uint32_t driver_ack(Driver *d)
{
    uint32_t isr = reg(d, REG_ISR);

    set_reg(d, REG_ACK, isr);
    return isr;
}
