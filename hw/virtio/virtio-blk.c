/* hw/virtio/virtio-blk.c - disk (virtio 1.2, 5.2).
 * Guarded by: vm_lock.  Page: docs/devices/virtio-blk.md.  Test: tests/qtest/hw/virtio/virtio-blk-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A request is taken from the ring, given to the disk's workers, and handed back when they are done.  A handoff waits
 * for those in flight; one that failed and stopped the machine (werror=stop) waits in `requests` for the next start, on
 * whatever side that is: its ring index is saved. */
#include "hw/virtio.h"

#include "block/block.h"
#include "system/ram.h"
#include "system/runstate.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/log.h"
#include "util/loop.h"

#include <errno.h>
#include <string.h>

enum { SECTOR = 512, QUEUE_SIZE = 256, ID_SIZE = 20, HEADER = 16, SEGMENT = 16, CONFIG_SIZE = 60 };
enum { BLK_F_SEG_MAX = 2, BLK_F_RO = 5, BLK_F_BLK_SIZE = 6, BLK_F_FLUSH = 9, BLK_F_TOPOLOGY = 10, BLK_F_CONFIG_WCE = 11,
       BLK_F_DISCARD = 13, BLK_F_WRITE_ZEROES = 14 };
enum { CONFIG_WRITEBACK = 32 };
enum { T_IN = 0, T_OUT = 1, T_FLUSH = 4, T_GET_ID = 8, T_DISCARD = 11, T_WRITE_ZEROES = 13 };
enum { S_OK = 0, S_IOERR = 1, S_UNSUPP = 2 };
enum { ZEROES_UNMAP = 1, ZEROES_MAX_SECTORS = 0x3fffff };

typedef struct VirtioBlk VirtioBlk;
typedef struct BlkRequest {
    BlockRequest io;
    VirtioBlk *blk;      /* NULL: the device was reset, nobody waits */
    VirtioChain *chain;
    struct iovec *iov;
    uint32_t to_guest;   /* bytes of data written to the chain, without the status */
    bool is_parked;      /* failed, to be tried again at the next start */
} BlkRequest;

struct VirtioBlk {
    VirtioDevice v;
    struct {
        uint32_t open_count;
        uint16_t open[VIRTQUEUE_SIZE_MAX]; /* ring heads of requests taken and not handed back */
        bool is_cached;                    /* writes may wait for a flush; else each is safe when it is handed back */
    } st;
    GPtrArray *requests; /* of BlkRequest: in flight or parked */
    GArray *loaded;      /* of uint16_t: ring heads that came with the state, to be started again */
    BlockNode *node;
    char *drive, *serial;
    int write_cache;     /* ON_OFF_AUTO_ */
    bool can_change_cache;
    int32_t boot_index;
};

/* ---- handing back ---- */
static void request_free(BlkRequest *r)
{
    g_free(r->iov);
    g_free(r);
}

static void mark_written(const BlkRequest *r)
{
    uint64_t left = r->to_guest;

    for (unsigned i = 0; i < r->chain->in_count && left; i++) {
        const VirtioBuffer *b = &r->chain->in[i];
        uint64_t part = MIN(left, b->size);

        ram_written(b->gpa, part);
        left -= part;
    }
}

static void answer(VirtioBlk *b, VirtioChain *c, uint8_t status, uint32_t data)
{
    VirtQueue *q = &b->v.queues[0];

    virtio_chain_write(c, c->in_bytes - 1, &status, 1);
    virtqueue_push(q, c, status == S_OK ? data + 1 : 1);
    virtqueue_interrupt(q);
}

static void finish(BlkRequest *r, uint8_t status)
{
    VirtioBlk *b = r->blk;

    if (r->io.op == BLOCK_READ) {
        mark_written(r); /* also after an error: part of it may have been read */
    }
    g_ptr_array_remove_fast(b->requests, r);
    answer(b, r->chain, status, r->to_guest);
    request_free(r);
}

static void stop_machine(void *opaque)
{
    vm_stop(RUN_STATE_IO_ERROR);
}

