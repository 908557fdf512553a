/* migration/stream.c - buffered bytes to and from a channel.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "migration/stream.h"

#include "migration/wire.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/loop.h"

#include <string.h>

#define IN_BUFFER (256 * 1024)
#define OUT_IOV 1023
#define TAKE_BYTES (4u << 20)

/* ---- out ---- */
StreamOut *stream_out_new(Channel *c)
{
    StreamOut *o = g_new0(StreamOut, 1);

    o->channel = c;
    o->small = state_writer_new();
    return o;
}

void stream_out_free(StreamOut *o)
{
    if (o) {
        state_writer_free(o->small);
        g_free(o);
    }
}

bool stream_writev(StreamOut *o, struct iovec *iov, int n, GError **errp)
{
    struct iovec all[OUT_IOV + 1];
    int64_t began = time_monotonic_ns();
    size_t size;
    bool ok;

    g_assert(n <= OUT_IOV);
    all[0].iov_base = (void *)state_writer_data(o->small, &size);
    all[0].iov_len = size;
    for (int i = 0; i < n; i++) {
        all[i + 1] = iov[i];
        size += iov[i].iov_len;
    }
    if (o->is_broken) {
        ok = fail(errp, "%s: a write has failed before", channel_name(o->channel));
    } else {
        ok = channel_writev(o->channel, all, n + 1,
                            o->until_ns ? MIN(o->until_ns, began + STREAM_WAIT_NS) : began + STREAM_WAIT_NS, errp);
    }
    if (!ok) {
        /* Half an element may have left, so nothing can follow it.  The other side has to see that: it may be waiting for a
         * RUN that will never come, and gives the guest back then. */
        o->is_broken = true;
        channel_hang_up(o->channel);
    }
    state_writer_reset(o->small);
    o->bytes += size;
    o->busy_ns += time_monotonic_ns() - began;
    return ok;
}

bool stream_flush(StreamOut *o, GError **errp)
{
    return stream_writev(o, NULL, 0, errp);
}

bool stream_command(StreamOut *o, unsigned number, const void *data, size_t size, GError **errp)
{
    g_assert(size <= UINT16_MAX);
    state_put_u8(o->small, SECTION_COMMAND);
    state_put_be16(o->small, number);
    state_put_be16(o->small, size);
    state_put(o->small, data, size);
    return stream_flush(o, errp);
}

bool stream_command_attempt(StreamOut *o, unsigned number, uint64_t attempt, GError **errp)
{
    uint8_t data[8];

    store_be64(data, attempt);
    return stream_command(o, number, data, sizeof(data), errp);
}

/* ---- in ---- */
StreamIn *stream_in_new(Channel *c)
{
    StreamIn *in = g_new0(StreamIn, 1);

    in->channel = c;
    in->buffer = g_malloc(IN_BUFFER);
    return in;
}

void stream_in_free(StreamIn *in)
{
    if (in) {
        g_free(in->buffer);
        g_free(in);
    }
}

static bool fill(StreamIn *in, int64_t deadline, GError **errp)
{
    size_t got;

    if (!channel_read(in->channel, in->buffer, IN_BUFFER, deadline, &got, errp)) {
        return false;
    }
    in->at = 0;
    in->end = got;
    in->bytes += got;
    return true;
}

bool stream_next(StreamIn *in, uint8_t *ret, GError **errp)
{
    if (in->at == in->end && !fill(in, CHANNEL_FOREVER, errp)) {
        return false;
    }
    *ret = in->buffer[in->at++];
    return true;
}

bool stream_readv(StreamIn *in, struct iovec *iov, int n, GError **errp)
{
    int64_t deadline = time_monotonic_ns() + STREAM_WAIT_NS;

    while (n) {
        size_t got = MIN(in->end - in->at, iov->iov_len);

        if (!iov->iov_len) {
            iov++;
            n--;
            continue;
        }
        if (got) {
            memcpy(iov->iov_base, in->buffer + in->at, got);
            in->at += got;
        } else if (!channel_readv(in->channel, iov, MIN(n, CHANNEL_IOV_MAX), deadline, &got, errp)) {
            return false;
        } else {
            in->bytes += got;
        }
        while (n && got >= iov->iov_len) {
            got -= iov->iov_len;
            iov++;
            n--;
        }
        if (got) {
            iov->iov_base = (char *)iov->iov_base + got;
            iov->iov_len -= got;
        }
    }
    return true;
}

bool stream_get(StreamIn *in, void *out, size_t size, GError **errp)
{
    int64_t deadline = 0;
    char *at = out;

    while (size) {
        size_t piece = MIN(in->end - in->at, size);

        if (!piece) {
            if (size >= IN_BUFFER / 4) {
                struct iovec iov = {at, size};

                return stream_readv(in, &iov, 1, errp);
            }
            deadline = deadline ? deadline : time_monotonic_ns() + STREAM_WAIT_NS;
            if (!fill(in, deadline, errp)) {
                return false;
            }
            continue;
        }
        memcpy(at, in->buffer + in->at, piece);
        in->at += piece;
        at += piece;
        size -= piece;
    }
    return true;
}

bool stream_get_u8(StreamIn *in, uint8_t *ret, GError **errp)
{
    return stream_get(in, ret, 1, errp);
}

bool stream_get_be16(StreamIn *in, uint16_t *ret, GError **errp)
{
    bool ok = stream_get(in, ret, 2, errp);

    *ret = ok ? load_be16(ret) : 0;
    return ok;
}

bool stream_get_be32(StreamIn *in, uint32_t *ret, GError **errp)
{
    bool ok = stream_get(in, ret, 4, errp);

    *ret = ok ? load_be32(ret) : 0;
    return ok;
}

bool stream_get_be64(StreamIn *in, uint64_t *ret, GError **errp)
{
    bool ok = stream_get(in, ret, 8, errp);

    *ret = ok ? load_be64(ret) : 0;
    return ok;
}

bool stream_get_str8(StreamIn *in, char ret[256], GError **errp)
{
    uint8_t size;

    if (!stream_get_u8(in, &size, errp) || !stream_get(in, ret, size, errp)) {
        return false;
    }
    ret[size] = 0;
    return bytes_are_text(ret, size) ||
           fail(errp, "%s: a name holds bytes that are no text", channel_name(in->channel));
}

GByteArray *stream_take(StreamIn *in, size_t size, GError **errp)
{
    GByteArray *all = g_byte_array_new();

    while (all->len < size) {
        size_t at = all->len, piece = MIN(size - at, TAKE_BYTES);

        g_byte_array_set_size(all, at + piece);
        if (!stream_get(in, all->data + at, piece, errp)) {
            g_byte_array_unref(all);
            return NULL;
        }
    }
    return all;
}

GByteArray *stream_slurp(StreamIn *in, size_t max, GError **errp)
{
    GByteArray *all = g_byte_array_new();
    GError *err = NULL;

    do {
        g_byte_array_append(all, in->buffer + in->at, in->end - in->at);
        in->at = in->end;
    } while (all->len <= max && fill(in, time_monotonic_ns() + STREAM_WAIT_NS, &err));
    if (all->len > max || !channel_at_end(in->channel)) {
        if (err) {
            g_propagate_error(errp, err);
        } else {
            fail(errp, "%s: more than %zu bytes of device state", channel_name(in->channel), max);
        }
        g_byte_array_unref(all);
        return NULL;
    }
    g_clear_error(&err);
    return all;
}
