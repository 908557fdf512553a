/* tests/unit/chardev/handoff-test.c - bytes of a socket go with the guest: once, in order, in either direction.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One process plays both sides, one after the other: what the source sends behind the guest is kept for the destination. */
#include "../state-bytes.h"
#include "chardev/chardev.h"
#include "peer.h"
#include "qapi/opts.h"
#include "system/handoff.h"
#include "util/loop.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

typedef struct Front {
    GString *in, *events;
    size_t room;
} Front;

static Front front;
static Chardev *chardev;
static char *path;
static GPtrArray *messages; /* of GBytes: the source's to the destination */
static unsigned tails_done;

/* ---- a device ---- */
static size_t front_can_read(void *opaque)
{
    return front.room;
}

static void front_read(void *opaque, const uint8_t *data, size_t size)
{
    g_assert_cmpint(size, <=, front.room);
    g_string_append_len(front.in, (const char *)data, size);
    front.room -= size;
}

static void front_event(void *opaque, ChardevEvent event)
{
    g_string_append_c(front.events, "ocbr"[event]);
}

static const ChardevHandlers handlers = {front_can_read, front_read, front_event, NULL, .is_guest = true};

/* ---- the engine ---- */
static bool engine_send(HandoffPart *p, const void *data, size_t size)
{
    g_ptr_array_add(messages, g_bytes_new(data, size));
    return true;
}

static void engine_tail_done(HandoffPart *p)
{
    tails_done++;
}

static HandoffPart *part(void)
{
    return handoff_find("chardev");
}

/* ---- a process ---- */
static void start_process(void)
{
    g_autofree char *text = g_strdup_printf("socket,id=s,path=%s,server=on,wait=off", path);
    g_autoptr(Json) options = opts_parse(text, "backend", NULL, NULL);

    front = (Front){g_string_new(NULL), g_string_new(NULL), 0};
    chardev = chardev_add(options, NULL);
    g_assert_nonnull(chardev);
    g_assert_true(chardev_claim(chardev, &handlers, NULL, NULL));
    g_ptr_array_set_size(messages, 0);
    tails_done = 0;
}

static void end_process(void)
{
    chardev_release(chardev);
    g_assert_true(chardev_delete("s", NULL));
    g_string_free(front.in, true);
    g_string_free(front.events, true);
}

static int join(void)
{
    return unix_client(path);
}

static GBytes *save(void)
{
    StateWriter *w = state_writer_new();

    g_assert_true(part()->save(part(), w, NULL));
    return state_bytes(w);
}

static bool load(const void *data, size_t size, GError **errp)
{
    StateReader r;

    state_reader_init(&r, data, size, "section");
    return part()->load(part(), &r, errp);
}

/* The guest goes from this process into a new one; what was sent behind it has not come yet. */
static GPtrArray *move(void)
{
    g_autoptr(GBytes) saved = save();
    GPtrArray *tail;
    size_t size;
    const void *data = g_bytes_get_data(saved, &size);

    tails_done = 0;
    part()->released(part(), false);
    g_assert_cmpuint(tails_done, ==, 1);
    tail = g_steal_pointer(&messages);
    messages = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
    end_process();
    start_process();
    g_assert_true(load(data, size, NULL));
    return tail;
}

static void deliver(GPtrArray *tail)
{
    for (unsigned i = 0; i < tail->len; i++) {
        StateReader r;
        size_t size;
        const void *data = g_bytes_get_data(tail->pdata[i], &size);

        state_reader_init(&r, data, size, "message");
        part()->message(part(), &r);
    }
    g_ptr_array_unref(tail);
}

static GByteArray *pattern(size_t size)
{
    GByteArray *a = g_byte_array_sized_new(size);

    for (size_t i = 0; i < size; i++) {
        uint8_t byte = i * 7 + (i >> 8) * 13;

        g_byte_array_append(a, &byte, 1);
    }
    return a;
}

static void read_some(int fd, GByteArray *into)
{
    uint8_t buf[4096];
    ssize_t n;

    settle();
    while ((n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT)) > 0) {
        g_byte_array_append(into, buf, n);
        settle();
    }
}

/* ---- promises ---- */
static void what_a_slow_peer_has_not_taken_goes_along(void)
{
    g_autoptr(GByteArray) said = pattern(1 << 20), seen = g_byte_array_new();
    size_t done = 0;
    int a, b;

    start_process();
    a = join();
    for (size_t n = 1; n; done += n) { /* socket and queue are full */
        n = chardev_write(chardev, said->data + done, 1000);
    }
    part()->freeze(part());
    read_some(a, seen); /* the process writes nothing more of it */
    g_assert_cmpuint(seen->len, <, done);
    done += chardev_write(chardev, said->data + done, 1000);
    deliver(move());
    read_some(a, seen);
    close(a);
    b = join();
    part()->starting(part());
    read_some(b, seen);
    g_assert_cmpuint(seen->len, ==, done);
    done += chardev_write(chardev, said->data + done, 1000);
    read_some(b, seen);
    g_assert_cmpuint(seen->len, ==, done);
    g_assert_cmpint(memcmp(seen->data, said->data, done), ==, 0);
    close(b);
    end_process();
}

