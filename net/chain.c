/* net/chain.c - the way of a frame between a netdev and its NIC.  Guarded by: vm_lock.
 * Page: docs/net.md.  Test: tests/unit/net/port-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "chain.h"

#include "util/log.h"

#include "filter.h"
#include "offload.h"

static NetPort *lane_receiver(NetChain *c, NetLaneId lane)
{
    return lane == NET_TO_GUEST ? c->netdev->peer : c->netdev;
}

static NetPort *lane_sender(NetChain *c, NetLaneId lane)
{
    return lane == NET_TO_GUEST ? c->netdev : c->netdev->peer;
}

NetPort *net_chain_nic(NetChain *c)
{
    return c->netdev->peer;
}

/* ---- next to the receiver ---- */
static bool flush_segments(NetChain *c, NetLaneId lane)
{
    NetPort *to = lane_receiver(c, lane);
    NetEntry *e;

    while ((e = net_queue_head(&c->lane[lane].segments))) {
        if (to && net_port_link_is_up(to) && to->ops->receive(to, &e->frame) == NET_NO_ROOM) {
            return false;
        }
        net_queue_pop(&c->lane[lane].segments);
    }
    return true;
}

static void push_segment(const NetFrame *f, void *opaque)
{
    net_queue_push(opaque, f);
}

static NetResult deliver_converted(NetChain *c, NetLaneId lane, const NetFrame *f)
{
    if (net_offload_convert(f, push_segment, &c->lane[lane].segments) < 0) {
        c->dropped_malformed++;
        if (lane == NET_TO_HOST) {
            guest_error(c->netdev->peer ? c->netdev->peer->id : c->netdev->id,
                        "frame of %u bytes whose offload header does not fit it", f->size);
        }
        return NET_DONE;
    }
    flush_segments(c, lane);
    return NET_DONE;
}

NetResult net_chain_deliver(NetChain *c, NetLaneId lane, const NetFrame *f)
{
    NetPort *to = lane_receiver(c, lane);

    if (!to || !net_port_link_is_up(to)) {
        c->dropped_link++;
        TRACE(net_drop, "%s: no link", c->netdev->id);
        return NET_DONE;
    }
    if (!flush_segments(c, lane)) {
        return NET_NO_ROOM;
    }
    if (net_offload_needed(f, to->offloads)) {
        return deliver_converted(c, lane, f);
    }
    if (to->ops->receive(to, f) == NET_NO_ROOM) {
        return NET_NO_ROOM;
    }
    c->delivered[lane]++;
    return NET_DONE;
}

static NetResult after_filters(NetChain *c, NetLaneId lane, const NetFrame *f)
{
    if (lane == NET_TO_GUEST) {
        if (c->hook) {
            return c->hook->to_guest(c->hook, f);
        }
        if (!c->world->is_running) {
            return NET_NO_ROOM;
        }
    }
    return net_chain_deliver(c, lane, f);
}

/* ---- the walk ---- */
static NetFilter *next_filter(NetChain *c, NetLaneId lane, const NetFilter *f)
{
    int count = c->filters->len, step = lane == NET_TO_GUEST ? 1 : -1, i = step > 0 ? 0 : count - 1;

    if (f) {
        guint at;

        if (!g_ptr_array_find(c->filters, f, &at)) {
            return NULL;
        }
        i = (int)at + step;
    }
    for (; i >= 0 && i < count; i += step) {
        if (net_filter_sees(c->filters->pdata[i], lane)) {
            return c->filters->pdata[i];
        }
    }
    return NULL;
}

/* From filter `at` on.  *ret_stage: who refused it (NULL: what is behind the filters); *ret_walked: a filter saw it. */
static NetResult walk(NetChain *c, NetLaneId lane, NetFilter *at, const NetFrame *f, NetFilter **ret_stage,
                      bool *ret_walked)
{
    for (; at; at = next_filter(c, lane, at)) {
        NetVerdict v = at->ops->receive(at, lane, f);

        if (v == NET_REFUSED) {
            *ret_stage = at;
            return NET_NO_ROOM;
        }
        at->seen[lane]++;
        *ret_walked = true;
        if (v == NET_TAKEN) {
            return NET_DONE;
        }
    }
    *ret_stage = NULL;
    return after_filters(c, lane, f);
}

/* How far along the lane a filter sits; NULL: behind all. */
static unsigned place(const NetChain *c, NetLaneId lane, const NetFilter *f)
{
    guint at;

    if (!f || !g_ptr_array_find(c->filters, f, &at)) {
        return c->filters->len;
    }
    return lane == NET_TO_GUEST ? at : c->filters->len - 1 - at;
}

/* Something held is where a frame that comes from `from` (NULL: the sender) may not overtake it.  The oldest is first. */
static bool is_blocked(const NetChain *c, NetLaneId lane, const NetFilter *from)
{
    const NetEntry *e = net_queue_head(&c->lane[lane].held);

    return e && (!from || place(c, lane, e->tag) > place(c, lane, from));
}

