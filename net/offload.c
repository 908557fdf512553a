/* net/offload.c - what a card would have done: segments, fragments, checksums.
 * Page: docs/net.md.  Test: tests/unit/net/offload-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "offload.h"

#include "util/bytes.h"

#include <string.h>

enum { ETH_HEADER = 14, VLAN_TAG = 4, IP4_MIN = 20, IP6_HEADER = 40, TCP_MIN = 20, UDP_HEADER = 8, FRAGMENT_HEADER = 8 };
enum { ETH_IP4 = 0x0800, ETH_IP6 = 0x86dd, ETH_VLAN = 0x8100, ETH_QINQ = 0x88a8 };
enum { PROTO_HOPOPTS = 0, PROTO_TCP = 6, PROTO_UDP = 17, PROTO_ROUTING = 43, PROTO_FRAGMENT = 44, PROTO_DSTOPTS = 60 };
enum { TCP_FIN = 0x01, TCP_PSH = 0x08, TCP_CWR = 0x80 };
enum { IP4_MORE = 0x2000 };
#define SEGMENT_SIZE_MIN 8 /* smaller: nonsense, and 64 KiB would become thousands of frames */

typedef struct Headers {
    uint32_t l3, l4, payload; /* offsets into the frame */
    uint32_t next_header;     /* IPv6: where the byte is that names what follows the unfragmentable part */
    bool is_ip6;
    uint8_t proto;
} Headers;

bool net_offload_needed(const NetFrame *f, unsigned can)
{
    const NetOffload *o = &f->offload;

    if ((o->flags & NET_HDR_NEEDS_CSUM) && !(can & NET_OFF_CSUM)) {
        return true;
    }
    if ((o->gso_type & NET_GSO_ECN) && !(can & NET_OFF_ECN)) {
        return true;
    }
    switch (o->gso_type & ~NET_GSO_ECN) {
    case NET_GSO_NONE:
        return false;
    case NET_GSO_TCPV4:
        return !(can & NET_OFF_TSO4);
    case NET_GSO_TCPV6:
        return !(can & NET_OFF_TSO6);
    case NET_GSO_UDP:
        return !(can & NET_OFF_UFO);
    default:
        return true; /* converting will refuse it */
    }
}

/* ---- checksums ---- */
static uint32_t sum_add(uint32_t sum, const uint8_t *p, size_t size)
{
    uint64_t s = sum;

    for (; size >= 2; p += 2, size -= 2) {
        s += load_be16(p);
    }
    if (size) {
        s += (uint32_t)p[0] << 8;
    }
    while (s >> 16) {
        s = (s & 0xffff) + (s >> 16);
    }
    return s;
}

static uint16_t sum_finish(uint32_t sum)
{
    return ~sum;
}

/* Of the layer-4 part [l4, size) with its pseudo header, the checksum field taken as 0 by the caller. */
static uint16_t checksum_l4(const uint8_t *frame, const Headers *h, uint32_t size)
{
    uint32_t length = size - h->l4;
    uint8_t tail[8] = {0};
    uint32_t sum;

    sum = h->is_ip6 ? sum_add(0, frame + h->l3 + 8, 32) : sum_add(0, frame + h->l3 + 12, 8);
    store_be32(tail, length);
    tail[7] = h->proto;
    sum = sum_add(sum, tail, sizeof(tail));
    return sum_finish(sum_add(sum, frame + h->l4, length));
}

bool net_offload_checksum(uint8_t *data, const NetFrame *f)
{
    uint32_t start = f->offload.csum_start, at = start + f->offload.csum_offset;
    uint16_t sum;

    if (!(f->offload.flags & NET_HDR_NEEDS_CSUM)) {
        return true;
    }
    if (start < ETH_HEADER || at + 2 > f->size) {
        return false;
    }
    /* The field holds the pseudo header's sum; a result of 0 means "none" in UDP and is the same as ffff elsewhere. */
    sum = sum_finish(sum_add(0, data + start, f->size - start));
    store_be16(data + at, sum ? sum : 0xffff);
    return true;
}

/* ---- reading headers ---- */
static bool parse_ip4(const NetFrame *f, Headers *h)
{
    uint32_t ihl;

    if (h->l3 + IP4_MIN > f->size) {
        return false;
    }
    ihl = (f->data[h->l3] & 15) * 4;
    h->proto = f->data[h->l3 + 9];
    h->l4 = h->l3 + ihl;
    return f->data[h->l3] >> 4 == 4 && ihl >= IP4_MIN && h->l4 <= f->size;
}

