/* migration/outgoing-machine.c - the table of the sending side.  Page: docs/handoff.md.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Internal states without a word of QMP's are printed as their neighbour.  Rows are tried top to bottom, so a row without
 * a guard is the default of those above it.  A failed read or write on a channel, and a deadline, is LOST; ERROR is a
 * failed action or the other side's refusal. */
#include "migration/machine.h"

static const MachineState states[MIG__MAX] = {
    /*                        name             status            owner              may run   frozen    channel */
    [MIG_NONE] =           {"none",           "none",           OWNER_SOURCE,      FACT_ANY, FACT_NO,  FACT_NO},
    [MIG_SETUP] =          {"setup",          "setup",          OWNER_SOURCE,      FACT_ANY, FACT_NO,  FACT_ANY,
                            "has not answered the hello"},
    [MIG_ACTIVE] =         {"active",         "active",         OWNER_SOURCE,      FACT_ANY, FACT_NO,  FACT_YES},
    /* All was sent that could be; the destination says when it has nothing left to do before the guest may stop. */
    [MIG_PREPARING] =      {"preparing",      "active",         OWNER_SOURCE,      FACT_ANY, FACT_NO,  FACT_YES,
                            "has not got ready for the guest"},
    [MIG_PREPARED] =       {"prepared",       "active",         OWNER_SOURCE,      FACT_ANY, FACT_NO,  FACT_YES},
    [MIG_PRE_SWITCHOVER] = {"pre-switchover", "pre-switchover", OWNER_SOURCE,      FACT_NO,  FACT_YES, FACT_YES},
    [MIG_DEVICE] =         {"device",         "device",         OWNER_SOURCE,      FACT_NO,  FACT_YES, FACT_YES,
                            "has not loaded the device state"},
    /* RUN is being written or written, no answer yet. */
    [MIG_HANDOVER] =       {"handover",       "device",         OWNER_PASSING,     FACT_NO,  FACT_YES, FACT_YES,
                            "has not said that the guest runs"},
    /* The destination is ready and waits for its `cont`. */
    [MIG_PARKED] =         {"parked",         "completed",      OWNER_SOURCE,      FACT_NO,  FACT_YES, FACT_YES},
    [MIG_COMPLETED] =      {"completed",      "completed",      OWNER_DESTINATION, FACT_NO,  FACT_YES, FACT_YES,
                            "has not confirmed the last packets"},
    [MIG_FINISHED] =       {"finished",       "completed",      OWNER_DESTINATION, FACT_NO,  FACT_ANY, FACT_NO},
    /* One-way: what was saved has no owner, and the guest here is the manager's to run again. */
    [MIG_SAVED] =          {"saved",          "completed",      OWNER_SOURCE,      FACT_ANY, FACT_ANY, FACT_NO},
    [MIG_RELEASED] =       {"released",       "completed",      OWNER_DESTINATION, FACT_NO,  FACT_YES, FACT_YES,
                            "has not said that it has the guest"},
    /* Parked, and the destination was lost: still the owner, stopped for the manager who parked it. */
    [MIG_KEPT] =           {"kept",           "failed",         OWNER_SOURCE,      FACT_NO,  FACT_YES, FACT_NO},
    /* Lost after RUN: nobody here can know who owns the guest. */
    [MIG_UNSURE] =         {"unsure",         "failed",         OWNER_UNKNOWN,     FACT_NO,  FACT_YES, FACT_YES},
    [MIG_CANCELLING] =     {"cancelling",     "cancelling",     OWNER_SOURCE,      FACT_ANY, FACT_ANY, FACT_ANY},
    [MIG_CANCELLED] =      {"cancelled",      "cancelled",      OWNER_SOURCE,      FACT_ANY, FACT_NO,  FACT_NO},
    [MIG_FAILED] =         {"failed",         "failed",         OWNER_SOURCE,      FACT_ANY, FACT_NO,  FACT_NO},
};

