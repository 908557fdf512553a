/* migration/reader.h - buffered bytes of a stream that is being received.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "io/channel.h"

typedef struct Reader {
    Channel *channel;
    uint8_t *buffer;
    size_t at, end;       /* unread bytes are buffer[at..end) */
    int64_t timeout_ns;   /* for each wait; 0: for ever */
    uint64_t total;       /* bytes that came in */
} Reader;

Reader *reader_new(Channel *c); /* borrows the channel */
void reader_free(Reader *r);
bool reader_get(Reader *r, void *out, size_t size, GError **errp);
/* At least `size` (at most 64 KiB) bytes that stay valid until the next call; not consumed. */
const uint8_t *reader_peek(Reader *r, size_t size, GError **errp);
void reader_skip(Reader *r, size_t size); /* of what was peeked */
bool reader_u8(Reader *r, uint8_t *ret, GError **errp);
bool reader_be16(Reader *r, uint16_t *ret, GError **errp);
bool reader_be32(Reader *r, uint32_t *ret, GError **errp);
bool reader_be64(Reader *r, uint64_t *ret, GError **errp);
bool reader_str8(Reader *r, char ret[256], GError **errp);
