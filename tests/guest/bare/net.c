/* tests/guest/bare/net.c - ARP, ICMP echo and the numbered datagrams of ../traffic.h on fixed addresses.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The card 52:54:00:12:34:56 is 10.0.2.15, the next address 10.0.3.15, and so on.  A card with an MTU of 65535 is driven
 * with all offloads, in merged buffers; the others without any. */
#include "net.h"

enum {
    ICMP_ECHO = 8, STREAM_STEP = TICKS_PER_MS, STREAM_BEHIND = 200, R_CONFIG = 0x100, MTU_BIG = 65535,
    F_CSUM = 0, F_GUEST_CSUM = 1, F_MTU = 3, F_MAC = 5, F_GUEST_TSO4 = 7, F_HOST_TSO4 = 11, F_HOST_UFO = 14,
    F_MRG_RXBUF = 15,
};
#define OFFLOADS (1ULL << F_CSUM | 1ULL << F_GUEST_CSUM | 1ULL << F_GUEST_TSO4 | 1ULL << F_HOST_TSO4 | \
                  1ULL << F_HOST_UFO | 1ULL << F_MRG_RXBUF)

static Nic nics[NICS_MAX];
Nic *nic;
static uint32_t nic_count;
static bool is_holding;
static uint32_t ip_id;
static uint8_t merged[VNET + ETH + FRAME_BYTES] __attribute__((aligned(8)));

static bool same(const void *a, const void *b, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++) {
        if (((const uint8_t *)a)[i] != ((const uint8_t *)b)[i]) {
            return false;
        }
    }
    return true;
}

/* ---- sending -------------------------------------------------------------------------------------------------- */

static void tx_reclaim(void)
{
    uint32_t id, len;

    while (queue_take(&nic->tx, &id, &len)) {
        if (nic->big_of[id]) {
            big_free(nic->big_of[id] - 1);
            nic->big_of[id] = 0;
        }
        nic->tx_free[nic->tx_free_count++] = id;
    }
}

/* A buffer for a frame.  While none is free the guest waits: it does not lose what it has to answer. */
uint16_t tx_take(void)
{
    tx_reclaim();
    if (!nic->tx_free_count) {
        tx_wait();
    }
    return nic->tx_free[--nic->tx_free_count];
}

/* Until the host has taken a frame. */
void tx_wait(void)
{
    uint32_t before = nic->tx_free_count;

    counters.no_tx_room++;
    queue_kick(&nic->tx);
    while (nic->tx_free_count == before) {
        tx_reclaim();
    }
}

static void tx_send(uint16_t id, uint32_t len)
{
    if (len < 60) {
        memset(nic->tx_buf[id] + VNET + len, 0, 60 - len);
        len = 60;
    }
    memset(nic->tx_buf[id], 0, VNET);
    nic->tx.desc[id] = (Desc) { (uintptr_t)nic->tx_buf[id], VNET + len, 0, 0 };
    queue_give(&nic->tx, id);
    counters.frames_out++;
}

void eth_header(uint8_t *frame, const uint8_t *to, uint32_t type)
{
    memcpy(frame, to, 6);
    memcpy(frame + 6, nic->mac, 6);
    put16(frame + 12, type);
}

void ip_header(uint8_t *ip, uint8_t proto, uint32_t to, uint32_t body)
{
    memset(ip, 0, IP4);
    ip[0] = 0x45;
    put16(ip + 2, IP4 + body);
    put16(ip + 4, ++ip_id);
    ip[8] = 64;
    ip[9] = proto;
    put32(ip + 12, nic->ip);
    put32(ip + 16, to);
    put16(ip + 10, inet_sum(0, ip, IP4));
}

static void udp_send(uint16_t id, const uint8_t *to_mac, uint32_t to_ip, uint16_t from, uint16_t to, uint32_t len)
{
    uint8_t *frame = nic->tx_buf[id] + VNET, *udp = frame + ETH + IP4;
    uint16_t check;

    eth_header(frame, to_mac, TYPE_IP);
    ip_header(frame + ETH, PROTO_UDP, to_ip, UDP + len);
    put16(udp, from);
    put16(udp + 2, to);
    put16(udp + 4, UDP + len);
    put16(udp + 6, 0);
    check = inet_sum(pseudo_sum(nic->ip, to_ip, PROTO_UDP, UDP + len), udp, UDP + len);
    put16(udp + 6, check ? check : 0xffff);
    tx_send(id, ETH + IP4 + UDP + len);
}

