/* tools/view/display.c - draws what the server says.  Owner: main loop.  Page: docs/view.md.
 * Test: tests/unit/tools/view-test.c, tests/fuzz/view.c
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "config-host.h"
#include "session.h"
#include "ui/spice/known.h"
#include "util/bytes.h"

#include <spice/protocol.h>
#include <string.h>

#define BASE_BYTES 21           /* surface, box, kind of clip */
#define CLIPS_MAX 1024          /* boxes of a clip, which may cut each other into the square of their number */
#define DRAW_MAX (128 * 1024 * 1024)
#define STREAMS_MAX 64
#define CACHE_PIXELS (64 * 1024 * 1024 / 4) /* what we offer to keep */
#define LIST_MAX (2 + 9 * 65535)
#define COMMANDS_LIMIT 16384    /* coordinates beyond it are of no surface */

typedef struct Stream {
    bool is_on;
    uint32_t surface;
    pixman_box32_t box;
    bool top_down;
    pixman_region32_t clip;
} Stream;

typedef struct DisplayChannel {
    ViewChannel c;
    Stream streams[STREAMS_MAX];
} DisplayChannel;

/* A cursor over a message: what is beyond its end makes it bad. */
typedef struct Body {
    const uint8_t *data;
    uint32_t size, at;
    bool is_bad;
} Body;

static const uint8_t *take_bytes(Body *b, uint32_t n)
{
    static const uint8_t zeroes[64];

    if (b->is_bad || n > b->size - b->at) {
        b->is_bad = true;
        return zeroes;
    }
    b->at += n;
    return b->data + b->at - n;
}

static uint8_t take_u8(Body *b)
{
    return *take_bytes(b, 1);
}

static uint16_t take_u16(Body *b)
{
    return load_le16(take_bytes(b, 2));
}

static uint32_t take_u32(Body *b)
{
    return load_le32(take_bytes(b, 4));
}

static pixman_box32_t take_rect(Body *b)
{
    const uint8_t *p = take_bytes(b, 16);
    pixman_box32_t box = {.y1 = (int32_t)load_le32(p), .x1 = (int32_t)load_le32(p + 4), .y2 = (int32_t)load_le32(p + 8),
                          .x2 = (int32_t)load_le32(p + 12)};

    if (MIN(box.x1, box.y1) < -COMMANDS_LIMIT || MAX(box.x2, box.y2) > COMMANDS_LIMIT || box.x1 > box.x2 || box.y1 > box.y2) {
        b->is_bad = true;
        return (pixman_box32_t){0};
    }
    return box;
}

/* *ret is made in any case: the box, and of it what the clip leaves. */
static void take_clip(Body *b, uint8_t kind, const pixman_box32_t *box, pixman_region32_t *ret)
{
    uint32_t n = kind == SPICE_CLIP_TYPE_RECTS ? take_u32(b) : 0;
    g_autofree pixman_box32_t *boxes = NULL;
    pixman_region32_t clip;

    pixman_region32_init_rect(ret, box->x1, box->y1, box->x2 - box->x1, box->y2 - box->y1);
    if (kind != SPICE_CLIP_TYPE_RECTS) {
        b->is_bad = b->is_bad || kind != SPICE_CLIP_TYPE_NONE;
        return;
    }
    if (n > CLIPS_MAX) {
        b->is_bad = true;
        return;
    }
    boxes = g_new(pixman_box32_t, n);
    for (uint32_t i = 0; i < n; i++) {
        boxes[i] = take_rect(b);
    }
    pixman_region32_init_rects(&clip, boxes, (int)n);
    pixman_region32_intersect(ret, ret, &clip);
    pixman_region32_fini(&clip);
}

/* What each drawing begins with. */
typedef struct Base {
    uint32_t surface;
    pixman_image_t *to;
    pixman_box32_t box;
    pixman_region32_t region;   /* to be freed */
} Base;

