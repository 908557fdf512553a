/* tests/unit/chardev/chardev-test.c - byte pipes: sockets, files, pty, ring, mux; slow readers; bad options.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "chardev/chardev.h"
#include "peer.h"
#include "qapi/opts.h"
#include "util/loop.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

/* ---- a front end that notes everything ---- */

typedef struct Front {
    Chardev *c;
    GString *in, *events;
    size_t room;
    unsigned can_write;
} Front;

static size_t front_can_read(void *opaque)
{
    return ((Front *)opaque)->room;
}

static void front_read(void *opaque, const uint8_t *data, size_t size)
{
    Front *f = opaque;

    g_assert_cmpint(size, <=, f->room);
    g_string_append_len(f->in, (const char *)data, size);
    f->room -= size;
}

static void front_event(void *opaque, ChardevEvent event)
{
    g_string_append_c(((Front *)opaque)->events, "ocbr"[event]);
}

static void front_can_write(void *opaque)
{
    ((Front *)opaque)->can_write++;
}

static GPtrArray *fronts;

static void front_free(void *p)
{
    Front *f = p;

    g_string_free(f->in, true);
    g_string_free(f->events, true);
    g_free(f);
}

static Front *front_new(Chardev *c)
{
    static const ChardevHandlers handlers = {front_can_read, front_read, front_event, front_can_write};
    Front *f = g_new0(Front, 1);

    g_assert_nonnull(c);
    f->c = c;
    f->in = g_string_new(NULL);
    f->events = g_string_new(NULL);
    f->room = 100000;
    g_assert_true(chardev_claim(c, &handlers, f, NULL));
    g_ptr_array_add(fronts, f);
    return f;
}

static Chardev *add(const char *text, GError **errp)
{
    g_autoptr(Json) options = opts_parse(text, "backend", NULL, NULL);

    return chardev_add(options, errp);
}

static char *folder;

/* ---- promises ---- */

static void server_takes_one_client_after_another(void)
{
    g_autofree char *path = g_build_filename(folder, "s", NULL), *text = NULL, *said = NULL;
    char buf[16] = "";
    Front *f;
    int fd;

    text = g_strdup_printf("unix:%s,server=on,wait=off", path);
    f = front_new(chardev_from_short("s0", text, NULL));
    said = chardev_describe(f->c);
    g_assert_true(g_str_has_prefix(said, "disconnected:unix:"));
    g_assert_cmpint(chardev_write(f->c, "lost", 4), ==, 4);
    for (int i = 0; i < 2; i++) {
        fd = unix_client(path);
        g_assert_true(chardev_is_open(f->c));
        g_assert_cmpint(write(fd, "hello", 5), ==, 5);
        settle();
        g_assert_cmpint(chardev_write(f->c, "you", 3), ==, 3);
        g_assert_cmpint(read(fd, buf, sizeof(buf)), ==, 3);
        close(fd);
        settle();
        g_assert_false(chardev_is_open(f->c));
    }
    g_assert_cmpstr(f->in->str, ==, "hellohello");
    g_assert_cmpstr(f->events->str, ==, "ococ");
    g_assert_false(chardev_delete("s0", NULL)); /* in use */
    chardev_release(f->c);
    g_assert_true(chardev_delete("s0", NULL));
    g_assert_cmpint(g_access(path, F_OK), !=, 0);
}

static void client_reconnects(void)
{
    g_autofree char *path = g_build_filename(folder, "r", NULL), *server = NULL, *client = NULL;
    Front *c, *s;

    client = g_strdup_printf("socket,id=rc,path=%s,reconnect-ms=1", path);
    c = front_new(add(client, NULL));
    g_assert_false(chardev_is_open(c->c));
    server = g_strdup_printf("socket,id=rs,path=%s,server=on,wait=off", path);
    s = front_new(add(server, NULL));
    while (!chardev_is_open(c->c) || !chardev_is_open(s->c)) {
        g_main_context_iteration(NULL, true);
    }
    chardev_write(c->c, "x", 1);
    while (!s->in->len) {
        g_main_context_iteration(NULL, true);
    }
    chardev_release(c->c);
    chardev_release(s->c);
    g_assert_true(chardev_delete("rc", NULL) && chardev_delete("rs", NULL));
}

