/* migration/ram-send.c - dirty rounds and their pages.  Owner: the migration thread.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "migration/ram.h"

#include "system/harts.h"
#include "util/bytes.h"
#include "util/error.h"

#include <string.h>

#define BATCH_IOV (CHANNEL_IOV_MAX - 2)
#define HEADER_MAX (8 + 1 + RAM_ID_MAX + 1)

struct RamSend {
    Channel *channel;
    uint64_t *wanted[RAM_BLOCKS_MAX]; /* pages taken and not yet sent */
    unsigned block;                   /* where the walk stands */
    uint64_t word;
    uint64_t left;
    RamBlock *last;                   /* of the last record: the next one may say CONTINUE */
    RamSendStats stats;
    struct iovec iov[CHANNEL_IOV_MAX];
    int iov_count;
    uint8_t headers[BATCH_IOV / 2 * HEADER_MAX];
    size_t header_bytes;
    uint64_t batch_bytes;
};

RamSend *ram_send_new(Channel *c)
{
    RamSend *s = g_new0(RamSend, 1);

    s->channel = c;
    for (unsigned i = 0; i < ram_count(); i++) {
        s->wanted[i] = g_new0(uint64_t, ram_block(i)->words);
    }
    return s;
}

void ram_send_free(RamSend *s)
{
    for (unsigned i = 0; s && i < RAM_BLOCKS_MAX; i++) {
        g_free(s->wanted[i]);
    }
    g_free(s);
}

void ram_send_blocks(StateWriter *w)
{
    state_put_be64(w, ram_total() | RAM_MEM_SIZE);
    for (unsigned i = 0; i < ram_count(); i++) {
        state_put_str8(w, ram_block(i)->id);
        state_put_be64(w, ram_block(i)->size);
    }
    state_put_be64(w, RAM_EOS);
}

/* ---- which pages ---- */
static uint64_t last_word_mask(const RamBlock *b)
{
    unsigned rest = (b->size >> PAGE_BITS) & 63;

    return rest ? (1ull << rest) - 1 : UINT64_MAX;
}

static void rewind_walk(RamSend *s)
{
    s->block = 0;
    s->word = 0;
    s->last = NULL;
    s->stats.rounds++;
    s->stats.last_round_pages = s->left;
}

uint64_t ram_send_take_all(RamSend *s)
{
    s->left = 0;
    for (unsigned i = 0; i < ram_count(); i++) {
        RamBlock *b = ram_block(i);

        for (size_t w = 0; w < b->words; w++) {
            atomic_store_explicit(&b->dirty[w], 0, memory_order_relaxed);
        }
        memset(s->wanted[i], 0xff, b->words * sizeof(uint64_t));
        s->wanted[i][b->words - 1] = last_word_mask(b);
        s->left += b->size >> PAGE_BITS;
    }
    harts_drop_write_tlbs();
    rewind_walk(s);
    return s->left;
}

/* dirty_round(): (1) exchange each word of the dirty bitmap with 0 into the send list; (2) have every running hart drop its
 * write TLB and acknowledge it; (3) only then read and send the pages of the list.
 *
 * A store through an old entry between (1) and (2) hits a page that is in the send list and is read only after the
 * acknowledgement.  A store after the acknowledgement takes the slow path and sets the bit for the next round.  A DMA sets
 * its bit after the copy, so a page read too early is dirty again. */
uint64_t ram_send_take_dirty(RamSend *s)
{
    for (unsigned i = 0; i < ram_count(); i++) {
        RamBlock *b = ram_block(i);

        for (size_t w = 0; w < b->words; w++) {
            if (atomic_load_explicit(&b->dirty[w], memory_order_relaxed)) {
                uint64_t fresh = atomic_exchange(&b->dirty[w], 0) & ~s->wanted[i][w];

                s->wanted[i][w] |= fresh;
                s->left += __builtin_popcountll(fresh);
            }
        }
    }
    harts_drop_write_tlbs();
    rewind_walk(s);
    return s->left;
}

uint64_t ram_dirty_pages(void)
{
    uint64_t pages = 0;

    for (unsigned i = 0; i < ram_count(); i++) {
        RamBlock *b = ram_block(i);

        for (size_t w = 0; w < b->words; w++) {
            pages += __builtin_popcountll(atomic_load_explicit(&b->dirty[w], memory_order_relaxed));
        }
    }
    return pages;
}

