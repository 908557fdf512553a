/* hw/virtio/virtio-net.c - network device: features, receive, transmit, life.
 * Guarded by: vm_lock.  Page: docs/devices/virtio-net.md.  Test: tests/qtest/hw/virtio/virtio-net-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Virtio 1.2, 5.1.  No frame is lost in here: a full receive ring is NET_NO_ROOM, and a frame that the netdev does not
 * take stays in the transmit ring, where its state travels with the ring's indices. */
#include "hw/virtio/virtio-net.h"

#include "net/net.h"
#include "system/runstate.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/log.h"

#include <string.h>

enum { HEADER = 12, TX_BURST = 256, TX_BURSTS = 8 };
enum { HDR_NEEDS_CSUM = 1, HDR_DATA_VALID = 2 };
enum { GSO_NONE = 0, GSO_TCPV4 = 1, GSO_UDP = 3, GSO_TCPV6 = 4, GSO_ECN = 0x80 };

/* Features that follow what the netdev can do. */
static const struct {
    unsigned bit, needs;
} offload_features[] = {
    {NET_F_CSUM, NET_OFF_CSUM},           {NET_F_HOST_TSO4, NET_OFF_TSO4}, {NET_F_HOST_TSO6, NET_OFF_TSO6},
    {NET_F_HOST_ECN, NET_OFF_ECN},        {NET_F_HOST_UFO, NET_OFF_UFO},   {NET_F_GUEST_CSUM, NET_OFF_CSUM},
    {NET_F_GUEST_TSO4, NET_OFF_TSO4},     {NET_F_GUEST_TSO6, NET_OFF_TSO6}, {NET_F_GUEST_ECN, NET_OFF_ECN},
    {NET_F_GUEST_UFO, NET_OFF_UFO},       {NET_F_CTRL_GUEST_OFFLOADS, NET_OFF_CSUM},
};

/* A guest keeps its offloads when it moves to a process whose netdev lacks them: net/offload.c does their work. */
#define LOADABLE                                                                                   \
    (1ull << NET_F_CSUM | 1ull << NET_F_HOST_TSO4 | 1ull << NET_F_HOST_TSO6 | 1ull << NET_F_HOST_ECN |  \
     1ull << NET_F_HOST_UFO | 1ull << NET_F_GUEST_CSUM | 1ull << NET_F_GUEST_TSO4 | 1ull << NET_F_GUEST_TSO6 | \
     1ull << NET_F_GUEST_ECN | 1ull << NET_F_GUEST_UFO | 1ull << NET_F_CTRL_GUEST_OFFLOADS)

static VirtQueue *queue(VirtioNet *n, unsigned i)
{
    return &n->v.queues[i];
}

/* ---- features and configuration ---- */
static uint64_t offered_by_properties(const VirtioNet *n)
{
    uint64_t all = 1ull << NET_F_MAC | (uint64_t)(n->mtu != 0) << NET_F_MTU;

    for (unsigned i = 0; i < 64; i++) {
        all |= (uint64_t)n->offer[i] << i;
    }
    if (!n->offer[NET_F_CTRL_VQ]) {
        all &= ~(1ull << NET_F_CTRL_RX | 1ull << NET_F_CTRL_VLAN | 1ull << NET_F_CTRL_RX_EXTRA |
                 1ull << NET_F_GUEST_ANNOUNCE | 1ull << NET_F_CTRL_MAC_ADDR | 1ull << NET_F_CTRL_GUEST_OFFLOADS);
    }
    return all;
}

static uint64_t net_features(VirtioDevice *v)
{
    VirtioNet *n = (VirtioNet *)v;
    unsigned able = n->port.peer ? n->port.peer->offloads : 0;
    uint64_t all = offered_by_properties(n);

    for (unsigned i = 0; i < G_N_ELEMENTS(offload_features); i++) {
        if (!(able & offload_features[i].needs)) {
            all &= ~(1ull << offload_features[i].bit);
        }
    }
    return all;
}

