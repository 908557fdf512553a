/* tests/fuzz/frames.c - a peer on a network's socket, and frames that ask for the work of a card.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Input: byte 0: what the rest is (the enum); byte 1: bit 0: the NIC has seldom room, the rest: most bytes of one write. */
#include "net/net.h"
#include "net/offload.h"
#include "net/port.h"
#include "object/object.h"
#include "qapi/qmp.h"
#include "system/runstate.h"
#include "system/vm-lock.h"
#include "util/bytes.h"
#include "util/fd.h"
#include "util/loop.h"

#include "net/chain.h"

#include "replay.h"

#include <sys/socket.h>
#include <unistd.h>

enum { TO_STREAM, TO_DGRAM, CONVERTED, FROM_NIC, KINDS };

static NetPort nic;
static unsigned frames, room;

static NetResult nic_receive(NetPort *p, const NetFrame *f)
{
    g_assert_cmpuint(f->size, >, 0);
    g_assert_cmpuint(f->size, <=, NET_FRAME_MAX);
    if (!room) {
        return NET_NO_ROOM;
    }
    room--;
    frames += f->data[f->size - 1] + 1u;
    return NET_DONE;
}

static const NetPortOps nic_ops = {.type = "fuzz-nic", .receive = nic_receive};

static void prepare(void)
{
    static const ObjectType *const types[] = {&netdev_type, &netdev_stream_type, &netdev_dgram_type, NULL};
    static bool done;

    if (!done) {
        done = true;
        fuzz_hush();
        loop_init();
        runstate_init();
        vm_lock();
        types_register(types);
        net_init();
    }
}

static void settle(void)
{
    for (unsigned turn = 0; turn < 100 && g_main_context_iteration(NULL, false); turn++) {
    }
}

/* A netdev on one end of a socket pair, with the NIC; returns the other end. */
static int plug(bool is_stream)
{
    g_autofree char *text = NULL;
    g_autoptr(Json) options = NULL;
    int fds[2];

    g_assert_cmpint(socketpair(AF_UNIX, is_stream ? SOCK_STREAM : SOCK_DGRAM, 0, fds), ==, 0);
    fd_set_nonblocking(fds[1], true);
    text = g_strdup_printf("{'type': '%s', 'id': 'n0', '%s': {'type': 'fd', 'str': '%d'}}", is_stream ? "stream" : "dgram",
                           is_stream ? "addr" : "local", fds[0]);
    options = json_parse(text, strlen(text), NULL);
    g_assert_true(netdev_add(options, NULL));
    nic = (NetPort){.is_nic = true};
    net_port_init(&nic, "nic0", &nic_ops, NULL);
    g_assert_true(net_port_connect(&nic, "n0", NULL));
    net_world_set_running(net_world(), true);
    settle();
    return fds[1];
}

static void unplug(int other)
{
    settle();
    net_port_destroy(&nic);
    g_assert_true(netdev_del("n0", NULL));
    settle();
    close(other);
}

static void from_outside(bool is_stream, unsigned how, const uint8_t *data, size_t size)
{
    size_t piece = how >> 1 ? (how >> 1) * 16 : 4096;
    int other = plug(is_stream);
    ssize_t n;

    for (size_t at = 0; at < size; at += n) {
        n = send(other, data + at, MIN(piece, size - at), MSG_DONTWAIT | MSG_NOSIGNAL);
        room = how & 1 ? 2 : UINT_MAX;
        settle();
        net_port_room(&nic);
        if (n <= 0) {
            break;
        }
    }
    unplug(other);
}

static void take_segment(const NetFrame *f, void *opaque)
{
    g_assert_cmpuint(++*(unsigned *)opaque, <=, NET_SEGMENTS_MAX);
    g_assert_cmpuint(f->size, >=, 14);
    g_assert_cmpuint(f->size, <=, NET_FRAME_MAX + 8);
    g_assert_false(net_offload_needed(f, 0));
    frames += f->data[f->size - 1] + 1u;
}

/* A vnet header, and the frame; in memory of its own, so that a byte too many is seen. */
static uint8_t *take_frame(const uint8_t *data, size_t size, NetFrame *ret)
{
    uint8_t *copy;

    if (size <= NET_VNET_HDR_SIZE || size - NET_VNET_HDR_SIZE > NET_FRAME_MAX) {
        return NULL;
    }
    copy = g_memdup2(data + NET_VNET_HDR_SIZE, size - NET_VNET_HDR_SIZE);
    *ret = (NetFrame){.data = copy, .size = size - NET_VNET_HDR_SIZE};
    net_vnet_hdr_get(data, &ret->offload);
    return copy;
}