/* The resolver of this test answers when it is told to. */
static struct {
    GMutex lock;
    GCond changed;
    bool is_slow;
} names;

int getaddrinfo(const char *host, const char *port, const struct addrinfo *hints, struct addrinfo **ret)
{
    static __thread struct sockaddr_in in;
    static __thread struct addrinfo list;

    g_mutex_lock(&names.lock);
    while (names.is_slow) {
        g_cond_wait(&names.changed, &names.lock);
    }
    g_mutex_unlock(&names.lock);
    in = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(atoi(port)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    list = (struct addrinfo){.ai_family = AF_INET, .ai_socktype = SOCK_STREAM, .ai_addr = (struct sockaddr *)&in,
                             .ai_addrlen = sizeof(in)};
    *ret = &list;
    return 0;
}

void freeaddrinfo(struct addrinfo *list)
{
}

static void names_go_on(void)
{
    g_mutex_lock(&names.lock);
    names.is_slow = false;
    g_cond_broadcast(&names.changed);
    g_mutex_unlock(&names.lock);
}

static void a_name_that_takes_long_stops_nobody(void)
{
    g_autofree char *client = NULL;
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(in);
    int listener = socket(AF_INET, SOCK_STREAM, 0), peer;
    Front *f;

    g_assert_cmpint(bind(listener, (struct sockaddr *)&in, size) | listen(listener, 1), ==, 0);
    g_assert_cmpint(getsockname(listener, (struct sockaddr *)&in, &size), ==, 0);
    client = g_strdup_printf("socket,id=slow,host=far,port=%u,reconnect-ms=1", ntohs(in.sin_port));
    names.is_slow = true;
    f = front_new(add(client, NULL)); /* one that goes before its name is known */
    chardev_release(f->c);
    g_assert_true(chardev_delete("slow", NULL));
    f = front_new(add(client, NULL));
    settle();
    g_assert_false(chardev_is_open(f->c));
    names_go_on();
    while (!chardev_is_open(f->c)) {
        g_main_context_iteration(NULL, true);
    }
    peer = accept(listener, NULL, NULL);
    chardev_release(f->c);
    g_assert_true(chardev_delete("slow", NULL));
    close(peer);
    close(listener);
}

/* A listener that nobody can be accepted on stays ready: it must not keep the loop busy. */
static void no_free_descriptor_is_waited_for(void)
{
    g_autofree char *path = g_build_filename(folder, "n", NULL), *text = NULL;
    struct rlimit old, none;
    Front *f;
    int fd, peer;

    text = g_strdup_printf("socket,id=none,path=%s,server=on,wait=off", path);
    f = front_new(add(text, NULL));
    g_assert_cmpint(getrlimit(RLIMIT_NOFILE, &old), ==, 0);
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    peer = dup(fd);
    close(peer);
    none = (struct rlimit){peer, old.rlim_max};
    g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &none), ==, 0);
    close(fd);
    fd = unix_client(path); /* and settles */
    g_assert_false(chardev_is_open(f->c));
    setrlimit(RLIMIT_NOFILE, &old);
    while (!chardev_is_open(f->c)) {
        g_main_context_iteration(NULL, true);
    }
    close(fd);
    settle();
    chardev_release(f->c);
    g_assert_true(chardev_delete("none", NULL));
}

