/* tests/unit/tools/view-server.h - what a server says to the viewer, as bytes: the link stage and a session's beginning.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "ui/spice/format.h"
#include "ui/spice/ticket.h"

#include <spice/protocol.h>

/* A link that is let in, by a server with all capabilities of the channel; `more`: common capabilities of word 3. */
static inline void put_link(GByteArray *b, uint32_t more)
{
    static TicketKey *key;
    SpiceCaps common = {{1 << SPICE_COMMON_CAP_PROTOCOL_AUTH_SELECTION | 1 << SPICE_COMMON_CAP_AUTH_SPICE |
                         1 << SPICE_COMMON_CAP_MINI_HEADER, 0, 0, more}}, caps = {{UINT32_MAX}};
    g_autoptr(GByteArray) reply = NULL;

    key = key ? key : ticket_key(NULL);
    reply = link_reply(SPICE_LINK_ERR_OK, ticket_key_public(key), &common, &caps);
    put_bytes(b, reply->data, reply->len);
    put_u32(b, SPICE_LINK_ERR_OK);
}

static inline void put_header(GByteArray *b, uint16_t type, uint32_t size)
{
    put_u16(b, type);
    put_u32(b, size);
}

/* MAIN_INIT, and a channel besides; SPICE_CHANNEL_MAIN: none. */
static inline void put_beginning(GByteArray *b, uint8_t type)
{
    put_header(b, SPICE_MSG_MAIN_INIT, 32);
    for (unsigned i = 0; i < 8; i++) {
        put_u32(b, 3);
    }
    if (type != SPICE_CHANNEL_MAIN) {
        put_header(b, SPICE_MSG_MAIN_CHANNELS_LIST, 6);
        put_u32(b, 1);
        put_u8(b, type);
        put_u8(b, 0);
    }
}

/* The body of MIGRATE_BEGIN_SEAMLESS, or (is_seamless: false) of MIGRATE_BEGIN and SWITCH_HOST. */
static inline void put_place(GByteArray *b, const char *host, bool is_seamless)
{
    uint32_t head = is_seamless ? 24 : 20, size = strlen(host) + 1;

    put_u16(b, 5900);
    put_u16(b, 0xffff);
    put_u32(b, size);
    put_u32(b, head);
    put_u32(b, 0);
    put_u32(b, 0);
    if (is_seamless) {
        put_u32(b, 1);
    }
    put_bytes(b, host, size);
}

static inline void put_rect(GByteArray *b, uint32_t top, uint32_t left, uint32_t bottom, uint32_t right)
{
    put_u32(b, top);
    put_u32(b, left);
    put_u32(b, bottom);
    put_u32(b, right);
}
