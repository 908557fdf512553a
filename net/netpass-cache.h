/* net/netpass-cache.h - frames that somebody owns and nobody may lose, bounded per netdev and in all.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Guarded by: vm_lock. */
#pragma once

#include "queue.h"

#define NETPASS_FRAMES_MAX (1u << 20) /* per cache */

typedef struct NetpassTotal { /* of all caches of one handoff */
    uint64_t bytes, bytes_max;
} NetpassTotal;

typedef struct NetpassCache {
    NetQueue queue;
    NetpassTotal *total;
    uint64_t bytes_max, last_seq;
} NetpassCache;

void netpass_cache_init(NetpassCache *c, NetpassTotal *total, uint64_t bytes_max);
bool netpass_cache_has_room(const NetpassCache *c, uint32_t size);
/* NULL: at a bound, nothing was kept.  seq 0: the next one. */
NetEntry *netpass_cache_push(NetpassCache *c, const NetFrame *f, uint64_t seq, int64_t time_ns);
/* The same, whatever the bounds say, for what is within ours already: who has it is about to let go of it. */
NetEntry *netpass_cache_take(NetpassCache *c, const NetEntry *e);
NetEntry *netpass_cache_head(const NetpassCache *c);
void netpass_cache_pop(NetpassCache *c);
void netpass_cache_clear(NetpassCache *c);
