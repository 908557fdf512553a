/* tests/unit/hw/test-device.h - a virtio device that does nothing, on a slot of its own, over a small RAM.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "hw/virtio.h"
#include "object/object.h"
#include "system/ram.h"
#include "util/bytes.h"

#define TEST_RAM UINT64_C(0x80000000)
#define TEST_RAM_SIZE UINT64_C(0x40000)
enum { TEST_DESC = 0x1000, TEST_AVAIL = 0x2000, TEST_USED = 0x3000, TEST_TABLE = 0x4000, TEST_DATA = 0x8000 };

static unsigned test_interrupts;

static void test_interrupt_changed(VirtioSlot *s)
{
    if (s->device && s->device->st.isr) {
        test_interrupts++;
    }
}

static void test_was_reset(VirtioSlot *s)
{
}

static VirtioSlot test_slot = {
    .name = "test-bus", .address = "test@0", .interrupt_changed = test_interrupt_changed, .was_reset = test_was_reset,
};

static uint64_t test_features(VirtioDevice *v)
{
    return 0;
}

static void test_notify(VirtioDevice *v, unsigned queue)
{
}

static const VirtioOps test_ops = {
    .device_id = 42, .queue_count = 1, .queue_sizes = {256}, .features = test_features, .queue_notify = test_notify,
};

static const ObjectType test_device_type = {
    .name = "virtio-test-device", .parent = "virtio-device", .kind = KIND_DEVICE, .size = sizeof(VirtioDevice),
    .state = &vmstate_none, .ops = &test_ops, .flags = TYPE_USER_CREATABLE, .about = "does nothing",
};

static void put_desc(unsigned table, unsigned i, uint64_t gpa, uint32_t size, uint16_t flags, uint16_t next)
{
    uint8_t *d = ram_ptr(TEST_RAM + table + 16 * i, 16);

    store_le64(d, gpa);
    store_le32(d + 8, size);
    store_le16(d + 12, flags);
    store_le16(d + 14, next);
}

/* Offers `head` and moves the available index. */
static inline void put_avail(unsigned size, uint16_t head)
{
    uint8_t *a = ram_ptr(TEST_RAM + TEST_AVAIL, 4);
    uint16_t index = load_le16(a + 2);

    store_le16(a + 4 + 2 * (index % size), head);
    store_le16(a + 2, index + 1);
}

/* A fresh device whose driver has said DRIVER_OK with queue 0 of `size` entries. */
static VirtQueue *test_device_start(uint64_t features, unsigned size)
{
    static const ObjectType *const types[] = {&virtio_device_type, &test_device_type, NULL};
    static VirtioDevice *v;
    VirtQueue *q;

    if (!v) {
        g_assert_nonnull(ram_add("test.ram", TEST_RAM, TEST_RAM_SIZE, NULL));
        types_register(types);
        virtio_slot_add(&test_slot);
        v = (VirtioDevice *)object_create(KIND_DEVICE, "virtio-test-device", NULL, object_container("/machine"), NULL);
        g_assert_nonnull(v);
    }
    memset(ram_ptr(TEST_RAM, TEST_RAM_SIZE), 0, TEST_RAM_SIZE);
    virtio_set_status(v, 0);
    test_interrupts = 0;
    features |= UINT64_C(1) << VIRTIO_F_VERSION_1;
    virtio_set_status(v, VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER);
    virtio_set_features(v, 0, features);
    virtio_set_features(v, 1, features >> 32);
    virtio_set_status(v, VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER | VIRTIO_FEATURES_OK);
    q = &v->queues[0];
    q->st->size = size;
    q->st->desc = TEST_RAM + TEST_DESC;
    q->st->avail = TEST_RAM + TEST_AVAIL;
    q->st->used = TEST_RAM + TEST_USED;
    g_assert_true(virtqueue_map(q));
    q->st->is_ready = true;
    virtio_set_status(v, VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER | VIRTIO_FEATURES_OK | VIRTIO_DRIVER_OK);
    return q;
}
