/* ui/spice/damage.c - what of a screen has changed, as a region that never has many boxes.  Pure.  Page: docs/spice.md.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "damage.h"

static int down(int at)
{
    return at / DAMAGE_GRID * DAMAGE_GRID;
}

static int up(int at)
{
    return down(at + DAMAGE_GRID - 1);
}

void damage_coarsen(pixman_region32_t *region, int enough)
{
    pixman_region32_t coarse;
    const pixman_box32_t *box;
    int n;

    box = pixman_region32_rectangles(region, &n);
    if (n <= enough) {
        return;
    }
    pixman_region32_init(&coarse);
    for (int i = 0; i < n; i++) {
        int x = down(box[i].x1), y = down(box[i].y1);

        pixman_region32_union_rect(&coarse, &coarse, x, y, up(box[i].x2) - x, up(box[i].y2) - y);
    }
    pixman_region32_copy(region, &coarse);
    pixman_region32_fini(&coarse);
}

/* A very large screen has more places on the grid than boxes that are worth to be told apart: then all between them is new. */
void damage_add(pixman_region32_t *region, int x, int y, int width, int height)
{
    pixman_region32_union_rect(region, region, x, y, width, height);
    damage_coarsen(region, DAMAGE_BOXES_MAX);
    if (pixman_region32_n_rects(region) > DAMAGE_BOXES_MAX) {
        pixman_box32_t all = *pixman_region32_extents(region);

        pixman_region32_reset(region, &all);
    }
}
