/* tests/fuzz/spice-state.c - whatever the source says of its display sessions: the state, and messages before and behind it.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Input: be16 length of the state, the state; then messages, each with its length in a byte.  A client with id 1 has linked; if
 * the highest bit of the length is set, it is one that replays, and comes back on other connections in the end. */
#include "../unit/ui/spice-fake.h"
#include "spice-rig.h"
#include "system/handoff.h"
#include "ui/spice.h"
#include "ui/spice/kinds.h"
#include "ui/spice/server.h"
#include "ui/spice/session-state.h"

#include <spice/protocol.h>

enum { CHANNELS = 4, SESSION = 1, REPLAYS = 0x80 /* of the first byte */ };

static HandoffPart *part(void)
{
    return handoff_find("spice");
}

static void prepare(void)
{
    rig_prepare();
    spice_init();
    server()->config.seamless_migration = true;
    rig_plug();
}

static SpiceClient *link_client(FakeWire *w[CHANNELS], bool replays)
{
    const ChannelKind *const kinds[CHANNELS] = {&main_channel_kind, &display_channel_kind, &inputs_channel_kind,
                                                &cursor_channel_kind};
    SpiceCaps common, own = {{UINT32_MAX}};
    SpiceEnds ends = {{{0}}};
    SpiceClient *client = g_new0(SpiceClient, 1);

    fake_extension = replays ? FAKE_RETURNS : 0;
    common = fake_common();
    client->st.session_id = SESSION;
    client->channels = g_ptr_array_new();
    g_ptr_array_add(server()->clients, client);
    arrive_begin(client);
    for (unsigned i = 0; i < CHANNELS; i++) {
        SpiceChannel *c;

        w[i] = fake_wire();
        c = spice_channel_new(kinds[i], 0, client, &w[i]->wire, &ends, &common, &own);
        g_ptr_array_add(client->channels, c);
        client->opened++;
        spice_channel_wait(c);
    }
    return client;
}

static void pump_all(void)
{
    for (unsigned i = 0; server()->clients->len && i < CHANNELS; i++) {
        const SpiceClient *client = server()->clients->pdata[0];

        if (i < client->channels->len) {
            spice_pump(client->channels->pdata[i]);
        }
    }
    fake_settle();
}

static void all_come_back(void)
{
    for (unsigned i = 0; server()->clients->len && i < CHANNELS; i++) {
        const SpiceClient *client = server()->clients->pdata[0];
        SpiceChannel *c = i < client->channels->len ? client->channels->pdata[i] : NULL;

        if (c && spice_may_reattach(c, &c->common)) {
            fake_say(fake_come_back(c), SPICE_MSGC_ACK, NULL, 0);
        }
    }
    pump_all();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint32_t version = GUINT32_TO_LE(MIGRATE_VERSION);
    size_t length = size > 1 ? MIN(load_be16(data) & 0x7fffu, size - 2) : 0, at = 2 + length;
    FakeWire *w[CHANNELS];
    SpiceClient *client;
    StateReader r;

    if (!server()->clients) {
        prepare();
    }
    if (size < 2) {
        return 0;
    }
    client = link_client(w, data[0] & REPLAYS);
    fake_say(w[0], SPICE_MSGC_MAIN_MIGRATE_DST_DO_SEAMLESS, &version, 4);
    fake_say(w[2], SPICE_MSGC_INPUTS_KEY_SCANCODE, "\x1e\x9e", 2);
    spice_pump(client_main(client));
    state_reader_init(&r, data + 2, length, "state");
    g_assert_true(part()->load(part(), &r, NULL));
    part()->starting(part());
    part()->started(part());
    for (size_t n; at < size; at += 1 + n) {
        n = MIN(data[at], size - at - 1);
        state_reader_init(&r, data + at + 1, n, "message");
        part()->message(part(), &r);
        pump_all();
    }
    part()->peer_gone(part());
    pump_all();
    all_come_back();
    while (server()->clients->len) {
        client_disconnect(server()->clients->pdata[0], "over");
    }
    part()->abandon(part());
    fake_settle();
    g_assert_cmpuint(server()->dead->len, ==, 0);
    return 0;
}

static void put_message(GByteArray *b, const void *message, uint8_t size)
{
    put_u8(b, size);
    put_bytes(b, message, size);
}

/* What a source would say: a client that goes, a key behind it, the end. */
static GByteArray *make_seed(unsigned i)
{
    static const uint8_t tail[] = {2, 0, 0, 0, SESSION, SPICE_CHANNEL_INPUTS, 0, 0, SPICE_MSGC_INPUTS_KEY_SCANCODE, 0x20, 0xa0};
    static const uint8_t end[] = {3, 0, 0, 0, SESSION, SPICE_CHANNEL_INPUTS, 0}, over[] = {4}, hurry[] = {5};
    static const uint8_t setup[] = {1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 1, 0, 0, 0, SESSION};
    StateWriter *state = state_writer_new();
    GByteArray *b = g_byte_array_new();
    FakeWire *w[CHANNELS];
    SpiceClient *client;
    const uint8_t *data;
    size_t size;

    if (!server()->clients) {
        prepare();
    }
    client = link_client(w, i == 2);
    client->mig.state = i ? MIGRATE_LINKED : MIGRATE_STAYS;
    client->mig.opened_then = client->opened;
    sessions_save(state);
    data = state_writer_data(state, &size);
    put_u8(b, size >> 8 | (i == 2 ? REPLAYS : 0));
    put_u8(b, size & 0xff);
    put_bytes(b, data, size);
    state_writer_free(state);
    client->mig.state = MIGRATE_STAYS;
    client_disconnect(client, "over");
    fake_settle();
    put_message(b, setup, sizeof(setup));
    put_message(b, tail, sizeof(tail));
    put_message(b, end, sizeof(end));
    put_message(b, over, sizeof(over));
    put_message(b, hurry, sizeof(hurry));
    return b;
}

FUZZ_MAIN("spice-state", make_seed, 3, 2000)
