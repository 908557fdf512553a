/* ui/spice/streams.h - parts of a screen that are sent as video (MJPEG).  Owner: main loop (vm_lock).  Page: docs/spice.md.
 * Test: tests/unit/ui/spice-streams-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A stream shows its whole box, as it looks by then: what lies over a video is in its frames.  Frames are coded by a worker, one of
 * a stream at a time, from a copy.  A stream that is still ends, and its box is drawn again, without loss.
 *
 * At a handoff nothing of this travels but StreamsState: the source takes the boxes into the region that the client does not have
 * (streams_end), the destination detects anew. */
#pragma once

#include "channel.h"
#include "motion.h"

#define STREAMS_MAX 4                            /* of one screen */
#define STREAM_PIXELS_MAX (2560 * 1600)
#define STREAM_DELAY_MAX_MS 500                  /* from a frame to its being shown */
#define STREAM_FRAME_BYTES_MAX (2 * 1024 * 1024) /* of a frame; a larger one lowers the quality */

typedef struct StreamsState { /* S1: to the display channel of the same session and id */
    bool is_refused;          /* the client cannot decode them */
    uint32_t delay_ms;        /* from a frame to the time at which the client shows it */
    uint32_t begun;           /* so many: their numbers in reports */
} StreamsState;

typedef struct FrameJob FrameJob;

typedef struct Stream {
    bool is_on, has_news;
    uint32_t number;
    pixman_box32_t box;
    pixman_region32_t clip;     /* what it draws: not what a later one does */
    int64_t changed_ns;         /* most of it */
    int64_t frame_ns;           /* the latest one was taken */
    unsigned level, good;       /* quality; frames since something went wrong */
    FrameJob *job;              /* a worker codes a frame of it */
} Stream;

typedef struct Streams {
    SpiceChannel *c;
    StreamsState *st;
    Motion motion;
    Stream stream[STREAMS_MAX];
    bool has_candidate;
    pixman_box32_t candidate;   /* moves enough */
} Streams;

typedef struct StreamTimes {
    int64_t enough_ns;          /* of motion, and it is a video */
    int64_t still_ns;           /* without, and it is none any more */
} StreamTimes;
extern StreamTimes stream_times; /* tests are less patient */

void streams_start(Streams *s, SpiceChannel *c, StreamsState *st);
void streams_changed(Streams *s, const pixman_box32_t *box); /* any thread with vm_lock */
/* Takes out of the region what streams show. */
void streams_cut(Streams *s, pixman_region32_t *pass);
/* One thing that is due, where the client has room for it.  False: there was none. */
bool streams_step(Streams *s, pixman_image_t *surface);
/* Ends those that are still; their boxes go to the region of what is to be drawn. */
void streams_expire(Streams *s, pixman_region32_t *undrawn);
int64_t streams_due_ns(const Streams *s);                    /* when streams_step and streams_expire want to be called */
void streams_end(Streams *s, pixman_region32_t *undrawn);    /* all of them */
void streams_stop(Streams *s);                               /* says nothing */
/* Adds what they show to the region; false: there is none. */
bool streams_boxes(const Streams *s, pixman_region32_t *region);
/* ---- messages of the client ---- */
Taken streams_take_report(Streams *s, const uint8_t *data);  /* 32 bytes */
