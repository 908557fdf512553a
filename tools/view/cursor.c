/* tools/view/cursor.c - the guest's pointer, as the server tells it.  Owner: main loop.
 * Test: tests/unit/tools/view-pointer-test.c, tests/functional/view-window-test.py, tests/fuzz/view.c
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "session.h"
#include "util/bytes.h"

#include <spice/protocol.h>

#define SHAPE_SIDE_MAX 256
#define SHAPES_MAX 256          /* that are kept */
#define SHAPE_BYTES 17          /* of its header: unique u64, type, size, hot spot */
#define CURSOR_MAX (11 + SHAPE_BYTES + 4 * SHAPE_SIDE_MAX * SHAPE_SIDE_MAX + SHAPE_SIDE_MAX / 8 * SHAPE_SIDE_MAX)

typedef struct CursorChannel {
    ViewChannel c;
    ViewPointer now;
    GHashTable *shapes;         /* by what the server calls them */
} CursorChannel;

/* ---- shapes ---- */

static void shape_unref(void *shape)
{
    g_rc_box_release(shape);
}

static void show(CursorChannel *k)
{
    const SessionHost *host = k->c.session->host;

    if (host->pointer) {
        host->pointer(k->c.session->opaque, k->c.id, &k->now);
    }
}

static void forget_shapes(CursorChannel *k)
{
    g_clear_pointer(&k->shapes, g_hash_table_unref);
}

/* A bit each, the masks one after the other: both are 0: black; only the second is 1: white; else nothing is drawn there, or
 * what is there is inverted, for which we take black. */
static void read_masks(ViewShape *s, const uint8_t *data)
{
    uint32_t line = (s->width + 7) / 8;
    const uint8_t *inverts = data + (size_t)line * s->height;

    for (uint32_t y = 0; y < s->height; y++) {
        for (uint32_t x = 0; x < s->width; x++) {
            uint32_t at = y * line + x / 8, bit = 0x80 >> x % 8;
            bool keeps = data[at] & bit, turns = inverts[at] & bit;

            s->pixels[y * s->width + x] = keeps ? (turns ? 0xff000000 : 0) : (turns ? 0xffffffff : 0xff000000);
        }
    }
}

/* NULL: malformed.  A kind that is not drawn has no pixels. */
static ViewShape *shape_read(const uint8_t *head, const uint8_t *data, uint32_t size)
{
    uint8_t type = head[8];
    uint32_t width = load_le16(head + 9), height = load_le16(head + 11), n = width * height;
    bool is_drawn = type == SPICE_CURSOR_TYPE_ALPHA || type == SPICE_CURSOR_TYPE_MONO;
    uint32_t wanted = type == SPICE_CURSOR_TYPE_ALPHA ? 4 * n : (width + 7) / 8 * height * 2;
    ViewShape *s;

    if (width > SHAPE_SIDE_MAX || height > SHAPE_SIDE_MAX || (is_drawn && size < wanted)) {
        return NULL;
    }
    s = g_rc_box_alloc0(sizeof(*s) + (is_drawn ? 4 * n : 0));
    *s = (ViewShape){width, height, load_le16(head + 13), load_le16(head + 15), is_drawn && n};
    if (type == SPICE_CURSOR_TYPE_MONO) {
        read_masks(s, data);
    }
    for (uint32_t i = 0; type == SPICE_CURSOR_TYPE_ALPHA && i < n; i++) {
        s->pixels[i] = load_le32(data + 4 * i);
    }
    return s;
}

/* Takes the shape; false: too many are kept. */
static bool keep(CursorChannel *k, uint64_t name, ViewShape *take)
{
    uint64_t *key = g_new(uint64_t, 1);

    *key = name;
    if (!k->shapes) {
        k->shapes = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, shape_unref);
    }
    g_hash_table_replace(k->shapes, key, take);
    return g_hash_table_size(k->shapes) <= SHAPES_MAX;
}

