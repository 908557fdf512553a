/* net/netpass-wire.c - packets of a handoff as bytes.
 * Page: docs/netpass.md.  Test: tests/unit/net/netpass-wire-test.c, tests/fuzz/netpass.c
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "netpass-wire.h"

#include "util/bytes.h"
#include "util/error.h"

#include "announce.h"
#include "offload.h"

#include <string.h>

#define OFFLOAD_BYTES 10
#define FRAME_HEAD (8 + 2 + 8 + 1 + 4) /* at least */
enum { FLAG_BEST_EFFORT = 1, FLAG_SENDING = 2 }; /* of a netdev in the backlog */
#define MARKER_MAGIC 0x42544e50u       /* "BTNP" */

/* ---- frames ---- */
static bool is_plain(const NetOffload *o)
{
    static const NetOffload none;

    return !memcmp(o, &none, sizeof(none));
}

static void put_offload(StateWriter *w, const NetOffload *o)
{
    if (is_plain(o)) {
        state_put_u8(w, 0);
        return;
    }
    state_put_u8(w, OFFLOAD_BYTES);
    state_put_u8(w, o->flags);
    state_put_u8(w, o->gso_type);
    state_put_be16(w, o->hdr_len);
    state_put_be16(w, o->gso_size);
    state_put_be16(w, o->csum_start);
    state_put_be16(w, o->csum_offset);
}

static bool get_offload(StateReader *r, NetOffload *o, GError **errp)
{
    uint8_t size;

    *o = (NetOffload){0};
    if (!state_get_u8(r, &size, errp)) {
        return false;
    }
    if (size == 0) {
        return true;
    }
    if (size != OFFLOAD_BYTES) {
        return fail(errp, "netpass: offload header of %u bytes", size);
    }
    return state_get_u8(r, &o->flags, errp) && state_get_u8(r, &o->gso_type, errp) &&
           state_get_be16(r, &o->hdr_len, errp) && state_get_be16(r, &o->gso_size, errp) &&
           state_get_be16(r, &o->csum_start, errp) && state_get_be16(r, &o->csum_offset, errp);
}

void netpass_put_frame(StateWriter *w, const NetEntry *e, int64_t now_ns)
{
    state_put_be64(w, e->seq);
    state_put_be16(w, e->frame.queue);
    state_put_be64(w, now_ns > e->time_ns ? now_ns - e->time_ns : 0);
    put_offload(w, &e->frame.offload);
    state_put_be32(w, e->frame.size);
    state_put(w, e->frame.data, e->frame.size);
}

/* What a receiver may rely on: known flags, and a checksum field inside the frame. */
static bool check_offload(NetFrame *f, GError **errp)
{
    NetOffload *o = &f->offload;

    o->flags &= NET_HDR_NEEDS_CSUM | NET_HDR_DATA_VALID;
    return !(o->flags & NET_HDR_NEEDS_CSUM) || (uint32_t)o->csum_start + o->csum_offset + 2 <= f->size ||
           fail(errp, "netpass: frame of %u bytes whose checksum lies outside of it", f->size);
}

bool netpass_get_frame(StateReader *r, NetpassFrame *ret, GError **errp)
{
    *ret = (NetpassFrame){0};
    if (!state_get_be64(r, &ret->seq, errp) || !state_get_be16(r, &ret->frame.queue, errp) ||
        !state_get_be64(r, &ret->age_ns, errp) || !get_offload(r, &ret->frame.offload, errp) ||
        !state_get_be32(r, &ret->frame.size, errp)) {
        return false;
    }
    if (ret->frame.size > NET_FRAME_MAX) {
        return fail(errp, "netpass: frame of %u bytes, at most %d are allowed", ret->frame.size, NET_FRAME_MAX);
    }
    if (ret->frame.size > state_left(r)) {
        return fail(errp, "netpass: frame of %u bytes ends early", ret->frame.size);
    }
    ret->frame.data = r->at;
    r->at += ret->frame.size;
    return check_offload(&ret->frame, errp);
}

/* ---- messages ---- */
void netpass_put_message(StateWriter *w, NetpassMessageType type, uint16_t index)
{
    state_put_u8(w, type);
    state_put_be16(w, index);
}

static bool get_frame_count(StateReader *r, NetpassMessage *m, GError **errp)
{
    if (!state_get_be32(r, &m->frames, errp)) {
        return false;
    }
    return m->frames <= state_left(r) / FRAME_HEAD ||
           fail(errp, "netpass: %u frames announced in %zu bytes", m->frames, state_left(r));
}

static bool get_end(StateReader *r, NetpassMessage *m, GError **errp)
{
    return state_get_be64(r, &m->end.captured, errp) && state_get_be64(r, &m->end.forwarded, errp) &&
           state_get_be64(r, &m->end.lost, errp) && (!state_left(r) || state_get_be64(r, &m->end.group, errp));
}

bool netpass_get_message(StateReader *r, NetpassMessage *ret, GError **errp)
{
    uint8_t type;

    *ret = (NetpassMessage){0};
    if (!state_get_u8(r, &type, errp) || !state_get_be16(r, &ret->index, errp)) {
        return false;
    }
    ret->type = type;
    switch (ret->type) {
    case NETPASS_FRAMES:
    case NETPASS_HELD:
        return get_frame_count(r, ret, errp);
    case NETPASS_SEEN:
    case NETPASS_MIRROR:
    case NETPASS_SENT:
        return true;
    case NETPASS_END:
        return get_end(r, ret, errp);
    case NETPASS_ACK:
        return state_get_be64(r, &ret->bytes, errp);
    default:
        return fail(errp, "netpass: message of unknown type %u", type);
    }
}

