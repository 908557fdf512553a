/* ui/spice/known.c - what a client that comes back still shows, in digests of bands.  Pure.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "known.h"
#include "util/bytes.h"

#include <spice/enums.h>

#define PIXEL 0xffffffu

uint64_t known_digest(const void *pixels, int stride, uint32_t width, uint32_t rows)
{
    uint64_t h = ((uint64_t)width << 32 | rows) * 0x9e3779b97f4a7c15u;

    for (uint32_t y = 0; y < rows; y++) {
        const uint32_t *row = (const uint32_t *)((const char *)pixels + (ptrdiff_t)y * stride);

        for (uint32_t x = 0; x < width; x++) {
            h = (h ^ (row[x] & PIXEL)) * 0xff51afd7ed558ccdu;
            h ^= h >> 32;
        }
    }
    return h;
}

void known_put_surface(GByteArray *b, const void *pixels, int stride, uint32_t width, uint32_t height, uint32_t rows)
{
    put_u32(b, 0);
    put_u32(b, width);
    put_u32(b, height);
    put_u32(b, SPICE_SURFACE_FMT_32_xRGB);
    put_u32(b, SPICE_SURFACE_FLAGS_PRIMARY);
    put_u32(b, (height - 1) / rows + 1);
    for (uint32_t y = 0; y < height; y += MIN(rows, height - y)) {
        put_u64(b, known_digest((const char *)pixels + (ptrdiff_t)y * stride, stride, width, MIN(rows, height - y)));
    }
}

bool known_find_surface(const uint8_t *data, uint32_t size, KnownSurface *ret)
{
    uint32_t n, at = 12;

    if (size < KNOWN_SAY_BYTES) {
        return false;
    }
    for (n = load_le32(data + 8); n; n--) {
        const uint8_t *s = data + at;

        if (size - at < KNOWN_SURFACE_BYTES || load_le32(s + 20) > (size - at - KNOWN_SURFACE_BYTES) / 8) {
            return false;
        }
        *ret = (KnownSurface){load_le32(s + 4), load_le32(s + 8), load_le32(s + 20), s + KNOWN_SURFACE_BYTES};
        if (!load_le32(s)) {
            return load_le32(s + 12) == SPICE_SURFACE_FMT_32_xRGB;
        }
        at += KNOWN_SURFACE_BYTES + 8 * ret->bands;
    }
    return false;
}
