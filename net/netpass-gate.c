/* net/netpass-gate.c - the destination's half: the source's frames first, then what came here.  Guarded by: vm_lock.
 * Page: docs/netpass.md.  Test: tests/unit/net/netpass-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Until our netdev has sent something, the network cannot have turned to us: what it receives are copies of frames that the
 * source gets, and they are left out.  From then on they wait behind the gate.  The markers tell when the source has all:
 * the first one is on its port when every switch on the way has learned; then a second one, behind any frame that was
 * looked up before. */
#include "netpass.h"

#include "util/error.h"
#include "util/log.h"

#include "netdev.h"

#include <inttypes.h>

#define GATE_MS_DEFAULT 100
#define MARKER_NS (20 * NS_PER_MS) /* a marker that got no answer is sent again */
#define FED_NS (2 * NS_PER_SEC)   /* the gate's deadline while the guest gets all from the source: behind the source's own */
#define HERE_NS (2 * MARKER_NS)    /* a network that brings us marker 7 has done so by then */
#define LATE_NS (10 * NS_PER_MS)
#define ALONE_NS (10 * NS_PER_MS) /* our frames come, but no check: a network that lets none through */
#define ACK_BYTES (64 * 1024)
#define READS_MAX 16 /* of NET_DRAIN_MAX frames */

static void each_gated(Netpass *n, void (*fn)(NetpassPort *np))
{
    for (unsigned i = 0; i < n->ports->len; i++) {
        NetpassPort *np = n->ports->pdata[i];

        if (np->chain) {
            fn(np);
        }
    }
}

/* ---- into the guest ---- */
static void acknowledge(NetpassPort *np)
{
    uint64_t kept = np->cache.queue.bytes + np->shared.queue.bytes; /* with `unacked` all that the source may send ahead */
    StateWriter *w;

    if (!np->unacked || np->unacked < MIN(kept, MIN(ACK_BYTES, np->own.bytes_max / 4))) {
        return;
    }
    w = state_writer_new();
    netpass_put_message(w, NETPASS_ACK, np->index);
    state_put_be64(w, np->unacked);
    netpass_send(np->pass, w);
    state_writer_free(w);
    np->unacked = 0;
}

static void gate_pump(NetpassPort *np)
{
    uint64_t injected = np->injected;

    netpass_pump(np, false);
    np->fed_ns = np->injected != injected ? time_monotonic_ns() : np->fed_ns;
    acknowledge(np);
}

static bool is_silent(const NetpassPort *np)
{
    return np->tx_waits || np->unheard;
}

/* The guest's frames, and our markers, leave when both reasons are gone. */
static void let_out(NetpassPort *np, bool is_sent, bool is_heard)
{
    bool was_silent = is_silent(np);

    np->tx_waits &= !is_sent;
    np->unheard &= !is_heard;
    if (was_silent && !is_silent(np)) {
        net_chain_room_soon(np->chain, NET_TO_HOST);
    }
}

/* ---- opening ---- */
static void sort_in_time(NetpassPort *np)
{
    if (np->is_open) {
        np->chain->netdev->ops->drain(np->chain->netdev); /* we may have slept longer than our copies */
        netpass_sort_source(np, false);
        np->state = np->state == NETPASS_DONE ? NETPASS_DRAIN : np->state;
        gate_pump(np);
    }
}

static void stop_pairing(NetpassPort *np)
{
    if (np->is_open) {
        netpass_sort_source(np, true);
        np->state = NETPASS_DRAIN;
        gate_pump(np); /* lets go when all is in */
    }
}

static bool is_any_pairing(const Netpass *n)
{
    bool any = false;

    for (unsigned i = 0; i < n->ports->len; i++) {
        any |= netpass_is_pairing(n->ports->pdata[i]);
    }
    return any;
}

static void twins_due(void *opaque)
{
    Netpass *n = opaque;

    each_gated(n, sort_in_time);
    if (n->has_peer) {
        return;
    }
    if (is_any_pairing(n)) {
        loop_timer_set(n->twins, time_monotonic_ns() + NETPASS_TWIN_NS);
    } else {
        each_gated(n, stop_pairing);
    }
}

/* When all that waits in our port has been read, a part of it per turn of the loop: in a storm on a busy host these may be
 * seconds of it, and the check, or what the guest had before the freeze, stands at their end. */
