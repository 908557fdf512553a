/* bench/cpu/kernels/muldiv.c - products, high halves, quotients and remainders, 32 and 64 bits.
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "bench.h"

const char bench_name[] = "muldiv";

enum { ROUNDS = 30000000 };

uint64_t bench_run(void)
{
    uint64_t x = 0x123456789abcdef1, sum = 0;
    int64_t y = -987654321;

    for (int i = 1; i <= ROUNDS; i++) {
        x = x * 6364136223846793005 + 1442695040888963407;
        sum += (uint64_t)((unsigned __int128)x * (x ^ 0x5555) >> 64);
        sum ^= (uint64_t)((__int128)y * (int64_t)x >> 64);
        sum += x / ((x >> 40) + 1);
        y = (int64_t)x % ((int64_t)(sum & 0xffff) + 3);
        sum += (int32_t)x / (i | 1) + (uint32_t)x % (uint32_t)(i + 7);
    }
    return sum + y;
}
