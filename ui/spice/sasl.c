/* ui/spice/sasl.c - the link stage's SASL steps (mechanism 2), and the layer that some mechanisms put over the wire.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Cyrus SASL does the work; service "spice", configuration of application "qemu".  No mechanism that knows nobody is offered,
 * and over TCP without TLS none that tells a password in clear, and there the layer must be worth SSF_MIN. */
#include "config-host.h"
#include "sasl.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/log.h"

#include <errno.h>
#include <spice/protocol.h>
#include <string.h>

#if CONFIG_SASL
#include <sasl/sasl.h>

#define SSF_MIN 56
#define SSF_ENOUGH 100000
#define LAYER_BYTES 8192 /* that one call of the layer may code */

struct SaslStage {
    sasl_conn_t *conn;
    char *names;        /* what was offered, with commas */
    char *name;         /* what the client has chosen; NULL: not yet */
    bool has_begun;
    unsigned rounds;
};

bool sasl_init(GError **errp)
{
    int result = sasl_server_init(NULL, "qemu");

    return result == SASL_OK || fail(errp, "spice: SASL: %s", sasl_errstring(result, NULL, NULL));
}

void sasl_stage_free(SaslStage *s)
{
    if (s) {
        if (s->conn) {
            sasl_dispose(&s->conn);
        }
        g_free(s->names);
        g_free(s->name);
        g_free(s);
    }
}

static void denied(SpiceLink *l, const char *why)
{
    link_finish(l, SPICE_LINK_ERR_PERMISSION_DENIED, why);
}

/* ---- beginning ---- */

static bool set_policy(SpiceLink *l, SaslStage *s)
{
    bool is_private = l->wire->is_tls || l->wire->is_unix;
    sasl_security_properties_t policy = {.maxbufsize = LAYER_BYTES, .security_flags = SASL_SEC_NOANONYMOUS};
    sasl_ssf_t external = 256;

    if (l->wire->is_tls && sasl_setprop(s->conn, SASL_SSF_EXTERNAL, &external) != SASL_OK) {
        return false;
    }
    if (!is_private) {
        policy.min_ssf = SSF_MIN;
        policy.max_ssf = SSF_ENOUGH;
        policy.security_flags |= SASL_SEC_NOPLAINTEXT;
    }
    return sasl_setprop(s->conn, SASL_SEC_PROPS, &policy) == SASL_OK;
}

/* "host;port", or NULL where there is none. */
static char *end_text(const SpiceEnd *e)
{
    return *e->port ? g_strdup_printf("%s;%s", e->host, e->port) : NULL;
}

void sasl_stage_start(SpiceLink *l)
{
    g_autofree char *here = end_text(&l->ends.server), *there = end_text(&l->ends.client);
    const char *names = NULL;
    SaslStage *s = l->sasl = g_new0(SaslStage, 1);

    if (sasl_server_new("spice", NULL, NULL, here, there, NULL, SASL_SUCCESS_DATA, &s->conn) != SASL_OK ||
        !set_policy(l, s) || sasl_listmech(s->conn, NULL, "", ",", "", &names, NULL, NULL) != SASL_OK || !*names) {
        warn_report("spice: SASL: no mechanism is available: %s", s->conn ? sasl_errdetail(s->conn) : "no memory");
        denied(l, "no mechanism");
        return;
    }
    s->names = g_strdup(names);
    put_u32(l->out, strlen(names));
    put_bytes(l->out, names, strlen(names));
    link_expect(l, LINK_SASL_NAME_SIZE, 4);
}

/* ---- rounds ---- */

void sasl_take_name_size(SpiceLink *l)
{
    uint32_t size = load_le32(l->in->data);

    if (!size || size > SASL_NAME_MAX) {
        denied(l, "bad mechanism name");
        return;
    }
    link_expect(l, LINK_SASL_NAME, size);
}

void sasl_take_name(SpiceLink *l)
{
    SaslStage *s = l->sasl;
    g_auto(GStrv) offered = g_strsplit(s->names, ",", -1);
    g_autofree char *name = g_strndup((char *)l->in->data, l->in->len);

    if (!g_strv_contains((const char *const *)offered, name)) {
        denied(l, "a mechanism that was not offered");
        return;
    }
    s->name = g_steal_pointer(&name);
    link_expect(l, LINK_SASL_SIZE, 4);
}

/* False: too little protection for what comes. */
static bool is_strong(SpiceLink *l)
{
    const void *value = NULL;

    if (l->wire->is_tls || l->wire->is_unix) {
        return true;
    }
    return sasl_getprop(l->sasl->conn, SASL_SSF, &value) == SASL_OK && *(const int *)value >= SSF_MIN;
}

static void finish(SpiceLink *l)
{
    if (!is_strong(l)) {
        denied(l, "the layer is too weak");
        return;
    }
    put_u32(l->out, SPICE_LINK_ERR_OK); /* SASL's own result, in clear; the link's follows in the layer */
    link_expect(l, LINK_SASL_RESULT, 0);
}

static void answer(SpiceLink *l, const char *data, unsigned size, bool is_complete)
{
    put_u32(l->out, data ? size + 1 : 0);
    if (data) {
        put_bytes(l->out, data, size);
        put_u8(l->out, 0);
    }
    put_u8(l->out, is_complete);
}

