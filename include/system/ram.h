/* include/system/ram.h - guest memory and its dirty and code bits.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A block is one anonymous mapping at a guest physical address.  Blocks are added before the harts start and stay.
 * Dirty log, always on: a bit per 4 KiB page, set (atomically) by who is about to store through a fresh write-TLB entry
 * and by dma_write() after the copy.  Code bit: the page holds decoded instructions; the accelerator sets it, and such a
 * page never gets a write-TLB entry. */
#pragma once

#include <glib.h>
#include <stdatomic.h>

#include "system/types.h"

#define RAM_ID_MAX 127
#define RAM_BLOCKS_MAX 16

typedef struct RamBlock {
    char id[RAM_ID_MAX + 1]; /* "riscv_virt_board.ram": the name in the stream */
    gpa_t gpa;
    uint64_t size;           /* bytes; a multiple of 4096 */
    uint8_t *host;
    bool is_rom;             /* guest stores are ignored (and said with -d guest_errors); host loads still write it */
    bool is_private;         /* a device's: it has no address, and no guest sees it but by that device's commands */
    size_t words;            /* of the bitmaps: 64 pages each */
    _Atomic uint64_t *dirty;
    _Atomic uint64_t *code;
} RamBlock;

/* Maps zeroed memory.  Errors: overlap, size, host out of memory ("cannot allocate ... guest memory"). */
RamBlock *ram_add(const char *id, gpa_t gpa, uint64_t size, GError **errp);
RamBlock *rom_add(const char *id, gpa_t gpa, uint64_t size, GError **errp);
/* Memory of a device that goes with the guest as its memory does, page by page while it runs: what is too large for the
 * pause.  It costs nothing until it is touched.  The device says what it has written. */
RamBlock *ram_add_private(const char *id, uint64_t size, GError **errp);
void ram_private_written(RamBlock *b, uint64_t offset, uint64_t size);
void ram_private_clear(RamBlock *b, uint64_t offset, uint64_t size); /* whole pages: zero, as if untouched */
unsigned ram_count(void);
RamBlock *ram_block(unsigned i);
RamBlock *ram_find(const char *id);
RamBlock *ram_at(gpa_t gpa);                   /* the block that holds gpa, or NULL; lock-free */
void *ram_ptr(gpa_t gpa, uint64_t size);       /* NULL unless wholly inside one block */
uint64_t ram_total(void);
void ram_give_back(void);                      /* at the end, harts parked: contents are lost, and the host has its pages */
void ram_free_all(void);                       /* tests */

static inline void ram_set_dirty(RamBlock *b, uint64_t page)
{
    uint64_t bit = 1ull << (page & 63);

    if (!(atomic_load_explicit(&b->dirty[page >> 6], memory_order_relaxed) & bit)) {
        atomic_fetch_or(&b->dirty[page >> 6], bit);
    }
}

static inline bool ram_has_code(const RamBlock *b, uint64_t page)
{
    return atomic_load_explicit(&b->code[page >> 6], memory_order_relaxed) >> (page & 63) & 1;
}

static inline void ram_set_code(RamBlock *b, uint64_t page)
{
    atomic_fetch_or(&b->code[page >> 6], 1ull << (page & 63));
}

static inline void ram_clear_code(RamBlock *b, uint64_t page)
{
    atomic_fetch_and(&b->code[page >> 6], ~(1ull << (page & 63)));
}

/* Host code has just stored to [gpa, gpa+size) of RAM: sets dirty bits and drops decoded code there. */
void ram_written(gpa_t gpa, uint64_t size);
/* The same for whole pages of a guest that does not run here yet: nothing to log. */
void ram_replaced(RamBlock *b, uint64_t offset, uint64_t pages);
