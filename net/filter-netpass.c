/* net/filter-netpass.c - asks for netpass on one netdev, whatever the capability says.  Guarded by: vm_lock.
 * Page: docs/netpass.md.  Test: tests/unit/net/port-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * It is no link of the chain: what it asks for happens next to the NIC, below all filters, whatever is added later. */
#include "filter.h"
#include "netpass.h"

#include "net/net.h"

typedef struct FilterNetpass {
    NetFilter filter;
    uint64_t max_bytes;
} FilterNetpass;

static FilterNetpass *next_on(unsigned *at)
{
    Object *objects = object_container("/objects");

    while (objects->children && *at < objects->children->len) {
        Object *o = objects->children->pdata[(*at)++];

        if (o->type == &filter_netpass_type && ((NetFilter *)o)->ops && ((NetFilter *)o)->status == NET_STATUS_ON) {
            return (FilterNetpass *)o;
        }
    }
    return NULL;
}

bool netpass_filter_on(const NetChain *c, uint64_t *ret_bytes_max)
{
    FilterNetpass *f;

    for (unsigned at = 0; (f = next_on(&at));) {
        if (f->filter.chain == c) {
            *ret_bytes_max = f->max_bytes;
            return true;
        }
    }
    return false;
}

bool netpass_filter_any(void)
{
    return next_on(&(unsigned){0}) != NULL;
}

static NetVerdict netpass_receive(NetFilter *f, NetLaneId lane, const NetFrame *frame)
{
    return NET_PASS;
}

static const NetFilterOps netpass_ops = {.receive = netpass_receive, .is_beside = true};

static const Property netpass_props[] = {
    PROP_SIZE("max-bytes", FilterNetpass, max_bytes, 0, "bound of this netdev's cache; 0: netpass-max-bytes"),
    {},
};

const ObjectType filter_netpass_type = {
    .name = "filter-netpass",
    .parent = "netfilter",
    .about = "keeps the frames of a netdev across a handoff",
    .kind = KIND_OBJECT,
    .size = sizeof(FilterNetpass),
    .props = netpass_props,
    .ops = &netpass_ops,
    .flags = TYPE_USER_CREATABLE,
};