static void move_all(NetQueue *from, NetQueue *to)
{
    NetEntry *e;

    while ((e = net_queue_head(from))) {
        net_queue_push(to, &e->frame)->tag = e->tag;
        net_queue_pop(from);
    }
    net_queue_clear(from);
}

/* Before what is held: that came later. */
static void keep(NetChain *c, NetLaneId lane, const NetFrame *f, NetFilter *stage)
{
    NetQueue *held = &c->lane[lane].held, later = *held;

    *held = (NetQueue){0};
    net_queue_push(held, f)->tag = stage;
    move_all(&later, held);
}

static NetResult enter(NetChain *c, NetLaneId lane, const NetFilter *from, const NetFrame *f)
{
    NetFilter *stage = NULL;
    bool is_walked = false;

    if (is_blocked(c, lane, from)) {
        return NET_NO_ROOM;
    }
    if (walk(c, lane, next_filter(c, lane, from), f, &stage, &is_walked) == NET_DONE) {
        return NET_DONE;
    }
    if (!is_walked) {
        return NET_NO_ROOM;
    }
    keep(c, lane, f, stage);
    return NET_DONE;
}

static bool is_sane(NetChain *c, const NetFrame *f)
{
    if (f->size < NET_FRAME_MIN || f->size > NET_FRAME_MAX) {
        c->dropped_malformed++;
        TRACE(net_drop, "%s: frame of %u bytes", c->netdev->id, f->size);
        return false;
    }
    return true;
}

/* A frame that comes again after NO_ROOM is not asked about twice. */
static NetVerdict ask_hook(NetChain *c, NetLaneId lane, const NetFrame *f)
{
    NetHook *h = c->hook;

    if (lane == NET_TO_HOST) {
        return h && h->to_host ? h->to_host(h, f) : NET_PASS;
    }
    return h && h->arrives && !c->lane[lane].has_arrived ? h->arrives(h, f) : NET_PASS;
}

/* Before a guest comes to us nothing is for it: were it kept, a switch would still be busy with old copies at the start. */
static bool is_early(const NetChain *c)
{
    const NetWorld *w = c->world;

    return !c->hook && !w->is_running && w->is_expecting && w->is_expecting();
}

NetResult net_port_send(NetPort *p, const NetFrame *f)
{
    NetChain *c = net_chain_of(p);
    NetLaneId lane = p->is_nic ? NET_TO_HOST : NET_TO_GUEST;
    NetVerdict verdict;
    NetResult result;

    if (!c || !is_sane(c, f)) {
        return NET_DONE;
    }
    if (!c->netdev->peer || !net_port_link_is_up(p)) {
        c->dropped_link++;
        return NET_DONE;
    }
    if (lane == NET_TO_GUEST && is_early(c)) {
        c->dropped_early++;
        if (c->world->early) {
            c->world->early(c, f);
        }
        return NET_DONE;
    }
    verdict = ask_hook(c, lane, f);
    if (verdict != NET_PASS) {
        c->lane[lane].sender_waits |= verdict == NET_REFUSED;
        return verdict == NET_REFUSED ? NET_NO_ROOM : NET_DONE;
    }
    result = enter(c, lane, NULL, f);
    c->lane[lane].sender_waits |= result == NET_NO_ROOM;
    c->lane[lane].has_arrived = result == NET_NO_ROOM;
    return result;
}

NetResult net_chain_pass_on(NetChain *c, NetLaneId lane, const NetFilter *f, const NetFrame *frame)
{
    /* What the filter held stays in the filter when there is no room: it was not walked past it yet. */
    return enter(c, lane, f, frame);
}

/* ---- room ---- */
bool net_chain_flush_held(NetChain *c, NetLaneId lane)
{
    NetLane *l = &c->lane[lane];
    NetEntry *e;

    while ((e = net_queue_head(&l->held))) {
        NetFilter *stage = e->tag;
        bool walked = false;

        if (walk(c, lane, stage, &e->frame, &stage, &walked) == NET_NO_ROOM) {
            e->tag = stage;
            return false;
        }
        net_queue_pop(&l->held);
    }
    return true;
}

static void tell_sender(NetChain *c, NetLaneId lane)
{
    NetPort *from = lane_sender(c, lane);

    if (c->lane[lane].sender_waits) {
        c->lane[lane].sender_waits = false;
        if (from && from->ops->peer_room) {
            from->ops->peer_room(from);
        }
    }
}

void net_chain_room(NetChain *c, NetLaneId lane)
{
    if (lane == NET_TO_GUEST && !c->hook && !c->world->is_running) {
        return; /* asked again when the guest goes on */
    }
    if (!flush_segments(c, lane)) {
        return;
    }
    if (lane == NET_TO_GUEST && c->hook && !c->hook->nic_room(c->hook)) {
        return;
    }
    net_chain_flush_held(c, lane);
    /* Nearest to the receiver first, so that what a filter held goes before what comes later. */
    for (unsigned n = c->filters->len; n > 0; n--) {
        NetFilter *f = c->filters->pdata[lane == NET_TO_GUEST ? n - 1 : c->filters->len - n];

        if (is_blocked(c, lane, f)) {
            return;
        }
        if (f->ops->room) {
            f->ops->room(f, lane);
        }
    }
    if (!net_chain_flush_held(c, lane)) { /* what a full filter refused */
        return;
    }
    if (lane == NET_TO_GUEST && c->hook && !c->hook->nic_room(c->hook)) { /* what waits before the filters */
        return;
    }
    tell_sender(c, lane);
}