/* The shape in a message, behind the place and the rest. */
static bool take_shape(CursorChannel *k, const uint8_t *data, uint32_t size, uint32_t at)
{
    uint16_t flags = load_le16(data + at);
    const uint8_t *head = data + at + 2;
    uint64_t name;
    ViewShape *shape;

    if (flags & SPICE_CURSOR_FLAGS_NONE) {
        k->now.is_visible = false;
        view_say(k->c.session, "pointer none");
        return true;
    }
    if (size - at < 2 + SHAPE_BYTES) {
        return false;
    }
    name = load_le64(head);
    if (flags & SPICE_CURSOR_FLAGS_FROM_CACHE) {
        shape = k->shapes ? g_hash_table_lookup(k->shapes, &name) : NULL;
        shape = shape ? g_rc_box_acquire(shape) : NULL;
    } else {
        shape = shape_read(head, head + SHAPE_BYTES, size - at - 2 - SHAPE_BYTES);
    }
    if (!shape) {
        return false;
    }
    g_clear_pointer(&k->now.shape, shape_unref);
    k->now.shape = shape;
    view_say(k->c.session, "pointer %ux%u at %d,%d", shape->width, shape->height, k->now.x, k->now.y);
    return !(flags & SPICE_CURSOR_FLAGS_CACHE_ME) || keep(k, name, g_rc_box_acquire(shape));
}

/* ---- messages ---- */

static void take_place(CursorChannel *k, const uint8_t *data)
{
    k->now.x = (int16_t)load_le16(data);
    k->now.y = (int16_t)load_le16(data + 2);
}

/* Its place comes first; `at` is behind the byte that says whether it is to be seen. */
static bool take_pointer(CursorChannel *k, const uint8_t *data, uint32_t size, uint32_t at)
{
    bool ok;

    take_place(k, data);
    k->now.is_visible = data[at - 1];
    ok = take_shape(k, data, size, at);
    show(k);
    return ok;
}

static bool take_init(ViewChannel *c, const uint8_t *data, uint32_t size)
{
    forget_shapes((CursorChannel *)c);
    return take_pointer((CursorChannel *)c, data, size, 9);
}

static bool take_set(ViewChannel *c, const uint8_t *data, uint32_t size)
{
    return take_pointer((CursorChannel *)c, data, size, 5);
}

static bool take_move(ViewChannel *c, const uint8_t *data, uint32_t size)
{
    CursorChannel *k = (CursorChannel *)c;

    take_place(k, data);
    k->now.is_visible = true;
    show(k);
    return true;
}

static bool take_hide(ViewChannel *c, const uint8_t *data, uint32_t size)
{
    CursorChannel *k = (CursorChannel *)c;

    k->now.is_visible = false;
    show(k);
    return true;
}

static bool take_inval_one(ViewChannel *c, const uint8_t *data, uint32_t size)
{
    CursorChannel *k = (CursorChannel *)c;
    uint64_t name = load_le64(data);

    if (k->shapes) {
        g_hash_table_remove(k->shapes, &name);
    }
    return true;
}

static bool take_inval_all(ViewChannel *c, const uint8_t *data, uint32_t size)
{
    forget_shapes((CursorChannel *)c);
    return true;
}

static void cursor_stop(ViewChannel *c)
{
    CursorChannel *k = (CursorChannel *)c;

    forget_shapes(k);
    g_clear_pointer(&k->now.shape, shape_unref);
    k->now.is_visible = false;
}

static void cursor_reset(ViewChannel *c)
{
    cursor_stop(c);
    show((CursorChannel *)c);
}

static bool take_reset(ViewChannel *c, const uint8_t *data, uint32_t size)
{
    cursor_reset(c);
    return true;
}

static const ViewRow cursor_rows[] = {
    {"init", SPICE_MSG_CURSOR_INIT, 11, CURSOR_MAX, take_init},
    {"reset", SPICE_MSG_CURSOR_RESET, 0, 0, take_reset},
    {"set", SPICE_MSG_CURSOR_SET, 7, CURSOR_MAX, take_set},
    {"move", SPICE_MSG_CURSOR_MOVE, 4, 4, take_move},
    {"hide", SPICE_MSG_CURSOR_HIDE, 0, 0, take_hide},
    {"trail", SPICE_MSG_CURSOR_TRAIL, 4, 4},
    {"inval-one", SPICE_MSG_CURSOR_INVAL_ONE, 8, 8, take_inval_one},
    {"inval-all", SPICE_MSG_CURSOR_INVAL_ALL, 0, 0, take_inval_all},
    {},
};

const ViewKind view_cursor_kind = {.type = SPICE_CHANNEL_CURSOR, .size = sizeof(CursorChannel), .rows = cursor_rows,
                                   .resumed = cursor_reset, .reset = cursor_reset, .stop = cursor_stop};
