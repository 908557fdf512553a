/* net/events.h - what netdevs tell the clients of QMP.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "netdev.h"

void net_event_stream_connected(const char *id, const NetAddress *a);
void net_event_stream_disconnected(const char *id);
void net_event_netpass_ended(Json *report); /* takes it */
