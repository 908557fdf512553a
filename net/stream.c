/* net/stream.c - netdev over a byte stream: each frame behind its length in four big-endian bytes.  Guarded by: vm_lock.
 * Page: docs/net.md.  Test: tests/unit/net/stream-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Nothing is lost between two connected ends: a frame that was begun is finished, however small the pieces; a frame that
 * the guest has no room for stays in the buffer, and then in the socket. */
#include "netdev.h"

#include "util/bytes.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/log.h"

#include "events.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <sys/un.h>

#define LENGTH_BYTES 4
#define BUFFER_SIZE (256 * 1024) /* several frames per read; at least one whole */
#define RECONNECT_MS_MAX (3600 * 1000)
#define ACCEPT_AGAIN_NS (100 * NS_PER_MS)
#define CONNECT_AGAIN_NS (100 * NS_PER_MS)
#define JOIN_LOOK_MS 20

typedef struct Stream {
    Netdev nd;
    Json *addr;
    bool is_server;
    uint32_t reconnect_s;
    uint64_t reconnect_ms;

    NetAddress address;
    int fd, listener;
    LoopWatch *watch, *listen_watch;
    LoopTimer *retry;
    NetDefer *update;
    bool is_connected, is_connecting, is_broken, wants_room;
    uint64_t unplugged; /* frames sent while nobody was connected */

    uint32_t in_start, in_end;   /* of in[] */
    uint32_t out_start, out_end; /* of out[]: the rest of one frame */
    uint8_t out[LENGTH_BYTES + NET_FRAME_MAX];
    uint8_t in[BUFFER_SIZE];
} Stream;

static void stream_connect(void *opaque);

static Stream *stream_of(NetPort *p)
{
    return p->opaque;
}

static bool out_waits(const Stream *s)
{
    return s->out_start < s->out_end;
}

/* ---- coming and going of the connection: main loop ---- */
static void stream_disconnect(Stream *s, const char *why)
{
    TRACE(stream_disconnect, "%s: %s", s->nd.obj.id, why);
    if (s->in_end != s->in_start || out_waits(s)) {
        warn_report("netdev '%s': disconnected in the middle of a frame: %s", s->nd.obj.id, why);
    }
    loop_watch_free(s->watch);
    s->watch = NULL;
    if (s->fd >= 0) {
        close(s->fd);
    }
    s->fd = -1;
    s->in_start = s->in_end = s->out_start = s->out_end = 0;
    if (s->is_connected) {
        net_event_stream_disconnected(s->nd.obj.id);
    }
    s->is_connected = s->is_connecting = s->is_broken = s->wants_room = false;
    if (s->is_server) {
        loop_watch_set(s->listen_watch, s->listener >= 0 ? G_IO_IN : 0);
    } else if (s->reconnect_ms && s->retry) {
        loop_timer_set(s->retry, time_monotonic_ns() + s->reconnect_ms * NS_PER_MS);
    }
    if (s->nd.port.chain) {
        net_port_room(&s->nd.port); /* what waits to be written falls out of the open cable */
    }
}

static void stream_update(void *opaque)
{
    Stream *s = opaque;

    if (s->is_broken) {
        stream_disconnect(s, "error on the connection");
    } else if (s->watch && s->is_connected) {
        loop_watch_set(s->watch, (s->wants_room ? 0 : G_IO_IN) | (out_waits(s) ? G_IO_OUT : 0));
    }
}

/* ---- from the host ---- */
/* The next whole frame of the buffer; 0: not there yet, -1: not a frame. */
static int next_frame(Stream *s, NetFrame *f)
{
    uint32_t have = s->in_end - s->in_start, size;

    if (have < LENGTH_BYTES) {
        return 0;
    }
    size = load_be32(s->in + s->in_start);
    if (!size || size > NET_FRAME_MAX) {
        error_report("netdev '%s': frame of %u bytes announced, at most %d are allowed", s->nd.obj.id, size,
                     NET_FRAME_MAX);
        return -1;
    }
    if (have < LENGTH_BYTES + size) {
        return 0;
    }
    *f = (NetFrame){.data = s->in + s->in_start + LENGTH_BYTES, .size = size};
    return 1;
}

/* Frames delivered; *ret_full: the guest has no room.  -1: the stream is broken. */
static int deliver_buffered(Stream *s, bool *ret_full)
{
    int count = 0, found;
    NetFrame f;

    *ret_full = false;
    while ((found = next_frame(s, &f)) > 0) {
        if (net_port_send(&s->nd.port, &f) == NET_NO_ROOM) {
            *ret_full = true;
            break;
        }
        s->in_start += LENGTH_BYTES + f.size;
        count++;
    }
    if (s->in_start == s->in_end) {
        s->in_start = s->in_end = 0;
    } else if (s->in_start > BUFFER_SIZE / 2 || s->in_end == BUFFER_SIZE) {
        memmove(s->in, s->in + s->in_start, s->in_end - s->in_start);
        s->in_end -= s->in_start;
        s->in_start = 0;
    }
    return found < 0 ? -1 : count;
}

