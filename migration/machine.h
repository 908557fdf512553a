/* migration/machine.h - state machines as tables: one for the sending side, one for the receiving side.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A machine decides; it does nothing.  machine_step() finds the row for an event, sets the state and returns the row; who
 * called runs the row's action.  The caller's lock makes a step atomic, so a command gets its answer at once from
 * whatever thread, and an action that was overtaken finds itself in a state that no longer wants its result. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define MACHINE_KEEP -1 /* as next state: stay */
#define STATES(...) ((const int8_t[]){__VA_ARGS__, -1})

typedef struct MachineRow {
    const int8_t *from; /* ends with -1 */
    int event, guard, action, next;
} MachineRow;

typedef enum Owner { OWNER_SOURCE, OWNER_PASSING, OWNER_DESTINATION, OWNER_UNKNOWN } Owner;
typedef enum Fact { FACT_ANY, FACT_NO, FACT_YES } Fact;

typedef struct MachineState {
    const char *name;
    const char *status; /* QMP's MigrationStatus word */
    Owner owner;
    Fact may_run;   /* FACT_NO: the guest does not run here */
    Fact is_frozen; /* the parts hold what arrives */
    Fact channel;   /* there is one */
    const char *awaits; /* a deadline runs: what the other side has not done when it passes (LOST) */
} MachineState;

/* The steps of an action.  Those that call the parts have the names of their callbacks (system/handoff.h). */
typedef enum Effect {
    FX_CONNECT, FX_HANG_UP,
    FX_SEND,      /* the messages in `sends` */
    FX_TAIL,      /* the same, once the parts have said all that they still have to say */
    FX_BEGIN,     /* what goes ahead of the memory, and the list of it */
    FX_PAGES,     /* guest memory */
    FX_FREEZE,    /* parts hold what arrives, the harts stop */
    FX_DRAIN, FX_SAVE, FX_PARKED, FX_RUN_SENT, FX_RELEASED, FX_LOST,
    FX_LAST,      /* the parts take their last look at what reaches this side, and send it */
    FX_THAW,      /* the parts go on here, with what they held */
    FX_TAKE_BACK, /* the same after RUN: and the network is told */
    FX_STAND,     /* the run state says that it stands here, and waits for `cont` */
    FX_LOAD, FX_ACTIVATE, FX_STARTING, FX_STARTED, FX_GIVE_BACK, FX_ABANDON,
    FX_START,     /* the harts */
    FX_RESUME,    /* likewise, if they ran when they were stopped */
    FX_LEAVE,     /* the run state says that the guest has left */
    FX__MAX,
} Effect;
#define DOES(...) ((const int8_t[]){__VA_ARGS__, -1})

typedef struct MachineAction {
    const char *name;
    const int8_t *does;        /* effects in order; ends with -1; NULL: none */
    const char *sends;         /* messages: the events of those names on the other side */
    const char *posts, *fails; /* events of our own: at its end, or when a step fails */
    const char *posts_one_way; /* at its end, where nobody answers */
} MachineAction;

typedef struct MachineSpec {
    const char *name;
    const MachineState *states;
    int state_count;
    const char *const *events;
    int event_count;
    const char *const *guards; /* [0]: always */
    int guard_count;
    const MachineAction *actions; /* [0]: nothing */
    int action_count;
    const MachineRow *rows;
    int row_count;
    uint32_t commands; /* bits of events that are commands: refused with an error, not dropped */
} MachineSpec;

typedef struct Machine {
    const MachineSpec *spec;
    int state;
    uint64_t attempt; /* events carry it; another one is stale */
    bool (*guard)(void *opaque, int guard);
    void *opaque;
} Machine;

typedef struct MachineObserved {
    bool runs, is_frozen, has_channel;
} MachineObserved;

/* The row that fits, state set; or NULL: *ret_error (may be NULL) says why, for commands.  Caller's lock held. */
const MachineRow *machine_step(Machine *m, uint64_t attempt, int event, char **ret_error);
bool machine_row_from(const MachineRow *row, int state);
const char *machine_state_name(const Machine *m);
const char *machine_status(const Machine *m);
/* What is seen must be what the state promises: checked after each action. */
void machine_assert(const Machine *m, const MachineObserved *seen);
/* What of an action's steps has been done: the code notes each, so that the table says what is really done. */
typedef struct MachineProgress {
    const MachineAction *action;
    int at;
    bool has_failed; /* the rest is not done */
} MachineProgress;
void machine_begin(MachineProgress *p, const MachineAction *a);
void machine_did(MachineProgress *p, int effect);
void machine_end(const MachineProgress *p);
/* The table as text, one row a line: for the documentation's diagram. */
char *machine_print(const MachineSpec *spec);
const char *machine_effect_name(int effect);

