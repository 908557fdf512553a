/* migration/outgoing.c - the migration thread: takes what the machine decided, in order, and does it.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "migration/outgoing.h"

#include "migration/params.h"
#include "migration/parts.h"
#include "qapi/qmp.h"
#include "system/ram.h"
#include "system/runstate.h"
#include "util/error.h"
#include "util/log.h"
#include "util/loop.h"

#include <string.h>

#define QUEUE_BYTES_MAX (512u << 20)
#define LAST_WORDS_NS (50 * NS_PER_MS)

Outgoing outgoing;
static size_t queued_bytes; /* lock */

/* Runs under the lock. */
static bool guard(void *opaque, int guard)
{
    Outgoing *o = opaque;
    uint64_t rest, limit_ms = mig_param(PARAM_DOWNTIME_LIMIT);
    double ms;

    switch (guard) {
    case MG_WANTS_PAUSE:
        return mig_cap(CAP_PAUSE);
    case MG_ONE_WAY:
        return o->is_one_way;
    case MG_PROOF_OR_FORCE:
        return o->force || outgoing_peer_is_dead(o);
    case MG_AT_IT:
        return o->is_at_it;
    case MG_STILL_MUCH:
        rest = o->stats.remaining;
        ms = o->stats.bytes_per_s > 0 ? rest / o->stats.bytes_per_s * 1000 : 0;
        o->stats.expected_ms = ms;
        if (ms <= 4) {
            return false;
        }
        if (rest < o->last_rest - o->last_rest / 8) {
            o->last_rest = rest;
            return true;
        }
        return ms > limit_ms;
    }
    return false;
}

void outgoing_init(void)
{
    outgoing.machine = (Machine){&outgoing_spec, MIG_NONE, 0, guard, &outgoing};
    outgoing.peer_pidfd = -1;
    g_mutex_init(&outgoing.lock);
    g_cond_init(&outgoing.wake);
    g_queue_init(&outgoing.items);
}

static void push(ItemKind kind, const MachineRow *row, GBytes *bytes) /* under the lock */
{
    Item *i = g_new(Item, 1);

    *i = (Item){kind, row, bytes};
    g_queue_push_tail(&outgoing.items, i);
    g_cond_broadcast(&outgoing.wake); /* who quits waits there, too */
}

/* What ends the connection must not wait for a write that is under way: a command, nor the other side's refusal.  Unless it
 * has something to send itself. */
static bool interrupts(int action)
{
    const int8_t *does = outgoing_spec.actions[action].does;

    while (does && *does >= 0 && *does != FX_HANG_UP && *does != FX_LAST) {
        does++;
    }
    return does && *does == FX_HANG_UP;
}

static const MachineRow *step(Outgoing *o, uint64_t attempt, int event, char **ret_why) /* under the lock */
{
    const MachineRow *row = machine_step(&o->machine, attempt, event, ret_why);

    if (row && row->action != MA_NOTHING) {
        push(ITEM_ROW, row, NULL);
        o->conts += row->guard == MG_AT_IT;
        if (interrupts(row->action) && o->interrupt) {
            interrupt_raise(o->interrupt);
        }
    }
    return row;
}

char *outgoing_step(uint64_t attempt, int event, bool *ret_acted, const MachineRow **ret_row)
{
    Outgoing *o = &outgoing;
    const MachineRow *row;
    char *why = NULL;

    g_mutex_lock(&o->lock);
    row = step(o, attempt ? attempt : o->machine.attempt, event, &why);
    g_mutex_unlock(&o->lock);
    if (ret_acted) {
        *ret_acted = row && row->action != MA_NOTHING;
    }
    if (ret_row) {
        *ret_row = row;
    }
    return why;
}

void outgoing_post(int event)
{
    g_free(outgoing_step(0, event, NULL, NULL));
}

void outgoing_post_error(int event, GError *take)
{
    g_mutex_lock(&outgoing.lock);
    TRACE(mig_error, "%s", take->message);
    if (!outgoing.error) {
        outgoing.error = g_strdup(take->message);
    }
    g_mutex_unlock(&outgoing.lock);
    g_error_free(take);
    outgoing_post(event);
}

