/* net/netpass-source.h - the source's half of a handoff's packets.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "netpass.h"

/* ---- netpass-source.c: from the freeze on ---- */
void netpass_source_setup(Netpass *n);     /* its callbacks */
void netpass_source_peer_gone(Netpass *n);
void netpass_source_each(Netpass *n, void (*fn)(NetpassPort *np)); /* of the captured netdevs */
void netpass_source_flush(void *np);       /* sends what may be sent */
void netpass_source_word(NetpassPort *np, NetpassMessageType type);
bool netpass_source_marker(NetpassPort *np, NetpassMarker number); /* false: no room, it was not sent */
void netpass_source_say_here(NetpassPort *np); /* where the marker of the freeze found no room */

/* ---- netpass-tail.c: until the end ---- */
void netpass_tail_setup(Netpass *n);       /* its timers */
void netpass_tail_stop(Netpass *n);
void netpass_tail_free(Netpass *n);
void netpass_tail_sending(Netpass *n);     /* the guest's last frames may be on their way still: tell when they are not */
void netpass_tail_seen(NetpassPort *np);   /* the destination's first marker came */
void netpass_tail_linger(Netpass *n);      /* VM_STARTED came */
void netpass_tail_end(void *np);           /* END, or as soon as it may be said */
void netpass_tail_say_end(NetpassPort *np); /* again: more was given up */
void netpass_tail_check_done(Netpass *n);
