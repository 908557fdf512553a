/* tests/unit/migration/promises.c - what each of the two tables has to keep by itself.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "model.h"

#include <string.h>

static const MachineRow *row_of(const MachineSpec *spec, int state, int event)
{
    for (int r = 0; r < spec->row_count; r++) {
        if (spec->rows[r].event == event && machine_row_from(&spec->rows[r], state)) {
            return &spec->rows[r];
        }
    }
    return NULL;
}

static char *each_state_of(const MachineSpec *spec)
{
    uint32_t reached = 1, before;

    do {
        before = reached;
        for (int r = 0; r < spec->row_count; r++) {
            for (const int8_t *s = spec->rows[r].from; *s >= 0; s++) {
                if (reached & 1u << *s && spec->rows[r].next >= 0) {
                    reached |= 1u << spec->rows[r].next;
                }
            }
        }
    } while (reached != before);
    for (int s = 0; s < spec->state_count; s++) {
        if (!(reached & 1u << s)) {
            return g_strdup_printf("%s: '%s' is not reached", spec->name, spec->states[s].name);
        }
    }
    return NULL;
}

static char *each_state_is_reached(const ModelTables *t)
{
    char *broken = each_state_of(&t->out);

    return broken ? broken : each_state_of(&t->in);
}

static char *missing(const MachineSpec *spec, int state, int event)
{
    return row_of(spec, state, event) ? NULL
                                      : g_strdup_printf("%s: no row for %s in '%s'", spec->name, spec->events[event],
                                                        spec->states[state].name);
}

static char *loss_has_rows(const ModelTables *t)
{
    char *broken = NULL;

    for (int s = 0; s < t->out.state_count && !broken; s++) {
        if (t->out.states[s].channel == FACT_YES || t->out.states[s].awaits) {
            broken = missing(&t->out, s, EV_LOST);
            broken = broken ? broken : missing(&t->out, s, EV_ERROR);
        }
    }
    for (int s = 0; s < t->in.state_count && !broken; s++) {
        if (t->in.states[s].channel == FACT_YES) {
            broken = missing(&t->in, s, IEV_LOST);
            broken = broken ? broken : missing(&t->in, s, IEV_ERROR);
        }
    }
    return broken;
}

static char *shadowed_in(const MachineSpec *spec)
{
    for (int a = 0; a < spec->row_count; a++) {
        for (int b = a + 1; b < spec->row_count; b++) {
            const MachineRow *x = &spec->rows[a], *y = &spec->rows[b];

            for (const int8_t *s = y->from; *s >= 0; s++) {
                if (x->event == y->event && machine_row_from(x, *s) && (!x->guard || x->guard == y->guard)) {
                    return g_strdup_printf("%s: row %d is shadowed by row %d", spec->name, b + 1, a + 1);
                }
            }
        }
    }
    return NULL;
}

static char *no_row_is_shadowed(const ModelTables *t)
{
    char *broken = shadowed_in(&t->out);

    return broken ? broken : shadowed_in(&t->in);
}

static char *run_only_after_ready(const ModelTables *t)
{
    for (int r = 0; r < t->out.row_count; r++) {
        const MachineRow *row = &t->out.rows[r];
        const char *sends = t->out.actions[row->action].sends;

        if (sends && !strcmp(sends, "RUN") && ((row->event != EV_READY && row->event != EV_ASK) || row->next != MIG_HANDOVER)) {
            return g_strdup_printf("outgoing: row %d sends RUN", r + 1);
        }
    }
    return NULL;
}

/* A command is possible where its story makes sense: by what the states say of themselves. */
static bool may_be_commanded(const MachineState *s, int event)
{
    bool is_ours = s->owner == OWNER_SOURCE, is_over = s->channel == FACT_NO && s->is_frozen != FACT_YES;

    switch (event) {
    case EV_MIGRATE:
        return is_ours && is_over;
    case EV_CANCEL:
    case EV_QUIT:
        return is_ours && s->channel != FACT_NO && strcmp(s->status, "cancelling");
    case EV_CONT:
        return is_ours && (s->is_frozen == FACT_NO || is_over);
    }
    return false;
}

