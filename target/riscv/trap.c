/* target/riscv/trap.c - exceptions, interrupts, the way back, and the supervisor timer (Privileged 1.13, 3.1, 3.3, 12.1).
 * Owner: the hart's thread; the timer's callback runs in the main loop and touches atomics only.
 * Docs: docs/cpu.md.  Tests: tests/unit/target/trap-test.c.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "target/hart-state.h"
#include "util/log.h"

static const char *const exception_names[16] = {
    "fetch misaligned", "fetch access fault", "illegal instruction", "breakpoint", "load misaligned",
    "load access fault", "store misaligned", "store access fault", "call from U", "call from S", "reserved",
    "call from M", "fetch page fault", "load page fault", "reserved", "store page fault",
};
static const char *const interrupt_names[16] = {
    [MIP_SSIP] = "supervisor software", [MIP_MSIP] = "machine software", [MIP_STIP] = "supervisor timer",
    [MIP_MTIP] = "machine timer", [MIP_SEIP] = "supervisor external", [MIP_MEIP] = "machine external",
};

static void log_trap(const Hart *h, uint64_t cause, uint64_t tval, unsigned to)
{
    bool is_interrupt = cause & CAUSE_INTERRUPT;
    const char *name = (is_interrupt ? interrupt_names : exception_names)[cause & 15];

    log_printf("hart %u: %s %lu (%s) at pc 0x%lx, tval 0x%lx, from %c to %c\n", h->id,
               is_interrupt ? "interrupt" : "exception", (unsigned long)(cause & 15), name ? name : "?",
               (unsigned long)h->st.pc, (unsigned long)tval, "US?M"[h->st.priv], "US?M"[to]);
}

static uint64_t vector(uint64_t tvec, uint64_t cause)
{
    uint64_t base = tvec & ~3ull;

    return tvec & 1 && cause & CAUSE_INTERRUPT ? base + 4 * (cause & ~CAUSE_INTERRUPT) : base;
}

static void enter_supervisor(Hart *h, uint64_t cause, uint64_t tval)
{
    uint64_t s = h->st.mstatus;

    s = (s & ~MSTATUS_SPIE) | (s & MSTATUS_SIE ? MSTATUS_SPIE : 0);
    s = (s & ~(MSTATUS_SPP | MSTATUS_SIE)) | (h->st.priv == PRIV_S ? MSTATUS_SPP : 0);
    h->st.mstatus = s;
    h->st.scause = cause;
    h->st.sepc = h->st.pc;
    h->st.stval = tval;
    h->st.priv = PRIV_S;
    h->st.pc = vector(h->st.stvec, cause);
}

static void enter_machine(Hart *h, uint64_t cause, uint64_t tval)
{
    uint64_t s = h->st.mstatus;

    s = (s & ~MSTATUS_MPIE) | (s & MSTATUS_MIE ? MSTATUS_MPIE : 0);
    s = (s & ~(MSTATUS_MPP | MSTATUS_MIE)) | (uint64_t)h->st.priv << MSTATUS_MPP_SHIFT;
    h->st.mstatus = s;
    h->st.mcause = cause;
    h->st.mepc = h->st.pc;
    h->st.mtval = tval;
    h->st.priv = PRIV_M;
    h->st.pc = vector(h->st.mtvec, cause);
}

void hart_trap(Hart *h, uint64_t cause, uint64_t tval)
{
    uint64_t delegated = cause & CAUSE_INTERRUPT ? h->st.mideleg : h->st.medeleg;
    bool to_supervisor = h->st.priv != PRIV_M && delegated >> (cause & 63) & 1;

    if (log_enabled(LOG_INT)) {
        log_trap(h, cause, tval, to_supervisor ? PRIV_S : PRIV_M);
    }
    if (to_supervisor) {
        enter_supervisor(h, cause, tval);
    } else {
        enter_machine(h, cause, tval);
    }
    tlb_update_context(h);
}

bool hart_mret(Hart *h)
{
    uint64_t s = h->st.mstatus;
    unsigned to = s >> MSTATUS_MPP_SHIFT & 3;

    if (h->st.priv != PRIV_M) {
        return false;
    }
    s = (s & ~MSTATUS_MIE) | (s & MSTATUS_MPIE ? MSTATUS_MIE : 0) | MSTATUS_MPIE;
    s &= ~MSTATUS_MPP;
    h->st.mstatus = to == PRIV_M ? s : s & ~MSTATUS_MPRV;
    h->st.priv = (uint8_t)to;
    h->st.pc = h->st.mepc;
    tlb_update_context(h);
    hart_recheck_pending(h);
    return true;
}

bool hart_sret(Hart *h)
{
    uint64_t s = h->st.mstatus;

    if (h->st.priv == PRIV_U || (h->st.priv == PRIV_S && s & MSTATUS_TSR)) {
        return false;
    }
    h->st.priv = s & MSTATUS_SPP ? PRIV_S : PRIV_U;
    s = (s & ~MSTATUS_SIE) | (s & MSTATUS_SPIE ? MSTATUS_SIE : 0) | MSTATUS_SPIE;
    h->st.mstatus = s & ~(MSTATUS_SPP | MSTATUS_MPRV);
    h->st.pc = h->st.sepc;
    tlb_update_context(h);
    hart_recheck_pending(h);
    return true;
}

/* U may not wait at all here: it is allowed to trap at once instead of after a time limit. */
bool hart_wfi(Hart *h)
{
    return h->st.priv == PRIV_M || (h->st.priv == PRIV_S && !(h->st.mstatus & MSTATUS_TW));
}

