/* migration/parts.c - calling the participants, and their messages.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "migration/parts.h"

#include "system/vm-lock.h"
#include "util/error.h"
#include "util/loop.h"

#include <string.h>

/* Messages that the main loop has not taken yet; of empty ones the bytes say nothing. */
#define WAITING_BYTES_MAX (64u << 20)
#define WAITING_MESSAGES_MAX 65536u

typedef struct Call {
    HandoffFn *fn;
    GError **errp;
    bool ok, flag, backwards;
    HandoffClaim how;
} Call;

static void run_call(void *opaque)
{
    Call *c = opaque;

    c->ok = c->backwards ? handoff_foreach_reverse(c->fn, c) : handoff_foreach(c->fn, c);
}

static bool call_all(HandoffFn *fn, bool flag, bool backwards, GError **errp)
{
    Call c = {fn, errp, true, flag, backwards};

    loop_call_wait(run_call, &c);
    return c.ok;
}

#define SIMPLE(verb)                                                                                                    \
    static bool one_##verb(HandoffPart *p, void *opaque)                                                                \
    {                                                                                                                   \
        if (p->verb) {                                                                                                  \
            p->verb(p);                                                                                                 \
        }                                                                                                               \
        return true;                                                                                                    \
    }                                                                                                                   \
    void parts_##verb(void)                                                                                             \
    {                                                                                                                   \
        call_all(one_##verb, false, false, NULL);                                                                       \
    }
SIMPLE(freeze)
SIMPLE(parked)
SIMPLE(run_sent)
SIMPLE(leaving)
SIMPLE(lost)
SIMPLE(stayed)
SIMPLE(owned)
SIMPLE(give_back)
SIMPLE(starting)
SIMPLE(started)
SIMPLE(abandon)
SIMPLE(peer_gone)
#undef SIMPLE

#define FALLIBLE(verb)                                                                                                  \
    static bool one_##verb(HandoffPart *p, void *opaque)                                                                \
    {                                                                                                                   \
        return !p->verb || p->verb(p, ((Call *)opaque)->errp);                                                          \
    }                                                                                                                   \
    bool parts_##verb(GError **errp)                                                                                    \
    {                                                                                                                   \
        return call_all(one_##verb, false, false, errp);                                                                \
    }
FALLIBLE(prepare)
FALLIBLE(check)
FALLIBLE(activate)
#undef FALLIBLE

static bool one_take_back(HandoffPart *p, void *opaque)
{
    Call *c = opaque;

    return !p->take_back || p->take_back(p, c->how, c->errp);
}

bool parts_take_back(HandoffClaim how, GError **errp)
{
    Call c = {.fn = one_take_back, .errp = errp, .how = how};

    loop_call_wait(run_call, &c);
    return c.ok;
}

static bool one_released(HandoffPart *p, void *opaque)
{
    if (p->released) {
        p->released(p, ((Call *)opaque)->flag);
    }
    return true;
}

void parts_released(bool is_leaving)
{
    call_all(one_released, is_leaving, false, NULL);
}

static bool one_thaw(HandoffPart *p, void *opaque)
{
    if (p->thaw) {
        p->thaw(p, ((Call *)opaque)->flag);
    }
    return true;
}

void parts_thaw(bool was_after_run)
{
    call_all(one_thaw, was_after_run, true, NULL);
}

static bool one_warm(HandoffPart *p, void *opaque)
{
    if (p->warm) {
        p->warm(p);
    }
    return true;
}

static bool one_warm_wait(HandoffPart *p, void *opaque)
{
    if (p->warm_wait) {
        p->warm_wait(p);
    }
    return true;
}

void parts_warm(void)
{
    handoff_foreach(one_warm, NULL);
}

void parts_warm_wait(void)
{
    handoff_foreach(one_warm_wait, NULL);
}

/* drain blocks, so it runs here, without the lock; the list is fixed while the VM is frozen. */
static bool one_drain(HandoffPart *p, void *opaque)
{
    Call *c = opaque;

    if (p->drain && !p->drain(p, c->errp)) {
        g_prefix_error(c->errp, "finishing '%s': ", p->name);
        return false;
    }
    return true;
}

bool parts_drain(GError **errp)
{
    Call c = {one_drain, errp, true};

    return handoff_foreach(one_drain, &c);
}

static bool one_reach(HandoffPart *p, void *opaque)
{
    return !p->reach || p->reach(p, ((Call *)opaque)->errp);
}

bool parts_reach(GError **errp)
{
    Call c = {one_reach, errp, true};

    return handoff_foreach(one_reach, &c);
}

static bool one_claim(HandoffPart *p, void *opaque)
{
    if (p->claim) {
        p->claim(p, ((Call *)opaque)->how);
    }
    return true;
}

void parts_claim(HandoffClaim how)
{
    Call c = {.how = how};

    handoff_foreach_registered(one_claim, &c);
}

static bool one_gave_back(HandoffPart *p, void *opaque)
{
    if (p->gave_back) {
        p->gave_back(p);
    }
    return true;
}

void parts_gave_back(void)
{
    handoff_foreach_registered(one_gave_back, NULL);
}

static bool one_talking(HandoffPart *p, void *opaque)
{
    *(unsigned *)opaque += p->message && !p->has_no_tail;
    return true;
}

unsigned parts_talking(void)
{
    unsigned n = 0;

    handoff_foreach(one_talking, &n);
    return n;
}

static bool one_tail_ms(HandoffPart *p, void *opaque)
{
    uint64_t *most = opaque;

    *most = MAX(*most, p->tail_ms ? p->tail_ms(p) : 0);
    return true;
}

uint64_t parts_tail_ms(void)
{
    uint64_t most = 0;

    handoff_foreach(one_tail_ms, &most);
    return most;
}

/* ---- messages ---- */
typedef struct Message {
    HandoffPart *part;
    size_t size;
    uint8_t data[];
} Message;

static GMutex mutex; /* leaf: guards the two below */
static GCond room;
static size_t waiting_bytes;
static unsigned waiting_messages;

static void take_message(void *opaque)
{
    Message *m = opaque;
    StateReader r;

    state_reader_init(&r, m->data, m->size, m->part->name);
    m->part->message(m->part, &r);
    g_mutex_lock(&mutex);
    waiting_bytes -= m->size;
    waiting_messages--;
    g_cond_broadcast(&room); /* both sides may wait */
    g_mutex_unlock(&mutex);
    g_free(m);
}

bool parts_deliver(const uint8_t *data, size_t size, GError **errp)
{
    StateReader r;
    char name[256];
    HandoffPart *p;
    Message *m;

    state_reader_init(&r, data, size, "message");
    if (!state_get_str8(&r, name, errp)) {
        return false;
    }
    p = handoff_find(name);
    if (!p || !p->message) {
        return fail(errp, "a message for '%s', which is not here", name);
    }
    m = g_malloc(sizeof(*m) + state_left(&r));
    m->part = p;
    m->size = state_left(&r);
    memcpy(m->data, r.at, m->size);
    g_mutex_lock(&mutex);
    while (waiting_bytes > WAITING_BYTES_MAX || waiting_messages >= WAITING_MESSAGES_MAX) {
        g_cond_wait(&room, &mutex);
    }
    waiting_bytes += m->size;
    waiting_messages++;
    g_mutex_unlock(&mutex);
    loop_call(take_message, m);
    return true;
}

Json *parts_report(const char *name)
{
    HandoffPart *p = handoff_find(name);
    bool is_held = vm_lock_held(); /* query-migrate; else it is the migration's thread, for its last event */
    Json *report;

    if (!is_held) {
        vm_lock();
    }
    report = p && p->report && (!p->wanted || p->wanted(p)) ? p->report(p) : NULL;
    if (!is_held) {
        vm_unlock();
    }
    return report;
}
