/* tests/unit/ui/spice-known-test.c - a client that comes back gets what it does not show, and not what it does.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "spice-moving.h"
#include "ui/spice/known.h"

enum { WIDTH = 100, HEIGHT = 70, BANDS = (HEIGHT - 1) / KNOWN_BAND_ROWS + 1 };

static uint32_t *pixel(unsigned x, unsigned y)
{
    return (uint32_t *)((char *)pixman_image_get_data(picture) + y * pixman_image_get_stride(picture)) + x;
}

/* What a client says that shows the screen as it is now. */
static GByteArray *what_is_shown(void)
{
    GByteArray *b = g_byte_array_new();

    put_u64(b, 0);
    put_u32(b, 1);
    known_put_surface(b, pixman_image_get_data(picture), pixman_image_get_stride(picture), WIDTH, HEIGHT, KNOWN_BAND_ROWS);
    put_u32(b, 0);
    return b;
}

/* ---- digests ---- */

static void each_pixel_counts(void)
{
    int stride = pixman_image_get_stride(picture);
    uint64_t before = known_digest(pixman_image_get_data(picture), stride, WIDTH, HEIGHT);

    for (unsigned i = 0; i < WIDTH * HEIGHT; i += 7) {
        uint32_t *p = pixel(i % WIDTH, i / WIDTH), was = *p;

        *p ^= 1u << i % 24;
        g_assert_cmphex(known_digest(pixman_image_get_data(picture), stride, WIDTH, HEIGHT), !=, before);
        *p = was ^ 0xff000000; /* which nobody sees */
        g_assert_cmphex(known_digest(pixman_image_get_data(picture), stride, WIDTH, HEIGHT), ==, before);
        *p = was;
    }
    g_assert_cmphex(known_digest(pixman_image_get_data(picture), stride, WIDTH, HEIGHT - 1), !=, before);
}

static void what_is_cut_says_nothing(void)
{
    g_autoptr(GByteArray) b = what_is_shown();
    KnownSurface s;

    g_assert_true(known_find_surface(b->data, b->len, &s));
    g_assert_cmpuint(s.width, ==, WIDTH);
    g_assert_cmpuint(s.height, ==, HEIGHT);
    g_assert_cmpuint(s.bands, ==, BANDS);
    for (unsigned size = 0; size < b->len - 4; size++) {
        g_autofree uint8_t *cut = g_memdup2(b->data, size);

        g_assert_false(known_find_surface(cut, size, &s));
    }
    memset(b->data + 8, 0xff, 4); /* so many surfaces */
    b->data[12] = 1;              /* none of which is the first */
    g_assert_false(known_find_surface(b->data, b->len, &s));
    memset(b->data + 32, 0xff, 4); /* so many bands */
    g_assert_false(known_find_surface(b->data, b->len, &s));
}

/* ---- coming back ---- */

static Session client_that_is_back(void)
{
    Session s;

    fake_extension = FAKE_RETURNS | 1u << (KNOWN_CAP - 96);
    s = source_client();
    s.w[DISPLAY]->is_ended = true;
    spice_pump(s.c[DISPLAY]);
    g_assert_true(s.c[DISPLAY]->is_lost);
    return s;
}

static void come_back(Session *s)
{
    s->w[DISPLAY] = fake_come_back(s->c[DISPLAY]);
    assert_hears(s, DISPLAY, SPICE_MSG_SET_ACK);
    assert_hears(s, DISPLAY, SPICE_MSG_DISPLAY_STREAM_DESTROY_ALL);
    assert_hears(s, DISPLAY, KNOWN_ASK);
    console_update(screen, 0, 0, 10, 10);
    spice_pump(s->c[DISPLAY]);
    g_assert_cmpuint(s->w[DISPLAY]->out->len, ==, 0); /* first it has to say */
}

static void who_shows_it_is_sent_nothing(void)
{
    Session s = client_that_is_back();
    g_autoptr(GByteArray) b = what_is_shown();

    console_update(screen, 0, 0, WIDTH, HEIGHT); /* with what was there */
    come_back(&s);
    say(&s, DISPLAY, KNOWN_SAY, b->data, b->len);
    assert_hears(&s, DISPLAY, SPICE_MSG_DISPLAY_MONITORS_CONFIG);
    assert_hears(&s, DISPLAY, SPICE_MSG_DISPLAY_MARK);
    fake_settle();
    spice_pump(s.c[DISPLAY]);
    g_assert_cmpuint(s.w[DISPLAY]->out->len, ==, 0);
    end_test();
}

