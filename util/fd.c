/* util/fd.c - whole reads and writes.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>

bool fd_set_nonblocking(int fd, bool on)
{
    int flags = fcntl(fd, F_GETFL);

    return flags >= 0 && fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK) == 0;
}

ssize_t fd_read_all(int fd, void *buf, size_t size)
{
    size_t done = 0;

    while (done < size) {
        ssize_t n = read(fd, (uint8_t *)buf + done, size - done);

        if (n < 0 && errno != EINTR) {
            return -errno;
        }
        if (n == 0) {
            break;
        }
        done += n > 0 ? n : 0;
    }
    return done;
}

ssize_t fd_write_all(int fd, const void *buf, size_t size)
{
    size_t done = 0;

    while (done < size) {
        ssize_t n = write(fd, (const uint8_t *)buf + done, size - done);

        if (n < 0 && errno != EINTR) {
            return -errno;
        }
        done += n > 0 ? n : 0;
    }
    return done;
}
