/* system/requests.c - shutdown, reset and power button: asked by any thread, done by the main loop.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "system/clock.h"
#include "system/harts.h"
#include "system/reset.h"
#include "system/runstate.h"
#include "system/vm-lock.h"
#include "util/log.h"
#include "util/loop.h"

#include "qapi/json.h"

/* A reason as QMP words it; the guest causes obey -no-shutdown and -no-reboot. */
static const struct {
    const char *reason;
    bool is_guest;
} causes[] = {
    [SHUTDOWN_HOST_QMP_QUIT] = {"host-qmp-quit", false},
    [SHUTDOWN_HOST_SIGNAL] = {"host-signal", false},
    [SHUTDOWN_GUEST_SHUTDOWN] = {"guest-shutdown", true},
    [SHUTDOWN_GUEST_RESET] = {"guest-reset", true},
    [SHUTDOWN_HOST_QMP_RESET] = {"host-qmp-system-reset", false},
    [SHUTDOWN_GUEST_PANIC] = {"guest-panic", true},
};

static bool no_reboot, no_shutdown;
static void (*event_hook)(const char *name, Json *data, int64_t at_ns);

typedef struct Callback {
    void (*fn)(void *opaque);
    void *opaque;
} Callback;

static GArray *powerdown_listeners; /* of Callback */
static GPtrArray *quit_hooks;       /* of QuitFn */
static unsigned quit_waiting;       /* hooks that have not said done, plus one while they are asked */
static bool is_quitting;
static int quit_code;

void runstate_set_event_hook(void (*fn)(const char *name, Json *data, int64_t at_ns))
{
    event_hook = fn;
}

void runstate_event_at(const char *name, Json *data, int64_t at_ns)
{
    if (event_hook) {
        event_hook(name, data, at_ns);
    } else {
        json_unref(data);
    }
}

void runstate_event(const char *name, Json *data)
{
    runstate_event_at(name, data, 0);
}

static Json *cause_json(ShutdownCause cause)
{
    Json *data = json_dict();

    json_set(data, "guest", json_bool(causes[cause].is_guest));
    json_set(data, "reason", json_string(causes[cause].reason));
    return data;
}

void vm_set_policy(bool no_reboot_, bool no_shutdown_)
{
    no_reboot = no_reboot_;
    no_shutdown = no_shutdown_;
}

/* ---- the end of the process ---- */
void vm_on_quit(QuitFn *fn)
{
    if (!quit_hooks) {
        quit_hooks = g_ptr_array_new();
    }
    g_ptr_array_add(quit_hooks, fn);
}

static void quit_part_done(void)
{
    g_assert(quit_waiting > 0);
    if (--quit_waiting == 0) {
        vm_stop(RUN_STATE_SHUTDOWN);
        loop_quit(quit_code);
    }
}

static void quit_begin(int code)
{
    for (unsigned i = 0; is_quitting && quit_hooks && i < quit_hooks->len; i++) {
        ((QuitFn *)quit_hooks->pdata[i])(NULL);
    }
    if (is_quitting) {
        return;
    }
    is_quitting = true;
    quit_code = code;
    quit_waiting = 1;
    for (unsigned i = 0; quit_hooks && i < quit_hooks->len; i++) {
        QuitFn *hook = (QuitFn *)quit_hooks->pdata[i];

        quit_waiting++;
        if (!hook(quit_part_done)) {
            quit_waiting--;
        }
    }
    quit_part_done();
}

typedef struct Request {
    ShutdownCause cause;
    int exit_code;
} Request;

static void shutdown_now(void *opaque)
{
    g_autofree Request *r = opaque;

    TRACE(vm_shutdown, "%s", causes[r->cause].reason);
    runstate_event("SHUTDOWN", cause_json(r->cause));
    if (causes[r->cause].is_guest) {
        if (!vm_stop(RUN_STATE_SHUTDOWN) && runstate_get() == RUN_STATE_FINISH_MIGRATE) {
            runstate_set(RUN_STATE_SHUTDOWN); /* it was just being stopped for a migration: it does not run on anywhere */
        }
        if (no_shutdown) {
            return;
        }
    }
    /* While a handoff is under way the hooks decide whose guest it is; a host's quit lets the harts go on until then. */
    quit_begin(r->exit_code);
}

static void request(LoopFn *fn, ShutdownCause cause, int exit_code)
{
    Request *r = g_new(Request, 1);

    *r = (Request){cause, exit_code};
    loop_call(fn, r);
}

void vm_request_shutdown(ShutdownCause cause, int exit_code)
{
    request(shutdown_now, cause, exit_code);
}

/* ---- reset ---- */
static void reset_now(void *opaque)
{
    g_autofree Request *r = opaque;
    bool was_running = runstate_is_running();

    if (causes[r->cause].is_guest && no_reboot) {
        *r = (Request){SHUTDOWN_GUEST_RESET, 0};
        shutdown_now(g_steal_pointer(&r));
        return;
    }
    TRACE(vm_reset, "%s", causes[r->cause].reason);
    harts_pause_all();
    reset_all();
    runstate_event("RESET", cause_json(r->cause));
    if (was_running) {
        harts_resume_all();
    } else if (runstate_get() == RUN_STATE_SHUTDOWN || runstate_get() == RUN_STATE_INTERNAL_ERROR) {
        runstate_set(RUN_STATE_PAUSED);
    }
}

void vm_request_reset(ShutdownCause cause)
{
    request(reset_now, cause, 0);
}

/* ---- power button ---- */
void vm_on_powerdown(void (*fn)(void *opaque), void *opaque)
{
    Callback c = {fn, opaque};

    if (!powerdown_listeners) {
        powerdown_listeners = g_array_new(FALSE, FALSE, sizeof(Callback));
    }
    g_array_append_val(powerdown_listeners, c);
}

static void powerdown_now(void *opaque)
{
    runstate_event("POWERDOWN", NULL);
    for (unsigned i = 0; powerdown_listeners && i < powerdown_listeners->len; i++) {
        Callback c = g_array_index(powerdown_listeners, Callback, i);

        c.fn(c.opaque);
    }
}

void vm_request_powerdown(void)
{
    loop_call(powerdown_now, NULL);
}

void runstate_init(void)
{
    loop_set_lock(vm_lock, vm_unlock);
}
