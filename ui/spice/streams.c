/* ui/spice/streams.c - parts of a screen that are sent as video (MJPEG).  Owner: main loop (vm_lock).  Page: docs/spice.md.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "streams.h"
#include "image.h"
#include "jpeg.h"
#include "server.h"
#include "util/bytes.h"
#include "util/log.h"

#include <spice/protocol.h>
#include <string.h>

#define CODERS 2                /* threads */
#define DELAY_MS 80             /* to begin with, and without reports */
#define DELAY_MIN_MS 30
#define SPARE_MS 60             /* a frame that waits for longer at the client came too early */
#define REPORT_FRAMES 10        /* a report of the client for so many frames, */
#define REPORT_MS 1000          /* or after so long */
#define GOOD_FRAMES 30          /* one after another, and they may be better */
#define STREAM_QUEUE_BYTES (64 * 1024) /* of the channel: above it the latest frame is still to be sent */
#define CANNOT_DECODE UINT32_MAX

StreamTimes stream_times = {.enough_ns = NS_PER_SEC, .still_ns = NS_PER_SEC};

/* A client or a link that cannot follow gets worse frames, then fewer. */
static const struct {
    unsigned quality;
    int64_t interval_ns;
} levels[] = {{85, 33 * NS_PER_MS}, {75, 33 * NS_PER_MS}, {65, 40 * NS_PER_MS}, {55, 50 * NS_PER_MS}, {45, 66 * NS_PER_MS},
              {35, 100 * NS_PER_MS}};

struct FrameJob {               /* the worker's until it has called back */
    Streams *streams;           /* NULL: nobody waits for it any more; main loop only */
    unsigned id;
    uint32_t mm_time;
    unsigned width, height, quality;
    uint8_t *pixels;
    GByteArray *file;           /* NULL: too large */
};

static ImageBox image_box(const pixman_box32_t *b)
{
    return (ImageBox){b->x1, b->y1, b->x2, b->y2};
}

/* ---- messages ---- */

static void send_create(Streams *s, unsigned id)
{
    const Stream *v = &s->stream[id];
    ImageBox box = image_box(&v->box);
    GByteArray *b = g_byte_array_new();

    put_u32(b, 0); /* surface */
    put_u32(b, id);
    put_u8(b, SPICE_STREAM_FLAGS_TOP_DOWN);
    put_u8(b, SPICE_VIDEO_CODEC_TYPE_MJPEG);
    put_u64(b, 0);
    for (unsigned i = 0; i < 2; i++) { /* of the stream, and of its source */
        put_u32(b, box.x2 - box.x1);
        put_u32(b, box.y2 - box.y1);
    }
    put_rect(b, &box);
    put_u8(b, SPICE_CLIP_TYPE_NONE);
    spice_send(s->c, SPICE_MSG_DISPLAY_STREAM_CREATE, b);
}

static void send_numbers(Streams *s, uint16_t type, const uint32_t *numbers, unsigned n)
{
    GByteArray *b = g_byte_array_new();

    for (unsigned i = 0; i < n; i++) {
        put_u32(b, numbers[i]);
    }
    spice_send(s->c, type, b);
}

static void send_clip(Streams *s, unsigned id)
{
    int n;
    const pixman_box32_t *boxes = pixman_region32_rectangles(&s->stream[id].clip, &n);
    GByteArray *b = g_byte_array_new();

    put_u32(b, id);
    put_u8(b, SPICE_CLIP_TYPE_RECTS);
    put_u32(b, n);
    for (int i = 0; i < n; i++) {
        ImageBox box = image_box(&boxes[i]);

        put_rect(b, &box);
    }
    spice_send(s->c, SPICE_MSG_DISPLAY_STREAM_CLIP, b);
}

static void send_frame(Streams *s, const FrameJob *job)
{
    GByteArray *b = g_byte_array_sized_new(12 + job->file->len);

    put_u32(b, job->id);
    put_u32(b, job->mm_time);
    put_u32(b, job->file->len);
    put_bytes(b, job->file->data, job->file->len);
    spice_send(s->c, SPICE_MSG_DISPLAY_STREAM_DATA, b);
}

/* ---- which there are ---- */

