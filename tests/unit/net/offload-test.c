/* tests/unit/net/offload-test.c - segments and checksums against a plain reference.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/offload.h"
#include "net/queue.h"
#include "util/bytes.h"

#include <string.h>

/* ---- the reference: RFC 1071, written as it reads ---- */
static uint16_t ones_sum(const GByteArray *b)
{
    uint32_t sum = 0;

    for (unsigned i = 0; i < b->len; i++) {
        sum += i % 2 ? b->data[i] : b->data[i] << 8;
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return sum;
}

/* Of an IP packet at `ip`: its layer 4 with the pseudo header; 0xffff: the checksum in it is right. */
static uint16_t l4_sum(const uint8_t *ip, uint32_t size)
{
    g_autoptr(GByteArray) b = g_byte_array_new();
    bool is6 = ip[0] >> 4 == 6;
    uint32_t header = is6 ? 40 : (ip[0] & 15) * 4;
    uint8_t tail[4] = {0, is6 ? ip[6] : ip[9]};

    g_byte_array_append(b, ip + (is6 ? 8 : 12), is6 ? 32 : 8);
    store_be16(tail + 2, size - header);
    g_byte_array_append(b, tail, 4);
    g_byte_array_append(b, ip + header, size - header);
    return ones_sum(b);
}

static uint16_t header_sum(const uint8_t *ip)
{
    g_autoptr(GByteArray) b = g_byte_array_new();

    g_byte_array_append(b, ip, (ip[0] & 15) * 4);
    return ones_sum(b);
}

/* ---- frames ---- */
typedef struct Kind {
    bool is6;
    uint8_t proto; /* 6 or 17 */
    unsigned tags;
} Kind;

static uint32_t build(uint8_t *data, const Kind *k, uint32_t payload)
{
    uint32_t at = 12;
    uint8_t *ip, *l4;

    memset(data, 0, 200);
    for (unsigned i = 0; i < k->tags; i++, at += 4) {
        store_be16(data + at, 0x8100);
    }
    store_be16(data + at, k->is6 ? 0x86dd : 0x0800);
    ip = data + at + 2;
    if (k->is6) {
        ip[0] = 0x60;
        ip[6] = k->proto;
        memset(ip + 8, 0x20, 32);
        l4 = ip + 40;
    } else {
        ip[0] = 0x45;
        store_be16(ip + 4, 0xfffe); /* the identification wraps */
        ip[8] = 64;
        ip[9] = k->proto;
        memset(ip + 12, 10, 8);
        l4 = ip + 20;
    }
    at = l4 - data + (k->proto == 6 ? 20 : 8);
    if (k->proto == 6) {
        store_be32(l4 + 4, 0xfffffff0); /* so does the sequence number */
        l4[12] = 5 << 4;
        l4[13] = 0x80 | 0x10 | 0x08 | 0x01; /* CWR ACK PSH FIN */
    }
    for (uint32_t i = 0; i < payload; i++) {
        data[at + i] = i * 7 + (i >> 8);
    }
    return at + payload;
}

static void collect(const NetFrame *f, void *opaque)
{
    net_queue_push(opaque, f);
}

static void tcp_segments_say_the_same_bytes(void)
{
    static const Kind kinds[] = {{false, 6, 0}, {true, 6, 0}, {false, 6, 2}, {true, 6, 1}};
    static const uint32_t payloads[] = {0, 1, 1000, 1448, 1449, 10000, 60001};
    g_autofree uint8_t *data = g_malloc(NET_FRAME_MAX);

    for (unsigned i = 0; i < G_N_ELEMENTS(kinds) * G_N_ELEMENTS(payloads); i++) {
        const Kind *k = &kinds[i % G_N_ELEMENTS(kinds)];
        uint32_t payload = payloads[i / G_N_ELEMENTS(kinds)], size = build(data, k, payload), done = 0, index = 0;
        uint32_t ip = 14 + 4 * k->tags, headers = size - payload, l4 = headers - 20;
        NetOffload o = {NET_HDR_NEEDS_CSUM, k->is6 ? NET_GSO_TCPV6 : NET_GSO_TCPV4, headers, 1448, l4, 16};
        NetFrame f = {.data = data, .size = size, .queue = 3, .offload = o};
        NetQueue q = {0};
        NetEntry *e;
        int count = net_offload_convert(&f, collect, &q);

        g_assert_cmpint(count, ==, MAX(1, (payload + 1447) / 1448));
        g_assert_cmpuint(q.frames, ==, count);
        for (; (e = net_queue_head(&q)); net_queue_pop(&q), index++) {
            const uint8_t *d = e->frame.data;
            uint32_t part = e->frame.size - headers;
            bool last = index == count - 1;

            g_assert_cmpuint(e->frame.queue, ==, 3);
            g_assert_cmpuint(e->frame.offload.gso_type | e->frame.offload.flags, ==, 0);
            g_assert_cmpmem(d + headers, part, data + headers + done, part);
            g_assert_cmphex(l4_sum(d + ip, e->frame.size - ip), ==, 0xffff);
            g_assert_cmphex(load_be32(d + l4 + 4), ==, (uint32_t)(0xfffffff0 + done));
            g_assert_cmphex(d[l4 + 13] & 0x09, ==, last ? 0x09 : 0);
            g_assert_cmphex(d[l4 + 13] & 0x80, ==, index ? 0 : 0x80);
            if (k->is6) {
                g_assert_cmpuint(load_be16(d + ip + 4), ==, e->frame.size - ip - 40);
            } else {
                g_assert_cmphex(header_sum(d + ip), ==, 0xffff);
                g_assert_cmpuint(load_be16(d + ip + 2), ==, e->frame.size - ip);
                g_assert_cmphex(load_be16(d + ip + 4), ==, (uint16_t)(0xfffe + index));
            }
            done += part;
        }
        g_assert_cmpuint(done, ==, payload);
        net_queue_clear(&q);
    }
}

static void udp_fragments_make_the_datagram(void)
{
    static const Kind kinds[] = {{false, 17, 0}, {true, 17, 0}, {true, 17, 1}};
    g_autofree uint8_t *data = g_malloc(NET_FRAME_MAX), *whole = g_malloc0(NET_FRAME_MAX);

    for (unsigned i = 0; i < G_N_ELEMENTS(kinds); i++) {
        const Kind *k = &kinds[i];
        uint32_t size = build(data, k, 20000), ip = 14 + 4 * k->tags, l4 = ip + (k->is6 ? 40 : 20), end = 0, more = 1;
        NetFrame f = {.data = data, .size = size, .offload = {NET_HDR_NEEDS_CSUM, NET_GSO_UDP, l4 + 8, 1480, l4, 6}};
        NetQueue q = {0};
        NetEntry *e;

        g_assert_cmpint(net_offload_convert(&f, collect, &q), ==, (size - l4 + 1479) / 1480);
        memcpy(whole, data, l4);
        for (; (e = net_queue_head(&q)); net_queue_pop(&q)) {
            const uint8_t *d = e->frame.data;
            uint32_t skip = k->is6 ? l4 + 8 : l4;
            uint32_t offset = k->is6 ? load_be16(d + l4 + 2) & ~7 : (load_be16(d + ip + 6) & 0x1fff) * 8;

            more = k->is6 ? d[l4 + 3] & 1 : load_be16(d + ip + 6) >> 13 & 1;
            g_assert_cmpuint(offset, ==, end);
            if (k->is6) {
                g_assert_cmpuint(d[ip + 6], ==, 44);
                g_assert_cmpuint(d[l4], ==, 17);
            } else {
                g_assert_cmphex(header_sum(d + ip), ==, 0xffff);
            }
            memcpy(whole + l4 + offset, d + skip, e->frame.size - skip);
            end = offset + e->frame.size - skip;
        }
        g_assert_cmpuint(more, ==, 0);
        g_assert_cmpuint(end, ==, size - l4);
        g_assert_cmpmem(whole + l4 + 8, end - 8, data + l4 + 8, end - 8);
        g_assert_cmphex(l4_sum(whole + ip, size - ip), ==, 0xffff);
        net_queue_clear(&q);
    }
}

static void checksum_is_finished(void)
{
    uint8_t data[300], pseudo[12] = {0};
    g_autoptr(GByteArray) b = g_byte_array_new();
    uint32_t size = build(data, &(Kind){false, 6, 0}, 101);
    NetFrame f = {.data = data, .size = size, .offload = {.flags = NET_HDR_NEEDS_CSUM, .csum_start = 34, .csum_offset = 16}};
    NetQueue q = {0};

    memcpy(pseudo, data + 26, 8);
    pseudo[9] = 6;
    store_be16(pseudo + 10, size - 34);
    g_byte_array_append(b, pseudo, sizeof(pseudo));
    store_be16(data + 50, ones_sum(b)); /* as a driver leaves it */
    g_assert_true(net_offload_needed(&f, 0));
    g_assert_false(net_offload_needed(&f, NET_OFF_CSUM));
    g_assert_cmpint(net_offload_convert(&f, collect, &q), ==, 1);
    g_assert_cmphex(l4_sum(net_queue_head(&q)->frame.data + 14, size - 14), ==, 0xffff);
    net_queue_clear(&q);
}

static void hostile_headers_are_refused(void)
{
    g_autofree uint8_t *data = g_malloc0(NET_FRAME_MAX);
    uint32_t size = build(data, &(Kind){false, 6, 0}, 60000);
    static const struct {
        NetOffload o;
        uint32_t size;
    } rows[] = {
        {{NET_HDR_NEEDS_CSUM, 0, 0, 0, 0xffff, 0xffff}, 100},
        {{NET_HDR_NEEDS_CSUM, 0, 0, 0, 98, 1}, 100},
        {{NET_HDR_NEEDS_CSUM, 0, 0, 0, 0, 0}, 100},
        {{0, NET_GSO_TCPV4, 0, 0, 0, 0}, 60054},
        {{0, NET_GSO_TCPV4, 0, 8, 0, 0}, 60054},   /* 7500 segments */
        {{0, NET_GSO_TCPV6, 0, 1448, 0, 0}, 60054}, /* not IPv6 */
        {{0, NET_GSO_UDP, 0, 1448, 0, 0}, 60054},   /* not UDP */
        {{0, NET_GSO_TCPV4, 0, 1448, 0, 0}, 40},    /* no whole TCP header */
        {{0, 7, 0, 1448, 0, 0}, 60054},
        {{0, NET_GSO_TCPV4, 0, 1448, 0, 0}, 13},
    };
    NetQueue q = {0};

    g_assert_cmpuint(size, ==, 60054);
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        NetFrame f = {.data = data, .size = rows[i].size, .offload = rows[i].o};

        g_assert_cmpint(net_offload_convert(&f, collect, &q), ==, -1);
        g_assert_cmpuint(q.frames, ==, 0);
    }
}

