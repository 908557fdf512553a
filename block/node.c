/* block/node.c - disks by name, their requests and the workers that do them.
 * Owner: main loop (vm_lock).  Page: docs/block.md.  Test: tests/unit/block/block-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "block/node.h"

#include "qapi/json.h"
#include "system/handoff.h"
#include "system/runstate.h"
#include "system/vm-lock.h"
#include "util/error.h"
#include "util/log.h"
#include "util/loop.h"

#include <errno.h>
#include <string.h>

enum { WORKERS = 4 /* of each disk */, LOOK_US = 5000 };

static GPtrArray *nodes;
/* Leaf: guards nothing but the wait for counters to become zero. */
static GMutex idle_lock;
static GCond idle_changed;
static unsigned completed; /* how often a counter went down */

GPtrArray *block_nodes(void)
{
    if (!nodes) {
        nodes = g_ptr_array_new();
    }
    return nodes;
}

/* ---- workers ---- */
typedef struct Task {
    BlockNode *node;
    BlockRequest *request;
    int result;
    bool has_begun, is_revoked;
} Task;

static void counter_down(atomic_uint *counter)
{
    g_mutex_lock(&idle_lock);
    atomic_fetch_sub(counter, 1);
    completed++;
    g_cond_broadcast(&idle_changed);
    g_mutex_unlock(&idle_lock);
}

void block_wake(void)
{
    g_mutex_lock(&idle_lock);
    completed++;
    g_cond_broadcast(&idle_changed);
    g_mutex_unlock(&idle_lock);
}

static void begin(Task *t)
{
    t->has_begun = true;
    g_thread_pool_push(t->node->pool, t, NULL);
}

static void task_completed(void *opaque)
{
    Task *t = opaque;
    BlockNode *n = t->node;
    BlockRequest *r = t->request;

    g_mutex_clear(&r->guard.lock);
    r->guard.task = NULL;
    if (t->is_revoked && t->has_begun && r->op == BLOCK_FLUSH && t->result < 0 && t->result != -ECANCELED) {
        atomic_store(&n->owed_error, -t->result); /* who asked does not hear it */
    }
    r->done(r, t->result);
    if (t->is_revoked && t->has_begun && --n->revoked == 0) {
        node_begin_waiting(n);
    }
    counter_down(&n->in_flight);
    g_free(t);
}

static void task_run(void *data, void *unused)
{
    Task *t = data;

    t->result = raw_execute(t->node, t->request);
    loop_call(task_completed, t);
}

static int check_request(const BlockNode *n, const BlockRequest *r)
{
    if (n->fd < 0) {
        return -ENOMEDIUM;
    }
    if (r->op == BLOCK_FLUSH) {
        return 0;
    }
    if (r->offset > n->size || r->size > n->size - r->offset) {
        return -EINVAL;
    }
    return r->op != BLOCK_READ && !n->is_writable && !n->is_returning ? -EPERM : 0;
}

void node_begin_waiting(BlockNode *n)
{
    Task *next;

    while (!n->revoked && !n->is_returning && (next = g_queue_pop_head(&n->waiting))) {
        next->result = check_request(n, next->request); /* what was waited for may have failed */
        if (next->result < 0) {
            loop_call(task_completed, next);
        } else {
            begin(next);
        }
    }
}

void node_begun(BlockNode *n)
{
    atomic_fetch_add(&n->in_flight, 1);
}

void node_completed(BlockNode *n)
{
    counter_down(&n->in_flight);
}

void block_submit(BlockNode *n, BlockRequest *r)
{
    BlockNode *base = node_base(n);
    Task *t = g_new(Task, 1);

    *t = (Task){.node = base, .request = r, .result = check_request(base, r)};
    g_mutex_init(&r->guard.lock);
    r->guard.is_revoked = false;
    r->guard.task = t;
    atomic_fetch_add(&base->in_flight, 1);
    TRACE(block_submit, "%s op %d offset %" G_GUINT64_FORMAT " size %" G_GUINT64_FORMAT, n->name, r->op, r->offset,
          r->size);
    if (!base->pool) {
        base->pool = g_thread_pool_new(task_run, NULL, WORKERS, FALSE, NULL);
    }
    if (t->result < 0) {
        loop_call(task_completed, t);
    } else if (base->revoked || base->is_returning) {
        g_queue_push_tail(&base->waiting, t);
    } else {
        begin(t);
    }
}

