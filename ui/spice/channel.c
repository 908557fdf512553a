/* ui/spice/channel.c - one channel of one client: messages both ways.  Owner: main loop (vm_lock).  Page: docs/spice.md.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "channel-own.h"
#include "migrate.h"
#include "seal.h"
#include "server.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/log.h"

#include <errno.h>
#include <spice/protocol.h>
#include <string.h>
#include <sys/socket.h>

#define READ_TURN_BYTES (128 * 1024)    /* of one channel before others have their turn */
#define WRITE_TURN_MESSAGES 256

static void lose(SpiceChannel *c);
static void come_again(SpiceChannel *c);

/* A channel without a connection has nobody to talk to; it may be lost, or over. */
static bool has_wire(const SpiceChannel *c)
{
    return !c->is_closed && !c->is_lost;
}

void channel_message_free(void *p)
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

static Taken take_flush_mark(SpiceChannel *c, const uint8_t *data, uint32_t size)
{
    if (c->mode != CHANNEL_LEAVING) {
        return TAKE_BAD;
    }
    c->was_flushed = true;
    spice_flushed(c);
    return TAKEN;
}

static Taken take_migrate_data(SpiceChannel *c, const uint8_t *data, uint32_t size)
{
    spice_take_seal(c, data, size);
    return TAKEN;
}

static const MessageRow common_rows[] = {
    {"ack-sync", SPICE_MSGC_ACK_SYNC, 4, 4, take_ack_sync},
    {"ack", SPICE_MSGC_ACK, 0, 0, take_ack},
    {"pong", SPICE_MSGC_PONG, 12, 12, take_pong},
    {"migrate-flush-mark", SPICE_MSGC_MIGRATE_FLUSH_MARK, 0, 0, take_flush_mark},
    {"migrate-data", SPICE_MSGC_MIGRATE_DATA, 1, SEAL_BODY_MAX, take_migrate_data},
    {"disconnecting", SPICE_MSGC_DISCONNECTING, 12, 12, take_disconnecting, .is_early = true},
    {},
};

static bool is_common(const MessageRow *row)
{
    return row >= common_rows && row < common_rows + G_N_ELEMENTS(common_rows);
}

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
    c->was_bad = true;
    spice_close(c);
}

/* Bytes of the present message that are missing. */
static size_t missing(const SpiceChannel *c)
{
    return c->row ? c->in.size - c->body->len : (c->is_mini ? MINI_HEADER_BYTES : FULL_HEADER_BYTES) - c->in_have;
}

static uint32_t most(const MessageRow *row)
{
    return is_common(row) ? row->max : MIN(row->max, CHANNEL_BODY_MAX);
}

/* c->in is known: may there be such a message? */
static void choose_row(SpiceChannel *c)
{
    const MessageRow *row = find_row(common_rows, c->in.type);

    row = row ? row : find_row(c->kind->rows, c->in.type);
    if (!row || (c->in.type == SPICE_MSGC_MIGRATE_DATA && !c->awaits_seal)) {
        complain(c, "unknown");
    } else if (c->mode == CHANNEL_QUIET && !row->is_early) {
        complain(c, "too early");
    } else if (c->in.size < row->min || c->in.size > most(row) || c->in.sub_list) {
        complain(c, "bad size");
    } else {
        c->row = row;
        g_byte_array_set_size(c->body, 0);
    }
}

static Taken take_row(SpiceChannel *c)
{
    if (c->mode == CHANNEL_LEAVING && !is_common(c->row)) {
        return migrate_tail(c, c->in.type, c->body->data, c->body->len);
    }
    return c->row->take ? c->row->take(c, c->body->data, c->body->len) : TAKEN;
}

