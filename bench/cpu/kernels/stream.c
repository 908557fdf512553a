/* bench/cpu/kernels/stream.c - a[i] = b[i] + s * c[i] over three arrays of doubles.
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "bench.h"

const char bench_name[] = "stream";

enum { COUNT = 131072, ROUNDS = 110 };

static double a[COUNT], b[COUNT], c[COUNT];

static NOINLINE void triad(double s)
{
    for (int i = 0; i < COUNT; i++) {
        a[i] = b[i] + s * c[i];
    }
}

uint64_t bench_run(void)
{
    double sum = 0;

    for (int i = 0; i < COUNT; i++) {
        b[i] = i * 0.1;
        c[i] = 1.0 / (i + 1);
    }
    for (int round = 0; round < ROUNDS; round++) {
        triad(round * 0.37);
        sum += a[(round * 977) % COUNT];
    }
    return (uint64_t)(sum * 1000);
}