static void take_base(DisplayChannel *d, Body *b, Base *ret)
{
    ret->surface = take_u32(b);
    ret->to = surfaces_find(d->c.session->surfaces, d->c.id, ret->surface);
    ret->box = take_rect(b);
    take_clip(b, take_u8(b), &ret->box, &ret->region);
    b->is_bad = b->is_bad || !ret->to;
}

/* Masks are not asked for, and no server of our time sends one. */
static void take_no_mask(Body *b)
{
    take_bytes(b, 9);
    b->is_bad = take_u32(b) != 0 || b->is_bad;
}

static void put(const Base *base, pixman_image_t *from, const pixman_box32_t *area)
{
    int width = base->box.x2 - base->box.x1, height = base->box.y2 - base->box.y1;
    int from_width = area->x2 - area->x1, from_height = area->y2 - area->y1;
    bool is_scaled = width != from_width || height != from_height;
    pixman_transform_t scale;

    if (is_scaled && width && height) {
        pixman_transform_init_scale(&scale, pixman_int_to_fixed(from_width) / width, pixman_int_to_fixed(from_height) / height);
        pixman_transform_translate(&scale, NULL, pixman_int_to_fixed(area->x1), pixman_int_to_fixed(area->y1));
        pixman_image_set_transform(from, &scale);
    }
    pixman_image_set_clip_region32(base->to, (pixman_region32_t *)&base->region);
    pixman_image_composite32(PIXMAN_OP_SRC, from, NULL, base->to, is_scaled ? 0 : area->x1, is_scaled ? 0 : area->y1, 0, 0,
                             base->box.x1, base->box.y1, width, height);
    pixman_image_set_clip_region32(base->to, NULL);
    if (is_scaled) {
        pixman_image_set_transform(from, NULL);
    }
}

/* box NULL: it is another surface, or none. */
static void tell_drawn(const ViewChannel *c, uint32_t surface, const pixman_box32_t *box)
{
    const SessionHost *host = c->session->host;

    if (!surface && host->drawn) {
        host->drawn(c->session->opaque, c->id, box);
    }
}

/* ---- drawing ---- */

static void draw_copy(DisplayChannel *d, Body *b, Base *base)
{
    uint32_t at = take_u32(b);
    pixman_box32_t area = take_rect(b);
    uint16_t rop = take_u16(b);
    pixman_image_t *image;

    take_u8(b); /* how to scale */
    take_no_mask(b);
    if (b->is_bad || rop != SPICE_ROPD_OP_PUT || area.x1 < 0 || area.y1 < 0) {
        b->is_bad = true;
        return;
    }
    image = surfaces_read_image(d->c.session->surfaces, d->c.id, b->data, b->size, at);
    if (!image || area.x2 > pixman_image_get_width(image) || area.y2 > pixman_image_get_height(image)) {
        b->is_bad = true;
    } else {
        put(base, image, &area);
    }
    g_clear_pointer(&image, pixman_image_unref);
}

static void draw_fill(DisplayChannel *d, Body *b, Base *base)
{
    uint8_t kind = take_u8(b);
    uint32_t color = take_u32(b);
    pixman_color_t c = {(color >> 16 & 255) * 257, (color >> 8 & 255) * 257, (color & 255) * 257, 0xffff};
    uint16_t rop = take_u16(b);
    int n;
    pixman_box32_t *boxes = pixman_region32_rectangles(&base->region, &n);

    take_no_mask(b);
    if (b->is_bad || kind != SPICE_BRUSH_TYPE_SOLID || rop != SPICE_ROPD_OP_PUT) {
        b->is_bad = true;
        return;
    }
    pixman_image_fill_boxes(PIXMAN_OP_SRC, base->to, &c, n, boxes);
}

/* Within one surface, where the two may overlap: by way of a copy. */
static void copy_bits(DisplayChannel *d, Body *b, Base *base)
{
    int32_t x = (int32_t)take_u32(b), y = (int32_t)take_u32(b);
    int width = base->box.x2 - base->box.x1, height = base->box.y2 - base->box.y1;
    pixman_image_t *copy;

    if (b->is_bad || x < 0 || y < 0 || x > pixman_image_get_width(base->to) - width ||
        y > pixman_image_get_height(base->to) - height || !width || !height) {
        b->is_bad = true;
        return;
    }
    copy = pixman_image_create_bits(pixman_image_get_format(base->to), width, height, NULL, 0);
    if (!copy) {
        b->is_bad = true;
        return;
    }
    pixman_image_composite32(PIXMAN_OP_SRC, base->to, NULL, copy, x, y, 0, 0, 0, 0, width, height);
    put(base, copy, &(pixman_box32_t){0, 0, width, height});
    pixman_image_unref(copy);
}