static void gate_open_now(void *opaque)
{
    NetpassPort *np = opaque;

    if (np->is_open || !np->chain) {
        return;
    }
    if (np->chain->netdev->ops->drain(np->chain->netdev) >= NET_DRAIN_MAX && ++np->reads < READS_MAX) {
        net_defer(np->open);
        return;
    }
    netpass_sort_twins(np);
    np->is_open = true;
    np->opened_ns = time_monotonic_ns();
    TRACE(netpass_gate_open, "%s: %" PRId64 " us, %" PRIu64 " own frames", np->id,
          (int64_t)((np->opened_ns - np->started_ns) / NS_PER_US), np->own.queue.frames);
    np->state = NETPASS_DRAIN;
    gate_pump(np);
}

void netpass_gate_finish(NetpassPort *np)
{
    while (np->reads && !np->is_open && np->chain) {
        gate_open_now(np);
    }
}

static void gate_open(NetpassPort *np)
{
    if (!np->is_open && !np->reads) {
        let_out(np, true, true);
        gate_open_now(np);
    }
}

/* On a mirror the source gets all that we get and passes it on: the guest misses nothing while we find our place.  So it
 * does while it has frames that are older than ours, or the network has not turned; unless it says nothing any more. */
static bool is_fed(const NetpassPort *np)
{
    int64_t now = time_monotonic_ns();
    int64_t since = now - (int64_t)handoff_parameter("netpass-gate-ms", GATE_MS_DEFAULT) * NS_PER_MS;
    bool has_waited = (np->turned_ns && np->turned_ns <= since) || (np->alone_ns && np->alone_ns <= since);

    if (!np->pass->has_peer || now - np->started_ns >= FED_NS) {
        return false;
    }
    return is_silent(np) || netpass_pairs_is_mirror(np->pairs) || np->cache.queue.frames || /* does not take what it may */
           np->fed_ns > since || (np->heard_ns > since && !has_waited);
}

static void gate_expired(NetpassPort *np)
{
    if (np->is_open || np->reads || is_fed(np)) {
        return;
    }
    np->is_ordered = false;
    warn_report("netpass: netdev '%s': the source did not say in time that it has all frames; %" PRIu64
                " frames of our own go in now", np->id, np->own.queue.frames);
    gate_open(np);
}

static void set_deadline(Netpass *n, int64_t in_ns)
{
    n->gate_due_ns = time_monotonic_ns() + in_ns;
    loop_timer_set(n->gate, n->gate_due_ns);
}

static void gate_deadline(void *opaque)
{
    Netpass *n = opaque;

    /* We have slept: what the source has said meanwhile is read first. */
    n->has_slept = !n->has_slept && time_monotonic_ns() - n->gate_due_ns > LATE_NS;
    if (n->has_slept) {
        set_deadline(n, LATE_NS);
        return;
    }
    each_gated(n, gate_expired);
    if (n->has_peer && !n->is_tail_done) {
        set_deadline(n, NS_PER_SEC / 10);
    }
}

/* ---- markers ---- */
/* No room: the timer sends it again. */
static void send_marker(NetPort *nic, uint64_t nonce, unsigned number)
{
    uint8_t frame[NETPASS_MARKER_SIZE];

    netpass_marker(frame, nic->mac, nonce, number);
    net_port_send(nic, &(NetFrame){.data = frame, .size = sizeof(frame)});
}

/* By the check; or some switch has, and the check does not come. */
static bool has_turned(const NetpassPort *np)
{
    return np->turned_ns || (np->source_saw && np->alone_ns && time_monotonic_ns() - np->alone_ns >= ALONE_NS);
}

static void send_markers(NetpassPort *np)
{
    NetPort *nic = np->chain ? net_chain_nic(np->chain) : NULL;

    if (!nic || !np->is_started || is_silent(np) || np->end_came || !np->pass->has_peer) {
        return;
    }
    if (np->is_synced) {
        send_marker(nic, np->pass->nonce, NETPASS_MARKER_SYNCED);
    } else if (has_turned(np)) {
        send_marker(nic, np->pass->nonce, NETPASS_MARKER_PROBE); /* has come, or not, when the last one is there */
        send_marker(nic, np->pass->nonce, NETPASS_MARKER_LAST);
    } else if (!np->source_saw) {
        send_marker(nic, np->pass->nonce, NETPASS_MARKER_TURN);
    }
}

