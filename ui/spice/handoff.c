/* ui/spice/handoff.c - display sessions as a part of the handoff.  Owner: main loop (vm_lock); `gate_mutex` is a leaf.
 * Page: docs/spice.md.  Tests: tests/unit/ui/spice-migrate-test.c, tests/handoff/spice-test.py
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Who may come (S0) is told while the guest runs; what the sessions are (S1) goes with the devices; what clients say to the
 * source after that (the tail) follows once the guest runs, or is carried by them where nobody answers.  The source may be
 * told to wait with the stop until clients have reached the destination; nothing in the pause waits for one. */
#include "handoff.h"
#include "agent.h"
#include "arrive.h"
#include "confirm.h"
#include "main-channel.h"
#include "qapi/qapi-events.h"
#include "server.h"
#include "session-state.h"
#include "system/handoff.h"
#include "system/runstate.h"
#include "system/vm-lock.h"
#include "util/error.h"
#include "util/log.h"
#include "util/loop.h"

#include <limits.h>
#include <spice/enums.h>
#include <string.h>

#define GATE_STEP_NS (5 * NS_PER_MS)        /* between two looks whether the handoff is still wanted */
#define BRIDGE_MAX_MS (60 * 1000)           /* two hosts' clocks may differ: more than that is no pause */

enum { SETUP_VERSION = 1 };
enum { SAY_SETUP = 1, SAY_TAIL, SAY_TAIL_END, SAY_OVER, SAY_HURRY, SAY_HAVE };

/* ---- the source's side, and the destination's ---- */

static struct {
    bool is_source;             /* the guest is to leave, or has left */
    bool is_frozen;             /* from freeze until it is known whose guest it is */
    bool is_lost;               /* nobody will know */
    bool is_released;           /* clients are being told */
    bool has_tail;              /* the destination has not been told that all is said */
    bool is_hurried;            /* and does not wait for it */
    bool is_migrated;
    void (*quit_done)(void);
    LoopTimer *quit_timer;
} source;

static struct {
    SessionRecords *records;
    bool is_damaged;            /* they came, and could not be read */
    bool has_source;            /* which is not said to be gone yet */
    bool awaits_tail;
} destination;

static GMutex gate_mutex;       /* guards the next three */
static GCond gate_cond;
static unsigned gate_asking;    /* clients on their way to the destination */
static int64_t gate_since_ns;   /* client_migrate_info */

static HandoffPart part;

static StateWriter *message_new(uint8_t kind)
{
    StateWriter *w = state_writer_new();

    state_put_u8(w, kind);
    return w;
}

static bool message_send(StateWriter *take)
{
    size_t size;
    const uint8_t *data = state_writer_data(take, &size);
    bool ok = handoff_send(&part, data, size);

    state_writer_free(take);
    return ok;
}

static void say(uint8_t kind)
{
    message_send(message_new(kind));
}

/* ---- the gate ---- */

static void update_gate(void)
{
    g_mutex_lock(&gate_mutex);
    gate_asking = migrate_count(MIGRATE_ASKING);
    g_cond_signal(&gate_cond);
    g_mutex_unlock(&gate_mutex);
}

static void part_warm_wait(HandoffPart *p)
{
    int64_t wait_ns = (int64_t)handoff_parameter("x-spice-connect-wait", 10000) * NS_PER_MS;

    g_mutex_lock(&gate_mutex);
    while (gate_asking && time_monotonic_ns() < gate_since_ns + wait_ns && handoff_is_wanted()) {
        g_cond_wait_until(&gate_cond, &gate_mutex, (time_monotonic_ns() + GATE_STEP_NS) / NS_PER_US);
    }
    g_mutex_unlock(&gate_mutex);
}

/* ---- completion ---- */

static void quit_now(void *opaque)
{
    void (*done)(void) = source.quit_done;

    source.quit_done = NULL;
    if (done) {
        migrate_give_up("the program ends");
        confirm_none();
        done();
    }
}

static void complete(bool has_gone)
{
    source.is_released = false;
    source.is_migrated |= has_gone;
    migrate_set_target(NULL);
    qapi_event_SPICE_MIGRATE_COMPLETED();
    if (source.quit_done) {
        loop_call(quit_now, NULL);
    }
}

void spice_handoff_changed(void)
{
    update_gate();
    if (source.has_tail && !migrate_unflushed()) {
        source.has_tail = false;
        say(SAY_OVER);
        handoff_tail_done(&part);
    }
    if (source.is_released && migrate_has_target() && !migrate_count(MIGRATE_UNDER_WAY) && !confirm_waiting()) {
        complete(true);
    }
}

bool spice_handoff_is_migrated(void)
{
    return source.is_migrated;
}

