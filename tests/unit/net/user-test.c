/* tests/unit/net/user-test.c - the user netdev answers as a small network would; announcing; tap by descriptor.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "config-host.h"
#include "net/announce.h"
#include "net/chain.h"
#include "net/net.h"
#include "net/port.h"
#include "net/user.h"
#include "object/object.h"
#include "system/handoff.h"
#include "system/runstate.h"
#include "system/vm-lock.h"
#include "util/bytes.h"
#include "util/fd.h"
#include "util/loop.h"

#include <string.h>
#include <sys/socket.h>

typedef struct Guest {
    NetPort nic;
    GPtrArray *got; /* GBytes */
    unsigned room, announced;
} Guest;

static NetResult guest_receive(NetPort *p, const NetFrame *f)
{
    Guest *g = p->opaque;

    if (!g->room) {
        return NET_NO_ROOM;
    }
    g->room--;
    g_ptr_array_add(g->got, g_bytes_new(f->data, f->size));
    return NET_DONE;
}

static bool guest_announce(NetPort *p)
{
    ((Guest *)p->opaque)->announced++;
    return true;
}

static const NetPortOps guest_ops = {.type = "guest", .receive = guest_receive, .announce = guest_announce};

static void guest_init(Guest *g)
{
    *g = (Guest){.got = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref), .room = UINT_MAX};
    g->nic.is_nic = true;
    memcpy(g->nic.mac, "\x52\x54\0\x12\x34\x56", 6);
    net_port_init(&g->nic, "nic0", &guest_ops, g);
    g_assert_true(net_port_connect(&g->nic, "n0", NULL));
    net_world_set_running(net_world(), true);
}

static void settle(void)
{
    while (g_main_context_iteration(NULL, false)) {
    }
}

static void guest_clear(Guest *g)
{
    net_port_destroy(&g->nic);
    g_ptr_array_unref(g->got);
    g_assert_true(netdev_del("n0", NULL));
    settle();
}

static void wait_for(Guest *g, unsigned frames)
{
    int64_t deadline = time_monotonic_ns() + 10 * NS_PER_SEC;

    settle();
    while (g->got->len < frames) {
        g_assert_cmpint(time_monotonic_ns(), <, deadline);
        g_main_context_iteration(NULL, true);
    }
}

static bool add(const char *text, GError **errp)
{
    g_autoptr(Json) options = json_parse(text, strlen(text), NULL);

    return netdev_add(options, errp);
}

static const uint8_t *frame(const Guest *g, unsigned i)
{
    return g_bytes_get_data(g->got->pdata[i], NULL);
}

#if CONFIG_SLIRP
static void ask_who_has(Guest *g, const uint8_t ip[4])
{
    uint8_t data[60] = {0};

    memset(data, 0xff, 6);
    memcpy(data + 6, g->nic.mac, 6);
    memcpy(data + 12, "\x08\x06\0\1\x08\0\6\4\0\1", 10);
    memcpy(data + 22, g->nic.mac, 6);
    memcpy(data + 28, "\x0a\0\2\x0f", 4);
    memcpy(data + 38, ip, 4);
    g_assert_cmpint(net_port_send(&g->nic, &(NetFrame){.data = data, .size = sizeof(data)}), ==, NET_DONE);
}

static void host_answers_arp(void)
{
    GError *err = NULL;
    Guest g;

    add("{'type': 'user', 'id': 'n0'}", &err);
    g_assert_no_error(err);
    guest_init(&g);
    ask_who_has(&g, (const uint8_t *)"\x0a\0\2\2");
    g_assert_cmpuint(g.got->len, ==, 0); /* never from within the guest's own sending */
    wait_for(&g, 1);
    g_assert_cmphex(load_be16(frame(&g, 0) + 12), ==, 0x0806);
    g_assert_cmpmem(frame(&g, 0) + 28, 4, "\x0a\0\2\2", 4);
    guest_clear(&g);
}

static void answers_wait_for_room_in_order(void)
{
    GError *err = NULL;
    Guest g;

    add("{'type': 'user', 'id': 'n0', 'net': '192.168.7.0/24', 'host': '192.168.7.9', 'dns': '192.168.7.8'}", &err);
    g_assert_no_error(err);
    guest_init(&g);
    g.room = 0;
    ask_who_has(&g, (const uint8_t *)"\xc0\xa8\7\x09");
    ask_who_has(&g, (const uint8_t *)"\xc0\xa8\7\x08");
    settle();
    g_assert_cmpuint(g.got->len, ==, 0);
    g.room = 5;
    net_port_room(&g.nic);
    wait_for(&g, 2);
    g_assert_cmpint(frame(&g, 0)[31], ==, 9);
    g_assert_cmpint(frame(&g, 1)[31], ==, 8);
    guest_clear(&g);
}

