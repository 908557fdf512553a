/* tools/view/main.c - baton-view: a SPICE client, with windows where that can be.  Page: docs/view.md.
 * Test: tests/functional/view-test.py
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "config-host.h"
#include "connect.h"
#include "window.h"
#include "system/vm-lock.h"
#include "ui/screendump.h"
#include "ui/spice/ticket.h"
#include "util/bytes.h"
#include "util/error.h"

#include <signal.h>
#include <spice/protocol.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES (64 * 1024)  /* of an order */

static ViewSession *session;
static GString *input;
static bool wants_events = true;
static bool has_windows;
static LoopWatch *orders_watch;
static int exit_code;

/* ---- what the session is in ---- */

static SpiceWire *host_connect(void *opaque, const ViewPlace *to, GError **errp)
{
    return connect_to_place(to, errp);
}

static void host_say(void *opaque, const char *line)
{
    if (wants_events) {
        puts(line);
        fflush(stdout);
    }
}

static void host_over(void *opaque)
{
    exit_code = 1;
    loop_quit(exit_code);
}

static void host_drawn(void *opaque, uint8_t display, const pixman_box32_t *box)
{
    if (has_windows) {
        window_drawn(session, display, box);
    }
}

static void host_pointer(void *opaque, uint8_t display, const ViewPointer *p)
{
    if (has_windows) {
        window_pointer(session, display, p);
    }
}

static void window_closed(void)
{
    loop_quit(0);
}

static const SessionHost host = {.connect = host_connect, .say = host_say, .over = host_over, .drawn = host_drawn,
                                 .pointer = host_pointer};

/* ---- orders ---- */

static bool write_picture(const char *path, bool is_png, GError **errp)
{
    pixman_image_t *image = surfaces_find(session->surfaces, 0, 0);
    g_autoptr(GByteArray) data = NULL;

    if (!image) {
        return fail(errp, "there is no screen");
    }
    data = is_png ? screendump_png(image, errp) : screendump_ppm(image);
    return data && g_file_set_contents(path, (const char *)data->data, data->len, errp);
}

static bool press_codes(const char *text, GError **errp)
{
    g_auto(GStrv) words = g_strsplit(text, " ", -1);
    uint8_t codes[16];
    unsigned n = 0;

    for (unsigned i = 0; words[i]; i++) {
        uint64_t code;

        if (n == sizeof(codes) || !g_ascii_string_to_unsigned(words[i], 16, 0, 255, &code, NULL)) {
            return fail(errp, "not up to %zu bytes in hexadecimal: %s", sizeof(codes), text);
        }
        codes[n++] = code;
    }
    return view_scancodes(session, codes, n) || fail(errp, "there is no keyboard");
}

static bool order_type(const char *arg, GError **errp)
{
    return view_type(session, arg) || fail(errp, "there is no keyboard, or it is too much");
}

static bool order_enter(const char *arg, GError **errp)
{
    return view_type(session, "\n") || fail(errp, "there is no keyboard");
}

static bool order_png(const char *arg, GError **errp)
{
    return write_picture(arg, true, errp);
}

static bool order_ppm(const char *arg, GError **errp)
{
    return write_picture(arg, false, errp);
}

static bool order_move(const char *arg, GError **errp)
{
    unsigned x, y;

    return (sscanf(arg, "%u %u", &x, &y) == 2 && view_move(session, 0, x, y)) || fail(errp, "no position, or none is wanted");
}

static bool order_button(const char *arg, GError **errp)
{
    unsigned button, is_down;

    return (sscanf(arg, "%u %u", &button, &is_down) == 2 && view_button(session, button, is_down)) || fail(errp, "no button");
}

