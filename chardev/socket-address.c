/* chardev/socket-address.c - where a socket chardev listens or connects to.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "socket-address.h"
#include "io/fdset.h"
#include "qapi/opts.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/loop.h"

#include <errno.h>
#include <netdb.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define CONNECT_WAIT_NS (30 * NS_PER_SEC)

bool sock_address_parse(const Json *options, SockAddress *ret, GError **errp)
{
    const char *path = json_get_str(options, "path"), *host = json_get_str(options, "host");
    const char *port = json_get_str(options, "port"), *fd = json_get_str(options, "fd");
    bool ipv4 = false, ipv6 = false;
    SockAddress a = {.fd = -1, .family = AF_UNSPEC};

    if (!!path + !!fd + !!port != 1) {
        return fail(errp, path || fd || port ? "give one of 'path', 'port' and 'fd'"
                                             : "a socket needs 'path', 'host' and 'port', or 'fd'");
    }
    if (!opts_get_bool(options, "abstract", &a.is_abstract, errp) || !opts_get_u64(options, "to", &a.to, errp) ||
        !opts_get_bool(options, "ipv4", &ipv4, errp) || !opts_get_bool(options, "ipv6", &ipv6, errp)) {
        return false;
    }
    if (fd && (a.fd = fd_from_text(fd, errp)) < 0) {
        return false;
    }
    a.family = ipv4 == ipv6 ? AF_UNSPEC : ipv4 ? AF_INET : AF_INET6;
    a.path = g_strdup(path);
    a.host = port ? g_strdup(host ? host : "") : NULL;
    a.port = g_strdup(port);
    *ret = a;
    return true;
}

void sock_address_clear(SockAddress *a)
{
    g_free(a->path);
    g_free(a->host);
    g_free(a->port);
    *a = (SockAddress){.fd = -1};
}

SockAddress sock_address_copy(const SockAddress *a)
{
    SockAddress copy = *a;

    copy.path = g_strdup(a->path);
    copy.host = g_strdup(a->host);
    copy.port = g_strdup(a->port);
    return copy;
}

char *sock_address_text(const SockAddress *a, bool is_server)
{
    const char *mode = is_server ? ",server=on" : "";

    if (a->path) {
        return g_strdup_printf("unix:%s%s", a->path, mode);
    }
    if (a->port) {
        return g_strdup_printf(strchr(a->host, ':') ? "tcp:[%s]:%s%s" : "tcp:%s:%s%s", a->host, a->port, mode);
    }
    return g_strdup_printf("fd:%s", mode);
}

/* ---- unix ---- */

static bool unix_address(const SockAddress *a, struct sockaddr_un *un, socklen_t *size, GError **errp)
{
    size_t length = strlen(a->path);

    *un = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (length + a->is_abstract >= sizeof(un->sun_path)) {
        return fail(errp, "UNIX socket path '%s' is too long; at most %zu bytes", a->path, sizeof(un->sun_path) - 1);
    }
    memcpy(un->sun_path + a->is_abstract, a->path, length);
    *size = a->is_abstract ? offsetof(struct sockaddr_un, sun_path) + 1 + length : sizeof(*un);
    return true;
}

static int unix_listen(SockAddress *a, const char *who, GError **errp)
{
    g_autofd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un un;
    socklen_t size;
    struct stat st;

    if (!unix_address(a, &un, &size, errp)) {
        return -1;
    }
    if (!a->is_abstract && !stat(a->path, &st) && S_ISSOCK(st.st_mode)) {
        unlink(a->path); /* left behind by an earlier run */
    }
    if (fd < 0 || bind(fd, (struct sockaddr *)&un, size) || listen(fd, 1)) {
        fail_errno(errp, errno, "chardev '%s': cannot listen on unix:%s", who, a->path);
        return -1;
    }
    if (!a->is_abstract && !stat(a->path, &st)) {
        a->inode = st.st_ino;
    }
    return steal_fd(&fd);
}

void sock_unlink(const SockAddress *a)
{
    struct stat st;

    if (a->path && !a->is_abstract && a->inode && !stat(a->path, &st) && (unsigned)st.st_ino == a->inode) {
        unlink(a->path);
    }
}

/* ---- tcp ---- */

static struct addrinfo *resolve(const SockAddress *a, const char *port, bool passive, const char *who, GError **errp)
{
    struct addrinfo hints = {.ai_family = a->family, .ai_socktype = SOCK_STREAM, .ai_flags = passive ? AI_PASSIVE : 0};
    struct addrinfo *list = NULL;
    int err = getaddrinfo(*a->host ? a->host : NULL, port, &hints, &list);

