/* ui/spice/session-state.c - what of the sessions goes with the guest (S1), as bytes.  Owner: main loop, or with vm_lock.
 * Page: docs/spice.md.  Test: tests/unit/ui/spice-arrive-test.c, tests/fuzz/spice-state.c
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "session-state.h"
#include "kinds.h"
#include "server.h"
#include "util/error.h"

#include <string.h>

enum { VERSION = 1 };
enum { SESSION_STAYS, SESSION_GOES, SESSION_GOES_SEALED /* the key follows */ };

/* ---- parts that each channel has ---- */

VMSTATE_DEFINE_SPAN(SpiceChannel, st)

const VMStateDescription channel_state_vmstate = {
    .name = "spice-channel",
    .version = 1,
    VMSTATE_SPAN(SpiceChannel, st),
    .fields = VMSTATE_FIELDS(VMSTATE_U8(SpiceChannel, st.type), VMSTATE_U8(SpiceChannel, st.id), VMSTATE_U64(SpiceChannel, st.sent),
                             VMSTATE_U64(SpiceChannel, st.received), VMSTATE_U32(SpiceChannel, st.ack_generation),
                             VMSTATE_U32(SpiceChannel, st.ack_window), VMSTATE_U32(SpiceChannel, st.unacked),
                             VMSTATE_BOOL(SpiceChannel, st.ack_is_synced)),
};

typedef SpiceChannel ReplayingChannel;  /* a second table of the same struct */
VMSTATE_DEFINE_SPAN(ReplayingChannel, replay.st)

const VMStateDescription channel_replay_vmstate = {
    .name = "spice-replay",
    .version = 1,
    VMSTATE_SPAN(ReplayingChannel, replay.st),
    .fields = VMSTATE_FIELDS(VMSTATE_U64(SpiceChannel, replay.st.taken), VMSTATE_BOOL(SpiceChannel, replay.st.replays)),
};

static bool replay_loaded(SpiceChannel *c, StateReader *r, GError **errp)
{
    bool did_there = c->replay.st.replays;

    c->replay.st.replays = c->replay.is_on;
    return did_there == c->replay.is_on || fail(errp, "%s: the client keeps what it says at one end only", r->what);
}

/* The MIGRATE that the source says last is a message, too. */
static bool serials_loaded(SpiceChannel *c, StateReader *r, GError **errp)
{
    c->st.sent++;
    return true;
}

static void put_message(StateWriter *w, uint16_t type, const GByteArray *body)
{
    state_put_be16(w, type);
    state_put_be32(w, body->len);
    state_put(w, body->data, body->len);
}

static bool get_message(StateReader *r, uint16_t *ret_type, uint32_t *ret_size, const uint8_t **ret_data, GError **errp)
{
    if (!state_get_be16(r, ret_type, errp) || !state_get_be32(r, ret_size, errp)) {
        return false;
    }
    if (*ret_size > state_left(r)) {
        return fail(errp, "%s: a message ends early", r->what);
    }
    *ret_data = r->at;
    r->at += *ret_size;
    return true;
}

static void count_one(const OutMessage *m, void *opaque)
{
    ++*(uint32_t *)opaque;
}

static void put_unread(const OutMessage *m, void *opaque)
{
    put_message(opaque, m->type, m->body);
}

/* Heard, but the guest had no room for it, or for all of it. */
static void save_unread(SpiceChannel *c, StateWriter *w)
{
    uint32_t n = 0;

    if (c->replay.is_on) { /* its client sends them again */
        state_put_be32(w, 0);
        return;
    }
    spice_foreach_unread(c, count_one, &n);
    state_put_be32(w, n);
    spice_foreach_unread(c, put_unread, w);
}

static bool load_unread(SpiceChannel *c, StateReader *r, GError **errp)
{
    const uint8_t *data;
    uint32_t n, size;
    uint16_t type;

    if (!state_get_be32(r, &n, errp)) {
        return false;
    }
    if (n && c->replay.is_on) { /* they would be counted twice */
        return fail(errp, "%s: %u messages that the client says again", r->what, n);
    }
    for (uint32_t i = 0; i < n; i++) { /* before what has come already, of a guest that was parked */
        if (!get_message(r, &type, &size, &data, errp)) {
            return false;
        }
        if (!spice_hear_late(c, i, type, data, size)) {
            return fail(errp, "%s: too much was not read", r->what);
        }
    }
    return true;
}

