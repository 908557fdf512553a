/* tests/fuzz/spice-link.c - what anybody may say who connects to the SPICE server, up to and into the main channel.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Input: byte 0: most bytes of one read (0: all); the rest is what the client sends, the ticket being of no account. */
#include "../unit/ui/spice-fake.h"
#include "ui/spice/server.h"
#include "ui/spice/websocket.h"

#include "replay.h"

#include <spice/protocol.h>

static unsigned ended;

static LinkAuth no_auth(void *opaque)
{
    return LINK_AUTH_NONE;
}

static uint32_t any_security(SpiceLink *l, void *opaque)
{
    return SPICE_LINK_ERR_OK;
}

static SpiceCaps any_caps(SpiceLink *l, void *opaque)
{
    return (SpiceCaps){{1}};
}

static uint32_t any_channel(SpiceLink *l, void *opaque)
{
    return SPICE_LINK_ERR_OK;
}

static void nothing(SpiceLink *l, void *opaque)
{
}

static void gone(SpiceLink *l, void *opaque)
{
    ended++;
}

static const LinkHost host = {.auth = no_auth, .security = any_security, .caps = any_caps, .admit = any_channel,
                              .adopt = nothing, .gone = gone};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SpiceEnds ends = {{{0}}};
    uint64_t one = 1;
    FakeWire *w;
    bool wire_gone = false;
    int fd;

    if (!server()->clients) {
        fuzz_hush();
        loop_init();
        server_init();
    }
    if (!size) {
        return 0;
    }
    w = fake_wire();
    w->piece = data[0];
    w->is_ended = true;
    w->gone = &wire_gone;
    g_byte_array_append(w->in, data + 1, size - 1);
    fd = w->wire.fd;
    ended = 0;
    g_assert_cmpint(write(fd, &one, sizeof(one)), ==, sizeof(one)); /* the descriptor is readable */
    link_start(&w->wire, &ends, &host, NULL);
    for (unsigned turn = 0; turn < 100000 && !ended; turn++) {
        g_main_context_iteration(NULL, false);
    }
    g_assert_true(ended && wire_gone); /* whatever was said: at its end nothing is left */
    return 0;
}

static GByteArray *make_seed(unsigned i)
{
    GByteArray *b = g_byte_array_new();
    static const uint8_t ticket[TICKET_BYTES];

    put_u8(b, i == 1 ? 7 : 0);
    if (i == 2) {
        const char *request = "GET / HTTP/1.1\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                              "Sec-WebSocket-Protocol: binary\r\n\r\n\x82\x90\0\0\0\0";

        put_bytes(b, request, strlen(request) + 4);
    }
    put_bytes(b, "REDQ", 4);
    put_u32(b, SPICE_VERSION_MAJOR);
    put_u32(b, SPICE_VERSION_MINOR);
    put_u32(b, LINK_MESS_BYTES + 8);
    put_u32(b, 0);
    put_u8(b, SPICE_CHANNEL_MAIN);
    put_u8(b, 0);
    put_u32(b, 1);
    put_u32(b, 1);
    put_u32(b, LINK_MESS_BYTES);
    put_u32(b, 0xd);
    put_u32(b, 0xf);
    put_u32(b, i == 3 ? 2 : 1);
    put_bytes(b, ticket, sizeof(ticket));
    return b;
}

FUZZ_MAIN("spice-link", make_seed, 4, 500)
