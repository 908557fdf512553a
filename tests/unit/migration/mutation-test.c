/* tests/unit/migration/mutation-test.c - a wrong table is caught.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * `make check` tries every 12th change, `make check-full` (BATON_FULL=1) all of them; `--list [TEXT]` prints each (with
 * TEXT in it) with what caught it, and at the end the figures. */
#include "mutants.h"

#include <stdio.h>
#include <string.h>

#define SAMPLE 12

static const char *why_harmless(const char *text)
{
    for (unsigned i = 0; i < harmless_count; i++) {
        if (!strcmp(harmless[i].text, text)) {
            return harmless[i].why;
        }
    }
    return NULL;
}

static void list_all(const char *with)
{
    ModelTables t = model_tables();
    GArray *all = mutants_of(&t);
    unsigned survivors = 0, tried = 0;

    for (unsigned i = 0; i < all->len; i++) {
        const Mutant *m = &g_array_index(all, Mutant, i);
        MutantTables made;
        unsigned states = 0;
        g_autofree char *caught = NULL;

        if (!strstr(m->text, with)) {
            continue;
        }
        tried++;
        mutant_make(&made, &t, m);
        caught = mutant_caught(&made.tables, &states);
        survivors += !caught;
        printf("%s\t%s\t%u\n", m->text, caught ? caught : "SURVIVES", states);
        fflush(stdout);
    }
    printf("%u mutants, %u caught, %u not\n", tried, tried - survivors, survivors);
    g_array_free(all, TRUE);
}

static void test_a_wrong_table_is_caught(void)
{
    ModelTables t = model_tables();
    GArray *all = mutants_of(&t);
    unsigned step = g_getenv("BATON_FULL") && *g_getenv("BATON_FULL") ? 1 : SAMPLE, tried = 0, not_caught = 0;

    for (unsigned i = 0; i < all->len; i += step) {
        const Mutant *m = &g_array_index(all, Mutant, i);
        const char *why = why_harmless(m->text);
        MutantTables made;
        unsigned states = 0;
        g_autofree char *caught = NULL;

        mutant_make(&made, &t, m);
        caught = mutant_caught(&made.tables, &states);
        tried++;
        if (!caught && !why) {
            g_test_message("not caught: %s", m->text);
            g_test_fail();
        } else if (caught && why) {
            g_test_message("said to be harmless, but caught: %s (%s)", m->text, caught);
            g_test_fail();
        }
        not_caught += !caught;
    }
    g_test_message("%u of %u mutants tried, %u caught, %u harmless", tried, all->len, tried - not_caught, not_caught);
    g_array_free(all, TRUE);
}

int main(int argc, char **argv)
{
    if (argc >= 2 && !strcmp(argv[1], "--list")) {
        list_all(argc > 2 ? argv[2] : "");
        return 0;
    }
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/migration/mutation/a_wrong_table_is_caught", test_a_wrong_table_is_caught);
    return g_test_run();
}