void virtio_net_apply_offloads(VirtioNet *n)
{
    unsigned off = 0;

    for (unsigned i = 0; i < G_N_ELEMENTS(offload_features); i++) {
        unsigned bit = offload_features[i].bit;

        if ((virtio_net_guest_offloads >> bit & 1) && (n->st.guest_offloads >> bit & 1)) {
            off |= offload_features[i].needs;
        }
    }
    net_port_set_offloads(&n->port, off);
}

static void net_features_set(VirtioDevice *v)
{
    VirtioNet *n = (VirtioNet *)v;

    memset(n->st.vlans, virtio_has(v, NET_F_CTRL_VLAN) ? 0 : 0xff, sizeof(n->st.vlans));
    n->st.guest_offloads = v->st.features & virtio_net_guest_offloads;
    virtio_net_apply_offloads(n);
}

static unsigned net_config(VirtioDevice *v, uint8_t config[256])
{
    VirtioNet *n = (VirtioNet *)v;

    memcpy(config, n->st.mac, 6);
    store_le16(config + 6, n->st.status);
    store_le16(config + 8, 1); /* queue pairs */
    store_le16(config + 10, n->mtu);
    return 12;
}

static void follow_link(VirtioNet *n)
{
    uint16_t old = n->st.status;

    n->st.status = (old & ~NET_STATUS_LINK_UP) | (net_port_link_is_up(&n->port) ? NET_STATUS_LINK_UP : 0);
    if (n->st.status != old && virtio_has(&n->v, NET_F_STATUS)) {
        virtio_config_changed(&n->v);
    }
}

/* ---- receive ---- */
static void unpop_gathered(VirtioNet *n, unsigned count)
{
    while (count) {
        virtqueue_unpop(queue(n, NET_QUEUE_RX), n->gathered[--count]);
    }
}

/* Takes chains for `total` bytes; their number, or 0: too few, none taken. */
static unsigned gather(VirtioNet *n, uint64_t total)
{
    uint64_t room = 0;
    unsigned count = 0;

    while (room < total) {
        VirtioChain *c = count < VIRTQUEUE_SIZE_MAX ? virtqueue_pop(queue(n, NET_QUEUE_RX)) : NULL;

        if (!c) {
            unpop_gathered(n, count);
            return 0;
        }
        n->gathered[count++] = c;
        room += c->in_bytes;
        if (!virtio_has(&n->v, NET_F_MRG_RXBUF)) {
            break;
        }
    }
    return count;
}

/* The same, looking again after the driver was asked to notify: it may have added buffers in between. */
static unsigned gather_or_ask(VirtioNet *n, uint64_t total)
{
    VirtQueue *q = queue(n, NET_QUEUE_RX);

    for (unsigned tries = 0; tries < 1024; tries++) {
        uint16_t before = virtqueue_waiting(q);
        unsigned count = gather(n, total);

        if (count) {
            return count;
        }
        virtqueue_want_notify(q, true);
        if (virtqueue_waiting(q) == before) {
            return 0;
        }
    }
    return 0; /* a driver that only plays with the index: its next notification tries again */
}

static void make_header(const VirtioNet *n, const NetOffload *o, unsigned buffers, uint8_t header[HEADER])
{
    uint8_t flags = virtio_has(&n->v, NET_F_GUEST_CSUM) ? o->flags & (HDR_NEEDS_CSUM | HDR_DATA_VALID) : 0;

    header[0] = flags;
    header[1] = o->gso_type;
    store_le16(header + 2, o->hdr_len);
    store_le16(header + 4, o->gso_size);
    store_le16(header + 6, flags & HDR_NEEDS_CSUM ? o->csum_start : 0);
    store_le16(header + 8, flags & HDR_NEEDS_CSUM ? o->csum_offset : 0);
    store_le16(header + 10, buffers);
}

