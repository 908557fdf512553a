/* ui/spice/display-channel.c - a screen of the guest for one client.  Owner: main loop (vm_lock).  Page: docs/spice.md.
 * Test: tests/unit/ui/spice-display-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What changes is collected as a region and drawn when the client has room, as it looks by then: a slow client gets fewer pictures,
 * never old ones, and costs a region.  A pass takes the whole region and is drawn to its end; what changes meanwhile is the next
 * pass, so that each part of the screen has its turn.  A screen may call from a hart's thread: that only notes what is new. */
#include "damage.h"
#include "image.h"
#include "kinds.h"
#include "known.h"
#include "server.h"
#include "streams.h"
#include "ui/console.h"
#include "util/bytes.h"
#include "util/error.h"

#include <spice/protocol.h>

#define PASS_NS (10 * NS_PER_MS)    /* between the beginnings of two passes */
#define BOXES_ENOUGH 64             /* of a pass; more are made fewer */
#define KNOWN_WAIT_NS (2 * NS_PER_SEC)    /* for a client's word of what it still shows */
#define JPEG_QUALITY 85             /* of photographs that are no video */

typedef struct DisplayState {       /* S1: to the display channel of the same session and id */
    bool is_ready;                  /* the client has said INIT */
    bool has_primary, is_marked;    /* it has surface 0; it shows it */
    uint32_t width, height;         /* of that surface */
    uint64_t images;                /* made so far: their ids */
    uint8_t wish;                   /* PREFERRED_COMPRESSION; 0: none */
    StreamsState streams;
} DisplayState;                     /* and what the client does not have: both regions and the boxes of streams, as one */

typedef struct DisplayChannel {
    SpiceChannel c;
    DisplayState st;
    pixman_region32_t dirty, pass;
    bool has_new_surface;
    bool awaits_known;              /* it is back, and has still to say what it shows */
    bool needs_reset, has_streams;  /* of a client that came: what it has of surfaces is not known; it may have some */
    ConsoleViewer viewer;
    Streams streams;
    LoopTimer *due;                 /* a pass, or something of a stream; of who awaits_known: that is too late */
    int64_t pass_began_ns;
} DisplayChannel;

static DisplayChannel *of_viewer(ConsoleViewer *v)
{
    return (DisplayChannel *)((char *)v - offsetof(DisplayChannel, viewer));
}

static pixman_image_t *surface_of(const DisplayChannel *d)
{
    return d->viewer.console ? console_surface(d->viewer.console) : NULL;
}

/* ---- surfaces ---- */

static void send_u32s(DisplayChannel *d, uint16_t type, const uint32_t *values, unsigned n)
{
    GByteArray *b = g_byte_array_new();

    for (unsigned i = 0; i < n; i++) {
        put_u32(b, values[i]);
    }
    spice_send(&d->c, type, b);
}

static void end_surface(DisplayChannel *d)
{
    streams_end(&d->streams, &d->dirty);
    if (d->st.has_primary) {
        send_u32s(d, SPICE_MSG_DISPLAY_SURFACE_DESTROY, (uint32_t[]){0}, 1);
    }
    d->st.has_primary = d->st.is_marked = false;
    pixman_region32_clear(&d->pass);
    pixman_region32_clear(&d->dirty);
}

static void begin_surface(DisplayChannel *d, pixman_image_t *surface)
{
    d->st.width = pixman_image_get_width(surface);
    d->st.height = pixman_image_get_height(surface);
    d->st.has_primary = true;
    send_u32s(d, SPICE_MSG_DISPLAY_SURFACE_CREATE,
              (uint32_t[]){0, d->st.width, d->st.height, SPICE_SURFACE_FMT_32_xRGB, SPICE_SURFACE_FLAGS_PRIMARY}, 5);
    pixman_region32_union_rect(&d->dirty, &d->dirty, 0, 0, d->st.width, d->st.height);
}

