/* net/announce.c - telling the switches where a NIC is now.  Main loop, vm_lock.
 * Page: docs/net.md.  Test: tests/unit/net/user-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * In each round we send a reverse ARP request in the name of each NIC, which every switch learns from and nobody answers.  A NIC
 * whose driver can announce itself (all its addresses and VLANs) is asked to, once. */
#include "announce.h"

#include "net/net.h"
#include "system/handoff.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/loop.h"

#include "chain.h"

#include <string.h>

#define TIMERS_MAX 64

typedef struct Rounds {
    char *id;
    NetAnnounce how;
    Json *nics; /* NULL: all */
    uint32_t done;
    LoopTimer *timer;
} Rounds;

static GPtrArray *running; /* of Rounds */

void net_announce_frame(uint8_t frame[NET_RARP_SIZE], const uint8_t mac[6])
{
    memset(frame, 0, NET_RARP_SIZE);
    memset(frame, 0xff, 6);
    memcpy(frame + 6, mac, 6);
    store_be16(frame + 12, 0x8035); /* RARP */
    store_be16(frame + 14, 1);      /* Ethernet */
    store_be16(frame + 16, 0x0800); /* IPv4 */
    frame[18] = 6;
    frame[19] = 4;
    store_be16(frame + 20, 3); /* request reverse */
    memcpy(frame + NET_RARP_SENDER, mac, 6);
    memcpy(frame + 32, mac, 6);
}

/* A switch has learnt from the first round.  A guest that has just arrived answers first what waits for it: its drivers have not
 * run that code for long. */
static uint32_t guest_round(const Rounds *r)
{
    return MIN(1, r->how.rounds - 1);
}

static void announce_nic(NetPort *p, void *opaque)
{
    uint8_t frame[NET_RARP_SIZE];
    Rounds *r = opaque;
    bool wanted = !r->nics;

    for (size_t i = 0; r->nics && i < json_size(r->nics); i++) {
        wanted |= !g_strcmp0(json_get_string(json_at(r->nics, i)), p->id);
    }
    /* A guest that stands still may be about to run elsewhere: it is not here for anybody. */
    if (!p->is_nic || !p->peer || !wanted || !net_world()->is_running) {
        return;
    }
    if (p->ops->announce && r->done == guest_round(r)) {
        p->ops->announce(p);
    }
    /* No room: the next round says the same. */
    net_announce_frame(frame, p->mac);
    net_port_send(p, &(NetFrame){.data = frame, .size = sizeof(frame)});
}

static void rounds_free(Rounds *r)
{
    loop_timer_free(r->timer);
    json_unref(r->nics);
    g_free(r->id);
    g_free(r);
}

static uint32_t next_pause(const Rounds *r)
{
    uint64_t pause = r->how.initial_ms + (uint64_t)(r->done - 1) * r->how.step_ms;

    return MIN(pause, r->how.max_ms);
}

static void round_due(void *opaque)
{
    Rounds *r = opaque;

    net_port_foreach(announce_nic, r);
    if (++r->done < r->how.rounds) {
        loop_timer_set(r->timer, time_monotonic_ns() + next_pause(r) * NS_PER_MS);
    } else {
        g_ptr_array_remove(running, r);
        rounds_free(r);
    }
}

NetAnnounce net_announce_default(void)
{
    return (NetAnnounce){
        .initial_ms = handoff_parameter("announce-initial", 50),
        .max_ms = handoff_parameter("announce-max", 550),
        .rounds = handoff_parameter("announce-rounds", 5),
        .step_ms = handoff_parameter("announce-step", 100),
    };
}

bool net_announce_check(const NetAnnounce *a, GError **errp)
{
    const struct {
        const char *name;
        uint32_t value, max;
    } rows[] = {{"initial", a->initial_ms, 100000},
                {"max", a->max_ms, 100000},
                {"rounds", a->rounds, 1000},
                {"step", a->step_ms, 10000}};

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        if (rows[i].value > rows[i].max) {
            return fail(errp, "Parameter '%s' expects a value between 0 and %u", rows[i].name, rows[i].max);
        }
    }
    return a->rounds > 0 || fail(errp, "Parameter 'rounds' expects a value between 1 and 1000");
}

bool net_announce_start(const NetAnnounce *a, const Json *nics, const char *id, GError **errp)
{
    Rounds *r;

    if (!net_announce_check(a, errp)) {
        return false;
    }
    if (!running) {
        running = g_ptr_array_new();
    }
    for (unsigned i = 0; i < running->len; i++) {
        r = running->pdata[i];
        if (!g_strcmp0(r->id, id ? id : "")) {
            g_ptr_array_remove_index(running, i);
            rounds_free(r);
            break;
        }
    }
    if (running->len >= TIMERS_MAX) {
        return fail(errp, "more than %d announcements are under way", TIMERS_MAX);
    }
    r = g_new0(Rounds, 1);
    r->id = g_strdup(id ? id : "");
    r->how = *a;
    r->nics = nics ? json_copy(nics) : NULL;
    r->timer = loop_timer_new(round_due, r);
    g_ptr_array_add(running, r);
    round_due(r);
    return true;
}

/* ---- after a handoff ---- */
static void announce_started(HandoffPart *p)
{
    NetAnnounce a = net_announce_default();

    net_announce_start(&a, NULL, NULL, NULL);
}

static void announce_thawed(void *opaque)
{
    announce_started(NULL);
}

static void announce_thaw(HandoffPart *p, bool was_after_run)
{
    if (was_after_run) {
        loop_call(announce_thawed, NULL); /* the guest starts first */
    }
}

/* A round that came after the guest has left would turn the network back to us. */
static void announce_freeze(HandoffPart *p)
{
    while (running && running->len) {
        rounds_free(g_ptr_array_remove_index(running, running->len - 1));
    }
}

static HandoffPart announce_part = {
    .name = "announce",
    .order = 80,
    .freeze = announce_freeze,
    .started = announce_started,
    .thaw = announce_thaw,
};

void net_announce_init(void)
{
    handoff_register(&announce_part);
}
