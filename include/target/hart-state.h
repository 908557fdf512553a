/* include/target/hart-state.h - a hart, for target/ and accel/ only.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Owner: the hart's thread; others while the hart is paused.  Exceptions, all atomics: exit, lines, where, the
 * wanted/acked pairs.  `st` is what the guest can see and what travels (some fields are brought up to date in
 * `saving`); all else is rebuilt.  Docs: docs/cpu.md. */
#pragma once

#include <stdatomic.h>

#include "object/object.h"
#include "system/clock.h"
#include "system/ram.h"
#include "system/types.h"
#include "target/csr.h"
#include "target/fpu.h"
#include "target/hart.h"
#include "target/insn.h"

/* ---- software TLB: a table per translation context, tags separate for reads and writes ---- */
#define TLB_BITS 10
#define TLB_SIZE (1u << TLB_BITS)
#define ITLB_SIZE 256u
#define TLB_NONE 1ull /* a tag no page-aligned address equals */
#define TLB_TABLES 16u

typedef struct TlbEntry {
    uint64_t r, w;     /* virtual page address, or TLB_NONE */
    uintptr_t addend;  /* host address = addend + virtual address */
    uint64_t gpa;      /* of the page */
} TlbEntry;

typedef struct ItlbEntry {
    uint64_t x, gpa;
} ItlbEntry;

typedef struct Tlb {
    TlbEntry d[TLB_SIZE];
    ItlbEntry i[ITLB_SIZE];
    uint64_t satp;
    uint8_t mode;        /* TLB_MODE_*: privilege, SUM, MXR */
    bool is_used, is_stale, writes_stale, lost_x;
    uint64_t id;         /* never used twice: the jump cache's entries of an emptied table match nothing */
    uint64_t stamp;      /* of the last use */
    uint64_t large_mask, large_page; /* covers all pages that are slices of large ones; mask 0: none */
} Tlb;
enum { TLB_MODE_PRIV = 3, TLB_MODE_SUM = 4, TLB_MODE_MXR = 8, TLB_MODES = 16 };

/* Where a hart's virtual pc leads; made by the accelerator. */
#define JUMP_CACHE_SIZE 4096u
typedef struct JumpEntry {
    uint64_t pc;
    uint64_t key;
    const void *op;
} JumpEntry;

typedef struct PmpRange {
    uint64_t low, high; /* inclusive */
    uint8_t cfg;
} PmpRange;

enum { /* bits of Hart.exit: leave guest code at the next backward branch, jump or page */
    EXIT_IRQ = 1,   /* interrupts have to be looked at */
    EXIT_PAUSE = 2, /* park */
    EXIT_SYNC = 4,  /* somebody wants write tags or decoded code dropped */
    EXIT_QUIT = 8,  /* the thread ends */
};
enum { /* Hart.where, for those who need an acknowledgement */
    WHERE_OUT,    /* holds nothing; looks at the wanted counters before it runs */
    WHERE_GUEST,
    WHERE_DEVICE, /* uses no TLB entry, but holds decoded code */
};