static void what_nobody_has_read_goes_behind(void)
{
    g_autoptr(GByteArray) said = pattern(100000);
    GPtrArray *tail;
    int a, b;

    start_process();
    a = join();
    front.room = 1000;
    chardev_accept_input(chardev);
    g_assert_cmpint(send(a, said->data, 90000, 0), ==, 90000);
    settle();
    g_assert_cmpuint(front.in->len, ==, 1000);
    part()->freeze(part());
    tail = move();
    g_assert_cmpint(send(a, said->data, 1, MSG_NOSIGNAL), ==, -1); /* it is told to go elsewhere */
    g_assert_cmpint(errno, ==, EPIPE);
    close(a);
    b = join();
    g_assert_cmpint(send(b, said->data + 90000, 10000, 0), ==, 10000);
    front.room = 50000;
    part()->starting(part());
    part()->started(part());
    chardev_accept_input(chardev);
    settle();
    g_assert_cmpuint(front.in->len, ==, 0); /* not before what was said there */
    deliver(tail);
    g_assert_cmpuint(tails_done, ==, 1);
    settle();
    g_assert_cmpuint(front.in->len, ==, 50000);
    front.room = 100000;
    chardev_accept_input(chardev);
    settle();
    g_assert_cmpuint(front.in->len, ==, 99000);
    g_assert_cmpint(memcmp(front.in->str, said->data + 1000, 99000), ==, 0);
    close(b);
    end_process();
}

static void what_came_behind_goes_on_to_a_third(void)
{
    g_autoptr(GByteArray) said = pattern(50000);
    int a;

    start_process();
    a = join();
    g_assert_cmpint(send(a, said->data, said->len, 0), ==, said->len);
    part()->freeze(part());
    deliver(move());
    part()->starting(part());
    front.room = 20000;
    chardev_accept_input(chardev);
    g_assert_cmpuint(front.in->len, ==, 20000);
    part()->freeze(part());
    deliver(move());
    part()->starting(part());
    front.room = 50000;
    chardev_accept_input(chardev);
    g_assert_cmpuint(front.in->len, ==, 30000);
    g_assert_cmpint(memcmp(front.in->str, said->data + 20000, 30000), ==, 0);
    close(a);
    end_process();
}

static void a_guest_that_stays_loses_nothing(void)
{
    g_autoptr(GByteArray) said = pattern(1 << 20), seen = g_byte_array_new();
    size_t done = 0;
    int a;

    start_process();
    a = join();
    for (size_t n = 1; n; done += n) {
        n = chardev_write(chardev, said->data + done, 1000);
    }
    g_assert_cmpint(send(a, "typed", 5, 0), ==, 5);
    part()->freeze(part());
    g_bytes_unref(save());
    part()->thaw(part(), false);
    read_some(a, seen);
    g_assert_cmpuint(seen->len, ==, done);
    g_assert_cmpint(memcmp(seen->data, said->data, done), ==, 0);
    front.room = 100;
    chardev_accept_input(chardev);
    settle();
    g_assert_cmpstr(front.in->str, ==, "typed");
    g_assert_cmpstr(front.events->str, ==, "o");
    close(a);
    end_process();
}

/* A manager that connects to the destination a moment later has missed nothing, and the guest has not seen it go. */
static void a_peer_is_waited_for(void)
{
    g_autoptr(GByteArray) seen = g_byte_array_new(), much = pattern(100000);
    int a, b;

    start_process();
    a = join();
    part()->freeze(part());
    g_assert_cmpuint(chardev_write(chardev, "first ", 6), ==, 6);
    deliver(move());
    close(a);
    g_assert_true(chardev_is_open(chardev));
    part()->starting(part());
    g_assert_cmpuint(chardev_write(chardev, "second", 6), ==, 6);
    g_assert_cmpuint(chardev_write(chardev, much->data, much->len), <, much->len); /* no more than a slow peer */
    b = join();
    read_some(b, seen);
    g_assert_cmpint(memcmp(seen->data, "first second", 12), ==, 0);
    g_assert_cmpuint(seen->len, ==, 64 * 1024);
    g_assert_cmpstr(front.events->str, ==, "o");
    close(b);
    settle();
    end_process();
}

static void nobody_who_was_not_there_is_waited_for(void)
{
    start_process();
    part()->freeze(part());
    deliver(move());
    g_assert_false(chardev_is_open(chardev));
    g_assert_cmpuint(chardev_write(chardev, "lost", 4), ==, 4);
    end_process();
}

