/* ui/spice/main-channel.c - the channel that a session begins with: who are we, what is there, whose pointer.
 * Owner: main loop (vm_lock).  Page: docs/spice.md.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "main-channel.h"
#include "jpeg.h"
#include "kinds.h"
#include "server.h"
#include "util/bytes.h"
#include "util/log.h"

#include <spice/protocol.h>
#include <string.h>

#define PING_NS (15 * NS_PER_SEC)
#define PING_QUEUE 8                    /* messages: who has more to read is not asked besides */
#define PROBE_BYTES 256000              /* of the ping that shows how fast the link is */
#define MODE_QUEUE 256                  /* messages: who has more to read hears of the latest mouse modes when it has not */

/* ---- saying ---- */

static void send_init(MainChannel *m)
{
    GByteArray *b = g_byte_array_new();
    const ChannelKind *display = server_kind(SPICE_CHANNEL_DISPLAY);

    put_u32(b, m->c.client->st.session_id);
    put_u32(b, display ? display->count() : 0);
    put_u32(b, server_mouse_modes());
    put_u32(b, server()->st.mouse_mode);
    put_u32(b, m->st.agent.is_told);
    put_u32(b, AGENT_TOKENS);
    put_u32(b, server_mm_time());
    put_u32(b, 0); /* ram hint */
    spice_send(&m->c, SPICE_MSG_MAIN_INIT, b);
}

static void send_name(MainChannel *m)
{
    const SpiceConfig *config = &server()->config;
    const char *name = config->name ? config->name : "";
    GByteArray *b = g_byte_array_new();

    if (config->name) {
        put_u32(b, strlen(name) + 1);
        put_bytes(b, name, strlen(name) + 1);
        spice_send(&m->c, SPICE_MSG_MAIN_NAME, g_steal_pointer(&b));
        b = g_byte_array_new();
    }
    if (config->has_uuid) {
        put_bytes(b, config->uuid, sizeof(config->uuid));
        spice_send(&m->c, SPICE_MSG_MAIN_UUID, g_steal_pointer(&b));
    }
    g_clear_pointer(&b, g_byte_array_unref);
}

void main_tell_mouse_mode(SpiceChannel *c)
{
    MainChannel *m = (MainChannel *)c;
    GByteArray *b;

    m->st.owes_mouse_mode = c->out.length >= MODE_QUEUE;
    if (!m->st.owes_mouse_mode) {
        b = g_byte_array_new();
        put_u16(b, server_mouse_modes());
        put_u16(b, server()->st.mouse_mode);
        spice_send(c, SPICE_MSG_MAIN_MOUSE_MODE, b);
    }
}

void main_tell_channel(SpiceChannel *c, uint8_t type, uint8_t id)
{
    MainChannel *m = (MainChannel *)c;
    GByteArray *b;

    if (!m->st.has_attached) {
        return; /* it will be in the list */
    }
    if (!migrate_may_open(c->client)) {
        m->missed[type == SPICE_CHANNEL_WEBDAV] |= UINT64_C(1) << id % 64;
        return;
    }
    b = g_byte_array_new();
    put_u32(b, 1);
    put_u8(b, type);
    put_u8(b, id);
    spice_send(c, SPICE_MSG_MAIN_CHANNELS_LIST, b);
}

/* The guest has stayed. */
static void tell_missed(SpiceChannel *c, uint8_t type)
{
    uint64_t *missed = &((MainChannel *)c)->missed[type == SPICE_CHANNEL_WEBDAV];

    for (unsigned id = 0; *missed && !c->is_closed && migrate_may_open(c->client); id++) {
        bool is_one = *missed >> id & 1;

        *missed &= ~(UINT64_C(1) << id);
        if (is_one && server_kind(type)->has(id)) {
            main_tell_channel(c, type, id);
        }
    }
}

/* Who asks, and who is not on this machine. */
static bool wants_speed(const MainChannel *m)
{
    return server()->config.jpeg == JPEG_AUTO && jpeg_is_built() && !m->c.wire->is_unix && m->c.client;
}

static void send_ping(MainChannel *m, uint32_t padding)
{
    m->pinged_ns = time_monotonic_ns();
    spice_ping(&m->c, ++m->ping_id, padding);
}

static void ping(void *opaque)
{
    MainChannel *m = opaque;

    if (m->probe == PROBE_FULL && m->pinged_ns) { /* on its way since PING_NS */
        m->c.client->st.is_slow = true;
        m->probe = PROBE_DONE;
    }
    if (m->c.out.length < PING_QUEUE) { /* else it has enough to do */
        send_ping(m, 0);
    }
    if (!m->c.is_closed) {
        loop_timer_set(m->ping, time_monotonic_ns() + PING_NS);
    }
}

