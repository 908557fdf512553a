/* tests/unit/migration/mutants.c - every sensible single change of the tables, and what notices it.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "mutants.h"

#include <string.h>

static const MachineSpec *spec_of(const ModelTables *t, int side)
{
    return side ? &t->in : &t->out;
}

/* ---- names ---- */
static char *row_text(const MachineSpec *spec, int r)
{
    const MachineRow *row = &spec->rows[r];
    GString *text = g_string_new(spec->name);

    for (const int8_t *s = row->from; *s >= 0; s++) {
        g_string_append_printf(text, "%s%s", s == row->from ? ": " : ", ", spec->states[*s].name);
    }
    g_string_append_printf(text, " + %s", spec->events[row->event]);
    if (row->guard) {
        g_string_append_printf(text, " (%s)", spec->guards[row->guard]);
    }
    return g_string_free(text, FALSE);
}

static char *row_change(const MachineSpec *spec, const Mutant *m)
{
    const MachineRow *row = &spec->rows[m->at];

    switch (m->kind) {
    case MUTANT_NO_ROW:
        return g_strdup("no such row");
    case MUTANT_NO_FROM:
        return g_strdup_printf("not in %s", spec->states[row->from[m->value]].name);
    case MUTANT_NO_GUARD:
        return g_strdup("always");
    case MUTANT_NEXT:
        return g_strdup_printf("to %s", m->value == MACHINE_KEEP ? "(stays)" : spec->states[m->value].name);
    default:
        return g_strdup_printf("does %s", spec->actions[m->value].name);
    }
}

static char *action_change(const MachineSpec *spec, const Mutant *m)
{
    const MachineAction *a = &spec->actions[m->at];
    g_auto(GStrv) messages = g_strsplit(a->sends ? a->sends : "", " ", 0);

    switch (m->kind) {
    case MUTANT_NO_EFFECT:
        return g_strdup_printf("without %s", machine_effect_name(a->does[m->value]));
    case MUTANT_SWAPPED:
        return g_strdup_printf("%s before %s", machine_effect_name(a->does[m->value + 1]),
                               machine_effect_name(a->does[m->value]));
    case MUTANT_NO_MESSAGE:
        return g_strdup_printf("does not say %s", messages[m->value]);
    default:
        return g_strdup_printf("does not post %s", a->posts ? a->posts : a->posts_one_way);
    }
}

static void add(GArray *all, const ModelTables *t, int side, MutantKind kind, int at, int value)
{
    Mutant m = {side, at, value, kind};
    const MachineSpec *spec = spec_of(t, side);
    bool is_row = kind < MUTANT_NO_EFFECT;
    g_autofree char *what = is_row ? row_text(spec, at) : g_strdup_printf("%s: %s", spec->name, spec->actions[at].name);
    g_autofree char *change = is_row ? row_change(spec, &m) : action_change(spec, &m);

    g_snprintf(m.text, sizeof(m.text), "%s: %s", what, change);
    g_array_append_val(all, m);
}

/* ---- all of them ---- */
static void of_row(GArray *all, const ModelTables *t, int side, int r)
{
    const MachineSpec *spec = spec_of(t, side);
    const MachineRow *row = &spec->rows[r];
    int only = row->from[1] < 0 ? row->from[0] : -2; /* to stay is to go there */

    add(all, t, side, MUTANT_NO_ROW, r, 0);
    for (int i = 0; row->from[1] >= 0 && row->from[i] >= 0; i++) {
        add(all, t, side, MUTANT_NO_FROM, r, i);
    }
    if (row->guard) {
        add(all, t, side, MUTANT_NO_GUARD, r, 0);
    }
    for (int s = only < 0 ? MACHINE_KEEP : 0; s < spec->state_count; s++) {
        if (s != row->next && !(row->next == MACHINE_KEEP && s == only)) {
            add(all, t, side, MUTANT_NEXT, r, s);
        }
    }
    for (int a = 0; a < spec->action_count; a++) {
        if (a != row->action) {
            add(all, t, side, MUTANT_ACTION, r, a);
        }
    }
}