static const char *const events[EV__MAX] = {
    [EV_MIGRATE] = "MIGRATE",       [EV_CHANNELS_UP] = "CHANNELS_UP", [EV_ROUND_DONE] = "ROUND_DONE",
    [EV_SWITCHOVER_ACK] = "SWITCHOVER_ACK",
    [EV_CONTINUE] = "CONTINUE",     [EV_STATE_SENT] = "STATE_SENT",   [EV_READY] = "READY",
    [EV_READY_PARKED] = "READY_PARKED", [EV_ASK] = "ASK",             [EV_VM_STARTED] = "VM_STARTED",
    [EV_GIVE_BACK] = "GIVE_BACK",   [EV_TAIL_DONE] = "TAIL_DONE",     [EV_LOST] = "LOST",
    [EV_ERROR] = "ERROR",           [EV_CANCEL] = "CANCEL",           [EV_DRAINED] = "DRAINED",
    [EV_CONT] = "CONT",             [EV_QUIT] = "QUIT",
    [EV_DIED] = "DIED", /* the other process is proved dead, and did not say that the guest ran */
};

static const char *const guards[MG__MAX] = {
    [MG_ALWAYS] = "",
    [MG_STILL_MUCH] = "still much left",
    [MG_WANTS_PAUSE] = "pause-before-switchover",
    [MG_ONE_WAY] = "one-way",
    [MG_PROOF_OR_FORCE] = "other side proved dead, or force",
    [MG_AT_IT] = "the end is decided, but not yet done",
};

static const MachineAction actions[MA__MAX] = {
    [MA_NOTHING] = {"-"},
    [MA_OPEN_CHANNELS] = {"open_channels", DOES(FX_CONNECT, FX_SEND), "HELLO", .fails = "ERROR LOST",
                          .posts_one_way = "CHANNELS_UP"},
    [MA_FIRST_ROUND] = {"first_round", DOES(FX_BEGIN, FX_PAGES), .posts = "ROUND_DONE", .fails = "ERROR LOST"},
    [MA_NEXT_ROUND] = {"next_round", DOES(FX_PAGES), .posts = "ROUND_DONE", .fails = "ERROR LOST"},
    [MA_ASK_PREPARED] = {"ask_prepared", DOES(FX_SEND), "PREPARE", .fails = "ERROR LOST"},
    [MA_FREEZE] = {"freeze", DOES(FX_FREEZE)},
    [MA_SEND_DEVICES] = {"send_devices", DOES(FX_DRAIN, FX_PAGES, FX_SAVE, FX_SEND), "DEVICES",
                         .fails = "ERROR LOST", .posts_one_way = "STATE_SENT"},
    [MA_FREEZE_AND_SEND] = {"freeze_and_send", DOES(FX_FREEZE, FX_DRAIN, FX_PAGES, FX_SAVE, FX_SEND), "DEVICES",
                            .fails = "ERROR LOST", .posts_one_way = "STATE_SENT"},
    [MA_SEND_RUN] = {"send_run", DOES(FX_SEND, FX_RUN_SENT), "RUN", .fails = "LOST"},
    [MA_FORWARD_COPIES] = {"forward_copies", DOES(FX_PARKED)},
    [MA_CANCEL_AND_THAW] = {"cancel_and_thaw", DOES(FX_SEND, FX_HANG_UP, FX_THAW, FX_RESUME), "CANCEL"},
    [MA_CANCEL_AND_START] = {"cancel_and_start", DOES(FX_SEND, FX_HANG_UP, FX_THAW, FX_START), "CANCEL"},
    [MA_SEND_RELEASE] = {"send_release", DOES(FX_SEND, FX_RELEASED, FX_LEAVE), "RELEASE"},
    [MA_HANG_UP] = {"hang_up", DOES(FX_HANG_UP)},
    [MA_STAY_STOPPED] = {"stay_stopped", DOES(FX_LOST)}, /* the channel stays: a late answer may still come */
    [MA_RELEASE_SOURCE] = {"release_source", DOES(FX_LEAVE, FX_RELEASED, FX_TAIL), "TAIL_END", .fails = "LOST"},
    /* The network takes the guest for gone only now that the other side waits for its packets. */
    [MA_LEAVE_NETWORK] = {"leave_network", DOES(FX_LAST, FX_HANG_UP)},
    [MA_TAKE_BACK] = {"take_back", DOES(FX_HANG_UP, FX_TAKE_BACK, FX_RESUME)},
    [MA_END_ONE_WAY] = {"end_one_way", DOES(FX_LEAVE, FX_HANG_UP)},
    [MA_CLOSE_CHANNELS] = {"close_channels", DOES(FX_HANG_UP), .posts = "DRAINED"},
    [MA_THAW] = {"thaw", DOES(FX_HANG_UP, FX_THAW, FX_RESUME)},
    [MA_THAW_AND_START] = {"thaw_and_start", DOES(FX_HANG_UP, FX_THAW, FX_START)},
    [MA_THAW_ALONE] = {"thaw_alone", DOES(FX_HANG_UP, FX_TAKE_BACK, FX_START)},
};

