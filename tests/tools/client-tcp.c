/* tests/tools/client-tcp.c - a small TCP: connect, in-order data, retransmission by time-out and by three equal ACKs.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Slow start and congestion avoidance are left out: the sender is paced by the flows and by the guest's window.  The
 * time-out is Linux's (200 ms at least, doubling), so a lost segment hurts here as it would there. */
#include "client.h"
#include "../guest/wire.h"
#include <string.h>

enum { HEADER = 20, MSS = 1400, BUFFER = 1 << 16, RTO_MIN_NS = 200000000, RTO_MAX_NS = 6400000000LL, TRIES_MAX = 12 };
enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16 };
typedef enum { TCP_CLOSED, TCP_SYN_SENT, TCP_OPEN } TcpState;

/* Sequence numbers count from the SYN; buffer byte (s % BUFFER) holds sequence number s. */
typedef struct Conn {
    TcpState state;
    uint32_t una, nxt, end;             /* acknowledged, sent, written by the flow */
    uint32_t rcv, window, told;         /* next expected; the guest's window; the window last told to the guest */
    uint32_t equal_acks, tries;
    uint64_t timer_ns, rto_ns, sent_ns, retransmitted;
    bool ack_now;
    uint8_t buf[BUFFER];
} Conn;

static Conn conns[TCP_CHANNELS];
static uint32_t own, guest;
static TcpOutput output;

void tcp_setup(uint32_t own_ip, uint32_t guest_ip, TcpOutput out)
{
    own = own_ip;
    guest = guest_ip;
    output = out;
}

static void segment_send(Conn *c, int flags, uint32_t seq, uint32_t len)
{
    uint8_t segment[HEADER + 4 + MSS] = { 0 };
    uint32_t header = flags & SYN ? HEADER + 4 : HEADER, ch = c - conns;
    uint32_t window = flow_tcp_want(ch);

    put16(segment, LOCAL_TCP_BASE + ch);
    put16(segment + 2, tcp_ports[ch]);
    put32(segment + 4, seq);
    put32(segment + 8, flags & ACK ? c->rcv : 0);
    segment[12] = header / 4 << 4;
    segment[13] = flags;
    put16(segment + 14, window > 65535 ? 65535 : window);
    if (flags & SYN) {
        segment[HEADER] = 2;                                /* maximum segment size */
        segment[HEADER + 1] = 4;
        put16(segment + HEADER + 2, MSS);
    }
    for (uint32_t i = 0; i < len; i++) {
        segment[header + i] = c->buf[(seq + i) % BUFFER];
    }
    put16(segment + 16, inet_sum(pseudo_sum(own, guest, 6, header + len), segment, header + len));
    c->told = window;
    c->ack_now = false;
    output(segment, header + len);
}

static void arm(Conn *c, uint64_t now)
{
    c->timer_ns = now + c->rto_ns;
}

bool tcp_connect(TcpChannel ch)
{
    Conn *c = &conns[ch];
    uint32_t isn = (uint32_t)clock_ns() + ch * 7919;

    *c = (Conn) { .state = TCP_SYN_SENT, .una = isn, .nxt = isn + 1, .end = isn + 1, .rto_ns = RTO_MIN_NS * 5LL };
    arm(c, clock_ns());
    segment_send(c, SYN, isn, 0);
    return true;
}

static uint32_t flight_room(const Conn *c)
{
    uint32_t in_flight = c->nxt - c->una;

    return c->window > in_flight ? c->window - in_flight : 0;
}

static void push(Conn *c)
{
    uint64_t now = clock_ns();

    while (c->state == TCP_OPEN && c->nxt != c->end) {
        uint32_t len = c->end - c->nxt, room = flight_room(c);

        len = len > MSS ? MSS : len;
        len = len > room ? room : len;
        if (!len) {
            break;
        }
        if (c->nxt == c->una) {
            arm(c, now);
        }
        segment_send(c, ACK | PSH, c->nxt, len);
        c->nxt += len;
    }
}

uint32_t tcp_put(TcpChannel ch, const void *data, uint32_t len)
{
    Conn *c = &conns[ch];
    uint32_t room = BUFFER - (c->end - c->una);

    len = len > room ? room : len;
    for (uint32_t i = 0; i < len; i++) {
        c->buf[(c->end + i) % BUFFER] = ((const uint8_t *)data)[i];
    }
    c->end += len;
    push(c);
    return len;
}

