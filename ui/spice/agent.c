/* ui/spice/agent.c - the agent in the guest: clipboard, files, screens, pointer.  Owner: main loop (vm_lock).
 * Page: docs/spice.md.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Bounds: a client is ahead of the guest by its tokens, the agent is ahead of a client by what has room in its channel; beyond
 * that each waits.  With several clients nobody waits for one for longer than AGENT_PATIENCE_NS: it loses the agent until it
 * goes on, and is told so.  Half a message is never followed by another's: the agent is told to forget it, and the clients to
 * begin anew.  The device may call from a hart's thread. */
#include "agent.h"
#include "agent-screens.h"
#include "chardev/spice-port.h"
#include "main-channel.h"
#include "server.h"
#include "system/handoff.h"
#include "system/runstate.h"
#include "util/bytes.h"
#include "util/log.h"

#include <spice/protocol.h>
#include <spice/vd_agent.h>
#include <string.h>

static struct {
    AgentState st;
    SpicePort *port;                /* NULL: none */
    bool is_pumping, mouse_waits;
    bool output_waits;              /* of the agent, for a client's room */
    bool is_loaded;                 /* by the state of another process, and the machine has not run since */
    LoopTimer *patience, *wake;
} a;

AgentState *agent_state(void)
{
    return &a.st;
}

static AgentClientState *of(SpiceChannel *c)
{
    return &((MainChannel *)c)->st.agent;
}

/* Others were linked before their time, or have been told to go with the guest. */
static bool is_live(const SpiceChannel *c)
{
    return c->mode == CHANNEL_LIVE || c->mode == CHANNEL_FROZEN;
}

typedef struct Visit {
    void (*fn)(SpiceChannel *c, void *opaque);
    void *opaque;
} Visit;

static void visit(SpiceChannel *c, void *opaque)
{
    const Visit *v = opaque;

    if (is_live(c) && !c->is_closed) {
        v->fn(c, v->opaque);
    }
}

static void each(void (*fn)(SpiceChannel *c, void *opaque), void *opaque)
{
    server_foreach(SPICE_CHANNEL_MAIN, visit, &(Visit){fn, opaque});
}

static uint32_t session(const SpiceChannel *c)
{
    return c->client->st.session_id;
}

static bool has_token_cap(const SpiceChannel *c)
{
    return caps_has(&c->caps, SPICE_MAIN_CAP_AGENT_CONNECTED_TOKENS);
}

bool agent_is_there(void)
{
    return a.st.is_there && !a.st.is_broken;
}

bool agent_has_mouse(void)
{
    return server()->config.agent_mouse && agent_is_there() && a.st.caps >> VD_AGENT_CAP_MOUSE_STATE & 1;
}

/* In the guest, or the server in its place. */
static bool is_any_there(void)
{
    return agent_is_there() || screens_can_follow();
}

static void pump(void);
static void mind_patience(void);

/* ---- what clients are told ---- */

static bool has_room(const SpiceChannel *c)
{
    return spice_has_room(c) && c->out.length < AGENT_AHEAD_MAX;
}

static void send_number(SpiceChannel *c, uint16_t type, uint32_t number)
{
    GByteArray *b = g_byte_array_new();

    put_u32(b, number);
    spice_send(c, type, b);
}

/* An agent that comes and goes while a client does not read is one piece of news. */
static void tell(SpiceChannel *c)
{
    AgentClientState *s = of(c);
    bool is_there = is_any_there();

    if (!has_room(c) || s->starts_unsure) {
        return; /* agent_room() comes */
    }
    if (s->is_told && (s->is_renewed || !is_there)) {
        s->is_told = false;
        send_number(c, SPICE_MSG_MAIN_AGENT_DISCONNECTED, SPICE_LINK_ERR_OK);
    }
    s->is_renewed = false;
    if (is_there && !s->is_told) {
        s->is_told = true;
        s->starts_due++;
        if (has_token_cap(c)) {
            send_number(c, SPICE_MSG_MAIN_AGENT_CONNECTED_TOKENS, AGENT_TOKENS);
        } else {
            spice_send(c, SPICE_MSG_MAIN_AGENT_CONNECTED, NULL);
        }
    }
}

