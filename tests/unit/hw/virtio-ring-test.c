/* tests/unit/hw/virtio-ring-test.c - chains are taken and handed back as the driver meant them; bad ones break only
 * the device.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "test-device.h"
#include "util/loop.h"

enum { NEXT = 1, WRITE = 2, INDIRECT = 4 };
#define F_INDIRECT (1ull << VIRTIO_F_INDIRECT_DESC)
#define F_EVENT (1ull << VIRTIO_F_EVENT_IDX)
#define DATA (TEST_RAM + TEST_DATA)

static uint16_t used_index(void)
{
    return load_le16((uint8_t *)ram_ptr(TEST_RAM + TEST_USED, 4) + 2);
}

static void takes_and_hands_back_a_chain(void)
{
    VirtQueue *q = test_device_start(0, 8);
    uint8_t *used = ram_ptr(TEST_RAM + TEST_USED, 64);
    VirtioChain *c;
    char text[8] = "";

    put_desc(TEST_DESC, 5, DATA, 3, NEXT, 2);
    put_desc(TEST_DESC, 2, DATA + 100, 2, NEXT, 7);
    put_desc(TEST_DESC, 7, DATA + 200, 16, WRITE, 0);
    put_avail(8, 5);
    memcpy(ram_ptr(DATA, 3), "abc", 3);
    memcpy(ram_ptr(DATA + 100, 2), "de", 2);
    c = virtqueue_pop(q);
    g_assert_nonnull(c);
    g_assert_cmpuint(c->out_count, ==, 2);
    g_assert_cmpuint(c->out_bytes, ==, 5);
    g_assert_cmpuint(c->in_bytes, ==, 16);
    g_assert_cmpuint(virtio_chain_read(c, 1, text, 8), ==, 4);
    g_assert_cmpstr(text, ==, "bcde");
    g_assert_cmpuint(virtio_chain_write(c, 10, "0123456789", 10), ==, 6);
    g_assert_null(virtqueue_pop(q));
    virtqueue_push(q, c, 16);
    virtqueue_interrupt(q);
    g_assert_cmpuint(used_index(), ==, 1);
    g_assert_cmpuint(load_le32(used + 4), ==, 5);
    g_assert_cmpuint(load_le32(used + 8), ==, 16);
    g_assert_cmpuint(test_interrupts, ==, 1);
    g_assert_cmpmem(ram_ptr(DATA + 210, 6), 6, "012345", 6);
}

static void an_unpopped_chain_comes_again(void)
{
    VirtQueue *q = test_device_start(0, 4);
    VirtioChain *c;

    put_desc(TEST_DESC, 0, DATA, 4, 0, 0);
    put_desc(TEST_DESC, 1, DATA, 8, 0, 0);
    put_avail(4, 1);
    put_avail(4, 0);
    for (unsigned i = 0; i < 3; i++) {
        c = virtqueue_pop(q);
        g_assert_cmpuint(c->out_bytes, ==, 8);
        virtqueue_unpop(q, c);
    }
    g_assert_cmpuint(virtqueue_waiting(q), ==, 2);
    c = virtqueue_refetch(q, 0);
    g_assert_cmpuint(c->out_bytes, ==, 4);
    g_free(c);
    g_assert_cmpuint(virtqueue_waiting(q), ==, 2);
}

static void indices_wrap(void)
{
    VirtQueue *q = test_device_start(0, 4);

    put_desc(TEST_DESC, 3, DATA, 1, WRITE, 0);
    for (unsigned i = 0; i < 70000; i++) {
        VirtioChain *c;

        put_avail(4, 3);
        c = virtqueue_pop(q);
        g_assert_nonnull(c);
        virtqueue_push(q, c, 1);
        g_assert_cmpuint(used_index(), ==, (uint16_t)(i + 1));
    }
}

static void indirect_tables_are_followed(void)
{
    VirtQueue *q = test_device_start(F_INDIRECT, 4);
    VirtioChain *c;

    for (unsigned i = 0; i < 100; i++) {
        put_desc(TEST_TABLE, i, DATA + i, 1, i == 99 ? WRITE : NEXT | (i > 50 ? WRITE : 0), i + 1);
    }
    put_desc(TEST_DESC, 0, TEST_RAM + TEST_TABLE, 1600, INDIRECT, 0);
    put_avail(4, 0);
    c = virtqueue_pop(q);
    g_assert_nonnull(c);
    g_assert_cmpuint(c->out_count, ==, 51);
    g_assert_cmpuint(c->in_count, ==, 49);
    virtqueue_push(q, c, 0);
}

static void the_event_index_saves_interrupts(void)
{
    VirtQueue *q = test_device_start(F_EVENT, 8);
    uint8_t *used_event = (uint8_t *)ram_ptr(TEST_RAM + TEST_AVAIL, 64) + 4 + 2 * 8;
    uint8_t *avail_event = (uint8_t *)ram_ptr(TEST_RAM + TEST_USED, 128) + 4 + 8 * 8;

    put_desc(TEST_DESC, 0, DATA, 1, WRITE, 0);
    store_le16(used_event, 2); /* interrupt when the third comes back */
    for (unsigned i = 0; i < 5; i++) {
        put_avail(8, 0);
        virtqueue_push(q, virtqueue_pop(q), 1);
        virtqueue_interrupt(q);
        virtio_ack(q->device, ~0u);
        g_assert_cmpuint(test_interrupts, ==, (i == 0) ? 1 : (i < 2) ? 1 : 2); /* the first one always */
    }
    g_assert_false(virtqueue_want_notify(q, true));
    g_assert_cmpuint(load_le16(avail_event), ==, 5);
    put_avail(8, 0);
    g_assert_true(virtqueue_want_notify(q, true));
    g_assert_cmpuint(load_le16(avail_event), ==, 6);
}

