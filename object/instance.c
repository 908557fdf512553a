/* object/instance.c - an instance's members: defaults, setting, getting.
 * Page: docs/object.md.  Test: tests/unit/object/object-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "instance.h"
#include "object/device.h"
#include "util/error.h"
#include "util/log.h"

#include <string.h>

static void *field_of(Object *o, const Property *p)
{
    return (char *)o + p->offset;
}

static void set_default(const Property *p, void *opaque)
{
    Object *o = opaque;
    g_autoptr(Json) value = property_default(p);

    if (value && (p->defval || p->defstr)) {
        Property open = *p;

        open.min = open.max = 0; /* a default may say "not set" outside of what users may say */
        g_assert(p->type->parse(&open, field_of(o, p), value, NULL));
    }
}

static void clear_property(const Property *p, void *opaque)
{
    if (p->type->clear) {
        p->type->clear(p, field_of(opaque, p));
    }
}

/* ---- -global ---- */

typedef struct Global {
    const ObjectType *type;
    const Property *property;
    char *value;
} Global;

static GArray *globals;

bool type_set_global(const char *type_name, const char *property, const char *value, GError **errp)
{
    const ObjectType *type = type_find(type_name);
    Global g = {.type = type, .property = type ? type_property(type, property) : NULL};
    g_autoptr(Json) j = json_string(value);
    uint64_t scratch[8] = {0}; /* larger than any property's member */

    if (!type) {
        return fail(errp, "there is no type '%s'", type_name);
    }
    if (!g.property) {
        return fail(errp, "Property '%s.%s' not found", type_name, property);
    }
    if (!g.property->type->parse(g.property, scratch, j, errp)) {
        return false;
    }
    if (g.property->type->clear) {
        g.property->type->clear(g.property, scratch);
    }
    g.value = g_strdup(value);
    if (!globals) {
        globals = g_array_new(false, false, sizeof(Global));
    }
    g_array_append_val(globals, g);
    return true;
}

static void apply_globals(Object *o)
{
    for (unsigned i = 0; globals && i < globals->len; i++) {
        Global *g = &g_array_index(globals, Global, i);
        g_autoptr(Json) j = json_string(g->value);

        if (type_is(o->type, g->type->name)) {
            g_assert(g->property->type->parse(g->property, field_of(o, g->property), j, NULL));
        }
    }
}

Object *instance_new(const ObjectType *type)
{
    Object *o;

    g_assert(type->size >= sizeof(Object));
    o = g_malloc0(type->size);
    o->type = type;
    type_properties(type, set_default, o);
    apply_globals(o);
    return o;
}

void instance_free(Object *o)
{
    type_properties(o->type, clear_property, o);
    g_clear_pointer(&o->children, g_ptr_array_unref);
    g_free(o->id);
    g_free(o->path);
    g_free(o);
}

/* ---- errors that list what is accepted ---- */

static void collect_name(const Property *p, void *opaque)
{
    GPtrArray *names = opaque;

    if (!(p->flags & PROP_READONLY)) {
        g_ptr_array_add(names, (void *)p->name);
    }
}

static bool fail_unknown(const ObjectType *type, const char *name, GError **errp)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    g_autofree char *list = NULL;

    type_properties(type, collect_name, names);
    g_ptr_array_add(names, NULL);
    list = g_strjoinv(", ", (char **)names->pdata);
    return fail(errp, "Property '%s.%s' not found; accepted: %s", type->name, name, *list ? list : "none");
}

/* ---- setting and getting ---- */

static const Object *find_same(const Object *at, const Object *but, const char *name, const Json *value)
{
    const Property *p = type_property(at->type, name);
    g_autoptr(Json) its = p && p->flags & PROP_UNIQUE && at != but ? p->type->print(p, field_of((Object *)at, p)) : NULL;

    if (its && json_equal(its, value)) {
        return at;
    }
    for (unsigned i = 0; at->children && i < at->children->len; i++) {
        const Object *found = find_same(at->children->pdata[i], but, name, value);

        if (found) {
            return found;
        }
    }
    return NULL;
}

/* Sets it, or leaves it as it was. */
static bool set_unique(Object *o, const Property *p, const Json *value, GError **errp)
{
    g_autoptr(Json) before = p->type->print(p, field_of(o, p)), after = NULL, otherwise = property_default(p);
    const Object *same;

    if (!p->type->parse(p, field_of(o, p), value, errp)) {
        return false;
    }
    after = p->type->print(p, field_of(o, p));
    same = json_equal(after, otherwise) ? NULL : find_same(object_root(), o, p->name, after);
    if (same) {
        g_autofree char *text = json_print(after, false);

        p->type->parse(p, field_of(o, p), before, NULL);
        return fail(errp, "Property '%s.%s': %s is taken by '%s'", o->type->name, p->name, text,
                    same->path ? same->path : same->type->name);
    }
    return true;
}

bool object_set(Object *o, const char *name, const Json *value, GError **errp)
{
    const Property *p = type_property(o->type, name);

    if (!p) {
        return fail_unknown(o->type, name, errp);
    }
    if (p->flags & PROP_READONLY) {
        return fail(errp, "Property '%s.%s' is not writable", o->type->name, name);
    }
    if (o->is_realized && !(p->flags & PROP_SETTABLE)) {
        return fail(errp, "Property '%s.%s' cannot be set after it was created (%s)", o->type->name, name,
                    o->path ? o->path : "no path");
    }
    if (!(p->flags & PROP_UNIQUE ? set_unique(o, p, value, errp) : p->type->parse(p, field_of(o, p), value, errp))) {
        return false;
    }
    TRACE(object_set, "%s.%s", o->path ? o->path : o->type->name, name);
    if (o->is_realized && p->changed) {
        p->changed(o, p);
    }
    return true;
}

bool object_set_str(Object *o, const char *name, const char *value, GError **errp)
{
    g_autoptr(Json) j = json_string(value);

    return object_set(o, name, j, errp);
}

Json *object_get(Object *o, const char *name, GError **errp)
{
    const Property *p = type_property(o->type, name);

    if (!p) {
        fail_unknown(o->type, name, errp);
        return NULL;
    }
    return p->type->print(p, field_of(o, p));
}

static bool is_housekeeping(const Object *o, const char *key)
{
    if (type_property(o->type, key)) {
        return false;
    }
    return !strcmp(key, "id") || !strcmp(key, kind_type_key(o->type->kind)) ||
           (o->type->kind == KIND_DEVICE && !strcmp(key, "bus"));
}

bool object_set_props(Object *o, const Json *props, GError **errp)
{
    for (size_t i = 0; props && i < json_size(props); i++) {
        const char *key = json_key_at(props, i);

        if (!is_housekeeping(o, key) && !object_set(o, key, json_value_at(props, i), errp)) {
            return false;
        }
    }
    return true;
}
