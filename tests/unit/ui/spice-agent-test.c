/* tests/unit/ui/spice-agent-test.c - the agent and its clients: tokens, whole messages, rules, who waits for whom.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "spice-agent-rig.h"

/* ---- to the guest ---- */

static void long_messages_go_in_chunks_for_tokens(void)
{
    g_autoptr(GByteArray) m = message(VD_AGENT_CLIPBOARD, noise, 30000), b = g_byte_array_new(), all = g_byte_array_new();
    uint32_t at = 0, credit = AGENT_TOKENS;
    FakeClient f;
    Guest g;

    meet(&g, &f, 1);
    guest_allow(&g, 5000);
    while (at < m->len) {
        for (; credit && at < m->len; credit--) {
            uint32_t size = MIN(AGENT_PIECE_MAX, m->len - at);

            client_says(&f, m, at, size);
            at += size;
        }
        g_assert_false(f.main->is_held); /* what waits is the agent's, the channel goes on */
        g_assert_cmpuint(((MainChannel *)f.main)->st.agent.queue_size, <=, AGENT_QUEUE_MAX);
        guest_allow(&g, 12000);
        while (hears(&f, SPICE_MSG_MAIN_AGENT_TOKEN, b)) {
            credit += load_le32(b->data);
        }
        g_assert_cmpuint(credit, >, 0);
        g_assert_cmpuint(credit, <=, AGENT_TOKENS);
    }
    guest_allow(&g, SIZE_MAX);
    while (g.got->len) {
        uint32_t size = load_le32(g.got->data + 4);

        g_assert_cmpuint(load_le32(g.got->data), ==, VDP_CLIENT_PORT);
        put_bytes(all, g.got->data + AGENT_CHUNK_HEADER, size);
        g_byte_array_remove_range(g.got, 0, AGENT_CHUNK_HEADER + size);
    }
    g_assert_cmpmem(all->data, all->len, m->data, m->len);
    part(&g, &f, 1);
}

static void who_sends_without_tokens_is_dropped(void)
{
    g_autoptr(GByteArray) m = message(VD_AGENT_CLIPBOARD, noise, 30000);
    FakeClient f;
    Guest g;

    meet(&g, &f, 1);
    guest_allow(&g, 0);
    client_says(&f, m, 0, 100);
    for (unsigned i = 1; i < AGENT_TOKENS; i++) {
        client_says(&f, m, 100, 100);
    }
    g_assert_false(f.main->is_closed);
    client_says(&f, m, 100, 100);
    g_assert_true(f.main->is_closed);
    fake_settle();
    guest_unplug(&g);
}

static void malformed_pieces_end_the_channel(void)
{
    static const struct {
        uint32_t size, piece; /* of the message; of what is said of it: first, then rest */
        uint32_t rest;
    } cases[] = {{10, 19, 0}, {10, 31, 0}, {10, 25, 6}, {0, 21, 0}};

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GByteArray) m = message(VD_AGENT_CLIPBOARD, noise, 80);
        FakeClient f;
        Guest g;

        store_le32(m->data + 16, cases[i].size);
        meet(&g, &f, 1);
        client_says(&f, m, 0, cases[i].piece);
        if (cases[i].rest) {
            g_assert_false(f.main->is_closed);
            client_says(&f, m, 0, cases[i].rest);
        }
        g_assert_true(f.main->is_closed);
        fake_settle();
        guest_unplug(&g);
    }
}

