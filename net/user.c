/* net/user.c - netdev without rights: the guest's TCP and UDP become sockets of this process, by libslirp.
 * Guarded by: vm_lock.  Page: docs/net.md.  Test: tests/unit/net/user-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * libslirp cannot wait: what it sends while the guest has no room is queued up to a bound; beyond it is dropped, counted
 * and said.  Its descriptors are watched one by one, and looked at anew after whatever could have changed them. */
#include "netdev.h"

#include "user.h"

#include "system/clock.h"
#include "system/handoff.h"
#include "util/error.h"
#include "util/log.h"
#include "util/loop.h"

#include "queue.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <libslirp.h>
#include <string.h>

#define QUEUE_BYTES_MAX (8 * 1024 * 1024)
#define STATE_BYTES_MAX (1024 * 1024)

typedef struct UserWatch {
    int fd, events, revents; /* SLIRP_POLL_* */
    LoopWatch *watch;
    struct User *user;
} UserWatch;

typedef struct User {
    Netdev nd;
    char *hostname, *net, *host, *dhcpstart, *dns, *domainname;
    Json *hostfwd;
    bool restricted, ipv4, ipv6;

    Slirp *slirp;
    GPtrArray *watches; /* of UserWatch; the index is slirp's */
    unsigned polled;
    LoopTimer *timeout;
    NetDefer *refresh, *deliver;
    NetQueue queue;     /* towards the guest */
    uint64_t dropped;   /* frames */
} User;

static User *user_of(NetPort *p)
{
    return p->opaque;
}

/* ---- what slirp waits for ---- */
static const struct {
    int slirp;
    GIOCondition loop;
} poll_map[] = {{SLIRP_POLL_IN, G_IO_IN}, {SLIRP_POLL_OUT, G_IO_OUT}, {SLIRP_POLL_PRI, G_IO_PRI},
                {SLIRP_POLL_ERR, G_IO_ERR}, {SLIRP_POLL_HUP, G_IO_HUP}};

static GIOCondition to_loop(int events)
{
    GIOCondition c = 0;

    for (unsigned i = 0; i < G_N_ELEMENTS(poll_map); i++) {
        c |= events & poll_map[i].slirp ? poll_map[i].loop : 0;
    }
    return c;
}

static int to_slirp(GIOCondition c)
{
    int events = 0;

    for (unsigned i = 0; i < G_N_ELEMENTS(poll_map); i++) {
        events |= c & poll_map[i].loop ? poll_map[i].slirp : 0;
    }
    return events;
}

static int get_revents(int index, void *opaque)
{
    User *u = opaque;

    return index >= 0 && index < u->watches->len ? ((UserWatch *)u->watches->pdata[index])->revents : 0;
}

/* The watched descriptor said something: slirp looks at all that did. */
static void user_poll(User *u)
{
    slirp_pollfds_poll(u->slirp, 0, get_revents, u);
    for (unsigned i = 0; i < u->watches->len; i++) {
        ((UserWatch *)u->watches->pdata[i])->revents = 0;
    }
    net_defer(u->refresh);
}

static void watch_ready(int fd, GIOCondition ready, void *opaque)
{
    UserWatch *w = opaque;

    w->revents = to_slirp(ready);
    user_poll(w->user);
}

static void timeout_due(void *opaque)
{
    user_poll(opaque);
}

static void watch_set(UserWatch *w, int fd, int events)
{
    if (w->watch && w->fd == fd && w->events == events) {
        return;
    }
    loop_watch_free(w->watch);
    w->fd = fd;
    w->events = events;
    w->watch = loop_watch(fd, to_loop(events), watch_ready, w);
}

static int add_poll(int fd, int events, void *opaque)
{
    User *u = opaque;
    UserWatch *w;

    if (u->polled == u->watches->len) {
        w = g_new0(UserWatch, 1);
        w->user = u;
        g_ptr_array_add(u->watches, w);
    }
    w = u->watches->pdata[u->polled];
    watch_set(w, fd, events);
    return u->polled++;
}

