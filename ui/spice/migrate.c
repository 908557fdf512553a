/* ui/spice/migrate.c - the source: sessions that go with the guest, or are told where it is.  Owner: main loop (vm_lock).
 * Page: docs/spice.md.  Test: tests/unit/ui/spice-migrate-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What is said to a client at which instant is the table below.  Nobody waits for a client: what it has to do it does in its
 * own time, and a timer says when that was too long. */
#include "migrate.h"
#include "confirm.h"
#include "events.h"
#include "handoff.h"
#include "server.h"
#include "session-state.h"
#include "steps.h"
#include "system/handoff.h"
#include "util/error.h"
#include "util/log.h"

#include <spice/protocol.h>
#include <string.h>

enum { NEED_FLUSH = 1, NEED_DATA_TRANSFER = 2 };    /* flags of MIGRATE */

G_STATIC_ASSERT(CHANNEL_LATE_MAX >= MIGRATE_TAIL_MAX + SESSION_QUEUE_MAX);
G_STATIC_ASSERT(CHANNEL_LATE_MESSAGES_MAX >= MIGRATE_TAIL_MESSAGES_MAX + SESSION_MESSAGES_MAX);

static MigrateTarget target;    /* host NULL: none */
static bool is_frozen;

/* ---- saying ---- */

/* DstInfo: places are counted from the body's first byte. */
static GByteArray *target_body(bool has_version)
{
    GByteArray *b = g_byte_array_new();
    uint32_t head = has_version ? 24 : 20, host = strlen(target.host) + 1;
    uint32_t subject = target.subject ? strlen(target.subject) + 1 : 0;

    put_u16(b, target.port);
    put_u16(b, target.tls_port);
    put_u32(b, host);
    put_u32(b, head);
    put_u32(b, subject);
    put_u32(b, subject ? head + host : 0);
    if (has_version) {
        put_u32(b, MIGRATE_VERSION);
    }
    put_bytes(b, target.host, host);
    put_bytes(b, target.subject, subject);
    return b;
}

static void deadline_passed(void *opaque)
{
    SpiceClient *client = opaque;

    migrate_step(client, MIGRATE_ASKING >> client->mig.state & 1 ? MIGRATE_LATE : MIGRATE_TIMEOUT);
}

static void set_deadline(SpiceClient *client, int64_t ns)
{
    if (!client->mig.deadline) {
        client->mig.deadline = loop_timer_new(deadline_passed, client);
    }
    loop_timer_set(client->mig.deadline, time_monotonic_ns() + ns);
}

static void clear_deadline(SpiceClient *client)
{
    if (client->mig.deadline) {
        loop_timer_cancel(client->mig.deadline);
    }
}

/* ---- actions: before the guest has gone ---- */

static void begin(SpiceClient *client, bool is_seamless)
{
    client->mig.replies_due++;
    client->mig.opened_then = client->opened;
    client->mig.ends = client_main(client)->ends;
    client->mig.goes = client->mig.has_lost = false;
    client->mig.why = NULL;
    client->mig.tail_bytes = client->mig.tail_messages = 0;
    set_deadline(client, MIGRATE_CONNECT_NS);
    spice_send(client_main(client), is_seamless ? SPICE_MSG_MAIN_MIGRATE_BEGIN_SEAMLESS : SPICE_MSG_MAIN_MIGRATE_BEGIN,
               target_body(is_seamless));
}

static void begin_seamless(SpiceClient *client)
{
    begin(client, true);
}

static void begin_semi(SpiceClient *client)
{
    begin(client, false);
}

static void cancel(SpiceClient *client)
{
    clear_deadline(client);
    spice_send(client_main(client), SPICE_MSG_MAIN_MIGRATE_CANCEL, NULL);
}

/* A queue that is full ends the session. */
static void begin_again(SpiceClient *client, bool is_seamless)
{
    const SpiceChannel *main = client_main(client);

    cancel(client);
    if (!main->is_closed) {
        begin(client, is_seamless);
    }
}

static void again_seamless(SpiceClient *client)
{
    begin_again(client, true);
}

static void again_semi(SpiceClient *client)
{
    begin_again(client, false);
}

