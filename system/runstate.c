/* system/runstate.c - does the guest run, and why not.  Owner: main loop.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "system/runstate.h"

#include "qapi/json.h"
#include "system/clock.h"
#include "system/harts.h"
#include "system/reset.h"
#include "system/vm-lock.h"
#include "util/error.h"
#include "util/log.h"
#include "util/loop.h"

#include <stdatomic.h>
#include <string.h>

static const char *const state_names[RUN_STATE__MAX] = {
    [RUN_STATE_PRELAUNCH] = "prelaunch",
    [RUN_STATE_INMIGRATE] = "inmigrate",
    [RUN_STATE_RUNNING] = "running",
    [RUN_STATE_PAUSED] = "paused",
    [RUN_STATE_FINISH_MIGRATE] = "finish-migrate",
    [RUN_STATE_POSTMIGRATE] = "postmigrate",
    [RUN_STATE_SHUTDOWN] = "shutdown",
    [RUN_STATE_INTERNAL_ERROR] = "internal-error",
    [RUN_STATE_IO_ERROR] = "io-error",
    [RUN_STATE_GUEST_PANICKED] = "guest-panicked",
    [RUN_STATE_DEBUG] = "debug",
    [RUN_STATE_SAVE_VM] = "save-vm",
    [RUN_STATE_RESTORE_VM] = "restore-vm",
};

typedef struct Listener {
    int order;
    RunStateFn *fn;
    void *opaque;
} Listener;

static _Atomic RunState state = RUN_STATE_PRELAUNCH;
static GArray *listeners; /* of Listener, by order */
static ContFn *cont_hook;
static int64_t started_ns, stopped_ns; /* host time of the last start and stop of the guest's clock */

RunState runstate_get(void)
{
    return atomic_load(&state);
}

bool runstate_is_running(void)
{
    return runstate_get() == RUN_STATE_RUNNING;
}

const char *runstate_name(RunState s)
{
    return (unsigned)s < RUN_STATE__MAX ? state_names[s] : "unknown";
}

bool runstate_from_name(const char *name, RunState *ret)
{
    for (unsigned i = 0; i < RUN_STATE__MAX; i++) {
        if (!strcmp(name, state_names[i])) {
            *ret = i;
            return true;
        }
    }
    return false;
}

static void set_state(RunState s)
{
    TRACE(runstate_set, "%s -> %s", runstate_name(runstate_get()), runstate_name(s));
    atomic_store(&state, s);
}

void runstate_set(RunState s)
{
    g_assert(s != RUN_STATE_RUNNING && !runstate_is_running());
    set_state(s);
}

/* ---- who wants to know ---- */
void runstate_notify(int order, RunStateFn *fn, void *opaque)
{
    Listener l = {order, fn, opaque};
    unsigned at = 0;

    if (!listeners) {
        listeners = g_array_new(FALSE, FALSE, sizeof(Listener));
    }
    while (at < listeners->len && g_array_index(listeners, Listener, at).order <= order) {
        at++;
    }
    g_array_insert_val(listeners, at, l);
}

void runstate_unnotify(RunStateFn *fn, void *opaque)
{
    for (unsigned i = 0; listeners && i < listeners->len; i++) {
        Listener *l = &g_array_index(listeners, Listener, i);

        if (l->fn == fn && l->opaque == opaque) {
            g_array_remove_index(listeners, i);
            return;
        }
    }
}

static void notify_started(void)
{
    for (unsigned i = 0; listeners && i < listeners->len; i++) {
        Listener l = g_array_index(listeners, Listener, i);

        l.fn(true, RUN_STATE_RUNNING, l.opaque);
    }
}

static void notify_stopped(RunState why)
{
    for (unsigned i = listeners ? listeners->len : 0; i > 0; i--) {
        Listener l = g_array_index(listeners, Listener, i - 1);

        l.fn(false, why, l.opaque);
    }
}

/* ---- start and stop ---- */
void vm_start(void)
{
    g_assert(loop_in_main());
    if (runstate_is_running()) {
        return;
    }
    set_state(RUN_STATE_RUNNING);
    clock_enable();
    notify_started();
    started_ns = time_monotonic_ns();
    harts_resume_all();
    runstate_event_at("RESUME", NULL, started_ns);
}

bool vm_stop(RunState why)
{
    g_assert(loop_in_main() && why != RUN_STATE_RUNNING);
    if (!runstate_is_running()) {
        return false;
    }
    harts_pause_all();
    stopped_ns = time_monotonic_ns();
    clock_disable();
    notify_stopped(why);
    set_state(why);
    runstate_event_at("STOP", NULL, stopped_ns);
    return true;
}

int64_t vm_started_ns(void)
{
    return started_ns;
}

int64_t vm_stopped_ns(void)
{
    return stopped_ns;
}

void runstate_set_cont_hook(ContFn *fn)
{
    cont_hook = fn;
}

static const GuestHooks *guest_hooks;

void runstate_set_guest_hooks(const GuestHooks *hooks)
{
    guest_hooks = hooks;
}

bool vm_user_stop(GError **errp)
{
    if (!runstate_is_running() && guest_hooks && !guest_hooks->stop(errp)) {
        return false;
    }
    vm_stop(RUN_STATE_PAUSED);
    return true;
}

bool vm_may_change(GError **errp)
{
    return !guest_hooks || guest_hooks->may_change(errp);
}

bool vm_cont(bool force, GError **errp)
{
    bool is_handled = false;

    if (runstate_is_running()) {
        return true;
    }
    if (runstate_get() == RUN_STATE_SHUTDOWN || runstate_get() == RUN_STATE_INTERNAL_ERROR) {
        return fail(errp, "resetting the machine is required (run state '%s')", runstate_name(runstate_get()));
    }
    if (cont_hook && !cont_hook(force, errp, &is_handled)) {
        return false;
    }
    if (is_handled) {
        return true;
    }
    if (runstate_get() == RUN_STATE_INMIGRATE) {
        return fail(errp, "the guest's state has not arrived yet (run state 'inmigrate')");
    }
    vm_start();
    return true;
}
