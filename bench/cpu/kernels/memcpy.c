/* bench/cpu/kernels/memcpy.c - copies of 64 KiB from shifting places, in a loop of double words.
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "bench.h"

const char bench_name[] = "memcpy";

enum { SIZE = 65536, ROUNDS = 24000 };

static uint64_t from[SIZE / 8 + 8], to[SIZE / 8 + 8];

static NOINLINE void copy(uint64_t *t, const uint64_t *f, size_t count)
{
    for (; count >= 8; count -= 8, t += 8, f += 8) {
        uint64_t a = f[0], b = f[1], c = f[2], d = f[3];
        uint64_t e = f[4], g = f[5], h = f[6], k = f[7];

        t[0] = a;
        t[1] = b;
        t[2] = c;
        t[3] = d;
        t[4] = e;
        t[5] = g;
        t[6] = h;
        t[7] = k;
    }
}

uint64_t bench_run(void)
{
    uint64_t sum = 0, seed = 42;

    for (int i = 0; i < SIZE / 8 + 8; i++) {
        from[i] = bench_random(&seed);
    }
    for (int round = 0; round < ROUNDS; round++) {
        from[round & 1023]++;
        copy(to, from + (round & 7), SIZE / 8);
        sum = sum * 31 + to[(round * 7) % (SIZE / 8)];
    }
    return sum;
}