static void tell_connected(SpiceClient *client)
{
    clear_deadline(client);
    spice_event_migrate_connected(&client->mig.ends, client->st.session_id,
                                  client->mig.state == MIGRATE_LINKED ? SPICE_WAY_SEAMLESS : SPICE_WAY_SEMI, NULL);
}

static void stay_apart(SpiceClient *client)
{
    clear_deadline(client);
    warn_report("spice: client %s port %s %s; it is told where the guest is when it has gone", client->mig.ends.client.host,
                client->mig.ends.client.port, client->mig.why);
    spice_event_migrate_connected(&client->mig.ends, client->st.session_id, SPICE_WAY_LOST, client->mig.why);
}

static void could_not_connect(SpiceClient *client)
{
    client->mig.why = "cannot connect to the destination";
    stay_apart(client);
}

static void was_late(SpiceClient *client)
{
    client->mig.why = "has not connected to the destination in time";
    stay_apart(client);
    cancel(client);
}

/* Its connections at the destination are of one piece with those here.  It is asked again when all are back. */
static void await_return(SpiceClient *client)
{
    client->mig.ends = client_main(client)->ends;
    client->mig.why = "has lost a connection";
    stay_apart(client);
}

static void was_cut(SpiceClient *client)
{
    await_return(client);
    cancel(client);
}

static void cannot_migrate(SpiceClient *client)
{
    client->mig.ends = client_main(client)->ends;
    client->mig.why = "knows nothing of migration";
}

/* ---- actions: the guest has gone ---- */

static void follow_until(SpiceClient *client, SpiceWay way)
{
    client->mig.way = way;
    client->mig.told_ns = time_monotonic_ns();
    set_deadline(client, (int64_t)handoff_parameter("display-handoff-timeout", 30000) * NS_PER_MS);
}

static void hand_over(SpiceClient *client)
{
    follow_until(client, SPICE_WAY_SEAMLESS);
    client->mig.unflushed = client->mig.unconfirmed = 0;
    for (unsigned i = 0; i < client->channels->len; i++) {
        SpiceChannel *c = client->channels->pdata[i];
        bool has_tail = c->kind->needs_flush && !c->replay.is_on; /* else it says it again over there */
        GByteArray *flags = g_byte_array_new();

        client->mig.unflushed += has_tail;
        put_u32(flags, !has_tail ? 0 : client->mig.is_sealed ? NEED_FLUSH | NEED_DATA_TRANSFER : NEED_FLUSH);
        spice_leave(c, c->replay.is_on);
        spice_say_now(c, SPICE_MSG_MIGRATE, flags);
    }
}

static void leave_all(SpiceClient *client)
{
    for (unsigned i = 0; i < client->channels->len; i++) {
        spice_leave(client->channels->pdata[i], true);
    }
}

static void end(SpiceClient *client)
{
    follow_until(client, SPICE_WAY_SEMI);
    leave_all(client);
    spice_say_now(client_main(client), SPICE_MSG_MAIN_MIGRATE_END, NULL);
}

static void switch_host(SpiceClient *client)
{
    SpiceChannel *main = client_main(client);
    g_autofree char *text = NULL;

    follow_until(client, SPICE_WAY_SWITCHED);
    leave_all(client);
    if (!client->mig.why) {
        client->mig.why = client->mig.state == MIGRATE_SWITCHING && client->mig.replies_due
                              ? "had not answered yet when the guest left"
                              : "has opened channels that the destination does not know, holds too much, or has only just come";
    }
    text = g_strdup_printf("the guest has moved to %s; this session starts anew there, because the client %s", target.host,
                           client->mig.why);
    spice_say_now(main, SPICE_MSG_NOTIFY, spice_notify_body(SPICE_NOTIFY_SEVERITY_INFO, text));
    spice_say_now(main, SPICE_MSG_MAIN_MIGRATE_SWITCH_HOST, target_body(false));
}

static void report(SpiceClient *client)
{
    ClientMigration *m = &client->mig;
    int64_t until = m->followed_ns ? m->followed_ns : time_monotonic_ns();

    clear_deadline(client);
    if (m->way == SPICE_WAY_SEAMLESS && (m->has_lost || m->unflushed)) {
        m->way = SPICE_WAY_LOST;
        m->why = m->why ? m->why : "the client has ended its connections";
    }
    if (m->way == SPICE_WAY_SEAMLESS) {
        confirm_report(m, client->st.session_id, until - m->told_ns);
        return;
    }
    spice_event_migrate_complete(&m->ends, client->st.session_id, m->way, m->why, m->tail_bytes, until - m->told_ns);
}

