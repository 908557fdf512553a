/* net/offload.h - what a card would have done: segments, fragments, checksums.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Pure: no state but the identification of IPv6 fragments.  The metadata comes from a guest or from the wire; whatever it
 * says, nothing outside the frame is touched and no more than NET_SEGMENTS_MAX frames come out. */
#pragma once

#include "net/port.h"

#define NET_SEGMENTS_MAX 1024

enum { NET_HDR_NEEDS_CSUM = 1, NET_HDR_DATA_VALID = 2 };                                      /* NetOffload.flags */
enum { NET_GSO_NONE = 0, NET_GSO_TCPV4 = 1, NET_GSO_UDP = 3, NET_GSO_TCPV6 = 4, NET_GSO_ECN = 0x80 }; /* .gso_type */
#define NET_VNET_HDR_SIZE 12 /* struct virtio_net_hdr with num_buffers, little-endian (virtio 1.0) */

/* Must the frame be converted for a receiver that does `can`? */
bool net_offload_needed(const NetFrame *f, unsigned can);
/* Gives complete, plain frames to emit(), lent for the call; returns how many, or -1 when the metadata does not fit the
 * frame (nothing was emitted then). */
typedef void NetEmit(const NetFrame *f, void *opaque);
int net_offload_convert(const NetFrame *f, NetEmit *emit, void *opaque);
/* Writes the checksum that f->offload asks for into `data`, a copy of the frame; false: the metadata does not fit. */
bool net_offload_checksum(uint8_t *data, const NetFrame *f);

void net_vnet_hdr_put(uint8_t hdr[NET_VNET_HDR_SIZE], const NetOffload *o);
void net_vnet_hdr_get(const uint8_t hdr[NET_VNET_HDR_SIZE], NetOffload *o);
