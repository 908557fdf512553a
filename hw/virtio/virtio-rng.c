/* hw/virtio/virtio-rng.c - random bytes for the guest (virtio 1.2, 5.4).
 * Guarded by: vm_lock.  Page: docs/devices/virtio-rng.md.  Test: tests/qtest/hw/virtio/virtio-rng-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/virtio.h"

#include "backends/rng.h"
#include "system/clock.h"
#include "util/error.h"
#include "util/log.h"
#include "util/loop.h"

#include <string.h>

enum { PIECE = 64 * 1024 };

typedef struct VirtioRng {
    VirtioDevice v;
    struct {
        uint64_t left; /* bytes that may still be given in this period */
        uint64_t period_end_ns;
    } st;
    char *rng;
    uint64_t max_bytes;
    uint32_t period_ms;
    RngBackend *backend;
    Timer *period;
    bool is_waiting;
    uint8_t piece[PIECE];
} VirtioRng;

static void rng_serve(void *opaque);

static bool is_limited(const VirtioRng *r)
{
    return r->period_ms && r->max_bytes != INT64_MAX;
}

/* A period begins with the first byte asked for after the last one ended.  One that would go on for longer than a period
 * has come from elsewhere, and is over. */
static uint64_t allowance(VirtioRng *r)
{
    uint64_t now = clock_virtual_ns(), period = r->period_ms * NS_PER_MS;

    if (!is_limited(r)) {
        return UINT64_MAX;
    }
    if (now >= r->st.period_end_ns || r->st.period_end_ns - now > period) {
        r->st.left = r->max_bytes;
        r->st.period_end_ns = now + period;
    }
    return r->st.left;
}

static void backend_ready(void *opaque)
{
    VirtioRng *r = opaque;

    r->is_waiting = false;
    rng_serve(r);
}

/* One chain; false: nothing more now. */
static bool serve_chain(VirtioRng *r, VirtQueue *q)
{
    VirtioChain *c = virtqueue_pop(q);
    uint64_t allowed = allowance(r);
    ssize_t n;

    if (!c) {
        return false;
    }
    if (c->in_bytes == 0) {
        virtio_break(&r->v, "a request for random bytes without room for any");
        g_free(c);
        return false;
    }
    if (allowed == 0) {
        virtqueue_unpop(q, c);
        timer_set(r->period, r->st.period_end_ns);
        return false;
    }
    n = rng_read(r->backend, r->piece, MIN(MIN(c->in_bytes, PIECE), allowed));
    if (n <= 0) {
        virtqueue_unpop(q, c);
        if (n < 0) {
            warn_report("virtio-rng '%s': %s", virtio_name(&r->v), g_strerror(-n));
        } else if (!r->is_waiting) {
            r->is_waiting = true;
            rng_wait(r->backend, backend_ready, r);
        }
        return false;
    }
    virtio_chain_write(c, 0, r->piece, n);
    virtqueue_push(q, c, n);
    r->st.left -= is_limited(r) ? n : 0;
    return true;
}

static void rng_serve(void *opaque)
{
    VirtioRng *r = opaque;
    VirtQueue *q = &r->v.queues[0];
    unsigned left = q->st->size;

    if (!r->v.is_running || !virtio_is_live(&r->v)) {
        return;
    }
    /* Asked for before each look: with the event index a driver is silent until it is asked again. */
    for (; left && virtqueue_want_notify(q, true) && serve_chain(r, q); left--) {
        virtqueue_interrupt(q);
    }
    if (!left) {
        virtio_look_again(&r->v, 0);
    }
}

static void rng_notify(VirtioDevice *v, unsigned queue)
{
    rng_serve(v);
}

static uint64_t rng_features(VirtioDevice *v)
{
    return 0;
}

static const VirtioOps rng_ops = {
    .device_id = VIRTIO_ID_RNG, .queue_count = 1, .queue_sizes = {8}, .features = rng_features,
    .queue_notify = rng_notify,
};

/* ---- life ---- */
static bool rng_realize(Object *o, GError **errp)
{
    VirtioRng *r = (VirtioRng *)o;

    if (r->max_bytes == 0 || r->max_bytes > INT64_MAX) {
        return fail(errp, "Parameter 'max-bytes' expects a number between 1 and 2^63-1");
    }
    r->period = timer_new(rng_serve, r);
    r->backend = rng_find(r->rng, errp);
    if (r->backend) {
        rng_hold(r->backend);
    }
    return r->backend != NULL;
}

static void rng_unrealize(Object *o)
{
    VirtioRng *r = (VirtioRng *)o;

    timer_free(r->period);
    if (r->backend) {
        rng_wait_no_more(r->backend, r);
        rng_release(r->backend);
    }
}

static void rng_reset(Object *o)
{
    VirtioRng *r = (VirtioRng *)o;

    r->st.left = r->st.period_end_ns = 0;
    timer_set(r->period, TIMER_NEVER);
}

static bool rng_loaded(void *opaque, uint32_t version, GError **errp)
{
    VirtioRng *r = opaque;

    if (r->st.left > r->max_bytes && is_limited(r)) {
        return fail(errp, "virtio-rng '%s': the state allows more bytes than max-bytes", virtio_name(&r->v));
    }
    return true; /* the queue is looked at when the machine starts, that arms the timer */
}

VMSTATE_DEFINE_SPAN(VirtioRng, st)
static const VMStateDescription rng_state = {
    .name = "virtio-rng", .version = 1, .phase = VMSTATE_SAVE_DEVICE, VMSTATE_SPAN(VirtioRng, st),
    .loaded = rng_loaded,
    .fields = VMSTATE_FIELDS(VMSTATE_U64(VirtioRng, st.left), VMSTATE_U64(VirtioRng, st.period_end_ns)),
};

static const Property rng_props[] = {
    PROP_ID("rng", VirtioRng, rng, link, "id of an rng object; default: the host kernel's generator"),
    PROP_U64("max-bytes", VirtioRng, max_bytes, INT64_MAX, "bytes in one period"),
    PROP_U32("period", VirtioRng, period_ms, 65536, "length of a period in milliseconds"),
    {}
};

const ObjectType virtio_rng_type = {
    .name = "virtio-rng-device", .parent = "virtio-device", .kind = KIND_DEVICE, .size = sizeof(VirtioRng),
    .props = rng_props, .state = &rng_state, .bus = "virtio-bus", .realize = rng_realize,
    .unrealize = rng_unrealize, .reset = rng_reset, .ops = &rng_ops, .flags = TYPE_USER_CREATABLE,
    .about = "random number generator (virtio)",
};
