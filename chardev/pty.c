/* chardev/pty.c - a pseudo terminal.  Owner: main loop (vm_lock).  Page: docs/chardev.md.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * With nobody at the other end what the guest says vanishes, so that it never stalls.  Hanging up cannot be waited for
 * (POLLHUP stays), so a timer looks once a second whether somebody has opened it. */
#include "backend.h"
#include "util/error.h"
#include "util/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <termios.h>
#include <unistd.h>

typedef struct Pty {
    char *name;
    LoopTimer *look;
    bool is_connected;
} Pty;

static void look_again(Pty *p)
{
    loop_timer_set(p->look, time_monotonic_ns() + NS_PER_SEC);
}

static void look_now(void *opaque)
{
    Chardev *c = opaque;
    Pty *p = c->impl;
    struct pollfd pfd = {.fd = c->stream.in, .events = POLLIN};

    if (poll(&pfd, 1, 0) < 0 || (pfd.revents & POLLHUP)) {
        look_again(p);
        return;
    }
    p->is_connected = true;
    TRACE(chardev_pty, "%s: opened", p->name);
    stream_input(c);
}

static void pty_hung_up(Chardev *c)
{
    Pty *p = c->impl;

    p->is_connected = false;
    loop_watch_set(c->stream.in_watch, 0);
    loop_watch_set(c->stream.out_watch, 0);
    g_byte_array_set_size(c->stream.queue, 0);
    chardev_front_can_write(c);
    look_again(p);
}

/* A reader that does not read costs what does not fit: the guest's console must not stand still. */
static size_t pty_write(Chardev *c, const uint8_t *data, size_t size)
{
    Pty *p = c->impl;

    if (!p->is_connected) {
        look_now(c);
    }
    if (p->is_connected) {
        stream_write(c, data, size);
    }
    return size;
}

static void pty_input(Chardev *c)
{
    Pty *p = c->impl;

    if (p && p->is_connected) {
        stream_input(c);
    }
}

static bool pty_open(Chardev *c, const Json *options, GError **errp)
{
    int master, slave;
    char name[64];
    struct termios t;
    Pty *p;

    if (openpty(&master, &slave, NULL, NULL, NULL) < 0) {
        return fail_errno(errp, errno, "chardev '%s': cannot make a pty", c->id);
    }
    tcgetattr(slave, &t);
    cfmakeraw(&t);
    tcsetattr(slave, TCSAFLUSH, &t);
    if (ptsname_r(master, name, sizeof(name))) {
        close(master);
        close(slave);
        return fail_errno(errp, errno, "chardev '%s': pty has no name", c->id);
    }
    close(slave);
    fcntl(master, F_SETFD, FD_CLOEXEC);
    p = g_new0(Pty, 1);
    p->name = g_strdup(name);
    p->look = loop_timer_new(look_now, c);
    c->impl = p;
    stream_start(c, master, master, false);
    loop_watch_set(c->stream.in_watch, 0);
    info_report("char device redirected to %s (label %s)", name, c->id);
    look_again(p);
    return true;
}

static void pty_close(Chardev *c)
{
    Pty *p = c->impl;

    if (p) {
        loop_timer_free(p->look);
        g_free(p->name);
        g_free(p);
        c->impl = NULL;
    }
}

static char *pty_describe(const Chardev *c)
{
    return g_strconcat("pty:", ((Pty *)c->impl)->name, NULL);
}

static const char *const pty_keys[] = {NULL};
const ChardevBackend backend_pty = {.name = "pty", .keys = pty_keys, .open = pty_open, .close = pty_close,
                                    .write = pty_write, .input = pty_input, .hung_up = pty_hung_up,
                                    .describe = pty_describe};
