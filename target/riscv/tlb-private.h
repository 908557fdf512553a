/* target/riscv/tlb-private.h - between tlb.c, memory.c and csr.c.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "target/hart-state.h"

static inline ItlbEntry *itlb_entry(Tlb *t, gva_t va)
{
    return &t->i[va >> PAGE_BITS & (ITLB_SIZE - 1)];
}

void tlb_note_large(Tlb *t, gva_t va, uint64_t page_size);
void tlb_note_writer(Hart *h, const RamBlock *b, uint64_t page);
