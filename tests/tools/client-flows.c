/* tests/tools/client-flows.c - the flows of the traffic client and what is counted of each.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "client.h"
#include <endian.h>
#include <stdlib.h>
#include <string.h>

enum { GAPS_MAX = 131072, GAP_NOTED_NS = 4000000, DATAGRAM_MAX = 1400, BURST_MAX = 64, BULK_STEP = 16384, RECENT = 8192 };

typedef struct Gap {
    uint64_t at_ns, length_ns;
} Gap;

/* When something last arrived, and how long it ever was silent. */
typedef struct Gaps {
    uint64_t last_ns, longest_ns, longest_at_ns;
    Gap *noted;
    uint32_t count;
    uint64_t marks;
    Gap recent[RECENT];                 /* the latest arrivals; length_ns: how long it took, where that is known */
} Gaps;

static const Options *opt;
static const NetOps *net;
static bool sending;
static uint64_t began_ns, stopped_ns;

static struct {
    uint64_t sent, next_ns;
    Numbered answers, guest_numbers;
    uint64_t rtt_max_ns, rtt_sum_ns;
    uint64_t held_back;             /* due, but too many had no answer */
    Gaps gaps;
} echo;
static struct {
    Numbered numbers;
    uint64_t renewed_ns;
    Gaps gaps;
} stream;
static struct {
    uint64_t sent, next_ns;
} broadcast, plain, plain_group;
static struct {
    bool open, waiting;
    uint8_t expected[REQUEST_BYTES];
    uint32_t got;
    uint64_t number, done, errors, asked_ns, next_ns, rtt_max_ns;
    const char *closed;
    Gaps gaps;
} request;
static struct {
    bool open;
    uint64_t at, errors, last_ns, allowance;
    uint32_t hello_sent;
    const char *closed;
    Gaps gaps;
} bulk[2];                          /* 0 to the guest, 1 from it */
static struct { uint32_t echo, broadcast, plain, plain_group; } rate;
static Gaps turns;                   /* of the client's own loop: while it is silent, so is every flow */
static char counters[2048];

static void gaps_mark(Gaps *g, uint64_t now, uint64_t took)
{
    uint64_t length = now - g->last_ns;

    g->recent[g->marks++ % RECENT] = (Gap) { now, took };

    if (g->last_ns) {
        if (length > g->longest_ns) {
            g->longest_ns = length;
            g->longest_at_ns = g->last_ns;
        }
        if (length >= GAP_NOTED_NS && g->count < GAPS_MAX) {
            g->noted = g->noted ? g->noted : calloc(GAPS_MAX, sizeof(Gap));
            g->noted[g->count++] = (Gap) { g->last_ns, length };
        }
    }
    g->last_ns = now;
}

/* ---- numbered datagrams ------------------------------------------------------------------------------------- */

static void send_number(UdpChannel ch, uint64_t number, uint64_t now)
{
    uint8_t bytes[DATAGRAM_MAX] = { 0 };
    TrafficPacket packet = { .magic = htobe32(TRAFFIC_MAGIC), .flow = htobe32(ch), .number = htobe64(number),
                             .time_ns = htobe64(now) };

    memcpy(bytes, &packet, sizeof(packet));
    net->udp_send(ch, bytes, opt->payload);
}

/* How many are due; a client that itself was held up does not send a burst. */
static uint32_t due(uint64_t *next, uint32_t per_second, uint64_t now)
{
    uint64_t gap = per_second ? 1000000000 / per_second : 0, count;

    if (!gap || now < *next) {
        return 0;
    }
    count = 1 + (now - *next) / gap;
    if (count > BURST_MAX) {
        *next = now;
        count = 1;
    }
    *next += count * gap;
    return count;
}

/* So many of them; what may not be sent is not made up for. */
static uint32_t within_limit(uint32_t wanted)
{
    uint64_t out = echo.sent - echo.answers.received;
    uint32_t room = !opt->unanswered ? wanted : out < opt->unanswered ? opt->unanswered - out : 0;
    uint32_t may = wanted < room ? wanted : room;

    echo.held_back += wanted - may;
    return may;
}