    if (err) {
        fail(errp, "chardev '%s': address resolution failed for %s:%s: %s", who, a->host, port, gai_strerror(err));
        return NULL;
    }
    return list;
}

static int listen_on(struct addrinfo *list)
{
    int last = 0;

    for (struct addrinfo *i = list; i; i = i->ai_next) {
        int fd = socket(i->ai_family, i->ai_socktype | SOCK_CLOEXEC, i->ai_protocol), on = 1;

        if (fd < 0) {
            last = errno;
            continue;
        }
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        if (!bind(fd, i->ai_addr, i->ai_addrlen) && !listen(fd, 1)) {
            return fd;
        }
        last = errno;
        close(fd);
    }
    errno = last;
    return -1;
}

/* Port 0, or one of a range: the one it became. */
static void note_port(SockAddress *a, int fd)
{
    struct sockaddr_storage name;
    socklen_t size = sizeof(name);
    char port[NI_MAXSERV];

    if (!getsockname(fd, (struct sockaddr *)&name, &size) &&
        !getnameinfo((struct sockaddr *)&name, size, NULL, 0, port, sizeof(port), NI_NUMERICSERV)) {
        g_free(a->port);
        a->port = g_strdup(port);
    }
}

static int tcp_listen(SockAddress *a, const char *who, GError **errp)
{
    unsigned first = strtoul(a->port, NULL, 10);
    int fd = -1;

    for (uint64_t port = first; fd < 0 && port <= MAX(a->to, first) && port < 65536; port++) {
        g_autofree char *text = a->to ? g_strdup_printf("%u", (unsigned)port) : g_strdup(a->port);
        struct addrinfo *list = resolve(a, text, true, who, errp);

        if (!list) {
            return -1;
        }
        fd = listen_on(list);
        freeaddrinfo(list);
    }
    if (fd < 0) {
        fail_errno(errp, errno, "chardev '%s': cannot listen on tcp:%s:%s", who, a->host, a->port);
        return -1;
    }
    note_port(a, fd);
    return fd;
}

int sock_listen(SockAddress *a, const char *who, GError **errp)
{
    if (a->fd >= 0) {
        int on = 0;
        socklen_t size = sizeof(on);

        if (getsockopt(a->fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &size) || !on) {
            fail(errp, "chardev '%s': descriptor %d is not a listening socket", who, a->fd);
            return -1;
        }
        return steal_fd(&a->fd);
    }
    return a->path ? unix_listen(a, who, errp) : tcp_listen(a, who, errp);
}

/* ---- connecting ---- */

static bool connect_one(int fd, const struct sockaddr *to, socklen_t size)
{
    static const struct timeval patience = {.tv_sec = CONNECT_WAIT_NS / NS_PER_SEC};
    int result;

    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)); /* later the socket never blocks */
    do {
        result = connect(fd, to, size);
    } while (result && errno == EINTR);
    errno = result && (errno == EAGAIN || errno == EINPROGRESS) ? ETIMEDOUT : errno;
    return !result;
}

static int unix_connect(const SockAddress *a, const char *who, GError **errp)
{
    g_autofd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un un;
    socklen_t size;

    if (!unix_address(a, &un, &size, errp)) {
        return -1;
    }
    if (fd < 0 || !connect_one(fd, (struct sockaddr *)&un, size)) {
        fail_errno(errp, errno, "chardev '%s': cannot connect to unix:%s", who, a->path);
        return -1;
    }
    return steal_fd(&fd);
}

static int tcp_connect(const SockAddress *a, const char *who, GError **errp)
{
    struct addrinfo *list = resolve(a, a->port, false, who, errp);
    int fd = -1, last = 0;

    for (struct addrinfo *i = list; i && fd < 0; i = i->ai_next) {
        fd = socket(i->ai_family, i->ai_socktype | SOCK_CLOEXEC, i->ai_protocol);
        if (fd >= 0 && !connect_one(fd, i->ai_addr, i->ai_addrlen)) {
            last = errno;
            close(fd);
            fd = -1;
        }
    }
    if (list) {
        freeaddrinfo(list);
        if (fd < 0) {
            fail_errno(errp, last, "chardev '%s': cannot connect to tcp:%s:%s", who, a->host, a->port);
        }
    }
    return fd;
}

int sock_connect(SockAddress *a, const char *who, GError **errp)
{
    if (a->fd >= 0) {
        return steal_fd(&a->fd);
    }
    return a->path ? unix_connect(a, who, errp) : tcp_connect(a, who, errp);
}
