/* tests/fuzz/spice-agent.c - an agent and two clients that say anything to each other.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Input: steps of a byte that says who does what, a byte that says how much, and the bytes of it.  Whatever they do, the guest
 * gets whole chunks, and each client's messages unmixed unless it is told to forget them. */
#include "../unit/ui/spice-guest.h"
#include "system/runstate.h"
#include "system/vm-lock.h"
#include "ui/input.h"
#include "ui/spice/agent.h"
#include "ui/spice/main-channel.h"
#include "ui/spice/ports.h"

#include "replay.h"

#include <spice/vd_agent.h>

enum { STEP_AGENT, STEP_AGENT_CHUNK, STEP_DATA, STEP_MESSAGE, STEP_START, STEP_TOKEN, STEP_ROOM, STEP_READ, STEP_OPEN,
       STEP_PATIENCE, STEP_LEAVE, STEPS };

static void prepare(void)
{
    fuzz_hush();
    loop_init();
    runstate_init();
    vm_lock();
    input_init();
    server_init();
    ports_start();
}

/* ---- what the guest got ---- */

typedef struct Ear {
    AgentMessage client;    /* where the message of the clients is */
} Ear;

static void judge_chunk(Ear *ear, uint32_t port, const uint8_t *piece, uint32_t size)
{
    AgentRules none = {0};
    AgentVerdict verdict;

    g_assert_cmpuint(size, <=, AGENT_PIECE_MAX);
    if (port == VDP_CLIENT_PORT) {
        g_assert_true(agent_filter(&ear->client, &none, true, piece, size, &verdict));
        return;
    }
    g_assert_cmpuint(port, ==, VDP_SERVER_PORT);
    g_assert_cmpuint(size, ==, AGENT_MESSAGE_HEADER);
    g_assert_cmpuint(load_le32(piece + 4), ==, VD_AGENT_CLIENT_DISCONNECTED);
    ear->client = (AgentMessage){0};
}

static void judge(Ear *ear, Guest *g)
{
    uint32_t at = 0, size;

    for (; g->got->len - at >= AGENT_CHUNK_HEADER; at += AGENT_CHUNK_HEADER + size) {
        size = load_le32(g->got->data + at + 4);
        if (g->got->len - at < AGENT_CHUNK_HEADER + size) {
            break;
        }
        judge_chunk(ear, load_le32(g->got->data + at), g->got->data + at + AGENT_CHUNK_HEADER, size);
    }
    g_byte_array_remove_range(g->got, 0, at);
}

/* ---- steps ---- */

static void say_message(FakeWire *w, const uint8_t *data, uint32_t size)
{
    uint8_t header[AGENT_MESSAGE_HEADER] = {VD_AGENT_PROTOCOL, 0, 0, 0, size ? data[0] % 18 : 0};
    g_autoptr(GByteArray) b = g_byte_array_new();

    store_le32(header + 16, size + (size ? data[size - 1] : 0)); /* some of it may come later, or never */
    put_bytes(b, header, sizeof(header));
    put_bytes(b, data, size);
    fake_say(w, SPICE_MSGC_MAIN_AGENT_DATA, b->data, b->len);
}

static void guest_step(Guest *g, Ear *ear, unsigned what, const uint8_t *data, uint32_t size)
{
    g_autoptr(GByteArray) b = g_byte_array_new();

    if (what == STEP_AGENT) {
        guest_say(g, data, size);
    } else if (what == STEP_AGENT_CHUNK) {
        put_u32(b, VDP_CLIENT_PORT);
        put_u32(b, size);
        put_bytes(b, data, size);
        guest_say(g, b->data, b->len);
    } else if (what == STEP_ROOM) {
        guest_allow(g, size * 16);
    } else if (what == STEP_OPEN) {
        chardev_set_guest_open(g->c, size & 1);
        g_byte_array_set_size(g->says, 0);
        if (!(size & 1)) { /* what it had not read is gone, and so is what it knew */
            g_byte_array_set_size(g->got, 0);
            *ear = (Ear){{0}};
        }
    } else {
        agent_lose_patience();
    }
    judge(ear, g);
}

