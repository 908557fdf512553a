/* migration/parts.h - calling the participants, and their messages.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "system/handoff.h"

/* Each calls the callback of that name of all wanted parts, in the main loop with vm_lock (from any thread; waits). */
void parts_freeze(void);
void parts_parked(void);
void parts_run_sent(void);
void parts_released(bool is_leaving);
void parts_leaving(void);
bool parts_take_back(HandoffClaim how, GError **errp);
void parts_thaw(bool was_after_run);
void parts_lost(void);
void parts_stayed(void);
void parts_owned(void);
void parts_give_back(void);
void parts_starting(void);
void parts_started(void);
void parts_abandon(void);
void parts_peer_gone(void);
bool parts_prepare(GError **errp);  /* main loop */
void parts_warm(void);              /* migration thread, as the next two */
void parts_warm_wait(void);
bool parts_drain(GError **errp);
/* In the caller's thread, without vm_lock: */
bool parts_reach(GError **errp);
void parts_claim(HandoffClaim how);
void parts_gave_back(void);
bool parts_check(GError **errp);
bool parts_activate(GError **errp); /* on failure the ones before are given_back by the caller */

/* How many wanted parts talk to the end: each says handoff_tail_done(). */
unsigned parts_talking(void);
/* What the longest of their tails may take beyond the deadline of tails; main loop. */
uint64_t parts_tail_ms(void);
/* A message for a part arrived: checked, queued to the main loop.  `data`: str8 part name, bytes. */
bool parts_deliver(const uint8_t *data, size_t size, GError **errp);
/* Reports of all parts: {name: report}; main loop. */
Json *parts_report(const char *name);