static void write_frame(VirtioNet *n, const NetFrame *f, unsigned count)
{
    VirtQueue *q = queue(n, NET_QUEUE_RX);
    uint8_t header[HEADER];
    uint64_t header_done = 0, done = 0;

    make_header(n, &f->offload, count, header);
    for (unsigned i = 0; i < count; i++) {
        VirtioChain *c = n->gathered[i];
        size_t head = virtio_chain_write(c, 0, header + header_done, HEADER - header_done);
        size_t body = virtio_chain_write(c, head, f->data + done, f->size - done);

        header_done += head;
        done += body;
        virtqueue_fill(q, c, head + body);
    }
    virtqueue_flush(q);
    virtqueue_interrupt(q);
}

static NetResult net_receive(NetPort *p, const NetFrame *f)
{
    VirtioNet *n = p->opaque;
    VirtQueue *q = queue(n, NET_QUEUE_RX);
    uint64_t total = HEADER + (uint64_t)f->size;
    unsigned count;

    if (!virtio_is_live(&n->v) || !q->used || !virtio_net_accepts(n, f->data, f->size)) {
        return NET_DONE;
    }
    count = gather_or_ask(n, total);
    if (count == 0) {
        return virtio_is_live(&n->v) ? NET_NO_ROOM : NET_DONE;
    }
    if (!virtio_has(&n->v, NET_F_MRG_RXBUF) && n->gathered[0]->in_bytes < total) {
        guest_error(virtio_name(&n->v), "receive buffer of %" G_GUINT64_FORMAT " bytes cannot take a frame of %u",
                    n->gathered[0]->in_bytes, f->size);
        unpop_gathered(n, count);
        return NET_DONE;
    }
    write_frame(n, f, count);
    return NET_DONE;
}

/* ---- transmit ---- */
static bool gso_is_negotiated(const VirtioNet *n, uint8_t gso)
{
    static const struct {
        uint8_t gso;
        unsigned feature;
    } types[] = {{GSO_TCPV4, NET_F_HOST_TSO4}, {GSO_TCPV6, NET_F_HOST_TSO6}, {GSO_UDP, NET_F_HOST_UFO}};

    if ((gso & GSO_ECN) && !virtio_has(&n->v, NET_F_HOST_ECN)) {
        return false;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(types); i++) {
        if (types[i].gso == (gso & ~GSO_ECN)) {
            return virtio_has(&n->v, types[i].feature);
        }
    }
    return false;
}

/* false: the header contradicts the frame or the negotiated features. */
static bool parse_header(const VirtioNet *n, const uint8_t header[HEADER], uint32_t size, NetOffload *ret)
{
    NetOffload o = {.flags = header[0] & HDR_NEEDS_CSUM, .gso_type = header[1], .hdr_len = load_le16(header + 2),
                    .gso_size = load_le16(header + 4)};

    if (o.flags) {
        o.csum_start = load_le16(header + 6);
        o.csum_offset = load_le16(header + 8);
        if (!virtio_has(&n->v, NET_F_CSUM) || (uint32_t)o.csum_start + o.csum_offset + 2 > size) {
            return false;
        }
    }
    if (o.gso_type == GSO_NONE) {
        o.hdr_len = o.gso_size = 0;
    } else if (!gso_is_negotiated(n, o.gso_type) || o.gso_size == 0 || !o.flags || o.hdr_len > size) {
        return false;
    }
    *ret = o;
    return true;
}

/* The frame as one piece: lent from guest memory if it lies in one buffer, else copied. */
static const uint8_t *flatten(VirtioNet *n, const VirtioChain *c)
{
    const VirtioBuffer *first = &c->buffers[0];

    if (c->out_count == 1) {
        return (const uint8_t *)first->host + HEADER;
    }
    if (c->out_count == 2 && first->size == HEADER) {
        return c->buffers[1].host;
    }
    virtio_chain_read(c, HEADER, n->frame, c->out_bytes - HEADER);
    return n->frame;
}

