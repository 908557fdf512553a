/* target/riscv/csr.c - control and status registers as a table: a row a register, what is not a row does not exist.
 * Firmware finds features by trying, so an unknown number must be illegal and a field must read back what was kept.
 * Owner: the hart's thread.  Docs: docs/cpu.md.  Tests: tests/unit/target/csr-test.c.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "target/csr.h"

#include "target/hart-state.h"
#include "util/log.h"

typedef uint64_t CsrRead(Hart *h, unsigned number);
typedef void CsrWrite(Hart *h, unsigned number, uint64_t v);
typedef bool CsrGuard(const Hart *h, unsigned number);

typedef struct CsrRow {
    uint16_t first, last;   /* the same row serves all numbers between */
    const char *name;
    CsrGuard *guard;        /* NULL: nothing but the privilege in the number */
    CsrRead *read;
    CsrWrite *write;        /* NULL: writes are ignored (numbers 0xc00 up refuse them anyway) */
    size_t offset;          /* of a uint64_t in Hart when read is NULL */
    uint64_t mask;          /* its writable bits when write is NULL */
} CsrRow;

#define MSTATUS_WRITABLE                                                                           \
    (MSTATUS_SIE | MSTATUS_MIE | MSTATUS_SPIE | MSTATUS_MPIE | MSTATUS_SPP | MSTATUS_MPP | MSTATUS_FS | MSTATUS_MPRV |  \
     MSTATUS_SUM | MSTATUS_MXR | MSTATUS_TVM | MSTATUS_TW | MSTATUS_TSR)
#define SSTATUS_WRITABLE                                                                           \
    (MSTATUS_SIE | MSTATUS_SPIE | MSTATUS_SPP | MSTATUS_FS | MSTATUS_SUM | MSTATUS_MXR)
#define SSTATUS_READABLE (SSTATUS_WRITABLE | MSTATUS_UXL | MSTATUS_SD)
#define MIP_S ((1ull << MIP_SSIP) | (1ull << MIP_STIP) | (1ull << MIP_SEIP))
#define MIP_M ((1ull << MIP_MSIP) | (1ull << MIP_MTIP) | (1ull << MIP_MEIP))
#define MEDELEG_MASK 0xb3ffull /* all but the call from M */

/* ---- guards ---- */

static bool fp_on(const Hart *h, unsigned number)
{
    return h->st.mstatus & MSTATUS_FS && h->ext[EXT_F];
}

static bool counter_allowed(const Hart *h, unsigned number)
{
    unsigned bit = number & 31;

    return h->ext[EXT_ZICNTR] && (h->st.priv == PRIV_M || h->st.mcounteren >> bit & 1) &&
           (h->st.priv != PRIV_U || h->st.scounteren >> bit & 1);
}

static bool stimecmp_allowed(const Hart *h, unsigned number)
{
    return h->ext[EXT_SSTC] &&
           (h->st.priv == PRIV_M || (h->st.menvcfg & ENVCFG_STCE && h->st.mcounteren & COUNTER_TM));
}

static bool satp_allowed(const Hart *h, unsigned number)
{
    return h->st.priv != PRIV_S || !(h->st.mstatus & MSTATUS_TVM);
}

static bool has_pmp(const Hart *h, unsigned number)
{
    return h->ext[EXT_PMP];
}

/* ---- floating point ---- */

static uint64_t read_fflags(Hart *h, unsigned number)
{
    return h->fpu.flags;
}

static void write_fflags(Hart *h, unsigned number, uint64_t v)
{
    h->fpu.flags = v & 31;
    h->fs_dirty = 1;
}

static uint64_t read_frm(Hart *h, unsigned number)
{
    return h->st.frm;
}

static void write_frm(Hart *h, unsigned number, uint64_t v)
{
    h->st.frm = v & 7;
    h->fs_dirty = 1;
    tlb_update_context(h);
}

static uint64_t read_fcsr(Hart *h, unsigned number)
{
    return h->fpu.flags | h->st.frm << 5;
}

