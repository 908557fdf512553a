/* object/qmp.c - qom-list, qom-get, object-add and the like.  Page: docs/object.md.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "object/object.h"
#include "qapi/qapi-commands.h"
#include "util/error.h"

#include <string.h>

static Object *find(const char *path, GError **errp)
{
    Object *o = object_find(path);

    if (!o) {
        fail_class(errp, ERROR_CLASS_DEVICE_NOT_FOUND, "Device '%s' not found", path);
    }
    return o;
}

/* ---- instances ---- */

static void append_info(ObjectPropertyInfoList ***tail, const char *name, char *take_type, const char *about, Json *take)
{
    ObjectPropertyInfo *info = g_new0(ObjectPropertyInfo, 1);

    info->name = g_strdup(name);
    info->type = take_type;
    info->description = g_strdup(about);
    info->default_value = take;
    QAPI_LIST_APPEND(*tail, info);
}

static void append_property(const Property *p, void *opaque)
{
    append_info(opaque, p->name, g_strdup(p->type->qapi_name), p->about, NULL);
}

ObjectPropertyInfoList *qmp_qom_list(const QomListArgs *args, GError **errp)
{
    ObjectPropertyInfoList *head = NULL, **tail = &head;
    Object *o = find(args->path, errp);

    if (!o) {
        return NULL;
    }
    append_info(&tail, "type", g_strdup("string"), NULL, NULL);
    type_properties(o->type, append_property, &tail);
    for (unsigned i = 0; o->children && i < o->children->len; i++) {
        Object *child = o->children->pdata[i];

        append_info(&tail, object_name(child), g_strdup_printf("child<%s>", child->type->name), NULL, NULL);
    }
    return head;
}

Json *qmp_qom_get(const QomGetArgs *args, GError **errp)
{
    Object *o = find(args->path, errp), *child;

    if (!o) {
        return NULL;
    }
    child = object_find_id(o, args->property);
    if (child) {
        return json_string(child->path);
    }
    if (!strcmp(args->property, "type") && !type_property(o->type, "type")) {
        return json_string(o->type->name);
    }
    return object_get(o, args->property, errp);
}

bool qmp_qom_set(const QomSetArgs *args, GError **errp)
{
    Object *o = find(args->path, errp);

    return o && object_set(o, args->property, args->value, errp);
}

/* ---- types ---- */

typedef struct TypeQuery {
    const char *implements;
    bool abstract;
    ObjectTypeInfoList *head, **tail;
} TypeQuery;

static void append_type(const ObjectType *type, void *opaque)
{
    TypeQuery *q = opaque;
    ObjectTypeInfo *info;

    if ((!type->size && !q->abstract) || (q->implements && !type_is(type, q->implements))) {
        return;
    }
    info = g_new0(ObjectTypeInfo, 1);
    info->name = g_strdup(type->name);
    info->has_abstract = info->abstract = !type->size;
    info->parent = type_parent(type) ? g_strdup(type_parent(type)->name) : NULL;
    QAPI_LIST_APPEND(q->tail, info);
}

ObjectTypeInfoList *qmp_qom_list_types(const QomListTypesArgs *args, GError **errp)
{
    TypeQuery q = {.implements = args->implements, .abstract = args->has_abstract && args->abstract};

    q.tail = &q.head;
    type_foreach(append_type, &q);
    return q.head;
}

static void append_with_default(const Property *p, void *opaque)
{
    append_info(opaque, p->name, g_strdup(p->type->qapi_name), p->about, property_default(p));
}

ObjectPropertyInfoList *qmp_qom_list_properties(const QomListPropertiesArgs *args, GError **errp)
{
    ObjectPropertyInfoList *head = NULL, **tail = &head;

    type_properties(type_find(args->typename), append_with_default, &tail);
    return head; /* of an unknown type: empty, because a manager in the field crashes on an error here */
}

ObjectPropertyInfoList *qmp_device_list_properties(const DeviceListPropertiesArgs *args, GError **errp)
{
    const ObjectType *type = type_find(args->typename);
    ObjectPropertyInfoList *head = NULL, **tail = &head;

    if (!type || type->kind != KIND_DEVICE) {
        fail_class(errp, ERROR_CLASS_DEVICE_NOT_FOUND, "Device '%s' not found", args->typename);
        return NULL;
    }
    type_properties(type, append_with_default, &tail);
    return head;
}

/* ---- objects ---- */

Json *qmp_object_add(const Json *args, GError **errp)
{
    const char *name = json_get_str(args, "qom-type");

    if (!name || !json_get_str(args, "id")) {
        fail(errp, "Parameter '%s' is missing", name ? "id" : "qom-type");
        return NULL;
    }
    return object_create(KIND_OBJECT, name, args, object_container("/objects"), errp) ? json_dict() : NULL;
}

bool qmp_object_del(const ObjectDelArgs *args, GError **errp)
{
    Object *o = object_find_id(object_container("/objects"), args->id);

    if (!o) {
        return fail(errp, "object '%s' not found", args->id);
    }
    if (o->users) {
        return fail(errp, "object '%s' is in use", args->id);
    }
    object_delete(o);
    return true;
}
