/* tests/unit/ui/spice-moving.h - display sessions that go with a guest, in one process.  For unit tests.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Both sides are this process, one after the other: what the source's part saves and sends is kept, and given to the
 * destination's, whose clients have the same ids.  Clients are wires of memory. */
#pragma once

#include "../state-bytes.h"
#include "spice-fake.h"
#include "system/handoff.h"
#include "system/runstate.h"
#include "system/vm-lock.h"
#include "ui/console.h"
#include "ui/input.h"
#include "ui/spice.h"
#include "ui/spice/handoff.h"
#include "ui/spice/kinds.h"
#include "ui/spice/server.h"
#include "ui/spice/session-state.h"

#include <spice/protocol.h>

enum { ALL_CAPS = 0xf, NO_SEAMLESS = 1 << SPICE_MAIN_CAP_SEMI_SEAMLESS_MIGRATE, SESSION = 0x1234abcd };
enum { MAIN, DISPLAY, INPUTS, CURSOR, CHANNELS };

typedef struct Session {
    SpiceClient *client;
    FakeWire *w[CHANNELS];
    SpiceChannel *c[CHANNELS];
} Session;

/* ---- the guest ---- */

static GString *typed;
static unsigned space = 1000;
static Console *screen;
static pixman_image_t *picture;
static const ConsoleDevice no_ops;

static inline bool has_room(InputSink *s, unsigned events)
{
    return space >= events;
}

static inline void take_key(InputSink *s, const InputEvent *e)
{
    space--;
    g_string_append_printf(typed, "%c%u=%d ", "kbra"[e->kind], e->code, e->value);
}

static inline void sync_events(InputSink *s)
{
}

static InputSink sink = {.name = "all", .takes = 15, .room = has_room, .event = take_key, .sync = sync_events};

static inline void assert_typed(const char *wanted)
{
    g_assert_cmpstr(typed->str, ==, wanted);
    g_string_truncate(typed, 0);
}

/* ---- the engine ---- */

static GPtrArray *messages;     /* of GByteArray: what the part has sent */
static unsigned tails_done;
static bool is_cut;             /* there is no other side any more, and nobody knows yet */

static inline bool engine_send(HandoffPart *p, const void *data, size_t size)
{
    GByteArray *b;

    if (is_cut) {
        return false;
    }
    b = g_byte_array_new();
    g_byte_array_append(b, data, size);
    g_ptr_array_add(messages, b);
    return true;
}

static inline void engine_tail_done(HandoffPart *p)
{
    tails_done++;
}

static unsigned wanted_asked;   /* how often: then it is given up */

static inline bool engine_is_wanted(void)
{
    return ++wanted_asked < 3;
}

static inline bool engine_capability(const char *name)
{
    return false;
}

static uint64_t patience_ms = 30000; /* display-handoff-timeout */

static inline uint64_t engine_parameter(const char *name)
{
    return g_str_equal(name, "display-handoff-timeout") ? patience_ms : 10000;
}

static bool is_one_way;

static inline bool engine_is_one_way(void)
{
    return is_one_way;
}

static const HandoffEngine engine = {engine_send,      engine_tail_done, engine_capability, engine_parameter,
                                     engine_is_wanted, engine_is_one_way};

static inline HandoffPart *part(void)
{
    return handoff_find("spice");
}

static inline void guest_stops(void)
{
    handoff_find("input")->freeze(handoff_find("input"));
    part()->freeze(part());
}

static inline GByteArray *guest_is_saved(void)
{
    StateWriter *w = state_writer_new();

    g_assert_true(part()->save(part(), w, NULL));
    return g_bytes_unref_to_array(state_bytes(w));
}

static inline void guest_has_left(void)
{
    part()->released(part(), false);
    fake_settle();
}

static inline void guest_stays(void)
{
    part()->thaw(part(), false);
    handoff_find("input")->thaw(handoff_find("input"), false);
    part()->stayed(part());
    fake_settle();
}

static inline void guest_arrives(const GByteArray *state)
{
    StateReader r;

    if (state) {
        state_reader_init(&r, state->data, state->len, "test");
        g_assert_true(part()->load(part(), &r, NULL));
        g_assert_cmpuint(state_left(&r), ==, 0);
    }
    handoff_find("input")->starting(handoff_find("input"));
    part()->starting(part());
    part()->started(part());
    fake_settle();
}

/* The destination hears what the source has said. */
static inline void deliver(void)
{
    g_autoptr(GPtrArray) all = messages;

    messages = g_ptr_array_new_with_free_func((GDestroyNotify)g_byte_array_unref);
    for (unsigned i = 0; i < all->len; i++) {
        const GByteArray *b = all->pdata[i];
        StateReader r;

        state_reader_init(&r, b->data, b->len, "test");
        part()->message(part(), &r);
    }
    fake_settle();
}

/* ---- clients ---- */

static const ChannelKind *const kinds[] = {&main_channel_kind, &display_channel_kind, &inputs_channel_kind, &cursor_channel_kind};