/* Has the client a surface as large as the screen is now? */
static bool has_surface(const DisplayChannel *d)
{
    const pixman_image_t *surface = surface_of(d);

    return surface && d->st.has_primary && pixman_image_get_width((pixman_image_t *)surface) == (int)d->st.width &&
           pixman_image_get_height((pixman_image_t *)surface) == (int)d->st.height;
}

static void follow_surface(DisplayChannel *d)
{
    pixman_image_t *surface = surface_of(d);

    d->has_new_surface = false;
    if (has_surface(d)) { /* only its pixels are new */
        pixman_region32_union_rect(&d->dirty, &d->dirty, 0, 0, d->st.width, d->st.height);
        return;
    }
    end_surface(d);
    if (surface) {
        begin_surface(d, surface);
    }
}

/* The picture is whole: show it. */
static void mark(DisplayChannel *d)
{
    GByteArray *b = g_byte_array_new();

    put_u16(b, 1);
    put_u16(b, 1);
    put_u32(b, 0); /* monitor, surface */
    put_u32(b, 0);
    put_u32(b, d->st.width);
    put_u32(b, d->st.height);
    put_u32(b, 0); /* where, flags */
    put_u32(b, 0);
    put_u32(b, 0);
    if (caps_has(&d->c.caps, SPICE_DISPLAY_CAP_MONITORS_CONFIG)) {
        spice_send(&d->c, SPICE_MSG_DISPLAY_MONITORS_CONFIG, b);
    } else {
        g_byte_array_unref(b);
    }
    spice_send(&d->c, SPICE_MSG_DISPLAY_MARK, NULL);
    d->st.is_marked = true;
}

/* ---- pictures ---- */

static uint32_t compression_of(const DisplayChannel *d)
{
    switch (d->st.wish) { /* the client's word counts for it */
    case SPICE_IMAGE_COMPRESSION_INVALID:
        return server()->config.image_compression;
    case SPICE_IMAGE_COMPRESSION_OFF:
        return IMAGES_OFF;
    default:
        return d->st.wish - SPICE_IMAGE_COMPRESSION_AUTO_GLZ + IMAGES_AUTO_GLZ;
    }
}

static ImageCoders coders_of(const DisplayChannel *d)
{
    uint32_t compression = compression_of(d), jpeg = server()->config.jpeg;
    bool has_lz4 = image_has_lz4() && caps_has(&d->c.caps, SPICE_DISPLAY_CAP_LZ4_COMPRESSION);
    bool is_slow = d->c.client && d->c.client->st.is_slow, wants_jpeg = jpeg == JPEG_ALWAYS || (jpeg == JPEG_AUTO && is_slow);

    return (ImageCoders){.lz4 = has_lz4 && compression != IMAGES_OFF,
                         .jpeg = wants_jpeg && compression <= IMAGES_QUIC ? JPEG_QUALITY : 0};
}

/* As much of the first box as one message takes. */
static ImageBox next_box(DisplayChannel *d)
{
    const pixman_box32_t *first = pixman_region32_rectangles(&d->pass, NULL);
    int width = first->x2 - first->x1, rows = MAX(1, IMAGE_STRIP_BYTES / (4 * width));

    return (ImageBox){first->x1, first->y1, first->x2, MIN(first->y2, first->y1 + rows)};
}

static void draw_one(DisplayChannel *d, pixman_image_t *surface)
{
    ImageBox box = next_box(d);
    pixman_region32_t drawn;
    uint64_t id = (uint64_t)d->c.st.id << 56 | ++d->st.images; /* no two screens have one id */

    spice_send(&d->c, SPICE_MSG_DISPLAY_DRAW_COPY,
               image_draw_copy((const uint8_t *)pixman_image_get_data(surface), pixman_image_get_stride(surface), &box, id,
                               coders_of(d)));
    pixman_region32_init_rect(&drawn, box.x1, box.y1, box.x2 - box.x1, box.y2 - box.y1);
    pixman_region32_subtract(&d->pass, &d->pass, &drawn);
    pixman_region32_fini(&drawn);
}