/* ---- what a guest should not do ---- */
typedef struct Hostile {
    const char *name;
    void (*put)(void);
} Hostile;

static void head_out_of_range(void)
{
    put_avail(8, 8);
}

static void next_out_of_range(void)
{
    put_desc(TEST_DESC, 0, DATA, 1, NEXT, 9999);
    put_avail(8, 0);
}

static void loop(void)
{
    put_desc(TEST_DESC, 0, DATA, 1, NEXT, 1);
    put_desc(TEST_DESC, 1, DATA, 1, NEXT, 0);
    put_avail(8, 0);
}

static void too_many_available(void)
{
    store_le16((uint8_t *)ram_ptr(TEST_RAM + TEST_AVAIL, 4) + 2, 9);
}

static void not_in_memory(void)
{
    put_desc(TEST_DESC, 0, 0x1000, 4, 0, 0);
    put_avail(8, 0);
}

static void beyond_the_end(void)
{
    put_desc(TEST_DESC, 0, TEST_RAM + TEST_RAM_SIZE - 4, 5, WRITE, 0);
    put_avail(8, 0);
}

static void address_wraps(void)
{
    put_desc(TEST_DESC, 0, UINT64_MAX - 3, 8, WRITE, 0);
    put_avail(8, 0);
}

static void readable_after_writable(void)
{
    put_desc(TEST_DESC, 0, DATA, 4, NEXT | WRITE, 1);
    put_desc(TEST_DESC, 1, DATA, 4, 0, 0);
    put_avail(8, 0);
}

static void indirect_in_indirect(void)
{
    put_desc(TEST_TABLE, 0, TEST_RAM + TEST_TABLE, 16, INDIRECT, 0);
    put_desc(TEST_DESC, 0, TEST_RAM + TEST_TABLE, 16, INDIRECT, 0);
    put_avail(8, 0);
}

static void indirect_with_next(void)
{
    put_desc(TEST_TABLE, 0, DATA, 1, 0, 0);
    put_desc(TEST_DESC, 0, TEST_RAM + TEST_TABLE, 16, INDIRECT | NEXT, 1);
    put_avail(8, 0);
}

static void indirect_of_odd_size(void)
{
    put_desc(TEST_DESC, 0, TEST_RAM + TEST_TABLE, 24, INDIRECT, 0);
    put_avail(8, 0);
}

static void indirect_too_large(void)
{
    put_desc(TEST_DESC, 0, TEST_RAM + TEST_TABLE, 16 * (VIRTIO_CHAIN_MAX + 1), INDIRECT, 0);
    put_avail(8, 0);
}

static void indirect_elsewhere(void)
{
    put_desc(TEST_DESC, 0, 0x100, 16, INDIRECT, 0);
    put_avail(8, 0);
}

static const Hostile hostile[] = {
    {"head out of range", head_out_of_range}, {"next out of range", next_out_of_range}, {"loop", loop},
    {"too many available", too_many_available}, {"not in memory", not_in_memory}, {"beyond the end", beyond_the_end},
    {"address wraps", address_wraps}, {"readable after writable", readable_after_writable},
    {"indirect in indirect", indirect_in_indirect}, {"indirect with next", indirect_with_next},
    {"indirect of odd size", indirect_of_odd_size}, {"indirect too large", indirect_too_large},
    {"indirect elsewhere", indirect_elsewhere},
};