static void wrong_options_are_named(void)
{
    static const struct {
        const char *text, *why;
    } rows[] = {
        {"{'type': 'user', 'id': 'n0', 'net': '10.0.2.0/99'}", "net '10.0.2.0/99'"},
        {"{'type': 'user', 'id': 'n0', 'host': 'x'}", "host 'x'"},
        {"{'type': 'user', 'id': 'n0', 'hostfwd': 'tcp:22'}", "hostfwd 'tcp:22'"},
        {"{'type': 'user', 'id': 'n0', 'hostfwd': [{'str': 'tcp::0-:0'}]}", "hostfwd 'tcp::0-:0'"},
        {"{'type': 'user', 'id': 'n0', 'guestfwd': 'x'}", "accepted: "},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        GError *err = NULL;

        g_assert_false(add(rows[i].text, &err));
        g_assert_nonnull(strstr(err->message, rows[i].why));
        g_error_free(err);
        settle();
    }
}

static void leases_travel(void)
{
    HandoffPart *p = handoff_find("slirp");
    StateWriter *w = state_writer_new();
    g_autofree uint8_t *copy = NULL;
    GError *err = NULL;
    const uint8_t *data;
    StateReader r;
    size_t size;

    g_assert_false(p->wanted(p));
    add("{'type': 'user', 'id': 'n0', 'hostfwd': 'tcp:127.0.0.1:0-:22'}", &err);
    g_assert_no_error(err);
    g_assert_true(p->wanted(p));
    g_assert_true(p->save(p, w, NULL));
    data = state_writer_data(w, &size);
    state_reader_init(&r, data, size, "slirp");
    p->load(p, &r, &err);
    g_assert_no_error(err);
    g_assert_cmpuint(state_left(&r), ==, 0);
    state_reader_init(&r, data, size - 5, "slirp");
    g_assert_false(p->load(p, &r, &err));
    g_clear_error(&err);
    copy = g_memdup2(data, size);
    copy[3 + 4 + 4] = 42; /* behind the name, the version and the length: a connection's state follows */
    state_reader_init(&r, copy, size, "slirp");
    g_assert_false(p->load(p, &r, &err));
    g_assert_nonnull(strstr(err->message, "connections"));
    g_error_free(err);
    state_writer_free(w);
    g_assert_true(netdev_del("n0", NULL));
    settle();
}
#endif

/* ---- announcing ---- */
static bool is_rarp(Guest *g, const uint8_t *data, size_t size)
{
    return size == NET_RARP_SIZE && load_be16(data + 12) == 0x8035 && !memcmp(data + 6, g->nic.mac, 6) &&
           !memcmp(data + 22, g->nic.mac, 6) && load_be16(data + 20) == 3;
}

static void rounds_are_sent_and_bounded(void)
{
    NetAnnounce a = {.initial_ms = 1, .max_ms = 2, .rounds = 3, .step_ms = 1};
    int64_t deadline = time_monotonic_ns() + 10 * NS_PER_SEC;
    g_autofree char *text = NULL;
    uint8_t data[100];
    unsigned rounds = 0;
    GError *err = NULL;
    int fds[2];
    Guest g;

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_DGRAM, 0, fds), ==, 0);
    fd_set_nonblocking(fds[1], true);
    text = g_strdup_printf("{'type': 'tap', 'id': 'n0', 'fd': '%d'}", fds[0]); /* any descriptor with a frame per read */
    add(text, &err);
    g_assert_no_error(err);
    guest_init(&g);
    g_assert_true(net_announce_start(&a, NULL, NULL, NULL));
    g_assert_cmpuint(g.announced, ==, 0); /* first the guest does what it came for */
    while (rounds < 3) {
        ssize_t n = read(fds[1], data, sizeof(data));

        g_assert_cmpint(time_monotonic_ns(), <, deadline);
        if (n > 0) {
            g_assert_true(is_rarp(&g, data, n));
            rounds++;
        } else {
            g_main_context_iteration(NULL, true);
        }
    }
    settle();
    g_assert_cmpint(read(fds[1], data, sizeof(data)), ==, -1);
    g_assert_cmpuint(g.announced, ==, 1); /* the driver is asked once */
    a.rounds = 1;
    g_assert_true(net_announce_start(&a, NULL, NULL, NULL));
    g_assert_cmpuint(g.announced, ==, 2); /* there is no other round */
    a.rounds = 1001;
    g_assert_false(net_announce_start(&a, NULL, NULL, &err));
    g_clear_error(&err);
    close(fds[1]);
    guest_clear(&g);
}

