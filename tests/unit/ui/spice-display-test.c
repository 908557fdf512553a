/* tests/unit/ui/spice-display-test.c - pictures and pointers: a client that draws what it is told has the guest's screen.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "spice-looker.h"
#include "ui/spice/damage.h"
#include "ui/spice/jpeg.h"

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

/* Whatever a guest changes while nobody takes it: nothing of it is forgotten, and there are never many boxes. */
static void damage_has_few_boxes(void)
{
    static const int sizes[][2] = {{640, 480}, {1920, 1080}, {CONSOLE_SIZE_MAX, CONSOLE_SIZE_MAX}};

    for (unsigned i = 0; i < G_N_ELEMENTS(sizes); i++) {
        pixman_region32_t region;
        int dots[5000][2];

        pixman_region32_init(&region);
        for (unsigned n = 0; n < G_N_ELEMENTS(dots); n++) {
            dots[n][0] = g_test_rand_int_range(0, sizes[i][0]);
            dots[n][1] = g_test_rand_int_range(0, sizes[i][1]);
            damage_add(&region, dots[n][0], dots[n][1], 1, 1);
            g_assert_cmpint(pixman_region32_n_rects(&region), <=, DAMAGE_BOXES_MAX);
        }
        for (unsigned n = 0; n < G_N_ELEMENTS(dots); n++) {
            g_assert_true(pixman_region32_contains_point(&region, dots[n][0], dots[n][1], NULL));
        }
        pixman_region32_fini(&region);
    }
}

/* ---- JPEG ---- */

/* What the server is told, what the client wishes, and whether photographs come as JPEG then. */
static void photographs_are_jpeg_where_that_is_wanted(void)
{
    static const struct {
        uint32_t jpeg, compression;
        uint8_t wish;
        bool is_jpeg;
    } cases[] = {
        {JPEG_NEVER, IMAGES_AUTO_GLZ, 0, false},
        {JPEG_AUTO, IMAGES_AUTO_GLZ, 0, false}, /* the link is not slow */
        {JPEG_ALWAYS, IMAGES_AUTO_GLZ, 0, true},
        {JPEG_ALWAYS, IMAGES_QUIC, 0, true},
        {JPEG_ALWAYS, IMAGES_LZ4, 0, false},
        {JPEG_ALWAYS, IMAGES_OFF, 0, false},
        {JPEG_ALWAYS, IMAGES_OFF, SPICE_IMAGE_COMPRESSION_QUIC, true},
        {JPEG_ALWAYS, IMAGES_QUIC, SPICE_IMAGE_COMPRESSION_OFF, false},
        {JPEG_ALWAYS, IMAGES_QUIC, SPICE_IMAGE_COMPRESSION_LZ4, false},
        {JPEG_ALWAYS, IMAGES_QUIC, 99, true},
    };
    const SpiceConfig before = server()->config;

    if (!jpeg_is_built()) {
        g_test_skip("JPEG is not in this build");
        return;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        Client me;

        plug_screen();
        server()->config.jpeg = cases[i].jpeg;
        server()->config.image_compression = cases[i].compression;
        open_client(&me, &display_channel_kind, LZ4_CAP);
        if (cases[i].wish) {
            fake_say(me.w, SPICE_MSGC_DISPLAY_PREFERRED_COMPRESSION, &cases[i].wish, 1);
        }
        look(&me, true, is_same); /* drawings come without loss in any case */
        g_assert_cmpuint(me.jpegs, ==, 0);
        me.bytes = 0;
        paint_photo(0, 0, 300, 200, i);
        look(&me, true, cases[i].is_jpeg ? is_like : is_same);
        g_assert_cmpint(me.jpegs > 0, ==, cases[i].is_jpeg);
        g_assert_true(!cases[i].is_jpeg || me.bytes < 300 * 200);
        close_client(&me);
        unplug_screen();
        server()->config = before;
    }
}

static void photographs_are_told_from_drawings(void)
{
    plug_screen();
    show(640, 480);
    paint(0, 0, 640, 480, 3);
    g_assert_false(image_is_photo((uint8_t *)row_of(0), 4 * 640, &(ImageBox){0, 0, 640, 480}));
    paint_photo(0, 0, 640, 240, 3);
    g_assert_true(image_is_photo((uint8_t *)row_of(0), 4 * 640, &(ImageBox){0, 0, 640, 240}));
    g_assert_true(image_is_photo((uint8_t *)row_of(0), 4 * 640, &(ImageBox){7, 9, 207, 30}));
    g_assert_false(image_is_photo((uint8_t *)row_of(0), 4 * 640, &(ImageBox){7, 9, 47, 30}));   /* so small */
    g_assert_false(image_is_photo((uint8_t *)row_of(0), 4 * 640, &(ImageBox){7, 9, 8, 10}));
    for (unsigned i = 0; i < 640 * 480; i++) {
        row_of(0)[i] = g_test_rand_int() & 0xffffff;
    }
    g_assert_false(image_is_photo((uint8_t *)row_of(0), 4 * 640, &(ImageBox){0, 0, 640, 480})); /* noise */
    unplug_screen();
}

/* ---- several screens ---- */

static void each_screen_has_its_channel(void)
{
    static const uint8_t list[] = {SPICE_CHANNEL_DISPLAY, 0, SPICE_CHANNEL_DISPLAY, 1};
    pixman_image_t *first_picture;
    g_autoptr(GByteArray) channels = NULL;
    Console *first;
    Client me[2];

    plug_screen();
    first = screen;
    first_picture = g_steal_pointer(&picture);
    screen = console_add(object_container("/machine"), 1, &no_ops, NULL, NULL);
    show(640, 480);
    channels = server_channels_list();
    g_assert_nonnull(memmem(channels->data, channels->len, list, sizeof(list)));
    for (unsigned i = 0; i < 2; i++) {
        open_client_of(&me[i], &display_channel_kind, i, LZ4_CAP | MONITORS_CAP);
    }
    look(&me[1], true, is_same);
    g_assert_cmpuint(me[1].image_channel, ==, 1);
    unplug_screen();
    look(&me[1], true, is_dark);
    screen = first;
    picture = first_picture;
    me[0].draws = 0;
    paint(5, 5, 50, 50, 77);
    look(&me[0], true, is_same);
    g_assert_cmpuint(me[0].image_channel, ==, 0);
    close_client(&me[0]);
    close_client(&me[1]);
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
    g_test_add_func("/ui/spice/display/damage_has_few_boxes", damage_has_few_boxes);
    g_test_add_func("/ui/spice/display/photographs_are_jpeg_where_that_is_wanted", photographs_are_jpeg_where_that_is_wanted);
    g_test_add_func("/ui/spice/display/photographs_are_told_from_drawings", photographs_are_told_from_drawings);
    g_test_add_func("/ui/spice/display/each_screen_has_its_channel", each_screen_has_its_channel);
    g_test_add_func("/ui/spice/cursor/pointers_are_followed", pointers_are_followed);
    return g_test_run();
}
