/* net/netpass-tail.c - the source's last part: has all left, has the network turned, and who waits how long.
 * Guarded by: vm_lock.  Page: docs/netpass.md.  Test: tests/unit/net/netpass-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "netpass-source.h"

#include "util/error.h"
#include "util/log.h"

#include "netdev.h"

#include <inttypes.h>

#define LINGER_MS_DEFAULT 1000
#define TAIL_MS_DEFAULT 5000
#define TAIL_REST_MS 1000          /* of the engine's deadline: for the last frames, and for the answer */
#define CHECK_NS (20 * NS_PER_MS)  /* as long as the destination has not answered */
#define SENDING_NS (1 * NS_PER_MS) /* nobody tells when the other end of a socket has taken what is in it */
#define QUIET_NS (500 * NS_PER_MS) /* a network that lets the check not through, and had nothing for us for so long */
#define REST_QUIET_NS (100 * NS_PER_MS)
#define REST_NS (500 * NS_PER_MS)

/* ---- END ---- */
void netpass_tail_check_done(Netpass *n)
{
    for (unsigned i = 0; i < n->ports->len; i++) {
        NetpassPort *np = n->ports->pdata[i];

        if (np->chain && !np->is_best_effort && !np->ended) {
            return;
        }
    }
    if (!n->is_tail_done) {
        n->is_tail_done = true;
        netpass_tail_stop(n);
        handoff_tail_done(&n->part);
    }
}

void netpass_tail_say_end(NetpassPort *np)
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
    state_put_be64(w, np->refused_group);
    netpass_send(np->pass, w);
    state_writer_free(w);
}

/* true: there may be more of it. */
static bool read_port(NetpassPort *np)
{
    NetPort *netdev = np->chain->netdev;

    return netdev->ops->drain(netdev) >= NET_DRAIN_MAX;
}

static bool read_and_send(NetpassPort *np)
{
    bool is_more = read_port(np);

    netpass_source_flush(np); /* what is not sent behind that waits for room */
    return is_more;
}

/* Frames that found no room yet, here or over there. */
static bool waits_for_guest(const NetpassPort *np)
{
    return np->is_full || np->own.queue.frames || np->sent_seq < np->cache.last_seq;
}

/* Who waits no longer for the guest leaves at once. */
static void give_up_unsent(NetpassPort *np)
{
    NetEntry *e;

    while ((e = netpass_cache_head(&np->cache)) && np->state == NETPASS_FORWARD) {
        np->refused++;
        np->refused_group += e->frame.data[0] & 1;
        netpass_cache_pop(&np->cache);
    }
}

/* One last look at the netdev, then END: whatever the network sent us before it turned is in, and sent.  At the bound the
 * rest is still to be read: again when the destination has made room. */
void netpass_tail_end(void *opaque)
{
    NetpassPort *np = opaque;

    if (np->ended || !np->chain || (np->state != NETPASS_COPY && np->state != NETPASS_FORWARD)) {
        return;
    }
    np->end_waits = false; /* not again from within the flush */
    read_port(np);
    net_chain_flush_filters(np->chain);
    netpass_source_flush(np);
    np->end_waits = !np->gives_up && waits_for_guest(np);
    if (np->end_waits) {
        return;
    }
    if (np->gives_up) {
        give_up_unsent(np);
    }
    if (np->is_mirror || np->has_turned) { /* else copies of what comes late may be behind it */
        netpass_source_marker(np, NETPASS_MARKER_PAST);
    }
    netpass_tail_say_end(np);
    np->ended = true;
    TRACE(netpass_end, "%s: captured %" PRIu64 ", forwarded %" PRIu64, np->id, np->captured, np->forwarded);
    netpass_tail_check_done(np->pass);
}

/* ---- the deadline ---- */
/* What the destination had no room for, and has none for, is lost: counted, not left with the kernel or with a switch that
 * has waited for us.  false: there may be more of it. */
static bool give_up_rest(NetpassPort *np, int64_t now)
{
    if (!np->gives_up) {
        warn_report("netpass: netdev '%s': the guest has not taken its frames in time", np->id);
        np->gives_up = true;
        np->last_frame_ns = np->gave_up_ns = now;
        net_chain_room(np->chain, NET_TO_GUEST); /* what the netdev, or a filter, keeps back for want of room */
    }
    read_port(np);
    return now - np->last_frame_ns >= REST_QUIET_NS || now - np->gave_up_ns >= REST_NS;
}

