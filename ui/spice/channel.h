/* ui/spice/channel.h - one channel of one client: messages both ways.  Owner: main loop (vm_lock).  Page: docs/spice.md.
 * Test: tests/unit/ui/spice-channel-test.c, tests/fuzz/spice-channel.c
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a kind of channel understands is a table of rows with the bounds of each message; nothing else reaches its code.
 * Sending never blocks: messages wait in a bounded queue, and a channel that has much to say asks spice_has_room(). */
#pragma once

#include "ends.h"
#include "format.h"
#include "replay.h"
#include "util/loop.h"
#include "vmstate/vmstate.h"
#include "wire.h"

#define CHANNEL_QUEUE_BYTES_MAX (16 * 1024 * 1024)  /* said and not yet written; beyond it the client is dropped */
#define CHANNEL_QUEUE_MESSAGES_MAX 16384
#define CHANNEL_ROOM_BYTES (256 * 1024)             /* has_room below both */
#define CHANNEL_ROOM_MESSAGES 4096
#define CHANNEL_BODY_MAX (256 * 1024)               /* of any message from a client; rows say less */
#define CHANNEL_ACK_WINDOW 20                       /* messages, on channels that have a window */
#define CHANNEL_LATE_MAX (17 * 1024 * 1024)         /* bytes that the source heard for us and nobody has taken yet, */
#define CHANNEL_LATE_MESSAGES_MAX 32768             /* and messages: of S1 and of the tail as many as a source sends */
#define CHANNEL_TAIL_WAIT_NS (5 * NS_PER_SEC)       /* for what the source has heard, once the client is heard here */

typedef struct SpiceChannel SpiceChannel;
typedef struct SpiceClient SpiceClient;

typedef enum Taken {
    TAKEN,
    TAKE_LATER, /* no room: the message comes again after spice_resume(); nothing is read until then */
    TAKE_BAD,   /* no client says this: the channel ends */
} Taken;

typedef enum ChannelMode {
    CHANNEL_QUIET,      /* linked before its time: nothing is said, and only rows that are `is_early` are heard */
    CHANNEL_LIVE,
    CHANNEL_FROZEN,     /* the guest is on its way: nothing is heard, no message begun */
    CHANNEL_LEAVING,    /* the client was told to go: what it still says is for the guest over there */
    CHANNEL_LEFT,       /* nothing that it says matters any more */
} ChannelMode;

typedef enum ChannelTail { /* where what the source still hears comes from */
    TAIL_NONE, TAIL_FROM_SOURCE, TAIL_SEALED,
} ChannelTail;

typedef struct MessageRow { /* tables end with {} */
    const char *name;
    uint16_t type;
    uint32_t min, max;      /* bytes of the body */
    Taken (*take)(SpiceChannel *c, const uint8_t *data, uint32_t size); /* NULL: known, and of no interest */
    bool is_early;          /* may be said to a channel that is quiet */
} MessageRow;

/* A part of what goes with the guest: its table of fields, and what is no field behind them.  Each may be NULL. */
typedef struct ChannelPart { /* lists end with {} */
    const char *name;
    const VMStateDescription *state;    /* of the channel's struct */
    void (*save)(SpiceChannel *c, StateWriter *w);
    bool (*load)(SpiceChannel *c, StateReader *r, GError **errp);
} ChannelPart;

typedef struct ChannelKind {
    uint8_t type;           /* SPICE_CHANNEL_* */
    uint32_t caps;          /* what we offer: first word */
    bool has_window;
    bool needs_flush;       /* what the client says is for the guest: a handoff waits for the last of it */
    bool moves_queue;       /* at a handoff what is not said yet goes along; else the parts say what is missing */
    const ChannelPart *parts;           /* NULL: none */
    size_t size;            /* of the struct that begins with a SpiceChannel */
    const MessageRow *rows;
    unsigned (*count)(void);            /* ids are 0 to count - 1, */
    bool (*has)(uint8_t id);            /* of those; NULL: all */
    uint32_t (*partial)(const SpiceChannel *c); /* bytes that the guest has of a message that is not taken yet; NULL: none */
    void (*open)(SpiceChannel *c);      /* made; nothing can be said yet; NULL */
    void (*start)(SpiceChannel *c);     /* say what comes first */
    void (*adopted)(SpiceChannel *c);   /* the client came with the guest, parts are loaded: say what comes first here; NULL */
    void (*reset)(SpiceChannel *c);     /* it came, but nobody knows what it knows: say all of it; NULL: as adopted */
    void (*let_go)(SpiceChannel *c);    /* what it said last is lost: nothing stays pressed by it; NULL */
    void (*lost)(SpiceChannel *c);      /* its connection is; its client may come back with another; NULL */
    void (*resumed)(SpiceChannel *c);   /* it has: say what it may have missed; NULL: no client comes back to such a channel */
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

typedef struct ReplayState {            /* S1, too: for clients that replay */
    uint64_t taken;                     /* messages that the guest has, of those that count */
    bool replays;                       /* agreed on when it linked */
} ReplayState;

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
    bool was_bad;                       /* it ends by what the client said: there may be more that nobody has heard */
    ChannelMode mode;
    bool is_lost;                       /* without a connection: its client may come back with another; nothing is said or heard */
    bool was_flushed;                   /* CHANNEL_LEFT: the client has said its last word for the guest */
    GByteArray *tail;                   /* what it said since, to be carried by it under a seal; NULL: it goes elsewhere */
    bool tail_is_cut;                   /* that is too much to be carried */
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
    bool is_late;                       /* it is one of `late`: what has come of the socket's next one stays */
    bool is_early;                      /* the socket's next one waits for the guest, since the channel is quiet */
    GQueue out;                         /* of OutMessage; the first may be on its way */
    bool is_writing;                    /* the first one: serial given, header made */
    size_t out_at, out_bytes;
    GQueue late;                        /* of OutMessage: what the source heard; comes before what the socket says */
    size_t late_bytes;
    bool awaits_tail;                   /* more of that may come: the socket is not read */
    bool awaits_seal;                   /* it is what the client brings: the socket's first message */
    bool had_tail;                      /* nothing more of that will come, */
    bool lost_tail;                     /* though it was not all */
    const char *begins_anew;            /* so it does, for that reason, once what has come is taken; NULL */
    struct {
        ReplayState st;
        LoopTimer *commit;
        uint64_t told;                  /* the last commit */
        uint32_t bytes;                 /* since */
        bool is_on;                     /* st.replays, as long as nothing is loaded */
        bool resumes;                   /* its client would come back */
    } replay;
    LoopTimer *patience;                /* for it, or for the client's end of a connection that it has left */
};