/* The channel broke while we wrote: what the other side said before it went is still to be read, and is the better cause. */
void outgoing_post_lost(GError *take)
{
    Outgoing *o = &outgoing;
    int64_t deadline = time_monotonic_ns() + LAST_WORDS_NS;

    g_mutex_lock(&o->lock);
    while (o->is_listening && !interrupt_raised(o->interrupt) &&
           g_cond_wait_until(&o->wake, &o->lock, deadline / NS_PER_US)) {
    }
    g_mutex_unlock(&o->lock);
    outgoing_post_error(EV_LOST, take);
}

/* ---- events to the manager ---- */
static Json *end_report(void)
{
    return parts_report("netpass");
}

void outgoing_emit(int state)
{
    const MachineState *s = &outgoing_spec.states[state];
    Json *data;
    bool changed;

    g_mutex_lock(&outgoing.lock);
    changed = strcmp(outgoing_spec.states[outgoing.published].status, s->status) != 0;
    outgoing.published = state;
    g_mutex_unlock(&outgoing.lock);
    if (!changed || !mig_cap(CAP_EVENTS)) {
        return;
    }
    data = json_dict();
    json_set(data, "status", json_string(s->status));
    if (!strcmp(s->status, "completed") && mig_cap(CAP_NETPASS)) {
        Json *report = end_report();

        if (report) {
            json_set(data, "netpass", report);
        }
    }
    qapi_emit("MIGRATION", data);
}

/* ---- the thread ---- */
static int64_t deadline_of(int state)
{
    switch (state) {
    case MIG_SETUP:
        return mig_deadline(PARAM_SETUP_DEADLINE);
    case MIG_PREPARING:
        return mig_deadline(PARAM_SWITCHOVER_DEADLINE);
    case MIG_DEVICE:
        return mig_deadline(PARAM_READY_DEADLINE);
    case MIG_HANDOVER:
        return mig_deadline(PARAM_RUN_DEADLINE);
    case MIG_RELEASED:
        return mig_deadline(PARAM_TAIL_DEADLINE);
    case MIG_COMPLETED:
        return mig_deadline(PARAM_TAIL_DEADLINE) +
               (int64_t)MAX(mig_param(PARAM_NETPASS_LINGER), outgoing.tail_more_ms) * NS_PER_MS;
    default:
        return CHANNEL_FOREVER; /* the manager's time, or nothing to wait for */
    }
}

static bool at_rest(int state)
{
    return state == MIG_NONE || state == MIG_FINISHED || state == MIG_SAVED || state == MIG_CANCELLED ||
           state == MIG_FAILED;
}

/* One deadline per visit of a state: whatever is sent meanwhile does not put it off. */
static bool is_late(Outgoing *o) /* under the lock */
{
    if (o->waiting_in != o->machine.state) {
        o->waiting_in = o->machine.state;
        o->deadline_ns = at_rest(o->waiting_in) ? CHANNEL_FOREVER : deadline_of(o->waiting_in);
    }
    return o->deadline_ns != CHANNEL_FOREVER && time_monotonic_ns() >= o->deadline_ns;
}

/* In the same breath: an answer that comes a moment later finds the next state, and is no longer late for this one. */
static void give_up(Outgoing *o) /* under the lock */
{
    const MachineState *s = &outgoing_spec.states[o->machine.state];

    TRACE(mig_error, "late in %s", s->name);
    if (!o->error) {
        o->error = g_strdup_printf("%s: the other side %s in time", o->address->text, s->awaits);
    }
    step(o, o->machine.attempt, EV_LOST, NULL);
}

/* NULL: the attempt is over. */
static Item *next_item(Outgoing *o)
{
    Item *i = NULL;

    g_mutex_lock(&o->lock);
    for (;;) {
        if (is_late(o)) {
            give_up(o);
        }
        if ((i = g_queue_pop_head(&o->items)) || at_rest(o->machine.state)) {
            break;
        }
        if (o->deadline_ns == CHANNEL_FOREVER) {
            g_cond_wait(&o->wake, &o->lock);
        } else {
            g_cond_wait_until(&o->wake, &o->lock, o->deadline_ns / NS_PER_US);
        }
    }
    if (i && i->bytes) {
        queued_bytes -= g_bytes_get_size(i->bytes);
    }
    o->is_at_it = i != NULL;
    g_mutex_unlock(&o->lock);
    return i;
}

