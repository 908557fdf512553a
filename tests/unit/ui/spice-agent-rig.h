/* tests/unit/ui/spice-agent-rig.h - a guest with an agent, and clients that have started it.  For unit tests.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "spice-guest.h"

#include "system/runstate.h"
#include "system/vm-lock.h"
#include "ui/input.h"
#include "ui/spice/agent.h"
#include "ui/spice/main-channel.h"
#include "ui/spice/ports.h"

#include <spice/vd_agent.h>

/* ---- messages ---- */

/* Of any size, as agents make them. */
static inline void put_chunk(GByteArray *to, uint32_t port, const uint8_t *message, uint32_t size)
{
    put_u32(to, port);
    put_u32(to, size);
    put_bytes(to, message, size);
}

static inline GByteArray *message(uint32_t type, const void *body, uint32_t size)
{
    GByteArray *b = g_byte_array_new();

    put_u32(b, VD_AGENT_PROTOCOL);
    put_u32(b, type);
    put_u64(b, 0);
    put_u32(b, size);
    put_bytes(b, body, size);
    return b;
}

static inline void client_says(FakeClient *f, const GByteArray *m, uint32_t from, uint32_t size)
{
    fake_say(f->w, SPICE_MSGC_MAIN_AGENT_DATA, m->data + from, size);
    spice_pump(f->main);
}

static inline void client_starts(FakeClient *f)
{
    fake_say(f->w, SPICE_MSGC_MAIN_AGENT_START, "\xff\xff\xff\xff", 4);
    spice_pump(f->main);
}

static inline void agent_says(Guest *g, uint32_t port, const GByteArray *m)
{
    g_autoptr(GByteArray) b = g_byte_array_new();

    put_chunk(b, port, m->data, m->len);
    guest_say(g, b->data, b->len);
}

/* The next chunk at the guest is this. */
static inline void assert_chunk(Guest *g, uint32_t port, const uint8_t *data, uint32_t size)
{
    g_assert_cmpuint(g->got->len, >=, AGENT_CHUNK_HEADER);
    g_assert_cmpuint(load_le32(g->got->data), ==, port);
    g_assert_cmpuint(load_le32(g->got->data + 4), ==, size);
    g_assert_cmpmem(g->got->data + AGENT_CHUNK_HEADER, MIN(size, g->got->len - AGENT_CHUNK_HEADER), data, size);
    g_byte_array_remove_range(g->got, 0, AGENT_CHUNK_HEADER + size);
}

static inline void assert_gone(Guest *g)
{
    g_autoptr(GByteArray) m = message(VD_AGENT_CLIENT_DISCONNECTED, NULL, 0);

    assert_chunk(g, VDP_SERVER_PORT, m->data, m->len);
}

static inline bool hears(FakeClient *f, uint16_t type, GByteArray *ret)
{
    spice_pump(f->main);
    return fake_until(f->w, type, ret);
}

static bool stands_in; /* a screen can be resized: before there is an agent the server is it */

/* A guest with an agent, and n clients that have started it. */
static inline void meet(Guest *g, FakeClient *f, unsigned n)
{
    g_autoptr(GByteArray) b = g_byte_array_new();

    guest_plug(g, "spicevmc,id=agent,name=vdagent");
    g_assert_cmpstr(g->events->str, ==, "o"); /* from the start */
    g_assert_true(chardev_is_open(g->c));
    for (unsigned i = 0; i < n; i++) {
        f[i] = fake_client();
        g_assert_true(hears(&f[i], SPICE_MSG_MAIN_INIT, b));
        g_assert_cmpuint(load_le32(b->data + 16), ==, stands_in);
        if (stands_in) {
            client_starts(&f[i]);
        }
    }
    chardev_set_guest_open(g->c, true);
    for (unsigned i = 0; i < n; i++) {
        g_assert_true(hears(&f[i], SPICE_MSG_MAIN_AGENT_CONNECTED_TOKENS, b));
        g_assert_cmpuint(load_le32(b->data), ==, AGENT_TOKENS);
        client_starts(&f[i]);
    }
}

static inline void part(Guest *g, FakeClient *f, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        fake_leave(&f[i]);
    }
    guest_unplug(g);
}

static uint8_t noise[100 * 1000];

static inline void prepare(void)
{
    loop_init();
    runstate_init();
    vm_lock();
    input_init();
    server_init();
    ports_start();
    for (unsigned i = 0; i < sizeof(noise); i++) {
        noise[i] = i * 7 ^ i >> 8;
    }
}