static void echo_tick(uint64_t now)
{
    static const uint8_t alike[64] = "each of these is like the other";

    for (uint32_t n = within_limit(due(&echo.next_ns, rate.echo, now)); n; n--) {
        send_number(UDP_ECHO, ++echo.sent, now);
    }
    for (uint32_t n = due(&broadcast.next_ns, rate.broadcast, now); n; n--) {
        send_number(UDP_BROADCAST, ++broadcast.sent, now);
    }
    for (uint32_t n = due(&plain.next_ns, rate.plain, now); n; n--, plain.sent++) {
        net->udp_send(UDP_PLAIN, alike, sizeof(alike));
    }
    for (uint32_t n = due(&plain_group.next_ns, rate.plain_group, now); n; n--, plain_group.sent++) {
        net->udp_send(UDP_PLAIN_GROUP, alike, sizeof(alike));
    }
}

static void echo_answer(const TrafficPacket *p, uint64_t now)
{
    uint64_t rtt = now - be64toh(p->time_ns);

    gaps_mark(&echo.gaps, now, rtt);
    numbered_take(&echo.answers, be64toh(p->echo));
    numbered_take(&echo.guest_numbers, be64toh(p->number));
    echo.rtt_sum_ns += rtt;
    echo.rtt_max_ns = rtt > echo.rtt_max_ns ? rtt : echo.rtt_max_ns;
}

static void stream_tick(uint64_t now)
{
    char text[16];

    if (opt->stream_rate && now - stream.renewed_ns > STREAM_LEASE_MS * 1000000ULL / 4) {
        stream.renewed_ns = now;
        snprintf(text, sizeof(text), "%u", opt->stream_rate);
        net->udp_send(UDP_STREAM, text, strlen(text));
    }
}

void flow_udp(UdpChannel ch, const void *data, uint32_t len)
{
    uint64_t now = clock_ns();
    TrafficPacket p;

    if (ch == UDP_CLOCK) {
        if (len >= sizeof(ClockAnswer)) {
            clock_answer(data);
        }
        return;
    }
    if (ch == UDP_QUERY) {
        snprintf(counters, sizeof(counters), "%.*s", (int)len, (const char *)data);
        counters[strcspn(counters, "\n")] = 0;
        return;
    }
    if (len < sizeof(p) || !began_ns) {
        return;
    }
    memcpy(&p, data, sizeof(p));
    if (be32toh(p.magic) != TRAFFIC_MAGIC) {
        return;
    }
    if (ch == UDP_ECHO) {
        echo_answer(&p, now);
    } else if (ch == UDP_STREAM) {
        gaps_mark(&stream.gaps, now, 0);
        numbered_take(&stream.numbers, be64toh(p.number));
    }
}

/* ---- tcp: one request after the other ----------------------------------------------------------------------- */

static void request_tick(uint64_t now)
{
    if (!request.open || request.waiting || now < request.next_ns) {
        return;
    }
    request.number++;
    pattern_fill(request.number, 0, request.expected, REQUEST_BYTES);
    request.waiting = true;
    request.got = 0;
    request.asked_ns = now;
    if (net->tcp_send(TCP_REQUEST, request.expected, REQUEST_BYTES) != REQUEST_BYTES) {
        request.errors++;
    }
}

static void request_data(const uint8_t *data, uint32_t len, uint64_t now)
{
    for (uint32_t i = 0; i < len; i++) {
        request.errors += request.got >= REQUEST_BYTES || data[i] != request.expected[request.got];
        request.got++;
    }
    if (request.got >= REQUEST_BYTES) {
        uint64_t rtt = now - request.asked_ns;

        request.rtt_max_ns = rtt > request.rtt_max_ns ? rtt : request.rtt_max_ns;
        request.waiting = false;
        request.done++;
        request.next_ns = now + opt->request_gap_us * 1000ULL;
        gaps_mark(&request.gaps, now, rtt);
    }
}