static void resend_first(Conn *c, uint64_t now)
{
    uint32_t len = c->nxt - c->una;

    c->retransmitted++;
    segment_send(c, ACK | PSH, c->una, len > MSS ? MSS : len);
    arm(c, now);
}

static void shut(Conn *c, const char *why)
{
    c->state = TCP_CLOSED;
    flow_tcp_closed(c - conns, why);
}

static void take_ack(Conn *c, uint32_t ack, uint32_t window, bool is_pure)
{
    uint64_t now = clock_ns();

    if (ack == c->una && is_pure && window == c->window && c->nxt != c->una) {
        if (++c->equal_acks == 3) {
            resend_first(c, now);
        }
    } else if (ack - c->una - 1 < c->nxt - c->una) {        /* una < ack <= nxt */
        c->una = ack;
        c->equal_acks = c->tries = 0;
        c->rto_ns = RTO_MIN_NS;
        arm(c, now);
    }
    c->window = window;
}

static void take_data(Conn *c, uint32_t seq, const uint8_t *data, uint32_t len)
{
    uint32_t old = c->rcv - seq;

    c->ack_now = true;
    if (old > len) {                                        /* ahead of a hole: the guest will send it again */
        return;
    }
    c->rcv += len - old;
    if (len > old) {
        flow_tcp_data(c - conns, data + old, len - old);
    }
}

void tcp_input(const uint8_t *s, uint32_t len)
{
    uint32_t ch = get16(s + 2) - LOCAL_TCP_BASE, header = (s[12] >> 4) * 4;
    Conn *c = &conns[ch < TCP_CHANNELS ? ch : 0];

    if (len < HEADER || ch >= TCP_CHANNELS || header < HEADER || header > len || c->state == TCP_CLOSED) {
        return;
    }
    if (s[13] & RST) {
        shut(c, "reset by the guest");
        return;
    }
    if (c->state == TCP_SYN_SENT) {
        if ((s[13] & (SYN | ACK)) == (SYN | ACK) && get32(s + 8) == c->nxt) {
            c->rcv = get32(s + 4) + 1;
            c->una = c->nxt;
            c->window = get16(s + 14);
            c->state = TCP_OPEN;
            c->tries = 0;
            c->rto_ns = RTO_MIN_NS;
            segment_send(c, ACK, c->nxt, 0);
            flow_tcp_opened(ch);
        }
        return;
    }
    take_ack(c, get32(s + 8), get16(s + 14), len == header);
    if (len > header || s[13] & SYN) {
        take_data(c, get32(s + 4), s + header, len - header);
    }
    if (s[13] & FIN && get32(s + 4) + (len - header) == c->rcv) {
        c->rcv++;
        segment_send(c, ACK, c->nxt, 0);
        shut(c, "closed by the guest");
        return;
    }
    push(c);
    if (c->ack_now) {
        segment_send(c, ACK, c->nxt, 0);
    }
}

static void timed_out(Conn *c, uint64_t now)
{
    if (++c->tries > TRIES_MAX) {
        shut(c, "timed out");
        return;
    }
    c->rto_ns = c->rto_ns * 2 > RTO_MAX_NS ? RTO_MAX_NS : c->rto_ns * 2;
    if (c->state == TCP_SYN_SENT) {
        c->retransmitted++;
        segment_send(c, SYN, c->una, 0);
        arm(c, now);
    } else {
        resend_first(c, now);
    }
}

void tcp_tick(uint64_t now)
{
    for (int ch = 0; ch < TCP_CHANNELS; ch++) {
        Conn *c = &conns[ch];

        if (c->state == TCP_CLOSED) {
            continue;
        }
        if (c->nxt != c->una && now >= c->timer_ns) {
            timed_out(c, now);
        } else if (c->state == TCP_OPEN) {
            /* A paced reader opens its window again by itself. */
            if (c->told < MSS && flow_tcp_want(ch) >= 4 * MSS) {
                segment_send(c, ACK, c->nxt, 0);
            }
            push(c);
        }
    }
}

void tcp_resent(TcpChannel ch, Resent *ret)
{
    *ret = (Resent) { .all = conns[ch].retransmitted };     /* no SACK here: nobody says what was needless */
}
