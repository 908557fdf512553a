/* ui/spice/tls.c - TLS over a wire, as -spice tls-port wants it.  Owner: main loop (vm_lock).  Page: docs/spice.md.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "tls.h"
#include "util/error.h"
#include "util/log.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <string.h>

#define RECORD_BYTES 16384 /* the most that one record takes */

static SSL_CTX *context;

/* ---- the context ---- */

static bool failed(GError **errp, const char *what, const char *path)
{
    char text[256];

    ERR_error_string_n(ERR_peek_last_error(), text, sizeof(text));
    ERR_clear_error();
    return fail(errp, "spice: %s %s: %s", what, path, text);
}

/* What is not named is in x509-dir, or in the current folder. */
static char *path_of(const SpiceConfig *c, const char *named, const char *otherwise)
{
    return named ? g_strdup(named) : g_build_filename(c->x509_dir ? c->x509_dir : ".", otherwise, NULL);
}

static int give_password(char *buf, int size, int writing, void *opaque)
{
    const char *password = opaque;
    int length = password ? (int)strlen(password) : 0;

    if (!length || length > size) {
        return 0;
    }
    memcpy(buf, password, length);
    return length;
}

static bool load_key(const SpiceConfig *c, GError **errp)
{
    g_autofree char *cert = path_of(c, c->x509_cert_file, "server-cert.pem");
    g_autofree char *key = path_of(c, c->x509_key_file, "server-key.pem");

    if (SSL_CTX_use_certificate_chain_file(context, cert) != 1) {
        return failed(errp, "cannot load the certificate", cert);
    }
    SSL_CTX_set_default_passwd_cb(context, give_password);
    SSL_CTX_set_default_passwd_cb_userdata(context, c->x509_key_password);
    if (SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1) {
        return failed(errp, "cannot load the key", key);
    }
    return SSL_CTX_check_private_key(context) == 1 || failed(errp, "the certificate is not of the key", key);
}

/* The authority's certificate completes the chain; only one that is named has to be there. */
static bool load_authority(const SpiceConfig *c, GError **errp)
{
    g_autofree char *ca = path_of(c, c->x509_cacert_file, "ca-cert.pem");

    if (!c->x509_cacert_file && !g_file_test(ca, G_FILE_TEST_EXISTS)) {
        return true;
    }
    return SSL_CTX_load_verify_locations(context, ca, NULL) == 1 || failed(errp, "cannot load the authority", ca);
}

static bool load_dh(const SpiceConfig *c, GError **errp)
{
    BIO *file;
    EVP_PKEY *params;

    if (!c->x509_dh_key_file) {
        SSL_CTX_set_dh_auto(context, 1);
        return true;
    }
    file = BIO_new_file(c->x509_dh_key_file, "r");
    params = file ? PEM_read_bio_Parameters(file, NULL) : NULL;
    BIO_free(file);
    if (!params || SSL_CTX_set0_tmp_dh_pkey(context, params) != 1) {
        EVP_PKEY_free(params);
        return failed(errp, "cannot load the DH parameters", c->x509_dh_key_file);
    }
    return true;
}

bool tls_init(const SpiceConfig *c, GError **errp)
{
    context = SSL_CTX_new(TLS_server_method());
    g_assert(context);
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_options(context, SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_clear_mode(context, SSL_MODE_AUTO_RETRY); /* records without data may go on for ever: others have their turn */
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    if (c->tls_ciphers && SSL_CTX_set_cipher_list(context, c->tls_ciphers) != 1) {
        failed(errp, "tls-ciphers", c->tls_ciphers);
        tls_end();
        return false;
    }
    if (!load_key(c, errp) || !load_authority(c, errp) || !load_dh(c, errp)) {
        tls_end();
        return false;
    }
    return true;
}

void tls_end(void)
{
    g_clear_pointer(&context, SSL_CTX_free);
}

/* ---- the layer ---- */

typedef struct TlsWire {
    SpiceWire wire;
    SSL *ssl;
    void (*done)(const SSL *ssl);
    bool wants_out;     /* a read cannot go on before something was written */
    bool is_broken;     /* OpenSSL asks not to be called any more */
} TlsWire;

/* What SSL_read or SSL_write did, as the wire's result. */
static ssize_t result_of(TlsWire *w, int n)
{
    int err = n > 0 ? SSL_ERROR_NONE : SSL_get_error(w->ssl, n);

    w->wants_out = err == SSL_ERROR_WANT_WRITE;
    switch (err) {
    case SSL_ERROR_NONE:
        return n;
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return -EAGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    default:
        w->is_broken = true;
        TRACE(spice_tls, "%s", ERR_reason_error_string(ERR_peek_last_error()));
        return -EPROTO;
    }
}

static ssize_t tls_read(SpiceWire *wire, void *buf, size_t size)
{
    TlsWire *w = (TlsWire *)wire;

    if (w->is_broken) {
        return -EPROTO;
    }
    ERR_clear_error();
    return result_of(w, SSL_read(w->ssl, buf, MIN(size, INT_MAX)));
}

/* One record.  Who calls again after -EAGAIN begins with the same bytes, as OpenSSL demands. */
static ssize_t tls_write(SpiceWire *wire, const struct iovec *iov, int n)
{
    TlsWire *w = (TlsWire *)wire;
    uint8_t record[RECORD_BYTES];
    size_t size = 0;
    ssize_t result;

    for (int i = 0; i < n && size < sizeof(record); i++) {
        size_t part = MIN(iov[i].iov_len, sizeof(record) - size);

        memcpy(record + size, iov[i].iov_base, part);
        size += part;
    }
    if (w->is_broken) {
        return -EPROTO;
    }
    ERR_clear_error();
    result = result_of(w, SSL_write(w->ssl, record, (int)size));
    return result ? result : -EPIPE;
}

static bool tls_pending(SpiceWire *wire)
{
    return SSL_pending(((TlsWire *)wire)->ssl) > 0;
}

static GIOCondition tls_wants(SpiceWire *wire)
{
    return ((TlsWire *)wire)->wants_out ? G_IO_OUT : 0;
}

static void tls_free(SpiceWire *wire)
{
    TlsWire *w = (TlsWire *)wire;

    if (!w->is_broken && SSL_is_init_finished(w->ssl)) {
        ERR_clear_error();
        SSL_shutdown(w->ssl);
    }
    if (w->done) {
        w->done(w->ssl);
    }
    SSL_free(w->ssl);
    ERR_clear_error();
}

static const WireOps tls_ops = {.read = tls_read, .write = tls_write, .pending = tls_pending, .wants = tls_wants, .free = tls_free};

SpiceWire *tls_wire_of(SpiceWire *lower, SSL *take, void (*done)(const SSL *ssl))
{
    TlsWire *w = (TlsWire *)wire_over(lower, &tls_ops, sizeof(*w));

    w->wire.is_tls = true;
    w->ssl = take;
    w->done = done;
    g_assert(w->ssl && SSL_set_fd(w->ssl, lower->fd) == 1);
    return &w->wire;
}

SpiceWire *tls_wire(SpiceWire *lower)
{
    SSL *ssl = SSL_new(context);

    g_assert(ssl);
    SSL_set_accept_state(ssl);
    return tls_wire_of(lower, ssl, NULL);
}