/* Its end is the end for the other side, too. */
static void a_descriptor_is_closed_with_its_chardev(void)
{
    g_autofree char *text = NULL;
    int pair[2];
    char byte;

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), ==, 0);
    text = g_strdup_printf("socket,id=pair,fd=%d", pair[0]);
    g_assert_nonnull(add(text, NULL));
    g_assert_true(chardev_delete("pair", NULL));
    g_assert_cmpint(recv(pair[1], &byte, 1, MSG_DONTWAIT), ==, 0);
    close(pair[1]);
}

static void a_second_user_of_stdio_takes_nothing(void)
{
    Chardev *c = add("stdio,id=io0", NULL);

    g_assert_nonnull(c);
    for (unsigned i = 0; i < 2; i++) {
        g_autoptr(GError) err = NULL;

        g_assert_null(add("stdio,id=io1", &err));
        g_assert_nonnull(strstr(err->message, "multiple"));
        g_assert_cmpint(fcntl(0, F_GETFL) & O_NONBLOCK, !=, 0);
    }
    g_assert_true(chardev_delete("io0", NULL));
    g_assert_cmpint(fcntl(0, F_GETFL) & O_NONBLOCK, ==, 0);
}

/* A pipe that nobody reads is no file to wait for. */
static void a_log_that_cannot_be_written_is_refused(void)
{
    g_autofree char *path = g_build_filename(folder, "fifo", NULL), *text = g_strdup_printf("null,id=lf,logfile=%s", path);
    g_autoptr(GError) err = NULL;

    g_assert_cmpint(mkfifo(path, 0600), ==, 0);
    g_assert_null(add(text, &err));
    g_assert_nonnull(strstr(err->message, "chardev 'lf': logfile"));
    g_unlink(path);
}

/* It misses a part, and goes on when there is room. */
static void a_log_outlasts_a_slow_reader(void)
{
    enum { LARGE = 2 * 1024 * 1024 };
    g_autofree char *path = g_build_filename(folder, "fifo", NULL), *text = g_strdup_printf("null,id=lf,logfile=%s", path);
    g_autofree char *large = g_malloc0(LARGE);
    char last = 0;
    int reader;
    Front *f;

    g_assert_cmpint(mkfifo(path, 0600), ==, 0);
    reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    f = front_new(add(text, NULL));
    g_assert_cmpint(chardev_write(f->c, large, LARGE), ==, LARGE);
    while (read(reader, large, LARGE) > 0) {
    }
    g_assert_cmpint(chardev_write(f->c, "x", 1), ==, 1);
    g_assert_cmpint(read(reader, &last, 1), ==, 1);
    g_assert_cmpint(last, ==, 'x');
    chardev_release(f->c);
    g_assert_true(chardev_delete("lf", NULL));
    close(reader);
    g_unlink(path);
}

static void inherited_listener_is_accepted_on(void)
{
    g_autofree char *path = g_build_filename(folder, "l", NULL), *text = NULL;
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_STREAM, 0), fd;
    Front *f;

    g_strlcpy(un.sun_path, path, sizeof(un.sun_path));
    g_assert_cmpint(bind(listener, (struct sockaddr *)&un, sizeof(un)) | listen(listener, 1), ==, 0);
    fd = unix_client(path); /* before the emulator even runs */
    text = g_strdup_printf("socket,id=l0,fd=%d,server=on,wait=off", listener);
    f = front_new(add(text, NULL));
    settle();
    g_assert_true(chardev_is_open(f->c));
    close(fd);
    settle();
    fd = unix_client(path);
    g_assert_true(chardev_is_open(f->c));
    close(fd);
    chardev_release(f->c);
    chardev_delete("l0", NULL);
}

