/* migration/incoming-private.h - one guest on its way here.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * `lock` is a leaf: it guards the machine, the answers and what is marked so. */
#pragma once

#include "migration/hello.h"
#include "migration/incoming.h"
#include "migration/machine.h"
#include "migration/ram.h"
#include "migration/stream.h"
#include "migration/wire.h"

typedef struct Incoming {
    GMutex lock;
    GCond wake;
    Machine machine;     /* lock */
    GQueue answers;      /* lock; of GByteArray */
    size_t answer_bytes; /* lock */
    bool has_peer, is_full, writer_ends, tail_end_came; /* lock */
    unsigned tails_left; /* lock */
    char *error;         /* lock; the first cause */
    bool is_prefaulting; /* lock */
    bool ack_waits;      /* lock: the source wants to know when the memory is ready */
    int64_t ack_by_ns;   /* lock: then it is told even if it is not */
    bool had_guest;      /* lock; refused, and all of its state was here */
    bool is_closed;      /* lock: the reader is done with the channel, and has told the parts */

    bool is_expected, is_parked, exit_on_error;
    bool exit_wanted;    /* once the reason has been told */
    bool is_alone;       /* no source that could be asked: a file, or RELEASE came */
    bool source_ran;     /* the guest ran when it was stopped */
    Address *address;
    char *actual;
    int listener;
    Interrupt *interrupt;
    Channel *channel;
    GThread *writer;
    _Atomic int64_t prefault_until_ns; /* whatever it has done by then */
    StreamIn *in;
    RamLoad *ram;
    Hello source;
    int64_t began_ns, state_ns, run_ns, started_ns, load_ns;
} Incoming;

extern Incoming incoming;

void *incoming_thread(void *opaque);  /* incoming-stream.c */
int incoming_state(void);             /* any thread; it may have changed before the answer is used */
void incoming_step(int event);        /* any thread: decides, and acts in the calling thread */
void incoming_error(int event, GError *take);
void incoming_act(Incoming *n, int action);
void incoming_start_writer(Incoming *n);
void incoming_end_writer(Incoming *n);
void incoming_start_prefault(Incoming *n); /* incoming-memory.c */
void incoming_wait_prefault(Incoming *n);  /* until it has ended */
void incoming_wait_memory(Incoming *n);    /* likewise, but not for long */
void incoming_hurry_prefault(Incoming *n); /* the guest is about to stop: it ends soon */
void incoming_check_tail(void);
