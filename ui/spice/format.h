/* ui/spice/format.h - bytes of the SPICE protocol: the link stage, headers, bodies.  Pure.  Page: docs/spice.md.
 * Test: tests/unit/ui/spice-format-test.c, tests/fuzz/spice-link.c
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Everything is little-endian and packed.  Readers check each length before they look. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define LINK_HEADER_BYTES 16
#define LINK_MESS_BYTES 18              /* without capabilities */
#define LINK_MESS_MAX 4096              /* with them */
#define LINK_CAPS_MAX 1024              /* words of one kind */
#define LINK_REPLY_BYTES 178
#define TICKET_BYTES 128
#define TICKET_KEY_BYTES 162
#define MINI_HEADER_BYTES 6
#define FULL_HEADER_BYTES 18

/* ---- capabilities: bits of both sides; words beyond these are not looked at ---- */
#define CAPS_WORDS 4

typedef struct SpiceCaps {
    uint32_t word[CAPS_WORDS];
} SpiceCaps;

static inline bool caps_has(const SpiceCaps *c, unsigned bit)
{
    return bit < 32 * CAPS_WORDS && c->word[bit / 32] >> bit % 32 & 1;
}

static inline void caps_set(SpiceCaps *c, unsigned bit)
{
    c->word[bit / 32] |= UINT32_C(1) << bit % 32;
}

/* ---- link stage ---- */
typedef struct LinkRequest {
    uint32_t connection_id;
    uint8_t type, id;                   /* of the channel */
    SpiceCaps common, channel;          /* the client's */
} LinkRequest;

/* Both return SPICE_LINK_ERR_OK or what the reply says. */
uint32_t link_parse_header(const uint8_t header[LINK_HEADER_BYTES], uint32_t *ret_size);
uint32_t link_parse_request(const uint8_t *data, size_t size, LinkRequest *ret);
/* error: not OK, and all the rest is zero.  key: TICKET_KEY_BYTES. */
GByteArray *link_reply(uint32_t error, const uint8_t *key, const SpiceCaps *common, const SpiceCaps *channel);

/* ---- messages ---- */
typedef struct MessageHeader {
    uint64_t serial;                    /* full headers only */
    uint16_t type;
    uint32_t size, sub_list;
} MessageHeader;

void header_read(const uint8_t *data, bool is_mini, MessageHeader *ret);
unsigned header_write(uint8_t *to, bool is_mini, const MessageHeader *h); /* bytes written */
const char *channel_type_name(uint8_t type);          /* "main"; NULL: no such */
bool channel_type_from_name(const char *name, uint8_t *ret);

/* ---- bodies ---- */
void put_u8(GByteArray *b, uint8_t v);
void put_u16(GByteArray *b, uint16_t v);
void put_u32(GByteArray *b, uint32_t v);
void put_u64(GByteArray *b, uint64_t v);
void put_bytes(GByteArray *b, const void *data, size_t size);
