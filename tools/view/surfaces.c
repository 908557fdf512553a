/* tools/view/surfaces.c - what the viewer was told to draw, and what it draws on.  Owner: main loop.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "surfaces.h"
#include "config-host.h"
#include "util/bytes.h"

#include <spice/protocol.h>
#include <string.h>
#if CONFIG_LZ4
#include <lz4.h>
#endif
#if CONFIG_JPEG
#include <setjmp.h>
#include <stdio.h>

#include <jpeglib.h>
#endif

#define IMAGE_BYTES 18          /* of the description before what is particular to a kind */

struct Surfaces {
    GHashTable *surfaces;       /* display << 32 | id: pixman_image_t */
    GHashTable *images;         /* id: pixman_image_t; the server says what is in it */
    uint64_t bytes;
};

static uint64_t bytes_of(pixman_image_t *image)
{
    return (uint64_t)pixman_image_get_stride(image) * pixman_image_get_height(image);
}

static void unref_image(void *image)
{
    pixman_image_unref(image);
}

/* Its pixels are zero.  NULL: too large. */
static pixman_image_t *new_image(uint32_t width, uint32_t height, bool has_alpha)
{
    if (!width || !height || width > SURFACE_SIDE_MAX || height > SURFACE_SIDE_MAX ||
        4 * (uint64_t)width * height > SURFACES_BYTES_MAX) {
        return NULL;
    }
    return pixman_image_create_bits(has_alpha ? PIXMAN_a8r8g8b8 : PIXMAN_x8r8g8b8, (int)width, (int)height, NULL, 0);
}

/* ---- tables ---- */

static void take_out(Surfaces *s, GHashTable *table, uint64_t key)
{
    pixman_image_t *image = g_hash_table_lookup(table, &key);

    if (image) {
        s->bytes -= bytes_of(image);
        g_hash_table_remove(table, &key);
    }
}

/* Takes the image, also when there is no room for it: false. */
static bool put_in(Surfaces *s, GHashTable *table, uint64_t key, pixman_image_t *take, unsigned most)
{
    if (g_hash_table_size(table) >= most || s->bytes + bytes_of(take) > SURFACES_BYTES_MAX) {
        pixman_image_unref(take);
        return false;
    }
    s->bytes += bytes_of(take);
    g_hash_table_insert(table, g_memdup2(&key, sizeof(key)), take);
    return true;
}

static uint64_t key_of(uint8_t display, uint32_t id)
{
    return (uint64_t)display << 32 | id;
}

bool surfaces_add(Surfaces *s, uint8_t display, uint32_t id, uint32_t width, uint32_t height, bool has_alpha)
{
    pixman_image_t *image = surfaces_find(s, display, id) ? NULL : new_image(width, height, has_alpha);

    return image && put_in(s, s->surfaces, key_of(display, id), image, SURFACES_MAX);
}

void surfaces_remove(Surfaces *s, uint8_t display, uint32_t id)
{
    take_out(s, s->surfaces, key_of(display, id));
}

typedef struct OfDisplay {
    Surfaces *s;
    uint8_t display;
} OfDisplay;

static gboolean is_of_display(void *key, void *image, void *opaque)
{
    const OfDisplay *of = opaque;
    bool is_it = *(uint64_t *)key >> 32 == of->display;

    of->s->bytes -= is_it ? bytes_of(image) : 0;
    return is_it;
}

void surfaces_remove_all(Surfaces *s, uint8_t display)
{
    g_hash_table_foreach_remove(s->surfaces, is_of_display, &(OfDisplay){s, display});
}

pixman_image_t *surfaces_find(const Surfaces *s, uint8_t display, uint32_t id)
{
    uint64_t key = key_of(display, id);

    return g_hash_table_lookup(s->surfaces, &key);
}

void surfaces_forget_image(Surfaces *s, uint64_t id)
{
    take_out(s, s->images, id);
}

void surfaces_forget_images(Surfaces *s)
{
    GHashTableIter iter;
    void *image;

    g_hash_table_iter_init(&iter, s->images);
    while (g_hash_table_iter_next(&iter, NULL, &image)) {
        s->bytes -= bytes_of(image);
    }
    g_hash_table_remove_all(s->images);
}

Surfaces *surfaces_new(void)
{
    Surfaces *s = g_new0(Surfaces, 1);

    s->surfaces = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, unref_image);
    s->images = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, unref_image);
    return s;
}

