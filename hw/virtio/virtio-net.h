/* hw/virtio/virtio-net.h - the network device's struct, shared by its data path and its control queue.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "hw/virtio.h"
#include "net/port.h"

enum {
    NET_F_CSUM = 0, NET_F_GUEST_CSUM = 1, NET_F_CTRL_GUEST_OFFLOADS = 2, NET_F_MTU = 3, NET_F_MAC = 5,
    NET_F_GUEST_TSO4 = 7, NET_F_GUEST_TSO6 = 8, NET_F_GUEST_ECN = 9, NET_F_GUEST_UFO = 10,
    NET_F_HOST_TSO4 = 11, NET_F_HOST_TSO6 = 12, NET_F_HOST_ECN = 13, NET_F_HOST_UFO = 14,
    NET_F_MRG_RXBUF = 15, NET_F_STATUS = 16, NET_F_CTRL_VQ = 17, NET_F_CTRL_RX = 18, NET_F_CTRL_VLAN = 19,
    NET_F_CTRL_RX_EXTRA = 20, NET_F_GUEST_ANNOUNCE = 21, NET_F_CTRL_MAC_ADDR = 23,
};
enum { NET_QUEUE_RX, NET_QUEUE_TX, NET_QUEUE_CTRL, NET_QUEUES };
enum { NET_STATUS_LINK_UP = 1, NET_STATUS_ANNOUNCE = 2 };
#define NET_MAC_TABLE 64
#define NET_VLAN_WORDS (4096 / 32)

typedef struct VirtioNet {
    VirtioDevice v;
    struct {
        uint8_t mac[6];
        uint16_t status;
        bool promisc, all_multi, all_uni, no_multi, no_uni, no_broadcast;
        bool uni_overflow, multi_overflow;         /* more were asked for than the table holds: take all */
        uint32_t uni_count, multi_count;           /* unicast entries first */
        uint8_t macs[NET_MAC_TABLE * 6];
        uint32_t vlans[NET_VLAN_WORDS];
        uint64_t guest_offloads;                   /* of the GUEST_* features, those the driver wants now */
    } st;
    NetPort port;
    bool has_port;
    /* properties */
    uint8_t mac[6];
    char *netdev;
    uint16_t mtu, rx_queue_size, tx_queue_size;
    int32_t boot_index;
    bool offer[64];                                /* by feature bit */
    /* data path */
    bool in_tx;
    VirtioChain *gathered[VIRTQUEUE_SIZE_MAX];
    uint8_t frame[12 + NET_FRAME_MAX];             /* a frame that lies in pieces in guest memory */
} VirtioNet;

void virtio_net_control(VirtioNet *n);             /* serves the control queue */
bool virtio_net_accepts(const VirtioNet *n, const uint8_t *frame, uint32_t size); /* the receive filter */
void virtio_net_apply_offloads(VirtioNet *n);
extern const uint64_t virtio_net_guest_offloads;   /* mask of the features that CTRL_GUEST_OFFLOADS switches */
