/* ui/spice/ends.h - both addresses of a connection, as events and queries tell them.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <netdb.h>
#include <stdbool.h>
#include <sys/socket.h>

typedef struct SpiceEnd {
    char host[128], port[16];
    int family;
} SpiceEnd;

typedef struct SpiceEnds {
    SpiceEnd server, client;
    bool is_tls;
} SpiceEnds;

void ends_of_socket(int fd, SpiceEnds *ret);