/* A client that has to start anew gets all tokens then. */
static void give_back(SpiceChannel *c)
{
    AgentClientState *s = of(c);

    if (s->owed >= AGENT_TOKENS_BATCH && (s->is_started || !has_token_cap(c))) {
        s->credit += s->owed;
        send_number(c, SPICE_MSG_MAIN_AGENT_TOKEN, s->owed);
        s->owed = 0;
    }
}

static uint32_t queued(const AgentClientState *s) /* pieces */
{
    uint32_t n = 0;

    for (uint32_t at = 0; at < s->queue_size; n++) {
        at += AGENT_CHUNK_HEADER + load_le32(s->queue + at + 4);
    }
    return n;
}

static void begin_anew(SpiceChannel *c, void *opaque)
{
    AgentClientState *s = of(c);
    uint32_t dropped = a.st.out_owner == session(c);

    a.st.out_owner = dropped ? 0 : a.st.out_owner;
    s->owed += dropped + queued(s);
    s->queue_size = s->monitors_size = 0;
    s->is_started = false;
    s->is_renewed = s->is_told;
    give_back(c);
    tell(c);
}

static void everybody_begins_anew(void)
{
    each(begin_anew, NULL);
}

/* ---- to the guest ---- */

static void put_ours(uint32_t type, const GByteArray *body)
{
    g_autoptr(GByteArray) message = g_byte_array_new();

    put_u32(message, VD_AGENT_PROTOCOL);
    put_u32(message, type);
    put_u64(message, 0);
    put_u32(message, body->len);
    put_bytes(message, body->data, body->len);
    a.st.out_size = agent_put_chunk(a.st.out, VDP_SERVER_PORT, message->data, message->len);
    a.st.out_owner = 0;
}

static void put_mouse(void)
{
    g_autoptr(GByteArray) body = g_byte_array_new();
    const AgentMouse *m = &a.st.mouse[0];

    put_u32(body, m->x);
    put_u32(body, m->y);
    put_u32(body, m->buttons);
    put_u8(body, m->display);
    put_ours(VD_AGENT_MOUSE_STATE, body);
    a.st.mouse_count--;
    memmove(&a.st.mouse[0], &a.st.mouse[1], a.st.mouse_count * sizeof(a.st.mouse[0]));
    if (a.mouse_waits) {
        loop_timer_set(a.wake, time_monotonic_ns());
    }
}

typedef struct Turn {
    SpiceChannel *first, *next;
    bool is_past;
} Turn;

static void look_at_turn(SpiceChannel *c, void *opaque)
{
    Turn *t = opaque;

    if (of(c)->queue_size && (!a.st.talker || a.st.talker == session(c))) {
        t->first = t->first ? t->first : c;
        t->next = t->next || !t->is_past ? t->next : c;
    }
    t->is_past |= session(c) == a.st.last_talker;
}

/* Who is in the middle of a message goes on; else each in turn. */
static SpiceChannel *whose_turn(void)
{
    Turn t = {0};

    each(look_at_turn, &t);
    return t.next ? t.next : t.first;
}

static void put_clients(SpiceChannel *c)
{
    AgentClientState *s = of(c);
    uint32_t size = load_le32(s->queue + 4), whole = AGENT_CHUNK_HEADER + size;

    if (!a.st.talker) { /* the first piece of a message has its header */
        a.st.told_left = load_le32(s->queue + AGENT_CHUNK_HEADER + 16) - (size - AGENT_MESSAGE_HEADER);
    } else {
        a.st.told_left -= size;
    }
    a.st.talker = a.st.told_left ? session(c) : 0;
    a.st.out_owner = a.st.last_talker = session(c);
    memcpy(a.st.out, s->queue, whole);
    a.st.out_size = whole;
    s->queue_size -= whole;
    memmove(s->queue, s->queue + whole, s->queue_size);
}

