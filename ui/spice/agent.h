/* ui/spice/agent.h - the agent in the guest: clipboard, files, screens, pointer.  Owner: main loop (vm_lock).
 * Page: docs/spice.md.  Test: tests/unit/ui/spice-agent-test.c, tests/fuzz/spice-agent.c
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One agent, on the port of -chardev spicevmc,name=vdagent, and all clients.  What it says goes to each client that has
 * started it; what clients say goes to it message by message: who has begun one ends it before another's turn. */
#pragma once

#include "agent-filter.h"
#include "channel.h"
#include "chardev/spice-port.h"
#include "vmstate/vmstate.h"

#define AGENT_TOKENS 10                 /* AGENT_DATA that a client may send ahead */
#define AGENT_TOKENS_BATCH 5            /* so many are given back at once */
#define AGENT_QUEUE_MAX (AGENT_TOKENS * AGENT_CHUNK_BYTES)
#define AGENT_AHEAD_MAX 128             /* messages of any kind that a client has not read: no more of the agent's then */
#define AGENT_MOUSE_MAX 32              /* states of the pointer that the guest has not taken */
#define AGENT_PATIENCE_NS (10 * NS_PER_SEC) /* of others, with a client that does not read or ends no message */

typedef struct AgentMouse {
    uint32_t x, y, buttons;             /* as VDAgentMouseState has them */
    uint8_t display;
} AgentMouse;                           /* plain data all of it: VMState tables are agent_vmstate and agent_client_vmstate */

typedef struct AgentClientState {       /* S1: to the main channel of the same session */
    bool is_told;                       /* it knows that there is an agent */
    bool is_renewed;                    /* it has still to hear that this agent went, and perhaps that one came */
    bool is_started;                    /* it has answered the last it heard of that */
    uint32_t starts_due;                /* such answers that are on their way, */
    bool starts_unsure;                 /* or not: what asked for them may not have reached it, and it hears of no agent yet */
    uint32_t credit;                    /* AGENT_DATA that it may send still */
    uint32_t owed;                      /* that it sent, and that are done: not given back yet */
    uint32_t wants;                     /* AGENT_DATA that it takes still; UINT32_MAX: any number */
    bool skips;                         /* it came in the middle of what the agent says now */
    AgentMessage said;                  /* where it is in what it says */
    uint32_t queue_size, monitors_size;
    uint8_t queue[AGENT_QUEUE_MAX];     /* its chunks for the guest, whole ones */
    uint8_t monitors[AGENT_MONITORS_MAX]; /* the beginning of its MONITORS_CONFIG */
} AgentClientState;

typedef struct AgentState {             /* S1, once for all clients */
    bool is_there;                      /* somebody in the guest has the port open */
    bool is_broken;                     /* and said what no agent says: not heard until the port is opened anew */
    uint32_t caps;                      /* the first word of what it can; 0: has not said */
    AgentChunks chunks;                 /* where it is in its chunks, */
    AgentMessage said;                  /* and in its messages */
    uint32_t out_size;
    uint8_t out[AGENT_CHUNK_BYTES];     /* the rest of the chunk that the guest takes now */
    uint32_t out_owner;                 /* session that gets a token for it; 0: ours */
    uint32_t talker, last_talker;       /* session in the middle of a message, session that had the last turn; 0: none */
    uint32_t told_left;                 /* bytes of the talker's message that are not in `out` yet */
    bool tells_gone;                    /* CLIENT_DISCONNECTED is due: it forgets half a message */
    AgentMouse last_mouse;
    uint32_t mouse_count;
    AgentMouse mouse[AGENT_MOUSE_MAX];
} AgentState;

AgentState *agent_state(void);
bool agent_is_there(void);
bool agent_has_mouse(void);             /* positions can go by it */
/* False: no room; inputs channels are resumed when there is some.  buttons: SPICE_MOUSE_BUTTON_MASK_*. */
bool agent_point(uint32_t x, uint32_t y, uint32_t buttons, uint8_t display);
bool agent_press(uint32_t buttons);     /* where the pointer is */

/* ---- for the main channel of a client ---- */
void agent_begin(SpiceChannel *c);      /* before INIT, which tells it of the agent */
void agent_begin_unknown(SpiceChannel *c); /* it came with the guest, and nobody knows what it knows */
void agent_lost(SpiceChannel *c);       /* its connection is; it may come back, and begins anew then */
void agent_leave(SpiceChannel *c);
Taken agent_take_start(SpiceChannel *c, uint32_t tokens);
Taken agent_take_tokens(SpiceChannel *c, uint32_t tokens);
Taken agent_take_data(SpiceChannel *c, const uint8_t *piece, uint32_t size);
void agent_room(SpiceChannel *c);       /* it has read something */

/* ---- handoff ----
 * The agent's state goes with the guest (state "spice-agent", phase BACKEND) wherever there is an agent's port, whether
 * sessions go along or not. */
extern const VMStateDescription agent_vmstate, agent_client_vmstate; /* of AgentState, AgentClientState */
void agent_was_loaded(void);
void agent_settle(void);                /* the guest runs, its sessions are taken over: who has not come is gone */
bool agent_client_check(SpiceChannel *c, GError **errp); /* its state was loaded, and the agent's */

/* ---- life ---- */
void agent_init(void);                  /* once, before the first client */
void agent_attach(SpicePort *p);
void agent_detach(void);
void agent_lose_patience(void);         /* as after AGENT_PATIENCE_NS: whoever keeps others waiting loses the agent */
