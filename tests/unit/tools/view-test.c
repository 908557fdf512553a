/* tests/unit/tools/view-test.c - the viewer shows what the server says, and says what is typed.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "view-fake.h"
#include "ui/spice/ticket.h"
#include "util/bytes.h"

static void shows_the_screen(void)
{
    ViewSession *s = new_session(NULL);

    until(has_marked, s);
    until(shows_it, s);
    paint(2);
    until(shows_it, s);
    show(320, 200, 3); /* another size */
    until(shows_it, s);
    end_session(s);
}

static bool has_typed_all(const ViewSession *s)
{
    return typed->len && g_str_has_suffix(typed->str, "-28 ");
}

static void types_each_key_once(void)
{
    ViewSession *s = new_session(NULL);

    until(has_marked, s);
    g_assert_true(view_type(s, "aB,\n"));
    until(has_typed_all, s);
    g_assert_cmpstr(typed->str, ==, "+30 -30 +42 +48 -48 -42 +51 -51 +28 -28 ");
    end_session(s);
}

static void shows_the_ticket(void)
{
    static const struct {
        const char *password;
        bool is_good;
    } cases[] = {{"secret", true}, {"Secret", false}, {NULL, false}};

    server()->config.disable_ticketing = false;
    g_assert_true(ticket_set_password(&server()->ticket, "secret", NULL));
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        ViewSession *s = new_session(cases[i].password);

        until(cases[i].is_good ? has_marked : is_over, s);
        g_assert_cmpint(s->is_over, ==, !cases[i].is_good);
        end_session(s);
    }
    server()->config.disable_ticketing = true;
}

static bool has_lost_inputs(const ViewSession *s)
{
    return strstr(said->str, "lost inputs 0");
}

static void ends_with_its_main_channel_only(void)
{
    ViewSession *s = new_session(NULL);

    until(has_marked, s);
    spice_close(server_find_channel(s->id, SPICE_CHANNEL_INPUTS, 0));
    until(has_lost_inputs, s);
    g_assert_false(s->is_over);
    spice_close(server_find_channel(s->id, SPICE_CHANNEL_MAIN, 0));
    until(is_over, s);
    end_session(s);
}

/* ---- pictures, as bytes ---- */

static GByteArray *bitmap(uint32_t width, uint32_t height, uint32_t stride, uint8_t flags, uint32_t bytes)
{
    GByteArray *b = g_byte_array_new();

    put_u64(b, 5);
    put_u8(b, SPICE_IMAGE_TYPE_BITMAP);
    put_u8(b, flags);
    put_u32(b, width);
    put_u32(b, height);
    put_u8(b, SPICE_BITMAP_FMT_32BIT);
    put_u8(b, SPICE_BITMAP_FLAGS_TOP_DOWN);
    put_u32(b, width);
    put_u32(b, height);
    put_u32(b, stride);
    put_u32(b, 0);
    g_byte_array_set_size(b, b->len + bytes);
    memset(b->data + b->len - bytes, 7, bytes);
    return b;
}

static void bounds_each_length_of_a_picture(void)
{
    static const struct {
        uint32_t width, height, stride, bytes;
        bool is_good;
    } cases[] = {
        {4, 2, 16, 32, true},  {4, 2, 20, 40, true},          {4, 2, 16, 31, false},           {4, 2, 12, 32, false},
        {0, 2, 16, 32, false}, {0x40000001, 1, 4, 4, false},  {4, 0x10000000, 16, 32, false},  {4, 2, 0x80000008, 32, false},
    };
    Surfaces *s = surfaces_new();

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GByteArray) b = bitmap(cases[i].width, cases[i].height, cases[i].stride, 0, cases[i].bytes);
        pixman_image_t *image = surfaces_read_image(s, 0, b->data, b->len, 0);

        g_assert_cmpint(image != NULL, ==, cases[i].is_good);
        g_clear_pointer(&image, pixman_image_unref);
        g_assert_null(surfaces_read_image(s, 0, b->data, b->len, b->len - 17));
        g_assert_null(surfaces_read_image(s, 0, b->data, b->len, UINT32_MAX));
    }
    surfaces_free(s);
}

static void keeps_images_until_told(void)
{
    Surfaces *s = surfaces_new();
    g_autoptr(GByteArray) b = bitmap(4, 2, 16, SPICE_IMAGE_FLAGS_CACHE_ME, 32), again = bitmap(4, 2, 16, 0, 32);

    again->data[8] = SPICE_IMAGE_TYPE_FROM_CACHE;
    g_assert_null(surfaces_read_image(s, 0, again->data, again->len, 0));
    for (unsigned i = 0; i < 2; i++) {
        pixman_image_unref(surfaces_read_image(s, 0, b->data, b->len, 0));
        pixman_image_unref(surfaces_read_image(s, 0, again->data, again->len, 0));
    }
    surfaces_forget_image(s, 5);
    g_assert_null(surfaces_read_image(s, 0, again->data, again->len, 0));
    surfaces_free(s);
}

static void bounds_all_surfaces_together(void)
{
    Surfaces *s = surfaces_new();
    unsigned n = 0;

    g_assert_false(surfaces_add(s, 0, 0, SURFACE_SIDE_MAX + 1, 1, false));
    g_assert_false(surfaces_add(s, 0, 0, 1, 0, false));
    while (n < 2 * SURFACES_MAX && surfaces_add(s, 0, n, 1, 1, false)) {
        n++;
    }
    g_assert_cmpuint(n, ==, SURFACES_MAX);
    surfaces_remove(s, 0, 3);
    g_assert_false(surfaces_add(s, 0, 4, 1, 1, false)); /* it is there */
    g_assert_true(surfaces_add(s, 1, 4, 1, 1, false));
    surfaces_free(s);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    prepare();
    g_test_add_func("/tools/view/shows_the_screen", shows_the_screen);
    g_test_add_func("/tools/view/types_each_key_once", types_each_key_once);
    g_test_add_func("/tools/view/shows_the_ticket", shows_the_ticket);
    g_test_add_func("/tools/view/ends_with_its_main_channel_only", ends_with_its_main_channel_only);
    g_test_add_func("/tools/view/bounds_each_length_of_a_picture", bounds_each_length_of_a_picture);
    g_test_add_func("/tools/view/keeps_images_until_told", keeps_images_until_told);
    g_test_add_func("/tools/view/bounds_all_surfaces_together", bounds_all_surfaces_together);
    return g_test_run();
}
