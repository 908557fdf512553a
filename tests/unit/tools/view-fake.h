/* tests/unit/tools/view-fake.h - the viewer and the server in one process, with socket pairs between them.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "system/runstate.h"
#include "system/vm-lock.h"
#include "tools/view/session.h"
#include "ui/console.h"
#include "ui/input.h"
#include "ui/spice/server.h"

#include <spice/protocol.h>
#include <string.h>
#include <sys/socket.h>

static Console *screen;
static pixman_image_t *picture;
static const ConsoleDevice no_ops;
static GString *typed;          /* what the guest got: a letter a key */
static GString *said;           /* by the session: a line each */
static unsigned connections;

/* ---- the guest's side ---- */

static inline bool fake_has_room(InputSink *s, unsigned events)
{
    return true;
}

static inline void fake_take(InputSink *s, const InputEvent *e)
{
    if (e->kind == INPUT_KEY) {
        g_string_append_printf(typed, "%c%u ", e->value ? '+' : '-', e->code);
    }
}

static inline void fake_sync(InputSink *s)
{
}

static InputSink fake_sink = {.name = "all", .takes = 15, .room = fake_has_room, .event = fake_take, .sync = fake_sync};

static inline void paint(uint32_t seed)
{
    int width = pixman_image_get_width(picture), height = pixman_image_get_height(picture);
    uint32_t *pixels = pixman_image_get_data(picture);

    for (int i = 0; i < width * height; i++) {
        pixels[i] = (seed * 2654435761u + i / 8 * 40503u) & 0xffffff;
    }
    console_update(screen, 0, 0, width, height);
}

static inline void show(int width, int height, uint32_t seed)
{
    g_clear_pointer(&picture, pixman_image_unref);
    picture = pixman_image_create_bits(PIXMAN_x8r8g8b8, width, height, NULL, 0);
    console_set_surface(screen, picture);
    paint(seed);
}

/* ---- the session's side ---- */

static inline SpiceWire *fake_connect(void *opaque, const ViewPlace *to, GError **errp)
{
    int fds[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==, 0);
    connections++;
    server_accept(fds[1], false, true);
    return wire_socket(fds[0], true);
}

static inline void fake_say(void *opaque, const char *line)
{
    g_string_append_printf(said, "%s\n", line);
}

static inline void fake_over(void *opaque)
{
}

static const SessionHost fake_host = {.connect = fake_connect, .say = fake_say, .over = fake_over};

/* ---- both ---- */

static inline void until(bool (*done)(const ViewSession *s), const ViewSession *s)
{
    int64_t limit = time_monotonic_ns() + 30 * NS_PER_SEC;

    while (!done(s)) {
        if (time_monotonic_ns() > limit) {
            g_error("it does not come; said:\n%s", said->str);
        }
        g_main_context_iteration(NULL, TRUE);
    }
}

static inline bool is_over(const ViewSession *s)
{
    return s->is_over;
}

static inline bool has_marked(const ViewSession *s)
{
    return strstr(said->str, "mark 0\n") && view_channel(s, SPICE_CHANNEL_INPUTS, 0) &&
           strstr(said->str, "linked inputs 0\n");
}

static inline bool shows_it(const ViewSession *s)
{
    pixman_image_t *mine = surfaces_find(s->surfaces, 0, 0);
    int width = pixman_image_get_width(picture), height = pixman_image_get_height(picture);

    if (!mine || pixman_image_get_width(mine) != width || pixman_image_get_height(mine) != height) {
        return false;
    }
    for (int y = 0; y < height; y++) {
        const uint32_t *a = pixman_image_get_data(mine) + (size_t)y * (pixman_image_get_stride(mine) / 4);
        const uint32_t *b = pixman_image_get_data(picture) + (size_t)y * (pixman_image_get_stride(picture) / 4);

        for (int x = 0; x < width; x++) {
            if ((a[x] ^ b[x]) & 0xffffff) {
                return false;
            }
        }
    }
    return true;
}

static inline bool has_no_clients(const ViewSession *s)
{
    return !server()->clients->len;
}

static inline ViewSession *new_session(const char *password)
{
    ViewPlace at = {.host = (char *)"here", .port = 1};
    ViewSession *s;

    g_string_truncate(said, 0);
    g_string_truncate(typed, 0);
    s = session_new(&fake_host, NULL, &at, password);
    session_start(s);
    return s;
}

static inline void end_session(ViewSession *s)
{
    session_free(s);
    while (server()->clients->len) {
        client_disconnect(server()->clients->pdata[0], "the test is over");
    }
    while (g_main_context_iteration(NULL, FALSE)) {
    }
}

static inline void prepare(void)
{
    loop_init();
    runstate_init();
    vm_lock();
    input_init();
    server_init();
    server()->is_on = true;
    server()->config.disable_ticketing = true;
    typed = g_string_new(NULL);
    said = g_string_new(NULL);
    screen = console_add(object_container("/machine"), 0, &no_ops, NULL, NULL);
    show(200, 120, 1);
    input_add(&fake_sink);
}
