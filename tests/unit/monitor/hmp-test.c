/* tests/unit/monitor/hmp-test.c - the human monitor: rows, arguments, line editing on a real session.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "monitor/monitor.h"
#include "qapi/qmp.h"
#include "util/error.h"
#include "util/log.h"
#include "util/loop.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static GString *called;

static Json *note(const char *name, const Json *args)
{
    g_autofree char *text = json_print(args, false);

    g_string_append_printf(called, "%s %s;", name, text);
    return json_dict();
}

static Json *cmd_stop(const Json *args, GError **errp)
{
    return note("stop", args);
}

static Json *cmd_set_link(const Json *args, GError **errp)
{
    return note("set_link", args);
}

static Json *cmd_netdev_add(const Json *args, GError **errp)
{
    return note("netdev_add", args);
}

static Json *cmd_migrate(const Json *args, GError **errp)
{
    return note("migrate", args);
}

static Json *cmd_capabilities(const Json *args, GError **errp)
{
    return note("caps", args);
}

static Json *cmd_parameters(const Json *args, GError **errp)
{
    static const char text[] = "{'max-bandwidth': 0, 'downtime-limit': 300, 'tls-creds': ''}";

    return json_parse(text, strlen(text), errp);
}

static Json *cmd_set_parameters(const Json *args, GError **errp)
{
    return note("params", args);
}

static const char *migration = "{'status': 'failed', 'error-desc': 'no such host'}";

static Json *cmd_query_migrate(const Json *args, GError **errp)
{
    const char *text = migration;

    return json_parse(text, strlen(text), errp);
}

static Json *cmd_send_key(const Json *args, GError **errp)
{
    return note("keys", args);
}

static Json *cmd_send_event(const Json *args, GError **errp)
{
    return note("events", args);
}

static Json *cmd_query_mice(const Json *args, GError **errp)
{
    static const char text[] = "[{'name': 'Pad', 'index': 3, 'current': true, 'absolute': true},"
                               "{'name': 'Mouse', 'index': 0, 'current': false, 'absolute': false}]";

    return json_parse(text, strlen(text), errp);
}

static Json *cmd_refuse(const Json *args, GError **errp)
{
    fail(errp, "not now");
    return NULL;
}

static const QmpCommand table[] = {
    {"stop", cmd_stop, 0},
    {"set_link", cmd_set_link, 0},
    {"netdev_add", cmd_netdev_add, 0},
    {"migrate", cmd_migrate, 0},
    {"migrate-set-capabilities", cmd_capabilities, 0},
    {"query-migrate-parameters", cmd_parameters, 0},
    {"migrate-set-parameters", cmd_set_parameters, 0},
    {"query-migrate", cmd_query_migrate, 0},
    {"system_reset", cmd_refuse, 0},
    {"send-key", cmd_send_key, 0},
    {"input-send-event", cmd_send_event, 0},
    {"query-mice", cmd_query_mice, 0},
    {},
};

#define CODE(name) "{\"type\": \"qcode\", \"data\": \"" name "\"}"
#define MOVE(axis, by) "{\"type\": \"rel\", \"data\": {\"axis\": \"" axis "\", \"value\": " #by "}}"
#define PRESS(name, down) "{\"type\": \"btn\", \"data\": {\"button\": \"" name "\", \"down\": " #down "}}"

static const struct {
    const char *line, *called, *printed;
} lines[] = {
    {"stop", "stop {};", ""},
    {"s", "stop {};", ""},
    {"  stop  ", "stop {};", ""},
    {"stop now", "", "Error: stop|s: too many arguments, from 'now' on\n"},
    {"set_link net0 off", "set_link {\"name\": \"net0\", \"up\": false};", ""},
    {"set_link \"a b\" on", "set_link {\"name\": \"a b\", \"up\": true};", ""},
    {"set_link net0", "", "Error: 'up' is missing\n"},
    {"set_link net0 maybe", "", "Error: 'up' has to be on or off, not 'maybe'\n"},
    {"netdev_add user,id=n0,hostfwd=tcp::1-:2,hostfwd=tcp::3-:4",
     "netdev_add {\"type\": \"user\", \"id\": \"n0\", \"hostfwd\": [\"tcp::1-:2\", \"tcp::3-:4\"]};", ""},
    {"netdev_add stream,id=n0,addr.type=unix", "netdev_add {\"type\": \"stream\", \"id\": \"n0\", \"addr\": {\"type\": "
                                               "\"unix\"}};", ""},
    {"migrate -d tcp:h:1", "migrate {\"uri\": \"tcp:h:1\"};", ""},
    {"migrate_set_capability events on",
     "caps {\"capabilities\": [{\"capability\": \"events\", \"state\": true}]};", ""},
    {"migrate_set_parameter max-bandwidth 2", "params {\"max-bandwidth\": 2097152};", ""},
    {"migrate_set_parameter max-bandwidth 1G", "params {\"max-bandwidth\": 1073741824};", ""},
    {"migrate_set_parameter downtime-limit 20", "params {\"downtime-limit\": 20};", ""},
    {"migrate_set_parameter tls-creds x", "params {\"tls-creds\": \"x\"};", ""},
    {"system_reset", "", "Error: not now\n"},
    {"quit", "", "Error: The command quit has not been found\n"},
    {"frobnicate", "", "unknown command: 'frobnicate'\n"},
    {"info frobnicate", "", "unknown command: 'info frobnicate'\n"},
    {"info migrate", "", "Migration status: failed\nerror-desc: no such host\n"},
    {"xp /0x 0", "", "Error: count has to be from 1 to 65536\n"},
    {"xp /4xw nowhere", "", "'nowhere' is no address\n"},
    {"xp /2xb 0x12345678", "", "0000000012345678:\nCannot access memory at 0x12345678\n"},
    {"sendkey ctrl-alt-f1", "keys {\"keys\": [" CODE("ctrl") ", " CODE("alt") ", " CODE("f1") "]};", ""},
    {"sendkey < 50", "keys {\"keys\": [" CODE("less") "], \"hold-time\": 50};", ""},
    {"sendkey 0x1d-a", "keys {\"keys\": [{\"type\": \"number\", \"data\": 29}, " CODE("a") "]};", ""},
    {"sendkey", "", "Error: 'keys' is missing\n"},
    {"mouse_move -5 7", "events {\"events\": [" MOVE("x", -5) ", " MOVE("y", 7) "]};", ""},
    {"mouse_move 0 0 -1", "events {\"events\": [" MOVE("x", 0) ", " MOVE("y", 0) ", " PRESS("wheel-down", true) ", "
                          PRESS("wheel-down", false) "]};", ""},
    {"mouse_button 5", "events {\"events\": [" PRESS("left", true) ", " PRESS("right", true) "]};", ""},
    {"mouse_button 2", "events {\"events\": [" PRESS("left", false) ", " PRESS("middle", true) ", "
                       PRESS("right", false) "]};", ""},
    {"mouse_button 0", "events {\"events\": [" PRESS("middle", false) "]};", ""},
    {"info mice", "", "* Mouse #3: Pad (absolute)\n  Mouse #0: Mouse\n"},
    {"", "", ""},
    {"# remark", "", ""},
};

static void log_help_is_told_to_who_asks(void)
{
    g_autofree char *help = NULL;

    log_flags = LOG_INT;
    help = hmp_run("log help");
    g_assert_nonnull(strstr(help, "guest_errors"));
    g_assert_cmphex(log_flags, ==, LOG_INT);
    log_flags = 0;
}

static void lines_become_commands(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(lines); i++) {
        g_autofree char *printed = NULL;

        g_string_truncate(called, 0);
        printed = hmp_run(lines[i].line);
        g_assert_cmpstr(printed, ==, lines[i].printed);
        g_assert_cmpstr(called->str, ==, lines[i].called);
    }
}

static void added_info(GString *out)
{
    g_string_append(out, "from elsewhere\n");
}

static void others_can_add_infos(void)
{
    g_autofree char *text = NULL, *help = NULL;

    hmp_add_info("elsewhere", "a test", added_info);
    text = hmp_run("info elsewhere");
    g_assert_cmpstr(text, ==, "from elsewhere\n");
    help = hmp_run("help info");
    g_assert_nonnull(strstr(help, "info elsewhere"));
}

/* ---- a session ---- */

