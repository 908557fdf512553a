/* ui/spice/known.h - what a client that comes back still shows, in digests of bands.  Pure.  Page: docs/spice.md.
 * Test: tests/unit/ui/spice-known-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * An extension of ours, as replay is: a client that has lost the connection of a display keeps its surfaces, is asked for them,
 * and gets what differs.  What it says is a hint about its own screen, and worth no more. */
#pragma once

#include "format.h"

#define KNOWN_CAP 97                    /* common capability */

enum {
    KNOWN_SAY = 0xf010, /* of the client: last serial u64; count u32 of surfaces: id, width, height, format, flags, bands u32,
                           a digest u64 each; count u32 of images: 0 */
    KNOWN_ASK = 0xf011, /* of the server: rows u32 of a band */
};

#define KNOWN_BAND_ROWS 16
#define KNOWN_SAY_BYTES 16              /* without surfaces */
#define KNOWN_SURFACE_BYTES 24          /* without digests */

typedef struct KnownSurface {
    uint32_t width, height, bands;
    const uint8_t *digests;             /* in the message: u64, little-endian */
} KnownSurface;

/* Of 32-bit pixels without their highest byte, from the top left on. */
uint64_t known_digest(const void *pixels, int stride, uint32_t width, uint32_t rows);
void known_put_surface(GByteArray *b, const void *pixels, int stride, uint32_t width, uint32_t height, uint32_t rows);
/* Surface 0; false: it says nothing of one, or it is malformed. */
bool known_find_surface(const uint8_t *data, uint32_t size, KnownSurface *ret);
