/* ui/spice/jpeg.c - pixels as a JPEG file.  Pure, so on any thread.  Page: docs/spice.md.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "config-host.h"
#include "jpeg.h"

#if CONFIG_JPEG
#include <setjmp.h>
#include <stdio.h> /* for jpeglib.h */

#include <jpeglib.h>

#define PIECE_BYTES 16384
#if G_BYTE_ORDER == G_LITTLE_ENDIAN
#define PIXEL_ORDER JCS_EXT_BGRX
#else
#define PIXEL_ORDER JCS_EXT_XRGB
#endif

typedef struct Coder {
    struct jpeg_compress_struct c; /* first: the library's callbacks get it */
    struct jpeg_error_mgr err;
    struct jpeg_destination_mgr to;
    jmp_buf failed;
    GByteArray *file;
    size_t most;
    JOCTET piece[PIECE_BYTES];
} Coder;

/* ---- where the bytes go ---- */

static void next_piece(j_compress_ptr c)
{
    Coder *k = (Coder *)c;

    k->to.next_output_byte = k->piece;
    k->to.free_in_buffer = PIECE_BYTES;
}

static void keep_bytes(Coder *k, size_t n)
{
    if (k->file->len + n > k->most) {
        longjmp(k->failed, 1);
    }
    g_byte_array_append(k->file, k->piece, n);
}

static boolean piece_is_full(j_compress_ptr c)
{
    keep_bytes((Coder *)c, PIECE_BYTES);
    next_piece(c);
    return TRUE;
}

static void last_piece(j_compress_ptr c)
{
    keep_bytes((Coder *)c, PIECE_BYTES - c->dest->free_in_buffer);
}

/* ---- complaints ---- */

static void give_up(j_common_ptr c)
{
    longjmp(((Coder *)c)->failed, 1);
}

static void say_nothing(j_common_ptr c)
{
}

/* ---- coding ---- */

static void begin(Coder *k, unsigned width, unsigned height, unsigned quality)
{
    jpeg_create_compress(&k->c);
    k->to = (struct jpeg_destination_mgr){
        .init_destination = next_piece, .empty_output_buffer = piece_is_full, .term_destination = last_piece};
    k->c.dest = &k->to;
    k->c.image_width = width;
    k->c.image_height = height;
    k->c.input_components = 4;
    k->c.in_color_space = PIXEL_ORDER;
    jpeg_set_defaults(&k->c);
    jpeg_set_quality(&k->c, quality, TRUE);
}

static void encode(Coder *k, const uint8_t *pixels, size_t stride)
{
    jpeg_start_compress(&k->c, TRUE);
    while (k->c.next_scanline < k->c.image_height) {
        JSAMPROW row = (JSAMPROW)(pixels + stride * k->c.next_scanline);

        jpeg_write_scanlines(&k->c, &row, 1);
    }
    jpeg_finish_compress(&k->c);
}

GByteArray *jpeg_encode(const uint8_t *pixels, size_t stride, unsigned width, unsigned height, unsigned quality, size_t most)
{
    Coder *k = g_new0(Coder, 1);
    GByteArray *file;

    k->c.err = jpeg_std_error(&k->err);
    k->err.error_exit = give_up;
    k->err.output_message = say_nothing;
    k->file = g_byte_array_new();
    k->most = most;
    if (setjmp(k->failed)) {
        g_clear_pointer(&k->file, g_byte_array_unref);
    } else {
        begin(k, width, height, quality);
        encode(k, pixels, stride);
    }
    jpeg_destroy_compress(&k->c);
    file = k->file;
    g_free(k);
    return file;
}

#else

GByteArray *jpeg_encode(const uint8_t *pixels, size_t stride, unsigned width, unsigned height, unsigned quality, size_t most)
{
    return NULL;
}
#endif

bool jpeg_is_built(void)
{
    return CONFIG_JPEG;
}
