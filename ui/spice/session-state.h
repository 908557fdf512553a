/* ui/spice/session-state.h - what of the sessions goes with the guest (S1), as bytes.  Owner: main loop, or with vm_lock.
 * Page: docs/spice.md.  Test: tests/unit/ui/spice-arrive-test.c, tests/fuzz/spice-state.c
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A channel's state is a list of parts, in the order of its kind's rows behind the common ones.  Bytes are only cut up when
 * they arrive; what is in them is looked at when the guest is about to run, and what is wrong then costs that session. */
#pragma once

#include "channel.h"
#include "seal.h"
#include "ui/input.h"

#define SESSION_PART_MAX (1024 * 1024)      /* bytes of one part */
#define SESSION_QUEUE_MAX (512 * 1024)      /* bytes not said, or not read yet, of one channel; more: the client starts anew */
#define SESSION_MESSAGES_MAX CHANNEL_QUEUE_MESSAGES_MAX     /* not read yet; the same */

typedef struct ChannelRecord {
    uint8_t type, id;
    GBytes *parts;          /* cut up by the reader of the channel */
} ChannelRecord;

typedef struct SessionRecord {
    uint32_t id;
    bool goes;              /* it is to be taken as it is; else it is only known */
    bool is_sealed;         /* its client brings what the source heard later, under `key` */
    uint8_t key[SEAL_KEY_BYTES];
    GPtrArray *channels;    /* of ChannelRecord */
} SessionRecord;

typedef struct SessionRecords {
    uint32_t mouse_mode;
    uint64_t mm_ms, wall_ns;    /* the clock of sound and video, and when that was */
    uint32_t keys[INPUT_KEYS / 32], buttons; /* that anybody holds */
    GPtrArray *sessions;    /* of SessionRecord */
} SessionRecords;

bool session_can_go(const SpiceClient *client); /* linked over there, nothing opened since, and small enough */
void sessions_save(StateWriter *w);         /* decides which go: ClientMigration.goes */
SessionRecords *sessions_load(StateReader *r, GError **errp); /* NULL: damaged */
void sessions_release(const SessionRecords *s); /* what nobody holds who is here: states are in place */
void sessions_free(SessionRecords *s);      /* NULL allowed */
const SessionRecord *sessions_find(const SessionRecords *s, uint32_t id);
const ChannelRecord *session_channel(const SessionRecord *s, uint8_t type, uint8_t id);

/* ---- of one channel ---- */
void channel_state_save(SpiceChannel *c, StateWriter *w);
bool channel_state_load(SpiceChannel *c, StateReader *r, GError **errp); /* a quiet one */
extern const VMStateDescription channel_state_vmstate, channel_replay_vmstate;