static NetResult send_chain(VirtioNet *n, const VirtioChain *c)
{
    uint8_t header[HEADER];
    NetFrame f = {.size = c->out_bytes - HEADER};

    virtio_chain_read(c, 0, header, HEADER);
    if (!parse_header(n, header, f.size, &f.offload)) {
        guest_error(virtio_name(&n->v), "transmitted frame of %u bytes with a wrong header is dropped", f.size);
        return NET_DONE;
    }
    f.data = flatten(n, c);
    return net_port_send(&n->port, &f);
}

static bool chain_is_frame(VirtioNet *n, const VirtioChain *c)
{
    if (c->out_bytes < HEADER + 14 || c->out_bytes > HEADER + NET_FRAME_MAX) {
        guest_error(virtio_name(&n->v), "transmitted frame of %" G_GUINT64_FORMAT " bytes with header is dropped",
                    c->out_bytes);
        return false;
    }
    return true;
}

/* Sends what is in the ring; false: the netdev took no more. */
static bool tx_burst(VirtioNet *n, VirtQueue *q, unsigned *ret_sent)
{
    VirtioChain *c;

    for (*ret_sent = 0; *ret_sent < TX_BURST && (c = virtqueue_pop(q)); (*ret_sent)++) {
        if (chain_is_frame(n, c) && send_chain(n, c) == NET_NO_ROOM) {
            virtqueue_unpop(q, c);
            return false;
        }
        virtqueue_fill(q, c, 0);
    }
    return true;
}

static void tx_run(VirtioNet *n)
{
    VirtQueue *q = queue(n, NET_QUEUE_TX);
    unsigned sent;
    bool has_more = true;

    if (n->in_tx || !n->v.is_running || !virtio_is_live(&n->v)) {
        return;
    }
    n->in_tx = true;
    for (unsigned i = 0; has_more && i < TX_BURSTS; i++) {
        bool has_room;

        virtqueue_want_notify(q, false);
        has_room = tx_burst(n, q, &sent);
        virtqueue_flush(q);
        virtqueue_interrupt(q);
        has_more = has_room && (sent == TX_BURST || virtqueue_want_notify(q, true));
    }
    n->in_tx = false;
    if (has_more) {
        virtio_look_again(&n->v, NET_QUEUE_TX);
    }
}

static void net_peer_room(NetPort *p)
{
    tx_run(p->opaque);
}

/* ---- the rest of a port ---- */
static void net_link_changed(NetPort *p)
{
    follow_link(p->opaque);
}

static bool net_announce(NetPort *p)
{
    VirtioNet *n = p->opaque;

    if (!virtio_is_live(&n->v) || !virtio_has(&n->v, NET_F_GUEST_ANNOUNCE) || !virtio_has(&n->v, NET_F_CTRL_VQ)) {
        return false;
    }
    n->st.status |= NET_STATUS_ANNOUNCE;
    virtio_config_changed(&n->v);
    return true;
}

static const NetPortOps net_port_ops = {
    .type = "virtio-net-device", .receive = net_receive, .peer_room = net_peer_room,
    .link_changed = net_link_changed, .announce = net_announce,
};

/* ---- virtio ---- */
static void net_queue_notify(VirtioDevice *v, unsigned i)
{
    VirtioNet *n = (VirtioNet *)v;

    if (i == NET_QUEUE_RX) {
        virtqueue_want_notify(queue(n, i), false); /* asked again when the ring is empty */
        net_port_room(&n->port);
    } else if (i == NET_QUEUE_TX) {
        tx_run(n);
    } else {
        virtio_net_control(n);
    }
}

static void net_started(VirtioDevice *v)
{
    follow_link((VirtioNet *)v);
}