/* A first ping wakes everything on the way, a second one has the time of the way, a third one that of its bytes besides. */
static void probe_on(MainChannel *m, int64_t took_ns)
{
    int64_t bytes_ns = MAX(took_ns - m->round_trip_ns, 1);

    if (m->probe == PROBE_WARM) {
        m->probe = PROBE_EMPTY;
        send_ping(m, 0);
    } else if (m->probe == PROBE_EMPTY) {
        m->probe = wants_speed(m) ? PROBE_FULL : PROBE_DONE;
        if (m->probe == PROBE_FULL) {
            send_ping(m, PROBE_BYTES);
        }
    } else if (m->probe == PROBE_FULL) {
        m->probe = PROBE_DONE;
        m->c.client->st.is_slow = PROBE_BYTES * NS_PER_SEC / bytes_ns < SPICE_SLOW_BYTES_PER_S;
        TRACE(spice_speed, "%s: %lld us for %u bytes", m->c.ends.client.host, bytes_ns / NS_PER_US, PROBE_BYTES);
    }
}

/* What it has answered was heard by now; what it has not answered it has not heard. */
static void heard_all(MainChannel *m)
{
    AgentClientState *s = &m->st.agent;

    m->echo_id = 0;
    if (s->starts_unsure) {
        s->starts_unsure = false;
        s->starts_due = 0;
        agent_room(&m->c);
    }
}

void server_pong(SpiceChannel *c, uint32_t id, uint64_t timestamp)
{
    MainChannel *m = (MainChannel *)c;
    int64_t took_ns = time_monotonic_ns() - m->pinged_ns;

    if (m->echo_id && id - m->echo_id <= m->ping_id - m->echo_id) {
        heard_all(m);
    }
    if (id != m->ping_id || !m->pinged_ns || c->is_closed) {
        return;
    }
    m->pinged_ns = 0;
    if (m->probe != PROBE_FULL) {
        m->round_trip_ns = took_ns;
        TRACE(spice_round_trip, "%s: %lld us", c->ends.client.host, took_ns / NS_PER_US);
    }
    probe_on(m, took_ns);
}

/* ---- what the client says ---- */

static Taken take_attach(SpiceChannel *c, const uint8_t *data, uint32_t size)
{
    MainChannel *m = (MainChannel *)c;

    if (!m->st.has_attached) {
        m->st.has_attached = true;
        spice_send(c, SPICE_MSG_MAIN_CHANNELS_LIST, server_channels_list());
    }
    return TAKEN;
}

static Taken take_mouse_mode(SpiceChannel *c, const uint8_t *data, uint32_t size)
{
    server_set_mouse_mode(load_le16(data));
    return TAKEN;
}

static Taken take_agent_start(SpiceChannel *c, const uint8_t *data, uint32_t size)
{
    return agent_take_start(c, load_le32(data));
}

static Taken take_agent_token(SpiceChannel *c, const uint8_t *data, uint32_t size)
{
    return agent_take_tokens(c, load_le32(data));
}

/* ---- handoff ---- */

static Taken take_connected(SpiceChannel *c, const uint8_t *data, uint32_t size)
{
    return migrate_replied(c, MIGRATE_CONNECTED);
}

static Taken take_connected_seamless(SpiceChannel *c, const uint8_t *data, uint32_t size)
{
    return migrate_replied(c, MIGRATE_CONNECTED_SEAMLESS);
}

static Taken take_connect_error(SpiceChannel *c, const uint8_t *data, uint32_t size)
{
    return migrate_replied(c, MIGRATE_CONNECT_ERROR);
}

/* The answer is said once. */
static Taken take_do_seamless(SpiceChannel *c, const uint8_t *data, uint32_t size)
{
    SpiceClient *client = c->client;

    if (!client || client->arr.has_asked) {
        return TAKE_BAD;
    }
    client->arr.has_asked = true;
    client->arr.version = load_le32(data);
    return arrive_step(client, ARRIVE_DO_SEAMLESS) ? TAKEN : TAKE_BAD;
}

static Taken take_migrate_end(SpiceChannel *c, const uint8_t *data, uint32_t size)
{
    return c->client && arrive_step(c->client, ARRIVE_CLIENT_END) ? TAKEN : TAKE_BAD;
}

static const MessageRow main_rows[] = {
    {"client-info", SPICE_MSGC_MAIN_CLIENT_INFO, 8, 8},
    {"attach-channels", SPICE_MSGC_MAIN_ATTACH_CHANNELS, 0, 0, take_attach},
    {"mouse-mode-request", SPICE_MSGC_MAIN_MOUSE_MODE_REQUEST, 2, 2, take_mouse_mode},
    {"agent-start", SPICE_MSGC_MAIN_AGENT_START, 4, 4, take_agent_start},
    {"agent-data", SPICE_MSGC_MAIN_AGENT_DATA, 0, AGENT_PIECE_MAX, agent_take_data},
    {"agent-token", SPICE_MSGC_MAIN_AGENT_TOKEN, 4, 4, take_agent_token},
    {"quality-indicator", SPICE_MSGC_MAIN_QUALITY_INDICATOR, 0, 1024},
    {"migrate-connected", SPICE_MSGC_MAIN_MIGRATE_CONNECTED, 0, 0, take_connected},
    {"migrate-connected-seamless", SPICE_MSGC_MAIN_MIGRATE_CONNECTED_SEAMLESS, 0, 0, take_connected_seamless},
    {"migrate-connect-error", SPICE_MSGC_MAIN_MIGRATE_CONNECT_ERROR, 0, 0, take_connect_error},
    {"migrate-dst-do-seamless", SPICE_MSGC_MAIN_MIGRATE_DST_DO_SEAMLESS, 4, 4, take_do_seamless, .is_early = true},
    {"migrate-end", SPICE_MSGC_MAIN_MIGRATE_END, 0, 0, take_migrate_end, .is_early = true},
    {},
};

