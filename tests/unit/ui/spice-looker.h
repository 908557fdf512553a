/* tests/unit/ui/spice-looker.h - a screen that is painted on, and a client that draws what it is told of it.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "config-host.h"
#include "spice-fake.h"
#include "ui/console.h"
#include "ui/spice/image.h"
#include "ui/spice/kinds.h"
#include "ui/spice/server.h"

#include <spice/protocol.h>
#if CONFIG_LZ4
#include <lz4.h>
#endif
#if CONFIG_JPEG
#include <stdio.h>

#include <jpeglib.h>
#endif

#define SIDE_MAX 2048

#define STREAMS_OF_CLIENT 64

typedef struct Video { /* a stream as the client has it */
    bool is_on;
    pixman_box32_t box;
    pixman_region32_t clip;
    uint32_t number; /* for reports */
    unsigned frames;
} Video;

typedef struct Client { /* what it has on its screen */
    FakeWire *w;
    SpiceChannel *c;
    bool has_surface, is_marked;
    uint32_t width, height, *pixels;
    unsigned draws, seen, jpegs;
    uint8_t image_channel;   /* in the id of the latest image */
    uint64_t bytes;
    Video video[STREAMS_OF_CLIENT];
    unsigned videos, frames; /* that are on; that came in all */
    uint32_t mm_time;        /* of the latest frame */
} Client;

static Console *screen; /* the one that is painted on */
static pixman_image_t *picture;
static const ConsoleDevice no_ops;

/* ---- the guest's side ---- */

static inline uint32_t *row_of(int y)
{
    return pixman_image_get_data(picture) + (size_t)y * (pixman_image_get_stride(picture) / 4);
}

static inline void paint(int x, int y, int width, int height, uint32_t seed)
{
    for (int dy = 0; dy < height; dy++) {
        for (int dx = 0; dx < width; dx++) {
            row_of(y + dy)[x + dx] = (seed * 2654435761u + (dx / 8) * 40503u + (dy / 8) * 97u) & 0xffffff;
        }
    }
    console_update(screen, x, y, width, height);
}

/* Like a photograph: neighbours differ by little. */
static inline void paint_photo(int x, int y, int width, int height, uint32_t seed)
{
    for (int dy = 0; dy < height; dy++) {
        for (int dx = 0; dx < width; dx++) {
            uint32_t a = (dx * 2 + seed) % 512, b = (dy * 2 + seed * 3) % 512, c = (dx + dy + seed) % 256;

            row_of(y + dy)[x + dx] = (a < 256 ? a : 511 - a) << 16 | (b < 256 ? b : 511 - b) << 8 | (c < 128 ? c : 255 - c);
        }
    }
    console_update(screen, x, y, width, height);
}

static inline void show(int width, int height)
{
    g_clear_pointer(&picture, pixman_image_unref);
    picture = pixman_image_create_bits(PIXMAN_x8r8g8b8, width, height, NULL, 0);
    console_set_surface(screen, picture);
    paint(0, 0, width, height, 7);
}

static inline void plug_screen(void)
{
    screen = console_add(object_container("/machine"), 0, &no_ops, NULL, NULL);
    show(300, 200);
}

static inline void unplug_screen(void)
{
    console_remove(screen);
    g_clear_pointer(&picture, pixman_image_unref);
}

/* ---- the client's side ---- */

static inline void open_client_of(Client *me, const ChannelKind *kind, uint8_t id, uint32_t caps)
{
    SpiceCaps mini = {{1 << SPICE_COMMON_CAP_MINI_HEADER}}, own = {{caps}};
    SpiceEnds ends = {{{0}}};
    static const uint8_t init[14] = {1};

    *me = (Client){.w = fake_wire(), .pixels = g_new0(uint32_t, SIDE_MAX * SIDE_MAX)};
    me->c = spice_channel_new(kind, id, NULL, &me->w->wire, &ends, &mini, &own);
    spice_channel_start(me->c);
    if (kind == &display_channel_kind) {
        fake_say(me->w, SPICE_MSGC_DISPLAY_INIT, init, sizeof(init));
    }
}

