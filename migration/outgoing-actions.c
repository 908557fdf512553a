/* migration/outgoing-actions.c - what the rows of the sending side do.  Owner: migration thread.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "migration/outgoing.h"

#include "migration/incoming.h"
#include "migration/params.h"
#include "migration/parts.h"
#include "migration/states.h"
#include "qapi/qmp.h"
#include "system/clock.h"
#include "system/ram.h"
#include "system/runstate.h"
#include "system/vm-lock.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/loop.h"

#include <poll.h>
#include <sched.h>
#include <string.h>

#define LIMIT_SLICE_MS 50
#define CANCEL_WAIT_NS (10 * NS_PER_MS)
#define LAST_WAIT_NS (1 * NS_PER_SEC)

/* While rounds are sent, the guest comes first: we do not push a hart off its processor when a socket has room.  In the
 * pause nobody comes before us. */
static void be_patient(bool on)
{
    struct sched_param none = {0};

    sched_setscheduler(0, on ? SCHED_BATCH : SCHED_OTHER, &none);
}

static void did(Outgoing *o, Effect fx)
{
    machine_did(&o->progress, fx);
}

static void fail_with(Outgoing *o, int event, GError *take)
{
    o->progress.has_failed = true;
    if (event == EV_LOST) {
        outgoing_post_lost(take);
    } else {
        outgoing_post_error(event, take);
    }
}

static void post_failure(Outgoing *o, GError *err)
{
    fail_with(o, o->channel && channel_at_end(o->channel) ? EV_LOST : EV_ERROR, err);
}

/* ---- setup ---- */
static bool put_header(Outgoing *o, GError **errp)
{
    StateWriter *hello;
    const uint8_t *data;
    size_t size;
    bool ok;

    state_put_be32(o->out->small, STREAM_MAGIC);
    state_put_be32(o->out->small, STREAM_VERSION);
    states_put_configuration(o->out->small, hello_machine(), hello_uuid(), NULL);
    if (o->is_one_way) {
        return stream_flush(o->out, errp);
    }
    hello = state_writer_new();
    hello_put(hello, o->machine.attempt);
    data = state_writer_data(hello, &size);
    ok = stream_command(o->out, CMD_HELLO, data, size, errp);
    state_writer_free(hello);
    return ok;
}

static void open_channels(Outgoing *o)
{
    GError *err = NULL;
    int64_t deadline = mig_deadline(PARAM_SETUP_DEADLINE);

    if (!incoming_wait_finished(o->interrupt, deadline, &err)) {
        fail_with(o, EV_ERROR, err);
        return;
    }
    o->channel = channel_open(o->address, true, o->interrupt, deadline, &err);
    if (!o->channel) {
        fail_with(o, EV_ERROR, err);
        return;
    }
    if (!o->is_one_way && !channel_can_read(o->channel)) {
        fail(&err, "%s: nothing can be read from it, so nobody could answer; exec: and file: are one-way",
             channel_name(o->channel));
        fail_with(o, EV_ERROR, err);
        return;
    }
    did(o, FX_CONNECT);
    o->out = stream_out_new(o->channel);
    if (!put_header(o, &err)) {
        post_failure(o, err);
        return;
    }
    did(o, FX_SEND);
    if (o->is_one_way) {
        outgoing_post(EV_CHANNELS_UP);
    } else {
        g_mutex_lock(&o->lock);
        o->has_peer = o->is_listening = true;
        g_mutex_unlock(&o->lock);
        o->reader = g_thread_new("return-path", return_path_thread, o);
    }
}

/* ---- rounds ---- */
static void publish(Outgoing *o)
{
    g_mutex_lock(&o->lock);
    o->stats.transferred = o->out->bytes;
    o->stats.remaining = o->ram->pending << PAGE_BITS;
    o->stats.normal = o->ram->normal;
    o->stats.zero = o->ram->zero;
    o->stats.rounds = o->ram->rounds;
    g_mutex_unlock(&o->lock);
}

