/* migration/ram-load.c - pages from the channel straight into guest memory.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Owner: incoming thread; nobody else touches guest memory before the guest runs here.  Every offset and count comes
 * from outside and is checked before it is used. */
#include "migration/ram.h"

#include "migration/wire.h"
#include "system/ram.h"
#include "util/bytes.h"
#include "util/error.h"

#include <string.h>

enum { RUN_BYTES = 12 };

typedef struct Runs {
    uint8_t bytes[2 * RAM_RUNS_MAX * RUN_BYTES];
    struct iovec iov[RAM_RUNS_MAX];
} Runs;

RamLoad *ram_load_new(StreamIn *in)
{
    RamLoad *l = g_new0(RamLoad, 1);

    l->in = in;
    l->runs = g_new(Runs, 1);
    return l;
}

void ram_load_free(RamLoad *l)
{
    if (l) {
        g_free(l->runs);
        g_free(l);
    }
}

static bool bad(RamLoad *l, GError **errp, const char *what)
{
    return fail(errp, "%s: guest memory: %s", channel_name(l->in->channel), what);
}

/* Batches name a block by its place in this list: ours may be in another order. */
static bool note_block(RamLoad *l, RamBlock *b, GError **errp)
{
    for (unsigned i = 0; i < l->block_count; i++) {
        if (l->blocks[i] == b) {
            return bad(l, errp, "a block comes twice");
        }
    }
    l->blocks[l->block_count++] = b;
    return true;
}

static bool load_sizes(RamLoad *l, uint64_t total, GError **errp)
{
    uint64_t sum = 0;

    if (l->has_blocks) {
        return bad(l, errp, "the list of blocks comes twice");
    }
    l->block_count = 0;
    while (sum < total) {
        char id[256];
        uint64_t size;
        RamBlock *b;

        if (!stream_get_str8(l->in, id, errp) || !stream_get_be64(l->in, &size, errp)) {
            return false;
        }
        b = ram_find(id);
        if (!b || b->size != size) {
            return fail(errp, "guest memory '%s' has %lu KiB at the source and %lu KiB here", id,
                        (unsigned long)(size >> 10), (unsigned long)(b ? b->size >> 10 : 0));
        }
        if (!note_block(l, b, errp)) {
            return false;
        }
        sum += size;
    }
    l->has_blocks = sum == ram_total();
    return (sum == total && l->has_blocks) || bad(l, errp, "the blocks are not the same on both sides");
}

/* A fresh page is zero already and is not written: reading does not cost memory. */
static void clear_pages(RamBlock *b, uint64_t offset, uint64_t pages)
{
    for (uint64_t i = 0; i < pages; i++) {
        uint8_t *page = b->host + offset + (i << PAGE_BITS);

        if (!ram_page_is_zero(page)) {
            memset(page, 0, PAGE_BYTES);
            ram_replaced(b, offset + (i << PAGE_BITS), 1);
        }
    }
}

static bool get_run(const RamBlock *b, const uint8_t *p, uint64_t *ret_offset, uint32_t *ret_pages)
{
    *ret_offset = load_be64(p);
    *ret_pages = load_be32(p + 8);
    return !(*ret_offset & PAGE_MASK_LOW) && *ret_offset < b->size && *ret_pages &&
           *ret_pages <= (b->size - *ret_offset) >> PAGE_BITS;
}

static bool load_batch(RamLoad *l, GError **errp)
{
    Runs *runs = l->runs;
    uint8_t head[8];
    unsigned data, zero, pages = 0;
    uint64_t all_pages = 0;
    RamBlock *b;

    if (!stream_get(l->in, head, sizeof(head), errp)) {
        return false;
    }
    b = load_be16(head) < l->block_count ? l->blocks[load_be16(head)] : NULL;
    data = load_be16(head + 2);
    zero = load_be16(head + 4);
    if (!b || data > RAM_RUNS_MAX || zero > RAM_RUNS_MAX) {
        return bad(l, errp, "a batch is out of bounds");
    }
    if (!stream_get(l->in, runs->bytes, (data + zero) * RUN_BYTES, errp)) {
        return false;
    }
    for (unsigned i = 0; i < data + zero; i++) {
        uint64_t offset;
        uint32_t count;

        if (!get_run(b, runs->bytes + i * RUN_BYTES, &offset, &count)) {
            return bad(l, errp, "a run of pages is out of bounds");
        }
        all_pages += count;
        if (all_pages > RAM_BATCH_ALL_PAGES) {
            return bad(l, errp, "a batch has too many pages");
        }
        if (i < data) {
            runs->iov[i] = (struct iovec){b->host + offset, (size_t)count << PAGE_BITS};
            pages += count;
        } else {
            clear_pages(b, offset, count);
            l->zero += count;
        }
    }
    l->normal += pages;
    if (pages > RAM_BATCH_PAGES) {
        return bad(l, errp, "a batch has too many pages");
    }
    if (!stream_readv(l->in, runs->iov, data, errp)) {
        return false;
    }
    for (unsigned i = 0; i < data; i++) {
        ram_replaced(b, load_be64(runs->bytes + i * RUN_BYTES), load_be32(runs->bytes + i * RUN_BYTES + 8));
    }
    return true;
}

static bool load_page(RamLoad *l, uint64_t word, GError **errp)
{
    uint64_t offset = word & ~(uint64_t)RAM_FLAGS;
    RamBlock *b;
    uint8_t fill;
    char id[256];

    if (!(word & RAM_CONTINUE)) {
        if (!stream_get_str8(l->in, id, errp)) {
            return false;
        }
        l->last = ram_find(id);
    }
    b = l->last;
    if (!b || offset >= b->size) {
        return bad(l, errp, "a page is out of bounds");
    }
    if (word & RAM_PAGE) {
        l->normal++;
        if (!stream_get(l->in, b->host + offset, PAGE_BYTES, errp)) {
            return false;
        }
        ram_replaced(b, offset, 1);
        return true;
    }
    if (!stream_get_u8(l->in, &fill, errp)) {
        return false;
    }
    if (fill) {
        return bad(l, errp, "a zero page is not zero");
    }
    clear_pages(b, offset, 1);
    l->zero++;
    return true;
}

bool ram_load_section(RamLoad *l, GError **errp)
{
    for (;;) {
        uint64_t word;
        unsigned flags;
        bool ok;

        if (!stream_get_be64(l->in, &word, errp)) {
            return false;
        }
        flags = word & RAM_FLAGS & ~RAM_CONTINUE;
        if (flags == RAM_EOS) {
            return true;
        }
        if (flags == RAM_MEM_SIZE) {
            ok = load_sizes(l, word & ~(uint64_t)RAM_FLAGS, errp);
        } else if (!l->has_blocks) {
            ok = bad(l, errp, "pages come before the list of blocks");
        } else if (flags == RAM_BATCH) {
            ok = load_batch(l, errp);
        } else if (flags == RAM_PAGE || flags == RAM_ZERO) {
            ok = load_page(l, word, errp);
        } else {
            ok = fail(errp, "%s: guest memory: unknown record 0x%x", channel_name(l->in->channel), flags);
        }
        if (!ok) {
            return false;
        }
    }
}
