/* ui/spice/link.c - a connection before it is a channel: who is it, may it, what does it want.  Owner: main loop (vm_lock).
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A table of steps: each names what it does with the bytes that link_expect() asked for. */
#include "link.h"
#include "replay.h"
#include "sasl.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/log.h"
#include "websocket.h"

#include <errno.h>
#include <spice/protocol.h>
#include <string.h>
#include <sys/socket.h>

#define TURNS 64                    /* pieces of one link before others have their turn */
#define WARN_EVERY_NS NS_PER_SEC    /* of refused passwords */

/* ---- saying ---- */

void link_expect(SpiceLink *l, LinkStep step, uint32_t bytes)
{
    l->step = step;
    l->want = bytes;
    g_byte_array_set_size(l->in, 0);
}

/* Before the reply is out: everything is refused by it, and the connection ends. */
static void refuse(SpiceLink *l, uint32_t error, const char *why)
{
    g_autoptr(GByteArray) reply = link_reply(error, NULL, NULL, NULL);

    TRACE(spice_link_refused, "%s: error %u: %s", l->ends.client.host, error, why);
    put_bytes(l->out, reply->data, reply->len);
    l->result = error;
    link_expect(l, LINK_RESULT, 0);
}

void link_finish(SpiceLink *l, uint32_t result, const char *why)
{
    if (result) {
        TRACE(spice_link_refused, "%s: result %u: %s", l->ends.client.host, result, why);
    }
    put_u32(l->out, result);
    l->result = result;
    link_expect(l, LINK_RESULT, 0);
}

/* ---- steps ---- */

static void take_header(SpiceLink *l)
{
    uint32_t size = 0, error;

    if (!memcmp(l->in->data, "GET ", 4) && !l->wire->is_websocket) {
        l->wire = wire_websocket(l->wire, l->in->data, l->in->len);
        link_expect(l, LINK_HEADER, LINK_HEADER_BYTES);
        return;
    }
    error = link_parse_header(l->in->data, &size);
    if (error) {
        refuse(l, error, "bad header");
        return;
    }
    link_expect(l, LINK_REQUEST, size);
}

static SpiceCaps our_common_caps(LinkAuth auth, const SpiceCaps *client)
{
    SpiceCaps caps = replay_offer(client); /* who does not ask for it does not hear of it */

    caps_set(&caps, SPICE_COMMON_CAP_PROTOCOL_AUTH_SELECTION);
    caps_set(&caps, SPICE_COMMON_CAP_MINI_HEADER);
    caps_set(&caps, auth == LINK_AUTH_SASL ? SPICE_COMMON_CAP_AUTH_SASL : SPICE_COMMON_CAP_AUTH_SPICE);
    return caps;
}

static void expect_ticket(SpiceLink *l)
{
    link_expect(l, LINK_TICKET, TICKET_BYTES);
}

static void take_request(SpiceLink *l)
{
    uint32_t error = link_parse_request(l->in->data, l->in->len, &l->request);
    LinkAuth auth = l->host->auth(l->opaque);
    g_autoptr(GError) err = NULL;
    g_autoptr(GByteArray) reply = NULL;
    SpiceCaps common, channel;

    if (!error) {
        error = l->host->security(l, l->opaque);
    }
    if (error) {
        refuse(l, error, "bad request");
        return;
    }
    l->key = ticket_key(&err);
    if (!l->key) {
        warn_report("%s", err->message);
        refuse(l, SPICE_LINK_ERR_ERROR, err->message);
        return;
    }
    common = our_common_caps(auth, &l->request.common);
    channel = l->host->caps(l, l->opaque);
    reply = link_reply(SPICE_LINK_ERR_OK, ticket_key_public(l->key), &common, &channel);
    put_bytes(l->out, reply->data, reply->len);
    if (caps_has(&l->request.common, SPICE_COMMON_CAP_PROTOCOL_AUTH_SELECTION)) {
        link_expect(l, LINK_MECHANISM, 4);
    } else if (auth == LINK_AUTH_SASL) {
        link_finish(l, SPICE_LINK_ERR_PERMISSION_DENIED, "the client knows no SASL");
    } else {
        expect_ticket(l);
    }
}

static void take_mechanism(SpiceLink *l)
{
    uint32_t mechanism = load_le32(l->in->data);
    bool is_sasl = l->host->auth(l->opaque) == LINK_AUTH_SASL;

    if (is_sasl && mechanism == SPICE_COMMON_CAP_AUTH_SASL) {
        sasl_stage_start(l);
    } else if (!is_sasl && mechanism == SPICE_COMMON_CAP_AUTH_SPICE) {
        expect_ticket(l);
    } else {
        link_finish(l, SPICE_LINK_ERR_INVALID_DATA, "a mechanism that was not offered");
    }
}

static void warn_refused(const SpiceLink *l, const char *why)
{
    static int64_t last_ns;

    if (!last_ns || time_monotonic_ns() - last_ns > WARN_EVERY_NS) {
        last_ns = time_monotonic_ns();
        warn_report("spice: client %s port %s is refused: %s", l->ends.client.host, l->ends.client.port, why);
    }
}

static void take_ticket(SpiceLink *l)
{
    const char *why = NULL;

    if (l->host->auth(l->opaque) != LINK_AUTH_NONE && !ticket_is_good(l->host->ticket(l->opaque), l->key, l->in->data, &why)) {
        warn_refused(l, why);
        link_finish(l, SPICE_LINK_ERR_PERMISSION_DENIED, why);
        return;
    }
    link_finish(l, l->host->admit(l, l->opaque), "not admitted");
}

