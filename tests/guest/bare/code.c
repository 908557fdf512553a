/* tests/guest/bare/code.c - a program that rewrites itself all the time, and would notice code of before.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Functions that return a number lie in pages of their own.  One turn of the main loop calls all of them, the next
 * writes them anew with other numbers: what was written last runs a turn later, wherever the guest is by then. */
#include "bare.h"

enum { PAGES = 8, PAGE_WORDS = 1024, STEP = 256, FUNCTIONS = PAGES * PAGE_WORDS / STEP, VALUES = 2048 };

static uint32_t area[PAGES * PAGE_WORDS] __attribute__((aligned(4096)));
static uint64_t turns, rounds, wrong;
static bool is_on;

static uint32_t value_of(uint64_t round, uint32_t function)
{
    return (round * 37 + function) % VALUES;
}

static void write_all(void)
{
    for (uint32_t i = 0; i < FUNCTIONS; i++) {
        area[i * STEP] = 0x513 | value_of(rounds, i) << 20;     /* li a0, value */
        area[i * STEP + 1] = 0x8067;                            /* ret */
    }
    __asm__ volatile(".word 0x100f" ::: "memory");              /* fence.i */
}

static void call_all(void)
{
    for (uint32_t i = 0; i < FUNCTIONS; i++) {
        uint64_t (*function)(void) = (uint64_t (*)(void))(uintptr_t)&area[i * STEP];

        wrong += function() != value_of(rounds, i);
    }
    rounds++;
}

void code_work(void)
{
    if (is_on && turns++ & 1) {
        call_all();
    } else if (is_on) {
        write_all();
    }
}

void code_toggle(void)
{
    is_on = !is_on;
    turns = 0;
}

void code_print(void)
{
    print("code rounds ");
    print_number(rounds);
    print(" wrong ");
    print_number(wrong);
    print("\n");
}
