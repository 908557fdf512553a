/* ui/spice/arrive.c - the destination: clients that are here before the guest.  Owner: main loop (vm_lock).
 * Page: docs/spice.md.  Test: tests/unit/ui/spice-arrive-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * They are quiet: they have shown the ticket, and nothing else is known of them until the source says who they are.  Whatever
 * is wrong with one of them, or with what is said of it, costs that session and never the guest. */
#include "arrive.h"
#include "migrate.h"
#include "server.h"
#include "steps.h"
#include "system/runstate.h"
#include "util/error.h"
#include "util/log.h"

#include <spice/protocol.h>
#include <string.h>

/* No SET_ACK of a source has had it: an ACK that was meant for one cannot match. */
#define GENERATION_AFTER_RESET 0x40000000

static GArray *announced;   /* of uint32_t; NULL: the source has not said yet who may come */

/* ---- actions ---- */

static void say_ack(SpiceClient *client)
{
    spice_say_now(client_main(client), SPICE_MSG_MAIN_MIGRATE_DST_SEAMLESS_ACK, NULL);
}

static void say_nack(SpiceClient *client)
{
    spice_say_now(client_main(client), SPICE_MSG_MAIN_MIGRATE_DST_SEAMLESS_NACK, NULL);
}

static void clear_deadline(SpiceClient *client)
{
    g_clear_pointer(&client->arr.deadline, loop_timer_free);
}

/* A session as if it had just linked, but with the channels that it has. */
static void start_anew(SpiceClient *client)
{
    g_autoptr(GPtrArray) channels = g_ptr_array_copy(client->channels, NULL, NULL);

    clear_deadline(client);
    for (unsigned i = 0; i < channels->len; i++) {
        SpiceChannel *c = channels->pdata[i];

        if (!c->is_closed) {
            spice_channel_start(c);
        }
    }
}

static ChannelTail tail_of(const SpiceChannel *c)
{
    return !c->kind->needs_flush || c->replay.is_on ? TAIL_NONE : c->client->arr.is_sealed ? TAIL_SEALED : TAIL_FROM_SOURCE;
}

static void take_over(SpiceChannel *c, bool is_whole)
{
    const ChannelKind *kind = c->kind;

    if (c->is_closed) {
        return;
    }
    spice_adopt(c, tail_of(c));
    replay_begin(c, is_whole);
    if (!is_whole) {
        c->begins_anew = NULL; /* it does so anyway */
        c->st.ack_generation = GENERATION_AFTER_RESET;
    }
    if (kind->has_window) {
        spice_set_ack(c);
    }
    if (c->is_closed) { /* what the source had still to say filled its queue */
        return;
    }
    if (!is_whole && kind->reset) {
        kind->reset(c);
    } else if (kind->adopted) {
        kind->adopted(c);
    }
}

static void adopt(SpiceClient *client)
{
    g_autoptr(GPtrArray) channels = g_ptr_array_copy(client->channels, NULL, NULL);
    bool is_whole = client->arr.is_whole;

    TRACE(spice_adopt, "%08x with %u channels%s", client->st.session_id, channels->len, is_whole ? "" : ", from scratch");
    for (unsigned i = 0; i < channels->len; i++) {
        take_over(channels->pdata[i], is_whole);
    }
}

static void drop(SpiceClient *client)
{
    clear_deadline(client);
    client_disconnect(client, "it is not one of the guest's sessions");
}

static void too_late(void *opaque)
{
    arrive_step(opaque, ARRIVE_LATE);
}

static void wait_for_end(SpiceClient *client)
{
    if (!client->arr.deadline) {
        client->arr.deadline = loop_timer_new(too_late, client);
    }
    loop_timer_set(client->arr.deadline, time_monotonic_ns() + ARRIVE_WAIT_NS);
}

/* ---- conditions ---- */

/* libspice's sources have state for the client to carry, which we neither want nor believe. */
static bool agrees(const SpiceClient *client)
{
    return server()->config.seamless_migration && client->arr.version == MIGRATE_VERSION;
}

static bool is_known(const SpiceClient *client)
{
    return client->arr.is_known;
}

/* ---- the table ---- */

#define IN(s) (1u << ARRIVE_##s)

static const StepRow rows[] = {
    {IN(WAITING), ARRIVE_DO_SEAMLESS, agrees, say_ack, ARRIVE_SEAMLESS},
    {IN(WAITING), ARRIVE_DO_SEAMLESS, NULL, say_nack, ARRIVE_WAITING},
    {IN(WAITING), ARRIVE_CLIENT_END, NULL, start_anew, ARRIVE_HERE},
    {IN(WAITING), ARRIVE_GUEST_RUNS, NULL, wait_for_end, ARRIVE_WAITING},
    {IN(SEAMLESS), ARRIVE_GUEST_RUNS, is_known, adopt, ARRIVE_HERE},
    /* Its source has told it to start anew, or it is nobody's. */
    {IN(SEAMLESS), ARRIVE_GUEST_RUNS, NULL, drop, ARRIVE_GONE},
    {IN(WAITING) | IN(SEAMLESS), ARRIVE_NO_GUEST, NULL, drop, ARRIVE_GONE},
    {IN(WAITING), ARRIVE_LATE, NULL, drop, ARRIVE_GONE},
    {},
};

