/* tests/unit/ui/spice-display-test.c - pictures and pointers: a client that draws what it is told has the guest's screen.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "config-host.h"
#include "spice-fake.h"
#include "ui/console.h"
#include "ui/spice/image.h"
#include "ui/spice/kinds.h"
#include "ui/spice/server.h"

#include <spice/protocol.h>
#if CONFIG_LZ4
#include <lz4.h>
#endif

#define SIDE_MAX 2048

typedef struct Client { /* what it has on its screen */
    FakeWire *w;
    SpiceChannel *c;
    bool has_surface, is_marked;
    uint32_t width, height, *pixels;
    unsigned draws, seen;
    uint64_t bytes;
} Client;

static Console *screen;
static pixman_image_t *picture;
static const ConsoleDevice no_ops;

/* ---- the guest's side ---- */

static uint32_t *row_of(int y)
{
    return pixman_image_get_data(picture) + (size_t)y * (pixman_image_get_stride(picture) / 4);
}

static void paint(int x, int y, int width, int height, uint32_t seed)
{
    for (int dy = 0; dy < height; dy++) {
        for (int dx = 0; dx < width; dx++) {
            row_of(y + dy)[x + dx] = (seed * 2654435761u + (dx / 8) * 40503u + (dy / 8) * 97u) & 0xffffff;
        }
    }
    console_update(screen, x, y, width, height);
}

static void show(int width, int height)
{
    g_clear_pointer(&picture, pixman_image_unref);
    picture = pixman_image_create_bits(PIXMAN_x8r8g8b8, width, height, NULL, 0);
    console_set_surface(screen, picture);
    paint(0, 0, width, height, 7);
}

static void plug_screen(void)
{
    screen = console_add(object_container("/machine"), 0, &no_ops, NULL, NULL);
    show(300, 200);
}

static void unplug_screen(void)
{
    console_remove(screen);
    g_clear_pointer(&picture, pixman_image_unref);
}

/* ---- the client's side ---- */

static void open_client(Client *me, const ChannelKind *kind, uint32_t caps)
{
    SpiceCaps mini = {{1 << SPICE_COMMON_CAP_MINI_HEADER}}, own = {{caps}};
    SpiceEnds ends = {{{0}}};
    static const uint8_t init[14] = {1};

    *me = (Client){.w = fake_wire(), .pixels = g_new0(uint32_t, SIDE_MAX * SIDE_MAX)};
    me->c = spice_channel_new(kind, 0, NULL, &me->w->wire, &ends, &mini, &own);
    spice_channel_start(me->c);
    if (kind == &display_channel_kind) {
        fake_say(me->w, SPICE_MSGC_DISPLAY_INIT, init, sizeof(init));
    }
}

static void close_client(Client *me)
{
    spice_close(me->c);
    g_free(me->pixels);
    fake_settle();
}

static void decode(const uint8_t *image, size_t size, uint32_t *rows, uint32_t width, uint32_t height)
{
    size_t bytes = 4 * (size_t)width * height;

    g_assert_cmpuint(load_le32(image + 10), ==, width);
    g_assert_cmpuint(load_le32(image + 14), ==, height);
    if (image[8] == SPICE_IMAGE_TYPE_BITMAP) {
        g_assert_cmpuint(size, ==, 18 + 18 + bytes);
        g_assert_cmpuint(image[18], ==, SPICE_BITMAP_FMT_32BIT);
        g_assert_cmpuint(image[19], ==, 4);
        g_assert_cmpuint(load_le32(image + 28), ==, 4 * width);
        memcpy(rows, image + 36, bytes);
        return;
    }
    g_assert_cmpuint(image[8], ==, SPICE_IMAGE_TYPE_LZ4);
    g_assert_cmpuint(size, ==, 22 + load_le32(image + 18));
    g_assert_cmpuint(load_be32(image + 24), ==, size - 28);
#if CONFIG_LZ4
    g_assert_cmpint(LZ4_decompress_safe((const char *)image + 28, (char *)rows, (int)size - 28, (int)bytes), ==, bytes);
#endif
}

static void draw(Client *me, const GByteArray *b)
{
    uint32_t top = load_le32(b->data + 4), left = load_le32(b->data + 8), bottom = load_le32(b->data + 12),
             right = load_le32(b->data + 16);
    g_autofree uint32_t *rows = g_malloc(4 * (size_t)(right - left) * (bottom - top));

    g_assert_true(me->has_surface && right <= me->width && bottom <= me->height && left < right && top < bottom);
    g_assert_cmpuint(load_le32(b->data + 21), ==, 57);
    g_assert_cmpuint(load_le16(b->data + 41), ==, SPICE_ROPD_OP_PUT);
    decode(b->data + 57, b->len - 57, rows, right - left, bottom - top);
    for (uint32_t y = top; y < bottom; y++) {
        memcpy(me->pixels + (size_t)y * SIDE_MAX + left, rows + (size_t)(y - top) * (right - left), 4 * (right - left));
    }
    me->draws++;
    me->bytes += b->len;
}