/* False: there is nothing to say. */
static bool next_chunk(void)
{
    g_autoptr(GByteArray) nothing = g_byte_array_new();
    SpiceChannel *c;

    if (a.st.tells_gone) {
        a.st.tells_gone = false;
        put_ours(VD_AGENT_CLIENT_DISCONNECTED, nothing);
    } else if (a.st.mouse_count) {
        put_mouse();
    } else if ((c = whose_turn())) {
        put_clients(c);
    }
    return a.st.out_size;
}

static void give_token(SpiceChannel *c, void *opaque)
{
    if (session(c) == a.st.out_owner) {
        of(c)->owed++;
        give_back(c);
    }
}

static void give_out(void)
{
    size_t given = spice_port_give(a.port, a.st.out, a.st.out_size);

    a.st.out_size -= MIN(given, a.st.out_size); /* less: the port was closed while it took */
    memmove(a.st.out, a.st.out + given, a.st.out_size);
}

static void pump(void)
{
    if (a.is_pumping || a.is_loaded || !a.port || !agent_is_there()) { /* agent_settle() comes */
        return;
    }
    a.is_pumping = true;
    while (agent_is_there() && (a.st.out_size || next_chunk())) {
        give_out();
        if (a.st.out_size) {
            break; /* port_room() comes */
        }
        if (a.st.out_owner) {
            each(give_token, NULL);
            a.st.out_owner = 0;
        }
    }
    a.is_pumping = false;
    mind_patience();
}

/* Half a message of somebody who does not end it: the agent forgets it, and with it all it knows of clients. */
static void give_up_message(void)
{
    a.st.talker = a.st.told_left = 0;
    a.st.tells_gone = true;
    everybody_begins_anew();
}

/* ---- what clients say ---- */

static AgentRules rules_now(void)
{
    const SpiceConfig *config = &server()->config;

    return (AgentRules){.no_copy_paste = config->disable_copy_paste, .no_file_xfer = config->disable_agent_file_xfer,
                        .takes_monitors = screens_can_follow()};
}

static void introduce(SpiceChannel *c, const uint8_t *piece, uint32_t size)
{
    AgentClientState *s = of(c);
    GByteArray *b = s->wants ? screens_introduction(piece, size) : NULL;

    if (b) {
        s->wants -= s->wants != UINT32_MAX;
        spice_send(c, SPICE_MSG_MAIN_AGENT_DATA, b);
    }
}

Taken agent_take_data(SpiceChannel *c, const uint8_t *piece, uint32_t size)
{
    AgentClientState *s = of(c);
    bool is_first = !s->said.left;
    AgentRules rules = rules_now();
    AgentVerdict verdict;

    if (!s->credit) {
        return TAKE_BAD;
    }
    s->credit--;
    if (!s->is_started) { /* meant for an agent that has gone */
        s->owed++;
        give_back(c);
        return TAKEN;
    }
    if (!agent_filter(&s->said, &rules, true, piece, size, &verdict)) {
        return TAKE_BAD;
    }
    if (verdict == AGENT_PASS && size && agent_is_there()) {
        g_assert(s->queue_size + AGENT_CHUNK_HEADER + size <= AGENT_QUEUE_MAX); /* there are as many tokens */
        s->queue_size += agent_put_chunk(s->queue + s->queue_size, VDP_CLIENT_PORT, piece, size);
        if (a.st.talker == session(c)) {
            loop_timer_cancel(a.patience);
        }
        pump();
        mind_patience();
        return TAKEN;
    }
    if (verdict == AGENT_MONITORS) {
        screens_take_piece(s, piece, size);
    } else if (is_first && !agent_is_there()) {
        introduce(c, piece, size);
    }
    s->owed++;
    give_back(c);
    return TAKEN;
}