static void put_unsaid(const OutMessage *m, void *opaque)
{
    state_put_u8(opaque, 1);
    put_message(opaque, m->type, m->body);
}

static void save_unsaid(SpiceChannel *c, StateWriter *w)
{
    if (c->kind->moves_queue) {
        spice_foreach_unsaid(c, put_unsaid, w);
    }
    state_put_u8(w, 0);
}

static bool load_unsaid(SpiceChannel *c, StateReader *r, GError **errp)
{
    for (;;) {
        const uint8_t *data;
        GByteArray *body;
        uint32_t size;
        uint16_t type;
        uint8_t more;

        if (!state_get_u8(r, &more, errp)) {
            return false;
        }
        if (!more) {
            return true;
        }
        if (more != 1 || !c->kind->moves_queue || c->out.length >= CHANNEL_QUEUE_MESSAGES_MAX) {
            return fail(errp, "%s: bad queue", r->what);
        }
        if (!get_message(r, &type, &size, &data, errp)) {
            return false;
        }
        body = g_byte_array_sized_new(size);
        g_byte_array_append(body, data, size);
        spice_say_now(c, type, body);
    }
}

static const ChannelPart common_parts[] = {
    {"serials", &channel_state_vmstate, NULL, serials_loaded},
    {"replay", &channel_replay_vmstate, NULL, replay_loaded},
    {"unread", NULL, save_unread, load_unread},
    {"unsaid", NULL, save_unsaid, load_unsaid},
    {},
};

/* ---- a channel ---- */

static void save_part(SpiceChannel *c, const ChannelPart *p, StateWriter *w)
{
    StateWriter *own = state_writer_new();
    const uint8_t *data;
    size_t size;

    if (p->state) {
        state_put_be32(own, p->state->version);
        vmstate_save(p->state, c, own);
    }
    if (p->save) {
        p->save(c, own);
    }
    data = state_writer_data(own, &size);
    state_put_str8(w, p->name);
    state_put_be32(w, size);
    state_put(w, data, size);
    state_writer_free(own);
}

static void save_parts(SpiceChannel *c, const ChannelPart *p, StateWriter *w)
{
    for (; p && p->name; p++) {
        save_part(c, p, w);
    }
}

void channel_state_save(SpiceChannel *c, StateWriter *w)
{
    save_parts(c, common_parts, w);
    save_parts(c, c->kind->parts, w);
}

static bool load_state(SpiceChannel *c, const ChannelPart *p, StateReader *r, GError **errp)
{
    uint8_t type = c->st.type, id = c->st.id;
    uint32_t version;
    bool ok;

    if (!state_get_be32(r, &version, errp)) {
        return false;
    }
    ok = vmstate_load_next(p->state, c, version, r, errp);
    c->st.type = type; /* whatever they said: the channel is the one that linked */
    c->st.id = id;
    return ok;
}

static bool load_part(SpiceChannel *c, const ChannelPart *p, StateReader *r, GError **errp)
{
    char name[256];
    uint32_t size;
    StateReader own;

    if (!state_get_str8(r, name, errp) || !state_get_be32(r, &size, errp)) {
        return false;
    }
    if (strcmp(name, p->name) || size > SESSION_PART_MAX || size > state_left(r)) {
        return fail(errp, "%s: part '%s' of %u bytes where '%s' is wanted", r->what, name, size, p->name);
    }
    state_reader_init(&own, r->at, size, p->name);
    r->at += size;
    if ((p->state && !load_state(c, p, &own, errp)) || (p->load && !p->load(c, &own, errp))) {
        return false;
    }
    return !state_left(&own) || fail(errp, "%s: %zu bytes are left over", own.what, state_left(&own));
}

static bool load_parts(SpiceChannel *c, const ChannelPart *p, StateReader *r, GError **errp)
{
    for (; p && p->name; p++) {
        if (!load_part(c, p, r, errp)) {
            return false;
        }
    }
    return true;
}

