/* migration/incoming.c - the receiving side: its machine, its writer, what it does with the guest.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Threads: `incoming` reads the channel (incoming-stream.c) and acts; `incoming-writer` writes what anybody queued, so
 * that the main loop never waits for a socket; `prefault` gets the memory ready meanwhile (incoming-memory.c). */
#include "migration/incoming-private.h"

#include "migration/params.h"
#include "migration/parts.h"
#include "migration/states.h"
#include "qapi/qmp.h"
#include "system/runstate.h"
#include "system/vm-lock.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/log.h"
#include "util/loop.h"

#include <stdatomic.h>
#include <string.h>

#define PREPARE_WAIT_NS (3 * NS_PER_SEC)
#define QUEUE_BYTES_MAX (512u << 20) /* of messages of parts; the answers of the engine itself are few */
#define WRITE_WAIT_NS (30 * NS_PER_SEC)
#define OLD_END_NS (1 * NS_PER_SEC)
#define LOOK_NS (20 * NS_PER_MS) /* between two looks whether the next handoff is still wanted */

Incoming incoming;

static bool guard(void *opaque, int guard)
{
    Incoming *n = opaque;

    switch (guard) {
    case IG_PARKED:
        return n->is_parked || !n->source_ran;
    case IG_ALONE:
        return n->is_alone;
    case IG_ALONE_PARKED:
        return n->is_alone && (n->is_parked || !n->source_ran);
    }
    return false;
}

void incoming_init(void)
{
    g_mutex_init(&incoming.lock);
    g_cond_init(&incoming.wake);
    g_queue_init(&incoming.answers);
    incoming.machine = (Machine){&incoming_spec, IN_NONE, 0, guard, &incoming};
    incoming.listener = -1;
}

int incoming_state(void)
{
    int state;

    g_mutex_lock(&incoming.lock);
    state = incoming.machine.state;
    g_mutex_unlock(&incoming.lock);
    return state;
}

static void emit(const MachineState *before, const MachineState *now)
{
    Json *data;

    if (!strcmp(before->status, now->status) || !mig_cap(CAP_EVENTS)) {
        return;
    }
    data = json_dict();
    json_set(data, "status", json_string(now->status));
    qapi_emit("MIGRATION", data);
}

void incoming_step(int event)
{
    Incoming *n = &incoming;
    const MachineRow *row;
    int before;

    g_mutex_lock(&n->lock);
    before = n->machine.state;
    row = machine_step(&n->machine, n->machine.attempt, event, NULL);
    if (row && row->next == IN_REFUSED) {
        n->had_guest = before == IN_READY || before == IN_PARKED || before == IN_ASKED || before == IN_STARTING;
    }
    g_cond_broadcast(&n->wake);
    g_mutex_unlock(&n->lock);
    if (!row) {
        return;
    }
    if (row->action == IA_ABANDON) {
        incoming_act(n, row->action);
    }
    if (row->next != MACHINE_KEEP) {
        emit(&incoming_spec.states[before], &incoming_spec.states[row->next]);
    }
    if (row->action != IA_ABANDON) {
        incoming_act(n, row->action);
    }
}

void incoming_error(int event, GError *take)
{
    g_mutex_lock(&incoming.lock);
    if (!incoming.error) {
        incoming.error = g_strdup(take->message);
    }
    g_mutex_unlock(&incoming.lock);
    g_error_free(take);
    incoming_step(event);
}

/* ---- answers ---- */
/* false: nobody is there to take it, or `bytes_max` bytes are waiting already. */
static bool push_bounded(Incoming *n, GByteArray *take, size_t bytes_max)
{
    bool ok, was_told;

    g_mutex_lock(&n->lock);
    ok = n->has_peer && n->answer_bytes + take->len <= bytes_max;
    was_told = !n->has_peer || n->is_full;
    n->is_full |= !ok;
    if (ok) {
        n->answer_bytes += take->len;
        g_queue_push_tail(&n->answers, take);
        g_cond_broadcast(&n->wake);
    } else {
        g_byte_array_unref(take);
    }
    g_mutex_unlock(&n->lock);
    if (!ok && !was_told) {
        error_report("incoming migration: %s: the source does not take what it is told: %u MiB of messages wait already",
                     n->address->text, QUEUE_BYTES_MAX >> 20);
    }
    return ok;
}

