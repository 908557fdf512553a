/* net/queue.c - frames in order, in chunks.  Guarded by: vm_lock.  Test: tests/unit/net/offload-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "queue.h"

#include <string.h>

#define CHUNK_MIN (8 * 1024)
#define CHUNK_MAX (256 * 1024)

struct NetChunk {
    NetChunk *next;
    size_t size, head, tail; /* of data: entries from head to tail */
    _Alignas(16) uint8_t data[];
};

size_t net_queue_cost(uint32_t size)
{
    return (sizeof(NetEntry) + size + 15) & ~(size_t)15;
}

static NetChunk *chunk_new(NetQueue *q, size_t need)
{
    size_t size = q->last ? MIN(q->last->size * 2, CHUNK_MAX) : CHUNK_MIN;
    NetChunk *c = q->spare;

    size = MAX(size, need);
    if (c && c->size >= need) {
        q->spare = NULL;
    } else {
        c = g_malloc(sizeof(*c) + size);
        c->size = size;
    }
    c->next = NULL;
    c->head = c->tail = 0;
    return c;
}

static NetChunk *chunk_with_room(NetQueue *q, size_t need)
{
    NetChunk *c = q->last;

    if (c && c->size - c->tail >= need) {
        return c;
    }
    c = chunk_new(q, need);
    if (q->last) {
        q->last->next = c;
    } else {
        q->first = c;
    }
    q->last = c;
    return c;
}

NetEntry *net_queue_push(NetQueue *q, const NetFrame *f)
{
    size_t cost = net_queue_cost(f->size);
    NetChunk *c = chunk_with_room(q, cost);
    NetEntry *e = (NetEntry *)(c->data + c->tail);

    *e = (NetEntry){.frame = *f};
    e->frame.data = memcpy((uint8_t *)(e + 1), f->data, f->size);
    c->tail += cost;
    q->bytes += cost;
    q->frames++;
    return e;
}

NetEntry *net_queue_head(const NetQueue *q)
{
    return q->first ? (NetEntry *)(q->first->data + q->first->head) : NULL;
}

void net_queue_pop(NetQueue *q)
{
    NetChunk *c = q->first;
    size_t cost = net_queue_cost(net_queue_head(q)->frame.size);

    c->head += cost;
    q->bytes -= cost;
    q->frames--;
    if (c->head < c->tail) {
        return;
    }
    q->first = c->next;
    if (!q->first) {
        q->last = NULL;
    }
    g_free(q->spare);
    q->spare = c;
}

void net_queue_clear(NetQueue *q)
{
    while (q->first) {
        NetChunk *next = q->first->next;

        g_free(q->first);
        q->first = next;
    }
    g_free(q->spare);
    *q = (NetQueue){0};
}

NetEntry *net_queue_next(const NetQueue *q, NetCursor *c)
{
    NetEntry *e;

    if (!c->chunk) {
        c->chunk = q->first;
        c->at = q->first ? q->first->head : 0;
    }
    if (!c->chunk) {
        return NULL;
    }
    if (c->at >= c->chunk->tail) {
        if (!c->chunk->next) {
            return NULL;
        }
        c->chunk = c->chunk->next;
        c->at = c->chunk->head;
    }
    e = (NetEntry *)(c->chunk->data + c->at);
    c->at += net_queue_cost(e->frame.size);
    return e;
}