void block_revoke(BlockNode *n, BlockRequest *r)
{
    BlockNode *base = node_base(n);
    Task *t = r->guard.task;

    if (!t || t->is_revoked) {
        return;
    }
    t->is_revoked = true;
    g_mutex_lock(&r->guard.lock);
    r->guard.is_revoked = true;
    g_mutex_unlock(&r->guard.lock);
    if (t->has_begun) {
        base->revoked++;
    } else if (g_queue_remove(&base->waiting, t)) {
        t->result = -ECANCELED;
        loop_call(task_completed, t);
    }
}

/* ---- waiting ---- */
/* Whoever takes the guest back has no way to wake us, and shall not wait for a disk: so we look. */
static bool wait_zero(atomic_uint *counter, int64_t deadline_ns)
{
    bool is_zero = false;
    int64_t now = 0;

    while (!is_zero && now < deadline_ns / 1000 && handoff_is_wanted()) {
        now = g_get_monotonic_time();
        g_mutex_lock(&idle_lock);
        is_zero = atomic_load(counter) == 0 ||
                  (g_cond_wait_until(&idle_changed, &idle_lock, MIN(now + LOOK_US, deadline_ns / 1000)) &&
                   atomic_load(counter) == 0);
        g_mutex_unlock(&idle_lock);
    }
    return is_zero;
}

/* A copy of the name: a disk may be deleted as soon as the lock is given away. */
static char *busy_disk(void)
{
    char *name = NULL;

    vm_lock();
    for (unsigned i = 0; i < block_nodes()->len && !name; i++) {
        BlockNode *n = nodes->pdata[i];

        name = atomic_load(&n->in_flight) || claim_is_busy(n) ? g_strdup(n->name) : NULL;
    }
    vm_unlock();
    return name;
}

/* Until something has completed, or for a while; false: it was long enough. */
static bool wait_completion(unsigned seen, int64_t deadline_ns)
{
    int64_t now = g_get_monotonic_time();

    if (now >= deadline_ns / 1000 || !handoff_is_wanted()) {
        return false;
    }
    g_mutex_lock(&idle_lock);
    if (completed == seen) {
        g_cond_wait_until(&idle_changed, &idle_lock, MIN(now + LOOK_US, deadline_ns / 1000));
    }
    g_mutex_unlock(&idle_lock);
    return true;
}

static unsigned completed_until_now(void)
{
    unsigned n;

    g_mutex_lock(&idle_lock);
    n = completed;
    g_mutex_unlock(&idle_lock);
    return n;
}

bool block_wait_idle(int64_t deadline_ns, GError **errp)
{
    for (;;) {
        unsigned seen = completed_until_now();
        g_autofree char *name = busy_disk();

        if (!name) {
            return true;
        }
        if (!wait_completion(seen, deadline_ns)) {
            return fail(errp, "disk '%s': requests in flight did not complete in time", name);
        }
    }
}

typedef struct Sync { /* shared by the waiter and the workers; the last one frees it */
    BlockRequest request;
    atomic_uint pending, references;
    atomic_int result;
    char *failed; /* a disk with that result; set once */
} Sync;

static void sync_unref(Sync *s)
{
    if (atomic_fetch_sub(&s->references, 1) == 1) {
        g_free(s->failed);
        g_free(s);
    }
}

static void sync_run(void *data, void *opaque)
{
    BlockNode *n = data;
    Sync *s = opaque;
    int result = raw_execute(n, &s->request);

    if (result < 0 && !atomic_exchange(&s->result, result)) {
        s->failed = g_strdup(n->name);
    }
    counter_down(&n->in_flight);
    counter_down(&s->pending);
    sync_unref(s);
}

/* Hands out the work; the caller has a reference, and vm_lock.  A node in it is in nobody's way: it cannot be deleted. */
static Sync *sync_start(void)
{
    Sync *s = g_new0(Sync, 1);
    GThreadPool *own = g_thread_pool_new(sync_run, s, WORKERS, FALSE, NULL);

    s->request = (BlockRequest){.op = BLOCK_FLUSH, .is_ours = true};
    atomic_store(&s->references, 1);
    for (unsigned i = 0; i < block_nodes()->len; i++) {
        BlockNode *n = nodes->pdata[i];

        if (!n->below && n->is_writable && (atomic_load(&n->is_unsynced) || atomic_load(&n->owed_error))) {
            atomic_fetch_add(&s->pending, 1);
            atomic_fetch_add(&s->references, 1);
            atomic_fetch_add(&n->in_flight, 1);
            g_thread_pool_push(own, n, NULL);
        }
    }
    g_thread_pool_free(own, FALSE, FALSE); /* workers that still sync end by themselves */
    return s;
}

