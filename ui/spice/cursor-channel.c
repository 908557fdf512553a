/* ui/spice/cursor-channel.c - the guest's pointer.  Owner: main loop (vm_lock).  Page: docs/spice.md.
 * Test: tests/unit/ui/spice-display-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Only the latest shape and place are ever said, so a slow client has nothing to catch up with.  A screen may call from a
 * hart's thread: that only notes what is new. */
#include "kinds.h"
#include "server.h"
#include "ui/console.h"

#include <spice/protocol.h>

typedef struct CursorState {    /* S1: to the cursor channel of the same session */
    bool is_shown;              /* the client has a shape */
    bool has_shape_news, has_place_news; /* it has not heard of the latest */
} CursorState;

typedef struct CursorChannel {
    SpiceChannel c;
    CursorState st;
    ConsoleViewer viewer;
    bool needs_reset;           /* of a client that came: it may have no INIT */
} CursorChannel;

static CursorChannel *of_viewer(ConsoleViewer *v)
{
    return (CursorChannel *)((char *)v - offsetof(CursorChannel, viewer));
}

/* ---- saying ---- */

static void put_place(const CursorChannel *cc, GByteArray *b)
{
    int x = 0, y = 0;

    if (cc->viewer.console) {
        console_cursor_at(cc->viewer.console, &x, &y);
    }
    put_u16(b, CLAMP(x, INT16_MIN, INT16_MAX));
    put_u16(b, CLAMP(y, INT16_MIN, INT16_MAX));
}

/* The pixels of a shape are on the wire as they are in memory: blue first, premultiplied. */
static void put_shape(GByteArray *b, const ConsoleCursor *shape)
{
    if (!shape) {
        put_u16(b, SPICE_CURSOR_FLAGS_NONE);
        return;
    }
    put_u16(b, 0);
    put_u64(b, 0); /* not cached */
    put_u8(b, SPICE_CURSOR_TYPE_ALPHA);
    put_u16(b, shape->width);
    put_u16(b, shape->height);
    put_u16(b, shape->hot_x);
    put_u16(b, shape->hot_y);
    for (unsigned i = 0; i < (unsigned)shape->width * shape->height; i++) {
        put_u32(b, shape->pixels[i]);
    }
}

static const ConsoleCursor *shape_now(const CursorChannel *cc)
{
    return cc->viewer.console ? console_cursor(cc->viewer.console) : NULL;
}

static void send_init(CursorChannel *cc)
{
    const ConsoleCursor *shape = shape_now(cc);
    GByteArray *b = g_byte_array_new();

    put_place(cc, b);
    put_u16(b, 0); /* no trail */
    put_u16(b, 0);
    put_u8(b, 1);
    put_shape(b, shape);
    cc->st.is_shown = shape;
    spice_send(&cc->c, SPICE_MSG_CURSOR_INIT, b);
}

static void send_shape(CursorChannel *cc)
{
    const ConsoleCursor *shape = shape_now(cc);
    GByteArray *b;

    if (!shape) {
        if (cc->st.is_shown) {
            spice_send(&cc->c, SPICE_MSG_CURSOR_HIDE, NULL);
        }
    } else {
        b = g_byte_array_new();
        put_place(cc, b);
        put_u8(b, 1);
        put_shape(b, shape);
        spice_send(&cc->c, SPICE_MSG_CURSOR_SET, b);
    }
    cc->st.is_shown = shape;
}

static void send_place(CursorChannel *cc)
{
    GByteArray *b = g_byte_array_new();

    put_place(cc, b);
    spice_send(&cc->c, SPICE_MSG_CURSOR_MOVE, b);
}

static void cursor_room(SpiceChannel *c)
{
    CursorChannel *cc = (CursorChannel *)c;
    bool has_place_news = cc->st.has_place_news;

    cc->st.has_place_news = false;
    if (cc->st.has_shape_news) {
        cc->st.has_shape_news = false;
        send_shape(cc);
    } else if (has_place_news && cc->st.is_shown && server()->st.mouse_mode == SPICE_MOUSE_MODE_SERVER) {
        send_place(cc);
    }
}

