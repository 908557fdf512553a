/* tests/qtest/hw/char/virtio-serial-test.c - virtio-serial-device: what it says and hears, bytes both ways, what waits.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "../../virtio-driver.h"
#include "util/bytes.h"

enum { CONSOLE_ID = 3, F_SIZE = 1 << 0, F_MULTIPORT = 1 << 1, F_EMERG_WRITE = 1 << 2 };
enum { DEVICE_READY, PORT_ADD, PORT_REMOVE, PORT_READY, CONSOLE_PORT, RESIZE, PORT_OPEN, PORT_NAME };
enum { CONTROL_IN = 2, CONTROL_OUT = 3, QUEUES = 8, NAMED = 2 /* number of the port */ };

typedef struct Case {
    Driver d;
    char *dir, *path;
    int fd; /* the other end of the named port's chardev; -1: not connected */
} Case;

#define CONSOLE "-chardev null,id=c0 -device virtconsole,chardev=c0,bus=vs0.0 "
#define DEVICES "-device virtio-serial-device,id=vs0,max_ports=3 " CONSOLE \
    "-device virtserialport,chardev=c1,id=port1,nr=2,name=org.baton.test "

static QTest *start_program(const Case *k, const char *more)
{
    return qtest_start("-chardev socket,id=c1,path=%s,server=on,wait=off " DEVICES "%s", k->path, more);
}

static Case case_new(void)
{
    Case k = {.fd = -1};

    k.dir = g_dir_make_tmp("baton-serial-XXXXXX", NULL);
    k.path = g_build_filename(k.dir, "s", NULL);
    return k;
}

static void case_free(Case *k)
{
    if (k->fd >= 0) {
        close(k->fd);
    }
    qtest_quit(k->d.q);
    g_unlink(k->path);
    g_rmdir(k->dir);
    g_free(k->path);
    g_free(k->dir);
}

static void join(Case *k)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};

    g_strlcpy(un.sun_path, k->path, sizeof(un.sun_path));
    k->fd = socket(AF_UNIX, SOCK_STREAM, 0);
    g_assert_cmpint(connect(k->fd, (struct sockaddr *)&un, sizeof(un)), ==, 0);
}

/* ---- control messages ---- */
static void say(Case *k, uint32_t nr, uint16_t event, uint16_t value)
{
    DriverBuffer b = {driver_alloc(&k->d, 8), 8, false};
    uint8_t message[8];

    store_le32(message, nr);
    store_le16(message + 4, event);
    store_le16(message + 6, value);
    qtest_memwrite(k->d.q, b.at, message, 8);
    driver_add(&k->d, CONTROL_OUT, &b, 1, true);
    driver_wait(&k->d, CONTROL_OUT, NULL);
}

/* The next message is this one; returns what follows its header. */
static char *hear(Case *k, uint32_t nr, uint16_t event, uint16_t value)
{
    DriverBuffer b = {driver_alloc(&k->d, 64), 64, true};
    uint8_t message[65] = {0};
    uint32_t written;

    driver_add(&k->d, CONTROL_IN, &b, 1, true);
    driver_wait(&k->d, CONTROL_IN, &written);
    qtest_memread(k->d.q, b.at, message, 64);
    message[MIN(written, 64)] = 0;
    g_test_message("port %u: message %u, value %u, %u bytes", load_le32(message), load_le16(message + 4),
                   load_le16(message + 6), written);
    g_assert_cmpuint(load_le16(message + 4), ==, event);
    g_assert_cmpuint(load_le32(message), ==, nr);
    g_assert_cmpuint(load_le16(message + 6), ==, value);
    return g_memdup2(message + 8, 57);
}

static void hear_only(Case *k, uint32_t nr, uint16_t event, uint16_t value)
{
    g_free(hear(k, nr, event, value));
}

/* With the named port open on both sides. */
static Case start_open(void)
{
    Case k = case_new();

    driver_start(&k.d, start_program(&k, ""), 7, CONSOLE_ID, ~UINT64_C(0), QUEUES);
    join(&k);
    say(&k, 0, DEVICE_READY, 1);
    hear_only(&k, 0, PORT_ADD, 1);
    hear_only(&k, NAMED, PORT_ADD, 1);
    say(&k, NAMED, PORT_READY, 1);
    hear_only(&k, NAMED, PORT_NAME, 1);
    hear_only(&k, NAMED, PORT_OPEN, 1);
    say(&k, NAMED, PORT_OPEN, 1);
    return k;
}

