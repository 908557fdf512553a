/* monitor/qmp.c - QMP on a chardev: greeting, negotiation, commands in, replies and events out.
 * Owner: main loop (vm_lock).  Page: docs/monitor.md.  Test: tests/unit/monitor/qmp-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A command runs as soon as it is whole; there is never more than one under way, so in-band replies are in order, and an
 * out-of-band command waits for nothing either.  A client that does not read is not read from: beyond READ_WHILE bytes
 * of unread output no more input is taken.  Events for such a client are counted and dropped beyond OUTPUT_MAX. */
#include "monitor-private.h"
#include "qapi/qapi-commands.h"
#include "util/error.h"
#include "util/log.h"

#include <string.h>
#include <unistd.h>

#define READ_WHILE (256 * 1024)

typedef struct Qmp {
    Chardev *chardev;
    JsonStream *stream;
    Output *out;
    bool is_pretty, is_negotiated, has_oob;
    uint64_t lost_events;
} Qmp;

static GPtrArray *monitors; /* of Qmp; for the life of the process */
static Qmp *current;        /* whose command runs now */

/* ---- out ---- */

static void send_json(Qmp *q, const Json *j)
{
    g_autofree char *text = json_print(j, q->is_pretty);
    g_autofree char *line = g_strconcat(text, "\r\n", NULL);

    output_text(q->out, line, strlen(line));
}

static void send_event(const Json *event, void *opaque)
{
    Qmp *q = opaque;

    if (!q->is_negotiated) {
        return;
    }
    if (output_waiting(q->out) >= OUTPUT_MAX) {
        if (!q->lost_events++) {
            warn_report("QMP client on chardev '%s' does not read; its events are lost", chardev_id(q->chardev));
        }
        return;
    }
    send_json(q, event);
}

static void send_greeting(Qmp *q)
{
    g_autoptr(Json) greeting = json_dict(), none = json_dict();
    Json *inner = json_dict(), *capabilities = json_list(), *version = qmp_call("query-version", none, NULL);

    json_set(inner, "version", version ? version : json_dict());
    json_append(capabilities, json_string("oob"));
    json_set(inner, "capabilities", capabilities);
    json_set(greeting, "QMP", inner);
    send_json(q, greeting);
}

/* Takes result and err; one of them is NULL. */
static void send_reply(Qmp *q, const Json *id, Json *result, GError *err)
{
    g_autoptr(Json) reply = json_dict();

    if (err) {
        Json *error = json_dict();

        if (id) {
            json_set(reply, "id", json_ref(id));
        }
        json_set(error, "class",
                 json_string(error_class_name(err->domain == BATON_ERROR ? err->code : ERROR_CLASS_GENERIC)));
        json_set(error, "desc", json_string(err->message));
        json_set(reply, "error", error);
        g_error_free(err);
    } else {
        json_set(reply, "return", result);
        if (id) {
            json_set(reply, "id", json_ref(id));
        }
    }
    send_json(q, reply);
}

/* ---- commands ---- */

static bool check_members(const Json *request, GError **errp)
{
    static const char *const known[] = {"execute", "exec-oob", "arguments", "id", NULL};

    for (size_t i = 0; i < json_size(request); i++) {
        const char *key = json_key_at(request, i);
        const Json *value = json_value_at(request, i);

        if (!g_strv_contains(known, key)) {
            return fail(errp, "QMP input member '%s' is unexpected", key);
        }
        if (g_str_has_prefix(key, "exec") && !json_is(value, JSON_STRING)) {
            return fail(errp, "QMP input member '%s' must be a string", key);
        }
        if (!strcmp(key, "arguments") && !json_is(value, JSON_DICT)) {
            return fail(errp, "QMP input member 'arguments' must be an object");
        }
    }
    return true;
}

static bool check_request(const Qmp *q, const Json *request, bool *ret_oob, const char **ret_name, GError **errp)
{
    const char *name, *oob;

    if (!json_is(request, JSON_DICT)) {
        return fail(errp, "QMP input must be a JSON object");
    }
    if (!check_members(request, errp)) {
        return false;
    }
    name = json_get_str(request, "execute");
    oob = json_get_str(request, "exec-oob");
    if (!name == !oob) {
        return fail(errp, name ? "QMP input members 'execute' and 'exec-oob' exclude each other"
                               : "QMP input lacks member 'execute'");
    }
    if (oob && !q->has_oob) {
        return fail(errp, "QMP input member 'exec-oob' is unexpected");
    }
    *ret_oob = oob != NULL;
    *ret_name = name ? name : oob;
    return true;
}

static bool is_capabilities(const char *name)
{
    return !strcmp(name, "qmp_capabilities");
}

