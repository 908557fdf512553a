/* ui/spice/format.c - bytes of the SPICE protocol: the link stage, headers, bodies.  Pure.  Page: docs/spice.md.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "format.h"
#include "util/bytes.h"

#include <spice/protocol.h>
#include <string.h>

G_STATIC_ASSERT(LINK_HEADER_BYTES == sizeof(SpiceLinkHeader));
G_STATIC_ASSERT(LINK_MESS_BYTES == sizeof(SpiceLinkMess));
G_STATIC_ASSERT(LINK_REPLY_BYTES == sizeof(SpiceLinkReply));
G_STATIC_ASSERT(TICKET_KEY_BYTES == SPICE_TICKET_PUBKEY_BYTES);
G_STATIC_ASSERT(TICKET_BYTES == sizeof(SpiceLinkEncryptedTicket));
G_STATIC_ASSERT(MINI_HEADER_BYTES == sizeof(SpiceMiniDataHeader));
G_STATIC_ASSERT(FULL_HEADER_BYTES == sizeof(SpiceDataHeader));

/* ---- bodies ---- */

void put_u8(GByteArray *b, uint8_t v)
{
    g_byte_array_append(b, &v, 1);
}

void put_u16(GByteArray *b, uint16_t v)
{
    v = htole16(v);
    g_byte_array_append(b, (uint8_t *)&v, 2);
}

void put_u32(GByteArray *b, uint32_t v)
{
    v = htole32(v);
    g_byte_array_append(b, (uint8_t *)&v, 4);
}

void put_u64(GByteArray *b, uint64_t v)
{
    v = htole64(v);
    g_byte_array_append(b, (uint8_t *)&v, 8);
}

void put_bytes(GByteArray *b, const void *data, size_t size)
{
    g_byte_array_append(b, data, size);
}

/* ---- link stage ---- */

uint32_t link_parse_header(const uint8_t header[LINK_HEADER_BYTES], uint32_t *ret_size)
{
    uint32_t size = load_le32(header + 12);

    if (memcmp(header, "REDQ", 4)) {
        return SPICE_LINK_ERR_INVALID_MAGIC;
    }
    if (load_le32(header + 4) != SPICE_VERSION_MAJOR) {
        return SPICE_LINK_ERR_VERSION_MISMATCH;
    }
    if (size < LINK_MESS_BYTES || size > LINK_MESS_MAX) {
        return SPICE_LINK_ERR_INVALID_DATA;
    }
    *ret_size = size;
    return SPICE_LINK_ERR_OK;
}

static SpiceCaps read_caps(const uint8_t *data, uint32_t words)
{
    SpiceCaps caps = {{0}};

    for (uint32_t i = 0; i < MIN(words, CAPS_WORDS); i++) {
        caps.word[i] = load_le32(data + 4 * i);
    }
    return caps;
}

uint32_t link_parse_request(const uint8_t *data, size_t size, LinkRequest *ret)
{
    uint32_t common, channel, offset;

    if (size < LINK_MESS_BYTES || size > LINK_MESS_MAX) {
        return SPICE_LINK_ERR_INVALID_DATA;
    }
    common = load_le32(data + 6);
    channel = load_le32(data + 10);
    offset = load_le32(data + 14);
    if (common > LINK_CAPS_MAX || channel > LINK_CAPS_MAX || offset < LINK_MESS_BYTES || offset > size ||
        4 * (common + channel) > size - offset) {
        return SPICE_LINK_ERR_INVALID_DATA;
    }
    *ret = (LinkRequest){
        .connection_id = load_le32(data), .type = data[4], .id = data[5],
        .common = read_caps(data + offset, common), .channel = read_caps(data + offset + 4 * common, channel),
    };
    return SPICE_LINK_ERR_OK;
}

static unsigned caps_words(const SpiceCaps *c)
{
    unsigned n = CAPS_WORDS;

    while (n && !c->word[n - 1]) {
        n--;
    }
    return n;
}

static void put_caps(GByteArray *b, const SpiceCaps *c, unsigned words)
{
    for (unsigned i = 0; i < words; i++) {
        put_u32(b, c->word[i]);
    }
}

GByteArray *link_reply(uint32_t error, const uint8_t *key, const SpiceCaps *common, const SpiceCaps *channel)
{
    static const uint8_t zeroes[LINK_REPLY_BYTES];
    unsigned words = error ? 0 : caps_words(common), channel_words = error ? 0 : caps_words(channel);
    GByteArray *b = g_byte_array_new();

    put_bytes(b, "REDQ", 4);
    put_u32(b, SPICE_VERSION_MAJOR);
    put_u32(b, SPICE_VERSION_MINOR);
    put_u32(b, LINK_REPLY_BYTES + 4 * (words + channel_words));
    put_u32(b, error);
    if (error) {
        put_bytes(b, zeroes, LINK_REPLY_BYTES - 4);
        return b;
    }
    put_bytes(b, key, TICKET_KEY_BYTES);
    put_u32(b, words);
    put_u32(b, channel_words);
    put_u32(b, LINK_REPLY_BYTES);
    put_caps(b, common, words);
    put_caps(b, channel, channel_words);
    return b;
}

/* ---- messages ---- */

void header_read(const uint8_t *data, bool is_mini, MessageHeader *ret)
{
    if (is_mini) {
        *ret = (MessageHeader){.type = load_le16(data), .size = load_le32(data + 2)};
    } else {
        *ret = (MessageHeader){.serial = load_le64(data), .type = load_le16(data + 8), .size = load_le32(data + 10),
                               .sub_list = load_le32(data + 14)};
    }
}

unsigned header_write(uint8_t *to, bool is_mini, const MessageHeader *h)
{
    if (is_mini) {
        store_le16(to, h->type);
        store_le32(to + 2, h->size);
        return MINI_HEADER_BYTES;
    }
    store_le64(to, h->serial);
    store_le16(to + 8, h->type);
    store_le32(to + 10, h->size);
    store_le32(to + 14, h->sub_list);
    return FULL_HEADER_BYTES;
}

static const struct {
    const char *name;
    uint8_t type;
} channel_types[] = {
    {"main", SPICE_CHANNEL_MAIN},         {"display", SPICE_CHANNEL_DISPLAY},     {"inputs", SPICE_CHANNEL_INPUTS},
    {"cursor", SPICE_CHANNEL_CURSOR},     {"playback", SPICE_CHANNEL_PLAYBACK},   {"record", SPICE_CHANNEL_RECORD},
    {"smartcard", SPICE_CHANNEL_SMARTCARD}, {"usbredir", SPICE_CHANNEL_USBREDIR}, {"port", SPICE_CHANNEL_PORT},
    {"webdav", SPICE_CHANNEL_WEBDAV},
};

const char *channel_type_name(uint8_t type)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(channel_types); i++) {
        if (channel_types[i].type == type) {
            return channel_types[i].name;
        }
    }
    return NULL;
}

bool channel_type_from_name(const char *name, uint8_t *ret)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(channel_types); i++) {
        if (!strcmp(channel_types[i].name, name)) {
            *ret = channel_types[i].type;
            return true;
        }
    }
    return false;
}