static void push_answer(Incoming *n, GByteArray *take)
{
    push_bounded(n, take, SIZE_MAX);
}

static GByteArray *new_answer(unsigned number, unsigned size)
{
    GByteArray *b = g_byte_array_new();
    uint8_t head[4];

    store_be16(head, number);
    store_be16(head + 2, size);
    g_byte_array_append(b, head, sizeof(head));
    return b;
}

static void append_be64(GByteArray *b, uint64_t v)
{
    uint8_t raw[8];

    store_be64(raw, v);
    g_byte_array_append(b, raw, sizeof(raw));
}

static void answer(Incoming *n, unsigned number)
{
    GByteArray *b = new_answer(number, 8);

    append_be64(b, n->machine.attempt);
    push_answer(n, b);
}

/* A copy: another thread may have a newer one. */
static char *reason(Incoming *n, const char *otherwise)
{
    char *text;

    g_mutex_lock(&n->lock);
    text = g_strdup(n->error ? n->error : otherwise);
    g_mutex_unlock(&n->lock);
    return text;
}

static void answer_text(Incoming *n, unsigned number)
{
    g_autofree char *text = reason(n, "refused");
    unsigned size = MIN(strlen(text), TEXT_MAX);
    GByteArray *b = new_answer(number, 8 + size);

    append_be64(b, n->machine.attempt);
    g_byte_array_append(b, (const uint8_t *)text, size);
    push_answer(n, b);
}

static void answer_ready(Incoming *n, uint8_t parked)
{
    GByteArray *b = new_answer(RP_READY, 17);

    append_be64(b, n->machine.attempt);
    g_byte_array_append(b, &parked, 1);
    append_be64(b, n->load_ns);
    push_answer(n, b);
}

static void answer_started(Incoming *n)
{
    GByteArray *b = new_answer(RP_VM_STARTED, 34);
    uint8_t version[2];

    store_be16(version, STARTED_VERSION);
    g_byte_array_append(b, version, 2);
    append_be64(b, n->machine.attempt);
    append_be64(b, n->started_ns - n->run_ns);
    append_be64(b, n->started_ns - n->state_ns);
    append_be64(b, n->started_ns);
    push_answer(n, b);
}

static void answer_hello(Incoming *n)
{
    StateWriter *w = state_writer_new();
    const uint8_t *data;
    size_t size;
    GByteArray *b;

    incoming_wait_memory(n);
    hello_answer_put(w, n->machine.attempt);
    data = state_writer_data(w, &size);
    b = new_answer(RP_HELLO, size);
    g_byte_array_append(b, data, size);
    push_answer(n, b);
    state_writer_free(w);
}

/* What came before PREPARE has been loaded, as it is read in order.  Whatever else is to be done before the guest may stop
 * goes on in other threads, and the writer says when it is over: the reader still hears a source that gives up. */
static void prepare(Incoming *n)
{
    incoming_hurry_prefault(n);
    g_mutex_lock(&n->lock);
    n->ack_waits = n->has_peer;
    n->ack_by_ns = time_monotonic_ns() + PREPARE_WAIT_NS;
    g_cond_broadcast(&n->wake);
    g_mutex_unlock(&n->lock);
}

/* Under the lock.  NULL: nothing is to be said now. */
static GByteArray *next_answer(Incoming *n)
{
    GByteArray *b = g_queue_pop_head(&n->answers); /* first what was said before */

    if (b) {
        n->answer_bytes -= b->len;
    } else if (n->ack_waits && (!n->is_prefaulting || time_monotonic_ns() >= n->ack_by_ns)) {
        n->ack_waits = false;
        b = new_answer(RP_SWITCHOVER_ACK, 8);
        append_be64(b, n->machine.attempt);
    }
    return b;
}

