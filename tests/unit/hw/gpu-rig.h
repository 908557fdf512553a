/* tests/unit/hw/gpu-rig.h - a virtio-gpu on a board without harts, and commands given to it without a ring.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "../state-bytes.h"
#include "hw/display/virtio-gpu.h"
#include "hw/machine.h"
#include "net/net.h"
#include "system/devices.h"
#include "system/handoff.h"
#include "system/region.h"
#include "system/reset.h"
#include "system/runstate.h"
#include "system/vm-lock.h"
#include "util/bytes.h"
#include "util/loop.h"

#include <string.h>

#define RIG_RAM UINT64_C(0x80000000)
#define RIG_SLOT UINT64_C(0x10008000)
enum { RIG_HEADER = 24 };
enum { RIG_DISPLAY_INFO = 0x100, RIG_CREATE, RIG_UNREF, RIG_SCANOUT, RIG_FLUSH, RIG_TRANSFER, RIG_ATTACH, RIG_DETACH,
       RIG_EDID = 0x10a, RIG_UPDATE_CURSOR = 0x300, RIG_MOVE_CURSOR };
enum { RIG_OK = 0x1100 };

static inline VirtioGpu *rig_make(const char *options)
{
    MachineConfig config = {.no_harts = true, .smp = 1, .ram_size = 4 << 20};
    g_autoptr(Json) dict = json_parse(options, strlen(options), NULL);
    g_autoptr(GError) err = NULL;
    Object *o;

    loop_init();
    runstate_init();
    vm_lock();
    types_register(hw_types);
    devices_init();
    net_init();
    machine_create("virt", &config, &err);
    g_assert_no_error(err);
    o = device_add(dict, &err);
    g_assert_no_error(err);
    reset_all();
    return (VirtioGpu *)o;
}

static inline uint32_t rig_reg(uint64_t at)
{
    uint64_t value = 0;

    g_assert_true(region_read(RIG_SLOT + at, 4, &value));
    return value;
}

static inline void rig_set_reg(uint64_t at, uint32_t value)
{
    g_assert_true(region_write(RIG_SLOT + at, 4, value));
}

/* As far as DRIVER_OK, without rings. */
static inline void rig_drive(void)
{
    static const uint32_t writes[][2] = {{0x70, 0}, {0x70, 1}, {0x70, 3}, {0x24, 1}, {0x20, 1}, {0x24, 0}, {0x20, 2},
                                         {0x70, 11}, {0x70, 15}};

    for (unsigned i = 0; i < G_N_ELEMENTS(writes); i++) {
        rig_set_reg(writes[i][0], writes[i][1]);
    }
    g_assert_cmpuint(rig_reg(0x70), ==, 15);
}

static uint8_t rig_answer[2048];

/* Bytes as they would lie in a chain; the answer's type. */
static inline uint32_t rig_bytes(VirtioGpu *g, unsigned queue, const void *data, uint32_t size)
{
    struct {
        VirtioChain chain;
        VirtioBuffer buffers[2];
    } c = {.chain = {0, 1, 1, size, 512, c.chain.buffers + 1}, .buffers = {{0, (void *)data, size}}};
    gpa_t answer = RIG_RAM + 0x1000;
    uint64_t cost = 0;
    uint32_t written;

    c.buffers[1] = (VirtioBuffer){answer, ram_ptr(answer, sizeof(rig_answer)), sizeof(rig_answer)};
    c.chain.in_bytes = sizeof(rig_answer);
    written = gpu_command(g, queue, &c.chain, &cost);
    g_assert_cmpuint(written, <=, sizeof(rig_answer));
    memcpy(rig_answer, c.buffers[1].host, sizeof(rig_answer));
    return load_le32(rig_answer);
}

static inline size_t rig_put(uint8_t *to, uint32_t type, const uint32_t *words, unsigned count)
{
    memset(to, 0, RIG_HEADER);
    store_le32(to, type);
    for (unsigned i = 0; i < count; i++) {
        store_le32(to + RIG_HEADER + 4 * i, words[i]);
    }
    return RIG_HEADER + 4 * count;
}

static inline uint32_t rig_command(VirtioGpu *g, uint32_t type, const uint32_t *words, unsigned count)
{
    uint8_t data[RIG_HEADER + 128];

    g_assert_cmpuint(count, <=, 32);
    return rig_bytes(g, type >= RIG_UPDATE_CURSOR, data, rig_put(data, type, words, count));
}

#define RIG(g, type, ...)                                                                                              \
    rig_command(g, type, (const uint32_t[]){__VA_ARGS__}, sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))

/* There and back: what a guest can bring about can be loaded.  The state as bytes. */
static inline GBytes *rig_save(VirtioGpu *g)
{
    StateWriter *w = state_writer_new();

    vmstate_save(g->v.dev.obj.type->state, g, w);
    return state_bytes(w);
}

static inline bool rig_load(VirtioGpu *g, GBytes *bytes, GError **errp)
{
    const VMStateDescription *d = g->v.dev.obj.type->state;
    StateReader r;
    size_t size;
    const void *data = g_bytes_get_data(bytes, &size);

    state_reader_init(&r, data, size, "virtio-gpu");
    return vmstate_load(d, g, d->version, &r, errp);
}
