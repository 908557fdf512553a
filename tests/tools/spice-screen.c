/* tests/tools/spice-screen.c - the SPICE server with a screen and input devices but no guest: for tests with real clients.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * usage: spice-screen OPTIONS-OF--spice [SCREENS [CHARDEV...]]   chardevs as after -chardev; the guest's end of them is here
 * Standard input, a line each: `on SCREEN` which one the others are about; `show WIDTH HEIGHT SEED` another surface with a
 * pattern; `dark` none; `paint X Y WIDTH HEIGHT SEED` a part of it; `play X Y WIDTH HEIGHT` 30 times a second; `stop`;
 * `cursor X Y` a pointer; `tablet off` no input device any more; `mouse` no tablet; `open ID`, `close ID`, `say ID HEX` the
 * guest's end of a chardev; `quit`.
 * Standard output: `ready`, and what a guest would get: `key CODE VALUE`, `button`, `rel`, `abs`; `got ID HEX`; `host ID 0|1`
 * nobody, somebody is at the other end; `wish SCREEN ON WIDTH HEIGHT` what a client would like a screen to be.
 * The pixel at x, y of a pattern is pattern() below; tests/functional/stock_client.py has it, too. */
#include "chardev/chardev.h"
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
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES (64 * 1024)
#define FRAME_NS (NS_PER_SEC / 30)

typedef struct Screen {
    unsigned number;
    Console *console;
    pixman_image_t *picture;
} Screen;

static Screen screens[CONSOLES_MAX], *it = screens;
static unsigned played[4], frame; /* x, y, width, height */
static Screen *player;
static LoopTimer *next_frame;

static uint32_t pattern(unsigned x, unsigned y, unsigned seed)
{
    return ((x / 16 * 37 + seed * 11) % 256) << 16 | ((y / 16 * 53 + seed * 7) % 256) << 8 | (x / 16 + y / 16 + seed) % 256;
}

static void paint(Screen *s, unsigned x, unsigned y, unsigned width, unsigned height, unsigned seed)
{
    unsigned stride = s->picture ? pixman_image_get_stride(s->picture) / 4 : 0;
    uint32_t *pixels = s->picture ? pixman_image_get_data(s->picture) : NULL;
    unsigned bottom = s->picture ? MIN(y + height, (unsigned)pixman_image_get_height(s->picture)) : 0;

    for (unsigned row = y; row < bottom; row++) {
        for (unsigned column = x; column < MIN(x + width, (unsigned)pixman_image_get_width(s->picture)); column++) {
            pixels[row * stride + column] = pattern(column, row, seed);
        }
    }
    console_update(s->console, x, y, width, height);
}

static void show(unsigned width, unsigned height, unsigned seed)
{
    g_clear_pointer(&it->picture, pixman_image_unref);
    it->picture = pixman_image_create_bits(PIXMAN_x8r8g8b8, width, height, NULL, 0);
    console_set_surface(it->console, it->picture);
    paint(it, 0, 0, width, height, seed);
}

static void show_cursor(int x, int y)
{
    ConsoleCursor *c = console_cursor_new(16, 16);

    memset(c->pixels, 0xff, 16 * 16 * 4);
    console_set_cursor(it->console, c);
    console_cursor_unref(c);
    console_move_cursor(it->console, x, y);
}

static void play(void *opaque)
{
    paint(player, played[0], played[1], played[2], played[3], ++frame);
    loop_timer_set(next_frame, time_monotonic_ns() + FRAME_NS);
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

/* ---- the guest's end of chardevs ---- */

typedef struct Port {
    Chardev *c;
    GByteArray *says;   /* what the other end has not taken */
} Port;

static size_t port_can_read(void *opaque)
{
    return 4096;
}

static void port_read(void *opaque, const uint8_t *data, size_t size)
{
    printf("got %s ", chardev_id(((Port *)opaque)->c));
    for (size_t i = 0; i < size; i++) {
        printf("%02x", data[i]);
    }
    puts("");
    fflush(stdout);
}

static void port_event(void *opaque, ChardevEvent event)
{
    if (event == CHARDEV_OPENED || event == CHARDEV_CLOSED) {
        printf("host %s %d\n", chardev_id(((Port *)opaque)->c), event == CHARDEV_OPENED);
        fflush(stdout);
    }
}

static void port_can_write(void *opaque)
{
    Port *p = opaque;

    if (p->says->len) {
        g_byte_array_remove_range(p->says, 0, chardev_write(p->c, p->says->data, p->says->len));
    }
}

static const ChardevHandlers port_handlers = {port_can_read, port_read, port_event, port_can_write, .is_guest = true};
static Port ports[4];

static bool plug(Port *p, const char *text, GError **errp)
{
    g_autoptr(Json) options = opts_parse(text, "backend", NULL, errp);

    p->says = g_byte_array_new();
    p->c = options ? chardev_add(options, errp) : NULL;
    if (!p->c || !chardev_claim(p->c, &port_handlers, p, errp)) {
        return false;
    }
    chardev_set_guest_open(p->c, false);
    return true;
}

static Port *port_of(const char *id)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(ports) && ports[i].c; i++) {
        if (!strcmp(chardev_id(ports[i].c), id)) {
            return &ports[i];
        }
    }
    return NULL;
}