static void one_round(SpiceLink *l, const char *data, unsigned size)
{
    SaslStage *s = l->sasl;
    const char *out = NULL;
    unsigned out_size = 0;
    int result = !s->has_begun ? sasl_server_start(s->conn, s->name, data, size, &out, &out_size)
                               : sasl_server_step(s->conn, data, size, &out, &out_size);

    s->has_begun = true;
    if ((result != SASL_OK && result != SASL_CONTINUE) || out_size > SASL_DATA_MAX || ++s->rounds > SASL_ROUNDS_MAX) {
        TRACE(spice_sasl, "%s: %s", l->ends.client.host, sasl_errdetail(s->conn));
        answer(l, NULL, 0, true);
        denied(l, "SASL says no");
        return;
    }
    answer(l, out, out_size, result == SASL_OK);
    if (result == SASL_OK) {
        finish(l);
    } else {
        link_expect(l, LINK_SASL_SIZE, 4);
    }
}

void sasl_take_size(SpiceLink *l)
{
    uint32_t size = load_le32(l->in->data);

    if (size > SASL_DATA_MAX) {
        denied(l, "too much data");
    } else if (!size) {
        one_round(l, NULL, 0);
    } else {
        link_expect(l, LINK_SASL_DATA, size);
    }
}

/* The last byte is a NUL that does not count. */
void sasl_take_data(SpiceLink *l)
{
    g_autofree char *data = g_strndup((char *)l->in->data, l->in->len - 1);

    memcpy(data, l->in->data, l->in->len - 1);
    one_round(l, data, l->in->len - 1);
}

/* ---- the layer ---- */

typedef struct SaslWire {
    SpiceWire wire;
    sasl_conn_t *conn;
    const char *plain;      /* decoded, in memory of the library until the next decode */
    unsigned plain_size;
    GByteArray *out;
    size_t out_at;
} SaslWire;

/* Packets may be empty: after one look at the socket others have their turn. */
static ssize_t layer_read(SpiceWire *wire, void *buf, size_t size)
{
    SaslWire *w = (SaslWire *)wire;
    char coded[LAYER_BYTES];

    if (!w->plain_size) {
        ssize_t n = wire_read(wire->lower, coded, sizeof(coded));

        if (n <= 0) {
            return n;
        }
        if (sasl_decode(w->conn, coded, n, &w->plain, &w->plain_size) != SASL_OK) {
            return -EPROTO;
        }
    }
    if (!w->plain_size) {
        return -EAGAIN; /* the rest of the packet is on its way */
    }
    size = MIN(size, w->plain_size);
    memcpy(buf, w->plain, size);
    w->plain += size;
    w->plain_size -= size;
    return size;
}

static int layer_flush(SpiceWire *wire)
{
    SaslWire *w = (SaslWire *)wire;

    return wire_write_out(wire->lower, w->out, &w->out_at);
}

static ssize_t layer_write(SpiceWire *wire, const struct iovec *iov, int n)
{
    SaslWire *w = (SaslWire *)wire;
    const int *most = NULL;
    const char *coded;
    unsigned coded_size;
    size_t size;
    int result = layer_flush(wire);

    if (result) {
        return result;
    }
    if (sasl_getprop(w->conn, SASL_MAXOUTBUF, (const void **)&most) != SASL_OK || *most <= 0) {
        return -EPROTO;
    }
    size = MIN(iov->iov_len, (size_t)*most);
    if (sasl_encode(w->conn, iov->iov_base, size, &coded, &coded_size) != SASL_OK) {
        return -EPROTO;
    }
    g_byte_array_append(w->out, (const uint8_t *)coded, coded_size);
    result = layer_flush(wire);
    return result && result != -EAGAIN ? result : (ssize_t)size;
}

static bool layer_pending(SpiceWire *wire)
{
    return ((SaslWire *)wire)->plain_size > 0;
}

static void layer_free(SpiceWire *wire)
{
    SaslWire *w = (SaslWire *)wire;

    sasl_dispose(&w->conn);
    g_byte_array_unref(w->out);
}

static const WireOps layer_ops = {.read = layer_read, .write = layer_write, .flush = layer_flush, .pending = layer_pending,
                                  .free = layer_free};

static void secure(SpiceLink *l)
{
    const void *value = NULL;
    SaslWire *w;

    if (sasl_getprop(l->sasl->conn, SASL_SSF, &value) != SASL_OK || !*(const int *)value || l->wire->is_tls) {
        return;
    }
    w = (SaslWire *)wire_over(l->wire, &layer_ops, sizeof(*w));
    w->conn = g_steal_pointer(&l->sasl->conn);
    w->out = g_byte_array_new();
    l->wire = &w->wire;
}

void sasl_stage_over(SpiceLink *l)
{
    secure(l);
    link_finish(l, l->host->admit(l, l->opaque), "not admitted");
}

#else

bool sasl_init(GError **errp)
{
    return fail(errp, "spice: this program was built without SASL");
}

/* sasl_init() has failed, so it is never offered. */
void sasl_stage_start(SpiceLink *l)
{
    g_assert_not_reached();
}

void sasl_take_name_size(SpiceLink *l)
{
    g_assert_not_reached();
}

void sasl_take_name(SpiceLink *l)
{
    g_assert_not_reached();
}

void sasl_take_size(SpiceLink *l)
{
    g_assert_not_reached();
}

void sasl_take_data(SpiceLink *l)
{
    g_assert_not_reached();
}

void sasl_stage_over(SpiceLink *l)
{
}

void sasl_stage_free(SaslStage *s)
{
}
#endif
