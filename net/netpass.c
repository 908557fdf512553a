/* net/netpass.c - packets that arrive while nobody runs the guest: both ends' common part.  Guarded by: vm_lock.
 * Page: docs/netpass.md.  Test: tests/unit/net/netpass-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What always holds: a frame has one owner.  Between freeze and RUN it is the source, which keeps every frame, numbered; the
 * destination holds copies until it runs.  From VM_STARTED on the source is a pure forwarder.  A frame goes into a guest in
 * the order of its number, and before any frame that the guest's new netdev received. */
#include "netpass.h"

#include "util/error.h"
#include "util/log.h"

#include "events.h"
#include "netpass-source.h"

#include <inttypes.h>
#include <string.h>

#define BYTES_MAX_DEFAULT (64ull << 20)

/* ---- ports ---- */
NetpassPort *netpass_port_of(NetHook *h)
{
    return (NetpassPort *)h;
}

uint64_t netpass_bytes_max(const NetChain *c)
{
    uint64_t bytes = handoff_parameter("netpass-max-bytes", BYTES_MAX_DEFAULT), own;

    if (c && netpass_filter_on(c, &own) && own) {
        return own;
    }
    return bytes ? bytes : BYTES_MAX_DEFAULT;
}

NetpassPort *netpass_port_new(Netpass *n, const char *id, NetChain *c)
{
    NetpassPort *np = g_new0(NetpassPort, 1);

    n->total.bytes_max = n->own.bytes_max = NETPASS_TOTAL_FACTOR * netpass_bytes_max(NULL);
    np->pass = n;
    np->id = g_strdup(id);
    np->chain = c;
    np->index = n->ports->len;
    np->is_ordered = true;
    np->drops_before = -1;
    np->source_lost = UINT64_MAX;
    netpass_cache_init(&np->cache, &n->total, netpass_bytes_max(c));
    netpass_cache_init(&np->own, &n->own, netpass_bytes_max(c));
    netpass_cache_init(&np->shared, &n->total, netpass_bytes_max(c));
    g_ptr_array_add(n->ports, np);
    return np;
}

static void port_free(void *opaque)
{
    NetpassPort *np = opaque;

    netpass_detach(np);
    netpass_cache_clear(&np->cache);
    netpass_cache_clear(&np->own);
    netpass_cache_clear(&np->shared);
    netpass_pairs_free(np->pairs);
    netpass_pairs_free(np->old_pairs);
    net_defer_free(np->flush);
    net_defer_free(np->end);
    net_defer_free(np->open);
    g_free(np->id);
    g_free(np);
}

/* The cable is as it was before: filters hold again, frames go straight to the NIC. */
void netpass_detach(NetpassPort *np)
{
    NetChain *c = np->chain;

    if (c && c->hook == &np->hook) {
        net_chain_set_hook(c, NULL);
        c->is_frozen = false;
        net_chain_room_soon(c, NET_TO_GUEST);
    }
    np->chain = NULL;
}

uint64_t netpass_held(const NetpassPort *np)
{
    uint64_t frames = np->cache.queue.frames + np->shared.queue.frames;
    NetCursor at = {0};
    NetEntry *e;

    while ((e = net_queue_next(&np->own.queue, &at))) {
        frames += !netpass_is_left_out(e);
    }
    return frames;
}

void netpass_over(Netpass *n)
{
    n->is_active = false;
    n->owes = netpass_owes(n->ports, NULL);
}

bool netpass_owes(const GPtrArray *ports, const NetChain *c)
{
    for (unsigned i = 0; i < ports->len; i++) {
        const NetpassPort *np = ports->pdata[i];

        if (np->chain && (!c || np->chain == c) && netpass_held(np)) {
            return true;
        }
    }
    return false;
}

void netpass_lose(NetpassPort *np, const char *why)
{
    uint64_t frames = netpass_held(np);

    if (frames) {
        warn_report("netpass: netdev '%s': %" PRIu64 " frames are lost: %s", np->id, frames, why);
        np->refused += frames;
    }
    netpass_cache_clear(&np->cache);
    netpass_cache_clear(&np->own);
    netpass_cache_clear(&np->shared);
    netpass_detach(np);
}

static GPtrArray *ports_new(void)
{
    return g_ptr_array_new_with_free_func(port_free);
}

GPtrArray *netpass_take_ports(Netpass *n)
{
    GPtrArray *old = n->ports;

    n->ports = ports_new();
    return old;
}

void netpass_clear(Netpass *n)
{
    if (loop_in_main()) { /* the incoming thread meets a Netpass that never was at work */
        netpass_tail_stop(n);
        loop_timer_cancel(n->gate);
        loop_timer_cancel(n->markers);
        loop_timer_cancel(n->twins);
    }
    g_ptr_array_unref(n->ports);
    n->ports = ports_new();
    n->is_active = n->owes = n->is_tail_done = n->is_started = false;
    n->peer_gone_ns = 0;
    n->unknown_netdevs = n->unknown_frames = n->bad_messages = 0;
}

