/* ui/spice/agent-screens.h - screens as clients would like them; the server in place of an agent.  Owner: main loop (vm_lock).
 * Page: docs/spice.md.  Test: tests/unit/ui/spice-agent-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Clients tell only an agent what size their windows have.  Where a display device can tell the guest of it, the server takes that
 * message.  Where nobody has the agent's port open, it is the agent for this, and offers nothing else. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

bool screens_can_follow(void); /* is there one whose device can be told? */
/* Of a MONITORS_CONFIG message without its header.  Screens that the client does not name are off for it; malformed: nothing. */
void screens_wish(const uint8_t *body, uint32_t size);
/* What the server says of itself to the first piece of a client's message; NULL: nobody asks. */
GByteArray *screens_introduction(const uint8_t *piece, uint32_t size);
