/* net/filter.h - the base of all netfilters.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * `queue` is named from the netdev: tx are frames it sends towards the guest, rx frames it gets.  Towards the guest the
 * list is walked from head to tail, towards the host from tail to head.  Guarded by: vm_lock. */
#pragma once

#include "chain.h"

typedef struct NetFilterOps {
    bool (*setup)(NetFilter *f, GError **errp);
    void (*cleanup)(NetFilter *f, NetQueue left[NET_LANES]); /* what it still holds goes into `left` */
    NetVerdict (*receive)(NetFilter *f, NetLaneId lane, const NetFrame *frame);
    void (*flush)(NetFilter *f);                 /* pass on everything held, as far as there is room */
    bool (*holds)(const NetFilter *f, NetLaneId lane); /* NULL: never.  While it does it sees frames also when it is off */
    void (*room)(NetFilter *f, NetLaneId lane);  /* what was refused behind it may go now */
    bool is_beside;                              /* not a link of the chain (filter-netpass) */
} NetFilterOps;

struct NetFilter {
    Object obj;
    char *netdev, *position;
    int queue, insert;
    int status;
    NetChain *chain;
    const NetFilterOps *ops;
    uint64_t seen[NET_LANES];
};

enum { NET_QUEUE_ALL, NET_QUEUE_RX, NET_QUEUE_TX };
enum { NET_INSERT_BEHIND, NET_INSERT_BEFORE };
enum { NET_STATUS_ON, NET_STATUS_OFF };

/* A row's parent is "netfilter" and its `ops` are NetFilterOps; the base row does the rest. */
bool net_filter_sees(const NetFilter *f, NetLaneId lane);
/* A frame that the filter held goes on behind it; NET_NO_ROOM: keep it, room() will be called. */
NetResult net_filter_pass_on(NetFilter *f, NetLaneId lane, const NetFrame *frame);
/* Deletes the filter objects of a netdev that goes away. */
void net_filters_delete(NetChain *c);