static void freeze_ends_the_rounds(void)
{
    NetAnnounce a = {.initial_ms = 0, .max_ms = 0, .rounds = 1000};
    HandoffPart *p = handoff_find("announce");
    g_autofree char *text = NULL;
    uint8_t data[100];
    int fds[2];
    Guest g;

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_DGRAM, 0, fds), ==, 0);
    fd_set_nonblocking(fds[1], true);
    text = g_strdup_printf("{'type': 'tap', 'id': 'n0', 'fd': '%d'}", fds[0]);
    g_assert_true(add(text, NULL));
    guest_init(&g);
    g_assert_true(net_announce_start(&a, NULL, NULL, NULL));
    p->freeze(p);
    while (read(fds[1], data, sizeof(data)) > 0) {
    }
    settle();
    g_assert_cmpint(read(fds[1], data, sizeof(data)), ==, -1);
    net_world_set_running(net_world(), false); /* nor does a guest that stands still */
    g_assert_true(net_announce_start(&a, NULL, NULL, NULL));
    settle();
    g_assert_cmpint(read(fds[1], data, sizeof(data)), ==, -1);
    p->freeze(p);
    close(fds[1]);
    guest_clear(&g);
}

static void tap_keeps_the_frame_that_finds_no_room(void)
{
    g_autofree char *text = NULL;
    uint8_t data[60] = {2};
    GError *err = NULL;
    int fds[2];
    Guest g;

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_DGRAM, 0, fds), ==, 0);
    text = g_strdup_printf("{'type': 'tap', 'id': 'n0', 'fd': '%d'}", fds[0]);
    add(text, &err);
    g_assert_no_error(err);
    guest_init(&g);
    g.room = 1;
    for (unsigned i = 0; i < 4; i++) {
        data[20] = i;
        g_assert_cmpint(write(fds[1], data, sizeof(data)), ==, sizeof(data));
    }
    settle();
    g_assert_cmpuint(g.got->len, ==, 1);
    g.room = UINT_MAX;
    net_port_room(&g.nic);
    settle();
    g_assert_cmpuint(g.got->len, ==, 4);
    for (unsigned i = 0; i < 4; i++) {
        g_assert_cmpint(frame(&g, i)[20], ==, i);
    }
    close(fds[1]);
    guest_clear(&g);
}

/* It is readable for ever, and the loop would do nothing else. */
static void the_end_of_a_descriptor_is_seen_once(void)
{
    g_autofree char *text = NULL;
    uint8_t data[60] = {2};
    int fds[2];
    Guest g;

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), ==, 0);
    text = g_strdup_printf("{'type': 'tap', 'id': 'n0', 'fd': '%d'}", fds[0]);
    g_assert_true(add(text, NULL));
    guest_init(&g);
    g_assert_cmpint(write(fds[1], data, sizeof(data)), ==, sizeof(data));
    close(fds[1]);
    settle();
    g_assert_cmpuint(g.got->len, ==, 1);
    guest_clear(&g);
}

static const ObjectType *const types[] = {
    &netdev_type, &netdev_tap_type,
#if CONFIG_SLIRP
    &netdev_user_type,
#endif
    NULL,
};

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    loop_init();
    runstate_init();
    vm_lock();
    types_register(types);
#if CONFIG_SLIRP
    net_user_init();
    g_test_add_func("/net/user/host_answers_arp", host_answers_arp);
    g_test_add_func("/net/user/answers_wait_for_room_in_order", answers_wait_for_room_in_order);
    g_test_add_func("/net/user/wrong_options_are_named", wrong_options_are_named);
    g_test_add_func("/net/user/leases_travel", leases_travel);
#endif
    g_test_add_func("/net/announce/rounds_are_sent_and_bounded", rounds_are_sent_and_bounded);
    net_announce_init();
    g_test_add_func("/net/announce/freeze_ends_the_rounds", freeze_ends_the_rounds);
    g_test_add_func("/net/tap/keeps_the_frame_that_finds_no_room", tap_keeps_the_frame_that_finds_no_room);
    g_test_add_func("/net/tap/the_end_of_a_descriptor_is_seen_once", the_end_of_a_descriptor_is_seen_once);
    return g_test_run();
}
