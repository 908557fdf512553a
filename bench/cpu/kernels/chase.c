/* bench/cpu/kernels/chase.c - a pointer chase through 32 MiB in random order.
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "bench.h"

const char bench_name[] = "chase";

enum { COUNT = 4 << 20, STEPS = 6000000 };

static uint64_t next[COUNT];

/* One cycle through all (Sattolo's shuffle). */
uint64_t bench_run(void)
{
    uint64_t seed = 1234567, at = 0, sum = 0;

    for (int i = 0; i < COUNT; i++) {
        next[i] = i;
    }
    for (int i = COUNT - 1; i > 0; i--) {
        uint64_t k = bench_random(&seed) % i, held = next[i];

        next[i] = next[k];
        next[k] = held;
    }
    for (int i = 0; i < STEPS; i++) {
        at = next[at];
        sum += at;
    }
    return sum;
}