bool channel_state_load(SpiceChannel *c, StateReader *r, GError **errp)
{
    return load_parts(c, common_parts, r, errp) && load_parts(c, c->kind->parts, r, errp) &&
           (!state_left(r) || fail(errp, "%s: %zu bytes are left over", r->what, state_left(r)));
}

/* ---- all sessions: saving ---- */

static void add_size(const OutMessage *m, void *opaque)
{
    *(size_t *)opaque += m->body->len;
}

static bool can_go(const SpiceChannel *c)
{
    size_t unsaid = 0, unread = 0;
    uint32_t messages = 0;

    spice_foreach_unsaid(c, add_size, &unsaid);
    spice_foreach_unread(c, add_size, &unread);
    spice_foreach_unread(c, count_one, &messages);
    return (!c->kind->moves_queue || unsaid <= SESSION_QUEUE_MAX) && unread <= SESSION_QUEUE_MAX &&
           messages <= SESSION_MESSAGES_MAX && !c->awaits_seal && !c->awaits_tail && !c->begins_anew;
}

bool session_can_go(const SpiceClient *client)
{
    if (client->mig.state != MIGRATE_LINKED || client->opened != client->mig.opened_then) {
        return false;
    }
    for (unsigned i = 0; i < client->channels->len; i++) {
        if (!can_go(client->channels->pdata[i])) {
            return false;
        }
    }
    return true;
}

static void save_session(SpiceClient *client, StateWriter *w)
{
    StateWriter *own = state_writer_new();

    client->mig.goes = session_can_go(client);
    state_put_be32(w, client->st.session_id);
    state_put_u8(w, !client->mig.goes ? SESSION_STAYS : client->mig.is_sealed ? SESSION_GOES_SEALED : SESSION_GOES);
    if (client->mig.goes && client->mig.is_sealed) {
        state_put(w, client->mig.key, sizeof(client->mig.key));
    }
    state_put_be16(w, client->mig.goes ? client->channels->len : 0);
    for (unsigned i = 0; client->mig.goes && i < client->channels->len; i++) {
        SpiceChannel *c = client->channels->pdata[i];
        const uint8_t *data;
        size_t size;

        state_writer_reset(own);
        channel_state_save(c, own);
        data = state_writer_data(own, &size);
        state_put_u8(w, c->st.type);
        state_put_u8(w, c->st.id);
        state_put_be32(w, size);
        state_put(w, data, size);
    }
    state_writer_free(own);
}

static void add_held(const SpiceClient *client, InputUser *to)
{
    for (unsigned n = 0; n < client->channels->len; n++) {
        inputs_add_held(client->channels->pdata[n], to);
    }
}

/* Keys that anybody holds, or nobody any more: who will be there nobody knows yet. */
static void save_held(StateWriter *w)
{
    InputUser held;

    input_held_by_nobody(&held);
    for (unsigned i = 0; i < server()->clients->len; i++) {
        add_held(server()->clients->pdata[i], &held);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(held.keys); i++) {
        state_put_be32(w, held.keys[i]);
    }
    state_put_be32(w, held.buttons);
}

void sessions_save(StateWriter *w)
{
    const GPtrArray *clients = server()->clients;

    state_put_u8(w, VERSION);
    state_put_be32(w, server()->st.mouse_mode);
    state_put_be64(w, server_mm_time());
    state_put_be64(w, time_wall_ns());
    state_put_be16(w, clients->len);
    for (unsigned i = 0; i < clients->len; i++) {
        save_session(clients->pdata[i], w);
    }
    save_held(w);
}

/* ---- all sessions: loading ---- */

static void channel_record_free(void *p)
{
    ChannelRecord *r = p;

    g_bytes_unref(r->parts);
    g_free(r);
}

static void session_record_free(void *p)
{
    SessionRecord *s = p;

    g_ptr_array_unref(s->channels);
    explicit_bzero(s->key, sizeof(s->key));
    g_free(s);
}

void sessions_free(SessionRecords *s)
{
    if (s) {
        g_ptr_array_unref(s->sessions);
        g_free(s);
    }
}

const ChannelRecord *session_channel(const SessionRecord *s, uint8_t type, uint8_t id)
{
    for (unsigned i = 0; i < s->channels->len; i++) {
        const ChannelRecord *r = s->channels->pdata[i];

        if (r->type == type && r->id == id) {
            return r;
        }
    }
    return NULL;
}