/* A write that lasted until the state's deadline: next_item() says what was waited for, if it still is. */
static void report_write(Outgoing *o, GError *take)
{
    bool is_said;

    g_mutex_lock(&o->lock);
    is_said = o->waiting_in == o->machine.state && is_late(o);
    g_mutex_unlock(&o->lock);
    if (is_said) {
        g_error_free(take);
    } else {
        outgoing_post_lost(take);
    }
}

static void write_message(Outgoing *o, GBytes *bytes, int64_t deadline_ns)
{
    GError *err = NULL;
    uint8_t head[12];
    size_t size;
    const uint8_t *data = g_bytes_get_data(bytes, &size);

    if (!o->out || o->out->is_broken) {
        return;
    }
    o->out->until_ns = deadline_ns == CHANNEL_FOREVER ? 0 : deadline_ns;
    memcpy(head, &(uint64_t){GUINT64_TO_BE(o->machine.attempt)}, 8);
    memcpy(head + 8, &(uint32_t){GUINT32_TO_BE(size)}, 4);
    state_put_u8(o->out->small, SECTION_COMMAND);
    state_put_be16(o->out->small, CMD_MESSAGE);
    state_put_be16(o->out->small, sizeof(head));
    state_put(o->out->small, head, sizeof(head));
    state_put(o->out->small, data, size);
    if (!stream_flush(o->out, &err)) {
        report_write(o, err);
    }
    o->out->until_ns = 0;
}

void outgoing_write_messages(Outgoing *o, int64_t deadline_ns)
{
    Item *i;

    for (;;) {
        g_mutex_lock(&o->lock);
        i = g_queue_peek_head(&o->items);
        i = i && i->kind == ITEM_MESSAGE ? g_queue_pop_head(&o->items) : NULL;
        queued_bytes -= i ? g_bytes_get_size(i->bytes) : 0;
        g_mutex_unlock(&o->lock);
        if (!i) {
            return;
        }
        write_message(o, i->bytes, deadline_ns);
        g_bytes_unref(i->bytes);
        g_free(i);
    }
}

static void write_tail_end(Outgoing *o)
{
    GError *err = NULL;

    if (o->out && !stream_command_attempt(o->out, CMD_TAIL_END, o->machine.attempt, &err)) {
        outgoing_post_lost(err);
    }
}

static void check_facts(Outgoing *o)
{
    MachineObserved seen = {runstate_is_running(), o->is_frozen, o->channel != NULL};

    g_mutex_lock(&o->lock);
    if (g_queue_is_empty(&o->items)) { /* else what follows was decided already, but not yet done */
        machine_assert(&o->machine, &seen);
    }
    g_mutex_unlock(&o->lock);
}

static void do_row(Outgoing *o, const MachineRow *row)
{
    int state;

    g_mutex_lock(&o->lock);
    state = row->next == MACHINE_KEEP ? o->published : row->next;
    if (state == MIG_HANDOVER && o->published == MIG_PARKED) {
        state = MIG_PARKED; /* the manager has been told "completed" */
    }
    g_mutex_unlock(&o->lock);
    /* A beginning is told before, an end after; so is a pause, which says that the guest stands still. */
    if (!at_rest(state) && state != MIG_COMPLETED && state != MIG_PARKED && state != MIG_KEPT && state != MIG_UNSURE &&
        state != MIG_PRE_SWITCHOVER) {
        outgoing_emit(state);
        outgoing_act(o, row->action);
    } else {
        outgoing_act(o, row->action);
        outgoing_emit(state);
    }
    g_mutex_lock(&o->lock);
    o->conts -= row->guard == MG_AT_IT;
    g_mutex_unlock(&o->lock);
    check_facts(o);
}

static void thread_end(Outgoing *o)
{
    interrupt_raise(o->interrupt);
    if (o->reader) {
        g_thread_join(o->reader);
        o->reader = NULL;
    }
    ram_send_free(o->ram);
    stream_out_free(o->out);
    channel_free(o->channel);
    address_free(o->address);
    o->ram = NULL;
    o->out = NULL;
    o->channel = NULL;
    o->address = NULL;
    g_mutex_lock(&o->lock);
    o->stats.ended_ns = o->stats.ended_ns ? o->stats.ended_ns : time_monotonic_ns();
    interrupt_free(o->interrupt);
    o->interrupt = NULL;
    o->is_running = false;
    g_cond_broadcast(&o->wake);
    g_mutex_unlock(&o->lock);
}

