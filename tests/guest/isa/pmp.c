/* tests/guest/isa/pmp.c - physical memory protection: forms, order, locks, who is checked.
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "isa.h"

enum { R = 1, W = 2, X = 4, TOR = 1 << 3, NA4 = 2 << 3, NAPOT = 3 << 3, L = 0x80 };

static uint8_t arena[16384] __attribute__((aligned(16384)));

SNIPPET(load, "ld a0, 0(a0)");
SNIPPET(load_word, "lw a0, 0(a0)");
SNIPPET(store, "sd a1, 0(a0)");
SNIPPET(jump, "jr a0");

static uint64_t napot(const void *base, uint64_t size)
{
    return (uint64_t)base >> 2 | (size / 2 - 1) >> 2;
}

/* Entries 0 to 3 under test; entry 4 lets all the rest through. */
static void set(uint64_t cfg)
{
    CSR_WRITE(pmpcfg0, cfg | (uint64_t)(NAPOT | R | W | X) << 32);
    __asm__ volatile("sfence.vma" : : : "memory");
}

static uint64_t cause_of(int mode, const void *code, const void *at)
{
    isa_enter(mode, code, (uint64_t)at, 0);
    if (isa_m.cause < CAUSE_ECALL_U) {
        CHECK("tval", isa_m.tval, at);
    }
    return isa_m.cause;
}

static void permissions(void)
{
    *(uint32_t *)arena = 0x73;
    for (int p = 0; p < 8; p++) {
        bool may_read = p & R, may_write = p & W, may_run = p & X;

        if (may_write && !may_read) {
            continue; /* reserved */
        }
        CSR_WRITE(pmpaddr0, napot(arena, 4096));
        __asm__ volatile("fence.i");
        set(NAPOT | p);
        CHECK("U load", cause_of(MODE_U, load, arena),
              may_read ? CAUSE_ECALL_U : CAUSE_LOAD_ACCESS);
        CHECK("S store", cause_of(MODE_S, store, arena + 8),
              may_write ? CAUSE_ECALL_S : CAUSE_STORE_ACCESS);
        CHECK("U fetch", cause_of(MODE_U, jump, arena),
              may_run ? CAUSE_ECALL_U : CAUSE_FETCH_ACCESS);
        CHECK("M is free", cause_of(MODE_M, load, arena), CAUSE_ECALL_M);
        CHECK("the next page is another's", cause_of(MODE_U, load, arena + 4096), CAUSE_ECALL_U);
    }
}

static void forms(void)
{
    /* top of range: entry 0 gives the bottom, entry 1 the top and the rights */
    CSR_WRITE(pmpaddr0, (uint64_t)(arena + 4096) >> 2);
    CSR_WRITE(pmpaddr1, (uint64_t)(arena + 8192) >> 2);
    set((TOR | R) << 8);
    CHECK("below TOR", cause_of(MODE_U, store, arena + 4088), CAUSE_ECALL_U);
    CHECK("in TOR", cause_of(MODE_U, store, arena + 4096), CAUSE_STORE_ACCESS);
    CHECK("load in TOR", cause_of(MODE_U, load, arena + 8184), CAUSE_ECALL_U);
    CHECK("above TOR", cause_of(MODE_U, store, arena + 8192), CAUSE_ECALL_U);
    /* the first match decides */
    CSR_WRITE(pmpaddr0, napot(arena, 4096));
    CSR_WRITE(pmpaddr1, napot(arena, 16384));
    set((NAPOT | R | W) | NAPOT << 8);
    CHECK("entry 0 before entry 1", cause_of(MODE_U, store, arena), CAUSE_ECALL_U);
    CHECK("entry 1 behind it", cause_of(MODE_U, load, arena + 4096), CAUSE_LOAD_ACCESS);
    CHECK("off is no match", (set(NAPOT << 8), cause_of(MODE_U, load, arena)), CAUSE_LOAD_ACCESS);
    /* smaller than a page, if the granularity allows */
    CSR_WRITE(pmpcfg0, 0);
    CSR_WRITE(pmpaddr0, -1);
    if (CSR_READ(pmpaddr0) & 1) {
        CSR_WRITE(pmpaddr0, (uint64_t)(arena + 64) >> 2);
        set(NA4);
        CHECK("NA4", cause_of(MODE_U, load_word, arena + 64), CAUSE_LOAD_ACCESS);
        CHECK("before NA4", cause_of(MODE_U, load_word, arena + 60), CAUSE_ECALL_U);
        CHECK("after NA4", cause_of(MODE_U, load_word, arena + 68), CAUSE_ECALL_U);
        CHECK("partly in NA4", cause_of(MODE_U, load, arena + 64), CAUSE_LOAD_ACCESS);
        CHECK("again before it", cause_of(MODE_U, load_word, arena), CAUSE_ECALL_U);
    } else {
        isa_skip("NA4");
    }
}

