/* tests/guest/bare/net.c - ARP, ICMP echo and the numbered datagrams of ../traffic.h on a fixed address.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "bare.h"
#include "../wire.h"

enum {
    VNET = 12, ETH = 14, IP4 = 20, UDP = 8, BUFFER = 2048, IP_OWN = 0x0a00020f, F_MAC = 5, R_CONFIG = 0x100,
    TYPE_IP = 0x0800, TYPE_ARP = 0x0806, PROTO_ICMP = 1, PROTO_UDP = 17, STREAM_STEP = TICKS_PER_MS, STREAM_BEHIND = 200,
};

static Queue rx, tx;
static uint8_t rx_buf[QUEUE_SIZE][BUFFER], tx_buf[QUEUE_SIZE][BUFFER], mac[6];
static uint16_t tx_free[QUEUE_SIZE];
static uint32_t tx_free_count, ip_id;

/* To whom the own stream goes: the headers of the datagram that asked for it. */
static struct {
    uint64_t rate, lease, next;
    uint8_t mac[6];
    uint32_t ip;
    uint16_t port;
} stream;

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

    while (queue_take(&tx, &id, &len)) {
        tx_free[tx_free_count++] = id;
    }
}

/* A buffer for a frame.  While none is free the guest waits: it does not lose what it has to answer. */
static uint16_t tx_take(void)
{
    tx_reclaim();
    if (!tx_free_count) {
        counters.no_tx_room++;
        queue_kick(&tx);
        while (!tx_free_count) {
            tx_reclaim();
        }
    }
    return tx_free[--tx_free_count];
}

static void tx_send(uint16_t id, uint32_t len)
{
    if (len < 60) {
        memset(tx_buf[id] + VNET + len, 0, 60 - len);
        len = 60;
    }
    memset(tx_buf[id], 0, VNET);
    tx.desc[id] = (Desc) { (uintptr_t)tx_buf[id], VNET + len, 0, 0 };
    queue_give(&tx, id);
    counters.frames_out++;
}

static void eth_header(uint8_t *frame, const uint8_t *to, uint32_t type)
{
    memcpy(frame, to, 6);
    memcpy(frame + 6, mac, 6);
    put16(frame + 12, type);
}

static void ip_header(uint8_t *ip, uint8_t proto, uint32_t to, uint32_t body)
{
    memset(ip, 0, IP4);
    ip[0] = 0x45;
    put16(ip + 2, IP4 + body);
    put16(ip + 4, ++ip_id);
    ip[8] = 64;
    ip[9] = proto;
    put32(ip + 12, IP_OWN);
    put32(ip + 16, to);
    put16(ip + 10, inet_sum(0, ip, IP4));
}

static void udp_send(uint16_t id, const uint8_t *to_mac, uint32_t to_ip, uint16_t from, uint16_t to, uint32_t len)
{
    uint8_t *frame = tx_buf[id] + VNET, *udp = frame + ETH + IP4;
    uint16_t check;

    eth_header(frame, to_mac, TYPE_IP);
    ip_header(frame + ETH, PROTO_UDP, to_ip, UDP + len);
    put16(udp, from);
    put16(udp + 2, to);
    put16(udp + 4, UDP + len);
    put16(udp + 6, 0);
    check = inet_sum(pseudo_sum(IP_OWN, to_ip, PROTO_UDP, UDP + len), udp, UDP + len);
    put16(udp + 6, check ? check : 0xffff);
    tx_send(id, ETH + IP4 + UDP + len);
}

static uint8_t *udp_body(uint16_t id)
{
    return tx_buf[id] + VNET + ETH + IP4 + UDP;
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

    if (!take_number(d, &counters.echo)) {
        return;
    }
    id = tx_take();
    memcpy(&p, d->body, sizeof(p));
    p.echo = p.number;
    p.number = swap64(++counters.echo_sent);
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
    if (!stream.rate) {
        stream.next = mtime();
    }
    stream.rate = rate;
    stream.lease = mtime() + (uint64_t)STREAM_LEASE_MS * TICKS_PER_MS;
    memcpy(stream.mac, d->mac, 6);
    stream.ip = d->ip;
    stream.port = d->from;
}

static void answer_query(const Datagram *d)
{
    static uint8_t last[64];
    uint32_t len = d->len < sizeof(last) ? d->len : sizeof(last);
    uint16_t id;

    if (len > 6 && same(d->body, "reset ", 6) && !same(d->body, last, len)) {
        memcpy(last, d->body, len);
        memset(&counters.echo, 0, sizeof(counters.echo));
        memset(&counters.broadcast, 0, sizeof(counters.broadcast));
        counters.echo_sent = counters.stream_sent = 0;
    }
    id = tx_take();
    udp_send(id, d->mac, d->ip, d->to, d->from, format_counters((char *)udp_body(id)));
}

