/* object/tree.c - the tree of what was made: containers, paths, finding.
 * Page: docs/object.md.  Test: tests/unit/object/object-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "instance.h"

#include <string.h>

#define ID_MAX 127

static Object *root;

static Object *container_new(Object *parent, const char *id)
{
    Object *o = instance_new(type_find("container"));

    o->is_realized = true;
    tree_add(parent, o, id);
    return o;
}

Object *object_root(void)
{
    static const char *const always[] = {"machine", "objects", "chardevs"};
    static const char *const machine[] = {"unattached", "peripheral", "peripheral-anon"};
    Object *m;

    if (root) {
        return root;
    }
    root = instance_new(type_find("container"));
    root->is_realized = true;
    root->path = g_strdup("/");
    for (unsigned i = 0; i < G_N_ELEMENTS(always); i++) {
        container_new(root, always[i]);
    }
    m = object_find_id(root, "machine");
    for (unsigned i = 0; i < G_N_ELEMENTS(machine); i++) {
        container_new(m, machine[i]);
    }
    return root;
}

const char *object_name(const Object *o)
{
    return o->path ? strrchr(o->path, '/') + 1 : o->type->name;
}

Object *object_find_id(Object *container, const char *id)
{
    for (unsigned i = 0; container->children && i < container->children->len; i++) {
        Object *child = container->children->pdata[i];

        if (!strcmp(object_name(child), id)) {
            return child;
        }
    }
    return NULL;
}

static char *free_name(Object *parent)
{
    for (unsigned n = 0;; n++) {
        char *name = g_strdup_printf("device[%u]", n);

        if (!object_find_id(parent, name)) {
            return name;
        }
        g_free(name);
    }
}

void tree_add(Object *parent, Object *o, const char *id)
{
    g_autofree char *name = NULL;

    if (!parent) {
        parent = object_root();
    }
    name = id ? g_strdup(id) : free_name(parent);
    g_assert(!object_find_id(parent, name));
    o->id = g_strdup(id);
    o->parent = parent;
    o->path = g_strconcat(parent->parent ? parent->path : "", "/", name, NULL);
    if (!parent->children) {
        parent->children = g_ptr_array_new();
    }
    g_ptr_array_add(parent->children, o);
}

void tree_remove(Object *o)
{
    if (o->parent) {
        g_ptr_array_remove(o->parent->children, o);
        o->parent = NULL;
    } else if (o == root) {
        root = NULL;
    }
}

Object *object_container(const char *path)
{
    g_auto(GStrv) parts = g_strsplit(path, "/", -1);
    Object *o = object_root();

    for (char **part = parts; *part; part++) {
        Object *child = **part ? object_find_id(o, *part) : o;

        o = child ? child : container_new(o, *part);
    }
    return o;
}

/* ---- finding ---- */

static Object *find_absolute(const char *path)
{
    g_auto(GStrv) parts = g_strsplit(path, "/", -1);
    Object *o = object_root();

    for (char **part = parts; *part && o; part++) {
        o = **part ? object_find_id(o, *part) : o;
    }
    return o;
}

typedef struct Search {
    const char *tail; /* "/net0" */
    Object *found;
    unsigned count;
} Search;

static void search_below(Object *o, Search *s)
{
    for (unsigned i = 0; o->children && i < o->children->len; i++) {
        Object *child = o->children->pdata[i];

        if (g_str_has_suffix(child->path, s->tail)) {
            s->found = child;
            s->count++;
        }
        search_below(child, s);
    }
}

Object *object_find(const char *path)
{
    g_autofree char *tail = NULL;
    Search s = {0};

    if (*path == '/') {
        return find_absolute(path);
    }
    tail = g_strconcat("/", path, NULL);
    s.tail = tail;
    if (*path) {
        search_below(object_root(), &s);
    }
    return s.count == 1 ? s.found : NULL;
}

bool id_is_wellformed(const char *id)
{
    if (!g_ascii_isalpha(*id) || strlen(id) > ID_MAX) {
        return false;
    }
    for (; *id; id++) {
        if (!g_ascii_isalnum(*id) && !strchr("-._", *id)) {
            return false;
        }
    }
    return true;
}
