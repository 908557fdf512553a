/* include/block/block.h - disks: a node reads and writes sectors through workers.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Owner: main loop (vm_lock).  Nobody waits for a disk with vm_lock.  Requests complete in the main loop, in any order.
 * While the VM is frozen none is in flight.  A node of a process that waits for a guest is opened read-only until
 * `activate`; a node that may be written holds a lock on its file, so that two processes never write one disk.
 * docs/block.md */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "qapi/json.h"
#include "qapi/qapi-types.h"

typedef struct BlockNode BlockNode;
typedef enum BlockOp { BLOCK_READ, BLOCK_WRITE, BLOCK_FLUSH, BLOCK_DISCARD, BLOCK_WRITE_ZEROES } BlockOp;

typedef struct BlockRequest BlockRequest;
struct BlockRequest { /* the caller keeps it, and the memory behind iov, until `done` */
    BlockOp op;
    uint64_t offset, size;         /* bytes */
    struct iovec *iov;
    int iov_count;
    bool may_unmap;                /* BLOCK_WRITE_ZEROES: holes are fine */
    bool is_ours;                  /* BLOCK_FLUSH: nobody tells the guest how it went; an error is left to its next flush */
    bool is_through;               /* done only when it is safe on the disk, as if a flush had followed */
    void (*done)(BlockRequest *r, int result); /* 0 or -errno; main loop, vm_lock */
    void *opaque;
    struct { /* block's own */
        GMutex lock; /* leaf: while a worker copies from or to the memory behind iov */
        bool is_revoked;
        void *task;
    } guard;
};

void block_init(void); /* once, after runstate_init(): run state listener, handoff part "block" */

/* -blockdev / -drive as dicts: driver raw|file, node-name (or id), file: {...}|NODE|PATH, filename, format, read-only,
 * cache (string or {direct, no-flush}), discard, aio, werror, rerror; if, index and media are read by who adds the
 * device.  Unknown keys: error that lists these. */
bool block_add(const Json *options, GError **errp);
bool block_delete(const char *node, GError **errp);
BlockNode *block_find(const char *node_or_drive_id);
bool block_attach(BlockNode *n, const char *user, GError **errp); /* one user at a time */
void block_detach(BlockNode *n);
const char *block_name(const BlockNode *n);
uint64_t block_size(const BlockNode *n);
bool block_is_read_only(const BlockNode *n);
bool block_can_discard(const BlockNode *n); /* discard=unmap */
bool block_is_cached(const BlockNode *n);   /* what the user asked for: writes may wait for a flush */
void block_submit(BlockNode *n, BlockRequest *r);
/* For a reset of the device while it works: from the return of this on nobody touches the memory behind iov, however long
 * the disk hangs; `done` is still to come.  What has begun may still be done or not, as if the power had failed; until that
 * is decided nothing that is submitted later begins, so that no old write comes behind a new one. */
void block_revoke(BlockNode *n, BlockRequest *r);

/* What to do about an error of a guest's request, by werror= and rerror=; sends the event BLOCK_IO_ERROR. */
BlockErrorAction block_error_action(BlockNode *n, BlockOp op, int error);
