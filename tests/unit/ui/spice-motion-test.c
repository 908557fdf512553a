/* tests/unit/ui/spice-motion-test.c - which part of a screen moves like a video.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "ui/spice/motion.h"

#include <glib.h>

#define MS 1000000LL
#define ENOUGH (1000 * MS)

static const pixman_box32_t video = {100, 50, 420, 290};

/* Changes every so many ms; the one of them at which it was a video, or 0. */
static unsigned moves_at(Motion *m, const pixman_box32_t *box, int64_t from_ms, unsigned every_ms, unsigned most)
{
    for (unsigned i = 0; i < most; i++) {
        if (motion_note(m, box, (from_ms + i * every_ms) * MS, ENOUGH)) {
            return i;
        }
    }
    return 0;
}

static void rates(void)
{
    static const struct {
        unsigned every_ms, at; /* 0: never */
    } cases[] = {{20, 50}, {33, 31}, {100, 10}, {110, 10}, {130, 0}, {190, 0}, {300, 0}, {1000, 0}};

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        Motion m = {.spots = {{.changes = 0}}};

        g_assert_cmpuint(moves_at(&m, &video, 5000, cases[i].every_ms, 300), ==, cases[i].at);
    }
}

static void what_pauses_begins_anew(void)
{
    Motion m = {.spots = {{.changes = 0}}};

    g_assert_cmpuint(moves_at(&m, &video, 1000, 40, 20), ==, 0);
    g_assert_cmpuint(moves_at(&m, &video, 2100, 40, 20), ==, 0);
    g_assert_cmpuint(moves_at(&m, &video, 3200, 40, 100), ==, 25);
    g_assert_cmpuint(moves_at(&m, &video, 4240, 40, 100), ==, 25); /* it was forgotten */
}

static void what_is_slow_first_may_be_faster(void)
{
    Motion m = {.spots = {{.changes = 0}}};

    g_assert_cmpuint(moves_at(&m, &video, 1000, 190, 50), ==, 0);
    g_assert_cmpuint(moves_at(&m, &video, 1000 + 50 * 190, 40, 100), >, 0);
}

static void small_and_wandering_parts_are_none(void)
{
    Motion m = {.spots = {{.changes = 0}}};
    pixman_box32_t small = {0, 0, 95, 96}, moving = video;

    g_assert_cmpuint(moves_at(&m, &small, 1000, 20, 300), ==, 0);
    for (unsigned i = 0; i < 300; i++) {
        moving.x1 += 40;
        moving.x2 += 40;
        g_assert_false(motion_note(&m, &moving, (1000 + i * 20) * MS, ENOUGH));
    }
}

static void several_are_watched(void)
{
    Motion m = {.spots = {{.changes = 0}}};
    unsigned found = 0;

    for (unsigned i = 0; i < 60 * MOTION_SPOTS; i++) {
        pixman_box32_t box = {0, 200 * (int)(i % MOTION_SPOTS), 200, 200 * (int)(i % MOTION_SPOTS) + 150};

        found += motion_note(&m, &box, (1000 + i * 3) * MS, ENOUGH);
    }
    g_assert_cmpuint(found, ==, MOTION_SPOTS);
}

static void nearly_the_same_place_is_the_same(void)
{
    pixman_box32_t near = {102, 50, 420, 292}, far = {150, 50, 470, 290}, half = {100, 50, 260, 290}, none = {0, 0, 10, 10};

    g_assert_true(boxes_are_one(&video, &video));
    g_assert_true(boxes_are_one(&video, &near));
    g_assert_false(boxes_are_one(&video, &far));
    g_assert_false(boxes_are_one(&video, &half));
    g_assert_false(boxes_are_one(&half, &video));
    g_assert_false(boxes_are_one(&video, &none));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ui/spice/motion/rates", rates);
    g_test_add_func("/ui/spice/motion/what_pauses_begins_anew", what_pauses_begins_anew);
    g_test_add_func("/ui/spice/motion/what_is_slow_first_may_be_faster", what_is_slow_first_may_be_faster);
    g_test_add_func("/ui/spice/motion/small_and_wandering_parts_are_none", small_and_wandering_parts_are_none);
    g_test_add_func("/ui/spice/motion/several_are_watched", several_are_watched);
    g_test_add_func("/ui/spice/motion/nearly_the_same_place_is_the_same", nearly_the_same_place_is_the_same);
    return g_test_run();
}