static void user_refresh(void *opaque)
{
    User *u = opaque;
    uint32_t timeout_ms = UINT32_MAX;

    u->polled = 0;
    slirp_pollfds_fill(u->slirp, &timeout_ms, add_poll, u);
    for (unsigned i = u->polled; i < u->watches->len; i++) {
        UserWatch *w = u->watches->pdata[i];

        loop_watch_free(w->watch);
        w->watch = NULL;
    }
    if (timeout_ms == UINT32_MAX) {
        loop_timer_cancel(u->timeout);
    } else {
        loop_timer_set(u->timeout, time_monotonic_ns() + timeout_ms * NS_PER_MS);
    }
}

/* ---- towards the guest ---- */
static void user_deliver(void *opaque)
{
    User *u = opaque;
    NetEntry *e;

    while ((e = net_queue_head(&u->queue))) {
        if (net_port_send(&u->nd.port, &e->frame) == NET_NO_ROOM) {
            return;
        }
        net_queue_pop(&u->queue);
    }
}

static void user_peer_room(NetPort *p)
{
    user_deliver(user_of(p));
}

static ssize_t send_packet(const void *data, size_t size, void *opaque)
{
    User *u = opaque;
    uint8_t padded[60] = {0};
    NetFrame f = {.data = data, .size = size};

    if (size < sizeof(padded)) {
        f.data = memcpy(padded, data, size);
        f.size = sizeof(padded);
    }
    if (u->queue.bytes + net_queue_cost(f.size) > QUEUE_BYTES_MAX) {
        if (!u->dropped++) {
            warn_report("netdev '%s': the guest takes no frames, %d MiB wait; further ones are dropped", u->nd.obj.id,
                        QUEUE_BYTES_MAX >> 20);
        }
        return size;
    }
    net_queue_push(&u->queue, &f);
    net_defer(u->deliver); /* never from within the guest's own sending */
    return size;
}

static NetResult user_receive(NetPort *p, const NetFrame *f)
{
    User *u = user_of(p);

    slirp_input(u->slirp, f->data, f->size);
    net_defer(u->refresh);
    return NET_DONE;
}

static void user_info(NetPort *p, GString *out)
{
    User *u = user_of(p);
    g_autofree char *connections = g_strchomp(slirp_connection_info(u->slirp));

    g_string_append_printf(out, ",net=%s,restrict=%s,dropped=%" PRIu64, u->net ? u->net : "10.0.2.0/24",
                           u->restricted ? "on" : "off", u->dropped);
    g_string_append_printf(out, "\n%s", connections);
}

static const NetPortOps user_ops = {
    .type = "user",
    .receive = user_receive,
    .peer_room = user_peer_room,
    .info = user_info,
};

/* ---- callbacks of libslirp ---- */
static void slirp_guest_error(const char *msg, void *opaque)
{
    guest_error(((User *)opaque)->nd.obj.id, "%s", msg);
}

static int64_t slirp_clock(void *opaque)
{
    return clock_virtual_ns();
}

typedef struct UserTimer {
    Timer *timer;
    SlirpTimerCb fn;
    void *opaque;
} UserTimer;

static void slirp_timer_due(void *opaque)
{
    UserTimer *t = opaque;

    t->fn(t->opaque);
}

static void *slirp_timer_new(SlirpTimerCb fn, void *cb_opaque, void *opaque)
{
    UserTimer *t = g_new0(UserTimer, 1);

    t->fn = fn;
    t->opaque = cb_opaque;
    t->timer = timer_new(slirp_timer_due, t);
    return t;
}

static void slirp_timer_free(void *timer, void *opaque)
{
    UserTimer *t = timer;

    timer_free(t->timer);
    g_free(t);
}

static void slirp_timer_mod(void *timer, int64_t expire_ms, void *opaque)
{
    timer_set(((UserTimer *)timer)->timer, expire_ms * NS_PER_MS);
}

static void slirp_register_fd(int fd, void *opaque)
{
}