static bool is_full(const VirtioBlk *b)
{
    return b->requests->len >= b->v.queues[0].st->size;
}

static void request_done(BlockRequest *io, int result)
{
    BlkRequest *r = io->opaque;
    VirtioBlk *b = r->blk;
    BlockErrorAction action = BLOCK_ERROR_ACTION_IGNORE;
    bool was_full = b && is_full(b);

    if (!b) {
        if (result < 0 && io->op == BLOCK_FLUSH) {
            warn_report("a disk could not be flushed: %s", g_strerror(-result));
        }
        g_free(r->chain);
        request_free(r);
        return;
    }
    if (result < 0) {
        action = block_error_action(b->node, io->op, -result);
    }
    if (action == BLOCK_ERROR_ACTION_STOP) {
        r->is_parked = true;
        loop_call(stop_machine, NULL);
        return;
    }
    finish(r, action == BLOCK_ERROR_ACTION_IGNORE ? S_OK : S_IOERR);
    if (was_full) {
        virtio_notify(&b->v, 0);
    }
}

/* ---- taking ---- */
/* The chain's buffers from `skip` bytes on, `size` of them, as an iovec. */
static unsigned make_iov(struct iovec *iov, const VirtioBuffer *buffers, unsigned count, uint64_t skip, uint64_t size)
{
    unsigned n = 0;

    for (unsigned i = 0; i < count && size; i++) {
        uint64_t part;

        if (skip >= buffers[i].size) {
            skip -= buffers[i].size;
            continue;
        }
        part = MIN(buffers[i].size - skip, size);
        iov[n++] = (struct iovec){(char *)buffers[i].host + skip, part};
        size -= part;
        skip = 0;
    }
    return n;
}

static bool in_disk(const VirtioBlk *b, uint64_t sector, uint64_t size)
{
    uint64_t sectors = block_size(b->node) / SECTOR;

    return size % SECTOR == 0 && sector <= sectors && size / SECTOR <= sectors - sector;
}

static void submit(VirtioBlk *b, VirtioChain *c, BlockRequest io, uint32_t to_guest)
{
    BlkRequest *r = g_new0(BlkRequest, 1);

    r->io = io;
    r->io.done = request_done;
    r->io.opaque = r;
    r->blk = b;
    r->chain = c;
    r->iov = io.iov;
    r->to_guest = to_guest;
    g_ptr_array_add(b->requests, r);
    block_submit(b->node, &r->io);
}

static void read_or_write(VirtioBlk *b, VirtioChain *c, bool is_write, uint64_t sector)
{
    uint64_t size = is_write ? c->out_bytes - HEADER : c->in_bytes - 1;
    struct iovec *iov;
    unsigned count;

    if (!in_disk(b, sector, size) || size > INT32_MAX || (is_write && block_is_read_only(b->node))) {
        guest_error(virtio_name(&b->v), "%s of %" G_GUINT64_FORMAT " bytes at sector %" G_GUINT64_FORMAT " refused",
                    is_write ? "write" : "read", size, sector);
        answer(b, c, S_IOERR, 0);
        return;
    }
    iov = g_new(struct iovec, MAX(is_write ? c->out_count : c->in_count, 1));
    count = is_write ? make_iov(iov, c->buffers, c->out_count, HEADER, size)
                     : make_iov(iov, c->in, c->in_count, 0, size);
    submit(b, c, (BlockRequest){.op = is_write ? BLOCK_WRITE : BLOCK_READ, .offset = sector * SECTOR, .size = size,
                                .iov = iov, .iov_count = count, .is_through = is_write && !b->st.is_cached},
           is_write ? 0 : size);
}