static void convert(const uint8_t *data, size_t size)
{
    NetFrame f;
    g_autofree uint8_t *copy = take_frame(data, size, &f);
    unsigned count = 0;
    int result = copy ? net_offload_convert(&f, take_segment, &count) : -1;

    g_assert_true(result < 0 || (unsigned)result == count);
}

/* What the peer reads is whole frames. */
static void hear_frames(int other)
{
    static uint8_t heard[1 << 20];
    size_t have = 0;
    ssize_t n;

    while (have < sizeof(heard) && (n = recv(other, heard + have, sizeof(heard) - have, MSG_DONTWAIT)) > 0) {
        have += n;
        settle();
    }
    for (size_t at = 0; have < sizeof(heard) && at < have; at += 4 + load_be32(heard + at)) {
        g_assert_cmpuint(have - at, >=, 4);
        g_assert_cmpuint(load_be32(heard + at), <=, have - at - 4);
    }
}

static void from_nic(const uint8_t *data, size_t size)
{
    NetFrame f;
    g_autofree uint8_t *copy = take_frame(data, size, &f);
    int other;

    if (!copy || (f.offload.flags && (uint32_t)f.offload.csum_start + f.offload.csum_offset + 2 > f.size)) {
        return; /* the card looks at that */
    }
    f.offload.flags &= 1;
    other = plug(true);
    for (unsigned i = 0; i < 3; i++) {
        net_port_send(&nic, &f);
        settle();
    }
    hear_frames(other);
    unplug(other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    prepare();
    if (size < 2) {
        return 0;
    }
    switch (data[0] % KINDS) {
    case CONVERTED:
        convert(data + 2, size - 2);
        break;
    case FROM_NIC:
        from_nic(data + 2, size - 2);
        break;
    default:
        from_outside(data[0] % KINDS == TO_STREAM, data[1], data + 2, size - 2);
    }
    return 0;
}

/* ---- seeds ---- */
static void put_frame(GByteArray *b, unsigned i, bool has_length)
{
    uint8_t frame[120] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2}, length[4];
    unsigned size = 60 + i * 20;

    store_be32(length, size);
    g_byte_array_append(b, length, has_length ? 4 : 0);
    g_byte_array_append(b, frame, size);
}

/* TCP or UDP in IPv4 or IPv6, maybe behind a tag, to be cut into pieces of 100 bytes. */
static void put_large(GByteArray *b, bool is_ip6, bool is_udp, bool has_tag)
{
    static const uint8_t tag[4] = {0x81, 0, 0, 5};
    uint8_t header[NET_VNET_HDR_SIZE] = {1, is_udp ? 3 : is_ip6 ? 4 : 1};
    uint8_t frame[400] = {[12] = is_ip6 ? 0x86 : 8, is_ip6 ? 0xdd : 0};
    unsigned l4 = is_ip6 ? 54 : 34;

    store_le16(header + 4, 100);
    store_le16(header + 6, l4 + (has_tag ? 4 : 0));
    store_le16(header + 8, is_udp ? 6 : 16);
    frame[14] = is_ip6 ? 0x60 : 0x45;
    frame[is_ip6 ? 20 : 23] = is_udp ? 17 : 6;
    frame[l4 + 12] = is_udp ? 0 : 0x50;
    g_byte_array_append(b, header, sizeof(header));
    g_byte_array_append(b, frame, 12);
    g_byte_array_append(b, tag, has_tag ? 4 : 0);
    g_byte_array_append(b, frame + 12, sizeof(frame) - 12);
}

static GByteArray *make_seed(unsigned i)
{
    GByteArray *b = g_byte_array_new();
    uint8_t head[2] = {i % KINDS, i / KINDS};

    g_byte_array_append(b, head, 2);
    if (head[0] == CONVERTED || head[0] == FROM_NIC) {
        put_large(b, i & 4, i & 8, i & 16);
    } else {
        for (unsigned n = 0; n < 4; n++) {
            put_frame(b, n, head[0] == TO_STREAM);
        }
    }
    return b;
}

FUZZ_MAIN("frames", make_seed, 24, 200)
