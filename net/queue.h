/* net/queue.h - frames in order, in chunks: a push never moves what is there.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The bound is the user's: who pushes asks first whether `bytes` and `frames` allow it.  Guarded by: vm_lock. */
#pragma once

#include "net/port.h"

#include <stddef.h>

typedef struct NetEntry {
    NetFrame frame;  /* data points behind the entry, valid until it is popped */
    uint64_t seq;
    int64_t time_ns; /* monotonic, of this host */
    void *tag;       /* free for the owner */
} NetEntry;

typedef struct NetChunk NetChunk;
typedef struct NetQueue { /* zeroed: empty */
    NetChunk *first, *last, *spare;
    uint64_t frames, bytes; /* bytes: with what an entry costs beside its frame */
} NetQueue;

NetEntry *net_queue_push(NetQueue *q, const NetFrame *f);
NetEntry *net_queue_head(const NetQueue *q); /* NULL: empty */
void net_queue_pop(NetQueue *q);
void net_queue_clear(NetQueue *q);           /* frees all */
size_t net_queue_cost(uint32_t size);        /* what a frame of this size adds to `bytes` */

/* Walks without taking, from a zeroed cursor.  Pushing during a walk is allowed; a pop ends all walks. */
typedef struct NetCursor {
    NetChunk *chunk;
    size_t at;
} NetCursor;
NetEntry *net_queue_next(const NetQueue *q, NetCursor *c); /* NULL: no more (yet) */
