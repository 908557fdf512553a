/* tests/unit/hw/virtio-input-test.c - what waits in a keyboard and its lights come back as they were, or not at all.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include <linux/input-event-codes.h>
#include <string.h>

#include "../state-bytes.h"
#include "hw/machine.h"
#include "hw/virtio.h"
#include "system/devices.h"
#include "system/handoff.h"
#include "system/ram.h"
#include "system/region.h"
#include "system/reset.h"
#include "system/runstate.h"
#include "system/vm-lock.h"
#include "ui/input.h"
#include "util/bytes.h"
#include "util/loop.h"

enum { SLOT = 0x10008000, RINGS = 0x80010000, BUFFERS = 0x80020000, RING = 0x1000, ENTRIES = 8 };

static void reg(unsigned at, uint32_t value)
{
    g_assert_true(region_write(SLOT + at, 4, value));
}

static uint8_t *ram(uint64_t at)
{
    return ram_ptr(at, 0x1000);
}

/* Two rings of eight entries with a buffer of eight bytes each; queue 0 is written by the device. */
static void start_driver(void)
{
    reg(0x70, 0);
    reg(0x70, 3);
    reg(0x24, 1);
    reg(0x20, 1);
    reg(0x70, 11);
    for (unsigned q = 0; q < 2; q++) {
        uint64_t at = RINGS + q * 3 * RING;

        memset(ram(at + RING), 0, 64);
        memset(ram(at + 2 * RING), 0, 128);
        for (unsigned i = 0; i < ENTRIES; i++) {
            store_le64(ram(at) + 16 * i, BUFFERS + q * RING + 8 * i);
            store_le32(ram(at) + 16 * i + 8, 8);
            store_le32(ram(at) + 16 * i + 12, q == 0 ? 2 : 0);
        }
        reg(0x30, q);
        reg(0x38, ENTRIES);
        reg(0x80, at);
        reg(0x90, at + RING);
        reg(0xa0, at + 2 * RING);
        reg(0x44, 1);
    }
    reg(0x70, 15);
}

static void offer(unsigned q, unsigned count)
{
    uint8_t *avail = ram(RINGS + q * 3 * RING + RING);
    uint16_t index = load_le16(avail + 2);

    for (unsigned i = 0; i < count; i++, index++) {
        store_le16(avail + 4 + 2 * (index % ENTRIES), index % ENTRIES);
    }
    store_le16(avail + 2, index);
    reg(0x50, q);
}

static unsigned used(unsigned q)
{
    return load_le16(ram(RINGS + q * 3 * RING + 2 * RING) + 2);
}

static void set_light(unsigned light, bool on)
{
    const uint8_t e[8] = {EV_LED, 0, light, 0, on, 0, 0, 0};
    uint16_t index = load_le16(ram(RINGS + 3 * RING + RING) + 2);

    memcpy(ram(BUFFERS + RING) + 8 * (index % ENTRIES), e, 8);
    offer(1, 1);
}

static bool press(uint16_t key, bool down)
{
    const InputEvent e = {INPUT_KEY, key, down};

    return input_send(NULL, -1, &e, 1);
}

static const StateEntry *entry(void)
{
    const StateEntry *e = state_find("virtio-mmio@10008000/virtio-input", 0);

    g_assert_nonnull(e);
    return e;
}

static GBytes *save(void)
{
    StateWriter *w = state_writer_new();

    vmstate_save(entry()->state, entry()->object, w);
    return state_bytes(w);
}

static bool load(const void *data, size_t size, GError **errp)
{
    StateReader r;

    state_reader_init(&r, data, size, "test");
    return vmstate_load(entry()->state, entry()->object, 1, &r, errp);
}

static void lights_follow_the_guest(void)
{
    g_autoptr(GBytes) saved = NULL;
    size_t size;
    const uint8_t *data;

    vm_start();
    start_driver();
    set_light(LED_CAPSL, true);
    g_assert_cmpuint(input_leds(), ==, INPUT_LED_CAPS);
    set_light(LED_NUML, true);
    set_light(LED_CAPSL, false);
    g_assert_cmpuint(input_leds(), ==, INPUT_LED_NUM);
    saved = save();
    reg(0x70, 0);
    g_assert_cmpuint(input_leds(), ==, 0);
    data = g_bytes_get_data(saved, &size);
    g_assert_true(load(data, size, NULL));
    g_assert_cmpuint(input_leds(), ==, INPUT_LED_NUM);
    vm_stop(RUN_STATE_PAUSED);
    reset_all();
}