static void target_clear(const MigrateTarget *t)
{
    g_free(t->host);
    g_free(t->subject);
}

bool spice_handoff_target(const MigrateTarget *take, GError **errp)
{
    if (source.is_frozen || (source.is_released && migrate_has_target())) {
        target_clear(take);
        return fail(errp, "the guest is being handed over, or has gone: its sessions cannot be told of another host now");
    }
    source.is_released = false;
    g_mutex_lock(&gate_mutex);
    gate_since_ns = time_monotonic_ns();
    g_mutex_unlock(&gate_mutex);
    migrate_set_target(take);
    migrate_all(MIGRATE_TARGET);
    return true;
}

/* ---- source: callbacks ---- */

static bool part_wanted(HandoffPart *p)
{
    return server()->is_on;
}

/* A guest that came a moment ago and goes on: clients that were frozen since then hold nobody up. */
static bool part_prepare(HandoffPart *p, GError **errp)
{
    if (destination.awaits_tail) {
        say(SAY_HURRY);
    }
    source.is_frozen = source.is_lost = source.is_released = source.has_tail = source.is_hurried = false;
    confirm_none();
    source.is_source = true;
    return true;
}

static void put_ticket(StateWriter *w)
{
    const Ticket *t = &server()->ticket;
    int64_t left_ns = t->expires_ns == TICKET_NEVER ? INT64_MAX : MAX(t->expires_ns - time_monotonic_ns(), 0);

    state_put_str8(w, t->password ? t->password : "");
    state_put_be64(w, left_ns);
}

static void part_warm(HandoffPart *p)
{
    StateWriter *w = message_new(SAY_SETUP);
    const GPtrArray *clients;

    vm_lock();
    clients = server()->clients;
    state_put_u8(w, SETUP_VERSION);
    put_ticket(w);
    state_put_be16(w, clients->len);
    for (unsigned i = 0; i < clients->len; i++) {
        state_put_be32(w, ((SpiceClient *)clients->pdata[i])->st.session_id);
    }
    vm_unlock();
    message_send(w);
}

static void part_freeze(HandoffPart *p)
{
    source.is_frozen = true;
    migrate_freeze();
}

static bool part_save(HandoffPart *p, StateWriter *w, GError **errp)
{
    migrate_set_sealed(handoff_is_one_way());
    sessions_save(w);
    return true;
}

static void tell_all(MigrateEvent event)
{
    source.is_frozen = false;
    migrate_all(event);
    source.is_released = true;
}

/* What clients say from here on is lost to a guest that goes on already. */
static void cut_tail(void)
{
    if (source.has_tail && source.is_hurried) {
        source.has_tail = source.is_hurried = false;
        say(SAY_OVER);
        handoff_tail_done(&part);
    }
}

static void part_released(HandoffPart *p, bool is_leaving)
{
    tell_all(MIGRATE_RELEASED);
    source.has_tail = true;
    spice_handoff_changed();
    cut_tail();
}

/* The connection to the destination is about to end: what clients have said until now still goes. */
static void part_leaving(HandoffPart *p)
{
    migrate_hear_all();
    spice_handoff_changed();
}

static void part_thaw(HandoffPart *p, bool was_after_run)
{
    source.is_frozen = source.is_lost = false;
    migrate_thaw();
}

static void part_stayed(HandoffPart *p)
{
    source.is_source = source.is_frozen = source.is_lost = false;
    migrate_all(MIGRATE_STAYED);
    if (migrate_has_target()) {
        complete(false);
    }
}

static void part_lost(HandoffPart *p)
{
    source.is_lost = true;
}

static uint64_t part_tail_ms(HandoffPart *p)
{
    return migrate_count(1u << MIGRATE_LINKED) ? handoff_parameter("display-handoff-timeout", 30000) : 0;
}

/* ---- destination: callbacks ---- */

static void forget_records(void)
{
    g_clear_pointer(&destination.records, sessions_free);
    destination.is_damaged = false;
}

static bool part_load(HandoffPart *p, StateReader *r, GError **errp)
{
    g_autoptr(GError) err = NULL;

    forget_records();
    destination.records = sessions_load(r, &err);
    destination.is_damaged = !destination.records;
    destination.awaits_tail = destination.has_source = true;
    if (err) {
        warn_report("spice: what the source says of its sessions cannot be used; they start from scratch: %s", err->message);
        r->at = r->end;
    }
    return true;
}

static void tell_shared(SpiceChannel *c, void *opaque)
{
    main_tell_shared(c);
}

