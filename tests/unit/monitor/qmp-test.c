/* tests/unit/monitor/qmp-test.c - QMP over a socket pair: negotiation, ids, garbage, oob, events, slow clients.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "monitor/monitor.h"
#include "qapi/qapi-commands.h"
#include "util/error.h"
#include "util/loop.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- commands for the test ---- */

static Json *cmd_capabilities(const Json *args, GError **errp);

static Json *cmd_version(const Json *args, GError **errp)
{
    Json *j = json_dict();

    json_set(j, "package", json_string("test"));
    return j;
}

static Json *cmd_echo(const Json *args, GError **errp)
{
    return json_copy(args);
}

static Json *cmd_fail(const Json *args, GError **errp)
{
    fail_class(errp, ERROR_CLASS_DEVICE_NOT_FOUND, "no '%s'", json_get_str(args, "x") ? json_get_str(args, "x") : "?");
    return NULL;
}

static Json *cmd_event(const Json *args, GError **errp)
{
    qapi_emit("HAPPENED", json_copy(args));
    return json_dict();
}

static Json *cmd_silent(const Json *args, GError **errp)
{
    return json_dict();
}

static Chardev *taker; /* whose descriptor `take` takes */

static Json *cmd_take(const Json *args, GError **errp)
{
    int fd = chardev_take_fd(taker);

    if (fd < 0) {
        fail(errp, "no descriptor");
        return NULL;
    }
    close(fd);
    return json_dict();
}

static Json *cmd_large(const Json *args, GError **errp)
{
    g_autofree char *text = g_strnfill(1 << 20, 'x');

    return json_string(text);
}

static const QmpCommand table[] = {
    {"qmp_capabilities", cmd_capabilities, 0}, {"query-version", cmd_version, 0}, {"echo", cmd_echo, QMP_ALLOW_OOB},
    {"fail", cmd_fail, 0},                     {"event", cmd_event, 0},           {"silent", cmd_silent, QMP_NO_REPLY},
    {"take", cmd_take, 0},                     {"large", cmd_large, 0},
    {},
};

/* The real handler is called with the generated struct; here the dict is enough. */

static Json *cmd_capabilities(const Json *args, GError **errp)
{
    g_autoptr(QmpCapabilitiesArgs) a = QmpCapabilitiesArgs_from_json(args, NULL, errp);

    return a && qmp_qmp_capabilities(a, errp) ? json_dict() : NULL;
}

/* ---- a client ---- */

typedef struct Client {
    Chardev *chardev;
    int fd;
    GString *in;
} Client;

static GPtrArray *clients; /* monitors are for life, and so are their clients */

