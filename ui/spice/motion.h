/* ui/spice/motion.h - which part of a screen moves like a video.  Pure.  Page: docs/spice.md.
 * Test: tests/unit/ui/spice-motion-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <pixman.h>
#include <stdbool.h>
#include <stdint.h>

#define MOTION_SPOTS 8         /* that are watched; one more takes the place of the one that has been still for longest */
#define MOTION_PIXELS_MIN (96 * 96)
#define MOTION_CHANGES_A_S 10
#define MOTION_GAP_NS 200000000 /* still for longer: it begins anew */

typedef struct MotionSpot {
    pixman_box32_t box;
    unsigned changes;          /* since first_ns; 0: a free place */
    int64_t first_ns, last_ns;
} MotionSpot;

typedef struct Motion { /* starts as zeroes */
    MotionSpot spots[MOTION_SPOTS];
} Motion;

/* `box` changed.  True: it has done so often for `enough_ns`; it is forgotten by that. */
bool motion_note(Motion *m, const pixman_box32_t *box, int64_t now_ns, int64_t enough_ns);
int64_t box_area(const pixman_box32_t *box);
/* Most of each is in the other. */
bool boxes_are_one(const pixman_box32_t *a, const pixman_box32_t *b);
