/* ui/spice/port-channel.c - ports of the guest: chardevs spiceport and spicevmc,name=port.  Owner: main loop (vm_lock).
 * Page: docs/spice.md.  Test: tests/unit/ui/spice-port-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One client at a time has a port, the first that opens its channel; for others it is closed until their turn comes.  What the
 * guest does not take stays with the channel (TAKE_LATER), and the client's socket is not read; what the client does not read
 * stays with the guest.  The device may call from a hart's thread. */
#include "agent.h"
#include "chardev/spice-port.h"
#include "kinds.h"
#include "main-channel.h"
#include "ports.h"
#include "server.h"
#include "util/log.h"

#include <spice/protocol.h>
#include <string.h>

enum { EVENT_OPENED, EVENT_CLOSED, EVENT_BREAK };
enum { NAME_OFFSET = 9 }; /* of PORT_INIT: behind the size, itself and `opened` */

typedef struct PortChannel PortChannel;

typedef struct PortEnd { /* our end of a chardev */
    SpicePort *port;
    uint8_t type, id;
    PortChannel *owner; /* NULL: no client has it */
} PortEnd;

struct PortChannel {
    SpiceChannel c;
    PortState st;
};

static GPtrArray *ends; /* of PortEnd */

static PortChannel *of(SpiceChannel *c)
{
    return (PortChannel *)c;
}

PortState *port_state(SpiceChannel *c)
{
    return &of(c)->st;
}

static PortEnd *end_at(uint8_t type, uint8_t id)
{
    for (unsigned i = 0; ends && i < ends->len; i++) {
        PortEnd *e = ends->pdata[i];

        if (e->type == type && e->id == id) {
            return e;
        }
    }
    return NULL;
}

static PortEnd *end_of(const PortChannel *p) /* NULL: the chardev has gone */
{
    return end_at(p->c.st.type, p->c.st.id);
}

/* ---- what the client is told ---- */

static bool is_open_for(const PortChannel *p)
{
    const PortEnd *e = end_of(p);

    return e && e->owner == p && spice_port_is_guest_open(e->port);
}

static void send_init(PortChannel *p, const char *name)
{
    GByteArray *b = g_byte_array_new();

    p->st.is_told_open = is_open_for(p);
    put_u32(b, strlen(name) + 1);
    put_u32(b, NAME_OFFSET);
    put_u8(b, p->st.is_told_open);
    put_bytes(b, name, strlen(name) + 1);
    spice_send(&p->c, SPICE_MSG_PORT_INIT, b);
}

/* Only when it has read what was before, so that a guest that opens and closes in turns costs no memory.  What came in
 * between is not said. */
static void tell_open(PortChannel *p)
{
    GByteArray *b;

    if (p->st.is_told_open != is_open_for(p) && spice_has_room(&p->c)) {
        p->st.is_told_open = !p->st.is_told_open;
        b = g_byte_array_new();
        put_u8(b, p->st.is_told_open ? EVENT_OPENED : EVENT_CLOSED);
        spice_send(&p->c, SPICE_MSG_PORT_EVENT, b);
    }
}

/* ---- the guest ---- */

static size_t port_take(void *opaque, const uint8_t *data, size_t size)
{
    PortEnd *e = opaque;
    size_t done = 0;

    while (done < size && e->owner && spice_has_room(&e->owner->c)) {
        size_t part = MIN(size - done, PORT_PIECE);
        GByteArray *b = g_byte_array_sized_new(part);

        tell_open(e->owner);
        put_bytes(b, data + done, part);
        done += part;
        spice_send(&e->owner->c, SPICE_MSG_SPICEVMC_DATA, b);
    }
    return e->owner ? done : size;
}

static void guest_room(void *opaque)
{
    PortEnd *e = opaque;

    if (e->owner) {
        spice_resume(&e->owner->c);
    }
}

static void guest_opened(void *opaque, bool is_open)
{
    PortEnd *e = opaque;

    if (e->owner) {
        e->owner->st.drops |= !is_open && e->owner->st.taken;
        tell_open(e->owner);
        spice_resume(&e->owner->c); /* what is held was for who has closed it, or waited for who opened it */
    }
}

/* ---- whose it is ---- */

static void own(PortEnd *e, PortChannel *p)
{
    e->owner = p;
    p->st.is_owner = true;
    p->st.is_shut = false;
    spice_port_set_open(e->port, true);
    tell_open(p);
}

typedef struct Heir {
    const PortEnd *end;
    PortChannel *first;
} Heir;

