/* io/socket.c - tcp and unix sockets: name lookup, connecting and listening, all with a deadline.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "io/channel-private.h"

#include "util/error.h"
#include "util/fd.h"
#include "util/loop.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>

#define KEEPALIVE_IDLE_S     5
#define KEEPALIVE_INTERVAL_S 3
#define KEEPALIVE_COUNT      3
#define USER_TIMEOUT_MS      15000 /* sent and not acknowledged for so long: gone */

static void set_int(int fd, int level, int name, int value)
{
    setsockopt(fd, level, name, &value,
               sizeof(value)); /* a hint: a unix socket refuses, and needs it not */
}

void socket_tune(int fd)
{
    set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S);
    set_int(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S);
    set_int(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_COUNT);
    set_int(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, USER_TIMEOUT_MS);
}

/* ---- names: getaddrinfo() cannot be interrupted, so a thread asks and whoever comes last frees
 * ---- */
typedef struct Lookup {
    char *host, *port;
    bool passive;
    int error;
    struct addrinfo *result;
    int done_fd;
    gatomicrefcount refs;
} Lookup;

static void lookup_unref(Lookup *l)
{
    if (!g_atomic_ref_count_dec(&l->refs)) {
        return;
    }
    if (l->result) {
        freeaddrinfo(l->result);
    }
    close(l->done_fd);
    g_free(l->host);
    g_free(l->port);
    g_free(l);
}

static void *lookup_thread(void *opaque)
{
    Lookup *l = opaque;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = l->passive ? AI_PASSIVE : 0};
    uint64_t one = 1;

    l->error = getaddrinfo(l->host[0] ? l->host : NULL, l->port, &hints, &l->result);
    if (write(l->done_fd, &one, sizeof(one)) < 0) {
        g_assert(errno == EAGAIN);
    }
    lookup_unref(l);
    return NULL;
}

static Lookup *lookup(const Address *a, bool passive, const Interrupt *interrupt,
                      int64_t deadline_ns, GError **errp)
{
    int done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    uint64_t done;
    IoWait why;
    Lookup *l;

    if (done_fd < 0) {
        fail_errno(errp, errno, "%s: looking up the host", a->text);
        return NULL;
    }
    l = g_new0(Lookup, 1);
    l->host = g_strdup(a->host);
    l->port = g_strdup(a->port);
    l->passive = passive;
    l->done_fd = done_fd;
    g_atomic_ref_count_init(&l->refs);
    g_atomic_ref_count_inc(&l->refs);
    g_thread_unref(g_thread_new("lookup", lookup_thread, l));
    why = io_wait(l->done_fd, POLLIN, interrupt, deadline_ns);
    if (why == IO_READY && read(l->done_fd, &done, sizeof(done)) < 0) { /* the answer was written before it */
        g_assert(errno == EAGAIN);
    }
    if (why == IO_READY && !l->error) {
        return l;
    }
    if (why != IO_READY) {
        io_fail(a->text, why, "looking up the host", errp);
    } else {
        fail(errp, "%s: cannot find host or port: %s", a->text, gai_strerror(l->error));
    }
    lookup_unref(l);
    return NULL;
}

/* ---- connecting ---- */
static bool connect_to(int fd, const struct sockaddr *sa, socklen_t size, const char *text,
                       const Interrupt *interrupt, int64_t deadline_ns, GError **errp)
{
    int err = 0;
    socklen_t err_size = sizeof(err);
    IoWait why;

    if (!connect(fd, sa, size)) {
        return true;
    }
    if (errno != EINPROGRESS) {
        return fail_errno(errp, errno, "%s: cannot connect", text);
    }
    why = io_wait(fd, POLLOUT, interrupt, deadline_ns);
    if (why != IO_READY) {
        return io_fail(text, why, "connecting", errp);
    }
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &err_size);
    return !err || fail_errno(errp, err, "%s: cannot connect", text);
}

int tcp_connect(const Address *a, const Interrupt *interrupt, int64_t deadline_ns, GError **errp)
{
    Lookup *l = lookup(a, false, interrupt, deadline_ns, errp);
    GError *err = NULL;

    if (!l) {
        return -1;
    }
    for (const struct addrinfo *ai = l->result; ai; ai = ai->ai_next) {
        g_autofd int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        g_clear_error(&err);
        if (fd < 0) {
            fail_errno(&err, errno, "%s: cannot make a socket", a->text);
        } else if (connect_to(fd, ai->ai_addr, ai->ai_addrlen, a->text, interrupt, deadline_ns,
                              &err)) {
            socket_tune(fd);
            lookup_unref(l);
            return steal_fd(&fd);
        }
    }
    lookup_unref(l);
    g_propagate_error(errp, err);
    return -1;
}

