/* tests/fuzz/virtqueue.c - a guest that fills its rings with anything.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Input: a byte of features, a byte for the queue's size, then memory from the descriptor table on. */
#include <string.h>

#include "../unit/hw/test-device.h"
#include "replay.h"

static unsigned long long eaten;

static void use_chain(VirtQueue *q, VirtioChain *c, unsigned i)
{
    uint8_t buffer[4096];

    for (unsigned b = 0; b < c->out_count + c->in_count; b++) {
        g_assert_true(ram_ptr(c->buffers[b].gpa, c->buffers[b].size) == c->buffers[b].host);
    }
    eaten += virtio_chain_read(c, i % 7, buffer, sizeof(buffer));
    virtio_chain_write(c, i % 5, buffer, i % 2 ? sizeof(buffer) : 3);
    if (i % 11 == 3) {
        virtqueue_unpop(q, c);
        return;
    }
    virtqueue_fill(q, c, i);
    if (i % 3 == 0) {
        virtqueue_flush(q);
        virtqueue_interrupt(q);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t features = 0;
    VirtQueue *q;
    VirtioChain *c;

    if (size < 2) {
        return 0;
    }
    features |= (uint64_t)(data[0] & 1) << VIRTIO_F_INDIRECT_DESC | (uint64_t)(data[0] >> 1 & 1) << VIRTIO_F_EVENT_IDX;
    q = test_device_start(features, 1u << (data[1] % 9));
    size = MIN(size - 2, TEST_RAM_SIZE - TEST_DESC);
    memcpy(ram_ptr(TEST_RAM + TEST_DESC, size), data + 2, size);
    for (unsigned i = 0; i < 64 && (c = virtqueue_pop(q)); i++) {
        use_chain(q, c, i);
        virtqueue_want_notify(q, i & 1);
    }
    virtqueue_flush(q);
    virtqueue_interrupt(q);
    c = virtqueue_refetch(q, data[1]);
    g_free(c);
    return 0;
}

/* Seed i: a ring with a chain of i buffers, direct or through a table. */
static GByteArray *make_seed(unsigned i)
{
    GByteArray *seed = g_byte_array_new();
    VirtQueue *q = test_device_start(1ull << VIRTIO_F_INDIRECT_DESC, 16);
    uint8_t head[2] = {i & 3, 4};
    unsigned count = 1 + i % 8, table = i & 1 ? TEST_TABLE : TEST_DESC;

    g_assert_nonnull(q);
    for (unsigned n = 0; n < count; n++) {
        put_desc(table, n, TEST_RAM + TEST_DATA + 64 * n, 32 + n, (n + 1 < count) | (n > 2 ? 2 : 0), n + 1);
    }
    if (i & 1) {
        put_desc(TEST_DESC, 0, TEST_RAM + TEST_TABLE, 16 * count, 4, 0);
    }
    for (unsigned n = 0; n < 5; n++) {
        put_avail(16, 0);
    }
    g_byte_array_append(seed, head, 2);
    g_byte_array_append(seed, ram_ptr(TEST_RAM + TEST_DESC, TEST_DATA), TEST_DATA);
    return seed;
}

FUZZ_MAIN("virtqueue", make_seed, 16, 200)
