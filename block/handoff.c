/* block/handoff.c - disks change their owner with the guest.
 * Page: docs/block.md.  Test: tests/unit/block/handoff-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What always holds: at most one process has the write lock.  The source gives it up in drain(), when all its writes are
 * on the disk and before RUN can be sent; it takes it back in take_back().  A guest that never left goes on before its disks
 * have their locks again, if those who keep them do not answer; its requests wait.  The destination takes it after RUN; if it
 * cannot, it gives the guest back, and its own locks before that.  Whoever keeps files and locks may not answer: the engine's
 * thread waits for that, in reach(), claim() and gave_back(), and the main loop hardly. */
#include "block/node.h"

#include "system/handoff.h"
#include "system/runstate.h"
#include "system/vm-lock.h"
#include "util/error.h"
#include "util/log.h"
#include "util/loop.h"

#include <errno.h>
#include <string.h>

enum { DRAIN_SECONDS = 10, NODES_MAX = 256, VERSION = 1 };
#define WAIT_NS (30 * NS_PER_MS)  /* so long does the main loop wait for locks */
#define CLAIM_NS (1 * NS_PER_SEC) /* and the engine's thread, where they are needed before the guest may run */

static bool belongs_to_guest(const BlockNode *n)
{
    return !n->below && n->wants_write;
}

static void disown_all(void)
{
    for (unsigned i = 0; i < block_nodes()->len; i++) {
        BlockNode *n = block_nodes()->pdata[i];

        if (belongs_to_guest(n) && n->fd_writes) {
            claim_give(n);
        }
    }
}

/* ---- source ---- */
/* While memory is being sent, so that the guest's pause has less to wait for. */
static bool part_prepare(HandoffPart *p, GError **errp)
{
    block_sync_begin();
    return true;
}

static bool part_drain(HandoffPart *p, GError **errp)
{
    int64_t deadline = g_get_monotonic_time() * 1000 + DRAIN_SECONDS * NS_PER_SEC;

    if (!block_wait_idle(deadline, errp) || !block_sync_all(deadline, errp)) {
        return false;
    }
    vm_lock();
    disown_all();
    vm_unlock();
    return block_wait_idle(deadline, errp);
}

static bool part_save(HandoffPart *p, StateWriter *w, GError **errp)
{
    state_put_u8(w, VERSION);
    state_put_be32(w, block_nodes()->len);
    for (unsigned i = 0; i < block_nodes()->len; i++) {
        BlockNode *n = block_nodes()->pdata[i];

        if (strlen(n->name) > 255) {
            return fail(errp, "disk name '%.32s...' is too long to be sent", n->name);
        }
        state_put_str8(w, n->name);
        state_put_be64(w, block_size(n));
        state_put_u8(w, block_is_read_only(n));
    }
    return true;
}

/* A node that may be written already is left alone. */
static bool is_missing(const BlockNode *n)
{
    return belongs_to_guest(n) && !n->is_writable && !n->is_returning;
}

/* is_new: asks again where an answer is there. */
static void claim_all(HandoffClaim how, bool is_new)
{
    for (unsigned i = 0; i < block_nodes()->len; i++) {
        BlockNode *n = block_nodes()->pdata[i];

        if (is_missing(n) && n->fd_writes && (is_new || !claim_is_answered(n, how == HANDOFF_LONE))) {
            claim_take(n, how == HANDOFF_LONE);
        }
    }
}

static void part_claim(HandoffPart *p, HandoffClaim how)
{
    vm_lock();
    claim_all(how, true);
    vm_unlock();
    claim_wait(time_monotonic_ns() + CLAIM_NS);
}

/* What was not open for writing yet, because it was added after reach(), is opened.  The first error is told. */
static bool own_all(HandoffClaim how, GError **errp)
{
    int64_t deadline = time_monotonic_ns() + WAIT_NS;
    bool ok = true;

    claim_all(how, false);
    for (unsigned i = 0; i < block_nodes()->len; i++) {
        BlockNode *n = block_nodes()->pdata[i];
        GError **told = ok ? errp : NULL;

        if (is_missing(n) && !(n->fd_writes ? claim_collect(n, deadline, how == HANDOFF_NEVER_LEFT, told) :
                                              raw_open(n, RAW_WRITE, told))) {
            g_prefix_error(told, "disk '%s': ", n->name);
            ok = false;
        }
    }
    return ok;
}

/* All disks or none, and the guest stays stopped meanwhile: it shall not see errors that a second try can avoid.  A lock that
 * only takes its time is there for that. */
static bool part_take_back(HandoffPart *p, HandoffClaim how, GError **errp)
{
    if (own_all(how, errp)) {
        return true;
    }
    for (unsigned i = 0; i < block_nodes()->len; i++) {
        BlockNode *n = block_nodes()->pdata[i];

        if (belongs_to_guest(n) && n->fd_writes && !claim_is_busy(n)) {
            claim_give(n);
        }
    }
    return false;
}