static void discard_or_zero(VirtioBlk *b, VirtioChain *c, bool is_zero)
{
    uint8_t segment[SEGMENT];
    uint64_t sector, sectors;
    uint32_t flags;

    virtio_chain_read(c, HEADER, segment, SEGMENT);
    sector = load_le64(segment);
    sectors = load_le32(segment + 8);
    flags = load_le32(segment + 12);
    if (c->out_bytes != HEADER + SEGMENT || (flags & ~(is_zero ? ZEROES_UNMAP : 0))) {
        answer(b, c, S_UNSUPP, 0);
    } else if (sectors > ZEROES_MAX_SECTORS || !in_disk(b, sector, sectors * SECTOR) ||
               block_is_read_only(b->node)) {
        answer(b, c, S_IOERR, 0);
    } else {
        submit(b, c, (BlockRequest){.op = is_zero ? BLOCK_WRITE_ZEROES : BLOCK_DISCARD, .offset = sector * SECTOR,
                                    .size = sectors * SECTOR, .may_unmap = flags & ZEROES_UNMAP,
                                    .is_through = is_zero && !b->st.is_cached}, 0);
    }
}

static void get_id(VirtioBlk *b, VirtioChain *c)
{
    char id[ID_SIZE] = {0};
    size_t size;

    memcpy(id, b->serial ? b->serial : "", MIN(strlen(b->serial ? b->serial : ""), ID_SIZE));
    size = virtio_chain_write(c, 0, id, MIN(c->in_bytes - 1, ID_SIZE));
    answer(b, c, S_OK, size);
}

static void start_request(VirtioBlk *b, VirtioChain *c)
{
    uint8_t header[HEADER];
    uint32_t type;

    if (c->out_bytes < HEADER || c->in_bytes < 1) {
        virtio_break(&b->v, "a request without header or status byte");
        g_free(c);
        return;
    }
    virtio_chain_read(c, 0, header, HEADER);
    type = load_le32(header);
    switch (type) {
    case T_IN:
    case T_OUT:
        read_or_write(b, c, type == T_OUT, load_le64(header + 8));
        break;
    case T_FLUSH:
        submit(b, c, (BlockRequest){.op = BLOCK_FLUSH}, 0);
        break;
    case T_GET_ID:
        get_id(b, c);
        break;
    case T_DISCARD:
    case T_WRITE_ZEROES:
        discard_or_zero(b, c, type == T_WRITE_ZEROES);
        break;
    default:
        answer(b, c, S_UNSUPP, 0);
    }
}

static void blk_notify(VirtioDevice *v, unsigned queue)
{
    VirtioBlk *b = (VirtioBlk *)v;
    VirtQueue *q = &v->queues[0];
    unsigned left = q->st->size;

    do {
        VirtioChain *c;

        virtqueue_want_notify(q, false);
        /* More than the ring holds cannot be in flight, unless the guest hands in a buffer twice. */
        for (; left && !is_full(b) && (c = virtqueue_pop(q)); left--) {
            start_request(b, c);
        }
    } while (left && !is_full(b) && virtqueue_want_notify(q, true));
    if (!left) {
        virtio_look_again(v, queue);
    }
}

/* ---- life of a session ---- */
static void blk_started(VirtioDevice *v)
{
    VirtioBlk *b = (VirtioBlk *)v;

    for (unsigned i = 0; i < b->loaded->len; i++) {
        VirtioChain *c = virtqueue_refetch(&v->queues[0], g_array_index(b->loaded, uint16_t, i));

        if (c) {
            start_request(b, c);
        }
    }
    g_array_set_size(b->loaded, 0);
    for (unsigned i = 0; i < b->requests->len; i++) {
        BlkRequest *r = b->requests->pdata[i];

        if (r->is_parked) {
            r->is_parked = false;
            block_submit(b->node, &r->io);
        }
    }
}

/* The guest may use its memory for something else at once, however long the disk takes. */
static void blk_session_reset(VirtioDevice *v)
{
    VirtioBlk *b = (VirtioBlk *)v;

    for (unsigned i = 0; i < b->requests->len; i++) {
        BlkRequest *r = b->requests->pdata[i];

        if (r->is_parked) {
            g_free(r->chain);
            request_free(r);
        } else {
            r->blk = NULL;
            block_revoke(b->node, &r->io);
            if (r->io.op == BLOCK_READ) {
                mark_written(r); /* part of it may have been read */
            }
        }
    }
    g_ptr_array_set_size(b->requests, 0);
    g_array_set_size(b->loaded, 0);
}

