/* net/announce.h - the frame of an announcement, and the handoff's part in it.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "net/port.h"

#define NET_RARP_SIZE 60
#define NET_RARP_SENDER 22  /* the hardware address that it is about */
#define NET_RARP_PADDING 42 /* from here on no receiver looks */

void net_announce_frame(uint8_t frame[NET_RARP_SIZE], const uint8_t mac[6]);
void net_announce_init(void);
