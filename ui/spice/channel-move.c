/* ui/spice/channel-move.c - a channel that is between two processes: frozen, left, adopted.  Owner: main loop (vm_lock).
 * Page: docs/spice.md.  Test: tests/unit/ui/spice-migrate-test.c, tests/unit/ui/spice-tail-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "channel-own.h"
#include "migrate.h"
#include "seal.h"
#include "server.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/log.h"

#include <spice/protocol.h>
#include <sys/socket.h>

#define LINGER_NS (1 * NS_PER_SEC)      /* for a client to end a connection that it has left */
#define NO_PART 100                     /* types below are of a connection, not of what is said by it */

/* ---- the source ---- */

void spice_freeze(SpiceChannel *c)
{
    if (!c->is_closed && c->mode == CHANNEL_LIVE) {
        c->mode = CHANNEL_FROZEN;
        channel_update_watch(c);
    }
}

void spice_thaw(SpiceChannel *c)
{
    if (!c->is_closed && c->mode == CHANNEL_FROZEN) {
        c->mode = CHANNEL_LIVE;
        spice_resume(c);
        spice_poke(c);
    }
}

static void forget_unsaid(SpiceChannel *c)
{
    while (c->out.length > (c->is_writing ? 1 : 0)) {
        OutMessage *m = g_queue_pop_tail(&c->out);

        c->out_bytes -= m->body->len;
        channel_message_free(m);
    }
}

void spice_leave(SpiceChannel *c, bool is_over)
{
    if (c->is_closed) {
        return;
    }
    forget_unsaid(c);
    c->mode = is_over ? CHANNEL_LEFT : CHANNEL_LEAVING;
    if (c->is_held) { /* it went with the guest, or its client says it there again */
        channel_forget_heard(c);
    }
    spice_poke(c);
    channel_update_watch(c);
}

void spice_flushed(SpiceChannel *c)
{
    if (c->is_closed || c->mode == CHANNEL_LEFT) {
        return;
    }
    c->mode = CHANNEL_LEFT;
    migrate_flushed(c);
}

void channel_end_writing(SpiceChannel *c)
{
    if (!loop_timer_pending(c->patience)) {
        shutdown(c->wire->fd, SHUT_WR);
        loop_timer_set(c->patience, time_monotonic_ns() + LINGER_NS);
    }
}

/* ---- what the client carries ----
 * u8 1 and messages, each be16 type, be32 size, bytes; or u8 0: they are too many. */

enum { TAIL_MISSES, TAIL_IS_WHOLE };
enum { TAIL_HEAD_BYTES = 6, TAIL_ROOM = SEAL_BODY_MAX - SEAL_EXTRA_BYTES - 1 };

void spice_seal_message(SpiceChannel *c, uint16_t type, const uint8_t *data, uint32_t size)
{
    uint8_t head[TAIL_HEAD_BYTES];

    c->tail = c->tail ? c->tail : g_byte_array_new();
    c->tail_is_cut |= c->tail->len + TAIL_HEAD_BYTES + size > TAIL_ROOM;
    if (c->tail_is_cut) {
        g_byte_array_set_size(c->tail, 0);
        return;
    }
    store_be16(head, type);
    store_be32(head + 2, size);
    put_bytes(c->tail, head, sizeof(head));
    put_bytes(c->tail, data, size);
}

static SealAbout about(const SpiceChannel *c)
{
    return (SealAbout){c->client->st.session_id, c->st.type, c->st.id};
}

void spice_give_seal(SpiceChannel *c, const uint8_t *key)
{
    g_autoptr(GByteArray) text = g_byte_array_new();
    SealAbout of = about(c);
    GByteArray *body;

    put_u8(text, c->tail_is_cut ? TAIL_MISSES : TAIL_IS_WHOLE);
    if (c->tail && !c->tail_is_cut) {
        put_bytes(text, c->tail->data, c->tail->len);
    }
    body = seal_close(key, &of, text->data, text->len);
    if (!body) { /* a body there has to be: one that nobody takes for a seal */
        body = g_byte_array_new();
        put_u8(body, 0);
    }
    g_clear_pointer(&c->tail, g_byte_array_unref);
    spice_say_now(c, SPICE_MSG_MIGRATE_DATA, body);
}

static bool is_of_connection(uint16_t type)
{
    return (type <= NO_PART && type != SPICE_MSG_NOTIFY) || replay_says(type);
}

