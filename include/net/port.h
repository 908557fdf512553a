/* include/net/port.h - the two ends of a virtual cable: a NIC and its netdev.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A frame goes port -> filters -> peer.  Back-pressure instead of drops: a receiver that says NET_NO_ROOM gets the same
 * frame again after net_port_room(); meanwhile its sender is not asked for more (backends stop reading).
 * Offload metadata travels beside the frame, never inside it: who cannot do an offload says so in `offloads`, and
 * net/offload.c segments and finishes checksums on the way.  A NIC's receive() never looks at the run state: the port
 * delivers nothing to a stopped guest, except where a handoff gives it frames it has owned since the freeze.
 * Guarded by: vm_lock; main loop and harts (TX kick).  docs/net.md */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "object/object.h"

#define NET_FRAME_MIN 14    /* an Ethernet header */
#define NET_FRAME_MAX 69632 /* 64 KiB of payload, headers and slack */

enum { NET_OFF_CSUM = 1 << 0, NET_OFF_TSO4 = 1 << 1, NET_OFF_TSO6 = 1 << 2, NET_OFF_ECN = 1 << 3, NET_OFF_UFO = 1 << 4 };

typedef struct NetOffload { /* the fields of struct virtio_net_hdr, host order; all zero: a plain, complete frame */
    uint8_t flags, gso_type;
    uint16_t hdr_len, gso_size, csum_start, csum_offset;
} NetOffload;

typedef struct NetFrame {
    const uint8_t *data; /* Ethernet header first; lent for the call */
    uint32_t size;
    uint16_t queue;
    NetOffload offload;
} NetFrame;

typedef enum NetResult {
    NET_DONE,    /* taken (or refused by the receiver's own rules, as a real NIC would) */
    NET_NO_ROOM, /* not taken: keep it; net_port_room() will be called */
} NetResult;

typedef struct NetPort NetPort;
typedef struct NetPortOps {
    const char *type;                                 /* "tap", "virtio-net-device" */
    NetResult (*receive)(NetPort *p, const NetFrame *f); /* a frame from the peer */
    void (*peer_room)(NetPort *p);                    /* the peer can take frames again: resume reading */
    /* netdevs: read what waits without blocking and deliver it (a last drain); returns frames read, -errno */
    int (*drain)(NetPort *p);
    void (*link_changed)(NetPort *p);
    /* NICs: announce yourself (guest announce); NULL or false: the core sends RARP for it */
    bool (*announce)(NetPort *p);
    void (*set_offloads)(NetPort *p, unsigned off);   /* netdevs: what the guest's driver accepts from now on */
    /* netdevs, asked in a handoff: half a frame was read, and the rest would be; what was written has not left yet */
    bool (*is_half)(NetPort *p);
    bool (*is_sending)(NetPort *p);
    void (*info)(NetPort *p, GString *out);           /* the rest of its line in `info network`; NULL: nothing */
    /* netdevs: frames the kernel dropped on the way to us since start, or -1 if not known */
    int64_t (*kernel_drops)(NetPort *p);
    /* netdevs: from now on nothing arrives, as far as that can be had; what has arrived is drained; NULL: nothing */
    void (*close_ears)(NetPort *p);
    bool can_capture;                                 /* can be read while the VM is stopped (netpass) */
} NetPortOps;

struct NetPort {
    char *id;             /* of the netdev, or of the NIC's device */
    const NetPortOps *ops;
    void *opaque;
    NetPort *peer;
    bool is_nic, link_down;
    unsigned offloads;    /* NET_OFF_*: what may be given to receive() */
    uint8_t mac[6];       /* NICs */
    struct NetChain *chain; /* netdevs: filters, what waits, netpass; private to net/ */
};

/* Of a zeroed NetPort; a NIC sets is_nic and mac first.  Registers it by id. */
void net_port_init(NetPort *p, const char *id, const NetPortOps *ops, void *opaque);
void net_port_destroy(NetPort *p);                       /* disconnects, unregisters; held frames are counted and said */
bool net_port_connect(NetPort *nic, const char *netdev_id, GError **errp); /* one NIC per netdev */
NetPort *net_port_find(const char *netdev_id);
void net_port_foreach(void (*fn)(NetPort *p, void *opaque), void *opaque); /* netdevs and NICs */

/* Sends a frame from port p to its peer, through the filters.  NET_NO_ROOM: p keeps the frame and sends no other until
 * ops->peer_room(p).  No peer or link down: NET_DONE, counted. */
NetResult net_port_send(NetPort *p, const NetFrame *f);
/* Port p (which said NET_NO_ROOM) has room: the frame that waits is delivered, then its sender is told.  From a hart's
 * thread it is done by the main loop a little later.  Cheap when nobody waits. */
void net_port_room(NetPort *p);
/* A NIC's driver has negotiated what it accepts (NET_OFF_*); also after a load.  Told to the netdev. */
void net_port_set_offloads(NetPort *nic, unsigned off);
bool net_port_link_is_up(const NetPort *p); /* of both ends of the cable, with a peer */
bool net_port_set_link(const char *id, bool up, GError **errp);