static Client *client_new(void)
{
    static int count;
    g_autofree char *text = NULL, *id = g_strdup_printf("c%d", count++);
    Client *c = g_new0(Client, 1);
    int pair[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
    text = g_strdup_printf("fd:%d", pair[1]);
    c->chardev = chardev_from_short(id, text, NULL);
    g_assert_nonnull(c->chardev);
    c->fd = pair[0];
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    c->in = g_string_new(NULL);
    g_assert_true(monitor_add_qmp(c->chardev, false, NULL));
    g_ptr_array_add(clients, c);
    return c;
}

/* Lets the loop work until nothing is left to do. */
static void settle(void)
{
    while (g_main_context_iteration(NULL, false)) {
    }
}

static void client_send(Client *c, const char *text, size_t size)
{
    while (size) {
        ssize_t n = write(c->fd, text, size);

        if (n > 0) {
            text += n;
            size -= n;
        }
        settle();
    }
    settle();
}

static void client_read(Client *c)
{
    char buf[65536];
    ssize_t n;

    settle();
    while ((n = read(c->fd, buf, sizeof(buf))) > 0) {
        g_string_append_len(c->in, buf, n);
        settle();
    }
}

/* The next line, without what changes from run to run; NULL: none. */
static Json *client_line(Client *c)
{
    char *end;
    Json *j;

    client_read(c);
    end = strstr(c->in->str, "\r\n");
    if (!end) {
        return NULL;
    }
    j = json_parse(c->in->str, end - c->in->str, NULL);
    g_assert_nonnull(j);
    g_string_erase(c->in, 0, end + 2 - c->in->str);
    json_remove(j, "timestamp");
    return j;
}

static void expect(Client *c, const char *expected)
{
    g_autoptr(Json) j = client_line(c);
    g_autofree char *text = j ? json_print(j, false) : NULL;

    g_assert_cmpstr(text, ==, expected);
}

static void say(Client *c, const char *text)
{
    client_send(c, text, strlen(text));
}

static Client *negotiated(const char *enable)
{
    Client *c = client_new();
    g_autofree char *text = g_strdup_printf("{'execute':'qmp_capabilities','arguments':{'enable':[%s]}}", enable);

    json_unref(client_line(c));
    say(c, text);
    expect(c, "{\"return\": {}}");
    return c;
}

/* ---- promises ---- */

static void negotiation_comes_first(void)
{
    Client *c = client_new();

    expect(c, "{\"QMP\": {\"version\": {\"package\": \"test\"}, \"capabilities\": [\"oob\"]}}");
    say(c, "{'execute':'echo','id':1}");
    expect(c, "{\"id\": 1, \"error\": {\"class\": \"CommandNotFound\", \"desc\": \"Expecting capabilities negotiation with "
              "'qmp_capabilities'\"}}");
    qapi_emit("EARLY", NULL);
    expect(c, NULL);
    say(c, "{'execute':'qmp_capabilities','arguments':{'enable':['nope']}}");
    expect(c, "{\"error\": {\"class\": \"GenericError\", \"desc\": \"Parameter 'enable[0]' does not accept value 'nope'; "
              "accepted: oob\"}}");
    say(c, "{'execute':'qmp_capabilities'}{'execute':'qmp_capabilities'}");
    expect(c, "{\"return\": {}}");
    expect(c, "{\"error\": {\"class\": \"CommandNotFound\", \"desc\": \"Capabilities negotiation is already complete, "
              "command ignored\"}}");
}

static const struct {
    const char *in, *out;
} requests[] = {
    {"{'execute':'echo','arguments':{'a':1},'id':{'k':[null]}}", "{\"return\": {\"a\": 1}, \"id\": {\"k\": [null]}}"},
    {"{'execute':'echo'}", "{\"return\": {}}"},
    {"{'execute':'fail','arguments':{'x':'y'},'id':'s'}",
     "{\"id\": \"s\", \"error\": {\"class\": \"DeviceNotFound\", \"desc\": \"no 'y'\"}}"},
    {"{'execute':'nope'}", "{\"error\": {\"class\": \"CommandNotFound\", \"desc\": \"The command nope has not been found\"}}"},
    {"[]", "{\"error\": {\"class\": \"GenericError\", \"desc\": \"QMP input must be a JSON object\"}}"},
    {"{'id':3}", "{\"id\": 3, \"error\": {\"class\": \"GenericError\", \"desc\": \"QMP input lacks member 'execute'\"}}"},
    {"{'execute':1}", "{\"error\": {\"class\": \"GenericError\", \"desc\": \"QMP input member 'execute' must be a string\"}}"},
    {"{'execute':'echo','arguments':[]}",
     "{\"error\": {\"class\": \"GenericError\", \"desc\": \"QMP input member 'arguments' must be an object\"}}"},
    {"{'execute':'echo','extra':0}",
     "{\"error\": {\"class\": \"GenericError\", \"desc\": \"QMP input member 'extra' is unexpected\"}}"},
    {"{'exec-oob':'echo'}",
     "{\"error\": {\"class\": \"GenericError\", \"desc\": \"QMP input member 'exec-oob' is unexpected\"}}"},
    {"{'execute':'silent'}{'execute':'echo','id':9}", "{\"return\": {}, \"id\": 9}"},
};

static void each_request_is_answered(void)
{
    Client *c = negotiated("");

    for (unsigned i = 0; i < G_N_ELEMENTS(requests); i++) {
        say(c, requests[i].in);
        expect(c, requests[i].out);
        expect(c, NULL);
    }
}

static void garbage_costs_one_error(void)
{
    static const char *const garbage[] = {"{'execute': \xff", "%%\n", "}\n", "{'a' 'b'}", "{\x01", "'open\n", "nonsense\n"};
    Client *c = negotiated("");

    for (unsigned i = 0; i < G_N_ELEMENTS(garbage); i++) {
        g_autoptr(Json) j = NULL;

        say(c, garbage[i]);
        j = client_line(c);
        g_assert_nonnull(json_get(j, "error"));
        say(c, "{'execute':'echo','id':1}");
        expect(c, "{\"return\": {}, \"id\": 1}");
    }
}

static void oob_only_where_allowed(void)
{
    Client *c = negotiated("'oob'");

    say(c, "{'exec-oob':'echo','id':1}{'exec-oob':'fail','id':2}");
    expect(c, "{\"return\": {}, \"id\": 1}");
    expect(c, "{\"id\": 2, \"error\": {\"class\": \"GenericError\", \"desc\": \"The command fail does not support OOB\"}}");
    say(c, "{'exec-oob':'echo','execute':'echo'}");
    expect(c, "{\"error\": {\"class\": \"GenericError\", \"desc\": \"QMP input members 'execute' and 'exec-oob' exclude each "
              "other\"}}");
}

static void events_reach_all_before_the_reply(void)
{
    Client *a = negotiated(""), *b = negotiated(""), *deaf = client_new();

    say(a, "{'execute':'event','arguments':{'n':1}}");
    expect(a, "{\"event\": \"HAPPENED\", \"data\": {\"n\": 1}}");
    expect(a, "{\"return\": {}}");
    expect(b, "{\"event\": \"HAPPENED\", \"data\": {\"n\": 1}}");
    expect(b, NULL);
    json_unref(client_line(deaf));
    expect(deaf, NULL);
}

static void *emit_many(void *opaque)
{
    for (int i = 0; i < 100; i++) {
        Json *data = json_dict();

        json_set(data, "n", json_int(i));
        qapi_emit("COUNT", data);
    }
    return NULL;
}

static void events_of_other_threads_keep_their_order(void)
{
    Client *c = negotiated("");
    GThread *thread = g_thread_new("emitter", emit_many, NULL);

    g_thread_join(thread);
    for (int i = 0; i < 100; i++) {
        g_autofree char *text = g_strdup_printf("{\"event\": \"COUNT\", \"data\": {\"n\": %d}}", i);

        expect(c, text);
    }
}

static void storms_are_limited(void)
{
    Client *c = negotiated("");

    for (int i = 0; i < 5; i++) {
        Json *data = json_dict();

        json_set(data, "offset", json_int(i));
        qapi_emit("RTC_CHANGE", data);
    }
    expect(c, "{\"event\": \"RTC_CHANGE\", \"data\": {\"offset\": 0}}");
    expect(c, NULL);
}

/* A client that only writes is not read from for ever, and what it gets later is whole. */
static void slow_client_is_not_read_from(void)
{
    Client *c = negotiated("");
    g_autofree char *blob = g_strnfill(8000, 'x');
    g_autofree char *request = g_strdup_printf("{'execute':'echo','arguments':{'b':'%s'}}", blob);
    size_t size = strlen(request), sent = 0, answered = 0;
    bool is_stuck = false;

    while (!is_stuck && sent < 2000) {
        struct pollfd pfd = {.fd = c->fd, .events = POLLOUT};

        settle();
        is_stuck = poll(&pfd, 1, 0) == 0;
        if (!is_stuck) {
            for (size_t at = 0; at < size;) {
                ssize_t n = write(c->fd, request + at, size - at);

                if (n <= 0) { /* the rest goes once it reads again */
                    client_read(c);
                    is_stuck = true;
                } else {
                    at += n;
                }
                settle();
            }
            sent++;
        }
    }
    g_assert_true(is_stuck);
    for (Json *j; answered < sent && (j = client_line(c)); answered++) {
        json_unref(j);
    }
    g_assert_cmpint(answered, ==, sent);
}

/* However much the answers are to requests that came at once. */
static void no_answer_is_lost(void)
{
    enum { REQUESTS = 40 }; /* larger together than what events may fill */
    Client *c = negotiated("");
    unsigned answered = 0;

    for (unsigned i = 0; i < REQUESTS; i++) {
        g_assert_cmpint(write(c->fd, "{'execute':'large'}", 19), ==, 19);
    }
    for (Json *j; (j = client_line(c));) {
        answered += json_get(j, "return") != NULL;
        json_unref(j);
    }
    g_assert_cmpuint(answered, ==, REQUESTS);
}

static void send_with_fd(Client *c, char *text)
{
    int fd = open("/dev/null", O_RDONLY);
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = {0};
    struct iovec iov = {text, strlen(text)};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
    struct cmsghdr *m = CMSG_FIRSTHDR(&msg);

    m->cmsg_level = SOL_SOCKET;
    m->cmsg_type = SCM_RIGHTS;
    m->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(m), &fd, sizeof(fd));
    g_assert_cmpint(sendmsg(c->fd, &msg, 0), ==, (int)iov.iov_len);
    close(fd);
}