/* is_early: at the destination, before the guest. */
static inline Session link_client(uint32_t id, uint32_t caps, bool is_early)
{
    SpiceCaps common = fake_common(), own = {{caps}};
    SpiceEnds ends = {{{0}}};
    Session s = {.client = g_new0(SpiceClient, 1)};

    s.client->st.session_id = id;
    s.client->channels = g_ptr_array_new();
    g_ptr_array_add(server()->clients, s.client);
    if (is_early) {
        arrive_begin(s.client);
    }
    for (unsigned i = 0; i < CHANNELS; i++) {
        s.w[i] = fake_wire();
        s.c[i] = spice_channel_new(kinds[i], 0, s.client, &s.w[i]->wire, &ends, &common, &own);
        g_ptr_array_add(s.client->channels, s.c[i]);
        s.client->opened++;
        (is_early ? spice_channel_wait : spice_channel_start)(s.c[i]);
    }
    return s;
}

static inline void hear_all(Session *s)
{
    for (unsigned i = 0; i < CHANNELS; i++) {
        if (!s->c[i]->is_closed) {
            spice_pump(s->c[i]);
            while (fake_hear(s->w[i], NULL)) {
            }
        }
    }
}

static inline Session source_client(void)
{
    static const uint8_t init[14] = {1};
    Session s = link_client(SESSION, ALL_CAPS, false);

    fake_say(s.w[DISPLAY], SPICE_MSGC_DISPLAY_INIT, init, sizeof(init));
    hear_all(&s);
    return s;
}

static inline void assert_hears(Session *s, unsigned channel, uint16_t type)
{
    if (!s->c[channel]->is_closed) {
        spice_pump(s->c[channel]);
    }
    g_assert_cmpuint(fake_hear(s->w[channel], NULL), ==, type);
}

static inline void say(Session *s, unsigned channel, uint16_t type, const void *body, uint32_t size)
{
    fake_say(s->w[channel], type, body, size);
    if (!s->c[channel]->is_closed) {
        spice_pump(s->c[channel]);
    }
}

static inline void type_key(Session *s, uint8_t code)
{
    const uint8_t both[2] = {code, code | 0x80};

    say(s, INPUTS, SPICE_MSGC_INPUTS_KEY_SCANCODE, both, 2);
}

/* The source says MIGRATE on each channel, and awaits the last word of those that are for the guest. */
static inline void assert_told_to_go(Session *s)
{
    for (unsigned i = 0; i < CHANNELS; i++) {
        g_autoptr(GByteArray) flags = g_byte_array_new();

        spice_pump(s->c[i]);
        g_assert_cmpuint(fake_hear(s->w[i], flags), ==, SPICE_MSG_MIGRATE);
        g_assert_cmpuint(load_le32(flags->data), ==, i == MAIN || i == INPUTS);
        g_assert_cmpuint(s->w[i]->out->len, ==, 0);
    }
}

static inline void flush_all(Session *s)
{
    say(s, MAIN, SPICE_MSGC_MIGRATE_FLUSH_MARK, NULL, 0);
    say(s, INPUTS, SPICE_MSGC_MIGRATE_FLUSH_MARK, NULL, 0);
}

static inline void hang_up(Session *s)
{
    for (unsigned i = CHANNELS; i-- > 0;) {
        if (server()->clients->len && !s->c[i]->is_closed) {
            s->w[i]->is_ended = true;
            spice_pump(s->c[i]);
        }
    }
    fake_settle();
}

static inline void name_target(void)
{
    MigrateTarget t = {g_strdup("there"), NULL, 5900, 0};

    g_assert_true(spice_handoff_target(&t, NULL));
}

/* All clients are gone; what was said to the other side is not. */
static inline void end_side(void)
{
    migrate_give_up("the test is over");
    while (server()->clients->len) {
        client_disconnect(server()->clients->pdata[0], "the test is over");
    }
    part()->peer_gone(part());
    part()->stayed(part());
    part()->abandon(part());
    handoff_find("input")->thaw(handoff_find("input"), false);
    fake_settle();
    g_string_truncate(typed, 0);
    g_assert_cmpuint(server()->clients->len, ==, 0);
}

static inline void end_test(void)
{
    end_side();
    g_ptr_array_set_size(messages, 0);
    server()->config.seamless_migration = true;
    fake_extension = 0;
    is_cut = false;
    space = 1000;
    tails_done = 0;
    patience_ms = 30000;
}

static inline Session destination_client(uint32_t version)
{
    Session s = link_client(SESSION, ALL_CAPS, true);

    version = GUINT32_TO_LE(version);
    say(&s, MAIN, SPICE_MSGC_MAIN_MIGRATE_DST_DO_SEAMLESS, &version, 4);
    return s;
}

static inline Session linked_client(void)
{
    Session s = source_client();

    name_target();
    assert_hears(&s, MAIN, SPICE_MSG_MAIN_MIGRATE_BEGIN_SEAMLESS);
    say(&s, MAIN, SPICE_MSGC_MAIN_MIGRATE_CONNECTED_SEAMLESS, NULL, 0);
    g_assert_cmpint(s.client->mig.state, ==, MIGRATE_LINKED);
    return s;
}

/* ---- life ---- */

static inline void prepare(void)
{
    loop_init();
    runstate_init();
    vm_lock();
    input_init();
    spice_init();
    server()->is_on = true;
    server()->config.seamless_migration = true;
    handoff_set_engine(&engine);
    messages = g_ptr_array_new_with_free_func((GDestroyNotify)g_byte_array_unref);
    typed = g_string_new(NULL);
    picture = pixman_image_create_bits(PIXMAN_x8r8g8b8, 100, 70, NULL, 0);
    screen = console_add(object_container("/machine"), 0, &no_ops, NULL, NULL);
    console_set_surface(screen, picture);
    input_add(&sink);
    fake_settle();
}
