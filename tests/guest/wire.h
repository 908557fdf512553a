/* tests/guest/wire.h - bytes in network order, and the checksum of IP, UDP and TCP; for both ends of the traffic.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * For programs with and without a C library. */
#pragma once

#include <stdint.h>

static inline void put16(uint8_t *p, uint32_t v)
{
    p[0] = v >> 8;
    p[1] = v;
}

static inline void put32(uint8_t *p, uint32_t v)
{
    put16(p, v >> 16);
    put16(p + 2, v);
}

static inline uint32_t get16(const uint8_t *p)
{
    return p[0] << 8 | p[1];
}

static inline uint32_t get32(const uint8_t *p)
{
    return get16(p) << 16 | get16(p + 2);
}

/* `start`: a sum so far, not folded.  0 over a range that holds its right checksum. */
static inline uint16_t inet_sum(uint64_t start, const uint8_t *data, uint32_t len)
{
    for (uint32_t i = 0; i + 1 < len; i += 2) {
        start += get16(data + i);
    }
    if (len & 1) {
        start += data[len - 1] << 8;
    }
    while (start >> 16) {
        start = (start & 0xffff) + (start >> 16);
    }
    return ~start;
}

/* What UDP and TCP add of the IP header. */
static inline uint64_t pseudo_sum(uint32_t from, uint32_t to, uint8_t proto, uint32_t len)
{
    return (uint64_t)(from >> 16) + (from & 0xffff) + (to >> 16) + (to & 0xffff) + proto + len;
}
