/* object/create.c - the one way in: dict to object; realizing and taking apart.
 * Page: docs/object.md.  Test: tests/unit/object/object-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "instance.h"
#include "object/device.h"
#include "util/error.h"
#include "util/log.h"

#include <string.h>

static const DeviceHooks *device_hooks;

void device_set_hooks(const DeviceHooks *hooks)
{
    device_hooks = hooks;
}

/* ---- rows, the root's first or last ---- */

/* From this row to the root's. */
static void unrealize_rows(const ObjectType *type, Object *o)
{
    for (; type; type = type_parent(type)) {
        if (type->unrealize) {
            type->unrealize(o);
        }
    }
}

/* A row whose realize() was not called has nothing to undo: its members are zero, which may be a descriptor of others. */
static bool realize_rows(const ObjectType *type, Object *o, GError **errp)
{
    if (!type) {
        return true;
    }
    if (!realize_rows(type_parent(type), o, errp)) {
        return false;
    }
    if (type->realize && !type->realize(o, errp)) {
        unrealize_rows(type, o);
        return false;
    }
    return true;
}

static void reset_rows(const ObjectType *type, Object *o)
{
    if (type) {
        reset_rows(type_parent(type), o);
        if (type->reset) {
            type->reset(o);
        }
    }
}

void object_reset(Object *o)
{
    reset_rows(o->type, o);
}

/* ---- realize ---- */

typedef struct RequiredCheck {
    Object *o;
    const char *missing;
} RequiredCheck;

static void check_required(const Property *p, void *opaque)
{
    RequiredCheck *c = opaque;

    if ((p->flags & PROP_REQUIRED) && p->type->clear && !*(char **)((char *)c->o + p->offset)) {
        c->missing = p->name;
    }
}

bool object_realize(Object *o, GError **errp)
{
    RequiredCheck check = {.o = o};

    g_assert(!o->is_realized);
    type_properties(o->type, check_required, &check);
    if (check.missing) {
        return fail(errp, "Parameter '%s' is missing", check.missing);
    }
    if (!realize_rows(o->type, o, errp)) {
        return false;
    }
    o->is_realized = true;
    TRACE(object_realize, "%s %s", o->type->name, o->path);
    if (o->type->kind == KIND_DEVICE && device_hooks && device_hooks->realized) {
        device_hooks->realized((Device *)o);
    }
    return true;
}

void object_delete(Object *o)
{
    while (o->children && o->children->len) {
        object_delete(o->children->pdata[o->children->len - 1]);
    }
    if (o->is_realized) {
        if (o->type->kind == KIND_DEVICE && device_hooks && device_hooks->unrealized) {
            device_hooks->unrealized((Device *)o);
        }
        unrealize_rows(o->type, o);
        o->is_realized = false;
    }
    tree_remove(o);
    instance_free(o);
}

/* ---- create ---- */

Object *object_new(const char *type_name, const char *id, Object *parent)
{
    const ObjectType *type = type_find(type_name);
    Object *o;

    g_assert(type && type->size);
    o = instance_new(type);
    tree_add(parent, o, id);
    return o;
}

typedef struct Candidates {
    ObjectKind kind;
    GPtrArray *names;
} Candidates;

static void collect_type(const ObjectType *type, void *opaque)
{
    Candidates *c = opaque;

    if (type->kind == c->kind && type->size && (type->flags & TYPE_USER_CREATABLE)) {
        g_ptr_array_add(c->names, (void *)type->name);
    }
}

static const ObjectType *find_creatable(ObjectKind kind, const char *name, GError **errp)
{
    const ObjectType *type = type_find(name);
    Candidates c = {.kind = kind};
    g_autofree char *list = NULL;

    if (type && type->kind == kind && type->size) {
        return type;
    }
    c.names = g_ptr_array_new();
    type_foreach(collect_type, &c);
    g_ptr_array_add(c.names, NULL);
    list = g_strjoinv(", ", (char **)c.names->pdata);
    g_ptr_array_unref(c.names);
    fail(errp, "Parameter '%s' does not accept value '%s'; accepted: %s", kind_type_key(kind), name,
         *list ? list : "none");
    return NULL;
}

static bool check_id(const Json *props, Object *parent, const char **ret_id, GError **errp)
{
    const Json *value = props ? json_get(props, "id") : NULL;
    const char *id = json_get_string(value);

    *ret_id = id;
    if (!value) {
        return true;
    }
    if (!id) {
        return fail(errp, "Invalid parameter type for 'id', expected: string");
    }
    if (!id_is_wellformed(id)) {
        return fail(errp, "Parameter 'id' expects an identifier; '%s' is none: identifiers consist of letters, digits, "
                    "'-', '.', '_', starting with a letter", id);
    }
    if (object_find_id(parent, id)) {
        return fail(errp, "Duplicate ID '%s' below %s", id, parent->path);
    }
    return true;
}

Object *object_create(ObjectKind kind, const char *type_name, const Json *props, Object *parent, GError **errp)
{
    const ObjectType *type = find_creatable(kind, type_name, errp);
    const char *id;
    Object *o;

    if (!type || !check_id(props, parent, &id, errp)) {
        return NULL;
    }
    o = instance_new(type);
    tree_add(parent, o, id);
    if (!object_set_props(o, props, errp) || !object_realize(o, errp)) {
        object_delete(o);
        return NULL;
    }
    return o;
}
