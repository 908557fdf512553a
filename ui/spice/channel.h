/* ui/spice/channel.h - one channel of one client: messages both ways.  Owner: main loop (vm_lock).  Page: docs/spice.md.
 * Test: tests/unit/ui/spice-channel-test.c, tests/fuzz/spice-channel.c
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a kind of channel understands is a table of rows with the bounds of each message; nothing else reaches its code.
 * Sending never blocks: messages wait in a bounded queue, and a channel that has much to say asks spice_has_room(). */
#pragma once

#include "ends.h"
#include "format.h"
#include "util/loop.h"
#include "wire.h"

#define CHANNEL_QUEUE_BYTES_MAX (16 * 1024 * 1024)  /* said and not yet written; beyond it the client is dropped */
#define CHANNEL_QUEUE_MESSAGES_MAX 16384
#define CHANNEL_ROOM_BYTES (256 * 1024)             /* has_room below it */
#define CHANNEL_BODY_MAX (256 * 1024)               /* of any message from a client; rows say less */
#define CHANNEL_ACK_WINDOW 20                       /* messages, on channels that have a window */

typedef struct SpiceChannel SpiceChannel;
typedef struct SpiceClient SpiceClient;

typedef enum Taken {
    TAKEN,
    TAKE_LATER, /* no room: the message comes again after spice_resume(); nothing is read until then */
    TAKE_BAD,   /* no client says this: the channel ends */
} Taken;

typedef struct MessageRow { /* tables end with {} */
    const char *name;
    uint16_t type;
    uint32_t min, max;      /* bytes of the body */
    Taken (*take)(SpiceChannel *c, const uint8_t *data, uint32_t size); /* NULL: known, and of no interest */
} MessageRow;

typedef struct ChannelKind {
    uint8_t type;           /* SPICE_CHANNEL_* */
    uint32_t caps;          /* what we offer: first word */
    bool has_window;
    size_t size;            /* of the struct that begins with a SpiceChannel */
    const MessageRow *rows;
    unsigned (*count)(void);            /* ids are 0 to count - 1 */
    void (*start)(SpiceChannel *c);     /* linked; say what comes first */
    void (*room)(SpiceChannel *c);      /* there may be room again; NULL */
    void (*stop)(SpiceChannel *c);      /* no more of it; the client may be gone already; NULL */
} ChannelKind;

/* What goes with the guest when its session does (S1 in docs/spice.md): to the channel's counterpart at the destination. */
typedef struct ChannelState {
    uint8_t type, id;
    uint64_t sent, received;            /* messages: serials of mini headers are these counts */
    uint32_t ack_generation, ack_window, unacked;
    bool ack_is_synced;                 /* the client has answered the latest SET_ACK */
} ChannelState;

typedef struct OutMessage {
    uint16_t type;
    GByteArray *body;
} OutMessage;

struct SpiceChannel {
    ChannelState st;
    const ChannelKind *kind;
    SpiceClient *client;                /* NULL once closed */
    SpiceEnds ends;
    SpiceCaps common, caps;             /* the client's */
    bool is_mini, is_closed;
    /* the rest belongs to channel.c */
    SpiceWire *wire;
    LoopWatch *watch;
    LoopTimer *again;
    uint8_t in_header[FULL_HEADER_BYTES], out_header[FULL_HEADER_BYTES];
    unsigned in_have, out_header_size;
    MessageHeader in;
    const MessageRow *row;
    GByteArray *body;
    bool is_held;                       /* the message in `body` waits for spice_resume() */
    GQueue out;                         /* of OutMessage; the first may be on its way */
    bool is_writing;                    /* the first one: serial given, header made */
    size_t out_at, out_bytes;
};

/* Takes the wire.  Nothing is said or heard before spice_channel_start(), in which the channel may end already, and its client
 * with it: so it has to be the client's by then. */
SpiceChannel *spice_channel_new(const ChannelKind *kind, uint8_t id, SpiceClient *client, SpiceWire *take, const SpiceEnds *ends,
                          const SpiceCaps *common, const SpiceCaps *caps);
void spice_channel_start(SpiceChannel *c);
void spice_channel_free(SpiceChannel *c);     /* of a closed one; nobody may be in it */

/* Takes the body (NULL: empty). */
void spice_send(SpiceChannel *c, uint16_t type, GByteArray *body);
bool spice_has_room(const SpiceChannel *c);
void spice_resume(SpiceChannel *c);   /* what was TAKE_LATER may be taken */
void spice_set_ack(SpiceChannel *c);  /* a new generation: the first thing on a channel with a window */
void spice_ping(SpiceChannel *c, uint32_t id, uint32_t padding); /* bytes, to see how fast they get there */
void spice_notify(SpiceChannel *c, uint32_t severity, const char *text);
/* Says DISCONNECTING as far as that goes without waiting, and closes.  Tells server_channel_closed(). */
void spice_disconnect(SpiceChannel *c, uint32_t reason);
void spice_close(SpiceChannel *c);
void spice_pump(SpiceChannel *c);     /* reads and writes what goes now */
void spice_poke(SpiceChannel *c);     /* there is something to say: room() soon; any thread */
