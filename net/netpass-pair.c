/* net/netpass-pair.c - which frame of the destination's netdev is the copy of one the source sent.
 * Page: docs/netpass.md.  Test: tests/unit/net/netpass-wire-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "netpass-pair.h"

#include "util/log.h"
#include "util/loop.h"

#include "netpass-wire.h"

#include <string.h>

#define WINDOW_NS (800 * NS_PER_MS) /* further apart they are two frames: ARP repeats itself every second */
#define WIDE_NS (5 * NS_PER_SEC)    /* where the second copy is sure to come, however busy the host */
#define LEFT_NS (100 * NS_PER_MS)   /* one that was left out: the nearest of a flow that repeats itself, not any */
#define SHOWN_NS (2 * NS_PER_SEC)   /* how long a frame for us, on a port that had sent nothing, says what the network does */
#define ENTRIES_MAX 131072
#define SIGHTINGS_MAX 4096 /* of the same bytes, without their twin */

typedef enum SightingKind {
    SOURCE = 1,   /* at the source; delivered */
    HERE = 2,     /* here; delivered */
    HELD = 4,     /* here; waits for netpass_pairs_settle() */
    LEFT_OUT = 8, /* here; not delivered */
    PASSED = 16,  /* the same, and the order of the network says that the source has it */
} SightingKind;

typedef struct Sighting { /* one that has not met its twin */
    int64_t time_ns;
    SightingKind kind;
    bool is_behind;  /* SOURCE: behind the first marker */
    NetEntry *entry; /* HELD; and HERE, while has_entries */
} Sighting;

typedef struct Pair { /* frames of the same bytes */
    uint64_t hash;
    int64_t time_ns; /* of the last one */
    GArray *alone;   /* of Sighting, as they came */
    bool is_for_us; /* unicast, to our NIC */
    GList link;     /* of NetpassPairs.order */
} Pair;

struct NetpassPairs {
    GHashTable *table; /* hash -> Pair */
    GQueue order;      /* of Pair, by last sight */
    uint64_t key;
    uint8_t mac[6];
    bool is_mirror, is_turned, is_settled, has_entries;
    int64_t shown_ns; /* 0: never */
    uint64_t heard;   /* the handoff that marker 7 came of last */
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

static void pair_remove(NetpassPairs *p, Pair *e)
{
    g_queue_unlink(&p->order, &e->link);
    g_hash_table_remove(p->table, &e->hash);
    g_array_unref(e->alone);
    g_free(e);
}

void netpass_pairs_free(NetpassPairs *p)
{
    if (p) {
        while (p->order.head) {
            pair_remove(p, p->order.head->data);
        }
        g_hash_table_unref(p->table);
        g_free(p);
    }
}

void netpass_pairs_set_mac(NetpassPairs *p, const uint8_t mac[6])
{
    memcpy(p->mac, mac, 6);
}

void netpass_pairs_set_mirror(NetpassPairs *p)
{
    p->is_mirror = true;
}

bool netpass_pairs_is_mirror(const NetpassPairs *p)
{
    return p->is_mirror;
}

void netpass_pairs_set_turned(NetpassPairs *p)
{
    p->is_turned = true;
}

static void forget_old(NetpassPairs *p, int64_t now_ns)
{
    Pair *e;

    while ((e = g_queue_peek_head(&p->order)) &&
           (g_queue_get_length(&p->order) >= ENTRIES_MAX || now_ns - e->time_ns > WIDE_NS)) {
        pair_remove(p, e);
    }
}

static bool is_for_us(const NetpassPairs *p, const NetFrame *f)
{
    return f->size >= 6 && !memcmp(f->data, p->mac, 6);
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
        e->is_for_us = is_for_us(p, f);
        e->alone = g_array_new(false, false, sizeof(Sighting));
        g_hash_table_insert(p->table, &e->hash, e);
        e->link.data = e;
    } else {
        g_queue_unlink(&p->order, &e->link);
    }
    g_queue_push_tail_link(&p->order, &e->link);
    e->time_ns = MAX(e->time_ns, time_ns);
    return e;
}

/* ---- sightings ---- */
static Sighting *at(const Pair *e, int i)
{
    return &g_array_index(e->alone, Sighting, i);
}

static int64_t window(const NetpassPairs *p, const Sighting *s, bool is_behind)
{
    if (s->kind == LEFT_OUT) {
        return LEFT_NS;
    }
    return p->is_mirror || s->kind == PASSED || s->is_behind || is_behind ? WIDE_NS : WINDOW_NS;
}

/* The nearest in time of these kinds, -1: none.  The last ones are the likely ones.  is_behind: who asks is a frame that the
 * source had behind the first marker. */
static int nearest(const NetpassPairs *p, const Pair *e, unsigned kinds, int64_t time_ns, bool is_behind)
{
    int64_t best = INT64_MAX;
    int found = -1;

    for (int i = (int)e->alone->len - 1; i >= 0; i--) {
        const Sighting *s = at(e, i);
        int64_t apart = ABS(s->time_ns - time_ns);

        if ((s->kind & kinds) && apart <= window(p, s, is_behind) && apart < best) {
            best = apart;
            found = i;
        } else if (found >= 0 && s->time_ns < time_ns - best) {
            break;
        }
    }
    return found;
}

static void add(const NetpassPairs *p, Pair *e, SightingKind kind, int64_t time_ns, NetEntry *entry)
{
    Sighting s = {.time_ns = time_ns, .kind = kind, .entry = entry, .is_behind = kind == SOURCE && p->is_turned};

    if (e->alone->len >= SIGHTINGS_MAX) {
        g_array_remove_range(e->alone, 0, SIGHTINGS_MAX / 4);
    }
    g_array_append_val(e->alone, s);
}

