/* net/tap.c - netdev over a Linux tap interface.  Guarded by: vm_lock.
 * Page: docs/net.md.  Test: tests/unit/net/user-test.c, tests/handoff
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "netdev.h"

#include "util/error.h"
#include "util/fd.h"
#include "util/log.h"

#include "chain.h"
#include "offload.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define LINK_WAIT_NS (2 * NS_PER_SEC)
#define LINK_STEP_US 2000

typedef struct Tap {
    Netdev nd;
    char *ifname, *fd_text, *script, *downscript;
    int vnet_hdr; /* OnOffAuto */
    uint64_t sndbuf;

    int fd;
    int devices_fd; /* the kernel's figures of its interfaces; -1: not to be had */
    bool has_vnet_hdr, is_down_pending, wants_out, is_blocked;
    char name[IFNAMSIZ];
    LoopWatch *watch;
    NetDefer *update;
    uint32_t pending; /* bytes of a frame in `buffer` that the guest has no room for */
    uint64_t write_errors;
    int64_t drops_at_start;
    uint8_t buffer[NET_VNET_HDR_SIZE + NET_FRAME_MAX];
} Tap;

static Tap *tap_of(NetPort *p)
{
    return p->opaque;
}

/* ---- watch: in unless the guest has no room, out while a write waits ---- */
static void tap_update(void *opaque)
{
    Tap *t = opaque;

    loop_watch_set(t->watch, (t->pending ? 0 : G_IO_IN) | (t->wants_out ? G_IO_OUT : 0));
}

/* ---- from the host ---- */
static NetResult tap_deliver(Tap *t, uint32_t size)
{
    NetFrame f = {.data = t->buffer, .size = size};

    if (t->has_vnet_hdr) {
        if (size < NET_VNET_HDR_SIZE) {
            return NET_DONE;
        }
        net_vnet_hdr_get(t->buffer, &f.offload);
        f.data += NET_VNET_HDR_SIZE;
        f.size -= NET_VNET_HDR_SIZE;
    }
    return net_port_send(&t->nd.port, &f);
}

/* Up to `limit` frames; ends when there is none or no room. */
static int tap_read(Tap *t, int limit)
{
    int count = 0;

    if (t->pending) {
        if (tap_deliver(t, t->pending) == NET_NO_ROOM) {
            return 0;
        }
        t->pending = 0;
        count++;
        net_defer_now(t->update);
    }
    while (count < limit) {
        ssize_t n = read(t->fd, t->buffer, sizeof(t->buffer));

        if (n <= 0) {
            return n < 0 && errno != EAGAIN && errno != EINTR ? -errno : count;
        }
        count++;
        if (tap_deliver(t, n) == NET_NO_ROOM) {
            t->pending = n;
            net_defer_now(t->update);
            break;
        }
    }
    return count;
}

static void tap_ready(int fd, GIOCondition ready, void *opaque)
{
    Tap *t = opaque;

    if (ready & G_IO_OUT) {
        t->wants_out = false;
        tap_update(t);
        net_port_room(&t->nd.port);
    }
    /* A socket instead of a tap stays readable when its other end has gone. */
    if ((!(ready & G_IO_IN) || tap_read(t, NET_READ_BATCH) <= 0) && (ready & (G_IO_ERR | G_IO_HUP)) && !t->pending) {
        error_report("netdev '%s': tap interface '%s' is gone", t->nd.port.id, t->name);
        loop_watch_set(t->watch, 0);
    }
}

static void tap_peer_room(NetPort *p)
{
    tap_read(tap_of(p), NET_READ_BATCH);
}

static int tap_drain(NetPort *p)
{
    return tap_read(tap_of(p), NET_DRAIN_MAX);
}