/* Takes the wire.  Nothing is said or heard before spice_channel_start(), in which the channel may end already, and its client
 * with it: so it has to be the client's by then. */
SpiceChannel *spice_channel_new(const ChannelKind *kind, uint8_t id, SpiceClient *client, SpiceWire *take, const SpiceEnds *ends,
                          const SpiceCaps *common, const SpiceCaps *caps);
void spice_channel_start(SpiceChannel *c);
void spice_channel_wait(SpiceChannel *c);     /* instead: stays quiet */
void spice_channel_free(SpiceChannel *c);     /* of a closed one; nobody may be in it */

/* Takes the body (NULL: empty). */
void spice_send(SpiceChannel *c, uint16_t type, GByteArray *body);
bool spice_has_room(const SpiceChannel *c);
void spice_resume(SpiceChannel *c);   /* what was TAKE_LATER may be taken */
void spice_set_ack(SpiceChannel *c);  /* a new generation: the first thing on a channel with a window */
void spice_ping(SpiceChannel *c, uint32_t id, uint32_t padding); /* bytes, to see how fast they get there */
void spice_notify(SpiceChannel *c, uint32_t severity, const char *text);
GByteArray *spice_notify_body(uint32_t severity, const char *text);
/* Says DISCONNECTING as far as that goes without waiting, and closes.  Tells server_channel_closed(). */
void spice_disconnect(SpiceChannel *c, uint32_t reason);
void spice_close(SpiceChannel *c);
/* Another connection for a channel that may be resumed, in two steps: the old one is of no use, also if it seems to be alive
 * (false: the channel has ended by that); and the new one, which is live and says what its client has to know. */
bool spice_may_reattach(const SpiceChannel *c, const SpiceCaps *common);
bool spice_detach(SpiceChannel *c);
void spice_reattach(SpiceChannel *c, SpiceWire *take, const SpiceEnds *ends, const SpiceCaps *common, const SpiceCaps *caps);
void spice_pump(SpiceChannel *c);     /* reads and writes what goes now */
void spice_say_now(SpiceChannel *c, uint16_t type, GByteArray *take_body); /* on a channel that is not live; body NULL: empty */
void spice_poke(SpiceChannel *c);     /* there is something to say: room() soon; any thread */

/* ---- handoff; the source ---- */
void spice_freeze(SpiceChannel *c);
void spice_thaw(SpiceChannel *c);
/* What has not begun is not said any more.  is_over: what the client still says is nobody's; else it is for the guest. */
void spice_leave(SpiceChannel *c, bool is_over);
void spice_flushed(SpiceChannel *c);  /* nothing more is expected: the connection ends when the client ends it, or soon */
void spice_seal_message(SpiceChannel *c, uint16_t type, const uint8_t *data, uint32_t size); /* for its tail, */
void spice_give_seal(SpiceChannel *c, const uint8_t *key);      /* which the client gets, and brings along */
/* fn for each message that could go along: whole, not begun, and no matter of this connection alone. */
void spice_foreach_unsaid(const SpiceChannel *c, void (*fn)(const OutMessage *m, void *opaque), void *opaque);
/* fn for each message that was heard, here or at the source before, and that the guest has not got, or not all of. */
void spice_foreach_unread(const SpiceChannel *c, void (*fn)(const OutMessage *m, void *opaque), void *opaque);

/* ---- handoff; the destination ---- */
void spice_adopt(SpiceChannel *c, ChannelTail tail);            /* it is no longer quiet; the caller says what comes first */
/* Behind the first `place` of such messages (UINT_MAX: all).  false: too much; the channel has ended. */
bool spice_hear_late(SpiceChannel *c, unsigned place, uint16_t type, const void *data, uint32_t size);
void spice_tail_over(SpiceChannel *c);
void spice_take_seal(SpiceChannel *c, const uint8_t *body, uint32_t size); /* what the client has brought, in that place */
/* What the client had said last will not come: behind what has come of it what is known of it is not true any more. */
void spice_tail_lost(SpiceChannel *c, const char *why);
void spice_forget_moved(SpiceChannel *c);                       /* what the source had heard and had still to say */