static char *commands_are_possible(const ModelTables *t)
{
    static const int commands[] = {EV_MIGRATE, EV_CANCEL, EV_QUIT, EV_CONT};
    char *broken = NULL;

    for (int s = 0; s < t->out.state_count && !broken; s++) {
        for (unsigned i = 0; i < G_N_ELEMENTS(commands) && !broken; i++) {
            if (may_be_commanded(&t->out.states[s], commands[i])) {
                broken = missing(&t->out, s, commands[i]);
            } else if (t->out.states[s].owner != OWNER_SOURCE && commands[i] != EV_CONT &&
                       row_of(&t->out, s, commands[i])) {
                broken = g_strdup_printf("outgoing: %s is possible in '%s'", t->out.events[commands[i]],
                                         t->out.states[s].name);
            }
        }
    }
    for (int s = 0; s < t->in.state_count && !broken; s++) {
        if (t->in.states[s].owner == OWNER_DESTINATION || s == IN_PARKED || s == IN_NONE) {
            broken = missing(&t->in, s, IEV_CONT);
        }
    }
    return broken;
}

/* What management may be told when an event changes the status. */
static const char *const outgoing_words[EV__MAX] = {
    [EV_MIGRATE] = "setup",        [EV_CHANNELS_UP] = "active",       [EV_ROUND_DONE] = "pre-switchover device",
    [EV_CONTINUE] = "device",      [EV_STATE_SENT] = "completed",     [EV_READY] = "",
    [EV_READY_PARKED] = "completed", [EV_ASK] = "device",             [EV_VM_STARTED] = "completed",
    [EV_GIVE_BACK] = "failed",     [EV_TAIL_DONE] = "",               [EV_LOST] = "failed",
    [EV_ERROR] = "failed",         [EV_CANCEL] = "cancelling cancelled", [EV_DRAINED] = "cancelled",
    [EV_CONT] = "cancelled",       [EV_QUIT] = "cancelling",
};
static const char *const incoming_words[IEV__MAX] = {
    [IEV_LISTEN] = "setup", [IEV_HELLO] = "active",     [IEV_DEVICES] = "",      [IEV_LOADED] = "completed",
    [IEV_RUN] = "active",   [IEV_RELEASE] = "active",   [IEV_CANCEL] = "failed", [IEV_CONT] = "active",
    [IEV_STARTED] = "completed", [IEV_REFUSED] = "failed completed", [IEV_TAIL_END] = "", [IEV_LOST] = "failed",
    [IEV_ERROR] = "failed",
};

static bool is_word_of(const char *words, const char *status)
{
    g_auto(GStrv) list = g_strsplit(words, " ", 0);

    return g_strv_contains((const char *const *)list, status);
}

static char *words_of(const MachineSpec *spec, const char *const *words)
{
    for (int r = 0; r < spec->row_count; r++) {
        const MachineRow *row = &spec->rows[r];
        const char *next = row->next == MACHINE_KEEP ? NULL : spec->states[row->next].status;

        for (const int8_t *s = row->from; *s >= 0 && next; s++) {
            bool is_refused = words == incoming_words && row->event == IEV_RUN && *s == IN_PARKED; /* nobody had asked */

            if (strcmp(next, spec->states[*s].status) && !is_refused && words[row->event] &&
                !is_word_of(words[row->event], next)) {
                return g_strdup_printf("%s: after %s in '%s' the manager would hear '%s'", spec->name,
                                       spec->events[row->event], spec->states[*s].name, next);
            }
        }
    }
    return NULL;
}

static char *the_manager_hears_the_right_word(const ModelTables *t)
{
    char *broken = words_of(&t->out, outgoing_words);

    return broken ? broken : words_of(&t->in, incoming_words);
}

const Promise promises[] = {
    {"each_state_is_reached", each_state_is_reached},
    {"states_with_a_channel_have_rows_for_its_loss", loss_has_rows},
    {"no_row_is_shadowed", no_row_is_shadowed},
    {"run_only_after_ready", run_only_after_ready},
    {"commands_are_possible_where_they_make_sense", commands_are_possible},
    {"the_manager_hears_the_right_word", the_manager_hears_the_right_word},
};
const unsigned promise_count = G_N_ELEMENTS(promises);
