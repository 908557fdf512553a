/* net/netpass.h - packets across a handoff: what the source holds and forwards, what the destination lets in and when.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One Netpass is one end of one handoff; one NetpassPort in it is one netdev.  docs/netpass.md has the story.
 * Guarded by: vm_lock; timers and messages in the main loop. */
#pragma once

#include "system/handoff.h"

#include "chain.h"
#include "netpass-cache.h"
#include "netpass-pair.h"
#include "netpass-wire.h"

#define NETPASS_IN_FLIGHT_MAX (256u << 20) /* what the engine queues for the channel, and a package carries, is bounded, too */
#define NETPASS_TOTAL_FACTOR 4 /* the bound of all netdevs together, in those of one */

typedef enum NetpassPortState { /* words of qapi's NetpassState */
    NETPASS_PASS,
    NETPASS_HOLD,    /* source: kept */
    NETPASS_COPY,    /* source: sent, and kept until the other side runs */
    NETPASS_FORWARD, /* source: sent on */
    NETPASS_GATE,    /* destination: own frames wait behind the source's */
    NETPASS_DRAIN,   /* either: what was kept goes into the guest, in order; then PASS or DONE */
    NETPASS_DONE,
    NETPASS_STATE__MAX,
} NetpassPortState;

typedef struct Netpass Netpass;

typedef struct NetpassPort {
    NetHook hook; /* first */
    Netpass *pass;
    NetChain *chain; /* NULL: not here, or gone */
    char *id;
    uint16_t index;
    uint64_t nonce; /* of its handoff */
    NetpassPortState state;
    bool is_best_effort;

    NetpassCache cache; /* source: frames it owns; destination: frames from the source on their way into the guest */
    uint64_t sent_seq;  /* source: up to here they are with the destination */
    uint64_t in_flight; /* source: sent and not acknowledged */
    NetDefer *flush, *end;
    bool seen, ended; /* source: the first marker came; END was sent */
    bool is_mirror;   /* source: the probe came */
    bool is_full;     /* source: the last frame found no room */
    bool end_waits;   /* source: END is due, and some frames found no room on the other side yet */
    bool gives_up;    /* source: the deadline is over; what finds no room is counted as lost */
    bool end_changed; /* source: more was given up behind END */
    bool has_turned;  /* source: the last marker came */
    bool is_sending;  /* source: what the guest sent had not all left when its state was saved, and may not have yet */
    bool here_waits;  /* source: the marker of the freeze found no room */
    int64_t acked_ns; /* source: when the guest last took frames; 0: never */
    int64_t gave_up_ns;
    NetpassPairs *old_pairs; /* source: of the handoff that brought the guest here, while copies may come; or NULL */
    uint64_t old_nonce;
    int64_t old_until_ns;
    int64_t last_frame_ns;

    NetpassCache own;    /* destination: what its netdev received behind the gate.  Source: the rest of that when the guest
                            moves on before it has taken it.  An entry's tag: NETPASS_LEFT_OUT etc. */
    bool in_own;
    NetpassCache shared; /* destination: frames from the source, behind the first marker: our netdev may have them, too */
    NetpassPairs *pairs;
    bool is_started, has_transmitted, end_came, is_open, is_ordered, source_saw, is_synced, is_past;
    NetDefer *open; /* destination: the gate, when our port has been read */
    unsigned reads; /* so often was something left; 0: nobody has asked for it yet */
    bool tx_waits; /* destination: what the guest sent at the source has not left there */
    bool unheard;  /* destination: marker 7 has not come, and the network may still have what left there before it */
    int64_t sent_ns; /* destination: of SENT; 0: it did not come */
    bool is_late; /* the network takes its time: what the source sends goes in at once, as before the first marker */
    int64_t started_ns, opened_ns;
    int64_t turned_ns; /* the check came; 0: not yet */
    uint64_t turned_seq; /* of the last of ours before it */
    int64_t alone_ns;  /* of the first frame for our NIC that came here behind our first one; 0: none yet */
    int64_t heard_ns;  /* of the last word of the source */
    int64_t fed_ns;    /* of its last frames, here or into the guest */
    uint64_t met_seq; /* destination: of the last shared frame whose own copy has come */
    uint64_t unacked;

    uint64_t captured, captured_bytes, forwarded, injected, duplicate, flooded, refused, refused_group, late;
    int64_t drops_before; /* the netdev's kernel_drops() at the start; -1: not known */
    uint64_t source_lost; /* destination: from END; UINT64_MAX: not known */
    uint64_t last_seq;    /* destination: the highest number that came, or that END told of */
} NetpassPort;

