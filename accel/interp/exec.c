/* accel/interp/exec.c - the interpreter: a handler per line of insn.def, reached by computed goto.
 * Owner: the hart's thread.  The program counter is not kept: it is the page's virtual address plus the operation's
 * offset.  Docs: docs/cpu.md.  Tests: tests/unit/accel/interp-test.c.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "accel/interp/blocks.h"
#include "target/insn-math.h"
#include "util/tsan.h"

#include <sched.h>
#include <string.h>

/* ---- operands ---- */
#define RD x[op->rd]
#define RS1 x[op->rs1]
#define RS2 x[op->rs2]
#define IMM op->imm
#define LEN op->aux
#define PC (base + op->off)
#define FD h->st.f[op->rd]
#define F1 h->st.f[op->rs1]
#define F2 h->st.f[op->rs2]
#define F3 h->st.f[op->imm]
#define S1 fpu_unbox(F1)
#define S2 fpu_unbox(F2)
#define S3 fpu_unbox(F3)
#define FPST (h->fpu.rm = op->aux, &h->fpu)
#define SET_D(v) do { uint64_t v_ = (v); FD = v_; h->fs_dirty = 1; } while (0)
#define SET_S(v) do { uint32_t v_ = (v); FD = fpu_box(v_); h->fs_dirty = 1; } while (0)
#define SET_X(v) do { uint64_t v_ = (uint64_t)(int64_t)(v); RD = v_; h->fs_dirty = 1; } while (0)

/* ---- control ---- */
#define DISPATCH() goto *table[op->id]
/* Without C a target has to be a multiple of four, and it is the jump that traps.  Targets of branches are looked at when
 * they have no link yet; jal with such a target becomes BAD_JUMP. */
#define CHECK(target_)                                                                             \
    do {                                                                                           \
        if (G_UNLIKELY((target_) & h->misaligned_mask)) {                                          \
            h->exc_cause = CAUSE_FETCH_MISALIGNED;                                                 \
            h->exc_tval = (target_);                                                               \
            goto fault;                                                                            \
        }                                                                                          \
    } while (0)
#define JUMP_TO(to_) do { pc = (to_); goto jump; } while (0)
#define TAKE_LINK()                                                                                \
    do {                                                                                           \
        Op *to_ = atomic_load_explicit(&op[1].link, memory_order_acquire);                         \
        if (G_LIKELY(to_ && !atomic_load_explicit(&h->exit, memory_order_relaxed))) {              \
            op = to_;                                                                              \
            DISPATCH();                                                                            \
        }                                                                                          \
        slot = &op[1];                                                                             \
        JUMP_LINK(PC + IMM);                                                                       \
    } while (0)
#define JUMP_LINK(target_) do { pc = (target_); goto jump_link; } while (0)
#define JUMP() TAKE_LINK()
#define JUMP_REGISTER()                                                                            \
    do {                                                                                           \
        uint64_t target_ = (RS1 + IMM) & ~1ull;                                                    \
        CHECK(target_);                                                                            \
        RD = PC + LEN;                                                                             \
        JUMP_TO(target_);                                                                          \
    } while (0)
#define BRANCH(condition)                                                                          \
    do {                                                                                           \
        if (condition) {                                                                           \
            TAKE_LINK();                                                                           \
        }                                                                                          \
        op += 2;                                                                                   \
        DISPATCH();                                                                                \
    } while (0)
#define END_OP()                                                                                   \
    do {                                                                                           \
        Op *to_ = atomic_load_explicit(&op->link, memory_order_acquire);                           \
        if (G_LIKELY(to_)) {                                                                       \
            op = to_;                                                                              \
            DISPATCH();                                                                            \
        }                                                                                          \
        slot = op;                                                                                 \
        JUMP_LINK(PC);                                                                             \
    } while (0)

/* ---- memory ---- */
#define LOAD_TO(type, set)                                                                         \
    do {                                                                                           \
        uint64_t va_ = RS1 + IMM;                                                                  \
        TlbEntry *e_ = tlb_entry(tlb, va_);                                                        \
        if (tlb_hit(e_->r, va_, sizeof(type))) {                                                   \
            type v_;                                                                               \
            memcpy(&v_, (void *)(e_->addend + va_), sizeof(type));                                 \
            set(v_);                                                                               \
        } else {                                                                                   \
            LoadResult l_ = hart_load(h, va_, sizeof(type));                                       \
            if (G_UNLIKELY(!l_.ok)) {                                                              \
                goto fault;                                                                        \
            }                                                                                      \
            set((type)l_.value);                                                                   \
        }                                                                                          \
    } while (0)