static void take_message(SpiceChannel *c)
{
    Taken taken = take_row(c);

    if (c->is_closed) {
        return;
    }
    c->is_held = taken == TAKE_LATER;
    if (taken == TAKE_BAD) {
        complain(c, "malformed");
    } else if (taken == TAKEN) {
        c->st.received++;
        replay_taken(c, c->in.type, c->body->len);
        channel_forget_heard(c);
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
        lose(c);
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

/* A message that the source has heard; none of ours is under way. */
static void take_late(SpiceChannel *c)
{
    OutMessage *m = g_queue_pop_head(&c->late);

    c->late_bytes -= m->body->len;
    c->in = (MessageHeader){.type = m->type, .size = m->body->len};
    c->is_late = true;
    choose_row(c);
    if (!c->is_closed) {
        g_byte_array_append(c->body, m->body->data, m->body->len);
        take_message(c);
    }
    channel_message_free(m);
}

static bool has_late(const SpiceChannel *c)
{
    return c->mode == CHANNEL_LIVE && c->late.length && !c->row;
}

static bool has_lost_the_rest(const SpiceChannel *c)
{
    return c->mode == CHANNEL_LIVE && c->begins_anew && !c->late.length && !c->row;
}

/* Is the socket to be read?  A quiet channel's client says nothing but on main. */
static bool listens(const SpiceChannel *c)
{
    return has_wire(c) && !c->is_held && !c->awaits_tail && !c->is_early && c->mode != CHANNEL_FROZEN &&
           (c->mode != CHANNEL_QUIET || c->kind->type == SPICE_CHANNEL_MAIN);
}

/* A client that goes with the guest may be here first: what it says is for when it is here, too. */
static bool waits_for_guest(const SpiceChannel *c)
{
    const MessageRow *row = find_row(common_rows, c->in.type);

    row = row ? row : find_row(c->kind->rows, c->in.type);
    return c->mode == CHANNEL_QUIET && c->client->arr.state == ARRIVE_SEAMLESS && row && !row->is_early;
}

static void read_header(SpiceChannel *c)
{
    header_read(c->in_header, c->is_mini, &c->in);
    c->is_early = waits_for_guest(c);
    if (c->awaits_seal && c->in.type != SPICE_MSGC_MIGRATE_DATA) {
        c->awaits_seal = false;
        spice_tail_lost(c, "the client has not brought it");
    }
    if (!c->is_closed && !c->is_early) {
        choose_row(c);
    }
}

static void read_message(SpiceChannel *c)
{
    if (!c->row) {
        read_header(c);
    }
    if (!c->is_closed && c->row && !missing(c)) {
        take_message(c);
    }
}

/* Nobody wants it: but a socket that is closed with unread bytes takes back what we wrote to it last. */
static void read_nothing(SpiceChannel *c)
{
    uint8_t buffer[16 * 1024];
    size_t budget = READ_TURN_BYTES;
    ssize_t n = -EAGAIN;

    while (budget && (n = wire_read(c->wire, buffer, sizeof(buffer))) > 0) {
        budget -= MIN(budget, (size_t)n);
    }
    if (n <= 0 && n != -EAGAIN) {
        spice_close(c);
    } else if (!budget) {
        come_again(c);
    }
}

static void read_some(SpiceChannel *c)
{
    size_t budget = READ_TURN_BYTES;

    while (has_wire(c) && !c->is_held && budget && c->mode != CHANNEL_LEFT) {
        if (has_late(c)) {
            take_late(c);
        } else if (has_lost_the_rest(c)) {
            channel_begin_anew(c);
        } else if (!listens(c)) {
            break;
        } else if (!missing(c)) {
            read_message(c);
        } else if (!read_piece(c, &budget)) {
            break;
        }
    }
    if (has_wire(c) && c->mode == CHANNEL_LEFT) {
        read_nothing(c);
    } else if (listens(c) && (!budget || wire_pending(c->wire))) {
        come_again(c);
    }
}

/* ---- writing ---- */

OutMessage *channel_message_new(uint16_t type, GByteArray *take)
{
    OutMessage *m = g_new0(OutMessage, 1);

    m->type = type;
    m->body = take;
    return m;
}

static void queue_message(SpiceChannel *c, uint16_t type, GByteArray *take)
{
    g_queue_push_tail(&c->out, channel_message_new(type, take));
    c->out_bytes += take->len;
}

void spice_send(SpiceChannel *c, uint16_t type, GByteArray *body)
{
    body = body ? body : g_byte_array_new();
    if (!has_wire(c) || (c->mode != CHANNEL_LIVE && c->mode != CHANNEL_FROZEN)) {
        g_byte_array_unref(body);
        return;
    }
    queue_message(c, type, body);
    if (c->out_bytes > CHANNEL_QUEUE_BYTES_MAX || c->out.length > CHANNEL_QUEUE_MESSAGES_MAX) {
        TRACE(spice_channel_full, "%s %u:%u does not read", c->ends.client.host, c->st.type, c->st.id);
        spice_close(c);
        return;
    }
    channel_update_watch(c);
}

void spice_say_now(SpiceChannel *c, uint16_t type, GByteArray *take_body)
{
    take_body = take_body ? take_body : g_byte_array_new();
    if (!has_wire(c)) {
        g_byte_array_unref(take_body);
        return;
    }
    queue_message(c, type, take_body);
    channel_update_watch(c);
}

bool spice_has_room(const SpiceChannel *c)
{
    return has_wire(c) && c->mode == CHANNEL_LIVE && c->out_bytes < CHANNEL_ROOM_BYTES &&
           c->out.length < CHANNEL_ROOM_MESSAGES && window_is_open(c);
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

/* The window holds back what comes behind it, but never a message that has begun, nor the last one. */
static bool may_write(const SpiceChannel *c)
{
    bool may_begin = c->mode == CHANNEL_LIVE ? window_is_open(c) : c->mode != CHANNEL_FROZEN;

    return c->out.length && (c->is_writing || may_begin);
}

static void write_some(SpiceChannel *c)
{
    unsigned turns = WRITE_TURN_MESSAGES;
    int kept;

    for (; may_write(c) && turns; turns--) {
        OutMessage *m = g_queue_peek_head(&c->out);
        int result;

        if (!c->is_writing) {
            begin_message(c, m);
        }
        result = write_message(c, m);
        if (result < 0) {
            lose(c);
            return;
        }
        if (!result) {
            break;
        }
        c->is_writing = false;
        c->out_bytes -= m->body->len;
        channel_message_free(g_queue_pop_head(&c->out));
    }
    kept = wire_flush(c->wire);
    if (kept < 0 && kept != -EAGAIN) {
        lose(c);
    } else if (!kept && c->was_flushed && !c->out.length) {
        channel_end_writing(c);
    }
}

/* ---- events ---- */

void channel_update_watch(SpiceChannel *c)
{
    bool is_curious = c->awaits_tail && !loop_timer_pending(c->patience); /* has the client come? */
    GIOCondition want = listens(c) || (is_curious && !c->is_held) ? G_IO_IN : 0;

    if (!has_wire(c)) {
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

    if (!c->kind->room || !spice_has_room(c)) {
        return false;
    }
    c->kind->room(c);
    return c->st.sent + c->out.length != before;
}

void spice_pump(SpiceChannel *c)
{
    bool has_more;

    if (has_wire(c)) {
        write_some(c);
    }
    if (has_wire(c)) {
        read_some(c);
    }
    has_more = use_room(c);
    if (has_wire(c)) {
        write_some(c);
    }
    if (has_more && spice_has_room(c)) { /* the socket took all of it: nothing else would come back here */
        come_again(c);
    }
    channel_update_watch(c);
}

static void ready(int fd, GIOCondition condition, void *opaque)
{
    SpiceChannel *c = opaque;

    if (c->is_held && condition & (G_IO_HUP | G_IO_ERR)) { /* what is held has nobody any more */
        lose(c);
        return;
    }
    if (c->awaits_tail && condition & G_IO_IN && !loop_timer_pending(c->patience)) {
        loop_timer_set(c->patience, time_monotonic_ns() + CHANNEL_TAIL_WAIT_NS);
    }
    spice_pump(c);
}

static void out_of_patience(void *opaque)
{
    SpiceChannel *c = opaque;

    if (c->awaits_tail) {
        spice_tail_over(c);
        spice_tail_lost(c, "the source has not said it in time");
    } else {
        spice_close(c);
    }
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
    if (c->is_closed || !c->is_held || c->mode != CHANNEL_LIVE) {
        return;
    }
    c->is_held = false;
    take_message(c);
    if (!c->is_closed) {
        channel_update_watch(c);
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

GByteArray *spice_notify_body(uint32_t severity, const char *text)
{
    GByteArray *b = g_byte_array_new();

    put_u64(b, time_wall_ns());
    put_u32(b, severity);
    put_u32(b, SPICE_NOTIFY_VISIBILITY_HIGH);
    put_u32(b, SPICE_WARN_GENERAL);
    put_u32(b, strlen(text));
    put_bytes(b, text, strlen(text) + 1);
    return b;
}

void spice_notify(SpiceChannel *c, uint32_t severity, const char *text)
{
    spice_send(c, SPICE_MSG_NOTIFY, spice_notify_body(severity, text));
}

/* ---- life ---- */

static void take_connection(SpiceChannel *c, SpiceWire *take, const SpiceEnds *ends, const SpiceCaps *common,
                            const SpiceCaps *caps)
{
    c->wire = take;
    c->ends = *ends;
    c->common = *common;
    c->caps = *caps;
    c->is_mini = caps_has(common, SPICE_COMMON_CAP_MINI_HEADER);
    c->watch = loop_watch(take->fd, 0, ready, c);
}

SpiceChannel *spice_channel_new(const ChannelKind *kind, uint8_t id, SpiceClient *client, SpiceWire *take, const SpiceEnds *ends,
                          const SpiceCaps *common, const SpiceCaps *caps)
{
    SpiceChannel *c = g_malloc0(kind->size);

    c->kind = kind;
    c->st.type = kind->type;
    c->st.id = id;
    c->client = client;
    c->body = g_byte_array_new();
    g_queue_init(&c->out);
    g_queue_init(&c->late);
    c->again = loop_timer_new(again, c);
    c->patience = loop_timer_new(out_of_patience, c);
    take_connection(c, take, ends, common, caps);
    replay_open(c);
    if (kind->open) {
        kind->open(c);
    }
    return c;
}

void spice_channel_wait(SpiceChannel *c)
{
    if (wire_pending(c->wire)) {
        come_again(c);
    }
    channel_update_watch(c);
}

void spice_channel_start(SpiceChannel *c)
{
    c->mode = CHANNEL_LIVE;
    c->begins_anew = NULL; /* it begins */
    if (c->kind->has_window) {
        spice_set_ack(c);
    }
    replay_begin(c, true);
    c->kind->start(c);
    if (!c->is_closed && wire_pending(c->wire)) {
        come_again(c);
    }
    channel_update_watch(c);
}

void spice_close(SpiceChannel *c)
{
    if (c->is_closed) {
        return;
    }
    c->is_closed = true;
    replay_stop(c);
    loop_watch_set(c->watch, 0);
    loop_timer_cancel(c->again);
    loop_timer_cancel(c->patience);
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
    if (has_wire(c)) {
        write_some(c);
    }
    spice_close(c);
}

/* ---- connections that are lost, and others instead ---- */

void channel_forget_heard(SpiceChannel *c)
{
    c->in_have = c->is_late ? c->in_have : 0;
    c->is_held = c->is_late = false;
    c->row = NULL;
}

/* Its client may come back, and say again what the guest does not have. */
static void lose(SpiceChannel *c)
{
    if (!server_may_return(c)) {
        spice_close(c);
        return;
    }
    c->is_lost = true;
    replay_stop(c);
    loop_watch_set(c->watch, 0);
    loop_timer_cancel(c->again);
    wire_hang_up(c->wire);
    channel_forget_heard(c);
    c->in_have = 0;
    c->is_writing = false;
    g_queue_clear_full(&c->out, channel_message_free);
    c->out_bytes = 0;
    loop_timer_set(c->patience, time_monotonic_ns() + REPLAY_PARK_NS);
    if (c->kind->lost) {
        c->kind->lost(c);
    }
    server_channel_lost(c);
}

bool spice_detach(SpiceChannel *c)
{
    if (!c->is_lost) {
        lose(c);
    }
    return !c->is_closed;
}

bool spice_may_reattach(const SpiceChannel *c, const SpiceCaps *common)
{
    return !c->is_closed && server_may_return(c) && caps_has(common, RESUME_CAP) &&
           caps_has(common, REPLAY_CAP) == caps_has(&c->common, REPLAY_CAP);
}

void spice_reattach(SpiceChannel *c, SpiceWire *take, const SpiceEnds *ends, const SpiceCaps *common, const SpiceCaps *caps)
{
    g_assert(c->is_lost);
    TRACE(spice_resume, "%s %u:%u", ends->client.host, c->st.type, c->st.id);
    loop_timer_cancel(c->patience);
    loop_watch_free(c->watch);
    wire_free(c->wire);
    take_connection(c, take, ends, common, caps);
    c->is_lost = false;
    replay_begin(c, true);
    if (c->kind->has_window) {
        spice_set_ack(c);
    }
    c->kind->resumed(c);
    come_again(c);
    channel_update_watch(c);
    migrate_channel_resumed(c);
}

void spice_channel_free(SpiceChannel *c)
{
    loop_watch_free(c->watch);
    loop_timer_free(c->again);
    loop_timer_free(c->patience);
    replay_free(c);
    wire_free(c->wire);
    g_byte_array_unref(c->body);
    g_clear_pointer(&c->tail, g_byte_array_unref);
    g_queue_clear_full(&c->out, channel_message_free);
    g_queue_clear_full(&c->late, channel_message_free);
    g_free(c);
}
