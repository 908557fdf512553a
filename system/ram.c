/* system/ram.c - guest memory and its dirty and code bits.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "system/ram.h"

#include "system/dma.h"
#include "system/harts.h"
#include "util/bytes.h"
#include "util/error.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>

#define HUGE_BYTES (2u << 20)
#define RAM_SIZE_MAX (1ull << 40)

static RamBlock *blocks[RAM_BLOCKS_MAX]; /* fixed once the harts run */
static unsigned block_count;

/* Mapped on a huge-page boundary, so that the host can back it with huge pages. */
static void *map_aligned(uint64_t size)
{
    uint8_t *raw = mmap(NULL, size + HUGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    uint8_t *start;

    if (raw == MAP_FAILED) {
        return NULL;
    }
    start = (uint8_t *)(((uintptr_t)raw + HUGE_BYTES - 1) & ~(uintptr_t)(HUGE_BYTES - 1));
    if (start != raw) {
        munmap(raw, start - raw);
    }
    munmap(start + size, raw + HUGE_BYTES - start);
    madvise(start, size, MADV_HUGEPAGE);
    madvise(start, size, MADV_DONTFORK);
    return start;
}

static bool check_place(const char *id, gpa_t gpa, uint64_t size, bool is_private, GError **errp)
{
    if (!size || (size & PAGE_MASK_LOW) || (gpa & PAGE_MASK_LOW) || size > RAM_SIZE_MAX || gpa + size < gpa) {
        return fail(errp, "memory '%s': size and address must be multiples of 4096, the size at most 1 TiB", id);
    }
    if (block_count == RAM_BLOCKS_MAX || strlen(id) > RAM_ID_MAX || ram_find(id)) {
        return fail(errp, "memory '%s': too many blocks, or the name is taken or too long", id);
    }
    for (unsigned i = 0; i < block_count; i++) {
        if (!is_private && !blocks[i]->is_private && gpa < blocks[i]->gpa + blocks[i]->size &&
            blocks[i]->gpa < gpa + size) {
            return fail(errp, "memory '%s' overlaps '%s'", id, blocks[i]->id);
        }
    }
    return true;
}

typedef enum BlockKind { BLOCK_RAM, BLOCK_ROM, BLOCK_PRIVATE } BlockKind;

static RamBlock *add(const char *id, gpa_t gpa, uint64_t size, BlockKind kind, GError **errp)
{
    RamBlock *b;
    void *host;

    if (!check_place(id, gpa, size, kind == BLOCK_PRIVATE, errp)) {
        return NULL;
    }
    host = map_aligned(size);
    if (!host) {
        fail_errno(errp, errno, "memory '%s': cannot allocate %lu MiB of guest memory", id, (unsigned long)(size >> 20));
        return NULL;
    }
    b = g_new0(RamBlock, 1);
    g_strlcpy(b->id, id, sizeof(b->id));
    b->gpa = gpa;
    b->size = size;
    b->host = host;
    b->is_rom = kind == BLOCK_ROM;
    b->is_private = kind == BLOCK_PRIVATE;
    b->words = ((size >> PAGE_BITS) + 63) / 64;
    b->dirty = g_malloc0(b->words * sizeof(uint64_t));
    b->code = g_malloc0(b->words * sizeof(uint64_t));
    blocks[block_count++] = b;
    return b;
}

RamBlock *ram_add(const char *id, gpa_t gpa, uint64_t size, GError **errp)
{
    return add(id, gpa, size, BLOCK_RAM, errp);
}

RamBlock *rom_add(const char *id, gpa_t gpa, uint64_t size, GError **errp)
{
    return add(id, gpa, size, BLOCK_ROM, errp);
}

RamBlock *ram_add_private(const char *id, uint64_t size, GError **errp)
{
    return add(id, 0, size, BLOCK_PRIVATE, errp);
}

unsigned ram_count(void)
{
    return block_count;
}

RamBlock *ram_block(unsigned i)
{
    return i < block_count ? blocks[i] : NULL;
}

RamBlock *ram_find(const char *id)
{
    for (unsigned i = 0; i < block_count; i++) {
        if (!strcmp(blocks[i]->id, id)) {
            return blocks[i];
        }
    }
    return NULL;
}

RamBlock *ram_at(gpa_t gpa)
{
    for (unsigned i = 0; i < block_count; i++) {
        if (gpa - blocks[i]->gpa < blocks[i]->size && !blocks[i]->is_private) {
            return blocks[i];
        }
    }
    return NULL;
}

void *ram_ptr(gpa_t gpa, uint64_t size)
{
    RamBlock *b = ram_at(gpa);

    return b && size <= b->size - (gpa - b->gpa) ? b->host + (gpa - b->gpa) : NULL;
}

uint64_t ram_total(void)
{
    uint64_t total = 0;

    for (unsigned i = 0; i < block_count; i++) {
        total += blocks[i]->size;
    }
    return total;
}

void ram_free_all(void)
{
    for (unsigned i = 0; i < block_count; i++) {
        munmap(blocks[i]->host, blocks[i]->size);
        g_free(blocks[i]->dirty);
        g_free(blocks[i]->code);
        g_free(blocks[i]);
    }
    block_count = 0;
}

void ram_written(gpa_t gpa, uint64_t size)
{
    RamBlock *b = ram_at(gpa);
    uint64_t first, last;
    bool has_code = false;

    if (!b || !size) {
        return;
    }
    first = (gpa - b->gpa) >> PAGE_BITS;
    last = (MIN(gpa - b->gpa + size, b->size) - 1) >> PAGE_BITS;
    for (uint64_t page = first; page <= last; page++) {
        ram_set_dirty(b, page);
        has_code |= ram_has_code(b, page);
    }
    if (has_code) {
        harts_code_written(gpa, size);
    }
}

void ram_replaced(RamBlock *b, uint64_t offset, uint64_t pages)
{
    uint64_t first = offset >> PAGE_BITS;

    atomic_thread_fence(memory_order_seq_cst); /* who decodes sets the bit, then reads: one of us sees the other */
    for (uint64_t page = first; page < first + pages; page++) {
        if (ram_has_code(b, page)) {
            harts_code_written(b->gpa + (page << PAGE_BITS), PAGE_BYTES);
        }
    }
}

static void set_dirty_range(RamBlock *b, uint64_t offset, uint64_t size)
{
    for (uint64_t page = offset >> PAGE_BITS; size && page <= (offset + size - 1) >> PAGE_BITS; page++) {
        ram_set_dirty(b, page);
    }
}

void ram_private_written(RamBlock *b, uint64_t offset, uint64_t size)
{
    g_assert(b->is_private && offset <= b->size && size <= b->size - offset);
    set_dirty_range(b, offset, size);
}

void ram_private_clear(RamBlock *b, uint64_t offset, uint64_t size)
{
    g_assert(b->is_private && offset <= b->size && size <= b->size - offset);
    g_assert(!((offset | size) & PAGE_MASK_LOW));
    if (size && madvise(b->host + offset, size, MADV_DONTNEED) < 0) { /* locked in memory */
        memset(b->host + offset, 0, size);
    }
    set_dirty_range(b, offset, size);
}

/* Huge pages whole: a part of one would be split off first.  A thread that wakes waits for one of them, not for a time slice. */
void ram_give_back(void)
{
    for (unsigned i = 0; i < ram_count(); i++) {
        RamBlock *b = ram_block(i);

        for (uint64_t at = 0; at < b->size; at += HUGE_BYTES) {
            madvise(b->host + at, MIN(HUGE_BYTES, b->size - at), MADV_DONTNEED);
            sched_yield();
        }
    }
}

/* ---- how devices reach it (system/dma.h) ---- */
bool dma_read(gpa_t from, void *to, uint64_t size)
{
    const void *p = size ? ram_ptr(from, size) : to;

    if (!p) {
        return false;
    }
    memmove(to, p, size);
    return true;
}

bool dma_write(gpa_t to, const void *from, uint64_t size)
{
    RamBlock *b = ram_at(to);
    void *p = size ? ram_ptr(to, size) : NULL;

    if (!size) {
        return true;
    }
    if (!p || b->is_rom) {
        return false;
    }
    memmove(p, from, size);
    ram_written(to, size);
    return true;
}

bool dma_read_le16(gpa_t from, uint16_t *ret)
{
    const uint16_t *p = ram_ptr(from, sizeof(*ret));

    if (!p) {
        return false;
    }
    *ret = (from & 1) ? load_le16(p) : le16toh(__atomic_load_n(p, __ATOMIC_ACQUIRE));
    return true;
}

bool dma_write_le16(gpa_t to, uint16_t v)
{
    uint16_t *p = ram_ptr(to, sizeof(v));

    if (!p || ram_at(to)->is_rom) {
        return false;
    }
    if (to & 1) {
        store_le16(p, v);
    } else {
        __atomic_store_n(p, htole16(v), __ATOMIC_RELEASE);
    }
    ram_written(to, sizeof(v));
    return true;
}

bool dma_write_le32(gpa_t to, uint32_t v)
{
    uint32_t *p = ram_ptr(to, sizeof(v));

    if (!p || ram_at(to)->is_rom) {
        return false;
    }
    if (to & 3) {
        store_le32(p, v);
    } else {
        __atomic_store_n(p, htole32(v), __ATOMIC_RELEASE);
    }
    ram_written(to, sizeof(v));
    return true;
}

bool dma_map(gpa_t gpa, uint64_t size, struct iovec *ret)
{
    void *p = ram_ptr(gpa, size);

    if (!p) {
        return false;
    }
    *ret = (struct iovec){p, size};
    return true;
}