/* ---- the netdev ---- */
static bool is_for_nic(const NetpassPort *np, const NetFrame *f)
{
    return !memcmp(f->data, net_chain_nic(np->chain)->mac, 6);
}

static void check_came(NetpassPort *np)
{
    if (!np->turned_ns && np->is_started) {
        np->turned_ns = time_monotonic_ns();
        np->turned_seq = np->own.last_seq;
        np->is_late = false;
        send_markers(np);
    }
}

/* The network sends frames for the guest here: those that the source sends from now on may be younger than ours. */
static void alone_came(NetpassPort *np, int64_t now)
{
    if (!np->alone_ns) {
        np->alone_ns = now;
        np->is_late = false;
    }
}

/* All that was in our netdev before is with the source, or was with the guest already when it was there. */
static void sync_came(NetpassPort *np)
{
    if (np->is_synced || np->is_open) {
        return;
    }
    np->is_synced = true;
    netpass_gate_mirror(np);
    np->flooded += np->own.queue.frames;
    netpass_cache_clear(&np->own);
    send_markers(np);
}

/* The network has one order for group frames: what our netdev brought before was with the guest when it was frozen, or the
 * source passes it on.  Nearly always nothing of that is left here; where our copies are later than the pause is long, it is. */
static void here_came(NetpassPort *np)
{
    NetCursor at = {0};
    NetEntry *e;

    netpass_pairs_heard(np->pairs, np->nonce);
    let_out(np, false, true);
    if (np->is_started && np->pass->has_peer) {
        loop_timer_set(np->pass->markers, time_monotonic_ns()); /* not from within the netdev's own reading */
    }
    while (np->state == NETPASS_GATE && (e = net_queue_next(&np->own.queue, &at))) {
        if (e->frame.data[0] & 1 && !e->tag) {
            e->tag = NETPASS_LEFT_OUT;
            np->flooded++;
            netpass_pairs_flooded(np->pairs, &e->frame, e->time_ns);
        }
    }
}

/* Behind it is nothing that the source has, too; so what still waits for a copy of ours waits for nothing. */
static void past_came(NetpassPort *np)
{
    np->is_past = true;
    if (np->is_open) {
        netpass_sort_source(np, false);
        np->state = np->state == NETPASS_DONE ? NETPASS_DRAIN : np->state;
        gate_pump(np);
    }
}

static bool take_marker(NetpassPort *np, NetpassMarker number)
{
    if (number == NETPASS_MARKER_SYNC) {
        sync_came(np);
    } else if (number == NETPASS_MARKER_CHECK) {
        check_came(np);
    } else if (number == NETPASS_MARKER_HERE) {
        here_came(np);
    } else if (number == NETPASS_MARKER_PAST && !np->is_past) {
        past_came(np);
    }
    return number;
}

/* The source's waits for it, and is left out then. */
static bool is_waited_for(const NetpassPort *np, const NetFrame *f)
{
    NetCursor at = {0};
    NetEntry *e;

    while (np->is_open && (e = net_queue_next(&np->shared.queue, &at))) {
        if (e->frame.size == f->size && !memcmp(e->frame.data, f->data, f->size)) {
            return true;
        }
    }
    return false;
}

static NetVerdict gate_arrives(NetHook *h, const NetFrame *f)
{
    NetpassPort *np = netpass_port_of(h);
    int64_t now = time_monotonic_ns();

    if (take_marker(np, netpass_marker_number(f, net_chain_nic(np->chain)->mac, np->nonce))) {
        return NET_TAKEN;
    }
    if (np->state == NETPASS_GATE && !np->has_transmitted) {
        netpass_pairs_flooded(np->pairs, f, now);
        np->flooded++;
        return NET_TAKEN;
    }
    if (np->state == NETPASS_DONE && !netpass_is_pairing(np)) {
        return NET_PASS;
    }
    if (!netpass_cache_has_room(&np->own, f->size)) {
        return NET_REFUSED;
    }
    if (netpass_is_pairing(np) && (netpass_is_echo(np, f) || (np->is_open && !netpass_pairs_local(np->pairs, f, now)))) {
        np->duplicate++;
        return NET_TAKEN;
    }
    netpass_cache_push(&np->own, f, 0, now)->tag = is_waited_for(np, f) ? NETPASS_FILTERED : NULL;
    if (is_for_nic(np, f)) {
        alone_came(np, now);
    }
    if (np->is_open) {
        np->state = NETPASS_DRAIN;
        gate_pump(np);
    }
    return NET_TAKEN;
}

