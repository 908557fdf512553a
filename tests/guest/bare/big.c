/* tests/guest/bare/big.c - frames of up to 64 KiB, by offloads or in fragments: words that count, there and back.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Whatever the frame was cut into on its way, its words stay in line; so the count needs no more than the words.  Each
 * frame (of a fragmented datagram: the first piece) is answered with as many words of our own. */
#include "net.h"

enum { BIG_BUFFERS = 4, MSS = 1448, FRAGMENT = 1480, CSUM_TCP = 16, CSUM_UDP = 6, PLAIN_MAX = 1400 };

static uint8_t buffers[BIG_BUFFERS][VNET + ETH + FRAME_BYTES] __attribute__((aligned(8)));
static bool is_used[BIG_BUFFERS];

void big_free(uint32_t number)
{
    is_used[number] = false;
}

void copy_fast(void *to, const void *from, uint32_t len)
{
    uint64_t *t = to;
    const uint64_t *f = from;

    if (((uintptr_t)to | (uintptr_t)from) & 7) {
        memcpy(to, from, len);
        return;
    }
    for (; len >= 8; len -= 8) {
        *t++ = *f++;
    }
    memcpy(t, f, len);
}

static void count_words(BigFlow *flow, const uint8_t *body, uint32_t len)
{
    uint32_t first = len >= 4 ? get32(body) : 0, ahead = (first - flow->next) % BIG_WORDS;

    if (len < 4) {
        return;
    }
    flow->frames++;
    flow->bytes += len;
    flow->longest = len > flow->longest ? len : flow->longest;
    for (uint32_t i = 1; i < len / 4; i++) {
        flow->wrong += get32(body + 4 * i) != (first + i) % BIG_WORDS;
    }
    if (ahead > BIG_WORDS / 2) {
        flow->again += len / 4;
        return;
    }
    flow->missing += ahead;
    flow->next = (first + len / 4) % BIG_WORDS;
}

static uint32_t take_buffer(void)
{
    for (;;) {
        for (uint32_t i = 0; i < BIG_BUFFERS; i++) {
            if (!is_used[i]) {
                is_used[i] = true;
                return i;
            }
        }
        tx_wait();
    }
}

static void put_vnet(uint8_t *vnet, uint8_t gso, uint32_t headers, uint32_t size, uint32_t csum_offset)
{
    memset(vnet, 0, VNET);
    vnet[0] = NEEDS_CSUM;
    if (gso) {
        vnet[1] = gso;
        vnet[2] = headers;
        vnet[4] = size;
        vnet[5] = size >> 8;
    }
    vnet[6] = ETH + IP4;
    vnet[8] = csum_offset;
}

/* The headers in front of `len` bytes of words are there; what is not negotiated is not needed, since `len` is small then. */
static void send_words(BigFlow *flow, uint32_t number, uint8_t *vnet, uint32_t headers, uint32_t len)
{
    uint8_t *body = vnet + VNET + headers;
    uint16_t id = tx_take();

    for (uint32_t i = 0; i < len / 4; i++) {
        put32(body + 4 * i, flow->next_out);
        flow->next_out = (flow->next_out + 1) % BIG_WORDS;
    }
    flow->sent += len / 4 * 4;
    if (!(nic->features & 1)) {             /* CSUM: ours to finish */
        uint32_t start = VNET + vnet[6], at = start + vnet[8], sum;

        sum = inet_sum(0, vnet + start, VNET + headers + len - start);
        put16(vnet + at, sum ? sum : 0xffff);
        memset(vnet, 0, VNET);
    }
    nic->big_of[id] = number + 1;
    nic->tx.desc[id] = (Desc) { (uintptr_t)vnet, VNET + headers + len, 0, 0 };
    queue_give(&nic->tx, id);
    counters.frames_out++;
}

static uint16_t pseudo_only(uint32_t to, uint8_t proto, uint32_t len)
{
    uint64_t sum = pseudo_sum(nic->ip, to, proto, len);

    while (sum >> 16) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return sum;
}

static void answer_tcp(const BigFrame *f, uint32_t len)
{
    uint32_t number = take_buffer(), to = get32(f->ip + 12);
    uint8_t *vnet = buffers[number], *frame = vnet + VNET, *tcp = frame + ETH + IP4;

    eth_header(frame, f->frame + 6, TYPE_IP);
    ip_header(frame + ETH, PROTO_TCP, to, TCP + len);
    memset(tcp, 0, TCP);
    put16(tcp, PORT_BIG);
    put16(tcp + 2, get16(f->l4));
    put32(tcp + 4, counters.tcp.sent);
    tcp[12] = TCP / 4 << 4;
    tcp[13] = 0x10;                         /* ACK */
    put16(tcp + 16, pseudo_only(to, PROTO_TCP, TCP + len));
    put_vnet(vnet, len > MSS ? GSO_TCPV4 : 0, ETH + IP4 + TCP, MSS, CSUM_TCP);
    send_words(&counters.tcp, number, vnet, ETH + IP4 + TCP, len);
}

static void answer_udp(const BigFrame *f, uint32_t len)
{
    uint32_t number = take_buffer(), to = get32(f->ip + 12);
    uint8_t *vnet = buffers[number], *frame = vnet + VNET, *udp = frame + ETH + IP4;

    eth_header(frame, f->frame + 6, TYPE_IP);
    ip_header(frame + ETH, PROTO_UDP, to, UDP + len);
    put16(udp, PORT_BIG);
    put16(udp + 2, get16(f->l4));
    put16(udp + 4, UDP + len);
    put16(udp + 6, pseudo_only(to, PROTO_UDP, UDP + len));
    put_vnet(vnet, len + UDP > FRAGMENT ? GSO_UDP : 0, ETH + IP4 + UDP, FRAGMENT, CSUM_UDP);
    send_words(&counters.udp, number, vnet, ETH + IP4 + UDP, len);
}

void big_tcp(const BigFrame *f)
{
    uint32_t header = f->len >= TCP ? (f->l4[12] >> 4) * 4 : 0, len = f->len - header;

    if (header < TCP || header > f->len || get16(f->l4 + 2) != PORT_BIG || len < 4) {
        return;
    }
    if (!f->is_checked && inet_sum(pseudo_sum(get32(f->ip + 12), nic->ip, PROTO_TCP, f->len), f->l4, f->len)) {
        counters.bad_sums++;
        return;
    }
    count_words(&counters.tcp, f->l4 + header, len);
    answer_tcp(f, len / 4 * 4);
}

/* Only this flow has fragments. */
void big_udp(const BigFrame *f)
{
    uint32_t fragment = get16(f->ip + 6) & 0x1fff, whole;

    if (fragment) {
        count_words(&counters.udp, f->l4, f->len);
        return;
    }
    whole = f->len >= UDP ? get16(f->l4 + 4) - UDP : 0;
    if (whole < 4 || whole > FRAME_BYTES - IP4 - UDP) {
        return;
    }
    count_words(&counters.udp, f->l4 + UDP, f->len - UDP);
    answer_udp(f, nic->features & 1 ? whole / 4 * 4 : whole > PLAIN_MAX ? PLAIN_MAX : whole / 4 * 4);
}
