/* net/netdev.h - what all netdevs share: the object, its port, options that are not plain values.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Guarded by: vm_lock.  Watches and timers only from the main loop; receive() and drain() also run in harts' threads and
 * ask for watch changes by a NetDefer. */
#pragma once

#include "net/net.h"
#include "net/port.h"

#include <sys/socket.h>

#include "defer.h"

#define NET_READ_BATCH 64   /* frames per wake-up, so that one busy cable does not starve the loop */
#define NET_DRAIN_MAX 4096  /* frames in one drain */

typedef struct Netdev { /* first member of each */
    Object obj;
    NetPort port;
} Netdev;

static inline Netdev *netdev_of(Object *o)
{
    return (Netdev *)o;
}

/* A member `Json *`: what the user gave, of any type. */
extern const PropType prop_net_json;
#define PROP_JSON(n, T, m, text) {.name = n, .type = &prop_net_json, .offset = offsetof(T, m), .about = text}

void netdev_start(Netdev *nd, const NetPortOps *ops); /* registers the port: from here on frames may come */

/* "5", or a name that the monitor was given (getfd); checked to be open.  Taken: the caller closes it. */
int netdev_parse_fd(const char *text, const char *id, GError **errp);

/* ---- socket addresses: {"type": "inet", "host", "port"}, {"type": "unix", "path"}, {"type": "fd", "str"} ---- */
typedef struct NetAddress {
    bool is_fd;
    int fd;
    struct sockaddr_storage sa;
    socklen_t size;
} NetAddress;
bool net_address_parse(const Json *dict, int socktype, bool is_local, NetAddress *ret, GError **errp);
char *net_address_text(const NetAddress *a); /* "unix:/path", "tcp:1.2.3.4:5" without the scheme's word for inet */
bool net_address_is_multicast(const NetAddress *a);