static void find_heir(SpiceChannel *c, void *opaque)
{
    Heir *h = opaque;

    bool is_here = c->mode == CHANNEL_LIVE || c->mode == CHANNEL_FROZEN; /* the guest may stay */

    if (c->st.id == h->end->id && !h->first && is_here && !c->is_lost) {
        h->first = of(c);
    }
}

static void disown(PortEnd *e)
{
    Heir h = {.end = e};

    e->owner = NULL;
    spice_port_set_open(e->port, false);
    server_foreach(e->type, find_heir, &h);
    if (h.first) {
        own(e, h.first);
    }
}

/* ---- what the client says ---- */

/* What is said to nobody is dropped: whoever opens the port next shall not get the end of it. */
static Taken take_data(SpiceChannel *c, const uint8_t *data, uint32_t size)
{
    PortChannel *p = of(c);

    if (!is_open_for(p) || p->st.drops) {
        TRACE(spice_port_unheard, "port %u: %u bytes to nobody", c->st.id, size);
        p->st.drops = false;
        p->st.taken = 0;
        return TAKEN;
    }
    p->st.taken = MIN(p->st.taken, size); /* what a source said of it may be wrong */
    p->st.taken += spice_port_give(end_of(p)->port, data + p->st.taken, size - p->st.taken);
    if (p->st.taken < size) {
        return TAKE_LATER;
    }
    p->st.taken = 0;
    return TAKEN;
}

static Taken take_event(SpiceChannel *c, const uint8_t *data, uint32_t size)
{
    PortEnd *e = end_of(of(c));

    if (e && e->owner == of(c)) {
        if (data[0] == EVENT_BREAK) {
            spice_port_break(e->port);
        } else {
            of(c)->st.is_shut = data[0] != EVENT_OPENED;
            spice_port_set_open(e->port, !of(c)->st.is_shut);
        }
    }
    return TAKEN;
}

static const MessageRow port_rows[] = {
    {"data", SPICE_MSGC_SPICEVMC_DATA, 0, PORT_DATA_MAX, take_data},
    {"port-event", SPICE_MSGC_PORT_EVENT, 1, 1, take_event},
    {},
};

/* ---- the chardevs ---- */

static void close_channel(SpiceChannel *c, void *opaque)
{
    const PortEnd *e = opaque;

    if (c->st.id == e->id) {
        spice_close(c);
    }
}

static void port_gone(void *opaque)
{
    PortEnd *e = opaque;

    e->owner = NULL;
    g_ptr_array_remove(ends, e);
    server_foreach(e->type, close_channel, e);
    g_free(e);
}

static const SpicePortServer port_ops = {.take = port_take, .room = guest_room, .guest_opened = guest_opened, .gone = port_gone};

static void announce(SpiceChannel *c, void *opaque)
{
    const PortEnd *e = opaque;

    main_tell_channel(c, e->type, e->id);
}

static void port_added(SpicePort *p, void *opaque)
{
    SpicePortKind kind = spice_port_kind(p);
    PortEnd *e;

    if (kind == SPICE_PORT_AGENT) {
        agent_attach(p);
    }
    if (kind != SPICE_PORT_NAMED && kind != SPICE_PORT_WEBDAV) {
        return;
    }
    e = g_new0(PortEnd, 1);
    e->port = p;
    e->type = kind == SPICE_PORT_NAMED ? SPICE_CHANNEL_PORT : SPICE_CHANNEL_WEBDAV;
    e->id = spice_port_channel(p);
    if (!spice_port_attach(p, &port_ops, e, NULL)) {
        g_free(e);
        return;
    }
    g_ptr_array_add(ends, e);
    server_foreach(SPICE_CHANNEL_MAIN, announce, e);
}

void ports_start(void)
{
    ends = ends ? ends : g_ptr_array_new();
    spice_ports_listen(port_added, NULL);
}

void ports_stop(void)
{
    spice_ports_listen(NULL, NULL);
    agent_detach();
    while (ends && ends->len) {
        PortEnd *e = ends->pdata[0];

        spice_port_detach(e->port);
        port_gone(e);
    }
}

/* ---- life ---- */

static unsigned count(uint8_t type)
{
    unsigned n = 0;

    for (unsigned i = 0; ends && i < ends->len; i++) {
        const PortEnd *e = ends->pdata[i];

        n = e->type == type && e->id >= n ? e->id + 1u : n;
    }
    return n;
}

static unsigned port_count(void)
{
    return count(SPICE_CHANNEL_PORT);
}