/* ---- records ---- */
static bool is_zero_page(const uint8_t *page)
{
    const uint64_t *p = (const uint64_t *)page;

    if (p[0] | p[1] | p[255] | p[511]) {
        return false;
    }
    for (unsigned i = 0; i < PAGE_BYTES / 8; i += 16) {
        uint64_t any = 0;

        for (unsigned k = 0; k < 16; k++) {
            any |= p[i + k];
        }
        if (any) {
            return false;
        }
    }
    return true;
}

static bool flush(RamSend *s, int64_t deadline_ns, GError **errp)
{
    bool done = !s->iov_count || channel_writev(s->channel, s->iov, s->iov_count, deadline_ns, errp);

    s->stats.bytes += done ? s->batch_bytes : 0;
    s->iov_count = 0;
    s->header_bytes = 0;
    s->batch_bytes = 0;
    return done;
}

static void put(RamSend *s, const void *data, size_t size)
{
    s->iov[s->iov_count++] = (struct iovec){(void *)data, size};
    s->batch_bytes += size;
}

/* A record's head, in the batch's own memory; heads that follow each other (zero pages) share an iovec. */
static void put_header(RamSend *s, RamBlock *b, uint64_t offset, unsigned flags)
{
    uint8_t *at = s->headers + s->header_bytes;
    size_t size = 8;
    struct iovec *before = s->iov_count ? &s->iov[s->iov_count - 1] : NULL;

    store_be64(at, offset | flags | (b == s->last ? RAM_CONTINUE : 0));
    if (b != s->last) {
        size_t length = strlen(b->id);

        at[8] = length;
        memcpy(at + 9, b->id, length);
        size += 1 + length;
        s->last = b;
    }
    if (flags & RAM_ZERO) {
        at[size++] = 0;
    }
    s->header_bytes += size;
    if (before && (uint8_t *)before->iov_base + before->iov_len == at) {
        before->iov_len += size;
        s->batch_bytes += size;
    } else {
        put(s, at, size);
    }
}

static void put_page(RamSend *s, RamBlock *b, uint64_t page)
{
    const uint8_t *host = b->host + (page << PAGE_BITS);

    if (is_zero_page(host)) {
        put_header(s, b, page << PAGE_BITS, RAM_ZERO);
        s->stats.zero_pages++;
    } else {
        put_header(s, b, page << PAGE_BITS, RAM_PAGE);
        put(s, host, PAGE_BYTES);
        s->stats.pages++;
    }
}

static bool is_full(const RamSend *s)
{
    return s->iov_count + 2 > BATCH_IOV || s->header_bytes + HEADER_MAX > sizeof(s->headers);
}

/* The next page of the walk; false: none is left. */
static bool next_page(RamSend *s, RamBlock **ret_block, uint64_t *ret_page)
{
    for (; s->block < ram_count(); s->block++, s->word = 0) {
        RamBlock *b = ram_block(s->block);
        uint64_t *wanted = s->wanted[s->block];

        for (; s->word < b->words; s->word++) {
            if (wanted[s->word]) {
                unsigned bit = __builtin_ctzll(wanted[s->word]);

                wanted[s->word] &= wanted[s->word] - 1;
                *ret_block = b;
                *ret_page = s->word * 64 + bit;
                return true;
            }
        }
    }
    return false;
}

bool ram_send_some(RamSend *s, uint64_t max_pages, int64_t deadline_ns, uint64_t *ret_left, GError **errp)
{
    static const uint8_t end[8] = {0, 0, 0, 0, 0, 0, 0, RAM_EOS};
    RamBlock *b;
    uint64_t page;

    s->last = NULL; /* a section starts by naming its block */
    while (max_pages && next_page(s, &b, &page)) {
        put_page(s, b, page);
        s->left--;
        max_pages--;
        if (is_full(s) && !flush(s, deadline_ns, errp)) {
            return false;
        }
    }
    put(s, end, sizeof(end));
    *ret_left = s->left;
    return flush(s, deadline_ns, errp);
}

void ram_send_stats(const RamSend *s, RamSendStats *ret)
{
    *ret = s->stats;
}
