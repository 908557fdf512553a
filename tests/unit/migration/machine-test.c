/* tests/unit/migration/machine-test.c - promises of the two state tables.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * `--print` writes both tables: docs/handoff.md has them from there. */
#include "model.h"

#include <stdio.h>
#include <string.h>

static const MachineSpec *const specs[] = {&outgoing_spec, &incoming_spec};

static bool yes(void *opaque, int guard)
{
    return true;
}

static bool random_guard(void *opaque, int guard)
{
    return g_test_rand_bit();
}

/* ---- the tables ---- */
static void test_each_state_is_reached(void)
{
    for (unsigned i = 0; i < 2; i++) {
        const MachineSpec *spec = specs[i];
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
        g_assert_cmphex(reached, ==, (1u << spec->state_count) - 1);
    }
}

static bool has_row(const MachineSpec *spec, int state, int event)
{
    for (int r = 0; r < spec->row_count; r++) {
        if (spec->rows[r].event == event && machine_row_from(&spec->rows[r], state)) {
            return true;
        }
    }
    return false;
}

static void test_states_with_a_channel_have_rows_for_its_loss(void)
{
    for (int s = 0; s < MIG__MAX; s++) {
        bool before_run =
            s == MIG_SETUP || s == MIG_ACTIVE || s == MIG_PRE_SWITCHOVER || s == MIG_DEVICE;

        if (outgoing_spec.states[s].channel == FACT_YES) {
            g_assert_true(has_row(&outgoing_spec, s, EV_LOST));
            g_assert_true(has_row(&outgoing_spec, s, EV_ERROR));
        }
        if (before_run) {
            g_assert_true(has_row(&outgoing_spec, s, EV_CANCEL));
            g_assert_true(has_row(&outgoing_spec, s, EV_QUIT));
        }
    }
    for (int s = 0; s < IN__MAX; s++) {
        if (incoming_spec.states[s].channel == FACT_YES) {
            g_assert_true(has_row(&incoming_spec, s, IEV_LOST));
            g_assert_true(has_row(&incoming_spec, s, IEV_ERROR));
        }
    }
}

static void test_no_row_is_shadowed(void)
{
    for (unsigned i = 0; i < 2; i++) {
        const MachineSpec *spec = specs[i];

        for (int a = 0; a < spec->row_count; a++) {
            for (int b = a + 1; b < spec->row_count; b++) {
                const MachineRow *x = &spec->rows[a], *y = &spec->rows[b];

                for (const int8_t *s = y->from; *s >= 0; s++) {
                    if (x->event == y->event && machine_row_from(x, *s) &&
                        (!x->guard || x->guard == y->guard)) {
                        g_error("%s: row %d is shadowed by row %d", spec->name, b + 1, a + 1);
                    }
                }
            }
        }
    }
}

static void test_run_only_after_ready(void)
{
    for (int r = 0; r < outgoing_spec.row_count; r++) {
        const MachineRow *row = &outgoing_spec.rows[r];

        if (row->action == MA_SEND_RUN) {
            g_assert_true(row->event == EV_READY || row->event == EV_ASK);
            g_assert_cmpint(row->next, ==, MIG_HANDOVER);
        }
        if (machine_row_from(row, MIG_HANDOVER) && row->event != EV_GIVE_BACK) {
            g_assert_true(outgoing_spec.states[row->next].may_run == FACT_NO);
        }
    }
}

static void test_commands_are_answered_and_stale_events_dropped(void)
{
    Machine m = {&outgoing_spec, MIG_HANDOVER, 7, yes, NULL};
    g_autofree char *why = NULL;
    char *none = (char *)"";

    g_assert_null(machine_step(&m, 7, EV_CANCEL, &why));
    g_assert_cmpstr(why, ==, "'CANCEL' is not possible in migration state 'handover'");
    g_assert_null(machine_step(&m, 7, EV_TAIL_DONE, &none));
    g_assert_null(none);
    g_assert_null(machine_step(&m, 6, EV_VM_STARTED, NULL));
    g_assert_cmpint(m.state, ==, MIG_HANDOVER);
    g_assert_nonnull(machine_step(&m, 7, EV_VM_STARTED, NULL));
    g_assert_cmpint(m.state, ==, MIG_COMPLETED);
}

/* ---- random events against what the states promise ---- */
static void outgoing_effect(MachineObserved *seen, int action, int state)
{
    switch (action) {
    case MA_OPEN_CHANNELS:
        seen->has_channel = true;
        break;
    case MA_FREEZE:
    case MA_FREEZE_AND_SEND:
        seen->is_frozen = true;
        break;
    case MA_CANCEL_AND_THAW:
    case MA_THAW:
    case MA_TAKE_BACK:
    case MA_THAW_ALONE:
    case MA_END_ONE_WAY:
        seen->is_frozen = false;
        /* fall through */
    case MA_KEEP:
    case MA_END_TAIL:
        seen->has_channel = false;
        break;
    default:
        break;
    }
    for (const int8_t *e = outgoing_spec.actions[action].does; e && *e >= 0; e++) {
        seen->runs = *e == FX_START || (*e != FX_FREEZE && seen->runs);
    }
}

static void test_random_events_keep_the_facts(void)
{
    Machine m = {&outgoing_spec, MIG_NONE, 0, random_guard, NULL};
    MachineObserved seen = {.runs = true};
    unsigned visited = 0;

    for (unsigned i = 0; i < 100000; i++) {
        const MachineRow *row = machine_step(&m, 0, g_test_rand_int_range(0, EV__MAX), NULL);

        if (row) {
            outgoing_effect(&seen, row->action, m.state);
            machine_assert(&m, &seen);
        }
        visited |= 1u << m.state;
        if (m.state == MIG_FINISHED || m.state == MIG_RELEASED) {
            m.state = MIG_NONE; /* a new process */
            seen = (MachineObserved){.runs = true};
        }
    }
    g_assert_cmpint(__builtin_popcount(visited), >=, MIG__MAX - 5);
}