static void wait_for_answers(Incoming *n) /* under the lock */
{
    if (n->ack_waits) {
        g_cond_wait_until(&n->wake, &n->lock, n->ack_by_ns / NS_PER_US + 1);
    } else {
        g_cond_wait(&n->wake, &n->lock);
    }
}

static void *writer_thread(void *opaque)
{
    Incoming *n = opaque;
    bool is_broken = false;

    for (;;) {
        GByteArray *b;
        bool ok;

        g_mutex_lock(&n->lock);
        while (!(b = next_answer(n)) && !n->writer_ends) {
            wait_for_answers(n);
        }
        g_mutex_unlock(&n->lock);
        if (!b) {
            return NULL;
        }
        ok = is_broken || channel_write(n->channel, b->data, b->len, time_monotonic_ns() + WRITE_WAIT_NS, NULL);
        g_byte_array_unref(b);
        if (!ok) { /* half of it may have left, so nothing can follow; the source sees the end, the reader decides */
            is_broken = true;
            channel_hang_up(n->channel);
            g_mutex_lock(&n->lock);
            n->has_peer = false;
            g_mutex_unlock(&n->lock);
        }
    }
}

bool incoming_send_message(const char *part, const void *data, size_t size)
{
    uint8_t length = strlen(part), raw[4];
    GByteArray *b = new_answer(RP_MESSAGE, 12);

    append_be64(b, incoming.machine.attempt);
    store_be32(raw, 1 + length + size);
    g_byte_array_append(b, raw, 4);
    g_byte_array_append(b, &length, 1);
    g_byte_array_append(b, (const uint8_t *)part, length);
    g_byte_array_append(b, data, size);
    return push_bounded(&incoming, b, QUEUE_BYTES_MAX);
}

/* ---- the tail ---- */
void incoming_check_tail(void)
{
    bool now;

    g_mutex_lock(&incoming.lock);
    now = incoming.tail_end_came && !incoming.tails_left;
    g_mutex_unlock(&incoming.lock);
    if (now) {
        incoming_step(IEV_TAIL_END);
    }
}

void incoming_tail_done(void)
{
    g_mutex_lock(&incoming.lock);
    if (incoming.tails_left) {
        incoming.tails_left--;
    }
    g_mutex_unlock(&incoming.lock);
    incoming_check_tail();
}

/* ---- running it ---- */
typedef struct Activation {
    GError *err;
    MachineProgress *progress;
} Activation;

static void activate(void *opaque)
{
    Activation *a = opaque;

    if (!parts_activate(&a->err)) {
        a->progress->has_failed = true;
        return;
    }
    machine_did(a->progress, FX_ACTIVATE);
    parts_starting();
    machine_did(a->progress, FX_STARTING);
    vm_start();
    incoming.started_ns = vm_started_ns();
    machine_did(a->progress, FX_START);
    parts_started();
    machine_did(a->progress, FX_STARTED);
}

static void *activate_patiently(void *opaque)
{
    incoming_act(opaque, IA_ACTIVATE);
    return NULL;
}

/* What it needs may take its time, which the main loop does not have. */
static void do_activate(Incoming *n, MachineProgress *p)
{
    Activation a = {NULL, p};

    if (!loop_in_main()) {
        parts_claim(HANDOFF_BACK);
    }
    loop_call_wait(activate, &a);
    if (p->has_failed && loop_in_main()) {
        g_error_free(a.err);
        g_thread_unref(g_thread_new("incoming-cont", activate_patiently, n));
        return;
    }
    if (!p->has_failed) {
        incoming_step(IEV_STARTED);
        return;
    }
    g_mutex_lock(&n->lock);
    g_clear_pointer(&n->error, g_free); /* of a try before, or the end of the connection to who has released it */
    g_mutex_unlock(&n->lock);
    incoming_error(IEV_REFUSED, a.err);
}