static void slow_reader_is_bounded_and_loses_nothing(void)
{
    g_autofree char *text = NULL;
    uint8_t block[4096];
    size_t sent = 0, got = 0, n;
    int pair[2];
    Front *f;

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), ==, 0);
    fcntl(pair[0], F_SETFL, O_NONBLOCK);
    text = g_strdup_printf("fd:%d", pair[1]);
    f = front_new(chardev_from_short("slow", text, NULL));
    do {
        for (size_t i = 0; i < sizeof(block); i++) {
            block[i] = (sent + i) % 251;
        }
        n = chardev_write(f->c, block, sizeof(block));
        sent += n;
        g_assert_cmpint(sent, <, 16 << 20);
    } while (n == sizeof(block));
    g_assert_cmpint(f->can_write, ==, 0);
    while (got < sent) {
        ssize_t r = read(pair[0], block, sizeof(block));

        for (ssize_t i = 0; i < r; i++) {
            g_assert_cmpint(block[i], ==, (got + i) % 251);
        }
        got += MAX(r, 0);
        settle();
    }
    g_assert_cmpint(f->can_write, ==, 1);
    close(pair[0]);
    settle();
    g_assert_cmpstr(f->events->str, ==, "oc");
    chardev_release(f->c);
    chardev_delete("slow", NULL);
}

static void no_room_stops_reading(void)
{
    g_autofree char *text = NULL;
    int pair[2];
    Front *f;

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), ==, 0);
    text = g_strdup_printf("fd:%d", pair[1]);
    f = front_new(chardev_from_short("room", text, NULL));
    f->room = 2;
    g_assert_cmpint(write(pair[0], "abcdef", 6), ==, 6);
    settle();
    g_assert_cmpstr(f->in->str, ==, "ab");
    f->room = 3;
    chardev_accept_input(f->c);
    settle();
    g_assert_cmpstr(f->in->str, ==, "abcde");
    close(pair[0]);
    chardev_release(f->c);
    chardev_delete("room", NULL);
}

static void file_appends(void)
{
    g_autofree char *path = g_build_filename(folder, "f", NULL), *content = NULL;
    static const char *const extra[] = {"", ",append=on", ""};
    static const char *const expected[] = {"1", "12", "3"};

    for (int i = 0; i < 3; i++) {
        g_autofree char *text = g_strdup_printf("file,id=f0,path=%s%s", path, extra[i]);
        char digit = '1' + i;
        Chardev *c = add(text, NULL);

        g_assert_nonnull(c);
        g_assert_cmpint(chardev_write(c, &digit, 1), ==, 1);
        g_assert_true(chardev_delete("f0", NULL));
        g_clear_pointer(&content, g_free);
        g_assert_true(g_file_get_contents(path, &content, NULL, NULL));
        g_assert_cmpstr(content, ==, expected[i]);
    }
}

/* What did not fit is lost; the guest is not, and is not kept waiting. */
static void full_disk_is_survived(void)
{
    enum { LIMIT = 1000, LARGE = 200 * 1024 };
    g_autofree char *path = g_build_filename(folder, "full", NULL), *text = g_strconcat("file:", path, NULL);
    g_autofree char *large = g_malloc0(LARGE), *content = NULL;
    struct rlimit old, small;
    gsize size;
    Front *f = front_new(chardev_from_short("full0", text, NULL));

    signal(SIGXFSZ, SIG_IGN); /* an error, not the signal: as if the disk were full */
    g_assert_cmpint(getrlimit(RLIMIT_FSIZE, &old), ==, 0);
    small = (struct rlimit){LIMIT, old.rlim_max};
    g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &small), ==, 0);
    g_assert_cmpint(chardev_write(f->c, large, LARGE), <, LARGE);
    settle();
    g_assert_cmpint(f->can_write, ==, 1);
    g_assert_cmpint(chardev_write(f->c, large, LARGE), ==, LARGE);
    setrlimit(RLIMIT_FSIZE, &old);
    g_assert_true(g_file_get_contents(path, &content, &size, NULL));
    g_assert_cmpint(size, ==, LIMIT);
    g_unlink(path);
}

