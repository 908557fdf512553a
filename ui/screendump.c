/* ui/screendump.c - a picture of a screen in a file, as PPM or PNG.
 * Owner: main loop.  Page: docs/ui.md.  Test: tests/unit/ui/screendump-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * PNG (ISO/IEC 15948) is a signature and chunks around zlib's format, which GIO writes; so no library is needed for it. */
#include "ui/screendump.h"

#include "io/fdset.h"
#include "qapi/qapi-commands.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <string.h>
#include <unistd.h>

/* ---- pixels ---- */
/* A row as bytes red, green, blue. */
static void put_row(pixman_image_t *image, unsigned y, uint8_t *to)
{
    const uint32_t *from = pixman_image_get_data(image) + (size_t)y * (pixman_image_get_stride(image) / 4);
    unsigned width = pixman_image_get_width(image);

    for (unsigned x = 0; x < width; x++) {
        *to++ = from[x] >> 16;
        *to++ = from[x] >> 8;
        *to++ = from[x];
    }
}

GByteArray *screendump_ppm(pixman_image_t *image)
{
    unsigned width = pixman_image_get_width(image), height = pixman_image_get_height(image);
    g_autofree char *head = g_strdup_printf("P6\n%u %u\n255\n", width, height);
    GByteArray *out = g_byte_array_new();
    size_t at = strlen(head);

    g_byte_array_append(out, (const uint8_t *)head, at);
    g_byte_array_set_size(out, at + (size_t)width * height * 3);
    for (unsigned y = 0; y < height; y++, at += (size_t)width * 3) {
        put_row(image, y, out->data + at);
    }
    return out;
}

/* ---- PNG ---- */
static uint32_t crc32_of(const uint8_t *data, size_t size)
{
    static uint32_t table[256];
    uint32_t crc = ~0u;

    for (uint32_t i = 0; !table[255] && i < 256; i++) {
        uint32_t v = i;

        for (unsigned bit = 0; bit < 8; bit++) {
            v = v & 1 ? v >> 1 ^ 0xedb88320 : v >> 1;
        }
        table[i] = v;
    }
    for (size_t i = 0; i < size; i++) {
        crc = crc >> 8 ^ table[(crc ^ data[i]) & 0xff];
    }
    return ~crc;
}

static void put_chunk(GByteArray *out, const char *type, const void *data, uint32_t size)
{
    size_t at = out->len;
    uint8_t word[4];

    store_be32(word, size);
    g_byte_array_append(out, word, 4);
    g_byte_array_append(out, (const uint8_t *)type, 4);
    if (size) {
        g_byte_array_append(out, data, size);
    }
    store_be32(word, crc32_of(out->data + at + 4, size + 4));
    g_byte_array_append(out, word, 4);
}

static bool compress(GByteArray *in, GByteArray *out, GError **errp)
{
    g_autoptr(GZlibCompressor) zlib = g_zlib_compressor_new(G_ZLIB_COMPRESSOR_FORMAT_ZLIB, 1); /* others wait for us */
    GConverterResult result = G_CONVERTER_CONVERTED;
    uint8_t piece[64 * 1024];
    size_t at = 0;

    while (result != G_CONVERTER_FINISHED) {
        size_t read, written;

        result = g_converter_convert(G_CONVERTER(zlib), in->data + at, in->len - at, piece, sizeof(piece),
                                     G_CONVERTER_INPUT_AT_END, &read, &written, errp);
        if (result == G_CONVERTER_ERROR) {
            return false;
        }
        at += read;
        g_byte_array_append(out, piece, written);
    }
    return true;
}

GByteArray *screendump_png(pixman_image_t *image, GError **errp)
{
    static const uint8_t signature[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    unsigned width = pixman_image_get_width(image), height = pixman_image_get_height(image);
    size_t row = 1 + (size_t)width * 3;
    g_autoptr(GByteArray) raw = g_byte_array_new(), packed = g_byte_array_new();
    g_autoptr(GByteArray) out = g_byte_array_new();
    uint8_t head[13] = {[8] = 8, [9] = 2}; /* 8 bits of red, green, blue each */

    g_byte_array_set_size(raw, row * height);
    for (unsigned y = 0; y < height; y++) {
        raw->data[y * row] = 0; /* no filter */
        put_row(image, y, raw->data + y * row + 1);
    }
    if (!compress(raw, packed, errp)) {
        return NULL;
    }
    store_be32(head, width);
    store_be32(head + 4, height);
    g_byte_array_append(out, signature, sizeof(signature));
    put_chunk(out, "IHDR", head, sizeof(head));
    put_chunk(out, "IDAT", packed->data, packed->len);
    put_chunk(out, "IEND", NULL, 0);
    return g_steal_pointer(&out);
}

/* ---- QMP ---- */
static Console *chosen(const ScreendumpArgs *args, GError **errp)
{
    if (args->has_head && !args->device) {
        fail(errp, "'head' must be specified together with 'device'");
        return NULL;
    }
    if (args->has_head && (args->head < 0 || args->head >= CONSOLES_MAX)) {
        fail(errp, "device '%s' has no screen %" G_GINT64_FORMAT, args->device, args->head);
        return NULL;
    }
    return console_find(args->device, args->has_head ? args->head : 0, errp);
}

static bool write_file(const char *path, const GByteArray *data, GError **errp)
{
    g_autofd int fd = fd_open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NONBLOCK, 0666, errp);
    ssize_t n;

    if (fd < 0) {
        return false;
    }
    n = fd_write_all(fd, data->data, data->len);
    if (n != (ssize_t)data->len) {
        if (g_file_test(path, G_FILE_TEST_IS_REGULAR)) {
            unlink(path); /* half a picture is none */
        }
        return fail_errno(errp, n < 0 ? -n : ENOSPC, "writing the picture to '%s' failed", path);
    }
    return true;
}

bool qmp_screendump(const ScreendumpArgs *args, GError **errp)
{
    Console *c = chosen(args, errp);
    bool is_png = args->has_format && args->format == IMAGE_FORMAT_PNG;
    g_autoptr(GByteArray) data = NULL;

    if (!c) {
        return false;
    }
    console_refresh(c);
    if (!console_surface(c)) {
        return fail(errp, "screen %u of '%s' shows nothing yet", console_head(c), object_name(console_device(c)));
    }
    data = is_png ? screendump_png(console_surface(c), errp) : screendump_ppm(console_surface(c));
    return data && write_file(args->filename, data, errp);
}
