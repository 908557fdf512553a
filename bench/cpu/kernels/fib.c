/* bench/cpu/kernels/fib.c - recursion: calls and returns.
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "bench.h"

const char bench_name[] = "fib";

static NOINLINE uint64_t fib(uint64_t n)
{
    return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

uint64_t bench_run(void)
{
    volatile uint64_t n = 35;

    return fib(n);
}
