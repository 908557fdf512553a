/* block/raw.c - a disk in a plain file or block device.
 * Owner: main loop opens and closes; workers read and write.  Page: docs/block.md.  Test: tests/unit/block/block-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "block/node.h"

#include "util/error.h"
#include "util/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

enum { DIRECT_ALIGN = 4096, PIECE = 512 * 1024, ZERO_PIECE = 1024 * 1024 };

static bool file_size(int fd, const char *filename, uint64_t *ret, GError **errp)
{
    struct stat st;

    if (fstat(fd, &st) < 0) {
        return fail_errno(errp, errno, "cannot stat '%s'", filename);
    }
    if (S_ISBLK(st.st_mode)) {
        if (ioctl(fd, BLKGETSIZE64, ret) < 0) {
            return fail_errno(errp, errno, "cannot get the size of '%s'", filename);
        }
        return true;
    }
    if (!S_ISREG(st.st_mode)) {
        return fail(errp, "'%s' is neither a file nor a block device", filename);
    }
    *ret = st.st_size;
    return true;
}

/* Looked at first: to open a pipe is to wait for its other end. */
static int open_disk(const char *filename, int flags)
{
    struct stat st;

    if (!stat(filename, &st) && S_ISFIFO(st.st_mode)) {
        errno = ESPIPE;
        return -1;
    }
    return open(filename, flags);
}

bool raw_open(BlockNode *n, RawAccess access, GError **errp)
{
    int flags = (access == RAW_READ ? O_RDONLY : O_RDWR) | O_CLOEXEC | (n->is_direct ? O_DIRECT : 0);
    g_autofd int fd = open_disk(n->filename, flags);
    bool locks = access == RAW_WRITE && !n->no_locking;
    uint64_t size;

    if (fd < 0) {
        return fail_errno(errp, errno, "cannot open '%s' for %s", n->filename, access == RAW_READ ? "reading" : "writing");
    }
    if (!file_size(fd, n->filename, &size, errp)) {
        return false;
    }
    if (locks && n->has_lock) {
        lock_drop(n->fd); /* the old descriptor is ours, too, but would count as another's */
    }
    if (locks && !lock_take(fd, n->filename, errp)) {
        n->has_lock = false;
        return false;
    }
    raw_close(n);
    n->fd = steal_fd(&fd);
    n->size = size;
    n->fd_writes = access != RAW_READ;
    n->is_writable = n->claim.is_ours = access == RAW_WRITE;
    n->claim.is_answered = false;
    n->has_lock = locks;
    return true;
}

void raw_close(BlockNode *n)
{
    if (n->fd >= 0) {
        close(n->fd); /* takes the lock with it */
    }
    n->fd = -1;
    n->is_writable = n->fd_writes = n->has_lock = false;
}

/* ---- requests ---- */
/* All of it, however the kernel splits it.  Reading past the end of the file gives zeroes. */
static int transfer(int fd, bool is_write, char *data, size_t size, uint64_t offset)
{
    while (size) {
        ssize_t n = is_write ? pwrite(fd, data, size, offset) : pread(fd, data, size, offset);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return -errno;
        }
        if (n == 0 && is_write) {
            return -ENOSPC;
        }
        if (n == 0) {
            memset(data, 0, size);
            break;
        }
        data += n;
        offset += n;
        size -= n;
    }
    return 0;
}

/* Between a guest's memory and the worker's own, at byte `at` of the request.  Workers read and write files in their own
 * memory only: a call that hangs in the kernel cannot be taken back, and the guest may have a new use for its memory.  So a
 * write also writes what was there when it began.  false: revoked. */
static bool copy(BlockRequest *r, bool to_guest, char *own, uint64_t at, size_t size)
{
    bool ok;

    g_mutex_lock(&r->guard.lock);
    ok = !r->guard.is_revoked;
    for (int i = 0; ok && size && i < r->iov_count; i++) {
        size_t piece;

        if (at >= r->iov[i].iov_len) {
            at -= r->iov[i].iov_len;
            continue;
        }
        piece = MIN(r->iov[i].iov_len - at, size);
        if (to_guest) {
            memcpy((char *)r->iov[i].iov_base + at, own, piece);
        } else {
            memcpy(own, (char *)r->iov[i].iov_base + at, piece);
        }
        own += piece;
        size -= piece;
        at = 0;
    }
    g_mutex_unlock(&r->guard.lock);
    return ok;
}

/* Each worker has one, for as long as it lives. */
static char *own_memory(void)
{
    static GPrivate key = G_PRIVATE_INIT(free);
    void *own = g_private_get(&key);

    if (!own && !posix_memalign(&own, DIRECT_ALIGN, PIECE)) {
        g_private_set(&key, own);
    }
    return own;
}

