/* tests/unit/ui/spice-agent-screens-test.c - sizes and pointers that go by the agent, or by the server in its place.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "spice-agent-rig.h"

static ConsoleWish wished;

static void note_wish(void *opaque, const ConsoleWish *wish)
{
    wished = *wish;
}

static void the_clients_size_is_the_screens(void)
{
    static const ConsoleDevice device = {.wish = note_wish};
    g_autoptr(GByteArray) body = g_byte_array_new(), m = NULL;
    Console *screen = console_add(object_container("/machine"), 0, &device, NULL, NULL);
    FakeClient f;
    Guest g;

    for (unsigned i = 0; i < 2; i++) {
        put_u32(body, i ? 890 : 1); /* one screen; flags; its height, width, depth, place */
        put_u32(body, i ? 744 : 3);
    }
    put_u32(body, 32);
    put_u32(body, 5);
    put_u32(body, 6);
    put_u16(body, 200);
    put_u16(body, 300);
    m = message(VD_AGENT_MONITORS_CONFIG, body->data, body->len);
    stands_in = true;
    meet(&g, &f, 1);
    stands_in = false;
    client_says(&f, m, 0, 30);
    g_assert_cmpuint(wished.width, ==, 0);
    client_says(&f, m, 30, m->len - 30);
    g_assert_true(wished.is_on);
    g_assert_cmpuint(wished.width, ==, 744);
    g_assert_cmpuint(wished.height, ==, 890);
    g_assert_cmpint(wished.x + wished.y, ==, 11);
    g_assert_cmpuint(wished.width_mm, ==, 300);
    g_assert_cmpuint(g.got->len, ==, 0);
    console_remove(screen);
    part(&g, &f, 1);
}

/* What the client is told then, and that it is a token for a piece all the same. */
static void without_an_agent_the_server_takes_the_size(void)
{
    static const ConsoleDevice device = {.wish = note_wish};
    static const uint32_t one[] = {1, 0, 600, 800, 32, 0, 0}, asks[] = {1, UINT32_MAX};
    g_autoptr(GByteArray) size = message(VD_AGENT_MONITORS_CONFIG, one, sizeof(one)), b = g_byte_array_new(),
                          caps = message(VD_AGENT_ANNOUNCE_CAPABILITIES, asks, sizeof(asks)),
                          copy = message(VD_AGENT_CLIPBOARD, noise, 8000);
    Console *screen = console_add(object_container("/machine"), 0, &device, NULL, NULL);
    FakeClient f = fake_client();
    Guest g;

    g_assert_true(hears(&f, SPICE_MSG_MAIN_INIT, b));
    g_assert_cmpuint(load_le32(b->data + 16), ==, 1);
    client_starts(&f);
    client_says(&f, caps, 0, caps->len);
    g_assert_true(hears(&f, SPICE_MSG_MAIN_AGENT_DATA, b));
    g_assert_cmpuint(b->len, ==, AGENT_MESSAGE_HEADER + 8);
    g_assert_cmpuint(load_le32(b->data + 4), ==, VD_AGENT_ANNOUNCE_CAPABILITIES);
    g_assert_true(load_le32(b->data + AGENT_MESSAGE_HEADER + 4) & 1 << VD_AGENT_CAP_MONITORS_CONFIG);
    g_assert_false(load_le32(b->data + AGENT_MESSAGE_HEADER + 4) & 1 << VD_AGENT_CAP_CLIPBOARD_BY_DEMAND);
    for (uint32_t at = 0; at < copy->len; at += 2000) { /* nobody asked for it */
        client_says(&f, copy, at, MIN(2000, copy->len - at));
    }
    g_assert_true(hears(&f, SPICE_MSG_MAIN_AGENT_TOKEN, b));
    wished.width = 0;
    client_says(&f, size, 0, size->len);
    g_assert_cmpuint(wished.width, ==, 800);
    guest_plug(&g, "spicevmc,id=agent,name=vdagent");
    chardev_set_guest_open(g.c, true);
    g_assert_true(hears(&f, SPICE_MSG_MAIN_AGENT_DISCONNECTED, b));
    while (hears(&f, SPICE_MSG_MAIN_AGENT_CONNECTED_TOKENS, b)) {
        client_starts(&f);
    }
    client_says(&f, caps, 0, caps->len);
    g_assert_cmpuint(g.got->len, ==, AGENT_CHUNK_HEADER + caps->len); /* to the real one, and only that */
    chardev_set_guest_open(g.c, false);
    g_assert_true(hears(&f, SPICE_MSG_MAIN_AGENT_CONNECTED_TOKENS, b)); /* back again */
    console_remove(screen);
    part(&g, &f, 1);
}

static void sizes_are_checked(void)
{
    static const struct {
        uint32_t n, flags, size;
        unsigned got;
    } cases[] = {{0, 0, 28, 0}, {1, 0, 27, 0}, {1, 0, 28, 1}, {2, 0, 47, 0}, {2, 2, 48, 2}, {1, 2, 31, 1}, {UINT32_MAX, 0, 28, 0},
                 {0x0ccccccd, 0, 28, 0}, {3, 3, 80, 2}, {1, 0, 0, 0}, {1, 0, 7, 0}};
    uint8_t body[100];
    ConsoleWish wishes[2];

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        memset(body, 1, sizeof(body));
        store_le32(body, cases[i].n);
        store_le32(body + 4, cases[i].flags);
        g_assert_cmpuint(agent_monitors(body, cases[i].size, wishes, 2), ==, cases[i].got);
    }
}

