/* tests/qtest/libqtest.c - the harness: process, qtest protocol, QMP.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "libqtest.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define IRQS_MAX 256
#define DEADLINE_MS 60000

typedef struct Lines { /* a socket read line by line */
    int fd;
    GString *buffer;
} Lines;

struct QTest {
    pid_t pid;
    char *dir;
    Lines qtest, qmp;
    bool irq[IRQS_MAX];
    GQueue events; /* of Json */
};

static int deadline_ms(void)
{
    const char *patience = g_getenv("BATON_PATIENCE");

    return DEADLINE_MS * (patience ? MAX(atoi(patience), 1) : 1);
}

/* ---- sockets ---- */
int qtest_listen(const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpuint(g_strlcpy(a.sun_path, path, sizeof(a.sun_path)), <, sizeof(a.sun_path));
    g_assert_cmpint(bind(fd, (struct sockaddr *)&a, sizeof(a)), ==, 0);
    g_assert_cmpint(listen(fd, 1), ==, 0);
    return fd;
}

static void wait_readable(int fd, const char *what)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    int n;

    do {
        n = poll(&p, 1, deadline_ms());
    } while (n < 0 && errno == EINTR);
    if (n == 0) {
        g_error("no answer in time: %s", what);
    }
}

int qtest_accept(int listener)
{
    int fd;

    wait_readable(listener, "the program did not connect");
    fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    g_assert_cmpint(fd, >=, 0);
    close(listener);
    return fd;
}

void qtest_read_fd(int fd, void *to, size_t size)
{
    while (size) {
        ssize_t n;

        wait_readable(fd, "bytes on a socket");
        n = read(fd, to, size);
        g_assert_cmpint(n, >, 0);
        to = (char *)to + n;
        size -= n;
    }
}

static char *read_line(Lines *l, const char *what)
{
    for (;;) {
        char *end = memchr(l->buffer->str, '\n', l->buffer->len), *line, bytes[65536];
        ssize_t n;

        if (end) {
            line = g_strndup(l->buffer->str, end - l->buffer->str);
            g_string_erase(l->buffer, 0, end - l->buffer->str + 1);
            return line;
        }
        wait_readable(l->fd, what);
        n = read(l->fd, bytes, sizeof(bytes));
        if (n <= 0) {
            g_error("the program closed the connection: %s", what);
        }
        g_string_append_len(l->buffer, bytes, n);
    }
}

/* In one piece: a program that answers `quit` as soon as its object is whole may be gone before a second one. */
static void write_line(int fd, const char *request)
{
    g_autofree char *line = g_strdup_printf("%s\n", request);
    size_t done = 0, size = strlen(line);

    while (done < size) {
        ssize_t n = send(fd, line + done, size - done, MSG_NOSIGNAL);

        if (n <= 0) {
            g_error("'%.100s' could not be sent: %s", request, g_strerror(errno));
        }
        done += n;
    }
}

