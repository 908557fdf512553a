/* migration/ram.h - guest memory over a stream.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "migration/stream.h"
#include "system/ram.h"

/* ---- sending; owner: migration thread ---- */
typedef struct RamSend {
    StreamOut *out;
    bool is_plain;              /* QEMU's records, page by page: files and pipes */
    uint64_t *list[RAM_BLOCKS_MAX]; /* per block: pages to send */
    uint64_t pending;           /* pages in the lists */
    uint64_t normal, zero;      /* pages so far */
    unsigned rounds;
    char last_block[128];       /* plain: for CONTINUE */
    /* Between two pieces: statistics, the bandwidth limit.  false: stop (errp set). */
    bool (*between)(struct RamSend *s, GError **errp);
    void *scratch;
} RamSend;

RamSend *ram_send_new(StreamOut *out, bool is_plain);
void ram_send_free(RamSend *s);
bool ram_send_start(RamSend *s, GError **errp);           /* section START: the blocks */
void ram_list_all(RamSend *s);
void ram_dirty_round(RamSend *s, bool harts_run);         /* takes the dirty bits into the list */
uint64_t ram_dirty_pages(void);                           /* pages that are dirty now, bits left alone */
bool ram_send_list(RamSend *s, unsigned section, GError **errp); /* SECTION_PART or SECTION_END */

bool ram_page_is_zero(const void *page);

/* ---- loading; owner: incoming thread ---- */
typedef struct RamLoad {
    StreamIn *in;
    bool has_blocks;
    RamBlock *blocks[RAM_BLOCKS_MAX]; /* in the order of the source's list */
    unsigned block_count;
    RamBlock *last; /* of the last plain record */
    uint64_t normal, zero;
    void *runs;
} RamLoad;
RamLoad *ram_load_new(StreamIn *in);
void ram_load_free(RamLoad *l);
bool ram_load_section(RamLoad *l, GError **errp); /* records up to EOS */
