/* ui/spice/server.c - the SPICE server: links that become channels, channels that make sessions.  Owner: main loop (vm_lock).
 * Page: docs/spice.md.  Test: tests/unit/ui/spice-resume-test.c, tests/functional/spice-test.py
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "server.h"
#include "agent.h"
#include "events.h"
#include "kinds.h"
#include "listener.h"
#include "main-channel.h"
#include "ports.h"
#include "sasl.h"
#include "tls.h"
#include "ui/input.h"
#include "util/error.h"
#include "util/log.h"

#include <spice/protocol.h>
#include <string.h>
#include <sys/random.h>

static SpiceServer the_server;

SpiceServer *server(void)
{
    return &the_server;
}

/* ---- what there is ---- */

static const ChannelKind *const kinds[] = {
    &main_channel_kind, &display_channel_kind, &inputs_channel_kind, &cursor_channel_kind,
    &port_channel_kind, &webdav_channel_kind,
};

const ChannelKind *server_kind(uint8_t type)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(kinds); i++) {
        if (kinds[i]->type == type) {
            return kinds[i];
        }
    }
    return NULL;
}

static bool kind_has(const ChannelKind *kind, uint8_t id)
{
    return id < kind->count() && (!kind->has || kind->has(id));
}

GByteArray *server_channels_list(void)
{
    GByteArray *b = g_byte_array_new();
    uint32_t n = 0;

    put_u32(b, 0);
    for (unsigned i = 0; i < G_N_ELEMENTS(kinds); i++) {
        unsigned ids = kinds[i]->type == SPICE_CHANNEL_MAIN ? 0 : kinds[i]->count();

        for (unsigned id = 0; id < ids; id++) {
            if (kind_has(kinds[i], id)) {
                put_u8(b, kinds[i]->type);
                put_u8(b, id);
                n++;
            }
        }
    }
    n = GUINT32_TO_LE(n);
    memcpy(b->data, &n, 4);
    return b;
}

void server_foreach(uint8_t type, void (*fn)(SpiceChannel *c, void *opaque), void *opaque)
{
    g_autoptr(GPtrArray) channels = g_ptr_array_new(); /* fn may close them, and with them clients; they are freed later */

    for (unsigned i = 0; the_server.clients && i < the_server.clients->len; i++) {
        const SpiceClient *client = the_server.clients->pdata[i];

        for (unsigned n = 0; n < client->channels->len; n++) {
            g_ptr_array_add(channels, client->channels->pdata[n]);
        }
    }
    for (unsigned i = 0; i < channels->len; i++) {
        SpiceChannel *c = channels->pdata[i];

        if (c->st.type == type && !c->is_closed) {
            fn(c, opaque);
        }
    }
}

/* ---- clients ---- */

static SpiceClient *find_client(uint32_t session_id)
{
    for (unsigned i = 0; i < the_server.clients->len; i++) {
        SpiceClient *client = the_server.clients->pdata[i];

        if (client->st.session_id == session_id && !client->is_closing) {
            return client;
        }
    }
    return NULL;
}

static uint32_t new_session_id(void)
{
    uint32_t id = 0;

    while (!id || find_client(id)) {
        if (getrandom(&id, sizeof(id), 0) != sizeof(id)) {
            id = g_random_int();
        }
    }
    return id;
}

/* id 0: a session that begins here. */
static SpiceClient *client_new(uint32_t id)
{
    SpiceClient *client = g_new0(SpiceClient, 1);

    client->st.session_id = id ? id : new_session_id();
    client->channels = g_ptr_array_new();
    g_ptr_array_add(the_server.clients, client);
    if (id) {
        arrive_begin(client);
    }
    return client;
}

static SpiceChannel *client_channel(const SpiceClient *client, uint8_t type, uint8_t id)
{
    for (unsigned i = 0; i < client->channels->len; i++) {
        SpiceChannel *c = client->channels->pdata[i];

        if (c->st.type == type && c->st.id == id) {
            return c;
        }
    }
    return NULL;
}