static uint8_t *udp_body(uint16_t id)
{
    return nic->tx_buf[id] + VNET + ETH + IP4 + UDP;
}

/* ---- what the ports do ------------------------------------------------------------------------------------------ */

typedef struct Datagram {
    const uint8_t *mac, *body;
    uint32_t ip, len;
    uint16_t from, to;
} Datagram;

static bool take_number(const Datagram *d, Numbered *numbers)
{
    TrafficPacket p;

    if (d->len < sizeof(p)) {
        return false;
    }
    memcpy(&p, d->body, sizeof(p));
    if (swap32(p.magic) != TRAFFIC_MAGIC) {
        return false;
    }
    numbered_take(numbers, swap64(p.number));
    return true;
}

static void answer_echo(const Datagram *d)
{
    TrafficPacket p;
    uint16_t id;

    if (!take_number(d, nic->echo)) {
        return;
    }
    id = tx_take();
    memcpy(&p, d->body, sizeof(p));
    p.echo = p.number;
    p.number = swap64(++*nic->echo_sent);
    memcpy(udp_body(id), d->body, d->len);
    memcpy(udp_body(id), &p, sizeof(p));
    udp_send(id, d->mac, d->ip, d->to, d->from, d->len);
}

static void renew_stream(const Datagram *d)
{
    uint64_t rate = 0;

    for (uint32_t i = 0; i < d->len && d->body[i] >= '0' && d->body[i] <= '9' && rate < 100000; i++) {
        rate = rate * 10 + d->body[i] - '0';
    }
    if (!nic->stream.rate) {
        nic->stream.next = mtime();
    }
    nic->stream.rate = rate;
    nic->stream.lease = mtime() + (uint64_t)STREAM_LEASE_MS * TICKS_PER_MS;
    memcpy(nic->stream.mac, d->mac, 6);
    nic->stream.ip = d->ip;
    nic->stream.port = d->from;
}

static void answer_query(const Datagram *d)
{
    uint32_t len = d->len < sizeof(nic->last_reset) ? d->len : sizeof(nic->last_reset);
    uint16_t id;

    if (len > 6 && same(d->body, "reset ", 6) && !same(d->body, nic->last_reset, len)) {
        memcpy(nic->last_reset, d->body, len);
        memset(nic->echo, 0, sizeof(*nic->echo));
        memset(nic->broadcast, 0, sizeof(*nic->broadcast));
        *nic->echo_sent = *nic->stream_sent = 0;
        counters.plain = counters.plain_group = counters.plain_other = 0;
    }
    id = tx_take();
    udp_send(id, d->mac, d->ip, d->to, d->from, format_counters((char *)udp_body(id), nic - nics));
}

/* All of a kind are alike to the byte, from Ethernet's header on. */
static void take_plain(const uint8_t *frame, const Datagram *d)
{
    static uint8_t first[2][BUFFER];
    static uint32_t first_len[2];
    uint32_t is_group = frame[0] & 1, len = ETH + IP4 + UDP + d->len;

    if (!first_len[is_group] && len <= BUFFER) {
        memcpy(first[is_group], frame, len);
        first_len[is_group] = len;
    }
    counters.plain_other += first_len[is_group] != len || !same(first[is_group], frame, len);
    (*(is_group ? &counters.plain_group : &counters.plain))++;
}

static void udp_input(const uint8_t *frame, const uint8_t *ip, const uint8_t *udp, uint32_t room, bool is_checked)
{
    uint32_t len = room < UDP ? 0 : get16(udp + 4);
    Datagram d = { .mac = frame + 6, .body = udp + UDP, .ip = get32(ip + 12), .len = len - UDP };

    if (len < UDP || len > room ||
        (!is_checked && get16(udp + 6) && inet_sum(pseudo_sum(d.ip, get32(ip + 16), PROTO_UDP, len), udp, len))) {
        counters.bad_sums++;
        return;
    }
    d.from = get16(udp);
    d.to = get16(udp + 2);
    switch (d.to) {
    case PORT_ECHO: answer_echo(&d); break;
    case PORT_STREAM: renew_stream(&d); break;
    case PORT_QUERY: answer_query(&d); break;
    case PORT_BROADCAST: take_number(&d, nic->broadcast); break;
    case PORT_PLAIN: take_plain(frame, &d); break;
    default: break;
    }
}