static void follow(Client *me, uint16_t type, const GByteArray *b)
{
    switch (type) {
    case SPICE_MSG_DISPLAY_SURFACE_CREATE:
        g_assert_false(me->has_surface);
        me->has_surface = true;
        me->width = load_le32(b->data + 4);
        me->height = load_le32(b->data + 8);
        memset(me->pixels, 0x55, 4 * SIDE_MAX * SIDE_MAX);
        break;
    case SPICE_MSG_DISPLAY_SURFACE_DESTROY:
        g_assert_true(me->has_surface);
        me->has_surface = me->is_marked = false;
        break;
    case SPICE_MSG_DISPLAY_DRAW_COPY:
        draw(me, b);
        break;
    case SPICE_MSG_DISPLAY_MARK:
        g_assert_true(me->has_surface);
        me->is_marked = true;
        break;
    case SPICE_MSG_SET_ACK:
        fake_say(me->w, SPICE_MSGC_ACK_SYNC, b->data, 4);
        break;
    default:
        break;
    }
}

static bool is_same(const Client *me)
{
    bool same = picture && me->has_surface && me->is_marked && me->width == (uint32_t)pixman_image_get_width(picture) &&
                me->height == (uint32_t)pixman_image_get_height(picture);

    for (uint32_t y = 0; same && y < me->height; y++) {
        same = !memcmp(me->pixels + (size_t)y * SIDE_MAX, row_of(y), 4 * me->width);
    }
    return same;
}

static bool is_dark(const Client *me)
{
    return !me->has_surface;
}

static bool is_stuck(const Client *me)
{
    return me->c->st.unacked > 2 * CHANNEL_ACK_WINDOW;
}

/* Reads what there is until that is true; acknowledges as a client does. */
static void look(Client *me, bool acknowledge, bool (*done)(const Client *me))
{
    g_autoptr(GByteArray) b = g_byte_array_new();
    int64_t until = time_monotonic_ns() + 30 * NS_PER_SEC;

    while (!done(me)) {
        uint16_t type;

        g_assert_cmpint(time_monotonic_ns(), <, until);
        spice_pump(me->c);
        fake_settle();
        while ((type = fake_hear(me->w, b))) {
            follow(me, type, b);
            if (acknowledge && ++me->seen % CHANNEL_ACK_WINDOW == 0) {
                fake_say(me->w, SPICE_MSGC_ACK, NULL, 0);
            }
        }
    }
}

/* ---- pictures ---- */

#define LZ4_CAP (1 << SPICE_DISPLAY_CAP_LZ4_COMPRESSION)
#define MONITORS_CAP (1 << SPICE_DISPLAY_CAP_MONITORS_CONFIG)

static void the_client_has_the_screen(void)
{
    static const uint32_t caps[] = {0, MONITORS_CAP, LZ4_CAP | MONITORS_CAP};

    for (unsigned i = 0; i < G_N_ELEMENTS(caps); i++) {
        Client me;

        plug_screen();
        open_client(&me, &display_channel_kind, caps[i]);
        look(&me, true, is_same);
        paint(10, 20, 30, 40, 3);
        paint(299, 199, 1, 1, 4);
        paint(0, 0, 1, 200, 5);
        look(&me, true, is_same);
        close_client(&me);
        unplug_screen();
    }
}

static void only_what_changed_is_drawn(void)
{
    Client me;

    plug_screen();
    open_client(&me, &display_channel_kind, 0);
    look(&me, true, is_same);
    me.bytes = me.draws = 0;
    paint(100, 100, 16, 16, 9);
    paint(100, 100, 16, 16, 10);
    look(&me, true, is_same);
    g_assert_cmpuint(me.draws, <=, 2);
    g_assert_cmpuint(me.bytes, <=, 2 * (16 * 16 * 4 + 100));
    close_client(&me);
    unplug_screen();
}

static void large_screens_come_in_strips(void)
{
    Client me;

    plug_screen();
    show(SIDE_MAX, 1500);
    open_client(&me, &display_channel_kind, 0);
    look(&me, true, is_same);
    g_assert_cmpuint(me.draws, >=, 1500 / (IMAGE_STRIP_BYTES / 4 / SIDE_MAX));
    close_client(&me);
    unplug_screen();
}