/* Asked for by the reader: a `cont` may have been faster. */
static void set_stopped(void *opaque)
{
    RunState s = RUN_STATE_PAUSED;

    if (runstate_get() != RUN_STATE_INMIGRATE) {
        return;
    }
    runstate_from_name(states_loaded_run_state(), &s);
    if (s == RUN_STATE_RUNNING || s == RUN_STATE_FINISH_MIGRATE || s == RUN_STATE_INMIGRATE ||
        s == RUN_STATE_PRELAUNCH || s == RUN_STATE_POSTMIGRATE) {
        s = RUN_STATE_PAUSED;
    }
    runstate_set(s);
}

static void stand(MachineProgress *p)
{
    loop_call_wait(set_stopped, NULL);
    machine_did(p, FX_STAND);
}

static void give_back(Incoming *n, MachineProgress *p)
{
    g_autofree char *why = reason(n, "the source sent RUN, and nobody had asked for it"); /* but for a disk that does not open */

    g_mutex_lock(&n->lock);
    if (!n->error) {
        n->error = g_strdup(why);
    }
    g_mutex_unlock(&n->lock);
    parts_give_back();
    if (!loop_in_main()) {
        parts_gave_back();
    }
    machine_did(p, FX_GIVE_BACK);
    answer_text(n, RP_GIVE_BACK);
    machine_did(p, FX_SEND);
    error_report("incoming migration: the guest was given back: %s", why);
}

static void abandon(Incoming *n, MachineProgress *p)
{
    g_autofree char *why = reason(n, "cancelled by the source");

    answer_text(n, RP_ERROR);
    answer_text(n, RP_GIVE_BACK);
    machine_did(p, FX_SEND);
    parts_abandon();
    machine_did(p, FX_ABANDON);
    error_report("incoming migration: %s", why);
    n->exit_wanted = n->exit_on_error && !n->had_guest;
}

static void say(Incoming *n, int action, MachineProgress *p)
{
    switch ((InAction)action) {
    case IA_ANSWER_HELLO:
        answer_hello(n);
        break;
    case IA_SEND_READY:
    case IA_SEND_READY_PARKED:
        answer_ready(n, action == IA_SEND_READY_PARKED);
        break;
    case IA_SEND_ASK:
        answer(n, RP_ASK);
        break;
    case IA_SEND_STARTED:
        answer_started(n);
        break;
    default:
        answer(n, RP_TAIL_DONE);
        break;
    }
    machine_did(p, FX_SEND);
}

static void act(Incoming *n, int action, MachineProgress *p)
{
    switch ((InAction)action) {
    case IA_NOTHING:
        break;
    case IA_PREPARE:
        prepare(n);
        machine_did(p, FX_SEND); /* by the writer, in time */
        break;
    case IA_LOAD:
        machine_did(p, FX_LOAD); /* incoming-stream.c is at it */
        break;
    case IA_SEND_READY_PARKED:
        stand(p);
        say(n, action, p);
        break;
    case IA_ANSWER_HELLO:
    case IA_SEND_READY:
    case IA_SEND_ASK:
    case IA_SEND_STARTED:
    case IA_SEND_TAIL_DONE:
        say(n, action, p);
        break;
    case IA_ACTIVATE:
        do_activate(n, p);
        break;
    case IA_OWN_AND_START:
        say(n, action, p);
        incoming_step(IEV_CONT);
        break;
    case IA_TAKE:
        stand(p);
        break;
    case IA_SEND_GIVE_BACK:
        give_back(n, p);
        break;
    case IA_REPORT: {
        g_autofree char *why = reason(n, "refused");

        error_report("the guest cannot start: %s", why);
        stand(p);
        break;
    }
    case IA_ABANDON:
        abandon(n, p);
        break;
    case IA__MAX:
        g_assert_not_reached();
    }
}

