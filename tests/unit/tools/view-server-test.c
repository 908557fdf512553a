/* tests/unit/tools/view-server-test.c - the viewer before a server that is wrong, hostile, slow or gone.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "view-server.h"
#include "config-host.h"
#include "system/vm-lock.h"
#include "tools/view/connect.h"
#include "ui/spice/jpeg.h"
#include "ui/spice/replay.h"
#include "util/bytes.h"
#include "util/error.h"

#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#if CONFIG_JPEG
#include <stdio.h> /* for jpeglib.h */

#include <jpeglib.h>
#endif

enum { ENDS_MAX = 16, STOCK = 0, OURS = 5 /* word 3: replay and resume */ };

static int ends[ENDS_MAX];      /* of the connections that it made, in order */
static unsigned made, may_make; /* so many */
static bool lets_in;            /* at once */
static uint32_t more;           /* common capabilities */
static GString *said;

/* ---- the server ---- */

static void say_bytes(unsigned i, const GByteArray *b)
{
    g_assert_cmpint(send(ends[i], b->data, b->len, MSG_NOSIGNAL), ==, b->len);
}

static void say(unsigned i, uint16_t type, const void *body, uint32_t size)
{
    g_autoptr(GByteArray) b = g_byte_array_new();

    put_header(b, type, size);
    put_bytes(b, body, size);
    say_bytes(i, b);
}

static void let_in(unsigned i)
{
    g_autoptr(GByteArray) b = g_byte_array_new();

    put_link(b, more);
    say_bytes(i, b);
}

static SpiceWire *take_connection(void *opaque, const ViewPlace *to, GError **errp)
{
    int fds[2];

    if (made >= may_make) {
        fail(errp, "there is nobody");
        return NULL;
    }
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==, 0);
    ends[made++] = fds[1];
    if (lets_in) {
        let_in(made - 1);
    }
    return wire_socket(fds[0], true);
}

static bool has_said(unsigned i, void *buf, size_t size)
{
    return i < made && recv(ends[i], buf, size, MSG_PEEK | MSG_DONTWAIT) == (ssize_t)size;
}

/* A message of that type comes on a connection that was let in; what comes before it is of no interest. */
static void heard(unsigned i, uint16_t type)
{
    int64_t limit = time_monotonic_ns() + 30 * NS_PER_SEC;
    uint8_t link[LINK_HEADER_BYTES + LINK_MESS_BYTES + 8 * CAPS_WORDS + 4 + TICKET_BYTES];
    g_autoptr(GByteArray) m = g_byte_array_new();

    for (;;) {
        g_byte_array_set_size(m, MINI_HEADER_BYTES);
        if (has_said(i, m->data, m->len) && memcmp(m->data, "REDQ", 4)) {
            g_byte_array_set_size(m, MINI_HEADER_BYTES + load_le32(m->data + 2));
            if (has_said(i, m->data, m->len) && recv(ends[i], m->data, m->len, 0) == m->len && load_le16(m->data) == type) {
                return;
            }
        } else if (has_said(i, link, sizeof(link))) {
            g_assert_cmpint(recv(ends[i], link, sizeof(link), 0), ==, sizeof(link));
        }
        g_assert_cmpint(time_monotonic_ns(), <, limit);
        g_main_context_iteration(NULL, FALSE);
    }
}

/* ---- the viewer ---- */

static void note(void *opaque, const char *line)
{
    g_string_append_printf(said, "%s\n", line);
}

static void over(void *opaque)
{
}

static const SessionHost host = {.connect = take_connection, .say = note, .over = over};

static void until_said(const char *line)
{
    int64_t limit = time_monotonic_ns() + 30 * NS_PER_SEC;

    while (!strstr(said->str, line)) {
        if (time_monotonic_ns() > limit) {
            g_error("no \"%s\"; said:\n%s", line, said->str);
        }
        g_main_context_iteration(NULL, FALSE);
    }
}