static void says_what_it_has(void)
{
    Case k = case_new();
    g_autofree char *name = NULL;

    driver_start(&k.d, start_program(&k, ""), 7, CONSOLE_ID, ~UINT64_C(0), QUEUES);
    g_assert_cmphex(k.d.offered & 7, ==, F_SIZE | F_MULTIPORT | F_EMERG_WRITE);
    g_assert_cmpuint(driver_config32(&k.d, 4), ==, 3);
    say(&k, 0, DEVICE_READY, 1);
    hear_only(&k, 0, PORT_ADD, 1);
    hear_only(&k, NAMED, PORT_ADD, 1);
    say(&k, 0, PORT_READY, 1);
    hear_only(&k, 0, CONSOLE_PORT, 1);
    hear_only(&k, 0, PORT_OPEN, 1);
    say(&k, NAMED, PORT_READY, 1);
    name = hear(&k, NAMED, PORT_NAME, 1);
    g_assert_cmpstr(name, ==, "org.baton.test");
    join(&k);
    hear_only(&k, NAMED, PORT_OPEN, 1);
    close(k.fd);
    k.fd = -1;
    hear_only(&k, NAMED, PORT_OPEN, 0);
    case_free(&k);
}

static void tells_size_of_a_console(void)
{
    Case k = case_new();
    g_autofree char *size = NULL;

    driver_start(&k.d, start_program(&k, ""), 7, CONSOLE_ID, ~UINT64_C(0), QUEUES);
    say(&k, 0, DEVICE_READY, 1);
    hear_only(&k, 0, PORT_ADD, 1);
    hear_only(&k, NAMED, PORT_ADD, 1);
    json_unref(qtest_qmp_ok(k.d.q, "{'execute': 'chardev-resize', 'arguments': {'id': 'c0', 'cols': 132, 'rows': 43}}"));
    size = hear(&k, 0, RESIZE, 0);
    g_assert_cmpuint(load_le16(size), ==, 132);
    g_assert_cmpuint(load_le16(size + 2), ==, 43);
    g_assert_cmpuint(driver_config16(&k.d, 0), ==, 132);
    g_assert_cmpuint(driver_config16(&k.d, 2), ==, 43);
    case_free(&k);
}

static bool frontend_is_open(QTest *q, const char *label)
{
    g_autoptr(Json) all = qtest_qmp_ok(q, "{'execute': 'query-chardev'}");

    for (size_t i = 0; i < json_size(all); i++) {
        if (!g_strcmp0(json_get_str(json_at(all, i), "label"), label)) {
            return json_get_bool(json_get(json_at(all, i), "frontend-open"));
        }
    }
    g_assert_not_reached();
}

static void expect_change(QTest *q, bool is_open)
{
    g_autoptr(Json) event = qtest_event(q, "VSERPORT_CHANGE");
    const Json *data = json_get(event, "data");

    g_assert_cmpstr(json_get_str(data, "id"), ==, "port1");
    g_assert_true(json_get_bool(json_get(data, "open")) == is_open);
}

static void managers_hear_of_the_guest(void)
{
    Case k = start_open();

    expect_change(k.d.q, true);
    g_assert_true(frontend_is_open(k.d.q, "c1"));
    say(&k, NAMED, PORT_OPEN, 0);
    g_assert_false(frontend_is_open(k.d.q, "c1"));
    case_free(&k);
}

static void ports_come_and_go(void)
{
    Case k = start_open();
    g_autoptr(Json) event = NULL, refused = NULL;
    g_autofree char *name = NULL;

    json_unref(qtest_qmp_ok(k.d.q, "{'execute': 'device_add', 'arguments': {'driver': 'virtserialport', 'id': 'late', "
                            "'name': 'late'}}"));
    hear_only(&k, 1, PORT_ADD, 1);
    say(&k, 1, PORT_READY, 1);
    name = hear(&k, 1, PORT_NAME, 1);
    g_assert_cmpstr(name, ==, "late");
    refused = qtest_qmp(k.d.q, "{'execute': 'device_add', 'arguments': {'driver': 'virtserialport'}}");
    g_assert_nonnull(json_get(refused, "error"));
    json_unref(qtest_qmp_ok(k.d.q, "{'execute': 'device_del', 'arguments': {'id': 'late'}}"));
    hear_only(&k, 1, PORT_REMOVE, 1);
    event = qtest_event(k.d.q, "DEVICE_DELETED");
    g_assert_cmpstr(json_get_str(json_get(event, "data"), "device"), ==, "late");
    case_free(&k);
}

