/* ui/spice/seal.h - what a client carries for us and can neither read nor change: MIGRATE_DATA.  Pure.  Page: docs/spice.md.
 * Test: tests/unit/ui/spice-seal-test.c, tests/fuzz/spice-seal.c
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * AES-256-GCM under a key that goes with the guest, for one attempt and one session.  Which session and channel it is about
 * stands in front, and is under the seal, too; nothing is looked into that is not authentic and about that channel. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define SEAL_KEY_BYTES 32
#define SEAL_HEAD_BYTES 16              /* "RVMD", version u16, type u8, id u8, session u32, number u32: little-endian */
#define SEAL_NONCE_BYTES 12
#define SEAL_TAG_BYTES 16
#define SEAL_EXTRA_BYTES (SEAL_HEAD_BYTES + SEAL_NONCE_BYTES + SEAL_TAG_BYTES)
#define SEAL_BODY_MAX (4 * 1024 * 1024) /* with all of that */

typedef struct SealAbout {
    uint32_t session_id;
    uint8_t type, id;                   /* of the channel */
} SealAbout;

bool seal_make_key(uint8_t ret[SEAL_KEY_BYTES]);
/* Never empty.  NULL: more than SEAL_BODY_MAX, or it cannot be done; it is not ours. */
GByteArray *seal_close(const uint8_t key[SEAL_KEY_BYTES], const SealAbout *about, const void *text, size_t size);
GByteArray *seal_open(const uint8_t key[SEAL_KEY_BYTES], const SealAbout *about, const void *body, size_t size);