/* ---- interrupts ---- */

static bool has_stimecmp(const Hart *h)
{
    return h->st.menvcfg & ENVCFG_STCE;
}

uint64_t hart_mip(Hart *h)
{
    uint64_t mip = h->st.mip | atomic_load_explicit(&h->lines, memory_order_acquire);

    if (has_stimecmp(h)) {
        bool due = h->st.stimecmp != UINT64_MAX && clock_timebase() >= h->st.stimecmp;

        h->timer_due = due;
        mip = (mip & ~(1ull << MIP_STIP)) | (uint64_t)due << MIP_STIP;
    }
    return mip;
}

bool hart_take_interrupt(Hart *h)
{
    static const uint8_t order[] = {MIP_MEIP, MIP_MSIP, MIP_MTIP, MIP_SEIP, MIP_SSIP, MIP_STIP};
    uint64_t pending = hart_mip(h) & h->st.mie; /* hart_mip() also notes timer_due */
    bool m_on = h->st.priv < PRIV_M || h->st.mstatus & MSTATUS_MIE;
    bool s_on = h->st.priv < PRIV_S || (h->st.priv == PRIV_S && h->st.mstatus & MSTATUS_SIE);
    uint64_t machine = m_on ? pending & ~h->st.mideleg : 0;
    uint64_t due = machine ? machine : s_on ? pending & h->st.mideleg : 0;

    for (unsigned i = 0; due && i < G_N_ELEMENTS(order); i++) {
        if (due >> order[i] & 1) {
            hart_trap(h, CAUSE_INTERRUPT | order[i], 0);
            return true;
        }
    }
    return false;
}

/* ---- stimecmp ---- */

int64_t hart_timer_deadline(const Hart *h)
{
    return has_stimecmp(h) && h->st.stimecmp != UINT64_MAX ? clock_timebase_deadline(h->st.stimecmp) : TIMER_NEVER;
}

/* The timer may be set earlier than needed (a kernel moves its tick ahead all the time; waking the main loop for each
 * move costs more than one fruitless expiry), never later: whoever arms it looks again afterwards for a nearer one.  The
 * hart and the main loop may be here at once, and who is held up before the call must not undo the other's nearer one. */
static void arm(Hart *h)
{
    int64_t wanted;

    while ((wanted = atomic_load(&h->deadline_ns)) < atomic_load(&h->armed_ns)) {
        atomic_store(&h->armed_ns, wanted);
        timer_set_earlier(h->timer, wanted);
    }
}

void hart_arm_timer(Hart *h)
{
    atomic_store(&h->deadline_ns, hart_timer_deadline(h));
    if (h->timer) {
        arm(h);
    }
}

void hart_timer_fired(void *opaque)
{
    Hart *h = opaque;

    atomic_store(&h->armed_ns, TIMER_NEVER);
    if (atomic_load(&h->deadline_ns) <= clock_virtual_ns()) {
        hart_kick(h, EXIT_IRQ);
    } else {
        arm(h);
    }
}
