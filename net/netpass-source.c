/* net/netpass-source.c - the source's half: hold, save, forward until the network has turned.  Guarded by: vm_lock.
 * Page: docs/netpass.md.  Test: tests/unit/net/netpass-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "netpass-source.h"

#include "net/net.h"
#include "net/port.h"
#include "system/vm-lock.h"
#include "util/error.h"
#include "util/log.h"

#include <inttypes.h>
#include <unistd.h>

#define DRAIN_NS (100 * NS_PER_MS)
#define DRAIN_STEP_US 100
#define LEAVE_FRAMES 65536 /* so many a process that ends still reads from a netdev: twice what a host keeps for one */

void netpass_source_each(Netpass *n, void (*fn)(NetpassPort *np))
{
    for (unsigned i = 0; i < n->ports->len; i++) {
        NetpassPort *np = n->ports->pdata[i];

        if (np->chain && !np->is_best_effort) {
            fn(np);
        }
    }
}

/* ---- prepare ---- */
/* `before`: of the handoff that brought the guest here; what it could not take yet goes along, wanted or not. */
static void foreach_used(Netpass *n, const GPtrArray *before, void (*fn)(Netpass *n, NetPort *netdev, void *opaque),
                         void *opaque)
{
    for (unsigned i = 0; i < n->world->ports->len; i++) {
        NetPort *p = n->world->ports->pdata[i];

        if (!p->is_nic && p->peer && (netpass_is_wanted_on(p->chain) || netpass_owes(before, p->chain))) {
            fn(n, p, opaque);
        }
    }
}

static void check_netdev(Netpass *n, NetPort *p, void *opaque)
{
    const NetPort **bad = opaque;

    if (!p->ops->can_capture) {
        *bad = p;
    }
}

static bool source_prepare(HandoffPart *part, GError **errp)
{
    Netpass *n = part->opaque;
    NetPort *bad = NULL;

    foreach_used(n, n->ports, check_netdev, &bad);
    if (!bad || handoff_parameter("netpass-best-effort", 0)) {
        return true;
    }
    return fail(errp, "netdev '%s': type '%s' cannot be captured while nobody runs the guest (set netpass-best-effort to "
                "go without)", bad->id, bad->ops->type);
}

/* ---- sending ---- */
static NetEntry *next_unsent(NetpassPort *np, NetCursor *at)
{
    NetEntry *e;

    while ((e = net_queue_next(&np->cache.queue, at)) && e->seq <= np->sent_seq) {
    }
    return e;
}

/* What is on its way into the guest is the destination's to keep: no more than its bounds allow, which are ours, nor than the
 * engine takes. */
static bool may_send(const NetpassPort *np, const NetEntry *e, size_t with)
{
    const Netpass *n = np->pass;
    size_t cost = net_queue_cost(e->frame.size) + with;

    if (!np->in_flight && !with) {
        return true; /* one frame is always allowed, however long it is */
    }
    if (n->is_leaving) { /* what has to go now may go ahead of all bounds but the engine's */
        return n->in_flight + cost <= n->in_flight_max + n->in_flight_max / 2;
    }
    return np->in_flight + cost <= np->cache.bytes_max && n->in_flight + cost <= MIN(n->total.bytes_max, n->in_flight_max);
}

static void count_sent(NetpassPort *np, size_t cost)
{
    np->in_flight += cost;
    np->pass->in_flight += cost;
}

/* How many from `e` on go into one message. */
static uint32_t count_batch(const NetpassPort *np, NetCursor at, const NetEntry *e, size_t *ret_cost)
{
    uint32_t count = 0;

    *ret_cost = 0;
    for (; e && *ret_cost < NETPASS_MESSAGE_BYTES && may_send(np, e, *ret_cost); count++) {
        *ret_cost += net_queue_cost(e->frame.size);
        e = net_queue_next(&np->cache.queue, &at);
    }
    return count;
}

