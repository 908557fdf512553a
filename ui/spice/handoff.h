/* ui/spice/handoff.h - display sessions as a part of the handoff.  Owner: main loop (vm_lock).  Page: docs/spice.md.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "migrate.h"

void spice_handoff_init(void);      /* once */
bool spice_handoff_target(const MigrateTarget *take, GError **errp); /* client_migrate_info; takes the strings in any case */
bool spice_handoff_is_migrated(void);
void spice_handoff_changed(void);   /* a session has another state, or has said its last word */
/* What a client says to the source after the guest has left, and that it was the last of a channel.  false: it gets nowhere. */
bool spice_handoff_tail(uint32_t session_id, uint8_t type, uint8_t id, uint16_t message, const uint8_t *data, uint32_t size);
bool spice_handoff_tail_end(uint32_t session_id, uint8_t type, uint8_t id);