void surfaces_clear(Surfaces *s)
{
    g_hash_table_remove_all(s->surfaces);
    g_hash_table_remove_all(s->images);
    s->bytes = 0;
}

void surfaces_free(Surfaces *s)
{
    if (s) {
        g_hash_table_unref(s->surfaces);
        g_hash_table_unref(s->images);
        g_free(s);
    }
}

/* ---- rows of pixels ---- */

static uint8_t *row_of(pixman_image_t *image, uint32_t y)
{
    return (uint8_t *)pixman_image_get_data(image) + (size_t)y * pixman_image_get_stride(image);
}

/* On the wire they are B, G, R, x. */
static void copy_row(pixman_image_t *image, uint32_t y, const uint8_t *from)
{
    uint32_t *to = (uint32_t *)row_of(image, y);

    for (int x = 0; x < pixman_image_get_width(image); x++) {
        to[x] = load_le32(from + 4 * x);
    }
}

static void copy_rows(pixman_image_t *image, const uint8_t *from, size_t stride, bool top_down)
{
    uint32_t height = pixman_image_get_height(image);

    for (uint32_t y = 0; y < height; y++) {
        copy_row(image, top_down ? y : height - 1 - y, from + y * stride);
    }
}

void surfaces_turn_over(pixman_image_t *image)
{
    uint32_t height = pixman_image_get_height(image), bytes = pixman_image_get_stride(image);
    g_autofree uint8_t *row = g_malloc(bytes);

    for (uint32_t y = 0; y < height / 2; y++) {
        memcpy(row, row_of(image, y), bytes);
        memcpy(row_of(image, y), row_of(image, height - 1 - y), bytes);
        memcpy(row_of(image, height - 1 - y), row, bytes);
    }
}

/* ---- kinds of pictures; each fills an image of the size that was said ---- */

static bool is_32bit(uint8_t format)
{
    return format == SPICE_BITMAP_FMT_32BIT || format == SPICE_BITMAP_FMT_RGBA;
}

static pixman_image_t *read_bitmap(const uint8_t *data, uint32_t size, uint32_t width, uint32_t height)
{
    pixman_image_t *image;
    uint32_t stride;

    if (size < 18 || !is_32bit(data[0]) || load_le32(data + 2) != width || load_le32(data + 6) != height) {
        return NULL;
    }
    stride = load_le32(data + 10);
    if (stride < 4 * (uint64_t)width || (uint64_t)stride * height > size - 18) {
        return NULL;
    }
    image = new_image(width, height, data[0] == SPICE_BITMAP_FMT_RGBA);
    if (image) {
        copy_rows(image, data + 18, stride, data[1] & SPICE_BITMAP_FLAGS_TOP_DOWN);
    }
    return image;
}

#if CONFIG_LZ4
/* Blocks share a dictionary: what was decoded before lies in front of each. */
static bool unpack(const uint8_t *data, uint32_t size, uint8_t *rows, size_t total)
{
    LZ4_streamDecode_t stream;
    size_t done = 0;

    LZ4_setStreamDecode(&stream, NULL, 0);
    while (size) {
        uint32_t block = size >= 4 ? load_be32(data) : 0;
        int n;

        if (!block || block > size - 4 || total - done > INT_MAX) {
            return false;
        }
        n = LZ4_decompress_safe_continue(&stream, (const char *)data + 4, (char *)rows + done, (int)block, (int)(total - done));
        if (n < 0) {
            return false;
        }
        done += n;
        data += 4 + block;
        size -= 4 + block;
    }
    return done == total;
}

static pixman_image_t *read_lz4(const uint8_t *data, uint32_t size, uint32_t width, uint32_t height)
{
    size_t total = 4 * (size_t)width * height;
    pixman_image_t *image;
    g_autofree uint8_t *rows = NULL;

    if (size < 6 || load_le32(data) != size - 4 || !is_32bit(data[5])) {
        return NULL;
    }
    image = new_image(width, height, data[5] == SPICE_BITMAP_FMT_RGBA);
    rows = image ? g_try_malloc(total) : NULL;
    if (!rows || !unpack(data + 6, size - 6, rows, total)) {
        g_clear_pointer(&image, pixman_image_unref);
    } else {
        copy_rows(image, rows, 4 * (size_t)width, data[4]);
    }
    return image;
}
#else
static pixman_image_t *read_lz4(const uint8_t *data, uint32_t size, uint32_t width, uint32_t height)
{
    return NULL;
}
#endif

