/* ui/spice/channel.c - one channel of one client: messages both ways.  Owner: main loop (vm_lock).  Page: docs/spice.md.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "channel.h"
#include "server.h"
#include "util/bytes.h"
#include "util/log.h"

#include <errno.h>
#include <spice/protocol.h>
#include <string.h>

#define READ_TURN_BYTES (128 * 1024)    /* of one channel before others have their turn */
#define WRITE_TURN_MESSAGES 256

static void update_watch(SpiceChannel *c);
static void come_again(SpiceChannel *c);

static void out_message_free(void *p)
{
    OutMessage *m = p;

    g_byte_array_unref(m->body);
    g_free(m);
}

/* ---- the ack window ---- */

static bool window_is_open(const SpiceChannel *c)
{
    return !c->kind->has_window || c->st.unacked <= 2 * c->st.ack_window;
}

void spice_set_ack(SpiceChannel *c)
{
    GByteArray *b = g_byte_array_new();

    c->st.ack_generation++;
    c->st.ack_window = CHANNEL_ACK_WINDOW;
    c->st.ack_is_synced = false;
    c->st.unacked = 0;
    put_u32(b, c->st.ack_generation);
    put_u32(b, c->st.ack_window);
    spice_send(c, SPICE_MSG_SET_ACK, b);
}

static Taken take_ack_sync(SpiceChannel *c, const uint8_t *data, uint32_t size)
{
    if (load_le32(data) == c->st.ack_generation) { /* else: of a SET_ACK before the latest */
        c->st.ack_is_synced = true;
    }
    return TAKEN;
}

static Taken take_ack(SpiceChannel *c, const uint8_t *data, uint32_t size)
{
    if (c->st.ack_is_synced) {
        c->st.unacked -= MIN(c->st.unacked, c->st.ack_window);
    }
    return TAKEN;
}

/* ---- what every channel understands ---- */

static Taken take_disconnecting(SpiceChannel *c, const uint8_t *data, uint32_t size)
{
    spice_close(c);
    return TAKEN;
}

static Taken take_pong(SpiceChannel *c, const uint8_t *data, uint32_t size)
{
    if (c->kind->type == SPICE_CHANNEL_MAIN) {
        server_pong(c, load_le32(data), load_le64(data + 4));
    }
    return TAKEN;
}

static const MessageRow common_rows[] = {
    {"ack-sync", SPICE_MSGC_ACK_SYNC, 4, 4, take_ack_sync},
    {"ack", SPICE_MSGC_ACK, 0, 0, take_ack},
    {"pong", SPICE_MSGC_PONG, 12, 12, take_pong},
    {"disconnecting", SPICE_MSGC_DISCONNECTING, 12, 12, take_disconnecting},
    {},
};

static const MessageRow *find_row(const MessageRow *rows, uint16_t type)
{
    for (; rows->name; rows++) {
        if (rows->type == type) {
            return rows;
        }
    }
    return NULL;
}

/* ---- reading ---- */

static void complain(SpiceChannel *c, const char *what)
{
    TRACE(spice_bad_message, "%s %u:%u: message %u of %u bytes: %s", c->ends.client.host, c->st.type, c->st.id, c->in.type,
          c->in.size, what);
    spice_close(c);
}

/* Bytes of the present message that are missing. */
static size_t missing(const SpiceChannel *c)
{
    return c->row ? c->in.size - c->body->len : (c->is_mini ? MINI_HEADER_BYTES : FULL_HEADER_BYTES) - c->in_have;
}

static void take_header(SpiceChannel *c)
{
    const MessageRow *row;

    header_read(c->in_header, c->is_mini, &c->in);
    row = find_row(common_rows, c->in.type);
    row = row ? row : find_row(c->kind->rows, c->in.type);
    if (!row) {
        complain(c, "unknown");
    } else if (c->in.size < row->min || c->in.size > MIN(row->max, CHANNEL_BODY_MAX) || c->in.sub_list) {
        complain(c, "bad size");
    } else {
        c->row = row;
        g_byte_array_set_size(c->body, 0);
    }
}

static void take_message(SpiceChannel *c)
{
    Taken taken = c->row->take ? c->row->take(c, c->body->data, c->body->len) : TAKEN;

    if (c->is_closed) {
        return;
    }
    c->is_held = taken == TAKE_LATER;
    if (taken == TAKE_BAD) {
        complain(c, "malformed");
    } else if (taken == TAKEN) {
        c->st.received++;
        c->row = NULL;
        c->in_have = 0;
    }
}