/* ---- to the host ---- */
static NetResult tap_receive(NetPort *p, const NetFrame *f)
{
    Tap *t = tap_of(p);
    uint8_t hdr[NET_VNET_HDR_SIZE];
    struct iovec iov[2] = {{hdr, sizeof(hdr)}, {(void *)f->data, f->size}};
    ssize_t n;

    if (t->wants_out) {
        return NET_NO_ROOM;
    }
    net_vnet_hdr_put(hdr, &f->offload);
    hdr[0] &= NET_HDR_NEEDS_CSUM;
    do {
        n = t->has_vnet_hdr ? writev(t->fd, iov, 2) : write(t->fd, f->data, f->size);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EAGAIN) {
        t->wants_out = true;
        net_defer_now(t->update);
        return NET_NO_ROOM;
    }
    if (n < 0 && !t->write_errors++) { /* EIO: the interface is down, which is an unplugged cable */
        TRACE(tap_write_error, "%s: %s", p->id, g_strerror(errno));
    }
    return NET_DONE;
}

static void tap_set_offloads(NetPort *p, unsigned off)
{
    static const struct {
        unsigned ours, kernel;
    } map[] = {{NET_OFF_CSUM, TUN_F_CSUM}, {NET_OFF_TSO4, TUN_F_TSO4}, {NET_OFF_TSO6, TUN_F_TSO6},
               {NET_OFF_ECN, TUN_F_TSO_ECN}, {NET_OFF_UFO, TUN_F_UFO}};
    Tap *t = tap_of(p);
    unsigned flags = 0;

    if (!t->has_vnet_hdr) {
        return;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(map); i++) {
        flags |= off & map[i].ours ? map[i].kernel : 0;
    }
    /* Newer kernels know no UFO; what the guest cannot take is converted on the way in any case. */
    if (ioctl(t->fd, TUNSETOFFLOAD, flags) < 0 && ioctl(t->fd, TUNSETOFFLOAD, flags & ~TUN_F_UFO) < 0) {
        TRACE(tap_offload, "%s: %x: %s", p->id, flags, g_strerror(errno));
    }
}

/* A line per interface: eight figures of what it received, then those of what it sent; to us, that is. */
static int64_t tap_parse_drops(const char *text, const char *start)
{
    enum { COLUMN = 8 + 3 };
    g_auto(GStrv) lines = g_strsplit(text, "\n", 0);

    for (unsigned i = 0; lines[i]; i++) {
        const char *at = g_strchug(lines[i]);
        int64_t value = -1;

        if (!g_str_has_prefix(at, start)) {
            continue;
        }
        at += strlen(start);
        for (unsigned column = 0; column <= COLUMN; column++) {
            char *end;

            value = g_ascii_strtoll(at, &end, 10);
            if (end == at) {
                return -1;
            }
            at = end;
        }
        return value;
    }
    return -1;
}

/* In the pause: to open the file would take longer than to read it. */
static int64_t tap_read_drops(const Tap *t)
{
    g_autofree char *start = g_strdup_printf("%s:", t->name);
    g_autoptr(GString) text = g_string_new(NULL);
    char piece[4096];
    ssize_t got;

    for (off_t at = 0; t->devices_fd >= 0 && (got = pread(t->devices_fd, piece, sizeof(piece), at)) > 0; at += got) {
        g_string_append_len(text, piece, got);
    }
    return tap_parse_drops(text->str, start);
}

static int64_t tap_kernel_drops(NetPort *p)
{
    int64_t now = tap_read_drops(tap_of(p));

    return now < 0 || tap_of(p)->drops_at_start < 0 ? -1 : now - tap_of(p)->drops_at_start;
}

static void tap_info(NetPort *p, GString *out)
{
    Tap *t = tap_of(p);

    g_string_append_printf(out, ",ifname=%s,vnet_hdr=%s", t->name, t->has_vnet_hdr ? "on" : "off");
}

static const NetPortOps tap_ops = {
    .type = "tap",
    .receive = tap_receive,
    .peer_room = tap_peer_room,
    .drain = tap_drain,
    .set_offloads = tap_set_offloads,
    .kernel_drops = tap_kernel_drops,
    .info = tap_info,
    .can_capture = true,
};

