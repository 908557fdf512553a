/* tests/tools/client-raw.c - the traffic client on frames of its own: Ethernet, ARP, IPv4 and UDP over a `stream` socket.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * For machines where nobody may open a tap.  Framing as of -netdev stream: be32 length, then the frame. */
#include "client.h"
#include "../guest/wire.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ETH = 14, IP4 = 20, UDP = 8, FRAME_MAX = 2048, IN_MAX = 1 << 18, OUT_MAX = 1 << 22, ARP_RETRY_NS = 200000000 };
enum { TYPE_IP = 0x0800, TYPE_ARP = 0x0806, PROTO_ICMP = 1, PROTO_TCP = 6, PROTO_UDP = 17 };

static const Options *opt;
static int fd;
static uint8_t in[IN_MAX], *out, guest_mac[6];
static uint32_t in_len, out_len, ip_id;
static uint64_t arp_asked_ns, bad;
static bool resolved;

static void flush_out(void)
{
    ssize_t sent = out_len ? send(fd, out, out_len, MSG_NOSIGNAL | MSG_DONTWAIT) : 0;

    if (sent > 0) {
        out_len -= sent;
        memmove(out, out + sent, out_len);
    } else if (sent < 0 && errno != EAGAIN && errno != EINTR) {
        perror("traffic-client: the switch");
        exit(1);
    }
}

static void frame_send(const uint8_t *frame, uint32_t len)
{
    if (out_len + 4 + len > OUT_MAX) {
        fprintf(stderr, "traffic-client: the switch takes nothing any more\n");
        exit(1);
    }
    put32(out + out_len, len);
    memcpy(out + out_len + 4, frame, len);
    out_len += 4 + len;
    flush_out();
}

static void eth_header(uint8_t *frame, const uint8_t *to, uint32_t type)
{
    memcpy(frame, to, 6);
    memcpy(frame + 6, opt->mac, 6);
    put16(frame + 12, type);
}

