/* system/handoff.c - the registry of parts, state tables and blockers.  Guarded by: vm_lock.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "system/handoff.h"

#include "util/error.h"

#include <string.h>

/* ---- parts ---- */
static GPtrArray *parts; /* of HandoffPart, by order */
static const HandoffEngine *engine;

void handoff_register(HandoffPart *p)
{
    unsigned at = 0;

    if (!parts) {
        parts = g_ptr_array_new();
    }
    g_assert(!handoff_find(p->name));
    while (at < parts->len && ((HandoffPart *)parts->pdata[at])->order <= p->order) {
        at++;
    }
    g_ptr_array_insert(parts, at, p);
}

void handoff_unregister(HandoffPart *p)
{
    if (parts) {
        g_ptr_array_remove(parts, p);
    }
}

HandoffPart *handoff_find(const char *name)
{
    for (unsigned i = 0; parts && i < parts->len; i++) {
        HandoffPart *p = parts->pdata[i];

        if (!strcmp(p->name, name)) {
            return p;
        }
    }
    return NULL;
}

static bool is_wanted(HandoffPart *p)
{
    return !p->wanted || p->wanted(p);
}

bool handoff_foreach(HandoffFn *fn, void *opaque)
{
    for (unsigned i = 0; parts && i < parts->len; i++) {
        if (is_wanted(parts->pdata[i]) && !fn(parts->pdata[i], opaque)) {
            return false;
        }
    }
    return true;
}

void handoff_foreach_registered(HandoffFn *fn, void *opaque)
{
    for (unsigned i = 0; parts && i < parts->len; i++) {
        fn(parts->pdata[i], opaque);
    }
}

bool handoff_foreach_reverse(HandoffFn *fn, void *opaque)
{
    for (unsigned i = parts ? parts->len : 0; i > 0; i--) {
        if (is_wanted(parts->pdata[i - 1]) && !fn(parts->pdata[i - 1], opaque)) {
            return false;
        }
    }
    return true;
}

/* ---- what the engine offers ---- */
void handoff_set_engine(const HandoffEngine *e)
{
    engine = e;
}

bool handoff_send(HandoffPart *p, const void *data, size_t size)
{
    g_assert(size <= HANDOFF_MESSAGE_MAX);
    return engine && engine->send(p, data, size);
}

void handoff_tail_done(HandoffPart *p)
{
    if (engine) {
        engine->tail_done(p);
    }
}

bool handoff_is_wanted(void)
{
    return !engine || !engine->is_wanted || engine->is_wanted();
}

bool handoff_is_one_way(void)
{
    return engine && engine->is_one_way && engine->is_one_way();
}

bool handoff_capability(const char *name)
{
    return engine && engine->capability(name);
}

uint64_t handoff_parameter(const char *name, uint64_t otherwise)
{
    return engine ? engine->parameter(name) : otherwise;
}

/* ---- state tables ---- */
static GPtrArray *states[VMSTATE_SAVE__MAX]; /* of StateEntry */

const StateEntry *state_find(const char *id, uint32_t instance)
{
    for (unsigned phase = 0; phase < VMSTATE_SAVE__MAX; phase++) {
        for (unsigned i = 0; i < state_count(phase); i++) {
            StateEntry *e = states[phase]->pdata[i];

            if (e->instance == instance && !strcmp(e->id, id)) {
                return e;
            }
        }
    }
    return NULL;
}

void state_register(const char *id, const VMStateDescription *state, void *object)
{
    StateEntry *e = g_new0(StateEntry, 1);

    e->id = g_strdup(id ? id : state->name);
    g_assert(strlen(e->id) <= 127);
    e->state = state;
    e->object = object;
    while (state_find(e->id, e->instance)) {
        e->instance++;
    }
    if (!states[state->phase]) {
        states[state->phase] = g_ptr_array_new();
    }
    g_ptr_array_add(states[state->phase], e);
}

void state_unregister(const VMStateDescription *state, void *object)
{
    for (unsigned i = 0; i < state_count(state->phase); i++) {
        StateEntry *e = states[state->phase]->pdata[i];

        if (e->state == state && e->object == object) {
            g_ptr_array_remove_index(states[state->phase], i);
            g_free(e->id);
            g_free(e);
            return;
        }
    }
}

unsigned state_count(VMStateSavePhase phase)
{
    return states[phase] ? states[phase]->len : 0;
}

const StateEntry *state_entry(VMStateSavePhase phase, unsigned i)
{
    return i < state_count(phase) ? states[phase]->pdata[i] : NULL;
}

/* ---- blockers ---- */
struct HandoffBlocker {
    char *reason;
};

static GPtrArray *blockers; /* of HandoffBlocker */
static bool only_migratable;

HandoffBlocker *handoff_block(const char *reason, GError **errp)
{
    HandoffBlocker *b;

    if (only_migratable) {
        fail(errp, "not allowed with -only-migratable: %s", reason);
        return NULL;
    }
    if (!blockers) {
        blockers = g_ptr_array_new();
    }
    b = g_new0(HandoffBlocker, 1);
    b->reason = g_strdup(reason);
    g_ptr_array_add(blockers, b);
    return b;
}

void handoff_unblock(HandoffBlocker *b)
{
    if (b) {
        g_ptr_array_remove(blockers, b);
        g_free(b->reason);
        g_free(b);
    }
}

const char *handoff_blocked(unsigned i)
{
    return blockers && i < blockers->len ? ((HandoffBlocker *)blockers->pdata[i])->reason : NULL;
}

void handoff_set_only_migratable(bool on)
{
    only_migratable = on;
}
