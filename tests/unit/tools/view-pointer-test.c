/* tests/unit/tools/view-pointer-test.c - what the viewer makes of the guest's pointer, and what it says of its own.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/view/session.h"
#include "view-server.h"
#include "ui/spice/wire.h"
#include "system/vm-lock.h"
#include "util/bytes.h"
#include "util/error.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int ends[8];
static bool is_linked[8]; /* its link stage was read */
static unsigned made, told;
static ViewPointer latest;
static GString *said;

static SpiceWire *take_connection(void *opaque, const ViewPlace *to, GError **errp)
{
    g_autoptr(GByteArray) b = g_byte_array_new();
    int fds[2];

    g_assert_cmpuint(made, <, G_N_ELEMENTS(ends));
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==, 0);
    ends[made++] = fds[1];
    put_link(b, 0);
    g_assert_cmpint(send(fds[1], b->data, b->len, MSG_NOSIGNAL), ==, b->len);
    return wire_socket(fds[0], true);
}

static void note(void *opaque, const char *line)
{
    g_string_append_printf(said, "%s\n", line);
}

static void over(void *opaque)
{
}

static void point(void *opaque, uint8_t display, const ViewPointer *p)
{
    latest = *p;
    told++;
}

static const SessionHost host = {.connect = take_connection, .say = note, .over = over, .pointer = point};

static void say(unsigned end, uint16_t type, const void *body, uint32_t size)
{
    g_autoptr(GByteArray) b = g_byte_array_new();

    put_header(b, type, size);
    put_bytes(b, body, size);
    g_assert_cmpint(send(ends[end], b->data, b->len, MSG_NOSIGNAL), ==, b->len);
}

static void until(const char *line)
{
    int64_t limit = time_monotonic_ns() + 30 * NS_PER_SEC;

    while (!strstr(said->str, line)) {
        g_assert_cmpint(time_monotonic_ns(), <, limit);
        g_main_context_iteration(NULL, FALSE);
    }
}

static ViewSession *session_with(uint8_t type)
{
    ViewPlace at = {.host = (char *)"here", .port = 1};
    g_autoptr(GByteArray) b = g_byte_array_new();
    g_autofree char *line = g_strdup_printf("linked %s 0", channel_type_name(type));
    ViewSession *s;

    g_string_truncate(said, 0);
    made = told = 0;
    memset(is_linked, 0, sizeof(is_linked));
    latest = (ViewPointer){0};
    s = session_new(&host, NULL, &at, NULL);
    session_start(s);
    put_beginning(b, type);
    g_assert_cmpint(send(ends[0], b->data, b->len, MSG_NOSIGNAL), ==, b->len);
    until(line);
    return s;
}

static void end_session(ViewSession *s)
{
    session_free(s);
    while (g_main_context_iteration(NULL, FALSE)) {
    }
    for (unsigned i = 0; i < made; i++) {
        close(ends[i]);
    }
}

/* A CURSOR_SET: place 5,-6, visible; then flags, and what stands in `shape`. */
static void say_set(uint16_t flags, uint64_t name, uint8_t type, uint16_t width, uint16_t height, const void *data, uint32_t size)
{
    uint8_t body[24 + 4096] = {5, 0, 0xfa, 0xff, 1};

    store_le16(body + 5, flags);
    store_le64(body + 7, name);
    body[15] = type;
    store_le16(body + 16, width);
    store_le16(body + 18, height);
    store_le16(body + 20, 1);
    store_le16(body + 22, 2);
    memcpy(body + 24, data, size);
    say(1, SPICE_MSG_CURSOR_SET, body, 24 + size);
}

static void until_told(unsigned n)
{
    int64_t limit = time_monotonic_ns() + 30 * NS_PER_SEC;

    while (told < n) {
        g_assert_cmpint(time_monotonic_ns(), <, limit);
        g_main_context_iteration(NULL, FALSE);
    }
}