static void *migration_thread(void *opaque)
{
    Outgoing *o = opaque;

    for (;;) {
        Item *i = next_item(o);

        if (!i) {
            break;
        }
        if (i->kind == ITEM_ROW) {
            do_row(o, i->row);
        } else if (i->kind == ITEM_MESSAGE) {
            write_message(o, i->bytes, o->deadline_ns);
        } else {
            write_tail_end(o);
        }
        if (i->bytes) {
            g_bytes_unref(i->bytes);
        }
        g_free(i);
    }
    thread_end(o);
    return NULL;
}

/* ---- from the main loop ---- */
/* An end that was told is an end: the thread may still tidy up, and outgoing_start() waits for that. */
bool outgoing_is_under_way(void)
{
    Outgoing *o = &outgoing;
    bool is;

    g_mutex_lock(&o->lock);
    is = o->is_running && !(at_rest(o->machine.state) && o->published == o->machine.state && !o->conts);
    g_mutex_unlock(&o->lock);
    return is;
}

int outgoing_state(void)
{
    int state;

    g_mutex_lock(&outgoing.lock);
    state = outgoing.machine.state;
    g_mutex_unlock(&outgoing.lock);
    return state;
}

bool outgoing_may_start(GError **errp)
{
    int state = outgoing_state();

    if (outgoing_is_under_way()) {
        return fail(errp, "a migration is under way");
    }
    if (state == MIG_FINISHED || state == MIG_RELEASED) {
        return fail(errp, "the guest has been handed over");
    }
    return !outgoing.is_frozen || fail(errp, "the guest is stopped since the last migration: 'cont' has to come first");
}

void outgoing_wait_thread(void)
{
    if (outgoing.thread) {
        g_thread_join(outgoing.thread);
        outgoing.thread = NULL;
    }
}

bool outgoing_start(Address *take, GError **errp)
{
    Outgoing *o = &outgoing;
    g_autofree char *why = NULL;

    if (!outgoing_may_start(errp)) {
        address_free(take);
        return false;
    }
    outgoing_wait_thread();
    if (!(o->interrupt = interrupt_new(errp))) {
        address_free(take);
        return false;
    }
    g_free(o->error);
    o->error = NULL;
    o->stats = (OutStats){.began_ns = time_monotonic_ns()};
    o->machine.attempt = (uint64_t)g_random_int() << 32 | g_random_int() | 1;
    o->address = take;
    o->is_one_way = take->kind == ADDRESS_EXEC || take->kind == ADDRESS_FILE;
    o->force = o->tail_counting = o->is_warming = o->stays_stopped = o->has_left = false;
    o->waiting_in = -1;
    o->is_running = o->is_at_it = true;
    outgoing_forget_peer(o);
    why = outgoing_step(0, EV_MIGRATE, NULL, NULL);
    g_assert(!why);
    o->thread = g_thread_new("migration", migration_thread, o);
    return true;
}

bool outgoing_send_message(const char *part, const void *data, size_t size)
{
    GByteArray *b;
    uint8_t length = strlen(part);
    bool ok;

    g_mutex_lock(&outgoing.lock);
    ok = outgoing.has_peer && queued_bytes + size < QUEUE_BYTES_MAX;
    if (ok) {
        b = g_byte_array_sized_new(size + 256);
        g_byte_array_append(b, &length, 1);
        g_byte_array_append(b, (const uint8_t *)part, length);
        g_byte_array_append(b, data, size);
        queued_bytes += b->len;
        push(ITEM_MESSAGE, NULL, g_byte_array_free_to_bytes(b));
    }
    g_mutex_unlock(&outgoing.lock);
    return ok;
}

void outgoing_tail_done(void)
{
    g_mutex_lock(&outgoing.lock);
    if (outgoing.tails_left && !--outgoing.tails_left && outgoing.tail_counting) {
        push(ITEM_TAIL_END, NULL, NULL);
    }
    g_mutex_unlock(&outgoing.lock);
}