/* Is this sighting, of a frame on the other port, the same frame? */
static bool is_twin(const NetpassPairs *p, const Pair *e, int64_t time_ns)
{
    return p->is_mirror || !e->is_for_us || (p->shown_ns && ABS(time_ns - p->shown_ns) <= SHOWN_NS);
}

static void take(NetpassPairs *p, Pair *e, int sighting)
{
    if (sighting >= 0) {
        g_array_remove_index(e->alone, sighting);
    }
    if (!e->alone->len) {
        pair_remove(p, e);
    }
}

bool netpass_pairs_expected(NetpassPairs *p, const NetFrame *f, int64_t time_ns)
{
    Pair *e;
    bool is_here;

    if (!p->is_mirror && !(f->data[0] & 1)) {
        return false;
    }
    e = lookup(p, f, time_ns);
    is_here = nearest(p, e, LEFT_OUT | PASSED, time_ns, p->is_turned) >= 0;
    take(p, e, -1);
    return !is_here;
}

bool netpass_pairs_meet(NetpassPairs *p, const NetFrame *f, int64_t time_ns, NetEntry **ret_own)
{
    Pair *e = lookup(p, f, time_ns);
    int other = nearest(p, e, HERE | LEFT_OUT | PASSED, time_ns, p->is_turned);
    bool is_twin_here = other >= 0 && at(e, other)->kind == HERE && is_twin(p, e, time_ns);

    *ret_own = is_twin_here && p->has_entries ? at(e, other)->entry : NULL;
    take(p, e, is_twin_here ? other : -1);
    return is_twin_here;
}

bool netpass_pairs_source(NetpassPairs *p, const NetFrame *f, int64_t time_ns)
{
    Pair *e = lookup(p, f, time_ns);
    int other = p->is_settled ? nearest(p, e, HERE | LEFT_OUT | PASSED, time_ns, p->is_turned) : -1;
    bool is_here = other >= 0 && at(e, other)->kind == HERE;

    if (other >= 0 && (!is_here || is_twin(p, e, time_ns))) {
        take(p, e, other);
        return !is_here;
    }
    add(p, e, SOURCE, time_ns, NULL);
    return true;
}

bool netpass_pairs_local(NetpassPairs *p, const NetFrame *f, int64_t time_ns)
{
    Pair *e = lookup(p, f, time_ns);
    int other = nearest(p, e, SOURCE, time_ns, false);

    if (other >= 0 && is_twin(p, e, time_ns)) {
        take(p, e, other);
        return false;
    }
    add(p, e, HERE, time_ns, NULL);
    return true;
}

void netpass_pairs_hold(NetpassPairs *p, NetEntry *entry)
{
    Pair *e = lookup(p, &entry->frame, entry->time_ns);

    add(p, e, HELD, entry->time_ns, entry);
}

static int by_time(const void *a, const void *b)
{
    const Sighting *x = a, *y = b;

    return x->time_ns < y->time_ns ? -1 : x->time_ns > y->time_ns;
}

/* The sightings at the source, oldest first, each with the nearest from here. */
static unsigned settle(NetpassPairs *p, Pair *e, void *tag)
{
    unsigned left_out = 0;

    g_array_sort(e->alone, by_time);
    for (unsigned i = 0; i < e->alone->len; i++) {
        int64_t time_ns = at(e, i)->time_ns;
        bool is_behind = at(e, i)->is_behind;
        int other = at(e, i)->kind == SOURCE ? nearest(p, e, HELD | LEFT_OUT | PASSED, time_ns, is_behind) : -1;

        if (other < 0 || (at(e, other)->kind == HELD && !is_twin(p, e, time_ns))) {
            continue;
        }
        if (at(e, other)->kind == HELD) {
            at(e, other)->entry->tag = tag;
            left_out++;
        }
        g_array_remove_index(e->alone, MAX(other, (int)i));
        g_array_remove_index(e->alone, MIN(other, (int)i));
        i -= other < (int)i ? 2 : 1; /* wraps for the first one, and is counted up again */
    }
    for (unsigned i = 0; i < e->alone->len; i++) {
        at(e, i)->kind = at(e, i)->kind == HELD ? HERE : at(e, i)->kind;
    }
    return left_out;
}

unsigned netpass_pairs_settle(NetpassPairs *p, void *tag)
{
    unsigned left_out = 0;

    for (GList *l = p->order.head, *next; l; l = next) {
        next = l->next;
        left_out += settle(p, l->data, tag);
        take(p, l->data, -1);
    }
    p->is_settled = p->has_entries = true;
    return left_out;
}

void netpass_pairs_let_go(NetpassPairs *p)
{
    p->has_entries = false;
}

void netpass_pairs_heard(NetpassPairs *p, uint64_t nonce)
{
    p->shown_ns = 0;
    p->heard = nonce;
}

bool netpass_pairs_has_heard(const NetpassPairs *p, uint64_t nonce)
{
    return p->heard == nonce;
}

void netpass_pairs_flooded(NetpassPairs *p, const NetFrame *f, int64_t time_ns)
{
    Pair *e = lookup(p, f, time_ns);
    int other;

    /* Frames for our NIC on a port it has never sent from: this network shows everything to everybody. */
    if (is_for_us(p, f)) {
        p->shown_ns = time_ns;
    }
    other = p->is_settled ? nearest(p, e, SOURCE, time_ns, false) : -1;
    if (other >= 0) {
        take(p, e, other);
    } else {
        add(p, e, LEFT_OUT, time_ns, NULL);
    }
}

void netpass_pairs_passed(NetpassPairs *p, const NetFrame *f, int64_t time_ns)
{
    add(p, lookup(p, f, time_ns), PASSED, time_ns, NULL);
}
