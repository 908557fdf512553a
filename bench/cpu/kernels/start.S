/* bench/cpu/kernels/start.S - the first instructions, M-mode at 0x80000000, floating point on.
 * SPDX-License-Identifier: GPL-2.0-or-later */
    .section .start, "ax"
    .globl _start
_start:
    csrr    t0, mhartid
    bnez    t0, park
    la      sp, stack_top
    la      t0, park
    csrw    mtvec, t0
    li      t0, 0x2000              /* mstatus.FS = initial */
    csrs    mstatus, t0
    csrw    fcsr, zero
    la      t0, bss_start
    la      t1, bss_end
1:  bgeu    t0, t1, 2f
    sd      zero, 0(t0)
    addi    t0, t0, 8
    j       1b
2:  call    bench_main
    .balign 4
park:
    wfi
    j       park