static void write_fcsr(Hart *h, unsigned number, uint64_t v)
{
    write_fflags(h, number, v);
    write_frm(h, number, v >> 5);
}

/* ---- status ---- */

uint64_t hart_mstatus(Hart *h)
{
    if (h->fs_dirty) {
        h->fs_dirty = 0;
        h->st.mstatus |= MSTATUS_FS;
    }
    return h->st.mstatus | MSTATUS_XL64 | ((h->st.mstatus & MSTATUS_FS) == MSTATUS_FS ? MSTATUS_SD : 0);
}

static void set_status(Hart *h, uint64_t v, uint64_t mask)
{
    uint64_t old = hart_mstatus(h) & MSTATUS_WRITABLE;

    if (!h->ext[EXT_F]) {
        mask &= ~MSTATUS_FS;
    }
    v = (old & ~mask) | (v & mask);
    if ((v & MSTATUS_MPP) == 2ull << MSTATUS_MPP_SHIFT) {
        v = (v & ~MSTATUS_MPP) | (old & MSTATUS_MPP); /* no such privilege: keep what was there */
    }
    h->st.mstatus = v;
    tlb_update_context(h);
    hart_recheck_pending(h);
}

static uint64_t read_mstatus(Hart *h, unsigned number)
{
    return hart_mstatus(h);
}

static void write_mstatus(Hart *h, unsigned number, uint64_t v)
{
    set_status(h, v, MSTATUS_WRITABLE);
}

static uint64_t read_sstatus(Hart *h, unsigned number)
{
    return hart_mstatus(h) & SSTATUS_READABLE;
}

static void write_sstatus(Hart *h, unsigned number, uint64_t v)
{
    set_status(h, v, SSTATUS_WRITABLE);
}

/* ---- interrupts ---- */

static uint64_t read_mip(Hart *h, unsigned number)
{
    return hart_mip(h);
}

static void write_mip(Hart *h, unsigned number, uint64_t v)
{
    uint64_t mask = h->st.menvcfg & ENVCFG_STCE ? MIP_S & ~(1ull << MIP_STIP) : MIP_S;

    h->st.mip = (h->st.mip & ~mask) | (v & mask);
    hart_recheck(h);
}

static uint64_t read_sip(Hart *h, unsigned number)
{
    return hart_mip(h) & h->st.mideleg;
}

static void write_sip(Hart *h, unsigned number, uint64_t v)
{
    uint64_t mask = h->st.mideleg & 1ull << MIP_SSIP;

    h->st.mip = (h->st.mip & ~mask) | (v & mask);
    hart_recheck_pending(h);
}

static void write_mie(Hart *h, unsigned number, uint64_t v)
{
    h->st.mie = v & (MIP_S | MIP_M);
    hart_recheck_pending(h);
}

static uint64_t read_sie(Hart *h, unsigned number)
{
    return h->st.mie & h->st.mideleg;
}

static void write_sie(Hart *h, unsigned number, uint64_t v)
{
    h->st.mie = (h->st.mie & ~h->st.mideleg) | (v & h->st.mideleg);
    hart_recheck_pending(h);
}

static void write_mideleg(Hart *h, unsigned number, uint64_t v)
{
    h->st.mideleg = v & MIP_S;
    hart_recheck(h);
}

static void set_tvec(uint64_t *tvec, uint64_t v)
{
    if ((v & 3) < 2) { /* a reserved mode keeps the old value */
        *tvec = v;
    }
}

static void write_mtvec(Hart *h, unsigned number, uint64_t v)
{
    set_tvec(&h->st.mtvec, v);
}

static void write_stvec(Hart *h, unsigned number, uint64_t v)
{
    set_tvec(&h->st.stvec, v);
}

/* ---- timer and environment ---- */

static void write_stimecmp(Hart *h, unsigned number, uint64_t v)
{
    h->st.stimecmp = v;
    h->timer_due = false;
    hart_arm_timer(h);
    hart_recheck(h);
}