static void messages_of_two_clients_do_not_mix(void)
{
    g_autoptr(GByteArray) long_one = message(VD_AGENT_CLIPBOARD, noise, 5000);
    g_autoptr(GByteArray) short_one = message(VD_AGENT_CLIPBOARD_GRAB, "\1\0\0\0", 4);
    FakeClient f[2];
    Guest g;

    meet(&g, f, 2);
    client_says(&f[0], long_one, 0, 2000);
    client_says(&f[1], short_one, 0, short_one->len);
    client_says(&f[0], long_one, 2000, 2000);
    client_says(&f[0], long_one, 4000, 1020);
    client_says(&f[0], short_one, 0, short_one->len);
    assert_chunk(&g, VDP_CLIENT_PORT, long_one->data, 2000);
    assert_chunk(&g, VDP_CLIENT_PORT, long_one->data + 2000, 2000);
    assert_chunk(&g, VDP_CLIENT_PORT, long_one->data + 4000, 1020);
    assert_chunk(&g, VDP_CLIENT_PORT, short_one->data, short_one->len);
    assert_chunk(&g, VDP_CLIENT_PORT, short_one->data, short_one->len);
    g_assert_cmpuint(g.got->len, ==, 0);
    part(&g, f, 2);
}

static void half_a_message_is_forgotten_with_its_client(void)
{
    g_autoptr(GByteArray) m = message(VD_AGENT_CLIPBOARD, noise, 5000), b = g_byte_array_new();
    FakeClient f[2];
    Guest g;

    meet(&g, f, 2);
    client_says(&f[0], m, 0, 2000);
    fake_leave(&f[0]);
    assert_chunk(&g, VDP_CLIENT_PORT, m->data, 2000);
    assert_gone(&g);
    g_assert_true(hears(&f[1], SPICE_MSG_MAIN_AGENT_DISCONNECTED, b)); /* and the other begins anew */
    g_assert_true(hears(&f[1], SPICE_MSG_MAIN_AGENT_CONNECTED_TOKENS, b));
    client_says(&f[1], m, 0, 500); /* said before it heard: nobody gets it */
    client_starts(&f[1]);
    client_says(&f[1], m, 0, 1000);
    assert_chunk(&g, VDP_CLIENT_PORT, m->data, 1000);
    fake_leave(&f[1]);
    assert_gone(&g);
    g_assert_cmpuint(g.got->len, ==, 0);
    guest_unplug(&g);
}

/* ---- from the guest ---- */

static void all_clients_get_what_the_agent_says(void)
{
    g_autoptr(GByteArray) m = message(VD_AGENT_CLIPBOARD, noise, 50000), b = g_byte_array_new(), said = g_byte_array_new();
    FakeClient f[2];
    Guest g;

    meet(&g, f, 2);
    put_chunk(said, VDP_CLIENT_PORT, m->data, m->len); /* one chunk, as Linux agents do */
    for (uint32_t at = 0; at < said->len; at += 777) {
        guest_say(&g, said->data + at, MIN(777, said->len - at));
    }
    agent_says(&g, VDP_SERVER_PORT, m); /* an answer to the server: for no client */
    for (unsigned i = 0; i < 2; i++) {
        g_autoptr(GByteArray) all = g_byte_array_new();

        while (hears(&f[i], SPICE_MSG_MAIN_AGENT_DATA, b)) {
            g_assert_cmpuint(b->len, <=, AGENT_PIECE_MAX);
            put_bytes(all, b->data, b->len);
        }
        g_assert_cmpmem(all->data, all->len, m->data, m->len);
    }
    g_assert_cmpuint(g.says->len, ==, 0);
    part(&g, f, 2);
}

static void who_comes_late_hears_whole_messages(void)
{
    g_autoptr(GByteArray) m = message(VD_AGENT_CLIPBOARD, noise, 3000), b = g_byte_array_new(), said = g_byte_array_new();
    FakeClient f[2];
    Guest g;

    meet(&g, f, 1);
    put_chunk(said, VDP_CLIENT_PORT, m->data, m->len);
    guest_say(&g, said->data, 2500);
    f[1] = fake_client();
    g_assert_true(hears(&f[1], SPICE_MSG_MAIN_INIT, b));
    g_assert_cmpuint(load_le32(b->data + 16), ==, 1);
    client_starts(&f[1]);
    guest_say(&g, said->data + 2500, said->len - 2500);
    g_assert_false(hears(&f[1], SPICE_MSG_MAIN_AGENT_DATA, b));
    agent_says(&g, VDP_CLIENT_PORT, m);
    g_assert_true(hears(&f[1], SPICE_MSG_MAIN_AGENT_DATA, b));
    g_assert_cmpmem(b->data, b->len, m->data, AGENT_PIECE_MAX);
    part(&g, f, 2);
}