/* ---- destination ---- */
static bool load_node(StateReader *r, GError **errp)
{
    char name[256];
    uint64_t size;
    uint8_t read_only;
    BlockNode *n;

    if (!state_get_str8(r, name, errp) || !state_get_be64(r, &size, errp) || !state_get_u8(r, &read_only, errp)) {
        return false;
    }
    if (!(n = block_find(name))) {
        return fail(errp, "the guest has a disk '%s' that is not configured here", name);
    }
    if (size != block_size(n)) {
        return fail(errp, "disk '%s' has %" G_GUINT64_FORMAT " bytes at the source and %" G_GUINT64_FORMAT " here", name,
                    size, block_size(n));
    }
    return read_only <= 1 && read_only == block_is_read_only(n) ? true :
           fail(errp, "disk '%s' is %s at the source but not here", name, read_only ? "read-only" : "writable");
}

static bool part_load(HandoffPart *p, StateReader *r, GError **errp)
{
    uint8_t version;
    uint32_t count;

    if (!state_get_u8(r, &version, errp) || !state_get_be32(r, &count, errp)) {
        return false;
    }
    if (version != VERSION || count > NODES_MAX) {
        return fail(errp, "%s: version %u with %u disks is not understood", r->what, version, count);
    }
    if (count != block_nodes()->len) {
        return fail(errp, "the source has %u disk nodes, here are %u", count, block_nodes()->len);
    }
    while (count--) {
        if (!load_node(r, errp)) {
            return false;
        }
    }
    return true;
}

/* What the thread looks at while nobody waits for it: the disk itself may be deleted meanwhile. */
typedef struct Look {
    char *name;
    BlockNode as; /* filename, flags; then what was opened */
    bool is_for_guest;
} Look;

static bool look_at(unsigned i, Look *ret)
{
    const BlockNode *n = i < block_nodes()->len ? block_nodes()->pdata[i] : NULL;

    *ret = (Look){.as.fd = -1};
    if (n && !n->below && !n->is_writable) {
        ret->name = g_strdup(n->name);
        ret->as.filename = g_strdup(n->filename);
        ret->as.is_direct = n->is_direct;
        ret->is_for_guest = belongs_to_guest(n);
    }
    return n != NULL;
}

static bool put_in_place(Look *l, GError **errp)
{
    BlockNode *n = block_find(l->name);

    if (!n || n->is_writable || n->below || strcmp(n->filename, l->as.filename)) {
        return fail(errp, "disk '%s' is another by now", l->name);
    }
    if (n->size != l->as.size) {
        return fail(errp, "disk '%s' changed its size while waiting", n->name);
    }
    if (claim_is_busy(n)) {
        return fail(errp, "disk '%s': whoever keeps its lock does not answer", n->name);
    }
    raw_close(n);
    n->fd = l->as.fd;
    n->fd_writes = l->as.fd_writes;
    n->claim.is_ours = n->claim.is_answered = false;
    l->as.fd = -1;
    return true;
}

/* The file as it is now, not as it was when the process started to wait; it can be written when its lock is there. */
static bool reach(Look *l, GError **errp)
{
    bool ok;

    if (!raw_open(&l->as, l->is_for_guest ? RAW_MAY_WRITE : RAW_READ, errp)) {
        g_prefix_error(errp, "disk '%s': ", l->name);
        return false;
    }
    vm_lock();
    ok = put_in_place(l, errp);
    vm_unlock();
    return ok;
}

static bool part_reach(HandoffPart *p, GError **errp)
{
    bool ok = true, is_there = true;

    for (unsigned i = 0; ok && is_there; i++) {
        Look l;

        vm_lock();
        is_there = look_at(i, &l);
        vm_unlock();
        ok = !l.name || reach(&l, errp);
        raw_close(&l.as);
        g_free(l.name);
        g_free(l.as.filename);
    }
    return ok;
}

static bool part_activate(HandoffPart *p, GError **errp)
{
    return own_all(HANDOFF_BACK, errp);
}

static void part_give_back(HandoffPart *p)
{
    disown_all();
}

/* A lock that hangs is dropped when it comes, whoever asks for it meanwhile is refused. */
static void part_gave_back(HandoffPart *p)
{
    claim_wait(time_monotonic_ns() + CLAIM_NS);
}

static HandoffPart block_part = {
    .name = "block", .order = 20,
    .prepare = part_prepare, .drain = part_drain, .save = part_save, .claim = part_claim, .take_back = part_take_back,
    .load = part_load, .reach = part_reach, .activate = part_activate, .give_back = part_give_back, .gave_back = part_gave_back,
};

/* Whatever way the guest came to run here (a saved file, the manager's word): it runs with its own disks.  If one is not
 * ours after all, the guest sees I/O errors on it rather than another's data. */
static void run_changed(bool is_running, RunState s, void *opaque)
{
    GError *err = NULL;

    for (unsigned i = 0; is_running && i < block_nodes()->len; i++) {
        ((BlockNode *)block_nodes()->pdata[i])->io_status = BLOCK_DEVICE_IO_STATUS_OK;
    }
    if (is_running && !own_all(HANDOFF_NEVER_LEFT, &err)) {
        error_report_free("a disk that the guest cannot write", err);
    }
}

void block_init(void)
{
    handoff_register(&block_part);
    runstate_notify(STATE_ORDER_BLOCK, run_changed, NULL);
}