static uint64_t envcfg(uint64_t old, uint64_t v, uint64_t mask)
{
    v = (old & ~mask) | (v & mask);
    if ((v & ENVCFG_CBIE) == 2ull << ENVCFG_CBIE_SHIFT) {
        v = (v & ~ENVCFG_CBIE) | (old & ENVCFG_CBIE); /* reserved */
    }
    return v;
}

static uint64_t envcfg_mask(const Hart *h)
{
    return ENVCFG_FIOM | (h->ext[EXT_ZICBOM] ? ENVCFG_CBIE | ENVCFG_CBCFE : 0) | (h->ext[EXT_ZICBOZ] ? ENVCFG_CBZE : 0);
}

static void write_menvcfg(Hart *h, unsigned number, uint64_t v)
{
    uint64_t mask = envcfg_mask(h) | (h->ext[EXT_SSTC] ? ENVCFG_STCE : 0) | (h->ext[EXT_SVADU] ? ENVCFG_ADUE : 0);

    h->st.menvcfg = envcfg(h->st.menvcfg, v, mask);
    hart_arm_timer(h);
    hart_recheck(h);
}

static void write_senvcfg(Hart *h, unsigned number, uint64_t v)
{
    h->st.senvcfg = envcfg(h->st.senvcfg, v, envcfg_mask(h));
}

/* ---- counters: cycle and instret are the guest's clock in nanoseconds ---- */

static uint64_t counter_value(const Hart *h, uint64_t kept, unsigned bit)
{
    return h->st.mcountinhibit & bit ? kept : kept + (uint64_t)clock_virtual_ns();
}

static uint64_t counter_kept(const Hart *h, uint64_t v, unsigned bit)
{
    return h->st.mcountinhibit & bit ? v : v - (uint64_t)clock_virtual_ns();
}

static uint64_t read_cycle(Hart *h, unsigned number)
{
    return counter_value(h, h->st.mcycle, COUNTER_CY);
}

static void write_cycle(Hart *h, unsigned number, uint64_t v)
{
    h->st.mcycle = counter_kept(h, v, COUNTER_CY);
}

static uint64_t read_instret(Hart *h, unsigned number)
{
    return counter_value(h, h->st.minstret, COUNTER_IR);
}

static void write_instret(Hart *h, unsigned number, uint64_t v)
{
    h->st.minstret = counter_kept(h, v, COUNTER_IR);
}

static uint64_t read_time(Hart *h, unsigned number)
{
    return clock_timebase();
}

static void write_mcountinhibit(Hart *h, unsigned number, uint64_t v)
{
    uint64_t cycle = read_cycle(h, 0), instret = read_instret(h, 0);

    h->st.mcountinhibit = v & (COUNTER_CY | COUNTER_IR);
    write_cycle(h, 0, cycle);
    write_instret(h, 0, instret);
}

static uint64_t read_zero(Hart *h, unsigned number)
{
    return 0;
}

static uint64_t read_hartid(Hart *h, unsigned number)
{
    return h->id;
}

/* ---- translation ---- */

static void write_satp(Hart *h, unsigned number, uint64_t v)
{
    unsigned mode = (unsigned)(v >> SATP_MODE_SHIFT);

    if (mode == SATP_BARE || (mode == SATP_SV39 && h->ext[EXT_SV39]) || (mode == SATP_SV48 && h->ext[EXT_SV48])) {
        h->st.satp = v;
        tlb_new_space(h);
    }
}

static bool pmp_locked(const Hart *h, unsigned i)
{
    return h->st.pmpcfg[i] & PMP_L;
}

/* pmpcfg0 holds entries 0-7, pmpcfg2 entries 8-15; the odd ones do not exist in RV64. */
static uint64_t read_pmpcfg(Hart *h, unsigned number)
{
    uint64_t v = 0;

    for (unsigned i = 0; i < 8; i++) {
        v |= (uint64_t)h->st.pmpcfg[(number & 2) * 4 + i] << i * 8;
    }
    return v;
}

