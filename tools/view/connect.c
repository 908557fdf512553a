/* tools/view/connect.c - sockets of the viewer, in TLS where that is asked for.  Owner: main loop.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "connect.h"
#include "ui/spice/tls.h"
#include "util/error.h"

#include <errno.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define CONNECT_NEXT_MS 1000    /* for the first answer of an address that is not the last */

static SSL_CTX *context;
static int subject_index;       /* of an SSL: the subject that its peer has to have */

/* ---- TLS ---- */

bool connect_load_ca(const char *file, GError **errp)
{
    if (!context) {
        context = SSL_CTX_new(TLS_client_method());
        SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
        SSL_CTX_set_mode(context, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
        subject_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
    }
    if (file ? SSL_CTX_load_verify_file(context, file) != 1 : SSL_CTX_set_default_verify_paths(context) != 1) {
        ERR_clear_error();
        return fail(errp, "cannot load the authority's certificate %s", file ? file : "of the system");
    }
    return true;
}

bool connect_is_subject(X509 *cert, const char *wanted)
{
    BIO *out = BIO_new(BIO_s_mem());
    g_auto(GStrv) its = NULL, ours = g_strsplit(wanted, ",", -1);
    g_autofree char *text = NULL;
    char *data;
    bool same;
    long n;

    X509_NAME_print_ex(out, X509_get_subject_name(cert), 0,
                       XN_FLAG_SEP_COMMA_PLUS | ASN1_STRFLGS_UTF8_CONVERT | ASN1_STRFLGS_ESC_2253 | ASN1_STRFLGS_ESC_CTRL);
    n = BIO_get_mem_data(out, &data);
    text = g_strndup(data, n);
    BIO_free(out);
    its = g_strsplit(text, ",", -1);
    same = g_strv_length(its) == g_strv_length(ours);
    for (unsigned i = 0; same && its[i]; i++) {
        same = !strcmp(g_strstrip(its[i]), g_strstrip(ours[i]));
    }
    return same;
}

static int verify(int ok, X509_STORE_CTX *store)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    const char *wanted = SSL_get_ex_data(ssl, subject_index);

    return ok && (X509_STORE_CTX_get_error_depth(store) || !wanted ||
                  connect_is_subject(X509_STORE_CTX_get_current_cert(store), wanted));
}

static void free_subject(const SSL *ssl)
{
    g_free(SSL_get_ex_data(ssl, subject_index));
}

static SpiceWire *over_tls(SpiceWire *lower, const ViewPlace *to)
{
    SSL *ssl = SSL_new(context);
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);

    SSL_set_connect_state(ssl);
    if (to->subject) {
        SSL_set_ex_data(ssl, subject_index, g_strdup(to->subject));
        SSL_set_verify(ssl, SSL_VERIFY_PEER, verify);
    } else if (!X509_VERIFY_PARAM_set1_ip_asc(param, to->host)) {
        ERR_clear_error();
        X509_VERIFY_PARAM_set1_host(param, to->host, 0);
        SSL_set_tlsext_host_name(ssl, to->host);
    }
    return tls_wire_of(lower, ssl, free_subject);
}

/* ---- sockets ---- */

static int begin(const struct sockaddr *address, socklen_t size, int family)
{
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd >= 0 && connect(fd, address, size) && errno != EINPROGRESS) {
        int err = errno;

        close(fd);
        errno = err;
        return -1;
    }
    return fd;
}

static int begin_unix(const char *path, GError **errp)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = -1;

    if (g_strlcpy(address.sun_path, path, sizeof(address.sun_path)) >= sizeof(address.sun_path)) {
        fail(errp, "%s: the path is too long", path);
        return -1;
    }
    fd = begin((struct sockaddr *)&address, sizeof(address), AF_UNIX);
    if (fd < 0) {
        fail_errno(errp, errno, "cannot connect to %s", path);
    }
    return fd;
}

/* Of a host with several addresses (localhost is one, mostly) some may have nobody. */
static bool has_answered(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    int error = ETIMEDOUT;
    socklen_t size = sizeof(error);

    if (poll(&p, 1, CONNECT_NEXT_MS) > 0) {
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
    }
    errno = error;
    return !error;
}

static int begin_tcp(const char *host, uint16_t port, GError **errp)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV}, *list;
    g_autofree char *service = g_strdup_printf("%u", port);
    int result = getaddrinfo(host, service, &hints, &list), fd = -1;

    if (result) {
        fail(errp, "%s: %s", host, gai_strerror(result));
        return -1;
    }
    for (const struct addrinfo *a = list; a && fd < 0; a = a->ai_next) {
        fd = begin(a->ai_addr, a->ai_addrlen, a->ai_family);
        if (fd >= 0 && a->ai_next && !has_answered(fd)) {
            close(fd);
            fd = -1;
        }
    }
    if (fd < 0) {
        fail_errno(errp, errno, "cannot connect to %s port %u", host, port);
    }
    freeaddrinfo(list);
    return fd;
}

SpiceWire *connect_to_place(const ViewPlace *to, GError **errp)
{
    bool is_unix = to->host[0] == '/';
    uint16_t port = to->tls_port ? to->tls_port : to->port;
    SpiceWire *wire;
    int fd;

    if (to->tls_port && !context && !connect_load_ca(NULL, errp)) {
        return NULL;
    }
    fd = is_unix ? begin_unix(to->host, errp) : begin_tcp(to->host, port, errp);
    if (fd < 0) {
        return NULL;
    }
    wire = wire_socket(fd, is_unix);
    return to->tls_port && !is_unix ? over_tls(wire, to) : wire;
}