static NetResult gate_to_guest(NetHook *h, const NetFrame *f)
{
    NetpassPort *np = netpass_port_of(h);

    if (np->state == NETPASS_GATE) {
        np->flooded++; /* a filter had it since before the load */
        return NET_DONE;
    }
    return np->chain->world->is_running ? net_chain_deliver(np->chain, NET_TO_GUEST, f) : NET_NO_ROOM;
}

/* The guest's frames from the source go first, and our markers are not overtaken by them: a switch would turn back.
 * Before the first frame leaves: all that waits in the netdev came while the network could not know us. */
static NetVerdict gate_to_host(NetHook *h, const NetFrame *f)
{
    NetpassPort *np = netpass_port_of(h);
    NetPort *netdev = np->chain->netdev;

    if (is_silent(np)) {
        return NET_REFUSED;
    }
    if (!np->has_transmitted) {
        net_chain_room(np->chain, NET_TO_GUEST); /* what was refused before we came into its way */
        netdev->ops->drain(netdev);
        np->has_transmitted = true;
        np->drops_before = netdev->ops->kernel_drops ? netdev->ops->kernel_drops(netdev) : -1;
    }
    return NET_PASS;
}

static bool gate_nic_room(NetHook *h)
{
    gate_pump(netpass_port_of(h));
    return true;
}

static void gate_gone(NetHook *h)
{
    NetpassPort *np = netpass_port_of(h);

    netpass_lose(np, "it is removed");
    np->state = NETPASS_DONE;
}

void netpass_gate_attach(NetpassPort *np)
{
    NetChain *c = np->chain;

    np->pairs = c->early ? c->early : netpass_pairs_new(np->pass->nonce, net_chain_nic(c)->mac);
    netpass_pairs_set_mac(np->pairs, net_chain_nic(c)->mac);
    c->early = NULL;
    np->nonce = np->pass->nonce;
    np->unheard = !netpass_pairs_has_heard(np->pairs, np->nonce);
    np->open = net_defer_new(gate_open_now, np);
    np->state = NETPASS_GATE;
    np->hook = (NetHook){.arrives = gate_arrives, .to_guest = gate_to_guest, .to_host = gate_to_host,
                         .nic_room = gate_nic_room, .gone = gate_gone};
    c->is_frozen = true;
    net_chain_set_hook(c, &np->hook);
    net_chain_flush_filters(c);
    net_chain_room_soon(c, NET_TO_GUEST);
}

/* The source counts it against our bound until we say that it is gone. */
void netpass_gate_leave(NetpassPort *np, const NetFrame *f)
{
    np->pass->unknown_frames++;
    np->refused++;
    np->unacked += net_queue_cost(f->size);
}

/* ---- start ---- */
static void let_in(NetpassPort *np)
{
    if (np->unheard) {
        np->chain->netdev->ops->drain(np->chain->netdev);
    }
    netpass_pump(np, true);
}

static void gate_starting(HandoffPart *part)
{
    each_gated(part->opaque, let_in);
}

/* The source has seen us for a while, and the network does not send us the guest's frames: what waits for copies of ours to
 * be told apart goes in now, and so does the rest until the network turns. */
static void note_late(NetpassPort *np)
{
    if (!np->source_saw || np->is_late || np->turned_ns || np->is_open) {
        return;
    }
    np->chain->netdev->ops->drain(np->chain->netdev);
    if (!np->turned_ns && !np->alone_ns) {
        np->is_late = true;
        netpass_sort_source(np, true);
        gate_pump(np);
    }
}

static void check_tail_done(Netpass *n)
{
    for (unsigned i = 0; i < n->ports->len; i++) {
        NetpassPort *np = n->ports->pdata[i];

        if (np->chain && !np->end_came) {
            return;
        }
    }
    if (!n->is_tail_done) {
        n->is_tail_done = true;
        loop_timer_cancel(n->gate);
        loop_timer_cancel(n->markers);
        handoff_tail_done(&n->part);
    }
}