static void icmp_input(const uint8_t *frame, const uint8_t *ip, const uint8_t *icmp, uint32_t len)
{
    uint16_t id;
    uint8_t *out;

    if (len < 8 || icmp[0] != 8) {
        return;
    }
    id = tx_take();
    out = nic->tx_buf[id] + VNET;
    eth_header(out, frame + 6, TYPE_IP);
    ip_header(out + ETH, PROTO_ICMP, get32(ip + 12), len);
    memcpy(out + ETH + IP4, icmp, len);
    out[ETH + IP4] = 0;
    put16(out + ETH + IP4 + 2, 0);
    put16(out + ETH + IP4 + 2, inet_sum(0, out + ETH + IP4, len));
    tx_send(id, ETH + IP4 + len);
}

static bool is_for_us(uint32_t to)
{
    return to == nic->ip || to == (nic->ip | 0xff) || to == 0xffffffff || to >> 28 == 14;
}

static void ip_input(const uint8_t *frame, const uint8_t *ip, uint32_t room, bool is_checked)
{
    BigFrame big = { .frame = frame, .ip = ip, .is_checked = is_checked };
    uint32_t header, total, to;

    if (room < IP4) {
        return;
    }
    header = (ip[0] & 15) * 4;
    total = get16(ip + 2);
    to = get32(ip + 16);
    if (ip[0] >> 4 != 4 || header < IP4 || total < header || total > room || inet_sum(0, ip, header)) {
        counters.bad_sums++;
        return;
    }
    big.l4 = ip + header;
    big.len = total - header;
    if (is_for_us(to)) {
        if (ip[9] == PROTO_TCP) {
            big_tcp(&big);
        } else if (ip[9] == PROTO_UDP && ((get16(ip + 6) & 0x3fff) || get16(big.l4 + 2) == PORT_BIG)) {
            big_udp(&big);
        } else if (ip[9] == PROTO_UDP) {
            udp_input(frame, ip, ip + header, total - header, is_checked);
        } else if (ip[9] == PROTO_ICMP) {
            icmp_input(frame, ip, ip + header, total - header);
        }
    }
}

static void arp_input(const uint8_t *arp, uint32_t len)
{
    uint16_t id;
    uint8_t *out;

    if (len < 28 || get16(arp + 6) != 1 || get32(arp + 24) != nic->ip) {
        return;
    }
    id = tx_take();
    out = nic->tx_buf[id] + VNET;
    eth_header(out, arp + 8, TYPE_ARP);
    memcpy(out + ETH, arp, 8);
    put16(out + ETH + 6, 2);
    memcpy(out + ETH + 8, nic->mac, 6);
    put32(out + ETH + 14, nic->ip);
    memcpy(out + ETH + 18, arp + 8, 10);
    tx_send(id, ETH + 28);
}

static void frame_input(const uint8_t *frame, uint32_t len, bool is_checked)
{
    counters.frames_in++;
    if (len < ETH || (!same(frame, nic->mac, 6) && !(frame[0] & 1))) {
        return;
    }
    if (get16(frame + 12) == TYPE_ARP) {
        arp_input(frame + ETH, len - ETH);
    } else if (get16(frame + 12) == TYPE_IP) {
        ip_input(frame, frame + ETH, len - ETH, is_checked);
    }
}

/* ---- the own stream -------------------------------------------------------------------------------------------- */

static void stream_work(void)
{
    uint64_t now = mtime(), gap, due;
    Stream *s = &nic->stream;

    if (s->rate && now > s->lease) {
        s->rate = 0;
    }
    if (!s->rate || now < s->next) {
        return;
    }
    gap = 1000 * TICKS_PER_MS / s->rate;
    due = 1 + (now - s->next) / gap;
    if (due > STREAM_BEHIND) {
        due = 1;
        s->next = now;
    }
    s->next += due * gap;
    for (; due; due--) {
        uint16_t id = tx_take();
        TrafficPacket p = { .magic = swap32(TRAFFIC_MAGIC), .number = swap64(++*nic->stream_sent) };

        memcpy(udp_body(id), &p, sizeof(p));
        udp_send(id, s->mac, s->ip, PORT_STREAM, s->port, sizeof(p));
    }
}

uint64_t net_next_due(void)
{
    uint64_t step = mtime() + STREAM_STEP, first = UINT64_MAX;

    for (uint32_t i = 0; i < NICS_MAX; i++) {
        const Stream *s = &nics[i].stream;

        if (s->rate && s->next < first) {
            first = s->next;
        }
    }
    return first == UINT64_MAX || first > step ? first : step;
}

/* ---- life ------------------------------------------------------------------------------------------------------- */

