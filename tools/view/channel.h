/* tools/view/channel.h - a channel of the viewer's session: what it understands, what it still has to say.  Owner: main loop.
 * Page: docs/view.md.  Test: tests/unit/tools/view-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A channel outlives its connection: at a handoff the connection to the destination takes the place of the old one, and what
 * was not said yet is said there. */
#pragma once

#include "conn.h"
#include "outbox.h"

#define VIEW_UNKNOWN_MAX (1024 * 1024)      /* bytes of a message that we do not know: it is skipped */
#define VIEW_OUT_MESSAGES_MAX 65536         /* that wait on one channel */

typedef struct ViewChannel ViewChannel;
typedef struct ViewSession ViewSession;

typedef struct ViewRow { /* tables end with {} */
    const char *name;
    uint16_t type;
    uint32_t min, max;      /* bytes of the body */
    bool (*take)(ViewChannel *c, const uint8_t *data, uint32_t size); /* false: malformed; NULL: of no interest */
} ViewRow;

typedef struct ViewKind {
    uint8_t type;           /* SPICE_CHANNEL_* */
    uint32_t caps;          /* what we can: first word */
    size_t size;            /* of the struct that begins with a ViewChannel */
    const ViewRow *rows;
    void (*start)(ViewChannel *c);      /* linked, anew: say what comes first; NULL */
    void (*resumed)(ViewChannel *c);    /* the same channel on another connection, after the first was lost; NULL */
    void (*reset)(ViewChannel *c);      /* it begins anew with another server; NULL */
    void (*stop)(ViewChannel *c);       /* NULL */
} ViewKind;

#define VIEW_PONGS_MAX 8

struct ViewChannel {
    const ViewKind *kind;
    uint8_t id;
    ViewSession *session;
    ViewConn *conn;         /* NULL: none now */
    ViewConn *ahead;        /* to the destination, quiet; NULL */
    ViewConn *left;         /* to the source, until all have moved; NULL */
    GQueue out;             /* of OutboxMessage: what has no numbers */
    Outbox box;             /* what has, until the guest has it */
    bool replays, resumes;  /* agreed on with the present server, or the last one; resumes: a loss is not its end */
    bool was_linked, is_up; /* ever; now */
    uint32_t ack_window, seen;          /* of the server's SET_ACK; messages since our last ACK */
    bool awaits_data;       /* MIGRATE_DATA comes next */
    unsigned pongs_owed;    /* they are said behind what was numbered before them; the latest, if they are more */
    uint8_t pongs[VIEW_PONGS_MAX][12];
};

extern const ViewKind view_main_kind, view_display_kind, view_inputs_kind, view_cursor_kind, view_port_kind;

ViewChannel *view_channel_new(ViewSession *s, const ViewKind *kind, uint8_t id);
void view_channel_free(ViewChannel *c);     /* NULL allowed */
/* data NULL: empty.  Waits for room.  false: the channel has ended, or more than VIEW_OUT_MESSAGES_MAX wait. */
bool view_send(ViewChannel *c, uint16_t type, const void *data, uint32_t size);
void view_flush(ViewChannel *c);            /* gives the connection what it has room for */
void view_channel_reset(ViewChannel *c);    /* what waits and what was counted is forgotten */
void view_channel_linked(ViewChannel *c);   /* its own connection is: it begins, or goes on after a loss */
void view_channel_has_conn(ViewChannel *c); /* a linked one, which is new to it */
void view_channel_lost(ViewChannel *c);     /* the one it had is; another may come */
void view_channel_take_ahead(ViewChannel *c);   /* the connection to the destination is ours; the old one is `left` */
extern const ConnOps view_conn_ops;         /* opaque: ViewChannel */
