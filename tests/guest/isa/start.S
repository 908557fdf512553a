/* tests/guest/isa/start.S - start, entry to code under test, trap handlers.
 * SPDX-License-Identifier: GPL-2.0-or-later */
    .section .start, "ax"
    .globl _start
_start:
    csrr    a0, mhartid
    la      sp, stack_top
    slli    t0, a0, 12              /* a stack of 4 KiB for each hart */
    sub     sp, sp, t0
    bnez    a0, second
    la      t0, isa_trap
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
2:  call    isa_main
park:
    wfi
    j       park

/* The others wait until a program wants them: isa_others says so. */
second:
    la      t0, park
    csrw    mtvec, t0
    li      t0, 0x52414853          /* RAM may hold anything before the first hart clears it */
    la      t1, isa_others
1:  lw      t2, 0(t1)
    bne     t2, t0, 1b
    fence   rw, rw
    call    isa_second
    j       park

    .weak   isa_second
isa_second:
    ret

/* void isa_enter(mode, code, a0, a1): run code in a mode until it traps to M-mode. */
    .text
    .balign 4
    .globl  isa_enter
isa_enter:
    la      t0, saved
    sd      ra, 0(t0)
    sd      sp, 8(t0)
    sd      gp, 16(t0)
    sd      tp, 24(t0)
    sd      s0, 32(t0)
    sd      s1, 40(t0)
    sd      s2, 48(t0)
    sd      s3, 56(t0)
    sd      s4, 64(t0)
    sd      s5, 72(t0)
    sd      s6, 80(t0)
    sd      s7, 88(t0)
    sd      s8, 96(t0)
    sd      s9, 104(t0)
    sd      s10, 112(t0)
    sd      s11, 120(t0)
    li      t1, 0x1800              /* mstatus.MPP */
    csrc    mstatus, t1
    slli    a0, a0, 11
    csrs    mstatus, a0
    csrw    mepc, a1
    mv      a0, a2
    mv      a1, a3
    mret

/* Note everything and return to the caller of isa_enter, in M-mode. */
    .balign 4
    .globl  isa_trap
isa_trap:
    csrw    mscratch, t0
    la      t0, isa_m
    sd      a0, 24(t0)
    sd      a1, 32(t0)
    csrr    a0, mcause
    sd      a0, 0(t0)
    csrr    a0, mepc
    sd      a0, 8(t0)
    csrr    a0, mtval
    sd      a0, 16(t0)
    csrr    a0, mstatus
    sd      a0, 40(t0)
    ld      a0, 48(t0)
    addi    a0, a0, 1
    sd      a0, 48(t0)
    li      a0, 0x1880              /* back to M-mode, MPIE clear: interrupts stay off */
    csrc    mstatus, a0
    li      a0, 0x1800
    csrs    mstatus, a0
    la      t0, saved
    ld      ra, 0(t0)
    ld      sp, 8(t0)
    ld      gp, 16(t0)
    ld      tp, 24(t0)
    ld      s0, 32(t0)
    ld      s1, 40(t0)
    ld      s2, 48(t0)
    ld      s3, 56(t0)
    ld      s4, 64(t0)
    ld      s5, 72(t0)
    ld      s6, 80(t0)
    ld      s7, 88(t0)
    ld      s8, 96(t0)
    ld      s9, 104(t0)
    ld      s10, 112(t0)
    ld      s11, 120(t0)
    csrw    mepc, ra
    mret

/* Delegated traps: note them, and go on to M-mode. */
    .balign 4
    .globl  isa_strap
isa_strap:
    la      t0, isa_s
    sd      a0, 24(t0)
    sd      a1, 32(t0)
    csrr    a0, scause
    sd      a0, 0(t0)
    csrr    a0, sepc
    sd      a0, 8(t0)
    csrr    a0, stval
    sd      a0, 16(t0)
    csrr    a0, sstatus
    sd      a0, 40(t0)
    ld      a0, 48(t0)
    addi    a0, a0, 1
    sd      a0, 48(t0)
    ecall

/* The same in vectored mode: interrupt n enters 4 * n bytes further. */
    .balign 256
    .globl  isa_svector
isa_svector:
    .option push
    .option norvc                   /* four bytes each */
    .rept   16
    j       1f
    .endr
    .option pop
    .text
1:  j       isa_strap

    .bss
    .balign 16
saved:
    .zero   128
    .globl  isa_others
isa_others:
    .zero   16
    .globl  isa_m, isa_s
isa_m:
    .zero   56
isa_s:
    .zero   56