/* One message of frames from *e on; *e: the first that did not go in.  false: it was not taken, and they stay ours. */
static bool send_batch(NetpassPort *np, NetCursor *at, NetEntry **e)
{
    uint64_t sent_seq = np->sent_seq;
    StateWriter *w = state_writer_new();
    bool ok;
    int64_t now = time_monotonic_ns();
    size_t cost;
    uint32_t count = count_batch(np, *at, *e, &cost);

    netpass_put_message(w, NETPASS_FRAMES, np->index);
    state_put_be32(w, count);
    for (uint32_t i = 0; i < count; i++) {
        netpass_put_frame(w, *e, now);
        sent_seq = (*e)->seq;
        *e = net_queue_next(&np->cache.queue, at);
    }
    ok = netpass_send(np->pass, w);
    if (ok) {
        np->sent_seq = sent_seq;
        count_sent(np, cost);
        np->forwarded += count;
        np->late += np->ended ? count : 0;
    }
    state_writer_free(w);
    return ok;
}

static void drop_sent(NetpassPort *np)
{
    NetEntry *e;

    while ((e = netpass_cache_head(&np->cache)) && e->seq <= np->sent_seq) {
        netpass_cache_pop(&np->cache);
    }
    if (np->chain) {
        net_chain_room_soon(np->chain, NET_TO_GUEST);
    }
}

void netpass_source_flush(void *opaque)
{
    NetpassPort *np = opaque;
    NetCursor at = {0};
    NetEntry *e;

    if ((np->state != NETPASS_COPY && np->state != NETPASS_FORWARD) || !np->pass->has_peer) {
        return;
    }
    e = next_unsent(np, &at);
    while (e && may_send(np, e, 0) && send_batch(np, &at, &e)) {
    }
    if (np->state == NETPASS_FORWARD) {
        drop_sent(np);
    }
    if (np->end_waits) {
        net_defer(np->end);
    }
    if (np->end_changed) {
        netpass_tail_say_end(np);
    }
}

void netpass_source_acknowledged(NetpassPort *np, uint64_t bytes)
{
    bytes = MIN(np->in_flight, bytes);
    np->in_flight -= bytes;
    np->pass->in_flight -= bytes;
    np->acked_ns = time_monotonic_ns();
    net_defer(np->flush);
}

void netpass_source_word(NetpassPort *np, NetpassMessageType type)
{
    StateWriter *w = state_writer_new();

    netpass_put_message(w, type, np->index);
    netpass_send(np->pass, w);
    state_writer_free(w);
}

/* No room: the probe comes again, and a destination that has not heard of the end goes by the time. */
bool netpass_source_marker(NetpassPort *np, NetpassMarker number)
{
    uint8_t frame[NETPASS_MARKER_SIZE];

    netpass_marker(frame, net_chain_nic(np->chain)->mac, np->pass->nonce, number);
    return net_chain_deliver(np->chain, NET_TO_HOST, &(NetFrame){.data = frame, .size = sizeof(frame)}) == NET_DONE;
}

/* Behind the guest's last frame; else true until END, whenever it leaves. */
void netpass_source_say_here(NetpassPort *np)
{
    bool is_last = !net_queue_head(&np->chain->lane[NET_TO_HOST].held);

    np->here_waits = np->here_waits && !np->ended && !(is_last && netpass_source_marker(np, NETPASS_MARKER_HERE));
}

/* ---- frames ---- */
/* Both ports get everything.  Our answer in the network's own stream tells the destination what it has before it. */
static void probe_came(NetpassPort *np)
{
    if (!np->ended) {
        np->is_mirror = true;
        netpass_source_word(np, NETPASS_MIRROR);
        netpass_source_marker(np, NETPASS_MARKER_SYNC);
    }
}

static void marker_came(NetpassPort *np, NetpassMarker number)
{
    if (number == NETPASS_MARKER_PROBE) {
        probe_came(np);
        return;
    }
    if (number == (np->is_mirror ? NETPASS_MARKER_SYNCED : NETPASS_MARKER_LAST)) {
        np->has_turned = true;
        net_defer(np->end); /* not from within the netdev's own reading */
        return;
    }
    if (np->seen || number != NETPASS_MARKER_TURN) {
        return;
    }
    netpass_tail_seen(np);
}

