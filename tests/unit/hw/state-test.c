/* tests/unit/hw/state-test.c - no device forgets a member of its state, and each comes back as it was.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * BATON_REGENERATE=1 writes the golden descriptions anew; a change of them is a change of the wire format. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "block/block.h"
#include "config-host.h"
#include "hw/machine.h"
#include "hw/virtio.h"
#include "net/net.h"
#include "system/devices.h"
#include "system/handoff.h"
#include "system/ram.h"
#include "system/region.h"
#include "system/reset.h"
#include "system/runstate.h"
#include "system/vm-lock.h"
#include "util/bytes.h"
#include "util/loop.h"

enum { DISK_SLOT = CONFIG_PIXMAN ? 0x10003000 : 0x10004000, LIMITED_SLOT = DISK_SLOT - 0x1000 }; /* last of make_board() */

static void each_row(void (*fn)(const ObjectType *type))
{
    for (const ObjectType *const *t = hw_types; *t; t++) {
        if ((*t)->kind == KIND_DEVICE && (*t)->state && (*t)->state != &vmstate_none) {
            fn(*t);
        }
    }
}

static void check_covered(const ObjectType *type)
{
    g_autofree char *text = vmstate_uncovered(type->state);

    if (text) {
        g_error("%s: %s", type->name, text);
    }
    g_assert_cmpuint(type->state->span_size, >, 0);
}

static void no_member_is_forgotten(void)
{
    each_row(check_covered);
}

static void check_golden(const ObjectType *type)
{
    const char *source = g_getenv("BATON_SOURCE");
    g_autofree char *file = g_strdup_printf("%s.txt", type->state->name);
    g_autofree char *path = g_build_filename(source ? source : ".", "tests", "data", "vmstate", file, NULL);
    g_autofree char *now = vmstate_describe_text(type->state), *then = NULL;

    if (g_getenv("BATON_REGENERATE")) {
        g_assert_true(g_file_set_contents(path, now, -1, NULL));
        return;
    }
    if (!g_file_get_contents(path, &then, NULL, NULL)) {
        g_error("%s: there is no golden description; make it with BATON_REGENERATE=1", path);
    }
    g_assert_cmpstr(now, ==, then);
}

static void the_wire_format_is_the_agreed_one(void)
{
    each_row(check_golden);
}

/* ---- a whole board there and back ---- */
typedef struct Poke {
    uint64_t at;
    unsigned size;
    uint64_t value;
} Poke;

static const Poke pokes[] = {
    {0x2000000, 4, 1}, {0x2004008, 8, 0x123456789abc}, {0x200bff8, 8, 99999},           /* aclint */
    {0xc000000 + 4 * 10, 4, 5}, {0xc002000, 4, 1 << 10}, {0xc201000, 4, 3},             /* plic */
    {0x10000003, 1, 0x83}, {0x10000000, 1, 0x44}, {0x10000003, 1, 3}, {0x10000007, 1, 9}, {0x10000001, 1, 0xf},
    {0x101010, 4, 1}, {0x10100c, 4, 0x7fffffff}, {0x101008, 4, 1},                      /* rtc: an alarm */
    {0x10008070, 4, 1}, {0x10008070, 4, 3}, {0x10008024, 4, 1}, {0x10008020, 4, 1},     /* rng: negotiated, a queue */
    {0x10008024, 4, 0}, {0x10008020, 4, 0x30000000}, {0x10008070, 4, 11}, {0x10008038, 4, 8},
    {0x10008080, 4, 0x80001000}, {0x10008090, 4, 0x80002000}, {0x100080a0, 4, 0x80003000}, {0x10008044, 4, 1},
    {0x10008070, 4, 15}, {0x10007070, 4, 3},
    {0x10006100, 1, 0x11}, {0x10006101, 1, 1},                                          /* tablet: select, subsel */
};