static void shapes_are_what_was_sent(void)
{
    static const uint8_t pixels[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
    static const uint8_t masks[] = {0x50, 0x50}; /* 4x1: AND 0101, XOR 0101 */
    ViewSession *s = session_with(SPICE_CHANNEL_CURSOR);

    say_set(0, 1, SPICE_CURSOR_TYPE_ALPHA, 2, 2, pixels, sizeof(pixels));
    until_told(1);
    g_assert_true(latest.is_visible && latest.x == 5 && latest.y == -6);
    g_assert_true(latest.shape->is_drawn && latest.shape->width == 2 && latest.shape->hot_x == 1 && latest.shape->hot_y == 2);
    g_assert_cmphex(latest.shape->pixels[3], ==, 0x100f0e0d);
    say_set(0, 1, SPICE_CURSOR_TYPE_MONO, 4, 1, masks, sizeof(masks));
    until_told(2);
    g_assert_cmphex(latest.shape->pixels[0], ==, 0xff000000);
    g_assert_cmphex(latest.shape->pixels[1], ==, 0xff000000); /* inverts */
    say_set(0, 1, SPICE_CURSOR_TYPE_MONO, 4, 1, "\xa0\x50", 2);
    until_told(3);
    g_assert_cmphex(latest.shape->pixels[0], ==, 0);
    g_assert_cmphex(latest.shape->pixels[1], ==, 0xffffffff);
    say_set(0, 1, SPICE_CURSOR_TYPE_COLOR8, 4, 4, pixels, 1);
    until_told(4);
    g_assert_false(latest.shape->is_drawn);
    say(1, SPICE_MSG_CURSOR_HIDE, NULL, 0);
    until_told(5);
    g_assert_false(latest.is_visible);
    say(1, SPICE_MSG_CURSOR_MOVE, "\7\0\10\0", 4);
    until_told(6);
    g_assert_true(latest.is_visible && latest.x == 7 && latest.y == 8 && latest.shape);
    say(1, SPICE_MSG_CURSOR_RESET, NULL, 0);
    until_told(7);
    g_assert_true(!latest.is_visible && !latest.shape);
    end_session(s);
}

/* As the first message, which is the longer one; it is more than a socket holds. */
static void a_shape_as_large_as_may_be_is_taken(void)
{
    enum { SIDE = 256, BYTES = 11 + 17 + 4 * SIDE * SIDE };
    int64_t limit = time_monotonic_ns() + 30 * NS_PER_SEC;
    ViewSession *s = session_with(SPICE_CHANNEL_CURSOR);
    g_autoptr(GByteArray) b = g_byte_array_new();
    uint8_t *body;

    put_header(b, SPICE_MSG_CURSOR_INIT, BYTES);
    g_byte_array_set_size(b, b->len + BYTES);
    body = b->data + b->len - BYTES;
    memset(body, 0x7f, BYTES);
    memset(body, 0, 28);
    body[8] = 1; /* it is to be seen */
    body[19] = SPICE_CURSOR_TYPE_ALPHA;
    store_le16(body + 20, SIDE);
    store_le16(body + 22, SIDE);
    while (b->len) {
        ssize_t n = send(ends[1], b->data, b->len, MSG_NOSIGNAL | MSG_DONTWAIT);

        g_assert_cmpint(time_monotonic_ns(), <, limit);
        g_byte_array_remove_range(b, 0, MAX(n, 0));
        g_main_context_iteration(NULL, FALSE);
    }
    until_told(1);
    g_assert_true(latest.is_visible && latest.shape->width == SIDE && latest.shape->height == SIDE);
    g_assert_cmphex(latest.shape->pixels[SIDE * SIDE - 1], ==, 0x7f7f7f7f);
    end_session(s);
}

static void kept_shapes_come_again_until_they_are_forgotten(void)
{
    ViewSession *s = session_with(SPICE_CHANNEL_CURSOR);

    say_set(SPICE_CURSOR_FLAGS_CACHE_ME, 7, SPICE_CURSOR_TYPE_ALPHA, 1, 1, "abcd", 4);
    say_set(0, 8, SPICE_CURSOR_TYPE_ALPHA, 1, 1, "efgh", 4);
    say_set(SPICE_CURSOR_FLAGS_FROM_CACHE, 7, SPICE_CURSOR_TYPE_ALPHA, 1, 1, "", 0);
    until_told(3);
    g_assert_cmphex(latest.shape->pixels[0], ==, 0x64636261);
    say(1, SPICE_MSG_CURSOR_INVAL_ONE, "\7\0\0\0\0\0\0\0", 8);
    say_set(SPICE_CURSOR_FLAGS_FROM_CACHE, 7, SPICE_CURSOR_TYPE_ALPHA, 1, 1, "", 0);
    until("lost cursor 0 message 103 is malformed");
    end_session(s);
}

static void malformed(uint8_t type, uint16_t width, uint16_t height, uint32_t size)
{
    static const uint8_t zeroes[4096];
    ViewSession *s = session_with(SPICE_CHANNEL_CURSOR);

    say_set(0, 1, type, width, height, zeroes, size);
    until("lost cursor 0 message 103 is malformed");
    end_session(s);
}

static void a_shape_that_is_not_all_there_ends_the_channel(void)
{
    malformed(SPICE_CURSOR_TYPE_ALPHA, 4, 4, 63);
    malformed(SPICE_CURSOR_TYPE_MONO, 9, 2, 7);
    malformed(SPICE_CURSOR_TYPE_ALPHA, 257, 1, 1028);
    malformed(SPICE_CURSOR_TYPE_ALPHA, 65535, 65535, 4);
}

static void too_many_kept_shapes_end_the_channel(void)
{
    ViewSession *s = session_with(SPICE_CHANNEL_CURSOR);

    for (unsigned i = 0; i < 257; i++) {
        say_set(SPICE_CURSOR_FLAGS_CACHE_ME, i, SPICE_CURSOR_TYPE_ALPHA, 1, 1, "abcd", 4);
        until_told(i + 1);
    }
    until("lost cursor 0");
    end_session(s);
}

/* ---- what it says ---- */

/* The next such message. */
static void heard(uint16_t type, void *ret, uint32_t size)
{
    uint8_t skip[LINK_HEADER_BYTES + LINK_MESS_BYTES + 8 * CAPS_WORDS + 4 + TICKET_BYTES];
    unsigned at = made - 1;
    int64_t limit = time_monotonic_ns() + 30 * NS_PER_SEC;
    uint8_t header[MINI_HEADER_BYTES], body[64];

    while (!is_linked[at] && recv(ends[at], skip, sizeof(skip), MSG_PEEK | MSG_DONTWAIT) != sizeof(skip)) {
        g_assert_cmpint(time_monotonic_ns(), <, limit);
        g_main_context_iteration(NULL, FALSE);
    }
    if (!is_linked[at]) {
        g_assert_cmpint(recv(ends[at], skip, sizeof(skip), 0), ==, sizeof(skip));
        is_linked[at] = true;
    }
    do {
        while (recv(ends[at], header, sizeof(header), MSG_PEEK | MSG_DONTWAIT) != sizeof(header)) {
            g_assert_cmpint(time_monotonic_ns(), <, limit);
            g_main_context_iteration(NULL, FALSE);
        }
        g_assert_cmpint(recv(ends[at], header, sizeof(header), 0), ==, sizeof(header));
        g_assert_cmpuint(load_le32(header + 2), <=, sizeof(body));
        if (load_le32(header + 2)) {
            g_assert_cmpint(recv(ends[at], body, load_le32(header + 2), MSG_WAITALL), ==, load_le32(header + 2));
        }
    } while (load_le16(header) != type);
    g_assert_cmpuint(load_le32(header + 2), ==, size);
    memcpy(ret, body, size);
}

static void movements_that_wait_are_added_up(void)
{
    ViewSession *s = session_with(SPICE_CHANNEL_INPUTS);
    uint8_t body[11];
    unsigned n = 0;

    s->mouse_mode = SPICE_MOUSE_MODE_SERVER;
    g_assert_false(view_move(s, 0, 1, 1)); /* the guest takes no positions */
    for (int sum = 0; n < 20; n++) {
        g_assert_true(view_motion(s, 1, -2));
        if (n < 8) { /* as many as may be ahead */
            heard(SPICE_MSGC_INPUTS_MOUSE_MOTION, body, 10);
            sum += (int32_t)load_le32(body);
            g_assert_cmpint(sum, ==, n + 1);
        }
    }
    say(1, SPICE_MSG_INPUTS_MOUSE_MOTION_ACK, NULL, 0);
    heard(SPICE_MSGC_INPUTS_MOUSE_MOTION, body, 10);
    g_assert_cmpint((int32_t)load_le32(body), ==, 12);
    g_assert_cmpint((int32_t)load_le32(body + 4), ==, -24);
    s->mouse_mode = SPICE_MOUSE_MODE_CLIENT;
    g_assert_false(view_motion(s, 1, 1));
    g_assert_true(view_move(s, 3, 700, 500));
    heard(SPICE_MSGC_INPUTS_MOUSE_POSITION, body, 11);
    g_assert_true(load_le32(body) == 700 && load_le32(body + 4) == 500 && body[10] == 3);
    end_session(s);
}

static void a_button_is_pressed_where_the_pointer_is(void)
{
    ViewSession *s = session_with(SPICE_CHANNEL_INPUTS);
    uint8_t body[11];

    s->mouse_mode = SPICE_MOUSE_MODE_CLIENT;
    for (unsigned n = 0; n < 20; n++) {
        g_assert_true(view_move(s, 0, n, 100 + n));
    }
    g_assert_true(view_button(s, SPICE_MOUSE_BUTTON_LEFT, true));
    for (unsigned n = 0; n < 9; n++) { /* eight may be ahead; the last one waited */
        heard(SPICE_MSGC_INPUTS_MOUSE_POSITION, body, 11);
        g_assert_cmpuint(load_le32(body), ==, n < 8 ? n : 19);
        g_assert_cmpuint(load_le16(body + 8), ==, 0);
    }
    heard(SPICE_MSGC_INPUTS_MOUSE_PRESS, body, 3);
    g_assert_cmpuint(load_le16(body + 1), ==, SPICE_MOUSE_BUTTON_MASK_LEFT);
    end_session(s);
}

static void lights_are_said_only_where_they_differ(void)
{
    ViewSession *s = session_with(SPICE_CHANNEL_INPUTS);
    uint8_t body[4];

    g_assert_true(view_lights(s, 4)); /* nobody knows what the guest has */
    say(1, SPICE_MSG_INPUTS_INIT, "\4\0", 2);
    until("lights 4");
    g_assert_true(view_lights(s, 4));
    g_assert_true(view_lights(s, 2));
    heard(SPICE_MSGC_INPUTS_KEY_MODIFIERS, body, 2);
    g_assert_cmpuint(load_le16(body), ==, 2);
    end_session(s);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    loop_init();
    vm_lock();
    said = g_string_new(NULL);
    g_test_add_func("/tools/view/pointer/shapes_are_what_was_sent", shapes_are_what_was_sent);
    g_test_add_func("/tools/view/pointer/a_shape_as_large_as_may_be_is_taken", a_shape_as_large_as_may_be_is_taken);
    g_test_add_func("/tools/view/pointer/kept_shapes_come_again_until_they_are_forgotten",
                    kept_shapes_come_again_until_they_are_forgotten);
    g_test_add_func("/tools/view/pointer/a_shape_that_is_not_all_there_ends_the_channel",
                    a_shape_that_is_not_all_there_ends_the_channel);
    g_test_add_func("/tools/view/pointer/too_many_kept_shapes_end_the_channel", too_many_kept_shapes_end_the_channel);
    g_test_add_func("/tools/view/pointer/movements_that_wait_are_added_up", movements_that_wait_are_added_up);
    g_test_add_func("/tools/view/pointer/a_button_is_pressed_where_the_pointer_is", a_button_is_pressed_where_the_pointer_is);
    g_test_add_func("/tools/view/pointer/lights_are_said_only_where_they_differ", lights_are_said_only_where_they_differ);
    return g_test_run();
}
