/* ui/spice/agent-screens.c - screens as clients would like them; the server in place of an agent.  Owner: main loop (vm_lock).
 * Page: docs/spice.md.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent-screens.h"
#include "agent.h"
#include "format.h"
#include "util/bytes.h"

#include <spice/vd_agent.h>
#include <string.h>

#define CAN_SIZES                                                                                                      \
    (1 << VD_AGENT_CAP_MONITORS_CONFIG | 1 << VD_AGENT_CAP_SPARSE_MONITORS_CONFIG |                                    \
     1 << VD_AGENT_CAP_MONITORS_CONFIG_POSITION | 1 << VD_AGENT_CAP_FILE_XFER_DISABLED)

bool screens_can_follow(void)
{
    for (unsigned i = 0; i < CONSOLES_MAX && console_at(i); i++) {
        if (console_can_wish(console_at(i))) {
            return true;
        }
    }
    return false;
}

/* Screens that the client does not name are off for it; malformed: nothing. */
static void screens_wish(const uint8_t *body, uint32_t size)
{
    ConsoleWish wishes[CONSOLES_MAX] = {{0}};

    if (!agent_monitors(body, size, wishes, CONSOLES_MAX)) {
        return;
    }
    for (unsigned i = 0; i < CONSOLES_MAX && console_at(i); i++) {
        console_wish(console_at(i), &wishes[i]);
    }
}

void screens_take_piece(AgentClientState *s, const uint8_t *piece, uint32_t size)
{
    memcpy(s->monitors + s->monitors_size, piece, size);
    s->monitors_size += size;
    if (!s->said.left) {
        screens_wish(s->monitors + AGENT_MESSAGE_HEADER, s->monitors_size - AGENT_MESSAGE_HEADER);
        s->monitors_size = 0;
    }
}

GByteArray *screens_introduction(const uint8_t *piece, uint32_t size)
{
    GByteArray *b;

    if (size < AGENT_MESSAGE_HEADER + 4 || load_le32(piece + 4) != VD_AGENT_ANNOUNCE_CAPABILITIES ||
        !load_le32(piece + AGENT_MESSAGE_HEADER)) {
        return NULL;
    }
    b = g_byte_array_new();
    put_u32(b, VD_AGENT_PROTOCOL);
    put_u32(b, VD_AGENT_ANNOUNCE_CAPABILITIES);
    put_u64(b, 0);
    put_u32(b, 8);
    put_u32(b, 0); /* no answer is wanted */
    put_u32(b, CAN_SIZES);
    return b;
}