static GPtrArray *save_all(void)
{
    GPtrArray *all = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);

    for (unsigned phase = 0; phase < VMSTATE_SAVE__MAX; phase++) {
        for (unsigned i = 0; i < state_count(phase); i++) {
            const StateEntry *e = state_entry(phase, i);
            StateWriter *w = state_writer_new();
            const uint8_t *data;
            size_t size;

            vmstate_save(e->state, e->object, w);
            data = state_writer_data(w, &size);
            g_ptr_array_add(all, g_bytes_new(data, size));
            state_writer_free(w);
        }
    }
    return all;
}

static void load_all(GPtrArray *all)
{
    unsigned n = 0;

    for (unsigned phase = 0; phase < VMSTATE_SAVE__MAX; phase++) {
        for (unsigned i = 0; i < state_count(phase); i++) {
            const StateEntry *e = state_entry(phase, i);
            g_autoptr(GError) err = NULL;
            StateReader r;
            size_t size;
            const void *data = g_bytes_get_data(all->pdata[n++], &size);

            state_reader_init(&r, data, size, e->id);
            vmstate_load(e->state, e->object, e->state->version, &r, &err);
            g_assert_no_error(err);
            g_assert_cmpuint(state_left(&r), ==, 0);
        }
    }
}

static void a_board_comes_back_as_it_was(void)
{
    g_autoptr(GPtrArray) before = NULL, reset = NULL, after = NULL;
    unsigned changed = 0;

    for (unsigned i = 0; i < G_N_ELEMENTS(pokes); i++) {
        g_assert_true(region_write(pokes[i].at, pokes[i].size, pokes[i].value));
    }
    before = save_all();
    reset_all();
    reset = save_all();
    load_all(before);
    after = save_all();
    g_assert_cmpuint(before->len, ==, after->len);
    for (unsigned i = 0; i < before->len; i++) {
        g_assert_true(g_bytes_equal(before->pdata[i], after->pdata[i]));
        changed += !g_bytes_equal(before->pdata[i], reset->pdata[i]);
    }
    g_assert_cmpuint(changed, >=, 6); /* the reset did undo something in each poked device */
}

/* Whatever bytes come, a load says no or leaves a device that can be saved, loaded and reset. */
static void damaged_states_do_no_harm(void)
{
    g_autoptr(GPtrArray) good = save_all();
    g_autoptr(GRand) rand = g_rand_new_with_seed(7);
    unsigned n = 0;

    for (unsigned phase = 0; phase < VMSTATE_SAVE__MAX; phase++) {
        for (unsigned i = 0; i < state_count(phase); i++, n++) {
            const StateEntry *e = state_entry(phase, i);
            size_t size;
            const uint8_t *data = g_bytes_get_data(good->pdata[n], &size);

            for (unsigned tries = 0; size && tries < 300; tries++) {
                g_autofree uint8_t *copy = g_memdup2(data, size);
                g_autoptr(GError) err = NULL;
                StateReader r;

                for (unsigned k = g_rand_int_range(rand, 1, 5); k; k--) {
                    copy[g_rand_int_range(rand, 0, size)] = g_rand_int(rand);
                }
                state_reader_init(&r, copy, tries % 5 ? size : g_rand_int_range(rand, 0, size), e->id);
                vmstate_load(e->state, e->object, e->state->version, &r, &err);
            }
        }
    }
    reset_all();
    load_all(good);
    reset_all();
}

/* As a driver does it, so that what follows is believed. */
static void start_driver(uint64_t slot, unsigned queues, uint32_t features)
{
    const Poke first[] = {{0x70, 4, 0}, {0x70, 4, 1}, {0x70, 4, 3}, {0x24, 4, 1}, {0x20, 4, 1}, {0x24, 4, 0},
                          {0x20, 4, features}, {0x70, 4, 11}};

    for (unsigned i = 0; i < G_N_ELEMENTS(first); i++) {
        region_write(slot + first[i].at, first[i].size, first[i].value);
    }
    for (unsigned n = 0; n < queues; n++) {
        const Poke queue[] = {{0x30, 4, n}, {0x38, 4, 8}, {0x80, 4, 0x80001000}, {0x90, 4, 0x80002000},
                              {0xa0, 4, 0x80003000}, {0x44, 4, 1}};

        for (unsigned i = 0; i < G_N_ELEMENTS(queue); i++) {
            region_write(slot + queue[i].at, queue[i].size, queue[i].value);
        }
    }
    region_write(slot + 0x70, 4, 15);
}