static void take_nothing(SpiceLink *l)
{
    g_byte_array_set_size(l->in, 0);
}

static void (*const steps[LINK_STEPS])(SpiceLink *l) = {
    [LINK_HEADER] = take_header,
    [LINK_REQUEST] = take_request,
    [LINK_MECHANISM] = take_mechanism,
    [LINK_TICKET] = take_ticket,
    [LINK_SASL_NAME_SIZE] = sasl_take_name_size,
    [LINK_SASL_NAME] = sasl_take_name,
    [LINK_SASL_SIZE] = sasl_take_size,
    [LINK_SASL_DATA] = sasl_take_data,
    [LINK_SASL_RESULT] = NULL, [LINK_RESULT] = NULL, /* nothing is read */
    [LINK_GOODBYE] = take_nothing,
};

/* ---- bytes ---- */

/* False: over. */
static bool send_some(SpiceLink *l)
{
    while (l->out_at < l->out->len) {
        struct iovec iov = {l->out->data + l->out_at, l->out->len - l->out_at};
        ssize_t n = wire_write(l->wire, &iov, 1);

        if (n < 0) {
            return n == -EAGAIN;
        }
        l->out_at += n;
    }
    g_byte_array_set_size(l->out, 0);
    l->out_at = 0;
    return true;
}

/* 1: the step has its bytes; 0: later; -1: over. */
static int read_some(SpiceLink *l)
{
    uint8_t buffer[1024];
    size_t missing = l->want - l->in->len;
    ssize_t n = wire_read(l->wire, buffer, MIN(missing, sizeof(buffer)));

    if (n <= 0) {
        return n == -EAGAIN ? 0 : -1;
    }
    g_byte_array_append(l->in, buffer, n);
    return l->in->len == l->want;
}

static void end(SpiceLink *l)
{
    l->host->gone(l, l->opaque);
    link_free(l);
}

/* The result is out.  False: the link is gone. */
static bool result_is_out(SpiceLink *l)
{
    if (l->result) {
        shutdown(l->wire->fd, SHUT_WR);
        link_expect(l, LINK_GOODBYE, 1024);
        loop_timer_set(l->deadline, time_monotonic_ns() + LINK_GOODBYE_NS);
        return true;
    }
    g_clear_pointer(&l->watch, loop_watch_free);
    l->host->adopt(l, l->opaque);
    end(l);
    return false;
}

static bool is_telling(const SpiceLink *l)
{
    return l->step == LINK_RESULT || l->step == LINK_SASL_RESULT;
}

/* has_more: come back soon, though the socket has nothing to say: it can be written to. */
static void update_watch(SpiceLink *l, bool has_more)
{
    GIOCondition want = wire_wants(l->wire);

    want |= is_telling(l) ? 0 : G_IO_IN;
    want |= has_more || l->out->len || wire_flush(l->wire) == -EAGAIN ? G_IO_OUT : 0;
    loop_watch_set(l->watch, want);
}

static void advance(SpiceLink *l)
{
    bool has_more = true;

    for (unsigned turn = 0; turn < TURNS && has_more; turn++) {
        int got;

        if (!send_some(l)) {
            end(l);
            return;
        }
        if (is_telling(l) && (l->out->len || wire_flush(l->wire))) {
            has_more = false;
            break;
        }
        if (l->step == LINK_SASL_RESULT) {
            sasl_stage_over(l);
            continue;
        }
        if (l->step == LINK_RESULT && !result_is_out(l)) {
            return;
        }
        got = read_some(l);
        if (got < 0) {
            end(l);
            return;
        }
        if (got) {
            steps[l->step](l);
        } else {
            has_more = wire_pending(l->wire);
        }
    }
    update_watch(l, has_more);
}

static void ready(int fd, GIOCondition condition, void *opaque)
{
    advance(opaque);
}

static void too_late(void *opaque)
{
    SpiceLink *l = opaque;

    TRACE(spice_link_late, "%s: at step %d", l->ends.client.host, l->step);
    end(l);
}

/* ---- life ---- */

SpiceLink *link_start(SpiceWire *take, const SpiceEnds *ends, const LinkHost *host, void *opaque)
{
    SpiceLink *l = g_new0(SpiceLink, 1);

    l->host = host;
    l->opaque = opaque;
    l->ends = *ends;
    l->wire = take;
    l->in = g_byte_array_new();
    l->out = g_byte_array_new();
    l->deadline = loop_timer_new(too_late, l);
    loop_timer_set(l->deadline, time_monotonic_ns() + LINK_WAIT_NS);
    l->watch = loop_watch(take->fd, G_IO_IN, ready, l);
    link_expect(l, LINK_HEADER, LINK_HEADER_BYTES);
    return l;
}

SpiceWire *link_take_wire(SpiceLink *l)
{
    return g_steal_pointer(&l->wire);
}

void link_free(SpiceLink *l)
{
    loop_watch_free(l->watch);
    loop_timer_free(l->deadline);
    sasl_stage_free(l->sasl);
    wire_free(l->wire);
    ticket_key_unref(l->key);
    g_byte_array_unref(l->in);
    g_byte_array_unref(l->out);
    g_free(l);
}