#if CONFIG_JPEG
typedef struct Decoder {
    struct jpeg_decompress_struct c;
    struct jpeg_error_mgr err;
    jmp_buf failed;
    pixman_image_t *image;
} Decoder;

static void give_up(j_common_ptr c)
{
    longjmp(((Decoder *)c)->failed, 1);
}

static void say_nothing(j_common_ptr c)
{
}

static void decode(Decoder *d, const uint8_t *file, uint32_t size)
{
    jpeg_mem_src(&d->c, file, size);
    jpeg_read_header(&d->c, TRUE);
    if (jpeg_has_multiple_scans(&d->c)) { /* no server's; each scan, however short, is work for the whole picture */
        return;
    }
    d->c.out_color_space = G_BYTE_ORDER == G_LITTLE_ENDIAN ? JCS_EXT_BGRX : JCS_EXT_XRGB;
    d->image = new_image(d->c.image_width, d->c.image_height, false);
    if (!d->image) {
        return;
    }
    jpeg_start_decompress(&d->c);
    while (d->c.output_scanline < d->c.output_height) {
        JSAMPROW row = row_of(d->image, d->c.output_scanline);

        jpeg_read_scanlines(&d->c, &row, 1);
    }
    jpeg_finish_decompress(&d->c);
}

pixman_image_t *surfaces_read_jpeg(const uint8_t *file, uint32_t size)
{
    g_autofree Decoder *d = g_new0(Decoder, 1);

    d->c.err = jpeg_std_error(&d->err);
    d->err.error_exit = give_up;
    d->err.output_message = say_nothing;
    if (setjmp(d->failed)) {
        g_clear_pointer(&d->image, pixman_image_unref);
    } else {
        jpeg_create_decompress(&d->c);
        decode(d, file, size);
    }
    jpeg_destroy_decompress(&d->c);
    return d->image;
}
#else
pixman_image_t *surfaces_read_jpeg(const uint8_t *file, uint32_t size)
{
    return NULL;
}
#endif

static pixman_image_t *read_jpeg(const uint8_t *data, uint32_t size, uint32_t width, uint32_t height)
{
    pixman_image_t *image = size >= 4 && load_le32(data) == size - 4 ? surfaces_read_jpeg(data + 4, size - 4) : NULL;

    if (image && (pixman_image_get_width(image) != width || pixman_image_get_height(image) != height)) {
        g_clear_pointer(&image, pixman_image_unref);
    }
    return image;
}

/* ---- any of them ---- */

static pixman_image_t *another(pixman_image_t *image)
{
    return image ? pixman_image_ref(image) : NULL;
}

static pixman_image_t *read_kind(Surfaces *s, uint8_t display, const uint8_t *image, uint32_t size)
{
    uint64_t id = load_le64(image);
    uint32_t width = load_le32(image + 10), height = load_le32(image + 14), left = size - IMAGE_BYTES;
    const uint8_t *more = image + IMAGE_BYTES;

    switch (image[8]) {
    case SPICE_IMAGE_TYPE_BITMAP:
        return read_bitmap(more, left, width, height);
    case SPICE_IMAGE_TYPE_LZ4:
        return read_lz4(more, left, width, height);
    case SPICE_IMAGE_TYPE_JPEG:
        return read_jpeg(more, left, width, height);
    case SPICE_IMAGE_TYPE_FROM_CACHE:
    case SPICE_IMAGE_TYPE_FROM_CACHE_LOSSLESS:
        return another(g_hash_table_lookup(s->images, &id));
    case SPICE_IMAGE_TYPE_SURFACE:
        return left >= 4 ? another(surfaces_find(s, display, load_le32(more))) : NULL;
    default:
        return NULL;
    }
}

pixman_image_t *surfaces_read_image(Surfaces *s, uint8_t display, const uint8_t *data, uint32_t size, uint32_t at)
{
    pixman_image_t *image;

    if (at > size || size - at < IMAGE_BYTES) {
        return NULL;
    }
    image = read_kind(s, display, data + at, size - at);
    if (image && data[at + 9] & (SPICE_IMAGE_FLAGS_CACHE_ME | SPICE_IMAGE_FLAGS_CACHE_REPLACE_ME)) {
        surfaces_forget_image(s, load_le64(data + at));
        if (!put_in(s, s->images, load_le64(data + at), pixman_image_ref(image), IMAGES_MAX)) {
            g_clear_pointer(&image, pixman_image_unref);
        }
    }
    return image;
}
