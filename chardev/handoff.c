/* chardev/handoff.c - bytes on their way between the guest and a socket go with the guest.  Owner: main loop (vm_lock).
 * Page: docs/chardev.md.  Tests: tests/unit/chardev/handoff-test.c, tests/handoff/serial-test.py
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Of a socket whose front end is a device, two things are with the process and not with the guest: what the guest has
 * said and the peer has not taken (the stream's queue), and what the peer has said and nobody has read (in the kernel).
 * The first goes with the state; the source writes nothing from the freeze on, so that it is written once, by the side
 * that runs.  The second is read by the source when the guest has left, and sent behind; the destination gives it to the
 * guest before anything that its own peer says.  A unix socket of the source is shut for its peer just before, so that
 * whatever the peer could write has been read; it sees EPIPE, and goes on at the destination. */
#include "backend.h"
#include "system/handoff.h"
#include "util/error.h"
#include "util/log.h"

#include <string.h>
#include <sys/socket.h>

enum { VERSION = 1, CHARDEVS_MAX = 256, PIECE = 64 * 1024 };
enum { MESSAGE_BYTES = 1, MESSAGE_END };

typedef struct CharPart {
    HandoffPart part;
    LoopTimer *patience;
    enum { TAIL_NONE, TAIL_COMES, TAIL_OVER } tail; /* destination */
} CharPart;

static bool travels(const Chardev *c)
{
    return c->front && c->front->is_guest && (c->backend == &backend_socket || c->stream.is_socket);
}

/* Calls fn for all that travel. */
static void each(void (*fn)(Chardev *c, void *opaque), void *opaque)
{
    for (unsigned i = 0; i < chardev_count(); i++) {
        if (travels(chardev_nth(i))) {
            fn(chardev_nth(i), opaque);
        }
    }
}

static void count_one(Chardev *c, void *opaque)
{
    ++*(unsigned *)opaque;
}

static unsigned count(void)
{
    unsigned n = 0;

    each(count_one, &n);
    return n;
}

/* ---- source ---- */
static void freeze_one(Chardev *c, void *opaque)
{
    stream_hold_output(c, true);
}

static void part_freeze(HandoffPart *p)
{
    each(freeze_one, NULL);
}

static void put_bytes(StateWriter *w, const GByteArray *bytes, size_t from)
{
    state_put_be32(w, bytes ? bytes->len - from : 0);
    state_put(w, bytes ? bytes->data + from : NULL, bytes ? bytes->len - from : 0);
}

static void save_one(Chardev *c, void *opaque)
{
    state_put_str8(opaque, c->id);
    state_put_u8(opaque, chardev_is_open(c));
    put_bytes(opaque, c->is_expected ? c->early : c->stream.queue, 0);
    put_bytes(opaque, c->late, c->late_read);
}

static bool part_save(HandoffPart *p, StateWriter *w, GError **errp)
{
    if (count() > CHARDEVS_MAX) {
        return fail(errp, "%u sockets of the guest, at most %u can move", count(), CHARDEVS_MAX);
    }
    state_put_u8(w, VERSION);
    state_put_be32(w, count());
    each(save_one, w);
    return true;
}

static void thaw_one(Chardev *c, void *opaque)
{
    stream_hold_output(c, false);
}

static void part_thaw(HandoffPart *p, bool was_after_run)
{
    each(thaw_one, NULL);
}

static void send_tail(HandoffPart *p, const Chardev *c, const uint8_t *data, size_t size)
{
    StateWriter *w = state_writer_new();
    size_t length;
    const uint8_t *message;

    state_put_u8(w, MESSAGE_BYTES);
    state_put_str8(w, c->id);
    state_put(w, data, size);
    message = state_writer_data(w, &length);
    if (!handoff_send(p, message, length)) {
        warn_report("chardev '%s': %zu bytes for the guest could not be sent behind it", c->id, size);
    }
    state_writer_free(w);
}

static void leave_one(Chardev *c, void *opaque)
{
    ChardevStream *s = &c->stream;
    g_autofree uint8_t *piece = g_malloc(PIECE);
    size_t left = CHARDEV_LATE_MAX - chardev_late_left(c);
    ssize_t n;

    stream_forget(c);
    stream_hold_output(c, true); /* not another word to this peer */
    if (s->in < 0) {
        return;
    }
    stream_shut_peer(c);
    while (left && (n = recv(s->in, piece, MIN(PIECE, left), MSG_DONTWAIT)) > 0) {
        send_tail(opaque, c, piece, n);
        left -= n;
    }
    if (!left && recv(s->in, piece, 1, MSG_DONTWAIT | MSG_PEEK) > 0) {
        error_report("chardev '%s': more than %u bytes for the guest had not been read when it left; the rest is lost",
                     c->id, CHARDEV_LATE_MAX);
    }
}

/* The guest is elsewhere: what it said is written there, and what its peers said here is sent there. */
static void part_released(HandoffPart *p, bool is_leaving)
{
    static const uint8_t end = MESSAGE_END;

    each(leave_one, p);
    handoff_send(p, &end, 1);
    handoff_tail_done(p);
}

/* ---- destination ---- */
static bool get_bytes(StateReader *r, GByteArray *bytes, uint32_t most, GError **errp)
{
    uint32_t size;

    if (!state_get_be32(r, &size, errp)) {
        return false;
    }
    if (size > most || size > state_left(r)) {
        return fail(errp, "%s: %u bytes of a chardev, at most %u are possible", r->what, size, most);
    }
    g_byte_array_append(bytes, r->at, size);
    r->at += size;
    return true;
}

