/* ui/spice/arrive.h - the destination: clients that are here before the guest.  Owner: main loop (vm_lock).
 * Page: docs/spice.md.  Test: tests/unit/ui/spice-arrive-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "channel.h"
#include "session-state.h"

#define ARRIVE_WAIT_NS (60 * NS_PER_SEC)    /* once the guest runs: for a client to say that it starts anew here */

typedef enum ArriveState {
    ARRIVE_HERE,            /* a client like any other */
    ARRIVE_WAITING,         /* linked with the id that it has at the source; starts anew when it says MIGRATE_END */
    ARRIVE_SEAMLESS,        /* the same, and we have agreed to take it as it is */
    ARRIVE_GONE,
} ArriveState;

typedef enum ArriveEvent {
    ARRIVE_DO_SEAMLESS,     /* the client asks for it */
    ARRIVE_CLIENT_END,      /* MIGRATE_END */
    ARRIVE_GUEST_RUNS,
    ARRIVE_NO_GUEST,        /* it will not come */
    ARRIVE_LATE,
} ArriveEvent;

typedef struct ClientArrival { /* of a client of the destination */
    ArriveState state;
    bool has_asked;
    uint32_t version;       /* of its source */
    bool is_known, is_whole;    /* the source named it; all that it said of it could be used */
    bool is_sealed;         /* its client brings what the source heard later, under */
    uint8_t key[SEAL_KEY_BYTES];
    LoopTimer *deadline;
} ClientArrival;

bool arrive_expects(uint32_t session_id);   /* may a client with this id link now? */
void arrive_begin(SpiceClient *client);
bool arrive_step(SpiceClient *client, ArriveEvent event); /* false: there is no such event now */
void arrive_client_free(SpiceClient *client);

/* ---- for handoff.c ---- */
void arrive_announced(const uint32_t *ids, unsigned count);  /* who may come; others are dropped */
/* Just before the guest runs: states are put in place.  is_damaged: there are some, but nobody can read them. */
void arrive_prepare(const SessionRecords *records, bool is_damaged);
void arrive_all(ArriveEvent event);
void arrive_forget(void);                                   /* whoever was announced */
