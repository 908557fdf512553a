/* net/netpass-source.h - the source's half of a handoff's packets.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "netpass.h"

void netpass_source_setup(Netpass *n);     /* its callbacks and timers */
void netpass_source_peer_gone(Netpass *n);