static inline void open_client(Client *me, const ChannelKind *kind, uint32_t caps)
{
    open_client_of(me, kind, 0, caps);
}

static inline void video_ends(Client *me, Video *v)
{
    g_assert_true(v->is_on);
    pixman_region32_fini(&v->clip);
    *v = (Video){.is_on = false};
    me->videos--;
}

static inline void close_client(Client *me)
{
    for (unsigned i = 0; i < STREAMS_OF_CLIENT; i++) {
        if (me->video[i].is_on) {
            video_ends(me, &me->video[i]);
        }
    }
    spice_close(me->c);
    g_free(me->pixels);
    fake_settle();
}

/* Must be of that size. */
static inline void decode_jpeg(const uint8_t *file, size_t size, uint32_t *rows, uint32_t width, uint32_t height)
{
#if CONFIG_JPEG
    struct jpeg_decompress_struct c;
    struct jpeg_error_mgr err;

    c.err = jpeg_std_error(&err); /* which ends the program */
    jpeg_create_decompress(&c);
    jpeg_mem_src(&c, file, size);
    g_assert_cmpint(jpeg_read_header(&c, TRUE), ==, JPEG_HEADER_OK);
    g_assert_cmpuint(c.image_width, ==, width);
    g_assert_cmpuint(c.image_height, ==, height);
    c.out_color_space = G_BYTE_ORDER == G_LITTLE_ENDIAN ? JCS_EXT_BGRX : JCS_EXT_XRGB;
    jpeg_start_decompress(&c);
    while (c.output_scanline < height) {
        JSAMPROW row = (JSAMPROW)(rows + (size_t)width * c.output_scanline);

        jpeg_read_scanlines(&c, &row, 1);
    }
    jpeg_finish_decompress(&c);
    jpeg_destroy_decompress(&c);
#else
    g_assert_not_reached();
#endif
}

static inline void decode(const uint8_t *image, size_t size, uint32_t *rows, uint32_t width, uint32_t height)
{
    size_t bytes = 4 * (size_t)width * height;

    g_assert_cmpuint(load_le32(image + 10), ==, width);
    g_assert_cmpuint(load_le32(image + 14), ==, height);
    if (image[8] == SPICE_IMAGE_TYPE_BITMAP) {
        g_assert_cmpuint(size, ==, 18 + 18 + bytes);
        g_assert_cmpuint(image[18], ==, SPICE_BITMAP_FMT_32BIT);
        g_assert_cmpuint(image[19], ==, 4);
        g_assert_cmpuint(load_le32(image + 28), ==, 4 * width);
        memcpy(rows, image + 36, bytes);
        return;
    }
    if (image[8] == SPICE_IMAGE_TYPE_JPEG) {
        g_assert_cmpuint(size, ==, 22 + load_le32(image + 18));
        decode_jpeg(image + 22, size - 22, rows, width, height);
        return;
    }
    g_assert_cmpuint(image[8], ==, SPICE_IMAGE_TYPE_LZ4);
    g_assert_cmpuint(size, ==, 22 + load_le32(image + 18));
    g_assert_cmpuint(load_be32(image + 24), ==, size - 28);
#if CONFIG_LZ4
    g_assert_cmpint(LZ4_decompress_safe((const char *)image + 28, (char *)rows, (int)size - 28, (int)bytes), ==, bytes);
#endif
}

static inline void draw(Client *me, const GByteArray *b)
{
    uint32_t top = load_le32(b->data + 4), left = load_le32(b->data + 8), bottom = load_le32(b->data + 12),
             right = load_le32(b->data + 16);
    g_autofree uint32_t *rows = g_malloc(4 * (size_t)(right - left) * (bottom - top));

    g_assert_true(me->has_surface && right <= me->width && bottom <= me->height && left < right && top < bottom);
    g_assert_cmpuint(load_le32(b->data + 21), ==, 57);
    g_assert_cmpuint(load_le16(b->data + 41), ==, SPICE_ROPD_OP_PUT);
    decode(b->data + 57, b->len - 57, rows, right - left, bottom - top);
    for (uint32_t y = top; y < bottom; y++) {
        memcpy(me->pixels + (size_t)y * SIDE_MAX + left, rows + (size_t)(y - top) * (right - left), 4 * (right - left));
    }
    me->draws++;
    me->image_channel = b->data[57 + 7];
    me->jpegs += b->data[57 + 8] == SPICE_IMAGE_TYPE_JPEG;
    me->bytes += b->len;
}