static void a_client_without_credit_holds_the_agent_back(void)
{
    g_autoptr(GByteArray) m = message(VD_AGENT_CLIPBOARD, noise, 1000), b = g_byte_array_new();
    FakeClient f;
    Guest g;

    guest_plug(&g, "spicevmc,id=agent,name=vdagent");
    chardev_set_guest_open(g.c, true);
    f = fake_client();
    fake_say(f.w, SPICE_MSGC_MAIN_AGENT_START, "\2\0\0\0", 4);
    spice_pump(f.main);
    for (unsigned i = 0; i < 3; i++) {
        agent_says(&g, VDP_CLIENT_PORT, m);
    }
    g_assert_true(hears(&f, SPICE_MSG_MAIN_AGENT_DATA, b));
    g_assert_true(hears(&f, SPICE_MSG_MAIN_AGENT_DATA, b));
    g_assert_false(hears(&f, SPICE_MSG_MAIN_AGENT_DATA, b));
    g_assert_cmpuint(g.says->len, >, 0);
    fake_say(f.w, SPICE_MSGC_MAIN_AGENT_TOKEN, "\1\0\0\0", 4);
    g_assert_true(hears(&f, SPICE_MSG_MAIN_AGENT_DATA, b) || hears(&f, SPICE_MSG_MAIN_AGENT_DATA, b));
    g_assert_cmpuint(g.says->len, ==, 0);
    part(&g, &f, 1);
}

static void an_agent_that_talks_nonsense_is_not_heard(void)
{
    g_autoptr(GByteArray) m = message(VD_AGENT_CLIPBOARD, noise, 10), b = g_byte_array_new();
    FakeClient f;
    Guest g;

    meet(&g, &f, 1);
    agent_says(&g, 7, m);
    g_assert_true(hears(&f, SPICE_MSG_MAIN_AGENT_DISCONNECTED, b));
    agent_says(&g, VDP_CLIENT_PORT, m);
    g_assert_false(hears(&f, SPICE_MSG_MAIN_AGENT_DATA, b));
    g_assert_cmpuint(g.says->len, ==, 0); /* the guest does not hang */
    chardev_set_guest_open(g.c, false);
    chardev_set_guest_open(g.c, true);
    g_assert_true(hears(&f, SPICE_MSG_MAIN_AGENT_CONNECTED_TOKENS, b));
    client_starts(&f);
    agent_says(&g, VDP_CLIENT_PORT, m);
    g_assert_true(hears(&f, SPICE_MSG_MAIN_AGENT_DATA, b));
    part(&g, &f, 1);
}

/* What of a message was on its way to it nobody knows; and while it is away the agent does not wait for it. */
static void who_comes_back_begins_anew(void)
{
    g_autoptr(GByteArray) m = message(VD_AGENT_CLIPBOARD, noise, 3000), b = g_byte_array_new(), said = g_byte_array_new();
    FakeClient f;
    Guest g;

    fake_extension = FAKE_RETURNS;
    meet(&g, &f, 1);
    fake_extension = 0;
    put_chunk(said, VDP_CLIENT_PORT, m->data, m->len);
    guest_say(&g, said->data, 2500);
    client_says(&f, m, 0, 2000);
    assert_chunk(&g, VDP_CLIENT_PORT, m->data, 2000);
    g_assert_true(spice_detach(f.main));
    assert_gone(&g); /* of what it has half */
    guest_say(&g, said->data + 2500, said->len - 2500);
    for (unsigned i = 0; i < 2 * AGENT_AHEAD_MAX; i++) {
        agent_says(&g, VDP_CLIENT_PORT, m);
    }
    g_assert_cmpuint(g.says->len, ==, 0);
    f.w = fake_come_back(f.main);
    g_assert_true(hears(&f, SPICE_MSG_MAIN_AGENT_DISCONNECTED, b));
    g_assert_true(hears(&f, SPICE_MSG_MAIN_AGENT_CONNECTED_TOKENS, b));
    g_assert_cmpuint(load_le32(b->data), ==, AGENT_TOKENS);
    client_says(&f, m, 2000, 1000); /* before it has heard: for nobody */
    client_starts(&f);
    agent_says(&g, VDP_CLIENT_PORT, m);
    g_assert_true(hears(&f, SPICE_MSG_MAIN_AGENT_DATA, b));
    g_assert_cmpmem(b->data, b->len, m->data, AGENT_PIECE_MAX);
    for (unsigned i = 0; i < AGENT_TOKENS; i++) {
        client_says(&f, m, i ? 100 * (i + 1) : 0, i ? 100 : 200);
    }
    assert_chunk(&g, VDP_CLIENT_PORT, m->data, 200);
    g_assert_false(f.main->is_closed);
    part(&g, &f, 1);
}