static int stream_break(Stream *s)
{
    s->is_broken = true;
    net_defer(s->update);
    return -EPIPE;
}

static int stream_read(Stream *s, int limit)
{
    bool full = false, was_full = s->wants_room;
    int count = 0;

    if (!s->is_connected || s->is_broken) {
        return 0;
    }
    for (;;) {
        int n = deliver_buffered(s, &full);
        ssize_t got;

        if (n < 0) {
            return stream_break(s);
        }
        count += n;
        if (full || count >= limit) {
            break;
        }
        got = recv(s->fd, s->in + s->in_end, BUFFER_SIZE - s->in_end, MSG_DONTWAIT);
        if (got > 0) {
            s->in_end += got;
            continue;
        }
        if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
            return stream_break(s);
        }
        break;
    }
    s->wants_room = full;
    if (full != was_full) {
        net_defer_now(s->update);
    }
    return count;
}

static void stream_peer_room(NetPort *p)
{
    stream_read(stream_of(p), NET_READ_BATCH);
}

static int stream_drain(NetPort *p)
{
    return stream_read(stream_of(p), NET_DRAIN_MAX);
}

/* A unix socket's peer is told so at once, and keeps what it has: no frame is between our last look and our end. */
static void stream_close_ears(NetPort *p)
{
    if (stream_of(p)->fd >= 0) {
        shutdown(stream_of(p)->fd, SHUT_RD);
    }
}

/* ---- to the host ---- */
static bool flush_out(Stream *s)
{
    while (out_waits(s)) {
        ssize_t n = send(s->fd, s->out + s->out_start, s->out_end - s->out_start, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n < 0) {
            if (errno != EAGAIN && errno != EINTR) {
                stream_break(s);
            }
            return false;
        }
        s->out_start += n;
    }
    s->out_start = s->out_end = 0;
    return true;
}

static void keep_rest(Stream *s, const uint8_t length[LENGTH_BYTES], const NetFrame *f, size_t written)
{
    memcpy(s->out, length, LENGTH_BYTES);
    memcpy(s->out + LENGTH_BYTES, f->data, f->size);
    s->out_start = written;
    s->out_end = LENGTH_BYTES + f->size;
    net_defer_now(s->update);
}

static NetResult stream_receive(NetPort *p, const NetFrame *f)
{
    Stream *s = stream_of(p);
    uint8_t length[LENGTH_BYTES];
    struct iovec iov[2] = {{length, LENGTH_BYTES}, {(void *)f->data, f->size}};
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
    ssize_t n;

    if (!s->is_connected || s->is_broken) {
        s->unplugged++;
        return NET_DONE;
    }
    if (out_waits(s)) {
        return NET_NO_ROOM;
    }
    store_be32(length, f->size);
    n = sendmsg(s->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        stream_break(s);
        return NET_DONE;
    }
    if (n < (ssize_t)(LENGTH_BYTES + f->size)) {
        keep_rest(s, length, f, MAX(n, 0));
    }
    return NET_DONE;
}

static bool stream_is_half(NetPort *p)
{
    Stream *s = stream_of(p);

    return s->is_connected && !s->is_broken && !s->wants_room && s->in_end != s->in_start;
}

/* A rest to write, or bytes that the other end has not taken from the socket yet. */
static bool stream_is_sending(NetPort *p)
{
    Stream *s = stream_of(p);
    int queued = 0;

    if (!s->is_connected || s->is_broken) {
        return false;
    }
    /* Of TCP only what was not sent yet: an acknowledgement may take its 40 ms. */
    ioctl(s->fd, s->address.sa.ss_family == AF_UNIX ? SIOCOUTQ : SIOCOUTQNSD, &queued);
    return out_waits(s) || queued > 0;
}

/* ---- events ---- */
static void stream_ready(int fd, GIOCondition ready, void *opaque)
{
    Stream *s = opaque;

    if ((ready & G_IO_OUT) && flush_out(s)) {
        stream_update(s);
        net_port_room(&s->nd.port);
    }
    if (ready & (G_IO_IN | G_IO_HUP | G_IO_ERR)) {
        stream_read(s, NET_READ_BATCH);
    }
    if (!(ready & G_IO_IN) && (ready & (G_IO_HUP | G_IO_ERR)) && s->wants_room) {
        loop_watch_set(s->watch, 0); /* read on when the guest has room; then the end is seen */
    }
}

