/* tests/tools/client.h - the parts of traffic-client: flows on top, below them the kernel's network or our own frames.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One thread, one poll loop (traffic-client.c).  A NetOps moves datagrams and TCP bytes; the flows count. */
#pragma once

#include "../guest/traffic.h"
#include <poll.h>
#include <stdio.h>

typedef enum {
    UDP_ECHO, UDP_STREAM, UDP_QUERY, UDP_BROADCAST, UDP_CLOCK, UDP_PLAIN, UDP_PLAIN_GROUP, UDP_CHANNELS
} UdpChannel;
typedef enum { TCP_REQUEST, TCP_UP, TCP_DOWN, TCP_CHANNELS } TcpChannel;

enum { LOCAL_UDP_BASE = 41000, LOCAL_TCP_BASE = 42000, NET_FDS = 16 };

typedef struct Options {
    const char *stream;             /* unix:PATH or tcp:HOST:PORT of the switch; NULL: the kernel's network */
    uint32_t guest_ip, own_ip;      /* host order */
    uint32_t group_ip;              /* of the broadcast flow: all of the network, or a multicast group */
    uint8_t mac[6];
    uint32_t unanswered;            /* echoes at most that have no answer yet; 0: any number */
    uint32_t echo_rate, stream_rate, broadcast_rate, plain_rate, plain_group_rate;
    uint32_t request_gap_us;        /* 0: no request flow */
    uint32_t bulk_bytes_per_s;      /* of each direction; 0: no bulk flows */
    uint32_t payload;               /* of a numbered datagram */
    uint32_t duration_ms;           /* 0: until "stop" on standard input */
    bool bare;                      /* the bare guest: echo only, no queries */
} Options;

typedef struct Resent {
    uint64_t all, needless;         /* segments sent again; of them, those that the receiver then had twice */
} Resent;

typedef struct NetOps {
    bool (*open)(const Options *o);
    int (*fds)(struct pollfd *fds);                         /* at most NET_FDS */
    void (*ready)(const struct pollfd *fds, int count);     /* called after every poll */
    void (*tick)(uint64_t now_ns);
    bool (*can_start)(void);                                /* address resolved */
    void (*udp_send)(UdpChannel ch, const void *data, uint32_t len);
    bool (*tcp_open)(TcpChannel ch);
    uint32_t (*tcp_send)(TcpChannel ch, const void *data, uint32_t len);    /* bytes taken */
    bool has_sack;                                          /* needless retransmissions are told from the others */
    void (*tcp_resent)(TcpChannel ch, Resent *ret);         /* keeps its last values when the flow has ended */
    uint64_t (*bad_frames)(void);
} NetOps;

extern const NetOps net_kernel, net_raw;
extern const uint16_t udp_ports[UDP_CHANNELS], tcp_ports[TCP_CHANNELS];

uint64_t clock_ns(void);                                    /* CLOCK_REALTIME, so that it compares with QMP's events */
int connect_to(const char *address);                        /* unix:PATH or tcp:HOST:PORT; exits with a message */

/* Called by the network. */
void flow_udp(UdpChannel ch, const void *data, uint32_t len);
uint32_t flow_tcp_want(TcpChannel ch);                      /* bytes it would take now */
void flow_tcp_opened(TcpChannel ch);
void flow_tcp_data(TcpChannel ch, const uint8_t *data, uint32_t len);
void flow_tcp_closed(TcpChannel ch, const char *why);

/* Called by the loop. */
void flows_start(const Options *o, const NetOps *net);
void flows_tick(uint64_t now);
bool flows_set_rate(const char *flow, uint32_t rate);       /* false: no such flow; from now on, without catching up */
void flows_stop_sending(void);
bool flows_are_drained(void);
uint64_t flows_arrived(void);                               /* answers and the guest's own: grows while it is behind */
void flows_ask_counters(void);
const char *flows_counters(void);                           /* the guest's last answer, NULL when none since asked */
void flows_report(FILE *to, uint64_t began);
void flows_status(FILE *to);
void flows_recent(FILE *to, uint64_t ms);

/* The guest's clocks (client-clock.c): `rounds` questions, then one line. */
void clock_begin(uint32_t rounds);
void clock_tick(const NetOps *net, FILE *to);
void clock_answer(const ClockAnswer *a);

/* What was sent again (client-resent.c). */
void resent_sample(const NetOps *net, uint64_t now);
void resent_report(FILE *to, TcpChannel ch);

/* The small TCP of the raw network (client-tcp.c). */
typedef void (*TcpOutput)(const uint8_t *segment, uint32_t len);    /* header and data, checksum filled in */
void tcp_setup(uint32_t own_ip, uint32_t guest_ip, TcpOutput output);
void tcp_input(const uint8_t *segment, uint32_t len);
void tcp_tick(uint64_t now);
bool tcp_connect(TcpChannel ch);
uint32_t tcp_put(TcpChannel ch, const void *data, uint32_t len);
void tcp_resent(TcpChannel ch, Resent *ret);