struct Netpass {
    HandoffPart part;
    NetWorld *world;
    GPtrArray *ports; /* of NetpassPort; the index is the number on the wire */
    NetpassTotal total; /* of frames that the source owns, or owned */
    NetpassTotal own;   /* destination: of those that came here */
    uint64_t in_flight, in_flight_max; /* source: of all netdevs */
    uint64_t nonce;
    bool is_source, is_active, has_peer, is_tail_done, is_started, has_slept;
    bool owes;         /* the guest had not taken all of it when the handoff was over */
    bool is_sending;   /* source: some netdev is */
    bool has_left;     /* source: the guest is over there */
    bool is_leaving;   /* source: this process ends, and nobody here waits for an acknowledgement any more */
    int64_t peer_gone_ns, gate_due_ns;
    int64_t linger_ns; /* source: since when it may go; 0: not yet */
    int64_t patience_ns; /* source: so much longer it stays for those who are slow */
    uint64_t unknown_netdevs, unknown_frames, bad_messages;
    LoopTimer *linger, *checks, *sending; /* source */
    LoopTimer *gate, *markers, *twins; /* destination */
};

/* Of an entry of `own`.  NULL: it goes in through our filters. */
#define NETPASS_LEFT_OUT ((void *)1) /* it does not go in: the source's copy does, or did */
#define NETPASS_FILTERED ((void *)2) /* past our filters: those of the source had its copy */
static inline bool netpass_is_left_out(const NetEntry *e)
{
    return e->tag == NETPASS_LEFT_OUT;
}

Netpass *netpass_new(NetWorld *w); /* one for the machine, more for tests */
void netpass_free(Netpass *n);
void netpass_init(void);

/* ---- shared by the two ends ---- */
NetpassPort *netpass_port_new(Netpass *n, const char *id, NetChain *c);
void netpass_clear(Netpass *n); /* lets go of all netdevs */
GPtrArray *netpass_take_ports(Netpass *n); /* those of the handoff before; caller frees */
NetpassPort *netpass_port_of(NetHook *h);
/* Into the guest, in order, as far as there is room; ends DRAIN.  `by_force`: also while the guest does not run. */
void netpass_pump(NetpassPort *np, bool by_force);
/* What the netdev received here goes through our filters, which have not seen it yet; true: all of it did. */
bool netpass_pump_own(NetpassPort *np);
bool netpass_is_echo(const NetpassPort *np, const NetFrame *f); /* sent by our own guest, came back */
void netpass_detach(NetpassPort *np);
uint64_t netpass_held(const NetpassPort *np); /* frames that wait for a guest */
void netpass_over(Netpass *n); /* the next handoff is asked anew whether netpass is wanted, unless something is owed */
bool netpass_owes(const GPtrArray *ports, const NetChain *c); /* one of them has frames for it; NULL: for any */
void netpass_lose(NetpassPort *np, const char *why); /* they are lost, which is said and counted; and lets go of the netdev */
bool netpass_is_pairing(const NetpassPort *np); /* destination: twins may come */
bool netpass_send(Netpass *n, StateWriter *w); /* false: no peer, or it takes nothing any more; what was to be said is not */
void netpass_message_bad(Netpass *n, GError *err);
uint64_t netpass_bytes_max(const NetChain *c);
bool netpass_is_wanted_on(const NetChain *c);

/* ---- source: netpass-source.c ---- */
void netpass_source_acknowledged(NetpassPort *np, uint64_t bytes);
void netpass_source_frames(NetpassPort *np, const NetpassMessage *m, StateReader *r); /* HELD */

/* ---- destination: netpass-load.c ---- */
void netpass_gate_early(NetChain *c, const NetFrame *f); /* before anything was loaded; it is left out */
bool netpass_gate_load(HandoffPart *part, StateReader *r, GError **errp);

/* ---- destination: netpass-gate.c ---- */
void netpass_gate_setup(Netpass *n);
void netpass_gate_attach(NetpassPort *np);
void netpass_gate_finish(NetpassPort *np); /* a gate that is just opening, in turns, is open on return */
void netpass_gate_leave(NetpassPort *np, const NetFrame *f); /* nobody here can take it */
void netpass_gate_frames(NetpassPort *np, const NetpassMessage *m, StateReader *r);
void netpass_gate_seen(NetpassPort *np);
void netpass_gate_sent(NetpassPort *np);
void netpass_gate_mirror(NetpassPort *np);
void netpass_gate_end(NetpassPort *np, const NetpassEnd *end);
void netpass_gate_peer_gone(Netpass *n);

/* ---- destination: netpass-sort.c ---- */
/* How long, after the channel has gone, our own copy of what it brought last may come. */
#define NETPASS_PAIRING_NS (800 * NS_PER_MS)
#define NETPASS_PAIRING_MIRROR_NS (10 * NS_PER_SEC) /* at most: a marker says when, and a busy host is late with all */
#define NETPASS_TWIN_NS (250 * NS_PER_MS) /* how long a frame that both ports get waits for our own copy */
#define NETPASS_TWIN_WIDE_NS (2 * NS_PER_SEC) /* the same, where a marker will tell that it does not come */
void netpass_sort_twins(NetpassPort *np);            /* once, when the gate opens and the netdev has been read */
void netpass_sort_source(NetpassPort *np, bool all); /* what waits of the source's, behind that; all: wait no longer */

/* ---- filter-netpass.c ---- */
bool netpass_filter_on(const NetChain *c, uint64_t *ret_bytes_max); /* an object stands on this netdev */
bool netpass_filter_any(void);
