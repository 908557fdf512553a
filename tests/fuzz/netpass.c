/* tests/fuzz/netpass.c - a section and messages from anybody, into a destination and a source.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Input: byte 0 bit 0: the side; then be16 length and the section; then messages, each behind a be16 length. */
#include "net/netpass.h"
#include "util/bytes.h"
#include "util/loop.h"

#include "replay.h"

static NetWorld world;
static NetPort netdev, nic;
static Netpass *pass;

static NetResult receive(NetPort *p, const NetFrame *f)
{
    g_assert_cmpuint(f->size, <=, NET_FRAME_MAX);
    g_assert_cmpuint((f->offload.flags & ~2) | f->offload.gso_type, ==, 0); /* we negotiated nothing */
    return f->data[f->size - 1] == 0xee ? NET_NO_ROOM : NET_DONE;
}

static int drain(NetPort *p)
{
    return 0;
}

static const NetPortOps netdev_ops = {.type = "fuzz", .receive = receive, .drain = drain, .can_capture = true};
static const NetPortOps nic_ops = {.type = "fuzz-nic", .receive = receive};

static bool engine_send(HandoffPart *p, const void *data, size_t size)
{
    return true;
}

static void engine_done(HandoffPart *p)
{
}

static bool engine_capability(const char *name)
{
    return true;
}

static uint64_t engine_parameter(const char *name)
{
    return !strcmp(name, "netpass-max-bytes") ? 64 * 1024 : 1000;
}

static const HandoffEngine engine = {engine_send, engine_done, engine_capability, engine_parameter};

static void prepare(void)
{
    if (pass) {
        return;
    }
    fuzz_hush();
    loop_init();
    handoff_set_engine(&engine);
    world.ports = g_ptr_array_new();
    net_world_use(&world);
    nic.is_nic = true;
    net_port_init(&netdev, "n0", &netdev_ops, NULL);
    net_port_init(&nic, "nic0", &nic_ops, NULL);
    g_assert_true(net_port_connect(&nic, "n0", NULL));
    pass = netpass_new(&world);
}

static bool next_piece(const uint8_t **at, size_t *left, StateReader *r)
{
    size_t size;

    if (*left < 2) {
        return false;
    }
    size = MIN(load_be16(*at), *left - 2);
    state_reader_init(r, *at + 2, size, "netpass");
    *at += 2 + size;
    *left -= 2 + size;
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    HandoffPart *p;
    GError *err = NULL;
    StateReader r;
    bool is_source;

    prepare();
    p = &pass->part;
    if (!size) {
        return 0;
    }
    is_source = data[0] & 1;
    data++;
    size--;
    if (is_source) {
        p->freeze(p);
        p->run_sent(p);
    } else if (next_piece(&data, &size, &r) && !p->load(p, &r, &err)) {
        fuzz_verdict(false, err);
        p->abandon(p);
        return 0;
    } else {
        p->starting(p);
        world.is_running = true;
        p->started(p);
    }
    while (next_piece(&data, &size, &r)) {
        p->message(p, &r);
    }
    while (g_main_context_iteration(NULL, false)) {
    }
    json_unref(p->report(p));
    p->peer_gone(p);
    netpass_clear(pass);
    world.is_running = false;
    return 0;
}

static void put_piece(GByteArray *out, StateWriter *w)
{
    uint8_t length[2];
    size_t size;
    const uint8_t *data = state_writer_data(w, &size);

    store_be16(length, size);
    g_byte_array_append(out, length, 2);
    g_byte_array_append(out, data, size);
    state_writer_reset(w);
}

static void put_frames(StateWriter *w, unsigned count)
{
    uint8_t data[80] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2};

    for (unsigned i = 0; i < count; i++) {
        NetEntry e = {.seq = i + 1, .frame = {.data = data, .size = 60 + i, .offload = {.flags = i & 1, .csum_start = 34}}};

        data[70] = i;
        netpass_put_frame(w, &e, 0);
    }
}

static GByteArray *make_seed(unsigned i)
{
    GByteArray *out = g_byte_array_new();
    StateWriter *w = state_writer_new();
    uint8_t is_source = i == 1;

    g_byte_array_append(out, &is_source, 1);
    if (!is_source) {
        netpass_put_backlog(w, &(NetpassBacklog){.nonce = 7, .netdevs = 2});
        netpass_put_netdev(w, &(NetpassBacklogNetdev){.id = "n0", .frames = 3, .is_sending = i == 2});
        put_frames(w, 3);
        netpass_put_netdev(w, &(NetpassBacklogNetdev){.id = "gone", .is_best_effort = true, .frames = 1});
        put_frames(w, 1);
        put_piece(out, w);
    }
    netpass_put_message(w, is_source ? NETPASS_HELD : NETPASS_FRAMES, 0);
    state_put_be32(w, 4);
    put_frames(w, 4);
    put_piece(out, w);
    netpass_put_message(w, is_source ? NETPASS_ACK : NETPASS_SEEN, 0);
    state_put_be64(w, 1000);
    put_piece(out, w);
    netpass_put_message(w, NETPASS_SENT, 0);
    put_piece(out, w);
    netpass_put_message(w, NETPASS_END, 0);
    state_put_be64(w, 7);
    state_put_be64(w, 7);
    state_put_be64(w, UINT64_MAX);
    put_piece(out, w);
    state_writer_free(w);
    return out;
}

FUZZ_MAIN("netpass", make_seed, 3, 20000)