#define BEFORE_RUN STATES(MIG_SETUP, MIG_ACTIVE, MIG_PREPARING, MIG_PREPARED, MIG_PRE_SWITCHOVER, MIG_DEVICE)
#define AT_REST STATES(MIG_NONE, MIG_SAVED, MIG_CANCELLED, MIG_FAILED)
#define NOT_STOPPED STATES(MIG_NONE, MIG_SETUP, MIG_ACTIVE, MIG_PREPARING, MIG_PREPARED, MIG_SAVED, MIG_CANCELLED, MIG_FAILED)

static const MachineRow rows[] = {
    {AT_REST, EV_MIGRATE, 0, MA_OPEN_CHANNELS, MIG_SETUP},
    {STATES(MIG_SETUP), EV_CHANNELS_UP, MG_ONE_WAY, MA_FIRST_ROUND, MIG_PREPARED}, /* nobody could be asked */
    {STATES(MIG_SETUP), EV_CHANNELS_UP, 0, MA_FIRST_ROUND, MIG_ACTIVE},
    {STATES(MIG_ACTIVE, MIG_PREPARED), EV_ROUND_DONE, MG_STILL_MUCH, MA_NEXT_ROUND, MACHINE_KEEP},
    {STATES(MIG_ACTIVE), EV_ROUND_DONE, 0, MA_ASK_PREPARED, MIG_PREPARING},
    /* The guest ran meanwhile. */
    {STATES(MIG_PREPARING), EV_SWITCHOVER_ACK, 0, MA_NEXT_ROUND, MIG_PREPARED},
    {STATES(MIG_PREPARED), EV_ROUND_DONE, MG_WANTS_PAUSE, MA_FREEZE, MIG_PRE_SWITCHOVER},
    {STATES(MIG_PREPARED), EV_ROUND_DONE, 0, MA_FREEZE_AND_SEND, MIG_DEVICE},
    {STATES(MIG_PRE_SWITCHOVER), EV_CONTINUE, 0, MA_SEND_DEVICES, MIG_DEVICE},
    {STATES(MIG_DEVICE), EV_STATE_SENT, MG_ONE_WAY, MA_END_ONE_WAY, MIG_SAVED},
    {STATES(MIG_DEVICE), EV_READY, 0, MA_SEND_RUN, MIG_HANDOVER},
    {STATES(MIG_DEVICE), EV_READY_PARKED, 0, MA_FORWARD_COPIES, MIG_PARKED},
    /* Asked by its main loop, the destination may be faster than its own READY_PARKED. */
    {STATES(MIG_PARKED, MIG_DEVICE), EV_ASK, 0, MA_SEND_RUN, MIG_HANDOVER},
    {STATES(MIG_PARKED), EV_CONT, 0, MA_CANCEL_AND_START, MIG_CANCELLED},
    {STATES(MIG_PARKED), EV_CANCEL, 0, MA_CANCEL_AND_THAW, MIG_CANCELLED},
    {STATES(MIG_PARKED), EV_QUIT, 0, MA_SEND_RELEASE, MIG_RELEASED},
    {STATES(MIG_PARKED), EV_LOST, 0, MA_HANG_UP, MIG_KEPT},
    {STATES(MIG_PARKED), EV_ERROR, 0, MA_HANG_UP, MIG_KEPT},
    {STATES(MIG_KEPT), EV_CONT, 0, MA_THAW_AND_START, MIG_FAILED},
    {STATES(MIG_HANDOVER, MIG_UNSURE), EV_VM_STARTED, 0, MA_RELEASE_SOURCE, MIG_COMPLETED},
    {STATES(MIG_HANDOVER, MIG_UNSURE), EV_GIVE_BACK, 0, MA_TAKE_BACK, MIG_FAILED},
    {STATES(MIG_HANDOVER), EV_LOST, 0, MA_STAY_STOPPED, MIG_UNSURE},
    {STATES(MIG_HANDOVER), EV_ERROR, 0, MA_STAY_STOPPED, MIG_UNSURE},
    {STATES(MIG_UNSURE), EV_DIED, 0, MA_TAKE_BACK, MIG_FAILED},
    {STATES(MIG_UNSURE), EV_CONT, MG_PROOF_OR_FORCE, MA_THAW_ALONE, MIG_FAILED},
    {STATES(MIG_COMPLETED), EV_TAIL_DONE, 0, MA_HANG_UP, MIG_FINISHED},
    /* RELEASE has arrived: the guest waits there, or runs already because its `cont` was faster. */
    {STATES(MIG_RELEASED), EV_TAIL_DONE, 0, MA_LEAVE_NETWORK, MIG_FINISHED},
    {STATES(MIG_RELEASED), EV_VM_STARTED, 0, MA_LEAVE_NETWORK, MIG_FINISHED},
    {STATES(MIG_COMPLETED, MIG_RELEASED), EV_LOST, 0, MA_HANG_UP, MIG_FINISHED},
    {STATES(MIG_COMPLETED, MIG_RELEASED), EV_ERROR, 0, MA_HANG_UP, MIG_FINISHED},
    {BEFORE_RUN, EV_CANCEL, 0, MA_CLOSE_CHANNELS, MIG_CANCELLING},
    {BEFORE_RUN, EV_QUIT, 0, MA_CLOSE_CHANNELS, MIG_CANCELLING},
    {STATES(MIG_CANCELLING), EV_DRAINED, 0, MA_THAW, MIG_CANCELLED},
    {BEFORE_RUN, EV_LOST, 0, MA_THAW, MIG_FAILED},
    {BEFORE_RUN, EV_ERROR, 0, MA_THAW, MIG_FAILED},
    /* What was decided before may just be giving up the disks: the guest starts when that is over. */
    {STATES(MIG_SAVED, MIG_CANCELLED, MIG_FAILED), EV_CONT, MG_AT_IT, MA_THAW_AND_START, MACHINE_KEEP},
    /* `cont` of a guest that the user had paused is nobody's business here. */
    {NOT_STOPPED, EV_CONT, 0, MA_NOTHING, MACHINE_KEEP},
};

const MachineSpec outgoing_spec = {
    .name = "outgoing",
    .states = states,
    .state_count = MIG__MAX,
    .events = events,
    .event_count = EV__MAX,
    .guards = guards,
    .guard_count = MG__MAX,
    .actions = actions,
    .action_count = MA__MAX,
    .rows = rows,
    .row_count = G_N_ELEMENTS(rows),
    .commands = 1u << EV_MIGRATE | 1u << EV_CONTINUE | 1u << EV_CANCEL | 1u << EV_CONT | 1u << EV_QUIT,
};
