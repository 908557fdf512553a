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

#define LINGER_MS_DEFAULT 1000
#define CHECK_NS (20 * NS_PER_MS)  /* as long as the destination has not answered */
#define QUIET_NS (500 * NS_PER_MS) /* a network that lets the check not through, and had nothing for us for so long */
#define REST_QUIET_NS (100 * NS_PER_MS)
#define REST_NS (500 * NS_PER_MS)
#define DRAIN_NS (100 * NS_PER_MS)
#define DRAIN_STEP_US 100

static void each_captured(Netpass *n, void (*fn)(NetpassPort *np))
{
    for (unsigned i = 0; i < n->ports->len; i++) {
        NetpassPort *np = n->ports->pdata[i];

        if (np->chain && !np->is_best_effort) {
            fn(np);
        }
    }
}

/* ---- prepare ---- */
static void foreach_used(Netpass *n, void (*fn)(Netpass *n, NetPort *netdev, void *opaque), void *opaque)
{
    for (unsigned i = 0; i < n->world->ports->len; i++) {
        NetPort *p = n->world->ports->pdata[i];

        if (!p->is_nic && p->peer && netpass_is_wanted_on(p->chain)) {
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
    NetPort *bad = NULL;

    foreach_used(part->opaque, check_netdev, &bad);
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

/* What is on its way into the guest is the destination's to keep: no more than its bounds allow, which are ours. */
static bool may_send(const NetpassPort *np, const NetEntry *e, size_t with)
{
    size_t cost = net_queue_cost(e->frame.size) + with;

    if (!np->in_flight && !with) {
        return true; /* one frame is always allowed, however long it is */
    }
    return np->in_flight + cost <= np->cache.bytes_max && np->pass->in_flight + cost <= np->pass->total.bytes_max;
}

static void count_sent(NetpassPort *np, size_t cost)
{
    np->in_flight += cost;
    np->pass->in_flight += cost;
}

/* One message of frames from *e on; *e: the first that did not go in.  false: it was not taken, and they stay ours. */
static bool send_batch(NetpassPort *np, NetCursor *at, NetEntry **e)
{
    uint64_t sent_seq = np->sent_seq;
    StateWriter *body = state_writer_new(), *w = state_writer_new();
    bool ok;
    int64_t now = time_monotonic_ns();
    uint32_t count = 0;
    size_t size = 0, cost = 0;

    while (*e && size < NETPASS_MESSAGE_BYTES && may_send(np, *e, cost)) {
        netpass_put_frame(body, *e, now);
        sent_seq = (*e)->seq;
        cost += net_queue_cost((*e)->frame.size);
        count++;
        state_writer_data(body, &size);
        *e = net_queue_next(&np->cache.queue, at);
    }
    netpass_put_message(w, NETPASS_FRAMES, np->index);
    state_put_be32(w, count);
    state_put(w, state_writer_data(body, &size), size);
    ok = netpass_send(np->pass, w);
    if (ok) {
        np->sent_seq = sent_seq;
        count_sent(np, cost);
        np->forwarded += count;
        np->late += np->ended ? count : 0;
    }
    state_writer_free(body);
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

static void send_end(NetpassPort *np);

static void source_flush(void *opaque)
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
        send_end(np);
    }
}

void netpass_source_acknowledged(NetpassPort *np, uint64_t bytes)
{
    bytes = MIN(np->in_flight, bytes);
    np->in_flight -= bytes;
    np->pass->in_flight -= bytes;
    net_defer(np->flush);
}

static void send_word(NetpassPort *np, NetpassMessageType type)
{
    StateWriter *w = state_writer_new();

    netpass_put_message(w, type, np->index);
    netpass_send(np->pass, w);
    state_writer_free(w);
}

/* No room: the probe comes again, and a destination that has not heard of the end goes by the time. */
static void send_marker(NetpassPort *np, NetpassMarker number)
{
    uint8_t frame[NETPASS_MARKER_SIZE];

    netpass_marker(frame, net_chain_nic(np->chain)->mac, np->pass->nonce, number);
    net_chain_deliver(np->chain, NET_TO_HOST, &(NetFrame){.data = frame, .size = sizeof(frame)});
}

/* ---- the end ---- */
static void check_tail_done(Netpass *n)
{
    for (unsigned i = 0; i < n->ports->len; i++) {
        NetpassPort *np = n->ports->pdata[i];

        if (np->chain && !np->is_best_effort && !np->ended) {
            return;
        }
    }
    if (!n->is_tail_done) {
        n->is_tail_done = true;
        loop_timer_cancel(n->linger);
        loop_timer_cancel(n->checks);
        handoff_tail_done(&n->part);
    }
}

static void send_end(NetpassPort *np)
{
    NetPort *netdev = np->chain->netdev;
    int64_t drops = netdev->ops->kernel_drops ? netdev->ops->kernel_drops(netdev) : -1;
    StateWriter *w = state_writer_new();

    if (drops >= 0 && np->drops_before >= 0) {
        np->source_lost = MAX(0, drops - np->drops_before);
    }
    np->end_changed = false;
    netpass_put_message(w, NETPASS_END, np->index);
    state_put_be64(w, np->cache.last_seq);
    state_put_be64(w, np->forwarded);
    state_put_be64(w, np->source_lost);
    netpass_send(np->pass, w);
    state_writer_free(w);
}

/* One last look at the netdev, then END: whatever the network sent us before it turned is in, and sent.  At the bound the
 * rest is still to be read: again when the destination has made room. */
static void source_end(void *opaque)
{
    NetpassPort *np = opaque;

    if (np->ended || !np->chain || (np->state != NETPASS_COPY && np->state != NETPASS_FORWARD)) {
        return;
    }
    np->end_waits = false; /* not again from within the flush */
    np->chain->netdev->ops->drain(np->chain->netdev);
    net_chain_flush_filters(np->chain);
    source_flush(np);
    np->end_waits = !np->gives_up && (np->is_full || np->own.queue.frames || np->sent_seq < np->cache.last_seq);
    if (np->end_waits) {
        return;
    }
    if (np->is_mirror) {
        send_marker(np, NETPASS_MARKER_PAST);
    }
    send_end(np);
    np->ended = true;
    TRACE(netpass_end, "%s: captured %" PRIu64 ", forwarded %" PRIu64, np->id, np->captured, np->forwarded);
    check_tail_done(np->pass);
}

/* What the destination had no room for, and has none for, is lost: counted, not left with the kernel or with a switch that
 * has waited for us.  false: there may be more of it. */
static bool give_up_rest(NetpassPort *np, int64_t now)
{
    if (!np->gives_up) {
        warn_report("netpass: netdev '%s': the guest has not taken its frames in time", np->id);
        np->gives_up = true;
        np->last_frame_ns = now;
        net_chain_room(np->chain, NET_TO_GUEST); /* what the netdev, or a filter, keeps back for want of room */
    }
    np->chain->netdev->ops->drain(np->chain->netdev);
    return now - np->last_frame_ns >= REST_QUIET_NS || now - np->pass->linger_ns >= REST_NS;
}

/* We may go from now on. */
static void end_by_deadline(NetpassPort *np)
{
    int64_t now = time_monotonic_ns();

    if (np->ended) {
        return;
    }
    if (!np->gives_up && !np->end_waits && !np->is_full) {
        warn_report("netpass: netdev '%s': the network did not show that it had turned to the destination in time", np->id);
        np->gives_up = true;
    } else if (!give_up_rest(np, now)) {
        return;
    }
    source_end(np);
}

static void linger_over(void *opaque)
{
    Netpass *n = opaque;

    n->linger_ns = n->linger_ns ? n->linger_ns : time_monotonic_ns();
    each_captured(n, end_by_deadline);
    if (!n->is_tail_done && n->has_peer) {
        loop_timer_set(n->linger, time_monotonic_ns() + REST_QUIET_NS);
    }
}

/* The marker came, so every switch has seen the destination; whether every one has learned it already is asked by a frame
 * for the guest, until the destination says that it got one. */
static void check(NetpassPort *np)
{
    if (!np->seen || np->ended) {
        return;
    }
    if (!np->is_mirror && time_monotonic_ns() - np->last_frame_ns >= QUIET_NS) {
        source_end(np);
        return;
    }
    send_word(np, NETPASS_SEEN);
    send_marker(np, NETPASS_MARKER_CHECK);
}

static void check_all(void *opaque)
{
    Netpass *n = opaque;

    each_captured(n, check);
    if (!n->is_tail_done && n->has_peer) {
        loop_timer_set(n->checks, time_monotonic_ns() + CHECK_NS);
    }
}

/* ---- frames ---- */
/* Both ports get everything.  Our answer in the network's own stream tells the destination what it has before it. */
static void probe_came(NetpassPort *np)
{
    if (!np->ended) {
        np->is_mirror = true;
        send_word(np, NETPASS_MIRROR);
        send_marker(np, NETPASS_MARKER_SYNC);
    }
}

static void marker_came(NetpassPort *np, NetpassMarker number)
{
    if (number == NETPASS_MARKER_PROBE) {
        probe_came(np);
        return;
    }
    if (number == (np->is_mirror ? NETPASS_MARKER_SYNCED : NETPASS_MARKER_LAST)) {
        net_defer(np->end); /* not from within the netdev's own reading */
        return;
    }
    if (np->seen || number != NETPASS_MARKER_TURN) {
        return;
    }
    np->seen = true;
    np->last_frame_ns = MAX(np->last_frame_ns, time_monotonic_ns());
    source_flush(np);
    check(np);
    loop_timer_set(np->pass->checks, time_monotonic_ns() + CHECK_NS);
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
    /* Of a mirror's the destination has all that comes behind our END, in its place. */
    if (netpass_is_echo(np, f) || is_old_twin(np, f, time_monotonic_ns()) || (np->is_mirror && np->ended)) {
        np->duplicate++;
        return NET_TAKEN;
    }
    return NET_PASS;
}

/* A number that never comes tells the destination of it. */
static NetResult give_up(NetpassPort *np)
{
    np->refused++;
    np->last_frame_ns = time_monotonic_ns();
    np->cache.last_seq++;
    np->end_changed = np->ended;
    net_defer(np->flush);
    return NET_DONE;
}

static NetResult source_to_guest(NetHook *h, const NetFrame *f)
{
    NetpassPort *np = netpass_port_of(h);
    int64_t now = time_monotonic_ns();

    np->is_full = !netpass_cache_push(&np->cache, f, 0, now);
    if (np->is_full) {
        return np->gives_up ? give_up(np) : NET_NO_ROOM; /* at the bound: the kernel's queue takes what it can */
    }
    np->captured++;
    np->captured_bytes += f->size;
    np->last_frame_ns = now;
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
    uint64_t frames = np->cache.queue.frames + np->own.queue.frames;

    if (frames) {
        warn_report("netpass: netdev '%s' is removed with %" PRIu64 " frames", np->id, frames);
        np->refused += frames;
        netpass_cache_clear(&np->cache);
        netpass_cache_clear(&np->own);
    }
    np->state = NETPASS_PASS;
    netpass_detach(np);
}

/* ---- freeze ---- */
static void inherit_pairs(NetpassPort *np, NetpassPort *before)
{
    if (before && before->is_open && !before->is_past) {
        np->old_pairs = before->pairs;
        np->old_nonce = before->nonce;
        np->old_until_ns = time_monotonic_ns() + (before->is_synced ? NETPASS_PAIRING_MIRROR_NS : NETPASS_PAIRING_NS);
        before->pairs = NULL;
    }
}

/* What the netdev's lane still had is number 1 and up; then its own frame that found no room, and all that comes. */
static void harvest(NetpassPort *np, NetpassPort *before)
{
    NetChain *c = np->chain;
    NetQueue *rest = &c->lane[NET_TO_GUEST].segments;
    NetEntry *e;

    while ((e = net_queue_head(rest))) {
        source_to_guest(&np->hook, &e->frame);
        net_queue_pop(rest);
    }
    net_chain_flush_filters(c);
    net_chain_flush_held(c, NET_TO_GUEST);
    if (before) {
        np->own = before->own;
        before->own = (NetpassCache){0};
    }
    inherit_pairs(np, before);
    net_chain_room(c, NET_TO_GUEST);
}

static void move_frames(NetpassCache *from, NetpassCache *to)
{
    NetEntry *e;

    while ((e = netpass_cache_head(from))) {
        NetEntry *copy = net_queue_push(&to->queue, &e->frame); /* the bounds were asked when the frame came */

        copy->time_ns = e->time_ns;
        copy->seq = ++to->last_seq;
        to->total->bytes += net_queue_cost(e->frame.size);
        netpass_cache_pop(from);
    }
}

/* The guest moves on before it had room for all that an earlier handoff brought. */
static NetpassPort *inherit(NetpassPort *np, GPtrArray *old)
{
    for (unsigned i = 0; i < old->len; i++) {
        NetpassPort *before = old->pdata[i];

        if (before->chain == np->chain && before->chain) {
            move_frames(&before->cache, &np->cache);
            move_frames(&before->shared, &np->cache);
            netpass_detach(before);
            return before;
        }
    }
    return NULL;
}

static void freeze_netdev(Netpass *n, NetPort *p, void *opaque)
{
    NetpassPort *np, *before;

    if (n->ports->len >= NETPASS_NETDEVS_MAX) {
        return;
    }
    np = netpass_port_new(n, p->id, p->chain);
    if (!p->ops->can_capture) {
        np->is_best_effort = true;
        np->chain = NULL;
        np->state = NETPASS_PASS;
        return;
    }
    np->hook = (NetHook){.arrives = source_arrives, .to_guest = source_to_guest, .nic_room = source_nic_room, .gone = source_gone};
    np->flush = net_defer_new(source_flush, np);
    np->end = net_defer_new(source_end, np);
    np->drops_before = p->ops->kernel_drops ? p->ops->kernel_drops(p) : -1;
    np->state = NETPASS_HOLD;
    before = inherit(np, opaque);
    p->chain->is_frozen = true;
    net_chain_set_hook(p->chain, &np->hook);
    harvest(np, before);
    send_marker(np, NETPASS_MARKER_HERE);
}

static void source_freeze(HandoffPart *part)
{
    Netpass *n = part->opaque;
    GPtrArray *old = netpass_take_ports(n);

    netpass_clear(n);
    n->is_source = n->is_active = n->has_peer = true;
    n->in_flight = n->linger_ns = 0;
    n->nonce = (uint64_t)g_random_int() << 32 | g_random_int();
    foreach_used(n, freeze_netdev, old);
    g_ptr_array_unref(old);
}

/* Bytes of half frames come in, the guest's last frames go out.  The kernel has no event for "the other end has taken it",
 * so this looks again every 100 us, at most 100 ms; then it goes on: the rest leaves while we linger. */
static bool source_drain(HandoffPart *part, GError **errp)
{
    Netpass *n = part->opaque;
    int64_t deadline = time_monotonic_ns() + DRAIN_NS;

    for (;;) {
        bool busy = false;

        vm_lock();
        for (unsigned i = 0; i < n->ports->len; i++) {
            NetpassPort *np = n->ports->pdata[i];

            busy |= np->chain && net_chain_is_busy(np->chain);
        }
        vm_unlock();
        if (!busy || time_monotonic_ns() >= deadline) {
            return true;
        }
        usleep(DRAIN_STEP_US);
    }
}

static bool source_save(HandoffPart *part, StateWriter *w, GError **errp)
{
    Netpass *n = part->opaque;
    NetpassBacklog head = {.nonce = n->nonce, .netdevs = n->ports->len};
    int64_t now = time_monotonic_ns();

    netpass_put_backlog(w, &head);
    for (unsigned i = 0; i < n->ports->len; i++) {
        NetpassPort *np = n->ports->pdata[i];
        NetCursor at = {0};
        NetEntry *e;

        netpass_put_netdev(w, np->id, np->is_best_effort, np->cache.queue.frames);
        while ((e = net_queue_next(&np->cache.queue, &at))) {
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
        source_flush(np);
    }
}

static void source_forward_copies(HandoffPart *part)
{
    Netpass *n = part->opaque;

    each_captured(n, start_copying);
}

static void start_forwarding(NetpassPort *np)
{
    source_flush(np);
    np->state = NETPASS_FORWARD;
    drop_sent(np);
}

/* Who leaves says END when the destination has answered, and not before: that may have our last frames still to come. */
static void source_released(HandoffPart *part, bool is_leaving)
{
    Netpass *n = part->opaque;
    uint64_t linger_ms = handoff_parameter("netpass-linger-ms", LINGER_MS_DEFAULT);

    n->has_peer = true; /* also after lost(): it has just spoken */
    each_captured(n, start_forwarding);
    if (!is_leaving) {
        loop_timer_set(n->linger, time_monotonic_ns() + linger_ms * NS_PER_MS);
    }
    check_tail_done(n);
}

/* From the network's side this is the end of the process: nothing can reach the netdev behind the last look at it. */
static void leave(NetpassPort *np)
{
    NetPort *netdev = np->chain->netdev;

    np->in_flight = 0; /* nobody waits for an acknowledgement any more */
    if (netdev->ops->close_ears) {
        netdev->ops->close_ears(netdev);
    }
    netdev->ops->drain(netdev);
    net_chain_flush_filters(np->chain);
    source_flush(np);
    source_end(np);
    netdev_leave(np->id);
}

static void source_leaving(HandoffPart *part)
{
    each_captured(part->opaque, leave);
}

static void hold_on(NetpassPort *np)
{
    np->state = NETPASS_HOLD;
}

static void source_lost(HandoffPart *part)
{
    Netpass *n = part->opaque;

    n->has_peer = false;
    each_captured(n, hold_on);
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
        n->has_peer = n->is_active = false;
        loop_timer_cancel(n->linger);
        loop_timer_cancel(n->checks);
        each_captured(n, give_to_guest);
    }
}

/* The channel is gone.  Before VM_STARTED the engine says what follows (thaw, lost); behind it the tail ends here. */
static void tail_cut(NetpassPort *np)
{
    if (np->state != NETPASS_FORWARD) {
        return;
    }
    if (np->cache.queue.frames) {
        warn_report("netpass: netdev '%s': %" PRIu64 " frames could not be forwarded, the channel is gone", np->id,
                    np->cache.queue.frames);
    }
    np->refused += np->cache.queue.frames;
    netpass_cache_clear(&np->cache);
    np->state = NETPASS_DONE;
    netpass_detach(np);
}

void netpass_source_peer_gone(Netpass *n)
{
    each_captured(n, tail_cut);
    if (n->is_tail_done) {
        n->is_active = false; /* the next handoff is asked anew whether netpass is wanted */
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
        if (f.frame.size < 14 || !netpass_pairs_local(np->pairs, &f.frame, now - (int64_t)MIN(f.age_ns, INT64_MAX / 2))) {
            np->duplicate++;
        } else if (!netpass_cache_push(&np->cache, &f.frame, 0, now)) {
            np->refused++;
        }
    }
}

void netpass_source_setup(Netpass *n)
{
    HandoffPart *p = &n->part;

    n->linger = loop_timer_new(linger_over, n);
    n->checks = loop_timer_new(check_all, n);
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