static void lose(SpiceClient *client)
{
    client->mig.why = "the client has not followed in time";
    client->mig.way = SPICE_WAY_LOST;
    report(client);
    client_disconnect(client, client->mig.why);
}

static void lose_absent(SpiceClient *client)
{
    client->mig.ends = client_main(client)->ends;
    client->mig.why = "has lost its connection, and was not back when the guest left";
    follow_until(client, SPICE_WAY_LOST);
    report(client);
    client_disconnect(client, client->mig.why);
}

static void dismiss(SpiceClient *client)
{
    SpiceChannel *main = client_main(client);

    follow_until(client, SPICE_WAY_LOST);
    leave_all(client);
    spice_say_now(main, SPICE_MSG_NOTIFY, spice_notify_body(SPICE_NOTIFY_SEVERITY_WARN, "the guest has moved to another host"));
    report(client);
    spice_pump(main);
    if (!main->is_closed) {
        client_disconnect(client, "it knows nothing of migration");
    }
}

/* It came when the others had been told already. */
static void note_late(SpiceClient *client)
{
    client->mig.ends = client_main(client)->ends;
    client->mig.why = "has connected after the others were told of the destination";
}

static void switch_late(SpiceClient *client)
{
    note_late(client);
    switch_host(client);
}

static void dismiss_late(SpiceClient *client)
{
    note_late(client);
    dismiss(client);
}

/* ---- conditions ---- */

static bool knows_migration(const SpiceClient *client)
{
    return caps_has(&client_main(client)->caps, SPICE_MAIN_CAP_SEMI_SEAMLESS_MIGRATE);
}

static bool can_seamless(const SpiceClient *client)
{
    const SpiceCaps *caps = &client_main(client)->caps;

    return server()->config.seamless_migration && knows_migration(client) && caps_has(caps, SPICE_MAIN_CAP_SEAMLESS_MIGRATE) &&
           caps_has(caps, SPICE_MAIN_CAP_AGENT_CONNECTED_TOKENS);
}

static bool has_place_to_go(const SpiceClient *client)
{
    return migrate_has_target();
}

static bool is_cut(const SpiceClient *client)
{
    for (unsigned i = 0; i < client->channels->len; i++) {
        if (((const SpiceChannel *)client->channels->pdata[i])->is_lost) {
            return true;
        }
    }
    return false;
}

/* Nobody can tell it anything. */
static bool is_absent(const SpiceClient *client)
{
    return migrate_has_target() && client_main(client)->is_lost;
}

static bool knows_where(const SpiceClient *client)
{
    return migrate_has_target() && knows_migration(client);
}

static bool has_gone(const SpiceClient *client)
{
    return client->mig.goes;
}

/* ---- the table ---- */

#define IN(s) (1u << MIGRATE_##s)
#define ASKING (IN(ASKED) | IN(ASKED_SEMI))
#define LINKED (IN(LINKED) | IN(LINKED_SEMI))
#define TOLD (IN(LEAVING) | IN(ENDING) | IN(SWITCHING))
#define SAME (-1)

