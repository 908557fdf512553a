/* tests/fuzz/view.c - anything that a server may say to the viewer, on each kind of channel and in the link stage.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Input: byte 0: the channel, with 0x80: from the link stage on; byte 1: most bytes of one read (0: all); the rest is what the
 * server sends.  A destination that it names is one that lets everybody in. */
#include "../unit/tools/view-server.h"
#include "../unit/ui/spice-fake.h"
#include "system/vm-lock.h"
#include "tools/view/session.h"
#include "ui/spice/known.h"
#include "ui/spice/replay.h"
#include "util/error.h"

#include "replay.h"

#define CONNECTIONS_MAX 200

static const uint8_t types[] = {SPICE_CHANNEL_MAIN, SPICE_CHANNEL_DISPLAY, SPICE_CHANNEL_INPUTS, SPICE_CHANNEL_CURSOR,
                                SPICE_CHANNEL_PORT};
static const uint8_t *input;
static size_t input_size;
static unsigned connections;

static SpiceWire *give_wire(void *opaque, const ViewPlace *to, GError **errp)
{
    FakeWire *w = fake_wire();
    uint8_t type = types[(input[0] & 0x7f) % G_N_ELEMENTS(types)];
    bool is_it = connections == (type == SPICE_CHANNEL_MAIN ? 0 : 1);

    if (connections++ >= CONNECTIONS_MAX) {
        wire_free(&w->wire);
        fail(errp, "no more of them");
        return NULL;
    }
    w->room = SIZE_MAX;
    if (!is_it || !(input[0] & 0x80)) {
        put_link(w->in, UINT32_MAX);
    }
    if (connections == 1 && !(is_it && input[0] & 0x80)) {
        put_beginning(w->in, type);
    }
    if (is_it) {
        w->piece = input[1];
        w->is_ended = true;
        put_bytes(w->in, input + 2, input_size - 2);
    }
    return &w->wire;
}

static void say(void *opaque, const char *line)
{
    g_assert_true(g_utf8_validate(line, -1, NULL));
}

static void over(void *opaque)
{
}

static const SessionHost host = {.connect = give_wire, .say = say, .over = over};

