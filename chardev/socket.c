/* chardev/socket.c - unix and tcp sockets, as server or client.  Owner: main loop (vm_lock).  Page: docs/chardev.md.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One peer at a time; a server takes the next one when it has gone.  A client with reconnect= tries again, by a thread:
 * names and connections can take long. */
#include "backend.h"
#include "io/fdset.h"
#include "qapi/opts.h"
#include "socket-address.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/log.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define ACCEPT_AGAIN_NS (100 * NS_PER_MS)

typedef struct Socket {
    SockAddress address;
    bool is_server, wait, nodelay, has_refused;
    uint64_t reconnect_ms;       /* 0: a client's first connection has to work, and is the only one */
    int listener;                /* -1: none */
    LoopWatch *listen_watch;
    struct Attempt *attempt;     /* a thread connects; NULL: none does */
    LoopTimer *retry;
} Socket;

typedef struct Attempt { /* owner: its thread, then the main loop */
    SockAddress address;
    char *id;
    Chardev *c;              /* main loop only.  NULL: gone meanwhile */
    int fd;
    GError *err;
} Attempt;

/* ---- one peer ---- */

static void peer_start(Chardev *c, int fd)
{
    Socket *s = c->impl;
    int on = 1;

    if (s->nodelay) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    }
    if (s->listen_watch) {
        loop_watch_set(s->listen_watch, 0);
    }
    stream_start(c, fd, fd, false);
}

static void socket_hung_up(Chardev *c)
{
    Socket *s = c->impl;

    c->is_open = false;
    stream_stop(c);
    c->is_open = true; /* so that the front end is told */
    chardev_set_open(c, false);
    if (s->listen_watch) {
        loop_watch_set(s->listen_watch, G_IO_IN);
    } else if (s->reconnect_ms) {
        loop_timer_set(s->retry, time_monotonic_ns() + s->reconnect_ms * NS_PER_MS);
    }
}

/* ---- server ---- */

static void listen_ready(int fd, GIOCondition ready, void *opaque)
{
    Chardev *c = opaque;
    Socket *s = c->impl;
    int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);

    if (peer >= 0) {
        s->has_refused = false;
        peer_start(c, peer);
    } else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
        if (!s->has_refused) { /* no descriptor is free, say: the peer waits */
            warn_report("chardev '%s': cannot accept: %s", c->id, g_strerror(errno));
        }
        s->has_refused = true;
        loop_watch_set(s->listen_watch, 0);
        loop_timer_set(s->retry, time_monotonic_ns() + ACCEPT_AGAIN_NS);
    }
}

static void listen_again(void *opaque)
{
    Chardev *c = opaque;

    if (!c->is_open) {
        loop_watch_set(((Socket *)c->impl)->listen_watch, G_IO_IN);
    }
}

static bool wait_for_peer(Chardev *c, GError **errp)
{
    Socket *s = c->impl;
    g_autofree char *text = sock_address_text(&s->address, true);
    int peer;

    info_report("waiting for connection on: %s", text);
    do {
        peer = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);
    } while (peer < 0 && errno == EINTR);
    if (peer < 0) {
        return fail_errno(errp, errno, "chardev '%s': cannot accept", c->id);
    }
    peer_start(c, peer);
    return true;
}

static bool server_start(Chardev *c, GError **errp)
{
    Socket *s = c->impl;

    s->listener = sock_listen(&s->address, c->id, errp);
    if (s->listener < 0) {
        return false;
    }
    if (s->wait && !wait_for_peer(c, errp)) {
        return false;
    }
    fd_set_nonblocking(s->listener, true);
    s->retry = loop_timer_new(listen_again, c);
    s->listen_watch = loop_watch(s->listener, c->is_open ? 0 : G_IO_IN, listen_ready, c);
    return true;
}

/* ---- client ---- */

static void retry_later(Chardev *c)
{
    Socket *s = c->impl;

    loop_timer_set(s->retry, time_monotonic_ns() + s->reconnect_ms * NS_PER_MS);
}

static void attempt_free(Attempt *a)
{
    sock_address_clear(&a->address);
    g_clear_error(&a->err);
    g_free(a->id);
    g_free(a);
}

static void attempt_done(void *opaque)
{
    Attempt *a = opaque;

    if (a->c) {
        ((Socket *)a->c->impl)->attempt = NULL;
    }
    if (a->c && a->fd >= 0) {
        peer_start(a->c, steal_fd(&a->fd));
    } else if (a->c) {
        TRACE(chardev_refused, "%s", a->err->message);
        retry_later(a->c);
    }
    fd_clear(&a->fd);
    attempt_free(a);
}