/* False: not now. */
static bool begin_pass(DisplayChannel *d)
{
    int64_t now = time_monotonic_ns();

    if (!pixman_region32_not_empty(&d->dirty) || now < d->pass_began_ns + PASS_NS) {
        return false;
    }
    d->pass_began_ns = now;
    pixman_region32_intersect_rect(&d->pass, &d->dirty, 0, 0, d->st.width, d->st.height);
    pixman_region32_clear(&d->dirty);
    streams_cut(&d->streams, &d->pass);
    damage_coarsen(&d->pass, BOXES_ENOUGH); /* many small boxes cost more than the pixels between them */
    pixman_region32_intersect_rect(&d->pass, &d->pass, 0, 0, d->st.width, d->st.height);
    return true;
}

static void set_timer(DisplayChannel *d)
{
    int64_t due = streams_due_ns(&d->streams);

    if (pixman_region32_not_empty(&d->dirty)) {
        due = MIN(due, d->pass_began_ns + PASS_NS);
    }
    if (due != INT64_MAX) {
        loop_timer_set(d->due, due);
    }
}

/* One picture, one frame, or the beginning of a pass.  False: there is nothing now. */
static bool step(DisplayChannel *d, pixman_image_t *surface)
{
    if (pixman_region32_not_empty(&d->pass)) {
        draw_one(d, surface);
        if (!pixman_region32_not_empty(&d->pass) && !d->st.is_marked) {
            mark(d);
        }
        return true;
    }
    return streams_step(&d->streams, surface) || begin_pass(d);
}

static void display_room(SpiceChannel *c)
{
    DisplayChannel *d = (DisplayChannel *)c;
    pixman_image_t *surface;

    if (!d->st.is_ready || d->awaits_known) {
        return;
    }
    if (d->has_new_surface) {
        follow_surface(d);
    }
    streams_expire(&d->streams, &d->dirty);
    surface = surface_of(d);
    while (surface && spice_has_room(c) && step(d, surface)) {
    }
    if (surface && spice_has_room(c)) {
        set_timer(d);
    }
}

/* ---- what the screen says, on any thread ---- */

static void viewer_surface(ConsoleViewer *v)
{
    DisplayChannel *d = of_viewer(v);

    d->has_new_surface = true;
    spice_poke(&d->c);
}

static void viewer_update(ConsoleViewer *v, const pixman_box32_t *box)
{
    DisplayChannel *d = of_viewer(v);

    damage_add(&d->dirty, box->x1, box->y1, box->x2 - box->x1, box->y2 - box->y1);
    streams_changed(&d->streams, box);
    spice_poke(&d->c);
}

/* ---- what the client says ---- */

static Taken take_init(SpiceChannel *c, const uint8_t *data, uint32_t size)
{
    DisplayChannel *d = (DisplayChannel *)c;

    if (!d->st.is_ready) {
        d->st.is_ready = true;
        spice_send(c, SPICE_MSG_DISPLAY_INVAL_ALL_PALETTES, NULL);
    }
    return TAKEN; /* the sizes of caches that we do not use */
}

static Taken take_wish(SpiceChannel *c, const uint8_t *data, uint32_t size)
{
    if (data[0] > SPICE_IMAGE_COMPRESSION_INVALID && data[0] < SPICE_IMAGE_COMPRESSION_ENUM_END) {
        ((DisplayChannel *)c)->st.wish = data[0];
    }
    return TAKEN; /* else one that nobody has */
}

static Taken take_report(SpiceChannel *c, const uint8_t *data, uint32_t size)
{
    DisplayChannel *d = (DisplayChannel *)c;
    Taken taken = streams_take_report(&d->streams, data);

    if (d->st.streams.is_refused) {
        streams_end(&d->streams, &d->dirty);
        spice_poke(c);
    }
    return taken;
}

static void display_reset(SpiceChannel *c);
static Taken take_known(SpiceChannel *c, const uint8_t *data, uint32_t size);