static void client_free(SpiceClient *client)
{
    g_ptr_array_remove(the_server.clients, client);
    migrate_client_free(client);
    arrive_client_free(client);
    g_ptr_array_unref(client->channels);
    g_free(client);
}

SpiceChannel *client_main(const SpiceClient *client)
{
    return client->channels->pdata[0];
}

/* One that is in its stop() already has more of that to do: it goes when it comes back from there. */
static void close_all(SpiceClient *client)
{
    g_autoptr(GPtrArray) channels = g_ptr_array_copy(client->channels, NULL, NULL);

    for (unsigned n = channels->len; n; n--) { /* with the last one the client ends */
        spice_close(channels->pdata[n - 1]);
    }
}

void client_disconnect(SpiceClient *client, const char *why)
{
    TRACE(spice_client_dropped, "%08x: %s", client->st.session_id, why);
    if (client_main(client)->st.type == SPICE_CHANNEL_MAIN && !migrate_keeps_channels(client)) {
        spice_disconnect(client_main(client), SPICE_LINK_ERR_OK);
    } else {
        close_all(client);
    }
}

SpiceChannel *server_find_channel(uint32_t session_id, uint8_t type, uint8_t id)
{
    const SpiceClient *client = the_server.clients ? find_client(session_id) : NULL;

    return client ? client_channel(client, type, id) : NULL;
}

/* ---- channels that end ---- */

static void reap(void *opaque)
{
    for (unsigned i = 0; the_server.dead && i < the_server.dead->len; i++) {
        spice_channel_free(the_server.dead->pdata[i]);
    }
    if (the_server.dead) {
        g_ptr_array_set_size(the_server.dead, 0);
    }
}

/* Somebody may be in it still: it goes when the loop comes round. */
void server_channel_closed(SpiceChannel *c)
{
    SpiceClient *client = c->client;
    bool was_main = c->st.type == SPICE_CHANNEL_MAIN;

    migrate_channel_closed(c);
    if (!c->is_lost) {
        spice_event_disconnected(&c->ends);
    }
    if (!the_server.dead->len) {
        loop_call(reap, NULL);
    }
    g_ptr_array_add(the_server.dead, c);
    c->client = NULL;
    if (!client || !g_ptr_array_remove(client->channels, c)) {
        return;
    }
    if (!client->channels->len) {
        client_free(client);
    } else if (was_main && !migrate_keeps_channels(client)) {
        client->is_closing = true;
        close_all(client);
    }
}

/* Whoever is between two servers does not: there, its connections are what it is known by.  Nor does a channel that would lose
 * what was meant for the guest. */
bool server_may_return(const SpiceChannel *c)
{
    const SpiceClient *client = c->client;

    return c->replay.resumes && c->kind->resumed && (c->replay.is_on || !c->kind->needs_flush) && c->mode == CHANNEL_LIVE &&
           !c->awaits_tail && !c->awaits_seal && client && !client->is_closing && client->arr.state == ARRIVE_HERE;
}

void server_channel_lost(SpiceChannel *c)
{
    spice_event_disconnected(&c->ends);
    migrate_channel_lost(c);
}

/* A session that is only kept; NULL: there is none. */
static SpiceClient *find_away(void)
{
    for (unsigned i = 0; i < the_server.clients->len; i++) {
        SpiceClient *client = the_server.clients->pdata[i];

        if (client_main(client)->is_lost) {
            return client;
        }
    }
    return NULL;
}

static bool is_full(void)
{
    return the_server.clients->len >= SPICE_CLIENTS_MAX;
}

/* Who is here goes before who may come back. */
static void make_room(void)
{
    if (is_full()) {
        client_disconnect(find_away(), "another one needs its place");
    }
}

/* ---- links ---- */

static LinkAuth link_auth(void *opaque)
{
    const SpiceConfig *c = &the_server.config;

    return c->sasl ? LINK_AUTH_SASL : c->disable_ticketing ? LINK_AUTH_NONE : LINK_AUTH_TICKET;
}

static const Ticket *link_ticket(void *opaque)
{
    return &the_server.ticket;
}