/* slirp closes fd next: its number may come back as another file before the refresh. */
static void slirp_unregister_fd(int fd, void *opaque)
{
    User *u = opaque;

    for (unsigned i = 0; u->watches && i < u->watches->len; i++) {
        UserWatch *w = u->watches->pdata[i];

        if (w->watch && w->fd == fd) {
            w->fd = -1; /* the watch itself is the main thread's; refresh renews it */
        }
    }
    net_defer(u->refresh);
}

static void slirp_notify(void *opaque)
{
    net_defer(((User *)opaque)->refresh);
}

static const SlirpCb slirp_callbacks = {
    .send_packet = send_packet,
    .guest_error = slirp_guest_error,
    .clock_get_ns = slirp_clock,
    .timer_new = slirp_timer_new,
    .timer_free = slirp_timer_free,
    .timer_mod = slirp_timer_mod,
    .register_poll_fd = slirp_register_fd,
    .unregister_poll_fd = slirp_unregister_fd,
    .notify = slirp_notify,
};

/* ---- options ---- */
static bool parse_ip(const User *u, const char *name, const char *text, struct in_addr *ret, GError **errp)
{
    return !text || inet_pton(AF_INET, text, ret) == 1 ||
           fail(errp, "netdev '%s': %s '%s' is not an IPv4 address", u->nd.obj.id, name, text);
}

static bool parse_net(const User *u, SlirpConfig *c, GError **errp)
{
    const char *text = u->net ? u->net : "10.0.2.0/24", *slash = strchr(text, '/');
    g_autofree char *address = slash ? g_strndup(text, slash - text) : g_strdup(text);
    guint64 bits = 24;
    uint32_t mask;

    if ((slash && !g_ascii_string_to_unsigned(slash + 1, 10, 4, 28, &bits, NULL)) ||
        inet_pton(AF_INET, address, &c->vnetwork) != 1) {
        return fail(errp, "netdev '%s': net '%s' is not ADDRESS/BITS with 4 to 28 bits", u->nd.obj.id, text);
    }
    mask = ~0u << (32 - bits);
    c->vnetmask.s_addr = htonl(mask);
    c->vnetwork.s_addr &= c->vnetmask.s_addr;
    c->vhost.s_addr = c->vnetwork.s_addr | htonl(2);
    c->vnameserver.s_addr = c->vnetwork.s_addr | htonl(3);
    c->vdhcp_start.s_addr = c->vnetwork.s_addr | htonl(15);
    return parse_ip(u, "host", u->host, &c->vhost, errp) && parse_ip(u, "dns", u->dns, &c->vnameserver, errp) &&
           parse_ip(u, "dhcpstart", u->dhcpstart, &c->vdhcp_start, errp);
}

/* "tcp:[HOSTADDR]:PORT-[GUESTADDR]:PORT" */
static bool parse_end(const char *text, struct in_addr *addr, int *port)
{
    g_auto(GStrv) parts = g_strsplit(text, ":", 3);
    guint64 n;

    if (g_strv_length(parts) != 2 || !g_ascii_string_to_unsigned(parts[1], 10, 0, 65535, &n, NULL)) {
        return false;
    }
    *port = n;
    return !*parts[0] || inet_pton(AF_INET, parts[0], addr) == 1;
}

bool net_user_forward(NetPort *p, const char *rule, GError **errp)
{
    User *u = user_of(p);
    struct in_addr host = {.s_addr = INADDR_ANY}, guest = {0};
    bool udp = g_str_has_prefix(rule, "udp:");
    const char *rest = udp || g_str_has_prefix(rule, "tcp:") ? rule + 4 : g_str_has_prefix(rule, ":") ? rule : NULL;
    g_auto(GStrv) ends = rest ? g_strsplit(rest, "-", 2) : NULL;
    int host_port, guest_port;

    if (!ends || g_strv_length(ends) != 2 || !parse_end(ends[0], &host, &host_port) ||
        !parse_end(ends[1], &guest, &guest_port) || !guest_port) {
        return fail(errp, "netdev '%s': hostfwd '%s' is not tcp|udp:[ADDRESS]:PORT-[ADDRESS]:PORT", u->nd.obj.id, rule);
    }
    if (slirp_add_hostfwd(u->slirp, udp, host, host_port, guest, guest_port) < 0) {
        return fail_errno(errp, errno, "netdev '%s': cannot forward '%s'", u->nd.obj.id, rule);
    }
    net_defer(u->refresh);
    return true;
}