/* ---- hearing ---- */

static void viewer_cursor(ConsoleViewer *v)
{
    CursorChannel *cc = of_viewer(v);

    cc->st.has_shape_news = true;
    spice_poke(&cc->c);
}

static void viewer_moved(ConsoleViewer *v)
{
    CursorChannel *cc = of_viewer(v);

    cc->st.has_place_news = true;
    spice_poke(&cc->c);
}

static const MessageRow cursor_rows[] = {{}};

/* ---- life ---- */

static void cursor_open(SpiceChannel *c)
{
    CursorChannel *cc = (CursorChannel *)c;

    cc->viewer = (ConsoleViewer){.cursor = viewer_cursor, .cursor_moved = viewer_moved};
    console_watch(console_at(c->st.id), &cc->viewer);
}

static void cursor_start(SpiceChannel *c)
{
    CursorChannel *cc = (CursorChannel *)c;

    cc->st.has_shape_news = cc->st.has_place_news = false;
    send_init(cc);
}

static void cursor_stop(SpiceChannel *c)
{
    console_unwatch(&((CursorChannel *)c)->viewer);
}

/* ---- handoff ---- */

/* A client without INIT has to get it, and only then. */
static void cursor_reset(SpiceChannel *c)
{
    spice_send(c, SPICE_MSG_CURSOR_RESET, NULL);
    cursor_start(c);
}

static void cursor_adopted(SpiceChannel *c)
{
    CursorChannel *cc = (CursorChannel *)c;

    if (cc->needs_reset) {
        cursor_reset(c);
    } else {
        spice_poke(c);
    }
}

static void is_any(const OutMessage *m, void *opaque)
{
    *(bool *)opaque |= m->type == SPICE_MSG_CURSOR_INIT || m->type == SPICE_MSG_CURSOR_RESET;
}

static void is_shape(const OutMessage *m, void *opaque)
{
    *(bool *)opaque |= m->type == SPICE_MSG_CURSOR_SET || m->type == SPICE_MSG_CURSOR_HIDE;
}

/* What was queued is not said any more; of shapes and places only the latest counts. */
static void save_unsaid(SpiceChannel *c, StateWriter *w)
{
    bool needs_reset = false, has_shape = false;

    spice_foreach_unsaid(c, is_any, &needs_reset);
    spice_foreach_unsaid(c, is_shape, &has_shape);
    state_put_u8(w, needs_reset);
    state_put_u8(w, has_shape);
}

static bool load_unsaid(SpiceChannel *c, StateReader *r, GError **errp)
{
    CursorChannel *cc = (CursorChannel *)c;
    uint8_t needs_reset, has_shape;

    if (!state_get_u8(r, &needs_reset, errp) || !state_get_u8(r, &has_shape, errp)) {
        return false;
    }
    cc->needs_reset = needs_reset;
    cc->st.has_shape_news |= has_shape;
    cc->st.has_place_news = true;
    return true;
}

VMSTATE_DEFINE_SPAN(CursorChannel, st)

const VMStateDescription cursor_channel_vmstate = {
    .name = "spice-cursor",
    .version = 1,
    VMSTATE_SPAN(CursorChannel, st),
    .fields = VMSTATE_FIELDS(VMSTATE_BOOL(CursorChannel, st.is_shown), VMSTATE_BOOL(CursorChannel, st.has_shape_news),
                             VMSTATE_BOOL(CursorChannel, st.has_place_news)),
};

static const ChannelPart cursor_parts[] = {{"cursor", &cursor_channel_vmstate, save_unsaid, load_unsaid}, {}};

const ChannelKind cursor_channel_kind = {
    .type = SPICE_CHANNEL_CURSOR, .has_window = true, .size = sizeof(CursorChannel), .rows = cursor_rows,
    .count = screens_count, .parts = cursor_parts, .open = cursor_open, .start = cursor_start, .adopted = cursor_adopted,
    .reset = cursor_reset, .resumed = cursor_reset, .room = cursor_room, .stop = cursor_stop,
};