bool arrive_step(SpiceClient *client, ArriveEvent event)
{
    const StepRow *row = step_find(rows, client->arr.state, event, client);

    if (!row) {
        return false;
    }
    TRACE(spice_arrive, "%08x: event %d, state %d", client->st.session_id, event, row->next);
    client->arr.state = row->next;
    row->act(client);
    return true;
}

/* ---- all of them ---- */

static bool is_announced(uint32_t id)
{
    for (unsigned i = 0; announced && i < announced->len; i++) {
        if (g_array_index(announced, uint32_t, i) == id) {
            return true;
        }
    }
    return !announced;
}

bool arrive_expects(uint32_t session_id)
{
    return session_id && runstate_get() == RUN_STATE_INMIGRATE && is_announced(session_id);
}

void arrive_begin(SpiceClient *client)
{
    client->arr.state = ARRIVE_WAITING;
}

void arrive_client_free(SpiceClient *client)
{
    clear_deadline(client);
    explicit_bzero(client->arr.key, sizeof(client->arr.key));
}

/* fn may end clients. */
static void each(void (*fn)(SpiceClient *client, const void *opaque), const void *opaque)
{
    g_autoptr(GPtrArray) clients = server()->clients ? g_ptr_array_copy(server()->clients, NULL, NULL) : g_ptr_array_new();

    for (unsigned i = 0; i < clients->len; i++) {
        SpiceClient *client = clients->pdata[i];

        if (g_ptr_array_find(server()->clients, client, NULL) && client->arr.state != ARRIVE_HERE) {
            fn(client, opaque);
        }
    }
}

static void step_one(SpiceClient *client, const void *event)
{
    arrive_step(client, *(const ArriveEvent *)event);
}

void arrive_all(ArriveEvent event)
{
    each(step_one, &event);
}

static void check_one(SpiceClient *client, const void *unused)
{
    if (!is_announced(client->st.session_id)) {
        drop(client);
    }
}

void arrive_announced(const uint32_t *ids, unsigned count)
{
    arrive_forget();
    announced = g_array_new(FALSE, FALSE, sizeof(*ids));
    g_array_append_vals(announced, ids, count);
    each(check_one, NULL);
}

void arrive_forget(void)
{
    g_clear_pointer(&announced, g_array_unref);
}

/* ---- the guest is about to run ---- */

static bool load_channels(SpiceClient *client, const SessionRecord *s, GError **errp)
{
    if (client->channels->len != s->channels->len) {
        return fail(errp, "%u channels are open here, %u at the source", client->channels->len, s->channels->len);
    }
    for (unsigned i = 0; i < client->channels->len; i++) {
        SpiceChannel *c = client->channels->pdata[i];
        const ChannelRecord *r = session_channel(s, c->st.type, c->st.id);
        const void *data;
        StateReader reader;
        size_t size;

        if (!r) {
            return fail(errp, "channel %s:%u is not open at the source", channel_type_name(c->st.type), c->st.id);
        }
        data = g_bytes_get_data(r->parts, &size);
        state_reader_init(&reader, data, size, channel_type_name(c->st.type));
        if (!channel_state_load(c, &reader, errp)) {
            return false;
        }
    }
    return true;
}

static void prepare_one(SpiceClient *client, const void *opaque)
{
    const SessionRecord *s = sessions_find(opaque, client->st.session_id);
    g_autoptr(GError) err = NULL;

    client->arr.is_known = s && s->goes;
    client->arr.is_sealed = s && s->is_sealed;
    if (client->arr.is_sealed) {
        memcpy(client->arr.key, s->key, sizeof(s->key));
    }
    if (client->arr.is_known && client->arr.state == ARRIVE_SEAMLESS) {
        bool is_whole = load_channels(client, s, &err);

        if (!g_ptr_array_find(server()->clients, client, NULL)) { /* more than a channel may have heard ends it */
            warn_report("spice: session %08x has ended: %s", s->id, err->message);
            return;
        }
        client->arr.is_whole = is_whole;
    }
    if (err) {
        warn_report("spice: session %08x starts from scratch: %s", client->st.session_id, err->message);
        for (unsigned i = 0; i < client->channels->len; i++) {
            spice_forget_moved(client->channels->pdata[i]);
        }
    }
}

static void prepare_unknown(SpiceClient *client, const void *unused)
{
    client->arr.is_known = announced && is_announced(client->st.session_id);
    client->arr.is_whole = client->arr.is_sealed = false;
}

void arrive_prepare(const SessionRecords *records, bool is_damaged)
{
    each(is_damaged ? prepare_unknown : prepare_one, records);
}
