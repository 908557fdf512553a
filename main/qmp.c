/* main/qmp.c - queries about the whole program.  Page: docs/monitor.md.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "assemble.h"
#include "config-host.h"
#include "hw/machine.h"
#include "qapi/qapi-commands.h"
#include "qapi/qmp.h"
#include "system/harts.h"
#include "system/ram.h"
#include "system/runstate.h"
#include "target/hart.h"
#include "util/error.h"

#include <string.h>

/* The version of QEMU whose words we speak: managers choose what to say by it. */
#define QMP_MAJOR 10
#define QMP_MINOR 0
#define QMP_MICRO 0

static char *guest_name, *guest_uuid;

void info_set(const char *name, const char *uuid)
{
    g_free(guest_name);
    g_free(guest_uuid);
    guest_name = g_strdup(name);
    guest_uuid = g_strdup(uuid);
}

void info_get(const char **ret_name, const char **ret_uuid)
{
    *ret_name = guest_name;
    *ret_uuid = guest_uuid;
}

bool uuid_parse(const char *text, char ret[37])
{
    unsigned n = 0;

    if (strlen(text) != 36) {
        return false;
    }
    for (; n < 36; n++) {
        bool is_dash = n == 8 || n == 13 || n == 18 || n == 23;

        if (is_dash ? text[n] != '-' : !g_ascii_isxdigit(text[n])) {
            return false;
        }
        ret[n] = g_ascii_tolower(text[n]);
    }
    ret[n] = 0;
    return true;
}

/* ---- names and versions ---- */

VersionInfo *qmp_query_version(GError **errp)
{
    VersionInfo *v = g_new0(VersionInfo, 1);

    v->qemu = g_new0(VersionTriple, 1);
    *v->qemu = (VersionTriple){QMP_MAJOR, QMP_MINOR, QMP_MICRO};
    v->package = g_strdup("baton " BATON_VERSION);
    return v;
}

NameInfo *qmp_query_name(GError **errp)
{
    NameInfo *info = g_new0(NameInfo, 1);

    info->name = g_strdup(guest_name);
    return info;
}

UuidInfo *qmp_query_uuid(GError **errp)
{
    UuidInfo *info = g_new0(UuidInfo, 1);

    info->UUID = g_strdup(guest_uuid ? guest_uuid : "00000000-0000-0000-0000-000000000000");
    return info;
}

TargetInfo *qmp_query_target(GError **errp)
{
    TargetInfo *info = g_new0(TargetInfo, 1);

    info->arch = SYS_EMU_TARGET_RISCV64;
    return info;
}

KvmInfo *qmp_query_kvm(GError **errp)
{
    return g_new0(KvmInfo, 1);
}

/* ---- machines ---- */

static void add_machine(const MachineOps *ops, void *opaque)
{
    MachineInfoList ***tail = opaque;
    MachineInfo *info = g_new0(MachineInfo, 1);

    info->name = g_strdup(ops->name);
    info->alias = g_strdup(ops->alias);
    info->has_is_default = info->is_default = !strcmp(ops->name, machine_default_name());
    info->cpu_max = MAX(ops->max_harts, 1);
    info->default_cpu_type = ops->default_cpu ? g_strconcat(ops->default_cpu, "-riscv-cpu", NULL) : NULL;
    QAPI_LIST_APPEND(*tail, info);
}

MachineInfoList *qmp_query_machines(GError **errp)
{
    MachineInfoList *head = NULL, **tail = &head;

    machine_foreach(add_machine, &tail);
    return head;
}

static char *hart_path(unsigned index)
{
    Object *parent = object_container("/machine/unattached");

    for (unsigned i = 0; parent->children && i < parent->children->len; i++) {
        Object *o = parent->children->pdata[i];

        if (o->type->kind == KIND_CPU && !index--) {
            return g_strdup(o->path);
        }
    }
    return g_strdup("/machine/unattached");
}

CpuInfoFastList *qmp_query_cpus_fast(GError **errp)
{
    CpuInfoFastList *head = NULL, **tail = &head;

    for (unsigned i = 0; harts_ops() && i < harts_count(); i++) {
        CpuInfoFast *info = g_new0(CpuInfoFast, 1);

        info->cpu_index = i;
        info->thread_id = hart_thread_id(i);
        info->qom_path = hart_path(i);
        info->target = SYS_EMU_TARGET_RISCV64;
        info->props = g_new0(CpuInstanceProperties, 1);
        info->props->has_core_id = true;
        info->props->core_id = i;
        QAPI_LIST_APPEND(tail, info);
    }
    return head;
}

