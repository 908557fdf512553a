/* tools/view/conn.c - one connection of the viewer: the link stage as a client has it, then messages.  Owner: main loop.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "conn.h"
#include "util/bytes.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <spice/protocol.h>
#include <string.h>

#define READ_TURN_BYTES (512 * 1024)
#define PIECE_BYTES (64 * 1024)

typedef enum ConnStep { CONN_HEADER, CONN_REPLY, CONN_RESULT, CONN_TYPE, CONN_BODY } ConnStep;

struct ViewConn {
    SpiceWire *wire;
    LoopWatch *watch;
    LoopTimer *deadline, *again;
    const ConnOps *ops;
    void *opaque;
    ConnStep step;
    GByteArray *in, *out;
    size_t want, out_at;
    uint16_t type;
    SpiceCaps common, caps;
    char *password;
    bool listens, is_dead, is_finishing, was_refused;
};

/* ---- the end ---- */

static void free_later(void *opaque)
{
    ViewConn *c = opaque;

    loop_watch_free(c->watch);
    loop_timer_free(c->deadline);
    loop_timer_free(c->again);
    wire_free(c->wire);
    g_byte_array_unref(c->in);
    g_byte_array_unref(c->out);
    g_free(c->password);
    g_free(c);
}

void conn_drop(ViewConn *c)
{
    if (!c || c->is_dead) {
        return;
    }
    c->is_dead = true;
    loop_watch_set(c->watch, 0);
    loop_timer_cancel(c->deadline);
    loop_timer_cancel(c->again);
    wire_hang_up(c->wire);
    loop_call(free_later, c); /* somebody may be in it */
}

static void end(ViewConn *c, const char *why)
{
    if (!c->is_dead) {
        conn_drop(c);
        if (!c->is_finishing) {
            c->ops->ended(c, why, c->opaque);
        }
    }
}

/* ---- the link stage ---- */

static void expect(ViewConn *c, ConnStep step, size_t want)
{
    c->step = step;
    c->want = want;
    g_byte_array_set_size(c->in, 0);
}

static void put_request(GByteArray *b, const ConnRequest *r)
{
    put_bytes(b, "REDQ", 4);
    put_u32(b, SPICE_VERSION_MAJOR);
    put_u32(b, SPICE_VERSION_MINOR);
    put_u32(b, LINK_MESS_BYTES + 8 * CAPS_WORDS);
    put_u32(b, r->session_id);
    put_u8(b, r->type);
    put_u8(b, r->id);
    put_u32(b, CAPS_WORDS);
    put_u32(b, CAPS_WORDS);
    put_u32(b, LINK_MESS_BYTES);
    for (unsigned i = 0; i < 2 * CAPS_WORDS; i++) {
        put_u32(b, i < CAPS_WORDS ? r->common.word[i] : r->caps.word[i - CAPS_WORDS]);
    }
}

static bool encrypt(const uint8_t *key, const char *password, uint8_t ticket[TICKET_BYTES])
{
    EVP_PKEY *rsa = d2i_PUBKEY(NULL, &key, TICKET_KEY_BYTES);
    EVP_PKEY_CTX *ctx = rsa ? EVP_PKEY_CTX_new(rsa, NULL) : NULL;
    size_t size = TICKET_BYTES;
    bool ok = ctx && EVP_PKEY_get_size(rsa) == TICKET_BYTES && EVP_PKEY_encrypt_init(ctx) > 0 &&
              EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) > 0 &&
              EVP_PKEY_encrypt(ctx, ticket, &size, (const uint8_t *)password, strlen(password) + 1) > 0 && size == TICKET_BYTES;

    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(rsa);
    return ok;
}

static bool read_caps(ViewConn *c)
{
    const uint8_t *reply = c->in->data;
    uint32_t common = load_le32(reply + 166), channel = load_le32(reply + 170), at = load_le32(reply + 174);

    if (common > LINK_CAPS_MAX || channel > LINK_CAPS_MAX || at < LINK_REPLY_BYTES || at > c->in->len ||
        4 * (common + channel) > c->in->len - at) {
        return false;
    }
    for (unsigned i = 0; i < CAPS_WORDS; i++) {
        c->common.word[i] = i < common ? load_le32(reply + at + 4 * i) : 0;
        c->caps.word[i] = i < channel ? load_le32(reply + at + 4 * (common + i)) : 0;
    }
    return true;
}