static bool unix_address(const Address *a, struct sockaddr_un *ret, GError **errp)
{
    *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(a->path) >= sizeof(ret->sun_path)) {
        return fail(errp, "%s: the path is longer than %zu bytes", a->text,
                    sizeof(ret->sun_path) - 1);
    }
    strcpy(ret->sun_path, a->path);
    return true;
}

int unix_connect(const Address *a, const Interrupt *interrupt, int64_t deadline_ns, GError **errp)
{
    struct sockaddr_un sa;
    g_autofd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0) {
        fail_errno(errp, errno, "%s: cannot make a socket", a->text);
        return -1;
    }
    if (!unix_address(a, &sa, errp) || !connect_to(fd, (struct sockaddr *)&sa, sizeof(sa), a->text,
                                                   interrupt, deadline_ns, errp)) {
        return -1;
    }
    set_int(fd, SOL_SOCKET, SO_SNDBUF, 1 << 20);
    return steal_fd(&fd);
}

/* ---- listening ---- */
static char *tcp_actual(int fd, const Address *a)
{
    struct sockaddr_storage ss;
    socklen_t size = sizeof(ss);
    char host[NI_MAXHOST], port[NI_MAXSERV];

    if (getsockname(fd, (struct sockaddr *)&ss, &size) ||
        getnameinfo((struct sockaddr *)&ss, size, host, sizeof(host), port, sizeof(port),
                    NI_NUMERICHOST | NI_NUMERICSERV)) {
        return g_strdup(a->text);
    }
    return strchr(host, ':') ? g_strdup_printf("tcp:[%s]:%s", host, port)
                             : g_strdup_printf("tcp:%s:%s", host, port);
}

static int tcp_listen(const Address *a, char **ret_actual, GError **errp)
{
    Lookup *l = lookup(a, true, NULL, time_monotonic_ns() + 10 * NS_PER_SEC, errp);
    int err = 0;

    for (const struct addrinfo *ai = l ? l->result : NULL; ai; ai = ai->ai_next) {
        g_autofd int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        if (fd < 0) {
            err = errno;
            continue;
        }
        set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
        if (!bind(fd, ai->ai_addr, ai->ai_addrlen) && !listen(fd, 4)) {
            lookup_unref(l);
            *ret_actual = tcp_actual(fd, a);
            return steal_fd(&fd);
        }
        err = errno;
    }
    if (l) {
        lookup_unref(l);
        fail_errno(errp, err, "%s: cannot listen", a->text);
    }
    return -1;
}

static int unix_listen(const Address *a, char **ret_actual, GError **errp)
{
    struct sockaddr_un sa;
    g_autofd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (!unix_address(a, &sa, errp)) {
        return -1;
    }
    fd_remove_old_socket(a->path, true);
    if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) || listen(fd, 4)) {
        fail_errno(errp, errno, "%s: cannot listen", a->text);
        return -1;
    }
    *ret_actual = g_strdup(a->text);
    return steal_fd(&fd);
}

int channel_listen(const Address *a, char **ret_actual, GError **errp)
{
    switch (a->kind) {
    case ADDRESS_TCP:
        return tcp_listen(a, ret_actual, errp);
    case ADDRESS_UNIX:
        return unix_listen(a, ret_actual, errp);
    default:
        fail(errp, "%s: cannot listen on such an address", a->text);
        return -1;
    }
}

void channel_listen_end(int listener, const Address *a)
{
    close(listener);
    if (a->kind == ADDRESS_UNIX) {
        unlink(a->path);
    }
}

Channel *channel_accept(int listener, const Address *a, Interrupt *interrupt, int64_t deadline_ns,
                        GError **errp)
{
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        IoWait why;

        if (fd >= 0) {
            socket_tune(fd);
            return channel_new(fd, fd, a->text, interrupt);
        }
        if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
            fail_errno(errp, errno, "%s: cannot accept", a->text);
            return NULL;
        }
        why = io_wait(listener, POLLIN, interrupt, deadline_ns);
        if (why != IO_READY) {
            io_fail(a->text, why, "waiting for a connection", errp);
            return NULL;
        }
    }
}
