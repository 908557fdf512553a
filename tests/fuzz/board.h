/* tests/fuzz/board.h - a whole machine in this process, as -incoming makes it, that can be put back to its beginning.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One hart (which exists, and is let run for a moment), a disk, a NIC on a socket pair, a random number generator.
 * BOARD_BEGINS: options in the place of -incoming; BOARD_MORE: further ones, for instance BOARD_ALL, which fills the board. */
#pragma once

#include "../../main/assemble.h"
#include "block/block.h"
#include "config-host.h"
#include "hw/machine.h"
#include "migration/incoming-private.h"
#include "migration/migration.h"
#include "migration/params.h"
#include "migration/states.h"
#include "monitor/monitor.h"
#include "net/net.h"
#include "qapi/qapi-commands.h"
#include "qapi/qmp.h"
#include "system/clock.h"
#include "system/devices.h"
#include "system/handoff.h"
#include "system/ram.h"
#include "system/region.h"
#include "system/reset.h"
#include "system/runstate.h"
#include "system/vm-lock.h"
#include "util/bytes.h"
#include "util/fd.h"
#include "util/loop.h"

#include "replay.h"

#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define BOARD_DISK (64 << 10)
#ifndef BOARD_BEGINS
#define BOARD_BEGINS "-incoming", "defer"
#endif
#ifndef BOARD_MORE
#define BOARD_MORE
#endif
#if CONFIG_PIXMAN
#define BOARD_GPU "-device", "virtio-gpu-device,max_outputs=2,max_hostmem=1M",
#else
#define BOARD_GPU
#endif
#define BOARD_ALL                                                                                                      \
    "-chardev", board_chardev("u0"), "-serial", "chardev:u0", "-chardev", board_chardev("c0"),                          \
        "-chardev", board_chardev("p0"), "-device", "virtio-serial-device,max_ports=4",                                 \
        "-device", "virtconsole,chardev=c0", "-device", "virtserialport,chardev=p0,name=org.baton.port,id=port0",       \
        "-device", "virtio-keyboard-device,serial=k1", "-device", "virtio-tablet-device", BOARD_GPU

static int board_wire[2];  /* [1] is the network's end of the NIC's cable */
static int board_peers[8]; /* the other ends of the chardevs, in order of making */
static unsigned board_peer_count;

/* A chardev on one end of a socket pair.  The text stays. */
static inline char *board_chardev(const char *id)
{
    static char text[8][40];
    int pair[2];

    g_assert_true(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    g_snprintf(text[board_peer_count], sizeof(text[0]), "socket,id=%s,fd=%d", id, pair[0]);
    board_peers[board_peer_count] = pair[1];
    return text[board_peer_count++];
}

static inline bool board_netpass_on(GError **errp)
{
    static const char text[] = "[{'capability': 'netpass', 'state': true}, {'capability': 'return-path', 'state': true}]";
    g_autoptr(Json) caps = json_parse(text, strlen(text), errp);

    return caps && mig_caps_set(caps, errp);
}

static inline void board_make(void)
{
    int disk;
    g_autofree char *blockdev = NULL, *netdev = NULL;
    GError *err = NULL;
    static Config c; /* a machine may keep what it points to */

    static bool done;

    if (done) {
        return;
    }
    done = true;
    fuzz_hush();
    disk = memfd_create("disk", MFD_CLOEXEC);
    g_assert_true(disk >= 0 && ftruncate(disk, BOARD_DISK) == 0);
    g_assert_true(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, board_wire) == 0);
    blockdev = g_strdup_printf("driver=file,filename=/proc/self/fd/%d,node-name=d0", disk);
    netdev = g_strdup_printf("dgram,id=n0,local.type=fd,local.str=%d", board_wire[0]);
    {
        char *argv[] = {
            "baton", "-M", "virt", "-m", "2M", "-nodefaults", "-display", "none", "-no-shutdown", "-bios", "none",
            "-blockdev", blockdev, "-device", "virtio-blk-device,drive=d0", "-netdev", netdev,
            "-device", "virtio-net-device,netdev=n0", "-object", "rng-builtin,id=r0",
            "-device", "virtio-rng-device,rng=r0,max-bytes=4096,period=1000",
            BOARD_BEGINS, BOARD_MORE
        };

        config_init(&c);
        g_assert_true(cmdline_parse(G_N_ELEMENTS(argv), argv, &c, &err));
    }
    program_init();
    g_assert_true(board_netpass_on(&err));
    if (!assemble(&c, &err)) {
        g_error("%s", err->message);
    }
}

static inline void board_pump(void)
{
    for (unsigned i = 0; i < 32 && g_main_context_iteration(NULL, false); i++) {
    }
}