/* As C has it: a letter for a control, or up to three octal digits; else what is behind a backslash is itself. */
static GByteArray *unescape(const char *text)
{
    static const char letters[] = "bfnrtv", controls[] = "\b\f\n\r\t\v";
    GByteArray *b = g_byte_array_new();

    while (*text) {
        uint8_t byte = *text++;

        if (byte == '\\' && *text >= '0' && *text <= '7') {
            byte = 0;
            for (unsigned n = 0; n < 3 && *text >= '0' && *text <= '7'; n++) {
                byte = byte * 8 + *text++ - '0';
            }
        } else if (byte == '\\' && *text) {
            const char *letter = strchr(letters, *text);

            byte = letter ? controls[letter - letters] : *text;
            text++;
        }
        g_byte_array_append(b, &byte, 1);
    }
    return b;
}

static bool order_port(const char *arg, GError **errp)
{
    g_autoptr(GByteArray) bytes = NULL;
    unsigned id;
    int at = 0;

    if (sscanf(arg, "%u%n", &id, &at) != 1 || id > UINT8_MAX || arg[at] != ' ' || !arg[at + 1]) {
        return fail(errp, "no number, or nothing to say");
    }
    bytes = unescape(arg + at + 1);
    return view_port_say(session, id, bytes->data, bytes->len) || fail(errp, "there is no such port, or it is too much");
}

static bool order_quit(const char *arg, GError **errp)
{
    loop_quit(0);
    return true;
}

static const struct {
    const char *name, *help;
    bool (*obey)(const char *arg, GError **errp);
} orders[] = {
    {"type", "TEXT: its keys, of a US keyboard", order_type},
    {"enter", ": the enter key", order_enter},
    {"codes", "XX...: scan codes of set 1, in hexadecimal", press_codes},
    {"move", "X Y: the pointer, where the guest has a tablet", order_move},
    {"button", "N 0|1: button N up or down", order_button},
    {"port", "N TEXT: to port N, with \\n and \\ooo as in C; --ports", order_port},
    {"png", "FILE: the first screen", order_png},
    {"ppm", "FILE: the first screen", order_ppm},
    {"quit", "", order_quit},
};

static void obey(const char *line)
{
    size_t n = strcspn(line, " ");

    for (unsigned i = 0; i < G_N_ELEMENTS(orders); i++) {
        if (strlen(orders[i].name) == n && !strncmp(orders[i].name, line, n)) {
            g_autoptr(GError) err = NULL;
            bool ok = orders[i].obey(line[n] ? line + n + 1 : "", &err);

            printf(ok ? "done %s\n" : "failed %s: %s\n", orders[i].name, ok ? "" : err->message);
            fflush(stdout);
            return;
        }
    }
    printf("failed: no such order\n");
    fflush(stdout);
}

static void order(int fd, GIOCondition ready, void *opaque)
{
    char buffer[4096], *end;
    ssize_t n = read(fd, buffer, sizeof(buffer));

    g_string_append_len(input, buffer, MAX(n, 0));
    if (n <= 0 && input->len) {
        g_string_append_c(input, '\n'); /* the last line is one without it, too */
    }
    while ((end = memchr(input->str, '\n', input->len))) {
        *end = 0;
        obey(input->str);
        g_string_erase(input, 0, end + 1 - input->str);
    }
    if (input->len > LINE_MAX_BYTES) {
        printf("failed: an order of more than %d bytes\n", LINE_MAX_BYTES);
        loop_quit(1);
    } else if (n <= 0 && has_windows) {
        g_clear_pointer(&orders_watch, loop_watch_free); /* people may have started it from a menu */
    } else if (n <= 0) {
        loop_quit(n ? 1 : 0);
    }
}

/* ---- the command line ---- */

static const char *description(void)
{
    static GString *text;

    text = g_string_new("A window for each screen, where there is a desktop: a click takes the pointer if the guest has no "
                        "tablet, Ctrl+Alt gives it back, Shift+F11 is the whole screen.  What happens is a line on "
                        "standard output; orders are lines on standard input:\n");
    for (unsigned i = 0; i < G_N_ELEMENTS(orders); i++) {
        g_string_append_printf(text, "  %s %s\n", orders[i].name, orders[i].help);
    }
    return text->str;
}

