/* ui/spice/confirm.h - how clients went, said once the destination has what they had still to say.  Owner: main loop (vm_lock).
 * Page: docs/spice.md.  Test: tests/unit/ui/spice-tail-test.c, tests/handoff/spice-wire-test.py
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "migrate.h"

#define CONFIRM_LOST "the connection to the destination was lost before that had confirmed what the client said last"

/* m went seamlessly and has ended: its event comes now, or when the destination has confirmed m->unconfirmed channels. */
void confirm_report(const ClientMigration *m, uint32_t session_id, int64_t gap_ns);
void confirm_one(uint32_t session_id);      /* a channel of who has ended: the destination has all of it */
void confirm_none(void);                    /* nothing more will be confirmed: they are lost, for all we know */
unsigned confirm_waiting(void);             /* events that are still to come */