static const MessageRow display_rows[] = {
    {"init", SPICE_MSGC_DISPLAY_INIT, 14, 14, take_init},
    {"stream-report", SPICE_MSGC_DISPLAY_STREAM_REPORT, 32, 32, take_report},
    {"preferred-compression", SPICE_MSGC_DISPLAY_PREFERRED_COMPRESSION, 1, 1, take_wish},
    {"preferred-video-codec-type", SPICE_MSGC_DISPLAY_PREFERRED_VIDEO_CODEC_TYPE, 1, 256},
    {"client-state", KNOWN_SAY, KNOWN_SAY_BYTES, CHANNEL_BODY_MAX, take_known},
    {},
};

/* ---- life ---- */

unsigned screens_count(void)
{
    unsigned n = 0;

    while (n < CONSOLES_MAX && console_at(n)) {
        n++;
    }
    return n;
}

static void is_due(void *opaque)
{
    if (((DisplayChannel *)opaque)->awaits_known) {
        display_reset(opaque);
    }
    spice_pump(opaque);
}

static void display_open(SpiceChannel *c)
{
    DisplayChannel *d = (DisplayChannel *)c;

    pixman_region32_init(&d->dirty);
    pixman_region32_init(&d->pass);
    d->due = loop_timer_new(is_due, c);
    streams_start(&d->streams, c, &d->st.streams);
    d->viewer = (ConsoleViewer){.surface = viewer_surface, .update = viewer_update};
    console_watch(console_at(c->st.id), &d->viewer);
}

static void display_start(SpiceChannel *c)
{
    spice_poke(c);
}

/* ---- handoff ---- */

#define REGION_BOXES_MAX 256        /* that travel; more become the one around them */

typedef struct Unsaid {
    pixman_region32_t region;
    bool has_streams, has_more;     /* than pictures */
} Unsaid;

static bool is_of_stream(uint16_t type)
{
    return (type >= SPICE_MSG_DISPLAY_STREAM_CREATE && type <= SPICE_MSG_DISPLAY_STREAM_DESTROY_ALL) ||
           type == SPICE_MSG_DISPLAY_STREAM_DATA_SIZED || type == SPICE_MSG_DISPLAY_STREAM_ACTIVATE_REPORT;
}

/* A picture that was not said is damage again; what else was not leaves open what the client has. */
static void add_unsaid(const OutMessage *m, void *opaque)
{
    Unsaid *u = opaque;
    const uint8_t *at = m->body->data;

    if (m->type == SPICE_MSG_DISPLAY_DRAW_COPY && m->body->len >= 20) { /* surface; top, left, bottom, right */
        int top = load_le32(at + 4), left = load_le32(at + 8), bottom = load_le32(at + 12), right = load_le32(at + 16);

        pixman_region32_union_rect(&u->region, &u->region, left, top, right - left, bottom - top);
    } else if (m->type != SPICE_MSG_DISPLAY_INVAL_ALL_PALETTES && !is_of_stream(m->type)) {
        u->has_more = true;
    }
    u->has_streams |= is_of_stream(m->type);
}

static void put_region(StateWriter *w, pixman_region32_t *region)
{
    int n;
    const pixman_box32_t *box = pixman_region32_rectangles(region, &n);

    if (n > REGION_BOXES_MAX) {
        box = pixman_region32_extents(region);
        n = 1;
    }
    state_put_be32(w, n);
    for (int i = 0; i < n; i++) {
        state_put_be32(w, box[i].x1);
        state_put_be32(w, box[i].y1);
        state_put_be32(w, box[i].x2);
        state_put_be32(w, box[i].y2);
    }
}

static void save_region(SpiceChannel *c, StateWriter *w)
{
    DisplayChannel *d = (DisplayChannel *)c;
    Unsaid u = {.has_more = false};

    pixman_region32_init(&u.region);
    pixman_region32_union(&u.region, &d->dirty, &d->pass);
    spice_foreach_unsaid(c, add_unsaid, &u);
    u.has_streams |= streams_boxes(&d->streams, &u.region); /* found anew: until then the client lacks what they show */
    state_put_u8(w, u.has_more || d->awaits_known);
    state_put_u8(w, u.has_streams);
    state_put_u8(w, d->has_new_surface);
    put_region(w, &u.region);
    pixman_region32_fini(&u.region);
}

