/* io/file.c - opening and writing a file in a thread of its own: nothing can take back a call that hangs in the kernel, but whoever
 * waits for it can be told to go on without it.
 * Page: docs/migration-stream.md.  Test: tests/handoff/frozen-test.py
 * Owner of a FileWriter: who made it, until file_writer_free(); of its buffer while it is busy: the thread.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "io/channel-private.h"

#include "util/error.h"
#include "util/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { BUFFER_BYTES = 1 << 20 };

/* ---- opening: whoever comes last frees ---- */
typedef struct Opening {
    char *path;
    int flags, fd, error, done_fd;
    gatomicrefcount refs;
} Opening;

static void opening_unref(Opening *o)
{
    if (!g_atomic_ref_count_dec(&o->refs)) {
        return;
    }
    if (o->fd >= 0) {
        close(o->fd);
    }
    close(o->done_fd);
    g_free(o->path);
    g_free(o);
}

static void *opening_thread(void *opaque)
{
    Opening *o = opaque;
    uint64_t one = 1;

    o->fd = open(o->path, o->flags, 0600);
    o->error = errno;
    if (write(o->done_fd, &one, sizeof(one)) < 0) {
        g_assert(errno == EAGAIN);
    }
    opening_unref(o);
    return NULL;
}

int file_open(const char *path, int flags, const char *name, const Interrupt *interrupt, int64_t deadline_ns, GError **errp)
{
    int done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), fd = -1;
    uint64_t done;
    Opening *o;
    IoWait why;

    if (done_fd < 0) {
        fail_errno(errp, errno, "%s: cannot open", name);
        return -1;
    }
    o = g_new(Opening, 1);
    *o = (Opening){.path = g_strdup(path), .flags = flags, .fd = -1, .done_fd = done_fd};
    g_atomic_ref_count_init(&o->refs);
    g_atomic_ref_count_inc(&o->refs);
    g_thread_unref(g_thread_new("file-open", opening_thread, o));
    why = io_wait(done_fd, POLLIN, interrupt, deadline_ns);
    if (why != IO_READY) {
        io_fail(name, why, "opening the file", errp);
    } else if (read(done_fd, &done, sizeof(done)) == sizeof(done) && o->fd >= 0) { /* the thread has let go of it */
        fd = steal_fd(&o->fd);
    } else {
        fail_errno(errp, o->error, "%s: cannot open", name);
    }
    opening_unref(o);
    return fd;
}

/* ---- writing ---- */
struct FileWriter {
    GMutex lock; /* leaf: the rest but for the buffer */
    GCond wake;
    int fd, idle_fd; /* idle_fd is readable while the thread has nothing to do */
    size_t size;     /* of what is to be written */
    bool truncates;  /* before the first write */
    bool wants_sync, is_over;
    int error; /* an errno, for good */
    uint8_t buffer[BUFFER_BYTES];
};

static void set_idle(FileWriter *w, bool is)
{
    uint64_t count = 1;

    if ((is ? write(w->idle_fd, &count, sizeof(count)) : read(w->idle_fd, &count, sizeof(count))) < 0) {
        g_assert(errno == EAGAIN);
    }
}

static int work(FileWriter *w, size_t size, bool wants_sync)
{
    ssize_t done;

    if (w->truncates && ftruncate(w->fd, 0)) {
        return errno;
    }
    w->truncates = false;
    done = fd_write_all(w->fd, w->buffer, size);
    if (done != (ssize_t)size) {
        return done < 0 ? -done : ENOSPC;
    }
    return wants_sync && fdatasync(w->fd) ? errno : 0;
}

static void *writer_thread(void *opaque)
{
    FileWriter *w = opaque;

    g_mutex_lock(&w->lock);
    while (!w->is_over) {
        size_t size = w->size;
        bool wants_sync = w->wants_sync;
        int error;

        if (!size && !wants_sync) {
            g_cond_wait(&w->wake, &w->lock);
            continue;
        }
        g_mutex_unlock(&w->lock);
        error = work(w, size, wants_sync);
        g_mutex_lock(&w->lock);
        w->error = w->error ? w->error : error;
        w->size = 0;
        w->wants_sync = false;
        set_idle(w, true);
    }
    g_mutex_unlock(&w->lock);
    close(w->fd); /* that may hang, too */
    if (w->idle_fd >= 0) {
        close(w->idle_fd);
    }
    g_mutex_clear(&w->lock);
    g_cond_clear(&w->wake);
    g_free(w);
    return NULL;
}

FileWriter *file_writer_new(int take_fd)
{
    FileWriter *w = g_new(FileWriter, 1);

    memset(w, 0, offsetof(FileWriter, buffer));
    g_mutex_init(&w->lock);
    g_cond_init(&w->wake);
    w->fd = take_fd;
    w->idle_fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
    g_thread_unref(g_thread_new("file-writer", writer_thread, w));
    return w;
}

void file_writer_free(FileWriter *w)
{
    if (w) {
        g_mutex_lock(&w->lock);
        w->is_over = true;
        g_cond_signal(&w->wake);
        g_mutex_unlock(&w->lock);
    }
}

void file_writer_truncate(FileWriter *w)
{
    g_mutex_lock(&w->lock);
    w->truncates = true;
    g_mutex_unlock(&w->lock);
}

static void begin(FileWriter *w, size_t size, bool wants_sync)
{
    g_mutex_lock(&w->lock);
    set_idle(w, false);
    w->size = size;
    w->wants_sync = wants_sync;
    g_cond_signal(&w->wake);
    g_mutex_unlock(&w->lock);
}

static bool wait_idle(FileWriter *w, const Channel *c, int64_t deadline_ns, const char *doing, GError **errp)
{
    IoWait why;
    int error;

    if (w->idle_fd < 0) { /* nothing is ever begun then */
        return fail(errp, "%s: %s failed: no descriptor is left", c->name, doing);
    }
    why = io_wait(w->idle_fd, POLLIN, c->interrupt, deadline_ns);
    if (why != IO_READY) {
        return io_fail(c->name, why, doing, errp);
    }
    g_mutex_lock(&w->lock);
    error = w->error;
    g_mutex_unlock(&w->lock);
    return !error || fail_errno(errp, error, "%s: %s failed", c->name, doing);
}

static size_t gather(FileWriter *w, struct iovec **iov, int *n)
{
    size_t size = 0;

    while (*n && size < BUFFER_BYTES) {
        size_t piece = MIN((*iov)->iov_len, BUFFER_BYTES - size);

        memcpy(w->buffer + size, (*iov)->iov_base, piece);
        size += piece;
        (*iov)->iov_base = (uint8_t *)(*iov)->iov_base + piece;
        (*iov)->iov_len -= piece;
        if (!(*iov)->iov_len) {
            (*iov)++;
            (*n)--;
        }
    }
    return size;
}

bool file_writer_put(FileWriter *w, const Channel *c, struct iovec *iov, int n, int64_t deadline_ns, GError **errp)
{
    while (n) {
        size_t size;

        if (!wait_idle(w, c, deadline_ns, "writing", errp)) {
            return false;
        }
        size = gather(w, &iov, &n);
        if (size) {
            begin(w, size, false);
        }
    }
    return true;
}

bool file_writer_sync(FileWriter *w, const Channel *c, GError **errp)
{
    if (!wait_idle(w, c, CHANNEL_FOREVER, "writing", errp)) {
        return false;
    }
    begin(w, 0, true);
    return wait_idle(w, c, CHANNEL_FOREVER, "flushing", errp);
}
