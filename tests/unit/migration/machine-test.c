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

static void test_promise(const void *data)
{
    const Promise *promise = data;
    ModelTables t = model_tables();
    g_autofree char *broken = promise->broken(&t);

    g_assert_cmpstr(broken, ==, NULL);
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

static void test_whatever_happens(void)
{
    ModelTables t = model_tables();
    ModelUse used = {0};
    g_autofree char *unused = NULL;
    unsigned states = 0, transitions = 0;

    for (unsigned i = 0; i < model_config_count; i++) {
        ModelResult r = model_search(&t, &model_configs[i], true, &used);

        g_test_message("%s: %u states, %u transitions", model_configs[i].name, r.states, r.transitions);
        g_assert_cmpstr(r.wrong, ==, NULL);
        states += r.states;
        transitions += r.transitions;
    }
    g_test_message("in all: %u states, %u transitions", states, transitions);
    unused = model_unused(&t, &used);
    g_assert_cmpstr(unused, ==, NULL);
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
    for (unsigned i = 0; i < promise_count; i++) {
        g_autofree char *path = g_strdup_printf("/migration/machine/%s", promises[i].name);

        g_test_add_data_func(path, &promises[i], test_promise);
    }
    g_test_add_func("/migration/machine/commands_are_answered_and_stale_events_dropped",
                    test_commands_are_answered_and_stale_events_dropped);
    g_test_add_func("/migration/model/never_two_owners_and_nothing_lost", test_whatever_happens);
    return g_test_run();
}