/* A guest whose other hart adds chains as fast as they are served: whenever the device interrupts. */
static struct {
    uint8_t *avail, *used; /* of the ring */
    unsigned served;
    bool had_turn;         /* who waited for the lock */
    void (*interrupt_changed)(VirtioSlot *slot);
} adder;

static void add_more(VirtioSlot *slot)
{
    uint16_t done = load_le16(adder.used + 2);

    if (!adder.had_turn && slot->device->st.isr) {
        store_le16(adder.avail + 2, done + 7);
        g_assert_cmpuint(++adder.served, <, 10000);
    }
    adder.interrupt_changed(slot);
}

static void note_turn(void *unused)
{
    adder.had_turn = true;
}

static VirtioDevice *device_at(uint64_t slot)
{
    g_autofree char *name = g_strdup_printf("virtio-mmio@%08" G_GINT64_MODIFIER "x", slot);

    for (unsigned i = 0; i < state_count(VMSTATE_SAVE_DEVICE); i++) {
        const StateEntry *e = state_entry(VMSTATE_SAVE_DEVICE, i);

        if (g_str_has_prefix(e->id, name)) {
            return e->object;
        }
    }
    g_assert_not_reached();
}

static void an_endless_ring_leaves_the_lock_to_others(void)
{
    static const struct {
        const char *device;
        uint64_t slot;
        unsigned queues, queue;
        uint32_t features;
        uint8_t request[16]; /* at 0x80010000, the answer at 0x80011000 */
    } rings[] = {
        {"rng", 0x10008000, 1, 0, 0, {0}}, {"net tx", 0x10007000, 3, 1, 0, {0}},
        {"net control", 0x10007000, 3, 2, 1u << 17 | 1u << 18, {0, 0, 1}}, {"tablet lights", 0x10006000, 2, 1, 0, {0}},
        {"disk", DISK_SLOT, 1, 0, 0, {8}},
    };
    uint8_t *ram = ram_ptr(0x80000000, 0x20000);
    uint64_t *desc = (uint64_t *)(ram + 0x1000);

    vm_start();
    for (unsigned i = 0; i < G_N_ELEMENTS(rings); i++) {
        VirtioSlot *slot = device_at(rings[i].slot)->slot;
        bool is_rng = rings[i].slot == 0x10008000;

        memset(ram + 0x1000, 0, 0x3000);
        memcpy(ram + 0x10000, rings[i].request, sizeof(rings[i].request));
        desc[0] = 0x80010000;
        desc[1] = is_rng ? 2ull << 32 | 1 : 1ull << 32 | 1ull << 48 | (rings[i].queue == 2 ? 3 : 16);
        desc[2] = 0x80011000;
        desc[3] = 2ull << 32 | 32;
        start_driver(rings[i].slot, rings[i].queues, rings[i].features);
        adder = (typeof(adder)){ram + 0x2000, ram + 0x3000, .interrupt_changed = slot->interrupt_changed};
        slot->interrupt_changed = add_more;
        loop_call(note_turn, NULL);
        store_le16(adder.avail + 2, 1);
        region_write(rings[i].slot + 0x50, 4, rings[i].queue);
        while (!adder.had_turn) {
            g_main_context_iteration(NULL, true);
        }
        g_assert_cmpuint(adder.served, >, 0);
        for (unsigned turns = 0; load_le16(adder.used + 2) != load_le16(adder.avail + 2); turns++) { /* and goes on */
            g_assert_cmpuint(turns, <, 10000);
            g_main_context_iteration(NULL, true);
        }
        slot->interrupt_changed = adder.interrupt_changed;
        region_write(rings[i].slot + 0x70, 4, 0);
    }
    vm_stop(RUN_STATE_PAUSED);
    reset_all();
}