static void of_action(GArray *all, const ModelTables *t, int side, int at)
{
    const MachineAction *a = &spec_of(t, side)->actions[at];
    g_auto(GStrv) messages = g_strsplit(a->sends ? a->sends : "", " ", 0);

    for (int i = 0; a->does && a->does[i] >= 0; i++) {
        add(all, t, side, MUTANT_NO_EFFECT, at, i);
        if (a->does[i + 1] >= 0) {
            add(all, t, side, MUTANT_SWAPPED, at, i);
        }
    }
    for (unsigned i = 0; i < g_strv_length(messages); i++) {
        add(all, t, side, MUTANT_NO_MESSAGE, at, i);
    }
    if (a->posts || a->posts_one_way) {
        add(all, t, side, MUTANT_NO_POST, at, 0);
    }
}

GArray *mutants_of(const ModelTables *t)
{
    GArray *all = g_array_new(FALSE, FALSE, sizeof(Mutant));

    for (int side = 0; side < 2; side++) {
        for (int r = 0; r < spec_of(t, side)->row_count; r++) {
            of_row(all, t, side, r);
        }
        for (int a = 1; a < spec_of(t, side)->action_count; a++) {
            of_action(all, t, side, a);
        }
    }
    return all;
}

/* ---- one of them ---- */
static void take_out(int8_t *to, const int8_t *list, int which)
{
    for (int i = 0; list[i] >= 0; i++) {
        if (i != which) {
            *to++ = list[i];
        }
    }
    *to = -1;
}

static void take_word_out(char *to, const char *words, int which)
{
    g_auto(GStrv) list = g_strsplit(words, " ", 0);

    *to = 0;
    for (int i = 0; list[i]; i++) {
        if (i != which) {
            strcat(strcat(to, *to ? " " : ""), list[i]);
        }
    }
}

static void change_row(MutantTables *ret, MachineSpec *spec, MachineRow *row, const Mutant *m)
{
    switch (m->kind) {
    case MUTANT_NO_ROW:
        memmove(row, row + 1, (spec->row_count - m->at - 1) * sizeof(*row));
        spec->row_count--;
        break;
    case MUTANT_NO_FROM:
        take_out(ret->from, row->from, m->value);
        row->from = ret->from;
        break;
    case MUTANT_NO_GUARD:
        row->guard = 0;
        break;
    case MUTANT_NEXT:
        row->next = m->value;
        break;
    default:
        row->action = m->value;
        break;
    }
}

static void change_action(MutantTables *ret, MachineAction *a, const Mutant *m)
{
    switch (m->kind) {
    case MUTANT_NO_EFFECT:
        take_out(ret->does, a->does, m->value);
        a->does = ret->does;
        break;
    case MUTANT_SWAPPED:
        take_out(ret->does, a->does, -1);
        ret->does[m->value] = a->does[m->value + 1];
        ret->does[m->value + 1] = a->does[m->value];
        a->does = ret->does;
        break;
    case MUTANT_NO_MESSAGE:
        take_word_out(ret->sends, a->sends, m->value);
        a->sends = ret->sends;
        break;
    default:
        a->posts = a->posts_one_way = NULL;
        break;
    }
}

void mutant_make(MutantTables *ret, const ModelTables *t, const Mutant *m)
{
    MachineSpec *spec;

    ret->tables = *t;
    spec = m->side ? &ret->tables.in : &ret->tables.out;
    memcpy(ret->rows, spec->rows, spec->row_count * sizeof(MachineRow));
    memcpy(ret->actions, spec->actions, spec->action_count * sizeof(MachineAction));
    spec->rows = ret->rows;
    spec->actions = ret->actions;
    if (m->kind < MUTANT_NO_EFFECT) {
        change_row(ret, spec, &ret->rows[m->at], m);
    } else {
        change_action(ret, &ret->actions[m->at], m);
    }
}

char *mutant_caught(const ModelTables *t, unsigned *ret_states)
{
    ModelUse used = {0};

    for (unsigned i = 0; i < promise_count; i++) {
        char *broken = promises[i].broken(t);

        if (broken) {
            return broken;
        }
    }
    for (unsigned i = 0; i < model_config_count; i++) {
        ModelResult r = model_search(t, &model_configs[i], false, &used);

        *ret_states += r.states;
        if (r.wrong) {
            return r.wrong;
        }
    }
    return model_unused(t, &used);
}
