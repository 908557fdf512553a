/* include/util/bytes.h - integers in byte order, independent of alignment; bytes that are text.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <endian.h>
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define BYTES_RW(name, type, to, from)                                                                                 \
    static inline type load_##name(const void *p)                                                                      \
    {                                                                                                                  \
        type v;                                                                                                        \
        memcpy(&v, p, sizeof(v));                                                                                      \
        return from(v);                                                                                                \
    }                                                                                                                  \
    static inline void store_##name(void *p, type v)                                                                   \
    {                                                                                                                  \
        v = to(v);                                                                                                     \
        memcpy(p, &v, sizeof(v));                                                                                      \
    }
BYTES_RW(be16, uint16_t, htobe16, be16toh)
BYTES_RW(be32, uint32_t, htobe32, be32toh)
BYTES_RW(be64, uint64_t, htobe64, be64toh)
BYTES_RW(le16, uint16_t, htole16, le16toh)
BYTES_RW(le32, uint32_t, htole32, le32toh)
BYTES_RW(le64, uint64_t, htole64, le64toh)
#undef BYTES_RW

/* UTF-8 without control characters: what may stand in a message to somebody.  Names from outside are nothing else. */
static inline bool bytes_are_text(const void *data, size_t size)
{
    const unsigned char *p = (const unsigned char *)data;

    for (size_t i = 0; i < size; i++) {
        if (p[i] < 0x20 || p[i] == 0x7f) {
            return false;
        }
    }
    return g_utf8_validate((const char *)p, (gssize)size, NULL);
}