/* With a channel of that type; SPICE_CHANNEL_MAIN: none besides.  It is end 1. */
static ViewSession *session_with(uint8_t type, uint32_t common)
{
    ViewPlace at = {.host = (char *)"here", .port = 1};
    g_autoptr(GByteArray) b = g_byte_array_new();
    ViewSession *s;

    g_string_truncate(said, 0);
    made = 0;
    may_make = ENDS_MAX;
    lets_in = true;
    more = common;
    s = session_new(&host, NULL, &at, NULL);
    session_start(s);
    put_beginning(b, type);
    say_bytes(0, b);
    until_said("session");
    if (type != SPICE_CHANNEL_MAIN) {
        g_autofree char *line = g_strdup_printf("linked %s 0", channel_type_name(type));

        until_said(line);
    }
    return s;
}

static void settle(void)
{
    while (g_main_context_iteration(NULL, FALSE)) {
    }
}

static void end_session(ViewSession *s)
{
    session_free(s);
    settle();
    for (unsigned i = 0; i < made; i++) {
        close(ends[i]);
    }
}

static void say_place(unsigned i, uint16_t type, const char *name)
{
    g_autoptr(GByteArray) b = g_byte_array_new();

    put_place(b, name, type == SPICE_MSG_MAIN_MIGRATE_BEGIN_SEAMLESS);
    say(i, type, b->data, b->len);
}

static void say_flags(unsigned i, uint32_t flags)
{
    flags = GUINT32_TO_LE(flags);
    say(i, SPICE_MSG_MIGRATE, &flags, 4);
}

/* As far as CONNECTED_SEAMLESS; the destination's ends are 2 (main) and 3. */
static ViewSession *session_on_its_way(void)
{
    ViewSession *s = session_with(SPICE_CHANNEL_DISPLAY, STOCK);

    say_place(0, SPICE_MSG_MAIN_MIGRATE_BEGIN_SEAMLESS, "there");
    heard(2, SPICE_MSGC_MAIN_MIGRATE_DST_DO_SEAMLESS);
    say(2, SPICE_MSG_MAIN_MIGRATE_DST_SEAMLESS_ACK, NULL, 0);
    heard(0, SPICE_MSGC_MAIN_MIGRATE_CONNECTED_SEAMLESS);
    return s;
}

/* It is over because of such a message. */
static void until_refused(uint16_t type)
{
    g_autofree char *line = g_strdup_printf("end message %u is malformed", type);

    until_said(line);
}

static void lose(unsigned i)
{
    shutdown(ends[i], SHUT_RDWR);
}

/* ---- handoffs that make no sense ---- */

static void nothing_moves_before_it_was_agreed(void)
{
    ViewSession *s = session_with(SPICE_CHANNEL_MAIN, STOCK);

    say_place(0, SPICE_MSG_MAIN_MIGRATE_BEGIN_SEAMLESS, "there");
    heard(1, SPICE_MSGC_MAIN_MIGRATE_DST_DO_SEAMLESS);
    say_flags(0, 0); /* and the destination has not answered */
    until_refused(SPICE_MSG_MIGRATE);
    end_session(s);
}

static void a_destination_may_be_given_up_before_the_data_come(void)
{
    ViewSession *s = session_on_its_way();

    say_flags(1, SPICE_MIGRATE_NEED_FLUSH | SPICE_MIGRATE_NEED_DATA_TRANSFER);
    heard(1, SPICE_MSGC_MIGRATE_FLUSH_MARK);
    may_make = made;
    say_place(0, SPICE_MSG_MAIN_MIGRATE_BEGIN_SEAMLESS, "elsewhere");
    until_said("migrate-error there is nobody");
    say(1, SPICE_MSG_MIGRATE_DATA, "x", 1);
    until_said("lost display 0 message 2 is malformed");
    end_session(s);
}

static void a_channel_has_one_destination_at_a_time(void)
{
    ViewSession *s = session_on_its_way();

    say_flags(1, 0);
    say(3, SPICE_MSG_PING, "123456789012", 12);
    heard(3, SPICE_MSGC_PONG); /* it is the display now */
    say_place(0, SPICE_MSG_MAIN_MIGRATE_BEGIN_SEAMLESS, "elsewhere");
    until_refused(SPICE_MSG_MAIN_MIGRATE_BEGIN_SEAMLESS);
    end_session(s);
}