static int64_t linger_ns(void)
{
    return handoff_parameter("netpass-linger-ms", LINGER_MS_DEFAULT) * NS_PER_MS;
}

/* Nobody is stuck, all are slow: what we wait for goes on, and the engine leaves us the time. */
static bool is_getting_on(NetpassPort *np, int64_t now)
{
    if (np->gives_up || now - np->pass->linger_ns >= np->pass->patience_ns) {
        return false;
    }
    if (waits_for_guest(np)) {
        return np->acked_ns && now - np->acked_ns < linger_ns();
    }
    return np->is_sending || read_and_send(np);
}

/* We may go from now on. */
static void end_by_deadline(NetpassPort *np)
{
    int64_t now = time_monotonic_ns();

    if (np->ended || is_getting_on(np, now)) {
        return;
    }
    if (!np->gives_up && !waits_for_guest(np)) {
        warn_report("netpass: netdev '%s': the network did not show that it had turned to the destination in time", np->id);
        np->gives_up = true;
    } else if (!give_up_rest(np, now)) {
        return;
    }
    netpass_tail_end(np);
}

static void linger_over(void *opaque)
{
    Netpass *n = opaque;

    if (!n->linger_ns) {
        uint64_t tail_ms = handoff_parameter("tail-deadline-ms", TAIL_MS_DEFAULT);

        n->linger_ns = time_monotonic_ns();
        n->patience_ns = (tail_ms - MIN(tail_ms, TAIL_REST_MS)) * NS_PER_MS;
    }
    netpass_source_each(n, end_by_deadline);
    netpass_tail_check_done(n); /* a netdev that was removed has no end */
    if (!n->is_tail_done && n->has_peer) {
        loop_timer_set(n->linger, time_monotonic_ns() + REST_QUIET_NS);
    }
}

/* ---- the network turns ---- */
/* The marker came, so every switch has seen the destination; whether every one has learned it already is asked by a frame
 * for the guest, until the destination says that it got one. */
static void check(NetpassPort *np)
{
    if (!np->seen || np->ended) {
        return;
    }
    if (!np->is_mirror && time_monotonic_ns() - np->last_frame_ns >= QUIET_NS) {
        netpass_tail_end(np);
        return;
    }
    netpass_source_word(np, NETPASS_SEEN);
    netpass_source_marker(np, NETPASS_MARKER_CHECK);
}

static void check_all(void *opaque)
{
    Netpass *n = opaque;

    netpass_source_each(n, check);
    if (!n->is_tail_done && n->has_peer) {
        loop_timer_set(n->checks, time_monotonic_ns() + CHECK_NS);
    }
}

void netpass_tail_seen(NetpassPort *np)
{
    np->seen = true;
    np->last_frame_ns = MAX(np->last_frame_ns, time_monotonic_ns());
    netpass_source_flush(np);
    check(np);
    loop_timer_set(np->pass->checks, time_monotonic_ns() + CHECK_NS);
}

/* ---- what the guest sent here ---- */
static void tell_sent(NetpassPort *np)
{
    netpass_source_say_here(np);
    if (np->is_sending && !net_chain_is_sending(np->chain)) {
        np->is_sending = false;
        netpass_source_word(np, NETPASS_SENT);
    }
    np->pass->is_sending |= np->is_sending || np->here_waits;
}

static void sending_due(void *opaque)
{
    Netpass *n = opaque;

    n->is_sending = false;
    netpass_source_each(n, tell_sent);
    if (n->is_sending && n->has_peer) {
        loop_timer_set(n->sending, time_monotonic_ns() + SENDING_NS);
    }
}

void netpass_tail_sending(Netpass *n)
{
    sending_due(n);
}

/* ---- life ---- */
void netpass_tail_linger(Netpass *n)
{
    loop_timer_set(n->linger, time_monotonic_ns() + linger_ns());
}

void netpass_tail_stop(Netpass *n)
{
    loop_timer_cancel(n->linger);
    loop_timer_cancel(n->checks);
    loop_timer_cancel(n->sending);
}

void netpass_tail_setup(Netpass *n)
{
    n->linger = loop_timer_new(linger_over, n);
    n->checks = loop_timer_new(check_all, n);
    n->sending = loop_timer_new(sending_due, n);
}

void netpass_tail_free(Netpass *n)
{
    loop_timer_free(n->linger);
    loop_timer_free(n->checks);
    loop_timer_free(n->sending);
}
