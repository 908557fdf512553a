/* block/claim.c - the right to write to a disk is given up and taken again beside the main loop: whoever keeps the locks may not
 * answer for a long time, and others wait for the main loop.
 * Owner: main loop (vm_lock).  While is_busy is set a thread works on the descriptor, and the disk cannot be deleted.
 * Page: docs/block.md.  Test: tests/unit/block/block-test.c, tests/handoff/frozen-test.py
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "block/node.h"

#include "util/error.h"
#include "util/loop.h"

#include <sys/stat.h>

static GMutex mutex; /* leaf: each disk's claim */
static GCond changed;
static unsigned under_way; /* claims that are busy */

static void time_of_change(const BlockNode *n, struct timespec *ret)
{
    struct stat st;

    *ret = fstat(n->fd, &st) ? (struct timespec){0} : st.st_mtim;
}

/* ---- the thread ---- */
static void give(BlockNode *n)
{
    if (n->claim.is_ours) { /* else somebody may have written since */
        time_of_change(n, &n->given_at);
    }
    lock_drop(n->fd);
}

static bool take(BlockNode *n, bool is_lone, GError **errp)
{
    struct timespec now;

    if (!n->no_locking && !lock_take(n->fd, n->filename, errp)) {
        return false;
    }
    time_of_change(n, &now);
    if (is_lone && (now.tv_sec != n->given_at.tv_sec || now.tv_nsec != n->given_at.tv_nsec)) {
        lock_drop(n->fd);
        return fail(errp, "'%s' was written after the guest had left: it ran on the other side", n->filename);
    }
    return true;
}

static void settled(void *opaque)
{
    BlockNode *n = opaque;
    g_autoptr(GError) err = NULL;

    if (n->is_returning && !claim_collect(n, 0, true, &err)) {
        error_report("disk '%s' came back without the right to write: %s", n->name, err->message);
    }
    node_begin_waiting(n);
    node_completed(n);
}

static void *claim_thread(void *opaque)
{
    BlockNode *n = opaque;
    Claim *c = &n->claim;
    bool wants, tells;

    g_mutex_lock(&mutex);
    do {
        bool is_lone = c->is_lone, ok;
        GError *err = NULL;

        wants = c->is_wanted;
        g_mutex_unlock(&mutex);
        if (wants) {
            ok = take(n, is_lone, &err);
        } else {
            give(n);
            ok = false;
        }
        g_mutex_lock(&mutex);
        g_clear_error(&c->error);
        c->error = err;
        c->is_ours = ok;
        c->is_answered = wants;
    } while (c->is_wanted != wants);
    tells = c->is_awaited;
    c->is_busy = c->is_awaited = false;
    under_way--;
    g_cond_broadcast(&changed);
    g_mutex_unlock(&mutex);
    if (tells) {
        loop_call(settled, n);
    }
    block_wake(); /* the disk may be gone by now */
    return NULL;
}

static void begin(BlockNode *n, bool wants, bool is_lone)
{
    bool is_idle;

    g_mutex_lock(&mutex);
    is_idle = !n->claim.is_busy;
    under_way += is_idle;
    n->claim.is_answered = false;
    n->claim.is_wanted = wants;
    n->claim.is_lone = is_lone;
    n->claim.is_busy = true;
    g_mutex_unlock(&mutex);
    if (is_idle) {
        g_thread_unref(g_thread_new("disk-lock", claim_thread, n));
    }
}

/* ---- the main loop's side ---- */
void claim_give(BlockNode *n)
{
    n->has_lock = n->is_writable = n->is_returning = false;
    begin(n, false, false);
}

void claim_take(BlockNode *n, bool is_lone)
{
    begin(n, true, is_lone);
}

bool claim_is_answered(BlockNode *n, bool is_lone)
{
    bool is;

    g_mutex_lock(&mutex);
    is = !n->claim.is_busy && n->claim.is_answered && (n->claim.is_lone || !is_lone);
    g_mutex_unlock(&mutex);
    return is;
}

bool claim_is_busy(BlockNode *n)
{
    bool is;

    g_mutex_lock(&mutex);
    is = n->claim.is_busy;
    g_mutex_unlock(&mutex);
    return is;
}

void claim_wait(int64_t deadline_ns)
{
    g_mutex_lock(&mutex);
    while (under_way && g_cond_wait_until(&changed, &mutex, deadline_ns / NS_PER_US)) {
    }
    g_mutex_unlock(&mutex);
}

bool claim_collect(BlockNode *n, int64_t deadline_ns, bool may_return_later, GError **errp)
{
    Claim *c = &n->claim;
    GError *err = NULL;
    bool is_late;

    g_mutex_lock(&mutex);
    while (c->is_busy && g_cond_wait_until(&changed, &mutex, deadline_ns / NS_PER_US)) {
    }
    is_late = c->is_busy;
    if (is_late) {
        c->is_awaited = may_return_later;
    } else {
        c->is_answered = false;
        n->is_writable = c->is_ours;
        err = g_steal_pointer(&c->error);
    }
    g_mutex_unlock(&mutex);
    n->has_lock = n->is_writable && !n->no_locking;
    n->is_returning = is_late && may_return_later;
    if (n->is_returning) {
        node_begun(n); /* until it has settled */
    }
    if (is_late && !may_return_later) {
        return fail(errp, "whoever keeps the lock of '%s' does not answer", n->filename);
    }
    if (err) {
        g_propagate_error(errp, err);
        return false;
    }
    return true;
}