static void a_bad_chain_needs_a_reset_and_nothing_else(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(hostile); i++) {
        VirtQueue *q = test_device_start(F_INDIRECT, 8);

        g_test_message("%s", hostile[i].name);
        hostile[i].put();
        g_assert_null(virtqueue_pop(q));
        g_assert_true(q->device->st.status & VIRTIO_NEEDS_RESET);
        g_assert_true(q->device->st.isr & VIRTIO_ISR_CONFIG);
        g_assert_null(virtqueue_pop(q));
        g_assert_cmpuint(virtqueue_waiting(q), ==, 0);
    }
}

static void an_indirect_table_that_was_not_negotiated_is_refused(void)
{
    VirtQueue *q = test_device_start(0, 8);

    put_desc(TEST_TABLE, 0, DATA, 1, 0, 0);
    put_desc(TEST_DESC, 0, TEST_RAM + TEST_TABLE, 16, INDIRECT, 0);
    put_avail(8, 0);
    g_assert_null(virtqueue_pop(q));
    g_assert_true(q->device->st.status & VIRTIO_NEEDS_RESET);
}

static void unusable_rings_are_not_mapped(void)
{
    static const struct {
        uint64_t desc, avail, used;
        unsigned size;
    } bad[] = {
        {TEST_RAM + 8, TEST_RAM + TEST_AVAIL, TEST_RAM + TEST_USED, 8}, /* alignment */
        {TEST_RAM, TEST_RAM + 1, TEST_RAM + TEST_USED, 8},
        {TEST_RAM, TEST_RAM + TEST_AVAIL, TEST_RAM + 2, 8},
        {TEST_RAM, TEST_RAM + TEST_AVAIL, TEST_RAM + TEST_USED, 0},     /* size */
        {TEST_RAM, TEST_RAM + TEST_AVAIL, TEST_RAM + TEST_USED, 24},
        {TEST_RAM, TEST_RAM + TEST_AVAIL, TEST_RAM + TEST_USED, 512},
        {0, TEST_RAM + TEST_AVAIL, TEST_RAM + TEST_USED, 8},            /* not RAM */
        {TEST_RAM + TEST_RAM_SIZE - 16, TEST_RAM + TEST_AVAIL, TEST_RAM + TEST_USED, 8},
        {TEST_RAM, TEST_RAM + TEST_RAM_SIZE - 4, TEST_RAM + TEST_USED, 8},
        {TEST_RAM, TEST_RAM + TEST_AVAIL, UINT64_MAX - 3, 8},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        VirtQueue *q = test_device_start(0, 8);

        q->st->desc = bad[i].desc;
        q->st->avail = bad[i].avail;
        q->st->used = bad[i].used;
        q->st->size = bad[i].size;
        g_assert_false(virtqueue_map(q));
    }
}

static void driver_ok_needs_accepted_features(void)
{
    VirtQueue *q = test_device_start(0, 8);
    VirtioDevice *v = q->device;

    virtio_set_status(v, 0);
    virtio_set_status(v, VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER);
    virtio_set_features(v, 0, 1); /* never offered */
    virtio_set_features(v, 1, 1);
    virtio_set_status(v, VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER | VIRTIO_FEATURES_OK);
    g_assert_false(v->st.status & VIRTIO_FEATURES_OK);
    virtio_set_status(v, VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER | VIRTIO_DRIVER_OK);
    g_assert_true(v->st.status & VIRTIO_NEEDS_RESET);
    virtio_set_status(v, 0);
    g_assert_cmpuint(v->st.status, ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    loop_init();
    g_test_add_func("/hw/virtio-ring/takes_and_hands_back_a_chain", takes_and_hands_back_a_chain);
    g_test_add_func("/hw/virtio-ring/an_unpopped_chain_comes_again", an_unpopped_chain_comes_again);
    g_test_add_func("/hw/virtio-ring/indices_wrap", indices_wrap);
    g_test_add_func("/hw/virtio-ring/indirect_tables_are_followed", indirect_tables_are_followed);
    g_test_add_func("/hw/virtio-ring/the_event_index_saves_interrupts", the_event_index_saves_interrupts);
    g_test_add_func("/hw/virtio-ring/a_bad_chain_needs_a_reset_and_nothing_else",
                    a_bad_chain_needs_a_reset_and_nothing_else);
    g_test_add_func("/hw/virtio-ring/an_indirect_table_that_was_not_negotiated_is_refused",
                    an_indirect_table_that_was_not_negotiated_is_refused);
    g_test_add_func("/hw/virtio-ring/unusable_rings_are_not_mapped", unusable_rings_are_not_mapped);
    g_test_add_func("/hw/virtio-ring/driver_ok_needs_accepted_features", driver_ok_needs_accepted_features);
    return g_test_run();
}