/* Waits until the bytes sent since the last look fit the limit; a changed limit counts at once. */
static void hold_limit(Outgoing *o)
{
    for (;;) {
        uint64_t limit = mig_param(PARAM_MAX_BANDWIDTH);
        int64_t due = limit ? o->last_look_ns + (o->out->bytes - o->last_bytes) * NS_PER_SEC / limit : 0;
        int64_t left = due - time_monotonic_ns();
        struct pollfd p = {interrupt_fd(o->interrupt), POLLIN, 0};

        if (left <= 0 || interrupt_raised(o->interrupt)) {
            break;
        }
        poll(&p, 1, MIN(left / NS_PER_MS + 1, LIMIT_SLICE_MS));
    }
    o->last_look_ns = time_monotonic_ns();
    o->last_bytes = o->out->bytes;
}

static bool between(RamSend *s, GError **errp)
{
    publish(&outgoing);
    if (!outgoing.is_frozen) {
        hold_limit(&outgoing);
    }
    return true;
}

static void emit_pass(Outgoing *o)
{
    Json *data;

    if (mig_cap(CAP_EVENTS)) {
        data = json_dict();
        json_set(data, "pass", json_uint(o->ram->rounds));
        qapi_emit("MIGRATION_PASS", data);
    }
}

static void round_of_pages(Outgoing *o)
{
    int64_t began = time_monotonic_ns(), busy = o->out->busy_ns, took;
    uint64_t bytes = o->out->bytes;
    GError *err = NULL;

    emit_pass(o);
    o->last_look_ns = began;
    o->last_bytes = bytes;
    if (!ram_send_list(o->ram, SECTION_PART, &err)) {
        post_failure(o, err);
        return;
    }
    publish(o);
    took = o->out->busy_ns - busy;
    g_mutex_lock(&o->lock);
    if (o->out->bytes - bytes > 1 << 20 || o->stats.bytes_per_s == 0) {
        o->stats.bytes_per_s = (o->out->bytes - bytes) * 1e9 / MAX(took, 1);
    }
    o->stats.remaining = ram_dirty_pages() << PAGE_BITS;
    o->stats.dirty_rate = ram_dirty_pages() * NS_PER_SEC / MAX(time_monotonic_ns() - began, 1);
    g_mutex_unlock(&o->lock);
    did(o, FX_PAGES);
    outgoing_post(EV_ROUND_DONE);
}

static bool send_setup_states(Outgoing *o, GError **errp)
{
    StateWriter *w;
    const uint8_t *data;
    uint8_t head[4];
    size_t size;

    if (o->is_one_way || !state_count(VMSTATE_SAVE_SETUP)) {
        return true;
    }
    w = state_writer_new();
    vm_lock();
    states_save(VMSTATE_SAVE_SETUP, VMSTATE_SAVE_SETUP, w, NULL);
    vm_unlock();
    state_put_u8(w, SECTION_EOF);
    data = state_writer_data(w, &size);
    store_be32(head, size);
    state_put_u8(o->out->small, SECTION_COMMAND);
    state_put_be16(o->out->small, CMD_SETUP);
    state_put_be16(o->out->small, 4);
    state_put(o->out->small, head, 4);
    state_put(o->out->small, data, size);
    state_writer_free(w);
    return stream_flush(o->out, errp);
}

static void first_round(Outgoing *o)
{
    GError *err = NULL;

    g_mutex_lock(&o->lock);
    o->stats.pages_began_ns = time_monotonic_ns();
    o->last_rest = UINT64_MAX;
    g_mutex_unlock(&o->lock);
    o->ram = ram_send_new(o->out, o->is_one_way);
    o->ram->between = between;
    be_patient(true);
    if (!send_setup_states(o, &err) || !ram_send_start(o->ram, &err)) {
        post_failure(o, err);
        return;
    }
    if (o->is_one_way) { /* nothing is sent yet, so nothing has to be sent again for it */
        parts_warm_wait();
    }
    ram_list_all(o->ram);
    did(o, FX_BEGIN);
    ram_dirty_round(o->ram, true);
    round_of_pages(o);
}

static void next_round(Outgoing *o)
{
    if (o->is_warming) { /* while that goes on the guest runs, and writes: so before this round */
        o->is_warming = false;
        parts_warm_wait();
    }
    ram_dirty_round(o->ram, true);
    round_of_pages(o);
}

