/* chardev/stream.c - a pair of non-blocking descriptors behind a chardev.  Owner: main loop (vm_lock).
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Out: what the other side does not take at once waits in a queue of at most CHARDEV_QUEUE_MAX bytes; the front end is told
 * when it is empty again.  In: read only as much as the front end takes. */
#include "backend.h"
#include "util/fd.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>

static void hung_up(Chardev *c)
{
    if (c->backend->hung_up) {
        c->backend->hung_up(c);
    } else {
        stream_end_input(c);
        chardev_set_open(c, false);
    }
}

void stream_end_input(Chardev *c)
{
    if (c->stream.in_watch) {
        loop_watch_set(c->stream.in_watch, 0);
    }
}

/* ---- in ---- */

static void keep_fds(ChardevStream *s, struct msghdr *msg)
{
    for (struct cmsghdr *m = CMSG_FIRSTHDR(msg); m; m = CMSG_NXTHDR(msg, m)) {
        size_t count = m->cmsg_type == SCM_RIGHTS ? (m->cmsg_len - CMSG_LEN(0)) / sizeof(int) : 0;
        const int *fds = (const int *)CMSG_DATA(m);

        for (size_t i = 0; i < count; i++) {
            if (s->fd_count < CHARDEV_FDS_MAX) {
                s->fds[s->fd_count++] = fds[i];
            } else {
                close(fds[i]); /* nobody took the older ones; the command will say that there is none */
            }
        }
    }
}

static ssize_t receive(ChardevStream *s, void *buf, size_t size)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int) * CHARDEV_FDS_MAX)];
        struct cmsghdr align;
    } control;
    struct iovec iov = {buf, size};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
    ssize_t n;

    if (!s->is_socket) {
        return read(s->in, buf, size);
    }
    n = recvmsg(s->in, &msg, MSG_CMSG_CLOEXEC);
    if (n >= 0) {
        keep_fds(s, &msg);
    }
    return n;
}

/* With no room a descriptor is not read; a socket still says that its peer has gone.  What that one left is kept for a
 * front end that has room later, and until then the end is not seen. */
static size_t room(Chardev *c)
{
    return c->holds_input || chardev_late_left(c) ? 0 : chardev_front_room(c);
}

static GIOCondition wish(Chardev *c)
{
    return room(c) ? G_IO_IN : c->stream.is_socket ? G_IO_HUP : 0;
}

