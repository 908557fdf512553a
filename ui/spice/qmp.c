/* ui/spice/qmp.c - what QMP asks of and hears from the SPICE server; starting and stopping it.  Owner: main loop (vm_lock).
 * Page: docs/spice.md.  Test: tests/functional/spice-test.py
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "events.h"
#include "handoff.h"
#include "listener.h"
#include "qapi/qapi-commands.h"
#include "qapi/qapi-events.h"
#include "server.h"
#include "ui/spice.h"
#include "util/error.h"

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <spice/protocol.h>
#include <string.h>

#define TARGET_TEXT_MAX 1024 /* bytes of the destination's name, and of its certificate's subject */

/* ---- starting ---- */

static bool parse_uuid(const char *text, uint8_t ret[16])
{
    unsigned n = 0;

    for (; *text && n < 32; text++) {
        if (g_ascii_isxdigit(*text)) {
            ret[n / 2] = ret[n / 2] << 4 | g_ascii_xdigit_value(*text);
            n++;
        }
    }
    return n == 32;
}

static void name_guest(const SpiceSetup *setup, SpiceConfig *c)
{
    c->name = g_strdup(setup->guest_name);
    c->has_uuid = setup->guest_uuid && parse_uuid(setup->guest_uuid, c->uuid);
}

void spice_init(void)
{
    server_init();
    spice_handoff_init();
}

bool spice_start(const SpiceSetup *setup, GError **errp)
{
    SpiceConfig config;

    if (!spice_config_parse(setup->options, &config, errp)) {
        return false;
    }
    server_init();
    if (setup->password && !ticket_set_password(&server()->ticket, setup->password, errp)) {
        spice_config_clear(&config);
        return false;
    }
    name_guest(setup, &config);
    return server_start(&config, errp);
}

/* ---- -display spice-app ---- */

static char *app_folder;

static bool start_viewer(const char *path, GError **errp)
{
    g_autofree char *uri = g_strdup_printf("spice+unix://%s", path);

    if (!g_app_info_launch_default_for_uri(uri, NULL, errp)) {
        g_prefix_error(errp, "spice-app: cannot start a viewer for %s: ", uri);
        return false;
    }
    return true;
}

static bool listen_for_viewer(const SpiceSetup *setup, const char *path, GError **errp)
{
    g_autoptr(Json) options = json_copy(setup->options);
    SpiceSetup own = *setup;

    if (json_get(options, "port") || json_get(options, "tls-port") || json_get(options, "addr")) {
        return fail(errp, "spice-app: listens on a socket of its own; -spice may not say where");
    }
    json_set(options, "unix", json_bool(true));
    json_set(options, "addr", json_string(path));
    json_set(options, "disable-ticketing", json_bool(true)); /* the folder is for its owner only */
    own.options = options;
    return spice_start(&own, errp);
}

bool spice_start_viewer(const SpiceSetup *setup, GError **errp)
{
    g_autofree char *path = NULL;

    app_folder = g_build_filename(g_get_user_runtime_dir(), "baton-spice-XXXXXX", NULL);
    if (!g_mkdtemp(app_folder)) {
        g_clear_pointer(&app_folder, g_free);
        return fail(errp, "spice-app: cannot make a folder in %s", g_get_user_runtime_dir());
    }
    path = g_build_filename(app_folder, "spice.sock", NULL);
    return listen_for_viewer(setup, path, errp) && start_viewer(path, errp);
}

void spice_stop(void)
{
    server_stop();
    if (app_folder) {
        g_rmdir(app_folder);
        g_clear_pointer(&app_folder, g_free);
    }
}

/* ---- passwords ---- */

static bool check_protocol(DisplayProtocol protocol, GError **errp)
{
    if (protocol != DISPLAY_PROTOCOL_SPICE || !server()->is_on) {
        return fail_class(errp, ERROR_CLASS_DEVICE_NOT_ACTIVE, "there is no %s server",
                          protocol == DISPLAY_PROTOCOL_SPICE ? "SPICE" : "VNC");
    }
    return true;
}

/* Sessions that are kept for a client that may come back do not count. */
static bool is_anybody_here(void)
{
    const GPtrArray *clients = server()->clients;

    for (unsigned i = 0; i < clients->len; i++) {
        if (!client_main(clients->pdata[i])->is_lost) {
            return true;
        }
    }
    return false;
}

