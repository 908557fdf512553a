/* net/netpass-pair.c - which frame of the destination's netdev is the copy of one the source sent.
 * Page: docs/netpass.md.  Test: tests/unit/net/netpass-wire-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "netpass-pair.h"

#include "util/log.h"
#include "util/loop.h"

#include "netpass-wire.h"

#include <string.h>

#define WINDOW_NS (400 * NS_PER_MS) /* further apart they are two frames: ARP repeats itself every second */
#define PROOF_NS (3 * NS_PER_MS)    /* a single unicast frame on both ports within this proves a mirror */
#define ENTRIES_MAX 65536

typedef struct Pair {
    uint64_t hash;
    int64_t time_ns;
    int32_t balance;  /* > 0: delivered copies from the source without twin; < 0: from here */
    uint32_t flooded; /* copies from here that were left out and have no twin yet */
    uint32_t from_source, from_here;
} Pair;

struct NetpassPairs {
    GHashTable *table; /* hash -> Pair */
    GQueue order;      /* of Pair, by first sight */
    uint64_t key;
    uint8_t mac[6];
    bool is_mirror;
};

NetpassPairs *netpass_pairs_new(uint64_t key, const uint8_t mac[6])
{
    NetpassPairs *p = g_new0(NetpassPairs, 1);

    p->table = g_hash_table_new(g_int64_hash, g_int64_equal);
    g_queue_init(&p->order);
    p->key = key;
    memcpy(p->mac, mac, 6);
    return p;
}

void netpass_pairs_free(NetpassPairs *p)
{
    if (p) {
        g_hash_table_unref(p->table);
        g_queue_clear_full(&p->order, g_free);
        g_free(p);
    }
}

static void forget_old(NetpassPairs *p, int64_t now_ns)
{
    Pair *e;

    while ((e = g_queue_peek_head(&p->order)) &&
           (g_queue_get_length(&p->order) >= ENTRIES_MAX || now_ns - e->time_ns > 2 * WINDOW_NS)) {
        g_queue_pop_head(&p->order);
        g_hash_table_remove(p->table, &e->hash);
        g_free(e);
    }
}

static Pair *lookup(NetpassPairs *p, const NetFrame *f, int64_t time_ns)
{
    uint64_t hash = netpass_hash(f, p->key);
    Pair *e = g_hash_table_lookup(p->table, &hash);

    if (!e) {
        forget_old(p, time_ns);
        e = g_new0(Pair, 1);
        e->hash = hash;
        e->time_ns = time_ns;
        g_hash_table_insert(p->table, &e->hash, e);
        g_queue_push_tail(&p->order, e);
    }
    if (ABS(time_ns - e->time_ns) > WINDOW_NS) {
        *e = (Pair){.hash = hash, .time_ns = time_ns};
    }
    return e;
}

static bool is_for_us(const NetpassPairs *p, const NetFrame *f)
{
    return f->size >= 6 && !memcmp(f->data, p->mac, 6);
}

static bool may_have_twin(NetpassPairs *p, const NetFrame *f, const Pair *e, int64_t time_ns)
{
    if (p->is_mirror || !is_for_us(p, f)) {
        return true;
    }
    if (e->from_source <= 1 && e->from_here <= 1 && ABS(time_ns - e->time_ns) <= PROOF_NS) {
        TRACE(netpass_mirror, "a frame of %u bytes came on both ports", f->size);
        p->is_mirror = true;
        return true;
    }
    return false;
}

bool netpass_pairs_expected(NetpassPairs *p, const NetFrame *f, int64_t time_ns)
{
    return (p->is_mirror || (f->data[0] & 1)) && !lookup(p, f, time_ns)->flooded;
}

bool netpass_pairs_meet(NetpassPairs *p, const NetFrame *f, int64_t time_ns)
{
    Pair *e = lookup(p, f, time_ns);

    e->from_source++;
    if (!e->flooded && e->balance < 0 && may_have_twin(p, f, e, time_ns)) {
        e->balance++;
        return true;
    }
    e->from_source--;
    return false;
}

bool netpass_pairs_source(NetpassPairs *p, const NetFrame *f, int64_t time_ns)
{
    Pair *e = lookup(p, f, time_ns);

    e->from_source++;
    if (e->flooded) {
        e->flooded--;
        return true;
    }
    if (e->balance < 0 && may_have_twin(p, f, e, time_ns)) {
        e->balance++;
        return false;
    }
    e->balance++;
    e->time_ns = MAX(e->time_ns, time_ns);
    return true;
}

bool netpass_pairs_local(NetpassPairs *p, const NetFrame *f, int64_t time_ns)
{
    Pair *e = lookup(p, f, time_ns);

    e->from_here++;
    if (e->balance > 0 && may_have_twin(p, f, e, time_ns)) {
        e->balance--;
        return false;
    }
    e->balance--;
    e->time_ns = MAX(e->time_ns, time_ns);
    return true;
}

void netpass_pairs_flooded(NetpassPairs *p, const NetFrame *f, int64_t time_ns)
{
    Pair *e = lookup(p, f, time_ns);

    /* Frames for our NIC on a port it has never sent from: this network shows everything to everybody. */
    p->is_mirror |= is_for_us(p, f);
    if (e->balance > 0) {
        e->balance--;
    } else {
        e->flooded++;
    }
}