/* Who is here before the guest was told of others; those who come with it are told when they are taken over. */
static void take_shared(const SessionRecords *s)
{
    uint64_t passed_ms = ((uint64_t)time_wall_ns() - s->wall_ns) / NS_PER_MS;
    uint32_t mm = (uint32_t)s->mm_ms + (passed_ms < BRIDGE_MAX_MS ? (uint32_t)passed_ms : 0);

    server()->st.mm_base_ns = time_monotonic_ns() - (int64_t)mm * NS_PER_MS;
    if ((s->mouse_mode == SPICE_MOUSE_MODE_SERVER || s->mouse_mode == SPICE_MOUSE_MODE_CLIENT) &&
        server_mouse_modes() & s->mouse_mode) {
        server()->st.mouse_mode = s->mouse_mode;
    }
    server_foreach(SPICE_CHANNEL_MAIN, tell_shared, NULL);
}

static void part_starting(HandoffPart *p)
{
    if (destination.records) {
        take_shared(destination.records);
    }
    arrive_prepare(destination.records, destination.is_damaged);
    if (destination.records) {
        sessions_release(destination.records);
    } else if (destination.is_damaged) { /* who holds it nobody can read */
        input_release_all();
    }
    forget_records();
}

static void part_started(HandoffPart *p)
{
    arrive_all(ARRIVE_GUEST_RUNS);
    arrive_forget();
    agent_settle();
    if (!destination.awaits_tail) {
        handoff_tail_done(p); /* a source without any */
    }
}

static void part_abandon(HandoffPart *p)
{
    forget_records();
    arrive_all(ARRIVE_NO_GUEST);
    arrive_forget();
    destination.awaits_tail = false;
}

static void end_tail(SpiceChannel *c, void *opaque)
{
    bool is_lost = c->awaits_tail || (c->mode == CHANNEL_QUIET && !c->had_tail); /* quiet: the guest does not run yet */

    spice_tail_over(c);
    if (is_lost) {
        spice_tail_lost(c, "the source does not wait for it, or is gone");
    }
}

static void end_tails(void)
{
    destination.awaits_tail = false;
    for (unsigned type = SPICE_CHANNEL_MAIN; type <= SPICE_CHANNEL_WEBDAV; type++) {
        server_foreach(type, end_tail, NULL);
    }
}

/* ---- messages ---- */

bool spice_handoff_tail(uint32_t session_id, uint8_t type, uint8_t id, uint16_t message, const uint8_t *data, uint32_t size)
{
    StateWriter *w = message_new(SAY_TAIL);

    state_put_be32(w, session_id);
    state_put_u8(w, type);
    state_put_u8(w, id);
    state_put_be16(w, message);
    state_put(w, data, size);
    return source.has_tail ? message_send(w) : (state_writer_free(w), false);
}

bool spice_handoff_tail_end(uint32_t session_id, uint8_t type, uint8_t id)
{
    StateWriter *w = message_new(SAY_TAIL_END);

    state_put_be32(w, session_id);
    state_put_u8(w, type);
    state_put_u8(w, id);
    return source.has_tail ? message_send(w) : (state_writer_free(w), false);
}

static void take_ticket(StateReader *r, const char *password, uint64_t left_ns)
{
    SpiceServer *s = server();

    if (!s->is_on || !*password || s->ticket.password || !ticket_set_password(&s->ticket, password, NULL)) {
        return;
    }
    s->ticket.expires_ns = left_ns >= INT64_MAX / 2 ? TICKET_NEVER : time_monotonic_ns() + (int64_t)left_ns;
}

static bool take_setup(StateReader *r, GError **errp)
{
    uint32_t ids[SPICE_CLIENTS_MAX];
    uint64_t left_ns;
    uint8_t version;
    uint16_t n;
    char password[256];

    if (!state_get_u8(r, &version, errp) || !state_get_str8(r, password, errp) || !state_get_be64(r, &left_ns, errp) ||
        !state_get_be16(r, &n, errp)) {
        return false;
    }
    if (version != SETUP_VERSION || n > G_N_ELEMENTS(ids)) {
        return fail(errp, "version %u with %u sessions is not understood", version, n);
    }
    for (unsigned i = 0; i < n; i++) {
        if (!state_get_be32(r, &ids[i], errp)) {
            return false;
        }
    }
    take_ticket(r, password, left_ns);
    arrive_announced(ids, n);
    return true;
}

static bool take_channel(StateReader *r, uint32_t *ret_session, SpiceChannel **ret, GError **errp)
{
    uint8_t type, id;

    if (!state_get_be32(r, ret_session, errp) || !state_get_u8(r, &type, errp) || !state_get_u8(r, &id, errp)) {
        return false;
    }
    *ret = server_find_channel(*ret_session, type, id); /* NULL: it has ended here meanwhile */
    return true;
}