/* ---- patience ---- */

/* It may have heard of the agent and answered, or not, or its answer was lost with the connection and is said again: the
 * server asks, and tells it of the agent when it knows. */
static void news_of_the_agent_that_are_lost_are_told_again(void)
{
    g_autoptr(GByteArray) m = message(VD_AGENT_CLIPBOARD, noise, 1000), b = g_byte_array_new(), ping = g_byte_array_new();

    for (unsigned is_heard = 0; is_heard < 2; is_heard++) {
        FakeClient f;
        Guest g;

        fake_extension = FAKE_RETURNS;
        guest_plug(&g, "spicevmc,id=agent,name=vdagent");
        f = fake_client();
        chardev_set_guest_open(g.c, true);
        spice_pump(f.main);
        f.w->is_ended = true;
        spice_pump(f.main);
        g_assert_true(f.main->is_lost);
        f.w = fake_come_back(f.main);
        g_assert_true(hears(&f, SPICE_MSG_PING, ping));
        while (fake_hear(f.w, b)) {
        }
        chardev_set_guest_open(g.c, false); /* more news meanwhile */
        chardev_set_guest_open(g.c, true);
        spice_pump(f.main);
        g_assert_cmpuint(f.w->out->len, ==, 0); /* nothing yet */
        if (is_heard) {
            client_starts(&f);
            client_says(&f, m, 0, 1000); /* for the agent that it had heard of */
        }
        fake_say(f.w, SPICE_MSGC_PONG, ping->data, 12);
        g_assert_true(hears(&f, SPICE_MSG_MAIN_AGENT_DISCONNECTED, b));
        g_assert_true(hears(&f, SPICE_MSG_MAIN_AGENT_CONNECTED_TOKENS, b));
        client_starts(&f);
        client_says(&f, m, 0, 1000);
        assert_chunk(&g, VDP_CLIENT_PORT, m->data, 1000);
        g_assert_cmpuint(g.got->len, ==, 0);
        fake_extension = 0;
        part(&g, &f, 1);
    }
}

static void nobody_waits_for_one_client_for_ever(void)
{
    g_autoptr(GByteArray) m = message(VD_AGENT_CLIPBOARD, noise, 5000), b = g_byte_array_new();
    FakeClient f[2];
    Guest g;

    meet(&g, f, 2);
    client_says(&f[0], m, 0, 2000); /* and no more */
    client_says(&f[1], m, 0, 2000);
    assert_chunk(&g, VDP_CLIENT_PORT, m->data, 2000);
    g_assert_cmpuint(g.got->len, ==, 0);
    agent_lose_patience();
    assert_gone(&g);
    for (unsigned i = 0; i < 2; i++) {
        g_assert_true(hears(&f[i], SPICE_MSG_MAIN_AGENT_DISCONNECTED, b));
        g_assert_true(hears(&f[i], SPICE_MSG_MAIN_AGENT_CONNECTED_TOKENS, b));
    }
    client_starts(&f[1]);
    client_says(&f[1], m, 0, 1000);
    assert_chunk(&g, VDP_CLIENT_PORT, m->data, 1000);
    part(&g, f, 2);
}