static bool cached_at_first(const VirtioBlk *b)
{
    return b->write_cache == ON_OFF_AUTO_AUTO ? block_is_cached(b->node) : b->write_cache == ON_OFF_AUTO_ON;
}

static uint64_t blk_features(VirtioDevice *v)
{
    VirtioBlk *b = (VirtioBlk *)v;
    uint64_t f = 1u << BLK_F_SEG_MAX | 1u << BLK_F_BLK_SIZE | 1u << BLK_F_TOPOLOGY;

    f |= b->can_change_cache ? 1u << BLK_F_CONFIG_WCE | 1u << BLK_F_FLUSH : 0;
    f |= cached_at_first(b) ? 1u << BLK_F_FLUSH : 0;
    return block_is_read_only(b->node) ? f | 1u << BLK_F_RO : f | 1u << BLK_F_DISCARD | 1u << BLK_F_WRITE_ZEROES;
}

static unsigned blk_config(VirtioDevice *v, uint8_t config[256])
{
    VirtioBlk *b = (VirtioBlk *)v;

    store_le64(config, block_size(b->node) / SECTOR);
    store_le32(config + 12, QUEUE_SIZE - 2);           /* seg_max: header and status take two */
    store_le32(config + 20, SECTOR);                   /* blk_size */
    store_le16(config + 26, 1);                        /* min_io_size */
    config[CONFIG_WRITEBACK] = b->st.is_cached;
    store_le16(config + 34, 1);                        /* num_queues */
    store_le32(config + 36, ZEROES_MAX_SECTORS);       /* max_discard_sectors, in one segment, aligned to */
    store_le32(config + 40, 1);
    store_le32(config + 44, 8);
    store_le32(config + 48, ZEROES_MAX_SECTORS);       /* the same for zeroes */
    store_le32(config + 52, 1);
    config[56] = 1;                                    /* write_zeroes_may_unmap */
    return CONFIG_SIZE;
}

/* A driver that cannot flush gets writes that need no flush; one that chooses for itself is left alone, after a load too. */
static void blk_features_set(VirtioDevice *v)
{
    VirtioBlk *b = (VirtioBlk *)v;

    if (!v->st.features) {
        b->st.is_cached = b->node && cached_at_first(b);
    } else if (!virtio_has(v, BLK_F_CONFIG_WCE)) {
        b->st.is_cached = virtio_has(v, BLK_F_FLUSH);
    }
}

/* For nobody's chain: request_done() frees it. */
static void flush_for_ourselves(VirtioBlk *b)
{
    BlkRequest *r = g_new0(BlkRequest, 1);

    r->io = (BlockRequest){.op = BLOCK_FLUSH, .is_ours = true, .done = request_done, .opaque = r};
    block_submit(b->node, &r->io);
}

/* From the next request on.  What was written before is flushed at once: nobody would do it later. */
static void blk_config_write(VirtioDevice *v, unsigned offset, const void *data, unsigned size)
{
    VirtioBlk *b = (VirtioBlk *)v;
    uint8_t value = *(const uint8_t *)data;

    if (offset != CONFIG_WRITEBACK || size != 1 || value > 1 || !virtio_has(v, BLK_F_CONFIG_WCE)) {
        guest_error(virtio_name(v), "configuration written at %u, %u bytes: only 'writeback' can be, with 0 or 1 and if "
                    "CONFIG_WCE was accepted", offset, size);
        return;
    }
    if (b->st.is_cached && !value) {
        flush_for_ourselves(b);
    }
    b->st.is_cached = value;
}

static const VirtioOps blk_ops = {
    .device_id = VIRTIO_ID_BLOCK, .queue_count = 1, .queue_sizes = {QUEUE_SIZE}, .features = blk_features,
    .features_set = blk_features_set, .config = blk_config, .config_write = blk_config_write,
    .queue_notify = blk_notify, .started = blk_started, .reset = blk_session_reset,
};

