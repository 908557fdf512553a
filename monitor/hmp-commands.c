/* monitor/hmp-commands.c - the rows of the human monitor that do something.  Page: docs/monitor.md.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "config-host.h"
#include "monitor-private.h"
#include "qapi/opts.h"
#include "qapi/qmp.h"
#include "qapi/text.h"
#include "system/region.h"
#include "util/error.h"
#include "util/log.h"

#include <inttypes.h>
#include <string.h>

/* ---- help ---- */

static void help_row(GString *out, const char *prefix, const char *name, const char *args, const char *about)
{
    g_autofree char *left = g_strconcat(prefix, name, args ? " " : "", args ? args : "", NULL);

    g_string_append_printf(out, "%-38s %s\n", left, about ? about : "");
}

static void help_info(const char *name, const char *about, void *opaque)
{
    help_row(opaque, "info ", name, NULL, about);
}

static void do_help(HmpCall *call)
{
    const char *about = json_get_str(call->args, "name");

    for (const HmpCommand *c = hmp_commands; c->name; c++) {
        if (!about || g_str_has_prefix(c->name, about)) {
            help_row(call->out, "", c->name, c->args, c->about);
        }
    }
    if (!about || !strcmp(about, "info")) {
        hmp_each_info(help_info, call->out);
    }
}

/* ---- migration ---- */

static void do_migrate(HmpCall *call)
{
    Json *args = json_dict(), *result;

    json_set(args, "uri", json_string(json_get_str(call->args, "uri")));
    if (json_get(call->args, "r")) {
        json_set(args, "resume", json_bool(true));
    }
    result = hmp_qmp(call, "migrate", args);
    call->wants_progress = result && !json_get(call->args, "d");
    json_unref(result);
}

static void do_set_capability(HmpCall *call)
{
    Json *args = json_dict(), *list = json_list(), *item = json_dict();

    json_set(item, "capability", json_string(json_get_str(call->args, "name")));
    json_set(item, "state", json_bool(json_get_bool(json_get(call->args, "state"))));
    json_append(list, item);
    json_set(args, "capabilities", list);
    json_unref(hmp_qmp(call, "migrate-set-capabilities", args));
}

/* The type is that of the value it has now; sizes may have a suffix, and bandwidths without one are MiB/s as in QEMU. */
static Json *parameter_value(const Json *old, const char *name, const char *text)
{
    bool is_bandwidth = g_str_has_suffix(name, "bandwidth") || !strcmp(name, "xbzrle-cache-size");
    uint64_t size;
    bool on;

    if (json_is(old, JSON_BOOL) && text_to_bool(text, &on)) {
        return json_bool(on);
    }
    if ((json_is(old, JSON_INT) || json_is(old, JSON_UINT)) && text_to_size(text, is_bandwidth ? 1 << 20 : 1, &size)) {
        return json_uint(size);
    }
    return json_string(text);
}

static void do_set_parameter(HmpCall *call)
{
    const char *name = json_get_str(call->args, "name");
    g_autoptr(Json) now = hmp_qmp(call, "query-migrate-parameters", NULL);
    Json *args;

    if (now) {
        args = json_dict();
        json_set(args, name, parameter_value(json_get(now, name), name, json_get_str(call->args, "value")));
        json_unref(hmp_qmp(call, "migrate-set-parameters", args));
    }
}

static void do_continue(HmpCall *call)
{
    Json *args = json_dict();

    json_set(args, "state", json_string(json_get_str(call->args, "state")));
    json_unref(hmp_qmp(call, "migrate-continue", args));
}

/* ---- things by options ---- */

static void add_by_options(HmpCall *call, const char *command, const char *implied, bool dotted)
{
    static const char *const lists[] = {"hostfwd", "guestfwd", "dnssearch", NULL};
    const char *text = json_get_str(call->args, "options");
    GError *err = NULL;
    Json *options = dotted ? keyval_parse(text, implied, &err) : opts_parse(text, implied, lists, &err);

    if (!options) {
        hmp_print_error(call->out, err);
        return;
    }
    json_unref(hmp_qmp(call, command, options));
}

static void do_netdev_add(HmpCall *call)
{
    const char *text = json_get_str(call->args, "options");

    add_by_options(call, "netdev_add", "type", g_str_has_prefix(text, "stream") || g_str_has_prefix(text, "dgram"));
}

/* Text to the schema's types: objects are made from rows that take strings, so strings will do. */
static void do_object_add(HmpCall *call)
{
    add_by_options(call, "object-add", "qom-type", false);
}

static void do_device_add(HmpCall *call)
{
    add_by_options(call, "device_add", "driver", false);
}

/* ---- log and trace ---- */

static void show_log_item(const char *name, const char *about, void *opaque)
{
    g_string_append_printf(opaque, "%-14s %s\n", name, about);
}

