/* tests/guest/traffic.h - what the traffic programs say to each other: the guest, the client and the bare guest.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum {
    PORT_ECHO = 7000,           /* UDP: numbered datagrams, each answered with its number and the guest's own */
    PORT_STREAM = 7001,         /* UDP: "rate" asks the guest for a numbered stream of its own; any datagram renews it */
    PORT_REQUEST = 7002,        /* TCP: REQUEST_BYTES there, the same back */
    PORT_BULK = 7003,           /* TCP: BulkHello, then the pattern in one direction */
    PORT_QUERY = 7004,          /* UDP: "counters" or "reset"; answered with one line of JSON */
    PORT_BROADCAST = 7005,      /* UDP: numbered datagrams to everybody, counted, not answered */
    PORT_CLOCK = 7006,          /* UDP: a ClockAnswer of which asked_ns is filled in; answered with all of it */
    PORT_PLAIN = 7008,          /* UDP: datagrams that are alike to the byte, to one or to all, counted (the bare guest) */
    PORT_BIG = 7007,            /* frames of up to 64 KiB, TCP by look, or UDP: words that count, answered likewise */
};

enum {
    TRAFFIC_MAGIC = 0x42545246, /* "BTRF" */
    BULK_MAGIC = 0x42554c4b,    /* "BULK" */
    REQUEST_BYTES = 64,
    STREAM_LEASE_MS = 3000,     /* the guest's own stream ends this long after the last renewal */
};

/* All big endian. */
typedef struct TrafficPacket {
    uint32_t magic;
    uint32_t flow;
    uint64_t number;            /* of the sender, from 1 */
    uint64_t echo;              /* answers: the number that is answered */
    uint64_t time_ns;           /* of the client, unchanged in the answer */
} TrafficPacket;

typedef struct ClockAnswer {
    uint32_t magic, unused;
    uint64_t asked_ns;                      /* of the client, unchanged in the answer */
    uint64_t monotonic_ns, realtime_ns;     /* the guest's */
    uint64_t backward_ns, forward_ns;       /* the largest steps that any hart saw any clock make */
    uint64_t samples;
} ClockAnswer;

typedef struct BulkHello {
    uint32_t magic;
    uint32_t to_guest;          /* 1: the client sends the pattern, 0: the guest does */
    uint64_t seed;
} BulkHello;

/* Each word of a big frame says its own place in the flow, modulo BIG_WORDS. */
enum { BIG_WORDS = 1 << 20 };

typedef struct BigFlow {
    uint64_t frames, bytes, longest;    /* that came; the longest frame's payload */
    uint64_t missing, again, wrong;     /* words: skipped, below what was expected, not in line with their frame */
    uint64_t sent;                      /* bytes */
    uint32_t next, next_out;            /* words */
} BigFlow;

/* The pattern: byte i of the stream is byte i % 8 of a mixed word number i / 8, so any part can be checked alone. */
static inline uint64_t pattern_word(uint64_t seed, uint64_t index)
{
    uint64_t x = (index + 1) * 0x9e3779b97f4a7c15ULL + seed;

    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
    return x ^ (x >> 31);
}

static inline uint8_t pattern_byte(uint64_t seed, uint64_t at)
{
    return pattern_word(seed, at / 8) >> (at % 8 * 8);
}

static inline void pattern_fill(uint64_t seed, uint64_t at, uint8_t *buf, uint32_t len)
{
    uint32_t i = 0;

    while (i < len) {
        uint64_t word = pattern_word(seed, (at + i) / 8) >> ((at + i) % 8 * 8);
        uint32_t left = 8 - (at + i) % 8;

        for (; left && i < len; left--, i++, word >>= 8) {
            buf[i] = (uint8_t)word;
        }
    }
}

/* How many of these bytes are not the pattern's. */
static inline uint32_t pattern_errors(uint64_t seed, uint64_t at, const uint8_t *buf, uint32_t len)
{
    uint32_t wrong = 0, i = 0;

    while (i < len) {
        uint64_t word = pattern_word(seed, (at + i) / 8) >> ((at + i) % 8 * 8);
        uint32_t left = 8 - (at + i) % 8;

        for (; left && i < len; left--, i++, word >>= 8) {
            wrong += buf[i] != (uint8_t)word;
        }
    }
    return wrong;
}

/* Counts a numbered stream: what is missing, what came twice, what came behind a later one. */
enum { SEEN_BITS = 1 << 18 };

typedef struct Numbered {
    uint64_t received, duplicate, reordered, highest, ancient;
    uint64_t seen[SEEN_BITS / 64];      /* of the SEEN_BITS numbers up to `highest` */
} Numbered;

static inline bool numbered_test_set(Numbered *n, uint64_t number)
{
    uint64_t *word = &n->seen[number % SEEN_BITS / 64], bit = 1ULL << number % 64;
    bool was = *word & bit;

    *word |= bit;
    return was;
}

static inline void numbered_skip_to(Numbered *n, uint64_t number)
{
    uint64_t first = n->highest + 1;

    if (number - first >= SEEN_BITS) {
        first = number - SEEN_BITS + 1;
    }
    for (uint64_t i = first; i <= number; i++) {
        n->seen[i % SEEN_BITS / 64] &= ~(1ULL << i % 64);
    }
    n->highest = number;
}

static inline void numbered_take(Numbered *n, uint64_t number)
{
    if (number > n->highest) {
        numbered_skip_to(n, number);
        numbered_test_set(n, number);
        n->received++;
    } else if (number + SEEN_BITS <= n->highest) {
        n->ancient++;
    } else if (numbered_test_set(n, number)) {
        n->duplicate++;
    } else {
        n->received++;
        n->reordered++;
    }
}

/* Missing of those up to the highest that came. */
static inline uint64_t numbered_lost(const Numbered *n)
{
    return n->highest - n->received;
}
