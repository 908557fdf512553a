/* tests/unit/net/stream-test.c - stream and dgram netdevs by bytes, over sockets of this process.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/net.h"
#include "net/port.h"
#include "object/object.h"
#include "qapi/qmp.h"
#include "util/bytes.h"
#include "util/fd.h"
#include "util/loop.h"

#include "net/chain.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

typedef struct Guest {
    NetPort nic;
    GByteArray *got;  /* bytes of the frames, one after the other */
    unsigned frames, room, room_calls;
} Guest;

static GString *events;

static void note_event(const char *name, Json *data, int64_t at_ns)
{
    g_string_append_printf(events, "%s %s;", name, json_get_str(data, "netdev-id"));
    json_unref(data);
}

static NetResult guest_receive(NetPort *p, const NetFrame *f)
{
    Guest *g = p->opaque;

    if (!g->room) {
        return NET_NO_ROOM;
    }
    g->room--;
    g->frames++;
    g_byte_array_append(g->got, f->data, f->size);
    return NET_DONE;
}

static void guest_peer_room(NetPort *p)
{
    ((Guest *)p->opaque)->room_calls++;
}

static const NetPortOps guest_ops = {.type = "guest", .receive = guest_receive, .peer_room = guest_peer_room};

static void settle(void)
{
    while (g_main_context_iteration(NULL, false)) {
    }
}

static void guest_init(Guest *g)
{
    *g = (Guest){.got = g_byte_array_new(), .room = UINT_MAX};
    g->nic.is_nic = true;
    net_port_init(&g->nic, "nic0", &guest_ops, g);
    g_assert_true(net_port_connect(&g->nic, "n0", NULL));
    net_world_set_running(net_world(), true);
    settle();
}

static void guest_clear(Guest *g)
{
    net_port_destroy(&g->nic);
    g_byte_array_unref(g->got);
    g_assert_true(netdev_del("n0", NULL));
    settle();
}

static void add(const char *text)
{
    GError *err = NULL;
    g_autoptr(Json) options = json_parse(text, strlen(text), &err);

    g_assert_no_error(err);
    netdev_add(options, &err);
    g_assert_no_error(err);
    settle();
}

static void refuse(const char *text, const char *why)
{
    GError *err = NULL;
    g_autoptr(Json) options = json_parse(text, strlen(text), &err);

    g_assert_false(netdev_add(options, &err));
    if (!strstr(err->message, why)) {
        g_error("'%s' does not say '%s'", err->message, why);
    }
    g_error_free(err);
    settle();
}

/* A netdev over one end of a socket pair; returns the other. */
static int add_over_pair(const char *type, int kind)
{
    g_autofree char *text = NULL;
    int fds[2];

    g_assert_cmpint(socketpair(AF_UNIX, kind, 0, fds), ==, 0);
    fd_set_nonblocking(fds[1], true);
    text = g_strdup_printf("{'type': '%s', 'id': 'n0', '%s': {'type': 'fd', 'str': '%d'}}", type,
                           kind == SOCK_STREAM ? "addr" : "local", fds[0]);
    add(text);
    return fds[1];
}

static GByteArray *framed(const char *const *frames)
{
    GByteArray *b = g_byte_array_new();

    for (; *frames; frames++) {
        uint8_t length[4];

        store_be32(length, strlen(*frames));
        g_byte_array_append(b, length, 4);
        g_byte_array_append(b, (const uint8_t *)*frames, strlen(*frames));
    }
    return b;
}

#define FRAME_A "aaaaaaaaaaaaaaaaaaaaaaaaaa"
#define FRAME_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static void frames_in_pieces_of_any_size(void)
{
    static const char *const frames[] = {FRAME_A, FRAME_B, FRAME_A, NULL};

    for (unsigned step = 1; step < 40; step += 3) {
        g_autoptr(GByteArray) bytes = framed(frames);
        int fd = add_over_pair("stream", SOCK_STREAM);
        bool busy = false;
        Guest g;

        guest_init(&g);
        for (unsigned at = 0; at < bytes->len; at += step) {
            g_assert_cmpint(write(fd, bytes->data + at, MIN(step, bytes->len - at)), >, 0);
            settle();
            busy |= g.nic.peer->ops->is_half(g.nic.peer);
        }
        g_assert_cmpuint(g.frames, ==, 3);
        g_assert_true(busy);
        g_assert_false(g.nic.peer->ops->is_half(g.nic.peer));
        g_assert_cmpmem(g.got->data, g.got->len, FRAME_A FRAME_B FRAME_A, 26 + 33 + 26);
        close(fd);
        guest_clear(&g);
    }
}

