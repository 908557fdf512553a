/* net/dgram.c - netdev over datagrams: one frame each.  Guarded by: vm_lock.
 * Page: docs/net.md.  Test: tests/unit/net/stream-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "netdev.h"

#include "util/error.h"
#include "util/fd.h"
#include "util/log.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/un.h>

#define RETRY_NS (NS_PER_MS / 2) /* a full unix receiver says EAGAIN and never POLLOUT to an unconnected sender */

typedef struct Dgram {
    Netdev nd;
    Json *local, *remote;

    NetAddress here, there;
    int fd;
    bool is_blocked, has_remote;
    LoopWatch *watch;
    LoopTimer *retry;
    NetDefer *update;
    uint32_t pending;
    uint64_t refused, truncated;
    uint8_t buffer[NET_FRAME_MAX];
} Dgram;

static Dgram *dgram_of(NetPort *p)
{
    return p->opaque;
}

static void dgram_update(void *opaque)
{
    Dgram *d = opaque;

    loop_watch_set(d->watch, d->pending ? 0 : G_IO_IN);
    if (d->is_blocked && !loop_timer_pending(d->retry)) {
        loop_timer_set(d->retry, time_monotonic_ns() + RETRY_NS);
    }
}

static void dgram_retry(void *opaque)
{
    Dgram *d = opaque;

    d->is_blocked = false;
    net_port_room(&d->nd.port);
}

/* ---- from the host ---- */
static NetResult dgram_deliver(Dgram *d, uint32_t size)
{
    return net_port_send(&d->nd.port, &(NetFrame){.data = d->buffer, .size = size});
}

static int dgram_read(Dgram *d, int limit)
{
    int count = 0;

    if (d->pending) {
        if (dgram_deliver(d, d->pending) == NET_NO_ROOM) {
            return 0;
        }
        d->pending = 0;
        count++;
        net_defer_now(d->update);
    }
    while (count < limit) {
        ssize_t n = recv(d->fd, d->buffer, sizeof(d->buffer), MSG_DONTWAIT | MSG_TRUNC);

        if (n < 0) {
            return errno == EAGAIN || errno == EINTR || errno == ECONNREFUSED ? count : -errno;
        }
        count++;
        if (n > sizeof(d->buffer)) {
            d->truncated++;
        } else if (n > 0 && dgram_deliver(d, n) == NET_NO_ROOM) {
            d->pending = n;
            net_defer_now(d->update);
            break;
        }
    }
    return count;
}

static void dgram_ready(int fd, GIOCondition ready, void *opaque)
{
    Dgram *d = opaque;
    int n = dgram_read(d, NET_READ_BATCH);

    if (n < 0 && !(ready & G_IO_IN)) {
        error_report("netdev '%s': %s", d->nd.obj.id, g_strerror(-n));
        loop_watch_set(d->watch, 0);
    }
}

static void dgram_peer_room(NetPort *p)
{
    dgram_read(dgram_of(p), NET_READ_BATCH);
}

static int dgram_drain(NetPort *p)
{
    return dgram_read(dgram_of(p), NET_DRAIN_MAX);
}

