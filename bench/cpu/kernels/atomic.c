/* bench/cpu/kernels/atomic.c - atomic additions, exchanges and compare-and-swap loops.
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "bench.h"

const char bench_name[] = "atomic";

enum { ROUNDS = 24000000 };

static uint64_t counter, lock, words[64];

uint64_t bench_run(void)
{
    uint64_t sum = 0;

    for (int i = 0; i < ROUNDS; i++) {
        uint64_t seen = __atomic_load_n(&words[i & 63], __ATOMIC_RELAXED);

        sum += __atomic_fetch_add(&counter, i, __ATOMIC_ACQ_REL);
        while (__atomic_exchange_n(&lock, 1, __ATOMIC_ACQUIRE)) {
        }
        while (!__atomic_compare_exchange_n(&words[i & 63], &seen, seen + sum, 0,
                                            __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
        }
        __atomic_fetch_xor((uint32_t *)&words[(i + 1) & 63], (uint32_t)i, __ATOMIC_RELAXED);
        __atomic_store_n(&lock, 0, __ATOMIC_RELEASE);
    }
    return sum ^ words[5];
}