static int session_fd(void)
{
    static int count;
    g_autofree char *text = NULL, *id = g_strdup_printf("hmp%d", count++);
    int pair[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
    text = g_strdup_printf("fd:%d", pair[1]);
    g_assert_true(monitor_add_hmp(chardev_from_short(id, text, NULL), NULL));
    fcntl(pair[0], F_SETFL, O_NONBLOCK);
    return pair[0];
}

static void type(int fd, const char *keys)
{
    char buf[65536];

    g_string_truncate(called, 0);
    g_assert_cmpint(write(fd, keys, strlen(keys)), ==, (int)strlen(keys));
    while (g_main_context_iteration(NULL, false)) {
    }
    while (read(fd, buf, sizeof(buf)) > 0) {
    }
}

static void keys_edit_the_line(void)
{
    static const struct {
        const char *keys, *called;
    } cases[] = {
        {"stop\r", "stop {};"},
        {"stop\r\n", "stop {};"},
        {"stopx\177\n", "stop {};"},
        {"top\001s\n", "stop {};"},               /* Ctrl-A */
        {"stp\033[Do\n", "stop {};"},             /* left */
        {"xxstop\001\033[3~\033[3~\n", "stop {};"}, /* home, delete twice */
        {"junk\025stop\n", "stop {};"},           /* Ctrl-U */
        {"stop junk\027\n", "stop {};"},          /* Ctrl-W */
        {"\033[A\033[A\n", "stop {};"},           /* history: the one before the last */
        {"sto\t\n", "stop {};"},                  /* completion */
        {"stop\nset_link n on\n", "stop {};set_link {\"name\": \"n\", \"up\": true};"},
    };
    int fd = session_fd();

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_test_message("case %u", i);
        type(fd, cases[i].keys);
        g_assert_cmpstr(called->str, ==, cases[i].called);
    }
}

