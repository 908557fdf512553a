/* ui/spice/events.h - SPICE_CONNECTED and its brothers.  Owner: main loop (vm_lock).
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * CONNECTED: a connection was accepted.  INITIALIZED: it is a channel.  DISCONNECTED: it has ended, channel or not. */
#pragma once

#include "ends.h"

#include <stdint.h>

void spice_event_connected(const SpiceEnds *ends);
void spice_event_initialized(const SpiceEnds *ends, uint32_t session_id, uint8_t type, uint8_t id);
void spice_event_disconnected(const SpiceEnds *ends);