/* As one that failed and stopped the machine: a process that was given such a guest, and gives it on unstarted. */
static void a_request_that_came_with_a_stopped_guest_goes_on_with_it(void)
{
    static const uint8_t state[] = {0, 0, 0, 2, 0, 3, 0, 5, 1};
    const StateEntry *disk = NULL;
    StateWriter *w = state_writer_new();
    const uint8_t *data;
    size_t size;
    StateReader r;

    for (unsigned i = 0; i < state_count(VMSTATE_SAVE_DEVICE); i++) {
        const StateEntry *e = state_entry(VMSTATE_SAVE_DEVICE, i);

        disk = strcmp(e->state->name, "virtio-blk") ? disk : e;
    }
    g_assert_nonnull(disk);
    state_reader_init(&r, state, sizeof(state), disk->id);
    g_assert_true(vmstate_load(disk->state, disk->object, disk->state->version, &r, NULL));
    vmstate_save(disk->state, disk->object, w);
    data = state_writer_data(w, &size);
    g_assert_cmpmem(data, size, state, sizeof(state));
    state_writer_free(w);
    reset_all();
}

static void load_state(const char *name, uint64_t slot, const uint8_t *state, size_t size, bool is_accepted)
{
    g_autofree char *id = g_strdup_printf("virtio-mmio@%08" G_GINT64_MODIFIER "x/%s", slot, name);
    const StateEntry *e = state_find(id, 0);
    g_autoptr(GError) err = NULL;
    StateReader r;

    g_assert_nonnull(e);
    state_reader_init(&r, state, size, e->id);
    g_assert_cmpint(vmstate_load(e->state, e->object, e->state->version, &r, &err), ==, is_accepted);
}

/* No time would come at which its timer is set to a moment that has not been: the main loop did nothing else any more. */
static void a_period_without_end_is_over(void)
{
    static const uint8_t state[16] = {[8] = 0x80, [15] = 5};
    uint8_t *ram = ram_ptr(0x80000000, 0x20000);
    uint64_t *desc = (uint64_t *)(ram + 0x1000);

    memset(ram + 0x1000, 0, 0x3000);
    desc[0] = 0x80010000;
    desc[1] = 2ull << 32 | 4;
    start_driver(LIMITED_SLOT, 1, 0);
    store_le16(ram + 0x2002, 1);
    load_state("virtio-rng", LIMITED_SLOT, state, sizeof(state), true);
    vm_start();
    g_assert_cmpuint(load_le16(ram + 0x3002), ==, 1);
    vm_stop(RUN_STATE_PAUSED);
    reset_all();
}

/* Features that nobody checked: a driver that says so is told to reset the device, and is never live. */
static void a_driver_has_settled_the_features(void)
{
    g_autofree char *id = g_strdup_printf("virtio-mmio@%08x/virtio", LIMITED_SLOT);
    const StateEntry *e = state_find(id, 0);
    StateWriter *w = state_writer_new();
    g_autofree uint8_t *copy = NULL;
    const uint8_t *data;
    size_t size;

    g_assert_nonnull(e);
    vmstate_save(e->state, e->object, w);
    data = state_writer_data(w, &size);
    copy = g_memdup2(data, size);
    copy[12] = VIRTIO_DRIVER_OK;
    load_state("virtio", LIMITED_SLOT, copy, size, false);
    copy[12] |= VIRTIO_NEEDS_RESET;
    load_state("virtio", LIMITED_SLOT, copy, size, true);
    state_writer_free(w);
    reset_all();
}

