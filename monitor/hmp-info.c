/* monitor/hmp-info.c - the rows of `info`.  Page: docs/monitor.md.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "monitor-private.h"
#include "object/object.h"
#include "qapi/qmp.h"

#include <inttypes.h>
#include <string.h>

/* ---- any answer, as indented text ---- */

static void print_scalar(GString *out, const Json *j)
{
    g_autofree char *text = json_is(j, JSON_STRING) ? g_strdup(json_get_string(j)) : json_print(j, false);

    g_string_append(out, text);
}

static void print_tree(GString *out, const Json *j, int depth)
{
    bool is_dict = json_is(j, JSON_DICT);

    for (size_t i = 0; i < json_size(j); i++) {
        const Json *value = is_dict ? json_value_at(j, i) : json_at(j, i);
        bool nested = json_size(value);

        g_string_append_printf(out, "%*s", depth * 2, "");
        if (is_dict) {
            g_string_append_printf(out, "%s:%s", json_key_at(j, i), nested ? "\n" : " ");
        } else if (nested) {
            g_string_append(out, "-\n");
        }
        if (nested) {
            print_tree(out, value, depth + 1);
        } else {
            print_scalar(out, value);
            g_string_append_c(out, '\n');
        }
    }
}

static void show(HmpCall *call, const char *command)
{
    g_autoptr(Json) j = hmp_qmp(call, command, NULL);

    if (j) {
        print_tree(call->out, j, 0);
    }
}

/* ---- rows that need their own words ---- */

static void info_status(HmpCall *call)
{
    g_autoptr(Json) j = hmp_qmp(call, "query-status", NULL);
    bool runs;

    if (j) {
        runs = json_get_bool(json_get(j, "running"));
        g_string_append_printf(call->out, "VM status: %s", runs ? "running" : "paused");
        if (!runs && strcmp(json_get_str(j, "status"), "paused")) {
            g_string_append_printf(call->out, " (%s)", json_get_str(j, "status"));
        }
        g_string_append_c(call->out, '\n');
    }
}

static void info_version(HmpCall *call)
{
    g_autoptr(Json) j = hmp_qmp(call, "query-version", NULL);

    if (j) {
        g_string_append_printf(call->out, "%s\n", json_get_str(j, "package"));
    }
}

static void info_name(HmpCall *call)
{
    g_autoptr(Json) j = hmp_qmp(call, "query-name", NULL);

    if (j && json_get(j, "name")) {
        g_string_append_printf(call->out, "%s\n", json_get_str(j, "name"));
    }
}

static void info_uuid(HmpCall *call)
{
    g_autoptr(Json) j = hmp_qmp(call, "query-uuid", NULL);

    if (j) {
        g_string_append_printf(call->out, "%s\n", json_get_str(j, "UUID"));
    }
}

static void info_chardev(HmpCall *call)
{
    g_autoptr(Json) j = hmp_qmp(call, "query-chardev", NULL);

    for (size_t i = 0; i < json_size(j); i++) {
        g_string_append_printf(call->out, "%s: filename=%s\n", json_get_str(json_at(j, i), "label"),
                               json_get_str(json_at(j, i), "filename"));
    }
}

static void info_cpus(HmpCall *call)
{
    g_autoptr(Json) j = hmp_qmp(call, "query-cpus-fast", NULL);

    for (size_t i = 0; i < json_size(j); i++) {
        int64_t index = 0, thread = 0;

        json_to_int64(json_get(json_at(j, i), "cpu-index"), &index);
        json_to_int64(json_get(json_at(j, i), "thread-id"), &thread);
        g_string_append_printf(call->out, "%c CPU #%" PRId64 ": thread_id=%" PRId64 "\n", i ? ' ' : '*', index, thread);
    }
}

static void info_mice(HmpCall *call)
{
    g_autoptr(Json) j = hmp_qmp(call, "query-mice", NULL);

    for (size_t i = 0; i < json_size(j); i++) {
        const Json *mouse = json_at(j, i);
        int64_t index = 0;

        json_to_int64(json_get(mouse, "index"), &index);
        g_string_append_printf(call->out, "%c Mouse #%" PRId64 ": %s%s\n", json_get_bool(json_get(mouse, "current")) ? '*' : ' ',
                               index, json_get_str(mouse, "name"),
                               json_get_bool(json_get(mouse, "absolute")) ? " (absolute)" : "");
    }
    if (j && !json_size(j)) {
        g_string_append(call->out, "No mouse devices connected\n");
    }
}

static void info_commands(HmpCall *call)
{
    for (const QmpCommand *c = qmp_table(); c->name; c++) {
        g_string_append_printf(call->out, "%s\n", c->name);
    }
}

/* ---- the tree ---- */

typedef struct PropertyPrint {
    Object *object;
    GString *out;
    int depth;
} PropertyPrint;

static void print_property(const Property *p, void *opaque)
{
    PropertyPrint *pp = opaque;
    g_autoptr(Json) value = object_get(pp->object, p->name, NULL);

    if (value) {
        g_string_append_printf(pp->out, "%*s%s = ", pp->depth, "", p->name);
        print_scalar(pp->out, value);
        g_string_append_c(pp->out, '\n');
    }
}

