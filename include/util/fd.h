/* include/util/fd.h - file descriptors that close themselves, and whole reads and writes.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>
#include <unistd.h>

static inline void fd_clear(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
    }
    *fd = -1;
}
#define g_autofd __attribute__((cleanup(fd_clear)))

static inline int steal_fd(int *fd)
{
    int result = *fd;

    *fd = -1;
    return result;
}

bool fd_set_nonblocking(int fd, bool on);
/* Before a unix socket is bound there: what an earlier run left behind goes away.  Nothing but a socket is ever removed; one
 * that another process still has is, unless it is spared: then bind() fails. */
void fd_remove_old_socket(const char *path, bool spare_living);
/* All bytes or -errno; restarts on EINTR, for blocking descriptors; read returns the bytes before end of file. */
ssize_t fd_read_all(int fd, void *buf, size_t size);
ssize_t fd_write_all(int fd, const void *buf, size_t size);
