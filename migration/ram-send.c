/* migration/ram-send.c - dirty rounds, and pages straight from guest memory to the channel.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "migration/ram.h"

#include "migration/wire.h"
#include "system/harts.h"
#include "system/ram.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/tsan.h"

#include <string.h>

#define PIECE_BYTES (8u << 20) /* between two looks at statistics and limits */

typedef struct Run {
    uint64_t page;
    uint32_t pages;
} Run;

typedef struct Batch {
    unsigned block;
    Run data[RAM_RUNS_MAX], zero[RAM_RUNS_MAX];
    unsigned data_runs, zero_runs, data_pages, all_pages;
    struct iovec iov[2 * RAM_RUNS_MAX];
    uint8_t headers[RAM_RUNS_MAX][8 + 1 + RAM_ID_MAX]; /* plain records */
} Batch;

typedef uint64_t Wide __attribute__((vector_size(32), aligned(8), may_alias));

GUEST_MEMORY bool ram_page_is_zero(const void *page)
{
    const Wide *w = page;
    const uint64_t *first = page;

    if (first[0] | first[PAGE_BYTES / 16] | first[PAGE_BYTES / 8 - 1]) {
        return false;
    }
    for (unsigned i = 0; i < PAGE_BYTES / sizeof(Wide); i += 8) {
        Wide or = w[i] | w[i + 1] | w[i + 2] | w[i + 3] | w[i + 4] | w[i + 5] | w[i + 6] | w[i + 7];

        if (or[0] | or[1] | or[2] | or[3]) {
            return false;
        }
    }
    return true;
}

static bool send_pages(RamSend *s, struct iovec *iov, unsigned n, GError **errp)
{
    bool done;

    tsan_guest_begin();
    done = stream_writev(s->out, iov, n, errp);
    tsan_guest_end();
    return done;
}

RamSend *ram_send_new(StreamOut *out, bool is_plain)
{
    RamSend *s = g_new0(RamSend, 1);

    s->out = out;
    s->is_plain = is_plain;
    s->scratch = g_new0(Batch, 1);
    for (unsigned i = 0; i < ram_count(); i++) {
        s->list[i] = g_new0(uint64_t, ram_block(i)->words);
    }
    return s;
}

void ram_send_free(RamSend *s)
{
    if (!s) {
        return;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(s->list); i++) {
        g_free(s->list[i]);
    }
    g_free(s->scratch);
    g_free(s);
}

/* ---- what to send ---- */
static void count_pending(RamSend *s)
{
    s->pending = 0;
    for (unsigned i = 0; i < ram_count(); i++) {
        for (size_t w = 0; w < ram_block(i)->words; w++) {
            s->pending += __builtin_popcountll(s->list[i][w]);
        }
    }
}

void ram_list_all(RamSend *s)
{
    for (unsigned i = 0; i < ram_count(); i++) {
        uint64_t pages = ram_block(i)->size >> PAGE_BITS;

        memset(s->list[i], 0xff, pages / 64 * 8);
        if (pages & 63) {
            s->list[i][pages / 64] = (1ull << (pages & 63)) - 1;
        }
    }
}

/* Why no store is missed.  (1) each bitmap word is exchanged with 0 into the send list; (2) every running hart drops its
 * write TLB and says so, a halted one does it before it runs again; (3) only then pages of the list are read.  A store
 * through an old TLB entry between (1) and (2) hits a page of the list, which is read only after the acknowledgement.
 * A store after the acknowledgement takes the slow path and sets the bit for the next round.  A DMA sets its bit after the
 * copy, so a page that was read too early is dirty again.
 * Old entries exist only for pages whose bit was set when they were made, and that bit has been taken by then. */
void ram_dirty_round(RamSend *s, bool harts_run)
{
    for (unsigned i = 0; i < ram_count(); i++) {
        RamBlock *b = ram_block(i);

        for (size_t w = 0; w < b->words; w++) {
            if (atomic_load_explicit(&b->dirty[w], memory_order_relaxed)) {
                s->list[i][w] |= atomic_exchange(&b->dirty[w], 0);
            }
        }
    }
    harts_drop_write_tlbs(); /* also when they are parked: they may run again here */
    s->rounds++;
    count_pending(s);
}

uint64_t ram_dirty_pages(void)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < ram_count(); i++) {
        RamBlock *b = ram_block(i);

        for (size_t w = 0; w < b->words; w++) {
            n += __builtin_popcountll(atomic_load_explicit(&b->dirty[w], memory_order_relaxed));
        }
    }
    return n;
}

/* ---- batches ---- */
static void add_page(Run *runs, unsigned *n, uint64_t page)
{
    if (*n && runs[*n - 1].page + runs[*n - 1].pages == page) {
        runs[*n - 1].pages++;
    } else {
        runs[(*n)++] = (Run){page, 1};
    }
}

static bool is_full(const Batch *b, bool is_plain)
{
    if (is_plain) {
        return b->all_pages == RAM_RUNS_MAX - 1;
    }
    return b->data_runs == RAM_RUNS_MAX || b->zero_runs == RAM_RUNS_MAX || b->data_pages == RAM_BATCH_PAGES ||
           b->all_pages == RAM_BATCH_ALL_PAGES;
}

