/* target/riscv/pmp.c - physical memory protection, 16 entries, grain 4 bytes (Privileged 1.13, 3.7).
 * Looked at when a TLB entry is filled and for each step of a page walk.
 * Docs: docs/cpu.md.  Tests: tests/unit/target/mmu-test.c.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "target/hart-state.h"

#define GPA_BITS 56

/* false: an empty range */
static bool range_of(const Hart *h, unsigned i, uint64_t *ret_low, uint64_t *ret_high)
{
    uint64_t addr = h->st.pmpaddr[i];
    unsigned ones;

    switch ((h->st.pmpcfg[i] & PMP_A) >> PMP_A_SHIFT) {
    case PMP_TOR:
        *ret_low = i ? h->st.pmpaddr[i - 1] << 2 : 0;
        *ret_high = (addr << 2) - 1;
        return addr << 2 > *ret_low;
    case PMP_NA4:
        *ret_low = addr << 2;
        *ret_high = *ret_low + 3;
        return true;
    default: /* NAPOT */
        ones = addr == UINT64_MAX ? 64 : (unsigned)__builtin_ctzll(~addr);
        if (ones >= GPA_BITS - 3) {
            *ret_low = 0;
            *ret_high = UINT64_MAX;
            return true;
        }
        *ret_low = (addr & ~((1ull << (ones + 1)) - 1)) << 2;
        *ret_high = *ret_low + (8ull << ones) - 1;
        return true;
    }
}

void pmp_update(Hart *h)
{
    h->pmp_count = 0;
    for (unsigned i = 0; i < PMP_COUNT; i++) {
        PmpRange r = {.cfg = h->st.pmpcfg[i]};

        if (r.cfg & PMP_A && range_of(h, i, &r.low, &r.high)) {
            h->pmp[h->pmp_count++] = r;
        }
    }
}

unsigned pmp_check(const Hart *h, gpa_t gpa, unsigned size, unsigned priv, bool *ret_whole_page)
{
    uint64_t last = gpa + size - 1, page = gpa & ~(uint64_t)PAGE_MASK_LOW, page_last = page | PAGE_MASK_LOW;
    bool whole = true;

    *ret_whole_page = true;
    if (!(h->extensions & EXT_BIT(EXT_PMP))) {
        return PMP_R | PMP_W | PMP_X;
    }
    for (unsigned i = 0; i < h->pmp_count; i++) {
        const PmpRange *r = &h->pmp[i];

        if (r->high < page || r->low > page_last) {
            continue;
        }
        whole = whole && r->low <= page && page_last <= r->high;
        if (r->high < gpa || r->low > last) {
            continue;
        }
        *ret_whole_page = whole;
        if (r->low > gpa || last > r->high) {
            return 0; /* only a part of the access matches */
        }
        return priv == PRIV_M && !(r->cfg & PMP_L) ? PMP_R | PMP_W | PMP_X : r->cfg & (PMP_R | PMP_W | PMP_X);
    }
    *ret_whole_page = whole;
    return priv == PRIV_M ? PMP_R | PMP_W | PMP_X : 0;
}