static uint32_t link_security(SpiceLink *l, void *opaque)
{
    uint32_t bit = l->request.type < 32 ? UINT32_C(1) << l->request.type : 0;

    if (the_server.config.tls_channels & bit && !l->ends.is_tls) {
        return SPICE_LINK_ERR_NEED_SECURED;
    }
    return the_server.config.plain_channels & bit && l->ends.is_tls ? SPICE_LINK_ERR_NEED_UNSECURED : SPICE_LINK_ERR_OK;
}

static SpiceCaps link_caps(SpiceLink *l, void *opaque)
{
    const ChannelKind *kind = server_kind(l->request.type);

    return (SpiceCaps){{kind ? kind->caps : 0}};
}

/* NULL: none that this link would go on with. */
static SpiceChannel *returns_to(const SpiceLink *l)
{
    const LinkRequest *r = &l->request;
    const SpiceClient *client = r->connection_id ? find_client(r->connection_id) : NULL;
    SpiceChannel *c = client ? client_channel(client, r->type, r->id) : NULL;

    return c && spice_may_reattach(c, &r->common) ? c : NULL;
}

static uint32_t link_admit(SpiceLink *l, void *opaque)
{
    const LinkRequest *r = &l->request;
    const ChannelKind *kind = server_kind(r->type);
    SpiceClient *client;

    if (returns_to(l)) {
        return SPICE_LINK_ERR_OK;
    }
    client = find_client(r->connection_id);
    if (r->type == SPICE_CHANNEL_MAIN) {
        /* A main link with an id is a client that moves to us with the guest that we wait for. */
        return r->connection_id && (client || !arrive_expects(r->connection_id)) ? SPICE_LINK_ERR_BAD_CONNECTION_ID
               : r->id                                         ? SPICE_LINK_ERR_CHANNEL_NOT_AVAILABLE
               : is_full() && !find_away()                     ? SPICE_LINK_ERR_ERROR
                                                               : SPICE_LINK_ERR_OK;
    }
    if (!client) {
        return SPICE_LINK_ERR_BAD_CONNECTION_ID;
    }
    return !kind || !kind_has(kind, r->id) || client_channel(client, r->type, r->id) ||
                   client->channels->len >= SPICE_CHANNELS_MAX || !migrate_may_open(client)
               ? SPICE_LINK_ERR_CHANNEL_NOT_AVAILABLE
               : SPICE_LINK_ERR_OK;
}

static void link_adopt(SpiceLink *l, void *opaque)
{
    const LinkRequest *r = &l->request;
    bool is_main = r->type == SPICE_CHANNEL_MAIN;
    SpiceClient *client;
    SpiceChannel *c;

    if (link_admit(l, NULL) != SPICE_LINK_ERR_OK) { /* the session has ended while the result was on its way */
        return;
    }
    c = returns_to(l);
    if (c) {
        if (spice_detach(c)) {
            spice_event_initialized(&l->ends, r->connection_id, r->type, r->id);
            spice_reattach(c, link_take_wire(l), &l->ends, &r->common, &r->channel);
        }
        return;
    }
    if (is_main) {
        make_room();
    }
    client = is_main ? client_new(r->connection_id) : find_client(r->connection_id);
    spice_event_initialized(&l->ends, client->st.session_id, r->type, r->id);
    c = spice_channel_new(server_kind(r->type), r->id, client, link_take_wire(l), &l->ends, &r->common, &r->channel);
    g_ptr_array_add(client->channels, c);
    client->opened++;
    if (client->arr.state == ARRIVE_HERE) {
        spice_channel_start(c);
    } else {
        spice_channel_wait(c);
    }
}

static void link_gone(SpiceLink *l, void *opaque)
{
    if (l->wire) { /* never became a channel */
        spice_event_disconnected(&l->ends);
    }
    g_ptr_array_remove(the_server.links, l);
}

static const LinkHost link_host = {.auth = link_auth, .ticket = link_ticket, .security = link_security, .caps = link_caps,
                                   .admit = link_admit, .adopt = link_adopt, .gone = link_gone};

