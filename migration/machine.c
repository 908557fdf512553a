/* migration/machine.c - stepping a state table.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What always holds:
 *  1. At every moment at most one side may run the guest.  Ownership passes with RUN (or RELEASE),
 * back only with GIVE_BACK.
 *  2. RUN is sent only after READY; READY is sent only when everything that can fail has been done.
 *  3. From freeze to RUN no hart runs and no device touches guest memory.
 *  4. Until RUN the source can thaw without asking anybody.  After RUN it never resumes by itself:
 * GIVE_BACK, proof of the other's death, or an explicit force.
 *  5. Whatever the guest can see is in RAM, in a state table, on disk or in a cache; there is no
 * fifth place.
 *  6. A page is read for sending only after its bit was taken and all harts acknowledged.
 *  7. A packet received by the source after freeze is in the cache once, numbered; the destination
 * injects in order, before live traffic.
 *  8. Source disk writes are complete and flushed before RUN; the destination opens for writing
 * after RUN.
 *  9. The RARP leaves when the harts start, never from a parked destination; the backlog is in
 * before.
 * 10. A failure of any part before RUN stops the handoff; after RUN it is reported and never
 * hidden. The tables are outgoing-machine.c and incoming-machine.c; tests/unit/migration/ searches
 * both together. */
#include "migration/machine.h"

#include "util/log.h"

bool machine_row_from(const MachineRow *row, int state)
{
    for (const int8_t *s = row->from; *s >= 0; s++) {
        if (*s == state) {
            return true;
        }
    }
    return false;
}

static const MachineRow *find_row(const Machine *m, int event)
{
    for (int i = 0; i < m->spec->row_count; i++) {
        const MachineRow *row = &m->spec->rows[i];

        if (row->event == event && machine_row_from(row, m->state) &&
            (!row->guard || m->guard(m->opaque, row->guard))) {
            return row;
        }
    }
    return NULL;
}

static void refuse(const Machine *m, int event, char **ret_error)
{
    TRACE(mig_drop, "%s: %s in %s", m->spec->name, m->spec->events[event], machine_state_name(m));
    if (ret_error) {
        *ret_error = m->spec->commands & 1u << event
                         ? g_strdup_printf("'%s' is not possible in migration state '%s'",
                                           m->spec->events[event], machine_state_name(m))
                         : NULL;
    }
}

const MachineRow *machine_step(Machine *m, uint64_t attempt, int event, char **ret_error)
{
    const MachineSpec *spec = m->spec;
    const MachineRow *row;
    int before = m->state;

    g_assert(event >= 0 && event < spec->event_count);
    if (attempt != m->attempt) {
        TRACE(mig_stale, "%s: %s of attempt %016lx", spec->name, spec->events[event],
              (unsigned long)attempt);
        if (ret_error) {
            *ret_error = NULL;
        }
        return NULL;
    }
    row = find_row(m, event);
    if (!row) {
        refuse(m, event, ret_error);
        return NULL;
    }
    if (row->next != MACHINE_KEEP) {
        m->state = row->next;
    }
    TRACE(mig_step, "%s: %s + %s -> %s (%s)", spec->name, spec->states[before].name,
          spec->events[event], machine_state_name(m), spec->actions[row->action].name);
    return row;
}

const char *machine_state_name(const Machine *m)
{
    return m->spec->states[m->state].name;
}

const char *machine_status(const Machine *m)
{
    return m->spec->states[m->state].status;
}

static void assert_fact(const Machine *m, const char *what, Fact fact, bool seen)
{
    if (fact != FACT_ANY && (fact == FACT_YES) != seen) {
        g_error("%s: state '%s' with %s = %d", m->spec->name, machine_state_name(m), what, seen);
    }
}

void machine_assert(const Machine *m, const MachineObserved *seen)
{
    const MachineState *s = &m->spec->states[m->state];

    if (s->may_run == FACT_NO) {
        assert_fact(m, "runs", FACT_NO, seen->runs);
    }
    assert_fact(m, "frozen", s->is_frozen, seen->is_frozen);
    assert_fact(m, "channel", s->channel, seen->has_channel);
}

const char *machine_effect_name(int effect)
{
    static const char *const names[FX__MAX] = {
        [FX_CONNECT] = "connect",   [FX_HANG_UP] = "hang up",     [FX_SEND] = "send",         [FX_TAIL] = "tail",
        [FX_PAGES] = "pages",       [FX_FREEZE] = "freeze",       [FX_DRAIN] = "drain",       [FX_SAVE] = "save",
        [FX_PARKED] = "parked",     [FX_RUN_SENT] = "run_sent",   [FX_RELEASED] = "released", [FX_LOST] = "lost",
        [FX_THAW] = "thaw",         [FX_TAKE_BACK] = "take back", [FX_LOAD] = "load",         [FX_ACTIVATE] = "activate",
        [FX_STARTING] = "starting", [FX_STARTED] = "started",     [FX_GIVE_BACK] = "give_back",
        [FX_ABANDON] = "abandon",   [FX_START] = "start",         [FX_RESUME] = "resume",     [FX_LEAVE] = "leave",
        [FX_LAST] = "last",         [FX_BEGIN] = "begin",       [FX_STAND] = "stand",
    };

    return names[effect];
}

void machine_begin(MachineProgress *p, const MachineAction *a)
{
    *p = (MachineProgress){a, 0, false};
}

static int step_at(const MachineProgress *p)
{
    return p->action->does ? p->action->does[p->at] : -1;
}

void machine_did(MachineProgress *p, int effect)
{
    if (step_at(p) != effect) {
        g_error("action '%s': '%s' is done out of its place", p->action->name, machine_effect_name(effect));
    }
    p->at++;
}

void machine_end(const MachineProgress *p)
{
    if (!p->has_failed && step_at(p) >= 0) {
        g_error("action '%s': '%s' was not done", p->action->name, machine_effect_name(step_at(p)));
    }
}

char *machine_print(const MachineSpec *spec)
{
    GString *out = g_string_new(NULL);

    for (int i = 0; i < spec->row_count; i++) {
        const MachineRow *row = &spec->rows[i];

        g_string_append_printf(out, "%d | ", i + 1);
        for (const int8_t *s = row->from; *s >= 0; s++) {
            g_string_append_printf(out, "%s%s", s == row->from ? "" : ", ", spec->states[*s].name);
        }
        g_string_append_printf(out, " | %s | %s | %s | %s\n", spec->events[row->event],
                               row->guard ? spec->guards[row->guard] : "",
                               spec->actions[row->action].name,
                               row->next == MACHINE_KEEP ? "(same)" : spec->states[row->next].name);
    }
    return g_string_free(out, FALSE);
}
