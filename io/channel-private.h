/* io/channel-private.h - what the files of io/ share.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "io/channel.h"

#include <sys/types.h>

struct Channel {
    int in, out; /* -1: no such direction */
    char *name;
    Interrupt *interrupt; /* the maker's; outlives the channel */
    bool is_socket, is_unix, is_file;
    _Atomic bool at_end; /* the other side closed */
    pid_t child;         /* exec */
    int child_fd;        /* its pidfd */
};

typedef enum IoWait { IO_READY, IO_TIMEOUT, IO_INTERRUPTED } IoWait;
IoWait io_wait(int fd, short want, const Interrupt *interrupt, int64_t deadline_ns);
bool io_fail(const char *name, IoWait why, const char *doing, GError **errp);

int tcp_connect(const Address *a, const Interrupt *interrupt, int64_t deadline_ns, GError **errp);
int unix_connect(const Address *a, const Interrupt *interrupt, int64_t deadline_ns, GError **errp);
void socket_tune(int fd);
Channel *exec_start(const Address *a, bool out, Interrupt *interrupt, GError **errp);
/* Waits for the command, ends it at the deadline; false unless it ended with status 0. */
bool exec_end(Channel *c, const Interrupt *interrupt, int64_t deadline_ns, GError **errp);
