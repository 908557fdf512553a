/* migration/incoming-machine.c - the table of the receiving side.  Page: docs/handoff.md.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "migration/machine.h"

static const MachineState states[IN__MAX] = {
    /*                   name         status       owner              may run   frozen    channel */
    [IN_NONE] =      {"none",      "none",      OWNER_SOURCE,      FACT_ANY, FACT_ANY, FACT_NO},
    [IN_LISTENING] = {"listening", "setup",     OWNER_SOURCE,      FACT_NO,  FACT_ANY, FACT_ANY},
    [IN_ACTIVE] =    {"active",    "active",    OWNER_SOURCE,      FACT_NO,  FACT_ANY, FACT_YES},
    [IN_LOADING] =   {"loading",   "active",    OWNER_SOURCE,      FACT_NO,  FACT_ANY, FACT_YES},
    [IN_READY] =     {"ready",     "active",    OWNER_SOURCE,      FACT_NO,  FACT_ANY, FACT_YES},
    [IN_PARKED] =    {"parked",    "completed", OWNER_SOURCE,      FACT_NO,  FACT_ANY, FACT_YES},
    [IN_ASKED] =     {"asked",     "completed", OWNER_SOURCE,      FACT_NO,  FACT_ANY, FACT_YES},
    [IN_STARTING] =  {"starting",  "active",    OWNER_DESTINATION, FACT_ANY, FACT_ANY, FACT_ANY},
    [IN_RUNNING] =   {"running",   "completed", OWNER_DESTINATION, FACT_ANY, FACT_ANY, FACT_ANY},
    [IN_COMPLETED] = {"completed", "completed", OWNER_DESTINATION, FACT_ANY, FACT_ANY, FACT_ANY},
    /* Ours, and waits for the first `cont`: the source said RELEASE, or the stream had no source to ask. */
    [IN_OWNED] =     {"owned",     "completed", OWNER_DESTINATION, FACT_NO,  FACT_ANY, FACT_ANY},
    [IN_REFUSED] =   {"refused",   "failed",    OWNER_SOURCE,      FACT_NO,  FACT_ANY, FACT_ANY},
};

static const char *const events[IEV__MAX] = {
    [IEV_LISTEN] = "LISTEN",   [IEV_HELLO] = "HELLO",     [IEV_PREPARE] = "PREPARE",   [IEV_DEVICES] = "DEVICES",
    [IEV_LOADED] = "LOADED",   [IEV_RUN] = "RUN",         [IEV_RELEASE] = "RELEASE",   [IEV_CANCEL] = "CANCEL",
    [IEV_CONT] = "CONT",       [IEV_STARTED] = "STARTED", [IEV_REFUSED] = "REFUSED",   [IEV_TAIL_END] = "TAIL_END",
    [IEV_LOST] = "LOST",       [IEV_ERROR] = "ERROR",
};

static const char *const guards[IG__MAX] = {
    [IG_ALWAYS] = "",
    [IG_PARKED] = "stays stopped",
    [IG_ALONE_PARKED] = "no source to ask, stays stopped",
    [IG_ALONE] = "no source to ask",
};

static const MachineAction actions[IA__MAX] = {
    [IA_NOTHING] = {"-"},
    [IA_ANSWER_HELLO] = {"answer_hello", DOES(FX_SEND), "CHANNELS_UP"},
    [IA_PREPARE] = {"prepare", DOES(FX_SEND), "SWITCHOVER_ACK"}, /* once the memory is ready, or that took long enough */
    [IA_LOAD] = {"load", DOES(FX_LOAD), .posts = "LOADED", .fails = "ERROR LOST"},
    [IA_SEND_READY] = {"send_ready", DOES(FX_SEND), "READY"},
    [IA_SEND_READY_PARKED] = {"send_ready_parked", DOES(FX_STAND, FX_SEND), "READY_PARKED"},
    [IA_SEND_ASK] = {"send_ask", DOES(FX_SEND), "ASK"},
    [IA_ACTIVATE] = {"activate", DOES(FX_ACTIVATE, FX_STARTING, FX_START, FX_STARTED), .posts = "STARTED", .fails = "REFUSED"},
    [IA_TAKE] = {"take", DOES(FX_STAND)},
    [IA_SEND_STARTED] = {"send_started", DOES(FX_SEND), "VM_STARTED"},
    [IA_SEND_GIVE_BACK] = {"send_give_back", DOES(FX_GIVE_BACK, FX_SEND), "GIVE_BACK"},
    [IA_REPORT] = {"report", DOES(FX_STAND)},
    [IA_SEND_TAIL_DONE] = {"send_tail_done", DOES(FX_SEND), "TAIL_DONE"},
    /* The source left while we asked it.  It hears that first: whether the guest can start is no matter of its any more. */
    [IA_OWN_AND_START] = {"own_and_start", DOES(FX_SEND), "TAIL_DONE", .posts = "CONT"},
    /* GIVE_BACK too: it settles the matter if RUN was already under way. */
    [IA_ABANDON] = {"abandon", DOES(FX_SEND, FX_ABANDON), "ERROR GIVE_BACK"},
};

