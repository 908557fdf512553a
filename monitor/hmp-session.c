/* monitor/hmp-session.c - the human monitor on a chardev.  Owner: main loop (vm_lock).  Page: docs/monitor.md.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "config-host.h"
#include "monitor-private.h"
#include "util/loop.h"

#include <string.h>

#define PROGRESS_NS (200 * NS_PER_MS)

typedef struct Session {
    Chardev *chardev;
    Output *out;
    Readline *readline;
    LoopTimer *progress; /* pending while `migrate` without -d waits */
    bool is_waiting;
} Session;

/* "\n" becomes "\r\n": terminals are in raw mode. */
static void print(Session *s, const char *text)
{
    g_autoptr(GString) lines = g_string_new(NULL);

    for (; *text; text++) {
        if (*text == '\n' && (!lines->len || lines->str[lines->len - 1] != '\r')) {
            g_string_append_c(lines, '\r');
        }
        g_string_append_c(lines, *text);
    }
    output_text(s->out, lines->str, lines->len);
}

static void on_out(const char *text, void *opaque)
{
    print(opaque, text);
}

static void show_progress(void *opaque)
{
    Session *s = opaque;
    bool is_done;
    g_autofree char *text = hmp_progress(&is_done);

    if (is_done || output_waiting(s->out) < OUTPUT_MAX) {
        print(s, "\r");
        print(s, text);
        print(s, "\033[K");
    }
    if (!is_done) {
        loop_timer_set(s->progress, time_monotonic_ns() + PROGRESS_NS);
        return;
    }
    print(s, "\n");
    s->is_waiting = false;
    readline_prompt(s->readline);
    chardev_accept_input(s->chardev);
}

static void on_line(const char *line, void *opaque)
{
    Session *s = opaque;
    g_autoptr(GString) out = g_string_new(NULL);

    hmp_line(line, out, &s->is_waiting);
    print(s, out->str);
    if (s->is_waiting) { /* not at once: the state may still be that of the migration before */
        loop_timer_set(s->progress, time_monotonic_ns() + PROGRESS_NS);
    } else {
        readline_prompt(s->readline);
    }
}

/* One byte at a time, so that what follows a `migrate` waits until it is over. */
static size_t can_read(void *opaque)
{
    Session *s = opaque;

    return !s->is_waiting && output_waiting(s->out) < 64 * 1024;
}

static void read_bytes(void *opaque, const uint8_t *data, size_t size)
{
    Session *s = opaque;

    for (size_t i = 0; i < size; i++) {
        readline_byte(s->readline, data[i]);
    }
}

static void on_event(void *opaque, ChardevEvent event)
{
    Session *s = opaque;

    if (event == CHARDEV_OPENED) {
        print(s, "Baton " BATON_VERSION " monitor - type 'help' for more information\n");
        readline_prompt(s->readline);
    } else if (event == CHARDEV_CLOSED) {
        output_clear(s->out);
        readline_free(s->readline);
        s->readline = readline_new(on_line, on_out, s);
    }
}

static void can_write(void *opaque)
{
    Session *s = opaque;

    output_more(s->out);
    chardev_accept_input(s->chardev);
}

bool monitor_add_hmp(Chardev *c, GError **errp)
{
    static const ChardevHandlers handlers = {can_read, read_bytes, on_event, can_write};
    Session *s = g_new0(Session, 1);

    s->chardev = c;
    s->out = output_new(c);
    s->readline = readline_new(on_line, on_out, s);
    s->progress = loop_timer_new(show_progress, s);
    if (!chardev_claim(c, &handlers, s, errp)) {
        loop_timer_free(s->progress);
        readline_free(s->readline);
        g_free(s);
        return false;
    }
    return true;
}