static void full_guest_stops_the_reading(void)
{
    static const char *const frames[] = {FRAME_A, FRAME_B, FRAME_A, FRAME_B, NULL};
    g_autoptr(GByteArray) bytes = framed(frames);
    int fd = add_over_pair("stream", SOCK_STREAM);
    Guest g;

    guest_init(&g);
    g.room = 1;
    g_assert_cmpint(write(fd, bytes->data, bytes->len), ==, bytes->len);
    settle();
    g_assert_cmpuint(g.frames, ==, 1);
    close(fd); /* what was sent before is still delivered */
    settle();
    g.room = UINT_MAX;
    net_port_room(&g.nic);
    settle();
    g_assert_cmpuint(g.frames, ==, 4);
    guest_clear(&g);
}

static void partial_writes_are_finished(void)
{
    int fd = add_over_pair("stream", SOCK_STREAM), size = 4096;
    g_autofree uint8_t *data = g_malloc(NET_FRAME_MAX), *back = g_malloc(NET_FRAME_MAX + 4);
    unsigned sent = 0, received = 0;
    size_t have = 0;
    Guest g;

    guest_init(&g);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    memset(data, 7, NET_FRAME_MAX);
    while (received < 40) {
        ssize_t n;

        while (sent < 40) {
            store_be32(data + 12, sent);
            if (net_port_send(&g.nic, &(NetFrame){.data = data, .size = NET_FRAME_MAX - sent}) == NET_NO_ROOM) {
                break;
            }
            sent++;
        }
        n = read(fd, back + have, NET_FRAME_MAX + 4 - have);
        have += MAX(n, 0);
        settle();
        if (have >= 4 && have >= 4 + load_be32(back)) {
            g_assert_cmpuint(load_be32(back), ==, NET_FRAME_MAX - received);
            g_assert_cmpuint(load_be32(back + 4 + 12), ==, received);
            have -= 4 + load_be32(back);
            memmove(back, back + 4 + NET_FRAME_MAX - received, have);
            received++;
        }
    }
    g_assert_cmpuint(g.room_calls, >, 0);
    close(fd);
    guest_clear(&g);
}

static void impossible_length_ends_the_connection(void)
{
    static const uint32_t lengths[] = {0, NET_FRAME_MAX + 1, UINT32_MAX};

    for (unsigned i = 0; i < G_N_ELEMENTS(lengths); i++) {
        int fd = add_over_pair("stream", SOCK_STREAM);
        uint8_t length[4], byte;
        Guest g;

        guest_init(&g);
        store_be32(length, lengths[i]);
        g_assert_cmpint(write(fd, length, 4), ==, 4);
        settle();
        g_assert_cmpint(read(fd, &byte, 1), ==, 0);
        close(fd);
        guest_clear(&g);
    }
}

static void server_takes_one_peer_after_the_other(void)
{
    g_autofree char *dir = g_dir_make_tmp("baton-stream-XXXXXX", NULL), *path = g_build_filename(dir, "s", NULL);
    g_autofree char *text = g_strdup_printf("{'type': 'stream', 'id': 'n0', 'server': true, "
                                            "'addr': {'type': 'unix', 'path': '%s'}}", path);
    static const char *const frames[] = {FRAME_A, NULL};
    g_autoptr(GByteArray) bytes = framed(frames);
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    Guest g;

    g_string_truncate(events, 0);
    add(text);
    guest_init(&g);
    g_strlcpy(sa.sun_path, path, sizeof(sa.sun_path));
    for (unsigned i = 1; i <= 2; i++) {
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);

        g_assert_cmpint(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), ==, 0);
        g_assert_cmpint(write(fd, bytes->data, bytes->len), ==, bytes->len);
        settle();
        g_assert_cmpuint(g.frames, ==, i);
        close(fd);
        settle();
    }
    g_assert_cmpstr(events->str, ==, "NETDEV_STREAM_CONNECTED n0;NETDEV_STREAM_DISCONNECTED n0;"
                                     "NETDEV_STREAM_CONNECTED n0;NETDEV_STREAM_DISCONNECTED n0;");
    guest_clear(&g);
    g_assert_cmpint(access(path, F_OK), !=, 0);
    g_rmdir(dir);
}

