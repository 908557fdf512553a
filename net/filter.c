/* net/filter.c - the base of all netfilters: where they sit, which frames they see.  Guarded by: vm_lock.
 * Page: docs/net.md.  Test: tests/unit/net/port-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "filter.h"

#include "net/net.h"
#include "util/error.h"

#include <string.h>

static const char *const queue_names[] = {"all", "rx", "tx", NULL};
static const char *const insert_names[] = {"behind", "before", NULL};
static const char *const status_names[] = {"on", "off", NULL};

bool net_filter_sees(const NetFilter *f, NetLaneId lane)
{
    bool is_seeing = f->status == NET_STATUS_ON || (f->ops && f->ops->holds && f->ops->holds(f, lane));

    return is_seeing && f->queue != (lane == NET_TO_GUEST ? NET_QUEUE_RX : NET_QUEUE_TX);
}

NetResult net_filter_pass_on(NetFilter *f, NetLaneId lane, const NetFrame *frame)
{
    return net_chain_pass_on(f->chain, lane, f, frame);
}

/* ---- where it goes ---- */
static bool find_position(NetFilter *f, unsigned *ret, GError **errp)
{
    GPtrArray *list = f->chain->filters;

    if (!strcmp(f->position, "head")) {
        *ret = 0;
        return true;
    }
    if (!strcmp(f->position, "tail")) {
        *ret = list->len;
        return true;
    }
    if (!g_str_has_prefix(f->position, "id=")) {
        return fail(errp, "filter '%s': position '%s' is none of head, tail, id=FILTER", f->obj.id, f->position);
    }
    for (unsigned i = 0; i < list->len; i++) {
        if (!g_strcmp0(((NetFilter *)list->pdata[i])->obj.id, f->position + 3)) {
            *ret = i + (f->insert == NET_INSERT_BEHIND);
            return true;
        }
    }
    return fail(errp, "filter '%s': there is no filter '%s' on netdev '%s'", f->obj.id, f->position + 3, f->netdev);
}

/* ---- life ---- */
static bool filter_realize(Object *o, GError **errp)
{
    NetFilter *f = (NetFilter *)o;
    const NetFilterOps *ops = o->type->ops;
    unsigned at = 0;
    NetPort *p;

    if (!f->netdev) {
        return fail(errp, "Parameter 'netdev' is missing");
    }
    p = net_port_find(f->netdev);
    if (!p) {
        return fail(errp, "Parameter 'netdev' expects a network backend id; there is no '%s'", f->netdev);
    }
    f->chain = p->chain;
    if (!find_position(f, &at, errp) || (ops->setup && !ops->setup(f, errp))) {
        f->chain = NULL;
        return false;
    }
    f->ops = ops;
    if (!ops->is_beside) {
        net_chain_add_filter(f->chain, f, at);
    }
    return true;
}

static void filter_unrealize(Object *o)
{
    NetFilter *f = (NetFilter *)o;
    NetQueue left[NET_LANES] = {0};

    if (!f->ops) {
        return;
    }
    if (f->ops->flush) {
        f->ops->flush(f);
    }
    if (f->ops->cleanup) {
        f->ops->cleanup(f, left);
    }
    if (!f->ops->is_beside) {
        net_chain_remove_filter(f->chain, f, left);
    }
    f->ops = NULL;
    f->chain = NULL;
}

static void status_changed(Object *o, const Property *p)
{
    NetFilter *f = (NetFilter *)o;

    if (f->status == NET_STATUS_OFF && f->ops && f->ops->flush) {
        f->ops->flush(f);
    }
}

void net_filters_delete(NetChain *c)
{
    Object *objects = object_container("/objects");

    for (unsigned i = objects->children ? objects->children->len : 0; i > 0; i--) {
        Object *o = objects->children->pdata[i - 1];

        if (object_is(o, "netfilter") && ((NetFilter *)o)->chain == c) {
            object_delete(o);
        }
    }
}

static const Property filter_props[] = {
    PROP_ID("netdev", NetFilter, netdev, netdev, "the netdev it sits on"),
    PROP_ENUM("queue", NetFilter, queue, NET_QUEUE_ALL, queue_names,
              "frames it sees: tx (netdev to guest), rx (guest to netdev), all"),
    {.name = "status", .type = &prop_enum, .offset = offsetof(NetFilter, status), .names = status_names,
     .flags = PROP_SETTABLE, .changed = status_changed, .about = "on or off"},
    PROP_STR("position", NetFilter, position, "tail", "head, tail or id=FILTER"),
    PROP_ENUM("insert", NetFilter, insert, NET_INSERT_BEHIND, insert_names, "with id=: before or behind it"),
    {},
};

const ObjectType netfilter_type = {
    .name = "netfilter",
    .about = "sees the frames of a netdev",
    .kind = KIND_OBJECT,
    .props = filter_props,
    .realize = filter_realize,
    .unrealize = filter_unrealize,
};
