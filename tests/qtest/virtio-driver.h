/* tests/qtest/virtio-driver.h - a small virtio driver on the test's side.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "libqtest.h"

#define DRIVER_QUEUE 8u /* entries of each ring */

typedef struct DriverQueue {
    unsigned index;
    uint64_t desc, avail, used;
    uint16_t next_desc, avail_index, used_seen;
} DriverQueue;

typedef struct Driver {
    QTest *q;
    uint64_t base;
    unsigned irq;       /* at the PLIC */
    uint64_t offered, features;
    DriverQueue queues[8];
    uint64_t heap;      /* next free guest memory */
} Driver;

typedef struct DriverBuffer {
    uint64_t at;
    uint32_t size;
    bool is_in;
} DriverBuffer;

#define DRIVER_F(bit) (UINT64_C(1) << (bit))

/* The device in slot n (7: the first one), which must have this id; negotiates `wanted` of what is offered, sets up
 * `queues` rings and says DRIVER_OK.  The PLIC's inputs are intercepted. */
void driver_start(Driver *d, QTest *q, unsigned slot, uint32_t device_id, uint64_t wanted, unsigned queues);
/* The same without negotiating: after a reset. */
void driver_restart(Driver *d, uint64_t wanted, unsigned queues);
uint64_t driver_alloc(Driver *d, size_t size);
/* Offers a chain and, if asked, notifies; returns its head. */
uint16_t driver_add(Driver *d, unsigned queue, const DriverBuffer *buffers, unsigned count, bool notify);
void driver_notify(Driver *d, unsigned queue);
/* Waits until a chain came back; returns its head and the bytes written. */
uint16_t driver_wait(Driver *d, unsigned queue, uint32_t *ret_written);
bool driver_has_used(Driver *d, unsigned queue);
uint32_t driver_status(Driver *d);
uint8_t driver_config8(Driver *d, unsigned at);
uint16_t driver_config16(Driver *d, unsigned at);
uint32_t driver_config32(Driver *d, unsigned at);
uint32_t driver_ack(Driver *d); /* reads and acknowledges the interrupt status */

enum { REG_MAGIC = 0x0, REG_VERSION = 0x4, REG_DEVICE = 0x8, REG_FEATURES = 0x10, REG_FEATURES_SEL = 0x14,
       REG_DRIVER = 0x20, REG_DRIVER_SEL = 0x24, REG_QUEUE_SEL = 0x30, REG_QUEUE_MAX = 0x34, REG_QUEUE_NUM = 0x38,
       REG_QUEUE_READY = 0x44, REG_NOTIFY = 0x50, REG_ISR = 0x60, REG_ACK = 0x64, REG_STATUS = 0x70, REG_DESC = 0x80,
       REG_AVAIL = 0x90, REG_USED = 0xa0, REG_GENERATION = 0xfc, REG_CONFIG = 0x100 };