#define NOT_OURS STATES(IN_LISTENING, IN_ACTIVE, IN_LOADING, IN_READY, IN_PARKED, IN_ASKED)

static const MachineRow rows[] = {
    {STATES(IN_NONE), IEV_LISTEN, 0, IA_NOTHING, IN_LISTENING},
    {STATES(IN_LISTENING), IEV_HELLO, 0, IA_ANSWER_HELLO, IN_ACTIVE},
    {STATES(IN_ACTIVE), IEV_PREPARE, 0, IA_PREPARE, MACHINE_KEEP},
    {STATES(IN_ACTIVE), IEV_DEVICES, 0, IA_LOAD, IN_LOADING},
    {STATES(IN_LOADING), IEV_LOADED, IG_ALONE_PARKED, IA_TAKE, IN_OWNED},
    {STATES(IN_LOADING), IEV_LOADED, IG_ALONE, IA_ACTIVATE, IN_STARTING},
    {STATES(IN_LOADING), IEV_LOADED, IG_PARKED, IA_SEND_READY_PARKED, IN_PARKED},
    {STATES(IN_LOADING), IEV_LOADED, 0, IA_SEND_READY, IN_READY},
    {STATES(IN_READY, IN_ASKED), IEV_RUN, 0, IA_ACTIVATE, IN_STARTING},
    {STATES(IN_PARKED), IEV_RUN, 0, IA_SEND_GIVE_BACK, IN_REFUSED}, /* nobody had asked */
    {STATES(IN_PARKED), IEV_CONT, 0, IA_SEND_ASK, IN_ASKED},
    {STATES(IN_ASKED, IN_STARTING), IEV_CONT, 0, IA_NOTHING, MACHINE_KEEP},
    {STATES(IN_PARKED), IEV_RELEASE, 0, IA_SEND_TAIL_DONE, IN_OWNED}, /* it stands already */
    {STATES(IN_ASKED), IEV_RELEASE, 0, IA_OWN_AND_START, IN_OWNED},
    {STATES(IN_OWNED), IEV_CONT, 0, IA_ACTIVATE, IN_STARTING},
    {STATES(IN_STARTING), IEV_STARTED, 0, IA_SEND_STARTED, IN_RUNNING},
    {STATES(IN_STARTING), IEV_REFUSED, IG_ALONE, IA_REPORT, IN_OWNED},
    {STATES(IN_STARTING), IEV_REFUSED, 0, IA_SEND_GIVE_BACK, IN_REFUSED},
    {STATES(IN_RUNNING), IEV_TAIL_END, 0, IA_SEND_TAIL_DONE, IN_COMPLETED},
    /* The reader ends by itself, and tells the parts. */
    {STATES(IN_RUNNING), IEV_LOST, 0, IA_NOTHING, IN_COMPLETED},
    {STATES(IN_RUNNING), IEV_ERROR, 0, IA_NOTHING, IN_COMPLETED},
    {NOT_OURS, IEV_CANCEL, 0, IA_ABANDON, IN_REFUSED},
    {NOT_OURS, IEV_LOST, 0, IA_ABANDON, IN_REFUSED},
    {NOT_OURS, IEV_ERROR, 0, IA_ABANDON, IN_REFUSED},
    {STATES(IN_NONE, IN_RUNNING, IN_COMPLETED), IEV_CONT, 0, IA_NOTHING, MACHINE_KEEP},
};

const MachineSpec incoming_spec = {
    .name = "incoming",
    .states = states,
    .state_count = IN__MAX,
    .events = events,
    .event_count = IEV__MAX,
    .guards = guards,
    .guard_count = IG__MAX,
    .actions = actions,
    .action_count = IA__MAX,
    .rows = rows,
    .row_count = G_N_ELEMENTS(rows),
    .commands = 1u << IEV_LISTEN | 1u << IEV_CONT,
};