static int read_or_write(const BlockNode *n, BlockRequest *r)
{
    char *own = own_memory();
    bool is_write = r->op == BLOCK_WRITE;
    int result = own ? 0 : -ENOMEM;

    for (uint64_t at = 0; result == 0 && at < r->size; at += PIECE) {
        size_t size = MIN(PIECE, r->size - at);

        if (is_write && !copy(r, false, own, at, size)) {
            return -ECANCELED;
        }
        result = transfer(n->fd, is_write, own, size, r->offset + at);
        if (result == 0 && !is_write && !copy(r, true, own, at, size)) {
            return -ECANCELED;
        }
    }
    return result;
}

static bool is_revoked(BlockRequest *r)
{
    return !copy(r, true, NULL, 0, 0);
}

static int write_zeroes_slowly(const BlockNode *n, const BlockRequest *r)
{
    void *zeroes = NULL;
    int result = 0;

    if (posix_memalign(&zeroes, DIRECT_ALIGN, ZERO_PIECE)) {
        return -ENOMEM;
    }
    memset(zeroes, 0, ZERO_PIECE);
    for (uint64_t at = 0; result == 0 && at < r->size; at += ZERO_PIECE) {
        result = transfer(n->fd, true, zeroes, MIN(ZERO_PIECE, r->size - at), r->offset + at);
    }
    free(zeroes);
    return result;
}

static int punch(const BlockNode *n, const BlockRequest *r, int mode)
{
    int result;

    do {
        result = fallocate(n->fd, mode | FALLOC_FL_KEEP_SIZE, r->offset, r->size);
    } while (result < 0 && errno == EINTR);
    return result < 0 ? -errno : 0;
}

static int write_zeroes(const BlockNode *n, const BlockRequest *r)
{
    int result = -EOPNOTSUPP;

    if (r->may_unmap && n->can_discard) {
        result = punch(n, r, FALLOC_FL_PUNCH_HOLE);
    }
    if (result == -EOPNOTSUPP) {
        result = punch(n, r, FALLOC_FL_ZERO_RANGE);
    }
    return result == -EOPNOTSUPP || result == -EINVAL ? write_zeroes_slowly(n, r) : result;
}

/* The kernel tells an error of writing back once.  If it was told to a flush of ours, it stays until a flush of the guest
 * has taken it, and no flush of ours succeeds until then. */
static int sync_for_ourselves(BlockNode *n)
{
    int error;

    g_mutex_lock(&n->sync_lock);
    if (fdatasync(n->fd) < 0) {
        atomic_store(&n->owed_error, errno);
    }
    error = atomic_load(&n->owed_error);
    g_mutex_unlock(&n->sync_lock);
    return error;
}

static int sync_for_guest(BlockNode *n)
{
    int error = fdatasync(n->fd) < 0 ? errno : 0, owed;

    g_mutex_lock(&n->sync_lock); /* one of ours that is under way may have been told what this one was not */
    owed = atomic_exchange(&n->owed_error, 0);
    g_mutex_unlock(&n->sync_lock);
    return error ? error : owed;
}

/* The mark is taken first: what is written meanwhile sets it again. */
static int flush_file(BlockNode *n, bool is_ours)
{
    int error;

    if (n->no_flush || !n->is_writable) {
        return 0;
    }
    atomic_store(&n->is_unsynced, false);
    error = is_ours ? sync_for_ourselves(n) : sync_for_guest(n);
    if (error) {
        atomic_store(&n->is_unsynced, true);
    }
    return -error;
}

static int change(BlockNode *n, BlockRequest *r)
{
    int result;

    switch (r->op) {
    case BLOCK_DISCARD:
        result = n->can_discard ? punch(n, r, FALLOC_FL_PUNCH_HOLE) : 0; /* only a hint */
        result = result == -EOPNOTSUPP ? 0 : result;
        break;
    case BLOCK_WRITE_ZEROES:
        result = write_zeroes(n, r);
        break;
    default:
        result = read_or_write(n, r);
    }
    atomic_store(&n->is_unsynced, true); /* also after an error: part of it may be done */
    return result == 0 && r->is_through ? flush_file(n, false) : result;
}

int raw_execute(BlockNode *n, BlockRequest *r)
{
    if (is_revoked(r)) {
        return -ECANCELED;
    }
    switch (r->op) {
    case BLOCK_READ:
        return read_or_write(n, r);
    case BLOCK_FLUSH:
        return flush_file(n, r->is_ours);
    default:
        return change(n, r);
    }
}
