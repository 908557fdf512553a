/* tools/view/channel.c - a channel of the viewer's session: what it understands, what it still has to say.  Owner: main loop.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "channel.h"
#include "session.h"
#include "ui/spice/replay.h"
#include "util/bytes.h"

#include <spice/protocol.h>
#include <string.h>

/* ---- saying ---- */

/* Nothing that is numbered waits to be said any more. */
static void give_pongs(ViewChannel *c)
{
    for (unsigned i = 0; i < c->pongs_owed && !c->box.at && c->conn; i++) {
        conn_send(c->conn, SPICE_MSGC_PONG, c->pongs[i], sizeof(c->pongs[i]));
    }
    c->pongs_owed = c->box.at ? c->pongs_owed : 0;
}

void view_flush(ViewChannel *c)
{
    while (c->out.length && c->conn && conn_has_room(c->conn)) {
        OutboxMessage *m = g_queue_pop_head(&c->out);

        conn_send(c->conn, m->type, m->body->data, m->body->len);
        outbox_message_free(m);
    }
    while (c->conn && conn_has_room(c->conn)) {
        const OutboxMessage *m = outbox_next(&c->box);

        if (!m) {
            give_pongs(c);
            return;
        }
        conn_send(c->conn, m->type, m->body->data, m->body->len);
        if (!c->replays) { /* nobody will ask for it */
            outbox_commit(&c->box, c->box.unsent - 1);
        }
    }
}

bool view_send(ViewChannel *c, uint16_t type, const void *data, uint32_t size)
{
    if ((!c->conn && !c->resumes) || c->out.length + c->box.kept.length >= VIEW_OUT_MESSAGES_MAX) {
        return false;
    }
    if (replay_counts(c->kind->type, type)) {
        outbox_add(&c->box, type, data, size);
    } else {
        g_queue_push_tail(&c->out, outbox_message_new(type, data, size));
    }
    view_flush(c);
    return true;
}

/* Of this connection and not of the session: ahead of what waits, and never kept. */
static void answer(ViewChannel *c, uint16_t type, const void *data, uint32_t size)
{
    conn_send(c->conn, type, data, size);
}

/* ---- what every channel understands ---- */

static bool take_set_ack(ViewChannel *c, const uint8_t *data, uint32_t size)
{
    c->ack_window = load_le32(data + 4);
    c->seen = 0;
    answer(c, SPICE_MSGC_ACK_SYNC, data, 4);
    return true;
}

/* A server that counts what we say knows by it that it has heard all that was said before. */
static bool take_ping(ViewChannel *c, const uint8_t *data, uint32_t size)
{
    if (c->pongs_owed == VIEW_PONGS_MAX) {
        memmove(c->pongs[0], c->pongs[1], sizeof(c->pongs) - sizeof(c->pongs[0]));
        c->pongs_owed--;
    }
    memcpy(c->pongs[c->pongs_owed++], data, sizeof(c->pongs[0]));
    give_pongs(c);
    return true;
}

static bool take_notify(ViewChannel *c, const uint8_t *data, uint32_t size)
{
    uint32_t length = load_le32(data + 20);

    if (length > size - 24) {
        return false;
    }
    view_say_text(c->session, "notify", data + 24, length);
    return true;
}

static bool take_disconnecting(ViewChannel *c, const uint8_t *data, uint32_t size)
{
    session_farewell(c);
    return true;
}

/* Asked again when the data have come: what was ahead may have gone meanwhile. */
static bool may_move(const ViewChannel *c)
{
    return session_is_promised(c->session) && c->ahead && conn_is_linked(c->ahead);
}

static bool take_migrate(ViewChannel *c, const uint8_t *data, uint32_t size)
{
    uint32_t flags = load_le32(data);

    if (!may_move(c)) {
        return false;
    }
    if (flags & SPICE_MIGRATE_NEED_FLUSH) {
        answer(c, SPICE_MSGC_MIGRATE_FLUSH_MARK, NULL, 0);
    }
    c->awaits_data = flags & SPICE_MIGRATE_NEED_DATA_TRANSFER;
    if (!c->awaits_data) {
        session_channel_moves(c, NULL, 0);
    }
    return true;
}

static bool take_migrate_data(ViewChannel *c, const uint8_t *data, uint32_t size)
{
    if (!c->awaits_data || !may_move(c)) {
        return false;
    }
    c->awaits_data = false;
    session_channel_moves(c, data, size);
    return true;
}

static bool take_commit(ViewChannel *c, const uint8_t *data, uint32_t size)
{
    if (!c->replays || !outbox_commit(&c->box, load_le64(data))) {
        return false;
    }
    view_flush(c);
    return true;
}

static bool take_window(ViewChannel *c, const uint8_t *data, uint32_t size)
{
    if (c->replays) {
        outbox_window(&c->box, load_le32(data), load_le32(data + 4));
    }
    return c->replays;
}

static bool take_adopt(ViewChannel *c, const uint8_t *data, uint32_t size)
{
    uint64_t lost, next = load_le64(data);

    if (!c->replays || !outbox_adopt(&c->box, next, &lost)) {
        return false;
    }
    if (lost) {
        view_say(c->session, "unsure %s %u %" G_GUINT64_FORMAT, channel_type_name(c->kind->type), c->id, lost);
    } else if (c->box.said > c->box.first) {
        view_say(c->session, "again %s %u %" G_GUINT64_FORMAT, channel_type_name(c->kind->type), c->id,
                 c->box.said - c->box.first);
    }
    view_flush(c);
    return true;
}