static void resized_and_dark_screens_are_followed(void)
{
    static const int sizes[][2] = {{640, 480}, {1, 1}, {640, 480}, {640, 480}, {301, 7}};
    Client me;

    plug_screen();
    open_client(&me, &display_channel_kind, LZ4_CAP | MONITORS_CAP);
    look(&me, true, is_same);
    for (unsigned i = 0; i < G_N_ELEMENTS(sizes); i++) {
        show(sizes[i][0], sizes[i][1]);
        look(&me, true, is_same);
    }
    console_set_surface(screen, NULL);
    look(&me, true, is_dark);
    show(50, 60);
    look(&me, true, is_same);
    unplug_screen(); /* while somebody looks */
    look(&me, true, is_dark);
    close_client(&me);
}

/* A client that does not acknowledge gets a window of messages; when it does again, it gets what the screen is by then. */
static void slow_clients_miss_pictures_and_none_that_matters(void)
{
    unsigned stopped;
    Client me;

    plug_screen();
    show(SIDE_MAX, 1500);
    open_client(&me, &display_channel_kind, 0);
    look(&me, false, is_stuck);
    for (unsigned i = 0; i < 400; i++) {
        paint(i, i, 64, 64, i);
        spice_pump(me.c);
    }
    stopped = me.draws;
    g_assert_cmpuint(stopped, <=, 2 * CHANNEL_ACK_WINDOW + 1);
    g_assert_cmpuint(me.c->out_bytes, <=, CHANNEL_ROOM_BYTES + IMAGE_STRIP_BYTES + 1024);
    fake_say(me.w, SPICE_MSGC_ACK, NULL, 0);
    fake_say(me.w, SPICE_MSGC_ACK, NULL, 0);
    me.seen = 0;
    look(&me, true, is_same);
    g_assert_cmpuint(me.draws - stopped, <, 300);
    close_client(&me);
    unplug_screen();
}

/* ---- pointers ---- */

static uint16_t last_of(Client *me, GByteArray *b)
{
    uint16_t last = 0, type;

    spice_pump(me->c);
    fake_settle();
    while ((type = fake_hear(me->w, b))) {
        last = type;
    }
    return last;
}

static void pointers_are_followed(void)
{
    g_autoptr(GByteArray) b = g_byte_array_new();
    ConsoleCursor *shape = console_cursor_new(3, 2);
    Client me;

    plug_screen();
    open_client(&me, &cursor_channel_kind, 0);
    g_assert_cmpuint(last_of(&me, b), ==, SPICE_MSG_CURSOR_INIT);
    g_assert_cmpmem(b->data, b->len, "\0\0\0\0\0\0\0\0\1\1\0", 11);
    shape->hot_x = 1;
    shape->pixels[5] = 0x80112233;
    console_set_cursor(screen, shape);
    console_move_cursor(screen, 10, -20);
    g_assert_cmpuint(last_of(&me, b), ==, SPICE_MSG_CURSOR_SET);
    g_assert_cmpuint(b->len, ==, 4 + 1 + 2 + 8 + 9 + 24);
    g_assert_cmpmem(b->data, 5, "\x0a\0\xec\xff\1", 5);
    g_assert_cmpmem(b->data + 16, 8, "\3\0\2\0\1\0\0\0", 8);
    g_assert_cmpmem(b->data + b->len - 4, 4, "\x33\x22\x11\x80", 4);
    console_move_cursor(screen, 11, 12);
    console_move_cursor(screen, 13, 14);
    g_assert_cmpuint(last_of(&me, b), ==, SPICE_MSG_CURSOR_MOVE);
    g_assert_cmpmem(b->data, b->len, "\x0d\0\x0e\0", 4);
    console_set_cursor(screen, NULL);
    g_assert_cmpuint(last_of(&me, b), ==, SPICE_MSG_CURSOR_HIDE);
    console_set_cursor(screen, NULL);
    g_assert_cmpuint(last_of(&me, b), ==, 0);
    console_cursor_unref(shape);
    unplug_screen();
    close_client(&me);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    loop_init();
    server_init();
    g_test_add_func("/ui/spice/display/the_client_has_the_screen", the_client_has_the_screen);
    g_test_add_func("/ui/spice/display/only_what_changed_is_drawn", only_what_changed_is_drawn);
    g_test_add_func("/ui/spice/display/large_screens_come_in_strips", large_screens_come_in_strips);
    g_test_add_func("/ui/spice/display/resized_and_dark_screens_are_followed", resized_and_dark_screens_are_followed);
    g_test_add_func("/ui/spice/display/slow_clients_miss_pictures_and_none_that_matters",
                    slow_clients_miss_pictures_and_none_that_matters);
    g_test_add_func("/ui/spice/cursor/pointers_are_followed", pointers_are_followed);
    return g_test_run();
}
