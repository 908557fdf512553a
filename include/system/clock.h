/* include/system/clock.h - the guest's clock and timers on it.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The virtual clock counts nanoseconds while the VM runs, stands still while it is stopped, and travels with it.  A pause
 * that a handoff makes is no stop of the guest's: when it ends, here or elsewhere, the clock is where true time is
 * (clock_bridge_pause).  Under the qtest accelerator it moves only by clock_step().  Reading is lock-free, any thread. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "system/types.h"

#define TIMEBASE_HZ 10000000u /* mtime and the time CSR: 100 ns a tick */
#define TIMER_NEVER INT64_MAX
#define CLOCK_NS_MAX (INT64_MAX / 2) /* 146 years: nobody gets there by running, so nothing after it overflows */

int64_t clock_virtual_ns(void);
bool clock_is_running(void);
void clock_enable(void);        /* by runstate only */
void clock_disable(void);
void clock_set_ns(int64_t ns);  /* stopped only: a loaded stream */

/* ---- the pause of a handoff ---- with vm_lock, while the clock is stopped.
 * The next clock_enable() adds what has passed since the stop.  A pause longer than PAUSE_BRIDGED_NS is a stop like the
 * user's: a jump of 20 s makes a Linux guest report harts that hang. */
#define PAUSE_BRIDGED_NS (15 * INT64_C(1000000000))
void clock_bridge_pause(void);
void clock_bridge_end(void); /* the user stops the guest now: what has passed counts, what follows does not */
/* The host's wall time to which the stopped clock belongs; 0: its pause is not bridged. */
int64_t clock_pause_wall_ns(void);
/* Loaded: the clock, just set, belongs to this wall time.  Where the clocks of two hosts differ, the guest follows the
 * one it is on, but never backwards: it stands until it is true, and what is missing then travels on. */
void clock_bridge_from(int64_t wall_ns);

/* mtime = virtual clock in ticks + offset (a guest may write mtime; the offset is saved by aclint). */
uint64_t clock_timebase(void);
uint64_t clock_timebase_offset(void);
void clock_set_timebase_offset(uint64_t ticks);
/* Virtual time, in ns, at which clock_timebase() reaches `ticks`; TIMER_NEVER if that is out of range. */
int64_t clock_timebase_deadline(uint64_t ticks);

/* ---- timers ---- callbacks run in the main loop with vm_lock.  set and cancel: any thread. */
typedef struct Timer Timer;
typedef void TimerFn(void *opaque);
Timer *timer_new(TimerFn *fn, void *opaque);
void timer_set(Timer *t, int64_t deadline_ns); /* TIMER_NEVER cancels; a past deadline fires at once */
void timer_set_earlier(Timer *t, int64_t deadline_ns); /* unless it fires before that anyway */
int64_t timer_deadline(const Timer *t);        /* TIMER_NEVER: not set */
void timer_free(Timer *t);                     /* main loop or VM stopped; NULL allowed */

/* ---- qtest ---- */
void clock_use_steps(void);
int64_t clock_next_deadline(void);             /* TIMER_NEVER if none */
int64_t clock_step_to(int64_t ns);             /* runs each timer due on the way at its own time; returns the clock */
