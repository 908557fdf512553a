/* tests/guest/isa/trap.c - exceptions, interrupts, delegation, returns, privilege; CSR read-back.
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "isa.h"

enum { MSTATUS_MIE = 8, MSTATUS_MPIE = 0x80, MSTATUS_SPP = 0x100, MSTATUS_MPP = 0x1800 };
enum { SSTATUS_SIE = 2, SSTATUS_SPIE = 0x20 };
enum { TVM = 1 << 20, TW = 1 << 21, TSR = 1 << 22 };

SNIPPET(nothing, "");
SNIPPET(breakpoint, ".option push\n.option norvc\n ebreak\n.option pop");
SNIPPET(short_breakpoint, "c.ebreak");
SNIPPET(all_zero, ".hword 0, 0");
SNIPPET(all_ones, ".word 0xffffffff");
SNIPPET(read_unknown, "csrr a0, 0x7ff");
SNIPPET(read_mstatus, "csrr a0, mstatus");
SNIPPET(read_sstatus, "csrr a0, sstatus");
SNIPPET(write_readonly, "csrw mhartid, zero");
SNIPPET(set_nothing_readonly, "csrs mhartid, zero");
SNIPPET(set_imm_nothing_readonly, "csrsi mhartid, 0");
SNIPPET(write_cycle, "csrw cycle, zero");
SNIPPET(read_cycle, "rdcycle a0");
SNIPPET(read_time, "rdtime a0");
SNIPPET(read_instret, "rdinstret a0");
SNIPPET(read_satp, "csrr a0, satp");
SNIPPET(fence_vma, "sfence.vma");
SNIPPET(wait, "wfi");
SNIPPET(do_mret, "mret");
SNIPPET(do_sret, "sret");

static void exceptions(void)
{
    static const void *const illegal[] = { all_zero, all_ones, read_unknown, write_readonly,
                                           write_cycle };
    static const uint16_t reserved[] = {
        0x0000, /* all zero */
        0x0004, /* c.addi4spn a5? with immediate 0: rd' = x9 */
        0x4002, /* c.lwsp x0 */
        0x6002, /* c.ldsp x0 */
        0x8002, /* c.jr x0 */
        0x6081, /* c.lui x1, 0 */
        0x6101, /* c.addi16sp 0 */
        0x2001, /* c.addiw x0 */
        0x9c41, /* reserved in the arithmetic group */
        0x9c61,
        0x8000, /* quadrant 0, funct3 4 */
    };
    static uint16_t place[4] __attribute__((aligned(8)));

    isa_enter(MODE_M, nothing, 0, 0);
    CHECK_TRAP("ecall from M", nothing, CAUSE_ECALL_M, 0);
    isa_enter(MODE_S, nothing, 0, 0);
    CHECK_TRAP("ecall from S", nothing, CAUSE_ECALL_S, 0);
    isa_enter(MODE_U, nothing, 0, 0);
    CHECK_TRAP("ecall from U", nothing, CAUSE_ECALL_U, 0);
    isa_enter(MODE_M, breakpoint, 0, 0);
    CHECK("ebreak", isa_m.cause, CAUSE_BREAK);
    CHECK("ebreak epc", isa_m.epc, breakpoint);
    isa_enter(MODE_M, short_breakpoint, 0, 0);
    CHECK("c.ebreak", isa_m.cause, CAUSE_BREAK);
    CHECK("c.ebreak epc", isa_m.epc, short_breakpoint);
    for (size_t i = 0; i < sizeof(illegal) / sizeof(illegal[0]); i++) {
        isa_enter(MODE_M, illegal[i], 0, 0);
        CHECK_TRAP("illegal", illegal[i], CAUSE_ILLEGAL, isa_instruction(illegal[i]));
    }
    for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++) {
        place[0] = reserved[i];
        place[1] = 0x9002; /* c.ebreak */
        __asm__ volatile("fence.i" : : : "memory");
        isa_enter(MODE_M, place, 0, 0);
        CHECK_TRAP("reserved compressed", place, CAUSE_ILLEGAL, reserved[i]);
    }
    isa_enter(MODE_M, set_nothing_readonly, 0, 0);
    CHECK("csrs of nothing writes nothing", isa_m.cause, CAUSE_ECALL_M);
    isa_enter(MODE_M, set_imm_nothing_readonly, 0, 0);
    CHECK("csrsi of nothing writes nothing", isa_m.cause, CAUSE_ECALL_M);
}

