/* tests/unit/ui/screendump-test.c - pictures of screens are files that others can read.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "../../../ui/screendump.h"

#include "util/bytes.h"

#include <gio/gio.h>
#include <string.h>

enum { WIDTH = 5, HEIGHT = 3 };

/* A part of a larger picture, so that its rows have gaps between them. */
static pixman_image_t *make(uint32_t pixels[HEIGHT][8])
{
    for (unsigned y = 0; y < HEIGHT; y++) {
        for (unsigned x = 0; x < 8; x++) {
            pixels[y][x] = 0xee000000 | (y * 16 + x) << 16 | (100 + x) << 8 | (200 + y);
        }
    }
    return pixman_image_create_bits(PIXMAN_x8r8g8b8, WIDTH, HEIGHT, pixels[0], 8 * 4);
}

static void assert_row(const uint8_t *row, unsigned y)
{
    for (unsigned x = 0; x < WIDTH; x++, row += 3) {
        g_assert_cmpuint(row[0], ==, y * 16 + x);
        g_assert_cmpuint(row[1], ==, 100 + x);
        g_assert_cmpuint(row[2], ==, 200 + y);
    }
}

static void ppm_has_the_pixels(void)
{
    static const char head[] = "P6\n5 3\n255\n";
    uint32_t pixels[HEIGHT][8];
    pixman_image_t *image = make(pixels);
    GByteArray *data = screendump_ppm(image);

    g_assert_cmpuint(data->len, ==, strlen(head) + WIDTH * HEIGHT * 3);
    g_assert_cmpmem(data->data, strlen(head), head, strlen(head));
    for (unsigned y = 0; y < HEIGHT; y++) {
        assert_row(data->data + strlen(head) + y * WIDTH * 3, y);
    }
    g_byte_array_unref(data);
    pixman_image_unref(image);
}

static const uint8_t *take_chunk(const GByteArray *png, size_t *at, const char *type, uint32_t *ret_size)
{
    const uint8_t *chunk = png->data + *at;

    g_assert_cmpuint(png->len - *at, >=, 12);
    *ret_size = load_be32(chunk);
    g_assert_cmpuint(png->len - *at, >=, 12 + (size_t)*ret_size);
    g_assert_cmpmem(chunk + 4, 4, type, 4);
    *at += 12 + *ret_size;
    return chunk + 8;
}

static void png_has_the_pixels(void)
{
    static const uint8_t empty_end[] = {0, 0, 0, 0, 'I', 'E', 'N', 'D', 0xae, 0x42, 0x60, 0x82}; /* as any PNG ends */
    uint32_t pixels[HEIGHT][8], size;
    pixman_image_t *image = make(pixels);
    GByteArray *png = screendump_png(image, NULL);
    g_autoptr(GZlibDecompressor) zlib = g_zlib_decompressor_new(G_ZLIB_COMPRESSOR_FORMAT_ZLIB);
    uint8_t rows[HEIGHT][1 + WIDTH * 3];
    size_t at = 8, read, written;
    const uint8_t *data;

    g_assert_cmpmem(png->data, 8, "\x89PNG\r\n\x1a\n", 8);
    data = take_chunk(png, &at, "IHDR", &size);
    g_assert_cmpmem(data, size, "\0\0\0\5\0\0\0\3\10\2\0\0\0", 13);
    data = take_chunk(png, &at, "IDAT", &size);
    g_assert_cmpint(g_converter_convert(G_CONVERTER(zlib), data, size, rows, sizeof(rows), G_CONVERTER_INPUT_AT_END, &read,
                                        &written, NULL), ==, G_CONVERTER_FINISHED);
    g_assert_cmpuint(written, ==, sizeof(rows));
    for (unsigned y = 0; y < HEIGHT; y++) {
        g_assert_cmpuint(rows[y][0], ==, 0);
        assert_row(rows[y] + 1, y);
    }
    g_assert_cmpmem(png->data + at, png->len - at, empty_end, sizeof(empty_end));
    g_byte_array_unref(png);
    pixman_image_unref(image);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ui/screendump/ppm_has_the_pixels", ppm_has_the_pixels);
    g_test_add_func("/ui/screendump/png_has_the_pixels", png_has_the_pixels);
    return g_test_run();
}