/* A string, or a list of strings or of {"str": ...}. */
static bool add_forwards(User *u, const Json *j, GError **errp)
{
    const char *text = json_is(j, JSON_DICT) ? json_get_str(j, "str") : json_get_string(j);

    if (!j) {
        return true;
    }
    if (!json_is(j, JSON_LIST)) {
        return text ? net_user_forward(&u->nd.port, text, errp) : fail(errp, "hostfwd: a string is wanted");
    }
    for (size_t i = 0; i < json_size(j); i++) {
        if (json_is(json_at(j, i), JSON_LIST)) {
            return fail(errp, "hostfwd: a list of strings is wanted");
        }
        if (!add_forwards(u, json_at(j, i), errp)) {
            return false;
        }
    }
    return true;
}

/* ---- life ---- */
static bool user_realize(Object *o, GError **errp)
{
    User *u = (User *)o;
    SlirpConfig c = {.version = 1, .restricted = u->restricted, .in_enabled = u->ipv4, .in6_enabled = u->ipv6,
                     .vhostname = u->hostname, .vdomainname = u->domainname, .vprefix_len = 64};

    if (!parse_net(u, &c, errp)) {
        return false;
    }
    inet_pton(AF_INET6, "fec0::", &c.vprefix_addr6);
    inet_pton(AF_INET6, "fec0::2", &c.vhost6);
    inet_pton(AF_INET6, "fec0::3", &c.vnameserver6);
    u->watches = g_ptr_array_new_with_free_func(g_free);
    u->refresh = net_defer_new(user_refresh, u);
    u->deliver = net_defer_new(user_deliver, u);
    u->timeout = loop_timer_new(timeout_due, u);
    u->slirp = slirp_new(&c, &slirp_callbacks, u);
    if (!u->slirp) {
        return fail(errp, "netdev '%s': libslirp refuses the options", o->id);
    }
    netdev_start(&u->nd, &user_ops);
    if (!add_forwards(u, u->hostfwd, errp)) {
        return false;
    }
    net_defer(u->refresh);
    return true;
}

static void user_unrealize(Object *o)
{
    User *u = (User *)o;

    if (u->slirp) {
        slirp_cleanup(u->slirp);
    }
    u->slirp = NULL;
    for (unsigned i = 0; u->watches && i < u->watches->len; i++) {
        loop_watch_free(((UserWatch *)u->watches->pdata[i])->watch);
    }
    g_clear_pointer(&u->watches, g_ptr_array_unref);
    loop_timer_free(u->timeout);
    net_defer_free(u->refresh);
    net_defer_free(u->deliver);
    net_queue_clear(&u->queue);
}

static const Property user_props[] = {
    PROP_STR("hostname", User, hostname, NULL, "what DHCP calls the guest"),
    PROP_BOOL("restrict", User, restricted, false, "the guest reaches nothing outside; hostfwd works"),
    PROP_BOOL("ipv4", User, ipv4, true, "IPv4"),
    PROP_BOOL("ipv6", User, ipv6, true, "IPv6"),
    PROP_STR("net", User, net, NULL, "the guest's network, ADDRESS/BITS (10.0.2.0/24)"),
    PROP_STR("host", User, host, NULL, "our address in it (.2)"),
    PROP_STR("dhcpstart", User, dhcpstart, NULL, "first address that DHCP gives out (.15)"),
    PROP_STR("dns", User, dns, NULL, "address of the name server (.3)"),
    PROP_STR("domainname", User, domainname, NULL, "what DHCP says of the domain"),
    PROP_JSON("hostfwd", User, hostfwd, "tcp|udp:[ADDRESS]:PORT-[ADDRESS]:PORT, one or a list"),
    {},
};