static void client_step(FakeClient *f, unsigned what, const uint8_t *data, uint32_t size)
{
    static const uint8_t number[4] = {3};

    if (f->main->is_closed) {
        return;
    }
    if (what == STEP_DATA) {
        fake_say(f->w, SPICE_MSGC_MAIN_AGENT_DATA, data, size);
    } else if (what == STEP_MESSAGE) {
        say_message(f->w, data, size);
    } else if (what == STEP_START) {
        fake_say(f->w, SPICE_MSGC_MAIN_AGENT_START, size & 1 ? number : (const uint8_t *)"\xff\xff\xff\xff", 4);
    } else if (what == STEP_TOKEN) {
        fake_say(f->w, SPICE_MSGC_MAIN_AGENT_TOKEN, number, 4);
    } else if (what == STEP_READ) {
        f->w->room = size * 64;
        g_byte_array_set_size(f->w->out, 0);
    } else {
        spice_close(f->main);
        return;
    }
    spice_pump(f->main);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    FakeClient f[2];
    Guest g;
    Ear ear = {{0}};

    if (!server()->clients) {
        prepare();
    }
    guest_plug(&g, "spicevmc,id=a,name=vdagent");
    chardev_set_guest_open(g.c, true);
    for (unsigned i = 0; i < 2; i++) {
        f[i] = fake_client();
        client_step(&f[i], STEP_START, NULL, 0);
    }
    for (size_t at = 0; at + 2 <= size; at += 2) {
        unsigned what = data[at] % STEPS, n = MIN(data[at + 1], size - at - 2);
        FakeClient *who = &f[data[at] / STEPS % 2];
        bool is_guests = what <= STEP_AGENT_CHUNK || what == STEP_ROOM || what == STEP_OPEN || what == STEP_PATIENCE;

        is_guests ? guest_step(&g, &ear, what, data + at + 2, n) : client_step(who, what, data + at + 2, n);
        at += what <= STEP_MESSAGE ? n : 0;
        for (unsigned i = 0; i < 2; i++) {
            g_assert_true(f[i].main->is_closed || ((MainChannel *)f[i].main)->st.agent.queue_size <= AGENT_QUEUE_MAX);
        }
    }
    for (unsigned i = 0; i < 2; i++) {
        spice_close(f[i].main);
    }
    guest_allow(&g, SIZE_MAX);
    judge(&ear, &g);
    g_assert_cmpuint(server()->clients->len, ==, 0);
    fake_settle();
    guest_unplug(&g);
    return 0;
}

static GByteArray *make_seed(unsigned i)
{
    static const uint8_t steps[][2] = {{STEP_MESSAGE, 40}, {STEP_MESSAGE + STEPS, 60}, {STEP_AGENT_CHUNK, 30}, {STEP_ROOM, 9},
                                       {STEP_DATA, 20},    {STEP_TOKEN, 0},            {STEP_OPEN, 0},         {STEP_OPEN, 1},
                                       {STEP_START, 0},    {STEP_READ, 50},            {STEP_PATIENCE, 0},     {STEP_LEAVE, 0}};
    static const uint8_t header[60] = {VD_AGENT_PROTOCOL, [4] = VD_AGENT_CLIPBOARD, [16] = 10};
    GByteArray *b = g_byte_array_new();

    for (unsigned n = 0; n < G_N_ELEMENTS(steps); n++) {
        const uint8_t *step = steps[(n * (i + 1)) % G_N_ELEMENTS(steps)];

        put_bytes(b, step, 2);
        put_bytes(b, header, step[0] % STEPS <= STEP_MESSAGE ? step[1] : 0);
    }
    return b;
}

FUZZ_MAIN("spice-agent", make_seed, 5, 500)