/* ---- the backlog section ---- */
void netpass_put_backlog(StateWriter *w, const NetpassBacklog *b)
{
    state_put_u8(w, NETPASS_VERSION);
    state_put_be64(w, b->nonce);
    state_put_be16(w, b->netdevs);
}

bool netpass_get_backlog(StateReader *r, NetpassBacklog *ret, GError **errp)
{
    uint8_t version;

    if (!state_get_u8(r, &version, errp) || !state_get_be64(r, &ret->nonce, errp) ||
        !state_get_be16(r, &ret->netdevs, errp)) {
        return false;
    }
    if (version < 1 || version > NETPASS_VERSION) {
        return fail(errp, "netpass: version %u, this program reads 1 to %d", version, NETPASS_VERSION);
    }
    return ret->netdevs <= NETPASS_NETDEVS_MAX ||
           fail(errp, "netpass: %u netdevs, at most %d are allowed", ret->netdevs, NETPASS_NETDEVS_MAX);
}

void netpass_put_netdev(StateWriter *w, const NetpassBacklogNetdev *n)
{
    state_put_str8(w, n->id);
    state_put_u8(w, (n->is_best_effort ? FLAG_BEST_EFFORT : 0) | (n->is_sending ? FLAG_SENDING : 0));
    state_put_be32(w, n->frames);
}

bool netpass_get_netdev(StateReader *r, NetpassBacklogNetdev *ret, GError **errp)
{
    uint8_t flags;

    if (!state_get_str8(r, ret->id, errp) || !state_get_u8(r, &flags, errp) ||
        !state_get_be32(r, &ret->frames, errp)) {
        return false;
    }
    ret->is_best_effort = flags & FLAG_BEST_EFFORT;
    ret->is_sending = flags & FLAG_SENDING;
    return ret->frames <= state_left(r) / FRAME_HEAD ||
           fail(errp, "netpass: netdev '%s': %u frames announced in %zu bytes", ret->id, ret->frames, state_left(r));
}

/* ---- markers ---- */
void netpass_marker(uint8_t frame[NETPASS_MARKER_SIZE], const uint8_t mac[6], uint64_t nonce, NetpassMarker number)
{
    net_announce_frame(frame, mac);
    store_be32(frame + NET_RARP_PADDING, MARKER_MAGIC);
    store_be64(frame + NET_RARP_PADDING + 4, nonce);
    frame[NET_RARP_PADDING + 12] = number;
    if (number >= NETPASS_MARKER_PROBE && number != NETPASS_MARKER_HERE) {
        memcpy(frame, mac, 6);
    }
    if (number == NETPASS_MARKER_SYNC || number == NETPASS_MARKER_PAST ||
        number == NETPASS_MARKER_CHECK) { /* the NIC's address is the destination's now */
        store_be16(frame + 6, 0x0200 | (nonce >> 32 & 0xff));
        store_be32(frame + 8, nonce);
    }
}

static bool is_marker(const NetFrame *f)
{
    return f->size >= NETPASS_MARKER_SIZE && load_be16(f->data + 12) == 0x8035 &&
           load_be32(f->data + NET_RARP_PADDING) == MARKER_MAGIC;
}

static bool is_about(const NetFrame *f, const uint8_t mac[6])
{
    return !memcmp(f->data + NET_RARP_SENDER, mac, 6);
}

NetpassMarker netpass_marker_number(const NetFrame *f, const uint8_t mac[6], uint64_t nonce)
{
    const uint8_t *tag = f->data + NET_RARP_PADDING;

    if (!is_marker(f) || load_be64(tag + 4) != nonce) {
        return NETPASS_MARKER_NONE;
    }
    return is_about(f, mac) ? tag[12] : NETPASS_MARKER_OTHER;
}

bool netpass_marker_is_here(const NetFrame *f, const uint8_t mac[6], uint64_t *ret_nonce)
{
    bool is_here = is_marker(f) && f->data[NET_RARP_PADDING + 12] == NETPASS_MARKER_HERE && is_about(f, mac);

    *ret_nonce = is_here ? load_be64(f->data + NET_RARP_PADDING + 4) : 0;
    return is_here;
}

/* ---- hash ---- */
static uint64_t hash_bytes(const uint8_t *p, size_t size, uint64_t h)
{
    const uint64_t k = 0x9e3779b97f4a7c15ull;

    for (; size >= 8; p += 8, size -= 8) {
        h = (h ^ load_le64(p)) * k;
        h ^= h >> 29;
    }
    for (; size; p++, size--) {
        h = (h ^ *p) * k;
        h ^= h >> 32;
    }
    return h ^ h >> 31;
}

uint64_t netpass_hash(const NetFrame *f, uint64_t key)
{
    uint64_t h = key ^ f->size * 0xff51afd7ed558ccdull;

    if ((f->offload.flags & NET_HDR_NEEDS_CSUM) && !f->offload.gso_type) {
        g_autofree uint8_t *copy = g_memdup2(f->data, f->size);

        net_offload_checksum(copy, f);
        return hash_bytes(copy, f->size, h);
    }
    return hash_bytes(f->data, f->size, h);
}