bool netpass_is_pairing(const NetpassPort *np)
{
    const Netpass *n = np->pass;
    int64_t patience = np->is_synced ? NETPASS_PAIRING_MIRROR_NS : NETPASS_PAIRING_NS;

    return !np->is_past && np->chain && (n->has_peer || time_monotonic_ns() < n->peer_gone_ns + patience);
}

bool netpass_is_echo(const NetpassPort *np, const NetFrame *f)
{
    NetPort *nic = np->chain ? net_chain_nic(np->chain) : NULL;

    return nic && !memcmp(f->data + 6, nic->mac, 6);
}

/* ---- into the guest ---- */
static bool pump_cache(NetpassPort *np)
{
    NetEntry *e;

    while ((e = netpass_cache_head(&np->cache))) {
        if (net_chain_deliver(np->chain, NET_TO_GUEST, &e->frame) == NET_NO_ROOM) {
            return false;
        }
        np->injected++;
        np->unacked += net_queue_cost(e->frame.size);
        netpass_cache_pop(&np->cache);
    }
    return true;
}

static NetResult pump_one(NetpassPort *np, const NetEntry *e)
{
    if (netpass_is_left_out(e)) {
        return NET_DONE;
    }
    if (e->tag == NETPASS_FILTERED) {
        return net_chain_flush_held(np->chain, NET_TO_GUEST) ? np->hook.to_guest(&np->hook, &e->frame) : NET_NO_ROOM;
    }
    return net_chain_pass_on(np->chain, NET_TO_GUEST, NULL, &e->frame);
}

bool netpass_pump_own(NetpassPort *np)
{
    NetResult result = NET_DONE;
    NetEntry *e;

    while (!np->in_own && result == NET_DONE && (e = netpass_cache_head(&np->own))) {
        np->in_own = true; /* at the source it goes into the cache, and from there we may be called */
        result = pump_one(np, e);
        np->in_own = false;
        if (result == NET_DONE) {
            np->injected += !netpass_is_left_out(e) && !np->pass->is_source;
            netpass_cache_pop(&np->own);
        }
    }
    return !np->own.queue.frames;
}

static void drained(NetpassPort *np)
{
    if (np->pass->is_source) {
        np->state = NETPASS_PASS;
        netpass_detach(np);
    } else {
        np->state = NETPASS_DONE; /* the hook stays: stragglers and twins may come while the source is there */
        np->chain->is_frozen = false;
        if (!netpass_is_pairing(np) && !np->pass->has_peer) {
            netpass_detach(np);
        }
    }
}

static void pump_all(NetpassPort *np)
{
    if (pump_cache(np) && np->state == NETPASS_DRAIN && netpass_pump_own(np) && !np->cache.queue.frames) {
        drained(np);
    }
}

void netpass_pump(NetpassPort *np, bool by_force)
{
    NetChain *c = np->chain;
    uint64_t injected = np->injected;

    if (!c || (!by_force && !c->world->is_running)) {
        return;
    }
    pump_all(np);
    if (np->injected != injected) {
        net_chain_room_soon(c, NET_TO_GUEST); /* a netdev that met the bound */
    }
}

/* ---- messages ---- */
bool netpass_send(Netpass *n, StateWriter *w)
{
    size_t size;
    const uint8_t *data = state_writer_data(w, &size);
    bool ok = n->has_peer && handoff_send(&n->part, data, size);

    /* What the source cannot send any more is lost.  At the destination what it had sent before it went is still to come. */
    n->has_peer = n->has_peer && (ok || !n->is_source);
    return ok;
}

void netpass_message_bad(Netpass *n, GError *err)
{
    if (!n->bad_messages++) {
        warn_report("netpass: message from the other side: %s", err->message);
    }
    g_error_free(err);
}

/* Row: which side understands the message. */
static bool may_get(const Netpass *n, NetpassMessageType type)
{
    bool from_destination = type == NETPASS_ACK || type == NETPASS_HELD;

    return n->is_source == from_destination;
}