/* The destination has still to load what is on its way, and perhaps to find memory.  The guest runs until it has. */
static void ask_prepared(Outgoing *o)
{
    GError *err = NULL;

    g_mutex_lock(&o->lock);
    o->last_rest = UINT64_MAX; /* the guest writes meanwhile: what is left may shrink again */
    g_mutex_unlock(&o->lock);
    o->is_warming = true;
    parts_warm();
    outgoing_write_messages(o, CHANNEL_FOREVER);
    if (!stream_command_attempt(o->out, CMD_PREPARE, o->machine.attempt, &err)) {
        post_failure(o, err);
        return;
    }
    did(o, FX_SEND);
}

/* ---- the pause ---- */
static void stop_guest(void *opaque)
{
    Outgoing *o = opaque;
    int64_t began_ns;

    parts_freeze();
    o->was_running = runstate_is_running();
    states_set_run_state(runstate_name(runstate_get()));
    began_ns = o->stopped_ns = time_monotonic_ns();
    if (o->was_running) {
        vm_stop(RUN_STATE_FINISH_MIGRATE);
        o->stopped_ns = vm_stopped_ns(); /* the harts ran on until they had all heard of it */
        if (!o->is_one_way) {            /* a stream in a file is run when somebody wants it */
            clock_bridge_pause();
        }
    }
    g_mutex_lock(&o->lock);
    o->stats.stop_ns = time_monotonic_ns() - began_ns;
    o->tails_left = parts_talking();
    o->tail_more_ms = parts_tail_ms();
    o->tail_counting = false;
    g_mutex_unlock(&o->lock);
    o->is_frozen = true;
    o->has_left = false;
}

/* What the guest asked of the machine before its harts stood, a reset or its end, has been done: the main loop was called for
 * that before this.  It goes along, with the memory and the devices that are sent from here on. */
static void settle_guest(void *opaque)
{
    Outgoing *o = opaque;

    if (runstate_get() == RUN_STATE_SHUTDOWN) {
        states_set_run_state(runstate_name(RUN_STATE_SHUTDOWN));
        o->was_running = false;
    }
}

static void freeze(Outgoing *o)
{
    be_patient(false);
    loop_call_wait(stop_guest, o);
    loop_call_wait(settle_guest, o);
    did(o, FX_FREEZE);
}

static bool send_last_ram(Outgoing *o, GError **errp)
{
    ram_dirty_round(o->ram, false);
    if (!ram_send_list(o->ram, SECTION_END, errp)) {
        return false;
    }
    publish(o);
    return true;
}

static bool save_states(StateWriter *w, GString *description, bool one_way, GError **errp)
{
    vm_lock();
    outgoing.has_left = true;
    if (one_way) {
        states_save(VMSTATE_SAVE_SETUP, VMSTATE_SAVE_SETUP, w, description);
    }
    states_save(VMSTATE_SAVE_HARTS, VMSTATE_SAVE_BACKEND, w, description);
    vm_unlock();
    if (!states_save_parts(w, description, errp)) {
        return false;
    }
    state_put_u8(w, SECTION_EOF);
    return true;
}

static bool send_package(Outgoing *o, GError **errp)
{
    StateWriter *w = state_writer_new();
    bool ok = save_states(w, NULL, false, errp);

    if (ok) {
        size_t size;
        const uint8_t *data = state_writer_data(w, &size);
        struct iovec iov = {(void *)data, size};

        did(o, FX_SAVE);
        state_put_u8(o->out->small, SECTION_COMMAND);
        state_put_be16(o->out->small, CMD_PACKAGED);
        state_put_be16(o->out->small, 4);
        state_put_be32(o->out->small, size);
        ok = stream_writev(o->out, &iov, 1, errp);
    }
    state_writer_free(w);
    return ok;
}

