/* ui/spice/agent-screens.h - screens as clients would like them; the server in place of an agent.  Owner: main loop (vm_lock).
 * Page: docs/spice.md.  Test: tests/unit/ui/spice-agent-screens-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Clients tell only an agent what size their windows have.  Where a display device can tell the guest of it, the server takes that
 * message.  Where nobody has the agent's port open, it is the agent for this, and offers nothing else. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct AgentClientState AgentClientState;

bool screens_can_follow(void); /* is there one whose device can be told? */
/* A piece of a client's MONITORS_CONFIG message: when it is whole, screens are told. */
void screens_take_piece(AgentClientState *s, const uint8_t *piece, uint32_t size);
/* What the server says of itself to the first piece of a client's message; NULL: nobody asks. */
GByteArray *screens_introduction(const uint8_t *piece, uint32_t size);
