/* migration/stream.h - buffered bytes to and from a channel.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Owner: the one thread that writes, the one that reads. */
#pragma once

#include "io/channel.h"
#include "vmstate/vmstate.h"

#define STREAM_WAIT_NS (30 * 1000000000LL) /* a peer that neither reads nor sends for so long within an element is lost */

typedef struct StreamOut {
    Channel *channel;
    StateWriter *small; /* not yet written */
    uint64_t bytes;
    int64_t busy_ns;    /* spent in writing */
    int64_t until_ns;   /* no write lasts longer; 0: STREAM_WAIT_NS is all */
    bool is_broken;     /* a write failed, perhaps in the middle: nothing can follow it */
} StreamOut;

StreamOut *stream_out_new(Channel *c);
void stream_out_free(StreamOut *o);
bool stream_flush(StreamOut *o, GError **errp);
/* What is buffered, then these (used up), in one go. */
bool stream_writev(StreamOut *o, struct iovec *iov, int n, GError **errp);
bool stream_command(StreamOut *o, unsigned number, const void *data, size_t size, GError **errp); /* flushes */
bool stream_command_attempt(StreamOut *o, unsigned number, uint64_t attempt, GError **errp);

typedef struct StreamIn {
    Channel *channel;
    uint8_t *buffer;
    size_t at, end;
    uint64_t bytes;
} StreamIn;

StreamIn *stream_in_new(Channel *c);
void stream_in_free(StreamIn *in);
/* Waits as long as it takes for the next element; the rest of an element has to come within STREAM_WAIT_NS. */
bool stream_next(StreamIn *in, uint8_t *ret, GError **errp);
bool stream_get(StreamIn *in, void *out, size_t size, GError **errp);
bool stream_get_u8(StreamIn *in, uint8_t *ret, GError **errp);
bool stream_get_be16(StreamIn *in, uint16_t *ret, GError **errp);
bool stream_get_be32(StreamIn *in, uint32_t *ret, GError **errp);
bool stream_get_be64(StreamIn *in, uint64_t *ret, GError **errp);
bool stream_get_str8(StreamIn *in, char ret[256], GError **errp);
/* Straight into place; iov is used up. */
bool stream_readv(StreamIn *in, struct iovec *iov, int n, GError **errp);
/* So many bytes; memory grows with what really comes, not with what was announced. */
GByteArray *stream_take(StreamIn *in, size_t size, GError **errp);
/* All that still comes, at most `max` bytes. */
GByteArray *stream_slurp(StreamIn *in, size_t max, GError **errp);
