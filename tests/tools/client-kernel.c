/* tests/tools/client-kernel.c - the traffic client on the kernel's own network: ordinary sockets, TCP_INFO.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "client.h"
#include "../guest/wire.h"
#include <arpa/inet.h>
#include <errno.h>
#include <linux/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READ_MAX = 65536, IP4 = 20, UDP = 8 };

static int udp_fd[UDP_CHANNELS], tcp_fd[TCP_CHANNELS] = { -1, -1, -1 };
static bool tcp_is_open[TCP_CHANNELS];
static Resent resent[TCP_CHANNELS];
static uint32_t guest_ip, own_ip, group_ip;
static int raw_fd = -1;        /* datagrams that are alike: the kernel would number their IP headers */

static struct sockaddr_in address(uint32_t ip, uint16_t port)
{
    return (struct sockaddr_in) { .sin_family = AF_INET, .sin_addr.s_addr = htonl(ip), .sin_port = htons(port) };
}

static bool kernel_open(const Options *o)
{
    int one = 1, bytes = 8 << 20;

    guest_ip = o->guest_ip;
    own_ip = o->own_ip;
    group_ip = o->group_ip;
    if (o->plain_rate || o->plain_group_rate) {
        raw_fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
        setsockopt(raw_fd, SOL_SOCKET, SO_BROADCAST, &one, sizeof(one));
    }
    for (int ch = 0; ch < UDP_CHANNELS; ch++) {
        uint32_t ip = ch == UDP_BROADCAST || ch == UDP_PLAIN_GROUP ? o->group_ip : o->guest_ip;
        struct ip_mreqn out = { .imr_address.s_addr = htonl(o->own_ip) };
        struct sockaddr_in to = address(ip, udp_ports[ch]);

        udp_fd[ch] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        setsockopt(udp_fd[ch], SOL_SOCKET, SO_BROADCAST, &one, sizeof(one));
        setsockopt(udp_fd[ch], IPPROTO_IP, IP_MULTICAST_IF, &out, sizeof(out));
        if (setsockopt(udp_fd[ch], SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) < 0) {
            setsockopt(udp_fd[ch], SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
        }
        if (connect(udp_fd[ch], (struct sockaddr *)&to, sizeof(to)) < 0) {
            perror("traffic-client: connect");
            return false;
        }
    }
    return true;
}

static int kernel_fds(struct pollfd *fds)
{
    int n = 0;

    for (int ch = 0; ch < UDP_CHANNELS; ch++) {
        fds[n++] = (struct pollfd) { udp_fd[ch], POLLIN, 0 };
    }
    for (int ch = 0; ch < TCP_CHANNELS; ch++) {
        short events = !tcp_is_open[ch] ? POLLOUT : flow_tcp_want(ch) ? POLLIN : 0;

        fds[n++] = (struct pollfd) { tcp_fd[ch], events, 0 };
    }
    return n;
}

static void read_datagrams(UdpChannel ch)
{
    uint8_t buf[2048];
    ssize_t got;

    while ((got = recv(udp_fd[ch], buf, sizeof(buf), 0)) >= 0 || errno == ECONNREFUSED) {
        if (got > 0) {
            flow_udp(ch, buf, got);
        }
    }
}

static void note_resent(TcpChannel ch)
{
    struct tcp_info info;
    socklen_t len = sizeof(info);

    if (tcp_fd[ch] >= 0 && getsockopt(tcp_fd[ch], IPPROTO_TCP, TCP_INFO, &info, &len) == 0) {
        resent[ch] = (Resent) { info.tcpi_total_retrans, info.tcpi_dsack_dups };
    }
}

static void kernel_close(TcpChannel ch, const char *why)
{
    note_resent(ch);
    close(tcp_fd[ch]);
    tcp_fd[ch] = -1;
    tcp_is_open[ch] = false;
    flow_tcp_closed(ch, why);
}

static void finish_connect(TcpChannel ch)
{
    int error = 0;
    socklen_t len = sizeof(error);

    getsockopt(tcp_fd[ch], SOL_SOCKET, SO_ERROR, &error, &len);
    if (error) {
        kernel_close(ch, strerror(error));
    } else {
        tcp_is_open[ch] = true;
        flow_tcp_opened(ch);
    }
}

static void read_bytes(TcpChannel ch)
{
    static uint8_t buf[READ_MAX];
    uint32_t want = flow_tcp_want(ch);
    ssize_t got = want ? recv(tcp_fd[ch], buf, want < READ_MAX ? want : READ_MAX, 0) : -1;

    if (got > 0) {
        flow_tcp_data(ch, buf, got);
    } else if (got == 0) {
        kernel_close(ch, "closed by the guest");
    } else if (want && errno != EAGAIN && errno != EINTR) {
        kernel_close(ch, strerror(errno));
    }
}

static void kernel_ready(const struct pollfd *fds, int count)
{
    for (int i = 0; i < count; i++) {
        if (!fds[i].revents) {
            continue;
        }
        if (i < UDP_CHANNELS) {
            read_datagrams(i);
        } else if (!tcp_is_open[i - UDP_CHANNELS]) {
            finish_connect(i - UDP_CHANNELS);
        } else {
            read_bytes(i - UDP_CHANNELS);
        }
    }
}

static void kernel_tick(uint64_t now)
{
}

static bool kernel_can_start(void)
{
    return true;
}

static void send_alike(uint32_t to, const void *data, uint32_t len)
{
    struct sockaddr_in where = address(to, 0);
    uint8_t packet[IP4 + UDP + 256] = { 0x45, 0, 0, 0, 0, 1, 0x40, 0, 64, IPPROTO_UDP }, *udp = packet + IP4;

    put16(packet + 2, IP4 + UDP + len);
    put32(packet + 12, own_ip);
    put32(packet + 16, to);
    put16(udp, LOCAL_UDP_BASE + UDP_PLAIN);
    put16(udp + 2, PORT_PLAIN);
    put16(udp + 4, UDP + len);
    memcpy(udp + UDP, data, len);
    put16(udp + 6, inet_sum(pseudo_sum(own_ip, to, IPPROTO_UDP, UDP + len), udp, UDP + len));
    sendto(raw_fd, packet, IP4 + UDP + len, 0, (struct sockaddr *)&where, sizeof(where));
}

static void kernel_udp_send(UdpChannel ch, const void *data, uint32_t len)
{
    if (ch >= UDP_PLAIN) {
        send_alike(ch == UDP_PLAIN ? guest_ip : group_ip, data, len);
    } else if (send(udp_fd[ch], data, len, 0) < 0 && errno == ECONNREFUSED) {
        send(udp_fd[ch], data, len, 0);         /* that was an older datagram's answer */
    }
}

static bool kernel_tcp_open(TcpChannel ch)
{
    struct sockaddr_in to = address(guest_ip, tcp_ports[ch]);
    int one = 1;

    tcp_fd[ch] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    setsockopt(tcp_fd[ch], IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (connect(tcp_fd[ch], (struct sockaddr *)&to, sizeof(to)) < 0 && errno != EINPROGRESS) {
        kernel_close(ch, strerror(errno));
        return false;
    }
    return true;
}

static uint32_t kernel_tcp_send(TcpChannel ch, const void *data, uint32_t len)
{
    ssize_t sent = send(tcp_fd[ch], data, len, MSG_NOSIGNAL);

    return sent > 0 ? sent : 0;
}

static void kernel_resent(TcpChannel ch, Resent *ret)
{
    note_resent(ch);
    *ret = resent[ch];
}

static uint64_t kernel_bad_frames(void)
{
    return 0;
}

const NetOps net_kernel = {
    .open = kernel_open, .fds = kernel_fds, .ready = kernel_ready, .tick = kernel_tick, .can_start = kernel_can_start,
    .udp_send = kernel_udp_send, .tcp_open = kernel_tcp_open, .tcp_send = kernel_tcp_send,
    .has_sack = true, .tcp_resent = kernel_resent, .bad_frames = kernel_bad_frames,
};