static const QmpCommand *find_command(const Qmp *q, const char *name, bool oob, GError **errp)
{
    const QmpCommand *c;

    if (!q->is_negotiated && !is_capabilities(name)) {
        fail_class(errp, ERROR_CLASS_COMMAND_NOT_FOUND,
                   "Expecting capabilities negotiation with 'qmp_capabilities'");
        return NULL;
    }
    if (q->is_negotiated && is_capabilities(name)) {
        fail_class(errp, ERROR_CLASS_COMMAND_NOT_FOUND,
                   "Capabilities negotiation is already complete, command ignored");
        return NULL;
    }
    c = qmp_find(name);
    if (!c) {
        fail_class(errp, ERROR_CLASS_COMMAND_NOT_FOUND, "The command %s has not been found", name);
        return NULL;
    }
    if (oob && !(c->flags & QMP_ALLOW_OOB)) {
        fail(errp, "The command %s does not support OOB", name);
        return NULL;
    }
    return c;
}

static void drop_fds(Chardev *c)
{
    int fd;

    while ((fd = chardev_take_fd(c)) >= 0) {
        close(fd);
    }
}

static Json *run(Qmp *q, const Json *request, bool *ret_reply, GError **errp)
{
    g_autoptr(Json) none = json_dict();
    const Json *args;
    const QmpCommand *c;
    const char *name = NULL;
    Json *result;
    bool oob = false;

    *ret_reply = true;
    if (!check_request(q, request, &oob, &name, errp)) {
        return NULL;
    }
    c = find_command(q, name, oob, errp);
    if (!c) {
        return NULL;
    }
    args = json_get(request, "arguments");
    TRACE(qmp_command, "%s on %s", name, chardev_id(q->chardev));
    current = q;
    result = c->run(args ? args : none, errp);
    current = NULL;
    *ret_reply = !result || !(c->flags & QMP_NO_REPLY);
    return result;
}

static void on_value(Json *value, GError *error, void *opaque)
{
    Qmp *q = opaque;
    g_autoptr(Json) request = value;
    Json *result = NULL;
    bool wants_reply = true;

    if (!error) {
        result = run(q, request, &wants_reply, &error);
    }
    g_assert(!result != !error);
    if (wants_reply) {
        send_reply(q, request ? json_get(request, "id") : NULL, result, error);
    } else {
        json_unref(result);
    }
}

int qmp_take_fd(void)
{
    return current ? chardev_take_fd(current->chardev) : -1;
}

bool qmp_qmp_capabilities(const QmpCapabilitiesArgs *args, GError **errp)
{
    if (!current) {
        return fail(errp, "only for QMP clients");
    }
    for (const QMPCapabilityList *e = args->enable; e; e = e->next) {
        current->has_oob |= e->value == QMP_CAPABILITY_OOB;
    }
    current->is_negotiated = true;
    return true;
}

/* ---- the chardev ---- */

static size_t qmp_can_read(void *opaque)
{
    Qmp *q = opaque;

    return output_waiting(q->out) < READ_WHILE ? 4096 : 0;
}

/* Descriptors come with some byte of their command, maybe together with commands before it; what none of these took is
 * nobody's. */
static void qmp_read(void *opaque, const uint8_t *data, size_t size)
{
    Qmp *q = opaque;

    json_stream_feed(q->stream, data, size);
    if (json_stream_is_between(q->stream)) {
        drop_fds(q->chardev);
    }
}

static void client_reset(Qmp *q)
{
    json_stream_free(q->stream);
    q->stream = json_stream_new(on_value, q);
    output_clear(q->out);
    q->is_negotiated = q->has_oob = false;
    if (q->lost_events) {
        warn_report("QMP client on chardev '%s' lost %" G_GUINT64_FORMAT " events", chardev_id(q->chardev),
                    q->lost_events);
        q->lost_events = 0;
    }
}

static void qmp_event(void *opaque, ChardevEvent event)
{
    Qmp *q = opaque;

    if (event == CHARDEV_OPENED) {
        client_reset(q);
        send_greeting(q);
    } else if (event == CHARDEV_CLOSED) {
        client_reset(q);
    }
}

static void qmp_can_write(void *opaque)
{
    Qmp *q = opaque;

    output_more(q->out);
    chardev_accept_input(q->chardev);
}

bool monitor_add_qmp(Chardev *c, bool is_pretty, GError **errp)
{
    static const ChardevHandlers handlers = {qmp_can_read, qmp_read, qmp_event, qmp_can_write};
    Qmp *q = g_new0(Qmp, 1);

    q->chardev = c;
    q->is_pretty = is_pretty;
    q->out = output_new(c);
    q->stream = json_stream_new(on_value, q);
    if (!chardev_claim(c, &handlers, q, errp)) {
        json_stream_free(q->stream);
        g_free(q);
        return false;
    }
    g_ptr_array_add(monitors, q);
    events_add_sink(send_event, q);
    return true;
}

void monitor_flush_all(void)
{
    for (unsigned i = 0; monitors && i < monitors->len; i++) {
        output_more(((Qmp *)monitors->pdata[i])->out);
    }
}

void monitor_init(void)
{
    monitors = g_ptr_array_new();
    events_init();
}