/* ---- video ---- */

static inline pixman_box32_t read_rect(const uint8_t *at)
{
    return (pixman_box32_t){load_le32(at + 4), load_le32(at), load_le32(at + 12), load_le32(at + 8)};
}

static inline Video *video_of(Client *me, uint32_t id)
{
    g_assert_cmpuint(id, <, STREAMS_OF_CLIENT);
    return &me->video[id];
}

static inline void video_begins(Client *me, const GByteArray *b)
{
    Video *v = video_of(me, load_le32(b->data + 4));

    g_assert_cmpuint(b->len, ==, 51);
    g_assert_true(me->has_surface && !v->is_on);
    g_assert_cmpuint(b->data[8], ==, SPICE_STREAM_FLAGS_TOP_DOWN);
    g_assert_cmpuint(b->data[9], ==, SPICE_VIDEO_CODEC_TYPE_MJPEG);
    *v = (Video){.is_on = true, .box = read_rect(b->data + 34)};
    g_assert_true(v->box.x1 >= 0 && v->box.y1 >= 0 && v->box.x2 <= (int)me->width && v->box.y2 <= (int)me->height);
    for (unsigned i = 0; i < 2; i++) {
        g_assert_cmpuint(load_le32(b->data + 18 + 8 * i), ==, v->box.x2 - v->box.x1);
        g_assert_cmpuint(load_le32(b->data + 22 + 8 * i), ==, v->box.y2 - v->box.y1);
    }
    pixman_region32_init_with_extents(&v->clip, &v->box);
    me->videos++;
}

static inline void video_clip(Client *me, const GByteArray *b)
{
    Video *v = video_of(me, load_le32(b->data));
    uint32_t n = load_le32(b->data + 5);

    g_assert_true(v->is_on);
    g_assert_cmpuint(b->data[4], ==, SPICE_CLIP_TYPE_RECTS);
    g_assert_cmpuint(b->len, ==, 9 + 16 * n);
    pixman_region32_clear(&v->clip);
    for (uint32_t i = 0; i < n; i++) {
        pixman_box32_t box = read_rect(b->data + 9 + 16 * i);

        pixman_region32_union_rect(&v->clip, &v->clip, box.x1, box.y1, box.x2 - box.x1, box.y2 - box.y1);
    }
}

static inline void video_frame(Client *me, const GByteArray *b)
{
    Video *v = video_of(me, load_le32(b->data));
    int width = v->box.x2 - v->box.x1, height = v->box.y2 - v->box.y1, n;
    g_autofree uint32_t *rows = g_malloc(4 * (size_t)width * height);
    const pixman_box32_t *clip = pixman_region32_rectangles(&v->clip, &n);

    g_assert_true(v->is_on);
    me->mm_time = load_le32(b->data + 4);
    g_assert_cmpuint(me->mm_time, !=, 0);
    g_assert_cmpuint(b->len, ==, 12 + load_le32(b->data + 8));
    decode_jpeg(b->data + 12, b->len - 12, rows, width, height);
    for (int i = 0; i < n; i++) {
        for (int y = clip[i].y1; y < clip[i].y2; y++) {
            memcpy(me->pixels + (size_t)y * SIDE_MAX + clip[i].x1, rows + (size_t)width * (y - v->box.y1) + clip[i].x1 - v->box.x1,
                   4 * (clip[i].x2 - clip[i].x1));
        }
    }
    v->frames++;
    me->frames++;
}

