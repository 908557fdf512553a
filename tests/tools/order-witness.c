/* tests/tools/order-witness.c - does the network itself keep the order?  Counts what it gives to its ports.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * order-witness INTERFACE...: until standard input ends, looks at the numbered broadcasts of the traffic client that leave through
 * these interfaces, and then prints {"INTERFACE": {"seen": ..., "reordered": ..., "missed": ...}, ...}; missed: by this program. */
#include "../guest/traffic.h"
#include "../guest/wire.h"
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PORTS_MAX = 8, BUFFER = 64 << 20, ETH = 14, IP4 = 20, UDP = 8 };

typedef struct Port {
    const char *name;
    int fd;
    unsigned long long seen, reordered, highest;
} Port;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void port_open(Port *p, const char *name)
{
    int size = BUFFER;
    struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = if_nametoindex(name)};

    *p = (Port){.name = name, .fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, 0)};
    if (p->fd < 0 || !at.sll_ifindex || bind(p->fd, (struct sockaddr *)&at, sizeof(at))) {
        die(name);
    }
    setsockopt(p->fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
}

static void note(Port *p, unsigned long long number)
{
    p->seen++;
    p->reordered += number < p->highest;
    p->highest = number > p->highest ? number : p->highest;
}

static void port_read(Port *p)
{
    const unsigned head = ETH + IP4 + UDP;
    uint8_t frame[256];
    ssize_t size;

    while ((size = recv(p->fd, frame, sizeof(frame), 0)) >= 0) {
        if (size >= (ssize_t)(head + sizeof(TrafficPacket)) && get16(frame + 12) == ETH_P_IP && frame[ETH] == 0x45 &&
            frame[ETH + 9] == IPPROTO_UDP && get16(frame + ETH + IP4 + 2) == PORT_BROADCAST &&
            get32(frame + head) == TRAFFIC_MAGIC) {
            note(p, (unsigned long long)get32(frame + head + 8) << 32 | get32(frame + head + 12));
        }
    }
}

static unsigned missed(const Port *p)
{
    struct tpacket_stats stats = {0};
    socklen_t size = sizeof(stats);

    getsockopt(p->fd, SOL_PACKET, PACKET_STATISTICS, &stats, &size);
    return stats.tp_drops;
}

int main(int argc, char **argv)
{
    struct pollfd polls[1 + PORTS_MAX] = {{.fd = 0, .events = POLLIN}};
    Port ports[PORTS_MAX];
    int count = argc - 1;
    char byte;

    if (count < 1 || count > PORTS_MAX) {
        fprintf(stderr, "order-witness: name one to %d interfaces\n", PORTS_MAX);
        return 1;
    }
    for (int i = 0; i < count; i++) {
        port_open(&ports[i], argv[1 + i]);
        polls[1 + i] = (struct pollfd){.fd = ports[i].fd, .events = POLLIN};
    }
    printf("ready\n");
    fflush(stdout);
    for (;;) {
        if (poll(polls, 1 + count, -1) < 0) {
            die("poll");
        }
        for (int i = 0; i < count; i++) {
            port_read(&ports[i]);
        }
        if (polls[0].revents && read(0, &byte, 1) <= 0) {
            break;
        }
    }
    for (int i = 0; i < count; i++) {
        printf("%s\"%s\": {\"seen\": %llu, \"reordered\": %llu, \"missed\": %u}", i ? ", " : "{", ports[i].name, ports[i].seen,
               ports[i].reordered, missed(&ports[i]));
    }
    printf("}\n");
    return 0;
}