/* The guest came here a moment ago, and our netdev still brings what the source before us has given it. */
static bool is_old_twin(NetpassPort *np, const NetFrame *f, int64_t now)
{
    if (!np->old_pairs) {
        return false;
    }
    if (now > np->old_until_ns || netpass_marker_number(f, net_chain_nic(np->chain)->mac, np->old_nonce) == NETPASS_MARKER_PAST) {
        netpass_pairs_free(np->old_pairs);
        np->old_pairs = NULL;
        return now <= np->old_until_ns;
    }
    return !netpass_pairs_local(np->old_pairs, f, now);
}

/* Before the filters: these are no frames for the guest, or it has them. */
static NetVerdict source_arrives(NetHook *h, const NetFrame *f)
{
    NetpassPort *np = netpass_port_of(h);
    NetpassMarker marker = netpass_marker_number(f, net_chain_nic(np->chain)->mac, np->pass->nonce);

    if (marker) {
        marker_came(np, marker);
        return NET_TAKEN;
    }
    if (np->own.queue.frames) {
        return NET_REFUSED; /* behind these */
    }
    /* Of what comes to both of us the destination has all behind its last marker, in its place; of a mirror's, behind our END. */
    if (netpass_is_echo(np, f) || is_old_twin(np, f, time_monotonic_ns()) || (np->is_mirror && np->ended) ||
        (!np->is_mirror && np->has_turned && (f->data[0] & 1))) {
        np->duplicate++;
        return NET_TAKEN;
    }
    return NET_PASS;
}

/* A number that never comes tells the destination of it. */
static NetResult give_up(NetpassPort *np, const NetFrame *f)
{
    np->refused++;
    np->refused_group += f->data[0] & 1;
    np->last_frame_ns = time_monotonic_ns();
    np->cache.last_seq++;
    np->end_changed = np->ended;
    net_defer(np->flush);
    return NET_DONE;
}

static void note_captured(NetpassPort *np, const NetFrame *f, int64_t now)
{
    np->captured++;
    np->captured_bytes += f->size;
    np->last_frame_ns = now;
}

static NetResult source_to_guest(NetHook *h, const NetFrame *f)
{
    NetpassPort *np = netpass_port_of(h);
    int64_t now = time_monotonic_ns();

    np->is_full = !netpass_cache_push(&np->cache, f, 0, now);
    if (np->is_full) {
        return np->gives_up ? give_up(np, f) : NET_NO_ROOM; /* at the bound: the kernel's queue takes what it can */
    }
    note_captured(np, f, now);
    if (np->state == NETPASS_COPY || np->state == NETPASS_FORWARD) {
        net_defer(np->flush);
    } else if (np->state == NETPASS_DRAIN) {
        netpass_pump(np, false);
    }
    return NET_DONE;
}

static bool source_nic_room(NetHook *h)
{
    NetpassPort *np = netpass_port_of(h);

    if (np->state == NETPASS_DRAIN) {
        netpass_pump(np, false);
        return true;
    }
    return netpass_pump_own(np);
}

static void source_gone(NetHook *h)
{
    NetpassPort *np = netpass_port_of(h);

    netpass_lose(np, "it is removed");
    np->state = NETPASS_PASS;
}

/* ---- freeze ---- */
static void inherit_pairs(NetpassPort *np, NetpassPort *before)
{
    if (before->is_open && !before->is_past) {
        np->old_pairs = before->pairs;
        np->old_nonce = before->nonce;
        np->old_until_ns = time_monotonic_ns() + (before->is_synced ? NETPASS_PAIRING_MIRROR_NS : NETPASS_PAIRING_NS);
        before->pairs = NULL;
    }
}

