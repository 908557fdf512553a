/* net/nic.c - -nic in two halves, default addresses, and what `info network` says.  Main loop, vm_lock.
 * Page: docs/net.md.  Test: tests/unit/net/port-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/net.h"
#include "net/port.h"
#include "util/error.h"

#include "chain.h"
#include "filter.h"

#include <inttypes.h>
#include <string.h>

#define NIC_MODEL "virtio-net-device"

/* ---- addresses ---- */
bool net_mac_is_set(const uint8_t mac[6])
{
    static const uint8_t zero[6];

    return memcmp(mac, zero, sizeof(zero)) != 0;
}

typedef struct MacSearch {
    uint8_t mac[6];
    bool is_used;
} MacSearch;

static void compare_mac(NetPort *p, void *opaque)
{
    MacSearch *s = opaque;

    s->is_used |= p->is_nic && !memcmp(p->mac, s->mac, 6);
}

void net_mac_default(uint8_t mac[6])
{
    MacSearch s = {.mac = {0x52, 0x54, 0x00, 0x12, 0x34, 0x56}};

    do {
        s.is_used = false;
        net_port_foreach(compare_mac, &s);
        s.mac[5] += s.is_used;
    } while (s.is_used && s.mac[5] != 0x56);
    memcpy(mac, s.mac, 6);
}

/* ---- -nic ---- */
static char *free_id(void)
{
    static unsigned number;
    char *id;

    do {
        id = g_strdup_printf("nic%u", number++);
    } while (net_port_find(id) && (g_free(id), true));
    return id;
}

bool net_nic_split(const Json *options, Json **ret_netdev, Json **ret_device, GError **errp)
{
    const char *type = json_get_str(options, "type"), *model = json_get_str(options, "model");
    const char *mac = json_get_str(options, "mac"), *id = json_get_str(options, "id");
    g_autofree char *name = NULL;

    *ret_netdev = *ret_device = NULL;
    if (!type) {
        return fail(errp, "Parameter 'type' is missing");
    }
    if (!strcmp(type, "none")) {
        return json_size(options) == 1 || fail(errp, "-nic none takes no other option");
    }
    name = id ? g_strdup(id) : free_id();
    *ret_netdev = json_copy(options);
    json_remove(*ret_netdev, "model");
    json_remove(*ret_netdev, "mac");
    json_set(*ret_netdev, "id", json_string(name));
    *ret_device = json_dict();
    json_set(*ret_device, "driver", json_string(model && strcmp(model, "virtio") ? model : NIC_MODEL));
    json_set(*ret_device, "netdev", json_string(name));
    if (mac) {
        json_set(*ret_device, "mac", json_string(mac));
    }
    return true;
}

/* ---- info network ---- */
static void info_end(GString *out, NetPort *p)
{
    g_string_append_printf(out, "%s: index=0,type=%s", p->id, p->is_nic ? "nic" : p->ops->type);
    if (p->is_nic) {
        g_string_append_printf(out, ",model=%s,macaddr=%02x:%02x:%02x:%02x:%02x:%02x", p->ops->type, p->mac[0], p->mac[1],
                               p->mac[2], p->mac[3], p->mac[4], p->mac[5]);
    }
    if (p->link_down) {
        g_string_append(out, ",link=down");
    }
    if (p->ops->info) {
        p->ops->info(p, out);
    }
    g_string_append_c(out, '\n');
}

static void info_filters(GString *out, NetChain *c)
{
    for (unsigned i = 0; i < c->filters->len; i++) {
        NetFilter *f = c->filters->pdata[i];

        g_string_append_printf(out, "   - %s: type=%s,status=%s,tx=%" PRIu64 ",rx=%" PRIu64 "\n", f->obj.id,
                               f->obj.type->name, f->status == NET_STATUS_ON ? "on" : "off", f->seen[NET_TO_GUEST],
                               f->seen[NET_TO_HOST]);
    }
}

static void info_netdev(GString *out, NetPort *netdev)
{
    NetChain *c = netdev->chain;

    info_end(out, netdev);
    if (c->filters->len) {
        g_string_append(out, "filters:\n");
        info_filters(out, c);
    }
    g_string_append_printf(out, "   frames: to guest=%" PRIu64 ",to host=%" PRIu64 ",without link=%" PRIu64
                           ",malformed=%" PRIu64 ",early=%" PRIu64 "\n", c->delivered[NET_TO_GUEST], c->delivered[NET_TO_HOST],
                           c->dropped_link, c->dropped_malformed, c->dropped_early);
}

static void info_nics(NetPort *p, void *opaque)
{
    GString *out = opaque;

    if (p->is_nic) {
        info_end(out, p);
        if (p->peer) {
            g_string_append(out, " \\ ");
            info_netdev(out, p->peer);
        }
    }
}

static void info_alone(NetPort *p, void *opaque)
{
    if (!p->is_nic && !p->peer) {
        info_netdev(opaque, p);
    }
}

void net_info(GString *out)
{
    net_port_foreach(info_nics, out);
    net_port_foreach(info_alone, out);
}
