/* io/channel-private.h - what the files of io/ share.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "io/channel.h"

#include <sys/types.h>

typedef struct FileWriter FileWriter;

struct Channel {
    int in, out; /* -1: no such direction */
    char *name;
    Interrupt *interrupt; /* the maker's; outlives the channel */
    bool is_socket, is_unix;
    FileWriter *file; /* out is a file: its thread has the descriptor */
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

/* open() in a thread.  -1: it failed, or did not return in time, and what it returns later is closed.  `name` leads the error. */
int file_open(const char *path, int flags, const char *name, const Interrupt *interrupt, int64_t deadline_ns, GError **errp);
/* The channel says for how long the caller waits; the thread goes on with what it has begun. */
FileWriter *file_writer_new(int take_fd);
void file_writer_free(FileWriter *w); /* does not wait */
void file_writer_truncate(FileWriter *w); /* before the first byte: what the file had is gone when that is written */
/* On return the bytes are copied, and perhaps not yet written: an error comes with a later call. */
bool file_writer_put(FileWriter *w, const Channel *c, struct iovec *iov, int n, int64_t deadline_ns, GError **errp);
bool file_writer_sync(FileWriter *w, const Channel *c, GError **errp); /* takes as long as the disk does */