static void take_output(Chardev *c, const GByteArray *out, bool was_open)
{
    if (c->is_open && c->stream.queue) {
        stream_write(c, out->data, out->len);
        return;
    }
    c->is_expected = was_open && !c->is_open;
    if (c->is_expected) {
        g_byte_array_append(c->early, out->data, out->len);
    }
}

static bool load_one(StateReader *r, GError **errp)
{
    g_autoptr(GByteArray) out = g_byte_array_new(), in = g_byte_array_new();
    char id[256];
    uint8_t was_open;
    Chardev *c;

    if (!state_get_str8(r, id, errp) || !state_get_u8(r, &was_open, errp) || !get_bytes(r, out, CHARDEV_QUEUE_MAX, errp) ||
        !get_bytes(r, in, CHARDEV_LATE_MAX, errp)) {
        return false;
    }
    c = chardev_find(id);
    if (!c || !travels(c)) {
        return (!out->len && !in->len) ||
               fail(errp, "chardev '%s' has %u bytes from the guest and %u for it, and is no socket of the guest here", id,
                    out->len, in->len);
    }
    stream_forget(c);
    stream_hold_output(c, true);
    stream_hold_input(c, true);
    g_byte_array_append(c->late, in->data, in->len);
    take_output(c, out, was_open == 1);
    return true;
}

static bool part_load(HandoffPart *p, StateReader *r, GError **errp)
{
    uint8_t version;
    uint32_t n;

    if (!state_get_u8(r, &version, errp) || !state_get_be32(r, &n, errp)) {
        return false;
    }
    if (version != VERSION || n > CHARDEVS_MAX) {
        return fail(errp, "%s: version %u with %u chardevs is not understood", r->what, version, n);
    }
    for (; n; n--) {
        if (!load_one(r, errp)) {
            return false;
        }
    }
    ((CharPart *)p)->tail = TAIL_COMES;
    return true;
}

/* No end of a tail that does not come keeps the peers here waiting. */
static void accept_one(Chardev *c, void *opaque)
{
    stream_hold_input(c, false);
    chardev_accept_input(c);
}

static void end_tail(CharPart *p)
{
    if (p->tail == TAIL_COMES) {
        p->tail = TAIL_OVER;
        each(accept_one, NULL);
    }
}

static void start_one(Chardev *c, void *opaque)
{
    stream_hold_output(c, false);
    *(bool *)opaque |= c->is_expected;
}

static void part_starting(HandoffPart *p)
{
    CharPart *cp = (CharPart *)p;
    bool is_anybody_expected = false;

    each(start_one, &is_anybody_expected);
    if (is_anybody_expected) {
        loop_timer_set(cp->patience, time_monotonic_ns() + CHARDEV_PEER_WAIT_NS);
    }
}

static void part_started(HandoffPart *p)
{
    if (((CharPart *)p)->tail == TAIL_NONE) {
        handoff_tail_done(p); /* a source without any */
    }
}

static void give_up_one(Chardev *c, void *opaque)
{
    if (c->is_expected) {
        warn_report("chardev '%s': the peer that it had at the source has not come here; %u bytes of the guest are forgotten",
                    c->id, c->early->len);
        c->is_expected = false;
        g_byte_array_set_size(c->early, 0);
        chardev_front_event(c, CHARDEV_CLOSED);
        chardev_front_can_write(c);
    }
}

static void patience_ended(void *opaque)
{
    each(give_up_one, NULL);
}

static void part_peer_gone(HandoffPart *p)
{
    end_tail((CharPart *)p);
}

static void abandon_one(Chardev *c, void *opaque)
{
    stream_forget(c);
}

static void part_abandon(HandoffPart *p)
{
    ((CharPart *)p)->tail = TAIL_NONE;
    each(abandon_one, NULL);
}

static void take_tail(StateReader *r)
{
    g_autoptr(GError) err = NULL;
    char id[256];
    Chardev *c;

    if (!state_get_str8(r, id, &err)) {
        warn_report("a message about a chardev: %s", err->message);
        return;
    }
    c = chardev_find(id);
    if (!c || !travels(c)) {
        warn_report("chardev '%s': %zu bytes for the guest have come, but it is no socket of the guest here", id,
                    state_left(r));
        return;
    }
    if (state_left(r) > CHARDEV_LATE_MAX - chardev_late_left(c)) {
        warn_report("chardev '%s': %zu bytes for the guest are too many", id, state_left(r));
        return;
    }
    g_byte_array_append(c->late, r->at, state_left(r));
    r->at = r->end;
    chardev_accept_input(c);
}

/* A destination has nothing to say to a guest that is still ours, and a source nothing behind its end. */
static void part_message(HandoffPart *p, StateReader *r)
{
    uint8_t kind = 0;

    if (!state_get_u8(r, &kind, NULL) || (kind != MESSAGE_BYTES && kind != MESSAGE_END)) {
        warn_report("a message about chardevs that is not understood");
    } else if (((CharPart *)p)->tail != TAIL_COMES) {
        TRACE(chardev_message_late, "kind %u", kind);
    } else if (kind == MESSAGE_BYTES) {
        take_tail(r);
    } else {
        end_tail((CharPart *)p);
        handoff_tail_done(p);
    }
}

void chardev_handoff_init(void)
{
    static CharPart part = {.part = {
        .name = "chardev", .order = 40, .freeze = part_freeze, .save = part_save,
        .released = part_released, .thaw = part_thaw, .load = part_load, .starting = part_starting,
        .started = part_started, .abandon = part_abandon, .message = part_message, .peer_gone = part_peer_gone,
    }};

    part.patience = loop_timer_new(patience_ended, NULL);
    handoff_register(&part.part);
}
