/* monitor/output.c - text to a chardev, kept while the client is slow.  Owner: main loop (vm_lock).
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "monitor-private.h"

struct Output {
    Chardev *chardev;
    GString *text;
    size_t at; /* what is before has been taken */
};

Output *output_new(Chardev *c)
{
    Output *o = g_new0(Output, 1);

    o->chardev = c;
    o->text = g_string_new(NULL);
    return o;
}

size_t output_waiting(const Output *o)
{
    return o->text->len - o->at;
}

void output_clear(Output *o)
{
    g_string_free(o->text, true);
    o->text = g_string_new(NULL);
    o->at = 0;
}

void output_more(Output *o)
{
    while (output_waiting(o)) {
        size_t n = chardev_write(o->chardev, o->text->str + o->at, output_waiting(o));

        if (!n) {
            return;
        }
        o->at += n;
    }
    output_clear(o);
}

void output_text(Output *o, const char *text, size_t size)
{
    g_string_append_len(o->text, text, size);
    output_more(o);
}
