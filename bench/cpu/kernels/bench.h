/* bench/cpu/kernels/bench.h - what a kernel supplies and may use.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A kernel is one file: it defines bench_name and bench_run, which gives a checksum of its work.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

extern const char bench_name[];
uint64_t bench_run(void);

void bench_main(void);
void *memcpy(void *to, const void *from, size_t size);
void *memset(void *to, int byte, size_t size);

#define NOINLINE __attribute__((noinline))

static inline uint64_t bench_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}