/* What a guest does first: looks at registers, rings bells.  Nothing of it may depend on what was loaded. */
static inline void board_poke(void)
{
    uint64_t v;

    for (unsigned slot = 0; slot < 8; slot++) {
        gpa_t base = 0x10001000 + 0x1000 * slot;

        for (unsigned reg = 0; reg < 0x120; reg += 4) {
            region_read(base + reg, 4, &v);
        }
        for (unsigned queue = 0; queue < 4; queue++) {
            region_write(base + 0x50, 4, queue);
        }
    }
    region_read(0x0c200004, 4, &v); /* PLIC: claim, and complete */
    region_write(0x0c200004, 4, v);
    for (unsigned reg = 0; reg < 8; reg++) {
        region_read(0x10000000 + reg, 1, &v);
    }
    region_read(0x101000, 4, &v); /* clock */
    region_read(0x0200bff8, 8, &v);
}

/* ---- a driver ---- */
#define BOARD_RAM UINT64_C(0x80000000)
enum { BOARD_RINGS = 0x20000, BOARD_RING_BYTES = 0x200, BOARD_RING_SIZE = 16, BOARD_QUEUES = 16, BOARD_AVAIL = 0x100,
       BOARD_USED = 0x140, BOARD_DATA = 0x30000 };
enum { SLOT_SELECT = 0x30, SLOT_SIZE = 0x38, SLOT_READY = 0x44, SLOT_NOTIFY = 0x50, SLOT_STATUS = 0x70 };

static inline unsigned board_ring(unsigned slot, unsigned queue)
{
    return BOARD_RINGS + ((slot & 7) * BOARD_QUEUES + queue % BOARD_QUEUES) * BOARD_RING_BYTES;
}

static inline gpa_t board_slot(unsigned slot)
{
    return 0x10001000 + 0x1000 * (slot & 7);
}

static inline uint32_t slot_get(unsigned slot, unsigned reg)
{
    uint64_t v = 0;

    region_read(board_slot(slot) + reg, 4, &v);
    return v;
}

static inline void slot_set(unsigned slot, unsigned reg, uint32_t value)
{
    region_write(board_slot(slot) + reg, 4, value);
}

/* As it should be, but for a feature that is left out or not offered (above 63: none). */
static inline void board_drive(unsigned slot, unsigned feature)
{
    slot_set(slot, SLOT_STATUS, 0);
    memset(ram_ptr(BOARD_RAM + board_ring(slot, 0), BOARD_QUEUES * BOARD_RING_BYTES), 0, BOARD_QUEUES * BOARD_RING_BYTES);
    slot_set(slot, SLOT_STATUS, 3);
    for (unsigned word = 0; word < 2; word++) {
        uint32_t changed = feature / 32 == word ? 1u << feature % 32 : 0;

        slot_set(slot, 0x14, word);
        slot_set(slot, 0x24, word);
        slot_set(slot, 0x20, slot_get(slot, 0x10) ^ changed);
    }
    slot_set(slot, SLOT_STATUS, 11);
    for (unsigned queue = 0; queue < BOARD_QUEUES; queue++) {
        uint64_t ring = BOARD_RAM + board_ring(slot, queue);

        slot_set(slot, SLOT_SELECT, queue);
        slot_set(slot, SLOT_SIZE, BOARD_RING_SIZE);
        slot_set(slot, 0x80, ring);
        slot_set(slot, 0x90, ring + BOARD_AVAIL);
        slot_set(slot, 0xa0, ring + BOARD_USED);
        slot_set(slot, SLOT_READY, 1);
    }
    slot_set(slot, SLOT_STATUS, 15);
}

static inline void board_put_desc(uint8_t *desc, uint64_t gpa, uint32_t size, bool is_in, int next)
{
    store_le64(desc, gpa);
    store_le32(desc + 8, size);
    store_le16(desc + 12, is_in << 1 | (next >= 0));
    store_le16(desc + 14, MAX(next, 0));
}

/* The guest, whatever it is now, runs for a moment. */
static inline void board_run(void)
{
    if (!runstate_is_running()) {
        vm_start();
    }
    board_poke();
    board_pump();
    vm_stop(RUN_STATE_PAUSED);
    board_pump();
}

/* As it was before anything came. */
static inline void board_reset(void)
{
    Incoming *n = &incoming;
    GByteArray *b;

    vm_stop(RUN_STATE_PAUSED);
    runstate_set(RUN_STATE_INMIGRATE);
    clock_set_ns(0);
    clock_set_timebase_offset(0);
    handoff_find("netpass")->abandon(handoff_find("netpass"));
    handoff_find("code")->abandon(handoff_find("code"));
    handoff_find("chardev")->abandon(handoff_find("chardev"));
    reset_all();
    board_pump();
    states_forget_loaded();
    for (unsigned i = 0; i < ram_count(); i++) {
        memset(ram_block(i)->host, 0, ram_block(i)->size);
    }
    while ((b = g_queue_pop_head(&n->answers))) {
        g_byte_array_unref(b);
    }
    g_clear_pointer(&n->error, g_free);
    n->machine.state = IN_LISTENING;
    n->machine.attempt = n->answer_bytes = n->tails_left = 0;
    n->has_peer = n->writer_ends = n->tail_end_came = n->had_guest = n->is_alone = n->is_parked = false;
    n->source = (Hello){0};
}
