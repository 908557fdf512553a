/* ui/spice/agent-filter.h - what the agent in the guest and a client may say to each other.  Pure.  Page: docs/spice.md.
 * Test: tests/unit/ui/spice-agent-test.c, tests/fuzz/spice-agent.c
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Both speak messages of any length, cut into pieces; the guest's have a header each and are chunks then.  A piece belongs to
 * one message, and the first one of a message has its header in it. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "ui/console.h"

#define AGENT_PIECE_MAX 2048            /* bytes of a piece; a client's are the protocol's */
#define AGENT_CHUNK_HEADER 8            /* port, size */
#define AGENT_MESSAGE_HEADER 20         /* protocol, type, a number of theirs, size */
#define AGENT_CHUNK_BYTES (AGENT_CHUNK_HEADER + AGENT_PIECE_MAX)
#define AGENT_MONITORS_MAX (16 * 1024)  /* bytes of a MONITORS_CONFIG message */

typedef enum AgentVerdict {
    AGENT_PASS,
    AGENT_DROP,         /* the rules forbid it */
    AGENT_MONITORS,     /* how large the client's screens are: for ours */
    AGENT_CAPS,         /* the first piece of what the agent can: agent_caps() */
} AgentVerdict;

typedef struct AgentRules {
    bool no_copy_paste, no_file_xfer, takes_monitors;
} AgentRules;

typedef struct AgentMessage { /* where somebody is in what it says; plain data, starts zeroed */
    uint32_t left;      /* bytes of the present message that are still to come */
    uint8_t verdict;    /* on them: AgentVerdict */
} AgentMessage;

/* Says what is to be done with a piece.  False: nobody speaks so. */
bool agent_filter(AgentMessage *m, const AgentRules *rules, bool is_client, const uint8_t *piece, uint32_t size,
                  AgentVerdict *ret);
/* The first word of what the agent can, from the first piece of its message, in which what the rules forbid is taken off. */
uint32_t agent_caps(uint8_t *piece, uint32_t size, const AgentRules *rules);
/* Of a MONITORS_CONFIG message without its header: how many wishes, at most `most`; 0: malformed, or all screens are off. */
unsigned agent_monitors(const uint8_t *body, uint32_t size, ConsoleWish *ret, unsigned most);

/* What the guest says comes in chunks of any size; they are taken apart into pieces. */
typedef struct AgentChunks {    /* plain data, starts zeroed */
    uint32_t port, left;        /* of the present chunk; bytes of it that are in no finished piece; 0: a header is due */
    uint32_t have;              /* bytes of a header or piece that is not whole, or is AGENT_PIECE: */
    uint8_t in[AGENT_PIECE_MAX];
} AgentChunks;

typedef enum AgentStep {
    AGENT_MORE,                 /* all is used up */
    AGENT_PIECE,                /* a piece is whole: to be looked at, then agent_chunks_next() */
    AGENT_BAD,                  /* a chunk that nobody makes */
} AgentStep;

AgentStep agent_chunks_add(AgentChunks *c, const uint8_t *data, size_t size, size_t *used); /* *used: bytes of data */
void agent_chunks_next(AgentChunks *c);
bool agent_chunks_are_sane(const AgentChunks *c); /* from elsewhere */
uint32_t agent_put_chunk(uint8_t to[AGENT_CHUNK_BYTES], uint32_t port, const uint8_t *piece, uint32_t size); /* bytes written */
