/* ui/spice/wire.c - the bytes of one connection, through whatever lies over the socket.  Owner: main loop (vm_lock).
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "wire.h"
#include "util/fd.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

/* A client that is frozen costs nothing, so it may stay for a while; one whose host has gone is noticed: idle after KEEP_IDLE_S
 * and some probes, with data under way after UNACKED_MS.  A frozen one has that too once its buffers are full. */
#define KEEP_IDLE_S 30
#define KEEP_PROBE_S 10
#define KEEP_PROBES 3
#define UNACKED_MS 120000

static ssize_t socket_read(SpiceWire *w, void *buf, size_t size)
{
    ssize_t n;

    do {
        n = recv(w->fd, buf, size, 0);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

static ssize_t socket_write(SpiceWire *w, const struct iovec *iov, int count)
{
    struct msghdr message = {.msg_iov = (struct iovec *)iov, .msg_iovlen = count};
    ssize_t n;

    do {
        n = sendmsg(w->fd, &message, MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

static const WireOps socket_ops = {.read = socket_read, .write = socket_write};

static void tune_tcp(int fd)
{
    static const struct {
        int level, name, value;
    } options[] = {
        {IPPROTO_TCP, TCP_NODELAY, 1},          {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, KEEP_IDLE_S}, {IPPROTO_TCP, TCP_KEEPINTVL, KEEP_PROBE_S},
        {IPPROTO_TCP, TCP_KEEPCNT, KEEP_PROBES}, {IPPROTO_TCP, TCP_USER_TIMEOUT, UNACKED_MS},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(options); i++) {
        setsockopt(fd, options[i].level, options[i].name, &options[i].value, sizeof(options[i].value));
    }
}

SpiceWire *wire_socket(int fd, bool is_unix)
{
    SpiceWire *w = g_new0(SpiceWire, 1);

    w->ops = &socket_ops;
    w->fd = fd;
    w->is_unix = is_unix;
    fd_set_nonblocking(fd, true);
    if (!is_unix) {
        tune_tcp(fd);
    }
    return w;
}

SpiceWire *wire_over(SpiceWire *lower, const WireOps *ops, size_t size)
{
    SpiceWire *w = g_malloc0(size);

    *w = *lower;
    w->ops = ops;
    w->lower = lower;
    return w;
}

ssize_t wire_read(SpiceWire *w, void *buf, size_t size)
{
    return w->ops->read(w, buf, size);
}

ssize_t wire_write(SpiceWire *w, const struct iovec *iov, int n)
{
    return w->ops->write(w, iov, n);
}

int wire_write_out(SpiceWire *w, GByteArray *out, size_t *at)
{
    while (*at < out->len) {
        struct iovec iov = {out->data + *at, out->len - *at};
        ssize_t n = wire_write(w, &iov, 1);

        if (n < 0) {
            return n;
        }
        *at += n;
    }
    g_byte_array_set_size(out, 0);
    *at = 0;
    return 0;
}

int wire_flush(SpiceWire *w)
{
    for (; w; w = w->lower) {
        int result = w->ops->flush ? w->ops->flush(w) : 0;

        if (result) {
            return result;
        }
    }
    return 0;
}

bool wire_pending(SpiceWire *w)
{
    for (; w; w = w->lower) {
        if (w->ops->pending && w->ops->pending(w)) {
            return true;
        }
    }
    return false;
}

GIOCondition wire_wants(SpiceWire *w)
{
    GIOCondition wants = 0;

    for (; w; w = w->lower) {
        wants |= w->ops->wants ? w->ops->wants(w) : 0;
    }
    return wants;
}

void wire_hang_up(SpiceWire *w)
{
    shutdown(w->fd, SHUT_RDWR);
}

void wire_free(SpiceWire *w)
{
    if (!w) {
        return;
    }
    if (w->ops->free) {
        w->ops->free(w);
    }
    if (w->lower) {
        wire_free(w->lower);
    } else {
        close(w->fd);
    }
    g_free(w);
}
