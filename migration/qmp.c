/* migration/qmp.c - commands, and the hooks of system/.  Owner: main loop.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "migration/migration.h"

#include "io/fdset.h"
#include "migration/incoming.h"
#include "migration/outgoing.h"
#include "migration/params.h"
#include "migration/parts.h"
#include "migration/states.h"
#include "qapi/qapi-commands.h"
#include "system/clock.h"
#include "system/ram.h"
#include "system/runstate.h"
#include "util/error.h"
#include "util/loop.h"

#include <signal.h>
#include <string.h>

#define QUIT_WAIT_NS (8 * NS_PER_SEC)

/* ---- addresses ---- */
static Address *address_of_uri(const char *uri, GError **errp)
{
    if (g_str_has_prefix(uri, "fd:")) {
        int fd = fd_from_text(uri + 3, errp);
        Address *a;

        if (fd < 0) {
            return NULL;
        }
        a = g_new0(Address, 1);
        a->kind = ADDRESS_FD;
        a->fd = fd;
        a->text = g_strdup(uri);
        return a;
    }
    return address_parse(uri, errp);
}

static Address *address_of_exec(const Json *args, GError **errp)
{
    Address *a;

    if (!json_is(args, JSON_LIST) || !json_size(args)) {
        fail(errp, "channel: 'args' is an empty list");
        return NULL;
    }
    a = g_new0(Address, 1);
    a->kind = ADDRESS_EXEC;
    a->fd = -1;
    a->argv = g_new0(char *, json_size(args) + 1);
    for (size_t i = 0; i < json_size(args); i++) {
        a->argv[i] = g_strdup(json_get_string(json_at(args, i)));
    }
    a->text = g_strdup_printf("exec:%s", a->argv[0]);
    return a;
}

static Address *address_of_channel(const Json *channel, GError **errp)
{
    const Json *addr = json_get(channel, "addr");
    const char *transport = json_get_str(addr, "transport"), *type = json_get_str(addr, "type");
    g_autofree char *uri = NULL;
    uint64_t offset = 0;

    if (!g_strcmp0(transport, "exec")) {
        return address_of_exec(json_get(addr, "args"), errp);
    }
    if (!g_strcmp0(transport, "file") && json_get_str(addr, "filename")) {
        if (json_get(addr, "offset")) {
            json_to_uint64(json_get(addr, "offset"), &offset);
        }
        uri = g_strdup_printf("file:%s,offset=%lu", json_get_str(addr, "filename"), (unsigned long)offset);
    } else if (!g_strcmp0(type, "inet") && json_get_str(addr, "host") && json_get_str(addr, "port")) {
        uri = g_strdup_printf("tcp:%s:%s", json_get_str(addr, "host"), json_get_str(addr, "port"));
    } else if (!g_strcmp0(type, "unix") && json_get_str(addr, "path")) {
        uri = g_strdup_printf("unix:%s", json_get_str(addr, "path"));
    } else if (!g_strcmp0(type, "fd") && json_get_str(addr, "str")) {
        uri = g_strdup_printf("fd:%s", json_get_str(addr, "str"));
    }
    if (!uri) {
        fail(errp, "channel: transport 'socket' (inet, unix, fd), 'exec' or 'file' with its members is wanted");
        return NULL;
    }
    return address_of_uri(uri, errp);
}

static Address *address_of_args(const Json *args, GError **errp)
{
    const char *uri = json_get_str(args, "uri");
    const Json *channels = json_get(args, "channels");

    if (!uri == !channels) {
        fail(errp, "need either 'uri' or 'channels' argument");
        return NULL;
    }
    if (uri) {
        return address_of_uri(uri, errp);
    }
    if (json_size(channels) != 1) {
        fail(errp, "exactly one channel, 'main', is wanted");
        return NULL;
    }
    return address_of_channel(json_at(channels, 0), errp);
}

