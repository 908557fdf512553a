/* system/clock.c - the guest's clock and timers on it.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Readers use a sequence counter; writers are the main loop (start, stop, load) under `mutex`, a leaf lock that also
 * guards the list of timers. */
#include "system/clock.h"

#include "util/log.h"
#include "util/loop.h"

#include <glib.h>
#include <stdatomic.h>

#define NS_PER_TICK (NS_PER_SEC / TIMEBASE_HZ)

struct Timer {
    TimerFn *fn;
    void *opaque;
    int64_t deadline_ns; /* guarded by mutex */
    LoopTimer *host;
};

static GMutex mutex;
static GPtrArray *timers; /* of Timer; guarded by mutex */
static _Atomic unsigned sequence;
static _Atomic int64_t base_ns;    /* virtual time at `started_ns`, or while stopped */
static _Atomic int64_t started_ns; /* host time of the start; 0: stopped */
static _Atomic uint64_t tick_offset;
static bool is_stepped;

/* Guarded by vm_lock: */
static bool is_bridged;    /* the pause since `stopped_ns` is added at the next start */
static int64_t stopped_ns; /* host time to which `base_ns` belongs, while stopped */
static int64_t ahead_ns;   /* the clock ran ahead of true time when it came here, and may not go back */

static int64_t virtual_at(int64_t host_ns)
{
    int64_t base, started;
    unsigned before;

    do {
        before = atomic_load_explicit(&sequence, memory_order_acquire);
        base = atomic_load_explicit(&base_ns, memory_order_relaxed);
        started = atomic_load_explicit(&started_ns, memory_order_relaxed);
        atomic_thread_fence(memory_order_acquire);
    } while ((before & 1) || before != atomic_load_explicit(&sequence, memory_order_relaxed));
    return started ? base + (host_ns - started) : base;
}

static void publish(int64_t base, int64_t started)
{
    atomic_fetch_add(&sequence, 1);
    atomic_store(&base_ns, base);
    atomic_store(&started_ns, started);
    atomic_fetch_add(&sequence, 1);
}

int64_t clock_virtual_ns(void)
{
    return virtual_at(atomic_load_explicit(&started_ns, memory_order_relaxed) ? time_monotonic_ns() : 0);
}

bool clock_is_running(void)
{
    return atomic_load(&started_ns) != 0;
}

/* ---- ticks ---- */
uint64_t clock_timebase(void)
{
    return clock_virtual_ns() / NS_PER_TICK + atomic_load_explicit(&tick_offset, memory_order_relaxed);
}

uint64_t clock_timebase_offset(void)
{
    return atomic_load(&tick_offset);
}

void clock_set_timebase_offset(uint64_t ticks)
{
    atomic_store(&tick_offset, ticks);
}

int64_t clock_timebase_deadline(uint64_t ticks)
{
    int64_t now = clock_virtual_ns() / NS_PER_TICK;
    uint64_t time = now + atomic_load(&tick_offset);
    uint64_t wait = ticks - time;

    if (time >= ticks) {
        return now * NS_PER_TICK;
    }
    return wait < (uint64_t)(INT64_MAX / NS_PER_TICK - now) ? (now + (int64_t)wait) * NS_PER_TICK : TIMER_NEVER;
}

/* ---- timers ---- */
static void host_arm(Timer *t) /* under mutex */
{
    int64_t started = atomic_load(&started_ns);

    if (is_stepped || !started || t->deadline_ns == TIMER_NEVER) {
        loop_timer_cancel(t->host);
    } else {
        int64_t wait = t->deadline_ns - atomic_load(&base_ns);

        loop_timer_set(t->host, wait > 0 && wait > INT64_MAX - 1 - started ? INT64_MAX - 1 : started + wait);
    }
}

/* The host timer is up: true, and the timer is idle again, if the virtual deadline has come too. */
static bool take_if_due(Timer *t, int64_t now)
{
    bool is_due;

    g_mutex_lock(&mutex);
    is_due = t->deadline_ns <= now;
    if (is_due) {
        t->deadline_ns = TIMER_NEVER;
    } else {
        host_arm(t);
    }
    g_mutex_unlock(&mutex);
    return is_due;
}

static void timer_fired(void *opaque)
{
    Timer *t = opaque;

    if (clock_is_running() && take_if_due(t, clock_virtual_ns())) {
        t->fn(t->opaque);
    }
}

Timer *timer_new(TimerFn *fn, void *opaque)
{
    Timer *t = g_new0(Timer, 1);

    *t = (Timer){fn, opaque, TIMER_NEVER, loop_timer_new(timer_fired, t)};
    g_mutex_lock(&mutex);
    if (!timers) {
        timers = g_ptr_array_new();
    }
    g_ptr_array_add(timers, t);
    g_mutex_unlock(&mutex);
    return t;
}

void timer_set(Timer *t, int64_t deadline_ns)
{
    g_mutex_lock(&mutex);
    if (t->deadline_ns != deadline_ns) {
        t->deadline_ns = deadline_ns;
        host_arm(t);
    }
    g_mutex_unlock(&mutex);
}

