/* bench/cpu/kernels/qsort.c - quicksort with a comparator called through a pointer.
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "bench.h"

const char bench_name[] = "qsort";

enum { COUNT = 100000, ROUNDS = 7 };

typedef int Compare(const uint64_t *a, const uint64_t *b);

static uint64_t data[COUNT];

static int ascending(const uint64_t *a, const uint64_t *b)
{
    return (*a > *b) - (*a < *b);
}

static int by_low_bits(const uint64_t *a, const uint64_t *b)
{
    uint32_t x = *a, y = *b;

    return (x > y) - (x < y);
}

static void swap(uint64_t *a, uint64_t *b)
{
    uint64_t held = *a;

    *a = *b;
    *b = held;
}

static NOINLINE void sort(uint64_t *low, uint64_t *high, Compare *compare)
{
    while (low < high) {
        uint64_t *i = low - 1, *k = high + 1, pivot = low[(high - low) / 2];

        for (;;) {
            do {
                i++;
            } while (compare(i, &pivot) < 0);
            do {
                k--;
            } while (compare(k, &pivot) > 0);
            if (i >= k) {
                break;
            }
            swap(i, k);
        }
        sort(low, k, compare);
        low = k + 1;
    }
}

uint64_t bench_run(void)
{
    Compare *volatile comparators[] = { ascending, by_low_bits };
    uint64_t seed = 99, sum = 0;

    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < COUNT; i++) {
            data[i] = bench_random(&seed);
        }
        sort(data, data + COUNT - 1, comparators[round & 1]);
        for (int i = 0; i < COUNT; i += 1000) {
            sum = sum * 31 + data[i];
        }
    }
    return sum;
}
