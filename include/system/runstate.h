/* include/system/runstate.h - does the guest run, and why not.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Written by the main loop only (vm_lock held); read by any thread.  Every start emits RESUME, every stop STOP. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "qapi/json.h"

typedef enum RunState { /* QMP's words; transitions are rows in system/runstate.c */
    RUN_STATE_PRELAUNCH, RUN_STATE_INMIGRATE, RUN_STATE_RUNNING, RUN_STATE_PAUSED, RUN_STATE_FINISH_MIGRATE,
    RUN_STATE_POSTMIGRATE, RUN_STATE_SHUTDOWN, RUN_STATE_INTERNAL_ERROR, RUN_STATE_IO_ERROR, RUN_STATE_GUEST_PANICKED,
    RUN_STATE_DEBUG, RUN_STATE_SAVE_VM, RUN_STATE_RESTORE_VM, RUN_STATE__MAX,
} RunState;

RunState runstate_get(void);
bool runstate_is_running(void);
const char *runstate_name(RunState s);             /* "finish-migrate" */
bool runstate_from_name(const char *name, RunState *ret);
void runstate_set(RunState s);                     /* between two stopped states */

/* Starts the harts: notifiers (true), then harts.  No-op if running. */
void vm_start(void);
/* Stops them: harts first (drops vm_lock while it waits for them), then notifiers (false), then the state and STOP.
 * Returns true if it was running. */
bool vm_stop(RunState why);
/* time_monotonic_ns() when the guest's clock last started and stopped: what a pause is measured by.  Main loop. */
int64_t vm_started_ns(void);
int64_t vm_stopped_ns(void);

/* Order: small numbers first at start, last at stop.  STATE_ORDER_* say who sits where. */
enum { STATE_ORDER_CLOCK = 0, STATE_ORDER_BLOCK = 10, STATE_ORDER_DEVICE = 20, STATE_ORDER_NET = 30, STATE_ORDER_REPORT = 90 };
typedef void RunStateFn(bool is_running, RunState s, void *opaque);
void runstate_notify(int order, RunStateFn *fn, void *opaque);
void runstate_unnotify(RunStateFn *fn, void *opaque);

/* `cont`: whoever may forbid it is asked first (migration does: not the owner). */
typedef bool ContFn(bool force, GError **errp, bool *ret_handled); /* *ret_handled: it starts the VM itself, later */
void runstate_set_cont_hook(ContFn *fn);
bool vm_cont(bool force, GError **errp);
/* `stop`, and whatever else changes the guest by hand: migration is asked here, too. */
typedef struct GuestHooks {
    bool (*stop)(GError **errp);       /* it does not run: nor shall it when it has arrived here */
    bool (*may_change)(GError **errp); /* false: its state has left already */
} GuestHooks;
void runstate_set_guest_hooks(const GuestHooks *hooks);
bool vm_user_stop(GError **errp);
bool vm_may_change(GError **errp);

/* ---- requests, any thread, done by the main loop ---- */
typedef enum ShutdownCause { SHUTDOWN_HOST_QMP_QUIT, SHUTDOWN_HOST_SIGNAL, SHUTDOWN_GUEST_SHUTDOWN, SHUTDOWN_GUEST_RESET,
                             SHUTDOWN_HOST_QMP_RESET, SHUTDOWN_GUEST_PANIC } ShutdownCause;
void vm_request_shutdown(ShutdownCause cause, int exit_code); /* guest causes obey -no-shutdown; event SHUTDOWN */
void vm_request_reset(ShutdownCause cause);                   /* obeys -no-reboot; event RESET */
void vm_request_powerdown(void);                              /* event POWERDOWN; devices listen by vm_on_powerdown */
void vm_on_powerdown(void (*fn)(void *opaque), void *opaque);
void vm_set_policy(bool no_reboot, bool no_shutdown);
/* Before the process ends in an orderly way (quit, SIGTERM): fn may delay it and call `done` later; each once.  Who is told to
 * quit again calls fn with NULL: whatever is only waited for to be polite is not waited for any longer. */
typedef bool QuitFn(void (*done)(void)); /* true: it will call done */
void vm_on_quit(QuitFn *fn);
/* The loop drops vm_lock while it waits.  Main thread, after loop_init(); then vm_lock() once. */
void runstate_init(void);

/* STOP, RESUME, SHUTDOWN, RESET, POWERDOWN go to the monitors through this hook, which takes `data` (may be NULL). */
void runstate_set_event_hook(void (*fn)(const char *name, Json *data, int64_t at_ns));
void runstate_event(const char *name, Json *data);
void runstate_event_at(const char *name, Json *data, int64_t at_ns); /* when it happened, monotonic; 0: now */