/* ---- commands ---- */
static bool may_migrate(const Address *a, GError **errp)
{
    RunState s = runstate_get();

    if (!outgoing_may_start(errp)) {
        return false;
    }
    if (handoff_blocked(0)) {
        return fail(errp, "the guest cannot be migrated: %s", handoff_blocked(0));
    }
    if (s == RUN_STATE_INMIGRATE || s == RUN_STATE_POSTMIGRATE) {
        return fail(errp, "there is no guest to migrate (run state '%s')", runstate_name(s));
    }
    if (!incoming_has_guest(errp)) {
        return false;
    }
    if (mig_cap(CAP_NETPASS) && (a->kind == ADDRESS_EXEC || a->kind == ADDRESS_FILE)) {
        return fail(errp, "capability 'netpass' needs a destination that answers: '%s' is one-way", a->text);
    }
    return true;
}

Json *qmp_migrate(const Json *args, GError **errp)
{
    g_autoptr(Address) a = NULL;
    const Json *resume = json_get(args, "resume");

    if (resume && json_get_bool(resume)) {
        fail(errp, "there is no paused postcopy to resume");
        return NULL;
    }
    a = address_of_args(args, errp);
    if (!a || !may_migrate(a, errp) || !parts_prepare(errp) || !outgoing_start(g_steal_pointer(&a), errp)) {
        return NULL;
    }
    return json_dict();
}

Json *qmp_migrate_incoming(const Json *args, GError **errp)
{
    const Json *flag = json_get(args, "exit-on-error");
    Address *a = address_of_args(args, errp);

    if (!a || !incoming_start(a, flag ? json_get_bool(flag) : true, errp)) {
        return NULL;
    }
    return json_dict();
}

bool qmp_migrate_cancel(GError **errp)
{
    Outgoing *o = &outgoing;
    bool is_running;
    int state;
    g_autofree char *why = NULL;

    g_mutex_lock(&o->lock);
    is_running = o->is_running && o->machine.state != MIG_CANCELLING;
    g_mutex_unlock(&o->lock);
    if (!is_running) {
        return true;
    }
    why = outgoing_step(0, EV_CANCEL, NULL, NULL);
    state = outgoing_state();
    if (why && state != MIG_FAILED && state != MIG_CANCELLED && state != MIG_FINISHED) {
        return fail(errp, "%s: the other side may run the guest already", why);
    }
    return true;
}

bool qmp_migrate_continue(const MigrateContinueArgs *args, GError **errp)
{
    g_autofree char *why = NULL;

    if (args->state != MIGRATION_STATUS_PRE_SWITCHOVER) {
        return fail(errp, "only state 'pre-switchover' can be continued");
    }
    why = outgoing_step(0, EV_CONTINUE, NULL, NULL);
    return !why || fail(errp, "the migration is in state '%s', not 'pre-switchover'",
                        outgoing_spec.states[outgoing_state()].status);
}

static bool may_set(GError **errp)
{
    int state = outgoing_state();

    return !outgoing_is_under_way() || state == MIG_KEPT || state == MIG_UNSURE ||
           fail(errp, "capabilities cannot change while a migration is under way");
}

bool qmp_migrate_set_capabilities(const MigrateSetCapabilitiesArgs *args, GError **errp)
{
    g_autoptr(Json) list = MigrationCapabilityStatusList_to_json(args->capabilities);

    return may_set(errp) && mig_caps_set(list, errp);
}

MigrationCapabilityStatusList *qmp_query_migrate_capabilities(GError **errp)
{
    g_autoptr(Json) list = mig_caps_list();

    return MigrationCapabilityStatusList_from_json(list, "capabilities", errp);
}

Json *qmp_migrate_set_parameters(const Json *args, GError **errp)
{
    return mig_params_set(args, errp) ? json_dict() : NULL;
}

Json *qmp_query_migrate_parameters(const Json *args, GError **errp)
{
    return mig_params_dict();
}