static unsigned webdav_count(void)
{
    return count(SPICE_CHANNEL_WEBDAV);
}

static bool port_has(uint8_t id)
{
    return end_at(SPICE_CHANNEL_PORT, id);
}

static bool webdav_has(uint8_t id)
{
    return end_at(SPICE_CHANNEL_WEBDAV, id);
}

static void port_start(SpiceChannel *c)
{
    PortEnd *e = end_of(of(c));

    if (!e) { /* it went while the client linked */
        spice_close(c);
        return;
    }
    send_init(of(c), spice_port_name(e->port));
    if (!e->owner && !c->is_closed) {
        own(e, of(c));
    }
}

/* ---- handoff ---- */

/* It opened the port before the guest came, with which comes whose it is.  What it has said is for nobody. */
static void give_up_early(PortEnd *e)
{
    PortChannel *p = e->owner;

    if (p && p->c.mode != CHANNEL_QUIET) {
        e->owner = NULL;
        p->st.is_owner = false;
        tell_open(p);
        spice_resume(&p->c);
    }
}

/* Before the machine starts: the guest sees no change. */
static bool port_loaded(SpiceChannel *c, StateReader *r, GError **errp)
{
    PortEnd *e = end_of(of(c));

    if (of(c)->st.is_owner && e) {
        give_up_early(e);
    }
    of(c)->st.is_owner = of(c)->st.is_owner && e && !e->owner;
    if (of(c)->st.is_owner) {
        e->owner = of(c);
        spice_port_set_open(e->port, !of(c)->st.is_shut);
    }
    return true;
}

static void port_adopted(SpiceChannel *c)
{
    PortEnd *e = end_of(of(c));

    if (e && !e->owner) {
        own(e, of(c));
    }
    tell_open(of(c));
}

/* What the guest said last may be missing: its client knows by being told again what the port is. */
static void port_resumed(SpiceChannel *c)
{
    PortEnd *e = end_of(of(c));

    if (!e) {
        spice_close(c);
        return;
    }
    send_init(of(c), spice_port_name(e->port));
    if (!e->owner && !c->is_closed) {
        own(e, of(c));
    }
}

static uint32_t port_partial(const SpiceChannel *c)
{
    return ((const PortChannel *)c)->st.taken;
}

/* PORT_INIT is said once, so what it knows is made certain by events. */
static void port_reset(SpiceChannel *c)
{
    GByteArray *b = g_byte_array_new();

    of(c)->st.is_told_open = false;
    of(c)->st.taken = 0;
    of(c)->st.drops = false;
    put_u8(b, EVENT_CLOSED);
    spice_send(c, SPICE_MSG_PORT_EVENT, b);
    port_adopted(c);
}

VMSTATE_DEFINE_SPAN(PortChannel, st)

const VMStateDescription port_channel_vmstate = {
    .name = "spice-port", .version = 3, VMSTATE_SPAN(PortChannel, st),
    .fields = VMSTATE_FIELDS(VMSTATE_BOOL(PortChannel, st.is_owner), VMSTATE_BOOL(PortChannel, st.is_told_open),
                             VMSTATE_U32(PortChannel, st.taken), VMSTATE_BOOL_SINCE(2, PortChannel, st.drops),
                             VMSTATE_BOOL_SINCE(3, PortChannel, st.is_shut)),
};

static const ChannelPart port_parts[] = {{"port", &port_channel_vmstate, NULL, port_loaded}, {}};

static void port_room(SpiceChannel *c)
{
    PortEnd *e = end_of(of(c));

    tell_open(of(c));
    if (e && e->owner == of(c)) {
        spice_port_has_room(e->port);
    }
}

static void port_stop(SpiceChannel *c)
{
    PortEnd *e = end_of(of(c));

    if (e && e->owner == of(c)) {
        disown(e);
    }
}

#define PORT_KIND(number, how_many, which)                                                                             \
    {.type = number, .needs_flush = true, .moves_queue = true, .parts = port_parts, .size = sizeof(PortChannel),        \
     .rows = port_rows, .count = how_many, .has = which, .adopted = port_adopted, .reset = port_reset,                  \
     .resumed = port_resumed, .partial = port_partial, .start = port_start, .room = port_room, .stop = port_stop}
const ChannelKind port_channel_kind = PORT_KIND(SPICE_CHANNEL_PORT, port_count, port_has);
const ChannelKind webdav_channel_kind = PORT_KIND(SPICE_CHANNEL_WEBDAV, webdav_count, webdav_has);
