/* ui/spice/link.h - a connection before it is a channel: who is it, may it, what does it want.  Owner: main loop (vm_lock).
 * Page: docs/spice.md.  Test: tests/functional/spice-test.py, tests/fuzz/spice-link.c
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A link lives LINK_WAIT_NS at most.  It reads what its step needs and not a byte more, so the channel finds the rest. */
#pragma once

#include "ends.h"
#include "format.h"
#include "ticket.h"
#include "util/loop.h"
#include "wire.h"

#define LINK_WAIT_NS (10 * NS_PER_SEC)      /* from accept to the last byte of the link stage */
#define LINK_GOODBYE_NS (2 * NS_PER_SEC)    /* for who was refused: to read why */

typedef struct SpiceLink SpiceLink;
typedef enum LinkAuth { LINK_AUTH_NONE, LINK_AUTH_TICKET, LINK_AUTH_SASL } LinkAuth;

typedef struct LinkHost { /* what the server says and does; results are SPICE_LINK_ERR_* */
    LinkAuth (*auth)(void *opaque);
    const Ticket *(*ticket)(void *opaque);
    uint32_t (*security)(SpiceLink *l, void *opaque);   /* is this channel allowed in clear, or in TLS */
    SpiceCaps (*caps)(SpiceLink *l, void *opaque);      /* of the channel; the link's request is known */
    uint32_t (*admit)(SpiceLink *l, void *opaque);      /* is there such a session and channel */
    void (*adopt)(SpiceLink *l, void *opaque);          /* all is said: take the wire (link_take_wire) or leave it */
    void (*gone)(SpiceLink *l, void *opaque);           /* last call: forget it */
} LinkHost;

typedef enum LinkStep {
    LINK_HEADER, LINK_REQUEST, LINK_MECHANISM, LINK_TICKET, LINK_SASL_NAME_SIZE, LINK_SASL_NAME, LINK_SASL_SIZE,
    LINK_SASL_DATA, LINK_SASL_RESULT, LINK_RESULT, LINK_GOODBYE, LINK_STEPS,
} LinkStep;

struct SpiceLink {
    const LinkHost *host;
    void *opaque;
    SpiceEnds ends;
    LinkRequest request;                    /* valid from LINK_MECHANISM on */
    /* the rest belongs to link.c and sasl.c */
    SpiceWire *wire;
    LoopWatch *watch;
    LoopTimer *deadline;
    LinkStep step;
    uint32_t want, result;
    GByteArray *in, *out;
    size_t out_at;
    TicketKey *key;
    struct SaslStage *sasl;
};

SpiceLink *link_start(SpiceWire *take, const SpiceEnds *ends, const LinkHost *host, void *opaque);
SpiceWire *link_take_wire(SpiceLink *l);
void link_free(SpiceLink *l);               /* closes; gone() is not called */

/* ---- for the steps ---- */
void link_expect(SpiceLink *l, LinkStep step, uint32_t bytes);
void link_finish(SpiceLink *l, uint32_t result, const char *why); /* why: for the trace; NULL when OK */