static const StepRow rows[] = {
    {IN(STAYS) | IN(APART), MIGRATE_TARGET, is_cut, await_return, MIGRATE_APART},
    {IN(STAYS) | IN(APART), MIGRATE_TARGET, can_seamless, begin_seamless, MIGRATE_ASKED},
    {IN(STAYS) | IN(APART), MIGRATE_TARGET, knows_migration, begin_semi, MIGRATE_ASKED_SEMI},
    {IN(STAYS) | IN(APART), MIGRATE_TARGET, NULL, cannot_migrate, MIGRATE_APART},
    {ASKING | LINKED, MIGRATE_TARGET, can_seamless, again_seamless, MIGRATE_ASKED},
    {ASKING | LINKED, MIGRATE_TARGET, NULL, again_semi, MIGRATE_ASKED_SEMI},
    {IN(ASKED), MIGRATE_CONNECTED_SEAMLESS, NULL, tell_connected, MIGRATE_LINKED},
    {ASKING, MIGRATE_CONNECTED, NULL, tell_connected, MIGRATE_LINKED_SEMI},
    {ASKING, MIGRATE_CONNECT_ERROR, NULL, could_not_connect, MIGRATE_APART},
    {ASKING, MIGRATE_LATE, NULL, was_late, MIGRATE_APART},
    {ASKING | LINKED, MIGRATE_CUT, NULL, was_cut, MIGRATE_APART},
    /* An answer after all: the CANCEL behind which it was said follows. */
    {IN(STAYS) | IN(APART), MIGRATE_CONNECTED, NULL, NULL, SAME},
    {IN(STAYS) | IN(APART), MIGRATE_CONNECTED_SEAMLESS, NULL, NULL, SAME},
    {IN(STAYS) | IN(APART), MIGRATE_CONNECT_ERROR, NULL, NULL, SAME},
    {IN(STAYS) | IN(APART), MIGRATE_RELEASED, is_absent, lose_absent, MIGRATE_GONE},
    {IN(STAYS) | IN(APART), MIGRATE_SAVED, is_absent, lose_absent, MIGRATE_GONE},
    {IN(LINKED), MIGRATE_RELEASED, has_gone, hand_over, MIGRATE_LEAVING},
    {IN(LINKED_SEMI), MIGRATE_RELEASED, NULL, end, MIGRATE_ENDING},
    /* Never MIGRATE_END to a client that has agreed to be handed over: it hangs. */
    {ASKING | IN(LINKED) | IN(APART), MIGRATE_RELEASED, knows_migration, switch_host, MIGRATE_SWITCHING},
    {IN(APART), MIGRATE_RELEASED, NULL, dismiss, MIGRATE_GONE},
    {IN(STAYS), MIGRATE_RELEASED, knows_where, switch_late, MIGRATE_SWITCHING},
    {IN(STAYS), MIGRATE_RELEASED, has_place_to_go, dismiss_late, MIGRATE_GONE},
    {IN(LINKED), MIGRATE_SAVED, has_gone, hand_over, MIGRATE_LEAVING},
    {IN(LINKED_SEMI), MIGRATE_SAVED, NULL, end, MIGRATE_ENDING},
    {ASKING | IN(LINKED) | IN(APART), MIGRATE_SAVED, knows_migration, switch_host, MIGRATE_SWITCHING},
    {IN(APART), MIGRATE_SAVED, NULL, dismiss, MIGRATE_GONE},
    {IN(STAYS), MIGRATE_SAVED, knows_where, switch_late, MIGRATE_SWITCHING},
    {IN(STAYS), MIGRATE_SAVED, has_place_to_go, dismiss_late, MIGRATE_GONE},
    {ASKING | LINKED, MIGRATE_STAYED, NULL, cancel, MIGRATE_STAYS},
    {IN(APART), MIGRATE_STAYED, NULL, NULL, MIGRATE_STAYS},
    {TOLD, MIGRATE_TIMEOUT, NULL, lose, MIGRATE_GONE},
    {TOLD, MIGRATE_ENDED, NULL, report, MIGRATE_GONE},
    {IN(STAYS) | ASKING | LINKED | IN(APART), MIGRATE_ENDED, NULL, NULL, MIGRATE_GONE},
    {},
};

static bool step(SpiceClient *client, MigrateEvent event)
{
    const StepRow *row = step_find(rows, client->mig.state, event, client);

    if (!row) {
        return false;
    }
    client->mig.state = row->next == SAME ? client->mig.state : (MigrateState)row->next;
    TRACE(spice_migrate, "%08x: event %d, state %d", client->st.session_id, event, client->mig.state);
    if (row->act) {
        row->act(client);
    }
    return true;
}

void migrate_step(SpiceClient *client, MigrateEvent event)
{
    if (step(client, event)) {
        spice_handoff_changed();
    }
}

Taken migrate_replied(SpiceChannel *main, MigrateEvent event)
{
    SpiceClient *client = main->client;
    bool is_expected;

    if (!client || !client->mig.replies_due) {
        return TAKE_BAD;
    }
    if (--client->mig.replies_due) { /* to a target that is no longer meant */
        return TAKEN;
    }
    is_expected = step(client, event);
    spice_handoff_changed();
    return is_expected ? TAKEN : TAKE_BAD;
}

