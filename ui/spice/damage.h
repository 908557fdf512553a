/* ui/spice/damage.h - what of a screen has changed, as a region that never has many boxes.  Pure.  Page: docs/spice.md.
 * Test: tests/unit/ui/spice-display-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <pixman.h>

#define DAMAGE_BOXES_MAX 1024 /* that wait: what a guest changes dot by dot costs no more, however long the client sleeps */
#define DAMAGE_GRID 64        /* pixels */

void damage_add(pixman_region32_t *region, int x, int y, int width, int height);
/* More than `enough` boxes grow to a grid, where neighbours become one; beyond the screen, perhaps. */
void damage_coarsen(pixman_region32_t *region, int enough);