/* ---- query-migrate ---- */
static Json *ram_report(const OutStats *s, int64_t end)
{
    Json *j = json_dict();
    double seconds = s->pages_began_ns ? MAX(end - s->pages_began_ns, 1) / 1e9 : 0;

    json_set(j, "transferred", json_uint(s->transferred));
    json_set(j, "remaining", json_uint(s->remaining));
    json_set(j, "total", json_uint(ram_total()));
    json_set(j, "duplicate", json_uint(s->zero));
    json_set(j, "normal", json_uint(s->normal));
    json_set(j, "normal-bytes", json_uint(s->normal << PAGE_BITS));
    json_set(j, "dirty-pages-rate", json_uint(s->dirty_rate));
    json_set(j, "mbps", json_double(seconds > 0 ? s->transferred * 8 / 1e6 / seconds : 0));
    json_set(j, "dirty-sync-count", json_uint(s->rounds));
    json_set(j, "page-size", json_uint(PAGE_BYTES));
    json_set(j, "pages-per-second", json_uint(seconds > 0 ? s->normal / seconds : 0));
    return j;
}

static Json *pause_report(const OutStats *s)
{
    Json *j = json_dict();

    json_set(j, "stop", json_double(s->stop_ns / 1e6));
    json_set(j, "last-ram", json_double(s->last_ram_ns / 1e6));
    json_set(j, "state", json_double(s->state_ns / 1e6));
    json_set(j, "load", json_double(s->load_ns / 1e6));
    json_set(j, "start", json_double(s->start_ns / 1e6));
    return j;
}

static void outgoing_report(Json *info)
{
    Outgoing *o = &outgoing;
    g_autofree char *error = NULL;
    const char *status;
    OutStats s;
    int64_t end;

    g_mutex_lock(&o->lock);
    s = o->stats;
    status = outgoing_spec.states[o->published].status;
    error = g_strdup(o->error);
    g_mutex_unlock(&o->lock);
    if (!s.began_ns) {
        return;
    }
    end = s.ended_ns ? s.ended_ns : time_monotonic_ns();
    json_set(info, "status", json_string(status));
    json_set(info, "total-time", json_int((end - s.began_ns) / NS_PER_MS));
    if (s.pages_began_ns) {
        json_set(info, "setup-time", json_int((s.pages_began_ns - s.began_ns) / NS_PER_MS));
        json_set(info, "ram", ram_report(&s, end));
    }
    if (s.has_downtime) {
        json_set(info, "downtime", json_int((s.downtime_ns + NS_PER_MS / 2) / NS_PER_MS));
        json_set(info, "pause", pause_report(&s));
    } else if (!strcmp(status, "active")) {
        json_set(info, "expected-downtime", json_int(s.expected_ms));
    }
    if (error && !strcmp(status, "failed")) {
        json_set(info, "error-desc", json_string(error));
    }
}

Json *qmp_query_migrate(const Json *args, GError **errp)
{
    Json *info = json_dict(), *netpass = parts_report("netpass"), *reasons = NULL;

    incoming_report(info);
    outgoing_report(info);
    if (netpass) {
        json_set(info, "netpass", netpass);
    }
    for (unsigned i = 0; handoff_blocked(i); i++) {
        reasons = reasons ? reasons : json_list();
        json_append(reasons, json_string(handoff_blocked(i)));
    }
    if (reasons) {
        json_set(info, "blocked-reasons", reasons);
    }
    return info;
}

/* ---- hooks ---- */
static const char *cont_refusal(int state)
{
    switch (state) {
    case MIG_HANDOVER:
        return "the guest is just passing to the other side";
    case MIG_COMPLETED:
    case MIG_FINISHED:
    case MIG_RELEASED:
        return "the guest belongs to the other side since the migration completed";
    case MIG_UNSURE:
        return "the connection was lost while the guest passed: it may run on the other side; it can go on here when that "
               "process is proved dead, or with 'force', your promise that it is";
    default:
        return "the guest is stopped for a migration that is under way; 'migrate_cancel' lets it go on here";
    }
}

static bool refuse_cont(Outgoing *o, GError **errp)
{
    g_autofree char *reason = NULL;
    int state;

    g_mutex_lock(&o->lock);
    state = o->machine.state;
    reason = state == MIG_UNSURE ? g_strdup(o->error) : NULL;
    g_mutex_unlock(&o->lock);
    return fail(errp, "%s%s%s", cont_refusal(state), reason ? ": " : "", reason ? reason : "");
}