const ObjectType netdev_user_type = {
    .name = "user",
    .parent = "netdev",
    .about = "the guest's TCP and UDP become sockets of this process",
    .kind = KIND_NETDEV,
    .size = sizeof(User),
    .props = user_props,
    .realize = user_realize,
    .unrealize = user_unrealize,
    .flags = TYPE_USER_CREATABLE | TYPE_HOTPLUG,
};

/* ---- handoff: addresses that DHCP gave out travel; sockets of this process cannot, their connections are reset when
 * the guest sends next (libslirp answers a segment of an unknown connection with RST) ---- */
static ssize_t save_bytes(const void *data, size_t size, void *opaque)
{
    g_byte_array_append(opaque, data, size);
    return size;
}

typedef struct LoadBytes {
    const uint8_t *at;
    size_t left;
} LoadBytes;

static ssize_t load_bytes(void *data, size_t size, void *opaque)
{
    LoadBytes *l = opaque;

    if (size > l->left) {
        return -1;
    }
    memcpy(data, l->at, size);
    l->at += size;
    l->left -= size;
    return size;
}

static void save_one(NetPort *p, void *opaque)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    StateWriter *w = opaque;

    if (p->ops != &user_ops) {
        return;
    }
    slirp_state_save(user_of(p)->slirp, save_bytes, bytes);
    state_put_str8(w, p->id);
    state_put_be32(w, slirp_state_version());
    state_put_be32(w, bytes->len);
    state_put(w, bytes->data, bytes->len);
}

static bool slirp_save(HandoffPart *p, StateWriter *w, GError **errp)
{
    net_port_foreach(save_one, w);
    state_put_str8(w, "");
    return true;
}

static bool load_one(StateReader *r, const char *id, GError **errp)
{
    NetPort *p = net_port_find(id);
    uint32_t version, size;
    g_autofree uint8_t *bytes = NULL;
    LoadBytes l;

    if (!state_get_be32(r, &version, errp) || !state_get_be32(r, &size, errp)) {
        return false;
    }
    if (size > STATE_BYTES_MAX || size > state_left(r)) {
        return fail(errp, "slirp: state of netdev '%s' announces %u bytes", id, size);
    }
    bytes = g_malloc(size);
    if (!state_get(r, bytes, size, errp)) {
        return false;
    }
    if (!p || p->ops != &user_ops) {
        warn_report("slirp: no netdev '%s' of type user here; its leases are forgotten", id);
        return true;
    }
    /* libslirp's own connections come first, each behind a byte; we make none, and their lengths would be believed. */
    if (size && bytes[0]) {
        return fail(errp, "slirp: state of netdev '%s' holds connections, which do not travel", id);
    }
    l = (LoadBytes){bytes, size};
    return (version <= slirp_state_version() && slirp_state_load(user_of(p)->slirp, version, load_bytes, &l) >= 0) ||
           fail(errp, "slirp: state of netdev '%s' (version %u) does not load", id, version);
}

static bool slirp_load(HandoffPart *p, StateReader *r, GError **errp)
{
    char id[256];

    for (;;) {
        if (!state_get_str8(r, id, errp)) {
            return false;
        }
        if (!id[0]) {
            return true;
        }
        if (!load_one(r, id, errp)) {
            return false;
        }
    }
}

static void is_user(NetPort *p, void *opaque)
{
    *(bool *)opaque |= p->ops == &user_ops;
}

static bool slirp_wanted(HandoffPart *p)
{
    bool found = false;

    net_port_foreach(is_user, &found);
    return found;
}

static HandoffPart slirp_part = {
    .name = "slirp", .order = 40, .wanted = slirp_wanted, .save = slirp_save, .load = slirp_load,
};

void net_user_init(void)
{
    handoff_register(&slirp_part);
}