void incoming_act(Incoming *n, int action)
{
    MachineProgress p;

    TRACE(mig_in_act, "%s", incoming_spec.actions[action].name);
    machine_begin(&p, &incoming_spec.actions[action]);
    act(n, action, &p);
    machine_end(&p);
}

/* ---- life ---- */
void incoming_expect(bool is_parked)
{
    incoming.is_parked = is_parked;
    incoming.is_expected = true;
    runstate_set(RUN_STATE_INMIGRATE);
}

bool incoming_is_expected(void)
{
    return incoming.is_expected && incoming_state() == IN_NONE;
}

bool incoming_start(Address *take, bool exit_on_error, GError **errp)
{
    Incoming *n = &incoming;

    if (!incoming_is_expected()) {
        address_free(take);
        return fail(errp, n->is_expected ? "the incoming migration has already been started"
                                         : "'-incoming' was not specified on the command line");
    }
    if (!n->interrupt && !(n->interrupt = interrupt_new(errp))) {
        address_free(take);
        return false;
    }
    if (take->kind == ADDRESS_TCP || take->kind == ADDRESS_UNIX) {
        n->listener = channel_listen(take, &n->actual, errp);
        if (n->listener < 0) {
            address_free(take);
            return false;
        }
    }
    n->address = take;
    n->exit_on_error = exit_on_error;
    n->began_ns = time_monotonic_ns();
    incoming_step(IEV_LISTEN);
    incoming_start_prefault(n);
    g_thread_unref(g_thread_new("incoming", incoming_thread, n)); /* the program may end before it */
    return true;
}

void incoming_start_writer(Incoming *n)
{
    n->has_peer = channel_is_socket(n->channel);
    n->is_alone = !n->has_peer;
    if (n->has_peer) {
        n->writer = g_thread_new("incoming-writer", writer_thread, n);
    }
}

/* All answers that are queued go out; then the writer is gone. */
void incoming_end_writer(Incoming *n)
{
    g_mutex_lock(&n->lock);
    n->has_peer = false;
    n->writer_ends = true;
    g_cond_broadcast(&n->wake);
    g_mutex_unlock(&n->lock);
    if (n->writer) {
        g_thread_join(n->writer);
        n->writer = NULL;
    }
}

static const char *refusal(int state)
{
    switch (state) {
    case IN_LISTENING:
    case IN_ACTIVE:
    case IN_LOADING:
        return "the guest's state has not arrived yet";
    case IN_READY:
        return "the source still owns the guest";
    default:
        return incoming.had_guest ? "the guest belongs to its source, where 'cont' takes it up; here it can never run any "
                                    "more, and only 'quit' is left"
                                  : "the guest's state did not arrive";
    }
}

bool incoming_cont(GError **errp, bool *ret_handled)
{
    Incoming *n = &incoming;
    g_autofree char *why = NULL;
    int state;

    g_mutex_lock(&n->lock);
    state = n->machine.state;
    why = state == IN_REFUSED ? g_strdup(n->error) : NULL;
    g_mutex_unlock(&n->lock);
    switch (state) {
    case IN_NONE:
        return !n->is_expected || fail(errp, "the guest's state has not arrived yet");
    case IN_RUNNING:
    case IN_COMPLETED:
        return true;
    case IN_PARKED:
    case IN_ASKED:
    case IN_STARTING:
    case IN_OWNED:
        *ret_handled = !n->started_ns; /* else RESUME was said, and only our thread does not know yet */
        incoming_step(IEV_CONT);
        return true;
    default:
        return why ? fail(errp, "%s: %s", refusal(state), why) : fail(errp, "%s", refusal(state));
    }
}

bool incoming_stop(GError **errp)
{
    Incoming *n = &incoming;
    int state;

    g_mutex_lock(&n->lock);
    state = n->machine.state;
    n->is_parked |= state <= IN_LOADING;
    g_mutex_unlock(&n->lock);
    return (state != IN_READY && state != IN_ASKED && (state != IN_STARTING || n->started_ns)) ||
           fail(errp, "the guest has arrived and is just about to run, or to be refused");
}