/* Disks first: a guest that cannot have them stays stopped.  A disk that another process has locked, or wrote to, says that
 * this process is not dead or has run the guest; only a force overrides the latter. */
static bool disks_come_back(int state, bool force, GError **errp)
{
    bool is_lone = state == MIG_UNSURE && !force;

    if (is_lone ? !outgoing_peer_is_dead(&outgoing)
                : state != MIG_UNSURE && state != MIG_KEPT && state != MIG_SAVED && state != MIG_CANCELLED &&
                      state != MIG_FAILED) {
        return true; /* nothing to take back, or the machine will refuse */
    }
    if (parts_take_back(is_lone ? HANDOFF_LONE : state == MIG_KEPT ? HANDOFF_NEVER_LEFT : HANDOFF_BACK, errp)) {
        return true;
    }
    g_prefix_error(errp, "the guest stays stopped%s: ", is_lone ? " unless it is forced" : "");
    return false;
}

static void set_stays_stopped(Outgoing *o, bool on)
{
    g_mutex_lock(&o->lock);
    o->stays_stopped = on;
    g_mutex_unlock(&o->lock);
}

static bool cont_hook(bool force, GError **errp, bool *ret_handled)
{
    Outgoing *o = &outgoing;
    g_autofree char *why = NULL;
    bool acts;

    if (outgoing_state() == MIG_NONE || !incoming_has_guest(NULL)) {
        return incoming_cont(errp, ret_handled) &&
               (*ret_handled || runstate_get() == RUN_STATE_INMIGRATE || parts_take_back(HANDOFF_BACK, errp));
    }
    if (!disks_come_back(outgoing_state(), force, errp)) {
        return false;
    }
    o->force = force;
    why = outgoing_step(0, EV_CONT, &acts, NULL);
    if (why) {
        return refuse_cont(o, errp);
    }
    set_stays_stopped(o, false);
    if (!acts && !o->is_running && o->is_frozen) {
        parts_thaw(false); /* a stream was saved one-way: whose guest it is, is the manager's word */
        o->is_frozen = false;
    }
    *ret_handled = acts;
    return true;
}

/* What is done to the guest from here on is not in the state that is loaded over there.  NULL: it is still here. */
static const char *whereabouts(int state)
{
    switch (state) {
    case MIG_DEVICE:
    case MIG_PARKED:
        return "the guest's state has left for another process; 'migrate_cancel' keeps the guest here";
    case MIG_HANDOVER:
    case MIG_UNSURE:
        return "the guest's state has left for another process, which may run it already";
    case MIG_COMPLETED:
    case MIG_FINISHED:
    case MIG_RELEASED:
        return "the guest belongs to the other side since the migration completed";
    default:
        return NULL;
    }
}

static bool may_change(GError **errp)
{
    const char *where = whereabouts(outgoing_state());

    return incoming_may_change(errp) && (!where || fail(errp, "%s", where));
}

/* The guest stands still: shall it do so, too, when the handoff is over?  Here in any case; there, if that can still be
 * said, or is so already. */
static bool stop_hook(GError **errp)
{
    Outgoing *o = &outgoing;
    int state = outgoing_state();
    bool has_left = state == MIG_DEVICE ? o->has_left && !o->is_one_way && o->was_running && !o->stays_stopped
                                        : state != MIG_PARKED && whereabouts(state);

    if (!incoming_stop(errp)) {
        return false;
    }
    if (has_left) {
        return fail(errp, "%s; 'stop' is for the process that gets it", whereabouts(state));
    }
    set_stays_stopped(o, true);
    clock_bridge_end();
    if (o->is_frozen && !o->has_left && runstate_get() == RUN_STATE_FINISH_MIGRATE) {
        states_set_run_state(runstate_name(RUN_STATE_PAUSED));
    }
    return true;
}

static const GuestHooks guest_hooks = {.stop = stop_hook, .may_change = may_change};

static void (*quit_done)(void);
static LoopTimer *quit_timer;

static void quit_now(void *opaque)
{
    void (*done)(void) = quit_done;

    quit_done = NULL;
    if (done) {
        done();
    }
}

