/* ui/spice/agent-filter.c - what the agent in the guest and a client may say to each other.  Pure.  Page: docs/spice.md.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent-filter.h"
#include "util/bytes.h"

#include <spice/vd_agent.h>
#include <string.h>

enum { MONITORS_HEADER = 8, MONITOR_BYTES = 20, MILLIMETRES_BYTES = 4 };

/* ---- messages ---- */

static const struct {
    uint32_t type;
    bool is_clipboard, is_file;
} guarded[] = {
    {VD_AGENT_CLIPBOARD, true},         {VD_AGENT_CLIPBOARD_GRAB, true},
    {VD_AGENT_CLIPBOARD_REQUEST, true}, {VD_AGENT_CLIPBOARD_RELEASE, true},
    {VD_AGENT_FILE_XFER_START, .is_file = true}, {VD_AGENT_FILE_XFER_STATUS, .is_file = true},
    {VD_AGENT_FILE_XFER_DATA, .is_file = true},
};

static AgentVerdict judge(uint32_t type, const AgentRules *rules, bool is_client)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(guarded); i++) {
        if (guarded[i].type == type &&
            ((guarded[i].is_clipboard && rules->no_copy_paste) || (guarded[i].is_file && rules->no_file_xfer))) {
            return AGENT_DROP;
        }
    }
    if (is_client && type == VD_AGENT_MONITORS_CONFIG && rules->takes_monitors) {
        return AGENT_MONITORS;
    }
    return !is_client && type == VD_AGENT_ANNOUNCE_CAPABILITIES ? AGENT_CAPS : AGENT_PASS;
}

static bool begin(AgentMessage *m, const AgentRules *rules, bool is_client, const uint8_t *piece, uint32_t size,
                  AgentVerdict *ret)
{
    uint32_t body;

    if (size < AGENT_MESSAGE_HEADER || load_le32(piece) != VD_AGENT_PROTOCOL) {
        return false;
    }
    body = load_le32(piece + 16);
    *ret = judge(load_le32(piece + 4), rules, is_client);
    if (size - AGENT_MESSAGE_HEADER > body || (*ret == AGENT_MONITORS && body > AGENT_MONITORS_MAX - AGENT_MESSAGE_HEADER)) {
        return false;
    }
    m->left = body - (size - AGENT_MESSAGE_HEADER);
    m->verdict = *ret == AGENT_CAPS ? AGENT_PASS : *ret;
    return true;
}

bool agent_filter(AgentMessage *m, const AgentRules *rules, bool is_client, const uint8_t *piece, uint32_t size,
                  AgentVerdict *ret)
{
    if (size > AGENT_PIECE_MAX) {
        return false;
    }
    if (!m->left) {
        return begin(m, rules, is_client, piece, size, ret);
    }
    if (size > m->left) {
        return false;
    }
    m->left -= size;
    *ret = m->verdict;
    return true;
}

uint32_t agent_caps(uint8_t *piece, uint32_t size, const AgentRules *rules)
{
    uint8_t *word = piece + AGENT_MESSAGE_HEADER + 4; /* behind a word that says whether an answer is wanted */
    uint32_t caps, said;

    if (size < AGENT_MESSAGE_HEADER + 8) {
        return 0;
    }
    said = caps = load_le32(word);
    if (rules->no_copy_paste) {
        said &= ~(1u << VD_AGENT_CAP_CLIPBOARD | 1u << VD_AGENT_CAP_CLIPBOARD_BY_DEMAND | 1u << VD_AGENT_CAP_CLIPBOARD_SELECTION);
    }
    if (rules->no_file_xfer) {
        said |= 1u << VD_AGENT_CAP_FILE_XFER_DISABLED;
    }
    store_le32(word, said);
    return caps;
}

/* ---- screens ---- */

static ConsoleWish wish_at(const uint8_t *monitor, const uint8_t *millimetres, uint32_t flags)
{
    ConsoleWish w = {.height = load_le32(monitor), .width = load_le32(monitor + 4)};

    w.is_on = w.width && w.height;
    if (flags & VD_AGENT_CONFIG_MONITORS_FLAG_USE_POS) {
        w.x = (int32_t)load_le32(monitor + 12);
        w.y = (int32_t)load_le32(monitor + 16);
    }
    if (millimetres) {
        w.height_mm = load_le16(millimetres);
        w.width_mm = load_le16(millimetres + 2);
    }
    return w;
}

unsigned agent_monitors(const uint8_t *body, uint32_t size, ConsoleWish *ret, unsigned most)
{
    uint32_t n, flags, room = size < MONITORS_HEADER ? 0 : (size - MONITORS_HEADER) / MONITOR_BYTES;
    const uint8_t *millimetres = NULL;
    bool is_any_on = false;

    n = room ? load_le32(body) : 0;
    if (!n || n > room) {
        return 0;
    }
    flags = load_le32(body + 4);
    size -= MONITORS_HEADER + n * MONITOR_BYTES;
    if (flags & VD_AGENT_CONFIG_MONITORS_FLAG_PHYSICAL_SIZE && size >= n * MILLIMETRES_BYTES) {
        millimetres = body + MONITORS_HEADER + n * MONITOR_BYTES;
    }
    n = MIN(n, most);
    for (unsigned i = 0; i < n; i++) {
        const uint8_t *mm = millimetres ? millimetres + i * MILLIMETRES_BYTES : NULL;

        ret[i] = wish_at(body + MONITORS_HEADER + i * MONITOR_BYTES, mm, flags);
        is_any_on |= ret[i].is_on;
    }
    return is_any_on ? n : 0;
}

/* ---- chunks ---- */

static uint32_t missing(const AgentChunks *c)
{
    return (c->left ? MIN(c->left, AGENT_PIECE_MAX) : AGENT_CHUNK_HEADER) - c->have;
}

/* False: no such port. */
static bool take_header(AgentChunks *c)
{
    c->port = load_le32(c->in);
    c->left = load_le32(c->in + 4);
    c->have = 0;
    return c->port >= VDP_CLIENT_PORT && c->port < VDP_END_PORT;
}

AgentStep agent_chunks_add(AgentChunks *c, const uint8_t *data, size_t size, size_t *used)
{
    for (*used = 0; *used < size;) {
        uint32_t part = MIN(size - *used, missing(c));

        memcpy(c->in + c->have, data + *used, part);
        c->have += part;
        *used += part;
        if (missing(c)) {
            continue;
        }
        if (c->left) {
            return AGENT_PIECE;
        }
        if (!take_header(c)) {
            return AGENT_BAD;
        }
    }
    return AGENT_MORE;
}

void agent_chunks_next(AgentChunks *c)
{
    c->left -= c->have;
    c->have = 0;
}

bool agent_chunks_are_sane(const AgentChunks *c)
{
    return c->have < (c->left ? MIN(c->left, AGENT_PIECE_MAX) : AGENT_CHUNK_HEADER);
}

uint32_t agent_put_chunk(uint8_t to[AGENT_CHUNK_BYTES], uint32_t port, const uint8_t *piece, uint32_t size)
{
    store_le32(to, port);
    store_le32(to + 4, size);
    memcpy(to + AGENT_CHUNK_HEADER, piece, size);
    return AGENT_CHUNK_HEADER + size;
}