static void drop_oldest_link(void)
{
    SpiceLink *oldest = the_server.links->pdata[0];

    TRACE(spice_links_full, "%s is dropped", oldest->ends.client.host);
    link_gone(oldest, NULL);
    link_free(oldest);
}

void server_accept(int fd, bool is_tls, bool is_unix)
{
    SpiceWire *wire = wire_socket(fd, is_unix);
    SpiceEnds ends;

    ends_of_socket(fd, &ends);
    ends.is_tls = is_tls;
    wire = is_tls ? tls_wire(wire) : wire;
    if (the_server.links->len >= SPICE_LINKS_MAX) {
        drop_oldest_link();
    }
    spice_event_connected(&ends);
    g_ptr_array_add(the_server.links, link_start(wire, &ends, &link_host, NULL));
}

/* ---- what clients share ---- */

uint32_t server_mm_time(void)
{
    return (uint32_t)((time_monotonic_ns() - the_server.st.mm_base_ns) / NS_PER_MS);
}

/* A tablet's positions are on one screen: with several, only the guest knows which one the pointer is on. */
static bool has_tablet(void)
{
    return screens_count() == 1 && input_has_absolute(0);
}

bool server_points_by_agent(void)
{
    return the_server.st.mouse_mode == SPICE_MOUSE_MODE_CLIENT && !has_tablet() && agent_has_mouse();
}

unsigned server_mouse_modes(void)
{
    return SPICE_MOUSE_MODE_SERVER | (has_tablet() || agent_has_mouse() ? SPICE_MOUSE_MODE_CLIENT : 0);
}

static void tell_mouse_mode(SpiceChannel *c, void *opaque)
{
    main_tell_mouse_mode(c);
}

void server_set_mouse_mode(uint32_t mode)
{
    if ((mode == SPICE_MOUSE_MODE_SERVER || mode == SPICE_MOUSE_MODE_CLIENT) && server_mouse_modes() & mode &&
        mode != the_server.st.mouse_mode) {
        the_server.st.mouse_mode = mode;
        server_foreach(SPICE_CHANNEL_MAIN, tell_mouse_mode, NULL);
    }
}

void server_pointer_changed(void)
{
    if (!(server_mouse_modes() & the_server.st.mouse_mode)) {
        the_server.st.mouse_mode = SPICE_MOUSE_MODE_SERVER;
    }
    server_foreach(SPICE_CHANNEL_MAIN, tell_mouse_mode, NULL);
}

static void pointer_changed(InputUser *u)
{
    server_pointer_changed();
}

/* ---- life ---- */

static InputUser pointers = {.pointer = pointer_changed};

void server_init(void)
{
    if (!the_server.clients) {
        the_server.links = g_ptr_array_new();
        the_server.clients = g_ptr_array_new();
        the_server.dead = g_ptr_array_new();
        the_server.st.mouse_mode = SPICE_MOUSE_MODE_SERVER;
        the_server.st.mm_base_ns = time_monotonic_ns();
        the_server.ticket.expires_ns = TICKET_NEVER;
        agent_init();
    }
}

bool server_start(const SpiceConfig *take, GError **errp)
{
    server_init();
    the_server.config = *take;
    if ((take->sasl && !sasl_init(errp)) || (take->tls_port && !tls_init(take, errp)) || !listeners_start(take, errp)) {
        listeners_stop();
        spice_config_clear(&the_server.config);
        return false;
    }
    input_join(&pointers);
    ports_start();
    the_server.is_on = true;
    return true;
}

void server_stop(void)
{
    if (!the_server.clients) {
        return;
    }
    listeners_stop();
    if (the_server.is_on) {
        input_leave(&pointers);
        ports_stop();
    }
    while (the_server.links->len) {
        drop_oldest_link();
    }
    while (the_server.clients->len) {
        client_disconnect(the_server.clients->pdata[0], "the program ends");
    }
    reap(NULL);
    tls_end();
    ticket_clear(&the_server.ticket);
    spice_config_clear(&the_server.config);
    the_server.is_on = false;
}