static void *quit_waiter(void *opaque)
{
    Outgoing *o = &outgoing;

    g_mutex_lock(&o->lock);
    while (o->is_running) {
        g_cond_wait(&o->wake, &o->lock);
    }
    g_mutex_unlock(&o->lock);
    loop_call(quit_now, NULL);
    return NULL;
}

static bool quit_hook(void (*done)(void))
{
    Outgoing *o = &outgoing;
    bool waits;

    if (!done) { /* asked again: what is waited for is the guest's */
        return false;
    }
    g_free(outgoing_step(0, EV_QUIT, NULL, NULL));
    g_mutex_lock(&o->lock);
    waits = o->is_running && o->machine.state != MIG_KEPT && o->machine.state != MIG_UNSURE;
    g_mutex_unlock(&o->lock);
    if (!waits) {
        return false;
    }
    quit_done = done;
    quit_timer = loop_timer_new(quit_now, NULL);
    loop_timer_set(quit_timer, time_monotonic_ns() + QUIT_WAIT_NS);
    g_thread_unref(g_thread_new("quit", quit_waiter, NULL));
    return true;
}

/* ---- what the parts see ---- */
/* What came in has to be wholly here before it goes out again, so the two never mix. */
static bool is_source(void)
{
    return !incoming_has_source();
}

static bool engine_send(HandoffPart *p, const void *data, size_t size)
{
    return is_source() ? outgoing_send_message(p->name, data, size) : incoming_send_message(p->name, data, size);
}

static void engine_tail_done(HandoffPart *p)
{
    if (is_source()) {
        outgoing_tail_done();
    } else {
        incoming_tail_done();
    }
}

static bool engine_is_wanted(void)
{
    bool is;

    g_mutex_lock(&outgoing.lock);
    is = !interrupt_raised(outgoing.interrupt) &&
         (!outgoing.drain_by_ns || time_monotonic_ns() < outgoing.drain_by_ns);
    g_mutex_unlock(&outgoing.lock);
    return is;
}

static bool engine_is_one_way(void)
{
    return is_source() && outgoing.is_one_way;
}

static const HandoffEngine engine = {
    .send = engine_send,
    .tail_done = engine_tail_done,
    .capability = mig_cap_named,
    .parameter = mig_param_named,
    .is_wanted = engine_is_wanted,
    .is_one_way = engine_is_one_way,
};

/* ---- life ---- */
void migration_init(void)
{
    signal(SIGPIPE, SIG_IGN);
    outgoing_init();
    incoming_init();
    states_init();
    handoff_set_engine(&engine);
    runstate_set_cont_hook(cont_hook);
    runstate_set_guest_hooks(&guest_hooks);
    vm_on_quit(quit_hook);
}

void migration_set_identity(const char *machine, const char *name, const char *uuid)
{
    hello_identity(machine, name, uuid);
}

bool migration_incoming_start(const char *uri, bool is_parked, GError **errp)
{
    g_autoptr(Json) args = NULL;
    Address *a;

    incoming_expect(is_parked);
    if (!strcmp(uri, "defer")) {
        return true;
    }
    if (uri[0] == '{' || uri[0] == '[') {
        g_autoptr(Json) json = json_parse(uri, strlen(uri), errp);

        if (!json) {
            return false;
        }
        a = address_of_channel(json_is(json, JSON_LIST) ? json_at(json, 0) : json, errp);
    } else {
        a = address_of_uri(uri, errp);
    }
    return a && incoming_start(a, true, errp);
}

void migration_shutdown(void)
{
    Outgoing *o = &outgoing;
    bool is_running;

    incoming_shutdown();
    g_mutex_lock(&o->lock);
    if (o->interrupt) {
        interrupt_raise(o->interrupt);
    }
    is_running = o->is_running;
    g_mutex_unlock(&o->lock);
    if (is_running) { /* it may hang in a disk or a socket: nobody waits for it */
        g_clear_pointer(&o->thread, g_thread_unref);
    } else {
        outgoing_wait_thread();
    }
}
