/* ui/screendump.h - pictures as files.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "ui/console.h"

/* Of an x8r8g8b8 image.  Caller frees. */
GByteArray *screendump_ppm(pixman_image_t *image);
GByteArray *screendump_png(pixman_image_t *image, GError **errp);