typedef struct Hart {
    Object obj;
    unsigned id;
    bool ext[EXT_COUNT];     /* properties */
    uint32_t extensions;     /* the same as bits */
    uint16_t cbom_bytes, cboz_bytes;
    uint8_t misaligned_mask; /* bits that no jump target may have: 2 without C */

    /* ---- hot: what every few instructions touch ---- */
    _Atomic uint32_t exit;
    uint8_t fs_dirty;        /* folded into st.mstatus when that is read */
    FpuStatus fpu;           /* flags are fflags; rm is scratch */
    TlbEntry *dtlb;          /* of the current data context */
    uint64_t jump_key;       /* of the current fetch context and mode */
    JumpEntry *jumps;
    uint64_t exc_cause, exc_tval; /* what a failed access says */

    struct {
        uint64_t pc;
        uint64_t mstatus, misa, medeleg, mideleg, mie, mip; /* mip: bits that software wrote */
        uint64_t mtvec, mscratch, mepc, mcause, mtval, mcounteren, mcountinhibit, menvcfg;
        uint64_t stvec, sscratch, sepc, scause, stval, scounteren, senvcfg, satp, stimecmp;
        uint64_t mcycle, minstret; /* value while inhibited, else offset to the clock */
        uint64_t pmpaddr[PMP_COUNT];
        uint8_t pmpcfg[PMP_COUNT];
        uint64_t reserved_gpa, reserved_value; /* of LR */
        uint64_t f[32];
        uint32_t lines;      /* mip bits that devices hold up; copied from `lines` below */
        uint8_t reserved_bytes; /* 0: no reservation */
        uint8_t priv, fflags, frm;
        bool is_halted;      /* in WFI */
        uint64_t x[32];      /* last: x_sink follows */
    } st;
    uint64_t x_sink;         /* x[32]: where writes to x0 go */

    _Atomic uint32_t lines;
    bool timer_due;          /* when last looked: time >= stimecmp */
    Timer *timer;            /* kicks a running hart at stimecmp */
    _Atomic int64_t deadline_ns, armed_ns; /* of stimecmp; when the timer fires: never later, maybe earlier */

    /* ---- TLBs ---- */
    Tlb *tables;
    Tlb *data_table, *fetch_table;
    Tlb *by_mode[TLB_MODES]; /* of the current satp; NULL: search */
    uint64_t last_table_id;
    uint64_t stamp;
    PmpRange pmp[PMP_COUNT];
    unsigned pmp_count;      /* active ranges; 0 and no rule means S and U see nothing */
    RamBlock *last_ram;

    /* ---- acknowledgements ---- */
    _Atomic uint32_t where;
    _Atomic uint32_t writes_wanted, writes_acked; /* drop write tags */
    _Atomic uint32_t code_acked;                  /* last code generation seen */
    bool is_parked;

    /* ---- accelerator ---- */
    void *accel;
    GThread *thread;
    _Atomic int thread_id;
    _Atomic uint32_t is_waiting; /* sleeps on `exit` */
} Hart;

extern Hart *harts[HARTS_MAX];
extern unsigned hart_total;

/* What an accelerator fills in, before harts_create(). */
typedef struct HartAccel {
    const char *name;
    bool (*start)(GError **errp); /* harts[] exist: registers HartsOps, makes threads */
    void (*kick)(Hart *h);        /* exit is set: have it noticed */
    uint32_t (*code_generation)(void);
} HartAccel;
const HartAccel *harts_accel(void);
void harts_delete_all(void);                  /* tests: after the accelerator's threads ended */

/* ---- hart.c ---- */
static inline void hart_kick(Hart *h, uint32_t why)
{
    atomic_fetch_or(&h->exit, why);
    if (harts_accel()) {
        harts_accel()->kick(h);
    }
}
void hart_reset(Hart *h);

/* ---- trap.c ---- */
/* Takes an exception or interrupt: st.pc is the instruction's; afterwards it is the handler's. */
void hart_trap(Hart *h, uint64_t cause, uint64_t tval);
bool hart_mret(Hart *h);                  /* false: illegal instruction */
bool hart_sret(Hart *h);
bool hart_wfi(Hart *h);                   /* may it wait here? */
uint64_t hart_mip(Hart *h);               /* as the guest reads it */
bool hart_take_interrupt(Hart *h);        /* the one that is due, if any */
static inline bool hart_has_interrupt(Hart *h) /* pending and enabled, if not globally: ends WFI */
{
    return hart_mip(h) & h->st.mie;
}
/* The set of interrupts or their masks has changed: look again before the next instruction that matters. */
static inline void hart_recheck(Hart *h)
{
    atomic_fetch_or_explicit(&h->exit, EXIT_IRQ, memory_order_relaxed);
}
/* The same, if one of the interrupts that are known to be pending is enabled.  A line says so itself when it rises, and
 * stimecmp's timer when it expires (timer_due then remembers it for the day it is unmasked). */