static void a_place_is_no_path_of_ours(void)
{
    ViewSession *s = session_with(SPICE_CHANNEL_MAIN, STOCK);

    say_place(0, SPICE_MSG_MAIN_MIGRATE_SWITCH_HOST, "/run/secret");
    until_refused(SPICE_MSG_MAIN_MIGRATE_SWITCH_HOST);
    g_assert_cmpuint(made, ==, 1);
    end_session(s);
}

static void there_is_one_main_channel(void)
{
    ViewSession *s = session_with(SPICE_CHANNEL_MAIN, STOCK);

    say(0, SPICE_MSG_MAIN_CHANNELS_LIST, "\1\0\0\0\1\7", 6); /* type 1, id 7 */
    say(0, SPICE_MSG_PING, "123456789012", 12);
    heard(0, SPICE_MSGC_PONG);
    g_assert_cmpuint(made, ==, 1);
    end_session(s);
}

/* ---- connections that are lost ---- */

static void coming_back_has_an_end(void)
{
    ViewSession *s = session_with(SPICE_CHANNEL_MAIN, OURS);

    may_make = made;
    lose(0);
    until_said("lost main 0");
    s->lost_ns -= SESSION_RESUME_NS;
    until_said("end there is nobody");
    end_session(s);
}

static void the_list_is_asked_for_again(void)
{
    ViewSession *s = session_with(SPICE_CHANNEL_MAIN, OURS);

    lose(0);
    heard(1, SPICE_MSGC_MAIN_ATTACH_CHANNELS);
    g_assert_nonnull(strstr(said->str, "resumed main 0"));
    end_session(s);
}

/* Both come before what is numbered may be said, and are answered behind it. */
static void each_ping_has_its_answer(void)
{
    ViewSession *s = session_with(SPICE_CHANNEL_INPUTS, OURS);

    g_assert_true(view_type(s, "a"));
    say(1, SPICE_MSG_PING, "123456789012", 12);
    say(1, SPICE_MSG_PING, "abcdefghijkl", 12);
    say(1, REPLAY_ADOPT, "\1\0\0\0\0\0\0\0\0\0\0", 12);
    heard(1, SPICE_MSGC_INPUTS_KEY_SCANCODE);
    heard(1, SPICE_MSGC_PONG);
    heard(1, SPICE_MSGC_PONG);
    end_session(s);
}

static void what_has_ended_takes_no_orders(void)
{
    ViewSession *s = session_with(SPICE_CHANNEL_INPUTS, STOCK);

    g_assert_true(view_type(s, "a"));
    lose(1);
    until_said("lost inputs 0");
    g_assert_false(view_type(s, "a"));
    end_session(s);
}

static void what_the_server_has_ended_stays_so(void)
{
    ViewSession *s = session_with(SPICE_CHANNEL_INPUTS, OURS);

    say(1, SPICE_MSG_DISCONNECTING, "123456789012", 12);
    while (view_channel(s, SPICE_CHANNEL_INPUTS, 0)->conn) {
        g_main_context_iteration(NULL, TRUE);
    }
    g_assert_false(view_type(s, "a"));
    lose(0);
    until_said("resumed main 0");
    settle();
    g_assert_cmpuint(made, ==, 3);
    end_session(s);
}

static void who_lacks_a_connection_does_not_promise_to_go(void)
{
    ViewSession *s = session_with(SPICE_CHANNEL_INPUTS, OURS);

    lets_in = false;
    say_place(0, SPICE_MSG_MAIN_MIGRATE_BEGIN_SEAMLESS, "there");
    until_said("migrate-begin");
    may_make = made;
    lose(1);
    until_said("lost inputs 0");
    let_in(2);
    heard(2, SPICE_MSGC_MAIN_MIGRATE_DST_DO_SEAMLESS);
    say(2, SPICE_MSG_MAIN_MIGRATE_DST_SEAMLESS_ACK, NULL, 0);
    while (s->awaits_answer) {
        g_main_context_iteration(NULL, TRUE);
    }
    g_assert_null(strstr(said->str, "migrate-connected"));
    say(0, SPICE_MSG_MAIN_MIGRATE_CANCEL, NULL, 0);
    heard(0, SPICE_MSGC_MAIN_MIGRATE_CONNECT_ERROR); /* each question has an answer */
    end_session(s);
}

