/* tests/guest/isa/runtime.c - printing, counting, operands.
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "isa.h"

static volatile uint8_t *const uart = (uint8_t *)0x10000000;
static volatile uint32_t *const finisher = (uint32_t *)0x100000;
static uint64_t checks, failures, seed;

void *memset(void *to, int byte, size_t size)
{
    for (uint8_t *t = to; size--;) {
        *t++ = byte;
    }
    return to;
}

void *memcpy(void *to, const void *from, size_t size)
{
    const uint8_t *f = from;

    for (uint8_t *t = to; size--;) {
        *t++ = *f++;
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
    int shift = 60;

    while (shift && !(v >> shift & 15)) {
        shift -= 4;
    }
    for (; shift >= 0; shift -= 4) {
        *uart = "0123456789abcdef"[v >> shift & 15];
    }
}

static void print_decimal(uint64_t v)
{
    if (v >= 10) {
        print_decimal(v / 10);
    }
    *uart = '0' + v % 10;
}

void isa_check(const char *name, int line, uint64_t got, uint64_t want)
{
    checks++;
    if (got == want) {
        return;
    }
    failures++;
    print("FAIL ");
    print(name);
    print(": line ");
    print_decimal(line);
    print(" got ");
    print_hex(got);
    print(" want ");
    print_hex(want);
    print("\n");
}

void isa_digest(const char *name, uint64_t hash)
{
    print("digest ");
    print(name);
    print(" ");
    print_hex(hash);
    print("\n");
}

void isa_skip(const char *name)
{
    print("skip ");
    print(name);
    print("\n");
}

uint64_t isa_random(void)
{
    uint64_t z = seed += 0x9e3779b97f4a7c15;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

uint64_t isa_operand(void)
{
    uint64_t r = isa_random(), v = isa_random();

    switch (r & 7) {
    case 0:
        return (UINT64_C(1) << (v & 63)) + (r >> 8 & 3) - 1;
    case 1:
        return -(UINT64_C(1) << (v & 63)) - (r >> 8 & 1);
    case 2:
        return (int64_t)v >> (r >> 8 & 63);
    case 3:
        return v >> (r >> 8 & 63);
    case 4:
        return (int32_t)v;
    case 5:
        return (r >> 8) % 3 - 1;
    default:
        return v;
    }
}

void isa_main(void)
{
    isa_program();
    print("done ");
    print_decimal(checks);
    print(" ");
    print_decimal(failures);
    print("\n");
    *finisher = failures ? 1 << 16 | 0x3333 : 0x5555;
}