static void privilege(void)
{
    static const struct {
        const char *name;
        const void *code;
        int mode;
        uint64_t mstatus_set, counters, cause;
    } rows[] = {
        { "mstatus from S", read_mstatus, MODE_S, 0, 0, CAUSE_ILLEGAL },
        { "sstatus from U", read_sstatus, MODE_U, 0, 0, CAUSE_ILLEGAL },
        { "sstatus from S", read_sstatus, MODE_S, 0, 0, CAUSE_ECALL_S },
        { "mret from S", do_mret, MODE_S, 0, 0, CAUSE_ILLEGAL },
        { "sret from U", do_sret, MODE_U, 0, 0, CAUSE_ILLEGAL },
        { "sret under TSR", do_sret, MODE_S, TSR, 0, CAUSE_ILLEGAL },
        { "satp under TVM", read_satp, MODE_S, TVM, 0, CAUSE_ILLEGAL },
        { "satp from S", read_satp, MODE_S, 0, 0, CAUSE_ECALL_S },
        { "sfence.vma under TVM", fence_vma, MODE_S, TVM, 0, CAUSE_ILLEGAL },
        { "sfence.vma from U", fence_vma, MODE_U, 0, 0, CAUSE_ILLEGAL },
        { "sfence.vma from S", fence_vma, MODE_S, 0, 0, CAUSE_ECALL_S },
        { "cycle from U, off", read_cycle, MODE_U, 0, 6, CAUSE_ILLEGAL },
        { "cycle from U", read_cycle, MODE_U, 0, 1, CAUSE_ECALL_U },
        { "time from S, off", read_time, MODE_S, 0, 5, CAUSE_ILLEGAL },
        { "time from S", read_time, MODE_S, 0, 2, CAUSE_ECALL_S },
        { "instret from U", read_instret, MODE_U, 0, 4, CAUSE_ECALL_U },
        { "instret from U, off", read_instret, MODE_U, 0, 3, CAUSE_ILLEGAL },
        { "wfi under TW", wait, MODE_S, TW, 0, CAUSE_ILLEGAL },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CSR_SET(mstatus, rows[i].mstatus_set);
        CSR_WRITE(mcounteren, rows[i].counters);
        CSR_WRITE(scounteren, rows[i].counters);
        isa_enter(rows[i].mode, rows[i].code, 0, 0);
        CHECK(rows[i].name, isa_m.cause, rows[i].cause);
        if (rows[i].cause == CAUSE_ILLEGAL) {
            CHECK(rows[i].name, isa_m.tval, isa_instruction(rows[i].code));
            CHECK(rows[i].name, isa_m.epc, rows[i].code);
        }
        CSR_CLEAR(mstatus, TVM | TW | TSR);
    }
    CSR_WRITE(mcounteren, 7);
    CSR_WRITE(scounteren, 5);
    isa_enter(MODE_U, read_time, 0, 0);
    CHECK("U needs scounteren too", isa_m.cause, CAUSE_ILLEGAL);
    isa_enter(MODE_S, read_time, 0, 0);
    CHECK("S does not", isa_m.cause, CAUSE_ECALL_S);
}

static void status_stack(void)
{
    CSR_SET(mstatus, MSTATUS_MPIE);
    isa_enter(MODE_U, nothing, 0, 0);
    CHECK("mret moves MPIE to MIE, a trap back", isa_m.status & (MSTATUS_MIE | MSTATUS_MPIE),
          MSTATUS_MPIE);
    CHECK("MPP tells U", isa_m.status & MSTATUS_MPP, 0);
    CSR_CLEAR(mstatus, MSTATUS_MPIE);
    isa_enter(MODE_S, nothing, 0, 0);
    CHECK("a clear MPIE stays clear", isa_m.status & (MSTATUS_MIE | MSTATUS_MPIE), 0);
    CHECK("MPP tells S", isa_m.status & MSTATUS_MPP, 0x800);
    CHECK("mret left MPP at U, MPIE set", CSR_READ(mstatus) & (MSTATUS_MPP | MSTATUS_MPIE),
          MSTATUS_MPIE);
    /* MPRV is cleared by mret to a lower mode, and acts on loads in M-mode only */
    CSR_SET(mstatus, 1 << 17);
    isa_enter(MODE_U, nothing, 0, 0);
    CHECK("mret to U clears MPRV", isa_m.status >> 17 & 1, 0);
    CSR_CLEAR(mstatus, 1 << 17);
}