Taken agent_take_start(SpiceChannel *c, uint32_t tokens)
{
    AgentClientState *s = of(c);

    if (!s->starts_due) {
        return TAKEN; /* nobody asked */
    }
    if (--s->starts_due || !s->is_told || !is_any_there() || s->is_renewed) {
        return TAKEN; /* for an agent that has gone */
    }
    s->is_started = true;
    s->said = (AgentMessage){0};
    if (has_token_cap(c)) {
        s->credit = AGENT_TOKENS;
        s->owed = 0;
    }
    s->wants = tokens;
    s->skips = a.st.said.left;
    return TAKEN;
}

/* ---- what the agent says ---- */

static bool takes_more(const SpiceChannel *c)
{
    return has_room(c) && of((SpiceChannel *)c)->wants;
}

typedef struct Crowd {
    unsigned ready, slow;   /* clients that take what the agent says now; that do not */
    unsigned others;        /* that have something to say, but it is not their turn */
    unsigned all, talkers;
} Crowd;

static void look_at_crowd(SpiceChannel *c, void *opaque)
{
    Crowd *crowd = opaque;
    AgentClientState *s = of(c);

    if (s->is_started && !s->skips) {
        takes_more(c) ? crowd->ready++ : crowd->slow++;
    }
    crowd->others += a.st.talker && session(c) != a.st.talker && s->queue_size;
    crowd->talkers += session(c) == a.st.talker;
    crowd->all++;
}

static Crowd look(void)
{
    Crowd crowd = {0};

    each(look_at_crowd, &crowd);
    return crowd;
}

static void send_piece(SpiceChannel *c, void *opaque)
{
    AgentClientState *s = of(c);
    const AgentChunks *piece = opaque;
    GByteArray *b;

    if (s->is_started && !s->skips) {
        b = g_byte_array_new();
        put_bytes(b, piece->in, piece->have);
        s->wants -= s->wants != UINT32_MAX;
        spice_send(c, SPICE_MSG_MAIN_AGENT_DATA, b);
    }
}

static void hear_next(SpiceChannel *c, void *opaque)
{
    of(c)->skips = false;
}

static void break_agent(const char *what)
{
    bool had_mouse = agent_has_mouse();

    guest_error("SPICE agent", "%s: it is not heard until the port is opened anew", what);
    a.st.is_broken = true;
    a.st.talker = a.st.told_left = a.st.mouse_count = 0;
    a.st.chunks = (AgentChunks){0};
    everybody_begins_anew();
    if (had_mouse) {
        server_pointer_changed();
    }
    loop_timer_set(a.wake, time_monotonic_ns());
}

static void take_piece(void)
{
    AgentRules rules = rules_now();
    AgentVerdict verdict;
    uint32_t caps;

    if (a.st.chunks.port != VDP_CLIENT_PORT) {
        return; /* an answer to what the server said */
    }
    if (!agent_filter(&a.st.said, &rules, false, a.st.chunks.in, a.st.chunks.have, &verdict)) {
        break_agent("a message that is none");
        return;
    }
    if (verdict == AGENT_CAPS) {
        caps = agent_caps(a.st.chunks.in, a.st.chunks.have, &rules);
        if (caps != a.st.caps) {
            a.st.caps = caps;
            server_pointer_changed();
        }
    }
    if (verdict != AGENT_DROP) {
        each(send_piece, &a.st.chunks);
    }
    if (!a.st.said.left) {
        each(hear_next, NULL);
    }
}

/* Each piece needs room at all who get it; without, the guest waits.  So it does until those who have come with it listen. */
static size_t port_take(void *opaque, const uint8_t *data, size_t size)
{
    size_t done = 0, used;

    if (a.is_loaded) {
        a.output_waits = true;
        return 0;
    }
    while (done < size && !a.st.is_broken) {
        AgentStep step;

        a.output_waits = look().slow;
        if (a.output_waits) {
            mind_patience();
            return done;
        }
        step = agent_chunks_add(&a.st.chunks, data + done, size - done, &used);
        done += used;
        if (step == AGENT_BAD) {
            break_agent("a chunk for a port that there is not");
        } else if (step == AGENT_PIECE) {
            loop_timer_cancel(a.patience);
            take_piece();
            agent_chunks_next(&a.st.chunks);
        }
    }
    return a.st.is_broken ? size : done;
}

