/* tests/unit/chardev/peer.h - whoever connects to a chardev's socket.  For unit tests.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

static inline void settle(void) /* what the loop still has to do, without waiting */
{
    while (g_main_context_iteration(NULL, false)) {
    }
}

static inline int unix_client(const char *path)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    g_strlcpy(un.sun_path, path, sizeof(un.sun_path));
    g_assert_cmpint(connect(fd, (struct sockaddr *)&un, sizeof(un)), ==, 0);
    settle();
    return fd;
}
