/* hw/virtio/virtio-ring.c - split virtqueues: take chains, hand them back, notifications.
 * Page: docs/devices/virtio.md.  Tests: tests/unit/hw/virtio-ring-test.c, tests/fuzz/virtqueue.c
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Virtio 1.2, 2.7.  What always holds: no index, address or length from the guest is used before it is checked here;
 * host addresses in a VirtioChain lie in guest RAM; every field of a ring is read once. */
#include "hw/virtio-ring.h"

#include "hw/virtio.h"
#include "system/dma.h"
#include "system/ram.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/log.h"

#include <stdatomic.h>
#include <string.h>

enum { DESC_SIZE = 16, DESC_NEXT = 1, DESC_WRITE = 2, DESC_INDIRECT = 4 };
enum { AVAIL_NO_INTERRUPT = 1, USED_NO_NOTIFY = 1 };

typedef struct Desc {
    uint64_t gpa;
    uint32_t size;
    uint16_t flags, next;
} Desc;

/* ---- ring memory: host pointers, checked by virtqueue_map() ---- */
static uint16_t ring_load16(const uint8_t *p)
{
    return le16toh(__atomic_load_n((const uint16_t *)p, __ATOMIC_RELAXED));
}

static void ring_store16(VirtQueue *q, uint64_t offset, uint16_t v)
{
    __atomic_store_n((uint16_t *)(q->used + offset), htole16(v), __ATOMIC_RELAXED);
    ram_written(q->st->used + offset, 2);
}

static uint16_t avail_index(const VirtQueue *q)
{
    return ring_load16(q->avail + 2);
}

static uint64_t avail_bytes(const VirtQueueState *st)
{
    return 4 + 2 * (uint64_t)st->size + 2;
}

static uint64_t used_bytes(const VirtQueueState *st)
{
    return 4 + 8 * (uint64_t)st->size + 2;
}

static bool is_rom(gpa_t gpa)
{
    const RamBlock *b = ram_at(gpa);

    return !b || b->is_rom;
}

bool virtqueue_map(VirtQueue *q)
{
    const VirtQueueState *st = q->st;

    q->desc = q->avail = q->used = NULL;
    if (st->size == 0 || st->size > q->size_max || (st->size & (st->size - 1)) || (st->desc & 15) ||
        (st->avail & 1) || (st->used & 3)) {
        return false;
    }
    q->desc = ram_ptr(st->desc, DESC_SIZE * (uint64_t)st->size);
    q->avail = ram_ptr(st->avail, avail_bytes(st));
    q->used = ram_ptr(st->used, used_bytes(st));
    return q->desc && q->avail && q->used && !is_rom(st->used);
}

void virtqueue_reset(VirtQueue *q)
{
    *q->st = (VirtQueueState){.size = q->size_max, .wants_notify = true};
    q->desc = q->avail = q->used = NULL;
    q->pending_used = 0;
}

/* ---- chains ---- */
static Desc load_desc(const uint8_t *table, unsigned i)
{
    Desc d;

    memcpy(&d, table + (size_t)i * DESC_SIZE, sizeof(d));
    return (Desc){le64toh(d.gpa), le32toh(d.size), le16toh(d.flags), le16toh(d.next)};
}

typedef struct Walk {
    VirtQueue *q;
    VirtioBuffer buffers[VIRTIO_CHAIN_MAX];
    unsigned count, out_count;
    uint64_t out_bytes, in_bytes;
} Walk;

static bool walk_add(Walk *w, const Desc *d)
{
    bool is_in = d->flags & DESC_WRITE;
    struct iovec host;

    if (!is_in && w->count > w->out_count) {
        virtio_break(w->q->device, "queue %u: a readable buffer follows a writable one", w->q->index);
        return false;
    }
    if (w->count == VIRTIO_CHAIN_MAX) {
        virtio_break(w->q->device, "queue %u: a chain of more than %u buffers", w->q->index, VIRTIO_CHAIN_MAX);
        return false;
    }
    if (d->size == 0) {
        return true;
    }
    if (!dma_map(d->gpa, d->size, &host) || (is_in && is_rom(d->gpa))) {
        virtio_break(w->q->device, "queue %u: buffer of %u bytes at 0x%" G_GINT64_MODIFIER "x is not in memory",
                     w->q->index, d->size, d->gpa);
        return false;
    }
    w->buffers[w->count++] = (VirtioBuffer){d->gpa, host.iov_base, d->size};
    if (is_in) {
        w->in_bytes += d->size;
    } else {
        w->out_count++;
        w->out_bytes += d->size;
    }
    return true;
}

