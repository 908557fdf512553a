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
        if ((t->out.states[s].channel == FACT_YES || t->out.states[s].awaits) && t->out.states[s].owner != OWNER_UNKNOWN) {
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

/* A command must not depend on anything but the state; unsure asks for proof. */
static char *missing_always(const MachineSpec *spec, int state, int event)
{
    for (int r = 0; r < spec->row_count; r++) {
        const MachineRow *row = &spec->rows[r];

        if (row->event == event && machine_row_from(row, state) &&
            (!row->guard || spec->states[state].owner == OWNER_UNKNOWN)) {
            return NULL;
        }
    }
    return g_strdup_printf("%s: no row for every %s in '%s'", spec->name, spec->events[event], spec->states[state].name);
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
        return s->owner == OWNER_UNKNOWN || (is_ours && (s->is_frozen == FACT_NO || is_over || !strcmp(s->status, "completed") ||
                                                         !strcmp(s->status, "failed")));
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
                broken = missing_always(&t->out, s, commands[i]);
            } else if (t->out.states[s].owner != OWNER_SOURCE && commands[i] != EV_CONT &&
                       row_of(&t->out, s, commands[i])) {
                broken = g_strdup_printf("outgoing: %s is possible in '%s'", t->out.events[commands[i]],
                                         t->out.states[s].name);
            }
        }
    }
    for (int s = 0; s < t->in.state_count && !broken; s++) {
        if (t->in.states[s].owner == OWNER_DESTINATION || s == IN_PARKED || s == IN_ASKED || s == IN_NONE) {
            broken = missing(&t->in, s, IEV_CONT);
        }
    }
    return broken;
}

/* What management may be told after an event; `=`: only if that is what it has been told before. */
static const char *const outgoing_words[EV__MAX] = {
    [EV_MIGRATE] = "setup",          [EV_CHANNELS_UP] = "active", [EV_ROUND_DONE] = "=active pre-switchover device",
    [EV_SWITCHOVER_ACK] = "=active",
    [EV_CONTINUE] = "device",        [EV_STATE_SENT] = "completed", [EV_READY] = "=device",
    [EV_READY_PARKED] = "completed", [EV_ASK] = "device",         [EV_VM_STARTED] = "completed",
    [EV_GIVE_BACK] = "failed",       [EV_TAIL_DONE] = "=completed", [EV_LOST] = "failed",
    [EV_ERROR] = "failed",           [EV_CANCEL] = "cancelling cancelled", [EV_DRAINED] = "cancelled",
    [EV_CONT] = "cancelled =failed", [EV_QUIT] = "cancelling =completed", [EV_DIED] = "=failed",
};
static const char *const incoming_words[IEV__MAX] = {
    [IEV_LISTEN] = "setup",           [IEV_HELLO] = "active",            [IEV_PREPARE] = "=active",
    [IEV_DEVICES] = "=active",
    [IEV_LOADED] = "completed =active", [IEV_RUN] = "active",   [IEV_RELEASE] = "active =completed",
    [IEV_CANCEL] = "failed",          [IEV_CONT] = "active =completed",  [IEV_STARTED] = "completed",
    [IEV_REFUSED] = "failed completed", [IEV_TAIL_END] = "=completed",   [IEV_LOST] = "failed",
    [IEV_ERROR] = "failed",
};

static bool is_word_of(const char *words, const char *before, const char *after)
{
    g_auto(GStrv) list = g_strsplit(words, " ", 0);
    g_autofree char *same = g_strdup_printf("=%s", after);

    return g_strv_contains((const char *const *)list, after) ||
           (!strcmp(before, after) && g_strv_contains((const char *const *)list, same));
}

