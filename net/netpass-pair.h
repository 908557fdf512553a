/* net/netpass-pair.h - which frame of the destination's netdev is the copy of one the source sent.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Around the cut a frame may reach both ports.  A sighting at the source is paired with one from here that has the same
 * bytes, the nearest in time; whichever of the two is not needed is left out.  How far apart the two may be: a time is when a
 * process read its port, and on a busy host a port has seconds of a storm before it.  So where the order of the network says
 * what may be a copy of what, they are 5 s apart at most: on a mirror, and of frames behind the first marker at the source;
 * of others 800 ms.  Frames that
 * are repeated on one port are repeated on purpose and stay; so a unicast frame for our NIC is paired only where the network
 * shows both ports the same frames (a mirror, a hub), of which there has to be proof, while group frames and frames for others
 * reach both ports by nature.  Times: of the frame's reception, on this host's monotonic clock.  Guarded by: vm_lock. */
#pragma once

#include "net/port.h"

#include "queue.h"

typedef struct NetpassPairs NetpassPairs;
NetpassPairs *netpass_pairs_new(uint64_t key, const uint8_t mac[6]); /* caller frees; key: of the hash, any number */
void netpass_pairs_free(NetpassPairs *p);
void netpass_pairs_set_mac(NetpassPairs *p, const uint8_t mac[6]);   /* a NIC's own may come with its state */

/* The network was asked and has shown that both ports get every frame. */
void netpass_pairs_set_mirror(NetpassPairs *p);
bool netpass_pairs_is_mirror(const NetpassPairs *p);

/* The first marker was at the source: what it has from now on is behind it. */
void netpass_pairs_set_turned(NetpassPairs *p);

/* True: deliver it; false: its twin was delivered. */
bool netpass_pairs_source(NetpassPairs *p, const NetFrame *f, int64_t time_ns);
bool netpass_pairs_local(NetpassPairs *p, const NetFrame *f, int64_t time_ns);
/* A frame from here that waits, until all that waits is told apart: netpass_pairs_settle() tags those whose twin came from the
 * source, and returns how many; the others count as delivered.  Until then nothing from the source is ever left out. */
void netpass_pairs_hold(NetpassPairs *p, NetEntry *entry);
unsigned netpass_pairs_settle(NetpassPairs *p, void *tag);
/* Behind that, a frame from the source that waits: true if its twin from here was delivered; it is then done with.  *ret_own:
 * the twin, while it waits; until netpass_pairs_let_go(), before which no entry that was held may be popped. */
bool netpass_pairs_meet(NetpassPairs *p, const NetFrame *f, int64_t time_ns, NetEntry **ret_own);
void netpass_pairs_let_go(NetpassPairs *p);
/* Does such a frame reach both ports by nature, and was ours not left out yet?  Then it is on the way. */
bool netpass_pairs_expected(NetpassPairs *p, const NetFrame *f, int64_t time_ns);

/* The network has just heard the guest at the source: frames for it that came here before were flooded for want of that. */
void netpass_pairs_heard(NetpassPairs *p, uint64_t nonce);
bool netpass_pairs_has_heard(const NetpassPairs *p, uint64_t nonce); /* in this handoff, and that was the last time */
/* A frame from here was left out because the source has it too. */
void netpass_pairs_flooded(NetpassPairs *p, const NetFrame *f, int64_t time_ns);
/* The same, before netpass_pairs_settle(): its place says so, whatever the time. */
void netpass_pairs_passed(NetpassPairs *p, const NetFrame *f, int64_t time_ns);
