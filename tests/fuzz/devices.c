/* tests/fuzz/devices.c - the device state of a whole machine; what was accepted then runs for a moment.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Input: sections, as in a package. */
#include "config-host.h"
#if CONFIG_SLIRP
#define BOARD_MORE "-netdev", "user,id=u0,restrict=on", "-device", "virtio-net-device,netdev=u0",
#endif
#include "board.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    StateReader r;
    GError *err = NULL;
    bool ok;

    if (size > 64 << 10) {
        return 0;
    }
    board_make();
    state_reader_init(&r, data, size, "device state");
    ok = states_load(&r, &err); /* the main thread has vm_lock */
    fuzz_verdict(ok, err);
    if (ok) {
        board_run();
    }
    board_reset();
    return 0;
}

/* Seed 0: all of it as it stands after a reset; seed n: the sections of one phase. */
static GByteArray *make_seed(unsigned i)
{
    GByteArray *seed = g_byte_array_new();
    StateWriter *w = state_writer_new();
    const uint8_t *data;
    size_t size;

    board_make();
    states_set_run_state("running");
    clock_bridge_pause();
    if (i == 0) {
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
    return seed;
}

FUZZ_MAIN("devices", make_seed, VMSTATE_SAVE_STARTED + 1, 60)