static void prepare(void)
{
    static bool is_done;

    if (!is_done) {
        is_done = true;
        fuzz_hush();
        loop_init();
        vm_lock();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ViewPlace at = {.host = (char *)"here", .port = 1};
    ViewSession *s;

    prepare();
    if (size < 2) {
        return 0;
    }
    input = data;
    input_size = size;
    connections = 0;
    s = session_new(&host, NULL, &at, "secret");
    s->has_ports = true;
    session_start(s);
    for (unsigned turn = 0; turn < 2000 && !s->is_over && g_main_context_iteration(NULL, FALSE); turn++) {
        view_scancodes(s, (const uint8_t[]){30, 158}, 2);
        view_move(s, 0, turn, turn);
        view_port_say(s, 0, "hello", 5);
    }
    session_free(s);
    while (g_main_context_iteration(NULL, FALSE)) {
    }
    return 0;
}

/* ---- seeds ---- */

static void put_zeroes(GByteArray *b, unsigned n)
{
    g_byte_array_set_size(b, b->len + n);
    memset(b->data + b->len - n, 0, n);
}

static void put_surface(GByteArray *b)
{
    put_header(b, SPICE_MSG_DISPLAY_SURFACE_CREATE, 20);
    put_u32(b, 0);
    put_u32(b, 16);
    put_u32(b, 8);
    put_u32(b, SPICE_SURFACE_FMT_32_xRGB);
    put_u32(b, 1);
}

static void put_copy(GByteArray *b)
{
    put_header(b, SPICE_MSG_DISPLAY_DRAW_COPY, 57 + 36 + 32);
    put_u32(b, 0);
    put_rect(b, 1, 1, 3, 5);
    put_u8(b, SPICE_CLIP_TYPE_NONE);
    put_u32(b, 57);
    put_rect(b, 0, 0, 2, 4);
    put_u16(b, SPICE_ROPD_OP_PUT);
    put_zeroes(b, 14);
    put_u64(b, 9);
    put_u8(b, SPICE_IMAGE_TYPE_BITMAP);
    put_u8(b, SPICE_IMAGE_FLAGS_CACHE_ME);
    put_u32(b, 4);
    put_u32(b, 2);
    put_u8(b, SPICE_BITMAP_FMT_32BIT);
    put_u8(b, 4);
    put_u32(b, 4);
    put_u32(b, 2);
    put_u32(b, 16);
    put_u32(b, 0);
    put_zeroes(b, 32);
}

static void put_display(GByteArray *b)
{
    put_surface(b);
    put_header(b, KNOWN_ASK, 4);
    put_u32(b, 3);
    put_copy(b);
    put_header(b, SPICE_MSG_DISPLAY_COPY_BITS, 29);
    put_u32(b, 0);
    put_rect(b, 0, 0, 2, 2);
    put_u8(b, 0);
    put_u32(b, 3);
    put_u32(b, 3);
    put_header(b, SPICE_MSG_DISPLAY_STREAM_CREATE, 51);
    put_u32(b, 0);
    put_u32(b, 1);
    put_u8(b, 1);
    put_u8(b, SPICE_VIDEO_CODEC_TYPE_MJPEG);
    put_zeroes(b, 24);
    put_rect(b, 0, 0, 8, 8);
    put_u8(b, 0);
    put_header(b, SPICE_MSG_DISPLAY_MARK, 0);
}

static void put_main(GByteArray *b)
{
    put_header(b, SPICE_MSG_MAIN_MIGRATE_BEGIN_SEAMLESS, 30);
    put_place(b, "there", true);
    put_header(b, SPICE_MSG_SET_ACK, 8);
    put_u32(b, 1);
    put_u32(b, 2);
    put_header(b, SPICE_MSG_PING, 12);
    put_zeroes(b, 12);
    put_header(b, SPICE_MSG_MAIN_MIGRATE_CANCEL, 0);
    put_header(b, SPICE_MSG_MAIN_MIGRATE_SWITCH_HOST, 26);
    put_place(b, "there", false);
}

/* Keys are said meanwhile. */
static void put_numbers(GByteArray *b)
{
    put_header(b, REPLAY_WINDOW, 8);
    put_u32(b, 100);
    put_u32(b, 3);
    put_header(b, REPLAY_ADOPT, 12);
    put_u64(b, 1);
    put_u32(b, 0);
    put_header(b, REPLAY_COMMIT, 8);
    put_u64(b, 0);
}

static GByteArray *port_seed(void)
{
    GByteArray *b = g_byte_array_new();

    put_u8(b, 4);
    put_u8(b, 0);
    put_numbers(b);
    put_header(b, SPICE_MSG_PORT_INIT, 13);
    put_u32(b, 4);
    put_u32(b, 9);
    put_u8(b, 1);
    put_bytes(b, "one", 4);
    put_header(b, SPICE_MSG_SPICEVMC_DATA, 5);
    put_bytes(b, "a\n\0b\\", 5);
    put_header(b, SPICE_MSG_PORT_EVENT, 1);
    put_u8(b, 1);
    return b;
}

static GByteArray *make_seed(unsigned i)
{
    GByteArray *b;

    if (i == 8) {
        return port_seed();
    }
    b = g_byte_array_new();
    put_u8(b, i % 4 | (i & 4 ? 0x80 : 0));
    put_u8(b, i == 1 ? 3 : 0);
    if (i & 4) {
        put_link(b, UINT32_MAX);
    }
    if (i % 4 == 0) {
        put_beginning(b, SPICE_CHANNEL_DISPLAY);
        put_main(b);
    } else if (i % 4 == 1) {
        put_display(b);
    } else {
        if (i % 4 == 2) {
            put_numbers(b);
        }
        put_header(b, i % 4 == 2 ? SPICE_MSG_INPUTS_KEY_MODIFIERS : SPICE_MSG_CURSOR_SET, i % 4 == 2 ? 2 : 24);
        put_zeroes(b, i % 4 == 2 ? 2 : 24);
        put_header(b, SPICE_MSG_INPUTS_MOUSE_MOTION_ACK, 0);
    }
    return b;
}

FUZZ_MAIN("view", make_seed, 9, 150)