static bool draw(ViewChannel *c, const uint8_t *data, uint32_t size, void (*fn)(DisplayChannel *d, Body *b, Base *base))
{
    Body b = {data, size};
    Base base;

    take_base((DisplayChannel *)c, &b, &base);
    if (!b.is_bad) {
        fn((DisplayChannel *)c, &b, &base);
        tell_drawn(c, base.surface, &base.box);
    }
    pixman_region32_fini(&base.region);
    return !b.is_bad;
}

static bool take_copy(ViewChannel *c, const uint8_t *data, uint32_t size)
{
    return draw(c, data, size, draw_copy);
}

static bool take_fill(ViewChannel *c, const uint8_t *data, uint32_t size)
{
    return draw(c, data, size, draw_fill);
}

static bool take_copy_bits(ViewChannel *c, const uint8_t *data, uint32_t size)
{
    return draw(c, data, size, copy_bits);
}

/* ---- streams ---- */

static Stream *stream_of(ViewChannel *c, uint32_t id)
{
    Stream *s = id < STREAMS_MAX ? &((DisplayChannel *)c)->streams[id] : NULL;

    return s && s->is_on ? s : NULL;
}

static void stream_end(Stream *s)
{
    if (s->is_on) {
        pixman_region32_fini(&s->clip);
        s->is_on = false;
    }
}

static bool take_stream(ViewChannel *c, const uint8_t *data, uint32_t size)
{
    Body b = {data, size};
    Stream s = {.is_on = true, .surface = take_u32(&b)};
    uint32_t id = take_u32(&b);
    uint8_t codec;

    s.top_down = take_u8(&b) & SPICE_STREAM_FLAGS_TOP_DOWN;
    codec = take_u8(&b);
    take_bytes(&b, 24); /* when; how large its frames are, which they say themselves */
    s.box = take_rect(&b);
    take_clip(&b, take_u8(&b), &s.box, &s.clip);
    if (b.is_bad || id >= STREAMS_MAX || stream_of(c, id) || codec != SPICE_VIDEO_CODEC_TYPE_MJPEG) {
        pixman_region32_fini(&s.clip);
        return false;
    }
    ((DisplayChannel *)c)->streams[id] = s;
    view_say(c->session, "stream %u", id);
    return true;
}

static bool show_frame(ViewChannel *c, const Stream *s, const pixman_box32_t *box, const uint8_t *file, uint32_t size)
{
    pixman_image_t *frame = surfaces_read_jpeg(file, size);
    Base base = {.to = surfaces_find(c->session->surfaces, c->id, s->surface), .box = *box};

    if (!frame || !base.to) {
        g_clear_pointer(&frame, pixman_image_unref);
        return false;
    }
    if (!s->top_down) {
        surfaces_turn_over(frame);
    }
    pixman_region32_init(&base.region);
    pixman_region32_copy(&base.region, (pixman_region32_t *)&s->clip);
    put(&base, frame, &(pixman_box32_t){0, 0, pixman_image_get_width(frame), pixman_image_get_height(frame)});
    pixman_region32_fini(&base.region);
    pixman_image_unref(frame);
    tell_drawn(c, s->surface, box);
    return true;
}

static bool take_frame(ViewChannel *c, const uint8_t *data, uint32_t size)
{
    const Stream *s = stream_of(c, load_le32(data));

    return s && load_le32(data + 8) == size - 12 && show_frame(c, s, &s->box, data + 12, size - 12);
}