/* Fills the batch from the block's list, from word *at on; the taken bits are cleared. */
static void collect(RamSend *s, Batch *batch, size_t *at)
{
    const RamBlock *b = ram_block(batch->block);
    uint64_t *list = s->list[batch->block];

    batch->data_runs = batch->zero_runs = batch->data_pages = batch->all_pages = 0;
    for (; *at < b->words; ++*at) {
        while (list[*at]) {
            uint64_t page = *at * 64 + __builtin_ctzll(list[*at]);

            if (is_full(batch, s->is_plain)) {
                return;
            }
            list[*at] &= list[*at] - 1;
            batch->all_pages++;
            if (ram_page_is_zero(b->host + (page << PAGE_BITS))) {
                add_page(batch->zero, &batch->zero_runs, page);
                s->zero++;
            } else {
                add_page(batch->data, &batch->data_runs, page);
                batch->data_pages++;
                s->normal++;
            }
        }
    }
}

static void put_runs(StateWriter *w, const Run *runs, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        state_put_be64(w, runs[i].page << PAGE_BITS);
        state_put_be32(w, runs[i].pages);
    }
}

static bool send_batch(RamSend *s, Batch *batch, GError **errp)
{
    const RamBlock *b = ram_block(batch->block);
    StateWriter *w = s->out->small;

    state_put_be64(w, RAM_BATCH);
    state_put_be16(w, batch->block);
    state_put_be16(w, batch->data_runs);
    state_put_be16(w, batch->zero_runs);
    state_put_be16(w, 0);
    put_runs(w, batch->data, batch->data_runs);
    put_runs(w, batch->zero, batch->zero_runs);
    for (unsigned i = 0; i < batch->data_runs; i++) {
        batch->iov[i].iov_base = b->host + (batch->data[i].page << PAGE_BITS);
        batch->iov[i].iov_len = (size_t)batch->data[i].pages << PAGE_BITS;
    }
    return send_pages(s, batch->iov, batch->data_runs, errp);
}

/* ---- QEMU's records, for files ---- */
static size_t plain_header(RamSend *s, const RamBlock *b, uint64_t page, unsigned flag, uint8_t *out)
{
    size_t size = strlen(b->id);

    if (!strcmp(s->last_block, b->id)) {
        store_be64(out, page << PAGE_BITS | flag | RAM_CONTINUE);
        return 8;
    }
    g_strlcpy(s->last_block, b->id, sizeof(s->last_block));
    store_be64(out, page << PAGE_BITS | flag);
    out[8] = size;
    memcpy(out + 9, b->id, size);
    return 9 + size;
}

static bool send_plain(RamSend *s, Batch *batch, GError **errp)
{
    const RamBlock *b = ram_block(batch->block);
    uint8_t header[8 + 1 + RAM_ID_MAX];
    unsigned n = 0, used = 0;

    for (unsigned i = 0; i < batch->zero_runs; i++) {
        for (uint32_t p = 0; p < batch->zero[i].pages; p++) {
            state_put(s->out->small, header, plain_header(s, b, batch->zero[i].page + p, RAM_ZERO, header));
            state_put_u8(s->out->small, 0);
        }
    }
    for (unsigned i = 0; i < batch->data_runs; i++) {
        for (uint32_t p = 0; p < batch->data[i].pages; p++, used++) {
            uint64_t page = batch->data[i].page + p;
            uint8_t *h = batch->headers[used];

            batch->iov[n++] = (struct iovec){h, plain_header(s, b, page, RAM_PAGE, h)};
            batch->iov[n++] = (struct iovec){b->host + (page << PAGE_BITS), PAGE_BYTES};
        }
    }
    return send_pages(s, batch->iov, n, errp);
}

/* ---- sections ---- */
static void section_begin(RamSend *s, unsigned type)
{
    state_put_u8(s->out->small, type);
    state_put_be32(s->out->small, RAM_SECTION_ID);
    if (type == SECTION_START) {
        state_put_str8(s->out->small, "ram");
        state_put_be32(s->out->small, 0);
        state_put_be32(s->out->small, 4);
    }
}

static bool section_end(RamSend *s, GError **errp)
{
    state_put_be64(s->out->small, RAM_EOS);
    state_put_u8(s->out->small, SECTION_FOOTER);
    state_put_be32(s->out->small, RAM_SECTION_ID);
    return stream_flush(s->out, errp);
}

bool ram_send_start(RamSend *s, GError **errp)
{
    section_begin(s, SECTION_START);
    state_put_be64(s->out->small, ram_total() | RAM_MEM_SIZE);
    for (unsigned i = 0; i < ram_count(); i++) {
        state_put_str8(s->out->small, ram_block(i)->id);
        state_put_be64(s->out->small, ram_block(i)->size);
    }
    return section_end(s, errp);
}

static bool between_pieces(RamSend *s, uint64_t *piece_end, GError **errp)
{
    if (s->out->bytes < *piece_end || !s->between) {
        return true;
    }
    *piece_end = s->out->bytes + PIECE_BYTES;
    return s->between(s, errp);
}

bool ram_send_list(RamSend *s, unsigned section, GError **errp)
{
    Batch *batch = s->scratch;
    uint64_t piece_end = s->out->bytes;

    section_begin(s, section);
    for (batch->block = 0; batch->block < ram_count(); batch->block++) {
        for (size_t at = 0;;) {
            collect(s, batch, &at);
            if (!batch->all_pages) {
                break;
            }
            s->pending -= batch->all_pages;
            if (!(s->is_plain ? send_plain : send_batch)(s, batch, errp) || !between_pieces(s, &piece_end, errp)) {
                return false;
            }
        }
    }
    return section_end(s, errp);
}