/* Of two that overlap the later one draws what they share. */
static void set_clips(Streams *s)
{
    for (unsigned id = 0; id < STREAMS_MAX; id++) {
        Stream *v = &s->stream[id];
        pixman_region32_t clip;

        if (!v->is_on) {
            continue;
        }
        pixman_region32_init_with_extents(&clip, &v->box);
        for (unsigned i = 0; i < STREAMS_MAX; i++) {
            pixman_region32_t other;

            if (s->stream[i].is_on && (int32_t)(s->stream[i].number - v->number) > 0) {
                pixman_region32_init_with_extents(&other, &s->stream[i].box);
                pixman_region32_subtract(&clip, &clip, &other);
                pixman_region32_fini(&other);
            }
        }
        if (!pixman_region32_equal(&clip, &v->clip)) {
            pixman_region32_copy(&v->clip, &clip);
            v->has_news = true; /* what it may draw again, it has to */
            send_clip(s, id);
        }
        pixman_region32_fini(&clip);
    }
}

static void forget(Stream *v)
{
    if (v->job) {
        v->job->streams = NULL;
    }
    pixman_region32_fini(&v->clip);
    *v = (Stream){.is_on = false};
}

static void end_one(Streams *s, unsigned id, pixman_region32_t *undrawn)
{
    const pixman_box32_t box = s->stream[id].box;

    TRACE(spice_stream_end, "%s %u: %u", s->c->ends.client.host, s->c->st.id, id);
    send_numbers(s, SPICE_MSG_DISPLAY_STREAM_DESTROY, (uint32_t[]){id}, 1);
    forget(&s->stream[id]);
    pixman_region32_union_rect(undrawn, undrawn, box.x1, box.y1, box.x2 - box.x1, box.y2 - box.y1);
}

static void begin_one(Streams *s, unsigned id, const pixman_box32_t *box)
{
    Stream *v = &s->stream[id];

    *v = (Stream){.is_on = true, .has_news = true, .number = ++s->st->begun, .box = *box, .changed_ns = time_monotonic_ns()};
    pixman_region32_init_with_extents(&v->clip, box);
    TRACE(spice_stream_begin, "%s %u: %u is %d,%d to %d,%d", s->c->ends.client.host, s->c->st.id, id, box->x1, box->y1, box->x2,
          box->y2);
    send_create(s, id);
    if (caps_has(&s->c->caps, SPICE_DISPLAY_CAP_STREAM_REPORT)) {
        send_numbers(s, SPICE_MSG_DISPLAY_STREAM_ACTIVATE_REPORT, (uint32_t[]){id, v->number, REPORT_FRAMES, REPORT_MS}, 4);
    }
    set_clips(s);
}

static bool are_wanted(const Streams *s)
{
    const SpiceCaps *caps = &s->c->caps; /* who says nothing of codecs has the first one, MJPEG */

    return server()->config.streaming != STREAMING_OFF && jpeg_is_built() && !s->st->is_refused &&
           (!caps_has(caps, SPICE_DISPLAY_CAP_MULTI_CODEC) || caps_has(caps, SPICE_DISPLAY_CAP_CODEC_MJPEG));
}

static bool is_inside(const pixman_box32_t *a, const pixman_box32_t *b)
{
    return a->x1 >= b->x1 && a->y1 >= b->y1 && a->x2 <= b->x2 && a->y2 <= b->y2;
}

/* The one that covers the box already. */
static bool has_around(const Streams *s, const pixman_box32_t *box)
{
    for (unsigned id = 0; id < STREAMS_MAX; id++) {
        if (s->stream[id].is_on && is_inside(box, &s->stream[id].box)) {
            return true;
        }
    }
    return false;
}

/* A place; those that the box covers end for it.  STREAMS_MAX: there is none. */
static unsigned make_place(Streams *s, const pixman_box32_t *box)
{
    unsigned place = STREAMS_MAX;
    pixman_region32_t covered; /* the new one draws it */

    pixman_region32_init(&covered);
    for (unsigned id = 0; id < STREAMS_MAX; id++) {
        if (s->stream[id].is_on && is_inside(&s->stream[id].box, box)) {
            end_one(s, id, &covered);
        }
        if (!s->stream[id].is_on) {
            place = MIN(place, id);
        }
    }
    pixman_region32_fini(&covered);
    return place;
}

static bool is_video(const Streams *s, const ImageBox *box, pixman_image_t *surface)
{
    return box->x2 <= pixman_image_get_width(surface) && box->y2 <= pixman_image_get_height(surface) &&
           (server()->config.streaming == STREAMING_ALL ||
            image_is_photo((const uint8_t *)pixman_image_get_data(surface), pixman_image_get_stride(surface), box));
}