bool qmp_set_password(const SetPasswordArgs *args, GError **errp)
{
    SetPasswordAction action = args->has_connected ? args->connected : SET_PASSWORD_ACTION_KEEP;
    SpiceServer *s = server();

    if (!check_protocol(args->protocol, errp)) {
        return false;
    }
    if (action == SET_PASSWORD_ACTION_FAIL && is_anybody_here()) {
        return fail(errp, "a SPICE client is connected");
    }
    if (!ticket_set_password(&s->ticket, args->password, errp)) {
        return false;
    }
    while (action == SET_PASSWORD_ACTION_DISCONNECT && s->clients->len) {
        client_disconnect(s->clients->pdata[0], "there is another password");
    }
    return true;
}

bool qmp_expire_password(const ExpirePasswordArgs *args, GError **errp)
{
    return check_protocol(args->protocol, errp) && ticket_parse_expiry(args->time, &server()->ticket.expires_ns, errp);
}

/* ---- handoff ---- */

/* Managers say -1 for a port that is not there. */
static bool take_port(bool has, int64_t value, const char *name, uint16_t *ret, GError **errp)
{
    if (has && (value > UINT16_MAX || value < -1)) {
        return fail(errp, "'%s' is a number up to 65535", name);
    }
    *ret = has && value > 0 ? (uint16_t)value : 0;
    return true;
}

bool qmp_client_migrate_info(const ClientMigrateInfoArgs *args, GError **errp)
{
    MigrateTarget t = {NULL};

    if (strcmp(args->protocol, "spice")) {
        return fail(errp, "Parameter 'protocol' expects 'spice'");
    }
    if (!check_protocol(DISPLAY_PROTOCOL_SPICE, errp) || !take_port(args->has_port, args->port, "port", &t.port, errp) ||
        !take_port(args->has_tls_port, args->tls_port, "tls-port", &t.tls_port, errp)) {
        return false;
    }
    if (!t.port && !t.tls_port) {
        return fail(errp, "Parameter 'port/tls-port' is missing");
    }
    if (!*args->hostname || strlen(args->hostname) > TARGET_TEXT_MAX ||
        (args->cert_subject && strlen(args->cert_subject) > TARGET_TEXT_MAX)) {
        return fail(errp, "'hostname' and 'cert-subject' have up to %u bytes, the former at least one", TARGET_TEXT_MAX);
    }
    t.host = g_strdup(args->hostname);
    t.subject = args->cert_subject && *args->cert_subject ? g_strdup(args->cert_subject) : NULL;
    return spice_handoff_target(&t, errp);
}

/* ---- query-spice ---- */

static NetworkAddressFamily family_of(const SpiceEnd *e)
{
    return e->family == AF_INET    ? NETWORK_ADDRESS_FAMILY_IPV4
           : e->family == AF_INET6 ? NETWORK_ADDRESS_FAMILY_IPV6
           : e->family == AF_UNIX  ? NETWORK_ADDRESS_FAMILY_UNIX
                                   : NETWORK_ADDRESS_FAMILY_UNKNOWN;
}

static const char *auth_name(void)
{
    const SpiceConfig *c = &server()->config;

    return c->sasl ? "sasl" : c->disable_ticketing ? "none" : "spice";
}

static SpiceChannelInfo *channel_info(const SpiceEnds *ends, uint32_t session_id, uint8_t type, uint8_t id)
{
    SpiceChannelInfo *info = g_new0(SpiceChannelInfo, 1);

    info->host = g_strdup(ends->client.host);
    info->port = g_strdup(ends->client.port);
    info->family = family_of(&ends->client);
    info->connection_id = (int32_t)session_id; /* signed, as QEMU prints it */
    info->channel_type = type;
    info->channel_id = id;
    info->tls = ends->is_tls;
    return info;
}

/* fn for each that has a connection now. */
static void each_channel(void (*fn)(const SpiceChannel *c, void *opaque), void *opaque)
{
    const GPtrArray *clients = server()->clients;

    for (unsigned i = 0; i < clients->len; i++) {
        const GPtrArray *channels = ((const SpiceClient *)clients->pdata[i])->channels;

        for (unsigned n = 0; n < channels->len; n++) {
            const SpiceChannel *c = channels->pdata[n];

            if (!c->is_lost) {
                fn(c, opaque);
            }
        }
    }
}

static void add_channel(const SpiceChannel *c, void *opaque)
{
    SpiceChannelInfoList ***tail = opaque;

    QAPI_LIST_APPEND(*tail, channel_info(&c->ends, c->client->st.session_id, c->st.type, c->st.id));
}

static SpiceChannelInfoList *channel_list(void)
{
    SpiceChannelInfoList *head = NULL, **tail = &head;

    each_channel(add_channel, &tail);
    return head;
}