/* A guest that writes anything anywhere, into memory that holds anything. */
static void registers_take_anything(void)
{
    static const struct {
        uint64_t at, size;
    } ranges[] = {
        {0x2000000, 0x20}, {0x2004000, 0x20}, {0x200bff0, 0x10}, {0xc000000, 0x200}, {0xc002000, 0x200},
        {0xc200000, 0x2000}, {0x10000000, 8}, {0x101000, 0x24}, {0x10008000, 0x110}, {0x10007000, 0x110},
        {0x10006000, 0x110},
    };
    g_autoptr(GRand) rand = g_rand_new_with_seed(11);
    uint64_t value, *ram = ram_ptr(0x80000000, 0x10000);
    uint16_t offered = 0;
    bool is_net = false;

    vm_start();
    for (unsigned i = 0; i < 200000; i++) {
        unsigned n = g_rand_int_range(rand, 0, G_N_ELEMENTS(ranges)), size = 1u << g_rand_int_range(rand, 0, 4);
        uint64_t at = ranges[n].at + (g_rand_int_range(rand, 0, ranges[n].size) & ~(size - 1));

        if (i % 64 == 0) {
            is_net = i & 64;
            region_write(is_net ? 0x10008070 : 0x10007070, 4, 0);
            ram[0x400] = offered = 0;
            for (unsigned d = 0; d < 8; d++) { /* even ones are readable and lead to the writable one behind them */
                ram[0x200 + 2 * d] = 0x80010000 + 0x1000 * d;
                ram[0x201 + 2 * d] = (d & 1 ? 2ull << 32 : 1ull << 32 | (d + 1ull) << 48) | 64;
            }
            start_driver(is_net ? 0x10007000 : 0x10008000, is_net ? 3 : 1,
                         1u << 28 | (i & 128 ? 1u << 29 : 0) | (is_net ? 0xb << 16 | 1u << 15 : 0));
        }
        if (i % 16 == 5) {
            ram[0x200 + g_rand_int_range(rand, 0, 16)] = i % 32 == 5 ? 0x80000000 + (g_rand_int(rand) & 0xfff0) :
                (uint64_t)(g_rand_int(rand) & 0x7000f) << 32 | (g_rand_int(rand) & 0x7f);
        }
        ram[0x2000 + g_rand_int_range(rand, 0, 64)] = g_rand_int(rand) & 0x50f05;
        if (i % 16) { /* one more chain, anywhere in the table */
            offered += 1;
            ram[0x400] = (uint64_t)offered << 16 | (uint64_t)(g_rand_int(rand) & 0x70007) << 32;
            region_write(is_net ? 0x10007050 : 0x10008050, 4, is_net ? g_rand_int_range(rand, 0, 3) : 0);
            continue;
        }
        value = i % 3 ? (uint64_t)g_rand_int(rand) << 32 | g_rand_int(rand)
                      : i % 2 ? 0x80000000 + (g_rand_int(rand) & 0xf000) : 1u << g_rand_int_range(rand, 0, 5);
        if (at % 0x1000 == 0x70 && i % 5) {
            value = (value & 1) ? 15 : 11; /* mostly on, seldom reset */
        }
        region_write(at, size, value);
        region_read(at, size, &value);
    }
    vm_stop(RUN_STATE_PAUSED);
    reset_all();
}

static Json *disk(void)
{
    g_autofree char *path = NULL;
    g_autoptr(Json) node = json_dict();
    Json *options = json_dict();
    int fd = g_file_open_tmp("baton-state-XXXXXX", &path, NULL);

    g_assert_cmpint(ftruncate(fd, 65536), ==, 0);
    close(fd);
    json_set(node, "node-name", json_string("d0"));
    json_set(node, "driver", json_string("file"));
    json_set(node, "filename", json_string(path));
    g_assert_true(block_add(node, NULL));
    unlink(path);
    json_set(options, "driver", json_string("virtio-blk-device"));
    json_set(options, "drive", json_string("d0"));
    return options;
}

static void make_board(void)
{
    static const char *const devices[] = {
        "virtio-rng-device", "virtio-net-device", "virtio-tablet-device", "virtio-serial-device", "virtconsole", "virtserialport",
#if CONFIG_PIXMAN
        "virtio-gpu-device",
#endif
    };
    MachineConfig config = {.no_harts = true, .smp = 2, .ram_size = 64 << 20};
    g_autoptr(GError) err = NULL;
    static const char limited_text[] = "{'driver': 'virtio-rng-device', 'max-bytes': 4, 'period': 1000}";
    g_autoptr(Json) disk_options = disk(), limited = json_parse(limited_text, strlen(limited_text), &err);

    machine_create("virt", &config, &err);
    g_assert_no_error(err);
    for (unsigned i = 0; i < G_N_ELEMENTS(devices); i++) {
        g_autoptr(Json) options = json_dict();

        json_set(options, "driver", json_string(devices[i]));
        g_assert_nonnull(device_add(options, &err));
    }
    g_assert_nonnull(device_add(disk_options, &err));
    g_assert_nonnull(device_add(limited, &err));
    reset_all();
}

