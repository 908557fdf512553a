/* net/netpass-wire.h - packets of a handoff as bytes: the backlog section and the messages behind it.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Pure.  Every count and length is checked against a limit before anything is kept.  Layout: docs/netpass.md */
#pragma once

#include "net/port.h"
#include "vmstate/vmstate.h"

#include "queue.h"

#define NETPASS_VERSION 2 /* 1: nobody is sending */
#define NETPASS_NETDEVS_MAX 256
#define NETPASS_MESSAGE_BYTES (128 * 1024) /* a message of frames ends at the first frame past this */

typedef enum NetpassMessageType {
    NETPASS_FRAMES = 1, /* source: frames of a netdev, in order */
    NETPASS_SEEN,       /* source: the destination's first marker has come */
    NETPASS_END,        /* source: the cut is behind us; counters */
    NETPASS_ACK,        /* destination: bytes that have left its cache */
    NETPASS_HELD,       /* destination: frames that it gives back */
    NETPASS_MIRROR,     /* source: the probe has come: the network shows both ports every frame */
    NETPASS_SENT,       /* source: what the guest has sent there has left */
    NETPASS_TYPE__MAX,
} NetpassMessageType;

typedef struct NetpassFrame {
    NetFrame frame; /* data lies in the reader's memory */
    uint64_t seq, age_ns;
} NetpassFrame;

typedef struct NetpassEnd {
    uint64_t captured, forwarded, lost; /* captured: the last number given out; lost: UINT64_MAX: not known */
    uint64_t group; /* so many of those that were given up were to a group */
} NetpassEnd;

typedef struct NetpassMessage {
    NetpassMessageType type;
    uint16_t index;  /* of the netdev in the backlog section */
    uint32_t frames; /* FRAMES, HELD: follow in the reader */
    uint64_t bytes;  /* ACK */
    NetpassEnd end;
} NetpassMessage;

void netpass_put_frame(StateWriter *w, const NetEntry *e, int64_t now_ns);
bool netpass_get_frame(StateReader *r, NetpassFrame *ret, GError **errp);

void netpass_put_message(StateWriter *w, NetpassMessageType type, uint16_t index);
bool netpass_get_message(StateReader *r, NetpassMessage *ret, GError **errp);

typedef struct NetpassBacklog { /* head of the section; a NetpassBacklogNetdev and its frames follow for each netdev */
    uint64_t nonce;
    uint16_t netdevs;
} NetpassBacklog;
typedef struct NetpassBacklogNetdev {
    char id[256];
    bool is_best_effort; /* not captured: no frames, no markers */
    bool is_sending;     /* the guest's last frames have not left yet: SENT follows */
    uint32_t frames;
} NetpassBacklogNetdev;
void netpass_put_backlog(StateWriter *w, const NetpassBacklog *b);
bool netpass_get_backlog(StateReader *r, NetpassBacklog *ret, GError **errp);
void netpass_put_netdev(StateWriter *w, const NetpassBacklogNetdev *n);
bool netpass_get_netdev(StateReader *r, NetpassBacklogNetdev *ret, GError **errp);

/* ---- markers: a reverse ARP request whose padding says whose it is ---- */
#define NETPASS_MARKER_SIZE 60
typedef enum NetpassMarker { /* who sends it, and what its arrival on the other port says */
    NETPASS_MARKER_NONE,
    NETPASS_MARKER_TURN,   /* destination: every switch on the way has learned */
    NETPASS_MARKER_LAST,   /* destination: what was looked up before that has arrived */
    NETPASS_MARKER_PROBE,  /* destination, to its own address: the network learns nothing and shows all to both ports */
    NETPASS_MARKER_SYNC,   /* source, where the probe came: all that our netdev had before reaches the source, too */
    NETPASS_MARKER_SYNCED, /* destination, behind that: the last one of a mirror */
    NETPASS_MARKER_PAST,   /* source, at its END: of what comes behind it the source has passed on nothing */
    NETPASS_MARKER_HERE,   /* source, at the freeze: from now on nobody floods frames for the guest because it was silent */
    NETPASS_MARKER_CHECK,  /* source, to the NIC's address: every switch between us sends the guest's frames there now */
    NETPASS_MARKER_OTHER,  /* of this handoff, and about another NIC of the guest on the same network */
} NetpassMarker;
void netpass_marker(uint8_t frame[NETPASS_MARKER_SIZE], const uint8_t mac[6], uint64_t nonce, NetpassMarker number);
NetpassMarker netpass_marker_number(const NetFrame *f, const uint8_t mac[6], uint64_t nonce); /* NONE: not our marker */
bool netpass_marker_is_here(const NetFrame *f, const uint8_t mac[6], uint64_t *ret_nonce); /* of whatever handoff */

/* The same for two copies of a frame, whether its checksum was finished on the way or not. */
uint64_t netpass_hash(const NetFrame *f, uint64_t key);
