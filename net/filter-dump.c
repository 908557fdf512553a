/* net/filter-dump.c - writes frames to a file, as pcap.  Guarded by: vm_lock.
 * Page: docs/net.md.  Test: tests/unit/net/port-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "filter.h"

#include "net/net.h"
#include "system/clock.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/loop.h"

#include <errno.h>
#include <fcntl.h>

#define PCAP_MAGIC 0xa1b2c3d4u
#define PCAP_ETHERNET 1

typedef struct PcapHeader {
    uint32_t magic;
    uint16_t major, minor;
    uint32_t zone, accuracy, limit, link;
} PcapHeader;

typedef struct PcapRecord {
    uint32_t sec, usec, kept, size;
} PcapRecord;

typedef struct FilterDump {
    NetFilter filter;
    char *file;
    uint32_t maxlen;
    int fd;
    bool has_failed;
} FilterDump;

static NetVerdict dump_receive(NetFilter *f, NetLaneId lane, const NetFrame *frame)
{
    FilterDump *d = (FilterDump *)f;
    int64_t now = clock_virtual_ns();
    PcapRecord head = {now / NS_PER_SEC, now % NS_PER_SEC / 1000, MIN(frame->size, d->maxlen), frame->size};
    ssize_t n = d->has_failed ? 0 : fd_write_all(d->fd, &head, sizeof(head));

    if (n >= 0 && !d->has_failed) {
        n = fd_write_all(d->fd, frame->data, head.kept);
    }
    if (n < 0) {
        d->has_failed = true;
        error_report("filter '%s': writing '%s': %s; no more is written", f->obj.id, d->file, g_strerror(-n));
    }
    return NET_PASS;
}

static bool dump_setup(NetFilter *f, GError **errp)
{
    FilterDump *d = (FilterDump *)f;
    PcapHeader head = {PCAP_MAGIC, 2, 4, 0, 0, d->maxlen, PCAP_ETHERNET};
    ssize_t n;

    if (!d->file) {
        return fail(errp, "filter '%s': Parameter 'file' is missing", f->obj.id);
    }
    /* A pipe has its reader already, or it is refused: nobody is waited for. */
    d->fd = open(d->file, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC | O_NONBLOCK, 0644);
    if (d->fd >= 0) {
        fd_set_nonblocking(d->fd, false);
    } else {
        return fail_errno(errp, errno, "filter '%s': cannot open '%s'", f->obj.id, d->file);
    }
    n = fd_write_all(d->fd, &head, sizeof(head));
    if (n < 0) {
        close(d->fd);
        return fail_errno(errp, -n, "filter '%s': cannot write '%s'", f->obj.id, d->file);
    }
    return true;
}

static void dump_cleanup(NetFilter *f, NetQueue left[NET_LANES])
{
    close(((FilterDump *)f)->fd);
}

static const NetFilterOps dump_ops = {.setup = dump_setup, .cleanup = dump_cleanup, .receive = dump_receive};

static const Property dump_props[] = {
    PROP_STR("file", FilterDump, file, NULL, "where the frames go, as pcap"),
    PROP_U32("maxlen", FilterDump, maxlen, 65536, "bytes of a frame that are kept"),
    {},
};

const ObjectType filter_dump_type = {
    .name = "filter-dump",
    .parent = "netfilter",
    .about = "writes frames to a file, as pcap",
    .kind = KIND_OBJECT,
    .size = sizeof(FilterDump),
    .props = dump_props,
    .ops = &dump_ops,
    .flags = TYPE_USER_CREATABLE,
};