/* False: nothing more now. */
static bool read_piece(SpiceChannel *c, size_t *budget)
{
    uint8_t buffer[16 * 1024];
    size_t want = MIN(missing(c), sizeof(buffer));
    ssize_t n = wire_read(c->wire, buffer, want);

    if (n == -EAGAIN) {
        return false;
    }
    if (n <= 0) {
        TRACE(spice_channel_end, "%s %u:%u: %s", c->ends.client.host, c->st.type, c->st.id, n ? g_strerror(-n) : "closed");
        spice_close(c);
        return false;
    }
    *budget -= MIN(*budget, (size_t)n);
    if (c->row) {
        g_byte_array_append(c->body, buffer, n);
    } else {
        memcpy(c->in_header + c->in_have, buffer, n);
        c->in_have += n;
    }
    return true;
}

static void read_some(SpiceChannel *c)
{
    size_t budget = READ_TURN_BYTES;

    while (!c->is_closed && !c->is_held && budget) {
        if (missing(c)) {
            if (!read_piece(c, &budget)) {
                break;
            }
            continue;
        }
        if (!c->row) {
            take_header(c);
        }
        if (!c->is_closed && !missing(c)) {
            take_message(c);
        }
    }
    if (!c->is_closed && !c->is_held && (!budget || wire_pending(c->wire))) {
        come_again(c);
    }
}

/* ---- writing ---- */

void spice_send(SpiceChannel *c, uint16_t type, GByteArray *body)
{
    OutMessage *m;

    body = body ? body : g_byte_array_new();
    if (c->is_closed) {
        g_byte_array_unref(body);
        return;
    }
    m = g_new0(OutMessage, 1);
    m->type = type;
    m->body = body;
    g_queue_push_tail(&c->out, m);
    c->out_bytes += body->len;
    if (c->out_bytes > CHANNEL_QUEUE_BYTES_MAX || c->out.length > CHANNEL_QUEUE_MESSAGES_MAX) {
        TRACE(spice_channel_full, "%s %u:%u does not read", c->ends.client.host, c->st.type, c->st.id);
        spice_close(c);
        return;
    }
    update_watch(c);
}

bool spice_has_room(const SpiceChannel *c)
{
    return !c->is_closed && c->out_bytes < CHANNEL_ROOM_BYTES && window_is_open(c);
}

static void begin_message(SpiceChannel *c, const OutMessage *m)
{
    MessageHeader h = {.serial = ++c->st.sent, .type = m->type, .size = m->body->len};

    c->out_header_size = header_write(c->out_header, c->is_mini, &h);
    c->is_writing = true;
    c->out_at = 0;
    c->st.unacked += c->kind->has_window;
}

/* 1: the first message is out; 0: later; -1: the connection is over. */
static int write_message(SpiceChannel *c, OutMessage *m)
{
    size_t total = c->out_header_size + m->body->len;

    while (c->out_at < total) {
        size_t in_header = MIN(c->out_at, c->out_header_size), in_body = c->out_at - in_header;
        struct iovec iov[2] = {{c->out_header + in_header, c->out_header_size - in_header},
                               {m->body->data + in_body, m->body->len - in_body}};
        bool skip = !iov[0].iov_len;
        ssize_t n = wire_write(c->wire, iov + skip, iov[1].iov_len ? 2 - skip : 1);

        if (n < 0) {
            return n == -EAGAIN ? 0 : -1;
        }
        c->out_at += n;
    }
    return 1;
}

/* The window holds back what comes behind it, but never a message that has begun. */
static bool may_write(const SpiceChannel *c)
{
    return c->out.length && (c->is_writing || window_is_open(c));
}

static void write_some(SpiceChannel *c)
{
    unsigned turns = WRITE_TURN_MESSAGES;

    for (; may_write(c) && turns; turns--) {
        OutMessage *m = g_queue_peek_head(&c->out);
        int result;

        if (!c->is_writing) {
            begin_message(c, m);
        }
        result = write_message(c, m);
        if (result < 0) {
            spice_close(c);
            return;
        }
        if (!result) {
            break;
        }
        c->is_writing = false;
        c->out_bytes -= m->body->len;
        out_message_free(g_queue_pop_head(&c->out));
    }
    if (!c->is_closed && wire_flush(c->wire) < 0 && wire_flush(c->wire) != -EAGAIN) {
        spice_close(c);
    }
}

/* ---- events ---- */

static void update_watch(SpiceChannel *c)
{
    GIOCondition want = c->is_held ? 0 : G_IO_IN;

    if (c->is_closed) {
        return;
    }
    want |= wire_wants(c->wire) | (may_write(c) || wire_flush(c->wire) == -EAGAIN ? G_IO_OUT : 0);
    loop_watch_set(c->watch, want);
}