const SessionRecord *sessions_find(const SessionRecords *s, uint32_t id)
{
    for (unsigned i = 0; s && i < s->sessions->len; i++) {
        const SessionRecord *r = s->sessions->pdata[i];

        if (r->id == id) {
            return r;
        }
    }
    return NULL;
}

static bool load_channel(SessionRecord *s, StateReader *r, GError **errp)
{
    ChannelRecord *record;
    uint8_t type, id;
    uint32_t size;

    if (!state_get_u8(r, &type, errp) || !state_get_u8(r, &id, errp) || !state_get_be32(r, &size, errp)) {
        return false;
    }
    if (size > state_left(r) || session_channel(s, type, id)) {
        return fail(errp, "%s: channel %u:%u of %u bytes ends early or comes twice", r->what, type, id, size);
    }
    record = g_new0(ChannelRecord, 1);
    *record = (ChannelRecord){type, id, g_bytes_new(r->at, size)};
    g_ptr_array_add(s->channels, record);
    r->at += size;
    return true;
}

static bool load_session(SessionRecords *all, StateReader *r, GError **errp)
{
    SessionRecord *s;
    uint32_t id;
    uint16_t channels;
    uint8_t goes, key[SEAL_KEY_BYTES] = {0};

    if (!state_get_be32(r, &id, errp) || !state_get_u8(r, &goes, errp) ||
        (goes == SESSION_GOES_SEALED && !state_get(r, key, sizeof(key), errp)) || !state_get_be16(r, &channels, errp)) {
        return false;
    }
    if (goes > SESSION_GOES_SEALED || channels > SPICE_CHANNELS_MAX || sessions_find(all, id)) {
        return fail(errp, "%s: session %08x with %u channels comes twice or is damaged", r->what, id, channels);
    }
    s = g_new0(SessionRecord, 1);
    *s = (SessionRecord){.id = id, .goes = goes != SESSION_STAYS, .is_sealed = goes == SESSION_GOES_SEALED,
                         .channels = g_ptr_array_new_with_free_func(channel_record_free)};
    memcpy(s->key, key, sizeof(key));
    g_ptr_array_add(all->sessions, s);
    for (; channels; channels--) {
        if (!load_channel(s, r, errp)) {
            return false;
        }
    }
    return true;
}

static bool load_held(SessionRecords *s, StateReader *r, GError **errp)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(s->keys); i++) {
        if (!state_get_be32(r, &s->keys[i], errp)) {
            return false;
        }
    }
    return state_get_be32(r, &s->buttons, errp);
}

static bool load_all(SessionRecords *s, StateReader *r, GError **errp)
{
    uint8_t version;
    uint16_t n;

    if (!state_get_u8(r, &version, errp) || !state_get_be32(r, &s->mouse_mode, errp) || !state_get_be64(r, &s->mm_ms, errp) ||
        !state_get_be64(r, &s->wall_ns, errp) || !state_get_be16(r, &n, errp)) {
        return false;
    }
    if (version != VERSION || n > SPICE_CLIENTS_MAX) {
        return fail(errp, "%s: version %u with %u sessions is not understood", r->what, version, n);
    }
    for (; n; n--) {
        if (!load_session(s, r, errp)) {
            return false;
        }
    }
    return load_held(s, r, errp) && (!state_left(r) || fail(errp, "%s: %zu bytes are left over", r->what, state_left(r)));
}

void sessions_release(const SessionRecords *s)
{
    InputUser here = {.buttons = 0};
    uint32_t keys[G_N_ELEMENTS(s->keys)];

    for (unsigned i = 0; i < server()->clients->len; i++) {
        const SpiceClient *client = server()->clients->pdata[i];

        if (client->arr.is_whole) {
            add_held(client, &here);
        }
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(keys); i++) {
        keys[i] = s->keys[i] & ~here.keys[i];
    }
    input_release(keys, s->buttons & ~here.buttons);
}

SessionRecords *sessions_load(StateReader *r, GError **errp)
{
    SessionRecords *s = g_new0(SessionRecords, 1);

    s->sessions = g_ptr_array_new_with_free_func(session_record_free);
    if (!load_all(s, r, errp)) {
        sessions_free(s);
        return NULL;
    }
    return s;
}
