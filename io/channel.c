/* io/channel.c - non-blocking descriptors with deadlines and an interrupt.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "io/channel-private.h"

#include "util/error.h"
#include "util/fd.h"
#include "util/loop.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define WRITE_PIECE (1 << 20) /* one write of a plain buffer */

/* ---- interrupt ----
 * Raising writes the descriptor before the flag, clearing takes the flag back before the descriptor: in whatever order the two
 * meet, the descriptor is never readable for long without the flag, or who waits would turn in a circle. */
struct Interrupt {
    int fd;
    _Atomic bool raised;
};

Interrupt *interrupt_new(GError **errp)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    Interrupt *i;

    if (fd < 0) {
        fail_errno(errp, errno, "cannot get a descriptor to be woken by");
        return NULL;
    }
    i = g_new0(Interrupt, 1);
    i->fd = fd;
    return i;
}

void interrupt_raise(Interrupt *i)
{
    uint64_t one = 1;

    if (write(i->fd, &one, sizeof(one)) < 0) {
        g_assert(errno == EAGAIN);
    }
    atomic_store(&i->raised, true);
}

void interrupt_clear(Interrupt *i)
{
    uint64_t count;

    atomic_store(&i->raised, false);
    if (read(i->fd, &count, sizeof(count)) < 0) {
        g_assert(errno == EAGAIN);
    }
}

bool interrupt_raised(const Interrupt *i)
{
    return i && atomic_load(&i->raised);
}

int interrupt_fd(const Interrupt *i)
{
    return i ? i->fd : -1;
}

void interrupt_free(Interrupt *i)
{
    if (i) {
        close(i->fd);
        g_free(i);
    }
}

/* ---- waiting ---- */
IoWait io_wait(int fd, short want, const Interrupt *interrupt, int64_t deadline_ns)
{
    for (;;) {
        struct pollfd p[2] = {{fd, want, 0}, {interrupt_fd(interrupt), POLLIN, 0}};
        int64_t left =
            deadline_ns == CHANNEL_FOREVER ? NS_PER_SEC * 3600 : deadline_ns - time_monotonic_ns();
        struct timespec ts = {left / NS_PER_SEC, left % NS_PER_SEC};
        int n;

        if (interrupt_raised(interrupt)) {
            return IO_INTERRUPTED;
        }
        if (left <= 0) {
            return IO_TIMEOUT;
        }
        n = ppoll(p, 2, &ts, NULL);
        if (n > 0 && p[0].revents) {
            return IO_READY;
        }
    }
}

bool io_fail(const char *name, IoWait why, const char *doing, GError **errp)
{
    if (why == IO_INTERRUPTED) {
        return fail(errp, "%s: %s was interrupted", name, doing);
    }
    return fail(errp, "%s: %s timed out", name, doing);
}

static bool channel_fail(Channel *c, int err, const char *doing, GError **errp)
{
    if (err == 0 || err == ECONNRESET || err == EPIPE) {
        atomic_store(&c->at_end, true);
        return fail(errp, "%s: %s", c->name,
                    c->is_socket ? "connection closed by the other side" : "the stream ends early");
    }
    if (err == ETIMEDOUT || err == EHOSTUNREACH || err == ENETUNREACH || err == EHOSTDOWN || err == ENETDOWN) {
        return fail_errno(errp, err, "%s: the other side cannot be reached any more", c->name);
    }
    return fail_errno(errp, err, "%s: %s failed", c->name, doing);
}

/* ---- life ---- */
Channel *channel_new(int in, int out, const char *name, Interrupt *interrupt)
{
    Channel *c = g_new0(Channel, 1);
    int fd = in >= 0 ? in : out;
    struct stat st;
    int domain = 0;
    socklen_t size = sizeof(domain);

    g_assert(fd >= 0);
    c->in = in;
    c->out = out;
    c->name = g_strdup(name);
    c->interrupt = interrupt;
    if (!fstat(fd, &st)) {
        c->is_socket = S_ISSOCK(st.st_mode);
    }
    if (c->is_socket && !getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size)) {
        c->is_unix = domain == AF_UNIX;
    }
    if (in >= 0) {
        fd_set_nonblocking(in, true);
    }
    if (out >= 0 && out != in && !fstat(out, &st) && (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode))) {
        c->file = file_writer_new(out);
        c->out = -1;
    } else if (out >= 0) {
        fd_set_nonblocking(out, true);
    }
    return c;
}

void channel_pair(Channel *ret[2], Interrupt *a, Interrupt *b)
{
    int fds[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds)) {
        g_error("socketpair: %s", g_strerror(errno));
    }
    ret[0] = channel_new(fds[0], fds[0], "pair:0", a);
    ret[1] = channel_new(fds[1], fds[1], "pair:1", b);
}

static void close_fds(Channel *c)
{
    if (c->in >= 0) {
        close(c->in);
    }
    if (c->out >= 0 && c->out != c->in) {
        close(c->out);
    }
    c->in = c->out = -1;
}