static void stream_connected(Stream *s)
{
    g_autofree char *text = net_address_text(&s->address);
    int one = 1;

    setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    loop_watch_free(s->watch);
    s->is_connecting = false;
    s->is_connected = true;
    s->watch = loop_watch(s->fd, G_IO_IN, stream_ready, s);
    TRACE(stream_connect, "%s: %s", s->nd.obj.id, text);
    net_event_stream_connected(s->nd.obj.id, &s->address);
}

static void stream_accept(int fd, GIOCondition ready, void *opaque)
{
    Stream *s = opaque;
    int client = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (client < 0) {
        if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) { /* no descriptor is free, say: the peer waits */
            TRACE(stream_accept, "%s: %s", s->nd.obj.id, g_strerror(errno));
            loop_watch_set(s->listen_watch, 0);
            loop_timer_set(s->retry, time_monotonic_ns() + ACCEPT_AGAIN_NS);
        }
        return;
    }
    s->fd = client;
    loop_watch_set(s->listen_watch, 0); /* one peer at a time */
    stream_connected(s);
}

static void stream_listen_again(void *opaque)
{
    Stream *s = opaque;

    loop_watch_set(s->listen_watch, s->fd < 0 ? G_IO_IN : 0);
}

static void connect_ready(int fd, GIOCondition ready, void *opaque)
{
    Stream *s = opaque;
    socklen_t size = sizeof(int);
    int err = 0;

    getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &size);
    if (!err) {
        stream_connected(s);
        return;
    }
    if (!s->reconnect_ms) {
        g_autofree char *text = net_address_text(&s->address);

        warn_report("netdev '%s': cannot connect to %s: %s", s->nd.obj.id, text, g_strerror(err));
    }
    stream_disconnect(s, g_strerror(err));
}

/* 0 or an errno. */
static int begin_connect(Stream *s, int flags)
{
    s->fd = socket(s->address.sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
    return s->fd < 0 || connect(s->fd, (struct sockaddr *)&s->address.sa, s->address.size) < 0 ? errno : 0;
}

/* false: it failed. */
static bool go_on_connecting(Stream *s, int err)
{
    if (!err) {
        stream_connected(s);
    } else if (err == EINPROGRESS) {
        s->is_connecting = true;
        s->watch = loop_watch(s->fd, G_IO_OUT, connect_ready, s);
    } else if (err == EAGAIN) { /* a unix socket with too many who wait: nothing tells when there are fewer */
        close(s->fd);
        s->fd = -1;
        loop_timer_set(s->retry, time_monotonic_ns() + CONNECT_AGAIN_NS);
    } else {
        return false;
    }
    return true;
}

static void stream_connect(void *opaque)
{
    Stream *s = opaque;
    int err = begin_connect(s, SOCK_NONBLOCK);

    if (!go_on_connecting(s, err)) {
        stream_disconnect(s, g_strerror(err));
    }
}

/* Of a peer that is near: how it went is known within a moment. */
static int connect_soon(Stream *s)
{
    int err = begin_connect(s, SOCK_NONBLOCK);
    struct pollfd p = {s->fd, POLLOUT, 0};
    socklen_t size = sizeof(err);

    if (err == EINPROGRESS && poll(&p, 1, JOIN_LOOK_MS) == 1) {
        getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &err, &size);
    }
    return err;
}

