/* include/chardev/spice-port.h - byte channels between devices of the guest and SPICE clients.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A chardev `spicevmc` or `spiceport` is a SpicePort.  Its front end is a device (a virtserialport); behind it the SPICE
 * server attaches, when there is one.  Nothing waits in between: what the server does not take stays with the device and
 * goes with the guest, and what the guest does not take stays with the server.  So at a freeze there is nothing to be
 * pulled out of here: spice_port_give() takes no more while the machine is stopped, what it took is in the guest's memory
 * or in the device's saved state, and the rest the server still has.
 * Owner: main loop (vm_lock). */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SPICE_PORTS_MAX 64

typedef struct SpicePort SpicePort; /* lives as long as its chardev */
typedef enum SpicePortKind {        /* which channel of the protocol carries it */
    SPICE_PORT_AGENT,               /* spicevmc,name=vdagent: main; at most one */
    SPICE_PORT_USBREDIR, SPICE_PORT_SMARTCARD,
    SPICE_PORT_NAMED,               /* spicevmc,name=port and spiceport,name=org.... */
    SPICE_PORT_WEBDAV,              /* spiceport,name=org.spice-space.webdav.* */
    SPICE_PORT__KINDS,
} SpicePortKind;

typedef struct SpicePortServer {    /* what the server does; none may be NULL */
    /* Bytes of the guest: how many are taken.  Fewer than `size`: the rest is offered again after
     * spice_port_has_room().  Called only while the port is open. */
    size_t (*take)(void *opaque, const uint8_t *data, size_t size);
    void (*room)(void *opaque);     /* spice_port_give() was refused some: it may be tried again */
    void (*guest_opened)(void *opaque, bool is_open);
    void (*gone)(void *opaque);     /* the chardev goes away, and is detached already */
} SpicePortServer;

/* Tells of every port there is, and of each that is made later.  One listener; NULL: none any more. */
void spice_ports_listen(void (*added)(SpicePort *p, void *opaque), void *opaque);
SpicePort *spice_port_find(SpicePortKind kind, const char *name); /* name NULL: the first of its kind; NULL: none */
SpicePortKind spice_port_kind(const SpicePort *p);
const char *spice_port_name(const SpicePort *p);    /* "org.spice-space.webdav.0"; "vdagent" */
unsigned spice_port_channel(const SpicePort *p);    /* 0, 1 ... in order of making, within its kind; stays as it is */

bool spice_port_attach(SpicePort *p, const SpicePortServer *server, void *opaque, GError **errp); /* one at a time */
void spice_port_detach(SpicePort *p);               /* closes it */
/* A client is there: the guest sees a port that is open.  In a handoff the destination's server opens before the machine
 * starts (HandoffPart.starting), then the guest sees no change. */
void spice_port_set_open(SpicePort *p, bool is_open);
bool spice_port_is_open(const SpicePort *p);
bool spice_port_is_guest_open(const SpicePort *p);  /* somebody in the guest has it open */

size_t spice_port_give(SpicePort *p, const uint8_t *data, size_t size); /* to the guest: how many it took; see room() */
void spice_port_has_room(SpicePort *p);             /* take() may be called again */
void spice_port_break(SpicePort *p);                /* as on a serial line */