static void come_again(SpiceChannel *c)
{
    loop_timer_set(c->again, time_monotonic_ns());
}

/* True: the channel had room, and something to say. */
static bool use_room(SpiceChannel *c)
{
    uint64_t before = c->st.sent + c->out.length;

    if (c->is_closed || !c->kind->room || !spice_has_room(c)) {
        return false;
    }
    c->kind->room(c);
    return c->st.sent + c->out.length != before;
}

void spice_pump(SpiceChannel *c)
{
    bool has_more;

    if (!c->is_closed) {
        write_some(c);
    }
    if (!c->is_closed) {
        read_some(c);
    }
    has_more = use_room(c);
    if (!c->is_closed) {
        write_some(c);
    }
    if (has_more && spice_has_room(c)) { /* the socket took all of it: nothing else would come back here */
        come_again(c);
    }
    update_watch(c);
}

static void ready(int fd, GIOCondition condition, void *opaque)
{
    SpiceChannel *c = opaque;

    if (c->is_held && condition & (G_IO_HUP | G_IO_ERR)) { /* what is held has nobody any more */
        spice_close(c);
        return;
    }
    spice_pump(c);
}

static void again(void *opaque)
{
    spice_pump(opaque);
}

void spice_poke(SpiceChannel *c)
{
    come_again(c);
}

void spice_resume(SpiceChannel *c)
{
    if (c->is_closed || !c->is_held) {
        return;
    }
    c->is_held = false;
    take_message(c);
    if (!c->is_closed) {
        update_watch(c);
        come_again(c);
    }
}

/* ---- what every channel says ---- */

void spice_ping(SpiceChannel *c, uint32_t id, uint32_t padding)
{
    GByteArray *b = g_byte_array_new();

    put_u32(b, id);
    put_u64(b, time_monotonic_ns());
    g_byte_array_set_size(b, 12 + padding);
    memset(b->data + 12, 0, padding);
    spice_send(c, SPICE_MSG_PING, b);
}

void spice_notify(SpiceChannel *c, uint32_t severity, const char *text)
{
    GByteArray *b = g_byte_array_new();

    put_u64(b, time_wall_ns());
    put_u32(b, severity);
    put_u32(b, SPICE_NOTIFY_VISIBILITY_HIGH);
    put_u32(b, SPICE_WARN_GENERAL);
    put_u32(b, strlen(text));
    put_bytes(b, text, strlen(text) + 1);
    spice_send(c, SPICE_MSG_NOTIFY, b);
}

/* ---- life ---- */

SpiceChannel *spice_channel_new(const ChannelKind *kind, uint8_t id, SpiceClient *client, SpiceWire *take, const SpiceEnds *ends,
                          const SpiceCaps *common, const SpiceCaps *caps)
{
    SpiceChannel *c = g_malloc0(kind->size);

    c->kind = kind;
    c->st.type = kind->type;
    c->st.id = id;
    c->client = client;
    c->ends = *ends;
    c->common = *common;
    c->caps = *caps;
    c->is_mini = caps_has(common, SPICE_COMMON_CAP_MINI_HEADER);
    c->wire = take;
    c->body = g_byte_array_new();
    g_queue_init(&c->out);
    c->again = loop_timer_new(again, c);
    c->watch = loop_watch(take->fd, G_IO_IN, ready, c);
    return c;
}

void spice_channel_start(SpiceChannel *c)
{
    if (c->kind->has_window) {
        spice_set_ack(c);
    }
    c->kind->start(c);
    if (!c->is_closed && wire_pending(c->wire)) {
        come_again(c);
    }
    update_watch(c);
}

void spice_close(SpiceChannel *c)
{
    if (c->is_closed) {
        return;
    }
    c->is_closed = true;
    loop_watch_set(c->watch, 0);
    loop_timer_cancel(c->again);
    wire_hang_up(c->wire);
    if (c->kind->stop) {
        c->kind->stop(c);
    }
    server_channel_closed(c);
}

void spice_disconnect(SpiceChannel *c, uint32_t reason)
{
    GByteArray *b = g_byte_array_new();

    put_u64(b, time_wall_ns());
    put_u32(b, reason);
    spice_send(c, SPICE_MSG_DISCONNECTING, b);
    if (!c->is_closed) {
        write_some(c);
    }
    spice_close(c);
}

void spice_channel_free(SpiceChannel *c)
{
    loop_watch_free(c->watch);
    loop_timer_free(c->again);
    wire_free(c->wire);
    g_byte_array_unref(c->body);
    g_queue_clear_full(&c->out, out_message_free);
    g_free(c);
}
