/* block/lock.c - one writer for a disk image, across processes.
 * Page: docs/block.md.  Test: tests/unit/block/block-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Open-file-description locks on two bytes, as QEMU uses them, so that the two also keep out of each other's way: a
 * shared lock on byte 101 says "I write", one on byte 201 says "nobody else may write".  Who has set both looks whether
 * anybody else has set either.  Two that start at once may both give up; never do both go on. */
#include "block/node.h"

#include "util/error.h"

#include <errno.h>
#include <fcntl.h>

enum { I_WRITE = 101, NO_OTHER_WRITES = 201 };

static int set(int fd, int type, off_t at)
{
    struct flock l = {.l_type = type, .l_whence = SEEK_SET, .l_start = at, .l_len = 1};

    return fcntl(fd, F_OFD_SETLK, &l) < 0 ? errno : 0;
}

static bool others_have(int fd, off_t at)
{
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = at, .l_len = 1};

    return fcntl(fd, F_OFD_GETLK, &l) == 0 && l.l_type != F_UNLCK;
}

bool lock_take(int fd, const char *filename, GError **errp)
{
    int error = set(fd, F_RDLCK, I_WRITE);

    error = error ? error : set(fd, F_RDLCK, NO_OTHER_WRITES);
    if (error == EINVAL || error == ENOLCK || error == EOPNOTSUPP) {
        return true; /* a file system without locks: nothing can be promised */
    }
    if (error || others_have(fd, I_WRITE) || others_have(fd, NO_OTHER_WRITES)) {
        lock_drop(fd);
        return fail(errp, "cannot get the write lock of '%s': another process uses the image", filename);
    }
    return true;
}

void lock_drop(int fd)
{
    set(fd, F_UNLCK, I_WRITE);
    set(fd, F_UNLCK, NO_OTHER_WRITES);
}