/* ---- life ---- */
static bool blk_realize(Object *o, GError **errp)
{
    VirtioBlk *b = (VirtioBlk *)o;
    BlockNode *node = b->drive ? block_find(b->drive) : NULL;

    b->requests = g_ptr_array_new();
    b->loaded = g_array_new(FALSE, FALSE, sizeof(uint16_t));
    if (!node) {
        return b->drive ? fail(errp, "Property 'virtio-blk-device.drive' can't find value '%s'", b->drive)
                        : fail(errp, "Parameter 'drive' is missing");
    }
    if (block_size(node) % SECTOR) {
        warn_report("disk '%s': the last %u bytes are no whole sector, the guest will not see them", b->drive,
                    (unsigned)(block_size(node) % SECTOR));
    }
    if (!block_attach(node, o->path ? o->path : virtio_name(&b->v), errp)) {
        return false;
    }
    b->node = node;
    b->st.is_cached = cached_at_first(b);
    return true;
}

static void blk_unrealize(Object *o)
{
    VirtioBlk *b = (VirtioBlk *)o;

    if (b->node) {
        blk_session_reset(&b->v);
        block_detach(b->node);
        b->node = NULL;
    }
    if (b->requests) {
        g_clear_pointer(&b->requests, g_ptr_array_unref);
        g_clear_pointer(&b->loaded, g_array_unref);
    }
}

static void blk_saving(void *opaque)
{
    VirtioBlk *b = opaque;

    memset(b->st.open, 0, sizeof(b->st.open));
    b->st.open_count = 0;
    for (unsigned i = 0; i < b->requests->len; i++) {
        b->st.open[b->st.open_count++] = ((BlkRequest *)b->requests->pdata[i])->chain->head;
    }
    for (unsigned i = 0; i < b->loaded->len; i++) { /* it has not run since it came */
        b->st.open[b->st.open_count++] = g_array_index(b->loaded, uint16_t, i);
    }
}

static bool blk_loaded(void *opaque, uint32_t version, GError **errp)
{
    VirtioBlk *b = opaque;

    if (b->st.open_count > b->v.queues[0].st->size) {
        return fail(errp, "virtio-blk '%s': %u open requests in a ring of %u", virtio_name(&b->v), b->st.open_count,
                    b->v.queues[0].st->size);
    }
    g_array_set_size(b->loaded, 0);
    g_array_append_vals(b->loaded, b->st.open, b->st.open_count);
    return true;
}

VMSTATE_DEFINE_SPAN(VirtioBlk, st)
static const VMStateDescription blk_state = {
    .name = "virtio-blk", .version = 2, .phase = VMSTATE_SAVE_DEVICE, VMSTATE_SPAN(VirtioBlk, st),
    .saving = blk_saving, .loaded = blk_loaded,
    .fields = VMSTATE_FIELDS(VMSTATE_U32(VirtioBlk, st.open_count),
                             VMSTATE_VARRAY(VirtioBlk, st.open, st.open_count, VMS_U16, NULL),
                             VMSTATE_BOOL_SINCE(2, VirtioBlk, st.is_cached)),
};

static const Property blk_props[] = {
    PROP_ID("drive", VirtioBlk, drive, drive, "id of the -drive or node-name of the -blockdev"),
    PROP_STR("serial", VirtioBlk, serial, NULL, "serial number, at most 20 characters"),
    {.name = "write-cache", .type = &prop_on_off_auto, .offset = offsetof(VirtioBlk, write_cache),
     .about = "writes may wait for the guest's flush; auto: what cache= of the drive says"},
    PROP_BOOL("config-wce", VirtioBlk, can_change_cache, true, "the guest may change that (CONFIG_WCE)"),
    PROP_BOOT_INDEX(VirtioBlk, boot_index),
    {}
};

const ObjectType virtio_blk_type = {
    .name = "virtio-blk-device", .parent = "virtio-device", .kind = KIND_DEVICE, .size = sizeof(VirtioBlk),
    .props = blk_props, .state = &blk_state, .bus = "virtio-bus", .realize = blk_realize,
    .unrealize = blk_unrealize, .ops = &blk_ops, .flags = TYPE_USER_CREATABLE, .about = "disk (virtio)",
};
