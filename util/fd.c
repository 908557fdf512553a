/* util/fd.c - whole reads and writes.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

bool fd_set_nonblocking(int fd, bool on)
{
    int flags = fcntl(fd, F_GETFL);

    return flags >= 0 && fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK) == 0;
}

/* A connect() of the wrong type reaches nobody, but tells a living socket (EPROTOTYPE) from what is left of a dead one. */
static bool is_dead_socket(const char *path)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    g_autofd int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || strlen(path) >= sizeof(sa.sun_path)) {
        return false;
    }
    strcpy(sa.sun_path, path);
    return connect(fd, (struct sockaddr *)&sa, sizeof(sa)) && errno == ECONNREFUSED;
}

void fd_remove_old_socket(const char *path, bool spare_living)
{
    struct stat st;

    if (!lstat(path, &st) && S_ISSOCK(st.st_mode) && (!spare_living || is_dead_socket(path))) {
        unlink(path);
    }
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
