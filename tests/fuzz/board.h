/* tests/fuzz/board.h - a whole machine in this process, as -incoming makes it, that can be put back to its beginning.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One hart (which exists, and is let run for a moment), a disk, a NIC on a socket pair, a random number generator. */
#pragma once

#include "../../main/assemble.h"
#include "block/block.h"
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

static inline bool board_netpass_on(GError **errp)
{
    static const char text[] = "[{'capability': 'netpass', 'state': true}, {'capability': 'return-path', 'state': true}]";
    g_autoptr(Json) caps = json_parse(text, strlen(text), errp);

    return caps && mig_caps_set(caps, errp);
}

static inline void board_make(void)
{
    static int wire[2];
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
    g_assert_true(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, wire) == 0);
    blockdev = g_strdup_printf("driver=file,filename=/proc/self/fd/%d,node-name=d0", disk);
    netdev = g_strdup_printf("dgram,id=n0,local.type=fd,local.str=%d", wire[0]);
    {
        char *argv[] = {
            "baton", "-M", "virt", "-m", "2M", "-nodefaults", "-display", "none", "-no-shutdown", "-bios", "none",
            "-blockdev", blockdev, "-device", "virtio-blk-device,drive=d0", "-netdev", netdev,
            "-device", "virtio-net-device,netdev=n0", "-object", "rng-builtin,id=r0", "-device", "virtio-rng-device,rng=r0",
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