static const ViewRow common_rows[] = {
    {"commit", REPLAY_COMMIT, 8, 8, take_commit},
    {"window", REPLAY_WINDOW, 8, 8, take_window},
    {"adopt", REPLAY_ADOPT, 12, 12, take_adopt},
    {"migrate", SPICE_MSG_MIGRATE, 4, 4, take_migrate},
    {"migrate-data", SPICE_MSG_MIGRATE_DATA, 1, 4 * 1024 * 1024, take_migrate_data},
    {"set-ack", SPICE_MSG_SET_ACK, 8, 8, take_set_ack},
    {"ping", SPICE_MSG_PING, 12, 1024 * 1024, take_ping},
    {"wait-for-channels", SPICE_MSG_WAIT_FOR_CHANNELS, 1, 1 + 255 * 10},
    {"disconnecting", SPICE_MSG_DISCONNECTING, 12, 12, take_disconnecting},
    {"notify", SPICE_MSG_NOTIFY, 24, 64 * 1024, take_notify},
    {},
};

/* ---- hearing ---- */

static const ViewRow *find_row(const ViewChannel *c, uint16_t type)
{
    const ViewRow *const tables[] = {common_rows, c->kind->rows};

    for (unsigned i = 0; i < G_N_ELEMENTS(tables); i++) {
        for (const ViewRow *row = tables[i]; row->name; row++) {
            if (row->type == type) {
                return row;
            }
        }
    }
    return NULL;
}

static uint32_t limit(ViewConn *conn, uint16_t type, void *opaque)
{
    const ViewChannel *c = opaque;
    const ViewRow *row = find_row(c, type);

    if (c->awaits_data && conn == c->conn && type != SPICE_MSG_MIGRATE_DATA) {
        return CONN_NO_TYPE;
    }
    return row ? row->max : VIEW_UNKNOWN_MAX;
}

static void count(ViewChannel *c)
{
    if (c->ack_window && ++c->seen >= c->ack_window) {
        c->seen = 0;
        answer(c, SPICE_MSGC_ACK, NULL, 0);
    }
}

static bool message(ViewConn *conn, uint16_t type, const uint8_t *data, uint32_t size, void *opaque)
{
    ViewChannel *c = opaque;
    const ViewRow *row = find_row(c, type);

    if (conn != c->conn) {
        return conn == c->ahead && session_ahead_says(c, type);
    }
    if (type != SPICE_MSG_SET_ACK) { /* by whose window it would count is about to change */
        count(c);
    }
    if (!row) {
        view_say(c->session, "unknown message %u on %s", type, channel_type_name(c->kind->type));
        return true;
    }
    return size >= row->min && (!row->take || row->take(c, data, size));
}

static void linked(ViewConn *conn, void *opaque)
{
    session_linked(opaque, conn);
}

static void room(ViewConn *conn, void *opaque)
{
    ViewChannel *c = opaque;

    if (conn == c->conn) {
        view_flush(c);
    }
}

static void ended(ViewConn *conn, const char *why, void *opaque)
{
    session_conn_ended(opaque, conn, why);
}

const ConnOps view_conn_ops = {.linked = linked, .limit = limit, .message = message, .room = room, .ended = ended};

/* ---- life ---- */

ViewChannel *view_channel_new(ViewSession *s, const ViewKind *kind, uint8_t id)
{
    ViewChannel *c = g_malloc0(kind->size);

    c->kind = kind;
    c->id = id;
    c->session = s;
    g_queue_init(&c->out);
    outbox_init(&c->box);
    return c;
}

void view_channel_reset(ViewChannel *c)
{
    g_queue_clear_full(&c->out, outbox_message_free);
    outbox_clear(&c->box);
    c->ack_window = c->seen = 0;
    c->awaits_data = false;
    if (c->kind->reset) {
        c->kind->reset(c);
    }
}

/* What has no number was of that connection. */
void view_channel_lost(ViewChannel *c)
{
    g_queue_clear_full(&c->out, outbox_message_free);
}

/* What is numbered waits until the server has said from where on; who does not, gets what nobody was told yet. */
void view_channel_has_conn(ViewChannel *c)
{
    const SpiceCaps *common = conn_common(c->conn);
    uint64_t lost;

    c->replays = caps_has(common, REPLAY_CAP);
    c->resumes = caps_has(common, RESUME_CAP);
    c->awaits_data = false;
    c->pongs_owed = 0;
    c->was_linked = c->is_up = true;
    if (c->replays) {
        outbox_hold(&c->box);
    } else {
        outbox_adopt(&c->box, c->box.said, &lost);
    }
    conn_listen(c->conn, true);
}

void view_channel_linked(ViewChannel *c)
{
    bool again = c->was_linked;
    void (*begin)(ViewChannel *c) = again ? c->kind->resumed : c->kind->start;

    view_say(c->session, "%s %s %u", again ? "resumed" : "linked", channel_type_name(c->kind->type), c->id);
    view_channel_has_conn(c);
    if (begin) {
        begin(c);
    }
    view_flush(c);
}

void view_channel_take_ahead(ViewChannel *c)
{
    c->left = c->conn;
    c->conn = g_steal_pointer(&c->ahead);
    if (c->left) {
        conn_listen(c->left, false);
    }
    view_channel_has_conn(c);
}

void view_channel_free(ViewChannel *c)
{
    if (!c) {
        return;
    }
    conn_drop(c->conn);
    conn_drop(c->ahead);
    conn_drop(c->left);
    if (c->kind->stop) {
        c->kind->stop(c);
    }
    g_queue_clear_full(&c->out, outbox_message_free);
    outbox_clear(&c->box);
    g_free(c);
}