/* ---- certificates ---- */

static void a_name_with_a_comma_is_one_name(void)
{
    static const struct {
        const char *organisation, *name, *subject;
        bool is_it;
    } cases[] = {
        {"There", "host", "O=There, CN=host", true},
        {"There", "host", "O=There,CN=host", true},
        {"There", "host", "CN=host, O=There", false},
        {"There", "host", "O=There", false},
        {"There,CN=host", NULL, "O=There,CN=host", false},
        {"There,CN=host", NULL, "O=There\\,CN=host", true},
        {"There\nCN=host", NULL, "O=There", false},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        X509 *cert = X509_new();
        X509_NAME *name = X509_get_subject_name(cert);

        X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8, (const uint8_t *)cases[i].organisation, -1, -1, 0);
        if (cases[i].name) {
            X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const uint8_t *)cases[i].name, -1, -1, 0);
        }
        g_assert_cmpint(connect_is_subject(cert, cases[i].subject), ==, cases[i].is_it);
        X509_free(cert);
    }
}

/* ---- bytes without end ---- */

static void who_does_not_read_is_not_read(void)
{
    ViewSession *s = session_with(SPICE_CHANNEL_MAIN, STOCK);
    g_autoptr(GByteArray) ping = g_byte_array_new();
    unsigned sent = 0;

    put_header(ping, SPICE_MSG_PING, 12);
    put_bytes(ping, "123456789012", 12);
    for (bool is_stuck = false; !is_stuck; sent += !is_stuck) {
        ssize_t n = send(ends[0], ping->data, ping->len, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n < 0) {
            settle();
            n = send(ends[0], ping->data, ping->len, MSG_DONTWAIT | MSG_NOSIGNAL);
        }
        is_stuck = n < 0;
        g_assert_true(is_stuck || n == ping->len);
        g_assert_cmpuint(sent * ping->len, <, 8 * CONN_UNREAD_MAX);
    }
    for (unsigned i = 0; i < sent; i++) {
        heard(0, SPICE_MSGC_PONG);
    }
    end_session(s);
}

/* ---- keys ---- */

/* While it is not known what the server can, they have the form that each knows. */
static void a_key_keeps_its_prefix(void)
{
    static const struct {
        uint16_t type;
        uint8_t codes[4];
    } wanted[] = {{SPICE_MSGC_INPUTS_KEY_DOWN, {0xe0, 0x48}}, {SPICE_MSGC_INPUTS_KEY_UP, {0xe0, 0xc8}},
                  {SPICE_MSGC_INPUTS_KEY_DOWN, {0xe1, 0x1d, 0x45}}, {SPICE_MSGC_INPUTS_KEY_UP, {0x9e}}};
    ViewSession *s = session_with(SPICE_CHANNEL_INPUTS, OURS);
    const ViewChannel *c = view_channel(s, SPICE_CHANNEL_INPUTS, 0);

    may_make = made;
    lose(1);
    until_said("lost inputs 0");
    g_assert_true(view_scancodes(s, (const uint8_t[]){0xe0, 0x48, 0xe0, 0xc8, 0xe1, 0x1d, 0x45, 0x9e}, 8));
    g_assert_cmpuint(c->box.kept.length, ==, G_N_ELEMENTS(wanted));
    for (unsigned i = 0; i < G_N_ELEMENTS(wanted); i++) {
        const OutboxMessage *m = g_queue_peek_nth((GQueue *)&c->box.kept, i);

        g_assert_cmpuint(m->type, ==, wanted[i].type);
        g_assert_cmpmem(m->body->data, m->body->len, wanted[i].codes, 4);
    }
    g_assert_false(view_button(s, 0, true));
    end_session(s);
}

/* ---- pictures ---- */