/* ---- all of them ---- */

static GPtrArray *all_clients(void)
{
    return server()->clients ? g_ptr_array_copy(server()->clients, NULL, NULL) : g_ptr_array_new();
}

void migrate_all(MigrateEvent event)
{
    g_autoptr(GPtrArray) clients = all_clients();

    is_frozen = false; /* it is known by now whose guest it is */
    for (unsigned i = 0; i < clients->len; i++) {
        SpiceClient *client = clients->pdata[i];

        if (g_ptr_array_find(server()->clients, client, NULL) && client->arr.state == ARRIVE_HERE) {
            step(client, event);
        }
    }
    spice_handoff_changed();
}

unsigned migrate_count(uint32_t states)
{
    unsigned n = 0;

    for (unsigned i = 0; server()->clients && i < server()->clients->len; i++) {
        const SpiceClient *client = server()->clients->pdata[i];

        n += states >> client->mig.state & 1;
    }
    return n;
}

unsigned migrate_unflushed(void)
{
    unsigned n = 0;

    for (unsigned i = 0; server()->clients && i < server()->clients->len; i++) {
        const SpiceClient *client = server()->clients->pdata[i];

        n += client->mig.state == MIGRATE_LEAVING ? client->mig.unflushed : 0;
    }
    return n;
}

void migrate_give_up(const char *why)
{
    g_autoptr(GPtrArray) clients = all_clients();

    for (unsigned i = 0; i < clients->len; i++) {
        SpiceClient *client = clients->pdata[i];

        if (g_ptr_array_find(server()->clients, client, NULL) && MIGRATE_UNDER_WAY >> client->mig.state & 1) {
            TRACE(spice_migrate_given_up, "%08x: %s", client->st.session_id, why);
            step(client, MIGRATE_TIMEOUT);
        }
    }
    spice_handoff_changed();
}

/* ---- the pause ---- */

static void each_channel(void (*fn)(SpiceChannel *c))
{
    for (unsigned i = 0; server()->clients && i < server()->clients->len; i++) {
        const SpiceClient *client = server()->clients->pdata[i];

        for (unsigned n = 0; client->mig.state != MIGRATE_STAYS && n < client->channels->len; n++) {
            fn(client->channels->pdata[n]);
        }
    }
}

void migrate_set_sealed(bool on)
{
    for (unsigned i = 0; server()->clients && i < server()->clients->len; i++) {
        ClientMigration *m = &((SpiceClient *)server()->clients->pdata[i])->mig;

        m->is_sealed = on && seal_make_key(m->key); /* without a key what it says last is lost, and that is reported */
    }
}

void migrate_freeze(void)
{
    is_frozen = true;
    each_channel(spice_freeze);
}

/* What was held back may end channels, and with them clients: so one after another, from a copy. */
void migrate_thaw(void)
{
    g_autoptr(GPtrArray) clients = all_clients();

    is_frozen = false;
    for (unsigned i = 0; i < clients->len; i++) {
        SpiceClient *client = clients->pdata[i];
        g_autoptr(GPtrArray) channels = NULL;

        if (!g_ptr_array_find(server()->clients, client, NULL)) {
            continue;
        }
        channels = g_ptr_array_copy(client->channels, NULL, NULL);
        for (unsigned n = 0; n < channels->len; n++) {
            spice_thaw(channels->pdata[n]);
        }
    }
}

void migrate_hear_all(void)
{
    g_autoptr(GPtrArray) clients = all_clients();

    for (unsigned i = 0; i < clients->len; i++) {
        SpiceClient *client = clients->pdata[i];
        g_autoptr(GPtrArray) channels = NULL;

        if (!g_ptr_array_find(server()->clients, client, NULL) || client->mig.state != MIGRATE_LEAVING) {
            continue;
        }
        channels = g_ptr_array_copy(client->channels, NULL, NULL);
        for (unsigned n = 0; n < channels->len; n++) {
            spice_pump(channels->pdata[n]);
        }
    }
}

/* ---- the target ---- */

bool migrate_has_target(void)
{
    return target.host != NULL;
}

void migrate_set_target(const MigrateTarget *take)
{
    g_free(target.host);
    g_free(target.subject);
    target = take ? *take : (MigrateTarget){0};
}

