/* ui/spice/listener.c - where SPICE clients knock.  Owner: main loop (vm_lock).
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "listener.h"
#include "server.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/log.h"
#include "util/loop.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>

#define LISTENERS_MAX 2 /* clear and TLS */
#define BACKLOG 32
#define PAUSE_NS (200 * NS_PER_MS) /* without a descriptor for who knocks */

typedef struct Listener {
    int fd;
    bool is_tls, is_unix;
    LoopWatch *watch;
    char *path;
    ino_t inode;    /* of the path: only that one is removed */
} Listener;

static Listener listeners[LISTENERS_MAX];
static unsigned count;
static LoopTimer *pause_timer;

static void watch_all(GIOCondition want)
{
    for (unsigned i = 0; i < count; i++) {
        loop_watch_set(listeners[i].watch, want);
    }
}

static void pause_is_over(void *opaque)
{
    watch_all(G_IO_IN);
}

/* Who knocks goes on knocking: not to look for a while is all that helps. */
static void pause_all(void)
{
    pause_timer = pause_timer ? pause_timer : loop_timer_new(pause_is_over, NULL);
    loop_timer_set(pause_timer, time_monotonic_ns() + PAUSE_NS);
    watch_all(0);
}

static void knock(int fd, GIOCondition condition, void *opaque)
{
    Listener *l = opaque;
    int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (peer >= 0) {
        server_accept(peer, l->is_tls, l->is_unix);
    } else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
        TRACE(spice_accept, "%s", g_strerror(errno));
        pause_all();
    }
}

static Listener *add(int take, bool is_tls)
{
    Listener *l = &listeners[count++];

    *l = (Listener){.fd = take, .is_tls = is_tls};
    fd_set_nonblocking(take, true);
    l->watch = loop_watch(take, G_IO_IN, knock, l);
    return l;
}

static bool listen_unix(const SpiceConfig *c, GError **errp)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    g_autofd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct stat st;
    Listener *l;

    if (strlen(c->addr) >= sizeof(un.sun_path)) {
        return fail(errp, "spice: UNIX socket path '%s' is too long; at most %zu bytes", c->addr, sizeof(un.sun_path) - 1);
    }
    memcpy(un.sun_path, c->addr, strlen(c->addr) + 1);
    fd_remove_old_socket(c->addr, true);
    if (fd < 0 || bind(fd, (struct sockaddr *)&un, sizeof(un)) || listen(fd, BACKLOG)) {
        return fail_errno(errp, errno, "spice: cannot listen on unix:%s", c->addr);
    }
    l = add(steal_fd(&fd), false);
    l->is_unix = true;
    l->path = g_strdup(c->addr);
    l->inode = stat(c->addr, &st) ? 0 : st.st_ino;
    return true;
}

/* An IPv6 wildcard takes both families, unless only one is wanted. */
static int listen_at(const struct addrinfo *i, int only_v6)
{
    g_autofd int fd = socket(i->ai_family, i->ai_socktype | SOCK_CLOEXEC, i->ai_protocol);
    int on = 1;

    if (fd < 0) {
        return -1;
    }
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (i->ai_family == AF_INET6) {
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only_v6, sizeof(only_v6));
    }
    if (bind(fd, i->ai_addr, i->ai_addrlen) || listen(fd, BACKLOG)) {
        int err = errno;

        close(steal_fd(&fd));
        errno = err;
        return -1;
    }
    return steal_fd(&fd);
}

/* The first address that works, as the resolver sorts them; of wildcards, IPv6 first. */
static int listen_on_one(const struct addrinfo *list, bool is_wildcard, bool only_v6)
{
    int fd = -1, err = EADDRNOTAVAIL;

    for (int round = is_wildcard ? 0 : 1; round < 2 && fd < 0; round++) {
        for (const struct addrinfo *i = list; i && fd < 0; i = i->ai_next) {
            if (round || i->ai_family == AF_INET6) {
                fd = listen_at(i, only_v6);
                err = errno;
            }
        }
    }
    errno = err;
    return fd;
}

static bool listen_tcp(const SpiceConfig *c, uint64_t port, bool is_tls, GError **errp)
{
    bool is_one_family = c->ipv4 != c->ipv6;
    struct addrinfo hints = {.ai_family = !is_one_family ? AF_UNSPEC : c->ipv4 ? AF_INET : AF_INET6,
                             .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *list = NULL;
    g_autofree char *text = g_strdup_printf("%" G_GUINT64_FORMAT, port);
    int err = getaddrinfo(c->addr, text, &hints, &list), fd;

    if (err) {
        return fail(errp, "spice: address resolution failed for %s:%s: %s", c->addr ? c->addr : "", text, gai_strerror(err));
    }
    fd = listen_on_one(list, !c->addr, is_one_family);
    freeaddrinfo(list);
    if (fd < 0) {
        return fail_errno(errp, errno, "spice: cannot listen on %s:%s", c->addr ? c->addr : "*", text);
    }
    add(fd, is_tls);
    return true;
}

bool listeners_start(const SpiceConfig *c, GError **errp)
{
    if (c->is_unix) {
        return listen_unix(c, errp);
    }
    return (!c->port || listen_tcp(c, c->port, false, errp)) && (!c->tls_port || listen_tcp(c, c->tls_port, true, errp));
}

void listeners_stop(void)
{
    g_clear_pointer(&pause_timer, loop_timer_free);
    for (; count; count--) {
        Listener *l = &listeners[count - 1];
        struct stat st;

        loop_watch_free(l->watch);
        close(l->fd);
        if (l->path && !stat(l->path, &st) && st.st_ino == l->inode) {
            unlink(l->path);
        }
        g_free(l->path);
    }
}
