/* chardev/mux.c - several front ends share one chardev: Ctrl-A c goes round.  Owner: main loop (vm_lock).
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The mux claims the base chardev.  Each front end has a handle (a Chardev of its own, backend_mux_front).  All may write;
 * what is typed goes to the one in focus. */
#include "backend.h"
#include "system/runstate.h"
#include "util/error.h"

#include <stdio.h>
#include <string.h>

#define MUX_FRONTS_MAX 8
#define MUX_ESCAPE 0x01 /* Ctrl-A */
#define MUX_HELD_MAX 256

typedef struct Mux {
    Chardev *base;
    Chardev *fronts[MUX_FRONTS_MAX];
    unsigned count, focus;
    bool is_escaped;
    uint8_t held[MUX_HELD_MAX]; /* typed while the front end in focus had no room */
    unsigned held_count;
} Mux;

static Mux *mux_of(Chardev *front)
{
    return ((Chardev *)front->impl)->impl;
}

static Chardev *focused(Mux *m)
{
    return m->focus < m->count ? m->fronts[m->focus] : NULL;
}

/* ---- typed keys ---- */

static void flush_held(Mux *m)
{
    Chardev *front;
    size_t n;

    while ((front = focused(m)) && (n = MIN(chardev_front_room(front), m->held_count))) {
        uint8_t data[MUX_HELD_MAX];

        memcpy(data, m->held, n);
        m->held_count -= n;
        memmove(m->held, m->held + n, m->held_count);
        chardev_front_read(front, data, n);
    }
}

static void hold(Mux *m, uint8_t key)
{
    if (m->held_count < MUX_HELD_MAX) {
        m->held[m->held_count++] = key;
    }
}

static void say(Mux *m, const char *text)
{
    chardev_write(m->base, text, strlen(text));
}

static void next_focus(Mux *m)
{
    if (m->count) {
        flush_held(m);
        m->held_count = 0; /* typed for a front end that does not read; it must not reach the next one */
        m->focus = (m->focus + 1) % m->count;
        chardev_front_event(focused(m), CHARDEV_OPENED);
    }
}

static void help(Mux *m)
{
    say(m, "\r\nC-a h    print this help\r\nC-a x    exit emulator\r\nC-a b    send break (magic sysrq)\r\n"
           "C-a c    switch between console and monitor\r\nC-a C-a  sends C-a\r\n");
}

static void escaped_key(Mux *m, uint8_t key)
{
    switch (key) {
    case 'h':
    case '?':
        help(m);
        break;
    case 'x':
        say(m, "baton: terminated\r\n");
        vm_request_shutdown(SHUTDOWN_HOST_QMP_QUIT, 0);
        break;
    case 'b':
        if (focused(m)) {
            chardev_front_event(focused(m), CHARDEV_BREAK);
        }
        break;
    case 'c':
        next_focus(m);
        break;
    case MUX_ESCAPE:
        hold(m, key);
        break;
    default:
        break;
    }
}

static size_t mux_can_read(void *opaque)
{
    Mux *m = opaque;

    return MUX_HELD_MAX - m->held_count;
}

static void mux_read(void *opaque, const uint8_t *data, size_t size)
{
    Mux *m = opaque;

    for (size_t i = 0; i < size; i++) {
        if (m->is_escaped) {
            m->is_escaped = false;
            escaped_key(m, data[i]);
        } else if (data[i] == MUX_ESCAPE) {
            m->is_escaped = true;
        } else {
            hold(m, data[i]);
        }
        if (m->held_count == MUX_HELD_MAX) {
            flush_held(m);
        }
    }
    flush_held(m);
}

static void mux_event(void *opaque, ChardevEvent event)
{
    Mux *m = opaque;

    for (unsigned i = 0; i < m->count; i++) {
        Chardev *front = m->fronts[i];

        if (event == CHARDEV_BREAK) {
            chardev_front_event(front, event);
        } else if (event == CHARDEV_RESIZED) {
            chardev_set_size(front, m->base->cols, m->base->rows);
        } else {
            chardev_set_open(front, event == CHARDEV_OPENED);
        }
    }
}

static void mux_can_write(void *opaque)
{
    Mux *m = opaque;

    for (unsigned i = 0; i < m->count; i++) {
        chardev_front_can_write(m->fronts[i]);
    }
}

/* ---- the mux itself ---- */

static bool mux_open(Chardev *c, const Json *options, GError **errp)
{
    static const ChardevHandlers handlers = {mux_can_read, mux_read, mux_event, mux_can_write};
    Mux *m = g_new0(Mux, 1);

    m->base = c->mux;
    c->impl = m;
    c->is_open = true;
    return chardev_claim(c->mux, &handlers, m, errp);
}

static void mux_close(Chardev *c)
{
    g_clear_pointer(&c->impl, g_free);
}

static void mux_no_input(Chardev *c)
{
}

const ChardevBackend backend_mux = {.name = "mux", .open = mux_open, .close = mux_close, .input = mux_no_input};

/* ---- the handles ---- */

static bool front_open(Chardev *c, const Json *options, GError **errp)
{
    Mux *m = mux_of(c);

    if (m->count == MUX_FRONTS_MAX) {
        return fail(errp, "chardev '%s': more than %d users", c->id, MUX_FRONTS_MAX);
    }
    m->fronts[m->count++] = c;
    c->is_open = m->base->is_open;
    chardev_size(m->base, &c->cols, &c->rows);
    return true;
}

bool mux_front_is_focused(Chardev *c)
{
    return focused(mux_of(c)) == c;
}

static void front_close(Chardev *c)
{
    Mux *m = c->impl ? mux_of(c) : NULL;

    for (unsigned i = 0; m && i < m->count; i++) {
        if (m->fronts[i] == c) {
            m->fronts[i] = m->fronts[--m->count];
            m->focus = 0;
        }
    }
}

static size_t front_write(Chardev *c, const uint8_t *data, size_t size)
{
    return chardev_write(mux_of(c)->base, data, size);
}

static void front_input(Chardev *c)
{
    Mux *m = mux_of(c);

    if (m && c == focused(m)) {
        flush_held(m);
        chardev_accept_input(m->base);
    }
}

const ChardevBackend backend_mux_front = {.name = "mux", .open = front_open, .close = front_close, .write = front_write,
                                          .input = front_input};