/* ---- the sending side: migration/outgoing-machine.c ---- */
typedef enum MigState {
    MIG_NONE, MIG_SETUP, MIG_ACTIVE, MIG_PREPARING, MIG_PREPARED, MIG_PRE_SWITCHOVER, MIG_DEVICE, MIG_HANDOVER,
    MIG_PARKED, MIG_COMPLETED, MIG_FINISHED, MIG_SAVED, MIG_RELEASED, MIG_KEPT, MIG_UNSURE, MIG_CANCELLING,
    MIG_CANCELLED, MIG_FAILED, MIG__MAX,
} MigState;
typedef enum MigEvent {
    EV_MIGRATE, EV_CHANNELS_UP, EV_ROUND_DONE, EV_SWITCHOVER_ACK, EV_CONTINUE, EV_STATE_SENT, EV_READY,
    EV_READY_PARKED, EV_ASK, EV_VM_STARTED, EV_GIVE_BACK, EV_TAIL_DONE, EV_LOST, EV_ERROR, EV_CANCEL, EV_DRAINED,
    EV_CONT, EV_QUIT, EV_DIED, EV__MAX,
} MigEvent;
typedef enum MigGuard { MG_ALWAYS, MG_STILL_MUCH, MG_WANTS_PAUSE, MG_ONE_WAY, MG_PROOF_OR_FORCE,
    MG_AT_IT, MG__MAX } MigGuard;
typedef enum MigAction {
    MA_NOTHING, MA_OPEN_CHANNELS, MA_FIRST_ROUND, MA_NEXT_ROUND, MA_ASK_PREPARED, MA_FREEZE, MA_SEND_DEVICES,
    MA_FREEZE_AND_SEND, MA_SEND_RUN, MA_FORWARD_COPIES, MA_CANCEL_AND_THAW, MA_CANCEL_AND_START, MA_SEND_RELEASE, MA_HANG_UP,
    MA_STAY_STOPPED, MA_RELEASE_SOURCE, MA_LEAVE_NETWORK,
    MA_TAKE_BACK, MA_END_ONE_WAY, MA_CLOSE_CHANNELS, MA_THAW, MA_THAW_AND_START, MA_THAW_ALONE, MA__MAX,
} MigAction;
extern const MachineSpec outgoing_spec;

/* ---- the receiving side: migration/incoming-machine.c ---- */
typedef enum InState {
    IN_NONE, IN_LISTENING, IN_ACTIVE, IN_LOADING, IN_READY, IN_PARKED, IN_ASKED, IN_STARTING, IN_RUNNING, IN_COMPLETED,
    IN_OWNED, IN_REFUSED, IN__MAX,
} InState;
typedef enum InEvent {
    IEV_LISTEN, IEV_HELLO, IEV_PREPARE, IEV_DEVICES, IEV_LOADED, IEV_RUN, IEV_RELEASE, IEV_CANCEL, IEV_CONT, IEV_STARTED,
    IEV_REFUSED, IEV_TAIL_END, IEV_LOST, IEV_ERROR, IEV__MAX,
} InEvent;
typedef enum InGuard { IG_ALWAYS, IG_PARKED, IG_ALONE_PARKED, IG_ALONE, IG__MAX } InGuard;
typedef enum InAction {
    IA_NOTHING, IA_ANSWER_HELLO, IA_PREPARE, IA_LOAD, IA_SEND_READY, IA_SEND_READY_PARKED, IA_SEND_ASK, IA_ACTIVATE,
    IA_TAKE, IA_SEND_STARTED, IA_SEND_GIVE_BACK, IA_REPORT, IA_SEND_TAIL_DONE, IA_OWN_AND_START, IA_ABANDON, IA__MAX,
} InAction;
extern const MachineSpec incoming_spec;