static void assert_mouse(Guest *g, uint32_t x, uint32_t y, uint32_t buttons, uint8_t display)
{
    g_autoptr(GByteArray) body = g_byte_array_new(), m = NULL;

    put_u32(body, x);
    put_u32(body, y);
    put_u32(body, buttons);
    put_u8(body, display);
    m = message(VD_AGENT_MOUSE_STATE, body->data, body->len);
    assert_chunk(g, VDP_SERVER_PORT, m->data, m->len);
}

static void the_pointer_goes_by_the_agent(void)
{
    g_autoptr(GByteArray) caps = message(VD_AGENT_ANNOUNCE_CAPABILITIES, "\1\0\0\0\1\0\0\0", 8), b = g_byte_array_new();
    SpiceChannel *inputs;
    FakeClient f;
    FakeWire *w;
    Guest g;

    server()->config.agent_mouse = true;
    meet(&g, &f, 1);
    inputs = fake_open(&f, SPICE_CHANNEL_INPUTS, 0, &w);
    agent_says(&g, VDP_CLIENT_PORT, caps);
    g_assert_true(hears(&f, SPICE_MSG_MAIN_MOUSE_MODE, b));
    g_assert_cmpuint(load_le16(b->data), ==, SPICE_MOUSE_MODE_SERVER | SPICE_MOUSE_MODE_CLIENT);
    fake_say(f.w, SPICE_MSGC_MAIN_MOUSE_MODE_REQUEST, "\2\0", 2);
    g_assert_true(hears(&f, SPICE_MSG_MAIN_MOUSE_MODE, b));
    g_assert_cmpuint(load_le16(b->data + 2), ==, SPICE_MOUSE_MODE_CLIENT);
    guest_allow(&g, 0);
    fake_say(w, SPICE_MSGC_INPUTS_MOUSE_POSITION, "\1\0\0\0\2\0\0\0\0\0\3", 11);
    fake_say(w, SPICE_MSGC_INPUTS_MOUSE_POSITION, "\5\0\0\0\6\0\0\0\0\0\3", 11);
    fake_say(w, SPICE_MSGC_INPUTS_MOUSE_POSITION, "\7\0\0\0\6\0\0\0\0\0\3", 11);
    for (unsigned i = 0; i < AGENT_MOUSE_MAX; i++) { /* each is heard; places in between need not be */
        fake_say(w, SPICE_MSGC_INPUTS_MOUSE_PRESS, "\1\1\0", 3);
        fake_say(w, SPICE_MSGC_INPUTS_MOUSE_RELEASE, "\1\0\0", 3);
    }
    fake_say(w, SPICE_MSGC_INPUTS_MOUSE_PRESS, "\5\20\0", 3);
    spice_pump(inputs);
    g_assert_true(inputs->is_held);
    for (unsigned i = 0; i < 10; i++) {
        guest_allow(&g, SIZE_MAX);
        fake_settle();
        spice_pump(inputs);
    }
    assert_mouse(&g, 1, 2, 0, 3); /* on its way when the others came */
    assert_mouse(&g, 7, 6, 0, 3);
    for (unsigned i = 0; i < AGENT_MOUSE_MAX; i++) {
        assert_mouse(&g, 7, 6, VD_AGENT_LBUTTON_MASK, 3);
        assert_mouse(&g, 7, 6, 0, 3);
    }
    assert_mouse(&g, 7, 6, VD_AGENT_DBUTTON_MASK, 3);
    spice_close(inputs); /* who leaves lets go */
    assert_mouse(&g, 7, 6, 0, 3);
    chardev_set_guest_open(g.c, false);
    g_assert_true(hears(&f, SPICE_MSG_MAIN_MOUSE_MODE, b));
    g_assert_cmpuint(load_le16(b->data + 2), ==, SPICE_MOUSE_MODE_SERVER);
    server()->config.agent_mouse = false;
    part(&g, &f, 1);
}

/* Its last word lets the guest take the rest of a message, and the token for that is one message too many for it: the session
 * ends in the middle of the end of one of its channels. */
static void who_is_dropped_while_it_leaves_ends_once(void)
{
    g_autoptr(GByteArray) caps = message(VD_AGENT_ANNOUNCE_CAPABILITIES, "\1\0\0\0\1\0\0\0", 8);
    g_autoptr(GByteArray) m = message(VD_AGENT_CLIPBOARD, noise, 10);
    SpiceChannel *inputs;
    FakeClient f;
    FakeWire *w;
    Guest g;

    server()->config.agent_mouse = true;
    meet(&g, &f, 1);
    inputs = fake_open(&f, SPICE_CHANNEL_INPUTS, 0, &w);
    agent_says(&g, VDP_CLIENT_PORT, caps);
    server_set_mouse_mode(SPICE_MOUSE_MODE_CLIENT);
    fake_say(w, SPICE_MSGC_INPUTS_MOUSE_PRESS, "\1\1\0", 3);
    spice_pump(inputs);
    guest_allow(&g, 10);
    for (unsigned i = 0; i < AGENT_TOKENS_BATCH; i++) {
        client_says(&f, m, 0, m->len);
    }
    f.w->room = 0;
    while (f.main->out.length < CHANNEL_QUEUE_MESSAGES_MAX) {
        spice_send(f.main, SPICE_MSG_MAIN_MULTI_MEDIA_TIME, NULL);
    }
    g.room = SIZE_MAX;
    spice_close(inputs);
    g_assert_true(f.main->is_closed);
    g_assert_cmpuint(server()->clients->len, ==, 0);
    fake_settle();
    server()->config.agent_mouse = false;
    guest_unplug(&g);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    prepare();
#define T(name) g_test_add_func("/ui/spice/agent-screens/" #name, name)
    T(the_clients_size_is_the_screens);
    T(without_an_agent_the_server_takes_the_size);
    T(sizes_are_checked);
    T(the_pointer_goes_by_the_agent);
    T(who_is_dropped_while_it_leaves_ends_once);
    return g_test_run();
}