static void put_description(Outgoing *o, GString *devices)
{
    StateWriter *unused = state_writer_new();
    GString *json = g_string_new("{\"configuration\":");

    states_put_configuration(unused, hello_machine(), hello_uuid(), json);
    g_string_append_printf(json, ",\"page_size\":%u,\"devices\":[%s]}", PAGE_BYTES, devices->str);
    g_assert(json->len < DESCRIPTION_MAX);
    state_put_u8(o->out->small, SECTION_VMDESC);
    state_put_be32(o->out->small, json->len);
    state_put(o->out->small, json->str, json->len);
    state_writer_free(unused);
    g_string_free(json, TRUE);
}

static bool send_one_way(Outgoing *o, GError **errp)
{
    GString *devices = g_string_new(NULL);
    bool ok = save_states(o->out->small, devices, true, errp);

    if (ok) {
        did(o, FX_SAVE);
        put_description(o, devices);
        ok = stream_flush(o->out, errp) && channel_finish(o->channel, time_monotonic_ns() + STREAM_WAIT_NS, errp);
    }
    g_string_free(devices, TRUE);
    return ok;
}

/* Who does not read in the pause has not loaded the device state in time, and the migration thread will say so. */
static void post_unsent(Outgoing *o, GError *err)
{
    o->progress.has_failed = true;
    if (o->out->until_ns && time_monotonic_ns() >= o->out->until_ns) {
        g_error_free(err);
    } else {
        post_failure(o, err);
    }
}

/* What is under way here counts for ready-deadline-ms, too, and what took too long is called by its name. */
static bool drain(Outgoing *o, GError **errp)
{
    bool ok;

    g_mutex_lock(&o->lock);
    o->drain_by_ns = o->is_one_way ? 0 : o->deadline_ns;
    g_mutex_unlock(&o->lock);
    ok = parts_drain(errp);
    g_mutex_lock(&o->lock);
    o->drain_by_ns = 0;
    g_mutex_unlock(&o->lock);
    return ok && (o->is_one_way || time_monotonic_ns() < o->deadline_ns ||
                  fail(errp, "what was under way on this side (disks, sockets) was not finished within 'ready-deadline-ms'"));
}

static void send_devices(Outgoing *o)
{
    int64_t began = time_monotonic_ns(), ram_done;
    GError *err = NULL;

    if (!o->is_one_way) { /* the deadline of this state, from its beginning on */
        o->waiting_in = MIG_DEVICE;
        o->deadline_ns = o->out->until_ns = mig_deadline(PARAM_READY_DEADLINE);
    }
    if (!drain(o, &err)) {
        post_failure(o, err);
        return;
    }
    did(o, FX_DRAIN);
    if (!send_last_ram(o, &err)) {
        post_unsent(o, err);
        return;
    }
    did(o, FX_PAGES);
    ram_done = time_monotonic_ns();
    if (!(o->is_one_way ? send_one_way : send_package)(o, &err)) {
        post_unsent(o, err);
        return;
    }
    o->out->until_ns = 0;
    did(o, FX_SEND);
    g_mutex_lock(&o->lock);
    o->state_sent_ns = time_monotonic_ns();
    o->stats.last_ram_ns = ram_done - began;
    o->stats.state_ns = o->state_sent_ns - ram_done;
    o->stats.transferred = o->out->bytes;
    g_mutex_unlock(&o->lock);
    if (o->is_one_way) {
        outgoing_post(EV_STATE_SENT);
    }
}

/* ---- ownership ---- */
static void send_run(Outgoing *o)
{
    GError *err = NULL;

    g_mutex_lock(&o->lock);
    o->run_sent_ns = time_monotonic_ns();
    g_mutex_unlock(&o->lock);
    if (!stream_command_attempt(o->out, CMD_RUN, o->machine.attempt, &err)) {
        fail_with(o, EV_LOST, err); /* some of it may have left */
        return;
    }
    did(o, FX_SEND);
    parts_run_sent();
    did(o, FX_RUN_SENT);
}

static void forward_copies(Outgoing *o)
{
    parts_parked();
    did(o, FX_PARKED);
}

static void set_postmigrate(void *opaque)
{
    runstate_set(RUN_STATE_POSTMIGRATE);
}

static void leave(Outgoing *o)
{
    loop_call_wait(set_postmigrate, NULL);
    did(o, FX_LEAVE);
}

