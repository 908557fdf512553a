/* tests/guest/bare/net.h - one network card of the bare guest, and the parts of a frame.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "bare.h"
#include "../wire.h"

enum {
    VNET = 12, ETH = 14, IP4 = 20, UDP = 8, TCP = 20, BUFFER = 2048, FRAME_BYTES = 65536,
    TYPE_IP = 0x0800, TYPE_ARP = 0x0806, PROTO_ICMP = 1, PROTO_TCP = 6, PROTO_UDP = 17,
    NEEDS_CSUM = 1, DATA_VALID = 2, GSO_TCPV4 = 1, GSO_UDP = 3,         /* of struct virtio_net_hdr */
};

/* To whom the own stream goes: the headers of the datagram that asked for it. */
typedef struct Stream {
    uint64_t rate, lease, next;
    uint8_t mac[6];
    uint32_t ip;
    uint16_t port;
} Stream;

typedef struct Nic {
    Queue rx, tx;
    uint8_t rx_buf[QUEUE_SIZE][BUFFER], tx_buf[QUEUE_SIZE][BUFFER], mac[6];
    uint16_t tx_free[QUEUE_SIZE];
    uint8_t big_of[QUEUE_SIZE];         /* 1 + the number of a big buffer (big.c) that is sent as this descriptor */
    uint32_t tx_free_count, ip;
    uint64_t features;
    Stream stream;
    Numbered *echo, *broadcast;
    uint64_t *echo_sent, *stream_sent;
    uint8_t last_reset[64];
} Nic;

extern Nic *nic;                        /* whose frames are looked at */

uint16_t tx_take(void);
void tx_wait(void);
void eth_header(uint8_t *frame, const uint8_t *to, uint32_t type);
void ip_header(uint8_t *ip, uint8_t proto, uint32_t to, uint32_t body);

/* big.c */
void big_free(uint32_t number);
void copy_fast(void *to, const void *from, uint32_t len);