static void delegation(void)
{
    CSR_WRITE(stvec, isa_strap);
    CSR_WRITE(medeleg, 1 << CAUSE_ILLEGAL | 1 << CAUSE_ECALL_U | 1 << CAUSE_BREAK);
    CSR_WRITE(sscratch, 0);
    isa_s.count = 0;
    CSR_SET(mstatus, SSTATUS_SIE);
    isa_enter(MODE_U, nothing, 5, 0);
    CHECK("delegated ecall", isa_s.cause, CAUSE_ECALL_U);
    CHECK("delegated epc", isa_s.epc, nothing);
    CHECK("delegated tval", isa_s.tval, 0);
    CHECK("SPP tells U", isa_s.status & MSTATUS_SPP, 0);
    CHECK("SPIE keeps SIE", isa_s.status & (SSTATUS_SIE | SSTATUS_SPIE), SSTATUS_SPIE);
    CHECK("then S calls M", isa_m.cause, CAUSE_ECALL_S);
    isa_enter(MODE_S, read_mstatus, 0, 0);
    CHECK("delegated illegal from S", isa_s.cause, CAUSE_ILLEGAL);
    CHECK("its tval", isa_s.tval, isa_instruction(read_mstatus));
    CHECK("SPP tells S", isa_s.status & MSTATUS_SPP, MSTATUS_SPP);
    CHECK("two delegated traps", isa_s.count, 2);
    isa_enter(MODE_M, read_unknown, 0, 0);
    CHECK("M-mode traps stay in M", isa_m.cause, CAUSE_ILLEGAL);
    CHECK("not delegated", isa_s.count, 2);
    CHECK("ecall from M is not delegable", CSR_KEEPS(medeleg, -1) >> CAUSE_ECALL_M & 1, 0);
    CSR_WRITE(medeleg, 0);
    CSR_CLEAR(mstatus, SSTATUS_SIE | SSTATUS_SPIE);
}

SNIPPET(s_return, "la t0, 1f\n csrw sepc, t0\n li t1, 0x120\n csrc sstatus, t1\n csrs sstatus, a0\n"
                  " sret\n1: nop");

static void supervisor_return(void)
{
    isa_enter(MODE_S, s_return, 0, 0);
    CHECK("sret to U", isa_m.cause, CAUSE_ECALL_U);
    isa_enter(MODE_S, s_return, 0x100, 0);
    CHECK("sret to S", isa_m.cause, CAUSE_ECALL_S);
    isa_enter(MODE_S, s_return, 0x20, 0);
    CHECK("sret sets SIE from SPIE", isa_m.status & SSTATUS_SIE, SSTATUS_SIE);
    CHECK("sret leaves SPP at U", isa_m.status & MSTATUS_SPP, 0);
    CSR_CLEAR(mstatus, SSTATUS_SIE | SSTATUS_SPIE);
}

static volatile uint32_t *const msip = (uint32_t *)0x2000000;
static volatile uint64_t *const mtimecmp = (uint64_t *)0x2004000;
static volatile uint64_t *const mtime = (uint64_t *)0x200bff8;

SNIPPET(spin, "1: j 1b");
SNIPPET(wait_then_spin, "wfi\n1: j 1b");
SNIPPET(write_sip, "csrs sip, a0\n nop\n nop\n csrr a0, sip");