static void do_log(HmpCall *call)
{
    GError *err = NULL;
    const char *items = json_get_str(call->args, "items");
    unsigned flags = 0;
    bool help = false;

    if (strcmp(items, "none") && !log_parse(items, &flags, &help, &err)) {
        hmp_print_error(call->out, err);
        return;
    }
    if (help) {
        log_foreach_item(show_log_item, call->out);
        return;
    }
    log_flags = flags;
}

static void do_logfile(HmpCall *call)
{
    GError *err = NULL;

    if (!log_open(json_get_str(call->args, "file"), &err)) {
        hmp_print_error(call->out, err);
    }
}

/* ---- memory ---- */

#define DUMP_MAX 65536

typedef struct DumpFormat {
    unsigned count, size; /* size: 1, 2, 4, 8 */
    char letter;          /* x d u o c */
} DumpFormat;

/* "/16xw": count, letter, size, each may be missing. */
static bool parse_format(const char *text, DumpFormat *ret, GError **errp)
{
    DumpFormat f = {1, 4, 'x'};

    if (*text == '/') {
        text++;
    }
    if (g_ascii_isdigit(*text)) {
        f.count = 0;
        while (g_ascii_isdigit(*text) && f.count <= DUMP_MAX) {
            f.count = f.count * 10 + *text++ - '0';
        }
    }
    for (; *text; text++) {
        static const char sizes[] = "bhwg";
        const char *size = strchr(sizes, *text);

        if (size) {
            f.size = 1u << (size - sizes);
        } else if (strchr("xduoc", *text)) {
            f.letter = *text;
        } else {
            return fail(errp, "invalid char in format: '%c'", *text);
        }
    }
    if (!f.count || f.count > DUMP_MAX) {
        return fail(errp, "count has to be from 1 to %d", DUMP_MAX);
    }
    *ret = f;
    return true;
}

static int64_t sign_extend(uint64_t v, unsigned size)
{
    unsigned shift = 64 - size * 8;

    return (int64_t)(v << shift) >> shift;
}

static void print_unit(GString *out, const DumpFormat *f, uint64_t v)
{
    static const int octal_digits[] = {[1] = 3, [2] = 6, [4] = 11, [8] = 22};

    switch (f->letter) {
    case 'd':
        g_string_append_printf(out, " %" PRId64, sign_extend(v, f->size));
        break;
    case 'u':
        g_string_append_printf(out, " %" PRIu64, v);
        break;
    case 'o':
        g_string_append_printf(out, " 0%0*" PRIo64, octal_digits[f->size], v);
        break;
    case 'c':
        g_string_append_printf(out, g_ascii_isprint((char)v) ? " '%c'" : " '\\x%02x'", (int)(v & 0xff));
        break;
    default:
        g_string_append_printf(out, " 0x%0*" PRIx64, (int)f->size * 2, v);
    }
}

static void do_dump(HmpCall *call)
{
    const char *first = json_get_str(call->args, "fmt"), *second = json_get_str(call->args, "addr");
    const char *fmt = second ? first : "", *text = second ? second : first;
    DumpFormat f = {0};
    GError *err = NULL;
    uint64_t at;
    unsigned per_line;

    if (!parse_format(fmt, &f, &err)) {
        hmp_print_error(call->out, err);
        return;
    }
    if (!text_to_u64(text, &at)) {
        g_string_append_printf(call->out, "'%s' is no address\n", text);
        return;
    }
    per_line = f.size == 8 ? 2 : f.size == 4 ? 4 : 8;
    for (unsigned i = 0; i < f.count; i++, at += f.size) {
        uint64_t v = 0;

        if (i % per_line == 0) {
            g_string_append_printf(call->out, "%s%016" PRIx64 ":", i ? "\n" : "", at);
        }
        if (!mem_read(at, &v, f.size)) {
            g_string_append_printf(call->out, "\nCannot access memory at 0x%" PRIx64 "\n", at);
            return;
        }
        print_unit(call->out, &f, GUINT64_FROM_LE(v));
    }
    g_string_append_c(call->out, '\n');
}

/* ---- keys and pointers ---- */

static Json *typed(const char *type, Json *take_data)
{
    Json *j = json_dict();

    json_set(j, "type", json_string(type));
    json_set(j, "data", take_data);
    return j;
}

/* "ctrl-alt-f1", "0x1d-0x38": names or numbers. */
static void do_sendkey(HmpCall *call)
{
    g_auto(GStrv) words = g_strsplit(json_get_str(call->args, "keys"), "-", -1);
    Json *args = json_dict(), *keys = json_list();
    const Json *hold = json_get(call->args, "hold_ms");
    uint64_t number;

    for (char **w = words; *w; w++) {
        if (g_str_has_prefix(*w, "0x") && text_to_u64(*w, &number)) {
            json_append(keys, typed("number", json_uint(number)));
        } else {
            json_append(keys, typed("qcode", json_string(strcmp(*w, "<") ? *w : "less")));
        }
    }
    json_set(args, "keys", keys);
    if (hold) {
        json_set(args, "hold-time", json_ref(hold));
    }
    json_unref(hmp_qmp(call, "send-key", args));
}