static inline void hart_recheck_pending(Hart *h)
{
    uint64_t known = atomic_load_explicit(&h->lines, memory_order_relaxed) | h->st.mip | (uint64_t)h->timer_due << MIP_STIP;

    if (known & h->st.mie) {
        hart_recheck(h);
    }
}
/* Virtual time at which stimecmp is reached; TIMER_NEVER: not used. */
int64_t hart_timer_deadline(const Hart *h);
void hart_arm_timer(Hart *h);             /* after stimecmp, STCE or the clock has changed */
void hart_timer_fired(void *hart);         /* the timer's callback */
uint64_t hart_mstatus(Hart *h);           /* with FS and SD up to date */

/* ---- mmu.c ---- */
typedef enum Access { ACCESS_LOAD, ACCESS_STORE, ACCESS_FETCH } Access;
typedef struct Mapping {
    gpa_t gpa;          /* of the byte asked for */
    uint64_t page_size; /* of the leaf */
    bool r, w, x;       /* usable in this context without another walk */
} Mapping;
/* Translates in the context `mode` (TLB_MODE_*), sets A and D; false: exc_cause and exc_tval are set. */
bool mmu_translate(Hart *h, gva_t va, Access access, unsigned mode, Mapping *ret);

/* ---- pmp.c ---- */
void pmp_update(Hart *h);
/* Permissions (PMP_R, ...) of [gpa, gpa+size); *ret_whole_page: they hold for the whole 4 KiB page. */
unsigned pmp_check(const Hart *h, gpa_t gpa, unsigned size, unsigned priv, bool *ret_whole_page);

/* ---- tlb.c ---- */
void tlb_init(Hart *h);
void tlb_free(Hart *h);
void tlb_update_context(Hart *h);         /* privilege, MPRV, SUM, MXR or the FP mode has changed */
void tlb_new_space(Hart *h);              /* satp has changed */
void tlb_flush_all(Hart *h);
void tlb_flush_asid(Hart *h, uint16_t asid);
void tlb_flush_page(Hart *h, gva_t va, bool any_asid, uint16_t asid);
void tlb_drop_writes(Hart *h);
void tlb_forget_jumps(Hart *h);           /* decoded code has gone */
/* Where `size` bytes of code at pc are, never across a page; *ret_whole_page: so is all of the page.  false: exc_*. */
bool tlb_fetch(Hart *h, gva_t pc, unsigned size, gpa_t *ret, bool *ret_whole_page);
void hart_sync(Hart *h);                  /* at a safe point: does what is wanted, acknowledges */
void harts_drop_writes_of(uint32_t harts_mask); /* waits; called by a hart or any other thread, no vm_lock */
/* Who may hold a write tag of a page: a bit per hart. */
void tlb_trackers_update(void);             /* the set of RAM blocks may have changed; no hart runs */
uint32_t tlb_take_writers(const RamBlock *b, uint64_t page); /* and forgets them */
void hart_set_where(Hart *h, uint32_t where); /* leaving WHERE_GUEST counts as an acknowledgement */
unsigned tlb_data_mode(const Hart *h);
extern __thread Hart *hart_self;          /* the hart whose thread this is */

/* ---- memory.c: accesses that miss the TLB ---- */
typedef struct LoadResult {
    uint64_t value;
    bool ok;
} LoadResult;
LoadResult hart_load(Hart *h, gva_t va, unsigned size);
bool hart_store(Hart *h, gva_t va, unsigned size, uint64_t value);
/* Host address for an atomic read-modify-write, NULL: exc_*. */
void *hart_atomic_ptr(Hart *h, gva_t va, unsigned size);
bool hart_load_reserved(Hart *h, gva_t va, unsigned size, uint64_t *ret);
bool hart_store_conditional(Hart *h, gva_t va, unsigned size, uint64_t value, uint64_t *ret_failed);
bool hart_cbo(Hart *h, gva_t va, unsigned id); /* id: OP_CBO_*; false: exc_*, CAUSE_ILLEGAL if not allowed here */

static inline TlbEntry *tlb_entry(TlbEntry *table, gva_t va)
{
    return &table[va >> PAGE_BITS & (TLB_SIZE - 1)];
}
/* True if the tag covers all of [va, va + size): one compare for page, permission and page crossing. */
static inline bool tlb_hit(uint64_t tag, gva_t va, unsigned size)
{
    return G_LIKELY(tag == ((va + size - 1) & ~(uint64_t)PAGE_MASK_LOW));
}