static bool parse_ip6(const NetFrame *f, Headers *h)
{
    uint32_t at = h->l3 + IP6_HEADER;

    h->is_ip6 = true;
    h->next_header = h->l3 + 6;
    if (at > f->size || f->data[h->l3] >> 4 != 6) {
        return false;
    }
    h->proto = f->data[h->next_header];
    while (h->proto == PROTO_HOPOPTS || h->proto == PROTO_ROUTING || h->proto == PROTO_DSTOPTS) {
        if (at + 8 > f->size) {
            return false;
        }
        h->next_header = at;
        h->proto = f->data[at];
        at += (f->data[at + 1] + 1) * 8;
    }
    h->l4 = at;
    return at <= f->size;
}

static bool parse_headers(const NetFrame *f, Headers *h)
{
    uint32_t at = 12;
    uint16_t type;

    *h = (Headers){0};
    for (unsigned tags = 0;; tags++) {
        if (at + 2 > f->size) {
            return false;
        }
        type = load_be16(f->data + at);
        if ((type != ETH_VLAN && type != ETH_QINQ) || tags == 2) {
            break;
        }
        at += VLAN_TAG;
    }
    h->l3 = at + 2;
    return type == ETH_IP4 ? parse_ip4(f, h) : type == ETH_IP6 ? parse_ip6(f, h) : false;
}

static bool parse_l4(const NetFrame *f, Headers *h, uint8_t proto)
{
    uint32_t least = proto == PROTO_TCP ? TCP_MIN : UDP_HEADER, length = least;

    if (h->proto != proto || h->l4 + least > f->size) {
        return false;
    }
    if (proto == PROTO_TCP) {
        length = (f->data[h->l4 + 12] >> 4) * 4;
    }
    h->payload = h->l4 + length;
    return length >= least && h->payload <= f->size;
}

/* ---- writing segments ---- */
/* The header's length is the one that was checked: the frame may lie in the guest's memory, and be another by now. */
static void set_ip4(uint8_t *frame, const Headers *h, uint32_t size, unsigned index, uint16_t flags)
{
    uint8_t *ip = frame + h->l3;

    store_be16(ip + 2, size);
    store_be16(ip + 4, load_be16(ip + 4) + index);
    store_be16(ip + 6, flags);
    store_be16(ip + 10, 0);
    store_be16(ip + 10, sum_finish(sum_add(0, ip, h->l4 - h->l3)));
}

static void set_tcp(uint8_t *frame, const Headers *h, uint32_t size, uint32_t offset, bool is_first, bool is_last)
{
    uint8_t *tcp = frame + h->l4;

    store_be32(tcp + 4, load_be32(tcp + 4) + offset);
    tcp[13] &= ~((is_last ? 0 : TCP_FIN | TCP_PSH) | (is_first ? 0 : TCP_CWR));
    store_be16(tcp + 16, 0);
    store_be16(tcp + 16, checksum_l4(frame, h, size));
}

static int segment_tcp(const NetFrame *f, const Headers *h, NetEmit *emit, void *opaque)
{
    uint32_t mss = f->offload.gso_size, total = f->size - h->payload, count = MAX(1, (total + mss - 1) / mss);
    g_autofree uint8_t *copy = g_malloc(h->payload + MIN(mss, total));

    if (count > NET_SEGMENTS_MAX) {
        return -1;
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t part = MIN(mss, total - i * mss), size = h->payload + part;

        memcpy(copy, f->data, h->payload);
        memcpy(copy + h->payload, f->data + h->payload + i * mss, part);
        if (h->is_ip6) {
            store_be16(copy + h->l3 + 4, size - h->l3 - IP6_HEADER);
        } else {
            set_ip4(copy, h, size - h->l3, i, load_be16(copy + h->l3 + 6));
        }
        set_tcp(copy, h, size, i * mss, i == 0, i == count - 1);
        emit(&(NetFrame){.data = copy, .size = size, .queue = f->queue}, opaque);
    }
    return count;
}

