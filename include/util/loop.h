/* include/util/loop.h - the main loop: file descriptors, timers, calls from other threads.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One loop, run by the main thread on glib's default main context (so glib sources work too).  Handlers run with the
 * lock that loop_set_lock() gave (system/ gives vm_lock): the main thread holds it from start-up on, and the loop drops it
 * while it waits.  Watches belong to the main thread; setting timers and loop_call*() work from any thread. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define NS_PER_SEC 1000000000LL
#define NS_PER_MS 1000000LL
#define NS_PER_US 1000LL

int64_t time_monotonic_ns(void); /* CLOCK_MONOTONIC */
int64_t time_wall_ns(void);      /* CLOCK_REALTIME, since 1970 */

/* ---- life ---- */
void loop_init(void);                                   /* main thread, first of all; remembers the thread */
void loop_set_lock(void (*lock)(void), void (*unlock)(void));
int loop_run(void);                                     /* until loop_quit(); returns its code */
bool loop_is_running(void);                             /* before, nobody waits for an answer yet */
void loop_quit(int code);                               /* any thread */
bool loop_in_main(void);                                /* is this the main thread? */

/* ---- file descriptors ---- */
typedef struct LoopWatch LoopWatch;
typedef void LoopFdFn(int fd, GIOCondition ready, void *opaque);
/* Calls fn while any of `want` (G_IO_IN, G_IO_OUT; HUP and ERR come unasked) is true: level-triggered.  Does not own fd. */
LoopWatch *loop_watch(int fd, GIOCondition want, LoopFdFn *fn, void *opaque);
void loop_watch_set(LoopWatch *watch, GIOCondition want); /* 0 parks it: not even HUP is reported */
void loop_watch_free(LoopWatch *watch);                   /* NULL allowed; allowed in its own callback */

/* ---- timers on the host's monotonic clock (the guest's clock is in system/clock.h) ---- */
typedef struct LoopTimer LoopTimer;
typedef void LoopFn(void *opaque);
LoopTimer *loop_timer_new(LoopFn *fn, void *opaque);
void loop_timer_set(LoopTimer *timer, int64_t deadline_ns); /* nanosecond resolution; once; any thread */
void loop_timer_cancel(LoopTimer *timer);
bool loop_timer_pending(const LoopTimer *timer);
void loop_timer_free(LoopTimer *timer); /* NULL allowed */

/* ---- calls into the main loop ---- */
void loop_call(LoopFn *fn, void *opaque);      /* queued, in order of the calls */
void loop_call_wait(LoopFn *fn, void *opaque); /* returns when fn has run; direct when already in the main thread.
                                                  The caller must not hold vm_lock or any leaf lock. */