/* False: it is drawn as before. */
static bool try_candidate(Streams *s, pixman_image_t *surface)
{
    ImageBox box = image_box(&s->candidate);
    unsigned id;

    s->has_candidate = false;
    if (!are_wanted(s) || box_area(&s->candidate) > STREAM_PIXELS_MAX || has_around(s, &s->candidate) ||
        !is_video(s, &box, surface)) {
        return false;
    }
    id = make_place(s, &s->candidate);
    if (id == STREAMS_MAX) {
        return false;
    }
    begin_one(s, id, &s->candidate);
    return true;
}

/* ---- frames ---- */

static void worse(Stream *v)
{
    v->good = 0;
    v->level = MIN(v->level + 1, G_N_ELEMENTS(levels) - 1);
}

static void better(Stream *v)
{
    if (++v->good >= GOOD_FRAMES) {
        v->good = 0;
        v->level -= v->level > 0;
    }
}

static void frame_is_done(void *opaque)
{
    FrameJob *job = opaque;
    Streams *s = job->streams;
    Stream *v = s ? &s->stream[job->id] : NULL;

    if (v) {
        v->job = NULL;
        if (job->file) {
            send_frame(s, job);
        } else {
            v->has_news = true;
            worse(v);
        }
        spice_poke(s->c);
    }
    g_clear_pointer(&job->file, g_byte_array_unref);
    g_free(job->pixels);
    g_free(job);
}

static void code_frame(void *data, void *unused)
{
    FrameJob *job = data;

    job->file = jpeg_encode(job->pixels, 4 * (size_t)job->width, job->width, job->height, job->quality, STREAM_FRAME_BYTES_MAX);
    loop_call(frame_is_done, job);
}

static uint32_t show_at(const Streams *s)
{
    uint32_t at = server_mm_time() + s->st->delay_ms;

    return at ? at : 1; /* 0 is no time to a client */
}

static FrameJob *make_job(Streams *s, unsigned id, pixman_image_t *surface)
{
    const pixman_box32_t *box = &s->stream[id].box;
    FrameJob *job = g_new0(FrameJob, 1);
    size_t stride = pixman_image_get_stride(surface);
    const uint8_t *at = (const uint8_t *)pixman_image_get_data(surface) + stride * box->y1 + 4 * (size_t)box->x1;

    *job = (FrameJob){.streams = s, .id = id, .mm_time = show_at(s), .width = box->x2 - box->x1, .height = box->y2 - box->y1,
                      .quality = levels[s->stream[id].level].quality};
    job->pixels = g_malloc(4 * (size_t)job->width * job->height);
    for (unsigned y = 0; y < job->height; y++) {
        memcpy(job->pixels + 4 * (size_t)job->width * y, at + stride * y, 4 * (size_t)job->width);
    }
    return job;
}

static void take_frame(Streams *s, unsigned id, pixman_image_t *surface, int64_t now)
{
    static GThreadPool *coders;
    Stream *v = &s->stream[id];

    if (!coders) {
        coders = g_thread_pool_new(code_frame, NULL, CODERS, FALSE, NULL);
    }
    if (s->c->is_writing) { /* the socket is full with what was before */
        worse(v);
    } else {
        better(v);
    }
    v->frame_ns = now;
    v->has_news = false;
    v->job = make_job(s, id, surface);
    g_thread_pool_push(coders, v->job, NULL);
}

/* ---- calls of the channel ---- */

void streams_start(Streams *s, SpiceChannel *c, StreamsState *st)
{
    *s = (Streams){.c = c, .st = st};
    st->delay_ms = st->delay_ms ? st->delay_ms : DELAY_MS;
}

void streams_changed(Streams *s, const pixman_box32_t *box)
{
    int64_t now = time_monotonic_ns();
    bool is_known = false;

    if (!are_wanted(s)) {
        return;
    }
    for (unsigned id = 0; id < STREAMS_MAX; id++) {
        Stream *v = &s->stream[id];
        pixman_box32_t both = {MAX(v->box.x1, box->x1), MAX(v->box.y1, box->y1), MIN(v->box.x2, box->x2), MIN(v->box.y2, box->y2)};

        if (v->is_on && 2 * box_area(&both) >= box_area(&v->box)) {
            v->changed_ns = now;
            is_known |= boxes_are_one(&v->box, box);
        }
    }
    if (!is_known && motion_note(&s->motion, box, now, stream_times.enough_ns)) {
        s->has_candidate = true;
        s->candidate = *box;
    }
}