/* No way from the source's port to ours, or none for group frames: it cannot be asked, and goes by the time. */
static void wait_no_longer(NetpassPort *np)
{
    if (np->is_started && np->unheard && !np->tx_waits && time_monotonic_ns() - MAX(np->started_ns, np->sent_ns) >= HERE_NS) {
        let_out(np, true, true);
    }
}

static void markers_due(void *opaque)
{
    Netpass *n = opaque;

    each_gated(n, wait_no_longer);
    each_gated(n, note_late);
    each_gated(n, send_markers);
    check_tail_done(n); /* a netdev that was removed says nothing any more */
    if (n->has_peer && !n->is_tail_done) {
        loop_timer_set(n->markers, time_monotonic_ns() + MARKER_NS);
    }
}

/* Nobody will send anything more; copies of what was sent may come for a while. */
static void end_alone(Netpass *n)
{
    netpass_over(n);
    loop_timer_set(n->twins, time_monotonic_ns() + NETPASS_TWIN_NS);
}

/* Nothing can come through a cable that is not plugged, and nobody is there to say END. */
static void begin(NetpassPort *np)
{
    np->is_started = true;
    np->started_ns = time_monotonic_ns();
    if (!np->pass->has_peer || np->end_came || !net_port_link_is_up(net_chain_nic(np->chain))) {
        gate_open(np);
    }
}

static void gate_started(HandoffPart *part)
{
    Netpass *n = part->opaque;

    if (!n->is_active) {
        return;
    }
    n->is_started = true;
    n->has_slept = false;
    each_gated(n, begin);
    if (!n->has_peer) { /* it has left while the guest was parked here */
        end_alone(n);
        return;
    }
    set_deadline(n, handoff_parameter("netpass-gate-ms", GATE_MS_DEFAULT) * NS_PER_MS);
    markers_due(n);
}

/* ---- messages ---- */
static void take_frame(NetpassPort *np, const NetpassFrame *f, int64_t now)
{
    int64_t received = now - (int64_t)MIN(f->age_ns, (uint64_t)INT64_MAX / 2);

    np->forwarded++;
    np->late += np->is_open;
    np->last_seq = MAX(np->last_seq, f->seq);
    if (np->is_open && np->alone_ns && !netpass_pairs_is_mirror(np->pairs) && is_for_nic(np, &f->frame)) {
        np->is_ordered = false; /* it goes in behind those that came here */
    }
    if ((np->source_saw && !np->is_late) || np->is_open) {
        if (netpass_cache_push(&np->shared, &f->frame, f->seq, received)) {
            return;
        }
        netpass_sort_source(np, true); /* no room for it there, and it may not overtake those that wait */
        gate_pump(np);
    }
    if (!netpass_pairs_source(np->pairs, &f->frame, received)) {
        np->duplicate++;
    } else if (!netpass_cache_push(&np->cache, &f->frame, f->seq, now)) {
        np->refused++;
    } else {
        return;
    }
    np->unacked += net_queue_cost(f->frame.size);
}

void netpass_gate_frames(NetpassPort *np, const NetpassMessage *m, StateReader *r)
{
    int64_t now = time_monotonic_ns();
    uint64_t refused = np->refused;
    NetPort *netdev = np->chain ? np->chain->netdev : NULL;
    GError *err = NULL;
    NetpassFrame f;

    if ((np->is_open || np->is_late) && netdev) {
        netdev->ops->drain(netdev); /* our copy of what was sent since the network turned is the one in its place */
    }
    np->heard_ns = np->fed_ns = now;
    for (uint32_t i = 0; i < m->frames; i++) {
        if (!netpass_get_frame(r, &f, &err)) {
            netpass_message_bad(np->pass, err);
            break;
        }
        if (!np->chain || f.frame.size < NET_FRAME_MIN) {
            netpass_gate_leave(np, &f.frame);
        } else {
            take_frame(np, &f, now);
        }
    }
    if (np->refused && !refused && np->chain) {
        warn_report("netpass: netdev '%s': frames from the source do not fit (netpass-max-bytes %" PRIu64 ")", np->id,
                    np->cache.bytes_max);
    }
    if (np->chain) {
        if (np->is_open) {
            netpass_sort_source(np, false);
        }
        np->state = np->state == NETPASS_DONE ? NETPASS_DRAIN : np->state;
        gate_pump(np);
    } else {
        acknowledge(np);
    }
}