static void random_headers_do_no_harm(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(1);

    for (unsigned round = 0; round < 20000; round++) {
        Kind k = {g_rand_boolean(rand), g_rand_boolean(rand) ? 6 : 17, g_rand_int_range(rand, 0, 3)};
        uint8_t data[1000];
        uint32_t size = build(data, &k, g_rand_int_range(rand, 0, 500));
        g_autofree uint8_t *exact = NULL;
        NetFrame f = {.size = g_rand_int_range(rand, 0, size + 1)};
        NetQueue q = {0};

        for (unsigned n = g_rand_int_range(rand, 0, 6); n; n--) {
            data[g_rand_int_range(rand, 0, MIN(size, 120))] = g_rand_int(rand);
        }
        exact = g_memdup2(data, MAX(f.size, 1)); /* valgrind and the sanitizer see one byte too far */
        f.data = exact;
        f.offload = (NetOffload){g_rand_int(rand) & 3, (uint8_t[]){0, 1, 3, 4, 0x81, 0x84, 9}[g_rand_int_range(rand, 0, 7)],
                                 g_rand_int(rand), g_rand_int_range(rand, 0, 300), g_rand_int_range(rand, 0, 200),
                                 g_rand_int_range(rand, 0, 200)};
        net_offload_convert(&f, collect, &q);
        net_queue_clear(&q);
    }
}

