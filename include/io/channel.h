/* include/io/channel.h - bytes in, bytes out: with a deadline for each wait, and interruptible at any moment.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A channel is a pair of non-blocking descriptors (often the same one).  One thread may read while another writes.
 * Every call that can wait takes a deadline (time_monotonic_ns(); CHANNEL_FOREVER: none) and ends at once, with an
 * error, when the channel's Interrupt is raised.  One text for one cause: see channel_fail() in io/channel.c. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#define CHANNEL_FOREVER INT64_MAX
#define CHANNEL_IOV_MAX 1024

/* Raised once, by any thread; everybody who waits on it stops waiting, now and later. */
typedef struct Interrupt Interrupt;
Interrupt *interrupt_new(GError **errp); /* NULL: no descriptor is left */
void interrupt_raise(Interrupt *i);
void interrupt_clear(Interrupt *i); /* by whoever waits with it */
bool interrupt_raised(const Interrupt *i);
int interrupt_fd(const Interrupt *i); /* readable once raised */
void interrupt_free(Interrupt *i);    /* nobody may be waiting any more */

typedef struct Channel Channel;

/* Takes both descriptors (they may be equal; -1: that direction does not exist).  `name` leads each error text. */
Channel *channel_new(int in, int out, const char *name, Interrupt *interrupt);
/* Two connected channels in one process: for tests. */
void channel_pair(Channel *ret[2], Interrupt *a, Interrupt *b);
void channel_free(Channel *c);             /* closes; what was written to a file may not be there without channel_finish() */
void channel_hang_up(Channel *c);          /* the other side sees the end; reading on goes on; any thread */
const char *channel_name(const Channel *c);
bool channel_is_socket(const Channel *c);
bool channel_is_unix(const Channel *c);    /* the other side is on this host */
bool channel_can_read(const Channel *c);
/* The process at the other end of a unix socket, or 0. */
int channel_peer_pid(const Channel *c);

/* At least one byte, or false.  The end of the bytes is an error too: "connection closed by the other side"; only
 * channel_at_end(), asked after a failure, tells it from other causes. */
bool channel_readv(Channel *c, const struct iovec *iov, int n, int64_t deadline_ns, size_t *ret, GError **errp);
bool channel_read(Channel *c, void *buf, size_t size, int64_t deadline_ns, size_t *ret, GError **errp);
bool channel_at_end(const Channel *c);
/* All bytes.  The iovecs are used up (changed). */
bool channel_writev(Channel *c, struct iovec *iov, int n, int64_t deadline_ns, GError **errp);
bool channel_write(Channel *c, const void *buf, size_t size, int64_t deadline_ns, GError **errp);
/* exec: closes the write side and checks that the command ended well; file: flushes to the disk, as long as that takes (only
 * the interrupt ends it). */
bool channel_finish(Channel *c, int64_t deadline_ns, GError **errp);

/* ---- addresses ---- */
typedef enum AddressKind { ADDRESS_TCP, ADDRESS_UNIX, ADDRESS_FD, ADDRESS_EXEC, ADDRESS_FILE } AddressKind;
typedef struct Address {
    AddressKind kind;
    char *text;       /* as in error messages: "tcp:host:port" */
    char *host, *port; /* tcp */
    char *path;       /* unix, file */
    char **argv;      /* exec; ends with NULL */
    int fd;           /* fd; owned, -1 when taken */
    uint64_t offset;  /* file */
} Address;
/* "tcp:H:P", "unix:PATH", "exec:CMD", "file:PATH[,offset=N]"; "fd:N" takes the number; names are the caller's business. */
Address *address_parse(const char *uri, GError **errp);
Address *address_copy(const Address *a); /* the fd is not copied: -1 */
void address_free(Address *a);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Address, address_free)

/* Connects, opens or starts.  `out`: we are the sender (file is made, exec reads from us). */
Channel *channel_open(Address *a, bool out, Interrupt *interrupt, int64_t deadline_ns, GError **errp);

/* Listens; *ret_actual: the address with the real port ("tcp:127.0.0.1:40123"); caller frees. */
int channel_listen(const Address *a, char **ret_actual, GError **errp);
void channel_listen_end(int listener, const Address *a); /* closes it; a unix socket's file goes with it */
Channel *channel_accept(int listener, const Address *a, Interrupt *interrupt, int64_t deadline_ns, GError **errp);
