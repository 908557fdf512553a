/* hw/virtio/virtio-net-ctrl.c - control queue and receive filter of the network device.
 * Guarded by: vm_lock.  Page: docs/devices/virtio-net.md.  Test: tests/qtest/hw/virtio/virtio-net-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Virtio 1.2, 5.1.6.5. */
#include "hw/virtio/virtio-net.h"

#include "util/bytes.h"
#include "util/log.h"

#include <string.h>

enum { CTRL_OK = 0, CTRL_ERR = 1, CTRL_DATA_MAX = 64 * 1024 };

typedef struct Command {
    uint8_t command;
    const uint8_t *data;
    size_t size;
} Command;

const uint64_t virtio_net_guest_offloads = 1ull << NET_F_GUEST_CSUM | 1ull << NET_F_GUEST_TSO4 |
                                           1ull << NET_F_GUEST_TSO6 | 1ull << NET_F_GUEST_ECN |
                                           1ull << NET_F_GUEST_UFO;

/* ---- receive filter ---- */
static bool in_table(const VirtioNet *n, unsigned from, unsigned count, const uint8_t *mac)
{
    for (unsigned i = from; i < from + count; i++) {
        if (!memcmp(n->st.macs + 6 * i, mac, 6)) {
            return true;
        }
    }
    return false;
}

static bool accepts_multicast(const VirtioNet *n, const uint8_t *mac)
{
    static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

    if (!memcmp(mac, broadcast, 6)) {
        return !n->st.no_broadcast;
    }
    if (n->st.no_multi) {
        return false;
    }
    return n->st.all_multi || n->st.multi_overflow || in_table(n, n->st.uni_count, n->st.multi_count, mac);
}

static bool accepts_unicast(const VirtioNet *n, const uint8_t *mac)
{
    if (n->st.no_uni) {
        return false;
    }
    return n->st.all_uni || n->st.uni_overflow || !memcmp(mac, n->st.mac, 6) ||
           in_table(n, 0, n->st.uni_count, mac);
}

bool virtio_net_accepts(const VirtioNet *n, const uint8_t *frame, uint32_t size)
{
    if (size < 14) {
        return false;
    }
    if (n->st.promisc) {
        return true;
    }
    if (size >= 16 && load_be16(frame + 12) == 0x8100) {
        unsigned vid = load_be16(frame + 14) & 0xfff;

        if (!(n->st.vlans[vid / 32] >> vid % 32 & 1)) {
            return false;
        }
    }
    return frame[0] & 1 ? accepts_multicast(n, frame) : accepts_unicast(n, frame);
}

/* ---- commands ---- */
static bool ctrl_rx(VirtioNet *n, const Command *c)
{
    bool *const modes[] = {&n->st.promisc, &n->st.all_multi, &n->st.all_uni,
                           &n->st.no_multi, &n->st.no_uni, &n->st.no_broadcast};

    if (c->command >= G_N_ELEMENTS(modes) || c->size != 1 ||
        (c->command >= 2 && !virtio_has(&n->v, NET_F_CTRL_RX_EXTRA))) {
        return false;
    }
    *modes[c->command] = c->data[0] != 0;
    return true;
}

/* One of the two tables of VIRTIO_NET_CTRL_MAC_TABLE_SET: le32 count, then the addresses. */
static bool take_table(VirtioNet *n, const uint8_t **at, size_t *left, unsigned from, uint32_t *ret_count,
                       bool *ret_overflow)
{
    uint64_t count;

    if (*left < 4) {
        return false;
    }
    count = load_le32(*at);
    *at += 4;
    *left -= 4;
    if (count * 6 > *left) {
        return false;
    }
    *ret_overflow = from + count > NET_MAC_TABLE;
    *ret_count = *ret_overflow ? 0 : count;
    memcpy(n->st.macs + 6 * from, *at, 6 * *ret_count);
    *at += 6 * count;
    *left -= 6 * count;
    return true;
}

static bool set_mac_table(VirtioNet *n, const Command *c)
{
    const uint8_t *at = c->data;
    size_t left = c->size;
    uint32_t uni, multi;
    bool uni_overflow, multi_overflow;

    n->st.uni_count = n->st.multi_count = 0;
    if (!take_table(n, &at, &left, 0, &uni, &uni_overflow) ||
        !take_table(n, &at, &left, uni, &multi, &multi_overflow) || left) {
        return false;
    }
    n->st.uni_count = uni;
    n->st.multi_count = multi;
    n->st.uni_overflow = uni_overflow;
    n->st.multi_overflow = multi_overflow;
    return true;
}