static void interrupts(void)
{
    *mtimecmp = -1;
    *msip = 1;
    CSR_WRITE(mie, 8);
    isa_enter(MODE_U, spin, 0, 0);
    CHECK("software interrupt in U", isa_m.cause, INTERRUPT | 3);
    CHECK("interrupt tval", isa_m.tval, 0);
    CHECK("interrupt epc", isa_m.epc, spin);
    CHECK("mip.MSIP", CSR_READ(mip) >> 3 & 1, 1);
    *msip = 0;
    CHECK("mip.MSIP falls", CSR_READ(mip) >> 3 & 1, 0);
    CSR_WRITE(mie, 0x80);
    *mtimecmp = *mtime + 2000;
    CSR_CLEAR(mstatus, MSTATUS_MPIE);
    isa_enter(MODE_S, wait_then_spin, 0, 0);
    CHECK("timer interrupt in S, MIE clear", isa_m.cause, INTERRUPT | 7);
    CHECK("mtime has come", *mtime >= *mtimecmp, 1);
    *mtimecmp = *mtime + 2000;
    CSR_SET(mstatus, MSTATUS_MPIE);
    isa_enter(MODE_M, spin, 0, 0);
    CHECK("timer interrupt in M", isa_m.cause, INTERRUPT | 7);
    *mtimecmp = *mtime + 2000;
    CSR_CLEAR(mstatus, MSTATUS_MIE);
    __asm__ volatile("wfi");
    CHECK("wfi ends without MIE", CSR_READ(mip) >> 7 & 1, 1);
    *mtimecmp = -1;
    /* delegated, vectored, and in order: external, software, timer */
    CSR_WRITE(mie, 0);
    CSR_WRITE(mideleg, 0x222);
    CSR_WRITE(stvec, (uint64_t)isa_svector | 1);
    CSR_WRITE(mip, 0x222);
    CHECK("M writes SEIP, STIP, SSIP", CSR_READ(mip) & 0x222, 0x222);
    CSR_WRITE(mie, 0x222);
    isa_enter(MODE_U, spin, 0, 0);
    CHECK("external first", isa_s.cause, INTERRUPT | 9);
    CHECK("delegated interrupt, then M", isa_m.cause, CAUSE_ECALL_S);
    CSR_CLEAR(mip, 0x200);
    isa_enter(MODE_U, spin, 0, 0);
    CHECK("then software", isa_s.cause, INTERRUPT | 1);
    CSR_CLEAR(mip, 2);
    isa_enter(MODE_U, spin, 0, 0);
    CHECK("then timer", isa_s.cause, INTERRUPT | 5);
    CSR_CLEAR(mip, 0x20);
    isa_enter(MODE_S, write_sip, 2, 0);
    CHECK("S raises its software interrupt, SIE clear", isa_m.a0 & 2, 2);
    CSR_SET(mstatus, SSTATUS_SIE);
    isa_enter(MODE_S, spin, 0, 0);
    CHECK("and takes it with SIE", isa_s.cause, INTERRUPT | 1);
    CSR_CLEAR(mstatus, SSTATUS_SIE | SSTATUS_SPIE);
    CSR_WRITE(mip, 0);
    CSR_WRITE(mideleg, 0);
    CSR_WRITE(mie, 0);
    CSR_WRITE(stvec, isa_strap);
}

SNIPPET(set_stimecmp, "csrw 0x14d, a0");
SNIPPET(set_menvcfg, "csrs 0x30a, a0");

static void supervisor_timer(void)
{
    isa_enter(MODE_M, set_menvcfg, UINT64_C(1) << 63, 0);
    if (isa_m.cause != CAUSE_ECALL_M || !(CSR_READ(0x30a) >> 63)) {
        isa_skip("Sstc");
        return;
    }
    CSR_WRITE(mcounteren, 7);
    isa_enter(MODE_S, set_stimecmp, -1, 0);
    CHECK("stimecmp from S", isa_m.cause, CAUSE_ECALL_S);
    CHECK("STIP low", CSR_READ(mip) >> 5 & 1, 0);
    CSR_WRITE(mideleg, 0x20);
    CSR_WRITE(mie, 0x20);
    CSR_WRITE(0x14d, *mtime + 2000);
    isa_enter(MODE_U, spin, 0, 0);
    CHECK("stimecmp interrupts", isa_s.cause, INTERRUPT | 5);
    CHECK("STIP up", CSR_READ(mip) >> 5 & 1, 1);
    CSR_WRITE(0x14d, -1);
    CHECK("STIP falls with a later stimecmp", CSR_READ(mip) >> 5 & 1, 0);
    CSR_WRITE(mcounteren, 5);
    isa_enter(MODE_S, set_stimecmp, -1, 0);
    CHECK("stimecmp without TM", isa_m.cause, CAUSE_ILLEGAL);
    CSR_WRITE(mcounteren, 7);
    CSR_CLEAR(0x30a, UINT64_C(1) << 63);
    isa_enter(MODE_S, set_stimecmp, -1, 0);
    CHECK("stimecmp without STCE", isa_m.cause, CAUSE_ILLEGAL);
    CSR_WRITE(mideleg, 0);
    CSR_WRITE(mie, 0);
}

