/* net/netpass-pair.h - which frame of the destination's netdev is the copy of one the source sent.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Around the cut a frame may reach both ports.  One copy from the source is paired with one from here, whichever comes
 * first, and the second is left out.  Frames that are repeated on one port are repeated on purpose and stay; so a unicast
 * frame for our NIC is paired only on a network that shows both ports the same frames (a mirror, a hub), of which there has
 * to be proof, while group frames and frames for others reach both ports by nature.  Guarded by: vm_lock. */
#pragma once

#include "net/port.h"

typedef struct NetpassPairs NetpassPairs;
NetpassPairs *netpass_pairs_new(uint64_t key, const uint8_t mac[6]);
void netpass_pairs_free(NetpassPairs *p);

/* True: deliver it; false: its twin was delivered.  time_ns: when it was received, on this host's clock. */
bool netpass_pairs_source(NetpassPairs *p, const NetFrame *f, int64_t time_ns);
bool netpass_pairs_local(NetpassPairs *p, const NetFrame *f, int64_t time_ns);
/* A frame from the source that waits: true if its twin from here was delivered; it is then done with. */
bool netpass_pairs_meet(NetpassPairs *p, const NetFrame *f, int64_t time_ns);
/* Does the network show such a frame to both ports, and was ours not left out yet?  Then it is on the way. */
bool netpass_pairs_expected(NetpassPairs *p, const NetFrame *f, int64_t time_ns);

/* A frame from here was left out because the source has it too. */
void netpass_pairs_flooded(NetpassPairs *p, const NetFrame *f, int64_t time_ns);
