/* tests/unit/util/program-test.c - of the program and its libraries all code is mapped, once it was touched.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/program.h"

#include <glib.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef struct Code {
    unsigned long size, mapped; /* kB of files that may be run */
} Code;

static Code code(void)
{
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;
    gboolean is_code = FALSE;
    Code c = {0};
    unsigned long kb;

    g_assert_true(g_file_get_contents("/proc/self/smaps", &text, NULL, NULL));
    lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++) {
        char mode[5], name[2];

        if (sscanf(*line, "%*x-%*x %4s %*s %*s %*s %1s", mode, name) >= 1 && strlen(mode) == 4 && strchr("-r", mode[0])) {
            is_code = mode[2] == 'x' && strchr(*line, '/');
        } else if (is_code && sscanf(*line, "Size: %lu", &kb) == 1) {
            c.size += kb;
        } else if (is_code && sscanf(*line, "Rss: %lu", &kb) == 1) {
            c.mapped += kb;
        }
    }
    return c;
}

static void what_was_touched_is_mapped(void)
{
    Code before = code(), after;
    unsigned pages = program_touch();

    after = code();
    g_test_message("%lu kB of code, %lu mapped, then %lu; %u pages", after.size, before.mapped, after.mapped, pages);
    g_assert_cmpuint(before.mapped, <, before.size);
    g_assert_cmpuint(after.mapped, ==, after.size);
    g_assert_cmpuint(pages, >=, after.size * 1024 / (unsigned long)sysconf(_SC_PAGESIZE));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/util/program/what_was_touched_is_mapped", what_was_touched_is_mapped);
    return g_test_run();
}