static bool ctrl_mac(VirtioNet *n, const Command *c)
{
    if (c->command == 0) {
        return set_mac_table(n, c);
    }
    if (c->command != 1 || c->size != 6 || !virtio_has(&n->v, NET_F_CTRL_MAC_ADDR)) {
        return false;
    }
    memcpy(n->st.mac, c->data, 6);
    memcpy(n->port.mac, c->data, 6);
    return true;
}

static bool ctrl_vlan(VirtioNet *n, const Command *c)
{
    unsigned vid = c->size == 2 ? load_le16(c->data) : 4096;

    if (vid >= 4096 || c->command > 1) {
        return false;
    }
    if (c->command == 0) {
        n->st.vlans[vid / 32] |= 1u << vid % 32;
    } else {
        n->st.vlans[vid / 32] &= ~(1u << vid % 32);
    }
    return true;
}

static bool ctrl_announce(VirtioNet *n, const Command *c)
{
    if (c->command != 0 || !(n->st.status & NET_STATUS_ANNOUNCE)) {
        return false;
    }
    n->st.status &= ~NET_STATUS_ANNOUNCE;
    return true;
}

static bool ctrl_offloads(VirtioNet *n, const Command *c)
{
    uint64_t wanted = c->size == 8 ? load_le64(c->data) : UINT64_MAX;

    if (c->command != 0 || (wanted & ~(virtio_net_guest_offloads & n->v.st.features))) {
        return false;
    }
    n->st.guest_offloads = wanted;
    virtio_net_apply_offloads(n);
    return true;
}

static const struct {
    unsigned feature;
    bool (*run)(VirtioNet *n, const Command *c);
} classes[] = {
    {NET_F_CTRL_RX, ctrl_rx},
    {NET_F_CTRL_RX, ctrl_mac},
    {NET_F_CTRL_VLAN, ctrl_vlan},
    {NET_F_GUEST_ANNOUNCE, ctrl_announce},
    {NET_F_CTRL_VQ, NULL}, /* queue pairs: there is one */
    {NET_F_CTRL_GUEST_OFFLOADS, ctrl_offloads},
};

static bool run_command(VirtioNet *n, const uint8_t *request, size_t size)
{
    Command c = {.command = request[1], .data = request + 2, .size = size - 2};
    unsigned class = request[0];

    if (class >= G_N_ELEMENTS(classes) || !classes[class].run || !virtio_has(&n->v, classes[class].feature)) {
        guest_error(virtio_name(&n->v), "control class %u, command %u is not there", class, c.command);
        return false;
    }
    if (!classes[class].run(n, &c)) {
        guest_error(virtio_name(&n->v), "control class %u, command %u with %zu bytes is refused", class, c.command,
                    c.size);
        return false;
    }
    return true;
}

static bool serve_one(VirtioNet *n, VirtQueue *q)
{
    VirtioChain *c = virtqueue_pop(q);
    g_autofree uint8_t *request = NULL;
    uint8_t ack;

    if (!c) {
        return false;
    }
    if (c->out_bytes < 2 || c->out_bytes > CTRL_DATA_MAX || c->in_bytes < 1) {
        virtio_break(&n->v, "a control command of %" G_GUINT64_FORMAT " bytes", c->out_bytes);
        g_free(c);
        return false;
    }
    request = g_malloc(c->out_bytes);
    virtio_chain_read(c, 0, request, c->out_bytes);
    ack = run_command(n, request, c->out_bytes) ? CTRL_OK : CTRL_ERR;
    virtio_chain_write(c, 0, &ack, 1);
    virtqueue_push(q, c, 1);
    return true;
}

void virtio_net_control(VirtioNet *n)
{
    VirtQueue *q = &n->v.queues[NET_QUEUE_CTRL];
    unsigned left = q->st->size;

    do {
        virtqueue_want_notify(q, false);
        for (; left && serve_one(n, q); left--) {
            virtqueue_interrupt(q);
        }
    } while (left && virtqueue_want_notify(q, true));
    if (!left) {
        virtio_look_again(&n->v, NET_QUEUE_CTRL);
    }
}
