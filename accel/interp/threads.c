/* accel/interp/threads.c - a thread per hart: running, waiting, parking; and HartsOps.
 * Docs: docs/cpu.md.  Tests: tests/unit/accel/smp-test.c.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "accel/interp.h"
#include "accel/interp/blocks.h"
#include "system/harts.h"
#include "util/error.h"
#include "util/loop.h"
#include "util/thread.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static GMutex park_mutex; /* leaf: is_parked of all harts, paused */
static GCond park_cond;   /* somebody has parked, or may go on */
static bool paused = true;

/* ---- sleeping on Hart.exit ---- */

static void futex_wait(_Atomic uint32_t *word, uint32_t expected, int64_t ns)
{
    struct timespec t = {ns / NS_PER_SEC, ns % NS_PER_SEC};

    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, ns == TIMER_NEVER ? NULL : &t, NULL, 0);
}

static void kick(Hart *h)
{
    if (atomic_load(&h->is_waiting)) {
        syscall(SYS_futex, &h->exit, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    }
}

/* In WFI: until something is said in `exit`, or stimecmp is reached.  is_waiting is set before exit is read, and read
 * after exit is set, so one of the two sees the other; the futex compares once more. */
static void sleep_halted(Hart *h)
{
    bool wants_timer = h->st.mie >> MIP_STIP & 1;
    int64_t deadline = wants_timer ? hart_timer_deadline(h) : TIMER_NEVER, left = TIMER_NEVER;

    if (deadline != TIMER_NEVER && clock_is_running()) {
        left = deadline - clock_virtual_ns();
    }
    atomic_store(&h->is_waiting, 1);
    if (left > 0 && !atomic_load(&h->exit)) {
        futex_wait(&h->exit, 0, left);
    }
    atomic_store(&h->is_waiting, 0);
}

/* ---- the thread ---- */

static void park(Hart *h)
{
    g_mutex_lock(&park_mutex);
    h->is_parked = true;
    g_cond_broadcast(&park_cond);
    while (paused && !(atomic_load(&h->exit) & EXIT_QUIT)) {
        g_cond_wait(&park_cond, &park_mutex);
    }
    h->is_parked = false;
    atomic_fetch_and(&h->exit, ~(uint32_t)EXIT_PAUSE);
    g_mutex_unlock(&park_mutex);
}

static void run(Hart *h)
{
    hart_set_where(h, WHERE_GUEST);
    hart_sync(h);
    atomic_fetch_and(&h->exit, ~(uint32_t)EXIT_IRQ);
    if (h->st.is_halted && hart_has_interrupt(h)) {
        h->st.is_halted = false;
    }
    if (!h->st.is_halted) {
        hart_take_interrupt(h);
        interp_run(h);
    }
    hart_set_where(h, WHERE_OUT);
}

static void *hart_main(void *opaque)
{
    Hart *h = opaque;

    hart_self = h;
    thread_is_waited_for();
    atomic_store(&h->thread_id, (int)gettid());
    while (!(atomic_load(&h->exit) & EXIT_QUIT)) {
        if (atomic_load(&h->exit) & EXIT_PAUSE) {
            park(h);
            continue;
        }
        run(h);
        if (h->st.is_halted && !atomic_load(&h->exit) && !hart_has_interrupt(h)) {
            sleep_halted(h);
        }
    }
    return NULL;
}

/* ---- HartsOps ---- */

static void resume_all(void)
{
    tlb_trackers_update();
    for (unsigned i = 0; i < hart_total; i++) {
        hart_arm_timer(harts[i]);
        hart_recheck(harts[i]);
    }
    g_mutex_lock(&park_mutex);
    paused = false;
    g_cond_broadcast(&park_cond);
    g_mutex_unlock(&park_mutex);
}

static bool all_parked(void)
{
    for (unsigned i = 0; i < hart_total; i++) {
        if (!harts[i]->is_parked) {
            return false;
        }
    }
    return true;
}

static void pause_all(void)
{
    g_mutex_lock(&park_mutex);
    paused = true;
    g_mutex_unlock(&park_mutex);
    for (unsigned i = 0; i < hart_total; i++) {
        hart_kick(harts[i], EXIT_PAUSE);
    }
    g_mutex_lock(&park_mutex);
    while (!all_parked()) {
        g_cond_wait(&park_cond, &park_mutex);
    }
    g_mutex_unlock(&park_mutex);
}

static void drop_write_tlbs(void)
{
    harts_drop_writes_of((1u << hart_total) - 1);
}

static void set_line(unsigned hart, unsigned bit, bool level)
{
    Hart *h = hart < hart_total ? harts[hart] : NULL;

    if (!h) {
        return;
    }
    if (level) {
        if (!(atomic_fetch_or(&h->lines, 1u << bit) >> bit & 1)) {
            hart_kick(h, EXIT_IRQ);
        }
    } else {
        atomic_fetch_and(&h->lines, ~(1u << bit));
    }
}

static uint64_t instret(unsigned hart)
{
    return (uint64_t)clock_virtual_ns();
}

static const HartsOps ops = {
    .accel = "tcg", .resume_all = resume_all, .pause_all = pause_all, .drop_write_tlbs = drop_write_tlbs,
    .code_written = code_written, .set_line = set_line, .instret = instret,
};

static bool start(GError **errp)
{
    paused = true;
    tlb_trackers_update();
    code_warm_up();
    harts_register(&ops, hart_total);
    for (unsigned i = 0; i < hart_total; i++) {
        Hart *h = harts[i];
        g_autofree char *name = g_strdup_printf("hart %u", i);

        h->accel = hart_scratch_new();
        atomic_fetch_or(&h->exit, EXIT_PAUSE);
        h->thread = g_thread_try_new(name, hart_main, h, errp);
        if (!h->thread) {
            return false;
        }
    }
    return true;
}

void interp_end(void)
{
    code_ahead_stop();
}

void interp_stop(void)
{
    interp_end();
    for (unsigned i = 0; i < hart_total; i++) {
        g_mutex_lock(&park_mutex);
        hart_kick(harts[i], EXIT_QUIT);
        g_cond_broadcast(&park_cond);
        g_mutex_unlock(&park_mutex);
        g_thread_join(harts[i]->thread);
        g_clear_pointer(&harts[i]->accel, g_free);
    }
    code_free_all();
    harts_register(NULL, 0);
}

void interp_set_one_insn(bool on)
{
    code_set_one_insn(on);
}

const HartAccel interp_accel = {
    .name = "tcg", .start = start, .kick = kick, .code_generation = code_generation,
};