void block_sync_begin(void)
{
    sync_unref(sync_start());
}

bool block_sync_all(int64_t deadline_ns, GError **errp)
{
    Sync *s;
    bool ok;

    vm_lock();
    s = sync_start();
    vm_unlock();
    ok = wait_zero(&s->pending, deadline_ns);
    if (!ok) {
        fail(errp, "writing the disks' caches back did not end in time");
    } else if (s->failed) {
        ok = fail_errno(errp, -atomic_load(&s->result), "disk '%s': its cache cannot be written back; the guest stays until a "
                        "flush of its own was told so", s->failed);
    }
    sync_unref(s);
    return ok;
}

/* ---- by name ---- */
BlockNode *block_find(const char *name)
{
    for (unsigned i = 0; i < block_nodes()->len; i++) {
        BlockNode *n = nodes->pdata[i];

        if (!strcmp(n->name, name)) {
            return n;
        }
    }
    return NULL;
}

bool block_delete(const char *name, GError **errp)
{
    BlockNode *n = block_find(name);

    if (!n) {
        return fail_class(errp, ERROR_CLASS_DEVICE_NOT_FOUND, "Cannot find disk '%s'", name);
    }
    if (n->user || n->above || atomic_load(&n->in_flight) || claim_is_busy(n)) {
        return fail(errp, "disk '%s' is in use by %s", name, n->user ? n->user : "another node or request");
    }
    g_ptr_array_remove(block_nodes(), n);
    if (n->below) {
        n->below->above--;
    }
    raw_close(n);
    g_clear_error(&n->claim.error);
    if (n->pool) {
        g_thread_pool_free(n->pool, FALSE, FALSE); /* nothing is in flight */
    }
    g_mutex_clear(&n->sync_lock);
    g_free(n->name);
    g_free(n->filename);
    g_free(n);
    return true;
}

bool block_attach(BlockNode *n, const char *user, GError **errp)
{
    if (n->user || n->above) {
        return fail(errp, "disk '%s' is already used by '%s'", n->name, n->user ? n->user : "another node");
    }
    n->user = g_strdup(user);
    return true;
}

void block_detach(BlockNode *n)
{
    g_clear_pointer(&n->user, g_free);
}

const char *block_name(const BlockNode *n)
{
    return n->name;
}

uint64_t block_size(const BlockNode *n)
{
    return node_base(n)->size;
}

bool block_is_read_only(const BlockNode *n)
{
    return !n->wants_write || !node_base(n)->wants_write;
}

bool block_is_cached(const BlockNode *n)
{
    return !n->is_through;
}

bool block_can_discard(const BlockNode *n)
{
    return node_base(n)->can_discard;
}

/* ---- errors of requests ---- */
static BlockErrorAction action_for(ErrorPolicy policy, int error)
{
    static const BlockErrorAction actions[] = {
        [POLICY_REPORT] = BLOCK_ERROR_ACTION_REPORT, [POLICY_IGNORE] = BLOCK_ERROR_ACTION_IGNORE,
        [POLICY_STOP] = BLOCK_ERROR_ACTION_STOP,
    };

    if (policy == POLICY_ENOSPC) {
        return error == ENOSPC ? BLOCK_ERROR_ACTION_STOP : BLOCK_ERROR_ACTION_REPORT;
    }
    return actions[policy];
}

BlockErrorAction block_error_action(BlockNode *n, BlockOp op, int error)
{
    BlockErrorAction action = action_for(op == BLOCK_READ ? n->read_policy : n->write_policy, error);
    Json *data = json_dict();

    if (action == BLOCK_ERROR_ACTION_STOP) {
        n->io_status = error == ENOSPC ? BLOCK_DEVICE_IO_STATUS_NOSPACE : BLOCK_DEVICE_IO_STATUS_FAILED;
    }
    json_set(data, "device", json_string(n->name));
    json_set(data, "node-name", json_string(n->name));
    json_set(data, "operation", json_string(op == BLOCK_READ ? "read" : "write"));
    json_set(data, "action", json_string(action == BLOCK_ERROR_ACTION_STOP ? "stop" :
                                         action == BLOCK_ERROR_ACTION_IGNORE ? "ignore" : "report"));
    json_set(data, "nospace", json_bool(error == ENOSPC));
    json_set(data, "reason", json_string(g_strerror(error)));
    runstate_event("BLOCK_IO_ERROR", data);
    return action;
}