/* What is loaded here may be changed while it waits for its `cont`; what was given back is the source's. */
bool incoming_may_change(GError **errp)
{
    return incoming_state() != IN_REFUSED || fail(errp, "%s", refusal(IN_REFUSED));
}

bool incoming_has_guest(GError **errp)
{
    const Incoming *n = &incoming;
    int state = incoming_state();

    switch (state) {
    case IN_NONE:
    case IN_RUNNING:
    case IN_COMPLETED:
        return true;
    case IN_PARKED:
    case IN_ASKED:
        return fail(errp, "the source still owns the guest; 'cont' asks for it");
    case IN_STARTING:
        return n->started_ns || fail(errp, "the guest that has arrived is just being started");
    case IN_OWNED:
        return fail(errp, "the guest that has arrived was never started: 'cont' has to come first");
    default:
        return fail(errp, "%s", refusal(state));
    }
}

/* A source that has released the guest still sends its last packets. */
static bool has_gone(Incoming *n)
{
    bool has;

    g_mutex_lock(&n->lock);
    has = n->is_alone && !n->has_peer;
    g_mutex_unlock(&n->lock);
    return has;
}

bool incoming_has_source(void)
{
    int s = incoming_state();

    return s != IN_NONE && s != IN_COMPLETED && !has_gone(&incoming);
}

/* Under the lock: the guest is here, but not all of it, or the old connection has not ended. */
static bool is_ending(const Incoming *n)
{
    return (n->machine.state == IN_STARTING || n->machine.state == IN_RUNNING || n->machine.state == IN_COMPLETED) && !n->is_closed;
}

/* The old connection, too: its end is told to the parts, which would take it for that of the next.  A source that has said
 * all and does not hang up is not waited for. */
bool incoming_wait_finished(const Interrupt *unwanted, int64_t deadline_ns, GError **errp)
{
    Incoming *n = &incoming;
    int64_t now = time_monotonic_ns(), patience = now + OLD_END_NS;
    bool ok;

    g_mutex_lock(&n->lock);
    for (; is_ending(n) && now < deadline_ns && !interrupt_raised(unwanted); now = time_monotonic_ns()) {
        if (n->machine.state == IN_COMPLETED && now >= patience && !interrupt_raised(n->interrupt)) {
            interrupt_raise(n->interrupt);
        }
        g_cond_wait_until(&n->wake, &n->lock, (now + LOOK_NS) / NS_PER_US);
    }
    ok = !is_ending(n) && (n->machine.state == IN_NONE || n->machine.state == IN_COMPLETED || n->machine.state == IN_RUNNING);
    g_mutex_unlock(&n->lock);
    return ok || fail(errp, "the guest has not wholly arrived here yet");
}

void incoming_report(Json *info)
{
    Incoming *n = &incoming;

    g_mutex_lock(&n->lock);
    if (n->machine.state != IN_NONE) {
        json_set(info, "status", json_string(machine_status(&n->machine)));
    }
    if (n->error && n->machine.state == IN_REFUSED) {
        json_set(info, "error-desc", json_string(n->error));
    }
    g_mutex_unlock(&n->lock);
    if (n->actual) {
        Json *list = json_list(), *row = json_dict();
        g_autoptr(Address) a = address_parse(n->actual, NULL);

        json_set(row, "type", json_string(n->address->kind == ADDRESS_TCP ? "inet" : "unix"));
        if (a && a->kind == ADDRESS_TCP) {
            json_set(row, "host", json_string(a->host));
            json_set(row, "port", json_string(a->port));
        } else if (a) {
            json_set(row, "path", json_string(a->path));
        }
        json_append(list, row);
        json_set(info, "socket-address", list);
    }
}

void incoming_shutdown(void)
{
    if (incoming.interrupt) {
        interrupt_raise(incoming.interrupt);
    }
}