static void log_file_gets_it_too(void)
{
    g_autofree char *path = g_build_filename(folder, "log", NULL), *content = NULL;
    g_autofree char *text = g_strdup_printf("null,id=g0,logfile=%s,logappend=on", path);
    Chardev *c = add(text, NULL);

    g_assert_cmpint(chardev_write(c, "said", 4), ==, 4);
    g_assert_true(chardev_delete("g0", NULL));
    g_assert_true(g_file_get_contents(path, &content, NULL, NULL));
    g_assert_cmpstr(content, ==, "said");
    g_assert_null(add("null,id=g0,logfile=/nosuch/log", NULL));
}

static void pty_without_reader_does_not_stall(void)
{
    Front *f = front_new(add("pty,id=p0", NULL));
    g_autofree char *name = chardev_describe(f->c), *blob = g_strnfill(100000, 'x');
    char buf[16];
    int fd;

    g_assert_true(g_str_has_prefix(name, "pty:/dev/"));
    g_assert_cmpint(chardev_write(f->c, blob, 100000), ==, 100000);
    fd = open(name + 4, O_RDWR | O_NOCTTY);
    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(chardev_write(f->c, "hi", 2), ==, 2);
    g_assert_cmpint(read(fd, buf, sizeof(buf)), ==, 2);
    g_assert_cmpint(write(fd, "yo", 2), ==, 2);
    while (!f->in->len) {
        g_main_context_iteration(NULL, true);
    }
    g_assert_cmpstr(f->in->str, ==, "yo");
    g_assert_cmpint(chardev_write(f->c, blob, 100000), ==, 100000); /* nobody reads: what does not fit is gone */
    close(fd);
    chardev_release(f->c);
    chardev_delete("p0", NULL);
}

static void mux_shares_and_switches(void)
{
    g_autofree char *text = NULL;
    char buf[256];
    int pair[2];
    Front *a, *b;
    Chardev *mux;

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), ==, 0);
    text = g_strdup_printf("fd,id=m0,fd=%d,mux=on", pair[1]);
    mux = add(text, NULL);
    a = front_new(chardev_front(mux));
    b = front_new(chardev_front(mux));
    g_assert_true(chardev_find("m0") == mux);
    g_assert_cmpint(write(pair[0], "1\001c2\001\001\001b\001c3", 11), ==, 11);
    settle();
    g_assert_cmpstr(a->in->str, ==, "13");
    g_assert_cmpstr(b->in->str, ==, "2\001");
    g_assert_nonnull(strchr(b->events->str, 'b'));
    chardev_write(a->c, "A", 1);
    chardev_write(b->c, "B", 1);
    g_assert_cmpint(read(pair[0], buf, sizeof(buf)), ==, 2);
    close(pair[0]);
    settle();
    g_assert_false(chardev_is_open(a->c));
}

static void wrong_options_say_what_is_right(void)
{
    static const struct {
        const char *text, *error;
    } cases[] = {
        {"nosuch,id=x", "chardev: backend 'nosuch' does not exist; accepted: fd, file, null, pipe, pty, ringbuf, socket, "
                        "spiceport, spicevmc, stdio"},
        {"null", "chardev: no id specified"},
        {"null,id=x,foo=1", "chardev 'x': Invalid parameter 'foo'; accepted: id, backend, mux, logfile, logappend"},
        {"file,id=x", "chardev 'x': file: no path given"},
        {"socket,id=x", "chardev 'x': a socket needs 'path', 'host' and 'port', or 'fd'"},
        {"socket,id=x,path=/p,port=1", "chardev 'x': give one of 'path', 'port' and 'fd'"},
        {"socket,id=x,path=/p,wait=on", "chardev 'x': 'wait' option is incompatible with socket in client connect mode"},
        {"socket,id=x,path=/nosuch/p", "chardev 'x': cannot connect to unix:/nosuch/p: No such file or directory"},
        {"socket,id=x,fd=999", "chardev 'x': descriptor 999 is not open"},
        {"ringbuf,id=x,size=3", "chardev 'x': size of ringbuf chardev must be a power of two, at most 64M"},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) err = NULL;

        g_assert_null(add(cases[i].text, &err));
        g_assert_cmpstr(err->message, ==, cases[i].error);
        g_assert_null(chardev_find("x"));
    }
}