/* A loss is no failure for who has handed the guest over, or has it. */
static bool is_right_word(const MachineSpec *spec, const char *const *words, int event, int before, int after)
{
    const MachineState *a = &spec->states[before], *b = &spec->states[after];
    bool is_in = words == incoming_words;

    if (a->owner == OWNER_DESTINATION && (is_in ? event == IEV_LOST || event == IEV_ERROR
                                                : event == EV_LOST || event == EV_ERROR)) {
        return !strcmp(a->status, b->status);
    }
    if (is_in && event == IEV_RUN && before == IN_PARKED) {
        return !strcmp(b->status, "failed"); /* nobody had asked */
    }
    if (!is_in && event == EV_CONT && !strcmp(a->status, "failed")) {
        return !strcmp(b->status, "failed"); /* that the guest goes on makes no success of it */
    }
    return is_word_of(words[event], a->status, b->status);
}

static char *words_of(const MachineSpec *spec, const char *const *words)
{
    for (int r = 0; r < spec->row_count; r++) {
        const MachineRow *row = &spec->rows[r];

        for (const int8_t *s = row->from; *s >= 0; s++) {
            int next = row->next == MACHINE_KEEP ? *s : row->next;
            bool is_answer = spec->commands & 1u << row->event && next == *s; /* yes, and no more */

            if (!is_answer && !is_right_word(spec, words, row->event, *s, next)) {
                return g_strdup_printf("%s: after %s in '%s' the manager would hear '%s'", spec->name,
                                       spec->events[row->event], spec->states[*s].name, spec->states[next].status);
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

/* ---- rounds ---- */
static bool only_much(void *opaque, int guard)
{
    return guard == MG_STILL_MUCH;
}

static bool does(const MachineAction *a, int fx)
{
    for (const int8_t *e = a->does; e && *e >= 0; e++) {
        if (*e == fx) {
            return true;
        }
    }
    return false;
}

static char *the_guest_runs_while_much_is_left(const ModelTables *t)
{
    static const struct {
        int state, event, next;
    } steps[] = {{MIG_SETUP, EV_CHANNELS_UP, MIG_ACTIVE},
                 {MIG_ACTIVE, EV_ROUND_DONE, MIG_ACTIVE},
                 {MIG_PREPARING, EV_SWITCHOVER_ACK, MIG_PREPARED},
                 {MIG_PREPARED, EV_ROUND_DONE, MIG_PREPARED}};

    for (unsigned i = 0; i < G_N_ELEMENTS(steps); i++) {
        Machine m = {&t->out, steps[i].state, 0, only_much, NULL};
        const MachineRow *row = machine_step(&m, 0, steps[i].event, NULL);

        if (!row || m.state != steps[i].next || !does(&t->out.actions[row->action], FX_PAGES) ||
            does(&t->out.actions[row->action], FX_FREEZE)) {
            return g_strdup("outgoing: the guest is stopped while much memory is left");
        }
    }
    return NULL;
}

static uint32_t reached_without_ack(const MachineSpec *spec)
{
    uint32_t reached = 1u << MIG_NONE, before;

    do {
        before = reached;
        for (int r = 0; r < spec->row_count; r++) {
            const MachineRow *row = &spec->rows[r];

            for (const int8_t *s = row->from; *s >= 0; s++) {
                if (reached & 1u << *s && row->next >= 0 && row->event != EV_SWITCHOVER_ACK && row->guard != MG_ONE_WAY) {
                    reached |= 1u << row->next;
                }
            }
        }
    } while (reached != before);
    return reached;
}

/* What takes the destination long is over when the guest stops. */
static char *the_guest_is_not_stopped_before_the_destination_is_prepared(const ModelTables *t)
{
    uint32_t reached = reached_without_ack(&t->out);

    for (int r = 0; r < t->out.row_count; r++) {
        const MachineRow *row = &t->out.rows[r];

        for (const int8_t *s = row->from; *s >= 0; s++) {
            bool asks_first = row->guard == MG_ONE_WAY || row->event == EV_SWITCHOVER_ACK;

            if (reached & 1u << *s && !asks_first && does(&t->out.actions[row->action], FX_FREEZE)) {
                return g_strdup_printf("outgoing: %s in '%s' stops the guest", t->out.events[row->event],
                                       t->out.states[*s].name);
            }
        }
    }
    return NULL;
}

/* ---- after RUN ---- */
static char *after_run_only_an_answer_or_proof_brings_the_guest_back(const ModelTables *t)
{
    bool has_proof = false;

    for (int r = 0; r < t->out.row_count; r++) {
        const MachineRow *row = &t->out.rows[r];
        bool is_answer = row->event == EV_GIVE_BACK || row->event == EV_DIED || row->guard == MG_PROOF_OR_FORCE;

        has_proof |= machine_row_from(row, MIG_UNSURE) && row->event == EV_DIED;
        for (const int8_t *s = row->from; *s >= 0; s++) {
            bool is_ours = t->out.states[row->next == MACHINE_KEEP ? *s : row->next].owner == OWNER_SOURCE;

            if ((t->out.states[*s].owner == OWNER_PASSING || t->out.states[*s].owner == OWNER_UNKNOWN) &&
                is_ours != is_answer) {
                return g_strdup_printf("outgoing: %s in '%s'", t->out.events[row->event], t->out.states[*s].name);
            }
        }
    }
    return has_proof ? NULL : g_strdup("outgoing: a proof of the other's death is not used");
}

static char *differs(const MachineSpec *spec, int lost, int error)
{
    for (int s = 0; s < spec->state_count; s++) {
        const MachineRow *a = row_of(spec, s, lost), *b = row_of(spec, s, error);

        if (a && b && (a->next != b->next || a->action != b->action)) {
            return g_strdup_printf("%s: in '%s' an error is not taken as a loss is", spec->name, spec->states[s].name);
        }
    }
    return NULL;
}

static char *an_error_is_taken_as_a_loss_is(const ModelTables *t)
{
    char *broken = differs(&t->out, EV_LOST, EV_ERROR);

    return broken ? broken : differs(&t->in, IEV_LOST, IEV_ERROR);
}

static char *a_cancel_is_taken_as_a_loss_is(const ModelTables *t)
{
    for (int s = 0; s < t->in.state_count; s++) {
        if (t->in.states[s].channel == FACT_YES && !row_of(&t->in, s, IEV_CANCEL)) {
            return missing(&t->in, s, IEV_CANCEL);
        }
    }
    return differs(&t->in, IEV_LOST, IEV_CANCEL);
}

/* ---- messages ---- */
static const struct {
    const char *message;
    int next, or_next;
} said[2][9] = {
    {{"HELLO", MIG_SETUP}, {"PREPARE", MIG_PREPARING}, {"DEVICES", MIG_DEVICE}, {"RUN", MIG_HANDOVER},
     {"CANCEL", MIG_CANCELLED}, {"RELEASE", MIG_RELEASED}, {"TAIL_END", MIG_COMPLETED}},
    {{"CHANNELS_UP", IN_ACTIVE}, {"SWITCHOVER_ACK", MACHINE_KEEP}, {"READY", IN_READY}, {"READY_PARKED", IN_PARKED},
     {"ASK", IN_ASKED}, {"VM_STARTED", IN_RUNNING}, {"GIVE_BACK", IN_REFUSED}, {"ERROR GIVE_BACK", IN_REFUSED},
     {"TAIL_DONE", IN_COMPLETED, IN_OWNED}},
};

static bool may_be_said(int side, const char *message, int next)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(said[side]); i++) {
        if (said[side][i].message && !strcmp(said[side][i].message, message)) {
            return said[side][i].next == next || (said[side][i].or_next && said[side][i].or_next == next);
        }
    }
    return true; /* a message that was changed: the search says what comes of it */
}

static char *each_message_is_said_on_the_way_to_its_state(const ModelTables *t)
{
    const MachineSpec *specs[] = {&t->out, &t->in};

    for (int side = 0; side < 2; side++) {
        for (int r = 0; r < specs[side]->row_count; r++) {
            const MachineRow *row = &specs[side]->rows[r];
            const char *message = specs[side]->actions[row->action].sends;

            if (message && !may_be_said(side, message, row->next)) {
                return g_strdup_printf("%s: row %d says %s", specs[side]->name, r + 1, message);
            }
        }
    }
    return NULL;
}

static char *a_command_that_changes_nothing_does_nothing(const ModelTables *t)
{
    for (int r = 0; r < t->in.row_count; r++) {
        const MachineRow *row = &t->in.rows[r];

        if (t->in.commands & 1u << row->event && row->next == MACHINE_KEEP && row->action) {
            return g_strdup_printf("incoming: row %d does something", r + 1);
        }
    }
    return NULL;
}

/* Its source waits for that, and sends what reaches it until then. */
static char *a_release_is_answered(const ModelTables *t)
{
    for (int r = 0; r < t->in.row_count; r++) {
        const MachineAction *a = &t->in.actions[t->in.rows[r].action];

        if (t->in.rows[r].event == IEV_RELEASE && (!a->sends || strcmp(a->sends, "TAIL_DONE") || !does(a, FX_SEND))) {
            return g_strdup_printf("incoming: row %d does not answer RELEASE", r + 1);
        }
    }
    return NULL;
}

/* It asked because it was told to run the guest; RELEASE is as good as the answer. */
static char *a_cont_is_not_forgotten(const ModelTables *t)
{
    const MachineRow *row = row_of(&t->in, IN_ASKED, IEV_RELEASE);
    const char *posts = row ? t->in.actions[row->action].posts : NULL;

    return posts && !strcmp(posts, "CONT") ? NULL : g_strdup("incoming: RELEASE in 'asked' does not start the guest");
}

static char *a_run_that_nobody_asked_for_is_given_back(const ModelTables *t)
{
    const MachineRow *row = row_of(&t->in, IN_PARKED, IEV_RUN);
    const char *sends = row ? t->in.actions[row->action].sends : NULL;

    return sends && !strcmp(sends, "GIVE_BACK") && row->next == IN_REFUSED ? NULL
                                                                           : g_strdup("incoming: RUN in 'parked' is taken");
}

const Promise promises[] = {
    {"each_state_is_reached", each_state_is_reached},
    {"states_with_a_channel_have_rows_for_its_loss", loss_has_rows},
    {"no_row_is_shadowed", no_row_is_shadowed},
    {"run_only_after_ready", run_only_after_ready},
    {"commands_are_possible_where_they_make_sense", commands_are_possible},
    {"the_manager_hears_the_right_word", the_manager_hears_the_right_word},
    {"the_guest_runs_while_much_is_left", the_guest_runs_while_much_is_left},
    {"the_guest_is_not_stopped_before_the_destination_is_prepared",
     the_guest_is_not_stopped_before_the_destination_is_prepared},
    {"after_run_only_an_answer_or_proof_brings_the_guest_back", after_run_only_an_answer_or_proof_brings_the_guest_back},
    {"a_run_that_nobody_asked_for_is_given_back", a_run_that_nobody_asked_for_is_given_back},
    {"a_release_is_answered", a_release_is_answered},
    {"a_cont_is_not_forgotten", a_cont_is_not_forgotten},
    {"each_message_is_said_on_the_way_to_its_state", each_message_is_said_on_the_way_to_its_state},
    {"a_command_that_changes_nothing_does_nothing", a_command_that_changes_nothing_does_nothing},
    {"a_cancel_is_taken_as_a_loss_is", a_cancel_is_taken_as_a_loss_is},
    {"an_error_is_taken_as_a_loss_is", an_error_is_taken_as_a_loss_is},
};
const unsigned promise_count = G_N_ELEMENTS(promises);
