/* tests/unit/main/schema-test.c - what the schema lists and what the rows are cannot drift apart.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "../../../main/assemble.h"
#include "hw/machine.h"
#include "qapi/qapi-commands.h"
#include "qapi/qapi-events.h"
#include "system/runstate.h"

#include <string.h>

static Json *schema;

static const Json *entity(const char *name)
{
    for (size_t i = 0; i < json_size(schema); i++) {
        if (!g_strcmp0(json_get_str(json_at(schema, i), "name"), name)) {
            return json_at(schema, i);
        }
    }
    return NULL;
}

static const Json *arguments(const char *command)
{
    const Json *c = entity(command);

    g_assert_nonnull(c);
    return entity(json_get_str(c, "arg-type"));
}

static const Json *member(const Json *object, const char *name)
{
    const Json *members = json_get(object, "members");

    for (size_t i = 0; i < json_size(members); i++) {
        if (!strcmp(json_get_str(json_at(members, i), "name"), name)) {
            return json_at(members, i);
        }
    }
    return NULL;
}

typedef struct Walk {
    ObjectKind kind;
    const Json *object; /* of the schema */
    unsigned count;
} Walk;

static const Json *branch(const Json *object, const char *name)
{
    const Json *variants = json_get(object, "variants");

    for (size_t i = 0; i < json_size(variants); i++) {
        if (!strcmp(json_get_str(json_at(variants, i), "case"), name)) {
            return entity(json_get_str(json_at(variants, i), "type"));
        }
    }
    return NULL;
}

typedef struct PropertyWalk {
    const ObjectType *type;
    const Json *object, *branch;
} PropertyWalk;

static void check_property(const Property *p, void *opaque)
{
    PropertyWalk *w = opaque;

    if (!(p->flags & PROP_READONLY) && !member(w->object, p->name) && !member(w->branch, p->name)) {
        g_error("the schema does not know %s.%s", w->type->name, p->name);
    }
}

static void check_type(const ObjectType *type, void *opaque)
{
    Walk *w = opaque;
    PropertyWalk pw = {type, w->object, branch(w->object, type->name)};

    if (type->kind != w->kind || !type->size || !(type->flags & TYPE_USER_CREATABLE)) {
        return;
    }
    if (!pw.branch) {
        g_error("the schema does not list %s", type->name);
    }
    type_properties(type, check_property, &pw);
    w->count++;
}

static void compare(const char *command, ObjectKind kind)
{
    Walk w = {.kind = kind, .object = arguments(command)};

    type_foreach(check_type, &w);
    g_assert_cmpint(w.count, ==, json_size(json_get(w.object, "variants"))); /* each branch has its row */
}

static void objects_match_rows(void)
{
    compare("object-add", KIND_OBJECT);
}

static void netdevs_match_rows(void)
{
    compare("netdev_add", KIND_NETDEV);
}

static void run_states_have_words(void)
{
    for (int i = 0; i < RUN_STATE__MAX; i++) {
        g_assert_cmpint(VmRunState_from_str(runstate_name(i)), >=, 0);
    }
}

static void each_command_has_a_handler(void)
{
    for (const QmpCommand *c = qmp_commands; c->name; c++) {
        g_assert_nonnull(c->run);
        g_assert_nonnull(entity(c->name));
    }
}

int main(int argc, char **argv)
{
    types_register(program_types);
    types_register(hw_types);
    types_register(backend_types);
    schema = json_parse(qapi_schema_json, strlen(qapi_schema_json), NULL);
    g_assert_nonnull(schema);
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/main/schema/objects_match_rows", objects_match_rows);
    g_test_add_func("/main/schema/netdevs_match_rows", netdevs_match_rows);
    g_test_add_func("/main/schema/run_states_have_words", run_states_have_words);
    g_test_add_func("/main/schema/each_command_has_a_handler", each_command_has_a_handler);
    return g_test_run();
}