static void read_back(void)
{
    uint64_t v, keep;

    v = CSR_READ(misa);
    CHECK("misa MXL", v >> 62, 2);
    for (const char *c = "IMAFDCSU"; *c; c++) {
        CHECK("misa extensions", v >> (*c - 'A') & 1, 1);
    }
    CHECK("misa has no E", v >> 4 & 1, 0);
    keep = CSR_READ(mstatus);
    CSR_SET(mstatus, MSTATUS_MPP);
    CSR_CLEAR(mstatus, 0x800); /* MPP = 2 is reserved */
    CHECK("MPP never reads 2", (CSR_READ(mstatus) & MSTATUS_MPP) != 0x1000, 1);
    CHECK("SXL, UXL are 64", CSR_KEEPS(mstatus, keep & ~(UINT64_C(15) << 32)) >> 32 & 15, 10);
    CSR_WRITE(mstatus, keep);
    CHECK("sstatus shows SUM, MXR", CSR_KEEPS(sstatus, 0xc0000) & 0xc0000, 0xc0000);
    CHECK("and so does mstatus", CSR_READ(mstatus) & 0xc0000, 0xc0000);
    CHECK("sstatus hides M's", CSR_READ(sstatus) & 0x700000001888, 0);
    CSR_WRITE(mstatus, keep);
    CHECK("mepc drops bit 0", CSR_KEEPS(mepc, 0x80001237), 0x80001236);
    CHECK("sepc drops bit 0", CSR_KEEPS(sepc, -1), -2);
    CHECK("mscratch", CSR_KEEPS(mscratch, 0x123456789abcdef0), 0x123456789abcdef0);
    CHECK("mtval", CSR_KEEPS(mtval, UINT64_MAX), UINT64_MAX);
    CHECK("scause keeps an interrupt", CSR_KEEPS(scause, INTERRUPT | 9), INTERRUPT | 9);
    CHECK("stvec direct", CSR_KEEPS(stvec, 0x80001000), 0x80001000);
    CHECK("stvec vectored", CSR_KEEPS(stvec, 0x80001001), 0x80001001);
    v = CSR_KEEPS(stvec, 0x80002002);
    CHECK("stvec mode 2 is reserved", (v & 3) < 2, 1);
    CSR_WRITE(stvec, isa_strap);
    CHECK("mideleg has S's only", CSR_KEEPS(mideleg, -1) & 0xfff & ~0x444, 0x222);
    CSR_WRITE(mideleg, 0x222);
    CSR_WRITE(mie, 0);
    CSR_WRITE(sie, -1);
    CHECK("sie reaches what is delegated", CSR_READ(mie) & 0xfff, 0x222);
    CSR_WRITE(mideleg, 0);
    CHECK("and hides the rest", CSR_READ(sie), 0);
    CSR_WRITE(mie, 0);
    CHECK("mie", CSR_KEEPS(mie, 0xaaa) & 0xfff, 0xaaa);
    CSR_WRITE(mie, 0);
    CHECK("mhartid", CSR_READ(mhartid), 0);
    CHECK("mcounteren", CSR_KEEPS(mcounteren, 7) & 7, 7);
    CHECK("scounteren", CSR_KEEPS(scounteren, 2) & 7, 2);
    CSR_WRITE(satp, 0);
    CSR_WRITE(satp, UINT64_C(5) << 60 | 0x1234);
    CHECK("satp ignores a write of an unknown mode", CSR_READ(satp), 0);
    v = CSR_READ(mcycle);
    keep = CSR_READ(minstret);
    for (volatile int i = 0; i < 100; i++) {
    }
    CHECK("mcycle counts", CSR_READ(mcycle) > v, 1);
    CHECK("minstret counts", CSR_READ(minstret) > keep, 1);
    __asm__ volatile("csrrwi %0, mscratch, 21\n csrrsi %0, mscratch, 10\n csrrci %0, mscratch, 16"
                     : "=r"(v));
    CHECK("immediate forms give the old value", v, 31);
    CHECK("and write", CSR_READ(mscratch), 15);
}

void isa_program(void)
{
    isa_open_pmp();
    exceptions();
    privilege();
    status_stack();
    delegation();
    supervisor_return();
    interrupts();
    supervisor_timer();
    read_back();
}
