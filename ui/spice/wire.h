/* ui/spice/wire.h - the bytes of one connection, through whatever lies over the socket.  Owner: main loop (vm_lock).
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A wire is the socket, or a layer over another wire: TLS, WebSocket, a SASL layer.  Nothing here blocks.  Page: docs/spice.md. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>
#include <sys/uio.h>

typedef struct SpiceWire SpiceWire;

typedef struct WireOps {
    ssize_t (*read)(SpiceWire *w, void *buf, size_t size);           /* > 0; 0: the end; -EAGAIN; -errno */
    ssize_t (*write)(SpiceWire *w, const struct iovec *iov, int n);  /* > 0: taken, maybe kept; -EAGAIN; -errno */
    int (*flush)(SpiceWire *w);                                      /* 0: nothing is kept; -EAGAIN; -errno.  NULL: 0 */
    bool (*pending)(SpiceWire *w);                                   /* would read give something without the socket? */
    GIOCondition (*wants)(SpiceWire *w);                             /* besides the owner's; NULL: 0 */
    void (*free)(SpiceWire *w);                                      /* its own; NULL */
} WireOps;

struct SpiceWire { /* first member of every layer */
    const WireOps *ops;
    SpiceWire *lower; /* owned; NULL: the socket */
    int fd;
    bool is_tls, is_unix, is_websocket;
};

SpiceWire *wire_socket(int fd, bool is_unix); /* takes fd, makes it non-blocking */
SpiceWire *wire_over(SpiceWire *lower, const WireOps *ops, size_t size); /* for layers: zeroed; takes lower */

ssize_t wire_read(SpiceWire *w, void *buf, size_t size);
ssize_t wire_write(SpiceWire *w, const struct iovec *iov, int n);
int wire_flush(SpiceWire *w);       /* all layers */
/* For layers: what is left of `out` from *at on.  0: all, and out is empty again; else as wire_write, to be called again. */
int wire_write_out(SpiceWire *w, GByteArray *out, size_t *at);
bool wire_pending(SpiceWire *w);
GIOCondition wire_wants(SpiceWire *w);
void wire_hang_up(SpiceWire *w);    /* both directions end now; free comes later */
void wire_free(SpiceWire *w);       /* NULL allowed */