static void who_does_not_read_loses_the_agent_not_the_others(void)
{
    g_autoptr(GByteArray) m = message(VD_AGENT_CLIPBOARD, noise, 1500), b = g_byte_array_new();
    unsigned n = 0, heard = 0;
    FakeClient f[2];
    Guest g;

    meet(&g, f, 2);
    f[0].w->room = 0;
    for (; !g.says->len; n++) {
        g_assert_cmpuint(n, <, 2 * AGENT_AHEAD_MAX);
        agent_says(&g, VDP_CLIENT_PORT, m);
        spice_pump(f[1].main);
    }
    agent_lose_patience();
    g_assert_cmpuint(g.says->len, ==, 0);
    while (hears(&f[1], SPICE_MSG_MAIN_AGENT_DATA, b)) {
        heard++;
    }
    g_assert_cmpuint(heard, ==, n);
    f[0].w->room = SIZE_MAX;
    while (hears(&f[0], SPICE_MSG_MAIN_AGENT_DATA, b)) {
        heard++;
    }
    g_assert_cmpuint(heard, <, 2 * n);
    agent_says(&g, VDP_CLIENT_PORT, m);
    g_assert_false(hears(&f[0], SPICE_MSG_MAIN_AGENT_DATA, b)); /* it has been told: those are passed over here */
    client_starts(&f[0]);
    agent_says(&g, VDP_CLIENT_PORT, m);
    g_assert_true(hears(&f[0], SPICE_MSG_MAIN_AGENT_DATA, b));
    part(&g, f, 2);
}

/* A guest whose agent comes and goes while a client does not read: one piece of news, not hundreds. */
static void news_of_the_agent_cost_no_memory(void)
{
    FakeClient f;
    Guest g;

    meet(&g, &f, 1);
    f.w->room = 0;
    for (unsigned i = 0; i < 2000; i++) {
        chardev_set_guest_open(g.c, i & 1);
    }
    g_assert_false(f.main->is_closed);
    g_assert_cmpuint(f.main->out.length, <, 3 * AGENT_AHEAD_MAX);
    part(&g, &f, 1);
}

/* ---- rules ---- */

static void what_is_forbidden_does_not_pass(void)
{
    static const struct {
        uint32_t type;
        bool passes[3]; /* with no rules; without copy and paste; without files */
    } cases[] = {
        {VD_AGENT_CLIPBOARD, {1, 0, 1}},      {VD_AGENT_CLIPBOARD_GRAB, {1, 0, 1}},   {VD_AGENT_CLIPBOARD_REQUEST, {1, 0, 1}},
        {VD_AGENT_CLIPBOARD_RELEASE, {1, 0, 1}}, {VD_AGENT_FILE_XFER_START, {1, 1, 0}}, {VD_AGENT_FILE_XFER_STATUS, {1, 1, 0}},
        {VD_AGENT_FILE_XFER_DATA, {1, 1, 0}}, {VD_AGENT_REPLY, {1, 1, 1}},            {VD_AGENT_MONITORS_CONFIG, {1, 1, 1}},
    };
    g_autoptr(GByteArray) b = g_byte_array_new();
    FakeClient f;
    Guest g;

    meet(&g, &f, 1);
    for (unsigned rule = 0; rule < 3; rule++) {
        server()->config.disable_copy_paste = rule == 1;
        server()->config.disable_agent_file_xfer = rule == 2;
        for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
            g_autoptr(GByteArray) m = message(cases[i].type, noise, 3000);

            client_says(&f, m, 0, 2000);
            client_says(&f, m, 2000, 1020);
            g_assert_cmpuint(g.got->len, ==, cases[i].passes[rule] ? m->len + 2 * AGENT_CHUNK_HEADER : 0);
            g_byte_array_set_size(g.got, 0);
            agent_says(&g, VDP_CLIENT_PORT, m);
            for (unsigned n = 0; n < 2; n++) {
                g_assert_true(hears(&f, SPICE_MSG_MAIN_AGENT_DATA, b) == cases[i].passes[rule]);
            }
        }
    }
    server()->config.disable_agent_file_xfer = false;
    part(&g, &f, 1);
}

