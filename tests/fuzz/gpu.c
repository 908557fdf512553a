/* tests/fuzz/gpu.c - a guest that gives its graphics card any commands; whatever they did can be saved and loaded.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Input: commands, each a byte that names the queue, a little-endian 16-bit length, and so many bytes. */
#include "../unit/hw/gpu-rig.h"
#include "replay.h"

static VirtioGpu *gpu;

static void check_state(void)
{
    g_autoptr(GBytes) before = rig_save(gpu), after = NULL;
    g_autoptr(GError) err = NULL;

    if (!rig_load(gpu, before, &err)) {
        g_error("%s", err->message);
    }
    after = rig_save(gpu);
    g_assert_true(g_bytes_equal(before, after));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!gpu) {
        fuzz_hush();
        gpu = rig_make("{'driver': 'virtio-gpu-device', 'max_outputs': 2, 'max_hostmem': '1M'}");
    }
    gpu->v.st.features |= 1 << GPU_F_EDID;
    for (unsigned i = 0; i < 200 && size >= 3; i++) {
        size_t length = MIN(load_le16(data + 1), size - 3);

        rig_bytes(gpu, data[0] & 1, data + 3, length);
        data += 3 + length;
        size -= 3 + length;
    }
    check_state();
    reset_all();
    return 0;
}

static void add(GByteArray *seed, uint32_t type, const uint32_t *words, unsigned count)
{
    uint8_t bytes[3 + RIG_HEADER + 128] = {type >= RIG_UPDATE_CURSOR};
    size_t size = rig_put(bytes + 3, type, words, count);

    store_le16(bytes + 1, size);
    g_byte_array_append(seed, bytes, 3 + size);
}

#define ADD(seed, type, ...)                                                                                           \
    add(seed, type, (const uint32_t[]){__VA_ARGS__}, sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))

/* Seed i: a guest that draws, in one of the formats, with memory in i pieces, and leaves again. */
static GByteArray *make_seed(unsigned i)
{
    static const uint32_t formats[] = {1, 2, 3, 4, 67, 68, 121, 134};
    GByteArray *seed = g_byte_array_new();
    uint32_t pieces[2 + 4 * 4] = {1, 1 + i % 4};

    for (unsigned n = 0; n <= i % 4; n++) {
        pieces[2 + 4 * n] = 0x80010000 + n * (i & 4 ? 0x4000 : 0x8000);
        pieces[4 + 4 * n] = 0x4000;
    }
    ADD(seed, RIG_DISPLAY_INFO, 0);
    ADD(seed, RIG_EDID, i % 3, 0);
    ADD(seed, RIG_CREATE, 1, formats[i % 8], 64, 64);
    add(seed, RIG_ATTACH, pieces, 2 + 4 * (1 + i % 4));
    ADD(seed, RIG_CREATE, 2, 1, 100, 40 + i);
    ADD(seed, RIG_ATTACH, 2, 1, 0x80020000, 0, 0x8000, 0);
    ADD(seed, RIG_TRANSFER, i, 0, 32, 16, 4 * i, 0, 1, 0);
    ADD(seed, RIG_TRANSFER, 0, 0, 64, 64, 0, 0, 1, 0);
    ADD(seed, RIG_SCANOUT, i, 0, 32, 20, i % 2, 1);
    ADD(seed, RIG_FLUSH, 0, 0, 64, 64, 1, 0);
    ADD(seed, RIG_UPDATE_CURSOR, 0, 5, 6, 0, 1, 2, 3, 0);
    ADD(seed, RIG_MOVE_CURSOR, 0, 7, 8, 0);
    if (i & 8) {
        ADD(seed, RIG_DETACH, 1, 0);
        ADD(seed, RIG_UNREF, 1 + i % 2, 0);
        ADD(seed, RIG_CREATE, 3, 2, 16, 16);
    }
    return seed;
}

FUZZ_MAIN("gpu", make_seed, 16, 300)