static void take_header(ViewConn *c)
{
    uint32_t size = load_le32(c->in->data + 12);

    if (memcmp(c->in->data, "REDQ", 4) || load_le32(c->in->data + 4) != SPICE_VERSION_MAJOR || size < LINK_REPLY_BYTES ||
        size > CONN_REPLY_MAX) {
        end(c, "not a SPICE server");
        return;
    }
    expect(c, CONN_REPLY, size);
}

static void take_reply(ViewConn *c)
{
    uint32_t error = load_le32(c->in->data);
    uint8_t ticket[TICKET_BYTES];

    if (error) {
        g_autofree char *why = g_strdup_printf("refused with error %u", error);

        c->was_refused = true;
        end(c, why);
        return;
    }
    if (!read_caps(c) || !caps_has(&c->common, SPICE_COMMON_CAP_PROTOCOL_AUTH_SELECTION) ||
        !caps_has(&c->common, SPICE_COMMON_CAP_AUTH_SPICE) || !caps_has(&c->common, SPICE_COMMON_CAP_MINI_HEADER)) {
        end(c, "the server has no tickets, or a bad reply");
        return;
    }
    if (!encrypt(c->in->data + 4, c->password, ticket)) {
        end(c, "the server's key is of no use");
        return;
    }
    put_u32(c->out, SPICE_COMMON_CAP_AUTH_SPICE);
    put_bytes(c->out, ticket, sizeof(ticket));
    expect(c, CONN_RESULT, 4);
}

static void take_result(ViewConn *c)
{
    uint32_t error = load_le32(c->in->data);

    if (error) {
        g_autofree char *why = g_strdup_printf("refused with result %u", error);

        c->was_refused = true;
        end(c, why);
        return;
    }
    loop_timer_cancel(c->deadline);
    expect(c, CONN_TYPE, MINI_HEADER_BYTES);
    c->listens = false;
    c->ops->linked(c, c->opaque);
}

/* ---- messages ---- */

static void take_type(ViewConn *c)
{
    MessageHeader h;
    uint32_t limit;

    header_read(c->in->data, true, &h);
    limit = c->ops->limit(c, h.type, c->opaque);
    if (limit == CONN_NO_TYPE || h.size > limit) {
        g_autofree char *why = g_strdup_printf("message %u of %u bytes may not come", h.type, h.size);

        end(c, why);
        return;
    }
    c->type = h.type;
    expect(c, CONN_BODY, h.size);
}

static void take_body(ViewConn *c)
{
    g_autoptr(GByteArray) body = g_steal_pointer(&c->in);

    c->in = g_byte_array_new();
    expect(c, CONN_TYPE, MINI_HEADER_BYTES);
    if (!c->ops->message(c, c->type, body->data, body->len, c->opaque)) {
        g_autofree char *why = g_strdup_printf("message %u is malformed", c->type);

        end(c, why);
    }
}

static void (*const steps[])(ViewConn *c) = {
    [CONN_HEADER] = take_header, [CONN_REPLY] = take_reply, [CONN_RESULT] = take_result,
    [CONN_TYPE] = take_type,     [CONN_BODY] = take_body,
};

/* ---- bytes ---- */

static void write_some(ViewConn *c)
{
    int result = c->out->len ? wire_write_out(c->wire, c->out, &c->out_at) : 0;

    result = result ? result : wire_flush(c->wire);
    if (result == -ENOTCONN) { /* on its way */
        return;
    }
    if (c->out_at >= CONN_OUT_BYTES) { /* it may never be empty */
        g_byte_array_remove_range(c->out, 0, c->out_at);
        c->out_at = 0;
    }
    if (result && result != -EAGAIN) {
        end(c, g_strerror(-result));
    } else if (!result && c->is_finishing) {
        conn_drop(c);
    }
}

static bool may_read(const ViewConn *c)
{
    return !c->is_dead && c->listens && c->out->len - c->out_at < CONN_UNREAD_MAX;
}

/* False: nothing more now. */
static bool read_piece(ViewConn *c, size_t *budget)
{
    uint8_t buffer[PIECE_BYTES];
    ssize_t n = wire_read(c->wire, buffer, MIN(c->want - c->in->len, sizeof(buffer)));

    if (n == -EAGAIN) {
        return false;
    }
    if (n <= 0) {
        end(c, n ? g_strerror((int)-n) : "the server has closed it");
        return false;
    }
    g_byte_array_append(c->in, buffer, n);
    *budget -= MIN(*budget, (size_t)n);
    return true;
}

