/* object/type.c - the rows that say which types exist.
 * Page: docs/object.md.  Test: tests/unit/object/object-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "object/object.h"

#include <string.h>

static const ObjectType root_type = {.name = "object", .kind = KIND_OBJECT, .about = "root of all types"};
static const ObjectType container_type = {
    .name = "container", .parent = "object", .kind = KIND_OBJECT, .size = sizeof(Object), .about = "part of the tree"};
static const ObjectType device_type = {
    .name = "device", .parent = "object", .kind = KIND_DEVICE, .about = "what a machine is made of"};
static const ObjectType *const builtin_types[] = {&root_type, &container_type, &device_type, NULL};

static GPtrArray *rows;       /* of const ObjectType, in order of registration */
static GHashTable *by_name;

static void add_rows(const ObjectType *const *types)
{
    for (; *types; types++) {
        if (g_hash_table_lookup(by_name, (*types)->name) == *types) {
            continue; /* tests may list a row again */
        }
        g_assert(!g_hash_table_contains(by_name, (*types)->name));
        g_ptr_array_add(rows, (void *)*types);
        g_hash_table_insert(by_name, (void *)(*types)->name, (void *)*types);
    }
}

static void ensure_rows(void)
{
    if (!rows) {
        rows = g_ptr_array_new();
        by_name = g_hash_table_new(g_str_hash, g_str_equal);
        add_rows(builtin_types);
    }
}

void types_register(const ObjectType *const *types)
{
    ensure_rows();
    add_rows(types);
}

const ObjectType *type_find(const char *name)
{
    ensure_rows();
    return g_hash_table_lookup(by_name, name);
}

const ObjectType *type_parent(const ObjectType *type)
{
    const ObjectType *parent;

    if (type == &root_type) {
        return NULL;
    }
    if (!type->parent) {
        return &root_type;
    }
    parent = type_find(type->parent);
    g_assert(parent); /* a row names a parent that no list has */
    return parent;
}

bool type_is(const ObjectType *type, const char *ancestor)
{
    for (; type; type = type_parent(type)) {
        if (!strcmp(type->name, ancestor)) {
            return true;
        }
    }
    return false;
}

bool object_is(const Object *o, const char *ancestor)
{
    return type_is(o->type, ancestor);
}

void type_foreach(void (*fn)(const ObjectType *type, void *opaque), void *opaque)
{
    ensure_rows();
    for (unsigned i = 0; i < rows->len; i++) {
        fn(rows->pdata[i], opaque);
    }
}

const Property *type_property(const ObjectType *type, const char *name)
{
    for (; type; type = type_parent(type)) {
        for (const Property *p = type->props; p && p->name; p++) {
            if (!strcmp(p->name, name)) {
                return p;
            }
        }
    }
    return NULL;
}

void type_properties(const ObjectType *type, void (*fn)(const Property *p, void *opaque), void *opaque)
{
    if (!type) {
        return;
    }
    type_properties(type_parent(type), fn, opaque);
    for (const Property *p = type->props; p && p->name; p++) {
        fn(p, opaque);
    }
}

static const struct {
    const char *name, *type_key;
} kinds[] = {
    [KIND_DEVICE] = {"device", "driver"},     [KIND_OBJECT] = {"object", "qom-type"},
    [KIND_NETDEV] = {"netdev", "type"},       [KIND_CHARDEV] = {"chardev", "backend"},
    [KIND_BLOCKDEV] = {"blockdev", "driver"}, [KIND_MACHINE] = {"machine", "type"},
    [KIND_CPU] = {"cpu", "model"},            [KIND_ACCEL] = {"accel", "accel"},
    [KIND_BUS] = {"bus", "type"},
};

const char *kind_name(ObjectKind kind)
{
    return kinds[kind].name;
}

const char *kind_type_key(ObjectKind kind)
{
    return kinds[kind].type_key;
}