static void short_forms(void)
{
    g_autoptr(GError) err = NULL;
    g_autofree char *said = NULL;

    g_assert_null(chardev_from_short("n", "none", &err));
    g_assert_no_error(err);
    g_assert_null(chardev_from_short("n", "bogus:x", &err));
    g_assert_nonnull(err);
    g_clear_error(&err);
    g_assert_null(chardev_from_short("n", "tcp:nohost", &err));
    g_assert_nonnull(err);
    g_assert_nonnull(chardev_from_short("n", "null", NULL));
    g_assert_true(chardev_from_short("m", "chardev:n", NULL) == chardev_find("n"));
    g_assert_nonnull(chardev_from_short("t", "tcp:127.0.0.1:0,server=on,wait=off", NULL));
    said = chardev_describe(chardev_find("t"));
    g_assert_true(g_str_has_prefix(said, "disconnected:tcp:127.0.0.1:"));
    g_assert_null(strstr(said, ":0,")); /* the real port */
    g_assert_true(chardev_delete("t", NULL));
}

static void remove_folder(void)
{
    static const char *const left[] = {"f", "l", "log"};

    for (unsigned i = 0; i < G_N_ELEMENTS(left); i++) {
        g_autofree char *path = g_build_filename(folder, left[i], NULL);

        g_unlink(path);
    }
    g_assert_cmpint(g_rmdir(folder), ==, 0);
}

int main(int argc, char **argv)
{
    int result;

    loop_init();
    fronts = g_ptr_array_new_with_free_func(front_free);
    folder = g_dir_make_tmp("baton-chardev-XXXXXX", NULL);
    g_test_init(&argc, &argv, NULL);
    /* First: the thread of another would close one. */
    g_test_add_func("/chardev/no_free_descriptor_is_waited_for", no_free_descriptor_is_waited_for);
    g_test_add_func("/chardev/server_takes_one_client_after_another", server_takes_one_client_after_another);
    g_test_add_func("/chardev/client_reconnects", client_reconnects);
    g_test_add_func("/chardev/a_name_that_takes_long_stops_nobody", a_name_that_takes_long_stops_nobody);
    g_test_add_func("/chardev/a_descriptor_is_closed_with_its_chardev", a_descriptor_is_closed_with_its_chardev);
    g_test_add_func("/chardev/a_second_user_of_stdio_takes_nothing", a_second_user_of_stdio_takes_nothing);
    g_test_add_func("/chardev/a_log_that_cannot_be_written_is_refused", a_log_that_cannot_be_written_is_refused);
    g_test_add_func("/chardev/a_log_outlasts_a_slow_reader", a_log_outlasts_a_slow_reader);
    g_test_add_func("/chardev/inherited_listener_is_accepted_on", inherited_listener_is_accepted_on);
    g_test_add_func("/chardev/slow_reader_is_bounded_and_loses_nothing", slow_reader_is_bounded_and_loses_nothing);
    g_test_add_func("/chardev/no_room_stops_reading", no_room_stops_reading);
    g_test_add_func("/chardev/file_appends", file_appends);
    g_test_add_func("/chardev/full_disk_is_survived", full_disk_is_survived);
    g_test_add_func("/chardev/log_file_gets_it_too", log_file_gets_it_too);
    g_test_add_func("/chardev/pty_without_reader_does_not_stall", pty_without_reader_does_not_stall);
    g_test_add_func("/chardev/mux_shares_and_switches", mux_shares_and_switches);
    g_test_add_func("/chardev/wrong_options_say_what_is_right", wrong_options_say_what_is_right);
    g_test_add_func("/chardev/short_forms", short_forms);
    result = g_test_run();
    g_ptr_array_unref(fronts);
    remove_folder();
    return result;
}
