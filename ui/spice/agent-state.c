/* ui/spice/agent-state.c - what of the agent goes with the guest.  Owner: main loop (vm_lock).  Page: docs/spice.md.
 * Test: tests/unit/ui/spice-agent-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent.h"
#include "main-channel.h"
#include "server.h"
#include "util/bytes.h"
#include "util/error.h"

#include <spice/vd_agent.h>

static const VMStateDescription mouse_vmstate = {
    .name = "spice-agent-mouse", .version = 1,
    .fields = VMSTATE_FIELDS(VMSTATE_U32(AgentMouse, x), VMSTATE_U32(AgentMouse, y), VMSTATE_U32(AgentMouse, buttons),
                             VMSTATE_U8(AgentMouse, display)),
};

static const VMStateDescription message_vmstate = {
    .name = "spice-agent-message", .version = 1,
    .fields = VMSTATE_FIELDS(VMSTATE_U32(AgentMessage, left), VMSTATE_U8(AgentMessage, verdict)),
};

static const VMStateDescription chunks_vmstate = {
    .name = "spice-agent-chunks", .version = 1,
    .fields = VMSTATE_FIELDS(VMSTATE_U32(AgentChunks, port), VMSTATE_U32(AgentChunks, left), VMSTATE_U32(AgentChunks, have),
                             VMSTATE_VARRAY(AgentChunks, in, have, VMS_U8, NULL)),
};

static bool agent_loaded(void *opaque, uint32_t version, GError **errp)
{
    const AgentState *s = opaque;

    if (!agent_chunks_are_sane(&s->chunks) || s->said.verdict > AGENT_CAPS || !s->talker != !s->told_left ||
        (s->out_owner && !s->out_size)) {
        return fail(errp, "SPICE agent: its state contradicts itself");
    }
    agent_was_loaded();
    return true;
}

typedef struct AgentWhole { /* what agent_vmstate describes */
    AgentState st;
} AgentWhole;

VMSTATE_DEFINE_SPAN(AgentWhole, st)
const VMStateDescription agent_vmstate = {
    .name = "spice-agent", .version = 1, .phase = VMSTATE_SAVE_BACKEND, VMSTATE_SPAN(AgentWhole, st), .loaded = agent_loaded,
    .fields = VMSTATE_FIELDS(
        VMSTATE_BOOL(AgentState, is_there), VMSTATE_BOOL(AgentState, is_broken), VMSTATE_U32(AgentState, caps),
        VMSTATE_STRUCT(AgentState, chunks, &chunks_vmstate), VMSTATE_STRUCT(AgentState, said, &message_vmstate),
        VMSTATE_U32(AgentState, out_size), VMSTATE_VARRAY(AgentState, out, out_size, VMS_U8, NULL),
        VMSTATE_U32(AgentState, out_owner), VMSTATE_U32(AgentState, talker), VMSTATE_U32(AgentState, last_talker),
        VMSTATE_U32(AgentState, told_left), VMSTATE_BOOL(AgentState, tells_gone),
        VMSTATE_STRUCT(AgentState, last_mouse, &mouse_vmstate), VMSTATE_U32(AgentState, mouse_count),
        VMSTATE_VARRAY(AgentState, mouse, mouse_count, VMS_STRUCT, &mouse_vmstate)),
};

typedef struct AgentClientWhole { /* what agent_client_vmstate describes */
    AgentClientState st;
} AgentClientWhole;

VMSTATE_DEFINE_SPAN(AgentClientWhole, st)
const VMStateDescription agent_client_vmstate = {
    .name = "spice-agent-client", .version = 2, .oldest = 2, VMSTATE_SPAN(AgentClientWhole, st),
    .fields = VMSTATE_FIELDS(
        VMSTATE_BOOL(AgentClientState, is_told), VMSTATE_BOOL(AgentClientState, is_renewed),
        VMSTATE_BOOL(AgentClientState, is_started), VMSTATE_U32(AgentClientState, starts_due),
        VMSTATE_U32(AgentClientState, credit), VMSTATE_U32(AgentClientState, owed), VMSTATE_U32(AgentClientState, wants),
        VMSTATE_BOOL(AgentClientState, skips), VMSTATE_STRUCT(AgentClientState, said, &message_vmstate),
        VMSTATE_U32(AgentClientState, queue_size), VMSTATE_VARRAY(AgentClientState, queue, queue_size, VMS_U8, NULL),
        VMSTATE_U32(AgentClientState, monitors_size),
        VMSTATE_VARRAY(AgentClientState, monitors, monitors_size, VMS_U8, NULL),
        VMSTATE_BOOL(AgentClientState, starts_unsure)),
};

/* The queue is chunks of whole messages, but the last, and begins where the guest is. */
static bool queue_is_sane(const AgentClientState *s, uint32_t told_left, uint32_t *ret_pieces)
{
    AgentMessage m = {.left = told_left};
    AgentRules none = {0};
    AgentVerdict verdict;
    uint32_t at = 0, size;

    for (*ret_pieces = 0; s->queue_size - at >= AGENT_CHUNK_HEADER; at += AGENT_CHUNK_HEADER + size, ++*ret_pieces) {
        size = load_le32(s->queue + at + 4);
        if (size > s->queue_size - at - AGENT_CHUNK_HEADER || load_le32(s->queue + at) != VDP_CLIENT_PORT ||
            !agent_filter(&m, &none, true, s->queue + at + AGENT_CHUNK_HEADER, size, &verdict)) {
            return false;
        }
    }
    return at == s->queue_size;
}

/* As far as a message has come that says how large its screens are; nothing of it is kept of one that is for nobody. */
static bool monitors_are_sane(const AgentClientState *s)
{
    bool is_under_way = s->is_started && s->said.left && s->said.verdict == AGENT_MONITORS;

    return is_under_way ? s->monitors_size >= AGENT_MESSAGE_HEADER && s->said.left <= AGENT_MONITORS_MAX - s->monitors_size
                        : !s->monitors_size;
}

bool agent_client_check(SpiceChannel *c, GError **errp)
{
    const AgentState *agent = agent_state();
    const AgentClientState *s = &((const MainChannel *)c)->st.agent;
    uint32_t session = c->client->st.session_id, queued;

    if (s->credit > AGENT_TOKENS || s->owed > AGENT_TOKENS || s->said.verdict > AGENT_CAPS ||
        !queue_is_sane(s, agent->talker == session ? agent->told_left : 0, &queued) ||
        s->credit + s->owed + queued + (agent->out_owner == session) > AGENT_TOKENS ||
        !monitors_are_sane(s) || (s->is_started ? s->starts_due : s->queue_size || s->monitors_size)) {
        return fail(errp, "SPICE agent: what a client said to it contradicts itself");
    }
    return true;
}
