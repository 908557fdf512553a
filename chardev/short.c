/* chardev/short.c - the short forms of -serial, -monitor, -qmp and -qtest.  Page: docs/user/command-line.md.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "backend.h"
#include "qapi/opts.h"
#include "util/error.h"

#include <string.h>

/* "H:P,opts", "[::1]:P,opts", ":P": the host and port go into the dict, the rest is options. */
static Json *parse_tcp(const char *text, GError **errp)
{
    const char *comma = strchr(text, ','), *end = comma ? comma : text + strlen(text), *colon = NULL;
    g_autoptr(Json) options = comma ? opts_parse(comma + 1, NULL, NULL, errp) : json_dict();

    for (const char *p = text; p < end; p++) {
        colon = *p == ':' ? p : colon;
    }
    if (options && !colon) {
        fail(errp, "expected host:port, not '%.*s'", (int)(end - text), text);
    }
    if (options && colon) {
        bool brackets = *text == '[' && colon > text && colon[-1] == ']';
        g_autofree char *host = g_strndup(text + brackets, colon - text - 2 * brackets);
        g_autofree char *port = g_strndup(colon + 1, end - colon - 1);

        json_set(options, "host", json_string(host));
        json_set(options, "port", json_string(port));
        return g_steal_pointer(&options);
    }
    return NULL;
}

static Json *parse_path(const char *text, GError **errp)
{
    return opts_parse(text, "path", NULL, errp);
}

static Json *parse_fd(const char *text, GError **errp)
{
    return opts_parse(text, "fd", NULL, errp);
}

static Json *parse_options(const char *text, GError **errp)
{
    return *text ? opts_parse(text, NULL, NULL, errp) : json_dict();
}

static const struct {
    const char *prefix, *backend;
    Json *(*parse)(const char *text, GError **errp); /* what is behind the prefix */
} forms[] = {
    {"unix:", "socket", parse_path}, {"tcp:", "socket", parse_tcp},     {"file:", "file", parse_path},
    {"pipe:", "pipe", parse_path},   {"fd:", "fd", parse_fd},           {"stdio", "stdio", parse_options},
    {"null", "null", parse_options}, {"pty", "pty", parse_options},     {"vc", "null", NULL},
    {"ringbuf", "ringbuf", parse_options},
};

static const char *behind(const char *text, const char *prefix)
{
    size_t size = strlen(prefix);

    if (strncmp(text, prefix, size)) {
        return NULL;
    }
    text += size;
    if (prefix[size - 1] == ':') {
        return text;
    }
    return *text == ',' ? text + 1 : *text == ':' || !*text ? text : NULL;
}

static Json *short_options(const char *text, GError **errp)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(forms); i++) {
        const char *rest = behind(text, forms[i].prefix);
        Json *options;

        if (rest) {
            options = forms[i].parse ? forms[i].parse(rest, errp) : json_dict();
            if (options) {
                json_set(options, "backend", json_string(forms[i].backend));
            }
            return options;
        }
    }
    fail(errp, "'%s' is no character device; accepted: unix:PATH, tcp:HOST:PORT, file:PATH, pipe:PATH, fd:N, stdio, "
               "mon:stdio, pty, null, none, ringbuf, chardev:ID", text);
    return NULL;
}

Chardev *chardev_from_short(const char *label, const char *text, GError **errp)
{
    const char *id = behind(text, "chardev:"), *rest = behind(text, "mon:");
    g_autoptr(Json) options = NULL;
    Chardev *c;

    if (!strcmp(text, "none")) {
        return NULL;
    }
    if (id) {
        c = chardev_find(id);
        if (!c) {
            fail(errp, "chardev \"%s\" not found", id);
        }
        return c ? chardev_front(c) : NULL;
    }
    options = short_options(rest ? rest : text, errp);
    if (!options) {
        return NULL;
    }
    json_set(options, "id", json_string(label));
    if (rest) {
        json_set(options, "mux", json_string("on"));
        if (!strcmp(json_get_str(options, "backend"), "stdio") && !json_get(options, "signal")) {
            json_set(options, "signal", json_string("off")); /* Ctrl-C is the guest's */
        }
    }
    c = chardev_add(options, errp);
    return c ? chardev_front(c) : NULL;
}