void streams_cut(Streams *s, pixman_region32_t *pass)
{
    for (unsigned id = 0; id < STREAMS_MAX; id++) {
        Stream *v = &s->stream[id];
        pixman_region32_t its;

        if (v->is_on) {
            pixman_region32_init(&its);
            pixman_region32_intersect(&its, pass, &v->clip);
            v->has_news |= pixman_region32_not_empty(&its);
            pixman_region32_subtract(pass, pass, &v->clip);
            pixman_region32_fini(&its);
        }
    }
}

/* When its next frame may be taken; INT64_MAX: not as it is. */
static int64_t next_frame_ns(const Stream *v)
{
    return v->is_on && v->has_news && !v->job ? v->frame_ns + levels[v->level].interval_ns : INT64_MAX;
}

bool streams_step(Streams *s, pixman_image_t *surface)
{
    int64_t now;

    if (s->has_candidate) {
        return try_candidate(s, surface);
    }
    if (s->c->out_bytes > STREAM_QUEUE_BYTES) {
        return false;
    }
    now = time_monotonic_ns();
    for (unsigned id = 0; id < STREAMS_MAX; id++) {
        if (next_frame_ns(&s->stream[id]) <= now) {
            take_frame(s, id, surface, now);
            return true;
        }
    }
    return false;
}

void streams_expire(Streams *s, pixman_region32_t *undrawn)
{
    int64_t now = time_monotonic_ns();
    bool has_ended = false;

    for (unsigned id = 0; id < STREAMS_MAX; id++) {
        if (s->stream[id].is_on && now >= s->stream[id].changed_ns + stream_times.still_ns) {
            end_one(s, id, undrawn);
            has_ended = true;
        }
    }
    if (has_ended) {
        set_clips(s);
    }
}

int64_t streams_due_ns(const Streams *s)
{
    int64_t due = INT64_MAX;

    for (unsigned id = 0; id < STREAMS_MAX; id++) {
        const Stream *v = &s->stream[id];

        if (v->is_on) {
            due = MIN(due, v->changed_ns + stream_times.still_ns);
        }
        if (s->c->out_bytes <= STREAM_QUEUE_BYTES) { /* else what is written will call */
            due = MIN(due, next_frame_ns(v));
        }
    }
    return due;
}

void streams_end(Streams *s, pixman_region32_t *undrawn)
{
    for (unsigned id = 0; id < STREAMS_MAX; id++) {
        if (s->stream[id].is_on) {
            end_one(s, id, undrawn);
        }
    }
    s->motion = (Motion){.spots = {{.changes = 0}}};
    s->has_candidate = false;
}

bool streams_boxes(const Streams *s, pixman_region32_t *region)
{
    bool any = false;

    for (unsigned id = 0; id < STREAMS_MAX; id++) {
        const pixman_box32_t *b = &s->stream[id].box;

        if (s->stream[id].is_on) {
            pixman_region32_union_rect(region, region, b->x1, b->y1, b->x2 - b->x1, b->y2 - b->y1);
            any = true;
        }
    }
    return any;
}

void streams_stop(Streams *s)
{
    for (unsigned id = 0; id < STREAMS_MAX; id++) {
        if (s->stream[id].is_on) {
            forget(&s->stream[id]);
        }
    }
}

/* ---- messages of the client ---- */

/* Frames that came too late were not shown: they are sent to be shown later.  Those that had time to spare wait for less. */
static void set_delay(Streams *s, uint32_t drops, int32_t spare_ms)
{
    uint32_t delay = s->st->delay_ms;

    if (drops || spare_ms < 0) {
        delay += delay / 2;
    } else if (spare_ms > SPARE_MS) {
        delay -= MIN(delay, MIN((uint32_t)(spare_ms - SPARE_MS), 10));
    }
    s->st->delay_ms = CLAMP(delay, DELAY_MIN_MS, STREAM_DELAY_MAX_MS);
}

Taken streams_take_report(Streams *s, const uint8_t *data)
{
    uint32_t id = load_le32(data), number = load_le32(data + 4), frames = load_le32(data + 16), drops = load_le32(data + 20);
    Stream *v = id < STREAMS_MAX ? &s->stream[id] : NULL;

    if (!v || !v->is_on || v->number != number) {
        return TAKEN; /* of one that has ended */
    }
    if (!frames && drops == CANNOT_DECODE) {
        s->st->is_refused = true;
        return TAKEN; /* the channel ends them */
    }
    set_delay(s, drops, (int32_t)load_le32(data + 24));
    if (drops > frames / 4) {
        worse(v);
    }
    return TAKEN;
}
