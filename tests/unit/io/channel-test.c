/* tests/unit/io/channel-test.c - channels: whole bytes, deadlines, interrupts, one text for one
 * cause. SPDX-License-Identifier: GPL-2.0-or-later */
#include "io/channel.h"

#include "util/loop.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int64_t soon(void)
{
    return time_monotonic_ns() + 10 * NS_PER_SEC;
}

static void read_all(Channel *c, void *buf, size_t size)
{
    for (size_t at = 0, got; at < size; at += got) {
        GError *err = NULL;
        bool ok = channel_read(c, (char *)buf + at, size - at, soon(), &got, &err);

        g_assert_no_error(err);
        g_assert_true(ok);
    }
}

static void *writer(void *opaque)
{
    g_autofree uint8_t *data = g_malloc(8 << 20);
    struct iovec iov[3000];
    size_t at = 0;

    for (size_t i = 0; i < 8 << 20; i++) {
        data[i] = i * 7 + i / 4096;
    }
    for (unsigned i = 0; i < 3000; i++) {
        iov[i] = (struct iovec){data + at, i == 2999 ? (8 << 20) - at : 1000 + i % 7};
        at += iov[i].iov_len;
    }
    g_assert_true(channel_writev(opaque, iov, 3000, soon(), NULL));
    return NULL;
}

static void carries_all_bytes(Channel *out, Channel *in)
{
    GThread *t = g_thread_new("writer", writer, out);
    g_autofree uint8_t *data = g_malloc(8 << 20);

    read_all(in, data, 8 << 20);
    for (size_t i = 0; i < 8 << 20; i++) {
        if (data[i] != (uint8_t)(i * 7 + i / 4096)) {
            g_error("byte %zu differs", i);
        }
    }
    g_thread_join(t);
}

static void test_pair(void)
{
    Channel *c[2];

    channel_pair(c, NULL, NULL);
    carries_all_bytes(c[0], c[1]);
    channel_free(c[0]);
    channel_free(c[1]);
}

static void connected(const char *uri)
{
    GError *err = NULL;
    g_autoptr(Address) a = address_parse(uri, &err);
    g_autofree char *actual = NULL;
    int listener = channel_listen(a, &actual, &err);
    g_autoptr(Address) to = NULL;
    Channel *out, *in;
    size_t got;
    char byte;

    g_assert_no_error(err);
    to = address_parse(actual, &err);
    out = channel_open(to, true, NULL, soon(), &err);
    g_assert_no_error(err);
    in = channel_accept(listener, a, NULL, soon(), &err);
    g_assert_no_error(err);
    carries_all_bytes(out, in);
    carries_all_bytes(in, out);
    g_assert_true(channel_is_socket(in));
    if (channel_is_unix(in)) {
        g_assert_cmpint(channel_peer_pid(in), ==, getpid());
    }
    channel_free(out);
    g_assert_false(channel_read(in, &byte, 1, soon(), &got, &err));
    g_assert_true(g_str_has_suffix(err->message, ": connection closed by the other side"));
    g_assert_true(channel_at_end(in));
    g_clear_error(&err);
    g_assert_false(channel_write(in, "x", 1, soon(), &err) &&
                   channel_write(in, "x", 1, soon(), &err));
    g_assert_true(g_str_has_suffix(err->message, ": connection closed by the other side"));
    g_clear_error(&err);
    channel_free(in);
    channel_listen_end(listener, a);
}

static void test_tcp(void)
{
    connected("tcp:127.0.0.1:0");
}

static void test_unix(void)
{
    g_autofree char *dir = g_dir_make_tmp("channel-XXXXXX", NULL);
    g_autofree char *uri = g_strdup_printf("unix:%s/s", dir);

    connected(uri);
    g_assert_cmpint(rmdir(dir), ==, 0); /* it left nothing there */
}

static void listens(const char *uri, const char *expected)
{
    g_autoptr(Address) a = address_parse(uri, NULL);
    g_autofree char *actual = NULL;
    g_autoptr(GError) err = NULL;
    int fd = channel_listen(a, &actual, &err);

    g_assert_cmpstr(err ? err->message : NULL, ==, expected);
    if (fd >= 0) {
        close(fd); /* the path stays behind */
    }
}

/* What stands at the path of a unix socket may be anything: a file of the user's, or the socket of a process that lives. */
static void test_listening_removes_only_dead_sockets(void)
{
    g_autofree char *dir = g_dir_make_tmp("channel-XXXXXX", NULL);
    g_autofree char *uri = g_strdup_printf("unix:%s/s", dir), *actual = NULL, *text = NULL;
    g_autofree char *in_use = g_strdup_printf("%s: cannot listen: Address already in use", uri);
    g_autoptr(Address) a = address_parse(uri, NULL);
    int fd;

    g_assert_true(g_file_set_contents(uri + 5, "mine", -1, NULL));
    listens(uri, in_use);
    g_assert_true(g_file_get_contents(uri + 5, &text, NULL, NULL));
    g_assert_cmpstr(text, ==, "mine");
    unlink(uri + 5);
    listens(uri, NULL);
    fd = channel_listen(a, &actual, NULL); /* where the one before has left its path */
    g_assert_cmpint(fd, >=, 0);
    listens(uri, in_use);
    close(fd);
    listens(uri, NULL);
    unlink(uri + 5);
    rmdir(dir);
}

static void *raiser(void *opaque)
{
    interrupt_raise(opaque);
    return NULL;
}

