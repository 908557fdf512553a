/* ui/spice/migrate.h - the source: sessions that go with the guest, or are told where it is.  Owner: main loop (vm_lock).
 * Page: docs/spice.md.  Test: tests/unit/ui/spice-migrate-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "channel.h"
#include "events.h"
#include "seal.h"

#define MIGRATE_VERSION 0x52560001u              /* of what the sources of this protocol say; libspice's is 1 */
#define MIGRATE_CONNECT_NS (10 * NS_PER_SEC)     /* for a client to reach the destination */
#define MIGRATE_TAIL_MAX (16 * 1024 * 1024)      /* bytes of one client that are sent behind the guest, */
#define MIGRATE_TAIL_MESSAGES_MAX CHANNEL_QUEUE_MESSAGES_MAX    /* and messages, which may be empty */

typedef enum MigrateState {
    MIGRATE_STAYS,          /* no target, or it was taken back */
    MIGRATE_ASKED,          /* BEGIN_SEAMLESS said, no answer yet */
    MIGRATE_ASKED_SEMI,     /* BEGIN said, no answer yet */
    MIGRATE_LINKED,         /* its channels are open over there, and the destination takes it as it is */
    MIGRATE_LINKED_SEMI,    /* they are open; it starts anew there */
    MIGRATE_APART,          /* cannot go along: told where the guest is when it has gone */
    MIGRATE_LEAVING,        /* MIGRATE said on each channel */
    MIGRATE_ENDING,         /* MIGRATE_END said */
    MIGRATE_SWITCHING,      /* SWITCH_HOST said */
    MIGRATE_GONE,
} MigrateState;

typedef enum MigrateEvent {
    MIGRATE_TARGET,         /* client_migrate_info */
    MIGRATE_CONNECTED, MIGRATE_CONNECTED_SEAMLESS, MIGRATE_CONNECT_ERROR, /* the client's answer */
    MIGRATE_LATE,           /* there was none in time */
    MIGRATE_CUT,            /* a connection here is lost, which may come back */
    MIGRATE_RELEASED,       /* the guest runs over there */
    MIGRATE_SAVED,          /* it went into a stream that nobody answers */
    MIGRATE_STAYED,         /* it is ours again, or never left */
    MIGRATE_TIMEOUT,        /* the client has not followed in time */
    MIGRATE_ENDED,          /* its last connection has ended */
} MigrateEvent;

typedef struct ClientMigration { /* of a client of the source */
    MigrateState state;
    unsigned replies_due;   /* BEGINs that it has not answered: only the answer to the last one counts */
    unsigned opened_then;   /* channels it had opened when it was asked */
    bool goes;              /* its state went along, */
    bool is_sealed;         /* and it carries the rest itself, under */
    uint8_t key[SEAL_KEY_BYTES];
    LoopTimer *deadline;
    SpiceEnds ends;         /* of its main channel */
    unsigned unflushed;     /* channels whose last word is still awaited */
    unsigned unconfirmed;   /* of which the destination has not said that it has it */
    bool has_lost;          /* one ended without */
    uint64_t tail_bytes;
    unsigned tail_messages;
    int64_t told_ns, followed_ns;
    SpiceWay way;
    const char *why;        /* it goes as it does; NULL */
} ClientMigration;

void migrate_step(SpiceClient *client, MigrateEvent event);
Taken migrate_replied(SpiceChannel *main, MigrateEvent event);
void migrate_client_free(SpiceClient *client);
bool migrate_keeps_channels(const SpiceClient *client);     /* they outlive the main channel */
bool migrate_may_open(SpiceClient *client);                 /* another channel, now */

/* ---- for channels ---- */
Taken migrate_tail(SpiceChannel *c, uint16_t type, const uint8_t *data, uint32_t size); /* said on a channel that is leaving */
void migrate_flushed(SpiceChannel *c);                      /* that was the last of it */
void migrate_channel_closed(SpiceChannel *c);
void migrate_channel_lost(SpiceChannel *c);
void migrate_channel_resumed(SpiceChannel *c);              /* which may have ended at once */

/* ---- for handoff.c ---- */
typedef struct MigrateTarget {
    char *host, *subject;   /* subject NULL: none */
    uint16_t port, tls_port;    /* 0: none */
} MigrateTarget;
bool migrate_has_target(void);
void migrate_set_target(const MigrateTarget *take);
void migrate_freeze(void);                                  /* of those that were told of a target */
void migrate_set_sealed(bool on);                           /* before their state is saved: what follows it goes by whom? */
void migrate_thaw(void);
void migrate_hear_all(void);                                /* of those that leave: what is there to be read now */
void migrate_all(MigrateEvent event);
unsigned migrate_count(uint32_t states);                    /* clients in one of these: bits 1 << MigrateState */
unsigned migrate_unflushed(void);                           /* channels of all that are leaving */
void migrate_confirmed(uint32_t session_id);                /* the destination has all of one of its channels */
void migrate_peer_gone(void);                               /* it confirms nothing more */
void migrate_give_up(const char *why);                      /* whoever has not followed is lost */
#define MIGRATE_ASKING (1u << MIGRATE_ASKED | 1u << MIGRATE_ASKED_SEMI)
#define MIGRATE_UNDER_WAY (1u << MIGRATE_LEAVING | 1u << MIGRATE_ENDING | 1u << MIGRATE_SWITCHING)
