/* tests/fuzz/spice-link.c - what anybody may say who connects to the SPICE server, up to and into the main channel.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Input: byte 0: most bytes of one read (0: all), bits 6 and 7: is the ticket of no account (0), has there to be the right
 * one (1), or SASL, over a socket of this host (2) or not (3); the rest is what the client sends. */
#include "../unit/ui/spice-fake.h"
#include "config-host.h"
#include "ui/spice/sasl.h"
#include "ui/spice/server.h"
#include "ui/spice/websocket.h"

#include "replay.h"

#include <spice/protocol.h>

static unsigned ended;

static unsigned auth;
static Ticket ticket = {.password = (char *)"secret", .expires_ns = TICKET_NEVER};

static LinkAuth any_auth(void *opaque)
{
    return auth >= 2 && CONFIG_SASL ? LINK_AUTH_SASL : auth ? LINK_AUTH_TICKET : LINK_AUTH_NONE;
}

static const Ticket *the_ticket(void *opaque)
{
    return &ticket;
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

static const LinkHost host = {.auth = any_auth, .ticket = the_ticket, .security = any_security, .caps = any_caps,
                              .admit = any_channel, .adopt = nothing, .gone = gone};

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
#if CONFIG_SASL
        g_assert_true(sasl_init(NULL));
#endif
    }
    if (!size) {
        return 0;
    }
    w = fake_wire();
    w->piece = data[0] & 63;
    auth = data[0] >> 6;
    w->wire.is_unix = auth == 2;
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
    static const uint8_t sent[TICKET_BYTES];
    static const char *const mechanisms[] = {"PLAIN", "DIGEST-MD5", "CRAM-MD5", "SCRAM-SHA-1"};

    put_u8(b, i == 1 ? 7 : i == 4 ? 1 << 6 : i == 6 ? 3 << 6 : i > 4 ? 2 << 6 : 0);
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
    put_u32(b, i == 3 || i > 4 ? 2 : 1);
    if (i > 4) {
        put_u32(b, strlen(mechanisms[i - 5]));
        put_bytes(b, mechanisms[i - 5], strlen(mechanisms[i - 5]));
        put_u32(b, 18);
        put_bytes(b, "\0anna\0password\0\0\0", 18);
        put_u32(b, 0);
    }
    put_bytes(b, sent, sizeof(sent));
    return b;
}

FUZZ_MAIN("spice-link", make_seed, 9, 300)