#define SET_INT(v) RD = (uint64_t)(int64_t)(v)
#define LOAD(type) LOAD_TO(type, SET_INT)
#define SET_FLOAT(v) FD = (v), h->fs_dirty = 1
#define SET_BOXED(v) FD = fpu_box(v), h->fs_dirty = 1
#define FLOAD(type, box) FLOAD_##box(type)
#define FLOAD_(type) LOAD_TO(type, SET_FLOAT)
#define FLOAD_fpu_box(type) LOAD_TO(type, SET_BOXED)
#define STORE(type, value)                                                                         \
    do {                                                                                           \
        uint64_t va_ = RS1 + IMM;                                                                  \
        type v_ = (type)(value);                                                                   \
        TlbEntry *e_ = tlb_entry(tlb, va_);                                                        \
        if (tlb_hit(e_->w, va_, sizeof(type))) {                                                   \
            memcpy((void *)(e_->addend + va_), &v_, sizeof(type));                                 \
        } else if (G_UNLIKELY(!hart_store(h, va_, sizeof(type), v_))) {                            \
            goto fault;                                                                            \
        }                                                                                          \
    } while (0)
#define AMO(type, as, expr)                                                                        \
    do {                                                                                           \
        uint64_t va_ = RS1;                                                                        \
        TlbEntry *e_ = tlb_entry(tlb, va_);                                                        \
        _Atomic type *p = (_Atomic type *)(e_->addend + va_);                                      \
        type v = (type)RS2;                                                                        \
        if (!tlb_hit(e_->w, va_, sizeof(type)) || va_ & (sizeof(type) - 1)) {                      \
            p = hart_atomic_ptr(h, va_, sizeof(type));                                             \
            if (G_UNLIKELY(!p)) {                                                                  \
                goto fault;                                                                        \
            }                                                                                      \
        }                                                                                          \
        RD = (uint64_t)(as)(expr);                                                                 \
    } while (0)
#define LR(type, as)                                                                               \
    do {                                                                                           \
        uint64_t v_;                                                                               \
        if (G_UNLIKELY(!hart_load_reserved(h, RS1, sizeof(type), &v_))) {                          \
            goto fault;                                                                            \
        }                                                                                          \
        RD = (uint64_t)(as)(type)v_;                                                               \
    } while (0)
#define SC(type, as)                                                                               \
    do {                                                                                           \
        uint64_t failed_;                                                                          \
        if (G_UNLIKELY(!hart_store_conditional(h, RS1, sizeof(type), (type)RS2, &failed_))) {      \
            goto fault;                                                                            \
        }                                                                                          \
        RD = failed_;                                                                              \
    } while (0)

/* ---- system ---- */
#define FENCE_OP()                                                                                 \
    do {                                                                                           \
        if (IMM & 1 << 24 && IMM & 1 << 21) {                                                      \
            atomic_thread_fence(memory_order_seq_cst); /* a write before, a read after */          \
        } else {                                                                                   \
            atomic_thread_fence(memory_order_acq_rel);                                             \
        }                                                                                          \
    } while (0)
#define YIELD() do { if (hart_total > 1) { sched_yield(); } } while (0) /* who holds the lock may need our CPU */
#define EXCEPTION(cause, tval) do { h->st.pc = PC; hart_trap(h, cause, tval); goto enter; } while (0)
#define ECALL_OP() EXCEPTION(CAUSE_ECALL_U + h->st.priv, 0)
#define EBREAK_OP() EXCEPTION(CAUSE_BREAKPOINT, PC)
/* Nothing to invalidate: stores to decoded pages have dropped them, we only have to notice.  Stores of this hart are
 * seen by its own fetches in any case. */
#define FENCE_I_OP() do { hart_sync(h); JUMP_TO(PC + 4); } while (0)
#define CSR_OP(kind, operand)                                                                      \
    do {                                                                                           \
        uint64_t old_;                                                                             \
        h->st.pc = PC;                                                                             \
        if (G_UNLIKELY(!csr_modify(h, (unsigned)IMM >> 20, kind, operand, &old_))) {               \
            goto illegal;                                                                          \
        }                                                                                          \
        RD = old_;                                                                                 \
        h->st.pc += 4;                                                                             \
        goto enter;                                                                                \
    } while (0)
#define CSR_READ_OP()                                                                              \
    do {                                                                                           \
        uint64_t v_;                                                                               \
        if (G_UNLIKELY(!csr_read(h, (unsigned)IMM >> 20, &v_))) {                                  \
            goto illegal;                                                                          \
        }                                                                                          \
        RD = v_;                                                                                   \
    } while (0)
#define SYSTEM_OP(call)                                                                            \
    do {                                                                                           \
        h->st.pc = PC;                                                                             \
        if (G_UNLIKELY(!(call))) {                                                                 \
            goto illegal;                                                                          \
        }                                                                                          \
        goto enter;                                                                                \
    } while (0)
#define WFI_OP()                                                                                   \
    do {                                                                                           \
        if (G_UNLIKELY(!hart_wfi(h))) {                                                            \
            goto illegal;                                                                          \
        }                                                                                          \
        h->st.pc = PC + 4;                                                                         \
        h->st.is_halted = true;                                                                    \
        return;                                                                                    \
    } while (0)
