/* tools/view/conn.h - one connection of the viewer: the link stage as a client has it, then messages.  Owner: main loop.
 * Page: docs/view.md.  Test: tests/unit/tools/view-server-test.c, tests/fuzz/view.c
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a server says is not believed: each length is compared with a bound first, and what is wrong ends the connection. */
#pragma once

#include "ui/spice/format.h"
#include "ui/spice/wire.h"
#include "util/loop.h"

#define CONN_LINK_NS (10 * NS_PER_SEC)      /* until a connection is linked */
#define CONN_FINISH_NS (5 * NS_PER_SEC)     /* for the last bytes of one that is left */
#define CONN_OUT_BYTES (64 * 1024)          /* given to it and not yet written: above it has no room */
#define CONN_UNREAD_MAX (1024 * 1024)       /* the same: above it a server that does not read is not read either */
#define CONN_REPLY_MAX (LINK_REPLY_BYTES + 8 * LINK_CAPS_MAX)
#define CONN_NO_TYPE UINT32_MAX             /* limit(): such a message may not come */

typedef struct ViewConn ViewConn;

typedef struct ConnOps { /* each may drop the connection */
    void (*linked)(ViewConn *c, void *opaque);
    uint32_t (*limit)(ViewConn *c, uint16_t type, void *opaque); /* most bytes of such a message */
    bool (*message)(ViewConn *c, uint16_t type, const uint8_t *data, uint32_t size, void *opaque); /* false: not allowed */
    void (*room)(ViewConn *c, void *opaque);
    void (*ended)(ViewConn *c, const char *why, void *opaque); /* not after conn_drop() */
} ConnOps;

typedef struct ConnRequest {
    uint32_t session_id;
    uint8_t type, id;
    SpiceCaps common, caps;
    const char *password;   /* NULL: empty; not kept beyond conn_new() */
} ConnRequest;

/* Takes the wire, which may be on its way still. */
ViewConn *conn_new(SpiceWire *take, const ConnRequest *r, const ConnOps *ops, void *opaque);
void conn_drop(ViewConn *c);                /* NULL allowed; at once, and nothing is called any more */
void conn_finish(ViewConn *c);              /* drops it once everything is written, or soon */
void conn_listen(ViewConn *c, bool on);     /* a linked one is not read until then */
void conn_send(ViewConn *c, uint16_t type, const void *data, uint32_t size);
bool conn_has_room(const ViewConn *c);      /* linked, and not much to be written */
void conn_say_last(ViewConn *c, uint16_t type, const void *data, uint32_t size); /* written now, as far as that goes */
bool conn_was_refused(const ViewConn *c);   /* by the server's own word, in the link stage */
bool conn_is_linked(const ViewConn *c);
const SpiceCaps *conn_common(const ViewConn *c);    /* the server's */
const SpiceCaps *conn_caps(const ViewConn *c);