/* A driver without buffers misses nothing: one that was gone in between is closed first. */
static void messages_wait_for_buffers(void)
{
    Case k = start_open();

    close(k.fd);
    while (frontend_is_open(k.d.q, "c1") && k.fd >= 0) { /* until the program has seen it */
        g_autoptr(Json) all = qtest_qmp_ok(k.d.q, "{'execute': 'query-chardev'}");
        g_autofree char *text = json_print(all, false);

        k.fd = strstr(text, "disconnected:") ? -1 : k.fd;
    }
    join(&k);
    g_assert_false(driver_has_used(&k.d, CONTROL_IN));
    hear_only(&k, NAMED, PORT_OPEN, 0);
    hear_only(&k, NAMED, PORT_OPEN, 1);
    case_free(&k);
}

/* ---- bytes ---- */
enum { RX = 2 * (NAMED + 1), TX };

static uint8_t pattern(size_t i)
{
    return i * 7 + (i >> 8) * 13;
}

static void receive(Case *k, size_t from, size_t size)
{
    g_autofree uint8_t *seen = g_malloc(size);

    for (size_t done = 0; done < size;) {
        DriverBuffer b = {driver_alloc(&k->d, 256), MIN(256, size - done), true};
        uint32_t written;

        driver_add(&k->d, RX, &b, 1, true);
        driver_wait(&k->d, RX, &written);
        g_assert_cmpuint(written, >, 0);
        g_assert_cmpuint(written, <=, size - done);
        qtest_memread(k->d.q, b.at, seen + done, written);
        done += written;
    }
    for (size_t i = 0; i < size; i++) {
        g_assert_cmphex(seen[i], ==, pattern(from + i));
    }
}