static void net_session_reset(VirtioDevice *v)
{
    VirtioNet *n = (VirtioNet *)v;

    memset(&n->st, 0, sizeof(n->st));
    memcpy(n->st.mac, n->mac, 6);
    memcpy(n->port.mac, n->mac, 6);
    n->st.promisc = true;
    n->st.status = n->has_port && net_port_link_is_up(&n->port) ? NET_STATUS_LINK_UP : 0;
    if (n->has_port) {
        net_port_room(&n->port); /* what waited for the old ring is delivered to a NIC without a driver: to nobody */
    }
}

static const VirtioOps net_ops = {
    .device_id = VIRTIO_ID_NET, .queue_count = NET_QUEUES, .queue_sizes = {256, 256, 64},
    .features = net_features, .loadable = LOADABLE, .features_set = net_features_set,
    .config = net_config, .queue_notify = net_queue_notify, .started = net_started, .reset = net_session_reset,
};

/* ---- life ---- */
static bool set_queue_size(VirtioNet *n, unsigned i, uint16_t size, const char *name, GError **errp)
{
    VirtQueue *q = queue(n, i);

    if (size < 64 || size > VIRTQUEUE_SIZE_MAX || (size & (size - 1))) {
        return fail(errp, "Parameter '%s' expects a power of two between 64 and %u", name, VIRTQUEUE_SIZE_MAX);
    }
    q->size_max = size;
    virtqueue_reset(q);
    return true;
}

static bool net_realize(Object *o, GError **errp)
{
    VirtioNet *n = (VirtioNet *)o;

    if (!set_queue_size(n, NET_QUEUE_RX, n->rx_queue_size, "rx_queue_size", errp) ||
        !set_queue_size(n, NET_QUEUE_TX, n->tx_queue_size, "tx_queue_size", errp)) {
        return false;
    }
    if (n->mac[0] & 1) {
        return fail(errp, "Parameter 'mac' expects a unicast address");
    }
    if (!net_mac_is_set(n->mac)) {
        net_mac_default(n->mac);
    }
    n->port.is_nic = true;
    memcpy(n->port.mac, n->mac, 6);
    net_port_init(&n->port, virtio_name(&n->v), &net_port_ops, n);
    n->has_port = true;
    if (n->netdev && !net_port_connect(&n->port, n->netdev, errp)) {
        return false;
    }
    net_session_reset(&n->v);
    return true;
}

static void net_unrealize(Object *o)
{
    VirtioNet *n = (VirtioNet *)o;

    if (n->has_port) {
        net_port_destroy(&n->port);
        n->has_port = false;
    }
}

static bool net_loaded(void *opaque, uint32_t version, GError **errp)
{
    VirtioNet *n = opaque;

    if (n->st.uni_count > NET_MAC_TABLE || n->st.multi_count > NET_MAC_TABLE - n->st.uni_count) {
        return fail(errp, "virtio device '%s': address table of %u + %u entries", virtio_name(&n->v),
                    n->st.uni_count, n->st.multi_count);
    }
    if (n->st.guest_offloads & ~(virtio_net_guest_offloads & n->v.st.features)) {
        return fail(errp, "virtio device '%s': offloads that were not negotiated", virtio_name(&n->v));
    }
    memcpy(n->port.mac, n->st.mac, 6);
    if (n->port.peer) { /* set_link is of the guest's cable, whichever end was named there; and outlasts a reset here */
        n->port.link_down = !(n->st.status & NET_STATUS_LINK_UP);
    }
    virtio_net_apply_offloads(n);
    return true;
}