/* ---- tcp: the verified bulk flows --------------------------------------------------------------------------- */

static uint64_t seed_of(TcpChannel ch)
{
    return 1000 + ch;
}

static void bulk_hello(TcpChannel ch)
{
    BulkHello hello = { htobe32(BULK_MAGIC), htobe32(ch == TCP_UP), htobe64(seed_of(ch)) };

    bulk[ch - TCP_UP].hello_sent = net->tcp_send(ch, &hello, sizeof(hello));
}

/* Both directions are paced, so that they share the emulated CPU with the datagrams. */
static uint64_t bulk_allow(int i, uint64_t now)
{
    uint64_t most = opt->bulk_bytes_per_s / 4 + BULK_STEP;

    if (bulk[i].last_ns) {
        bulk[i].allowance += (now - bulk[i].last_ns) / 1000 * opt->bulk_bytes_per_s / 1000000;
    }
    bulk[i].last_ns = now;
    bulk[i].allowance = bulk[i].allowance > most ? most : bulk[i].allowance;
    return bulk[i].allowance;
}

static void bulk_tick(uint64_t now)
{
    uint8_t step[BULK_STEP];
    uint32_t want, took;

    if (!bulk[0].open || bulk_allow(0, now) < 1024) {
        return;
    }
    want = bulk[0].allowance < BULK_STEP ? bulk[0].allowance : BULK_STEP;
    pattern_fill(seed_of(TCP_UP), bulk[0].at, step, want);
    took = net->tcp_send(TCP_UP, step, want);
    bulk[0].at += took;
    bulk[0].allowance -= took;
    if (took) {
        gaps_mark(&bulk[0].gaps, now, 0);
    }
}

uint32_t flow_tcp_want(TcpChannel ch)
{
    uint64_t allowed = ch == TCP_DOWN ? bulk_allow(1, clock_ns()) : 65536;

    return allowed < 2048 ? 0 : allowed > 65536 ? 65536 : allowed;
}

void flow_tcp_opened(TcpChannel ch)
{
    if (ch == TCP_REQUEST) {
        request.open = true;
    } else {
        bulk[ch - TCP_UP].open = true;
        bulk_hello(ch);
    }
}

void flow_tcp_data(TcpChannel ch, const uint8_t *data, uint32_t len)
{
    uint64_t now = clock_ns();

    if (ch == TCP_REQUEST) {
        request_data(data, len, now);
    } else if (ch == TCP_DOWN) {
        bulk[1].errors += pattern_errors(seed_of(ch), bulk[1].at, data, len);
        bulk[1].at += len;
        bulk[1].allowance -= len < bulk[1].allowance ? len : bulk[1].allowance;
        gaps_mark(&bulk[1].gaps, now, 0);
    }
}

void flow_tcp_closed(TcpChannel ch, const char *why)
{
    if (ch == TCP_REQUEST) {
        request.open = false;
        request.closed = why;
    } else {
        bulk[ch - TCP_UP].open = false;
        bulk[ch - TCP_UP].closed = why;
    }
}

/* ---- all of them --------------------------------------------------------------------------------------------- */

void flows_start(const Options *o, const NetOps *n)
{
    opt = o;
    net = n;
    sending = true;
    began_ns = clock_ns();
    echo.next_ns = broadcast.next_ns = plain.next_ns = plain_group.next_ns = began_ns;
    rate.echo = o->echo_rate;
    rate.broadcast = o->broadcast_rate;
    rate.plain = o->plain_rate;
    rate.plain_group = o->plain_group_rate;
    if (o->request_gap_us) {
        net->tcp_open(TCP_REQUEST);
    }
    if (o->bulk_bytes_per_s) {
        net->tcp_open(TCP_UP);
        net->tcp_open(TCP_DOWN);
    }
}