/* ---- for channels ---- */

Taken migrate_tail(SpiceChannel *c, uint16_t type, const uint8_t *data, uint32_t size)
{
    SpiceClient *client = c->client;

    if (!client || client->mig.tail_bytes + size > MIGRATE_TAIL_MAX || client->mig.tail_messages >= MIGRATE_TAIL_MESSAGES_MAX) {
        return TAKE_BAD;
    }
    client->mig.tail_bytes += size;
    client->mig.tail_messages++;
    if (client->mig.is_sealed) {
        spice_seal_message(c, type, data, size);
    } else if (!spice_handoff_tail(client->st.session_id, c->st.type, c->st.id, type, data, size)) {
        client->mig.has_lost = true;
        client->mig.why = "the connection to the destination was lost before the client had said all";
    }
    return TAKEN;
}

static void had_last_word(SpiceChannel *c)
{
    ClientMigration *m = &c->client->mig;

    if (c->kind->needs_flush && m->unflushed && !--m->unflushed) {
        m->followed_ns = time_monotonic_ns();
    }
    if (!c->was_bad && spice_handoff_tail_end(c->client->st.session_id, c->st.type, c->st.id)) {
        m->unconfirmed++;
    } else if (m->tail_messages && !m->is_sealed) { /* nobody will confirm it */
        m->has_lost = true;
        m->why = CONFIRM_LOST;
    }
    spice_handoff_changed();
}

void migrate_flushed(SpiceChannel *c)
{
    if (c->client && c->client->mig.is_sealed) {
        spice_give_seal(c, c->client->mig.key);
    }
    if (c->client) {
        had_last_word(c);
    }
}

void migrate_channel_closed(SpiceChannel *c)
{
    if (c->client && c->mode == CHANNEL_LEAVING && c->kind->needs_flush) {
        c->client->mig.has_lost = true;
        had_last_word(c);
    } else if (c->client && c->was_flushed && c->out.length) { /* it has not got what it should carry */
        c->client->mig.has_lost = true;
    }
}

void migrate_confirmed(uint32_t session_id)
{
    bool is_here = false;

    for (unsigned i = 0; server()->clients && i < server()->clients->len; i++) {
        SpiceClient *client = server()->clients->pdata[i];

        if (client->st.session_id == session_id && client->mig.unconfirmed) {
            client->mig.unconfirmed--;
            is_here = true;
        }
    }
    if (!is_here) { /* its connections have ended */
        confirm_one(session_id);
    }
    spice_handoff_changed();
}

void migrate_peer_gone(void)
{
    for (unsigned i = 0; server()->clients && i < server()->clients->len; i++) {
        ClientMigration *m = &((SpiceClient *)server()->clients->pdata[i])->mig;

        if (m->state == MIGRATE_LEAVING && !m->is_sealed && m->tail_bytes && (m->unflushed || m->unconfirmed)) {
            m->has_lost = true;
            m->why = CONFIRM_LOST;
        }
    }
    confirm_none();
}

/* On another connection a client does not answer what it was asked on this one. */
void migrate_channel_lost(SpiceChannel *c)
{
    if (c->st.type == SPICE_CHANNEL_MAIN) {
        c->client->mig.replies_due = 0;
    }
    migrate_step(c->client, MIGRATE_CUT);
}

void migrate_channel_resumed(SpiceChannel *c)
{
    SpiceClient *client = c->client;

    if (client && client->mig.state == MIGRATE_APART && migrate_has_target() && !is_frozen && !is_cut(client)) {
        migrate_step(client, MIGRATE_TARGET);
    }
}

bool migrate_keeps_channels(const SpiceClient *client)
{
    return client->mig.state == MIGRATE_LEAVING;
}

bool migrate_may_open(SpiceClient *client)
{
    return !(is_frozen && client->mig.state != MIGRATE_STAYS) && !((TOLD | IN(GONE)) >> client->mig.state & 1);
}

void migrate_client_free(SpiceClient *client)
{
    migrate_step(client, MIGRATE_ENDED);
    g_clear_pointer(&client->mig.deadline, loop_timer_free);
    explicit_bzero(client->mig.key, sizeof(client->mig.key));
}
