/* net/chain.h - what lies on a cable between a netdev and its NIC: filters, what waits, and netpass's place.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 *   netdev -> filter ... filter -> hook (netpass) -> segments -> NIC       lane to the guest ("tx" of the netdev)
 *   netdev <- segments <- filter ... filter <- hook <- NIC                 lane to the host  ("rx" of the netdev)
 *
 * A frame passes each filter once: a receiver's NET_NO_ROOM behind a filter makes the lane keep the frame and say NO_ROOM
 * to the next one, before the filters.  The hook is next to the NIC, whatever filter is added later.
 * Guarded by: vm_lock. */
#pragma once

#include "net/port.h"

#include "defer.h"
#include "netpass-pair.h"
#include "queue.h"

typedef enum NetLaneId { NET_TO_GUEST, NET_TO_HOST, NET_LANES } NetLaneId;

typedef struct NetFilter NetFilter;
typedef struct NetChain NetChain;

typedef enum NetVerdict {
    NET_PASS,    /* go on */
    NET_TAKEN,   /* it was copied and goes on later, or was counted as dropped */
    NET_REFUSED, /* no room: it comes again after net_chain_room() */
} NetVerdict;

typedef struct NetHook NetHook; /* first member of its owner */
struct NetHook {
    NetVerdict (*arrives)(NetHook *h, const NetFrame *f); /* before the filters */
    NetResult (*to_guest)(NetHook *h, const NetFrame *f); /* instead of the NIC */
    NetVerdict (*to_host)(NetHook *h, const NetFrame *f); /* sees what the NIC is about to send; may drain the netdev */
    bool (*nic_room)(NetHook *h);                         /* false: the hook still blocks the lane */
    void (*gone)(NetHook *h);                             /* the netdev or NIC is being removed: let go of it */
};

typedef struct NetLane {
    NetQueue held;      /* refused behind a filter (one frame, or what a removed filter had); goes on at the entry's tag,
                           a NetFilter, or behind all filters (NULL) */
    NetQueue segments;  /* the rest of one frame that was segmented, next to the receiver */
    bool sender_waits;
    bool has_arrived;   /* the frame that the sender keeps has been through hook->arrives() */
    NetDefer *room;
} NetLane;

typedef struct NetWorld { /* all ports of a machine; tests make two */
    GPtrArray *ports;
    bool is_running;
    bool (*is_expecting)(void); /* the guest is still elsewhere: what comes here are copies of what it gets there */
    void (*early)(NetChain *c, const NetFrame *f); /* such a frame, which is then left out; NULL: nobody asks */
} NetWorld;

struct NetChain {
    NetWorld *world;
    NetPort *netdev;
    GPtrArray *filters; /* of NetFilter, from netdev to NIC */
    NetHook *hook;
    NetLane lane[NET_LANES];
    bool is_frozen;     /* filters hold nothing back: a handoff is on */
    NetpassPairs *early; /* of what was left out so, until netpass takes it over; NULL: nothing yet */
    uint64_t dropped_link, dropped_malformed, dropped_early, delivered[NET_LANES];
};

NetWorld *net_world(void);            /* of ports made from now on */
void net_world_use(NetWorld *w);      /* NULL: the machine's own */
void net_world_set_running(NetWorld *w, bool is_running);
NetPort *net_world_find(NetWorld *w, const char *netdev_id);

NetChain *net_chain_of(NetPort *p);   /* of either end; NULL: a NIC without a netdev */
NetPort *net_chain_nic(NetChain *c);  /* NULL: none */
void net_chain_free(NetChain *c);

/* From below the filters to the receiver: offloads converted, link and receiver's room obeyed, run state not. */
NetResult net_chain_deliver(NetChain *c, NetLaneId lane, const NetFrame *f);
/* Goes on with a frame behind filter `f` (in the direction of the lane); NULL: before all of them. */
NetResult net_chain_pass_on(NetChain *c, NetLaneId lane, const NetFilter *f, const NetFrame *frame);
void net_chain_set_hook(NetChain *c, NetHook *h);
/* The lane's receiver may have room: what waits, then the filters, then the sender.  Main loop. */
void net_chain_room(NetChain *c, NetLaneId lane);
bool net_chain_flush_held(NetChain *c, NetLaneId lane); /* only what the lane keeps; false: it still does */
void net_chain_room_soon(NetChain *c, NetLaneId lane); /* from the main loop, a little later */
void net_chain_flush_filters(NetChain *c);             /* held packets go on now */
bool net_chain_is_busy(NetChain *c);                   /* half frames, or it is sending */
bool net_chain_is_sending(NetChain *c);                /* frames to the host wait, or the host has not taken them yet */
void net_chain_add_filter(NetChain *c, NetFilter *f, unsigned at);
/* `left`: what the filter still holds for each lane; it goes on behind the filter, in order. */
void net_chain_remove_filter(NetChain *c, NetFilter *f, NetQueue left[NET_LANES]);
