/* tests/fuzz/devices.c - the device state of a whole machine; what was accepted then runs for a moment.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Input: sections, as in a package.  The memory is there: rings with requests, which a device may find to be its own. */
#include "config-host.h"
#if CONFIG_SLIRP
#define BOARD_MORE "-netdev", "user,id=u0,restrict=on", "-device", "virtio-net-device,netdev=u0", BOARD_ALL
#else
#define BOARD_MORE BOARD_ALL
#endif
#include "board.h"

/* Each queue offers some chains: bytes that count up, room for an answer. */
static void fill_memory(void)
{
    uint8_t *data = ram_ptr(BOARD_RAM + BOARD_DATA, 256);

    for (unsigned i = 0; i < 256; i++) {
        data[i] = i % 8 ? 0 : i / 8;
    }
    for (unsigned i = 0; i < 8 * BOARD_QUEUES; i++) {
        uint8_t *ring = ram_ptr(BOARD_RAM + board_ring(i / BOARD_QUEUES, i), BOARD_RING_BYTES);

        for (unsigned head = 0; head < 4; head++) {
            board_put_desc(ring + 32 * head, BOARD_RAM + BOARD_DATA + head, 16 + head * 16, false, 2 * head + 1);
            board_put_desc(ring + 32 * head + 16, BOARD_RAM + BOARD_DATA + 0x1000, 0x1001, true, -1);
            store_le16(ring + BOARD_AVAIL + 4 + 2 * head, 2 * head);
        }
        store_le16(ring + BOARD_AVAIL + 2, 4);
    }
}

/* What was accepted can be sent on. */
static void save(void)
{
    StateWriter *w = state_writer_new();

    states_save(0, VMSTATE_SAVE_STARTED - 1, w, NULL);
    state_writer_free(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    StateReader r;
    GError *err = NULL;
    bool ok;

    if (size > 64 << 10) {
        return 0;
    }
    board_make();
    fill_memory();
    state_reader_init(&r, data, size, "device state");
    ok = states_load(&r, &err); /* the main thread has vm_lock */
    fuzz_verdict(ok, err);
    if (ok) {
        board_run();
        save();
    }
    board_reset();
    return 0;
}

/* Seed 0: all of it as it stands after a reset; seed n: the sections of one phase; the others: with a driver for each device. */
static GByteArray *make_seed(unsigned i)
{
    GByteArray *seed = g_byte_array_new();
    StateWriter *w = state_writer_new();
    const uint8_t *data;
    size_t size;

    board_make();
    states_set_run_state("running");
    clock_bridge_pause();
    for (unsigned slot = 0; i > VMSTATE_SAVE_STARTED && slot < 8; slot++) {
        board_drive(slot, i == VMSTATE_SAVE_STARTED + 1 ? 255 : 29);
    }
    if (i == 0 || i > VMSTATE_SAVE_STARTED) {
        states_save(0, VMSTATE_SAVE_STARTED - 1, w, NULL);
        vm_unlock();
        g_assert_true(states_save_parts(w, NULL, NULL));
        vm_lock();
    } else {
        states_save(i - 1, i - 1, w, NULL);
    }
    state_put_u8(w, SECTION_EOF);
    data = state_writer_data(w, &size);
    g_byte_array_append(seed, data, size);
    state_writer_free(w);
    board_reset();
    return seed;
}

FUZZ_MAIN("devices", make_seed, VMSTATE_SAVE_STARTED + 3, 60)
