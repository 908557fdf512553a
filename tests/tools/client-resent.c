/* tests/tools/client-resent.c - when TCP sent something again, and whether it had to.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A segment is sent again because it was lost, or because its acknowledgement was late.  Only in the second case does the
 * receiver get it twice, which it says (D-SACK): what was sent again and not reported as double had been lost. */
#include "client.h"

enum { EVENTS_MAX = 1024, SAMPLE_NS = 1000000 };

typedef struct Event {
    uint64_t at_ns, all, needless;      /* how many more, of each */
} Event;

static struct {
    Resent now;
    Event events[EVENTS_MAX];
    uint32_t count;
} flows[TCP_CHANNELS];
static uint64_t sampled_ns;

void resent_sample(const NetOps *net, uint64_t now)
{
    if (now - sampled_ns < SAMPLE_NS) {
        return;
    }
    sampled_ns = now;
    for (int ch = 0; ch < TCP_CHANNELS; ch++) {
        Resent before = flows[ch].now, *r = &flows[ch].now;

        net->tcp_resent(ch, r);
        if ((r->all > before.all || r->needless > before.needless) && flows[ch].count < EVENTS_MAX) {
            flows[ch].events[flows[ch].count++] = (Event) { now, r->all - before.all, r->needless - before.needless };
        }
    }
}

void resent_report(FILE *to, TcpChannel ch)
{
    fprintf(to, "\"retransmissions\":%llu,\"needless\":%llu,\"sent_again\":[", (unsigned long long)flows[ch].now.all,
            (unsigned long long)flows[ch].now.needless);
    for (uint32_t i = 0; i < flows[ch].count; i++) {
        const Event *e = &flows[ch].events[i];

        fprintf(to, "%s[%.6f,%llu,%llu]", i ? "," : "", e->at_ns / 1e9, (unsigned long long)e->all,
                (unsigned long long)e->needless);
    }
    fprintf(to, "],");
}