static bool take_sized_frame(ViewChannel *c, const uint8_t *data, uint32_t size)
{
    const Stream *s = stream_of(c, load_le32(data));
    Body b = {data, size, 16};
    pixman_box32_t box = take_rect(&b);

    return s && !b.is_bad && take_u32(&b) == size - 36 && show_frame(c, s, &box, data + 36, size - 36);
}

static bool take_stream_clip(ViewChannel *c, const uint8_t *data, uint32_t size)
{
    Stream *s = stream_of(c, load_le32(data));
    Body b = {data, size, 4};

    if (!s) {
        return false;
    }
    pixman_region32_fini(&s->clip);
    take_clip(&b, take_u8(&b), &s->box, &s->clip);
    return !b.is_bad;
}

static bool take_stream_end(ViewChannel *c, const uint8_t *data, uint32_t size)
{
    Stream *s = stream_of(c, load_le32(data));

    if (s) {
        stream_end(s);
    }
    return true;
}

static void end_streams(ViewChannel *c)
{
    for (unsigned i = 0; i < STREAMS_MAX; i++) {
        stream_end(&((DisplayChannel *)c)->streams[i]);
    }
}

static bool take_streams_end(ViewChannel *c, const uint8_t *data, uint32_t size)
{
    end_streams(c);
    return true;
}

/* ---- surfaces and what is kept ---- */

static bool take_surface(ViewChannel *c, const uint8_t *data, uint32_t size)
{
    uint32_t id = load_le32(data), width = load_le32(data + 4), height = load_le32(data + 8), format = load_le32(data + 12);

    if ((format != SPICE_SURFACE_FMT_32_xRGB && format != SPICE_SURFACE_FMT_32_ARGB) ||
        !surfaces_add(c->session->surfaces, c->id, id, width, height, format == SPICE_SURFACE_FMT_32_ARGB)) {
        return false;
    }
    view_say(c->session, "surface %u:%u %ux%u", c->id, id, width, height);
    tell_drawn(c, id, NULL);
    return true;
}

static bool take_no_surface(ViewChannel *c, const uint8_t *data, uint32_t size)
{
    uint32_t id = load_le32(data);

    for (unsigned i = 0; i < STREAMS_MAX; i++) {
        Stream *s = &((DisplayChannel *)c)->streams[i];

        if (s->is_on && s->surface == id) {
            stream_end(s);
        }
    }
    surfaces_remove(c->session->surfaces, c->id, id);
    tell_drawn(c, id, NULL);
    return true;
}

static bool take_mark(ViewChannel *c, const uint8_t *data, uint32_t size)
{
    view_say(c->session, "mark %u", c->id);
    return true;
}

static bool take_inval(ViewChannel *c, const uint8_t *data, uint32_t size)
{
    uint32_t n = load_le16(data);

    if (9 * n > size - 2) {
        return false;
    }
    for (uint32_t i = 0; i < n; i++) {
        surfaces_forget_image(c->session->surfaces, load_le64(data + 3 + 9 * i));
    }
    return true;
}

static bool take_inval_all(ViewChannel *c, const uint8_t *data, uint32_t size)
{
    surfaces_forget_images(c->session->surfaces);
    return true;
}

static bool take_monitors(ViewChannel *c, const uint8_t *data, uint32_t size)
{
    uint32_t n = load_le16(data);

    return 28 * n <= size - 4;
}

/* All that we were told to draw is drawn. */
static bool take_ask(ViewChannel *c, const uint8_t *data, uint32_t size)
{
    pixman_image_t *image = surfaces_find(c->session->surfaces, c->id, 0);
    g_autoptr(GByteArray) b = g_byte_array_new();
    uint32_t rows = load_le32(data);

    if (!rows) {
        return false;
    }
    put_u64(b, 0);
    put_u32(b, !!image);
    if (image) {
        known_put_surface(b, pixman_image_get_data(image), pixman_image_get_stride(image), pixman_image_get_width(image),
                          pixman_image_get_height(image), rows);
    }
    put_u32(b, 0);
    conn_send(c->conn, KNOWN_SAY, b->data, b->len); /* of this connection: who asks again and does not read is not read */
    return true;
}

