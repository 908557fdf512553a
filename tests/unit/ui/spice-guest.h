/* tests/unit/ui/spice-guest.h - a client's session over memory, and a device that holds the other end of a chardev.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "spice-fake.h"

#include "chardev/chardev.h"
#include "qapi/opts.h"
#include "ui/spice/server.h"

#include <spice/protocol.h>

/* ---- the guest ---- */
typedef struct Guest {
    Chardev *c;
    GByteArray *got;
    size_t room;            /* bytes that it takes still */
    GByteArray *says;       /* and what it has not got rid of */
    GString *events;
} Guest;

static inline size_t guest_can_read(void *opaque)
{
    return MIN(((Guest *)opaque)->room, 100);
}

static inline void guest_read(void *opaque, const uint8_t *data, size_t size)
{
    Guest *g = opaque;

    g_assert_cmpuint(size, <=, guest_can_read(g));
    g->room -= size;
    g_byte_array_append(g->got, data, size);
}

static inline void guest_write_more(void *opaque)
{
    Guest *g = opaque;

    if (g->says->len) {
        g_byte_array_remove_range(g->says, 0, chardev_write(g->c, g->says->data, g->says->len));
    }
}

static inline void guest_event(void *opaque, ChardevEvent event)
{
    g_string_append_c(((Guest *)opaque)->events, "ocbr"[event]);
}

static const ChardevHandlers guest_handlers = {guest_can_read, guest_read, guest_event, guest_write_more, .is_guest = true};

/* chardev: as after -chardev.  The guest has it closed. */
static inline void guest_plug(Guest *g, const char *chardev)
{
    g_autoptr(Json) options = opts_parse(chardev, "backend", NULL, NULL);

    *g = (Guest){.c = chardev_add(options, NULL), .got = g_byte_array_new(), .says = g_byte_array_new(), .room = SIZE_MAX,
                 .events = g_string_new(NULL)};
    g_assert_nonnull(g->c);
    g_assert_true(chardev_claim(g->c, &guest_handlers, g, NULL));
    chardev_set_guest_open(g->c, false);
}

static inline void guest_unplug(Guest *g)
{
    g_autofree char *id = g_strdup(chardev_id(g->c));

    chardev_release(g->c);
    g_assert_true(chardev_delete(id, NULL));
    g_byte_array_unref(g->got);
    g_byte_array_unref(g->says);
    g_string_free(g->events, true);
}

static inline void guest_say(Guest *g, const void *data, size_t size)
{
    g_byte_array_append(g->says, data, size);
    guest_write_more(g);
}

static inline void guest_allow(Guest *g, size_t room)
{
    g->room = room;
    chardev_accept_input(g->c);
}

/* ---- a client ---- */
typedef struct FakeClient {
    SpiceClient *client;
    SpiceChannel *main;
    FakeWire *w;
} FakeClient;

static inline SpiceChannel *fake_open(FakeClient *f, uint8_t type, uint8_t id, FakeWire **ret)
{
    SpiceCaps common = fake_common(), all = {{UINT32_MAX}};
    SpiceEnds ends = {{{0}}};
    SpiceChannel *c;

    *ret = fake_wire();
    c = spice_channel_new(server_kind(type), id, f->client, &(*ret)->wire, &ends, &common, &all);
    g_ptr_array_add(f->client->channels, c);
    spice_channel_start(c);
    return c;
}

static inline FakeClient fake_client(void)
{
    static uint32_t sessions;
    FakeClient f = {.client = g_new0(SpiceClient, 1)};

    f.client->st.session_id = ++sessions;
    f.client->channels = g_ptr_array_new();
    g_ptr_array_add(server()->clients, f.client);
    f.main = fake_open(&f, SPICE_CHANNEL_MAIN, 0, &f.w);
    spice_pump(f.main);
    return f;
}

static inline void fake_leave(FakeClient *f)
{
    spice_close(f->main);
    fake_settle();
}

/* The next message of this type, with its body; others are passed over.  False: there is none. */
static inline bool fake_until(FakeWire *w, uint16_t type, GByteArray *ret_body)
{
    uint16_t heard;

    while ((heard = fake_hear(w, ret_body))) {
        if (heard == type) {
            return true;
        }
    }
    return false;
}