bool flows_set_rate(const char *flow, uint32_t per_second)
{
    const struct {
        const char *name;
        uint32_t *rate;
        uint64_t *next_ns;
    } rows[] = {
        { "echo", &rate.echo, &echo.next_ns }, { "broadcast", &rate.broadcast, &broadcast.next_ns },
        { "plain", &rate.plain, &plain.next_ns }, { "plain-group", &rate.plain_group, &plain_group.next_ns },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (strcmp(flow, rows[i].name) == 0) {
            *rows[i].rate = per_second;
            *rows[i].next_ns = clock_ns();
            return true;
        }
    }
    return false;
}

void flows_tick(uint64_t now)
{
    gaps_mark(&turns, now, 0);
    resent_sample(net, now);
    if (sending) {
        echo_tick(now);
        stream_tick(now);
        request_tick(now);
        bulk_tick(now);
    }
}

void flows_stop_sending(void)
{
    sending = false;
    stopped_ns = clock_ns();
    if (opt->stream_rate) {
        net->udp_send(UDP_STREAM, "0", 1);
    }
}

bool flows_are_drained(void)
{
    return echo.answers.received >= echo.sent && (!request.waiting || !request.open);
}

uint64_t flows_arrived(void)
{
    return echo.answers.received + stream.numbers.received + request.done;
}

void flows_ask_counters(void)
{
    counters[0] = 0;
    net->udp_send(UDP_QUERY, "counters", 8);
}

const char *flows_counters(void)
{
    return counters[0] ? counters : NULL;
}

static void report_gaps(FILE *to, const Gaps *g)
{
    fprintf(to, "\"longest_gap_ms\":%.3f,\"longest_gap_at\":%.6f,\"gaps\":[", g->longest_ns / 1e6, g->longest_at_ns / 1e9);
    for (uint32_t i = 0; i < g->count; i++) {
        fprintf(to, "%s[%.6f,%.3f]", i ? "," : "", g->noted[i].at_ns / 1e9, g->noted[i].length_ns / 1e6);
    }
    fprintf(to, "]");
}

static void report_numbers(FILE *to, const Numbered *n, uint64_t sent)
{
    fprintf(to, "\"received\":%llu,\"lost\":%lld,\"duplicated\":%llu,\"reordered\":%llu,",
            (unsigned long long)n->received, (long long)(sent - n->received), (unsigned long long)n->duplicate,
            (unsigned long long)n->reordered);
}

static void report_bulk(FILE *to, const char *name, int i)
{
    fprintf(to, "\"%s\":{\"bytes\":%llu,\"errors\":%llu,\"open\":%s,\"closed\":\"%s\",", name,
            (unsigned long long)bulk[i].at, (unsigned long long)bulk[i].errors, bulk[i].open ? "true" : "false",
            bulk[i].closed ? bulk[i].closed : "");
    resent_report(to, TCP_UP + i);
    report_gaps(to, &bulk[i].gaps);
    fprintf(to, "},");
}