static void arp_send(int operation, const uint8_t *to_mac, uint32_t to_ip)
{
    static const uint8_t everybody[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
    uint8_t frame[60] = { 0 }, *arp = frame + ETH;

    eth_header(frame, to_mac ? to_mac : everybody, TYPE_ARP);
    put16(arp, 1);
    put16(arp + 2, TYPE_IP);
    arp[4] = 6;
    arp[5] = 4;
    put16(arp + 6, operation);
    memcpy(arp + 8, opt->mac, 6);
    put32(arp + 14, opt->own_ip);
    if (to_mac) {
        memcpy(arp + 18, to_mac, 6);
    }
    put32(arp + 24, to_ip);
    frame_send(frame, sizeof(frame));
}

static void arp_input(const uint8_t *arp, uint32_t len)
{
    if (len < 28 || get16(arp) != 1 || get16(arp + 2) != TYPE_IP) {
        return;
    }
    if (get32(arp + 14) == opt->guest_ip) {
        memcpy(guest_mac, arp + 8, 6);
        resolved = true;
    }
    if (get16(arp + 6) == 1 && get32(arp + 24) == opt->own_ip) {
        arp_send(2, arp + 8, get32(arp + 14));
    }
}

static void ip_send(uint8_t proto, uint32_t to, const uint8_t *to_mac, const uint8_t *body, uint32_t len, bool is_alike)
{
    uint8_t frame[FRAME_MAX] = { 0 }, *ip = frame + ETH;
    uint32_t total = ETH + IP4 + len;

    eth_header(frame, to_mac, TYPE_IP);
    ip[0] = 0x45;
    put16(ip + 2, IP4 + len);
    put16(ip + 4, is_alike ? 0 : ++ip_id);
    ip[6] = 0x40;                           /* do not fragment */
    ip[8] = 64;
    ip[9] = proto;
    put32(ip + 12, opt->own_ip);
    put32(ip + 16, to);
    put16(ip + 10, inet_sum(0, ip, IP4));
    memcpy(ip + IP4, body, len);
    frame_send(frame, total < 60 ? 60 : total);
}

static void raw_udp_send(UdpChannel ch, const void *data, uint32_t len)
{
    static const uint8_t everybody[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
    bool is_group = ch == UDP_BROADCAST || ch == UDP_PLAIN_GROUP, is_alike = ch == UDP_PLAIN || ch == UDP_PLAIN_GROUP;
    uint32_t to = is_group ? opt->group_ip : opt->guest_ip;
    uint8_t multicast[6] = { 1, 0, 0x5e, to >> 16 & 0x7f, to >> 8, to };
    uint8_t packet[FRAME_MAX - ETH - IP4];
    uint16_t sum;

    put16(packet, LOCAL_UDP_BASE + ch);
    put16(packet + 2, udp_ports[ch]);
    put16(packet + 4, UDP + len);
    put16(packet + 6, 0);
    memcpy(packet + UDP, data, len);
    sum = inet_sum(pseudo_sum(opt->own_ip, to, PROTO_UDP, UDP + len), packet, UDP + len);
    put16(packet + 6, sum ? sum : 0xffff);
    ip_send(PROTO_UDP, to, !is_group ? guest_mac : to >> 28 == 14 ? multicast : everybody, packet, UDP + len, is_alike);
}

static void tcp_out(const uint8_t *segment, uint32_t len)
{
    ip_send(PROTO_TCP, opt->guest_ip, guest_mac, segment, len, false);
}

static void udp_input(const uint8_t *ip, const uint8_t *udp, uint32_t len)
{
    uint32_t ch;

    if (len < UDP || get16(udp + 4) < UDP || get16(udp + 4) > len) {
        bad++;
        return;
    }
    len = get16(udp + 4);
    if (get16(udp + 6) && inet_sum(pseudo_sum(get32(ip + 12), get32(ip + 16), PROTO_UDP, len), udp, len)) {
        bad++;
        return;
    }
    ch = get16(udp + 2) - LOCAL_UDP_BASE;
    if (ch < UDP_CHANNELS) {
        flow_udp(ch, udp + UDP, len - UDP);
    }
}

static void ip_input(const uint8_t *ip, uint32_t len)
{
    uint32_t total, header;

    if (len < IP4 || ip[0] >> 4 != 4) {
        return;
    }
    header = (ip[0] & 15) * 4;
    total = get16(ip + 2);
    if (header < IP4 || total < header || total > len || inet_sum(0, ip, header)) {
        bad++;
        return;
    }
    if (get32(ip + 16) != opt->own_ip || get32(ip + 12) != opt->guest_ip) {
        return;
    }
    if (ip[9] == PROTO_UDP) {
        udp_input(ip, ip + header, total - header);
    } else if (ip[9] == PROTO_TCP) {
        if (inet_sum(pseudo_sum(opt->guest_ip, opt->own_ip, PROTO_TCP, total - header), ip + header, total - header)) {
            bad++;
        } else {
            tcp_input(ip + header, total - header);
        }
    }
}

static void frame_input(const uint8_t *frame, uint32_t len)
{
    if (len < ETH || (memcmp(frame, opt->mac, 6) != 0 && !(frame[0] & 1))) {
        return;
    }
    if (get16(frame + 12) == TYPE_ARP) {
        arp_input(frame + ETH, len - ETH);
    } else if (get16(frame + 12) == TYPE_IP) {
        ip_input(frame + ETH, len - ETH);
    }
}

static void read_frames(void)
{
    ssize_t got = recv(fd, in + in_len, sizeof(in) - in_len, MSG_DONTWAIT);
    uint32_t at = 0;

    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
        fprintf(stderr, "traffic-client: the switch closed the connection\n");
        exit(1);
    }
    in_len += got > 0 ? got : 0;
    while (in_len - at >= 4 && in_len - at - 4 >= get32(in + at)) {
        frame_input(in + at + 4, get32(in + at));
        at += 4 + get32(in + at);
    }
    in_len -= at;
    memmove(in, in + at, in_len);
    if (in_len >= 4 && get32(in) > sizeof(in) - 4) {
        fprintf(stderr, "traffic-client: a frame of %u bytes\n", get32(in));
        exit(1);
    }
}

static bool raw_open(const Options *o)
{
    opt = o;
    out = malloc(OUT_MAX);
    fd = connect_to(o->stream);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    tcp_setup(o->own_ip, o->guest_ip, tcp_out);
    return true;
}

static int raw_fds(struct pollfd *fds)
{
    fds[0] = (struct pollfd) { fd, POLLIN | (out_len ? POLLOUT : 0), 0 };
    return 1;
}

static void raw_ready(const struct pollfd *fds, int count)
{
    if (fds[0].revents & ~POLLOUT) {
        read_frames();
    }
    flush_out();
}

static void raw_tick(uint64_t now)
{
    if (!resolved && now - arp_asked_ns > ARP_RETRY_NS) {
        arp_asked_ns = now;
        arp_send(1, NULL, opt->guest_ip);
    }
    tcp_tick(now);
}

static bool raw_can_start(void)
{
    return resolved;
}

static uint64_t raw_bad_frames(void)
{
    return bad;
}

const NetOps net_raw = {
    .open = raw_open, .fds = raw_fds, .ready = raw_ready, .tick = raw_tick, .can_start = raw_can_start,
    .udp_send = raw_udp_send, .tcp_open = tcp_connect, .tcp_send = tcp_put, .tcp_resent = tcp_resent,
    .bad_frames = raw_bad_frames,
};