/* ---- life ---- */

static unsigned main_count(void)
{
    return 1;
}

static void main_open(SpiceChannel *c)
{
    MainChannel *m = (MainChannel *)c;

    m->st.agent.credit = AGENT_TOKENS;
    m->ping = loop_timer_new(ping, m);
}

static void main_start(SpiceChannel *c)
{
    MainChannel *m = (MainChannel *)c;

    agent_begin(c);
    send_init(m);
    if (caps_has(&c->caps, SPICE_MAIN_CAP_NAME_AND_UUID)) {
        send_name(m);
    }
    ping(m);
}

static void main_room(SpiceChannel *c)
{
    if (((MainChannel *)c)->st.owes_mouse_mode) {
        main_tell_mouse_mode(c);
    }
    tell_missed(c, SPICE_CHANNEL_PORT);
    tell_missed(c, SPICE_CHANNEL_WEBDAV);
    agent_room(c);
}

void main_tell_shared(SpiceChannel *c)
{
    GByteArray *time = g_byte_array_new();

    put_u32(time, server_mm_time());
    spice_send(c, SPICE_MSG_MAIN_MULTI_MEDIA_TIME, time);
    main_tell_mouse_mode(c);
}

/* The time also wakes a stock client, which sleeps on the connection that it has just taken over. */
static void main_adopted(SpiceChannel *c)
{
    MainChannel *m = (MainChannel *)c;

    main_tell_shared(c);
    agent_room(c);
    m->probe = PROBE_DONE; /* how fast the link is was measured */
    m->echo_id = m->st.agent.starts_unsure ? m->ping_id + 1 : 0;
    if (m->echo_id) {
        send_ping(m, 0);
    }
    ping(m);
}

static void main_reset(SpiceChannel *c)
{
    MainChannel *m = (MainChannel *)c;

    m->st = (MainState){.has_attached = true};
    agent_begin_unknown(c);
    main_adopted(c);
}

/* A channel may have come meanwhile, or the list itself was on its way. */
static void main_resumed(SpiceChannel *c)
{
    MainChannel *m = (MainChannel *)c;

    memset(m->missed, 0, sizeof(m->missed));
    if (m->st.has_attached) {
        spice_send(c, SPICE_MSG_MAIN_CHANNELS_LIST, server_channels_list());
    }
    main_adopted(c);
}

static void save_speed(SpiceChannel *c, StateWriter *w)
{
    state_put_u8(w, c->client->st.is_slow);
}

static bool main_loaded(SpiceChannel *c, StateReader *r, GError **errp)
{
    uint8_t is_slow;

    if (!state_get_u8(r, &is_slow, errp)) {
        return false;
    }
    c->client->st.is_slow = is_slow;
    return agent_client_check(c, errp);
}

VMSTATE_DEFINE_SPAN(MainChannel, st)

const VMStateDescription main_channel_vmstate = {
    .name = "spice-main",
    .version = 2,
    .oldest = 2, /* of the table inside */
    VMSTATE_SPAN(MainChannel, st),
    .fields = VMSTATE_FIELDS(VMSTATE_BOOL(MainChannel, st.has_attached), VMSTATE_BOOL(MainChannel, st.owes_mouse_mode),
                             VMSTATE_STRUCT(MainChannel, st.agent, &agent_client_vmstate)),
};

static const ChannelPart main_parts[] = {{"main", &main_channel_vmstate, save_speed, main_loaded}, {}};

static void main_stop(SpiceChannel *c)
{
    MainChannel *m = (MainChannel *)c;

    agent_leave(c);
    g_clear_pointer(&m->ping, loop_timer_free);
}

const ChannelKind main_channel_kind = {
    .type = SPICE_CHANNEL_MAIN,
    .caps = 1 << SPICE_MAIN_CAP_NAME_AND_UUID | 1 << SPICE_MAIN_CAP_AGENT_CONNECTED_TOKENS |
            1 << SPICE_MAIN_CAP_SEMI_SEAMLESS_MIGRATE | 1 << SPICE_MAIN_CAP_SEAMLESS_MIGRATE,
    .needs_flush = true, .moves_queue = true, .parts = main_parts, .size = sizeof(MainChannel), .rows = main_rows,
    .count = main_count, .open = main_open, .start = main_start, .adopted = main_adopted, .reset = main_reset,
    .lost = agent_lost, .resumed = main_resumed, .room = main_room, .stop = main_stop,
};