static void test_interrupt_ends_each_wait(void)
{
    for (unsigned writing = 0; writing < 2; writing++) {
        Interrupt *i = interrupt_new(NULL);
        g_autofree char *big = g_malloc0(32 << 20);
        g_autoptr(GError) err = NULL;
        Channel *c[2];
        GThread *t;
        size_t got;

        channel_pair(c, i, NULL);
        t = g_thread_new("raiser", raiser, i);
        g_assert_false(writing ? channel_write(c[0], big, 32 << 20, CHANNEL_FOREVER, &err)
                               : channel_read(c[0], big, 1, CHANNEL_FOREVER, &got, &err));
        g_assert_true(g_str_has_suffix(err->message, "was interrupted"));
        g_thread_join(t);
        channel_free(c[0]);
        channel_free(c[1]);
        interrupt_free(i);
    }
}

static void test_deadline_ends_each_wait(void)
{
    g_autoptr(GError) err = NULL;
    Channel *c[2];
    size_t got;
    char byte;

    channel_pair(c, NULL, NULL);
    g_assert_false(channel_read(c[0], &byte, 1, time_monotonic_ns() + 1000, &got, &err));
    g_assert_cmpstr(err->message, ==, "pair:0: reading timed out");
    channel_free(c[0]);
    channel_free(c[1]);
}

static void test_exec_and_file(void)
{
    g_autofree char *dir = g_dir_make_tmp("channel-XXXXXX", NULL);
    g_autofree char *file = g_strdup_printf("file:%s/f", dir);
    g_autofree char *exec = g_strdup_printf("exec:cat %s/f", dir);
    g_autofree char *into = g_strdup_printf("exec:cat > %s/f", dir);
    const char *writers[] = {file, into};
    GError *err = NULL;

    for (unsigned i = 0; i < 2; i++) {
        g_autoptr(Address) a = address_parse(writers[i], &err);
        g_autoptr(Address) b = address_parse(exec, &err);
        Channel *c = channel_open(a, true, NULL, soon(), &err);
        char buf[8];
        size_t got;

        g_assert_true(channel_write(c, "hello", 5, soon(), &err));
        g_assert_true(channel_finish(c, soon(), &err));
        channel_free(c);
        c = channel_open(b, false, NULL, soon(), &err);
        read_all(c, buf, 5);
        g_assert_cmpmem(buf, 5, "hello", 5);
        g_assert_false(channel_read(c, buf, 1, soon(), &got, &err));
        g_assert_true(g_str_has_suffix(err->message, ": the stream ends early"));
        g_clear_error(&err);
        channel_free(c);
    }
    unlink(file + 5);
    rmdir(dir);
}

static void test_failing_command_is_named(void)
{
    g_autoptr(Address) a = address_parse("exec:exit 3", NULL);
    Channel *c = channel_open(a, true, NULL, soon(), NULL);
    g_autoptr(GError) err = NULL;

    g_assert_false(channel_finish(c, soon(), &err));
    g_assert_cmpstr(err->message, ==, "exec:exit 3: the command ended with status 3");
    channel_free(c);
}

static void test_wrong_sockets_say_why(void)
{
    static const int types[] = {SOCK_DGRAM, SOCK_STREAM};

    for (unsigned i = 0; i < G_N_ELEMENTS(types); i++) {
        int fd = socket(AF_INET, types[i], 0);
        g_autofree char *uri = g_strdup_printf("fd:%d", fd);
        g_autofree char *why = g_strdup_printf("%s: a socket, but not a connected stream", uri);
        g_autoptr(Address) a = NULL;
        g_autoptr(GError) err = NULL;

        g_assert_cmpint(listen(fd, 1), ==, types[i] == SOCK_STREAM ? 0 : -1);
        a = address_parse(uri, NULL);
        g_assert_null(channel_open(a, true, NULL, soon(), &err));
        g_assert_cmpstr(err->message, ==, why);
    }
}

static void test_bad_addresses_say_why(void)
{
    static const char *const table[][2] = {
        {"rdma:x:1", "address 'rdma:x:1': begins with none of tcp: unix: fd: exec: file:"},
        {"tcp:x", "address 'tcp:x': 'tcp:HOST:PORT' is wanted"},
        {"tcp:localhost:65536", "address 'tcp:localhost:65536': there is no port above 65535"},
        {"unix:", "address 'unix:': 'unix:PATH' is wanted"},
        {"fd:9999", "address 'fd:9999': no such open file descriptor"},
        {"file:x,offset=y", "address 'file:x,offset=y': offset is not a number"},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(table); i++) {
        g_autoptr(GError) err = NULL;

        g_assert_null(address_parse(table[i][0], &err));
        g_assert_cmpstr(err->message, ==, table[i][1]);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/io/channel/pair_carries_all_bytes", test_pair);
    g_test_add_func("/io/channel/tcp_carries_all_bytes", test_tcp);
    g_test_add_func("/io/channel/unix_carries_all_bytes", test_unix);
    g_test_add_func("/io/channel/listening_removes_only_dead_sockets", test_listening_removes_only_dead_sockets);
    g_test_add_func("/io/channel/interrupt_ends_each_wait", test_interrupt_ends_each_wait);
    g_test_add_func("/io/channel/deadline_ends_each_wait", test_deadline_ends_each_wait);
    g_test_add_func("/io/channel/exec_and_file", test_exec_and_file);
    g_test_add_func("/io/channel/failing_command_is_named", test_failing_command_is_named);
    g_test_add_func("/io/channel/wrong_sockets_say_why", test_wrong_sockets_say_why);
    g_test_add_func("/io/channel/bad_addresses_say_why", test_bad_addresses_say_why);
    return g_test_run();
}