/* Follows `next` through a table of `size` descriptors; a loop runs into the limit on steps. */
static bool walk_table(Walk *w, const uint8_t *table, unsigned size, unsigned i, bool may_indirect)
{
    for (unsigned steps = 0;; steps++) {
        Desc d;

        if (i >= size || steps >= size) {
            virtio_break(w->q->device, "queue %u: %s", w->q->index,
                         i >= size ? "descriptor index out of range" : "descriptors form a loop");
            return false;
        }
        d = load_desc(table, i);
        if (d.flags & DESC_INDIRECT) {
            const uint8_t *inner = ram_ptr(d.gpa, d.size);

            if (!may_indirect || (d.flags & DESC_NEXT) || d.size == 0 || d.size % DESC_SIZE ||
                d.size / DESC_SIZE > VIRTIO_CHAIN_MAX || !inner) {
                virtio_break(w->q->device, "queue %u: an indirect table that is not allowed", w->q->index);
                return false;
            }
            return walk_table(w, inner, d.size / DESC_SIZE, 0, false);
        }
        if (!walk_add(w, &d)) {
            return false;
        }
        if (!(d.flags & DESC_NEXT)) {
            return true;
        }
        i = d.next;
    }
}

static VirtioChain *fetch(VirtQueue *q, uint16_t head)
{
    Walk w;
    VirtioChain *c;

    w.q = q;
    w.count = w.out_count = 0;
    w.out_bytes = w.in_bytes = 0;
    if (!walk_table(&w, q->desc, q->st->size, head, q->indirect)) {
        return NULL;
    }
    c = g_malloc(sizeof(*c) + w.count * sizeof(VirtioBuffer));
    *c = (VirtioChain){head, w.out_count, w.count - w.out_count, w.out_bytes, w.in_bytes, c->buffers + w.out_count};
    memcpy(c->buffers, w.buffers, w.count * sizeof(VirtioBuffer));
    return c;
}

static bool is_usable(const VirtQueue *q)
{
    return q->used && q->st->is_ready && virtio_is_live(q->device);
}

uint16_t virtqueue_waiting(VirtQueue *q)
{
    return is_usable(q) ? avail_index(q) - q->st->last_avail : 0;
}

VirtioChain *virtqueue_pop(VirtQueue *q)
{
    VirtQueueState *st = q->st;
    uint16_t head, waiting;
    VirtioChain *c;

    if (!is_usable(q)) {
        return NULL;
    }
    waiting = avail_index(q) - st->last_avail;
    if (waiting == 0) {
        return NULL;
    }
    if (waiting > st->size) {
        virtio_break(q->device, "queue %u: %u entries available in a ring of %u", q->index, waiting, st->size);
        return NULL;
    }
    atomic_thread_fence(memory_order_acquire); /* the index before the entry that it announces */
    head = ring_load16(q->avail + 4 + 2 * (st->last_avail & (st->size - 1)));
    c = fetch(q, head);
    if (c) {
        st->last_avail++;
    }
    return c;
}

VirtioChain *virtqueue_refetch(VirtQueue *q, uint16_t head)
{
    return is_usable(q) ? fetch(q, head) : NULL;
}

void virtqueue_unpop(VirtQueue *q, VirtioChain *c)
{
    q->st->last_avail--;
    g_free(c);
}

/* ---- used ring ---- */
void virtqueue_fill(VirtQueue *q, VirtioChain *c, uint32_t written)
{
    if (is_usable(q)) {
        uint16_t slot = (q->st->used_index + q->pending_used) & (q->st->size - 1);
        uint64_t offset = 4 + 8 * (uint64_t)slot;

        store_le32(q->used + offset, c->head);
        store_le32(q->used + offset + 4, written);
        ram_written(q->st->used + offset, 8);
        q->pending_used++;
    }
    g_free(c);
}

