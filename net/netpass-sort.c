/* net/netpass-sort.c - the destination: of a frame that came on both ports, which one goes in, and where.
 * Guarded by: vm_lock.  Page: docs/netpass.md.  Test: tests/unit/net/netpass-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "netpass.h"

#include "util/loop.h"

#include <string.h>

/* Our own copy of the frame is on the way: the network shows it to both ports, and no later one has overtaken it.  Where the
 * check came, the marker of the end will come, too, behind all of them. */
static bool is_awaited(const NetpassPort *np, const NetEntry *e, int64_t now)
{
    int64_t patience = np->turned_ns ? NETPASS_TWIN_WIDE_NS : NETPASS_TWIN_NS;

    return !np->is_past && e->time_ns > now - patience && e->seq > np->met_seq &&
           netpass_pairs_expected(np->pairs, &e->frame, e->time_ns);
}

/* It has left our caches, though not for the guest. */
static void leave_out(NetpassPort *np, const NetEntry *e)
{
    np->duplicate++;
    np->unacked += net_queue_cost(e->frame.size);
}

/* One entry of `shared`, which is about to be taken out of it: so there is room for it elsewhere. */
static void sort_one(NetpassPort *np, const NetEntry *e, NetpassCache *waiting, int64_t now)
{
    NetpassCache *to = &np->cache;
    NetEntry *own = NULL;

    if (netpass_pairs_meet(np->pairs, &e->frame, e->time_ns, &own)) {
        if (own) {
            own->tag = NETPASS_FILTERED;
        }
        np->met_seq = MAX(np->met_seq, e->seq);
        leave_out(np, e);
        return;
    }
    if (waiting && is_awaited(np, e, now)) {
        to = waiting;
    } else if (!netpass_pairs_source(np->pairs, &e->frame, e->time_ns)) {
        leave_out(np, e);
        return;
    } else if (np->is_open && (e->frame.data[0] & 1)) {
        np->is_ordered = false; /* younger ones of ours went in before it */
    }
    netpass_cache_take(to, e);
}

/* Frames of the source from behind the first marker, in order: ours was delivered; ours is on the way; there is none. */
static void sort_shared(NetpassPort *np, bool all)
{
    int64_t now = time_monotonic_ns();
    NetpassCache waiting;
    NetEntry *e;

    netpass_cache_init(&waiting, np->shared.total, np->shared.bytes_max);
    for (; (e = netpass_cache_head(&np->shared)); netpass_cache_pop(&np->shared)) {
        sort_one(np, e, all ? NULL : &waiting, now);
    }
    netpass_cache_clear(&np->shared); /* empty, but for the memory it keeps for the next frame */
    np->shared = waiting;
    if (waiting.queue.frames && !loop_timer_pending(np->pass->twins)) {
        loop_timer_set(np->pass->twins, now + NETPASS_TWIN_NS);
    }
}

/* Both ports get every frame, in one order: the source's stand up to its END, and from there on ours. */
static void take_shared(NetpassPort *np)
{
    NetEntry *e;

    for (; (e = netpass_cache_head(&np->shared)); netpass_cache_pop(&np->shared)) {
        if (np->is_synced && np->end_came && np->is_open) {
            leave_out(np, e); /* ours is here, or on the way */
        } else {
            sort_one(np, e, NULL, 0);
        }
    }
    netpass_cache_clear(&np->shared);
}

void netpass_sort_source(NetpassPort *np, bool all)
{
    if (netpass_pairs_is_mirror(np->pairs)) {
        take_shared(np);
    } else {
        sort_shared(np, all);
    }
}

/* Until the last frame that came for the guest alone the network had not turned there: these keep their places. */
static void keep_places(NetpassPort *np)
{
    NetPort *nic = net_chain_nic(np->chain);
    uint64_t last_seq = 0;
    NetCursor at = {0};
    NetEntry *e;

    while ((e = net_queue_next(&np->shared.queue, &at))) {
        last_seq = memcmp(e->frame.data, nic->mac, 6) ? last_seq : e->seq;
    }
    while ((e = netpass_cache_head(&np->shared)) && e->seq <= last_seq) {
        sort_one(np, e, NULL, 0);
        netpass_cache_pop(&np->shared);
    }
}

/* The number of the first of ours behind the turn: the check stands there, or a frame for the guest alone; 0: not known. */
static uint64_t first_behind(const NetpassPort *np)
{
    NetPort *nic = net_chain_nic(np->chain);
    NetCursor at = {0};
    NetEntry *e;

    while ((e = net_queue_next(&np->own.queue, &at))) {
        if (!memcmp(e->frame.data, nic->mac, 6)) {
            return np->turned_ns ? MIN(e->seq, np->turned_seq + 1) : e->seq;
        }
    }
    return np->turned_ns ? np->turned_seq + 1 : 0;
}

/* Whatever both ports get, and we had before the turn, was with the source when it said END, or with the guest before the
 * freeze: so says the network's order, however late anybody reads, and whatever the network drops on either port. */
static void leave_to_source(NetpassPort *np)
{
    uint64_t first = np->end_came || np->pass->has_peer ? first_behind(np) : 0;
    NetCursor at = {0};
    NetEntry *e;

    while ((e = net_queue_next(&np->own.queue, &at)) && e->seq < first) {
        if ((e->frame.data[0] & 1) && !e->tag) {
            e->tag = NETPASS_LEFT_OUT;
            np->flooded++;
            netpass_pairs_passed(np->pairs, &e->frame, e->time_ns);
        }
    }
}

/* Twins are told apart now, when both ports have been read.  A frame that reached the source before the first marker keeps
 * its place among the source's; one behind it was sent after the network had turned, and our own copy stands where it was
 * sent, unless the network has not turned at all because it is a mirror. */
void netpass_sort_twins(NetpassPort *np)
{
    NetCursor at = {0};
    NetEntry *e;

    if (netpass_pairs_is_mirror(np->pairs)) {
        take_shared(np);
    } else {
        leave_to_source(np);
        keep_places(np);
    }
    while ((e = net_queue_next(&np->own.queue, &at))) {
        if (!e->tag) {
            netpass_pairs_hold(np->pairs, e);
        }
    }
    np->duplicate += netpass_pairs_settle(np->pairs, NETPASS_LEFT_OUT);
    netpass_sort_source(np, false);
    netpass_pairs_let_go(np->pairs);
}
