/* tests/qtest/hang-disk.c - a library to preload: one file's reads, writes and syncs hang for as long as the test wants.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * $BATON_HANG names a folder with `disk` (the file, or a link to it), `lock` and `entered`, a FIFO.  While the test holds an
 * exclusive flock on `lock`, each call writes a byte to `entered` and waits; where there is a file
 * `only-syncs`, each sync; where there is a file `only-locks`, whoever locks, looks at or opens it; where there is a file
 * `only-memory`, whoever gets memory ready in advance, but not the disk. */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

static int open_in(const char *folder, const char *name, int flags)
{
    char path[4096];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return open(path, flags | O_CLOEXEC);
}

static int has(const char *folder, const char *name)
{
    char path[4096];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return !access(path, F_OK);
}

static int is_the_disk(const char *folder, int fd)
{
    char path[4096];
    struct stat disk, st;

    snprintf(path, sizeof(path), "%s/disk", folder);
    return !stat(path, &disk) && !fstat(fd, &st) && disk.st_ino == st.st_ino && disk.st_dev == st.st_dev;
}

static void wait_for_the_lock(const char *folder)
{
    int lock = open_in(folder, "lock", O_RDONLY), entered;

    if (lock < 0) {
        return;
    }
    if (flock(lock, LOCK_SH | LOCK_NB)) {
        entered = open_in(folder, "entered", O_WRONLY);
        if (write(entered, "x", 1) == 1) {
            flock(lock, LOCK_SH);
        }
        close(entered);
    }
    close(lock);
}

static void wait_for_the_test(int fd, int is_sync)
{
    const char *folder = getenv("BATON_HANG");

    if (folder && !has(folder, "only-memory") && !has(folder, "only-locks") && is_the_disk(folder, fd) &&
        (is_sync || !has(folder, "only-syncs"))) {
        wait_for_the_lock(folder);
    }
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t pread64(int fd, void *to, size_t size, off64_t at)
{
    wait_for_the_test(fd, 0);
    return NEXT(pread64)(fd, to, size, at);
}

ssize_t pwrite64(int fd, const void *from, size_t size, off64_t at)
{
    wait_for_the_test(fd, 0);
    return NEXT(pwrite64)(fd, from, size, at);
}

ssize_t preadv64(int fd, const struct iovec *iov, int count, off64_t at)
{
    wait_for_the_test(fd, 0);
    return NEXT(preadv64)(fd, iov, count, at);
}

ssize_t pwritev64(int fd, const struct iovec *iov, int count, off64_t at)
{
    wait_for_the_test(fd, 0);
    return NEXT(pwritev64)(fd, iov, count, at);
}

ssize_t writev(int fd, const struct iovec *iov, int count)
{
    wait_for_the_test(fd, 0);
    return NEXT(writev)(fd, iov, count);
}

ssize_t write(int fd, const void *from, size_t size)
{
    wait_for_the_test(fd, 0);
    return NEXT(write)(fd, from, size);
}

int fdatasync(int fd)
{
    wait_for_the_test(fd, 1);
    return NEXT(fdatasync)(fd);
}

static void wait_for_a_lock(int fd)
{
    const char *folder = getenv("BATON_HANG");

    if (folder && has(folder, "only-locks") && is_the_disk(folder, fd)) {
        wait_for_the_lock(folder);
    }
}

/* Of a path only its name is looked at. */
static void wait_for_a_path(const char *path)
{
    const char *folder = getenv("BATON_HANG"), *name = strrchr(path, '/');

    if (folder && has(folder, "only-locks") && !strcmp(name ? name + 1 : path, "disk.img")) {
        wait_for_the_lock(folder);
    }
}

int fcntl64(int fd, int command, ...)
{
    va_list ap;
    void *argument;

    va_start(ap, command);
    argument = va_arg(ap, void *);
    va_end(ap);
    if (command == F_OFD_SETLK || command == F_OFD_GETLK) {
        wait_for_a_lock(fd);
    }
    return NEXT(fcntl64)(fd, command, argument);
}

int open64(const char *path, int flags, ...)
{
    va_list ap;
    int mode;

    va_start(ap, flags);
    mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(ap, int) : 0;
    va_end(ap);
    wait_for_a_path(path);
    return NEXT(open64)(path, flags, mode);
}

int madvise(void *at, size_t size, int advice)
{
    const char *folder = getenv("BATON_HANG");

    if (folder && advice == MADV_POPULATE_WRITE && has(folder, "only-memory")) {
        wait_for_the_lock(folder);
    }
    return NEXT(madvise)(at, size, advice);
}
