/* ui/spice/ports.h - byte channels between devices of the guest and clients.  Owner: main loop (vm_lock).
 * Page: docs/spice.md.  Test: tests/unit/ui/spice-port-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "channel.h"

#define PORT_DATA_MAX (256 * 1024)      /* bytes of a client's message */
#define PORT_PIECE (64 * 1024)          /* bytes of one to a client */

typedef struct PortState {              /* S1: to the channel of the same session, type and id */
    bool is_owner;                      /* it has the port: one client at a time */
    bool is_shut;                       /* and has closed it: the guest sees that nobody is there */
    bool is_told_open;                  /* as the client knows it */
    uint32_t taken;                     /* bytes of the held message that the guest has already, */
    bool drops;                         /* or who had them has closed the port: the rest is for nobody */
} PortState;

void ports_start(void);                 /* the chardevs there are, and those that come */
void ports_stop(void);
PortState *port_state(SpiceChannel *c); /* of a port or webdav channel */
