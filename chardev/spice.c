/* chardev/spice.c - spicevmc and spiceport: the guest's end of a SPICE channel.  Owner: main loop (vm_lock).
 * Page: docs/chardev.md.  Test: tests/unit/chardev/spice-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "chardev/spice-port.h"

#include "backend.h"
#include "util/error.h"

#include <string.h>

#define SPICE_NAME_MAX 127

struct SpicePort {
    Chardev *c;
    SpicePortKind kind;
    char *name;
    unsigned channel;
    const SpicePortServer *server; /* NULL: nobody attached */
    void *opaque;
    bool was_refused;              /* room() is owed */
};

static SpicePort *ports[SPICE_PORTS_MAX]; /* in order of making, the first free place is taken */
static struct {
    void (*added)(SpicePort *p, void *opaque);
    void *opaque;
} listener;

/* ---- for the server ---- */
void spice_ports_listen(void (*added)(SpicePort *p, void *opaque), void *opaque)
{
    listener.added = added;
    listener.opaque = opaque;
    for (unsigned i = 0; i < SPICE_PORTS_MAX && added; i++) {
        if (ports[i]) {
            added(ports[i], opaque);
        }
    }
}

SpicePort *spice_port_find(SpicePortKind kind, const char *name)
{
    for (unsigned i = 0; i < SPICE_PORTS_MAX; i++) {
        if (ports[i] && ports[i]->kind == kind && (!name || !strcmp(ports[i]->name, name))) {
            return ports[i];
        }
    }
    return NULL;
}

SpicePortKind spice_port_kind(const SpicePort *p)
{
    return p->kind;
}

const char *spice_port_name(const SpicePort *p)
{
    return p->name;
}

unsigned spice_port_channel(const SpicePort *p)
{
    return p->channel;
}

bool spice_port_attach(SpicePort *p, const SpicePortServer *server, void *opaque, GError **errp)
{
    if (p->server) {
        return fail(errp, "chardev '%s' has a SPICE server already", p->c->id);
    }
    p->server = server;
    p->opaque = opaque;
    return true;
}

void spice_port_detach(SpicePort *p)
{
    p->server = NULL;
    p->was_refused = false;
    chardev_set_open(p->c, false);
}

void spice_port_set_open(SpicePort *p, bool is_open)
{
    chardev_set_open(p->c, is_open && p->server);
    if (is_open) {
        chardev_accept_input(p->c);
    }
}

bool spice_port_is_open(const SpicePort *p)
{
    return p->c->is_open;
}

bool spice_port_is_guest_open(const SpicePort *p)
{
    return p->c->is_claimed && chardev_is_guest_open(p->c);
}

/* Buffer by buffer, as the guest has them. */
size_t spice_port_give(SpicePort *p, const uint8_t *data, size_t size)
{
    size_t done = 0, part;

    while (done < size && p->c->is_open && (part = MIN(chardev_front_room(p->c), size - done))) {
        chardev_front_read(p->c, data + done, part);
        done += part;
    }
    p->was_refused = done < size;
    return done;
}

void spice_port_has_room(SpicePort *p)
{
    chardev_front_can_write(p->c);
}

void spice_port_break(SpicePort *p)
{
    chardev_front_event(p->c, CHARDEV_BREAK);
}

/* ---- the backend ---- */
static size_t spice_write(Chardev *c, const uint8_t *data, size_t size)
{
    SpicePort *p = c->impl;

    return p->server->take(p->opaque, data, size);
}

static void spice_input(Chardev *c)
{
    SpicePort *p = c->impl;

    if (p && p->server && p->was_refused && chardev_front_room(c)) {
        p->was_refused = false;
        p->server->room(p->opaque);
    }
}

static void spice_guest_opened(Chardev *c)
{
    SpicePort *p = c->impl;

    if (p && p->server) {
        p->server->guest_opened(p->opaque, spice_port_is_guest_open(p));
    }
}

