/* net/filter-buffer.c - holds frames back and lets them go in bursts.  Guarded by: vm_lock.
 * Page: docs/net.md.  Test: tests/unit/net/port-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Nothing is dropped: a burst that finds no room waits, and at the bound the filter refuses, which stops the sender.  A
 * handoff flushes it first, and while it lasts frames pass at once: whatever is in here would stay behind.  Switched off
 * it lets go what it has, and until that is gone frames still queue up behind it. */
#include "filter.h"

#include "net/net.h"
#include "system/clock.h"
#include "util/error.h"
#include "util/loop.h"

#define BUFFER_BYTES_MAX (16 * 1024 * 1024)

typedef struct FilterBuffer {
    NetFilter filter;
    uint32_t interval_us;
    NetQueue held[NET_LANES];
    bool releasing[NET_LANES]; /* a burst that found no room */
    Timer *timer;
} FilterBuffer;

static void release(FilterBuffer *b, NetLaneId lane)
{
    NetEntry *e;

    b->releasing[lane] = false;
    while ((e = net_queue_head(&b->held[lane]))) {
        if (net_filter_pass_on(&b->filter, lane, &e->frame) == NET_NO_ROOM) {
            b->releasing[lane] = true;
            return;
        }
        net_queue_pop(&b->held[lane]);
    }
}

static void buffer_flush(NetFilter *f)
{
    release((FilterBuffer *)f, NET_TO_GUEST);
    release((FilterBuffer *)f, NET_TO_HOST);
}

static void buffer_tick(void *opaque)
{
    FilterBuffer *b = opaque;

    timer_set(b->timer, clock_virtual_ns() + b->interval_us * NS_PER_US);
    for (unsigned lane = 0; lane < NET_LANES; lane++) {
        release(b, lane);
        net_chain_room_soon(b->filter.chain, lane); /* a sender that met the bound */
    }
}

static void buffer_room(NetFilter *f, NetLaneId lane)
{
    FilterBuffer *b = (FilterBuffer *)f;

    if (b->releasing[lane]) {
        release(b, lane);
    }
}

static NetVerdict buffer_receive(NetFilter *f, NetLaneId lane, const NetFrame *frame)
{
    FilterBuffer *b = (FilterBuffer *)f;

    if ((f->chain->is_frozen || f->status == NET_STATUS_OFF) && !b->held[lane].frames) {
        return NET_PASS;
    }
    if (b->held[lane].bytes + net_queue_cost(frame->size) > BUFFER_BYTES_MAX) {
        return NET_REFUSED;
    }
    net_queue_push(&b->held[lane], frame);
    return NET_TAKEN;
}

static bool buffer_holds(const NetFilter *f, NetLaneId lane)
{
    return ((const FilterBuffer *)f)->held[lane].frames;
}

static bool buffer_setup(NetFilter *f, GError **errp)
{
    FilterBuffer *b = (FilterBuffer *)f;

    if (!b->interval_us) {
        return fail(errp, "filter '%s': Property 'filter-buffer.interval' requires a positive value", f->obj.id);
    }
    b->timer = timer_new(buffer_tick, b);
    timer_set(b->timer, clock_virtual_ns() + b->interval_us * NS_PER_US);
    return true;
}

static void buffer_cleanup(NetFilter *f, NetQueue left[NET_LANES])
{
    FilterBuffer *b = (FilterBuffer *)f;

    timer_free(b->timer);
    for (unsigned lane = 0; lane < NET_LANES; lane++) {
        left[lane] = b->held[lane];
        b->held[lane] = (NetQueue){0};
    }
}

static const NetFilterOps buffer_ops = {
    .setup = buffer_setup,
    .cleanup = buffer_cleanup,
    .receive = buffer_receive,
    .flush = buffer_flush,
    .holds = buffer_holds,
    .room = buffer_room,
};

static const Property buffer_props[] = {
    PROP_U32("interval", FilterBuffer, interval_us, 0, "microseconds of guest time between two releases"),
    {},
};

const ObjectType filter_buffer_type = {
    .name = "filter-buffer",
    .parent = "netfilter",
    .about = "holds frames back and lets them go in bursts",
    .kind = KIND_OBJECT,
    .size = sizeof(FilterBuffer),
    .props = buffer_props,
    .ops = &buffer_ops,
    .flags = TYPE_USER_CREATABLE,
};
