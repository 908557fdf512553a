/* ui/spice/events.h - SPICE_CONNECTED and its brothers.  Owner: main loop (vm_lock).
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * CONNECTED: a connection was accepted.  INITIALIZED: it is a channel.  DISCONNECTED: it has ended, channel or not. */
#pragma once

#include "ends.h"

#include <stdint.h>

typedef enum SpiceWay {     /* of a session to another process */
    SPICE_WAY_SEAMLESS,     /* as it is */
    SPICE_WAY_SEMI,         /* over connections that were there before */
    SPICE_WAY_SWITCHED,     /* told the address */
    SPICE_WAY_LOST,
} SpiceWay;

void spice_event_connected(const SpiceEnds *ends);
void spice_event_initialized(const SpiceEnds *ends, uint32_t session_id, uint8_t type, uint8_t id);
void spice_event_disconnected(const SpiceEnds *ends);
/* why: NULL unless something went wrong. */
void spice_event_migrate_connected(const SpiceEnds *ends, uint32_t session_id, SpiceWay way, const char *why);
void spice_event_migrate_complete(const SpiceEnds *ends, uint32_t session_id, SpiceWay way, const char *why, uint64_t tail_bytes,
                                  int64_t gap_ns);