static size_t send_pattern(int fd, size_t from, size_t size)
{
    g_autofree uint8_t *bytes = g_malloc(size);
    ssize_t n;

    for (size_t i = 0; i < size; i++) {
        bytes[i] = pattern(from + i);
    }
    n = send(fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    return MAX(n, 0);
}

static void nothing_is_read_that_the_guest_cannot_take(void)
{
    Case k = start_open();
    size_t sent = 0, n;

    say(&k, NAMED, PORT_OPEN, 0);
    while ((n = send_pattern(k.fd, sent, 1000))) { /* until the socket is full */
        sent += n;
    }
    g_assert_cmpuint(sent, >, 1000);
    say(&k, NAMED, PORT_OPEN, 1);
    receive(&k, 0, 3000);
    say(&k, NAMED, PORT_OPEN, 0);
    say(&k, NAMED, PORT_OPEN, 1);
    receive(&k, 3000, sent - 3000);
    case_free(&k);
}

static void write_pattern(Case *k, uint64_t at, size_t from, size_t size)
{
    g_autofree uint8_t *bytes = g_malloc(size);

    for (size_t i = 0; i < size; i++) {
        bytes[i] = pattern(from + i);
    }
    qtest_memwrite(k->d.q, at, bytes, size);
}

static void check_read(int fd, size_t from, size_t size)
{
    g_autofree uint8_t *seen = g_malloc(size);

    qtest_read_fd(fd, seen, size);
    for (size_t i = 0; i < size; i++) {
        g_assert_cmphex(seen[i], ==, pattern(from + i));
    }
}

enum { LARGE = 3 << 20 };

static uint16_t send_large(Case *k)
{
    DriverBuffer b[2] = {{driver_alloc(&k->d, LARGE / 2), LARGE / 2, false}, {driver_alloc(&k->d, LARGE / 2), LARGE / 2, false}};

    write_pattern(k, b[0].at, 0, LARGE / 2);
    write_pattern(k, b[1].at, LARGE / 2, LARGE / 2);
    return driver_add(&k->d, TX, b, 2, true);
}

static void a_slow_reader_stops_the_guest(void)
{
    Case k = start_open();
    uint32_t written;
    uint16_t head = send_large(&k);

    g_assert_false(driver_has_used(&k.d, TX));
    check_read(k.fd, 0, LARGE);
    g_assert_cmpuint(driver_wait(&k.d, TX, &written), ==, head);
    g_assert_cmpuint(written, ==, 0);
    case_free(&k);
}

static void output_for_nobody_does_not_wait(void)
{
    Case k = start_open();

    send_large(&k);
    g_assert_false(driver_has_used(&k.d, TX));
    close(k.fd);
    k.fd = -1;
    driver_wait(&k.d, TX, NULL);
    hear_only(&k, NAMED, PORT_OPEN, 0);
    send_large(&k);
    g_assert_true(driver_has_used(&k.d, TX));
    case_free(&k);
}

/* ---- there and back ---- */
static void wait_migrated(QTest *q)
{
    for (;;) {
        g_autoptr(Json) info = qtest_qmp_ok(q, "{'execute': 'query-migrate'}");
        const char *status = json_get_str(info, "status");

        g_assert_cmpstr(status, !=, "failed");
        if (!g_strcmp0(status, "completed")) {
            return;
        }
    }
}

static void wait_running(QTest *q)
{
    for (;;) {
        g_autoptr(Json) info = qtest_qmp_ok(q, "{'execute': 'query-status'}");

        if (!g_strcmp0(json_get_str(info, "status"), "running")) {
            return;
        }
    }
}

/* To another process by a file: memory, rings, and what the source's chardev had not yet written. */
static void move_by_file(Case *k)
{
    g_autofree char *file = g_build_filename(k->dir, "state", NULL), *more = g_strdup_printf("-incoming file:%s", file);
    QTest *source = k->d.q;

    json_unref(qtest_qmp_ok(source, "{'execute': 'migrate', 'arguments': {'uri': 'file:%s'}}", file));
    wait_migrated(source);
    qtest_quit(source);
    k->d.q = start_program(k, more);
    qtest_intercept_in(k->d.q, "/machine/unattached/plic");
    wait_running(k->d.q);
    g_unlink(file);
}

static void what_waits_for_the_guest_is_saved(void)
{
    Case k = start_open();

    say(&k, 0, PORT_READY, 1); /* two messages, for which there is no buffer */
    move_by_file(&k);
    hear_only(&k, 0, CONSOLE_PORT, 1);
    hear_only(&k, 0, PORT_OPEN, 1);
    expect_change(k.d.q, true);
    g_assert_true(frontend_is_open(k.d.q, "c1"));
    case_free(&k);
}

/* What the source's peer has got, and what the chardev there still had, are not said again. */
static void a_chain_goes_on_at_the_other_side(void)
{
    Case k = start_open();
    g_autoptr(GByteArray) seen = g_byte_array_new();
    uint16_t head = send_large(&k);
    uint8_t buf[4096];
    ssize_t n;

    g_assert_false(driver_has_used(&k.d, TX));
    move_by_file(&k);
    while ((n = read(k.fd, buf, sizeof(buf))) > 0) {
        g_byte_array_append(seen, buf, n);
    }
    g_assert_cmpuint(seen->len, <, LARGE);
    for (size_t i = 0; i < seen->len; i++) {
        g_assert_cmphex(seen->data[i], ==, pattern(i));
    }
    close(k.fd);
    join(&k);
    check_read(k.fd, seen->len, LARGE - seen->len);
    g_assert_cmpuint(driver_wait(&k.d, TX, NULL), ==, head);
    say(&k, NAMED, PORT_READY, 1);
    hear_only(&k, NAMED, PORT_NAME, 1); /* and nothing of a port that was closed in between */
    hear_only(&k, NAMED, PORT_OPEN, 1);
    case_free(&k);
}

/* ---- one port, and drivers that know no other ---- */
static void a_driver_without_multiport_has_a_console(void)
{
    Case k = case_new();
    DriverBuffer out, in;
    uint32_t written;
    char text[8] = "";

    driver_start(&k.d, qtest_start("-chardev socket,id=c0,path=%s,server=on,wait=off -device virtio-serial-device,"
                                   "max_ports=1 -device virtconsole,chardev=c0", k.path), 7, CONSOLE_ID, ~UINT64_C(0), 2);
    g_assert_cmphex(k.d.offered & 7, ==, F_SIZE | F_EMERG_WRITE);
    join(&k);
    g_assert_cmpint(send(k.fd, "typed", 5, MSG_NOSIGNAL), ==, 5);
    in = (DriverBuffer){driver_alloc(&k.d, 16), 16, true};
    driver_add(&k.d, 0, &in, 1, true);
    driver_wait(&k.d, 0, &written);
    g_assert_cmpuint(written, ==, 5);
    qtest_memread(k.d.q, in.at, text, 5);
    g_assert_cmpstr(text, ==, "typed");
    out = (DriverBuffer){driver_alloc(&k.d, 16), 5, false};
    qtest_memwrite(k.d.q, out.at, "shown", 5);
    driver_add(&k.d, 1, &out, 1, true);
    driver_wait(&k.d, 1, NULL);
    qtest_read_fd(k.fd, text, 5);
    g_assert_cmpstr(text, ==, "shown");
    qtest_writel(k.d.q, k.d.base + REG_STATUS, 0);
    qtest_writel(k.d.q, k.d.base + REG_CONFIG + 8, '!'); /* emergency write: without a driver */
    qtest_read_fd(k.fd, text, 1);
    g_assert_cmpint(text[0], ==, '!');
    case_free(&k);
}

/* ---- a guest that does not mean well ---- */
static void nonsense_does_no_harm(void)
{
    static const struct {
        uint32_t nr;
        uint16_t event, value;
    } messages[] = {
        {1, PORT_READY, 1}, {3, PORT_OPEN, 1}, {31, PORT_READY, 1}, {UINT32_MAX, PORT_OPEN, 1}, {NAMED, PORT_READY, 0},
        {NAMED, PORT_OPEN, 77}, {0, 99, 1}, {NAMED, PORT_ADD, 1}, {NAMED, PORT_REMOVE, 1}, {NAMED, RESIZE, 1},
        {0, PORT_NAME, 1},
    };
    Case k = start_open();
    DriverBuffer b = {driver_alloc(&k.d, 64), 3, false};

    for (unsigned i = 0; i < G_N_ELEMENTS(messages); i++) {
        say(&k, messages[i].nr, messages[i].event, messages[i].value);
    }
    for (unsigned i = 0; i < 1000; i++) { /* what waits is bounded */
        say(&k, NAMED, PORT_READY, 1);
    }
    driver_add(&k.d, CONTROL_OUT, &b, 1, true); /* too short */
    driver_wait(&k.d, CONTROL_OUT, NULL);
    driver_notify(&k.d, 5); /* of a port that is not there */
    driver_notify(&k.d, 63);
    hear_only(&k, NAMED, PORT_NAME, 1);
    hear_only(&k, NAMED, PORT_OPEN, 1);
    g_assert_cmphex(driver_status(&k.d), ==, 15);
    b = (DriverBuffer){driver_alloc(&k.d, 64), 4, true};
    say(&k, NAMED, PORT_READY, 1);
    driver_add(&k.d, CONTROL_IN, &b, 1, true); /* no room for a message */
    g_assert_cmphex(driver_status(&k.d) & 64, ==, 64);
    case_free(&k);
}

static void wrong_ports_are_refused(void)
{
    static const struct {
        const char *options, *says;
    } wrong[] = {
        {"'nr': 0", "*reserved for virtconsole*"}, {"'nr': 3", "*out of range*"}, {"'nr': 2", "*is taken*"},
        {"'name': 'org.baton.test'", "*'org.baton.test' already*"}, {"'bus': 'nowhere.0'", "*does not exist*"},
        {"'chardev': 'nobody'", "*can't find value 'nobody'*"}, {"'chardev': 'c1'", "*in use*"},
    };
    Case k = start_open();

    for (unsigned i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autoptr(Json) answer = qtest_qmp(k.d.q, "{'execute': 'device_add', 'arguments': {'driver': 'virtserialport', %s}}",
                                           wrong[i].options);
        const char *text = json_get_str(json_get(answer, "error"), "desc");

        g_assert_nonnull(text);
        g_test_message("%s", text);
        g_assert_true(g_pattern_match_simple(wrong[i].says, text));
    }
    case_free(&k);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*fn)(void);
    } tests[] = {
        {"says_what_it_has", says_what_it_has},
        {"tells_size_of_a_console", tells_size_of_a_console},
        {"managers_hear_of_the_guest", managers_hear_of_the_guest},
        {"ports_come_and_go", ports_come_and_go},
        {"messages_wait_for_buffers", messages_wait_for_buffers},
        {"nothing_is_read_that_the_guest_cannot_take", nothing_is_read_that_the_guest_cannot_take},
        {"a_slow_reader_stops_the_guest", a_slow_reader_stops_the_guest},
        {"output_for_nobody_does_not_wait", output_for_nobody_does_not_wait},
        {"what_waits_for_the_guest_is_saved", what_waits_for_the_guest_is_saved},
        {"a_chain_goes_on_at_the_other_side", a_chain_goes_on_at_the_other_side},
        {"a_driver_without_multiport_has_a_console", a_driver_without_multiport_has_a_console},
        {"nonsense_does_no_harm", nonsense_does_no_harm},
        {"wrong_ports_are_refused", wrong_ports_are_refused},
    };

    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(tests); i++) {
        g_autofree char *name = g_strconcat("/riscv64/virtio-serial/", tests[i].name, NULL);

        g_test_add_func(name, tests[i].fn);
    }
    return g_test_run();
}