/* With the cache's next number, over its bound or not: it was ours before. */
static void take_entry(NetpassPort *np, NetEntry *e)
{
    e->seq = np->cache.last_seq + 1;
    netpass_cache_take(&np->cache, e);
}

/* The rest of a frame that the guest has in part: before all else. */
static void take_segments(NetpassPort *np)
{
    NetQueue *rest = &np->chain->lane[NET_TO_GUEST].segments;
    NetEntry *e;

    for (; (e = net_queue_head(rest)); net_queue_pop(rest)) {
        e->time_ns = time_monotonic_ns();
        take_entry(np, e);
        note_captured(np, &e->frame, e->time_ns);
    }
}

/* What its own netdev had received goes through the filters; behind it the source's that wait for a copy which is still on its
 * way there, and which has come too late now. */
static void inherit_own(NetpassPort *np, NetpassPort *before)
{
    NetEntry *e;

    np->own = before->own;
    before->own = (NetpassCache){0};
    for (; (e = netpass_cache_head(&before->shared)); netpass_cache_pop(&before->shared)) {
        np->is_ordered &= netpass_pairs_expected(before->pairs, &e->frame, e->time_ns);
        if (netpass_pairs_source(before->pairs, &e->frame, e->time_ns)) {
            netpass_cache_take(&np->own, e)->tag = NETPASS_FILTERED;
        } else {
            np->duplicate++;
        }
    }
}

/* What the netdev's lane still had is number 1 and up; then its own frame that found no room, and all that comes. */
static void harvest(NetpassPort *np, NetpassPort *before)
{
    NetChain *c = np->chain;

    net_chain_flush_filters(c);
    net_chain_flush_held(c, NET_TO_GUEST);
    if (before) {
        inherit_own(np, before);
        inherit_pairs(np, before);
    }
    net_chain_room(c, NET_TO_GUEST);
}

static void take_all(NetpassPort *np, NetpassCache *from)
{
    NetEntry *e;

    for (; (e = netpass_cache_head(from)); netpass_cache_pop(from)) {
        take_entry(np, e);
    }
}

/* The guest moves on before it had room for all that an earlier handoff brought. */
static NetpassPort *inherit(NetpassPort *np, GPtrArray *old)
{
    for (unsigned i = 0; i < old->len; i++) {
        NetpassPort *before = old->pdata[i];

        if (before->chain == np->chain && before->chain) {
            take_all(np, &before->cache);
            netpass_detach(before);
            return before;
        }
    }
    return NULL;
}

static void freeze_netdev(Netpass *n, NetPort *p, void *opaque)
{
    NetpassPort *np = netpass_port_new(n, p->id, p->chain), *before;

    if (!p->ops->can_capture) {
        np->is_best_effort = true;
        np->chain = NULL;
        np->state = NETPASS_PASS;
        return;
    }
    np->hook = (NetHook){.arrives = source_arrives, .to_guest = source_to_guest, .nic_room = source_nic_room, .gone = source_gone};
    np->flush = net_defer_new(netpass_source_flush, np);
    np->end = net_defer_new(netpass_tail_end, np);
    np->drops_before = p->ops->kernel_drops ? p->ops->kernel_drops(p) : -1;
    np->state = NETPASS_HOLD;
    take_segments(np);
    before = inherit(np, opaque);
    p->chain->is_frozen = true;
    net_chain_set_hook(p->chain, &np->hook);
    harvest(np, before);
    np->here_waits = true; /* until the harts have stopped */
}

static void source_freeze(HandoffPart *part)
{
    Netpass *n = part->opaque;
    GPtrArray *old;

    for (unsigned i = 0; i < n->ports->len; i++) {
        netpass_gate_finish(n->ports->pdata[i]);
    }
    old = netpass_take_ports(n);
    netpass_clear(n);
    n->is_source = n->is_active = n->has_peer = true;
    n->in_flight = n->linger_ns = 0;
    n->has_left = n->is_leaving = false;
    n->nonce = (uint64_t)g_random_int() << 32 | g_random_int();
    foreach_used(n, old, freeze_netdev, old);
    g_ptr_array_unref(old);
}

