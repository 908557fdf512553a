/* include/system/handoff.h - who takes part in a handoff, and how the engine drives them.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The engine (migration/) calls the parts in order and never learns what a packet, a disk or a client is.  A part may
 * talk to its counterpart on the other side by messages.  docs/handoff.md has the story.
 *
 * Source:       prepare  warm  freeze  [VM stops]  drain  save ->            ... run_sent -> released -> (tail) -> tail_done
 *                                                       parked (copies) ^            \-> (claim) take_back -> thaw
 *                                                                                        (GIVE_BACK, or before RUN)
 * Destination:  load -> reach -> check -> [READY] -> (parked) -> claim -> activate -> starting -> [harts start] -> started
 *                                                                            \-> give_back -> gave_back         -> (tail)
 * Unless said otherwise callbacks run in the main loop with vm_lock held.  NULL: nothing to do. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "qapi/json.h"
#include "vmstate/vmstate.h"

typedef struct HandoffPart HandoffPart;

/* A guest that is to run here again: it is known not to run elsewhere, and may have, or may not; only if nothing shows that it
 * did; it has not left at all, so that nothing need be waited for. */
typedef enum HandoffClaim { HANDOFF_BACK, HANDOFF_LONE, HANDOFF_NEVER_LEFT } HandoffClaim;
struct HandoffPart {
    const char *name;    /* section name on the wire, at most 127 bytes */
    int order;           /* small first */
    bool has_no_tail;    /* its messages are over before RUN: it does not call handoff_tail_done() */
    void *opaque;
    bool (*wanted)(HandoffPart *p);                               /* NULL: always; else e.g. the capability */

    /* ---- source ---- */
    bool (*prepare)(HandoffPart *p, GError **errp);               /* at `migrate`: may refuse */
    void (*warm)(HandoffPart *p);                                 /* migration thread, NO lock, the guest runs, PREPARE
                                                                     follows: tell what may be got ready over there.
                                                                     Not for one-way streams */
    void (*warm_wait)(HandoffPart *p);                            /* the same thread, SWITCHOVER_ACK came: wait for it, up
                                                                     to its own deadline, while handoff_is_wanted(); of a
                                                                     one-way stream before its pages */
    void (*freeze)(HandoffPart *p);                               /* just before the VM stops: hold from here on */
    bool (*drain)(HandoffPart *p, GError **errp);                 /* migration thread, NO lock, may block up to its own
                                                                     deadline and while handoff_is_wanted(): finish and
                                                                     flush what is in flight */
    bool (*save)(HandoffPart *p, StateWriter *w, GError **errp);  /* migration thread, vm_lock: phase BACKEND */
    void (*parked)(HandoffPart *p);                               /* destination waits for `cont`: send copies */
    void (*run_sent)(HandoffPart *p);                             /* state `handover`: forward, keep copies */
    /* VM_STARTED: the copies can go.  is_leaving: this process ends, and the guest over there waits; leaving() follows. */
    void (*released)(HandoffPart *p, bool is_leaving);
    void (*leaving)(HandoffPart *p);                              /* after released: this process ends; send what has
                                                                     reached it until now, nothing will any more */
    bool (*take_back)(HandoffPart *p, HandoffClaim how, GError **errp); /* the guest is to run here again: false with the
                                                                     reason if it cannot yet; may be asked again; claim()
                                                                     before it, where there is a thread that can wait */
    void (*thaw)(HandoffPart *p, bool was_after_run);             /* the guest is ours again; called before it starts */
    void (*stayed)(HandoffPart *p);                               /* the attempt is over and the guest stays, whether or
                                                                     not it was stopped; after thaw; may come again */
    uint64_t (*tail_ms)(HandoffPart *p);                          /* at the stop: how much longer than tail-deadline-ms its
                                                                     tail may take */
    void (*lost)(HandoffPart *p);                                 /* `unsure`: keep everything, forward nothing */