/* ---- both tables against each other ---- */
typedef struct Seen {
    ModelState state, from;
    char what[80];
} Seen;

static guint state_hash(gconstpointer p)
{
    guint h = 5381;

    for (size_t i = 0; i < sizeof(ModelState); i++) {
        h = h * 33 + ((const uint8_t *)p)[i];
    }
    return h;
}

static gboolean state_equal(gconstpointer a, gconstpointer b)
{
    return !memcmp(a, b, sizeof(ModelState));
}

static void tell_path(GHashTable *seen, const ModelState *at)
{
    const Seen *s = g_hash_table_lookup(seen, at);

    if (s && s->what[0]) {
        tell_path(seen, &s->from);
        g_test_message("  %s -> source %u, destination %u", s->what, s->state.source,
                       s->state.destination);
    }
}

/* All states that can be reached; returns how many are wrong, and tells the way to the first. */
static unsigned search(bool is_parked, const char *bug, unsigned *ret_states, unsigned *ret_stuck)
{
    GHashTable *seen = g_hash_table_new_full(state_hash, state_equal, NULL, g_free);
    GQueue todo = G_QUEUE_INIT;
    Seen *first = g_new0(Seen, 1);
    unsigned wrong = 0;

    first->state = model_start();
    g_hash_table_insert(seen, &first->state, first);
    g_queue_push_tail(&todo, first);
    *ret_stuck = 0;
    while (!g_queue_is_empty(&todo)) {
        Seen *at = g_queue_pop_head(&todo);
        GArray *steps = model_steps(&at->state, is_parked, bug);
        bool moves = at->state.source_runs || at->state.destination_runs || !at->state.is_up;

        for (unsigned i = 0; i < steps->len; i++) {
            const ModelStep *step = &g_array_index(steps, ModelStep, i);
            Seen *next;

            moves |= step->next.is_up && !state_equal(&step->next, &at->state);
            if (g_hash_table_contains(seen, &step->next)) {
                continue;
            }
            next = g_new0(Seen, 1);
            next->state = step->next;
            next->from = at->state;
            g_strlcpy(next->what, step->what, sizeof(next->what));
            g_hash_table_insert(seen, &next->state, next);
            g_queue_push_tail(&todo, next);
            if (model_wrong(&next->state) && !wrong++ && !bug) {
                g_test_message("%s:", model_wrong(&next->state));
                tell_path(seen, &next->state);
            }
        }
        *ret_stuck += !moves;
        g_array_free(steps, TRUE);
    }
    *ret_states = g_hash_table_size(seen);
    g_hash_table_destroy(seen);
    return wrong;
}

static void test_never_two_owners(void)
{
    for (unsigned parked = 0; parked < 2; parked++) {
        unsigned states, stuck, wrong = search(parked, NULL, &states, &stuck);

        g_test_message("%s: %u states, %u wrong, %u stuck", parked ? "parked" : "direct", states,
                       wrong, stuck);
        g_assert_cmpuint(states, >, 100);
        g_assert_cmpuint(wrong, ==, 0);
        g_assert_cmpuint(stuck, ==, 0);
    }
}

static void test_the_search_finds_mistakes(void)
{
    unsigned states, stuck;

    g_assert_cmpuint(search(false, "thaw_after_run", &states, &stuck), >, 0);
    g_assert_cmpuint(search(true, "parked_runs_alone", &states, &stuck), >, 0);
}

static void test_random_walks_over_a_lossy_channel(void)
{
    for (unsigned walk = 0; walk < 2000; walk++) {
        ModelState at = model_start();

        for (unsigned i = 0; i < 60; i++) {
            GArray *steps = model_steps(&at, walk & 1, NULL);

            if (!steps->len) {
                g_array_free(steps, TRUE);
                break;
            }
            at = g_array_index(steps, ModelStep, g_test_rand_int_range(0, steps->len)).next;
            g_array_free(steps, TRUE);
            g_assert_cmpstr(model_wrong(&at), ==, NULL);
        }
    }
}

int main(int argc, char **argv)
{
    if (argc == 2 && !strcmp(argv[1], "--print")) {
        for (unsigned i = 0; i < 2; i++) {
            g_autofree char *text = machine_print(specs[i]);

            printf("%s\n%s\n", specs[i]->name, text);
        }
        return 0;
    }
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/migration/machine/each_state_is_reached", test_each_state_is_reached);
    g_test_add_func("/migration/machine/states_with_a_channel_have_rows_for_its_loss",
                    test_states_with_a_channel_have_rows_for_its_loss);
    g_test_add_func("/migration/machine/no_row_is_shadowed", test_no_row_is_shadowed);
    g_test_add_func("/migration/machine/run_only_after_ready", test_run_only_after_ready);
    g_test_add_func("/migration/machine/commands_are_answered_and_stale_events_dropped",
                    test_commands_are_answered_and_stale_events_dropped);
    g_test_add_func("/migration/machine/random_events_keep_the_facts",
                    test_random_events_keep_the_facts);
    g_test_add_func("/migration/model/never_two_owners", test_never_two_owners);
    g_test_add_func("/migration/model/the_search_finds_mistakes", test_the_search_finds_mistakes);
    g_test_add_func("/migration/model/random_walks_over_a_lossy_channel",
                    test_random_walks_over_a_lossy_channel);
    return g_test_run();
}