static void print_objects(Object *o, GString *out, int depth)
{
    PropertyPrint pp = {o, out, depth + 2};

    g_string_append_printf(out, "%*s%s (%s)\n", depth, "", object_name(o), o->type->name);
    if (strcmp(o->type->name, "container")) {
        type_properties(o->type, print_property, &pp);
    }
    for (unsigned i = 0; o->children && i < o->children->len; i++) {
        print_objects(o->children->pdata[i], out, depth + 2);
    }
}

static void info_qtree(HmpCall *call)
{
    print_objects(object_container("/machine"), call->out, 0);
}

static void info_qom_tree(HmpCall *call)
{
    print_objects(object_root(), call->out, 0);
}

/* ---- migration ---- */

static void info_migrate(HmpCall *call)
{
    g_autoptr(Json) j = hmp_qmp(call, "query-migrate", NULL);

    if (j && json_get_str(j, "status")) {
        g_string_append_printf(call->out, "Migration status: %s\n", json_get_str(j, "status"));
        json_remove(j, "status");
    } else if (j) {
        g_string_append(call->out, "no migration so far\n");
    }
    if (j) {
        print_tree(call->out, j, 0);
    }
}

static void info_capabilities(HmpCall *call)
{
    g_autoptr(Json) j = hmp_qmp(call, "query-migrate-capabilities", NULL);

    for (size_t i = 0; i < json_size(j); i++) {
        g_string_append_printf(call->out, "%s: %s\n", json_get_str(json_at(j, i), "capability"),
                               json_get_bool(json_get(json_at(j, i), "state")) ? "on" : "off");
    }
}

static void info_parameters(HmpCall *call)
{
    show(call, "query-migrate-parameters");
}

static void info_block(HmpCall *call)
{
    show(call, "query-block");
}

static void info_memory(HmpCall *call)
{
    show(call, "query-memory-size-summary");
}

static void info_trace(HmpCall *call)
{
    Json *args = json_dict();
    g_autoptr(Json) j = NULL;

    json_set(args, "name", json_string("*"));
    j = hmp_qmp(call, "trace-event-get-state", args);
    for (size_t i = 0; i < json_size(j); i++) {
        g_string_append_printf(call->out, "%s : %s\n", json_get_str(json_at(j, i), "name"),
                               json_get_str(json_at(j, i), "state"));
    }
}

const HmpCommand hmp_infos[] = {
    {"block", NULL, "disks", NULL, info_block},
    {"chardev", NULL, "character devices", NULL, info_chardev},
    {"commands", NULL, "names of all QMP commands", NULL, info_commands},
    {"cpus", NULL, "harts and the threads that run them", NULL, info_cpus},
    {"memory_size_summary", NULL, "how much memory the guest has", NULL, info_memory},
    {"mice", NULL, "pointing devices, and which is current", NULL, info_mice},
    {"migrate", NULL, "state of the migration", NULL, info_migrate},
    {"migrate_capabilities", NULL, "migration capabilities", NULL, info_capabilities},
    {"migrate_parameters", NULL, "migration parameters", NULL, info_parameters},
    {"name", NULL, "the guest's name", NULL, info_name},
    {"qom-tree", NULL, "all objects", NULL, info_qom_tree},
    {"qtree", NULL, "the machine's devices and their properties", NULL, info_qtree},
    {"status", NULL, "does the guest run", NULL, info_status},
    {"trace-events", NULL, "trace points", NULL, info_trace},
    {"uuid", NULL, "the guest's UUID", NULL, info_uuid},
    {"version", NULL, "of this program", NULL, info_version},
    {},
};

/* ---- progress of `migrate` ---- */

static int64_t number(const Json *dict, const char *key)
{
    int64_t value = 0;

    json_to_int64(json_get(dict, key), &value);
    return value;
}

/* "pre-switchover" is no progress: it waits for what is typed. */
char *hmp_progress(bool *ret_done)
{
    static const char *const under_way[] = {"setup", "active", "device", "postcopy-active", "cancelling", "wait-unplug",
                                            "postcopy-recover", NULL};
    g_autoptr(Json) j = qmp_call("query-migrate", NULL, NULL);
    const char *status = j ? json_get_str(j, "status") : NULL;
    const Json *ram = j ? json_get(j, "ram") : NULL;
    int64_t total = number(ram, "total"), left = number(ram, "remaining"), sent = number(ram, "transferred");

    *ret_done = !status || !g_strv_contains(under_way, status);
    if (*ret_done) {
        const char *why = j ? json_get_str(j, "error-desc") : NULL;

        return g_strdup_printf("Migration status: %s%s%s", status ? status : "none", why ? ": " : "", why ? why : "");
    }
    return g_strdup_printf("%s: %3d %% done, %" PRId64 " MiB sent", status,
                           total ? (int)((total - left) * 100 / total) : 0, sent >> 20);
}