/* The number of a card is in its address, so that it does not depend on the slot. */
static bool nic_find(const VirtioFound *found)
{
    uint32_t number = *(volatile uint8_t *)(found->regs + R_CONFIG + 5) - 0x56;

    if (number >= NICS_MAX || nics[number].rx.regs) {
        print("network card with an unexpected address\n");
        return false;
    }
    nic = &nics[number];
    for (uint32_t i = 0; i < 6; i++) {
        nic->mac[i] = *(volatile uint8_t *)(found->regs + R_CONFIG + i);
    }
    nic->ip = 0x0a00020f + (number << 8);
    nic->features = found->features;
    nic->echo = number ? &counters.more[number - 1].echo : &counters.echo;
    nic->broadcast = number ? &counters.more[number - 1].broadcast : &counters.broadcast;
    nic->echo_sent = number ? &counters.more[number - 1].echo_sent : &counters.echo_sent;
    nic->stream_sent = number ? &counters.more[number - 1].stream_sent : &counters.stream_sent;
    return true;
}

static void nic_start(uintptr_t regs)
{
    virtio_queue(regs, 0, &nic->rx);
    virtio_queue(regs, 1, &nic->tx);
    nic->tx.avail.flags = NO_INTERRUPT;
    virtio_start(regs);
    for (uint16_t i = 0; i < QUEUE_SIZE; i++) {
        nic->rx.desc[i] = (Desc) { (uintptr_t)nic->rx_buf[i], BUFFER, DESC_WRITE, 0 };
        queue_give(&nic->rx, i);
        nic->tx_free[nic->tx_free_count++] = i;
    }
    queue_kick(&nic->rx);
}

static bool wants_offloads(uint32_t slot)
{
    VirtioFound found;

    return virtio_find(DEVICE_NET, 1ULL << F_MAC | 1ULL << F_MTU, slot, &found) && found.slot == slot &&
           found.features >> F_MTU & 1 && *(volatile uint16_t *)(found.regs + R_CONFIG + 10) == MTU_BIG;
}

bool net_init(void)
{
    VirtioFound found;

    for (uint32_t slot = 0; virtio_find(DEVICE_NET, 1ULL << F_MAC, slot, &found); slot = found.slot + 1) {
        if (wants_offloads(found.slot)) {
            virtio_find(DEVICE_NET, 1ULL << F_MAC | OFFLOADS, found.slot, &found);
        } else {
            virtio_find(DEVICE_NET, 1ULL << F_MAC, found.slot, &found);
        }
        if (nic_find(&found)) {
            nic_start(found.regs);
            irq_enable(1 + found.slot);
            nic_count++;
        }
    }
    return nic_count;
}

void net_hold(void)
{
    is_holding = !is_holding;
}

/* A frame in several buffers: they come in order, all of them or none. */
static uint32_t merge(uint32_t id, uint32_t len, uint32_t count)
{
    uint32_t at = 0;

    for (;;) {
        uint32_t room = sizeof(merged) - at;

        copy_fast(merged + at, nic->rx_buf[id], len < room ? len : room);
        at += len < room ? len : room;
        queue_give(&nic->rx, id);
        if (!--count) {
            return at;
        }
        while (!queue_take(&nic->rx, &id, &len)) {
        }
    }
}

static void take_frame(uint32_t id, uint32_t len)
{
    const uint8_t *header = nic->rx_buf[id];
    bool is_checked = nic->features >> F_GUEST_CSUM & 1 && (header[0] & (NEEDS_CSUM | DATA_VALID));
    uint32_t count = nic->features >> F_MRG_RXBUF & 1 ? header[10] | header[11] << 8 : 1;

    if (count > 1) {
        len = merge(id, len, count);
        frame_input(merged + VNET, len - VNET, is_checked);
        return;
    }
    if (len > VNET) {
        frame_input(nic->rx_buf[id] + VNET, len - VNET, is_checked);
    }
    queue_give(&nic->rx, id);
}

static void nic_work(void)
{
    uint16_t sent_before = nic->tx.avail.idx, given_before = nic->rx.avail.idx;
    uint32_t id, len;

    while (!is_holding && queue_take(&nic->rx, &id, &len)) {
        take_frame(id, len);
    }
    stream_work();
    if (nic->rx.avail.idx != given_before) {
        queue_kick(&nic->rx);
    }
    if (nic->tx.avail.idx != sent_before) {
        queue_kick(&nic->tx);
    }
}

void net_work(void)
{
    for (uint32_t i = 0; i < NICS_MAX; i++) {
        if (nics[i].rx.regs) {
            nic = &nics[i];
            nic_work();
        }
    }
}