/* HOST:PORT, [HOST]:PORT, or a unix socket's path. */
static bool parse_place(const char *text, ViewPlace *ret, GError **errp)
{
    const char *colon = strrchr(text, ':');
    bool has_brackets = text[0] == '[' && colon && colon[-1] == ']';
    uint64_t port;

    if (text[0] == '/') {
        ret->host = g_strdup(text);
        return true;
    }
    if (!colon || colon == text || !g_ascii_string_to_unsigned(colon + 1, 10, 1, 65535, &port, NULL)) {
        return fail(errp, "not HOST:PORT, nor a path: %s", text);
    }
    ret->host = has_brackets ? g_strndup(text + 1, colon - text - 2) : g_strndup(text, colon - text);
    ret->port = port;
    return true;
}

static char *ca_file, *subject, *password_file;
static gboolean use_tls, use_ports, is_silent, is_headless;

static const GOptionEntry entries[] = {
    {"tls", 't', 0, G_OPTION_ARG_NONE, &use_tls, "the port is one for TLS", NULL},
    {"ca-file", 0, 0, G_OPTION_ARG_FILENAME, &ca_file, "the authority's certificate", "FILE"},
    {"host-subject", 0, 0, G_OPTION_ARG_STRING, &subject, "the subject of the server's certificate, instead of the host", "TEXT"},
    {"password-file", 0, 0, G_OPTION_ARG_FILENAME, &password_file, "its first line is the ticket", "FILE"},
    {"headless", 0, 0, G_OPTION_ARG_NONE, &is_headless, "no window", NULL},
    {"ports", 0, 0, G_OPTION_ARG_NONE, &use_ports, "has the guest's ports, unless another client has them", NULL},
    {"quiet", 'q', 0, G_OPTION_ARG_NONE, &is_silent, "no lines but the answers to orders", NULL},
    {},
};

static bool parse(int argc, char **argv, ViewPlace *ret, char **ret_password, GError **errp)
{
    GOptionContext *context = g_option_context_new("HOST:PORT|SOCKET");
    g_autofree char *contents = NULL;
    bool ok;

    g_option_context_add_main_entries(context, entries, NULL);
    g_option_context_set_summary(context, "A client for SPICE servers, which goes with the guest when that is handed over.");
    g_option_context_set_description(context, description());
    ok = g_option_context_parse(context, &argc, &argv, errp);
    g_option_context_free(context);
    if (!ok || (argc != 2 && !fail(errp, "one server is wanted: HOST:PORT or a path")) || !parse_place(argv[1], ret, errp) ||
        (password_file && !g_file_get_contents(password_file, &contents, NULL, errp)) ||
        (ca_file && !connect_load_ca(ca_file, errp))) {
        return false;
    }
    if (contents) {
        *ret_password = g_strndup(contents, strcspn(contents, "\r\n"));
    }
    if (contents && strlen(*ret_password) > PASSWORD_MAX) {
        return fail(errp, "%s: a password has at most %d bytes", password_file, PASSWORD_MAX);
    }
    if (use_tls && !ret->port) {
        return fail(errp, "%s: there is no TLS over a unix socket", ret->host);
    }
    if (use_tls) {
        ret->tls_port = ret->port;
        ret->port = 0;
    }
    ret->subject = g_strdup(subject);
    return true;
}

int main(int argc, char **argv)
{
    g_autofree char *password = NULL;
    GError *err = NULL;
    ViewPlace at = {0};

    signal(SIGPIPE, SIG_IGN);
    if (!parse(argc, argv, &at, &password, &err)) {
        error_report_free(NULL, err);
        return 2;
    }
    wants_events = !is_silent;
    has_windows = !is_headless && window_can_open();
    window_init(window_closed);
    loop_init();
    vm_lock();
    input = g_string_new(NULL);
    session = session_new(&host, NULL, &at, password);
    session->has_ports = use_ports;
    place_clear(&at);
    orders_watch = loop_watch(STDIN_FILENO, G_IO_IN, order, NULL);
    session_start(session);
    if (!session->is_over) {
        exit_code = loop_run();
    }
    window_close_all();
    session_free(session);
    return exit_code;
}