static void the_agent_does_not_promise_what_is_forbidden(void)
{
    g_autoptr(GByteArray) m = message(VD_AGENT_ANNOUNCE_CAPABILITIES, "\1\0\0\0\xff\x1f\0\0", 8), b = g_byte_array_new();
    FakeClient f;
    Guest g;

    meet(&g, &f, 1);
    server()->config.disable_copy_paste = server()->config.disable_agent_file_xfer = true;
    agent_says(&g, VDP_CLIENT_PORT, m);
    g_assert_true(hears(&f, SPICE_MSG_MAIN_AGENT_DATA, b));
    g_assert_cmpuint(load_le32(b->data + AGENT_MESSAGE_HEADER + 4), ==, 0x3f97);
    server()->config.disable_copy_paste = server()->config.disable_agent_file_xfer = false;
    part(&g, &f, 1);
}

/* ---- handoff ---- */

static void no_byte_of_the_state_is_forgotten(void)
{
    const VMStateDescription *const tables[] = {&agent_vmstate, &agent_client_vmstate};

    for (unsigned i = 0; VMSTATE_HAS_PADDING_TEST && i < G_N_ELEMENTS(tables); i++) {
        g_autofree char *hole = vmstate_uncovered(tables[i]);

        g_assert_cmpstr(hole, ==, NULL);
    }
}

static void load_into(const VMStateDescription *table, void *instance, const StateWriter *w)
{
    StateReader r;
    size_t size;
    const uint8_t *data = state_writer_data(w, &size);
    GError *err = NULL;

    state_reader_init(&r, data, size, "state");
    g_assert_true(vmstate_load(table, instance, table->version, &r, &err));
    g_assert_no_error(err);
}

/* The middle of messages both ways goes to another process, whose client is the same. */
static void the_middle_of_messages_goes_along(void)
{
    g_autoptr(GByteArray) m = message(VD_AGENT_CLIPBOARD, noise, 5000), b = g_byte_array_new(), said = g_byte_array_new();
    StateWriter *w[2] = {state_writer_new(), state_writer_new()};
    AgentClientState *client;
    GError *err = NULL;
    FakeClient f;
    uint32_t session;
    Guest g;

    meet(&g, &f, 1);
    put_chunk(said, VDP_CLIENT_PORT, m->data, m->len);
    guest_say(&g, said->data, 3000);
    guest_allow(&g, 1000);
    client_says(&f, m, 0, 2000);
    client_says(&f, m, 2000, 2000);
    g_assert_true(hears(&f, SPICE_MSG_MAIN_AGENT_DATA, b));
    vmstate_save(&agent_vmstate, agent_state(), w[0]);
    vmstate_save(&agent_client_vmstate, &((MainChannel *)f.main)->st.agent, w[1]);
    session = f.client->st.session_id;
    g_byte_array_set_size(said, 0);
    put_bytes(said, g.got->data, g.got->len);
    part(&g, &f, 1);

    meet(&g, &f, 1);
    f.client->st.session_id = session;
    load_into(&agent_vmstate, agent_state(), w[0]);
    client = &((MainChannel *)f.main)->st.agent;
    load_into(&agent_client_vmstate, client, w[1]);
    g_assert_true(agent_client_check(f.main, &err));
    put_bytes(g.got, said->data, said->len);
    agent_settle();
    client_says(&f, m, 4000, 1020);
    assert_chunk(&g, VDP_CLIENT_PORT, m->data, 2000);
    assert_chunk(&g, VDP_CLIENT_PORT, m->data + 2000, 2000);
    assert_chunk(&g, VDP_CLIENT_PORT, m->data + 4000, 1020);
    g_byte_array_set_size(said, 0);
    put_chunk(said, VDP_CLIENT_PORT, m->data, m->len);
    guest_say(&g, said->data + 3000, said->len - 3000);
    for (uint32_t at = AGENT_PIECE_MAX; at < m->len; at += b->len) {
        g_assert_true(hears(&f, SPICE_MSG_MAIN_AGENT_DATA, b));
        g_assert_cmpmem(b->data, b->len, m->data + at, MIN(AGENT_PIECE_MAX, m->len - at));
    }
    client->credit = AGENT_TOKENS + 1;
    g_assert_false(agent_client_check(f.main, &err));
    g_clear_error(&err);
    client->credit = 1;
    client->queue_size = 3;
    g_assert_false(agent_client_check(f.main, &err));
    g_clear_error(&err);
    client->queue_size = 0;
    part(&g, &f, 1);
    for (unsigned i = 0; i < 2; i++) {
        state_writer_free(w[i]);
    }
}