static void assert_draws_band(Session *s, unsigned band)
{
    g_autoptr(GByteArray) b = g_byte_array_new();

    spice_pump(s->c[DISPLAY]);
    g_assert_cmpuint(fake_hear(s->w[DISPLAY], b), ==, SPICE_MSG_DISPLAY_DRAW_COPY);
    g_assert_cmpuint(load_le32(b->data + 4), ==, band * KNOWN_BAND_ROWS); /* top, left, bottom, right */
    g_assert_cmpuint(load_le32(b->data + 8), ==, 0);
    g_assert_cmpuint(load_le32(b->data + 12), ==, MIN((band + 1) * KNOWN_BAND_ROWS, (unsigned)HEIGHT));
    g_assert_cmpuint(load_le32(b->data + 16), ==, WIDTH);
}

static void only_what_differs_is_sent(void)
{
    for (unsigned band = 0; band < BANDS; band++) {
        Session s = client_that_is_back();
        g_autoptr(GByteArray) b = what_is_shown();

        *pixel(50, MIN(band * KNOWN_BAND_ROWS + 5, HEIGHT - 1)) ^= 0x10;
        come_back(&s);
        say(&s, DISPLAY, KNOWN_SAY, b->data, b->len);
        while (!s.w[DISPLAY]->out->len) { /* a pass begins every PASS_NS */
            g_main_context_iteration(NULL, true);
        }
        assert_draws_band(&s, band);
        assert_hears(&s, DISPLAY, SPICE_MSG_DISPLAY_MONITORS_CONFIG);
        assert_hears(&s, DISPLAY, SPICE_MSG_DISPLAY_MARK);
        end_test();
    }
}

/* It has no surface, or one of another size, or says what nobody understands: it gets all of it. */
static void whoever_is_not_understood_gets_all(void)
{
    for (unsigned i = 0; i < 4; i++) {
        static const unsigned wrong[] = {8, 16, 20, 32}; /* surfaces, width, height, bands */
        Session s = client_that_is_back();
        g_autoptr(GByteArray) b = what_is_shown();

        b->data[wrong[i]] ^= i ? 2 : 1;
        come_back(&s);
        say(&s, DISPLAY, KNOWN_SAY, b->data, b->len);
        assert_hears(&s, DISPLAY, SPICE_MSG_DISPLAY_STREAM_DESTROY_ALL);
        assert_hears(&s, DISPLAY, SPICE_MSG_DISPLAY_INVAL_ALL_PIXMAPS);
        assert_hears(&s, DISPLAY, SPICE_MSG_DISPLAY_INVAL_ALL_PALETTES);
        assert_hears(&s, DISPLAY, SPICE_MSG_DISPLAY_SURFACE_DESTROY);
        assert_hears(&s, DISPLAY, SPICE_MSG_DISPLAY_SURFACE_CREATE);
        say(&s, DISPLAY, KNOWN_SAY, b->data, b->len); /* nobody asked */
        g_assert_false(s.c[DISPLAY]->is_closed);
        end_test();
    }
}

/* The guest moves on before it has said so: over there it begins from scratch. */
static void who_has_not_said_it_gets_all_over_there(void)
{
    Session s = client_that_is_back(), b;
    g_autoptr(GByteArray) state = NULL;

    come_back(&s);
    name_target();
    g_assert_cmpint(s.client->mig.state, ==, MIGRATE_ASKED);
    say(&s, MAIN, SPICE_MSGC_MAIN_MIGRATE_CONNECTED_SEAMLESS, NULL, 0);
    guest_stops();
    state = guest_is_saved();
    guest_has_left();
    end_side();
    b = destination_client(MIGRATE_VERSION);
    guest_arrives(state);
    assert_hears(&b, DISPLAY, SPICE_MSG_SET_ACK);
    assert_hears(&b, DISPLAY, SPICE_MSG_DISPLAY_STREAM_DESTROY_ALL);
    assert_hears(&b, DISPLAY, SPICE_MSG_DISPLAY_INVAL_ALL_PIXMAPS);
    end_test();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    prepare();
#define T(name) g_test_add_func("/ui/spice/known/" #name, name)
    T(each_pixel_counts);
    T(what_is_cut_says_nothing);
    T(who_shows_it_is_sent_nothing);
    T(only_what_differs_is_sent);
    T(whoever_is_not_understood_gets_all);
    T(who_has_not_said_it_gets_all_over_there);
    return g_test_run();
}
