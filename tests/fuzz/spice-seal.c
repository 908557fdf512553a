/* tests/fuzz/spice-seal.c - whatever a client brings to the destination in MIGRATE_DATA's place.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Input: byte 0: is the rest to be put under a true seal (1), under one of another key (2), or brought as it is; byte 1: most
 * bytes of one read (0: all); then what is brought on the inputs channel.  A key follows it. */
#include "../unit/ui/spice-fake.h"
#include "spice-rig.h"
#include "ui/spice.h"
#include "ui/spice/kinds.h"
#include "ui/spice/server.h"

#include <spice/protocol.h>

enum { SESSION = 1 };

static const uint8_t key[SEAL_KEY_BYTES] = {1, 2, 3}, other_key[SEAL_KEY_BYTES];
static const SealAbout us = {SESSION, SPICE_CHANNEL_INPUTS, 0};

static SpiceChannel *adopted(SpiceClient *client, const ChannelKind *kind, FakeWire *w)
{
    SpiceCaps common = fake_common(), own = {{UINT32_MAX}};
    SpiceEnds ends = {{{0}}};
    SpiceChannel *c = spice_channel_new(kind, 0, client, &w->wire, &ends, &common, &own);

    g_ptr_array_add(client->channels, c);
    spice_channel_wait(c);
    spice_adopt(c, TAIL_SEALED);
    return c;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    FakeWire *main = fake_wire(), *inputs = fake_wire();
    g_autoptr(GByteArray) body = g_byte_array_new();
    SpiceClient *client;
    SpiceChannel *c;

    if (!server()->clients) {
        rig_prepare();
        spice_init();
        rig_plug();
    }
    if (size > 2 && data[0] % 3) {
        g_byte_array_unref(body);
        body = seal_close(data[0] % 3 == 1 ? key : other_key, &us, data + 2, size - 2);
    } else {
        put_bytes(body, data, size);
    }
    client = g_new0(SpiceClient, 1);
    client->st.session_id = SESSION;
    client->channels = g_ptr_array_new();
    memcpy(client->arr.key, key, sizeof(key));
    g_ptr_array_add(server()->clients, client);
    adopted(client, &main_channel_kind, main);
    c = adopted(client, &inputs_channel_kind, inputs);
    inputs->piece = size > 1 ? data[1] : 0;
    fake_say(inputs, SPICE_MSGC_MIGRATE_DATA, body->data, body->len);
    fake_say(inputs, SPICE_MSGC_INPUTS_KEY_SCANCODE, "\x1e\x9e", 2);
    for (unsigned turn = 0; turn < 200 && !c->is_closed; turn++) {
        spice_pump(c);
        spice_resume(c);
    }
    while (server()->clients->len) {
        client_disconnect(server()->clients->pdata[0], "over");
    }
    fake_settle();
    g_assert_cmpuint(server()->dead->len, ==, 0);
    return 0;
}

/* Two keys; then the same, brought as if it were the text itself. */
static GByteArray *make_seed(unsigned i)
{
    static const uint8_t tail[] = {1, 0, SPICE_MSGC_INPUTS_KEY_SCANCODE, 0, 0, 0, 2, 0x20, 0xa0,
                                   0, SPICE_MSGC_INPUTS_KEY_DOWN, 0, 0, 0, 4, 0x21, 0, 0, 0};
    GByteArray *b = g_byte_array_new();

    put_u8(b, i + 1);
    put_u8(b, i == 1 ? 3 : 0);
    put_bytes(b, tail, sizeof(tail));
    return b;
}

FUZZ_MAIN("spice-seal", make_seed, 3, 2000)
