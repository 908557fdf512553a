/* migration/return-path.c - what the destination says.  Owner: its own thread; it only reads, and posts events.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "migration/outgoing.h"

#include "migration/parts.h"
#include "migration/wire.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/loop.h"

#include <string.h>

static bool take_hello(Outgoing *o, StateReader *r, GError **errp)
{
    Hello h;

    if (!hello_answer_check(r, &h, errp)) {
        return false;
    }
    if (h.attempt != o->machine.attempt) {
        return fail(errp, "%s: the answer is to another hello", channel_name(o->channel));
    }
    if (o->peer.attempt == h.attempt) { /* the first one's pidfd is kept: a proof that cannot be exchanged */
        return fail(errp, "%s: a second answer to the hello", channel_name(o->channel));
    }
    g_mutex_lock(&o->lock);
    o->peer = h;
    o->peer_pidfd = hello_pidfd(&h);
    g_mutex_unlock(&o->lock);
    outgoing_post(EV_CHANNELS_UP);
    return true;
}

/* A connection carries one attempt: another number says that the bytes are damaged, and to wait for better ones would keep
 * the guest stopped. */
static bool check_attempt(Outgoing *o, uint64_t attempt, GError **errp)
{
    return attempt == o->machine.attempt || fail(errp, "%s: an answer of another attempt", channel_name(o->channel));
}

static bool take_ready(Outgoing *o, StateReader *r, uint64_t attempt, GError **errp)
{
    uint8_t parked;
    uint64_t load_ns;

    if (!state_get_u8(r, &parked, errp) || !state_get_be64(r, &load_ns, errp)) {
        return false;
    }
    g_mutex_lock(&o->lock);
    o->ready_load_ns = load_ns;
    o->ready_at_ns = time_monotonic_ns();
    g_mutex_unlock(&o->lock);
    g_free(outgoing_step(attempt, parked ? EV_READY_PARKED : EV_READY, NULL, NULL));
    return true;
}

static bool take_started(Outgoing *o, StateReader *r, GError **errp)
{
    uint16_t version;
    uint64_t attempt, since_run, since_state, there;

    if (!state_get_be16(r, &version, errp) || !state_get_be64(r, &attempt, errp) ||
        !state_get_be64(r, &since_run, errp) || !state_get_be64(r, &since_state, errp) ||
        !state_get_be64(r, &there, errp) || !check_attempt(o, attempt, errp)) {
        return false;
    }
    if (version != STARTED_VERSION) {
        return fail(errp, "%s: VM_STARTED of version %u", channel_name(o->channel), version);
    }
    g_mutex_lock(&o->lock);
    o->started_at_ns = time_monotonic_ns();
    o->started_there_ns = (int64_t)(there & INT64_MAX);
    o->started_from_run_ns = MIN(since_run, (uint64_t)MAX(o->started_at_ns - o->run_sent_ns, 0));
    g_mutex_unlock(&o->lock);
    g_free(outgoing_step(attempt, EV_VM_STARTED, NULL, NULL));
    return true;
}

/* The destination's words come into our messages. */
static const char control_characters[] = "\1\2\3\4\5\6\7\10\11\12\13\14\15\16\17\20\21\22\23\24\25\26\27\30"
                                         "\31\32\33\34\35\36\37\177";

static void take_text(StateReader *r, int event)
{
    g_autofree char *raw = g_strndup((const char *)r->at, MIN(state_left(r), TEXT_MAX));
    g_autofree char *text = g_utf8_make_valid(raw, -1);
    GError *err = NULL;

    r->at += state_left(r); /* all of it is text; what is past TEXT_MAX is left out */
    g_strdelimit(text, control_characters, ' ');
    fail(&err, "the destination says: %s", text);
    outgoing_post_error(event, err);
}

static bool take_message(Outgoing *o, StreamIn *in, StateReader *r, GError **errp)
{
    uint32_t size;
    g_autofree uint8_t *data = NULL;

    if (!state_get_be32(r, &size, errp)) {
        return false;
    }
    if (size > HANDOFF_MESSAGE_MAX + 256) {
        return fail(errp, "%s: a message of %u bytes", channel_name(o->channel), size);
    }
    data = g_malloc(size + 1);
    return stream_get(in, data, size, errp) && parts_deliver(data, size, errp);
}

/* Before anything is believed: bytes that are damaged must not give an answer that was not given. */
static bool check_length(Outgoing *o, unsigned number, size_t size, GError **errp)
{
    static const struct {
        unsigned number, size;
    } lengths[] = {{RP_SWITCHOVER_ACK, 8}, {RP_VM_STARTED, 34}, {RP_HELLO, 78}, {RP_READY, 17},
                   {RP_ASK, 8},            {RP_TAIL_DONE, 8},   {RP_MESSAGE, 12}};

    for (unsigned i = 0; i < G_N_ELEMENTS(lengths); i++) {
        if (lengths[i].number == number && lengths[i].size != size) {
            return fail(errp, "%s: message %u of the destination has the wrong length", channel_name(o->channel), number);
        }
    }
    return true;
}

static bool take_one(Outgoing *o, StreamIn *in, unsigned number, StateReader *r, GError **errp)
{
    uint64_t attempt;

    if (number == RP_HELLO) {
        return take_hello(o, r, errp);
    }
    if (number == RP_VM_STARTED) {
        return take_started(o, r, errp);
    }
    if (!state_get_be64(r, &attempt, errp)) {
        return false;
    }
    /* Who did not understand the hello does not know our number; it is the first and last thing it says. */
    if ((attempt || number != RP_ERROR) && !check_attempt(o, attempt, errp)) {
        return false;
    }
    switch (number) {
    case RP_SWITCHOVER_ACK:
        g_free(outgoing_step(attempt, EV_SWITCHOVER_ACK, NULL, NULL));
        return true;
    case RP_READY:
        return take_ready(o, r, attempt, errp);
    case RP_ASK:
        g_free(outgoing_step(attempt, EV_ASK, NULL, NULL));
        return true;
    case RP_GIVE_BACK:
        take_text(r, EV_GIVE_BACK);
        return true;
    case RP_ERROR:
        take_text(r, EV_ERROR);
        return true;
    case RP_TAIL_DONE:
        g_free(outgoing_step(attempt, EV_TAIL_DONE, NULL, NULL));
        return true;
    case RP_MESSAGE:
        return take_message(o, in, r, errp);
    }
    return fail(errp, "%s: the destination sent an unknown message %u", channel_name(o->channel), number);
}

void *return_path_thread(void *opaque)
{
    Outgoing *o = opaque;
    StreamIn *in = stream_in_new(o->channel);
    GError *err = NULL;

    for (;;) {
        g_autofree uint8_t *payload = NULL;
        uint8_t high, low;
        uint16_t size;
        StateReader r;

        if (!stream_next(in, &high, &err) || !stream_get_u8(in, &low, &err) || !stream_get_be16(in, &size, &err)) {
            break;
        }
        payload = g_malloc(size + 1);
        if (!stream_get(in, payload, size, &err)) {
            break;
        }
        state_reader_init(&r, payload, size, channel_name(o->channel));
        if (!check_length(o, high << 8 | low, size, &err) || !take_one(o, in, high << 8 | low, &r, &err)) {
            break;
        }
    }
    stream_in_free(in);
    outgoing_post_error(EV_LOST, err);
    g_mutex_lock(&o->lock);
    o->is_listening = false;
    o->deaf_since_ns = time_monotonic_ns();
    g_cond_broadcast(&o->wake);
    g_mutex_unlock(&o->lock);
    outgoing_peer_is_silent(o);
    return NULL;
}