#define SFENCE_OP()                                                                                \
    do {                                                                                           \
        if (G_UNLIKELY(!sfence(h, op, RS1, RS2))) {                                                \
            goto illegal;                                                                          \
        }                                                                                          \
        JUMP_TO(PC + 4);                                                                           \
    } while (0)
#define CBO_OP(id)                                                                                 \
    do {                                                                                           \
        if (G_UNLIKELY(!hart_cbo(h, RS1, OP_##id))) {                                              \
            if (h->exc_cause == CAUSE_ILLEGAL) {                                                   \
                goto illegal;                                                                      \
            }                                                                                      \
            goto fault;                                                                            \
        }                                                                                          \
    } while (0)

static bool sfence(Hart *h, const Op *op, uint64_t va, uint64_t asid)
{
    if (h->st.priv == PRIV_U || (h->st.priv == PRIV_S && h->st.mstatus & MSTATUS_TVM)) {
        return false;
    }
    if (op->rs1) {
        tlb_flush_page(h, va, !op->rs2, (uint16_t)asid);
    } else if (op->rs2) {
        tlb_flush_asid(h, (uint16_t)asid);
    } else {
        tlb_flush_all(h);
    }
    return true;
}

static JumpEntry *jump_entry(Hart *h, uint64_t pc)
{
    return &h->jumps[pc >> 1 & (JUMP_CACHE_SIZE - 1)];
}

/* Where execution goes on at st.pc; handles traps of the fetch.  NULL: leave. */
static Op *find(Hart *h, Op *slot)
{
    bool keep;
    Op *op;

    while (!(op = code_find(h, &keep))) {
        slot = NULL;
        if (atomic_load_explicit(&h->exit, memory_order_relaxed)) {
            return NULL;
        }
    }
    if (keep) {
        *jump_entry(h, h->st.pc) = (JumpEntry){h->st.pc, h->jump_key, op};
        if (slot) {
            atomic_store_explicit(&slot->link, op, memory_order_release);
        }
    }
    return op;
}

/* The optimiser would merge the dispatches of all handlers into one, and with them the host's branch history. */
GUEST_MEMORY __attribute__((optimize("no-gcse", "no-crossjumping", "no-reorder-blocks-and-partition")))
void interp_run(Hart *h)
{
    static const void *const labels[OP_ALL_COUNT] = {
#define INSN(id, ...) [OP_##id] = &&L_##id,
#define PSEUDO(id, ...) [OP_##id] = &&L_##id,
#define PAIR(a, b, ...) [OP_##a##_##b] = &&L_##a##_##b,
#include "target/insn.def"
    };
    uint64_t *const x = h->st.x;
    TlbEntry *tlb = h->dtlb;
    uint64_t base, pc;
    JumpEntry *entry;
    Op *op, *slot = NULL;
    const void *const *table = labels;

    __asm__("" : "+r"(table)); /* keeps the table's address in a register */

enter: /* at st.pc, after something that may have changed the context */
    tlb = h->dtlb;
    pc = h->st.pc;
jump:  /* at pc */
    if (G_UNLIKELY(atomic_load_explicit(&h->exit, memory_order_relaxed))) {
        h->st.pc = pc;
        return;
    }
    entry = jump_entry(h, pc);
    if (G_LIKELY(entry->pc == pc && entry->key == h->jump_key)) {
        base = pc & ~(uint64_t)PAGE_MASK_LOW;
        op = (Op *)entry->op;
        DISPATCH();
    }
    slot = NULL;
miss:
    h->st.pc = pc;
    op = find(h, slot);
    if (!op) {
        return;
    }
    tlb = h->dtlb;
    base = h->st.pc & ~(uint64_t)PAGE_MASK_LOW;
    DISPATCH();

jump_link: /* at pc, which `slot` may remember if it is in the same page */
    CHECK(pc);
    if ((pc ^ base) & ~(uint64_t)PAGE_MASK_LOW || op->off + 4u > PAGE_BYTES ||
        atomic_load_explicit(&h->exit, memory_order_relaxed)) {
        goto jump;
    }
    goto miss;

illegal:
    EXCEPTION(CAUSE_ILLEGAL, (uint32_t)op->imm);
fault:
    EXCEPTION(h->exc_cause, h->exc_tval);

#define INSN(id, name, format, match, mask, ext, flags, ...)                                       \
L_##id:                                                                                            \
    {                                                                                              \
        __VA_ARGS__;                                                                               \
    }                                                                                              \
    op++;                                                                                          \
    DISPATCH();
#define PSEUDO(id, name, ...)                                                                      \
L_##id:                                                                                            \
    {                                                                                              \
        __VA_ARGS__;                                                                               \
    }                                                                                              \
    op++;                                                                                          \
    DISPATCH();
#define PAIR(a, b, first, ...)                                                                     \
L_##a##_##b:                                                                                       \
    {                                                                                              \
        first;                                                                                     \
    }                                                                                              \
    op++;                                                                                          \
    {                                                                                              \
        __VA_ARGS__;                                                                               \
    }                                                                                              \
    op++;                                                                                          \
    DISPATCH();
#include "target/insn.def"
}
