/* chardev/stdio.c - the terminal the program was started from.  Owner: main loop (vm_lock).
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The terminal is put into raw mode and given back as it was, at close and at exit. */
#include "backend.h"
#include "qapi/opts.h"
#include "util/error.h"
#include "util/fd.h"

#include <fcntl.h>
#include <stdlib.h>
#include <termios.h>

static Chardev *owner; /* NULL: nobody uses it */
static bool has_saved, has_signals = true;
static struct termios saved;
static int saved_flags[2];

static void stdio_restore(void)
{
    if (!owner) {
        return;
    }
    owner = NULL;
    if (has_saved) {
        tcsetattr(0, TCSANOW, &saved);
    }
    fcntl(0, F_SETFL, saved_flags[0]);
    fcntl(1, F_SETFL, saved_flags[1]);
}

static void stdio_raw(void)
{
    struct termios t;

    if (!has_saved) {
        return;
    }
    t = saved;
    t.c_iflag &= ~(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
    t.c_oflag |= OPOST;
    t.c_lflag &= ~(ECHO | ECHONL | ICANON | IEXTEN);
    if (!has_signals) {
        t.c_lflag &= ~ISIG;
    }
    t.c_cflag = (t.c_cflag & ~(CSIZE | PARENB)) | CS8;
    t.c_cc[VMIN] = 1;
    t.c_cc[VTIME] = 0;
    tcsetattr(0, TCSANOW, &t);
}

static bool stdio_open(Chardev *c, const Json *options, GError **errp)
{
    static bool is_hooked;

    if (owner) {
        return fail(errp, "chardev '%s': cannot use stdio by multiple character devices", c->id);
    }
    if (!opts_get_bool(options, "signal", &has_signals, errp)) {
        return false;
    }
    owner = c;
    has_saved = !tcgetattr(0, &saved);
    saved_flags[0] = fcntl(0, F_GETFL);
    saved_flags[1] = fcntl(1, F_GETFL);
    if (!is_hooked) {
        is_hooked = true;
        atexit(stdio_restore);
    }
    stdio_raw();
    stream_start(c, 0, 1, true);
    return true;
}

static void stdio_close(Chardev *c)
{
    if (c == owner) { /* not one that was refused because of it */
        stdio_restore();
    }
}

/* stdin at its end (</dev/null): output goes on. */
static void stdio_hung_up(Chardev *c)
{
    stream_end_input(c);
}

static const char *const stdio_keys[] = {"signal", NULL};
const ChardevBackend backend_stdio = {.name = "stdio", .keys = stdio_keys, .open = stdio_open, .close = stdio_close,
                                      .hung_up = stdio_hung_up};