static void say(Port *p, const char *hex)
{
    for (; g_ascii_isxdigit(hex[0]) && g_ascii_isxdigit(hex[1]); hex += 2) {
        uint8_t byte = g_ascii_xdigit_value(hex[0]) << 4 | g_ascii_xdigit_value(hex[1]);

        g_byte_array_append(p->says, &byte, 1);
    }
    port_can_write(p);
}

/* ---- orders ---- */

static bool obey_port(const char *line)
{
    char verb[8], id[32];
    int at = 0;
    Port *p = sscanf(line, "%7s %31s %n", verb, id, &at) == 2 ? port_of(id) : NULL;

    if (!p) {
        return false;
    }
    if (!strcmp(verb, "say")) {
        say(p, line + at);
    } else {
        chardev_set_guest_open(p->c, !strcmp(verb, "open"));
    }
    return true;
}

static void obey(const char *line)
{
    unsigned a, b, c, d, seed;

    if (sscanf(line, "show %u %u %u", &a, &b, &seed) == 3) {
        show(a, b, seed);
    } else if (sscanf(line, "on %u", &a) == 1) {
        it = &screens[a % CONSOLES_MAX];
    } else if (!strncmp(line, "dark", 4)) {
        console_set_surface(it->console, NULL);
    } else if (sscanf(line, "play %u %u %u %u", &a, &b, &c, &d) == 4) {
        memcpy(played, (unsigned[]){a, b, c, d}, sizeof(played));
        player = it;
        play(NULL);
    } else if (!strncmp(line, "stop", 4)) {
        loop_timer_cancel(next_frame);
    } else if (sscanf(line, "paint %u %u %u %u %u", &a, &b, &c, &d, &seed) == 5) {
        paint(it, a, b, c, d, seed);
    } else if (sscanf(line, "cursor %u %u", &a, &b) == 2) {
        show_cursor(a, b);
    } else if (!strcmp(line, "tablet off")) {
        input_remove(&sink);
    } else if (!strcmp(line, "mouse")) {
        input_remove(&sink);
        sink.takes &= ~(1u << INPUT_ABS);
        input_add(&sink);
    } else if (!obey_port(line)) {
        loop_quit(strncmp(line, "quit", 4) ? 1 : 0);
    }
}

static void order(int fd, GIOCondition ready, void *opaque)
{
    static GString *rest; /* of a line */
    char piece[4096], *end;
    ssize_t n = read(fd, piece, sizeof(piece));

    rest = rest ? rest : g_string_new(NULL);
    g_string_append_len(rest, piece, MAX(n, 0));
    while ((end = strchr(rest->str, '\n'))) {
        *end = 0;
        obey(rest->str);
        g_string_erase(rest, 0, end + 1 - rest->str);
    }
    if (n <= 0 || rest->len > LINE_MAX_BYTES) {
        loop_quit(n < 0 || rest->len);
    }
}

static void wish(void *opaque, const ConsoleWish *w)
{
    printf("wish %u %d %u %u\n", ((Screen *)opaque)->number, w->is_on, w->width, w->height);
    fflush(stdout);
}

static const ConsoleDevice device = {.wish = wish};

static void add_screens(unsigned count)
{
    for (unsigned i = 0; i < MIN(count, CONSOLES_MAX); i++) {
        it = &screens[i];
        it->number = i;
        it->console = console_add(object_container("/machine"), i, &device, it, NULL);
        show(640, 480, i);
    }
    it = screens;
}

static void remove_screens(void)
{
    for (unsigned i = 0; i < CONSOLES_MAX; i++) {
        console_remove(screens[i].console);
        g_clear_pointer(&screens[i].picture, pixman_image_unref);
    }
}

static bool start(const Json *options, int argc, char **argv, GError **errp)
{
    for (int i = 3; i < argc; i++) {
        if (i - 3 >= (int)G_N_ELEMENTS(ports) || !plug(&ports[i - 3], argv[i], errp)) {
            return false;
        }
    }
    return options && spice_start(&(SpiceSetup){.options = options, .guest_name = "screen"}, errp);
}

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
    next_frame = loop_timer_new(play, NULL);
    add_screens(argc > 2 ? atoi(argv[2]) : 1);
    input_add(&sink);
    if (start(options, argc, argv, &err)) {
        loop_watch(0, G_IO_IN, order, NULL);
        puts("ready");
        fflush(stdout);
        code = loop_run();
        spice_stop();
    } else {
        error_report_free(NULL, err);
    }
    remove_screens();
    return code;
}