void spice_foreach_unsaid(const SpiceChannel *c, void (*fn)(const OutMessage *m, void *opaque), void *opaque)
{
    for (const GList *at = c->out.head; at; at = at->next) {
        const OutMessage *m = at->data;

        if ((at != c->out.head || !c->is_writing) && !is_of_connection(m->type)) {
            fn(m, opaque);
        }
    }
}

void spice_foreach_unread(const SpiceChannel *c, void (*fn)(const OutMessage *m, void *opaque), void *opaque)
{
    if (c->is_held) {
        fn(&(OutMessage){c->in.type, c->body}, opaque);
    }
    for (const GList *at = c->late.head; at; at = at->next) {
        fn(at->data, opaque);
    }
}

/* ---- the destination ---- */

void spice_adopt(SpiceChannel *c, ChannelTail tail)
{
    g_assert(c->mode == CHANNEL_QUIET);
    if (!c->is_closed) {
        c->mode = CHANNEL_LIVE;
        c->is_early = false;
        c->awaits_tail = tail == TAIL_FROM_SOURCE && !c->had_tail;
        c->awaits_seal = tail == TAIL_SEALED;
        c->begins_anew = tail == TAIL_FROM_SOURCE ? c->begins_anew : NULL;
        spice_poke(c);
        channel_update_watch(c);
    }
}

bool spice_hear_late(SpiceChannel *c, unsigned place, uint16_t type, const void *data, uint32_t size)
{
    GByteArray *body;

    if (c->late_bytes + size > CHANNEL_LATE_MAX || c->late.length >= CHANNEL_LATE_MESSAGES_MAX) {
        TRACE(spice_late_full, "%s %u:%u", c->ends.client.host, c->st.type, c->st.id);
        spice_close(c);
        return false;
    }
    body = g_byte_array_sized_new(size);
    g_byte_array_append(body, data, size);
    g_queue_push_nth(&c->late, channel_message_new(type, body), place < c->late.length ? (int)place : -1);
    c->late_bytes += size;
    spice_poke(c);
    return true;
}

/* All of the messages, or none: `c` NULL only looks whether they are whole. */
static bool hear_all(SpiceChannel *c, StateReader r)
{
    while (state_left(&r)) {
        uint16_t type;
        uint32_t size;

        if (!state_get_be16(&r, &type, NULL) || !state_get_be32(&r, &size, NULL) || size > state_left(&r)) {
            return false;
        }
        if (c && !spice_hear_late(c, UINT_MAX, type, r.at, size)) {
            return true; /* more than a channel keeps has ended it */
        }
        r.at += size;
    }
    return true;
}

void spice_take_seal(SpiceChannel *c, const uint8_t *body, uint32_t size)
{
    SealAbout of = about(c);
    g_autoptr(GByteArray) text = seal_open(c->client->arr.key, &of, body, size);
    StateReader r;
    uint8_t is_whole;

    c->awaits_seal = false;
    if (!text) {
        spice_tail_lost(c, "what the client has brought is not from there");
        return;
    }
    state_reader_init(&r, text->data, text->len, "tail");
    if (!state_get_u8(&r, &is_whole, NULL) || is_whole != TAIL_IS_WHOLE || !hear_all(NULL, r)) {
        spice_tail_lost(c, "it was too much to be carried");
        return;
    }
    hear_all(c, r);
}

void spice_tail_lost(SpiceChannel *c, const char *why)
{
    c->lost_tail = true;
    c->begins_anew = why;
    if (c->mode == CHANNEL_LIVE && !c->late.length && !c->row) {
        channel_begin_anew(c);
    } else {
        spice_poke(c);
    }
}

void channel_begin_anew(SpiceChannel *c)
{
    warn_report("spice: client %s channel %s: what it said last to the source is lost, and it begins anew: %s",
                c->ends.client.host, channel_type_name(c->st.type), c->begins_anew);
    c->begins_anew = NULL;
    if (c->kind->let_go) {
        c->kind->let_go(c);
    }
    if (c->kind->reset) {
        c->kind->reset(c);
    }
}

void spice_forget_moved(SpiceChannel *c)
{
    forget_unsaid(c);
    g_queue_clear_full(&c->late, channel_message_free);
    c->late_bytes = 0;
}

void spice_tail_over(SpiceChannel *c)
{
    c->had_tail = true;
    if (c->awaits_tail) {
        c->awaits_tail = false;
        loop_timer_cancel(c->patience);
        spice_poke(c);
    }
}