/* Five keys while the guest stands; the driver's session comes back by its own section. */
static void keys_that_wait_are_saved(void)
{
    g_autoptr(GBytes) saved = NULL;
    size_t size;
    const uint8_t *data;

    vm_start();
    start_driver();
    vm_stop(RUN_STATE_PAUSED);
    for (unsigned i = 0; i < 5; i++) {
        g_assert_true(press(KEY_Q + i, true));
    }
    saved = save();
    data = g_bytes_get_data(saved, &size);
    g_assert_cmpuint(size, ==, 3 + 4 + 10 * 8);
    start_driver(); /* a reset in between */
    g_assert_true(load(data, size, NULL));
    offer(0, ENTRIES);
    g_assert_cmpuint(used(0), ==, 0);
    vm_start();
    g_assert_cmpuint(used(0), ==, ENTRIES); /* four groups of two */
    for (unsigned i = 0; i < ENTRIES; i++) {
        g_assert_cmpuint(load_le16(ram(BUFFERS) + 8 * i), ==, i % 2 ? EV_SYN : EV_KEY);
        g_assert_cmpuint(load_le16(ram(BUFFERS) + 8 * i + 2), ==, i % 2 ? 0 : KEY_Q + i / 2);
    }
    offer(0, 2);
    g_assert_cmpuint(used(0), ==, 10);
    g_assert_cmpuint(load_le16(ram(BUFFERS) + 2), ==, KEY_Q + 4);
    vm_stop(RUN_STATE_PAUSED);
    reset_all();
}

static void a_damaged_queue_is_refused(void)
{
    static const struct {
        unsigned at;
        uint8_t value;
    } damages[] = {{4, 0x7f}, {6, 3}, {6, 1}, {7 + 1, 9}, {7 + 9, 1}, {7 + 8 + 3, 3}};
    g_autoptr(GBytes) saved = NULL;
    size_t size;
    const uint8_t *data;

    vm_start();
    start_driver();
    g_assert_true(press(KEY_Q, true));
    saved = save();
    data = g_bytes_get_data(saved, &size);
    g_assert_true(load(data, size, NULL));
    for (unsigned i = 0; i < G_N_ELEMENTS(damages); i++) {
        g_autofree uint8_t *bad = g_memdup2(data, size);
        g_autoptr(GError) err = NULL;

        bad[damages[i].at] = damages[i].value;
        g_assert_false(load(bad, size, &err));
        g_test_message("%s", err->message);
    }
    vm_stop(RUN_STATE_PAUSED);
    reset_all();
}

static void a_device_without_a_driver_forgets(void)
{
    reset_all();
    vm_start();
    for (unsigned i = 0; i < 5000; i++) {
        g_assert_true(press(KEY_A, i % 2));
    }
    start_driver();
    offer(0, ENTRIES);
    g_assert_cmpuint(used(0), ==, 0);
    vm_stop(RUN_STATE_PAUSED);
    reset_all();
}

static void make_board(void)
{
    MachineConfig config = {.no_harts = true, .smp = 1, .ram_size = 64 << 20};
    g_autoptr(GError) err = NULL;
    g_autoptr(Json) options = json_dict();

    machine_create("virt", &config, &err);
    g_assert_no_error(err);
    json_set(options, "driver", json_string("virtio-keyboard-device"));
    g_assert_nonnull(device_add(options, &err));
    reset_all();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    loop_init();
    runstate_init();
    vm_lock();
    types_register(hw_types);
    devices_init();
    make_board();
    g_test_add_func("/hw/virtio-input/lights_follow_the_guest", lights_follow_the_guest);
    g_test_add_func("/hw/virtio-input/keys_that_wait_are_saved", keys_that_wait_are_saved);
    g_test_add_func("/hw/virtio-input/a_damaged_queue_is_refused", a_damaged_queue_is_refused);
    g_test_add_func("/hw/virtio-input/a_device_without_a_driver_forgets", a_device_without_a_driver_forgets);
    return g_test_run();
}