static void room_to_guest(void *opaque)
{
    net_chain_room(opaque, NET_TO_GUEST);
}

static void room_to_host(void *opaque)
{
    net_chain_room(opaque, NET_TO_HOST);
}

void net_chain_room_soon(NetChain *c, NetLaneId lane)
{
    net_defer(c->lane[lane].room);
}

static bool lane_is_idle(const NetChain *c, NetLaneId lane)
{
    const NetLane *l = &c->lane[lane];

    return !l->sender_waits && !c->hook && !c->filters->len && !net_queue_head(&l->held) &&
           !net_queue_head(&l->segments);
}

void net_port_room(NetPort *p)
{
    NetChain *c = net_chain_of(p);
    NetLaneId lane = p->is_nic ? NET_TO_GUEST : NET_TO_HOST;

    if (c && !lane_is_idle(c, lane)) {
        net_defer_now(c->lane[lane].room);
    }
}

/* ---- hook, filters, life ---- */
void net_chain_set_hook(NetChain *c, NetHook *h)
{
    g_assert(!h || !c->hook);
    c->hook = h;
    c->lane[NET_TO_GUEST].has_arrived = false;
}

void net_chain_flush_filters(NetChain *c)
{
    for (unsigned n = c->filters->len; n > 0; n--) {
        NetFilter *f = c->filters->pdata[n - 1];

        if (f->ops->flush) {
            f->ops->flush(f);
        }
    }
}

bool net_chain_is_sending(NetChain *c)
{
    NetLane *l = &c->lane[NET_TO_HOST];

    return net_queue_head(&l->held) || net_queue_head(&l->segments) ||
           (c->netdev->ops->is_sending && c->netdev->ops->is_sending(c->netdev));
}

bool net_chain_is_busy(NetChain *c)
{
    return net_chain_is_sending(c) || (c->netdev->ops->is_half && c->netdev->ops->is_half(c->netdev));
}

void net_chain_add_filter(NetChain *c, NetFilter *f, unsigned at)
{
    g_ptr_array_insert(c->filters, at, f);
}

/* Oldest first: what is already past the filter, what the filter had, what was still before it. */
static void adopt(NetChain *c, NetLaneId lane, const NetFilter *f, NetQueue *left)
{
    NetQueue past = {0}, before = {0}, *held = &c->lane[lane].held;
    NetFilter *next = next_filter(c, lane, f);
    NetEntry *e;

    while ((e = net_queue_head(held))) {
        bool is_past = place(c, lane, e->tag) > place(c, lane, f);
        NetEntry *copy = net_queue_push(is_past ? &past : &before, &e->frame);

        copy->tag = e->tag == f ? next : e->tag;
        net_queue_pop(held);
    }
    for (NetCursor at = {0}; (e = net_queue_next(left, &at));) {
        e->tag = next;
    }
    move_all(&past, held);
    move_all(left, held);
    move_all(&before, held);
}

void net_chain_remove_filter(NetChain *c, NetFilter *f, NetQueue left[NET_LANES])
{
    for (unsigned lane = 0; lane < NET_LANES; lane++) {
        adopt(c, lane, f, &left[lane]);
    }
    g_ptr_array_remove(c->filters, f);
    net_chain_room_soon(c, NET_TO_GUEST);
    net_chain_room_soon(c, NET_TO_HOST);
}

static NetChain *chain_new(NetPort *netdev)
{
    NetChain *c = g_new0(NetChain, 1);

    c->world = net_world();
    c->netdev = netdev;
    c->filters = g_ptr_array_new();
    c->lane[NET_TO_GUEST].room = net_defer_new(room_to_guest, c);
    c->lane[NET_TO_HOST].room = net_defer_new(room_to_host, c);
    return c;
}

NetChain *net_chain_of(NetPort *p)
{
    NetPort *netdev = p->is_nic ? p->peer : p;

    if (netdev && !netdev->chain) {
        netdev->chain = chain_new(netdev);
    }
    return netdev ? netdev->chain : NULL;
}

void net_chain_free(NetChain *c)
{
    if (!c) {
        return;
    }
    if (c->hook && c->hook->gone) {
        c->hook->gone(c->hook);
    }
    for (unsigned lane = 0; lane < NET_LANES; lane++) {
        net_queue_clear(&c->lane[lane].held);
        net_queue_clear(&c->lane[lane].segments);
        net_defer_free(c->lane[lane].room);
    }
    netpass_pairs_free(c->early);
    g_ptr_array_free(c->filters, true);
    g_free(c);
}