static void nothing_matches(void)
{
    CSR_WRITE(pmpcfg0, 0);
    CSR_WRITE(pmpaddr0, napot(arena, 4096));
    CSR_WRITE(pmpcfg0, NAPOT | R);
    __asm__ volatile("sfence.vma" : : : "memory");
    isa_enter(MODE_U, load, (uint64_t)arena, 0);
    CHECK("U may not even fetch", isa_m.cause, CAUSE_FETCH_ACCESS);
    CHECK("at its code", isa_m.tval, load);
    set(0);
}

static void mprv(void)
{
    uint64_t cause, hit = 0;

    CSR_WRITE(pmpaddr0, napot(arena, 4096));
    set(NAPOT);
    CSR_CLEAR(mstatus, 0x1800); /* MPP = U */
    __asm__ volatile("la t0, 1f\n csrrw t1, mtvec, t0\n csrs mstatus, %2\n ld t2, 0(%3)\n"
                     "li %0, 1\n .balign 4\n1: csrc mstatus, %2\n csrw mtvec, t1\n csrr %1, mcause"
                     : "+&r"(hit), "=&r"(cause) : "r"(1 << 17), "r"(arena) : "t0", "t1", "t2");
    CHECK("M as U is checked", hit, 0);
    CHECK("M as U cause", cause, CAUSE_LOAD_ACCESS);
    CSR_CLEAR(mstatus, 1 << 17);
    set(0);
}

static void read_back(void)
{
    set(0);
    CHECK("cfg", CSR_KEEPS(pmpcfg0, (uint64_t)(NAPOT | R | W | X) << 32 | (NAPOT | R)) & 0xff,
          NAPOT | R);
    CHECK("addr is 54 bits", CSR_KEEPS(pmpaddr2, -1) >> 54, 0);
    CHECK("pmpcfg2", CSR_KEEPS(pmpcfg2, 0x0f), 0x0f);
    CSR_WRITE(pmpcfg2, 0);
    set(0);
}

/* Last, as locks hold until reset. */
static void locks(void)
{
    uint64_t before = napot(arena + 8192, 4096);

    CSR_WRITE(pmpaddr3, before);
    set((uint64_t)(L | NAPOT | R) << 24);
    CHECK("M is bound by a lock: load", cause_of(MODE_M, load, arena + 8192), CAUSE_ECALL_M);
    CHECK("M is bound by a lock: store", cause_of(MODE_M, store, arena + 8192), CAUSE_STORE_ACCESS);
    CHECK("M is bound by a lock: fetch", cause_of(MODE_M, jump, arena + 8192), CAUSE_FETCH_ACCESS);
    CSR_WRITE(pmpaddr3, 0);
    CHECK("a locked address stays", CSR_READ(pmpaddr3), before);
    set(0);
    CHECK("a locked entry stays", CSR_READ(pmpcfg0) >> 24 & 0xff, L | NAPOT | R);
    CHECK("its neighbour does not", CSR_KEEPS(pmpaddr2, 0x12345678) | 3, 0x12345678 | 3);
}

void isa_program(void)
{
    CSR_WRITE(pmpaddr4, ~UINT64_C(0) >> 10);
    permissions();
    forms();
    nothing_matches();
    mprv();
    read_back();
    locks();
}