static void say_surface(unsigned i, uint32_t width, uint32_t height)
{
    g_autoptr(GByteArray) b = g_byte_array_new();

    put_u32(b, 0);
    put_u32(b, width);
    put_u32(b, height);
    put_u32(b, SPICE_SURFACE_FMT_32_xRGB);
    put_u32(b, 1);
    say(i, SPICE_MSG_DISPLAY_SURFACE_CREATE, b->data, b->len);
}

static uint32_t pixel(const ViewSession *s, unsigned x, unsigned y)
{
    pixman_image_t *image = surfaces_find(s->surfaces, 0, 0);

    return pixman_image_get_data(image)[y * (pixman_image_get_stride(image) / 4) + x] & 0xffffff;
}

/* Two of a picture's four pixels over four of the screen. */
static void a_part_of_a_picture_is_scaled(void)
{
    static const uint32_t wanted[] = {0x30, 0x30, 0x40, 0x40};
    ViewSession *s = session_with(SPICE_CHANNEL_DISPLAY, STOCK);
    g_autoptr(GByteArray) b = g_byte_array_new();

    say_surface(1, 8, 1);
    put_u32(b, 0);
    put_rect(b, 0, 0, 1, 4);
    put_u8(b, SPICE_CLIP_TYPE_NONE);
    put_u32(b, 57);
    put_rect(b, 0, 2, 1, 4);
    put_u16(b, SPICE_ROPD_OP_PUT);
    g_byte_array_set_size(b, 57);
    memset(b->data + 43, 0, 14); /* how to scale; no mask */
    put_u64(b, 1);
    put_u8(b, SPICE_IMAGE_TYPE_BITMAP);
    put_u8(b, 0);
    put_u32(b, 4);
    put_u32(b, 1);
    put_u8(b, SPICE_BITMAP_FMT_32BIT);
    put_u8(b, SPICE_BITMAP_FLAGS_TOP_DOWN);
    put_u32(b, 4);
    put_u32(b, 1);
    put_u32(b, 16);
    put_u32(b, 0);
    for (unsigned i = 1; i <= 4; i++) {
        put_u32(b, i << 4);
    }
    say(1, SPICE_MSG_DISPLAY_DRAW_COPY, b->data, b->len);
    say(1, SPICE_MSG_DISPLAY_MARK, NULL, 0);
    until_said("mark 0");
    for (unsigned x = 0; x < G_N_ELEMENTS(wanted); x++) {
        g_assert_cmphex(pixel(s, x, 0), ==, wanted[x]);
    }
    end_session(s);
}

#if CONFIG_JPEG
enum { SIDE = 16 };

static void say_stream(unsigned i, uint8_t flags, const GByteArray *frame)
{
    g_autoptr(GByteArray) b = g_byte_array_new();

    put_u32(b, 0);
    put_u32(b, 0);
    put_u8(b, flags);
    put_u8(b, SPICE_VIDEO_CODEC_TYPE_MJPEG);
    g_byte_array_set_size(b, 34);
    memset(b->data + 10, 0, 24);
    put_rect(b, 0, 0, SIDE, SIDE);
    put_u8(b, SPICE_CLIP_TYPE_NONE);
    say(i, SPICE_MSG_DISPLAY_STREAM_CREATE, b->data, b->len);
    g_byte_array_set_size(b, 0);
    put_u32(b, 0);
    put_u32(b, 1);
    put_u32(b, frame->len);
    put_bytes(b, frame->data, frame->len);
    say(i, SPICE_MSG_DISPLAY_STREAM_DATA, b->data, b->len);
    say(i, SPICE_MSG_DISPLAY_STREAM_DESTROY, "\0\0\0\0", 4);
    say(i, SPICE_MSG_DISPLAY_MARK, NULL, 0);
    until_said("mark 0");
}