SpiceInfo *qmp_query_spice(GError **errp)
{
    const SpiceServer *s = server();
    SpiceInfo *info = g_new0(SpiceInfo, 1);

    info->mouse_mode = SPICE_QUERY_MOUSE_MODE_UNKNOWN;
    if (!s->is_on) {
        return info;
    }
    info->enabled = true;
    info->migrated = spice_handoff_is_migrated();
    info->host = g_strdup(s->config.addr ? s->config.addr : "*");
    info->has_port = s->config.port;
    info->port = s->config.port;
    info->has_tls_port = s->config.tls_port;
    info->tls_port = s->config.tls_port;
    info->auth = g_strdup(auth_name());
    info->mouse_mode = s->st.mouse_mode == SPICE_MOUSE_MODE_CLIENT ? SPICE_QUERY_MOUSE_MODE_CLIENT : SPICE_QUERY_MOUSE_MODE_SERVER;
    info->channels = channel_list();
    return info;
}

static void print_channel(const SpiceChannel *c, void *opaque)
{
    GString *out = opaque;

    g_string_append_printf(out, "Channel:\n     address: %s:%s%s\n", c->ends.client.host, c->ends.client.port,
                           c->ends.is_tls ? " [tls]" : "");
    g_string_append_printf(out, "     session: %u\n     channel: %s:%u\n", c->client->st.session_id,
                           channel_type_name(c->st.type), c->st.id);
}

void spice_info(GString *out)
{
    const SpiceServer *s = server();

    if (!s->is_on) {
        g_string_append(out, "Server: disabled\n");
        return;
    }
    g_string_append_printf(out, "Server:\n     address: %s:%u, [tls] %u\n        auth: %s\n", s->config.addr ? s->config.addr : "*",
                           (unsigned)s->config.port, (unsigned)s->config.tls_port, auth_name());
    g_string_append_printf(out, "  mouse-mode: %s\n", s->st.mouse_mode == SPICE_MOUSE_MODE_CLIENT ? "client" : "server");
    each_channel(print_channel, out);
}

/* ---- events ---- */

/* The strings stay the caller's. */
static SpiceBasicInfo basic_info(const SpiceEnd *e)
{
    return (SpiceBasicInfo){.host = (char *)e->host, .port = (char *)e->port, .family = family_of(e)};
}

void spice_event_connected(const SpiceEnds *ends)
{
    SpiceBasicInfo here = basic_info(&ends->server), there = basic_info(&ends->client);

    qapi_event_SPICE_CONNECTED(&(SpiceConnectedEvent){.server = &here, .client = &there});
}

void spice_event_disconnected(const SpiceEnds *ends)
{
    SpiceBasicInfo here = basic_info(&ends->server), there = basic_info(&ends->client);

    qapi_event_SPICE_DISCONNECTED(&(SpiceDisconnectedEvent){.server = &here, .client = &there});
}

void spice_event_initialized(const SpiceEnds *ends, uint32_t session_id, uint8_t type, uint8_t id)
{
    SpiceServerInfo here = {.host = (char *)ends->server.host, .port = (char *)ends->server.port,
                            .family = family_of(&ends->server), .auth = (char *)auth_name()};
    SpiceChannelInfo *there = channel_info(ends, session_id, type, id);

    qapi_event_SPICE_INITIALIZED(&(SpiceInitializedEvent){.server = &here, .client = there});
    SpiceChannelInfo_free(there);
}

static DisplayMigrateWay way_of(SpiceWay way)
{
    return way == SPICE_WAY_SEAMLESS   ? DISPLAY_MIGRATE_WAY_SEAMLESS
           : way == SPICE_WAY_SEMI     ? DISPLAY_MIGRATE_WAY_SEMI_SEAMLESS
           : way == SPICE_WAY_SWITCHED ? DISPLAY_MIGRATE_WAY_SWITCHED
                                       : DISPLAY_MIGRATE_WAY_LOST;
}

void spice_event_migrate_connected(const SpiceEnds *ends, uint32_t session_id, SpiceWay way, const char *why)
{
    SpiceBasicInfo there = basic_info(&ends->client);

    qapi_event_DISPLAY_MIGRATE_CONNECTED(&(DisplayMigrateConnectedEvent){
        .client = &there, .connection_id = (int32_t)session_id, .way = way_of(way), .reason = (char *)why});
}

void spice_event_migrate_complete(const SpiceEnds *ends, uint32_t session_id, SpiceWay way, const char *why, uint64_t tail_bytes,
                                  int64_t gap_ns)
{
    SpiceBasicInfo there = basic_info(&ends->client);

    qapi_event_DISPLAY_MIGRATE_COMPLETE(&(DisplayMigrateCompleteEvent){
        .client = &there, .connection_id = (int32_t)session_id, .way = way_of(way), .reason = (char *)why,
        .tail_bytes = tail_bytes, .gap_us = gap_ns / NS_PER_US});
}