static void datagrams_are_frames(void)
{
    int fd = add_over_pair("dgram", SOCK_DGRAM);
    uint8_t data[60] = {2}, back[100];
    Guest g;

    guest_init(&g);
    g_assert_cmpint(write(fd, FRAME_A, 26), ==, 26);
    g_assert_cmpint(write(fd, FRAME_B, 33), ==, 33);
    settle();
    g_assert_cmpuint(g.frames, ==, 2);
    g_assert_cmpmem(g.got->data, g.got->len, FRAME_A FRAME_B, 59);
    net_port_send(&g.nic, &(NetFrame){.data = data, .size = sizeof(data)});
    g_assert_cmpint(read(fd, back, sizeof(back)), ==, 60);
    close(fd);
    guest_clear(&g);
}

static void wrong_options_are_named(void)
{
    refuse("{'type': 'stream', 'id': 'n0'}", "addr");
    refuse("{'type': 'stream', 'id': 'n0', 'addr': {'type': 'tube'}}", "inet, unix, fd");
    refuse("{'type': 'stream', 'id': 'n0', 'addr': {'type': 'unix', 'path': '/nowhere/at/all'}}", "cannot connect");
    refuse("{'type': 'stream', 'id': 'n0', 'server': true, 'reconnect': 1, 'addr': {'type': 'unix', 'path': '/x'}}", "reconnect");
    refuse("{'type': 'dgram', 'id': 'n0'}", "local and remote");
    refuse("{'type': 'dgram', 'id': 'n0', 'locals': 1}", "accepted: local, remote");
    refuse("{'type': 'carrier-pigeon', 'id': 'n0'}", "accepted: stream, dgram");
    refuse("{'type': 'stream'}", "id");
}

/* What a netdev has not opened yet is not descriptor 0. */
static void a_netdev_without_id_closes_nothing_of_others(void)
{
    g_autofd int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int saved = dup(0);

    g_assert_cmpint(dup2(fd, 0), ==, 0);
    refuse("{'type': 'stream', 'addr': {'type': 'unix', 'path': '/x'}}", "id");
    refuse("{'type': 'dgram'}", "id");
    g_assert_cmpint(fcntl(0, F_GETFD), >=, 0);
    if (saved >= 0) {
        dup2(saved, 0);
        close(saved);
    }
}

static void a_descriptor_given_to_a_netdev_that_fails_is_closed(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    g_autofree char *text = g_strdup_printf("{'type': 'dgram', 'id': 'n0', 'local': {'type': 'fd', 'str': '%d'}, "
                                            "'remote': {'type': 'tube'}}", fd);

    refuse(text, "inet, unix, fd");
    g_assert_cmpint(fcntl(fd, F_GETFD), ==, -1);
}

/* A read of it fails and it stays ready: the loop would turn for ever. */
static void a_descriptor_of_another_kind_is_refused(void)
{
    g_autofree char *text = g_strdup_printf("{'type': 'dgram', 'id': 'n0', 'local': {'type': 'fd', 'str': '%d'}}",
                                            open("/dev/null", O_RDWR | O_CLOEXEC));

    refuse(text, "no datagram socket");
}

static const ObjectType *const types[] = {&netdev_type, &netdev_stream_type, &netdev_dgram_type, NULL};

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    loop_init();
    types_register(types);
    events = g_string_new("");
    qapi_set_emit_hook(note_event);
    g_test_add_func("/net/stream/frames_in_pieces_of_any_size", frames_in_pieces_of_any_size);
    g_test_add_func("/net/stream/full_guest_stops_the_reading", full_guest_stops_the_reading);
    g_test_add_func("/net/stream/partial_writes_are_finished", partial_writes_are_finished);
    g_test_add_func("/net/stream/impossible_length_ends_the_connection", impossible_length_ends_the_connection);
    g_test_add_func("/net/stream/server_takes_one_peer_after_the_other", server_takes_one_peer_after_the_other);
    g_test_add_func("/net/dgram/datagrams_are_frames", datagrams_are_frames);
    g_test_add_func("/net/netdev/wrong_options_are_named", wrong_options_are_named);
    g_test_add_func("/net/netdev/one_without_id_closes_nothing_of_others", a_netdev_without_id_closes_nothing_of_others);
    g_test_add_func("/net/netdev/a_descriptor_of_one_that_fails_is_closed",
                    a_descriptor_given_to_a_netdev_that_fails_is_closed);
    g_test_add_func("/net/dgram/a_descriptor_of_another_kind_is_refused", a_descriptor_of_another_kind_is_refused);
    return g_test_run();
}