static void wrong_devices_are_refused(void)
{
    static const struct {
        const char *options, *says;
    } wrong[] = {
        {"{'id': 'x'}", "*'driver' is missing*"},
        {"{'driver': 'nonsense'}", "*'nonsense'*virtio-rng-device*"},
        {"{'driver': 'riscv.plic'}", "*part of the machine*"},
        {"{'driver': 'virtio-rng-device', 'bus': 'virtio-mmio-bus.9'}", "*does not exist*virtio-mmio-bus.7*"},
        {"{'driver': 'virtio-rng-device', 'bus': 'virtio-mmio-bus.7'}", "*is taken*"},
        {"{'driver': 'virtio-rng-device', 'colour': 'red'}", "*colour*"},
        {"{'driver': 'virtio-rng-device', 'rng': 'nobody'}", "*no rng backend 'nobody'*"},
        {"{'driver': 'virtio-net-device', 'rx_queue_size': 100}", "*rx_queue_size*power of two*"},
        {"{'driver': 'virtio-net-device', 'netdev': 'nobody'}", "*nobody*"},
        {"{'driver': 'virtio-blk-device', 'drive': 'nobody'}", "*nobody*"},
        {"{'driver': 'virtio-blk-device'}", "*'drive' is missing*"},
#if CONFIG_PIXMAN
        {"{'driver': 'virtio-gpu-device', 'max_outputs': 0}", "*max_outputs*1 and 16*"},
        {"{'driver': 'virtio-gpu-device', 'max_outputs': 17}", "*max_outputs*1 and 16*"},
        {"{'driver': 'virtio-gpu-device', 'xres': 63}", "*xres*yres*64 and 4095*"},
        {"{'driver': 'virtio-gpu-device', 'yres': 4096}", "*xres*yres*64 and 4095*"},
        {"{'driver': 'virtio-gpu-device', 'max_hostmem': 0}", "*max_hostmem*4 GiB*"},
        {"{'driver': 'virtio-gpu-device', 'max_hostmem': '5G'}", "*max_hostmem*4 GiB*"},
#endif
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autoptr(Json) options = json_parse(wrong[i].options, strlen(wrong[i].options), NULL);
        g_autoptr(GError) err = NULL;

        g_assert_null(device_add(options, &err));
        g_test_message("%s", err->message);
        g_assert_true(g_pattern_match_simple(wrong[i].says, err->message));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    loop_init();
    runstate_init();
    vm_lock();
    types_register(hw_types);
    devices_init();
    net_init();
    make_board();
    g_test_add_func("/hw/state/no_member_is_forgotten", no_member_is_forgotten);
    g_test_add_func("/hw/state/the_wire_format_is_the_agreed_one", the_wire_format_is_the_agreed_one);
    g_test_add_func("/hw/state/a_board_comes_back_as_it_was", a_board_comes_back_as_it_was);
    g_test_add_func("/hw/state/damaged_states_do_no_harm", damaged_states_do_no_harm);
    g_test_add_func("/hw/state/an_endless_ring_leaves_the_lock_to_others", an_endless_ring_leaves_the_lock_to_others);
    g_test_add_func("/hw/state/a_request_that_came_with_a_stopped_guest_goes_on_with_it",
                    a_request_that_came_with_a_stopped_guest_goes_on_with_it);
    g_test_add_func("/hw/state/a_period_without_end_is_over", a_period_without_end_is_over);
    g_test_add_func("/hw/state/a_driver_has_settled_the_features", a_driver_has_settled_the_features);
    g_test_add_func("/hw/state/registers_take_anything", registers_take_anything);
    g_test_add_func("/hw/state/wrong_devices_are_refused", wrong_devices_are_refused);
    return g_test_run();
}
