/* chardev/socket-address.h - where a socket chardev listens or connects to.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "qapi/json.h"

typedef struct SockAddress { /* one of path, host and fd */
    char *path, *host, *port;
    bool is_abstract;
    uint64_t to;      /* highest port to try; 0: only `port` */
    int family, fd;   /* AF_UNSPEC, AF_INET, AF_INET6; fd -1: none */
    unsigned inode;   /* of the bound path: only that one is removed */
} SockAddress;

bool sock_address_parse(const Json *options, SockAddress *ret, GError **errp);
void sock_address_clear(SockAddress *a);
char *sock_address_text(const SockAddress *a, bool is_server); /* "unix:PATH,server=on"; caller frees */
int sock_listen(SockAddress *a, const char *who, GError **errp);
int sock_connect(SockAddress *a, const char *who, GError **errp); /* any thread: waits, for an address and up to CONNECT_WAIT_NS
                                                                     for a connection; a descriptor is taken */
SockAddress sock_address_copy(const SockAddress *a);
void sock_unlink(const SockAddress *a);