/* A guest that is still ours hears nothing of the other side, nor one that has all that was behind it. */
static void nobody_speaks_out_of_turn(void)
{
    static const char bytes[] = "\1\1sfalse words", end[] = "\2";
    StateReader r;

    start_process();
    front.room = 100;
    part()->abandon(part());
    for (unsigned i = 0; i < 2; i++) {
        state_reader_init(&r, bytes, sizeof(bytes) - 1, "message");
        part()->message(part(), &r);
        state_reader_init(&r, end, 1, "message");
        part()->message(part(), &r);
        g_assert_cmpuint(tails_done, ==, i);
        g_assert_cmpuint(front.in->len, ==, 0);
        part()->freeze(part());
        deliver(move());
        part()->starting(part());
        front.room = 100;
    }
    g_assert_cmpuint(front.in->len, ==, 0);
    end_process();
}

/* A guest that takes 16 bytes at a time, as a UART's: what is left is not moved each time.  That took seconds. */
static void much_for_a_guest_that_takes_little_is_not_moved_again_and_again(void)
{
    enum { LATE_MAX = 2 << 20, FIFO = 16 };
    static const char head[] = "\1\0\0\0\1\1s\1\0\0\0\0\0\x20\0\0";
    g_autoptr(GByteArray) said = pattern(LATE_MAX), section = g_byte_array_new();
    clock_t began;

    start_process();
    g_byte_array_append(section, (const uint8_t *)head, sizeof(head) - 1);
    g_byte_array_append(section, said->data, said->len);
    g_assert_true(load(section->data, section->len, NULL));
    part()->starting(part());
    began = clock();
    while (front.in->len < said->len) {
        size_t before = front.in->len;

        front.room = FIFO;
        chardev_accept_input(chardev);
        g_assert_cmpuint(front.in->len, ==, before + FIFO);
    }
    g_assert_cmpfloat((double)(clock() - began) / CLOCKS_PER_SEC, <, 2);
    g_assert_cmpint(memcmp(front.in->str, said->data, said->len), ==, 0);
    end_process();
}

static void damaged_sections_are_refused(void)
{
    static const struct {
        const char *bytes;
        size_t size;
    } wrong[] = {
        {"", 0}, {"\2\0\0\0\0", 5}, {"\1\0\0\1\1", 5}, {"\1\0\0\0\1", 5}, {"\1\0\0\0\1\1s\1\0\2\0\0", 12},
        {"\1\0\0\0\1\1s\1\0\0\0\4abc", 15}, {"\1\0\0\0\1\1s\1\0\0\0\0\0\x30\0\0", 16},
        {"\1\0\0\0\1\1t\1\0\0\0\1x\0\0\0\0", 17},
    };

    start_process();
    for (unsigned i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autoptr(GError) err = NULL;

        g_assert_false(load(wrong[i].bytes, wrong[i].size, &err));
        g_test_message("%s", err->message);
        part()->abandon(part());
    }
    end_process();
}

int main(int argc, char **argv)
{
    static const HandoffEngine engine = {.send = engine_send, .tail_done = engine_tail_done};
    g_autofree char *folder = g_dir_make_tmp("baton-char-XXXXXX", NULL);
    int result;

    g_test_init(&argc, &argv, NULL);
    loop_init();
    handoff_set_engine(&engine);
    chardev_handoff_init();
    path = g_build_filename(folder, "s", NULL);
    messages = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
    g_test_add_func("/chardev/handoff/what_a_slow_peer_has_not_taken_goes_along", what_a_slow_peer_has_not_taken_goes_along);
    g_test_add_func("/chardev/handoff/what_nobody_has_read_goes_behind", what_nobody_has_read_goes_behind);
    g_test_add_func("/chardev/handoff/what_came_behind_goes_on_to_a_third", what_came_behind_goes_on_to_a_third);
    g_test_add_func("/chardev/handoff/a_guest_that_stays_loses_nothing", a_guest_that_stays_loses_nothing);
    g_test_add_func("/chardev/handoff/a_peer_is_waited_for", a_peer_is_waited_for);
    g_test_add_func("/chardev/handoff/nobody_who_was_not_there_is_waited_for", nobody_who_was_not_there_is_waited_for);
    g_test_add_func("/chardev/handoff/nobody_speaks_out_of_turn", nobody_speaks_out_of_turn);
    g_test_add_func("/chardev/handoff/much_for_a_guest_that_takes_little_is_not_moved_again_and_again",
                    much_for_a_guest_that_takes_little_is_not_moved_again_and_again);
    g_test_add_func("/chardev/handoff/damaged_sections_are_refused", damaged_sections_are_refused);
    result = g_test_run();
    g_ptr_array_unref(messages);
    g_rmdir(folder);
    return result;
}
