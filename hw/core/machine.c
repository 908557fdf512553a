/* hw/core/machine.c - which machines exist; making the one of this process; machine `none`.
 * Owner: main loop.  Page: docs/devices/virt.md.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/machine.h"

#include "hw/core/machine-object.h"
#include "system/ram.h"
#include "util/error.h"

#include <string.h>

extern const ObjectType virt_machine_type, none_machine_type;
static const ObjectType *const machine_types[] = {&virt_machine_type, &none_machine_type};
static Machine *machine;

static const ObjectType *find_type(const char *name)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(machine_types); i++) {
        const MachineOps *ops = machine_types[i]->ops;

        if (!strcmp(name, ops->name) || !g_strcmp0(name, ops->alias)) {
            return machine_types[i];
        }
    }
    return NULL;
}

const MachineOps *machine_ops(const char *name)
{
    const ObjectType *type = find_type(name ? name : machine_default_name());

    return type ? type->ops : NULL;
}

void machine_foreach(void (*fn)(const MachineOps *ops, void *opaque), void *opaque)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(machine_types); i++) {
        fn(machine_types[i]->ops, opaque);
    }
}

const char *machine_default_name(void)
{
    return "virt";
}

Object *machine_object(void)
{
    return machine ? &machine->obj : NULL;
}

const char *machine_name(void)
{
    return machine ? ((const MachineOps *)machine->obj.type->ops)->name : machine_default_name();
}

static bool unknown_machine(const char *name, GError **errp)
{
    g_autoptr(GString) known = g_string_new(NULL);

    for (unsigned i = 0; i < G_N_ELEMENTS(machine_types); i++) {
        g_string_append_printf(known, "%s%s", i ? ", " : "", ((const MachineOps *)machine_types[i]->ops)->name);
    }
    return fail(errp, "machine '%s' does not exist; there are: %s", name, known->str);
}

static bool check_config(const MachineOps *ops, const MachineConfig *c, GError **errp)
{
    uint64_t ram = c->ram_size ? c->ram_size : ops->default_ram;

    if (MAX(c->smp, 1) > ops->max_harts && ops->max_harts) {
        return fail(errp, "machine '%s': %u harts asked for, at most %u are supported", ops->name, c->smp,
                    ops->max_harts);
    }
    if (ram % PAGE_BYTES) {
        return fail(errp, "machine '%s': memory of %" G_GUINT64_FORMAT " bytes is not a multiple of %u", ops->name,
                    ram, PAGE_BYTES);
    }
    return true;
}

static bool set_properties(Object *o, const Json *props, GError **errp)
{
    for (size_t i = 0; props && i < json_size(props); i++) {
        if (!object_set(o, json_key_at(props, i), json_value_at(props, i), errp)) {
            return false;
        }
    }
    return true;
}

bool machine_create(const char *name, const MachineConfig *config, GError **errp)
{
    const ObjectType *type = find_type(name ? name : machine_default_name());
    MachineConfig complete = *config;
    Object *o;
    bool ok;

    g_assert(!machine);
    if (!type) {
        return unknown_machine(name, errp);
    }
    if (!check_config(type->ops, config, errp)) {
        return false;
    }
    complete.ram_size = config->ram_size ? config->ram_size : ((const MachineOps *)type->ops)->default_ram;
    complete.smp = MAX(config->smp, 1);
    o = object_new(type->name, "board", object_container("/machine"));
    machine = (Machine *)o;
    machine->config = &complete;
    ok = set_properties(o, config->machine_props, errp) && object_realize(o, errp);
    machine->config = NULL;
    return ok; /* on failure the process ends: nothing is taken apart */
}

/* ---- none: no memory, no harts; for questions about types and commands ---- */
static bool none_realize(Object *o, GError **errp)
{
    return true;
}

static const MachineOps none_ops = {
    .name = "none", .about = "empty machine", .max_harts = 1,
};

const ObjectType none_machine_type = {
    .name = "none-machine", .parent = "machine", .kind = KIND_MACHINE, .size = sizeof(Machine),
    .realize = none_realize, .ops = &none_ops, .about = "empty machine",
};
