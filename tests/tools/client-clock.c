/* tests/tools/client-clock.c - how far the guest's clocks are from this host's, as NTP measures it.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Some questions in a row; the answer with the shortest way counts, and is right to within half of its way.  The host's
 * clocks are those of the emulator: CLOCK_MONOTONIC drives the guest's. */
#include "client.h"
#include <endian.h>
#include <time.h>

enum { GAP_NS = 2000000, LAST_WAIT_NS = 300000000 };

static struct {
    uint32_t left, answers;
    uint64_t next_ns, way_ns;       /* CLOCK_MONOTONIC, as all times here */
    int64_t monotonic_ns, realtime_ns;  /* guest time less host time, by the shortest way */
    int64_t low_ns, high_ns;            /* of the monotonic one: it lies between, by each answer, so by all together */
    ClockAnswer last;
} exchange;

static uint64_t time_of(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

void clock_begin(uint32_t rounds)
{
    exchange.left = rounds;
    exchange.answers = 0;
    exchange.way_ns = UINT64_MAX;
    exchange.low_ns = INT64_MIN;
    exchange.high_ns = INT64_MAX;
    exchange.next_ns = time_of(CLOCK_MONOTONIC);
}

static void tell(FILE *to)
{
    const ClockAnswer *seen = &exchange.last;

    fprintf(to, "{\"event\":\"clock\",\"answers\":%u,\"way_us\":%.3f,\"monotonic_us\":%.3f,\"realtime_us\":%.3f,"
            "\"low_us\":%.3f,\"high_us\":%.3f,\"backward_ns\":%llu,\"forward_ms\":%.3f,\"samples\":%llu}\n",
            exchange.answers, exchange.way_ns / 1e3, exchange.monotonic_ns / 1e3, exchange.realtime_ns / 1e3,
            exchange.low_ns / 1e3, exchange.high_ns / 1e3, (unsigned long long)be64toh(seen->backward_ns),
            be64toh(seen->forward_ns) / 1e6, (unsigned long long)be64toh(seen->samples));
    fflush(to);
}

void clock_tick(const NetOps *net, FILE *to)
{
    uint64_t now = time_of(CLOCK_MONOTONIC);
    ClockAnswer ask = { .magic = htobe32(TRAFFIC_MAGIC) };

    if (!exchange.next_ns || now < exchange.next_ns) {
        return;
    }
    if (!exchange.left) {
        exchange.next_ns = 0;
        tell(to);
        return;
    }
    exchange.next_ns = now + (--exchange.left ? GAP_NS : LAST_WAIT_NS);
    ask.asked_ns = htobe64(time_of(CLOCK_MONOTONIC));
    net->udp_send(UDP_CLOCK, &ask, sizeof(ask));
}

void clock_answer(const ClockAnswer *a)
{
    uint64_t now = time_of(CLOCK_MONOTONIC), asked = be64toh(a->asked_ns), way = now - asked;
    int64_t wall = (int64_t)time_of(CLOCK_REALTIME) - (int64_t)now;     /* of the same moment, or a little later */
    int64_t middle = asked + way / 2;

    int64_t guest = be64toh(a->monotonic_ns);

    exchange.answers++;
    exchange.low_ns = guest - (int64_t)now > exchange.low_ns ? guest - (int64_t)now : exchange.low_ns;
    exchange.high_ns = guest - (int64_t)asked < exchange.high_ns ? guest - (int64_t)asked : exchange.high_ns;
    exchange.last = *a;
    if (way < exchange.way_ns) {
        exchange.way_ns = way;
        exchange.monotonic_ns = guest - middle;
        exchange.realtime_ns = (int64_t)be64toh(a->realtime_ns) - (middle + wall);
    }
}
