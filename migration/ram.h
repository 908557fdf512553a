/* migration/ram.h - guest memory on the wire: dirty rounds at the sender, placing at the receiver.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Records as QEMU's "ram" section, version 4 (docs/migration-stream.md): be64 offset|flags, the block's name unless
 * CONTINUE, the page. */
#pragma once

#include "io/channel.h"
#include "system/ram.h"
#include "vmstate/vmstate.h"

enum {
    RAM_ZERO = 0x02, RAM_MEM_SIZE = 0x04, RAM_PAGE = 0x08, RAM_EOS = 0x10, RAM_CONTINUE = 0x20,
};

/* ---- sending ----  Owner: the migration thread. */
typedef struct RamSend RamSend;
typedef struct RamSendStats {
    uint64_t pages, zero_pages, bytes, rounds, last_round_pages;
} RamSendStats;

RamSend *ram_send_new(Channel *c);
void ram_send_free(RamSend *s);
void ram_send_blocks(StateWriter *w);              /* payload of the START section: sizes, names, EOS */
/* Takes the dirty bits: all pages (first round) or what was stored to since.  Returns the pages to send.  No vm_lock. */
uint64_t ram_send_take_all(RamSend *s);
uint64_t ram_send_take_dirty(RamSend *s);          /* see dirty_round() */
uint64_t ram_dirty_pages(void);                    /* set now and not yet taken */
/* Sends what was taken, as records of one section, up to `max_pages`; *ret_left: pages that still wait. */
bool ram_send_some(RamSend *s, uint64_t max_pages, int64_t deadline_ns, uint64_t *ret_left, GError **errp);
void ram_send_stats(const RamSend *s, RamSendStats *ret);

/* ---- receiving ----  Owner: the incoming thread. */
typedef struct RamLoad RamLoad;
/* The bytes come through `fill`, a buffered reader: see migration/reader.h. */
struct Reader;
RamLoad *ram_load_new(void);
void ram_load_free(RamLoad *l);
bool ram_load_records(RamLoad *l, struct Reader *r, GError **errp); /* up to and with EOS */
void ram_prefault(void);                           /* touches all blocks; may take a while; any thread, no lock */