/* Bytes of half frames come in; the guest's last frames go out, and the marker behind them.  The kernel has no event for "the
 * other end has taken it", so this looks again every 100 us, at most 100 ms; then it goes on: the rest leaves while we linger.
 * A guest that is taken back waits for none of it. */
static bool source_drain(HandoffPart *part, GError **errp)
{
    Netpass *n = part->opaque;
    int64_t deadline = time_monotonic_ns() + DRAIN_NS;

    for (;;) {
        bool busy = false;

        vm_lock();
        for (unsigned i = 0; i < n->ports->len; i++) {
            NetpassPort *np = n->ports->pdata[i];

            if (np->chain) {
                netpass_source_say_here(np);
                busy |= np->here_waits || net_chain_is_busy(np->chain);
            }
        }
        vm_unlock();
        if (!busy || time_monotonic_ns() >= deadline || !handoff_is_wanted()) {
            return true;
        }
        usleep(DRAIN_STEP_US);
    }
}

/* Of a long pause: what does not fit follows behind the state.  A one-way stream has no behind. */
static uint32_t count_saved(const NetpassPort *np)
{
    const Netpass *n = np->pass;
    uint64_t room = handoff_is_one_way() ? UINT64_MAX : n->in_flight_max - MIN(n->in_flight, n->in_flight_max);
    uint64_t cost = 0;
    uint32_t frames = 0;
    NetCursor at = {0};
    NetEntry *e;

    while ((e = net_queue_next(&np->cache.queue, &at)) && (cost += net_queue_cost(e->frame.size)) <= room) {
        frames++;
    }
    return frames;
}

static void put_netdev(StateWriter *w, const NetpassPort *np, uint32_t frames)
{
    NetpassBacklogNetdev n = {.is_best_effort = np->is_best_effort, .is_sending = np->is_sending, .frames = frames};

    g_strlcpy(n.id, np->id, sizeof(n.id));
    netpass_put_netdev(w, &n);
}

static bool source_save(HandoffPart *part, StateWriter *w, GError **errp)
{
    Netpass *n = part->opaque;
    NetpassBacklog head = {.nonce = n->nonce, .netdevs = n->ports->len};
    int64_t now = time_monotonic_ns();

    netpass_put_backlog(w, &head);
    for (unsigned i = 0; i < n->ports->len; i++) {
        NetpassPort *np = n->ports->pdata[i];
        uint32_t frames = count_saved(np);
        NetCursor at = {0};

        np->is_sending = np->chain && net_chain_is_sending(np->chain);
        put_netdev(w, np, frames);
        for (uint32_t f = 0; f < frames; f++) {
            NetEntry *e = net_queue_next(&np->cache.queue, &at);

            netpass_put_frame(w, e, now);
            np->sent_seq = e->seq;
            np->forwarded++;
            count_sent(np, net_queue_cost(e->frame.size));
        }
    }
    return true;
}

/* ---- behind the state ---- */
static void start_copying(NetpassPort *np)
{
    if (np->state == NETPASS_HOLD) {
        np->state = NETPASS_COPY;
        netpass_source_flush(np);
    }
}

static void source_forward_copies(HandoffPart *part)
{
    Netpass *n = part->opaque;

    netpass_source_each(n, start_copying);
    netpass_tail_sending(n);
}

static void start_forwarding(NetpassPort *np)
{
    np->state = NETPASS_FORWARD;
    netpass_source_flush(np);
}

/* Who leaves says END when the destination has answered, and not before: that may have our last frames still to come. */
static void source_released(HandoffPart *part, bool is_leaving)
{
    Netpass *n = part->opaque;

    n->has_left = n->has_peer = true; /* also after lost(): it has just spoken */
    netpass_source_each(n, start_forwarding);
    netpass_tail_sending(n);
    if (!is_leaving) {
        netpass_tail_linger(n);
    }
    netpass_tail_check_done(n);
}

