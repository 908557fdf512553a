/* block/qmp.c - the QMP commands about disks.  Page: docs/block.md.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "block/node.h"
#include "qapi/qapi-commands.h"
#include "system/runstate.h"
#include "util/error.h"

Json *qmp_blockdev_add(const Json *args, GError **errp)
{
    if (!json_get_str(args, "node-name")) {
        fail(errp, "Parameter 'node-name' is missing");
        return NULL;
    }
    return block_add(args, errp) ? json_dict() : NULL;
}

bool qmp_blockdev_del(const BlockdevDelArgs *args, GError **errp)
{
    return block_delete(args->node_name, errp);
}

static BlockDeviceInfo *inserted_info(const BlockNode *n)
{
    BlockDeviceInfo *info = g_new0(BlockDeviceInfo, 1);

    info->file = g_strdup(node_base(n)->filename);
    info->node_name = g_strdup(n->name);
    info->ro = block_is_read_only(n);
    info->drv = g_strdup("raw");
    info->image = g_new0(ImageInfo, 1);
    info->image->filename = g_strdup(node_base(n)->filename);
    info->image->format = g_strdup("raw");
    info->image->virtual_size = block_size(n);
    return info;
}

BlockInfoList *qmp_query_block(GError **errp)
{
    BlockInfoList *head = NULL, **tail = &head;

    for (unsigned i = 0; i < block_nodes()->len; i++) {
        const BlockNode *n = block_nodes()->pdata[i];
        BlockInfo *info;

        if (!n->user) {
            continue;
        }
        info = g_new0(BlockInfo, 1);
        info->device = g_strdup(n->name);
        info->qdev = g_strdup(n->user);
        info->type = g_strdup("unknown");
        info->io_status = n->io_status;
        info->inserted = inserted_info(n);
        QAPI_LIST_APPEND(tail, info);
    }
    return head;
}

BlockDeviceInfoList *qmp_query_named_block_nodes(const QueryNamedBlockNodesArgs *args, GError **errp)
{
    BlockDeviceInfoList *head = NULL, **tail = &head;

    for (unsigned i = 0; i < block_nodes()->len; i++) {
        QAPI_LIST_APPEND(tail, inserted_info(block_nodes()->pdata[i]));
    }
    return head;
}