static void count_pause(Outgoing *o)
{
    int64_t way;

    g_mutex_lock(&o->lock);
    if (o->peer_pidfd >= 0 && o->started_there_ns > o->run_sent_ns && o->started_there_ns < o->started_at_ns) {
        o->stats.start_ns = o->started_there_ns - o->run_sent_ns; /* one host, one monotonic clock */
    } else {
        way = (o->started_at_ns - o->run_sent_ns - (int64_t)o->started_from_run_ns) / 2;
        o->stats.start_ns = MAX(way, 0) + o->started_from_run_ns;
    }
    o->stats.load_ns = o->ready_at_ns - o->state_sent_ns;
    o->stats.downtime_ns = o->run_sent_ns + o->stats.start_ns - o->stopped_ns;
    o->stats.has_downtime = o->stats.has_pause = o->was_running && !o->stays_stopped;
    o->stats.ended_ns = time_monotonic_ns();
    g_mutex_unlock(&o->lock);
}

static void release_source(Outgoing *o)
{
    bool now;

    count_pause(o);
    leave(o);
    parts_released(false);
    did(o, FX_RELEASED);
    g_mutex_lock(&o->lock);
    o->tail_counting = true;
    now = !o->tails_left;
    g_mutex_unlock(&o->lock);
    did(o, FX_TAIL);
    if (now) {
        GError *err = NULL;

        if (!stream_command_attempt(o->out, CMD_TAIL_END, o->machine.attempt, &err)) {
            fail_with(o, EV_LOST, err);
        }
    }
}

/* ---- endings ---- */
static void hang_up(Outgoing *o)
{
    did(o, FX_HANG_UP);
    g_mutex_lock(&o->lock);
    o->has_peer = false;
    g_mutex_unlock(&o->lock);
    if (!o->channel) {
        return;
    }
    interrupt_raise(o->interrupt);
    if (o->reader) {
        g_thread_join(o->reader);
        o->reader = NULL;
    }
    stream_out_free(o->out);
    o->out = NULL;
    channel_free(o->channel);
    o->channel = NULL;
    parts_peer_gone();
}

/* The guest is ours whatever this says; but without its disks it stays stopped, and `cont` tries again. */
static bool take_back(Outgoing *o, HandoffClaim how)
{
    g_autoptr(GError) err = NULL;
    char *all;

    if (parts_take_back(how, &err)) {
        return true;
    }
    error_report("the guest stays stopped: %s", err->message);
    g_mutex_lock(&o->lock);
    all = g_strdup_printf("%s; the guest is back and stays stopped: %s; 'cont' tries again",
                          o->error ? o->error : "the migration was cancelled", err->message);
    g_free(o->error);
    o->error = all;
    g_mutex_unlock(&o->lock);
    return false;
}

typedef struct Thaw {
    Outgoing *o;
    bool was_after_run, is_cont;
} Thaw;

static bool shall_run(const Thaw *t)
{
    return !t->o->stays_stopped && (t->is_cont || (t->o->was_running && t->o->is_frozen));
}

static void thaw_guest(void *opaque)
{
    Thaw *t = opaque;
    RunState s = RUN_STATE_PAUSED;
    bool start = shall_run(t);
    HandoffClaim how = t->was_after_run ? HANDOFF_BACK : HANDOFF_NEVER_LEFT;

    if (t->o->is_frozen) {
        bool can_run = take_back(t->o, how);

        parts_thaw(t->was_after_run);
        t->o->is_frozen = false;
        if (start && can_run) {
            vm_start();
        } else if (!can_run) {
            runstate_set(RUN_STATE_IO_ERROR);
        } else if (!runstate_is_running()) {
            runstate_from_name(states_loaded_run_state(), &s);
            runstate_set(s == RUN_STATE_RUNNING ? RUN_STATE_PAUSED : s);
        }
    } else if (start && !runstate_is_running() && take_back(t->o, how)) {
        vm_start();
    }
    parts_stayed();
}