/* The fragment header goes between the unfragmentable part and the datagram. */
static uint32_t put_fragment6(uint8_t *copy, const Headers *h, uint32_t offset, bool more, uint32_t ident)
{
    uint8_t *fragment = copy + h->l4;

    fragment[0] = h->proto;
    fragment[1] = 0;
    store_be16(fragment + 2, offset | (more ? 1 : 0));
    store_be32(fragment + 4, ident);
    copy[h->next_header] = PROTO_FRAGMENT;
    return FRAGMENT_HEADER;
}

static int fragment_udp(const NetFrame *f, const Headers *h, NetEmit *emit, void *opaque)
{
    static uint32_t ident6;
    uint32_t step = f->offload.gso_size & ~7u, total = f->size - h->l4, count;
    g_autofree uint8_t *whole = g_memdup2(f->data, f->size);
    g_autofree uint8_t *copy = NULL;
    uint16_t sum;

    if (total > 65535 || !step || (count = (total + step - 1) / step) > NET_SEGMENTS_MAX) {
        return -1;
    }
    copy = g_malloc(h->l4 + FRAGMENT_HEADER + step);
    store_be16(whole + h->l4 + 4, total);
    store_be16(whole + h->l4 + 6, 0);
    sum = checksum_l4(whole, h, f->size);
    store_be16(whole + h->l4 + 6, sum ? sum : 0xffff);
    ident6++;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t offset = i * step, part = MIN(step, total - offset), at = h->l4;
        bool more = i < count - 1;

        memcpy(copy, whole, h->l4);
        if (h->is_ip6) {
            at += put_fragment6(copy, h, offset, more, ident6);
            store_be16(copy + h->l3 + 4, at + part - h->l3 - IP6_HEADER);
        } else {
            set_ip4(copy, h, at + part - h->l3, 0, offset / 8 | (more ? IP4_MORE : 0));
        }
        memcpy(copy + at, whole + h->l4 + offset, part);
        emit(&(NetFrame){.data = copy, .size = at + part, .queue = f->queue}, opaque);
    }
    return count;
}

static int complete_plain(const NetFrame *f, NetEmit *emit, void *opaque)
{
    g_autofree uint8_t *copy = g_memdup2(f->data, f->size);

    if (!net_offload_checksum(copy, f)) {
        return -1;
    }
    emit(&(NetFrame){.data = copy, .size = f->size, .queue = f->queue}, opaque);
    return 1;
}

int net_offload_convert(const NetFrame *f, NetEmit *emit, void *opaque)
{
    uint8_t type = f->offload.gso_type & ~NET_GSO_ECN;
    bool is_udp = type == NET_GSO_UDP;
    Headers h;

    if (f->size < ETH_HEADER || f->size > NET_FRAME_MAX) {
        return -1;
    }
    if (type == NET_GSO_NONE) {
        return complete_plain(f, emit, opaque);
    }
    if (f->offload.gso_size < SEGMENT_SIZE_MIN || !parse_headers(f, &h) ||
        !parse_l4(f, &h, is_udp ? PROTO_UDP : PROTO_TCP)) {
        return -1;
    }
    if (is_udp) {
        return fragment_udp(f, &h, emit, opaque);
    }
    if (type != (h.is_ip6 ? NET_GSO_TCPV6 : NET_GSO_TCPV4)) {
        return -1;
    }
    return segment_tcp(f, &h, emit, opaque);
}

/* ---- the header on a descriptor ---- */
void net_vnet_hdr_put(uint8_t hdr[NET_VNET_HDR_SIZE], const NetOffload *o)
{
    memset(hdr, 0, NET_VNET_HDR_SIZE);
    hdr[0] = o->flags;
    hdr[1] = o->gso_type;
    store_le16(hdr + 2, o->hdr_len);
    store_le16(hdr + 4, o->gso_size);
    store_le16(hdr + 6, o->csum_start);
    store_le16(hdr + 8, o->csum_offset);
}

void net_vnet_hdr_get(const uint8_t hdr[NET_VNET_HDR_SIZE], NetOffload *o)
{
    *o = (NetOffload){
        .flags = hdr[0],
        .gso_type = hdr[1],
        .hdr_len = load_le16(hdr + 2),
        .gso_size = load_le16(hdr + 4),
        .csum_start = load_le16(hdr + 6),
        .csum_offset = load_le16(hdr + 8),
    };
}
