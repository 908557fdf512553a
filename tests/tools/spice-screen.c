/* tests/tools/spice-screen.c - the SPICE server with a screen and input devices but no guest: for tests with real clients.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * usage: spice-screen OPTIONS-OF--spice
 * Standard input, a line each: `show WIDTH HEIGHT SEED` another surface with a pattern; `paint X Y WIDTH HEIGHT SEED` a part of it;
 * `cursor X Y` a pointer; `quit`.  Standard output: `ready`, and what a guest would get: `key CODE VALUE`, `button`, `rel`, `abs`.
 * The pixel at x, y of a pattern is pattern() below; tests/functional/spice-client-test.py has it, too. */
#include "object/object.h"
#include "qapi/opts.h"
#include "system/runstate.h"
#include "system/vm-lock.h"
#include "ui/console.h"
#include "ui/input.h"
#include "ui/spice.h"
#include "util/error.h"
#include "util/loop.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LINE_BYTES 256

static Console *screen;
static pixman_image_t *picture;

static uint32_t pattern(unsigned x, unsigned y, unsigned seed)
{
    return ((x / 16 * 37 + seed * 11) % 256) << 16 | ((y / 16 * 53 + seed * 7) % 256) << 8 | (x / 16 + y / 16 + seed) % 256;
}

static void paint(unsigned x, unsigned y, unsigned width, unsigned height, unsigned seed)
{
    unsigned stride = pixman_image_get_stride(picture) / 4;
    uint32_t *pixels = pixman_image_get_data(picture);

    for (unsigned row = y; row < MIN(y + height, (unsigned)pixman_image_get_height(picture)); row++) {
        for (unsigned column = x; column < MIN(x + width, (unsigned)pixman_image_get_width(picture)); column++) {
            pixels[row * stride + column] = pattern(column, row, seed);
        }
    }
    console_update(screen, x, y, width, height);
}

static void show(unsigned width, unsigned height, unsigned seed)
{
    g_clear_pointer(&picture, pixman_image_unref);
    picture = pixman_image_create_bits(PIXMAN_x8r8g8b8, width, height, NULL, 0);
    console_set_surface(screen, picture);
    paint(0, 0, width, height, seed);
}

static void show_cursor(int x, int y)
{
    ConsoleCursor *c = console_cursor_new(16, 16);

    memset(c->pixels, 0xff, 16 * 16 * 4);
    console_set_cursor(screen, c);
    console_cursor_unref(c);
    console_move_cursor(screen, x, y);
}

/* ---- the guest that is not there ---- */

static bool has_room(InputSink *s, unsigned events)
{
    return true;
}

static void take(InputSink *s, const InputEvent *e)
{
    static const char *const kinds[] = {"key", "button", "rel", "abs"};

    printf("%s %u %d\n", kinds[e->kind], e->code, e->value);
    fflush(stdout);
}

static void sync_events(InputSink *s)
{
}

static InputSink sink = {.name = "all", .takes = 15, .room = has_room, .event = take, .sync = sync_events};

/* ---- orders ---- */

static void obey(const char *line)
{
    unsigned a, b, c, d, seed;

    if (sscanf(line, "show %u %u %u", &a, &b, &seed) == 3) {
        show(a, b, seed);
    } else if (sscanf(line, "paint %u %u %u %u %u", &a, &b, &c, &d, &seed) == 5) {
        paint(a, b, c, d, seed);
    } else if (sscanf(line, "cursor %u %u", &a, &b) == 2) {
        show_cursor(a, b);
    } else {
        loop_quit(strncmp(line, "quit", 4) ? 1 : 0);
    }
}

static void order(int fd, GIOCondition ready, void *opaque)
{
    char line[LINE_BYTES];
    ssize_t n = read(fd, line, sizeof(line) - 1);

    line[MAX(n, 0)] = 0;
    for (char *at = line, *end; *at && (end = strchr(at, '\n')); at = end + 1) {
        obey(at);
    }
    if (n <= 0) {
        loop_quit(0);
    }
}

static const ConsoleDevice no_ops;

int main(int argc, char **argv)
{
    static const char *const lists[] = {"tls-channel", "plaintext-channel", NULL};
    GError *err = NULL;
    g_autoptr(Json) options = opts_parse(argc > 1 ? argv[1] : "", NULL, lists, &err);
    int code = 1;

    signal(SIGPIPE, SIG_IGN);
    loop_init();
    runstate_init();
    vm_lock();
    input_init();
    screen = console_add(object_container("/machine"), 0, &no_ops, NULL, NULL);
    show(640, 480, 0);
    input_add(&sink);
    if (options && spice_start(&(SpiceSetup){.options = options, .guest_name = "screen"}, &err)) {
        loop_watch(0, G_IO_IN, order, NULL);
        puts("ready");
        fflush(stdout);
        code = loop_run();
        spice_stop();
    } else {
        error_report_free(NULL, err);
    }
    console_remove(screen);
    pixman_image_unref(picture);
    return code;
}