/* how: FX_THAW or FX_TAKE_BACK; then: FX_RESUME or FX_START. */
static void thaw(Outgoing *o, Effect how, Effect then)
{
    Thaw t = {o, how == FX_TAKE_BACK, then == FX_START};

    hang_up(o);
    if (t.was_after_run) {
        parts_claim(HANDOFF_BACK);
    }
    loop_call_wait(thaw_guest, &t);
    did(o, how);
    did(o, then);
}

/* The other side is told if that takes no time; a closed channel says the same. */
static void cancel_and_thaw(Outgoing *o, Effect then)
{
    uint8_t data[CANCEL_SIZE] = {0};

    interrupt_clear(o->interrupt); /* it ended a write of packets, which may have been waiting for a full socket */
    o->out->until_ns = time_monotonic_ns() + CANCEL_WAIT_NS;
    store_be64(data, o->machine.attempt);
    stream_command(o->out, CMD_CANCEL, data, sizeof(data), NULL);
    did(o, FX_SEND);
    thaw(o, FX_THAW, then);
}

static void send_release(Outgoing *o)
{
    GError *err = NULL;

    if (!stream_command_attempt(o->out, CMD_RELEASE, o->machine.attempt, &err)) {
        error_report_free("leaving the guest to the other side", err);
    }
    did(o, FX_SEND);
    parts_released(true);
    did(o, FX_RELEASED);
    leave(o);
}

/* Whatever else happens here, the destination gets what reached us until now; then it sees the end, and closes. */
static void leave_network(Outgoing *o)
{
    int64_t deadline = time_monotonic_ns() + LAST_WAIT_NS;

    parts_leaving();
    outgoing_write_messages(o, deadline);
    did(o, FX_LAST);
    channel_hang_up(o->channel);
    g_mutex_lock(&o->lock);
    while (o->is_listening && g_cond_wait_until(&o->wake, &o->lock, deadline / NS_PER_US)) {
    }
    g_mutex_unlock(&o->lock);
    hang_up(o);
}

static void act(Outgoing *o, int action)
{
    switch ((MigAction)action) {
    case MA_NOTHING:
        break;
    case MA_OPEN_CHANNELS:
        open_channels(o);
        break;
    case MA_FIRST_ROUND:
        first_round(o);
        break;
    case MA_NEXT_ROUND:
        next_round(o);
        break;
    case MA_ASK_PREPARED:
        ask_prepared(o);
        break;
    case MA_FREEZE:
        freeze(o);
        break;
    case MA_FREEZE_AND_SEND:
        freeze(o);
        send_devices(o);
        break;
    case MA_SEND_DEVICES:
        send_devices(o);
        break;
    case MA_SEND_RUN:
        send_run(o);
        break;
    case MA_FORWARD_COPIES:
        forward_copies(o);
        break;
    case MA_CANCEL_AND_THAW:
        cancel_and_thaw(o, FX_RESUME);
        break;
    case MA_CANCEL_AND_START:
        cancel_and_thaw(o, FX_START);
        break;
    case MA_SEND_RELEASE:
        send_release(o);
        break;
    case MA_STAY_STOPPED:
        parts_lost();
        did(o, FX_LOST);
        outgoing_watch_peer(o);
        break;
    case MA_RELEASE_SOURCE:
        release_source(o);
        break;
    case MA_LEAVE_NETWORK:
        leave_network(o);
        break;
    case MA_TAKE_BACK:
        thaw(o, FX_TAKE_BACK, FX_RESUME);
        break;
    case MA_HANG_UP:
        hang_up(o);
        break;
    case MA_END_ONE_WAY:
        leave(o);
        hang_up(o);
        break;
    case MA_CLOSE_CHANNELS:
        hang_up(o);
        outgoing_post(EV_DRAINED);
        break;
    case MA_THAW:
        thaw(o, FX_THAW, FX_RESUME);
        break;
    case MA_THAW_AND_START:
        thaw(o, FX_THAW, FX_START);
        break;
    case MA_THAW_ALONE:
        thaw(o, FX_TAKE_BACK, FX_START);
        break;
    case MA__MAX:
        g_assert_not_reached();
    }
}

void outgoing_act(Outgoing *o, int action)
{
    machine_begin(&o->progress, &outgoing_spec.actions[action]);
    act(o, action);
    machine_end(&o->progress);
}