/* ---- to the host ---- */
static NetResult dgram_receive(NetPort *p, const NetFrame *f)
{
    Dgram *d = dgram_of(p);
    ssize_t n;

    if (d->is_blocked) {
        return NET_NO_ROOM;
    }
    if (d->has_remote) {
        n = sendto(d->fd, f->data, f->size, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&d->there.sa, d->there.size);
    } else {
        n = send(d->fd, f->data, f->size, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    if (n < 0 && (errno == EAGAIN || errno == ENOBUFS)) {
        d->is_blocked = true;
        net_defer_now(d->update);
        return NET_NO_ROOM;
    }
    if (n < 0 && !d->refused++) { /* nobody there: an unplugged cable */
        TRACE(dgram_refused, "%s: %s", p->id, g_strerror(errno));
    }
    return NET_DONE;
}

static bool dgram_is_sending(NetPort *p)
{
    int queued = 0;

    return ioctl(dgram_of(p)->fd, SIOCOUTQ, &queued) == 0 && queued > 0;
}

static void dgram_info(NetPort *p, GString *out)
{
    Dgram *d = dgram_of(p);
    g_autofree char *here = net_address_text(&d->here), *there = d->has_remote ? net_address_text(&d->there) : NULL;

    g_string_append_printf(out, ",local=%s%s%s", here, there ? ",remote=" : "", there ? there : "");
}

static const NetPortOps dgram_ops = {
    .type = "dgram",
    .receive = dgram_receive,
    .peer_room = dgram_peer_room,
    .drain = dgram_drain,
    .is_sending = dgram_is_sending,
    .info = dgram_info,
    .can_capture = true,
};

/* ---- life ---- */
static bool join_group(Dgram *d, GError **errp)
{
    const struct sockaddr_in *group = (struct sockaddr_in *)&d->there.sa, *here = (struct sockaddr_in *)&d->here.sa;
    struct ip_mreq want = {.imr_multiaddr = group->sin_addr};
    unsigned char on = 1;
    int one = 1;

    if (d->local && !d->here.is_fd && d->here.sa.ss_family == AF_INET) {
        want.imr_interface = here->sin_addr;
        setsockopt(d->fd, IPPROTO_IP, IP_MULTICAST_IF, &want.imr_interface, sizeof(want.imr_interface));
    }
    setsockopt(d->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    setsockopt(d->fd, IPPROTO_IP, IP_MULTICAST_LOOP, &on, sizeof(on));
    if (bind(d->fd, (struct sockaddr *)&d->there.sa, d->there.size) < 0 ||
        setsockopt(d->fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &want, sizeof(want)) < 0) {
        return fail_errno(errp, errno, "netdev '%s': cannot join the multicast group", d->nd.obj.id);
    }
    return true;
}

static bool dgram_bind(Dgram *d, GError **errp)
{
    g_autofree char *text = net_address_text(&d->here);

    if (d->here.sa.ss_family == AF_UNIX) {
        fd_remove_old_socket(((struct sockaddr_un *)&d->here.sa)->sun_path, false);
    }
    if (bind(d->fd, (struct sockaddr *)&d->here.sa, d->here.size) < 0) {
        return fail_errno(errp, errno, "netdev '%s': cannot bind to %s", d->nd.obj.id, text);
    }
    return true;
}

static bool dgram_open(Dgram *d, GError **errp)
{
    bool is_group = d->has_remote && net_address_is_multicast(&d->there);

    if (d->fd >= 0) {
        int type = 0;

        if (getsockopt(d->fd, SOL_SOCKET, SO_TYPE, &type, &(socklen_t){sizeof(type)}) || type != SOCK_DGRAM) {
            return fail(errp, "netdev '%s': fd %d is no datagram socket", d->nd.obj.id, d->fd);
        }
        return fd_set_nonblocking(d->fd, true) || fail_errno(errp, errno, "netdev '%s': fd", d->nd.obj.id);
    }
    if (!is_group && !(d->local && d->has_remote)) {
        return fail(errp, "netdev '%s': local and remote are wanted (remote alone: a multicast group; local alone: a "
                    "descriptor)", d->nd.obj.id);
    }
    if (d->local && d->here.sa.ss_family != d->there.sa.ss_family) {
        return fail(errp, "netdev '%s': local and remote are of different types", d->nd.obj.id);
    }
    d->fd = socket(d->there.sa.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (d->fd < 0) {
        return fail_errno(errp, errno, "netdev '%s': socket", d->nd.obj.id);
    }
    return is_group ? join_group(d, errp) : dgram_bind(d, errp);
}

static bool dgram_realize(Object *o, GError **errp)
{
    Dgram *d = (Dgram *)o;

    d->fd = -1;
    if (d->local && !net_address_parse(d->local, SOCK_DGRAM, true, &d->here, errp)) {
        return false;
    }
    if (d->local && d->here.is_fd) {
        d->fd = d->here.fd;
    }
    if (d->remote && !net_address_parse(d->remote, SOCK_DGRAM, false, &d->there, errp)) {
        return false;
    }
    d->has_remote = d->remote && !d->there.is_fd;
    if (!dgram_open(d, errp)) {
        return false;
    }
    d->update = net_defer_new(dgram_update, d);
    d->retry = loop_timer_new(dgram_retry, d);
    netdev_start(&d->nd, &dgram_ops);
    d->watch = loop_watch(d->fd, G_IO_IN, dgram_ready, d);
    return true;
}

static void dgram_unrealize(Object *o)
{
    Dgram *d = (Dgram *)o;

    loop_watch_free(d->watch);
    loop_timer_free(d->retry);
    net_defer_free(d->update);
    if (d->fd >= 0) {
        close(d->fd);
        if (d->local && !d->here.is_fd && d->here.sa.ss_family == AF_UNIX) {
            fd_remove_old_socket(((struct sockaddr_un *)&d->here.sa)->sun_path, true); /* another may have it by now */
        }
    }
}

static const Property dgram_props[] = {
    PROP_JSON("local", Dgram, local, "socket address to bind: type=inet|unix|fd and its members"),
    PROP_JSON("remote", Dgram, remote, "socket address to send to; an inet multicast group is joined"),
    {},
};

const ObjectType netdev_dgram_type = {
    .name = "dgram",
    .parent = "netdev",
    .about = "frames over datagrams, one each",
    .kind = KIND_NETDEV,
    .size = sizeof(Dgram),
    .props = dgram_props,
    .realize = dgram_realize,
    .unrealize = dgram_unrealize,
    .flags = TYPE_USER_CREATABLE | TYPE_HOTPLUG,
};
