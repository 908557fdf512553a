/* migration/outgoing.h - one attempt to hand the guest over.  Private to migration/.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * `lock` is a leaf: it guards the machine, the queue and what is marked so.  The rest belongs to the migration thread. */
#pragma once

#include "migration/hello.h"
#include "migration/machine.h"
#include "migration/ram.h"
#include "migration/stream.h"

typedef enum ItemKind { ITEM_ROW, ITEM_MESSAGE, ITEM_TAIL_END } ItemKind;
typedef struct Item {
    ItemKind kind;
    const MachineRow *row;
    GBytes *bytes;
} Item;

typedef struct OutStats { /* guarded by lock */
    int64_t began_ns, pages_began_ns, ended_ns;
    uint64_t transferred, remaining, normal, zero, rounds, dirty_rate;
    double bytes_per_s;
    int64_t expected_ms;
    bool has_downtime, has_pause;
    int64_t downtime_ns, stop_ns, last_ram_ns, state_ns, load_ns, start_ns;
} OutStats;

typedef struct Outgoing {
    GMutex lock;
    GCond wake;
    Machine machine;          /* lock */
    GQueue items;             /* lock; of Item */
    char *error;              /* lock; the first cause */
    OutStats stats;           /* lock */
    Hello peer;               /* lock; from the answer */
    int peer_pidfd;           /* lock */
    int64_t drain_by_ns;      /* lock: nobody wants to wait longer for what this side has under way; 0: it drains nothing */
    unsigned tails_left;      /* lock: parts that still have something to send */
    bool tail_counting;       /* lock */
    uint64_t tail_more_ms;    /* lock: what their tails may take beyond the deadline */
    bool is_running;          /* lock: the thread */
    bool is_at_it;            /* lock: it still takes items */
    unsigned conts;           /* lock: `cont`s that wait for the end of what was decided before */
    bool has_peer;            /* lock: messages can be sent */
    bool is_listening;        /* lock: the reader has not come to the end */
    int64_t deaf_since_ns;    /* lock: when it did */
    int published;            /* lock: the state that query-migrate shows */
    uint64_t started_from_run_ns; /* lock: VM_STARTED's payload */
    int64_t started_there_ns;     /* the same, by the destination's monotonic clock */
    uint64_t ready_load_ns;   /* lock */
    int64_t ready_at_ns, started_at_ns; /* lock */

    GThread *thread, *reader;
    Interrupt *interrupt;
    Channel *channel;
    Address *address;
    bool is_one_way;
    bool force;               /* of the `cont` under way; main loop */
    bool stays_stopped;       /* lock; written by the main loop: the user's last word in the pause was `stop` */
    bool has_left;            /* vm_lock: the run state that travels is saved */

    /* migration thread */
    StreamOut *out;
    RamSend *ram;
    bool was_running, is_frozen, is_warming;
    MachineProgress progress;
    int waiting_in;           /* the state that deadline_ns is of; -1: none yet */
    int64_t deadline_ns;
    int64_t stopped_ns, state_sent_ns, run_sent_ns, last_look_ns;
    uint64_t last_rest, last_bytes;
} Outgoing;

extern Outgoing outgoing;

void outgoing_init(void);
/* Any thread.  NULL or the reason why not (caller frees); stale and unwanted events that are no commands: NULL. */
char *outgoing_step(uint64_t attempt, int event, bool *ret_acted, const MachineRow **ret_row);
void outgoing_post(int event);
void outgoing_post_error(int event, GError *take); /* keeps the first cause */
void outgoing_post_lost(GError *take);             /* the same for a failed write: after what the reader still hears */
void outgoing_act(Outgoing *o, int action);        /* outgoing-actions.c */
void outgoing_write_messages(Outgoing *o, int64_t deadline_ns); /* those that wait; migration thread */
void *return_path_thread(void *opaque);            /* return-path.c */
void outgoing_emit(int state);

/* ---- outgoing-peer.c ---- */
bool outgoing_peer_is_dead(const Outgoing *o);     /* proved; false: alive, or nobody can know */
void outgoing_watch_peer(Outgoing *o);             /* any thread: from now on its death matters */
void outgoing_peer_is_silent(Outgoing *o);         /* any thread: all that it said has been heard */
void outgoing_forget_peer(Outgoing *o);            /* main loop */

/* ---- main loop ---- */
int outgoing_state(void);                          /* any thread; it may have changed before the answer is used */
bool outgoing_is_under_way(void);
bool outgoing_may_start(GError **errp);
bool outgoing_start(Address *take, GError **errp);
void outgoing_wait_thread(void);                   /* that has said it is over */
bool outgoing_send_message(const char *part, const void *data, size_t size);
void outgoing_tail_done(void);
