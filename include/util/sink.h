/* include/util/sink.h - text for whoever reads standard error or the log: a reader that has stopped holds nobody up.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

typedef struct Sink {
    int fd;
    bool is_slow;    /* the last text found no room: the next one does not wait for it */
    unsigned missed; /* texts that were not written since, or not wholly */
} Sink;

/* Text that finds no room within a moment is left out, and the next that finds some says how many were.  One text is never
 * torn by another.  Any thread; takes a leaf lock. */
void sink_put(Sink *s, const char *text);
Sink *sink_stderr(void);
