/* ui/spice/image.c - a piece of a picture as a DRAW_COPY message.  Pure.  Page: docs/spice.md.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "config-host.h"
#include "image.h"
#include "format.h"
#include "jpeg.h"
#include "util/bytes.h"

#include <spice/enums.h>
#include <string.h>
#if CONFIG_LZ4
#include <lz4.h>
#endif

#define DRAW_COPY_BYTES 57 /* the fixed part, without clip; the image follows */
#define BITMAP_TOP_DOWN 4

#define PHOTO_PIXELS_MIN 4096
#define PHOTO_SAMPLES 4096
#define PHOTO_STEP 24      /* of a colour, between neighbours: what is more is an edge */

void put_rect(GByteArray *b, const ImageBox *box)
{
    put_u32(b, box->y1);
    put_u32(b, box->x1);
    put_u32(b, box->y2);
    put_u32(b, box->x2);
}

static void put_copy(GByteArray *b, const ImageBox *box)
{
    put_u32(b, 0); /* surface */
    put_rect(b, box);
    put_u8(b, SPICE_CLIP_TYPE_NONE);
    put_u32(b, DRAW_COPY_BYTES);
    put_rect(b, &(ImageBox){0, 0, box->x2 - box->x1, box->y2 - box->y1});
    put_u16(b, SPICE_ROPD_OP_PUT);
    put_u8(b, 0); /* no scaling */
    put_u8(b, 0); /* no mask */
    put_u32(b, 0);
    put_u32(b, 0);
    put_u32(b, 0);
}

static void put_image(GByteArray *b, uint64_t id, uint8_t type, const ImageBox *box)
{
    put_u64(b, id);
    put_u8(b, type);
    put_u8(b, 0); /* not cached */
    put_u32(b, box->x2 - box->x1);
    put_u32(b, box->y2 - box->y1);
}

static void put_bitmap(GByteArray *b, const uint8_t *rows, size_t row_bytes, const ImageBox *box)
{
    put_u8(b, SPICE_BITMAP_FMT_32BIT);
    put_u8(b, BITMAP_TOP_DOWN);
    put_u32(b, box->x2 - box->x1);
    put_u32(b, box->y2 - box->y1);
    put_u32(b, row_bytes);
    put_u32(b, 0); /* no palette */
    put_bytes(b, rows, row_bytes * (box->y2 - box->y1));
}

bool image_has_lz4(void)
{
    return CONFIG_LZ4;
}

/* False, and nothing was put: it would not be smaller. */
static bool put_lz4(GByteArray *b, const uint8_t *rows, size_t size, uint64_t id, const ImageBox *box)
{
#if CONFIG_LZ4
    size_t room = size - size / 8;
    g_autofree uint8_t *coded = g_malloc(room);
    int coded_size = LZ4_compress_default((const char *)rows, (char *)coded, (int)size, (int)room);
    uint8_t size_be[4];

    if (coded_size <= 0) {
        return false;
    }
    put_image(b, id, SPICE_IMAGE_TYPE_LZ4, box);
    put_u32(b, 2 + 4 + coded_size);
    put_u8(b, 1); /* top down */
    put_u8(b, SPICE_BITMAP_FMT_32BIT);
    store_be32(size_be, coded_size);
    put_bytes(b, size_be, 4);
    put_bytes(b, coded, coded_size);
    return true;
#else
    return false;
#endif
}

static bool put_jpeg(GByteArray *b, const uint8_t *rows, size_t size, uint64_t id, const ImageBox *box, unsigned quality)
{
    unsigned width = box->x2 - box->x1, height = box->y2 - box->y1;
    g_autoptr(GByteArray) file = jpeg_encode(rows, 4 * (size_t)width, width, height, quality, size / 2);

    if (!file) {
        return false;
    }
    put_image(b, id, SPICE_IMAGE_TYPE_JPEG, box);
    put_u32(b, file->len);
    put_bytes(b, file->data, file->len);
    return true;
}

/* ---- what is a photograph ---- */

static unsigned step_between(uint32_t a, uint32_t b)
{
    unsigned most = 0;

    for (unsigned shift = 0; shift < 24; shift += 8) {
        most = MAX(most, (unsigned)ABS((int)(a >> shift & 255) - (int)(b >> shift & 255)));
    }
    return most;
}

bool image_is_photo(const uint8_t *pixels, size_t stride, const ImageBox *box)
{
    uint64_t width = box->x2 - box->x1, pairs = (width - 1) * (box->y2 - box->y1);
    uint64_t between = MAX(pairs / PHOTO_SAMPLES, 1) | 1; /* odd: not always the same column */
    unsigned near = 0, far = 0, all = 0;

    if (width * (box->y2 - box->y1) < PHOTO_PIXELS_MIN) {
        return false;
    }
    for (uint64_t i = 0; i < pairs; i += between, all++) {
        const uint8_t *at = pixels + stride * (box->y1 + i / (width - 1)) + 4 * (box->x1 + i % (width - 1));
        unsigned step = step_between(*(const uint32_t *)at, *(const uint32_t *)(at + 4));

        near += step && step <= PHOTO_STEP;
        far += step > PHOTO_STEP;
    }
    return 10 * near > all && near > 2 * far;
}

/* ---- a message ---- */

/* Rows without gaps between them. */
static uint8_t *cut_out(const uint8_t *pixels, size_t stride, const ImageBox *box)
{
    size_t row_bytes = 4 * (size_t)(box->x2 - box->x1);
    uint8_t *rows = g_malloc(row_bytes * (box->y2 - box->y1));

    for (int y = box->y1; y < box->y2; y++) {
        memcpy(rows + row_bytes * (y - box->y1), pixels + stride * y + 4 * (size_t)box->x1, row_bytes);
    }
    return rows;
}

/* False: nothing was put. */
static bool put_coded(GByteArray *b, const uint8_t *rows, size_t size, uint64_t id, const ImageBox *box, ImageCoders coders)
{
    ImageBox all = {0, 0, box->x2 - box->x1, box->y2 - box->y1};

    if (coders.jpeg && image_is_photo(rows, size / all.y2, &all) && put_jpeg(b, rows, size, id, box, coders.jpeg)) {
        return true;
    }
    return coders.lz4 && size >= 64 && put_lz4(b, rows, size, id, box);
}

GByteArray *image_draw_copy(const uint8_t *pixels, size_t stride, const ImageBox *box, uint64_t image_id, ImageCoders coders)
{
    size_t row_bytes = 4 * (size_t)(box->x2 - box->x1), size = row_bytes * (box->y2 - box->y1);
    g_autofree uint8_t *rows = cut_out(pixels, stride, box);
    GByteArray *b = g_byte_array_sized_new(DRAW_COPY_BYTES + 64 + (coders.lz4 ? size / 4 : size));

    put_copy(b, box);
    g_assert(b->len == DRAW_COPY_BYTES);
    if (!put_coded(b, rows, size, image_id, box, coders)) {
        put_image(b, image_id, SPICE_IMAGE_TYPE_BITMAP, box);
        put_bitmap(b, rows, row_bytes, box);
    }
    return b;
}
