/* ui/spice/server.h - the SPICE server: its clients, and what they share.  Owner: main loop (vm_lock).  Page: docs/spice.md.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One server a process.  A client is a session: a main channel and whatever it has opened besides.  Several may be there. */
#pragma once

#include "arrive.h"
#include "channel.h"
#include "config.h"
#include "link.h"
#include "migrate.h"
#include "ticket.h"

#define SPICE_LINKS_MAX 32      /* connections that are no channels yet; one more drops the oldest */
#define SPICE_CLIENTS_MAX 16
#define SPICE_CHANNELS_MAX 64   /* of one client */
#define SPICE_SLOW_BYTES_PER_S (10 * 1000 * 1000 / 8)

/* What goes with the guest: to the session's counterpart at the destination (S1 in docs/spice.md). */
typedef struct ClientState {
    uint32_t session_id;        /* random, never 0; the client presents it on each channel but the first */
    bool is_slow;               /* its link carries less than SPICE_SLOW_BYTES_PER_S */
} ClientState;

struct SpiceClient {
    ClientState st;
    GPtrArray *channels;        /* of SpiceChannel; the main channel is the first */
    bool is_closing;
    unsigned opened;            /* channels, so far */
    ClientMigration mig;        /* to another process, with the guest */
    ClientArrival arr;          /* from another one */
};

typedef struct SharedState {    /* S1, once for all clients */
    uint32_t mouse_mode;        /* SPICE_MOUSE_MODE_* */
    int64_t mm_base_ns;         /* monotonic time of multi-media time 0: travels as elapsed milliseconds */
} SharedState;

typedef struct SpiceServer {
    SharedState st;
    SpiceConfig config;
    Ticket ticket;
    GPtrArray *links, *clients, *dead;
    bool is_on;
} SpiceServer;

SpiceServer *server(void);
void server_init(void);                                  /* before anything else; again: nothing */
bool server_start(const SpiceConfig *take, GError **errp);
void server_stop(void);

/* ---- for listeners ---- */
void server_accept(int fd, bool is_tls, bool is_unix);   /* takes fd */

/* ---- for channels ---- */
const ChannelKind *server_kind(uint8_t type);            /* NULL: not offered */
void server_channel_closed(SpiceChannel *c);
bool server_may_return(const SpiceChannel *c);           /* its connection may be replaced */
void server_channel_lost(SpiceChannel *c);
void server_pong(SpiceChannel *main, uint32_t id, uint64_t timestamp);
uint32_t server_mm_time(void);
unsigned server_mouse_modes(void);                       /* supported ones */
bool server_points_by_agent(void);                       /* positions go to the agent in the guest */
void server_pointer_changed(void);                       /* server_mouse_modes() may be others */
void server_set_mouse_mode(uint32_t mode);               /* for all clients; unsupported: nothing */
void server_foreach(uint8_t type, void (*fn)(SpiceChannel *c, void *opaque), void *opaque); /* open ones */
GByteArray *server_channels_list(void);
SpiceChannel *server_find_channel(uint32_t session_id, uint8_t type, uint8_t id); /* NULL: there is none */
SpiceChannel *client_main(const SpiceClient *client);
void client_disconnect(SpiceClient *client, const char *why);