static void write_pmpcfg(Hart *h, unsigned number, uint64_t v)
{
    for (unsigned i = 0; i < 8; i++) {
        uint8_t *cfg = &h->st.pmpcfg[(number & 2) * 4 + i], wanted = (uint8_t)(v >> i * 8);

        if (*cfg & PMP_L || (wanted & (PMP_R | PMP_W)) == PMP_W) {
            continue; /* locked, or the reserved combination */
        }
        *cfg = wanted & (PMP_R | PMP_W | PMP_X | PMP_A | PMP_L);
    }
    pmp_update(h);
    tlb_flush_all(h);
}

static uint64_t read_pmpaddr(Hart *h, unsigned number)
{
    return h->st.pmpaddr[number & 15];
}

static void write_pmpaddr(Hart *h, unsigned number, uint64_t v)
{
    unsigned i = number & 15;
    bool next_holds = i + 1 < PMP_COUNT && pmp_locked(h, i + 1) &&
                      (h->st.pmpcfg[i + 1] & PMP_A) == PMP_TOR << PMP_A_SHIFT;

    if (!pmp_locked(h, i) && !next_holds) {
        h->st.pmpaddr[i] = v & ((1ull << 54) - 1);
        pmp_update(h);
        tlb_flush_all(h);
    }
}

/* ---- the table ---- */
#define REG(number, name, member, writable) {number, number, name, NULL, NULL, NULL, offsetof(Hart, st.member), writable}
#define REGW(number, name, member, write) {number, number, name, NULL, NULL, write, offsetof(Hart, st.member), 0}
#define FUNC(number, name, guard, read, write) {number, number, name, guard, read, write, 0, 0}
#define FUNCS(first, last, name, guard, read, write) {first, last, name, guard, read, write, 0, 0}

static const CsrRow rows[] = {
    FUNC(0x001, "fflags", fp_on, read_fflags, write_fflags),
    FUNC(0x002, "frm", fp_on, read_frm, write_frm),
    FUNC(0x003, "fcsr", fp_on, read_fcsr, write_fcsr),
    FUNC(0x100, "sstatus", NULL, read_sstatus, write_sstatus),
    FUNC(0x104, "sie", NULL, read_sie, write_sie),
    REGW(0x105, "stvec", stvec, write_stvec),
    REG(0x106, "scounteren", scounteren, COUNTER_CY | COUNTER_TM | COUNTER_IR),
    REGW(0x10a, "senvcfg", senvcfg, write_senvcfg),
    REG(0x140, "sscratch", sscratch, ~0ull),
    REG(0x141, "sepc", sepc, ~1ull),
    REG(0x142, "scause", scause, CAUSE_INTERRUPT | 63),
    REG(0x143, "stval", stval, ~0ull),
    FUNC(0x144, "sip", NULL, read_sip, write_sip),
    {0x14d, 0x14d, "stimecmp", stimecmp_allowed, NULL, write_stimecmp, offsetof(Hart, st.stimecmp), 0},
    {0x180, 0x180, "satp", satp_allowed, NULL, write_satp, offsetof(Hart, st.satp), 0},
    FUNC(0x300, "mstatus", NULL, read_mstatus, write_mstatus),
    REG(0x301, "misa", misa, 0),
    REG(0x302, "medeleg", medeleg, MEDELEG_MASK),
    REGW(0x303, "mideleg", mideleg, write_mideleg),
    REGW(0x304, "mie", mie, write_mie),
    REGW(0x305, "mtvec", mtvec, write_mtvec),
    REG(0x306, "mcounteren", mcounteren, COUNTER_CY | COUNTER_TM | COUNTER_IR),
    REGW(0x30a, "menvcfg", menvcfg, write_menvcfg),
    REGW(0x320, "mcountinhibit", mcountinhibit, write_mcountinhibit),
    FUNCS(0x323, 0x33f, "mhpmevent", NULL, read_zero, NULL),
    REG(0x340, "mscratch", mscratch, ~0ull),
    REG(0x341, "mepc", mepc, ~1ull),
    REG(0x342, "mcause", mcause, CAUSE_INTERRUPT | 63),
    REG(0x343, "mtval", mtval, ~0ull),
    FUNC(0x344, "mip", NULL, read_mip, write_mip),
    FUNC(0x3a0, "pmpcfg0", has_pmp, read_pmpcfg, write_pmpcfg),
    FUNC(0x3a2, "pmpcfg2", has_pmp, read_pmpcfg, write_pmpcfg),
    FUNCS(0x3b0, 0x3bf, "pmpaddr", has_pmp, read_pmpaddr, write_pmpaddr),
    FUNC(0xb00, "mcycle", NULL, read_cycle, write_cycle),
    FUNC(0xb02, "minstret", NULL, read_instret, write_instret),
    FUNCS(0xb03, 0xb1f, "mhpmcounter", NULL, read_zero, NULL),
    FUNC(0xc00, "cycle", counter_allowed, read_cycle, NULL),
    FUNC(0xc01, "time", counter_allowed, read_time, NULL),
    FUNC(0xc02, "instret", counter_allowed, read_instret, NULL),
    FUNCS(0xc03, 0xc1f, "hpmcounter", counter_allowed, read_zero, NULL),
    FUNC(0xf11, "mvendorid", NULL, read_zero, NULL),
    FUNC(0xf12, "marchid", NULL, read_zero, NULL),
    FUNC(0xf13, "mimpid", NULL, read_zero, NULL),
    FUNC(0xf14, "mhartid", NULL, read_hartid, NULL),
    FUNC(0xf15, "mconfigptr", NULL, read_zero, NULL),
};

