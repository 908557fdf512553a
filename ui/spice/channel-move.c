/* ui/spice/channel-move.c - a channel that is between two processes: frozen, left, adopted.  Owner: main loop (vm_lock).
 * Page: docs/spice.md.  Test: tests/unit/ui/spice-migrate-test.c, tests/unit/ui/spice-arrive-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "channel-own.h"
#include "migrate.h"
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
    shutdown(c->wire->fd, SHUT_WR);
    loop_timer_set(c->patience, time_monotonic_ns() + LINGER_NS);
    migrate_flushed(c);
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

void spice_adopt(SpiceChannel *c, bool awaits_tail)
{
    g_assert(c->mode == CHANNEL_QUIET);
    if (!c->is_closed) {
        c->mode = CHANNEL_LIVE;
        c->awaits_tail = awaits_tail && !c->had_tail;
        spice_poke(c);
        channel_update_watch(c);
    }
}

bool spice_hear_late(SpiceChannel *c, unsigned place, uint16_t type, const void *data, uint32_t size)
{
    GByteArray *body;

    if (c->late_bytes + size > CHANNEL_LATE_MAX || c->late.length >= CHANNEL_QUEUE_MESSAGES_MAX) {
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
