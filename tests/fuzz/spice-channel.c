/* tests/fuzz/spice-channel.c - any messages to any kind of channel of the SPICE server.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Input: byte 0 chooses the kind; byte 1: most bytes of one read (0: all); the rest is what the client sends.  With bit 1 of
 * byte 1 it may come back when that is over, and sends it again. */
#include "../unit/ui/spice-guest.h"
#include "spice-rig.h"
#include "ui/spice/ports.h"

static const uint8_t types[] = {SPICE_CHANNEL_MAIN, SPICE_CHANNEL_DISPLAY, SPICE_CHANNEL_INPUTS, SPICE_CHANNEL_CURSOR,
                                SPICE_CHANNEL_PORT, SPICE_CHANNEL_WEBDAV};

static Guest guests[3]; /* an agent that says nothing, and ports */

static void prepare(void)
{
    rig_prepare();
    server_init();
    console_set_cursor(rig_plug(), console_cursor_new(9, 9));
    server_set_mouse_mode(SPICE_MOUSE_MODE_CLIENT);
    guest_plug(&guests[0], "spicevmc,id=a,name=vdagent");
    guest_plug(&guests[1], "spiceport,id=p,name=org.baton.one");
    guest_plug(&guests[2], "spiceport,id=w,name=org.spice-space.webdav.0");
    ports_start();
    for (unsigned i = 0; i < G_N_ELEMENTS(guests); i++) {
        chardev_set_guest_open(guests[i].c, true);
    }
}

static SpiceClient *client_make(void)
{
    SpiceClient *client = g_new0(SpiceClient, 1);

    client->st.session_id = 1;
    client->channels = g_ptr_array_new();
    g_ptr_array_add(server()->clients, client);
    return client;
}

/* Says all of it, and hangs up. */
static void say_all(SpiceChannel *c, const uint8_t *data, size_t size)
{
    FakeWire *w = (FakeWire *)c->wire;

    g_byte_array_append(w->in, data, size);
    w->is_ended = true;
    for (unsigned turn = 0; turn < 1000 && !c->is_closed && !c->is_lost; turn++) {
        spice_pump(c);
        for (unsigned i = 0; i < G_N_ELEMENTS(guests); i++) {
            g_byte_array_set_size(guests[i].got, 0);
            guest_allow(&guests[i], g_random_int_range(0, 5000));
        }
        c->is_held ? spice_resume(c) : (void)0;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SpiceCaps common, caps = {{UINT32_MAX}};
    SpiceEnds ends = {{{0}}};
    const ChannelKind *kind;
    FakeWire *w[2];
    SpiceChannel *c;
    SpiceClient *client;

    if (!server()->clients) {
        prepare();
    }
    kind = size > 1 ? server_kind(types[data[0] % G_N_ELEMENTS(types)]) : NULL;
    if (!kind) {
        return 0;
    }
    fake_extension = data[1] & 2 ? FAKE_RETURNS : 0;
    common = fake_common();
    client = client_make();
    for (unsigned i = 0; i < 2; i++) { /* the main channel, and another unless that is the one */
        bool is_it = i || kind->type == SPICE_CHANNEL_MAIN;

        w[i] = fake_wire();
        w[i]->piece = is_it ? data[1] : 0;
        w[i]->room = is_it && data[1] & 1 ? 100 : SIZE_MAX;
        c = spice_channel_new(i ? kind : server_kind(SPICE_CHANNEL_MAIN), 0, client, &w[i]->wire, &ends, &common, &caps);
        g_ptr_array_add(client->channels, c);
        spice_channel_start(c);
        g_assert_false(c->is_closed);
        if (is_it) {
            break;
        }
    }
    say_all(c, data + 2, size - 2);
    if (!c->is_closed && spice_may_reattach(c, &common)) {
        fake_come_back(c)->piece = data[1];
        say_all(c, data + 2, size - 2);
    }
    if (server()->clients->len) {
        spice_close(client->channels->pdata[0]);
    }
    g_assert_cmpuint(server()->clients->len, ==, 0);
    fake_settle();
    g_assert_cmpuint(server()->dead->len, ==, 0);
    return 0;
}

static const struct {
    uint8_t kind;
    uint16_t type;
    uint32_t size;
} said[] = {
    {0, SPICE_MSGC_MAIN_ATTACH_CHANNELS, 0}, {0, SPICE_MSGC_MAIN_MOUSE_MODE_REQUEST, 2}, {0, SPICE_MSGC_MAIN_AGENT_START, 4},
    {0, SPICE_MSGC_MAIN_AGENT_DATA, 300},    {0, SPICE_MSGC_PONG, 12},                   {0, SPICE_MSGC_ACK_SYNC, 4},
    {1, SPICE_MSGC_DISPLAY_INIT, 14},        {1, SPICE_MSGC_DISPLAY_PREFERRED_COMPRESSION, 1}, {1, SPICE_MSGC_ACK_SYNC, 4},
    {1, SPICE_MSGC_ACK, 0},                  {1, SPICE_MSGC_DISPLAY_STREAM_REPORT, 32},  {2, SPICE_MSGC_INPUTS_KEY_DOWN, 4},
    {2, SPICE_MSGC_INPUTS_KEY_SCANCODE, 9},  {2, SPICE_MSGC_INPUTS_KEY_MODIFIERS, 2},    {2, SPICE_MSGC_INPUTS_MOUSE_MOTION, 10},
    {4, SPICE_MSGC_SPICEVMC_DATA, 500},      {4, SPICE_MSGC_PORT_EVENT, 1},              {5, SPICE_MSGC_SPICEVMC_DATA, 7},
    {2, SPICE_MSGC_INPUTS_MOUSE_POSITION, 11}, {2, SPICE_MSGC_INPUTS_MOUSE_PRESS, 3},    {3, SPICE_MSGC_ACK_SYNC, 4},
};

static GByteArray *make_seed(unsigned i)
{
    static const uint8_t body[512] = {1, 0, 0, 0, 1};
    GByteArray *b = g_byte_array_new();

    put_u8(b, i);
    put_u8(b, i == 1 ? 3 : i == 2 ? 2 : 0);
    for (unsigned n = 0; n < G_N_ELEMENTS(said); n++) {
        if (said[n].kind == i) {
            put_u16(b, said[n].type);
            put_u32(b, said[n].size);
            put_bytes(b, body, said[n].size);
        }
    }
    return b;
}

FUZZ_MAIN("spice-channel", make_seed, G_N_ELEMENTS(types), 2000)