static void queue_keeps_order_over_chunks(void)
{
    static uint8_t data[NET_FRAME_MAX];
    NetQueue q = {0};
    NetCursor at = {0};
    uint64_t pushed = 0, popped = 0;
    g_autoptr(GRand) rand = g_rand_new_with_seed(2);

    for (unsigned round = 0; round < 4000; round++) {
        for (unsigned n = g_rand_int_range(rand, 0, 4); n; n--) {
            uint32_t size = g_rand_int_range(rand, 0, 20) ? g_rand_int_range(rand, 8, 1600) : NET_FRAME_MAX;

            store_be64(data, pushed++);
            net_queue_push(&q, &(NetFrame){.data = data, .size = size});
        }
        for (unsigned n = g_rand_int_range(rand, 0, 4); n && net_queue_head(&q); n--) {
            g_assert_cmpuint(load_be64(net_queue_head(&q)->frame.data), ==, popped++);
            net_queue_pop(&q);
        }
        g_assert_cmpuint(q.frames, ==, pushed - popped);
    }
    for (NetEntry *e; (e = net_queue_next(&q, &at)); popped++) {
        g_assert_cmpuint(load_be64(e->frame.data), ==, popped);
    }
    g_assert_cmpuint(popped, ==, pushed);
    net_queue_clear(&q);
    g_assert_cmpuint(q.bytes, ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/net/offload/tcp_segments_say_the_same_bytes", tcp_segments_say_the_same_bytes);
    g_test_add_func("/net/offload/udp_fragments_make_the_datagram", udp_fragments_make_the_datagram);
    g_test_add_func("/net/offload/checksum_is_finished", checksum_is_finished);
    g_test_add_func("/net/offload/hostile_headers_are_refused", hostile_headers_are_refused);
    g_test_add_func("/net/offload/random_headers_do_no_harm", random_headers_do_no_harm);
    g_test_add_func("/net/queue/keeps_order_over_chunks", queue_keeps_order_over_chunks);
    return g_test_run();
}
