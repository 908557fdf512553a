/* ui/spice/replay.h - acknowledge and replay: the client keeps what the guest does not have yet.  Owner: main loop (vm_lock).
 * Page: docs/spice.md.  Test: tests/unit/tools/replay-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * An extension of ours, for clients that say they know it (capabilities of both sides): messages of a client that are for the
 * guest have numbers, which count on whatever the connection or the server.  We say up to which number the guest has them,
 * and, on a new connection, with which one to go on.  A session whose connections are lost is kept for a while.
 * Others never see any of it. */
#pragma once

#include "format.h"

#include <stdbool.h>
#include <stdint.h>

/* Common capabilities. */
#define REPLAY_CAP 96
#define RESUME_CAP 98

/* Messages to the client. */
enum {
    REPLAY_COMMIT = 0xf001, /* seq u64: the guest has all up to that one */
    REPLAY_WINDOW = 0xf002, /* bytes u32, messages u32: so much may be said and not committed */
    REPLAY_ADOPT = 0xf003,  /* next u64, partial u32: once on a connection: say that one next.  0: nobody knows, count from 1 */
};

#define REPLAY_WINDOW_BYTES (4 * 1024 * 1024)
#define REPLAY_WINDOW_MESSAGES 4096
#define REPLAY_COMMIT_MESSAGES 64                   /* a commit is said after so many, or so many bytes, or so long */
#define REPLAY_COMMIT_BYTES (REPLAY_WINDOW_BYTES / 4)
#define REPLAY_COMMIT_NS (100 * NS_PER_MS)
#define REPLAY_PARK_NS (60 * NS_PER_SEC)            /* a channel that has lost its connection waits for another */

/* Is it numbered?  Both sides count the same.  Pure. */
bool replay_counts(uint8_t channel_type, uint16_t message);
/* What we offer to a client with these capabilities. */
SpiceCaps replay_offer(const SpiceCaps *client);
/* Is it one of those above?  They are of a connection, and are not said on another. */
bool replay_says(uint16_t message);

typedef struct SpiceChannel SpiceChannel;

/* ---- for channel.c; each on any channel, also one that does not replay ---- */
void replay_open(SpiceChannel *c);                  /* made: what was agreed on? */
void replay_begin(SpiceChannel *c, bool is_known);  /* the first words on a connection; is_known: so is the number */
void replay_taken(SpiceChannel *c, uint16_t type, uint32_t size); /* the guest has it */
void replay_stop(SpiceChannel *c);                  /* no connection now */
void replay_free(SpiceChannel *c);