static void read_some(ViewConn *c)
{
    size_t budget = READ_TURN_BYTES;

    while (may_read(c) && budget) {
        if (c->in->len == c->want) {
            steps[c->step](c);
        } else if (!read_piece(c, &budget)) {
            return;
        }
    }
    if (may_read(c)) {
        loop_timer_set(c->again, time_monotonic_ns());
    }
}

static void update_watch(ViewConn *c)
{
    GIOCondition want = may_read(c) ? G_IO_IN : 0;

    if (c->is_dead) {
        return;
    }
    want |= wire_wants(c->wire) | (c->out->len || wire_flush(c->wire) == -EAGAIN ? G_IO_OUT : 0);
    loop_watch_set(c->watch, want);
}

static void pump(ViewConn *c)
{
    bool was_full;

    write_some(c);
    if (!c->is_dead) {
        read_some(c);
    }
    if (!c->is_dead && conn_has_room(c) && !c->is_finishing) {
        c->ops->room(c, c->opaque);
    }
    was_full = !may_read(c);
    if (!c->is_dead && c->out->len) {
        write_some(c);
    }
    if (was_full && may_read(c)) { /* what TLS has read already does not wake us */
        loop_timer_set(c->again, time_monotonic_ns());
    }
    update_watch(c);
}

static void ready(int fd, GIOCondition condition, void *opaque)
{
    ViewConn *c = opaque;

    if (!c->is_dead) {
        pump(c);
    }
}

static void again(void *opaque)
{
    pump(opaque);
}

static void too_late(void *opaque)
{
    end(opaque, "it takes too long");
}

/* ---- for owners ---- */

ViewConn *conn_new(SpiceWire *take, const ConnRequest *r, const ConnOps *ops, void *opaque)
{
    ViewConn *c = g_new0(ViewConn, 1);

    c->wire = take;
    c->ops = ops;
    c->opaque = opaque;
    c->in = g_byte_array_new();
    c->out = g_byte_array_new();
    c->password = g_strdup(r->password ? r->password : "");
    c->listens = true;
    c->deadline = loop_timer_new(too_late, c);
    c->again = loop_timer_new(again, c);
    c->watch = loop_watch(take->fd, G_IO_IN, ready, c);
    put_request(c->out, r);
    expect(c, CONN_HEADER, LINK_HEADER_BYTES);
    loop_timer_set(c->deadline, time_monotonic_ns() + CONN_LINK_NS);
    update_watch(c);
    return c;
}

void conn_finish(ViewConn *c)
{
    if (c && !c->is_dead) {
        c->is_finishing = true;
        c->listens = false;
        loop_timer_set(c->deadline, time_monotonic_ns() + CONN_FINISH_NS);
        loop_timer_set(c->again, time_monotonic_ns());
    }
}

void conn_listen(ViewConn *c, bool on)
{
    if (!c->is_dead && c->listens != on) {
        c->listens = on;
        loop_timer_set(c->again, time_monotonic_ns());
        update_watch(c);
    }
}

void conn_send(ViewConn *c, uint16_t type, const void *data, uint32_t size)
{
    uint8_t header[FULL_HEADER_BYTES];
    MessageHeader h = {.type = type, .size = size};

    if (!c->is_dead) {
        put_bytes(c->out, header, header_write(header, true, &h));
        put_bytes(c->out, data, size);
        loop_timer_set(c->again, time_monotonic_ns());
    }
}

void conn_say_last(ViewConn *c, uint16_t type, const void *data, uint32_t size)
{
    conn_send(c, type, data, size);
    if (!c->is_dead) {
        write_some(c);
    }
}

bool conn_was_refused(const ViewConn *c)
{
    return c->was_refused;
}

bool conn_is_linked(const ViewConn *c)
{
    return !c->is_dead && c->step >= CONN_TYPE;
}

bool conn_has_room(const ViewConn *c)
{
    return conn_is_linked(c) && c->out->len - c->out_at < CONN_OUT_BYTES;
}

const SpiceCaps *conn_common(const ViewConn *c)
{
    return &c->common;
}

const SpiceCaps *conn_caps(const ViewConn *c)
{
    return &c->caps;
}
