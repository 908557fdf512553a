/* tests/unit/util/sink-test.c - text for a reader that has stopped.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/sink.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static char *drain(int fd)
{
    GString *all = g_string_new(NULL);
    char piece[4096];
    ssize_t n;

    fcntl(fd, F_SETFL, O_NONBLOCK);
    while ((n = read(fd, piece, sizeof(piece))) > 0) {
        g_string_append_len(all, piece, n);
    }
    return g_string_free(all, FALSE);
}

static void a_reader_that_has_stopped_is_not_waited_for(void)
{
    g_autofree char *line = g_strnfill(5000, 'x'), *before = NULL, *after = NULL;
    int fds[2];
    Sink s;

    g_assert_cmpint(pipe(fds), ==, 0);
    s = (Sink){.fd = fds[1]};
    while (!s.missed) {
        sink_put(&s, line);
    }
    sink_put(&s, "second\n");
    g_assert_cmpuint(s.missed, ==, 2);
    before = drain(fds[0]);
    g_assert_cmpuint(strlen(before), >, strlen(line));
    sink_put(&s, "third\n");
    after = drain(fds[0]);
    g_assert_cmpstr(after, ==, "\n(2 messages are missing here: nobody read them)\nthird\n");
    g_assert_cmpuint(s.missed, ==, 0);
    close(fds[0]);
    close(fds[1]);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/util/sink/a_reader_that_has_stopped_is_not_waited_for", a_reader_that_has_stopped_is_not_waited_for);
    return g_test_run();
}