static void let_output_go(void)
{
    if (a.output_waits && a.port && !a.is_loaded && !look().slow) {
        a.output_waits = false;
        spice_port_has_room(a.port);
    }
}

void agent_room(SpiceChannel *c)
{
    tell(c);
    let_output_go();
    mind_patience();
}

Taken agent_take_tokens(SpiceChannel *c, uint32_t tokens)
{
    AgentClientState *s = of(c);

    s->wants = tokens > UINT32_MAX - s->wants ? UINT32_MAX : s->wants + tokens;
    agent_room(c);
    return TAKEN;
}

/* ---- patience ---- */

static bool is_silent_talker(SpiceChannel *c)
{
    return a.st.talker == session(c) && !of(c)->queue_size && !a.st.out_size;
}

static void find_silent(SpiceChannel *c, void *opaque)
{
    *(bool *)opaque |= is_silent_talker(c);
}

/* Somebody waits for a client that does nothing. */
static void mind_patience(void)
{
    Crowd crowd = look();
    bool is_silent = false, is_long;

    each(find_silent, &is_silent);
    is_long = (a.output_waits && crowd.slow && crowd.ready) || (crowd.others && is_silent);
    if (!is_long) {
        loop_timer_cancel(a.patience);
    } else if (!loop_timer_pending(a.patience)) {
        loop_timer_set(a.patience, time_monotonic_ns() + AGENT_PATIENCE_NS);
    }
}

static void set_aside_slow(SpiceChannel *c, void *opaque)
{
    AgentClientState *s = of(c);

    if (s->is_started && !s->skips && !takes_more(c)) {
        TRACE(spice_agent_slow, "%08x does not read what the agent says", session(c));
        *(bool *)opaque |= a.st.talker == session(c);
        begin_anew(c, NULL);
    }
}

void agent_lose_patience(void)
{
    Crowd crowd = look();
    bool is_silent = false;

    each(find_silent, &is_silent);
    is_silent = is_silent && crowd.others;
    if (a.output_waits && crowd.slow && crowd.ready) {
        each(set_aside_slow, &is_silent);
    }
    if (is_silent) {
        TRACE(spice_agent_silent, "%08x does not end its message", a.st.talker);
        give_up_message();
    }
    pump();
    let_output_go();
}

static void patience_ended(void *opaque)
{
    agent_lose_patience();
}

/* ---- the pointer ---- */

static bool add_mouse(const AgentMouse *m)
{
    AgentMouse *last = a.st.mouse_count ? &a.st.mouse[a.st.mouse_count - 1] : NULL;

    if (last && last->buttons == m->buttons && last->display == m->display) {
        *last = *m; /* the guest sees where it is, not each way to there */
    } else if (a.st.mouse_count < AGENT_MOUSE_MAX) {
        a.st.mouse[a.st.mouse_count++] = *m;
    } else {
        a.mouse_waits = true;
        return false;
    }
    a.st.last_mouse = *m;
    pump();
    return true;
}

bool agent_point(uint32_t x, uint32_t y, uint32_t buttons, uint8_t display)
{
    return add_mouse(&(AgentMouse){x, y, buttons << 1, display}); /* the agent's masks begin with bit 1 */
}

bool agent_press(uint32_t buttons)
{
    return agent_point(a.st.last_mouse.x, a.st.last_mouse.y, buttons, a.st.last_mouse.display);
}

static void resume(SpiceChannel *c, void *opaque)
{
    spice_resume(c);
}

static void wake_up(void *opaque)
{
    a.mouse_waits = false;
    server_foreach(SPICE_CHANNEL_INPUTS, resume, NULL);
}

/* ---- the port ---- */

static void port_room(void *opaque)
{
    pump();
}

