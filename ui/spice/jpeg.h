/* ui/spice/jpeg.h - pixels as a JPEG file.  Pure, so on any thread.  Page: docs/spice.md.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

bool jpeg_is_built(void);
/* pixels: xRGB; stride in bytes; quality: 1 to 100.  NULL: there is no coder, or the file would have more bytes than `most`. */
GByteArray *jpeg_encode(const uint8_t *pixels, size_t stride, unsigned width, unsigned height, unsigned quality, size_t most);
