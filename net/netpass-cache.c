/* net/netpass-cache.c - frames that somebody owns, bounded.  Guarded by: vm_lock.
 * Page: docs/netpass.md.  Test: tests/unit/net/netpass-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "netpass-cache.h"

void netpass_cache_init(NetpassCache *c, NetpassTotal *total, uint64_t bytes_max)
{
    *c = (NetpassCache){.total = total, .bytes_max = bytes_max};
}

bool netpass_cache_has_room(const NetpassCache *c, uint32_t size)
{
    size_t cost = net_queue_cost(size);

    if (!c->queue.frames) {
        return true; /* one frame is always allowed, however long it is */
    }
    return c->queue.bytes + cost <= c->bytes_max && c->queue.frames < NETPASS_FRAMES_MAX &&
           c->total->bytes + cost <= c->total->bytes_max;
}

static NetEntry *push(NetpassCache *c, const NetFrame *f, uint64_t seq, int64_t time_ns)
{
    NetEntry *e = net_queue_push(&c->queue, f);

    e->seq = seq;
    e->time_ns = time_ns;
    c->last_seq = seq;
    c->total->bytes += net_queue_cost(f->size);
    return e;
}

NetEntry *netpass_cache_push(NetpassCache *c, const NetFrame *f, uint64_t seq, int64_t time_ns)
{
    if (!netpass_cache_has_room(c, f->size)) {
        return NULL;
    }
    return push(c, f, seq ? seq : c->last_seq + 1, time_ns);
}

NetEntry *netpass_cache_take(NetpassCache *c, const NetEntry *e)
{
    return push(c, &e->frame, e->seq, e->time_ns);
}

NetEntry *netpass_cache_head(const NetpassCache *c)
{
    return net_queue_head(&c->queue);
}

void netpass_cache_pop(NetpassCache *c)
{
    c->total->bytes -= net_queue_cost(netpass_cache_head(c)->frame.size);
    net_queue_pop(&c->queue);
}

void netpass_cache_clear(NetpassCache *c)
{
    if (c->total) {
        c->total->bytes -= c->queue.bytes;
    }
    net_queue_clear(&c->queue);
}
