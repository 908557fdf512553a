/* net/defer.c - work that only the main loop may do.  Guarded by: vm_lock.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "defer.h"

struct NetDefer {
    LoopFn *fn;
    void *opaque;
    bool is_pending, is_dead;
};

NetDefer *net_defer_new(LoopFn *fn, void *opaque)
{
    NetDefer *d = g_new0(NetDefer, 1);

    d->fn = fn;
    d->opaque = opaque;
    return d;
}

static void defer_run(void *opaque)
{
    NetDefer *d = opaque;

    d->is_pending = false;
    if (d->is_dead) {
        g_free(d);
    } else {
        d->fn(d->opaque); /* may free d */
    }
}

void net_defer(NetDefer *d)
{
    if (!d->is_pending) {
        d->is_pending = true;
        loop_call(defer_run, d);
    }
}

void net_defer_now(NetDefer *d)
{
    if (loop_in_main()) {
        d->fn(d->opaque);
    } else {
        net_defer(d);
    }
}

void net_defer_free(NetDefer *d)
{
    if (!d) {
        return;
    }
    if (d->is_pending) {
        d->is_dead = true;
    } else {
        g_free(d);
    }
}