static void udp_input(const uint8_t *frame, const uint8_t *ip, const uint8_t *udp, uint32_t room)
{
    uint32_t len = room < UDP ? 0 : get16(udp + 4);
    Datagram d = { .mac = frame + 6, .body = udp + UDP, .ip = get32(ip + 12), .len = len - UDP };

    if (len < UDP || len > room ||
        (get16(udp + 6) && inet_sum(pseudo_sum(d.ip, get32(ip + 16), PROTO_UDP, len), udp, len))) {
        counters.bad_sums++;
        return;
    }
    d.from = get16(udp);
    d.to = get16(udp + 2);
    switch (d.to) {
    case PORT_ECHO: answer_echo(&d); break;
    case PORT_STREAM: renew_stream(&d); break;
    case PORT_QUERY: answer_query(&d); break;
    case PORT_BROADCAST: take_number(&d, &counters.broadcast); break;
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
    out = tx_buf[id] + VNET;
    eth_header(out, frame + 6, TYPE_IP);
    ip_header(out + ETH, PROTO_ICMP, get32(ip + 12), len);
    memcpy(out + ETH + IP4, icmp, len);
    out[ETH + IP4] = 0;
    put16(out + ETH + IP4 + 2, 0);
    put16(out + ETH + IP4 + 2, inet_sum(0, out + ETH + IP4, len));
    tx_send(id, ETH + IP4 + len);
}

static void ip_input(const uint8_t *frame, const uint8_t *ip, uint32_t room)
{
    uint32_t header, total, to;

    if (room < IP4) {
        return;
    }
    header = (ip[0] & 15) * 4;
    total = get16(ip + 2);
    to = get32(ip + 16);
    if (ip[0] >> 4 != 4 || header < IP4 || total < header || total > room || inet_sum(0, ip, header)) {
        counters.bad_sums++;
    } else if (to == IP_OWN || to == (IP_OWN | 0xff) || to == 0xffffffff) {
        if (ip[9] == PROTO_UDP) {
            udp_input(frame, ip, ip + header, total - header);
        } else if (ip[9] == PROTO_ICMP) {
            icmp_input(frame, ip, ip + header, total - header);
        }
    }
}

static void arp_input(const uint8_t *arp, uint32_t len)
{
    uint16_t id;
    uint8_t *out;

    if (len < 28 || get16(arp + 6) != 1 || get32(arp + 24) != IP_OWN) {
        return;
    }
    id = tx_take();
    out = tx_buf[id] + VNET;
    eth_header(out, arp + 8, TYPE_ARP);
    memcpy(out + ETH, arp, 8);
    put16(out + ETH + 6, 2);
    memcpy(out + ETH + 8, mac, 6);
    put32(out + ETH + 14, IP_OWN);
    memcpy(out + ETH + 18, arp + 8, 10);
    tx_send(id, ETH + 28);
}

static void frame_input(const uint8_t *frame, uint32_t len)
{
    counters.frames_in++;
    if (len < ETH || (!same(frame, mac, 6) && !(frame[0] & 1))) {
        return;
    }
    if (get16(frame + 12) == TYPE_ARP) {
        arp_input(frame + ETH, len - ETH);
    } else if (get16(frame + 12) == TYPE_IP) {
        ip_input(frame, frame + ETH, len - ETH);
    }
}

/* ---- the own stream -------------------------------------------------------------------------------------------- */

static void stream_work(void)
{
    uint64_t now = mtime(), gap, due;

    if (stream.rate && now > stream.lease) {
        stream.rate = 0;
    }
    if (!stream.rate || now < stream.next) {
        return;
    }
    gap = 1000 * TICKS_PER_MS / stream.rate;
    due = 1 + (now - stream.next) / gap;
    if (due > STREAM_BEHIND) {
        due = 1;
        stream.next = now;
    }
    stream.next += due * gap;
    for (; due; due--) {
        uint16_t id = tx_take();
        TrafficPacket p = { .magic = swap32(TRAFFIC_MAGIC), .number = swap64(++counters.stream_sent) };

        memcpy(udp_body(id), &p, sizeof(p));
        udp_send(id, stream.mac, stream.ip, PORT_STREAM, stream.port, sizeof(p));
    }
}

uint64_t net_next_due(void)
{
    uint64_t step = mtime() + STREAM_STEP;

    return !stream.rate ? UINT64_MAX : stream.next > step ? stream.next : step;
}

/* ---- life ------------------------------------------------------------------------------------------------------- */

bool net_init(void)
{
    uint32_t slot;
    uintptr_t regs = virtio_find(DEVICE_NET, 1ULL << F_MAC, &slot);

    if (!regs) {
        return false;
    }
    for (uint32_t i = 0; i < 6; i++) {
        mac[i] = *(volatile uint8_t *)(regs + R_CONFIG + i);
    }
    virtio_queue(regs, 0, &rx);
    virtio_queue(regs, 1, &tx);
    tx.avail.flags = NO_INTERRUPT;
    virtio_start(regs);
    for (uint16_t i = 0; i < QUEUE_SIZE; i++) {
        rx.desc[i] = (Desc) { (uintptr_t)rx_buf[i], BUFFER, DESC_WRITE, 0 };
        queue_give(&rx, i);
        tx_free[tx_free_count++] = i;
    }
    queue_kick(&rx);
    irq_enable(1 + slot);
    return true;
}

void net_work(void)
{
    uint16_t sent_before = tx.avail.idx, given_before = rx.avail.idx;
    uint32_t id, len;

    if (!rx.regs) {
        return;
    }
    while (queue_take(&rx, &id, &len)) {
        if (len > VNET) {
            frame_input(rx_buf[id] + VNET, len - VNET);
        }
        queue_give(&rx, id);
    }
    stream_work();
    if (rx.avail.idx != given_before) {
        queue_kick(&rx);
    }
    if (tx.avail.idx != sent_before) {
        queue_kick(&tx);
    }
}
