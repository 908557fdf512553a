/* target/riscv/mmu.c - page table walks, Sv39 and Sv48 (Privileged 1.13, 12.3 to 12.5), with hardware update of A and D
 * (Svadu) when menvcfg.ADUE is set, page faults instead of it (Svade) when it is not.
 * Docs: docs/cpu.md.  Tests: tests/unit/target/mmu-test.c.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "system/harts.h"
#include "target/hart-state.h"
#include "util/tsan.h"

enum {
    PTE_V = 1 << 0, PTE_R = 1 << 1, PTE_W = 1 << 2, PTE_X = 1 << 3, PTE_U = 1 << 4,
    PTE_A = 1 << 6, PTE_D = 1 << 7,
};
#define PTE_RESERVED (~0ull << 54) /* Svnapot, Svpbmt: not here */
#define PTE_PPN(pte) ((pte) >> 10 & SATP_PPN_MASK)
#define LEVEL_BITS 9u

typedef struct Leaf {
    uint64_t pte;
    unsigned level;
} Leaf;

static bool fault(Hart *h, gva_t va, Access access, bool is_page)
{
    static const uint8_t page[] = {CAUSE_LOAD_PAGE, CAUSE_STORE_PAGE, CAUSE_FETCH_PAGE};
    static const uint8_t physical[] = {CAUSE_LOAD_ACCESS, CAUSE_STORE_ACCESS, CAUSE_FETCH_ACCESS};

    h->exc_cause = is_page ? page[access] : physical[access];
    h->exc_tval = va;
    return false;
}

static RamBlock *ram_of(Hart *h, gpa_t gpa)
{
    if (!h->last_ram || gpa - h->last_ram->gpa >= h->last_ram->size) {
        RamBlock *b = ram_at(gpa);

        if (!b) {
            return NULL;
        }
        h->last_ram = b;
    }
    return h->last_ram;
}

static bool may_use(const Hart *h, uint64_t pte, Access access, unsigned mode)
{
    unsigned priv = mode & TLB_MODE_PRIV;

    if (pte & PTE_U ? priv == PRIV_S && (access == ACCESS_FETCH || !(mode & TLB_MODE_SUM)) : priv == PRIV_U) {
        return false;
    }
    switch (access) {
    case ACCESS_LOAD:  return pte & PTE_R || (mode & TLB_MODE_MXR && pte & PTE_X);
    case ACCESS_STORE: return pte & PTE_W;
    default:           return pte & PTE_X;
    }
}

GUEST_MEMORY static uint64_t load_pte(const uint8_t *p)
{
    return atomic_load_explicit((const _Atomic uint64_t *)p, memory_order_acquire);
}

GUEST_MEMORY static bool exchange_pte(uint8_t *p, uint64_t old, uint64_t new)
{
    return atomic_compare_exchange_strong((_Atomic uint64_t *)p, &old, new);
}

/* Sets A (and D) by compare-exchange, as an atomic store of the hart: the dirty bit first, then the entry.
 * false: the entry has changed meanwhile, walk again. */
static bool set_accessed(RamBlock *b, gpa_t gpa, uint64_t old, uint64_t bits)
{
    bool done;

    ram_set_dirty(b, (gpa - b->gpa) >> PAGE_BITS);
    done = exchange_pte(b->host + (gpa - b->gpa), old, old | bits);
    if (ram_has_code(b, (gpa - b->gpa) >> PAGE_BITS)) {
        harts_code_written(gpa, 8);
    }
    return done;
}

/* One walk.  1: found; 0: fault; -1: changed under us, again. */
static int walk(Hart *h, gva_t va, Access access, unsigned mode, unsigned levels, Leaf *ret)
{
    uint64_t table = (h->st.satp & SATP_PPN_MASK) << PAGE_BITS;
    bool whole, can_update = h->st.menvcfg & ENVCFG_ADUE;

    for (unsigned level = levels; level-- > 0;) {
        gpa_t gpa = table + (va >> (PAGE_BITS + LEVEL_BITS * level) & 511) * 8;
        unsigned allowed = pmp_check(h, gpa, 8, PRIV_S, &whole);
        RamBlock *b = ram_of(h, gpa);
        uint64_t pte, wanted = access == ACCESS_STORE ? PTE_A | PTE_D : PTE_A;

        if (!b || !(allowed & PMP_R)) {
            return fault(h, va, access, false);
        }
        pte = load_pte(b->host + (gpa - b->gpa));
        if (!(pte & PTE_V) || (pte & (PTE_R | PTE_W)) == PTE_W || pte & PTE_RESERVED) {
            return fault(h, va, access, true);
        }
        if (!(pte & (PTE_R | PTE_X))) {
            if (pte & (PTE_U | PTE_A | PTE_D)) {
                return fault(h, va, access, true);
            }
            table = PTE_PPN(pte) << PAGE_BITS;
            continue;
        }
        if (!may_use(h, pte, access, mode) || PTE_PPN(pte) & ((1ull << LEVEL_BITS * level) - 1)) {
            return fault(h, va, access, true);
        }
        if (wanted & ~pte) {
            if (!can_update) {
                return fault(h, va, access, true);
            }
            if (!(allowed & PMP_W) || b->is_rom) {
                return fault(h, va, access, false);
            }
            if (!set_accessed(b, gpa, pte, wanted)) {
                return -1;
            }
            pte |= wanted;
        }
        *ret = (Leaf){pte, level};
        return 1;
    }
    return fault(h, va, access, true); /* a pointer at the last level */
}

static bool is_canonical(gva_t va, unsigned levels)
{
    unsigned unused = 64 - (PAGE_BITS + LEVEL_BITS * levels);

    return (uint64_t)((int64_t)(va << unused) >> unused) == va;
}

bool mmu_translate(Hart *h, gva_t va, Access access, unsigned mode, Mapping *ret)
{
    unsigned satp_mode = (unsigned)(h->st.satp >> SATP_MODE_SHIFT);
    unsigned levels = satp_mode == SATP_SV48 ? 4 : 3;
    uint64_t size;
    Leaf leaf;
    int found;

    if (satp_mode == SATP_BARE || (mode & TLB_MODE_PRIV) == PRIV_M) {
        *ret = (Mapping){.gpa = va, .page_size = PAGE_BYTES, .r = true, .w = true, .x = true};
        return true;
    }
    if (!is_canonical(va, levels)) {
        return fault(h, va, access, true);
    }
    do {
        found = walk(h, va, access, mode, levels, &leaf);
    } while (found < 0);
    if (!found) {
        return false;
    }
    size = (uint64_t)PAGE_BYTES << LEVEL_BITS * leaf.level;
    *ret = (Mapping){
        .gpa = PTE_PPN(leaf.pte) << PAGE_BITS | (va & (size - 1)),
        .page_size = size,
        .r = may_use(h, leaf.pte, ACCESS_LOAD, mode),
        .w = may_use(h, leaf.pte, ACCESS_STORE, mode) && leaf.pte & PTE_D,
        .x = may_use(h, leaf.pte, ACCESS_FETCH, mode),
    };
    return true;
}