void channel_free(Channel *c)
{
    if (!c) {
        return;
    }
    close_fds(c);
    file_writer_free(c->file);
    if (c->child > 0) {
        exec_end(c, c->interrupt, time_monotonic_ns() + NS_PER_SEC, NULL); /* cancelled: it need not end in its own time */
    }
    g_free(c->name);
    g_free(c);
}

void channel_hang_up(Channel *c)
{
    if (c->is_socket) {
        shutdown(c->out, SHUT_WR);
    }
}

const char *channel_name(const Channel *c)
{
    return c->name;
}

bool channel_is_socket(const Channel *c)
{
    return c->is_socket;
}

bool channel_is_unix(const Channel *c)
{
    return c->is_unix;
}

bool channel_can_read(const Channel *c)
{
    return c->in >= 0;
}

bool channel_at_end(const Channel *c)
{
    return atomic_load(&c->at_end);
}

int channel_peer_pid(const Channel *c)
{
    struct ucred cred;
    socklen_t size = sizeof(cred);

    if (!c->is_unix || getsockopt(c->in, SOL_SOCKET, SO_PEERCRED, &cred, &size)) {
        return 0;
    }
    return cred.pid;
}

/* ---- reading ---- */
bool channel_readv(Channel *c, const struct iovec *iov, int n, int64_t deadline_ns, size_t *ret,
                   GError **errp)
{
    g_assert(n > 0 && n <= CHANNEL_IOV_MAX);
    for (;;) {
        ssize_t got;
        IoWait why;

        if (interrupt_raised(c->interrupt)) {
            return io_fail(c->name, IO_INTERRUPTED, "reading", errp);
        }
        got = readv(c->in, iov, n);
        if (got > 0) {
            *ret = got;
            return true;
        }
        if (got == 0) {
            return channel_fail(c, 0, "reading", errp);
        }
        if (errno == EINTR) {
            continue;
        }
        if (errno != EAGAIN) {
            return channel_fail(c, errno, "reading", errp);
        }
        why = io_wait(c->in, POLLIN, c->interrupt, deadline_ns);
        if (why != IO_READY) {
            return io_fail(c->name, why, "reading", errp);
        }
    }
}

bool channel_read(Channel *c, void *buf, size_t size, int64_t deadline_ns, size_t *ret,
                  GError **errp)
{
    struct iovec iov = {buf, size};

    return channel_readv(c, &iov, 1, deadline_ns, ret, errp);
}

/* ---- writing ---- */
static void iov_skip(struct iovec **iov, int *n, size_t done)
{
    while (*n && done >= (*iov)->iov_len) {
        done -= (*iov)->iov_len;
        (*iov)++;
        (*n)--;
    }
    if (*n) {
        (*iov)->iov_base = (char *)(*iov)->iov_base + done;
        (*iov)->iov_len -= done;
    }
}

static ssize_t write_some(Channel *c, struct iovec *iov, int n)
{
    struct msghdr m = {.msg_iov = iov, .msg_iovlen = n};

    return c->is_socket ? sendmsg(c->out, &m, MSG_NOSIGNAL) : writev(c->out, iov, n);
}

bool channel_writev(Channel *c, struct iovec *iov, int n, int64_t deadline_ns, GError **errp)
{
    if (c->file) {
        return file_writer_put(c->file, c, iov, n, deadline_ns, errp);
    }
    iov_skip(&iov, &n, 0);
    while (n) {
        ssize_t put;
        IoWait why;

        if (interrupt_raised(c->interrupt)) {
            return io_fail(c->name, IO_INTERRUPTED, "writing", errp);
        }
        put = write_some(c, iov, MIN(n, CHANNEL_IOV_MAX));
        if (put >= 0) {
            iov_skip(&iov, &n, put);
            continue;
        }
        if (errno == EINTR) {
            continue;
        }
        if (errno != EAGAIN) {
            return channel_fail(c, errno, "writing", errp);
        }
        why = io_wait(c->out, POLLOUT, c->interrupt, deadline_ns);
        if (why != IO_READY) {
            return io_fail(c->name, why, "writing", errp);
        }
    }
    return true;
}

bool channel_write(Channel *c, const void *buf, size_t size, int64_t deadline_ns, GError **errp)
{
    const char *at = buf;

    while (size) {
        struct iovec iov = {(void *)at, MIN(size, WRITE_PIECE)};
        size_t piece = iov.iov_len;

        if (!channel_writev(c, &iov, 1, deadline_ns, errp)) {
            return false;
        }
        at += piece;
        size -= piece;
    }
    return true;
}

bool channel_finish(Channel *c, int64_t deadline_ns, GError **errp)
{
    if (c->file) {
        return file_writer_sync(c->file, c, errp);
    }
    if (c->child > 0) {
        close_fds(c);
        return exec_end(c, c->interrupt, deadline_ns, errp);
    }
    return true;
}
