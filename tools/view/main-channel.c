/* tools/view/main-channel.c - the viewer's main channel: who it is, what there is, where the guest goes.  Owner: main loop.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "session.h"
#include "util/bytes.h"

#include <spice/protocol.h>
#include <string.h>

#define PLACE_BYTES 20          /* of MIGRATE_BEGIN, before the names */
#define PLACE_MAX (PLACE_BYTES + 4 + 2 * SESSION_NAME_MAX)

static void ask_for_positions(ViewChannel *c, uint32_t supported, uint32_t current)
{
    uint16_t wanted = GUINT16_TO_LE(SPICE_MOUSE_MODE_CLIENT);

    c->session->mouse_mode = current;
    if (supported & SPICE_MOUSE_MODE_CLIENT && current != SPICE_MOUSE_MODE_CLIENT) {
        view_send(c, SPICE_MSGC_MAIN_MOUSE_MODE_REQUEST, &wanted, 2);
    }
}

static bool take_init(ViewChannel *c, const uint8_t *data, uint32_t size)
{
    session_learn(c->session, load_le32(data));
    ask_for_positions(c, load_le32(data + 8), load_le32(data + 12));
    view_send(c, SPICE_MSGC_MAIN_ATTACH_CHANNELS, NULL, 0);
    return load_le32(data) != 0;
}

static bool take_list(ViewChannel *c, const uint8_t *data, uint32_t size)
{
    uint32_t n = load_le32(data);

    return n <= (size - 4) / 2 && session_open_listed(c->session, data + 4, n);
}

/* What we asked for may have been lost. */
static void main_resumed(ViewChannel *c)
{
    if (c->session->channels->len == 1) {
        view_send(c, SPICE_MSGC_MAIN_ATTACH_CHANNELS, NULL, 0);
    }
}

static bool take_mouse_mode(ViewChannel *c, const uint8_t *data, uint32_t size)
{
    ask_for_positions(c, load_le16(data), load_le16(data + 2));
    return true;
}

static bool take_name(ViewChannel *c, const uint8_t *data, uint32_t size)
{
    uint32_t length = load_le32(data);

    if (length > size - 4) {
        return false;
    }
    g_free(c->session->name);
    c->session->name = g_strndup((const char *)data + 4, length);
    view_say_text(c->session, "name", data + 4, length);
    return true;
}

/* ---- where the guest goes ---- */

/* A name of `size` bytes with its NUL at `at`; NULL: there is none.  false: it is not within the message, or no text. */
static bool read_name(const uint8_t *data, uint32_t total, uint32_t size, uint32_t at, char **ret)
{
    if (!size || !at) {
        *ret = NULL;
        return true;
    }
    if (size > SESSION_NAME_MAX || at > total || size > total - at || data[at + size - 1] ||
        !bytes_are_text(data + at, size - 1)) {
        return false;
    }
    *ret = g_strndup((const char *)data + at, size - 1);
    return true;
}

/* A server names hosts; a path would be a socket of our own machine. */
static bool read_place(const uint8_t *data, uint32_t size, ViewPlace *ret)
{
    ViewPlace p = {.port = load_le16(data), .tls_port = load_le16(data + 2)};

    if (p.tls_port == UINT16_MAX) { /* QEMU's -1 */
        p.tls_port = 0;
    }
    if (!read_name(data, size, load_le32(data + 4), load_le32(data + 8), &p.host) ||
        !read_name(data, size, load_le32(data + 12), load_le32(data + 16), &p.subject) || !p.host || !*p.host || *p.host == '/' ||
        (!p.port && !p.tls_port)) {
        place_clear(&p);
        return false;
    }
    *ret = p;
    return true;
}

static bool take_begin(ViewChannel *c, const uint8_t *data, uint32_t size)
{
    ViewPlace p;

    if (!read_place(data, size, &p)) {
        return false;
    }
    return session_migrate(c->session, &p, 0, false);
}

static bool take_begin_seamless(ViewChannel *c, const uint8_t *data, uint32_t size)
{
    ViewPlace p;

    if (!read_place(data, size, &p)) {
        return false;
    }
    return session_migrate(c->session, &p, load_le32(data + PLACE_BYTES), true);
}

static bool take_switch(ViewChannel *c, const uint8_t *data, uint32_t size)
{
    ViewPlace p;

    if (!read_place(data, size, &p)) {
        return false;
    }
    session_switch(c->session, &p); /* which ends this channel */
    return true;
}

static bool take_cancel(ViewChannel *c, const uint8_t *data, uint32_t size)
{
    session_migrate_cancel(c->session);
    return true;
}

static bool take_end(ViewChannel *c, const uint8_t *data, uint32_t size)
{
    return session_migrate_end(c->session);
}

static const ViewRow main_rows[] = {
    {"migrate-begin", SPICE_MSG_MAIN_MIGRATE_BEGIN, PLACE_BYTES, PLACE_MAX, take_begin},
    {"migrate-cancel", SPICE_MSG_MAIN_MIGRATE_CANCEL, 0, 0, take_cancel},
    {"init", SPICE_MSG_MAIN_INIT, 32, 32, take_init},
    {"channels-list", SPICE_MSG_MAIN_CHANNELS_LIST, 4, 4 + 2 * 256, take_list},
    {"mouse-mode", SPICE_MSG_MAIN_MOUSE_MODE, 4, 4, take_mouse_mode},
    {"multi-media-time", SPICE_MSG_MAIN_MULTI_MEDIA_TIME, 4, 4},
    {"agent-connected", SPICE_MSG_MAIN_AGENT_CONNECTED, 0, 0},
    {"agent-disconnected", SPICE_MSG_MAIN_AGENT_DISCONNECTED, 4, 4},
    {"agent-data", SPICE_MSG_MAIN_AGENT_DATA, 0, 2048},
    {"agent-token", SPICE_MSG_MAIN_AGENT_TOKEN, 4, 4},
    {"migrate-switch-host", SPICE_MSG_MAIN_MIGRATE_SWITCH_HOST, PLACE_BYTES, PLACE_MAX, take_switch},
    {"migrate-end", SPICE_MSG_MAIN_MIGRATE_END, 0, 0, take_end},
    {"name", SPICE_MSG_MAIN_NAME, 4, 4096, take_name},
    {"uuid", SPICE_MSG_MAIN_UUID, 16, 16},
    {"agent-connected-tokens", SPICE_MSG_MAIN_AGENT_CONNECTED_TOKENS, 4, 4},
    {"migrate-begin-seamless", SPICE_MSG_MAIN_MIGRATE_BEGIN_SEAMLESS, PLACE_BYTES + 4, PLACE_MAX, take_begin_seamless},
    {},
};

const ViewKind view_main_kind = {
    .type = SPICE_CHANNEL_MAIN, .size = sizeof(ViewChannel), .rows = main_rows, .resumed = main_resumed,
    .caps = 1 << SPICE_MAIN_CAP_SEMI_SEAMLESS_MIGRATE | 1 << SPICE_MAIN_CAP_NAME_AND_UUID |
            1 << SPICE_MAIN_CAP_AGENT_CONNECTED_TOKENS | 1 << SPICE_MAIN_CAP_SEAMLESS_MIGRATE,
};
