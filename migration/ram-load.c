/* migration/ram-load.c - placing the pages that arrive.  Owner: the incoming thread; nothing else touches guest memory
 * before the VM runs.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "migration/ram.h"

#include "migration/reader.h"
#include "util/error.h"

#include <string.h>
#include <sys/mman.h>

struct RamLoad {
    RamBlock *last;
    bool has_sizes;
};

RamLoad *ram_load_new(void)
{
    return g_new0(RamLoad, 1);
}

void ram_load_free(RamLoad *l)
{
    g_free(l);
}

static bool load_sizes(RamLoad *l, Reader *r, uint64_t total, GError **errp)
{
    for (uint64_t sum = 0; sum < total;) {
        char id[256];
        uint64_t size;
        RamBlock *b;

        if (!reader_str8(r, id, errp) || !reader_be64(r, &size, errp)) {
            return false;
        }
        b = ram_find(id);
        if (!b) {
            return fail(errp, "migration stream: memory block '%s' does not exist here", id);
        }
        if (b->size != size) {
            return fail(errp, "migration stream: memory block '%s' has %lu bytes there and %lu here (-m)", id,
                        (unsigned long)size, (unsigned long)b->size);
        }
        sum += size;
        if (sum > total) {
            return fail(errp, "migration stream: the memory blocks are larger than the sum that was announced");
        }
    }
    if (total != ram_total()) {
        return fail(errp, "migration stream: the source has %lu bytes of memory, this machine has %lu (-m)",
                    (unsigned long)total, (unsigned long)ram_total());
    }
    l->has_sizes = true;
    return true;
}

static bool find_block(RamLoad *l, Reader *r, unsigned flags, GError **errp)
{
    char id[256];

    if (flags & RAM_CONTINUE) {
        return l->last || fail(errp, "migration stream: a page without the name of its memory block");
    }
    if (!reader_str8(r, id, errp)) {
        return false;
    }
    l->last = ram_find(id);
    return l->last || fail(errp, "migration stream: memory block '%s' does not exist here", id);
}

static bool load_zero(RamBlock *b, uint64_t offset, Reader *r, GError **errp)
{
    static const uint8_t zero[PAGE_BYTES];
    uint8_t fill;

    if (!reader_u8(r, &fill, errp)) {
        return false;
    }
    if (fill) {
        return fail(errp, "migration stream: a page filled with %u is not known", fill);
    }
    if (memcmp(b->host + offset, zero, PAGE_BYTES)) { /* reading a page that was never touched costs nothing */
        memset(b->host + offset, 0, PAGE_BYTES);
    }
    return true;
}

bool ram_load_records(RamLoad *l, Reader *r, GError **errp)
{
    l->last = NULL;
    for (;;) {
        uint64_t head, offset;
        unsigned flags;

        if (!reader_be64(r, &head, errp)) {
            return false;
        }
        offset = head & ~(uint64_t)PAGE_MASK_LOW;
        flags = head & PAGE_MASK_LOW;
        if (flags & RAM_EOS) {
            return true;
        }
        if (flags & RAM_MEM_SIZE) {
            if (!load_sizes(l, r, offset, errp)) {
                return false;
            }
            continue;
        }
        if (!(flags & (RAM_PAGE | RAM_ZERO)) || !l->has_sizes) {
            return fail(errp, "migration stream: unknown memory record 0x%lx", (unsigned long)head);
        }
        if (!find_block(l, r, flags, errp)) {
            return false;
        }
        if (offset >= l->last->size) {
            return fail(errp, "migration stream: page 0x%lx is outside memory block '%s'", (unsigned long)offset,
                        l->last->id);
        }
        if (!(flags & RAM_ZERO ? load_zero(l->last, offset, r, errp)
                               : reader_get(r, l->last->host + offset, PAGE_BYTES, errp))) {
            return false;
        }
    }
}

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

void ram_prefault(void)
{
    for (unsigned i = 0; i < ram_count(); i++) {
        RamBlock *b = ram_block(i);

        if (madvise(b->host, b->size, MADV_POPULATE_WRITE)) { /* a kernel before 5.14: touch each page */
            for (uint64_t at = 0; at < b->size; at += PAGE_BYTES) {
                __atomic_fetch_or((uint8_t *)b->host + at, 0, __ATOMIC_RELAXED);
            }
        }
    }
}