static void add_move(Json *events, const char *axis, int64_t by)
{
    Json *data = json_dict();

    json_set(data, "axis", json_string(axis));
    json_set(data, "value", json_int(by));
    json_append(events, typed("rel", data));
}

static void add_button(Json *events, const char *button, bool down)
{
    Json *data = json_dict();

    json_set(data, "button", json_string(button));
    json_set(data, "down", json_bool(down));
    json_append(events, typed("btn", data));
}

static bool send_events(HmpCall *call, Json *take_events)
{
    Json *args = json_dict(), *result;

    json_set(args, "events", take_events);
    result = hmp_qmp(call, "input-send-event", args);
    json_unref(result);
    return result != NULL;
}

static void do_mouse_move(HmpCall *call)
{
    Json *events = json_list();
    int64_t dx = 0, dy = 0, dz = 0;

    json_to_int64(json_get(call->args, "dx"), &dx);
    json_to_int64(json_get(call->args, "dy"), &dy);
    json_to_int64(json_get(call->args, "dz"), &dz);
    add_move(events, "x", dx);
    add_move(events, "y", dy);
    if (dz) {
        add_button(events, dz > 0 ? "wheel-up" : "wheel-down", true);
        add_button(events, dz > 0 ? "wheel-up" : "wheel-down", false);
    }
    send_events(call, events);
}

static void do_mouse_button(HmpCall *call)
{
    static const char *const names[] = {"left", "middle", "right"}; /* bits 0 to 2 */
    static int64_t pressed;
    Json *events = json_list();
    int64_t now = 0;

    json_to_int64(json_get(call->args, "state"), &now);
    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
        if ((pressed ^ now) >> i & 1) {
            add_button(events, names[i], now >> i & 1);
        }
    }
    if (send_events(call, events)) {
        pressed = now;
    }
}

/* ---- the rows ---- */

const HmpCommand hmp_commands[] = {
    {"help|?", "name:s?", "this text, or that of one command", NULL, do_help},
    {"quit|q", NULL, "end the program", "quit"},
    {"stop|s", NULL, "stop the guest", "stop"},
    {"cont|c", NULL, "let the guest run", "cont"},
    {"sendkey", "keys:s hold_ms:i?", "press keys: ctrl-alt-f1, for 100 ms or as long as is said", NULL, do_sendkey},
    {"mouse_move", "dx:i dy:i dz:i?", "move the pointer, turn the wheel", NULL, do_mouse_move},
    {"mouse_button", "state:i", "press and release buttons: 1 left, 2 middle, 4 right, added", NULL, do_mouse_button},
    {"system_reset", NULL, "reset the machine", "system_reset"},
    {"system_powerdown", NULL, "press the power button", "system_powerdown"},
    {"migrate", "-d -r uri:s", "hand the guest over to URI; -d: do not wait; -r: resume", NULL, do_migrate},
    {"migrate_cancel", NULL, "cancel the migration", "migrate_cancel"},
    {"migrate_continue", "state:s", "go on from a pause", NULL, do_continue},
    {"migrate_incoming", "uri:s", "wait for a guest at URI", "migrate-incoming"},
    {"migrate_set_capability", "name:s state:b", "switch a migration capability", NULL, do_set_capability},
    {"migrate_set_parameter", "name:s value:s", "set a migration parameter", NULL, do_set_parameter},
#if CONFIG_SPICE
    {"client_migrate_info", "protocol:s hostname:s port:i? tls-port:i? cert-subject:s?",
     "tell display clients where the guest will be", "client_migrate_info"},
#endif
    {"set_link", "name:s up:b", "connect or disconnect a NIC or netdev", "set_link"},
    {"announce_self", NULL, "tell the network where the guest is", "announce-self"},
    {"netdev_add", "options:S", "add a network backend", NULL, do_netdev_add},
    {"netdev_del", "id:s", "remove a network backend", "netdev_del"},
    {"object_add", "options:S", "make an object", NULL, do_object_add},
    {"object_del", "id:s", "delete an object", "object-del"},
    {"device_add", "options:S", "add a device", NULL, do_device_add},
    {"device_del", "id:s", "remove a device", "device_del"},
    {"chardev-remove", "id:s", "remove a chardev", "chardev-remove"},
    {"closefd", "fdname:s", "close a passed descriptor", "closefd"},
    {"log", "items:s", "guest log: items as -d takes them, or none", NULL, do_log},
    {"logfile", "file:s", "where the guest log goes", NULL, do_logfile},
    {"trace-event", "name:s enable:b", "switch trace points", "trace-event-set-state"},
    {"x|xp", "fmt:s addr:s?", "show guest physical memory: /16xw 0x80000000", NULL, do_dump},
    {"pmemsave", "val:z size:z filename:s", "write guest memory to a file", "pmemsave"},
    {"memsave", "val:z size:z filename:s", "the same", "memsave"},
#if CONFIG_PIXMAN
    {"screendump", "filename:s -f=format:s device:s? head:i?", "write what a screen shows to a file; -f: ppm, png",
     "screendump"},
#endif
    {},
};
