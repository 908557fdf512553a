/* bench/cpu/kernels/alu.c - SHA-256-like rounds: rotations, logic, additions in registers.
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "bench.h"

const char bench_name[] = "alu";

enum { BLOCKS = 400000 };

static inline uint32_t turn(uint32_t v, int n)
{
    return v >> n | v << (32 - n);
}

static NOINLINE void mix(uint32_t *h, const uint32_t *words)
{
    uint32_t a = h[0], b = h[1], c = h[2], d = h[3], e = h[4], f = h[5], g = h[6], k = h[7];

    for (int i = 0; i < 64; i++) {
        uint32_t up = turn(e, 6) ^ turn(e, 11) ^ turn(e, 25);
        uint32_t down = turn(a, 2) ^ turn(a, 13) ^ turn(a, 22);
        uint32_t t = k + up + ((e & f) ^ (~e & g)) + words[i & 15] + 0x9e3779b9 * (i + 1);

        k = g;
        g = f;
        f = e;
        e = d + t;
        d = c;
        c = b;
        b = a;
        a = t + down + ((b & c) ^ (b & d) ^ (c & d));
    }
    h[0] += a;
    h[1] += b;
    h[2] += c;
    h[3] += d;
    h[4] += e;
    h[5] += f;
    h[6] += g;
    h[7] += k;
}

uint64_t bench_run(void)
{
    uint32_t h[8] = { 1, 2, 3, 5, 7, 11, 13, 17 }, words[16] = { 19, 23, 29 };

    for (int i = 0; i < BLOCKS; i++) {
        words[i & 15] ^= h[i & 7];
        mix(h, words);
    }
    return (uint64_t)h[0] << 32 | h[4];
}