static void part_message(HandoffPart *p, StateReader *r)
{
    Netpass *n = p->opaque;
    NetpassMessage m;
    GError *err = NULL;
    NetpassPort *np;

    if (!n->is_active) {
        return;
    }
    if (!netpass_get_message(r, &m, &err)) {
        netpass_message_bad(n, err);
        return;
    }
    if (m.index >= n->ports->len || !may_get(n, m.type)) {
        fail(&err, "type %u for netdev number %u", m.type, m.index);
        netpass_message_bad(n, err);
        return;
    }
    np = n->ports->pdata[m.index];
    switch (m.type) {
    case NETPASS_FRAMES:
        netpass_gate_frames(np, &m, r);
        break;
    case NETPASS_SEEN:
        netpass_gate_seen(np);
        break;
    case NETPASS_MIRROR:
        netpass_gate_mirror(np);
        break;
    case NETPASS_SENT:
        netpass_gate_sent(np);
        break;
    case NETPASS_END:
        netpass_gate_end(np, &m.end);
        break;
    case NETPASS_HELD:
        netpass_source_frames(np, &m, r);
        break;
    case NETPASS_ACK:
        if (np->flush) {
            netpass_source_acknowledged(np, m.bytes);
        }
        break;
    default:
        break;
    }
}

/* ---- what is said of it ---- */
static const char *const state_names[NETPASS_STATE__MAX] = {"pass", "hold", "copy", "forward", "gate", "drain", "done"};

static Json *lost_in_kernel(const NetpassPort *np)
{
    NetPort *netdev = np->chain ? np->chain->netdev : NULL;
    int64_t now = netdev && netdev->ops->kernel_drops ? netdev->ops->kernel_drops(netdev) : -1;

    if (np->source_lost != UINT64_MAX) {
        return json_uint(np->source_lost);
    }
    return now >= 0 && np->drops_before >= 0 ? json_uint(MAX(0, now - np->drops_before)) : NULL;
}

static Json *port_report(const NetpassPort *np)
{
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {
        {"captured", np->captured},
        {"captured-bytes", np->captured_bytes},
        {"forwarded", np->forwarded},
        {"injected", np->injected},
        {"held", netpass_held(np)},
        {"duplicate", np->duplicate},
        {"flooded", np->flooded},
        {"refused", np->refused},
        {"refused-group", np->refused_group},
        {"late", np->late},
    };
    Json *j = json_dict(), *lost = lost_in_kernel(np);

    json_set(j, "netdev", json_string(np->id));
    json_set(j, "state", json_string(state_names[np->state]));
    json_set(j, "best-effort", json_bool(np->is_best_effort));
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        json_set(j, rows[i].name, json_uint(rows[i].value));
    }
    if (lost) {
        json_set(j, "lost-in-kernel", lost);
    }
    if (np->opened_ns) {
        json_set(j, "gate-us", json_uint((np->opened_ns - np->started_ns) / NS_PER_US));
    }
    json_set(j, "ordered", json_bool(np->is_ordered));
    return j;
}

/* {"netdevs": [NetpassInfo ...]} */
static Json *part_report(HandoffPart *p)
{
    Netpass *n = p->opaque;
    Json *j = json_dict(), *list = json_list();

    for (unsigned i = 0; i < n->ports->len; i++) {
        json_append(list, port_report(n->ports->pdata[i]));
    }
    json_set(j, "netdevs", list);
    return j;
}

/* The account is closed: what the source had and did not send is known now. */
static void part_peer_gone(HandoffPart *p)
{
    Netpass *n = p->opaque;
    bool is_told = n->is_active && (!n->is_source || n->has_left);

    n->has_peer = false;
    if (n->is_active && n->is_source) {
        netpass_source_peer_gone(n);
    } else if (n->is_active) {
        netpass_gate_peer_gone(n);
    }
    if (is_told) {
        net_event_netpass_ended(part_report(p));
    }
}

/* ---- life ---- */
bool netpass_is_wanted_on(const NetChain *c)
{
    uint64_t unused;

    return handoff_capability("netpass") || netpass_filter_on(c, &unused);
}

static bool part_wanted(HandoffPart *p)
{
    Netpass *n = p->opaque;

    return n->is_active || handoff_capability("netpass") || netpass_filter_any() || n->owes;
}

Netpass *netpass_new(NetWorld *w)
{
    Netpass *n = g_new0(Netpass, 1);

    n->world = w;
    n->in_flight_max = NETPASS_IN_FLIGHT_MAX;
    w->early = netpass_gate_early;
    n->ports = ports_new();
    n->part = (HandoffPart){
        .name = "netpass",
        .order = 50,
        .opaque = n,
        .wanted = part_wanted,
        .message = part_message,
        .peer_gone = part_peer_gone,
        .report = part_report,
    };
    netpass_source_setup(n);
    netpass_gate_setup(n);
    return n;
}

void netpass_free(Netpass *n)
{
    netpass_clear(n);
    netpass_tail_free(n);
    loop_timer_free(n->gate);
    loop_timer_free(n->markers);
    loop_timer_free(n->twins);
    g_ptr_array_unref(n->ports);
    g_free(n);
}

void netpass_init(void)
{
    handoff_register(&netpass_new(net_world())->part);
}