void netpass_gate_seen(NetpassPort *np)
{
    np->heard_ns = time_monotonic_ns();
    if (!np->source_saw && np->chain) {
        np->source_saw = true;
        netpass_pairs_set_turned(np->pairs);
        send_markers(np);
    }
}

void netpass_gate_sent(NetpassPort *np)
{
    if (np->chain) {
        np->sent_ns = time_monotonic_ns();
        let_out(np, true, false);
        send_markers(np);
    }
}

void netpass_gate_mirror(NetpassPort *np)
{
    if (np->chain) {
        TRACE(netpass_mirror, "%s: the network shows our frames to the source, and the source's to us", np->id);
        netpass_pairs_set_mirror(np->pairs);
    }
}

void netpass_gate_end(NetpassPort *np, const NetpassEnd *end)
{
    if (!np->chain) {
        return;
    }
    np->last_seq = MAX(np->last_seq, end->captured);
    np->source_lost = end->lost;
    np->refused_group = end->group;
    if (np->end_came) {
        return; /* it has given up more */
    }
    np->end_came = true;
    let_out(np, true, true);
    if (!np->is_started) {
        return; /* before our first marker it can only be a deadline of the source; begin() opens */
    }
    gate_open(np);
    check_tail_done(np->pass);
}

/* ---- other ends ---- */
/* Frames that the source had and could not send any more: the numbers that did not come. */
static void count_missing(NetpassPort *np)
{
    uint64_t missing = np->last_seq - MIN(np->last_seq, np->forwarded);

    if (missing && (np->is_started || np->end_came)) { /* else the source has the guest, and them */
        warn_report("netpass: netdev '%s': %" PRIu64 " frames stayed with the source", np->id, missing);
        np->refused += missing;
        np->last_seq = np->forwarded;
    }
}

static void tail_cut(NetpassPort *np)
{
    count_missing(np);
    if (np->is_started && !np->is_open && !np->reads) {
        np->is_ordered = np->end_came;
        warn_report("netpass: netdev '%s': the source is gone before it could say that it has all frames", np->id);
        gate_open(np);
    }
}

void netpass_gate_peer_gone(Netpass *n)
{
    n->peer_gone_ns = time_monotonic_ns();
    loop_timer_cancel(n->markers);
    each_gated(n, tail_cut);
    if (n->is_started) {
        end_alone(n);
    }
}

/* The source leaves the network to us, before anybody runs here: what our netdev gets from now on may be for us alone. */
static void receive_alone(NetpassPort *np)
{
    np->has_transmitted = true;
}

static void gate_owned(HandoffPart *part)
{
    each_gated(part->opaque, receive_alone);
}

static bool give_one_back(NetpassPort *np, const NetEntry *e, int64_t now)
{
    StateWriter *w = state_writer_new();
    bool ok;

    netpass_put_message(w, NETPASS_HELD, np->index);
    state_put_be32(w, 1);
    netpass_put_frame(w, e, now);
    ok = netpass_send(np->pass, w);
    state_writer_free(w);
    return ok;
}

static void give_back(NetpassPort *np)
{
    int64_t now = time_monotonic_ns();
    NetEntry *e;

    while ((e = netpass_cache_head(&np->own)) && (netpass_is_left_out(e) || give_one_back(np, e, now))) {
        netpass_cache_pop(&np->own);
    }
    if (np->own.queue.frames) {
        warn_report("netpass: netdev '%s': %" PRIu64 " frames that it received could not be given back to the source", np->id,
                    np->own.queue.frames);
        np->refused += np->own.queue.frames;
    }
}

static void gate_abandon(HandoffPart *part)
{
    Netpass *n = part->opaque;

    if (!n->is_source) {
        netpass_clear(n);
    }
}

static void gate_give_back(HandoffPart *part)
{
    each_gated(part->opaque, give_back);
    gate_abandon(part);
}

void netpass_gate_setup(Netpass *n)
{
    HandoffPart *p = &n->part;

    n->gate = loop_timer_new(gate_deadline, n);
    n->markers = loop_timer_new(markers_due, n);
    n->twins = loop_timer_new(twins_due, n);
    p->load = netpass_gate_load;
    p->owned = gate_owned;
    p->give_back = gate_give_back;
    p->starting = gate_starting;
    p->started = gate_started;
    p->abandon = gate_abandon;
}
