/* bench/cpu/kernels/trap.c - ecall and mret.
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "bench.h"

const char bench_name[] = "trap";

enum { ROUNDS = 2000000 };

/* The handler keeps all registers but a0, a1 and t6, and steps over the ecall. */
__asm__(".balign 4\n"
        "trap_handler:\n"
        "    csrr t6, mcause\n"
        "    add a0, a0, t6\n"
        "    csrr t6, mepc\n"
        "    addi t6, t6, 4\n"
        "    csrw mepc, t6\n"
        "    addi a1, a1, 1\n"
        "    mret\n");

extern const char trap_handler[];

uint64_t bench_run(void)
{
    register uint64_t sum __asm__("a0") = 0;
    register uint64_t count __asm__("a1") = 0;

    __asm__ volatile("csrw mtvec, %0" : : "r"(trap_handler));
    for (int i = 0; i < ROUNDS; i++) {
        __asm__ volatile("ecall" : "+r"(sum), "+r"(count) : : "t6", "memory");
    }
    return sum * 1000003 + count;
}
