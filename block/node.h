/* block/node.h - a disk's struct, shared by the files of block/.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "block/block.h"

#include <stdatomic.h>

typedef enum ErrorPolicy { POLICY_REPORT, POLICY_IGNORE, POLICY_STOP, POLICY_ENOSPC } ErrorPolicy;

typedef struct Claim { /* claim.c's, but for is_ours of a disk that was just opened */
    bool is_wanted, is_lone; /* what is to be reached */
    bool is_busy;            /* a thread is at it */
    bool is_awaited;         /* and tells the main loop */
    bool is_answered;        /* how the last attempt to take it went is to be collected */
    bool is_ours;
    GError *error;           /* why the last attempt failed */
} Claim;

struct BlockNode { /* Owner: main loop; workers read fd and flags of nodes that have requests in flight */
    char *name, *filename;
    BlockNode *below;          /* a raw node over another node: everything is its */
    unsigned above;            /* nodes that stand on this one */
    char *user;
    int fd;
    uint64_t size;
    bool wants_write;          /* what the user asked for */
    bool fd_writes;            /* fd is open for writing */
    bool is_writable;          /* and we may write to it */
    bool has_lock;
    bool is_returning;         /* not yet writable: requests wait for the lock */
    Claim claim;
    struct timespec given_at;  /* the file's time of change when the lock was given away */
    bool is_through;           /* cache=writethrough: the device's default, the device asks for it */
    bool is_direct, no_flush, can_discard, no_locking;
    BlockDeviceIoStatus io_status; /* until the machine goes on */
    ErrorPolicy write_policy, read_policy;
    atomic_bool is_unsynced;   /* written since the last flush that succeeded */
    GMutex sync_lock;          /* a leaf of workers, held while a flush of ours is under way */
    atomic_int owed_error;     /* an errno that the kernel told us, and only once: the guest's next flush gets it */
    atomic_uint in_flight;     /* submitted, not yet completed in the main loop; or a sync under way */
    GThreadPool *pool;         /* its own workers, so that a disk that hangs holds up no other */
    unsigned revoked;          /* begun, then revoked, not yet completed */
    GQueue waiting;            /* of Task: submitted since, until none of those is left */
};

static inline BlockNode *node_base(const BlockNode *n)
{
    while (n->below) {
        n = n->below;
    }
    return (BlockNode *)n;
}

GPtrArray *block_nodes(void); /* of BlockNode */

/* ---- raw.c: the file ---- */
typedef enum RawAccess {
    RAW_READ,
    RAW_MAY_WRITE, /* when claim_take() has brought the lock */
    RAW_WRITE,     /* with the lock */
} RawAccess;
bool raw_open(BlockNode *n, RawAccess access, GError **errp); /* replaces the descriptor only on success */
void raw_close(BlockNode *n);
int raw_execute(BlockNode *n, BlockRequest *r); /* a worker's thread; 0 or -errno */

/* ---- claim.c ---- */
/* The descriptor stays, the right to write goes; and comes back, also when the file has another name by now.  is_lone: not
 * if somebody wrote meanwhile.  Both only begin it, however the last one is doing. */
void claim_give(BlockNode *n);
void claim_take(BlockNode *n, bool is_lone);
bool claim_is_answered(BlockNode *n, bool is_lone); /* such an attempt is over, and nobody has collected how it went */
bool claim_is_busy(BlockNode *n);
void claim_wait(int64_t deadline_ns); /* any thread, without vm_lock: until none is under way, on any disk */
/* How it went, or, if that is not known at the deadline, may_return_later: the disk is_returning. */
bool claim_collect(BlockNode *n, int64_t deadline_ns, bool may_return_later, GError **errp);

/* ---- lock.c ---- */
bool lock_take(int fd, const char *filename, GError **errp); /* the right to write */
void lock_drop(int fd);

/* ---- node.c ---- */
void node_begun(BlockNode *n);
void node_completed(BlockNode *n);
void block_wake(void);                 /* any thread: something that block_wait_idle() may wait for is over */
void node_begin_waiting(BlockNode *n); /* unless there is still something to wait for */
/* Any thread, without vm_lock: waits until nothing is in flight anywhere, and no lock is on its way. */
bool block_wait_idle(int64_t deadline_ns, GError **errp);
/* The same: fdatasync() of every node that was written, by workers. */
bool block_sync_all(int64_t deadline_ns, GError **errp);
void block_sync_begin(void); /* with vm_lock: without waiting, and without saying how it went: a later one has less to do */