static void descriptors_arrive_with_their_command(void)
{
    Client *c = negotiated("");
    char alone[] = "{'execute':'echo'}", second[] = "{'execute':'echo'} {'execute':'take'}", half[] = "{'execute':";

    taker = c->chardev;
    send_with_fd(c, alone);
    expect(c, "{\"return\": {}}");
    g_assert_cmpint(chardev_take_fd(c->chardev), ==, -1); /* not taken by the command: closed */
    send_with_fd(c, second);
    expect(c, "{\"return\": {}}");
    expect(c, "{\"return\": {}}");
    send_with_fd(c, half);
    say(c, "'take'}");
    expect(c, "{\"return\": {}}");
}

int main(int argc, char **argv)
{
    loop_init();
    clients = g_ptr_array_new();
    qmp_set_commands(table);
    monitor_init();
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/monitor/qmp/negotiation_comes_first", negotiation_comes_first);
    g_test_add_func("/monitor/qmp/each_request_is_answered", each_request_is_answered);
    g_test_add_func("/monitor/qmp/garbage_costs_one_error", garbage_costs_one_error);
    g_test_add_func("/monitor/qmp/oob_only_where_allowed", oob_only_where_allowed);
    g_test_add_func("/monitor/qmp/events_reach_all_before_the_reply", events_reach_all_before_the_reply);
    g_test_add_func("/monitor/qmp/events_of_other_threads_keep_their_order", events_of_other_threads_keep_their_order);
    g_test_add_func("/monitor/qmp/storms_are_limited", storms_are_limited);
    g_test_add_func("/monitor/qmp/slow_client_is_not_read_from", slow_client_is_not_read_from);
    g_test_add_func("/monitor/qmp/no_answer_is_lost", no_answer_is_lost);
    g_test_add_func("/monitor/qmp/descriptors_arrive_with_their_command", descriptors_arrive_with_their_command);
    return g_test_run();
}