/* From the network's side this is the end of the process: nothing can reach the netdev behind the last look at it. */
static void leave(NetpassPort *np)
{
    NetPort *netdev = np->chain->netdev;
    uint64_t first = np->cache.last_seq, before;

    if (netdev->ops->close_ears) {
        netdev->ops->close_ears(netdev);
    }
    do {
        before = np->cache.last_seq;
        netpass_source_flush(np); /* makes room for more */
        net_chain_room(np->chain, NET_TO_GUEST);
        netdev->ops->drain(netdev);
        net_chain_flush_filters(np->chain);
    } while (np->cache.last_seq != before && np->cache.last_seq - first < LEAVE_FRAMES);
    np->gives_up = true; /* what finds no room now is lost, and counted */
    netpass_tail_end(np);
    netdev_leave(np->id);
}

static void source_leaving(HandoffPart *part)
{
    Netpass *n = part->opaque;

    n->is_leaving = true;
    netpass_source_each(n, leave);
    netpass_tail_check_done(n);
}

static void hold_on(NetpassPort *np)
{
    np->state = NETPASS_HOLD;
}

static void source_lost(HandoffPart *part)
{
    Netpass *n = part->opaque;

    n->has_peer = false;
    netpass_source_each(n, hold_on);
}

static void give_to_guest(NetpassPort *np)
{
    np->state = NETPASS_DRAIN;
    netpass_pump(np, true);
}

static void source_thaw(HandoffPart *part, bool was_after_run)
{
    Netpass *n = part->opaque;

    if (n->is_source) {
        n->has_peer = false;
        netpass_tail_stop(n);
        netpass_source_each(n, give_to_guest);
        netpass_over(n);
    }
}

/* The channel is gone.  Before VM_STARTED the engine says what follows (thaw, lost); behind it the tail ends here. */
static void tail_cut(NetpassPort *np)
{
    if (np->state == NETPASS_FORWARD) {
        netpass_lose(np, "the channel is gone, they could not be forwarded");
        np->state = NETPASS_DONE;
    }
}

void netpass_source_peer_gone(Netpass *n)
{
    netpass_source_each(n, tail_cut);
    if (n->is_tail_done) {
        netpass_over(n);
    }
}

/* What the destination held and gives back goes behind what we kept, unless we have it too. */
void netpass_source_frames(NetpassPort *np, const NetpassMessage *m, StateReader *r)
{
    int64_t now = time_monotonic_ns();
    GError *err = NULL;
    NetpassFrame f;

    if (!np->chain || (np->state != NETPASS_HOLD && np->state != NETPASS_COPY)) {
        return;
    }
    if (!np->pairs) {
        NetCursor at = {0};
        NetEntry *e;

        np->pairs = netpass_pairs_new(np->pass->nonce, net_chain_nic(np->chain)->mac);
        while ((e = net_queue_next(&np->cache.queue, &at))) {
            netpass_pairs_source(np->pairs, &e->frame, e->time_ns);
        }
    }
    for (uint32_t i = 0; i < m->frames; i++) {
        if (!netpass_get_frame(r, &f, &err)) {
            netpass_message_bad(np->pass, err);
            return;
        }
        if (f.frame.size < NET_FRAME_MIN) {
            np->refused++;
        } else if (!netpass_pairs_local(np->pairs, &f.frame, now - (int64_t)MIN(f.age_ns, (uint64_t)INT64_MAX / 2))) {
            np->duplicate++;
        } else if (!netpass_cache_push(&np->cache, &f.frame, 0, now)) {
            np->refused++;
        }
    }
}

void netpass_source_setup(Netpass *n)
{
    HandoffPart *p = &n->part;

    netpass_tail_setup(n);
    p->prepare = source_prepare;
    p->freeze = source_freeze;
    p->drain = source_drain;
    p->save = source_save;
    p->parked = source_forward_copies;
    p->run_sent = source_forward_copies;
    p->released = source_released;
    p->leaving = source_leaving;
    p->thaw = source_thaw;
    p->lost = source_lost;
}