MemoryInfo *qmp_query_memory_size_summary(GError **errp)
{
    const MachineOps *ops = machine_ops(machine_name());
    RamBlock *ram = ops && ops->default_ram_id ? ram_find(ops->default_ram_id) : NULL;
    MemoryInfo *info = g_new0(MemoryInfo, 1);

    info->base_memory = ram ? ram->size : 0;
    info->has_plugged_memory = true;
    return info;
}

IOThreadInfoList *qmp_query_iothreads(GError **errp)
{
    return NULL; /* objects of that type are accepted, but no thread belongs to them */
}

/* Managers ask every guest; the class tells them that it has none. */
BalloonInfo *qmp_query_balloon(GError **errp)
{
    fail_class(errp, ERROR_CLASS_DEVICE_NOT_ACTIVE, "No balloon device has been activated");
    return NULL;
}

bool qmp_balloon(const BalloonArgs *args, GError **errp)
{
    return fail_class(errp, ERROR_CLASS_DEVICE_NOT_ACTIVE, "No balloon device has been activated");
}

/* ---- devices ---- */

Json *qmp_device_add(const Json *args, GError **errp)
{
    const char *driver = json_get_str(args, "driver");
    const ObjectType *type = driver ? type_find(driver) : NULL;

    if (!driver) {
        fail(errp, "Parameter 'driver' is missing");
        return NULL;
    }
    if (machine_object() && type && type->kind == KIND_DEVICE && !(type->flags & TYPE_HOTPLUG)) {
        fail(errp, "Device '%s' can not be hotplugged on this machine; give it on the command line", driver);
        return NULL;
    }
    return vm_may_change(errp) && device_add(args, errp) ? json_dict() : NULL;
}

bool qmp_device_del(const DeviceDelArgs *args, GError **errp)
{
    Object *o = *args->id == '/' ? object_find(args->id)
                                 : object_find_id(object_container("/machine/peripheral"), args->id);
    Json *data;

    if (!o || o->type->kind != KIND_DEVICE) {
        return fail_class(errp, ERROR_CLASS_DEVICE_NOT_FOUND, "Device '%s' not found", args->id);
    }
    if (!(o->type->flags & TYPE_HOTPLUG)) {
        return fail(errp, "Device '%s' can not be unplugged: its bus does not support it", args->id);
    }
    if (!vm_may_change(errp)) {
        return false;
    }
    data = json_dict();
    if (o->id) {
        json_set(data, "device", json_string(o->id));
    }
    json_set(data, "path", json_string(o->path));
    object_delete(o);
    qapi_emit("DEVICE_DELETED", data);
    return true;
}

/* ---- options ---- */

static void add_parameters(CommandLineOptionInfo *info, const char *const *keys)
{
    CommandLineParameterInfoList **tail = &info->parameters;

    for (; keys && *keys; keys++) {
        CommandLineParameterInfo *p = g_new0(CommandLineParameterInfo, 1);

        p->name = g_strdup(*keys);
        p->type = COMMAND_LINE_PARAMETER_TYPE_STRING;
        QAPI_LIST_APPEND(tail, p);
    }
}

typedef struct OptionQuery {
    const char *only;
    CommandLineOptionInfoList *head, **tail;
} OptionQuery;

/* Managers take an option that is listed as one that can be used: what only says "no" stays out. */
static bool is_refusal(const char *name)
{
    static const char *const refusals[] = {"sandbox", "run-with", "vga", "audiodev", "parallel", NULL};

    return g_strv_contains(refusals, name);
}

static void add_option(const OptionHelp *o, void *opaque)
{
    OptionQuery *q = opaque;
    CommandLineOptionInfo *info;

    if (!o->arg || is_refusal(o->name) || (q->only && strcmp(q->only, o->name))) {
        return;
    }
    info = g_new0(CommandLineOptionInfo, 1);
    info->option = g_strdup(o->name);
    add_parameters(info, o->keys);
    QAPI_LIST_APPEND(q->tail, info);
}

CommandLineOptionInfoList *qmp_query_command_line_options(const QueryCommandLineOptionsArgs *args, GError **errp)
{
    OptionQuery q = {.only = args->option};

    q.tail = &q.head;
    cmdline_options(add_option, &q);
    if (q.only && !q.head) {
        fail(errp, "Parameter 'option' does not accept value '%s': there is no such option", q.only);
    }
    return q.head;
}
