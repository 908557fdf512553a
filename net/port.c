/* net/port.c - the ports of a machine, and the cables between them.  Guarded by: vm_lock.
 * Page: docs/net.md.  Test: tests/unit/net/port-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/port.h"

#include "util/error.h"

#include "chain.h"

#include <inttypes.h>
#include <string.h>

/* ---- the world ---- */
static NetWorld machine_world;
static NetWorld *world = &machine_world;

NetWorld *net_world(void)
{
    if (!world->ports) {
        world->ports = g_ptr_array_new();
    }
    return world;
}

void net_world_use(NetWorld *w)
{
    world = w ? w : &machine_world;
}

NetPort *net_world_find(NetWorld *w, const char *netdev_id)
{
    for (unsigned i = 0; w->ports && i < w->ports->len; i++) {
        NetPort *p = w->ports->pdata[i];

        if (!p->is_nic && !strcmp(p->id, netdev_id)) {
            return p;
        }
    }
    return NULL;
}

void net_world_set_running(NetWorld *w, bool is_running)
{
    w->is_running = is_running;
    for (unsigned i = 0; is_running && w->ports && i < w->ports->len; i++) {
        NetPort *p = w->ports->pdata[i];

        if (!p->is_nic && p->chain) {
            net_chain_room_soon(p->chain, NET_TO_GUEST);
        }
    }
}

/* ---- ports ---- */
void net_port_init(NetPort *p, const char *id, const NetPortOps *ops, void *opaque)
{
    p->id = g_strdup(id);
    p->ops = ops;
    p->opaque = opaque;
    g_ptr_array_add(net_world()->ports, p);
    net_chain_of(p);
}

static void disconnect(NetPort *p)
{
    NetPort *peer = p->peer;
    NetChain *c = net_chain_of(p);

    if (!peer) {
        return;
    }
    if (c && c->hook && c->hook->gone) {
        c->hook->gone(c->hook);
    }
    p->peer = peer->peer = NULL;
    if (peer->ops->link_changed) {
        peer->ops->link_changed(peer);
    }
}

static void report_waiting(const NetChain *c)
{
    uint64_t count = 0;

    for (unsigned lane = 0; lane < NET_LANES; lane++) {
        count += c->lane[lane].held.frames + c->lane[lane].segments.frames;
    }
    if (count) {
        warn_report("netdev '%s': removed with %" PRIu64 " frames waiting", c->netdev->id, count);
    }
}

void net_port_destroy(NetPort *p)
{
    NetWorld *w = net_world();

    if (!p->id) {
        return;
    }
    disconnect(p);
    if (p->chain) {
        w = p->chain->world;
        report_waiting(p->chain);
        net_chain_free(p->chain);
        p->chain = NULL;
    }
    g_ptr_array_remove(w->ports, p);
    g_clear_pointer(&p->id, g_free);
}

bool net_port_connect(NetPort *nic, const char *netdev_id, GError **errp)
{
    NetPort *netdev = netdev_id ? net_port_find(netdev_id) : NULL;

    if (!netdev) {
        return fail(errp, "device '%s': there is no netdev '%s'", nic->id, netdev_id ? netdev_id : "");
    }
    if (netdev->peer) {
        return fail(errp, "device '%s': netdev '%s' is in use by '%s'", nic->id, netdev_id, netdev->peer->id);
    }
    nic->peer = netdev;
    netdev->peer = nic;
    nic->offloads = 0;
    net_chain_room_soon(netdev->chain, NET_TO_GUEST);
    return true;
}

NetPort *net_port_find(const char *netdev_id)
{
    return net_world_find(net_world(), netdev_id);
}

void net_port_foreach(void (*fn)(NetPort *p, void *opaque), void *opaque)
{
    GPtrArray *ports = net_world()->ports;

    for (unsigned i = 0; i < ports->len; i++) {
        fn(ports->pdata[i], opaque);
    }
}

void net_port_set_offloads(NetPort *nic, unsigned off)
{
    nic->offloads = off;
    if (nic->peer && nic->peer->ops->set_offloads) {
        nic->peer->ops->set_offloads(nic->peer, off);
    }
}

/* ---- the link ---- */
bool net_port_link_is_up(const NetPort *p)
{
    return !p->link_down && p->peer && !p->peer->link_down;
}

/* Of a netdev: of its whole cable, as a handoff does not tell which end was named. */
static bool change_link(NetPort *p, bool up)
{
    NetPort *nic = p->is_nic ? NULL : p->peer;
    bool is_new = p->link_down == up || (nic && nic->link_down == up);

    p->link_down = !up;
    if (nic) {
        nic->link_down = !up;
    }
    return is_new;
}

bool net_port_set_link(const char *id, bool up, GError **errp)
{
    GPtrArray *ports = net_world()->ports;
    NetPort *found = NULL;

    for (unsigned i = 0; i < ports->len && !found; i++) {
        NetPort *p = ports->pdata[i];

        found = !strcmp(p->id, id) ? p : NULL;
    }
    if (!found) {
        return fail_class(errp, ERROR_CLASS_DEVICE_NOT_FOUND, "Device '%s' not found", id);
    }
    if (!change_link(found, up)) {
        return true;
    }
    if (found->ops->link_changed) {
        found->ops->link_changed(found);
    }
    /* The guest's driver learns of both ends of its cable. */
    if (!found->is_nic && found->peer && found->peer->ops->link_changed) {
        found->peer->ops->link_changed(found->peer);
    }
    /* What waits behind a link that is down is dropped as a cable would; what its end kept may come again. */
    if (net_chain_of(found)) {
        net_chain_room_soon(net_chain_of(found), NET_TO_GUEST);
        net_chain_room_soon(net_chain_of(found), NET_TO_HOST);
    }
    return true;
}