static inline bool follow_video(Client *me, uint16_t type, const GByteArray *b)
{
    switch (type) {
    case SPICE_MSG_DISPLAY_STREAM_CREATE:
        video_begins(me, b);
        return true;
    case SPICE_MSG_DISPLAY_STREAM_ACTIVATE_REPORT:
        g_assert_true(video_of(me, load_le32(b->data))->is_on);
        video_of(me, load_le32(b->data))->number = load_le32(b->data + 4);
        return true;
    case SPICE_MSG_DISPLAY_STREAM_CLIP:
        video_clip(me, b);
        return true;
    case SPICE_MSG_DISPLAY_STREAM_DATA:
        video_frame(me, b);
        return true;
    case SPICE_MSG_DISPLAY_STREAM_DESTROY:
        video_ends(me, video_of(me, load_le32(b->data)));
        return true;
    default:
        return false;
    }
}

static inline void follow(Client *me, uint16_t type, const GByteArray *b)
{
    if (follow_video(me, type, b)) {
        return;
    }
    switch (type) {
    case SPICE_MSG_DISPLAY_SURFACE_CREATE:
        g_assert_false(me->has_surface);
        me->has_surface = true;
        me->width = load_le32(b->data + 4);
        me->height = load_le32(b->data + 8);
        memset(me->pixels, 0x55, 4 * SIDE_MAX * SIDE_MAX);
        break;
    case SPICE_MSG_DISPLAY_SURFACE_DESTROY:
        g_assert_true(me->has_surface && !me->videos);
        me->has_surface = me->is_marked = false;
        break;
    case SPICE_MSG_DISPLAY_DRAW_COPY:
        draw(me, b);
        break;
    case SPICE_MSG_DISPLAY_MARK:
        g_assert_true(me->has_surface);
        me->is_marked = true;
        break;
    case SPICE_MSG_SET_ACK:
        fake_say(me->w, SPICE_MSGC_ACK_SYNC, b->data, 4);
        break;
    default:
        break;
    }
}

static inline bool is_same(const Client *me)
{
    bool same = picture && me->has_surface && me->is_marked && me->width == (uint32_t)pixman_image_get_width(picture) &&
                me->height == (uint32_t)pixman_image_get_height(picture);

    for (uint32_t y = 0; same && y < me->height; y++) {
        same = !memcmp(me->pixels + (size_t)y * SIDE_MAX, row_of(y), 4 * me->width);
    }
    return same;
}

/* But for what JPEG loses. */
static inline bool is_like(const Client *me)
{
    uint64_t off = 0;

    if (!me->has_surface || !me->is_marked) {
        return false;
    }
    for (uint32_t y = 0; y < me->height; y++) {
        for (uint32_t x = 0; x < me->width; x++) {
            uint32_t mine = me->pixels[(size_t)y * SIDE_MAX + x], its = row_of(y)[x];

            for (unsigned shift = 0; shift < 24; shift += 8) {
                off += ABS((int)(mine >> shift & 255) - (int)(its >> shift & 255));
            }
        }
    }
    return off < 6 * (uint64_t)me->width * me->height; /* 2 of 255, on average */
}

static inline bool is_dark(const Client *me)
{
    return !me->has_surface;
}

static inline bool is_stuck(const Client *me)
{
    return me->c->st.unacked > 2 * CHANNEL_ACK_WINDOW;
}

/* Reads what there is until that is true; acknowledges as a client does. */
static inline void look(Client *me, bool acknowledge, bool (*done)(const Client *me))
{
    g_autoptr(GByteArray) b = g_byte_array_new();
    int64_t until = time_monotonic_ns() + 30 * NS_PER_SEC;

    while (!done(me)) {
        uint16_t type;

        g_assert_cmpint(time_monotonic_ns(), <, until);
        spice_pump(me->c);
        fake_settle();
        while ((type = fake_hear(me->w, b))) {
            follow(me, type, b);
            if (acknowledge && ++me->seen % CHANNEL_ACK_WINDOW == 0) {
                fake_say(me->w, SPICE_MSGC_ACK, NULL, 0);
            }
        }
    }
}