/* ---- life ---- */
static bool run_script(Tap *t, const char *script, GError **errp)
{
    char *argv[] = {(char *)script, t->name, NULL};
    g_autofree char *message = NULL;
    GError *err = NULL;
    int status;

    if (!script || !*script || !strcmp(script, "no")) {
        return true;
    }
    if (!g_spawn_sync(NULL, argv, NULL, G_SPAWN_DEFAULT, NULL, NULL, NULL, NULL, &status, &err)) {
        message = g_strdup(err->message);
        g_error_free(err);
        return fail(errp, "netdev '%s': cannot run '%s': %s", t->nd.obj.id, script, message);
    }
    return (WIFEXITED(status) && WEXITSTATUS(status) == 0) ||
           fail(errp, "netdev '%s': '%s %s' failed with status %d", t->nd.obj.id, script, t->name,
                WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

static bool tap_open(Tap *t, GError **errp)
{
    struct ifreq ifr = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    unsigned features = 0;

    t->fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (t->fd < 0) {
        return fail_errno(errp, errno, "netdev '%s': cannot open /dev/net/tun", t->nd.obj.id);
    }
    if (t->ifname && strlen(t->ifname) >= IFNAMSIZ) {
        return fail(errp, "netdev '%s': ifname '%s' is longer than %d bytes", t->nd.obj.id, t->ifname, IFNAMSIZ - 1);
    }
    g_strlcpy(ifr.ifr_name, t->ifname ? t->ifname : "tap%d", IFNAMSIZ);
    if (t->vnet_hdr != ON_OFF_AUTO_OFF && ioctl(t->fd, TUNGETFEATURES, &features) == 0 && (features & IFF_VNET_HDR)) {
        ifr.ifr_flags |= IFF_VNET_HDR;
        t->has_vnet_hdr = true;
    }
    if (t->vnet_hdr == ON_OFF_AUTO_ON && !t->has_vnet_hdr) {
        return fail(errp, "netdev '%s': this kernel's tap has no vnet_hdr", t->nd.obj.id);
    }
    if (ioctl(t->fd, TUNSETIFF, &ifr) < 0) {
        return fail_errno(errp, errno, "netdev '%s': cannot make tap interface '%s'", t->nd.obj.id, ifr.ifr_name);
    }
    g_strlcpy(t->name, ifr.ifr_name, sizeof(t->name));
    return true;
}

static bool tap_adopt_fd(Tap *t, GError **errp)
{
    struct ifreq ifr = {0};

    if (t->ifname || t->script || t->downscript) {
        return fail(errp, "netdev '%s': ifname, script and downscript cannot be used with fd", t->nd.obj.id);
    }
    t->fd = netdev_parse_fd(t->fd_text, t->nd.obj.id, errp);
    if (t->fd < 0) {
        return false;
    }
    if (!fd_set_nonblocking(t->fd, true)) {
        return fail_errno(errp, errno, "netdev '%s': fd %s", t->nd.obj.id, t->fd_text);
    }
    if (ioctl(t->fd, TUNGETIFF, &ifr) == 0) { /* not a tap: a socket that carries one frame per datagram */
        t->has_vnet_hdr = ifr.ifr_flags & IFF_VNET_HDR;
        g_strlcpy(t->name, ifr.ifr_name, sizeof(t->name));
    }
    if (t->vnet_hdr == ON_OFF_AUTO_ON && !t->has_vnet_hdr) {
        return fail(errp, "netdev '%s': vnet_hdr=on, but the descriptor was opened without", t->nd.obj.id);
    }
    return true;
}

static bool tap_configure(Tap *t, GError **errp)
{
    int size = NET_VNET_HDR_SIZE, sndbuf = MIN(t->sndbuf ? t->sndbuf : INT_MAX, INT_MAX);

    if (t->has_vnet_hdr && ioctl(t->fd, TUNSETVNETHDRSZ, &size) < 0) {
        return fail_errno(errp, errno, "netdev '%s': cannot set the vnet header's size", t->nd.obj.id);
    }
    if (t->name[0] && ioctl(t->fd, TUNSETSNDBUF, &sndbuf) < 0 && t->sndbuf) {
        return fail_errno(errp, errno, "netdev '%s': cannot set sndbuf", t->nd.obj.id);
    }
    if (t->has_vnet_hdr) {
        ioctl(t->fd, TUNSETOFFLOAD, 0);
        t->nd.port.offloads = NET_OFF_CSUM | NET_OFF_TSO4 | NET_OFF_TSO6 | NET_OFF_ECN | NET_OFF_UFO;
    }
    return true;
}

/* Opening a tap plugs it in, and a bridge forwards on the port only when the kernel's link watch has noticed, up to a second
 * later on a busy host.  A guest that came in between would send into nothing.  So wait here, where nothing runs yet. */
static void tap_wait_for_link(const Tap *t)
{
    g_autofd int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int64_t deadline = time_monotonic_ns() + LINK_WAIT_NS;
    struct ifreq ifr = {0};

    g_strlcpy(ifr.ifr_name, t->name, IFNAMSIZ);
    while (t->name[0] && !net_world()->is_running && ioctl(sock, SIOCGIFFLAGS, &ifr) == 0 && (ifr.ifr_flags & IFF_UP) &&
           !(ifr.ifr_flags & IFF_RUNNING)) {
        if (time_monotonic_ns() >= deadline) {
            warn_report("netdev '%s': tap interface '%s' is up, but does not run", t->nd.obj.id, t->name);
            return;
        }
        usleep(LINK_STEP_US);
    }
}

static bool tap_realize(Object *o, GError **errp)
{
    Tap *t = (Tap *)o;

    t->fd = t->devices_fd = -1;
    if (!(t->fd_text ? tap_adopt_fd(t, errp) : tap_open(t, errp)) || !tap_configure(t, errp) ||
        !run_script(t, t->script, errp)) {
        return false;
    }
    tap_wait_for_link(t);
    t->is_down_pending = true;
    /* Not /sys/class/net: that shows the network namespace of whoever mounted it. */
    t->devices_fd = t->name[0] ? open("/proc/thread-self/net/dev", O_RDONLY | O_CLOEXEC) : -1;
    t->drops_at_start = tap_read_drops(t);
    t->update = net_defer_new(tap_update, t);
    netdev_start(&t->nd, &tap_ops);
    t->watch = loop_watch(t->fd, G_IO_IN, tap_ready, t);
    return true;
}

static void tap_unrealize(Object *o)
{
    Tap *t = (Tap *)o;
    GError *err = NULL;

    loop_watch_free(t->watch);
    t->watch = NULL;
    net_defer_free(t->update);
    t->update = NULL;
    if (t->is_down_pending && !run_script(t, t->downscript, &err)) {
        error_report_free(NULL, err);
    }
    t->is_down_pending = false;
    fd_clear(&t->fd);
    fd_clear(&t->devices_fd);
}

static const Property tap_props[] = {
    PROP_STR("ifname", Tap, ifname, NULL, "interface name; a pattern like tap%d is allowed"),
    PROP_STR("fd", Tap, fd_text, NULL, "an open tap descriptor instead"),
    PROP_STR("script", Tap, script, NULL, "run with the interface's name once it is there; no: none (default)"),
    PROP_STR("downscript", Tap, downscript, NULL, "run before it goes; no: none (default)"),
    {.name = "vnet_hdr", .type = &prop_on_off_auto, .offset = offsetof(Tap, vnet_hdr),
     .about = "offloads travel in a header before each frame (default: if the kernel can)"},
    PROP_SIZE("sndbuf", Tap, sndbuf, 0, "limit of bytes in flight towards the host; 0: none"),
    {},
};

const ObjectType netdev_tap_type = {
    .name = "tap",
    .parent = "netdev",
    .about = "a tap interface of the host",
    .kind = KIND_NETDEV,
    .size = sizeof(Tap),
    .props = tap_props,
    .realize = tap_realize,
    .unrealize = tap_unrealize,
    .flags = TYPE_USER_CREATABLE | TYPE_HOTPLUG,
};