static void spice_close(Chardev *c)
{
    SpicePort *p = c->impl;
    const SpicePortServer *server = p ? p->server : NULL;

    if (!p) {
        return;
    }
    c->impl = NULL;
    c->is_open = false;
    for (unsigned i = 0; i < SPICE_PORTS_MAX; i++) {
        ports[i] = ports[i] == p ? NULL : ports[i];
    }
    if (server) {
        p->server = NULL;
        server->gone(p->opaque);
    }
    g_free(p->name);
    g_free(p);
}

static unsigned free_channel(SpicePortKind kind)
{
    for (unsigned n = 0;; n++) {
        bool is_taken = false;

        for (unsigned i = 0; i < SPICE_PORTS_MAX; i++) {
            is_taken |= ports[i] && ports[i]->kind == kind && ports[i]->channel == n;
        }
        if (!is_taken) {
            return n;
        }
    }
}

static bool port_new(Chardev *c, SpicePortKind kind, const char *name, GError **errp)
{
    SpicePort *p;
    unsigned at = 0;

    if (strlen(name) > SPICE_NAME_MAX || !g_utf8_validate(name, -1, NULL)) {
        return fail(errp, "chardev '%s': name= takes at most %d bytes of UTF-8", c->id, SPICE_NAME_MAX);
    }
    if (kind == SPICE_PORT_AGENT ? spice_port_find(kind, NULL) != NULL
                                 : kind >= SPICE_PORT_NAMED && spice_port_find(kind, name)) {
        return fail(errp, "chardev '%s': there is a SPICE port '%s' already", c->id, name);
    }
    while (at < SPICE_PORTS_MAX && ports[at]) {
        at++;
    }
    if (at == SPICE_PORTS_MAX) {
        return fail(errp, "chardev '%s': there are %u SPICE ports already", c->id, SPICE_PORTS_MAX);
    }
    p = g_new0(SpicePort, 1);
    p->c = c;
    p->kind = kind;
    p->name = g_strdup(name);
    p->channel = free_channel(kind);
    c->impl = ports[at] = p;
    if (listener.added) {
        listener.added(p, listener.opaque);
    }
    return true;
}

static bool vmc_open(Chardev *c, const Json *options, GError **errp)
{
    static const struct {
        const char *name;
        SpicePortKind kind;
    } kinds[] = {{"vdagent", SPICE_PORT_AGENT}, {"usbredir", SPICE_PORT_USBREDIR}, {"smartcard", SPICE_PORT_SMARTCARD},
                 {"port", SPICE_PORT_NAMED}};
    const char *name = json_get_str(options, "name");

    for (unsigned i = 0; i < G_N_ELEMENTS(kinds); i++) {
        if (!g_strcmp0(kinds[i].name, name)) {
            return port_new(c, kinds[i].kind, name, errp);
        }
    }
    return name ? fail(errp, "chardev '%s': spicevmc: name=%s; accepted: vdagent, usbredir, smartcard, port", c->id, name)
                : fail(errp, "chardev '%s': spicevmc: no name given", c->id);
}

static bool port_open(Chardev *c, const Json *options, GError **errp)
{
    const char *name = json_get_str(options, "name");

    if (!name || !*name) {
        return fail(errp, "chardev '%s': spiceport: no name given", c->id);
    }
    return port_new(c, g_str_has_prefix(name, "org.spice-space.webdav.") ? SPICE_PORT_WEBDAV : SPICE_PORT_NAMED, name, errp);
}

static const char *const name_keys[] = {"name", NULL};
const ChardevBackend backend_spicevmc = {.name = "spicevmc", .keys = name_keys, .open = vmc_open, .close = spice_close,
                                         .write = spice_write, .input = spice_input, .guest_opened = spice_guest_opened};
const ChardevBackend backend_spiceport = {.name = "spiceport", .keys = name_keys, .open = port_open, .close = spice_close,
                                          .write = spice_write, .input = spice_input, .guest_opened = spice_guest_opened};