void virtqueue_flush(VirtQueue *q)
{
    uint16_t old = q->st->used_index, new = old + q->pending_used;

    if (!is_usable(q) || q->pending_used == 0) {
        q->pending_used = 0;
        return;
    }
    atomic_thread_fence(memory_order_release); /* entries before the index */
    q->st->used_index = new;
    ring_store16(q, 2, new);
    /* After a whole turn the last signalled index says nothing any more. */
    if ((uint16_t)(new - q->st->signalled) < q->pending_used) {
        q->st->signalled_valid = false;
    }
    q->pending_used = 0;
}

void virtqueue_push(VirtQueue *q, VirtioChain *c, uint32_t written)
{
    virtqueue_fill(q, c, written);
    virtqueue_flush(q);
}

/* ---- notifications both ways (2.7.7, 2.7.10) ---- */
static bool interrupt_is_wanted(VirtQueue *q)
{
    VirtQueueState *st = q->st;
    uint16_t event, old = st->signalled, new = st->used_index;
    bool was_valid = st->signalled_valid;

    atomic_thread_fence(memory_order_seq_cst); /* our index before the driver's wish */
    if (!q->event_idx) {
        return !(ring_load16(q->avail) & AVAIL_NO_INTERRUPT);
    }
    event = ring_load16(q->avail + 4 + 2 * st->size);
    st->signalled = new;
    st->signalled_valid = true;
    return !was_valid || (uint16_t)(new - event - 1) < (uint16_t)(new - old);
}

void virtqueue_interrupt(VirtQueue *q)
{
    if (is_usable(q) && interrupt_is_wanted(q)) {
        virtio_raise(q->device, VIRTIO_ISR_QUEUE);
    }
}

bool virtqueue_want_notify(VirtQueue *q, bool want)
{
    VirtQueueState *st = q->st;

    if (!is_usable(q)) {
        return false;
    }
    st->wants_notify = want;
    if (!q->event_idx) {
        ring_store16(q, 0, want ? 0 : USED_NO_NOTIFY);
    } else if (want) {
        ring_store16(q, 4 + 8 * (uint64_t)st->size, avail_index(q)); /* chains that wait need no notification */
    }
    if (!want) {
        return false;
    }
    atomic_thread_fence(memory_order_seq_cst); /* our wish before another look at the driver's index */
    return avail_index(q) != st->last_avail;
}

/* ---- copies ---- */
size_t virtio_chain_read(const VirtioChain *c, uint64_t offset, void *to, size_t size)
{
    size_t done = 0;

    for (unsigned i = 0; i < c->out_count && done < size; i++) {
        const VirtioBuffer *b = &c->buffers[i];
        size_t part;

        if (offset >= b->size) {
            offset -= b->size;
            continue;
        }
        part = MIN(b->size - offset, size - done);
        memcpy((char *)to + done, (char *)b->host + offset, part);
        done += part;
        offset = 0;
    }
    return done;
}

size_t virtio_chain_write(const VirtioChain *c, uint64_t offset, const void *from, size_t size)
{
    size_t done = 0;

    for (unsigned i = 0; i < c->in_count && done < size; i++) {
        const VirtioBuffer *b = &c->in[i];
        size_t part;

        if (offset >= b->size) {
            offset -= b->size;
            continue;
        }
        part = MIN(b->size - offset, size - done);
        memcpy((char *)b->host + offset, (const char *)from + done, part);
        ram_written(b->gpa + offset, part);
        done += part;
        offset = 0;
    }
    return done;
}

/* ---- state ---- */
const VMStateDescription virtqueue_state = {
    .name = "virtqueue", .version = 1,
    .fields = VMSTATE_FIELDS(
        VMSTATE_U64(VirtQueueState, desc), VMSTATE_U64(VirtQueueState, avail), VMSTATE_U64(VirtQueueState, used),
        VMSTATE_U32(VirtQueueState, size), VMSTATE_U16(VirtQueueState, last_avail),
        VMSTATE_U16(VirtQueueState, used_index), VMSTATE_U16(VirtQueueState, signalled),
        VMSTATE_BOOL(VirtQueueState, signalled_valid), VMSTATE_BOOL(VirtQueueState, is_ready),
        VMSTATE_BOOL(VirtQueueState, wants_notify)),
};