static bool get_box(DisplayChannel *d, StateReader *r, GError **errp)
{
    uint32_t v[4];

    for (unsigned i = 0; i < 4; i++) {
        if (!state_get_be32(r, &v[i], errp)) {
            return false;
        }
        if (v[i] > CONSOLE_SIZE_MAX) {
            return fail(errp, "%s: a box is out of range", r->what);
        }
    }
    if (v[2] > v[0] && v[3] > v[1]) {
        pixman_region32_union_rect(&d->dirty, &d->dirty, v[0], v[1], v[2] - v[0], v[3] - v[1]);
    }
    return true;
}

/* The screen is here by now, as it was when the region was made: what its arrival damaged, the client has. */
static bool load_region(SpiceChannel *c, StateReader *r, GError **errp)
{
    DisplayChannel *d = (DisplayChannel *)c;
    uint8_t needs_reset, has_streams, has_new_surface;
    uint32_t n;

    if (d->st.width > CONSOLE_SIZE_MAX || d->st.height > CONSOLE_SIZE_MAX || d->st.streams.delay_ms > STREAM_DELAY_MAX_MS) {
        return fail(errp, "%s: a surface of %ux%u, frames %u ms late", r->what, d->st.width, d->st.height, d->st.streams.delay_ms);
    }
    if (!state_get_u8(r, &needs_reset, errp) || !state_get_u8(r, &has_streams, errp) ||
        !state_get_u8(r, &has_new_surface, errp) || !state_get_be32(r, &n, errp)) {
        return false;
    }
    if (n > REGION_BOXES_MAX) {
        return fail(errp, "%s: %u boxes", r->what, n);
    }
    d->needs_reset = needs_reset;
    d->has_streams = has_streams;
    d->has_new_surface = has_new_surface || !has_surface(d);
    pixman_region32_clear(&d->dirty);
    pixman_region32_clear(&d->pass);
    for (; n; n--) {
        if (!get_box(d, r, errp)) {
            return false;
        }
    }
    return true;
}

/* As if it had just said INIT; but it may have surfaces, pictures and streams from before. */
static void display_reset(SpiceChannel *c)
{
    DisplayChannel *d = (DisplayChannel *)c;
    GByteArray *nobody = g_byte_array_new();

    d->awaits_known = false;
    streams_stop(&d->streams); /* one that it has lost may have a frame with a worker */
    d->st = (DisplayState){.is_ready = true, .has_primary = true, .images = (uint64_t)1 << 40};
    streams_start(&d->streams, c, &d->st.streams);
    spice_send(c, SPICE_MSG_DISPLAY_STREAM_DESTROY_ALL, NULL);
    put_u8(nobody, 0); /* channels to wait for */
    spice_send(c, SPICE_MSG_DISPLAY_INVAL_ALL_PIXMAPS, nobody);
    spice_send(c, SPICE_MSG_DISPLAY_INVAL_ALL_PALETTES, NULL);
    end_surface(d);
    d->has_new_surface = true;
    spice_poke(c);
}

/* ---- a client that is back ---- */

static void display_resumed(SpiceChannel *c)
{
    DisplayChannel *d = (DisplayChannel *)c;
    GByteArray *rows = g_byte_array_new();

    if (!caps_has(&c->common, KNOWN_CAP) || !has_surface(d)) {
        g_byte_array_unref(rows);
        display_reset(c);
        return;
    }
    streams_stop(&d->streams);
    streams_start(&d->streams, c, &d->st.streams);
    spice_send(c, SPICE_MSG_DISPLAY_STREAM_DESTROY_ALL, NULL);
    put_u32(rows, KNOWN_BAND_ROWS);
    spice_send(c, KNOWN_ASK, rows);
    d->awaits_known = true;
    loop_timer_set(d->due, time_monotonic_ns() + KNOWN_WAIT_NS);
}