void flows_report(FILE *to, uint64_t began)
{
    const char *sent_text = strstr(counters, "\"stream_sent\":");
    uint64_t stream_sent = sent_text ? strtoull(sent_text + 14, NULL, 10) : stream.numbers.highest;

    fprintf(to, "{\"event\":\"report\",\"began\":%.6f,\"seconds\":%.3f,\"sending\":%.3f,\"has_sack\":%s,", began / 1e9,
            (clock_ns() - began) / 1e9, (stopped_ns - began) / 1e9, net->has_sack ? "true" : "false");
    fprintf(to, "\"echo\":{\"sent\":%llu,\"held_back\":%llu,", (unsigned long long)echo.sent,
            (unsigned long long)echo.held_back);
    report_numbers(to, &echo.answers, echo.sent);
    fprintf(to, "\"rtt_ms\":%.3f,\"rtt_max_ms\":%.3f,",
            echo.answers.received ? echo.rtt_sum_ns / 1e6 / echo.answers.received : 0, echo.rtt_max_ns / 1e6);
    report_gaps(to, &echo.gaps);
    fprintf(to, "},\"from_guest\":{\"sent\":%llu,", (unsigned long long)stream_sent);
    report_numbers(to, &stream.numbers, stream_sent);
    report_gaps(to, &stream.gaps);
    fprintf(to, "},\"request\":{\"done\":%llu,\"errors\":%llu,\"open\":%s,\"closed\":\"%s\",\"rtt_max_ms\":%.3f,",
            (unsigned long long)request.done, (unsigned long long)request.errors, request.open ? "true" : "false",
            request.closed ? request.closed : "", request.rtt_max_ns / 1e6);
    resent_report(to, TCP_REQUEST);
    report_gaps(to, &request.gaps);
    fprintf(to, "},");
    report_bulk(to, "bulk_up", 0);
    report_bulk(to, "bulk_down", 1);
    fprintf(to, "\"client\":{");
    report_gaps(to, &turns);
    fprintf(to, "},");
    fprintf(to, "\"broadcast_sent\":%llu,\"plain_sent\":%llu,\"plain_group_sent\":%llu,\"bad_frames\":%llu,\"guest\":%s}\n",
            (unsigned long long)broadcast.sent, (unsigned long long)plain.sent, (unsigned long long)plain_group.sent,
            (unsigned long long)net->bad_frames(), counters[0] ? counters : "null");
    fflush(to);
}

/* Up to now: what is behind the latest that came and did not come itself is missing. */
static void status_numbers(FILE *to, const char *name, const Numbered *n)
{
    fprintf(to, "\"%s\":{\"received\":%llu,\"lost\":%llu,\"duplicated\":%llu,\"reordered\":%llu},", name,
            (unsigned long long)n->received, (unsigned long long)numbered_lost(n), (unsigned long long)n->duplicate,
            (unsigned long long)n->reordered);
}

void flows_status(FILE *to)
{
    fprintf(to, "{\"event\":\"status\",\"sent\":%llu,\"answered\":%llu,\"stream\":%llu,\"requests\":%llu,\"bulk_up\":%llu,"
            "\"bulk_down\":%llu,", (unsigned long long)echo.sent, (unsigned long long)echo.answers.received,
            (unsigned long long)stream.numbers.received, (unsigned long long)request.done, (unsigned long long)bulk[0].at,
            (unsigned long long)bulk[1].at);
    status_numbers(to, "echo", &echo.answers);
    status_numbers(to, "answers", &echo.guest_numbers);
    status_numbers(to, "from_guest", &stream.numbers);
    fprintf(to, "\"broadcast_sent\":%llu,\"request_gap_ms\":%.3f,\"echo_gap_ms\":%.3f}\n",
            (unsigned long long)broadcast.sent, request.gaps.longest_ns / 1e6, echo.gaps.longest_ns / 1e6);
    fflush(to);
}

static void recent_of(FILE *to, const char *name, const Gaps *g, uint64_t since)
{
    uint64_t first = g->marks > RECENT ? g->marks - RECENT : 0;
    const char *between = "";

    fprintf(to, "\"%s\":[", name);
    for (uint64_t i = first; i < g->marks; i++) {
        const Gap *mark = &g->recent[i % RECENT];

        if (mark->at_ns >= since) {
            fprintf(to, "%s[%.6f,%.3f]", between, mark->at_ns / 1e9, mark->length_ns / 1e6);
            between = ",";
        }
    }
    fprintf(to, "]");
}

/* When each flow got something, of the last `ms`: [time, how long it took], as many as are remembered. */
void flows_recent(FILE *to, uint64_t ms)
{
    static const char *const names[] = { "echo", "from_guest", "request", "bulk_up", "bulk_down" };
    const Gaps *all[] = { &echo.gaps, &stream.gaps, &request.gaps, &bulk[0].gaps, &bulk[1].gaps };

    fprintf(to, "{\"event\":\"recent\",");
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        fprintf(to, i ? "," : "");
        recent_of(to, names[i], all[i], clock_ns() - ms * 1000000);
    }
    fprintf(to, "}\n");
    fflush(to);
}
