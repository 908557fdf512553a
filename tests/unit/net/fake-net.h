/* tests/unit/net/fake-net.h - two machines, a client and the network between them, in memory.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The client sends numbered frames to the guest; a Lab notes what the guest got, wherever it runs.  Everything moves only
 * when the loop turns (lab_settle), so a test decides what happens before what. */
#pragma once

#include "net/netpass.h"

#define GUEST_MAC "\x52\x54\x00\x12\x34\x56"
#define LAB_FRAME 64

typedef struct Lab Lab;

typedef struct Side { /* one process: a netdev "n0", a NIC, its end of the handoff */
    Lab *lab;
    NetWorld world;
    NetPort fake, nic;
    NetPort *netdev;      /* &fake, or what lab->open() gave */
    Netpass *pass;
    GQueue kernel;        /* GBytes: arrived, not read yet */
    NetDefer *reader;
    bool is_stopped;      /* the netdev does not read */
    bool tail_done;
    unsigned room, ring;  /* free buffers of the guest's ring; ring: as many come back when it turns (0: unlimited) */
    bool is_clogged;      /* the network does not take what is sent here, and it waits in `out` */
    GQueue out;           /* GBytes */
    unsigned tx_waiting;  /* frames of the guest that found no room */
    unsigned kernel_max;  /* 0: no bound */
    uint64_t kernel_dropped;
    GQueue messages;      /* GBytes from the other side */
    NetDefer *inbox;
} Side;

typedef enum LabMode { LAB_LEARN, LAB_MIRROR, LAB_FLOOD_UNKNOWN } LabMode;

struct Lab {
    Side side[2];
    LabMode mode;
    bool is_unwanted;         /* the source takes its guest back */
    unsigned asked_wanted;    /* how often that was asked */
    NetPort *(*open)(Lab *l, unsigned side); /* a real netdev instead; lab->close() removes it */
    void (*close)(Lab *l, unsigned side);
    int learned;              /* side that the switch takes for the guest's; -1: unknown */
    int learns;               /* the side that it saw the guest on last */
    bool learns_late;         /* only when the test says so: lab_learn() */
    bool no_markers;          /* the network swallows reverse ARP */
    unsigned lag;             /* client frames that wait on their way to side 0 until something else goes there */
    GQueue slow;              /* GBytes */
    unsigned late;            /* that many frames are always on their way to side 1 */
    GQueue on_the_way;        /* GBytes */
    uint32_t sent;            /* numbers given out by the client */
    GArray *got;              /* uint32_t: what the guest received, in order */
    unsigned to_client;       /* frames from the guest that left */
    GString *senders;         /* "0" or "1" for each frame of the guest's driver: the side, in the order of the network */
    bool is_off;              /* the capability, from now on */
    bool is_stuck;            /* messages to side 1 wait: lab_unstick() */
    size_t engine_max;        /* bytes of messages that may wait; 0: no bound */
    uint64_t max_bytes, gate_ms, linger_ms, best_effort;
};

void lab_init(Lab *l, LabMode mode);
void lab_init_over(Lab *l, NetPort *(*open)(Lab *l, unsigned side), void (*close)(Lab *l, unsigned side));
void lab_number_frame(uint8_t *data, bool is_group, uint32_t number);
void lab_clear(Lab *l);
void lab_settle(void);                       /* until nothing moves any more; timers do not count */
void lab_wait(bool (*done)(Lab *l), Lab *l); /* the same with timers, until done; fails after 10 s */
void lab_linger(Lab *l, unsigned ms);        /* the same, for so long */

void lab_all_arrives(Lab *l);                /* what is on its way, from now on at once */
void lab_drop_last(Lab *l);                  /* the network loses what was sent to side 1 last and is on its way */
void lab_unclog(Lab *l, unsigned side);
void lab_unstick(Lab *l);
void lab_client(Lab *l, unsigned count);     /* numbered unicast frames */
void lab_client_same(Lab *l, unsigned count); /* all of them alike: number 0xffffffff */
void lab_broadcast(Lab *l, unsigned count);  /* numbered group frames */
void lab_arrives(Lab *l, unsigned side, const void *data, size_t size); /* at that side alone, from somebody else */
void lab_learn(Lab *l);
void lab_guest_sends(Lab *l, unsigned side);
void lab_guest_takes(Lab *l, unsigned side, unsigned buffers);
void lab_check_all_in_order(Lab *l);
uint64_t lab_figure(Lab *l, unsigned side, const char *name); /* of the report */
bool lab_is_ordered(Lab *l, unsigned side);
bool lab_may_speak(Lab *l);                  /* side 1 waits for marker 7 no longer: for lab_wait() */
bool lab_gate_expired(Lab *l);               /* side 1's: for lab_wait() */
void lab_check_clean(Lab *l, unsigned to);   /* all came in order, and that side says so */

/* The handoff in the engine's order; each does one step.  from: the source. */
void lab_freeze(Lab *l, unsigned from);
void lab_save_and_load(Lab *l, unsigned from);
void lab_run_sent(Lab *l, unsigned from);
void lab_start(Lab *l, unsigned to);
void lab_released(Lab *l, unsigned from);
void lab_peer_gone(Lab *l);
bool lab_both_done(Lab *l);
void lab_carry(Lab *l);   /* from the freeze of side 0 to the start of side 1, with nothing in between */
void lab_pass_on(Lab *l); /* from the load at side 1 to the end of both, likewise */