void timer_set_earlier(Timer *t, int64_t deadline_ns)
{
    g_mutex_lock(&mutex);
    if (t->deadline_ns > deadline_ns) {
        t->deadline_ns = deadline_ns;
        host_arm(t);
    }
    g_mutex_unlock(&mutex);
}

int64_t timer_deadline(const Timer *t)
{
    int64_t deadline;

    g_mutex_lock(&mutex);
    deadline = t->deadline_ns;
    g_mutex_unlock(&mutex);
    return deadline;
}

void timer_free(Timer *t)
{
    if (!t) {
        return;
    }
    g_mutex_lock(&mutex);
    g_ptr_array_remove_fast(timers, t);
    loop_timer_free(t->host);
    g_mutex_unlock(&mutex);
    g_free(t);
}

static void arm_all(void) /* under mutex */
{
    for (unsigned i = 0; timers && i < timers->len; i++) {
        host_arm(timers->pdata[i]);
    }
}

/* ---- start, stop, load ---- */

/* What the pause adds to the clock at host time `now`. */
static int64_t bridged(int64_t now)
{
    int64_t passed = now - stopped_ns;

    if (!is_bridged) {
        return 0;
    }
    TRACE(clock_bridge, "a pause of %" G_GINT64_FORMAT " ns", passed);
    if (passed > PAUSE_BRIDGED_NS || passed < -PAUSE_BRIDGED_NS) {
        return 0;
    }
    ahead_ns = MAX(-passed, 0);
    return MAX(passed, 0);
}

void clock_enable(void)
{
    g_mutex_lock(&mutex);
    if (!is_stepped && !clock_is_running()) {
        int64_t now = time_monotonic_ns();

        publish(atomic_load(&base_ns) + bridged(now), now);
        is_bridged = false;
        arm_all();
    }
    g_mutex_unlock(&mutex);
}

void clock_disable(void)
{
    g_mutex_lock(&mutex);
    if (!is_stepped && clock_is_running()) {
        int64_t now = time_monotonic_ns();

        publish(virtual_at(now), 0);
        stopped_ns = now + ahead_ns;
        arm_all();
    }
    g_mutex_unlock(&mutex);
}

void clock_set_ns(int64_t ns)
{
    g_assert(!clock_is_running() && ns >= 0 && ns <= CLOCK_NS_MAX);
    g_mutex_lock(&mutex);
    publish(ns, 0);
    is_bridged = false;
    ahead_ns = 0;
    g_mutex_unlock(&mutex);
}

/* ---- the pause of a handoff ---- */

/* Wall time less monotonic time, as one moment has them: a thread that is held up between the two readings would be wrong
 * by as much, so the narrowest of some pairs counts. */
static int64_t wall_offset_ns(void)
{
    enum { TRIES = 20, GOOD_NS = 500 };
    int64_t best = INT64_MAX, offset = 0;

    for (int i = 0; i < TRIES && best > GOOD_NS; i++) {
        int64_t before = time_monotonic_ns(), wall = time_wall_ns(), width = time_monotonic_ns() - before;

        if (width < best) {
            best = width;
            offset = wall - (before + width / 2);
        }
    }
    return offset;
}

void clock_bridge_pause(void)
{
    g_assert(!clock_is_running());
    is_bridged = !is_stepped;
}

void clock_bridge_end(void)
{
    int64_t now = time_monotonic_ns();

    g_mutex_lock(&mutex);
    if (is_bridged && !clock_is_running()) {
        publish(atomic_load(&base_ns) + bridged(now), 0);
        stopped_ns = now + ahead_ns;
        is_bridged = false;
    }
    g_mutex_unlock(&mutex);
}

int64_t clock_pause_wall_ns(void)
{
    return is_bridged ? stopped_ns + wall_offset_ns() : 0;
}

void clock_bridge_from(int64_t wall_ns)
{
    g_assert(!clock_is_running() && wall_ns >= 0 && wall_ns <= CLOCK_NS_MAX);
    is_bridged = !is_stepped;
    stopped_ns = wall_ns - wall_offset_ns();
}

/* ---- qtest ---- */
void clock_use_steps(void)
{
    clock_disable();
    is_stepped = true;
}

/* The timer that is due first and its deadline; NULL: none is set. */
static Timer *first_timer(int64_t *ret_deadline)
{
    Timer *first = NULL;

    g_mutex_lock(&mutex);
    *ret_deadline = TIMER_NEVER;
    for (unsigned i = 0; timers && i < timers->len; i++) {
        Timer *t = timers->pdata[i];

        if (t->deadline_ns < *ret_deadline) {
            *ret_deadline = t->deadline_ns;
            first = t;
        }
    }
    g_mutex_unlock(&mutex);
    return first;
}

int64_t clock_next_deadline(void)
{
    int64_t deadline;

    first_timer(&deadline);
    return deadline;
}

int64_t clock_step_to(int64_t ns)
{
    int64_t deadline;
    Timer *t;

    while ((t = first_timer(&deadline)) && deadline <= ns) {
        publish(MAX(deadline, clock_virtual_ns()), 0);
        if (take_if_due(t, deadline)) {
            t->fn(t->opaque);
        }
    }
    publish(MAX(ns, clock_virtual_ns()), 0);
    return clock_virtual_ns();
}