static void *attempt_run(void *opaque)
{
    Attempt *a = opaque;

    a->fd = sock_connect(&a->address, a->id, &a->err);
    loop_call(attempt_done, a);
    return NULL;
}

static void start_connecting(Chardev *c)
{
    Socket *s = c->impl;
    Attempt *a = g_new0(Attempt, 1);
    GThread *thread;

    *a = (Attempt){.address = sock_address_copy(&s->address), .id = g_strdup(c->id), .c = c, .fd = -1};
    thread = g_thread_try_new("connect", attempt_run, a, NULL);
    if (!thread) {
        attempt_free(a);
        retry_later(c);
        return;
    }
    s->attempt = a;
    g_thread_unref(thread);
}

static void retry_now(void *opaque)
{
    start_connecting(opaque);
}

static bool client_start(Chardev *c, GError **errp)
{
    Socket *s = c->impl;
    int fd;

    if (s->reconnect_ms) {
        s->retry = loop_timer_new(retry_now, c);
        start_connecting(c);
        return true;
    }
    fd = sock_connect(&s->address, c->id, errp);
    if (fd < 0) {
        return false;
    }
    peer_start(c, fd);
    return true;
}

/* ---- options ---- */

static const char *const socket_keys[] = {
    "host", "port", "to", "ipv4", "ipv6", "path", "abstract", "tight", "fd", "server", "wait", "delay", "nodelay",
    "reconnect", "reconnect-ms", "telnet", "websocket", NULL,
};

static bool parse_reconnect(Socket *s, const Json *options, GError **errp)
{
    uint64_t seconds = 0;

    if (!opts_get_u64(options, "reconnect", &seconds, errp) ||
        !opts_get_u64(options, "reconnect-ms", &s->reconnect_ms, errp)) {
        return false;
    }
    if (seconds > 3600 || s->reconnect_ms > 3600 * 1000 || (seconds && s->reconnect_ms)) {
        return fail(errp, "'reconnect' takes up to an hour, and not together with 'reconnect-ms'");
    }
    s->reconnect_ms += seconds * 1000;
    return true;
}

static bool parse_options(Chardev *c, Socket *s, const Json *options, GError **errp)
{
    bool delay = true, telnet = false, websocket = false;

    if (!sock_address_parse(options, &s->address, errp) || !opts_get_bool(options, "server", &s->is_server, errp) ||
        !opts_get_bool(options, "delay", &delay, errp) || !opts_get_bool(options, "nodelay", &s->nodelay, errp) ||
        !opts_get_bool(options, "telnet", &telnet, errp) || !opts_get_bool(options, "websocket", &websocket, errp) ||
        !parse_reconnect(s, options, errp)) {
        return false;
    }
    s->nodelay |= !delay;
    s->wait = s->is_server;
    if (json_get(options, "wait") && !s->is_server) {
        return fail(errp, "'wait' option is incompatible with socket in client connect mode");
    }
    if (!opts_get_bool(options, "wait", &s->wait, errp)) {
        return false;
    }
    if (telnet || websocket) {
        return fail(errp, "'%s' is not supported", telnet ? "telnet" : "websocket");
    }
    if (s->is_server && s->reconnect_ms) {
        return fail(errp, "'reconnect' option is incompatible with socket in server listen mode");
    }
    if (s->address.fd >= 0 && s->reconnect_ms) {
        return fail(errp, "'reconnect' option is incompatible with 'fd'");
    }
    return true;
}

static bool socket_open(Chardev *c, const Json *options, GError **errp)
{
    Socket *s = g_new0(Socket, 1);

    c->impl = s;
    s->listener = -1;
    if (!parse_options(c, s, options, errp)) {
        g_prefix_error(errp, "chardev '%s': ", c->id);
        return false;
    }
    return s->is_server ? server_start(c, errp) : client_start(c, errp);
}

static void socket_close(Chardev *c)
{
    Socket *s = c->impl;

    if (!s) {
        return;
    }
    loop_watch_free(s->listen_watch);
    loop_timer_free(s->retry);
    if (s->attempt) {
        s->attempt->c = NULL;
    }
    if (s->listener >= 0) {
        close(s->listener);
        sock_unlink(&s->address);
    }
    sock_address_clear(&s->address);
    g_free(s);
    c->impl = NULL;
}

static char *socket_describe(const Chardev *c)
{
    const Socket *s = c->impl;
    g_autofree char *text = sock_address_text(&s->address, s->is_server);

    return g_strconcat(c->is_open ? "" : "disconnected:", text, NULL);
}

const ChardevBackend backend_socket = {.name = "socket", .keys = socket_keys, .open = socket_open, .close = socket_close,
                                       .hung_up = socket_hung_up, .describe = socket_describe};
