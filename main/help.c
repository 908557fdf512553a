/* main/help.c - what "-help", "-device help" and the like print, all of it from tables.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "assemble.h"
#include "chardev/chardev.h"
#include "config-host.h"
#include "hw/machine.h"
#include "util/log.h"
#include "util/error.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- options ---- */

static void show_option(const OptionHelp *o, void *opaque)
{
    g_autofree char *left = g_strconcat("-", o->name, o->arg ? " " : "", o->arg ? o->arg : "", NULL);

    printf("%-40s %s\n", left, o->about ? o->about : "");
}

static int show_options(const Config *c)
{
    printf("baton-system-riscv64: runs a RISC-V guest, and hands it over to another process while it runs\n\n"
           "usage: baton-system-riscv64 [options]\n\n");
    cmdline_options(show_option, NULL);
    return EXIT_SUCCESS;
}

static int show_version(const Config *c)
{
    printf("baton-system-riscv64 version %s\n", BATON_VERSION);
    return EXIT_SUCCESS;
}

/* ---- types and their properties ---- */

static void show_property(const Property *p, void *opaque)
{
    g_autoptr(Json) value = property_default(p);
    g_autofree char *text = value ? json_print(value, false) : NULL;
    g_autofree char *left = g_strdup_printf("  %s=<%s>", p->name, p->type->qapi_name);

    if (!(p->flags & PROP_READONLY)) {
        printf("%-28s %s%s%s%s\n", left, p->about ? p->about : "", text ? " (default: " : "", text ? text : "",
               text ? ")" : "");
    }
}

static int show_properties(ObjectKind kind, const char *name)
{
    const ObjectType *type = type_find(name);

    if (!type || type->kind != kind || !type->size) {
        error_report("%s '%s' does not exist; '-%s help' lists them", kind_name(kind), name, kind_name(kind));
        return EXIT_FAILURE;
    }
    printf("%s options:\n", name);
    type_properties(type, show_property, NULL);
    return EXIT_SUCCESS;
}

static void show_type(const ObjectType *type, void *opaque)
{
    ObjectKind kind = GPOINTER_TO_INT(opaque);

    if (type->kind == kind && type->size && (type->flags & TYPE_USER_CREATABLE)) {
        printf("  %-24s %s\n", type->name, type->about ? type->about : "");
    }
}

static int show_kind(const Config *c, ObjectKind kind, const char *title)
{
    if (c->help_about) {
        return show_properties(kind, c->help_about);
    }
    printf("%s:\n", title);
    type_foreach(show_type, GINT_TO_POINTER(kind));
    return EXIT_SUCCESS;
}

static int show_devices(const Config *c)
{
    return show_kind(c, KIND_DEVICE, "Devices");
}

static int show_objects(const Config *c)
{
    return show_kind(c, KIND_OBJECT, "User creatable objects");
}

static int show_netdevs(const Config *c)
{
    return show_kind(c, KIND_NETDEV, "Available netdev backend types");
}

/* ---- machines, CPUs, accelerators, chardevs ---- */

static void show_machine(const MachineOps *ops, void *opaque)
{
    printf("%-20s %s%s\n", ops->name, ops->about ? ops->about : "",
           g_str_equal(ops->name, machine_default_name()) ? " (default)" : "");
}

static int show_machines(const Config *c)
{
    g_autofree char *type = c->help_about ? g_strconcat(c->help_about, "-machine", NULL) : NULL;

    if (type) {
        return show_properties(KIND_MACHINE, type);
    }
    printf("Supported machines are:\n");
    machine_foreach(show_machine, NULL);
    return EXIT_SUCCESS;
}

static void show_cpu(const ObjectType *type, void *opaque)
{
    if (type->kind == KIND_CPU && type->size) {
        printf("%s:\n", type->name);
        type_properties(type, show_property, NULL);
    }
}

static int show_cpus(const Config *c)
{
    printf("Available CPUs:\n  rv64\n  max                      the same\n\n");
    type_foreach(show_cpu, NULL);
    return EXIT_SUCCESS;
}

static void show_accel(const char *name, const char *about, void *opaque)
{
    printf("%-12s %s\n", name, about);
}

static int show_accels(const Config *c)
{
    printf("Accelerators supported in this binary:\n");
    accel_foreach(show_accel, NULL);
    return EXIT_SUCCESS;
}

static void show_backend(const char *name, const char *const *keys, void *opaque)
{
    g_autofree char *list = g_strjoinv(", ", (char **)keys);

    printf("  %-10s %s\n", name, list);
}

static int show_chardevs(const Config *c)
{
    printf("Available chardev backend types:\n");
    chardev_backends(show_backend, NULL);
    return EXIT_SUCCESS;
}

/* ---- log and trace ---- */

static void show_log_item(const char *name, const char *about, void *opaque)
{
    printf("%-14s %s\n", name, about);
}

static int show_log(const Config *c)
{
    printf("Log items (comma separated):\n");
    log_foreach_item(show_log_item, NULL);
    return EXIT_SUCCESS;
}

static void show_trace(const char *name, bool on, void *opaque)
{
    printf("%s\n", name);
}

static int show_traces(const Config *c)
{
    trace_list(show_trace, NULL);
    return EXIT_SUCCESS;
}

int help_show(const Config *c)
{
    static int (*const topics[])(const Config *c) = {
        [HELP_OPTIONS] = show_options, [HELP_VERSION] = show_version, [HELP_DEVICE] = show_devices,
        [HELP_MACHINE] = show_machines, [HELP_CPU] = show_cpus,       [HELP_NETDEV] = show_netdevs,
        [HELP_OBJECT] = show_objects,  [HELP_LOG] = show_log,         [HELP_TRACE] = show_traces,
        [HELP_ACCEL] = show_accels,    [HELP_CHARDEV] = show_chardevs,
    };

    return topics[c->help](c);
}
