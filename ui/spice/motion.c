/* ui/spice/motion.c - which part of a screen moves like a video.  Pure.  Page: docs/spice.md.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "motion.h"

#include <glib.h>

int64_t box_area(const pixman_box32_t *box)
{
    return (int64_t)MAX(box->x2 - box->x1, 0) * MAX(box->y2 - box->y1, 0);
}

bool boxes_are_one(const pixman_box32_t *a, const pixman_box32_t *b)
{
    pixman_box32_t both = {MAX(a->x1, b->x1), MAX(a->y1, b->y1), MIN(a->x2, b->x2), MIN(a->y2, b->y2)};

    return 10 * box_area(&both) >= 9 * MAX(box_area(a), box_area(b));
}

/* The one at that place, or the one that has been still for longest. */
static MotionSpot *find_spot(Motion *m, const pixman_box32_t *box)
{
    MotionSpot *oldest = m->spots;

    for (unsigned i = 0; i < MOTION_SPOTS; i++) {
        MotionSpot *s = &m->spots[i];

        if (s->changes && boxes_are_one(&s->box, box)) {
            return s;
        }
        if (s->last_ns < oldest->last_ns) {
            oldest = s;
        }
    }
    oldest->changes = 0;
    return oldest;
}

bool motion_note(Motion *m, const pixman_box32_t *box, int64_t now_ns, int64_t enough_ns)
{
    MotionSpot *s;

    if (box_area(box) < MOTION_PIXELS_MIN) {
        return false;
    }
    s = find_spot(m, box);
    if (!s->changes || now_ns - s->last_ns > MOTION_GAP_NS) {
        *s = (MotionSpot){.first_ns = now_ns};
    }
    s->box = *box;
    s->changes++;
    s->last_ns = now_ns;
    if (now_ns - s->first_ns < enough_ns) {
        return false;
    }
    if ((int64_t)s->changes * 1000000000 < MOTION_CHANGES_A_S * (now_ns - s->first_ns)) { /* too slow so far */
        *s = (MotionSpot){.box = *box, .changes = 1, .first_ns = now_ns, .last_ns = now_ns};
        return false;
    }
    *s = (MotionSpot){.changes = 0};
    return true;
}