/* Without -d the session waits, says how it ended, and takes what was typed meanwhile. */
static void migrate_shows(const char *status)
{
    g_autoptr(GString) seen = g_string_new(NULL);
    int fd = session_fd();
    char buf[4096];
    ssize_t n;

    g_string_truncate(called, 0);
    g_assert_cmpint(write(fd, "migrate tcp:h:1\nstop\n", 21), ==, 21);
    while (!strstr(called->str, "stop")) {
        g_main_context_iteration(NULL, true);
    }
    while ((n = read(fd, buf, sizeof(buf))) > 0) {
        g_string_append_len(seen, buf, n);
    }
    g_assert_nonnull(strstr(seen->str, status));
    g_assert_cmpstr(called->str, ==, "migrate {\"uri\": \"tcp:h:1\"};stop {};");
}

static void migrate_shows_how_it_goes(void)
{
    const char *failed = migration;

    migrate_shows("Migration status: failed: no such host");
    migration = "{'status': 'pre-switchover'}"; /* `migrate_continue` has to be typed somewhere */
    migrate_shows("Migration status: pre-switchover");
    migration = failed;
}

int main(int argc, char **argv)
{
    loop_init();
    called = g_string_new(NULL);
    qmp_set_commands(table);
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/monitor/hmp/lines_become_commands", lines_become_commands);
    g_test_add_func("/monitor/hmp/log_help_is_told_to_who_asks", log_help_is_told_to_who_asks);
    g_test_add_func("/monitor/hmp/others_can_add_infos", others_can_add_infos);
    g_test_add_func("/monitor/hmp/keys_edit_the_line", keys_edit_the_line);
    g_test_add_func("/monitor/hmp/migrate_shows_how_it_goes", migrate_shows_how_it_goes);
    return g_test_run();
}
