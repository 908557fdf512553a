/* bench/cpu/kernels/runtime.c - print, time, finish.
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "bench.h"

static volatile uint8_t *const uart = (uint8_t *)0x10000000;
static volatile uint32_t *const finisher = (uint32_t *)0x100000;
static volatile uint64_t *const mtime = (uint64_t *)0x200bff8;

void *memcpy(void *to, const void *from, size_t size)
{
    uint8_t *t = to;
    const uint8_t *f = from;

    for (; size >= 8; size -= 8, t += 8, f += 8) {
        *(uint64_t *)t = *(const uint64_t *)f;
    }
    while (size--) {
        *t++ = *f++;
    }
    return to;
}

void *memset(void *to, int byte, size_t size)
{
    for (uint8_t *t = to; size--;) {
        *t++ = byte;
    }
    return to;
}

static void print(const char *text)
{
    while (*text) {
        *uart = *text++;
    }
}

static void print_hex(uint64_t v)
{
    for (int shift = 60; shift >= 0; shift -= 4) {
        *uart = "0123456789abcdef"[v >> shift & 15];
    }
}

static void print_decimal(uint64_t v)
{
    char digits[21], *p = digits + 20;

    *p = 0;
    do {
        *--p = '0' + v % 10;
        v /= 10;
    } while (v);
    print(p);
}

/* "bench NAME CHECKSUM TICKS", read by run.py. */
void bench_main(void)
{
    uint64_t start = *mtime;
    uint64_t sum = bench_run();
    uint64_t ticks = *mtime - start;

    print("bench ");
    print(bench_name);
    print(" ");
    print_hex(sum);
    print(" ");
    print_decimal(ticks);
    print("\n");
    *finisher = 0x5555;
}