/* Else a client's next piece would be written behind the end of its buffers. */
static void states_that_no_client_can_have_are_refused(void)
{
    static const struct {
        AgentClientState st;
        bool is_good;
    } cases[] = {
        {{.is_started = true, .said = {100, AGENT_MONITORS}, .monitors_size = AGENT_MESSAGE_HEADER}, true},
        {{.is_started = true, .said = {AGENT_MONITORS_MAX - 20, AGENT_MONITORS}, .monitors_size = 20}, true},
        {{.is_started = true, .said = {AGENT_MONITORS_MAX - 19, AGENT_MONITORS}, .monitors_size = 20}, false},
        {{.is_started = true, .said = {100000, AGENT_MONITORS}}, false},
        {{.is_started = true, .said = {10, AGENT_MONITORS}, .monitors_size = 5}, false},
        {{.is_started = true, .said = {10, AGENT_PASS}, .monitors_size = 30}, false},
        {{.is_started = true, .starts_due = 1}, false},
        {{.starts_due = 1}, true},
        {{.said = {100000, AGENT_MONITORS}}, true}, /* it will start anew */
        {{.said = {10, AGENT_MONITORS}, .monitors_size = 30}, false},
    };
    FakeClient f;
    Guest g;

    meet(&g, &f, 1);
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        AgentClientState *client = &((MainChannel *)f.main)->st.agent, was = *client;
        g_autoptr(GError) err = NULL;

        *client = cases[i].st;
        g_assert_true(agent_client_check(f.main, &err) == cases[i].is_good);
        *client = was;
    }
    part(&g, &f, 1);
}

/* It came with the guest in the middle of a message, and what was said of it could not be used. */
static void half_a_message_of_nobody_knows_whom_is_forgotten(void)
{
    g_autoptr(GByteArray) m = message(VD_AGENT_CLIPBOARD, noise, 5000);
    FakeClient f;
    Guest g;

    meet(&g, &f, 1);
    client_says(&f, m, 0, 2000);
    assert_chunk(&g, VDP_CLIENT_PORT, m->data, 2000);
    g_assert_cmpuint(agent_state()->talker, ==, f.client->st.session_id);
    agent_begin_unknown(f.main);
    g_assert_cmpuint(agent_state()->talker, ==, 0);
    agent_settle();
    assert_gone(&g);
    part(&g, &f, 1);
}

/* The machine runs before those who have come with it listen: nobody misses a word, no token is lost, and the agent does not
 * hear that who has only looked has gone. */
