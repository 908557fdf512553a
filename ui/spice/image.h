/* ui/spice/image.h - a piece of a picture as a DRAW_COPY message.  Pure.  Page: docs/spice.md.
 * Test: tests/unit/ui/spice-display-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define IMAGE_STRIP_BYTES (256 * 1024) /* pixels of one message */

typedef struct ImageBox { /* x2, y2: behind the last pixel */
    int x1, y1, x2, y2;
} ImageBox;

typedef struct ImageCoders { /* that may be used, where they make it smaller */
    bool lz4;
    unsigned jpeg;           /* quality of photographs; 0: no JPEG */
} ImageCoders;

/* The body of a DRAW_COPY to `box` of surface 0.  pixels: xRGB of the whole surface; stride in bytes. */
GByteArray *image_draw_copy(const uint8_t *pixels, size_t stride, const ImageBox *box, uint64_t image_id, ImageCoders coders);
/* Large, and more like a photograph than like text and drawings: neighbours differ, by little. */
bool image_is_photo(const uint8_t *pixels, size_t stride, const ImageBox *box);
bool image_has_lz4(void);
void put_rect(GByteArray *b, const ImageBox *box);