VMSTATE_DEFINE_SPAN(VirtioNet, st)
static const VMStateDescription net_state = {
    .name = "virtio-net", .version = 1, .phase = VMSTATE_SAVE_DEVICE, VMSTATE_SPAN(VirtioNet, st),
    .loaded = net_loaded,
    .fields = VMSTATE_FIELDS(
        VMSTATE_BYTES(VirtioNet, st.mac), VMSTATE_U16(VirtioNet, st.status), VMSTATE_BOOL(VirtioNet, st.promisc),
        VMSTATE_BOOL(VirtioNet, st.all_multi), VMSTATE_BOOL(VirtioNet, st.all_uni),
        VMSTATE_BOOL(VirtioNet, st.no_multi), VMSTATE_BOOL(VirtioNet, st.no_uni),
        VMSTATE_BOOL(VirtioNet, st.no_broadcast), VMSTATE_BOOL(VirtioNet, st.uni_overflow),
        VMSTATE_BOOL(VirtioNet, st.multi_overflow), VMSTATE_U32(VirtioNet, st.uni_count),
        VMSTATE_U32(VirtioNet, st.multi_count), VMSTATE_BYTES(VirtioNet, st.macs),
        VMSTATE_U32_ARRAY(VirtioNet, st.vlans), VMSTATE_U64(VirtioNet, st.guest_offloads)),
};

#define OFFER(text, bit, about) PROP_BOOL(text, VirtioNet, offer[bit], true, about)
static const Property net_props[] = {
    PROP_MAC("mac", VirtioNet, mac, "address; default 52:54:00:12:34:56 and up"),
    PROP_ID("netdev", VirtioNet, netdev, netdev, "id of the netdev at the other end"),
    PROP_U16("host_mtu", VirtioNet, mtu, 0, "MTU told to the guest; 0: none"),
    PROP_U16("rx_queue_size", VirtioNet, rx_queue_size, 256, "entries of the receive ring"),
    PROP_U16("tx_queue_size", VirtioNet, tx_queue_size, 256, "entries of the transmit ring"),
    PROP_BOOT_INDEX(VirtioNet, boot_index),
    OFFER("csum", NET_F_CSUM, "guest may leave checksums to the host"),
    OFFER("guest_csum", NET_F_GUEST_CSUM, "host may leave checksums to the guest"),
    OFFER("guest_tso4", NET_F_GUEST_TSO4, "guest takes large IPv4 TCP frames"),
    OFFER("guest_tso6", NET_F_GUEST_TSO6, "guest takes large IPv6 TCP frames"),
    OFFER("guest_ecn", NET_F_GUEST_ECN, "... with ECN"),
    OFFER("guest_ufo", NET_F_GUEST_UFO, "guest takes large UDP frames"),
    OFFER("host_tso4", NET_F_HOST_TSO4, "host takes large IPv4 TCP frames"),
    OFFER("host_tso6", NET_F_HOST_TSO6, "host takes large IPv6 TCP frames"),
    OFFER("host_ecn", NET_F_HOST_ECN, "... with ECN"),
    OFFER("host_ufo", NET_F_HOST_UFO, "host takes large UDP frames"),
    OFFER("mrg_rxbuf", NET_F_MRG_RXBUF, "a frame may use several receive buffers"),
    OFFER("status", NET_F_STATUS, "link state in the configuration"),
    OFFER("ctrl_vq", NET_F_CTRL_VQ, "control queue"),
    OFFER("ctrl_rx", NET_F_CTRL_RX, "receive modes and address table"),
    OFFER("ctrl_vlan", NET_F_CTRL_VLAN, "VLAN filter"),
    OFFER("ctrl_rx_extra", NET_F_CTRL_RX_EXTRA, "more receive modes"),
    OFFER("ctrl_mac_addr", NET_F_CTRL_MAC_ADDR, "guest may set its address"),
    OFFER("ctrl_guest_offloads", NET_F_CTRL_GUEST_OFFLOADS, "guest may switch offloads"),
    OFFER("guest_announce", NET_F_GUEST_ANNOUNCE, "guest announces itself after a handoff"),
    {}
};

const ObjectType virtio_net_type = {
    .name = "virtio-net-device", .parent = "virtio-device", .kind = KIND_DEVICE, .size = sizeof(VirtioNet),
    .props = net_props, .state = &net_state, .bus = "virtio-bus", .realize = net_realize,
    .unrealize = net_unrealize, .ops = &net_ops, .flags = TYPE_USER_CREATABLE,
    .about = "network device (virtio)",
};