/* What it has is what it says, and nothing is on its way to it. */
static void draw_what_differs(DisplayChannel *d, pixman_image_t *surface, const uint8_t *digests)
{
    const char *pixels = (const char *)pixman_image_get_data(surface);
    int stride = pixman_image_get_stride(surface);

    pixman_region32_clear(&d->pass);
    pixman_region32_clear(&d->dirty);
    for (uint32_t y = 0; y < d->st.height; y += KNOWN_BAND_ROWS) {
        uint32_t rows = MIN(KNOWN_BAND_ROWS, d->st.height - y);

        if (known_digest(pixels + (ptrdiff_t)y * stride, stride, d->st.width, rows) != load_le64(digests)) {
            pixman_region32_union_rect(&d->dirty, &d->dirty, 0, y, d->st.width, rows);
        }
        digests += 8;
    }
}

static Taken take_known(SpiceChannel *c, const uint8_t *data, uint32_t size)
{
    DisplayChannel *d = (DisplayChannel *)c;
    KnownSurface s;

    if (!d->awaits_known) {
        return TAKEN; /* too late, or nobody asked */
    }
    if (!known_find_surface(data, size, &s) || !has_surface(d) || s.width != d->st.width || s.height != d->st.height ||
        s.bands != (s.height - 1) / KNOWN_BAND_ROWS + 1) {
        display_reset(c);
        return TAKEN;
    }
    d->awaits_known = d->has_new_surface = false;
    loop_timer_cancel(d->due);
    draw_what_differs(d, surface_of(d), s.digests);
    d->st.is_marked = false;
    if (!pixman_region32_not_empty(&d->dirty)) {
        mark(d);
    }
    spice_poke(c);
    return TAKEN;
}

static void display_adopted(SpiceChannel *c)
{
    DisplayChannel *d = (DisplayChannel *)c;

    if (d->needs_reset) {
        display_reset(c);
        return;
    }
    if (d->has_streams) {
        spice_send(c, SPICE_MSG_DISPLAY_STREAM_DESTROY_ALL, NULL);
    }
    spice_poke(c);
}

VMSTATE_DEFINE_SPAN(DisplayChannel, st)

const VMStateDescription display_channel_vmstate = {
    .name = "spice-display",
    .version = 1,
    VMSTATE_SPAN(DisplayChannel, st),
    .fields = VMSTATE_FIELDS(VMSTATE_BOOL(DisplayChannel, st.is_ready), VMSTATE_BOOL(DisplayChannel, st.has_primary),
                             VMSTATE_BOOL(DisplayChannel, st.is_marked), VMSTATE_U32(DisplayChannel, st.width),
                             VMSTATE_U32(DisplayChannel, st.height), VMSTATE_U64(DisplayChannel, st.images),
                             VMSTATE_U8(DisplayChannel, st.wish), VMSTATE_BOOL(DisplayChannel, st.streams.is_refused),
                             VMSTATE_U32(DisplayChannel, st.streams.delay_ms), VMSTATE_U32(DisplayChannel, st.streams.begun)),
};

static const ChannelPart display_parts[] = {{"display", &display_channel_vmstate, save_region, load_region}, {}};

static void display_stop(SpiceChannel *c)
{
    DisplayChannel *d = (DisplayChannel *)c;

    console_unwatch(&d->viewer);
    g_clear_pointer(&d->due, loop_timer_free);
    streams_stop(&d->streams);
    pixman_region32_fini(&d->dirty);
    pixman_region32_fini(&d->pass);
}

const ChannelKind display_channel_kind = {
    .type = SPICE_CHANNEL_DISPLAY,
    .caps = 1 << SPICE_DISPLAY_CAP_MONITORS_CONFIG | 1 << SPICE_DISPLAY_CAP_PREF_COMPRESSION | 1 << SPICE_DISPLAY_CAP_STREAM_REPORT,
    .has_window = true, .size = sizeof(DisplayChannel), .rows = display_rows, .count = screens_count,
    .parts = display_parts, .open = display_open, .start = display_start, .adopted = display_adopted, .reset = display_reset,
    .resumed = display_resumed, .room = display_room, .stop = display_stop,
};