/* ---- start and end ---- */
static pid_t spawn(const char *command)
{
    pid_t pid = fork();

    g_assert_cmpint(pid, >=, 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    return pid;
}

/* The program may die before it connects; then nobody should wait for the deadline. */
static int accept_from(int listener, pid_t pid, const char *command)
{
    for (int waited = 0; waited < deadline_ms(); waited += 100) {
        struct pollfd p = {.fd = listener, .events = POLLIN};
        int status;

        if (poll(&p, 1, 100) > 0) {
            return qtest_accept(listener);
        }
        if (waitpid(pid, &status, WNOHANG) == pid) {
            g_error("the program ended with status 0x%x before it connected: %s", status, command);
        }
    }
    g_error("the program did not connect: %s", command);
}

QTest *qtest_start(const char *fmt, ...)
{
    QTest *q = g_new0(QTest, 1);
    const char *binary = g_getenv("QTEST_QEMU_BINARY"), *machine = g_getenv("QTEST_QEMU_MACHINE_TYPE");
    g_autofree char *args = NULL, *command = NULL, *qtest_path = NULL, *qmp_path = NULL, *hello = NULL;
    int qtest_listener, qmp_listener;
    va_list ap;

    g_assert_nonnull(binary);
    va_start(ap, fmt);
    args = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    q->dir = g_dir_make_tmp("baton-qtest-XXXXXX", NULL);
    qtest_path = g_build_filename(q->dir, "qtest", NULL);
    qmp_path = g_build_filename(q->dir, "qmp", NULL);
    qtest_listener = qtest_listen(qtest_path);
    qmp_listener = qtest_listen(qmp_path);
    command = g_strdup_printf("exec %s -qtest unix:%s -qtest-log /dev/null -chardev socket,path=%s,id=char0 "
                              "-mon chardev=char0,mode=control -display none -nodefaults -machine %s %s -accel qtest",
                              binary, qtest_path, qmp_path, machine ? machine : "virt", args);
    g_test_message("%s", command);
    q->pid = spawn(command);
    q->qtest = (Lines){accept_from(qtest_listener, q->pid, command), g_string_new(NULL)};
    q->qmp = (Lines){accept_from(qmp_listener, q->pid, command), g_string_new(NULL)};
    g_queue_init(&q->events);
    hello = read_line(&q->qmp, "QMP greeting");
    g_assert_nonnull(strstr(hello, "\"QMP\""));
    json_unref(qtest_qmp_ok(q, "{'execute': 'qmp_capabilities'}"));
    return q;
}

static void free_all(QTest *q)
{
    GDir *dir = g_dir_open(q->dir, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(q->dir, name, NULL);

        g_unlink(path);
    }
    g_clear_pointer(&dir, g_dir_close);
    g_rmdir(q->dir);
    close(q->qtest.fd);
    close(q->qmp.fd);
    g_string_free(q->qtest.buffer, TRUE);
    g_string_free(q->qmp.buffer, TRUE);
    g_queue_clear_full(&q->events, (GDestroyNotify)json_unref);
    g_free(q->dir);
    g_free(q);
}

int qtest_wait_exit(QTest *q)
{
    int status = 0, waited;

    for (waited = 0; waited < deadline_ms() && waitpid(q->pid, &status, WNOHANG) == 0; waited += 10) {
        poll(NULL, 0, 10); /* there is no descriptor to wait on before pidfd_open() */
    }
    if (waited >= deadline_ms()) {
        kill(q->pid, SIGKILL);
        g_error("the program did not end");
    }
    free_all(q);
    if (!WIFEXITED(status)) {
        g_error("the program was killed by signal %d", WTERMSIG(status));
    }
    return WEXITSTATUS(status);
}

void qtest_quit(QTest *q)
{
    kill(q->pid, SIGTERM);
    g_assert_cmpint(qtest_wait_exit(q), ==, 0);
}

int qtest_pid(QTest *q)
{
    return q->pid;
}

const char *qtest_dir(QTest *q)
{
    return q->dir;
}

/* ---- the protocol ---- */
static bool take_irq(QTest *q, const char *line)
{
    unsigned n;

    if (sscanf(line, "IRQ raise %u", &n) == 1 && n < IRQS_MAX) {
        q->irq[n] = true;
        return true;
    }
    if (sscanf(line, "IRQ lower %u", &n) == 1 && n < IRQS_MAX) {
        q->irq[n] = false;
        return true;
    }
    return false;
}

static char *ask(QTest *q, const char *request)
{
    write_line(q->qtest.fd, request);
    for (;;) {
        g_autofree char *line = read_line(&q->qtest, request);

        if (take_irq(q, line)) {
            continue;
        }
        if (!g_str_has_prefix(line, "OK")) {
            g_error("'%.100s' was answered by '%s'", request, line);
        }
        return g_strdup(line[2] ? line + 3 : "");
    }
}

char *qtest_ask(QTest *q, const char *fmt, ...)
{
    g_autofree char *request = NULL;
    va_list ap;

    va_start(ap, fmt);
    request = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    return ask(q, request);
}

static uint64_t ask_number(QTest *q, const char *verb, uint64_t at)
{
    g_autofree char *answer = qtest_ask(q, "%s 0x%" G_GINT64_MODIFIER "x", verb, at);

    return g_ascii_strtoull(answer, NULL, 0);
}

static void tell_number(QTest *q, const char *verb, uint64_t at, uint64_t v)
{
    g_free(qtest_ask(q, "%s 0x%" G_GINT64_MODIFIER "x 0x%" G_GINT64_MODIFIER "x", verb, at, v));
}

#define READ_WRITE(letter, type)                                                                   \
    type qtest_read##letter(QTest *q, uint64_t at)                                                 \
    {                                                                                              \
        return ask_number(q, "read" #letter, at);                                                  \
    }                                                                                              \
    void qtest_write##letter(QTest *q, uint64_t at, type v)                                        \
    {                                                                                              \
        tell_number(q, "write" #letter, at, v);                                                    \
    }
READ_WRITE(b, uint8_t)
READ_WRITE(w, uint16_t)
READ_WRITE(l, uint32_t)
READ_WRITE(q, uint64_t)

void qtest_memread(QTest *q, uint64_t at, void *to, size_t size)
{
    g_autofree char *answer = qtest_ask(q, "read 0x%" G_GINT64_MODIFIER "x 0x%zx", at, size);

    g_assert_cmpuint(strlen(answer), ==, 2 + 2 * size);
    for (size_t i = 0; i < size; i++) {
        ((uint8_t *)to)[i] = g_ascii_xdigit_value(answer[2 + 2 * i]) << 4 | g_ascii_xdigit_value(answer[3 + 2 * i]);
    }
}

void qtest_memwrite(QTest *q, uint64_t at, const void *from, size_t size)
{
    g_autoptr(GString) hex = g_string_new(NULL);

    for (size_t i = 0; i < size; i++) {
        g_string_append_printf(hex, "%02x", ((const uint8_t *)from)[i]);
    }
    g_free(qtest_ask(q, "write 0x%" G_GINT64_MODIFIER "x 0x%zx 0x%s", at, size, hex->str));
}

void qtest_memset(QTest *q, uint64_t at, uint8_t v, size_t size)
{
    g_free(qtest_ask(q, "memset 0x%" G_GINT64_MODIFIER "x 0x%zx 0x%02x", at, size, v));
}

int64_t qtest_clock_step(QTest *q, int64_t ns)
{
    g_autofree char *answer = qtest_ask(q, "clock_step %" G_GINT64_FORMAT, ns);

    return g_ascii_strtoll(answer, NULL, 0);
}

int64_t qtest_clock_step_next(QTest *q)
{
    g_autofree char *answer = qtest_ask(q, "clock_step");

    return g_ascii_strtoll(answer, NULL, 0);
}

void qtest_intercept_in(QTest *q, const char *path)
{
    g_free(qtest_ask(q, "irq_intercept_in %s", path));
}

bool qtest_irq(QTest *q, unsigned n)
{
    g_assert_cmpuint(n, <, IRQS_MAX);
    return q->irq[n];
}

void qtest_wait_irq(QTest *q, unsigned n, bool level)
{
    g_assert_cmpuint(n, <, IRQS_MAX);
    while (q->irq[n] != level) {
        g_autofree char *line = read_line(&q->qtest, "an interrupt line to change");

        g_assert_true(take_irq(q, line));
    }
}

/* ---- QMP ---- */
static Json *read_message(QTest *q)
{
    g_autofree char *line = read_line(&q->qmp, "QMP");
    g_autoptr(GError) err = NULL;
    Json *message = json_parse(line, strlen(line), &err);

    g_assert_no_error(err);
    return message;
}

static Json *qmp_v(QTest *q, const char *fmt, va_list ap)
{
    g_autofree char *request = g_strdup_vprintf(fmt, ap);
    Json *message;

    write_line(q->qmp.fd, request);
    while (json_get(message = read_message(q), "event")) {
        g_queue_push_tail(&q->events, message);
    }
    return message;
}

Json *qtest_qmp(QTest *q, const char *fmt, ...)
{
    Json *answer;
    va_list ap;

    va_start(ap, fmt);
    answer = qmp_v(q, fmt, ap);
    va_end(ap);
    return answer;
}

Json *qtest_qmp_ok(QTest *q, const char *fmt, ...)
{
    g_autoptr(Json) answer = NULL;
    va_list ap;

    va_start(ap, fmt);
    answer = qmp_v(q, fmt, ap);
    va_end(ap);
    if (!json_get(answer, "return")) {
        g_autofree char *text = json_print(answer, false);

        g_error("QMP: '%s' was answered by %s", fmt, text);
    }
    return json_ref(json_get(answer, "return"));
}

Json *qtest_event(QTest *q, const char *name)
{
    for (;;) {
        Json *event = g_queue_is_empty(&q->events) ? read_message(q) : g_queue_pop_head(&q->events);

        if (!g_strcmp0(json_get_str(event, "event"), name)) {
            return event;
        }
        json_unref(event);
    }
}
