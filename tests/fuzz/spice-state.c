/* tests/fuzz/spice-state.c - whatever the source says of its display sessions: the state, and messages before and behind it.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Input: be16 length of the state, the state; then messages, each with its length in a byte.  A client with id 1 has linked. */
#include "../unit/ui/spice-fake.h"
#include "system/handoff.h"
#include "system/runstate.h"
#include "system/vm-lock.h"
#include "ui/console.h"
#include "ui/input.h"
#include "ui/spice.h"
#include "ui/spice/kinds.h"
#include "ui/spice/server.h"
#include "ui/spice/session-state.h"

#include "replay.h"

#include <spice/protocol.h>

enum { CHANNELS = 4, SESSION = 1 };

static bool has_room(InputSink *s, unsigned events)
{
    return g_random_int_range(0, 3);
}

static void take(InputSink *s, const InputEvent *e)
{
    g_assert_true(e->kind != INPUT_ABS || (e->value >= 0 && e->value <= INPUT_AXIS_MAX));
}

static void sync_events(InputSink *s)
{
}

static InputSink sink = {.name = "all", .takes = 15, .room = has_room, .event = take, .sync = sync_events};
static const ConsoleDevice no_ops;

static HandoffPart *part(void)
{
    return handoff_find("spice");
}

static void prepare(void)
{
    pixman_image_t *image = pixman_image_create_bits(PIXMAN_x8r8g8b8, 100, 70, NULL, 0);

    fuzz_hush();
    g_random_set_seed(1);
    loop_init();
    runstate_init();
    vm_lock();
    input_init();
    spice_init();
    server()->config.seamless_migration = true;
    console_set_surface(console_add(object_container("/machine"), 0, &no_ops, NULL, NULL), image);
    input_add(&sink);
}

static SpiceClient *link_client(FakeWire *w[CHANNELS])
{
    const ChannelKind *const kinds[CHANNELS] = {&main_channel_kind, &display_channel_kind, &inputs_channel_kind,
                                                &cursor_channel_kind};
    SpiceCaps mini = {{1 << SPICE_COMMON_CAP_MINI_HEADER}}, own = {{UINT32_MAX}};
    SpiceEnds ends = {{{0}}};
    SpiceClient *client = g_new0(SpiceClient, 1);

    client->st.session_id = SESSION;
    client->channels = g_ptr_array_new();
    g_ptr_array_add(server()->clients, client);
    arrive_begin(client);
    for (unsigned i = 0; i < CHANNELS; i++) {
        SpiceChannel *c;

        w[i] = fake_wire();
        c = spice_channel_new(kinds[i], 0, client, &w[i]->wire, &ends, &mini, &own);
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint32_t version = GUINT32_TO_LE(MIGRATE_VERSION);
    size_t length = size > 1 ? MIN(load_be16(data), size - 2) : 0, at = 2 + length;
    FakeWire *w[CHANNELS];
    SpiceClient *client;
    StateReader r;

    if (!server()->clients) {
        prepare();
    }
    if (size < 2) {
        return 0;
    }
    client = link_client(w);
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
    client = link_client(w);
    client->mig.state = i ? MIGRATE_LINKED : MIGRATE_STAYS;
    client->mig.opened_then = client->opened;
    sessions_save(state);
    data = state_writer_data(state, &size);
    put_u8(b, size >> 8);
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

FUZZ_MAIN("spice-state", make_seed, 2, 2000)