/* ---- life ---- */
static bool stream_listen(Stream *s, GError **errp)
{
    g_autofree char *text = net_address_text(&s->address);
    int one = 1;

    if (s->address.is_fd) {
        s->listener = s->address.fd;
    } else {
        s->listener = socket(s->address.sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        setsockopt(s->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
        if (s->address.sa.ss_family == AF_UNIX) {
            fd_remove_old_socket(((struct sockaddr_un *)&s->address.sa)->sun_path, false);
        }
        if (s->listener < 0 || bind(s->listener, (struct sockaddr *)&s->address.sa, s->address.size) < 0) {
            return fail_errno(errp, errno, "netdev '%s': cannot listen on %s", s->nd.obj.id, text);
        }
    }
    if (listen(s->listener, 1) < 0 || !fd_set_nonblocking(s->listener, true)) {
        return fail_errno(errp, errno, "netdev '%s': cannot listen on %s", s->nd.obj.id, text);
    }
    s->address.size = sizeof(s->address.sa);
    getsockname(s->listener, (struct sockaddr *)&s->address.sa, &s->address.size);
    s->listen_watch = loop_watch(s->listener, G_IO_IN, stream_accept, s);
    return true;
}

static bool stream_join(Stream *s, GError **errp)
{
    int err;

    if (s->address.is_fd) {
        s->fd = s->address.fd;
        getsockname(s->fd, (struct sockaddr *)&s->address.sa, &(socklen_t){sizeof(s->address.sa)}); /* its family */
        if (!fd_set_nonblocking(s->fd, true)) {
            return fail_errno(errp, errno, "netdev '%s': fd %d", s->nd.obj.id, s->fd);
        }
        stream_connected(s);
        return true;
    }
    if (s->reconnect_ms) {
        stream_connect(s);
        return true;
    }
    /* Without reconnect a wrong address is the user's error and is told at once.  But once others wait for the main loop, a
     * peer that says nothing is not waited for: the events tell. */
    err = loop_is_running() ? connect_soon(s) : begin_connect(s, 0);
    if (s->fd >= 0) {
        fd_set_nonblocking(s->fd, true);
    }
    if (!go_on_connecting(s, err)) {
        g_autofree char *text = net_address_text(&s->address);

        return fail_errno(errp, err, "netdev '%s': cannot connect to %s", s->nd.obj.id, text);
    }
    return true;
}

static void stream_info(NetPort *p, GString *out)
{
    Stream *s = stream_of(p);
    g_autofree char *text = net_address_text(&s->address);

    g_string_append_printf(out, ",%s,%s,%s", text, s->is_server ? "server" : "client",
                           s->is_connected ? "connected" : "not connected");
}

static const NetPortOps stream_ops = {
    .type = "stream",
    .receive = stream_receive,
    .peer_room = stream_peer_room,
    .drain = stream_drain,
    .is_half = stream_is_half,
    .is_sending = stream_is_sending,
    .close_ears = stream_close_ears,
    .info = stream_info,
    .can_capture = true,
};

static bool stream_check(Stream *s, GError **errp)
{
    if (!s->addr) {
        return fail(errp, "Parameter 'addr' is missing");
    }
    if (s->reconnect_s && s->reconnect_ms) {
        return fail(errp, "netdev '%s': reconnect and reconnect-ms exclude each other", s->nd.obj.id);
    }
    s->reconnect_ms = s->reconnect_s ? s->reconnect_s * 1000ull : s->reconnect_ms;
    if (s->reconnect_ms > RECONNECT_MS_MAX) {
        return fail(errp, "netdev '%s': reconnect is more than an hour", s->nd.obj.id);
    }
    if (s->reconnect_ms && s->is_server) {
        return fail(errp, "netdev '%s': reconnect is for clients, not with server=on", s->nd.obj.id);
    }
    return net_address_parse(s->addr, SOCK_STREAM, s->is_server, &s->address, errp);
}

static bool stream_realize(Object *o, GError **errp)
{
    Stream *s = (Stream *)o;

    s->fd = s->listener = -1;
    if (!stream_check(s, errp)) {
        return false;
    }
    s->update = net_defer_new(stream_update, s);
    s->retry = loop_timer_new(s->is_server ? stream_listen_again : stream_connect, s);
    netdev_start(&s->nd, &stream_ops);
    return s->is_server ? stream_listen(s, errp) : stream_join(s, errp);
}

static void stream_unrealize(Object *o)
{
    Stream *s = (Stream *)o;

    loop_watch_free(s->watch);
    loop_watch_free(s->listen_watch);
    loop_timer_free(s->retry);
    net_defer_free(s->update);
    if (s->fd >= 0) {
        close(s->fd);
    }
    if (s->listener >= 0) {
        close(s->listener);
        if (!s->address.is_fd && s->address.sa.ss_family == AF_UNIX) {
            fd_remove_old_socket(((struct sockaddr_un *)&s->address.sa)->sun_path, true); /* another may have it by now */
        }
    }
}

static const Property stream_props[] = {
    PROP_JSON("addr", Stream, addr, "socket address: type=inet|unix|fd and its members"),
    PROP_BOOL("server", Stream, is_server, false, "listen instead of connecting"),
    PROP_U32("reconnect", Stream, reconnect_s, 0, "seconds between attempts to connect; 0: only one attempt"),
    PROP_U64("reconnect-ms", Stream, reconnect_ms, 0, "the same in milliseconds"),
    {},
};

const ObjectType netdev_stream_type = {
    .name = "stream",
    .parent = "netdev",
    .about = "frames over a stream socket, each behind its length",
    .kind = KIND_NETDEV,
    .size = sizeof(Stream),
    .props = stream_props,
    .realize = stream_realize,
    .unrealize = stream_unrealize,
    .flags = TYPE_USER_CREATABLE | TYPE_HOTPLUG,
};