static const ViewRow display_rows[] = {
    {"state-request", KNOWN_ASK, 4, 4, take_ask},
    {"mark", SPICE_MSG_DISPLAY_MARK, 0, 0, take_mark},
    {"reset", SPICE_MSG_DISPLAY_RESET, 0, 0},
    {"copy-bits", SPICE_MSG_DISPLAY_COPY_BITS, BASE_BYTES + 8, BASE_BYTES + 12 + 16 * CLIPS_MAX, take_copy_bits},
    {"inval-list", SPICE_MSG_DISPLAY_INVAL_LIST, 2, LIST_MAX, take_inval},
    {"inval-all-pixmaps", SPICE_MSG_DISPLAY_INVAL_ALL_PIXMAPS, 1, 1 + 255 * 10, take_inval_all},
    {"inval-palette", SPICE_MSG_DISPLAY_INVAL_PALETTE, 8, 8},
    {"inval-all-palettes", SPICE_MSG_DISPLAY_INVAL_ALL_PALETTES, 0, 0},
    {"stream-create", SPICE_MSG_DISPLAY_STREAM_CREATE, 51, 55 + 16 * CLIPS_MAX, take_stream},
    {"stream-data", SPICE_MSG_DISPLAY_STREAM_DATA, 12, DRAW_MAX, take_frame},
    {"stream-clip", SPICE_MSG_DISPLAY_STREAM_CLIP, 5, 9 + 16 * CLIPS_MAX, take_stream_clip},
    {"stream-destroy", SPICE_MSG_DISPLAY_STREAM_DESTROY, 4, 4, take_stream_end},
    {"stream-destroy-all", SPICE_MSG_DISPLAY_STREAM_DESTROY_ALL, 0, 0, take_streams_end},
    {"draw-fill", SPICE_MSG_DISPLAY_DRAW_FILL, BASE_BYTES, BASE_BYTES + 64 + 16 * CLIPS_MAX, take_fill},
    {"draw-copy", SPICE_MSG_DISPLAY_DRAW_COPY, BASE_BYTES + 36, DRAW_MAX, take_copy},
    {"surface-create", SPICE_MSG_DISPLAY_SURFACE_CREATE, 20, 20, take_surface},
    {"surface-destroy", SPICE_MSG_DISPLAY_SURFACE_DESTROY, 4, 4, take_no_surface},
    {"stream-data-sized", SPICE_MSG_DISPLAY_STREAM_DATA_SIZED, 36, DRAW_MAX, take_sized_frame},
    {"monitors-config", SPICE_MSG_DISPLAY_MONITORS_CONFIG, 4, 4 + 28 * 256, take_monitors},
    {},
};

/* ---- life ---- */

static void display_start(ViewChannel *c)
{
    uint8_t init[14] = {1};

    store_le64(init + 1, CACHE_PIXELS);
    init[9] = 1;
    store_le32(init + 10, 0); /* no window for GLZ */
    view_send(c, SPICE_MSGC_DISPLAY_INIT, init, sizeof(init));
}

/* The server asks what we have, or says all of it again. */
static void display_resumed(ViewChannel *c)
{
    end_streams(c);
    if (!caps_has(conn_common(c->conn), KNOWN_CAP)) {
        surfaces_remove_all(c->session->surfaces, c->id);
        tell_drawn(c, 0, NULL);
    }
    display_start(c);
}

const ViewKind view_display_kind = {
    .type = SPICE_CHANNEL_DISPLAY, .size = sizeof(DisplayChannel), .rows = display_rows,
    .start = display_start, .resumed = display_resumed,
    .reset = end_streams, .stop = end_streams,
    .caps = 1 << SPICE_DISPLAY_CAP_SIZED_STREAM | 1 << SPICE_DISPLAY_CAP_MONITORS_CONFIG | 1 << SPICE_DISPLAY_CAP_MULTI_CODEC |
            CONFIG_LZ4 << SPICE_DISPLAY_CAP_LZ4_COMPRESSION | CONFIG_JPEG << SPICE_DISPLAY_CAP_CODEC_MJPEG,
};