static void a_video_may_come_bottom_up(void)
{
    uint32_t pixels[SIDE * SIDE];
    ViewSession *s = session_with(SPICE_CHANNEL_DISPLAY, STOCK);
    g_autoptr(GByteArray) frame = NULL;

    for (unsigned i = 0; i < SIDE * SIDE; i++) {
        pixels[i] = i < SIDE * SIDE / 2 ? 0xffffff : 0;
    }
    frame = jpeg_encode((const uint8_t *)pixels, 4 * SIDE, SIDE, SIDE, 90, 65536);
    say_surface(1, SIDE, SIDE);
    say_stream(1, SPICE_STREAM_FLAGS_TOP_DOWN, frame);
    g_assert_cmphex(pixel(s, 0, 0), >, 0x808080);
    g_assert_cmphex(pixel(s, 0, SIDE - 1), <, 0x808080);
    g_string_truncate(said, 0);
    say_stream(1, 0, frame);
    g_assert_cmphex(pixel(s, 0, 0), <, 0x808080);
    g_assert_cmphex(pixel(s, 0, SIDE - 1), >, 0x808080);
    end_session(s);
}

static GByteArray *grey_file(bool is_progressive)
{
    struct jpeg_compress_struct c;
    struct jpeg_error_mgr err;
    unsigned char *file = NULL, row[SIDE] = {0};
    unsigned long size = 0;
    GByteArray *b = g_byte_array_new();

    c.err = jpeg_std_error(&err);
    jpeg_create_compress(&c);
    jpeg_mem_dest(&c, &file, &size);
    c.image_width = c.image_height = SIDE;
    c.input_components = 1;
    c.in_color_space = JCS_GRAYSCALE;
    jpeg_set_defaults(&c);
    if (is_progressive) {
        jpeg_simple_progression(&c);
    }
    jpeg_start_compress(&c, TRUE);
    while (c.next_scanline < c.image_height) {
        JSAMPROW rows = row;

        jpeg_write_scanlines(&c, &rows, 1);
    }
    jpeg_finish_compress(&c);
    jpeg_destroy_compress(&c);
    put_bytes(b, file, size);
    free(file);
    return b;
}

/* A scan of some bytes is work for all pixels, and a file may have any number of them. */
static void a_picture_is_one_scan(void)
{
    for (unsigned i = 0; i < 2; i++) {
        g_autoptr(GByteArray) file = grey_file(i);
        pixman_image_t *image = surfaces_read_jpeg(file->data, file->len);

        g_assert_cmpint(image != NULL, ==, !i);
        g_clear_pointer(&image, pixman_image_unref);
    }
}
#endif

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*fn)(void);
    } tests[] = {
        {"nothing_moves_before_it_was_agreed", nothing_moves_before_it_was_agreed},
        {"a_destination_may_be_given_up_before_the_data_come", a_destination_may_be_given_up_before_the_data_come},
        {"a_channel_has_one_destination_at_a_time", a_channel_has_one_destination_at_a_time},
        {"a_place_is_no_path_of_ours", a_place_is_no_path_of_ours},
        {"there_is_one_main_channel", there_is_one_main_channel},
        {"coming_back_has_an_end", coming_back_has_an_end},
        {"the_list_is_asked_for_again", the_list_is_asked_for_again},
        {"each_ping_has_its_answer", each_ping_has_its_answer},
        {"what_has_ended_takes_no_orders", what_has_ended_takes_no_orders},
        {"what_the_server_has_ended_stays_so", what_the_server_has_ended_stays_so},
        {"who_lacks_a_connection_does_not_promise_to_go", who_lacks_a_connection_does_not_promise_to_go},
        {"a_name_with_a_comma_is_one_name", a_name_with_a_comma_is_one_name},
        {"who_does_not_read_is_not_read", who_does_not_read_is_not_read},
        {"a_key_keeps_its_prefix", a_key_keeps_its_prefix},
        {"a_part_of_a_picture_is_scaled", a_part_of_a_picture_is_scaled},
#if CONFIG_JPEG
        {"a_video_may_come_bottom_up", a_video_may_come_bottom_up},
        {"a_picture_is_one_scan", a_picture_is_one_scan},
#endif
    };

    g_test_init(&argc, &argv, NULL);
    loop_init();
    vm_lock();
    said = g_string_new(NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(tests); i++) {
        g_autofree char *name = g_strconcat("/tools/view-server/", tests[i].name, NULL);

        g_test_add_func(name, tests[i].fn);
    }
    return g_test_run();
}
