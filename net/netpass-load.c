/* net/netpass-load.c - the destination's beginning: what comes before the guest, and the backlog.  Guarded by: vm_lock.
 * Page: docs/netpass.md.  Test: tests/unit/net/netpass-test.c, tests/fuzz/netpass.c
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "netpass.h"

#include "util/error.h"

#include <inttypes.h>

#define LET_IN_BYTES (64ull << 20) /* behind the backlog the source's bound counts, up to this, or ours where that is more */

void netpass_gate_early(NetChain *c, const NetFrame *f)
{
    NetPort *nic = net_chain_nic(c);
    uint64_t nonce;

    if (nic && netpass_is_wanted_on(c)) {
        c->early = c->early ? c->early : netpass_pairs_new((uint64_t)g_random_int() << 32 | g_random_int(), nic->mac);
        if (netpass_marker_is_here(f, nic->mac, &nonce)) {
            netpass_pairs_heard(c->early, nonce);
        } else {
            netpass_pairs_flooded(c->early, f, time_monotonic_ns());
        }
    }
}

static bool load_frames(NetpassPort *np, uint32_t count, StateReader *r, GError **errp)
{
    int64_t now = time_monotonic_ns();
    NetpassFrame f;

    for (uint32_t i = 0; i < count; i++) {
        if (!netpass_get_frame(r, &f, errp)) {
            return false;
        }
        if (!np->chain || f.frame.size < NET_FRAME_MIN) {
            netpass_gate_leave(np, &f.frame);
            continue;
        }
        netpass_pairs_source(np->pairs, &f.frame, now - (int64_t)MIN(f.age_ns, (uint64_t)INT64_MAX / 2));
        if (!netpass_cache_push(&np->cache, &f.frame, f.seq, now)) {
            return fail(errp, "netpass: netdev '%s': the source holds more frames than fit here (netpass-max-bytes %" PRIu64
                        ")", np->id, np->cache.bytes_max);
        }
        np->forwarded++;
        np->last_seq = MAX(np->last_seq, f.seq);
    }
    return true;
}

static bool load_netdev(Netpass *n, StateReader *r, GError **errp)
{
    NetpassBacklogNetdev head;
    NetpassPort *np;
    NetPort *p;

    if (!netpass_get_netdev(r, &head, errp)) {
        return false;
    }
    p = net_world_find(n->world, head.id);
    np = netpass_port_new(n, head.id, p && p->peer && p->ops->can_capture && !head.is_best_effort ? p->chain : NULL);
    np->is_best_effort = head.is_best_effort;
    np->tx_waits = np->chain && head.is_sending;
    if (np->chain && np->chain->hook) {
        return fail(errp, "netpass: netdev '%s' comes twice", head.id);
    }
    if (np->chain) {
        netpass_gate_attach(np);
    } else {
        np->state = NETPASS_DONE;
        n->unknown_netdevs += !head.is_best_effort;
    }
    if (!load_frames(np, head.frames, r, errp)) {
        return false;
    }
    np->cache.bytes_max = np->shared.bytes_max = MAX(np->cache.bytes_max, LET_IN_BYTES);
    return true;
}

bool netpass_gate_load(HandoffPart *part, StateReader *r, GError **errp)
{
    Netpass *n = part->opaque;
    NetpassBacklog head;

    netpass_clear(n);
    n->is_source = false;
    if (!netpass_get_backlog(r, &head, errp)) {
        return false;
    }
    n->is_active = n->has_peer = true;
    n->nonce = head.nonce;
    for (unsigned i = 0; i < head.netdevs; i++) {
        if (!load_netdev(n, r, errp)) {
            return false;
        }
    }
    if (n->unknown_netdevs) {
        warn_report("netpass: %" PRIu64 " netdevs of the source are not here or cannot be captured; %" PRIu64
                    " frames for them are left out", n->unknown_netdevs, n->unknown_frames);
    }
    n->total.bytes_max = MAX(n->total.bytes_max, NETPASS_TOTAL_FACTOR * LET_IN_BYTES);
    return true;
}