static void the_agent_speaks_when_its_clients_are_there(void)
{
    g_autoptr(GByteArray) m = message(VD_AGENT_CLIPBOARD, noise, 5000), b = g_byte_array_new(), said = g_byte_array_new();
    StateWriter *w[2] = {state_writer_new(), state_writer_new()};
    FakeClient f, lookers[2];
    AgentClientState *client;
    uint32_t session;
    Guest g;

    meet(&g, &f, 1);
    put_chunk(said, VDP_CLIENT_PORT, m->data, m->len);
    guest_say(&g, said->data, 3000);
    guest_allow(&g, 1000);
    client_says(&f, m, 0, 2000);
    vmstate_save(&agent_vmstate, agent_state(), w[0]);
    vmstate_save(&agent_client_vmstate, &((MainChannel *)f.main)->st.agent, w[1]);
    session = f.client->st.session_id;
    part(&g, &f, 1);

    guest_plug(&g, "spicevmc,id=agent,name=vdagent");
    f = fake_client();
    f.client->st.session_id = session;
    f.main->mode = CHANNEL_QUIET;
    for (unsigned i = 0; i < 2; i++) {
        lookers[i] = fake_client();
        g_assert_true(hears(&lookers[i], SPICE_MSG_MAIN_INIT, b));
    }
    chardev_set_guest_open(g.c, true);
    load_into(&agent_vmstate, agent_state(), w[0]);
    client = &((MainChannel *)f.main)->st.agent;
    load_into(&agent_client_vmstate, client, w[1]);
    fake_leave(&lookers[1]);
    client_starts(&lookers[0]);
    guest_say(&g, said->data + 3000, said->len - 3000);
    vm_start();
    g_assert_cmpuint(g.says->len, ==, said->len - 3000);
    f.main->mode = CHANNEL_LIVE;
    agent_settle();
    g_assert_cmpuint(g.says->len, ==, 0);
    g_assert_cmpmem(g.got->data, g.got->len, m->data + 1000 - AGENT_CHUNK_HEADER, 1000 + AGENT_CHUNK_HEADER);
    g_assert_cmpuint(client->credit + client->owed, ==, AGENT_TOKENS);
    g_assert_true(hears(&f, SPICE_MSG_MAIN_AGENT_DATA, b));
    g_assert_cmpmem(b->data, b->len, m->data + AGENT_PIECE_MAX, AGENT_PIECE_MAX);
    while (hears(&lookers[0], SPICE_MSG_MAIN_AGENT_CONNECTED_TOKENS, b)) { /* it does not hear the end of what it missed */
        client_starts(&lookers[0]);
    }
    agent_says(&g, VDP_CLIENT_PORT, m);
    g_assert_true(hears(&lookers[0], SPICE_MSG_MAIN_AGENT_DATA, b));
    g_assert_cmpmem(b->data, b->len, m->data, AGENT_PIECE_MAX);
    vm_stop(RUN_STATE_PAUSED);
    fake_leave(&lookers[0]);
    part(&g, &f, 1);
    for (unsigned i = 0; i < 2; i++) {
        state_writer_free(w[i]);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    prepare();
#define T(name) g_test_add_func("/ui/spice/agent/" #name, name)
    T(long_messages_go_in_chunks_for_tokens);
    T(who_sends_without_tokens_is_dropped);
    T(malformed_pieces_end_the_channel);
    T(messages_of_two_clients_do_not_mix);
    T(half_a_message_is_forgotten_with_its_client);
    T(all_clients_get_what_the_agent_says);
    T(who_comes_late_hears_whole_messages);
    T(a_client_without_credit_holds_the_agent_back);
    T(an_agent_that_talks_nonsense_is_not_heard);
    T(who_comes_back_begins_anew);
    T(news_of_the_agent_that_are_lost_are_told_again);
    T(nobody_waits_for_one_client_for_ever);
    T(who_does_not_read_loses_the_agent_not_the_others);
    T(news_of_the_agent_cost_no_memory);
    T(what_is_forbidden_does_not_pass);
    T(the_agent_does_not_promise_what_is_forbidden);
    T(no_byte_of_the_state_is_forgotten);
    T(the_middle_of_messages_goes_along);
    T(states_that_no_client_can_have_are_refused);
    T(half_a_message_of_nobody_knows_whom_is_forgotten);
    T(the_agent_speaks_when_its_clients_are_there);
    return g_test_run();
}