static bool is_at_end(const ChardevStream *s)
{
    uint8_t byte;

    return s->is_socket && recv(s->in, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static void in_ready(int fd, GIOCondition ready, void *opaque)
{
    Chardev *c = opaque;
    uint8_t buf[4096];
    size_t most = MIN(room(c), sizeof(buf));
    ssize_t n;

    if (!most) {
        if (!(ready & (G_IO_HUP | G_IO_ERR))) {
            loop_watch_set(c->stream.in_watch, wish(c));
        } else if (is_at_end(&c->stream)) {
            hung_up(c);
        } else {
            loop_watch_set(c->stream.in_watch, 0);
        }
        return;
    }
    n = receive(&c->stream, buf, most);
    if (n > 0) {
        chardev_front_read(c, buf, n);
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        hung_up(c);
    }
}

void stream_input(Chardev *c)
{
    if (c->stream.in_watch && c->is_open) {
        loop_watch_set(c->stream.in_watch, wish(c));
    }
}

/* ---- out ---- */

static ssize_t write_now(Chardev *c, const uint8_t *data, size_t size)
{
    ChardevStream *s = &c->stream;
    ssize_t n;

    do {
        n = s->is_socket ? send(s->out, data, size, MSG_NOSIGNAL) : write(s->out, data, size);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && errno != EAGAIN) {
        return -1;
    }
    return MAX(n, 0);
}

static void out_ready(int fd, GIOCondition ready, void *opaque)
{
    Chardev *c = opaque;
    ChardevStream *s = &c->stream;
    ssize_t n = s->queue->len ? write_now(c, s->queue->data, s->queue->len) : 0;

    if (n < 0) {
        g_byte_array_set_size(s->queue, 0);
        loop_watch_set(s->out_watch, 0);
        hung_up(c);
        chardev_front_can_write(c); /* of one that stays open what is written from now on vanishes */
        return;
    }
    g_byte_array_remove_range(s->queue, 0, n);
    if (!s->queue->len) {
        loop_watch_set(s->out_watch, 0);
        chardev_front_can_write(c);
    }
}

static void watch_output(Chardev *c)
{
    const ChardevStream *s = &c->stream;

    if (s->out_watch) {
        loop_watch_set(s->out_watch, s->queue->len && !c->holds_output ? G_IO_OUT : 0);
    }
}

size_t stream_write(Chardev *c, const uint8_t *data, size_t size)
{
    ChardevStream *s = &c->stream;
    ssize_t done = 0;
    size_t queued;

    if (c->is_expected) {
        queued = MIN(size, CHARDEV_QUEUE_MAX - c->early->len);
        g_byte_array_append(c->early, data, queued);
        return queued;
    }
    if (s->out < 0) {
        return size;
    }
    if (!s->queue->len && !c->holds_output) {
        done = write_now(c, data, size);
        if (done < 0) {
            return size; /* the other side is gone; the read side will say so, or nobody reads */
        }
    }
    queued = MIN(size - done, CHARDEV_QUEUE_MAX - s->queue->len);
    if (queued) {
        g_byte_array_append(s->queue, data + done, queued);
    }
    watch_output(c);
    return done + queued;
}

/* ---- between two processes ---- */
void stream_hold_output(Chardev *c, bool holds)
{
    c->holds_output = holds;
    watch_output(c);
}

void stream_hold_input(Chardev *c, bool holds)
{
    c->holds_input = holds;
    stream_input(c);
}

void stream_forget(Chardev *c)
{
    if (c->stream.queue) {
        g_byte_array_set_size(c->stream.queue, 0);
    }
    g_byte_array_set_size(c->early, 0);
    g_byte_array_set_size(c->late, 0);
    c->late_read = 0;
    c->is_expected = c->holds_input = false;
    stream_hold_output(c, false);
}

void stream_shut_peer(Chardev *c)
{
    struct sockaddr_storage sa;
    socklen_t size = sizeof(sa);

    if (c->stream.is_socket && !getsockname(c->stream.in, (struct sockaddr *)&sa, &size) && sa.ss_family == AF_UNIX) {
        shutdown(c->stream.in, SHUT_RD);
    }
}

/* ---- life ---- */

void stream_start(Chardev *c, int in, int out, bool is_borrowed)
{
    ChardevStream *s = &c->stream;
    struct stat st;

    s->in = in;
    s->out = out;
    s->is_borrowed = is_borrowed;
    s->is_socket = in >= 0 && !fstat(in, &st) && S_ISSOCK(st.st_mode);
    s->queue = g_byte_array_new();
    if (in >= 0) {
        fd_set_nonblocking(in, true);
        s->in_watch = loop_watch(in, 0, in_ready, c);
    }
    if (out >= 0) {
        fd_set_nonblocking(out, true);
        s->out_watch = loop_watch(out, 0, out_ready, c);
    }
    if (c->is_expected) {
        g_byte_array_append(s->queue, c->early->data, c->early->len);
        g_byte_array_set_size(c->early, 0);
        watch_output(c);
    }
    chardev_set_open(c, true);
    stream_input(c);
}

void stream_stop(Chardev *c)
{
    ChardevStream *s = &c->stream;
    int fd;

    loop_watch_free(s->in_watch);
    loop_watch_free(s->out_watch);
    if (s->queue && s->queue->len && s->out >= 0 && !c->holds_output) {
        write_now(c, s->queue->data, s->queue->len); /* the last words, as far as they go */
    }
    if (!s->is_borrowed) {
        if (s->out >= 0 && s->out != s->in) {
            close(s->out);
        }
        if (s->in >= 0) {
            close(s->in);
        }
    }
    while ((fd = chardev_take_fd(c)) >= 0) {
        close(fd);
    }
    g_clear_pointer(&s->queue, g_byte_array_unref);
    *s = (ChardevStream){.in = -1, .out = -1};
    c->is_open = false;
}