static uint8_t row_of[4096]; /* row + 1 */

static void __attribute__((constructor)) csr_init(void)
{
    G_STATIC_ASSERT(G_N_ELEMENTS(rows) < 255);
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        for (unsigned n = rows[i].first; n <= rows[i].last; n++) {
            g_assert(!row_of[n]);
            row_of[n] = (uint8_t)(i + 1);
        }
    }
}

const char *csr_name(unsigned number)
{
    return number < 4096 && row_of[number] && rows[row_of[number] - 1].first == rows[row_of[number] - 1].last
               ? rows[row_of[number] - 1].name : NULL;
}

static const CsrRow *row_for(const Hart *h, unsigned number, bool writes)
{
    const CsrRow *row = row_of[number] ? &rows[row_of[number] - 1] : NULL;

    if (!row) {
        guest_unimp("hart", "csr 0x%03x at pc 0x%lx", number, (unsigned long)h->st.pc);
    }
    if (!row || (number >> 8 & 3) > h->st.priv || (writes && number >> 10 == 3) ||
        (row->guard && !row->guard(h, number))) {
        return NULL;
    }
    return row;
}

static uint64_t get(Hart *h, const CsrRow *row, unsigned number)
{
    return row->read ? row->read(h, number) : *(uint64_t *)((char *)h + row->offset);
}

static void put(Hart *h, const CsrRow *row, unsigned number, uint64_t v)
{
    uint64_t *field = (uint64_t *)((char *)h + row->offset);

    if (row->write) {
        row->write(h, number, v);
    } else if (!row->read) {
        *field = (*field & ~row->mask) | (v & row->mask);
    }
}

bool csr_read(Hart *h, unsigned number, uint64_t *ret)
{
    const CsrRow *row = row_for(h, number, false);

    if (!row) {
        return false;
    }
    *ret = get(h, row, number);
    return true;
}

bool csr_modify(Hart *h, unsigned number, int op, uint64_t operand, uint64_t *ret_old)
{
    const CsrRow *row = row_for(h, number, true);
    uint64_t old, base;

    if (!row) {
        return false;
    }
    old = base = get(h, row, number);
    if (row->read == read_mip || row->read == read_sip) {
        base = h->st.mip; /* what a device holds up must not stick (Privileged 1.13, 3.1.9) */
    }
    put(h, row, number, op == CSR_WRITE ? operand : op == CSR_SET ? base | operand : base & ~operand);
    *ret_old = old;
    return true;
}
