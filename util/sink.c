/* util/sink.c - standard error and the log, written only as far as somebody reads.
 * Page: docs/monitor.md.  Test: tests/unit/util/sink-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/sink.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PATIENCE_MS = 10 };

static GMutex mutex; /* leaf: all sinks */

Sink *sink_stderr(void)
{
    static Sink s = {.fd = 2};

    return &s;
}

/* Who has opened the descriptor before us may share it, so it stays blocking.  A pipe or a terminal that says it has room takes
 * PIPE_BUF bytes without waiting. */
static bool has_room(Sink *s)
{
    struct pollfd p = {s->fd, POLLOUT, 0};
    int n;

    do {
        n = poll(&p, 1, s->is_slow ? 0 : PATIENCE_MS);
    } while (n < 0 && errno == EINTR);
    s->is_slow = n <= 0;
    return n > 0;
}

static bool put_all(Sink *s, const char *text, size_t size)
{
    while (size) {
        ssize_t n;

        if (!has_room(s)) {
            return false;
        }
        n = write(s->fd, text, MIN(size, PIPE_BUF));
        if (n < 0 && errno == EAGAIN) {
            s->is_slow = true;
            return false;
        }
        if (n < 0 && errno != EINTR) {
            return true; /* nobody will ever read it */
        }
        text += MAX(n, 0);
        size -= MAX(n, 0);
    }
    return true;
}

static bool say_missed(Sink *s)
{
    char text[80];

    if (s->missed) {
        snprintf(text, sizeof(text), "\n(%u messages are missing here: nobody read them)\n", s->missed);
        if (!put_all(s, text, strlen(text))) {
            return false;
        }
        s->missed = 0;
    }
    return true;
}

void sink_put(Sink *s, const char *text)
{
    g_mutex_lock(&mutex);
    if (!say_missed(s) || !put_all(s, text, strlen(text))) {
        s->missed++;
    }
    g_mutex_unlock(&mutex);
}