static void guest_opened(void *opaque, bool is_open)
{
    bool had_mouse = agent_has_mouse();

    if (a.st.is_there == is_open) {
        return;
    }
    a.st.is_there = is_open;
    a.st.is_broken = a.st.tells_gone = a.output_waits = false;
    a.st.caps = a.st.talker = a.st.told_left = a.st.out_owner = a.st.out_size = a.st.mouse_count = 0;
    a.st.chunks = (AgentChunks){0};
    a.st.said = (AgentMessage){0};
    everybody_begins_anew();
    if (had_mouse) {
        server_pointer_changed();
    }
    loop_timer_set(a.wake, time_monotonic_ns());
}

static void port_gone(void *opaque)
{
    a.port = NULL;
    state_unregister(&agent_vmstate, &a.st);
    guest_opened(NULL, false);
}

static const SpicePortServer port_ops = {.take = port_take, .room = port_room, .guest_opened = guest_opened, .gone = port_gone};

/* ---- handoff ---- */

void agent_was_loaded(void)
{
    a.is_loaded = true;
    server_pointer_changed();
}

void agent_settle(void)
{
    Crowd crowd = look();

    if (!a.is_loaded) {
        return;
    }
    a.is_loaded = false;
    if (a.st.talker && !crowd.talkers) {
        give_up_message();
    }
    a.st.tells_gone |= agent_is_there() && !crowd.all;
    pump();
    let_output_go();
    mind_patience();
}

static void run_changed(bool is_running, RunState state, void *opaque)
{
    if (is_running && a.port) {
        guest_opened(NULL, spice_port_is_guest_open(a.port)); /* what another process said of it may be wrong */
        if (a.is_loaded) { /* clients that were here before the guest know nothing of its agent; the others are quiet still */
            everybody_begins_anew();
        }
        pump();
    }
}

/* ---- life ---- */

void agent_begin(SpiceChannel *c)
{
    AgentClientState *s = of(c);

    s->is_told = is_any_there();
    s->starts_due = s->is_told;
}

void agent_begin_unknown(SpiceChannel *c)
{
    *of(c) = (AgentClientState){.credit = AGENT_TOKENS, .is_told = true, .is_renewed = true};
    a.st.out_owner = a.st.out_owner == session(c) ? 0 : a.st.out_owner;
    if (a.st.talker == session(c)) { /* how its message goes on nobody knows */
        give_up_message();
    }
    pump();
}

/* What it was told last may not have reached it: half a message, tokens.  While it is away nobody waits for it. */
void agent_lost(SpiceChannel *c)
{
    of(c)->starts_unsure = of(c)->starts_due;
    if (a.st.talker == session(c)) {
        give_up_message();
        pump();
    } else {
        begin_anew(c, NULL);
    }
    let_output_go();
    mind_patience();
}

void agent_leave(SpiceChannel *c)
{
    if (!is_live(c)) {
        return;
    }
    a.st.out_owner = a.st.out_owner == session(c) ? 0 : a.st.out_owner;
    if (a.st.talker == session(c)) {
        give_up_message();
    }
    a.st.tells_gone |= agent_is_there() && !look().all && !a.is_loaded; /* agent_settle() knows who has come with it */
    pump();
    let_output_go();
    mind_patience();
}

void agent_attach(SpicePort *p)
{
    if (a.port || !spice_port_attach(p, &port_ops, NULL, NULL)) {
        return; /* there is one agent */
    }
    a.port = p;
    state_register("spice-agent", &agent_vmstate, &a.st);
    spice_port_set_open(p, true);
    guest_opened(NULL, spice_port_is_guest_open(p));
}

void agent_detach(void)
{
    if (a.port) {
        spice_port_detach(a.port);
        port_gone(NULL);
    }
}

void agent_init(void)
{
    a.patience = loop_timer_new(patience_ended, NULL);
    a.wake = loop_timer_new(wake_up, NULL);
    runstate_notify(STATE_ORDER_NET, run_changed, NULL);
}
