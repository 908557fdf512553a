/* include/block/block.h - disks: a node reads and writes sectors through workers.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Owner: main loop (vm_lock).  Requests complete in the main loop, in any order.  While the VM is frozen none is in
 * flight.  A node that was handed over is opened read-only until `activate`. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "qapi/json.h"

typedef struct BlockNode BlockNode;
typedef enum BlockOp { BLOCK_READ, BLOCK_WRITE, BLOCK_FLUSH, BLOCK_DISCARD, BLOCK_WRITE_ZEROES } BlockOp;

typedef struct BlockRequest BlockRequest;
struct BlockRequest { /* the caller keeps it, and the memory behind iov, until `done` */
    BlockOp op;
    uint64_t offset, size;         /* bytes */
    struct iovec *iov;
    int iov_count;
    void (*done)(BlockRequest *r, int result); /* 0 or -errno; main loop, vm_lock */
    void *opaque;
};

/* -blockdev / -drive as dicts: driver raw|file, node-name, filename (or file: {...}), read-only, cache, discard. */
bool block_add(const Json *options, GError **errp);
bool block_delete(const char *node, GError **errp);
BlockNode *block_find(const char *node_or_drive_id);
bool block_attach(BlockNode *n, const char *user, GError **errp); /* one user at a time */
void block_detach(BlockNode *n);
uint64_t block_size(const BlockNode *n);
bool block_is_read_only(const BlockNode *n);
void block_submit(BlockNode *n, BlockRequest *r);