static bool take_tail(StateReader *r, GError **errp)
{
    SpiceChannel *c;
    uint32_t session_id;
    uint16_t message;

    if (!take_channel(r, &session_id, &c, errp) || !state_get_be16(r, &message, errp)) {
        return false;
    }
    /* Quiet: the guest is parked; frozen: it is about to go on, and may stay.  Who replays has no tail: it says it again here. */
    if (c && !c->replay.is_on && !c->had_tail && c->mode <= CHANNEL_FROZEN) {
        spice_hear_late(c, UINT_MAX, message, r->at, state_left(r));
    }
    r->at = r->end;
    return true;
}

static bool take_tail_end(StateReader *r, GError **errp)
{
    SpiceChannel *c;
    uint32_t session_id;
    StateWriter *w;

    if (!take_channel(r, &session_id, &c, errp)) {
        return false;
    }
    if (!c || c->lost_tail) { /* nobody has it */
        return true;
    }
    spice_tail_over(c);
    w = message_new(SAY_HAVE);
    state_put_be32(w, session_id);
    message_send(w);
    return true;
}

static bool take_have(StateReader *r, GError **errp)
{
    uint32_t session_id;

    if (!state_get_be32(r, &session_id, errp)) {
        return false;
    }
    migrate_confirmed(session_id);
    return true;
}

static bool take_over(StateReader *r, GError **errp)
{
    end_tails();
    if (server()->is_on) {
        handoff_tail_done(&part);
    }
    return true;
}

/* It may come before the word that the guest runs there: who saw it start told it to go on. */
static bool take_hurry(StateReader *r, GError **errp)
{
    source.is_hurried = true;
    cut_tail();
    return true;
}

static bool (*const takers[])(StateReader *r, GError **errp) = {
    [SAY_SETUP] = take_setup, [SAY_TAIL] = take_tail, [SAY_TAIL_END] = take_tail_end, [SAY_OVER] = take_over,
    [SAY_HURRY] = take_hurry, [SAY_HAVE] = take_have,
};

/* A destination has nothing to say to the guest that is still ours. */
static bool is_for_us(uint8_t kind)
{
    return kind == SAY_SETUP ? !source.is_source : kind == SAY_HURRY || kind == SAY_HAVE || destination.awaits_tail;
}

static void part_message(HandoffPart *p, StateReader *r)
{
    g_autoptr(GError) err = NULL;
    uint8_t kind = 0;

    if (!state_get_u8(r, &kind, &err) || kind >= G_N_ELEMENTS(takers) || !takers[kind]) {
        warn_report("spice: a message of the other side that is not understood (%u)", kind);
    } else if (!is_for_us(kind)) {
        TRACE(spice_message_late, "kind %u", kind);
    } else if (!takers[kind](r, &err)) {
        warn_report("spice: a message of the other side: %s", err->message);
    }
}

/* That the process is gone from which the guest came may be said when the guest is on its way to the next one. */
static void part_peer_gone(HandoffPart *p)
{
    if (destination.has_source) {
        destination.has_source = false;
        end_tails();
        return;
    }
    if (source.is_frozen && runstate_get() == RUN_STATE_POSTMIGRATE) { /* a stream that nobody answers has ended */
        tell_all(MIGRATE_SAVED);
    }
    source.has_tail = false;
    migrate_peer_gone();
    end_tails();
    spice_handoff_changed();
}

/* ---- the end of the process ---- */

/* done NULL: asked again, so whoever waits for people does so no longer. */
static bool quit_hook(void (*done)(void))
{
    if (!done) {
        quit_now(NULL);
        return false;
    }
    if (!migrate_has_target() || source.is_lost || !(source.is_frozen || source.is_released)) {
        return false;
    }
    source.quit_done = done;
    loop_timer_set(source.quit_timer,
                   time_monotonic_ns() + (int64_t)handoff_parameter("display-handoff-timeout", 30000) * NS_PER_MS);
    return true;
}

static HandoffPart part = {
    .name = "spice", .order = 45, .wanted = part_wanted, .prepare = part_prepare, .warm = part_warm, .warm_wait = part_warm_wait,
    .freeze = part_freeze, .save = part_save, .released = part_released, .leaving = part_leaving, .thaw = part_thaw,
    .stayed = part_stayed,
    .lost = part_lost, .tail_ms = part_tail_ms, .load = part_load, .starting = part_starting, .started = part_started,
    .abandon = part_abandon, .message = part_message, .peer_gone = part_peer_gone,
};

void spice_handoff_init(void)
{
    if (!handoff_find(part.name)) {
        source.quit_timer = loop_timer_new(quit_now, NULL);
        handoff_register(&part);
        vm_on_quit(quit_hook);
    }
}
