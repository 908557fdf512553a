/* block/node.h - a disk's struct, shared by the files of block/.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "block/block.h"

#include <stdatomic.h>

typedef enum ErrorPolicy { POLICY_REPORT, POLICY_IGNORE, POLICY_STOP, POLICY_ENOSPC } ErrorPolicy;

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
/* Opens for writing (with the lock) if for_write, else for reading; replaces the descriptor only on success. */
bool raw_open(BlockNode *n, bool for_write, GError **errp);
void raw_close(BlockNode *n);
/* The descriptor stays, the right to write goes; and comes back, also when the file has another name by now.  is_lone: not
 * if somebody wrote meanwhile. */
void raw_give(BlockNode *n);
bool raw_take_again(BlockNode *n, bool is_lone, GError **errp);
int raw_execute(BlockNode *n, BlockRequest *r); /* a worker's thread; 0 or -errno */

/* ---- lock.c ---- */
bool lock_take(int fd, const char *filename, GError **errp); /* the right to write */
void lock_drop(int fd);

/* ---- node.c ---- */
/* Any thread, without vm_lock: waits until nothing is in flight anywhere. */
bool block_wait_idle(int64_t deadline_ns, GError **errp);
/* The same: fdatasync() of every node that was written, by workers. */
bool block_sync_all(int64_t deadline_ns, GError **errp);
void block_sync_begin(void); /* with vm_lock: without waiting, and without saying how it went: a later one has less to do */

