/* migration/reader.c - buffered bytes of a stream that is being received.  Owner: the thread that reads.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "migration/reader.h"

#include "util/bytes.h"
#include "util/error.h"
#include "util/loop.h"

#include <string.h>

#define BUFFER_BYTES (1u << 20)

Reader *reader_new(Channel *c)
{
    Reader *r = g_new0(Reader, 1);

    r->channel = c;
    r->buffer = g_malloc(BUFFER_BYTES);
    return r;
}

void reader_free(Reader *r)
{
    if (r) {
        g_free(r->buffer);
        g_free(r);
    }
}

static int64_t deadline(const Reader *r)
{
    return r->timeout_ns ? time_monotonic_ns() + r->timeout_ns : CHANNEL_FOREVER;
}

static bool fill(Reader *r, size_t wanted, GError **errp)
{
    if (r->at + wanted > BUFFER_BYTES || r->at == r->end) {
        memmove(r->buffer, r->buffer + r->at, r->end - r->at);
        r->end -= r->at;
        r->at = 0;
    }
    while (r->end - r->at < wanted) {
        size_t n;

        if (!channel_read(r->channel, r->buffer + r->end, BUFFER_BYTES - r->end, deadline(r), &n, errp)) {
            return false;
        }
        r->end += n;
        r->total += n;
    }
    return true;
}

const uint8_t *reader_peek(Reader *r, size_t size, GError **errp)
{
    g_assert(size <= 65536);
    if (r->end - r->at < size && !fill(r, size, errp)) {
        return NULL;
    }
    return r->buffer + r->at;
}

void reader_skip(Reader *r, size_t size)
{
    g_assert(size <= r->end - r->at);
    r->at += size;
}

bool reader_get(Reader *r, void *out, size_t size, GError **errp)
{
    uint8_t *to = out;
    size_t n = MIN(size, r->end - r->at);

    memcpy(to, r->buffer + r->at, n);
    r->at += n;
    to += n;
    size -= n;
    while (size) { /* the rest past the buffer, straight to where it belongs */
        if (!channel_read(r->channel, to, size, deadline(r), &n, errp)) {
            return false;
        }
        to += n;
        size -= n;
        r->total += n;
    }
    return true;
}

bool reader_u8(Reader *r, uint8_t *ret, GError **errp)
{
    const uint8_t *p = reader_peek(r, 1, errp);

    if (!p) {
        return false;
    }
    *ret = *p;
    reader_skip(r, 1);
    return true;
}

#define READER_BE(bits)                                                                            \
    bool reader_be##bits(Reader *r, uint##bits##_t *ret, GError **errp)                             \
    {                                                                                              \
        const uint8_t *p = reader_peek(r, bits / 8, errp);                                          \
                                                                                                   \
        if (!p) {                                                                                  \
            return false;                                                                          \
        }                                                                                          \
        *ret = load_be##bits(p);                                                                    \
        reader_skip(r, bits / 8);                                                                   \
        return true;                                                                               \
    }
READER_BE(16)
READER_BE(32)
READER_BE(64)

bool reader_str8(Reader *r, char ret[256], GError **errp)
{
    uint8_t length;

    if (!reader_u8(r, &length, errp) || !reader_get(r, ret, length, errp)) {
        return false;
    }
    ret[length] = 0;
    if (!length || strlen(ret) != length) {
        return fail(errp, "migration stream: a name is empty or has a NUL byte in it");
    }
    return true;
}