    /* ---- destination ---- */
    bool (*load)(HandoffPart *p, StateReader *r, GError **errp);  /* incoming thread, vm_lock */
    bool (*reach)(HandoffPart *p, GError **errp);                 /* incoming thread, NO lock, may block: find what may not
                                                                     answer */
    bool (*check)(HandoffPart *p, GError **errp);                 /* everything that can fail; READY follows */
    bool (*activate)(HandoffPart *p, GError **errp);              /* RUN came: own what claim() got.  false: GIVE_BACK */
    void (*owned)(HandoffPart *p);                                /* RELEASE came: the source is leaving */
    void (*give_back)(HandoffPart *p);                            /* may send messages; GIVE_BACK follows them */
    void (*gave_back)(HandoffPart *p);                            /* incoming thread, NO lock, wanted or not, may block a
                                                                     second: until what give_back() let go is free; GIVE_BACK
                                                                     follows */
    void (*starting)(HandoffPart *p);                             /* just before the harts start: the backlog goes in */
    void (*started)(HandoffPart *p);                              /* they run: announce */
    void (*abandon)(HandoffPart *p);                              /* incoming failed or cancelled: forget all */

    /* ---- both ---- */
    /* A thread, NO lock, wanted or not, may block for a second: begin to own what is outside this process, and wait for those
     * who keep it.  activate() or take_back() says how it went. */
    void (*claim)(HandoffPart *p, HandoffClaim how);
    void (*message)(HandoffPart *p, StateReader *r);              /* from the counterpart, in order; bad bytes: report */
    void (*peer_gone)(HandoffPart *p);                            /* no more messages will come or go */
    Json *(*report)(HandoffPart *p);                              /* for query-migrate, any time; dict; caller frees */
};

void handoff_register(HandoffPart *p);   /* kept in order; static storage */
void handoff_unregister(HandoffPart *p);
HandoffPart *handoff_find(const char *name);
/* Calls fn for each wanted part in order (reverse order: handoff_foreach_reverse); stops when fn returns false. */
typedef bool HandoffFn(HandoffPart *p, void *opaque);
bool handoff_foreach(HandoffFn *fn, void *opaque);
bool handoff_foreach_reverse(HandoffFn *fn, void *opaque);
void handoff_foreach_registered(HandoffFn *fn, void *opaque); /* wanted or not, which cannot be asked without vm_lock; all */

#define HANDOFF_MESSAGE_MAX (1024 * 1024)
/* What the engine offers to parts; filled in by migration/ at start-up. */
typedef struct HandoffEngine {
    /* To the counterpart, in order with the engine's own messages; copied; any thread; never blocks (queued; the part
     * bounds what it sends).  false: no peer. */
    bool (*send)(HandoffPart *p, const void *data, size_t size);
    /* Source: the part has nothing more to send.  When all parts have said so, the destination answers TAIL_DONE.
     * Destination: the part has got the other's end. */
    void (*tail_done)(HandoffPart *p);
    bool (*capability)(const char *name);
    uint64_t (*parameter)(const char *name);   /* of integer parameters */
    bool (*is_wanted)(void);                   /* source, any thread: false once the guest is being taken back, or the
                                                  deadline of the pause has passed */
    bool (*is_one_way)(void);                  /* source: nobody is there to be told anything: all goes by save() */
} HandoffEngine;
void handoff_set_engine(const HandoffEngine *engine);
bool handoff_send(HandoffPart *p, const void *data, size_t size);
void handoff_tail_done(HandoffPart *p);
bool handoff_is_wanted(void);
bool handoff_is_one_way(void);
bool handoff_capability(const char *name);
uint64_t handoff_parameter(const char *name, uint64_t otherwise);

/* ---- state tables ---- */
typedef struct StateEntry {
    char *id;              /* section name on the wire: "virtio-mmio@10008000/virtio-net" */
    uint32_t instance;
    const VMStateDescription *state;
    void *object;
} StateEntry;
/* id NULL: the table's name with the next free instance number. */
void state_register(const char *id, const VMStateDescription *state, void *object);
void state_unregister(const VMStateDescription *state, void *object);
unsigned state_count(VMStateSavePhase phase);
const StateEntry *state_entry(VMStateSavePhase phase, unsigned i); /* in order of registration */
const StateEntry *state_find(const char *id, uint32_t instance);

/* ---- blockers ---- */
typedef struct HandoffBlocker HandoffBlocker;
HandoffBlocker *handoff_block(const char *reason, GError **errp); /* fails with -only-migratable */
void handoff_unblock(HandoffBlocker *b);                          /* NULL allowed */
const char *handoff_blocked(unsigned i);                          /* i-th reason, or NULL */
void handoff_set_only_migratable(bool on);
