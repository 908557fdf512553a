/* tests/unit/qapi/gen-test.c - what gen.py makes of a schema with one of everything.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "test-qapi-commands.h"
#include "test-qapi-events.h"
#include "util/error.h"

#include <string.h>

/* ---- the handlers of the test schema ---- */

Box *qmp_box_swap(const BoxSwapArgs *args, GError **errp)
{
    g_autoptr(Json) j = NULL;

    if (!args->right) {
        fail_class(errp, ERROR_CLASS_DEVICE_NOT_FOUND, "no box '%s'", args->left->name);
        return NULL;
    }
    j = Box_to_json(args->right);
    return Box_from_json(j, NULL, errp);
}

BoxList *qmp_box_list(GError **errp)
{
    return NULL;
}

bool qmp_draw(const Shape *args, GError **errp)
{
    return args->kind == KIND_LINUX || fail(errp, "cannot draw %s", Kind_str(args->kind));
}

char *qmp_say(const SayArgs *args, GError **errp)
{
    return g_strdup(args->what);
}

Json *qmp_raw(const Json *args, GError **errp)
{
    return json_copy(args);
}

/* ---- tests ---- */

static Json *parse(const char *text)
{
    Json *j = json_parse(text, strlen(text), NULL);

    g_assert_nonnull(j);
    return j;
}

static void box_round_trips(void)
{
    static const char text[] =
        "{\"name\": \"a\", \"count\": 7, \"shade\": \"very-dark\", \"default\": false, \"inner\": {\"name\": \"b\", "
        "\"shade\": \"light\"}, \"boxes\": [{\"name\": \"c\", \"shade\": \"light\"}], \"shades\": [\"light\", "
        "\"very-dark\"], \"big\": 18446744073709551615, \"rate\": 2.5, \"free\": [null], \"either\": 3}";
    g_autoptr(Json) in = parse(text), out = NULL;
    g_autoptr(GError) err = NULL;
    g_autoptr(Box) box = Box_from_json(in, NULL, &err);
    g_autofree char *printed = NULL;

    g_assert_no_error(err);
    g_assert_cmpstr(box->name, ==, "a");
    g_assert_true(box->has_count && box->count == 7 && box->has_default && !box->q_default);
    g_assert_cmpint(box->shade, ==, SHADE_VERY_DARK);
    g_assert_cmpstr(box->boxes->value->name, ==, "c");
    g_assert_cmpint(box->shades->next->value, ==, SHADE_VERY_DARK);
    g_assert_cmpint(box->either->u.i, ==, 3);
    out = Box_to_json(box);
    printed = json_print(out, false);
    g_assert_cmpstr(printed, ==, text);
}

static const struct {
    const char *json, *error;
} wrong_boxes[] = {
    {"{'shade':'light'}", "Parameter 'name' is missing"},
    {"{'name':'a','shade':'light','x':1}", "Parameter 'x' is unexpected"},
    {"{'name':1,'shade':'light'}", "Invalid parameter type for 'name', expected: string"},
    {"{'name':'a','shade':'blue'}", "Parameter 'shade' does not accept value 'blue'; accepted: light, very-dark"},
    {"{'name':'a','shade':'gone'}", "Parameter 'shade' does not accept value 'gone'; accepted: light, very-dark"},
    {"{'name':'a','shade':'light','count':256}", "Parameter 'count' expects uint8"},
    {"{'name':'a','shade':'light','count':'7'}", "Invalid parameter type for 'count', expected: integer"},
    {"{'name':'a','shade':'light','inner':{'name':'b'}}", "Parameter 'inner.shade' is missing"},
    {"{'name':'a','shade':'light','inner':{'name':'b','shade':'light','y':1}}", "Parameter 'inner.y' is unexpected"},
    {"{'name':'a','shade':'light','boxes':[{'name':2}]}", "Invalid parameter type for 'boxes[0].name', expected: string"},
    {"{'name':'a','shade':'light','boxes':{}}", "Invalid parameter type for 'boxes', expected: array"},
    {"{'name':'a','shade':'light','either':true}", "Invalid parameter type for 'either', expected: TextOrNumber"},
    {"[]", "Invalid parameter type for 'arguments', expected: object"},
};

static void strict_input_names_the_member(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(wrong_boxes); i++) {
        g_autoptr(Json) j = parse(wrong_boxes[i].json);
        g_autoptr(GError) err = NULL;

        g_assert_null(Box_from_json(j, NULL, &err));
        g_assert_cmpstr(err->message, ==, wrong_boxes[i].error);
    }
}

static Json *run(const char *command, const char *args, GError **errp)
{
    g_autoptr(Json) j = args ? parse(args) : NULL;

    return qmp_call(command, j, errp);
}

static void union_takes_the_chosen_branch(void)
{
    g_autoptr(Json) shape = parse("{'kind':'plain','id':'p','side':4}"), ok = NULL, back = NULL;
    g_autoptr(Shape) s = Shape_from_json(shape, NULL, NULL);
    g_autoptr(GError) err = NULL;

    g_assert_cmpint(s->u.plain->side, ==, 4);
    back = Shape_to_json(s);
    g_assert_true(json_equal(shape, back));
    ok = run("draw", "{'kind':'linux','id':'l','radius':-1}", NULL);
    g_assert_nonnull(ok);
    g_assert_null(run("draw", "{'kind':'linux','id':'l','side':1}", &err));
    g_assert_cmpstr(err->message, ==, "Parameter 'side' is unexpected");
    g_clear_error(&err);
    g_assert_null(run("draw", "{'kind':'none','id':'l'}", &err));
    g_assert_cmpstr(err->message, ==, "cannot draw none");
    g_clear_error(&err);
    g_assert_null(run("draw", "{'kind':'plain','id':'l'}", &err));
    g_assert_cmpstr(err->message, ==, "Parameter 'side' is missing");
}

static void commands_are_called_through_the_table(void)
{
    static const struct {
        const char *command, *args, *out;
    } cases[] = {
        {"box-swap", "{'left':{'name':'l','shade':'light'},'right':{'name':'r','shade':'light'}}",
         "{\"name\": \"r\", \"shade\": \"light\"}"},
        {"box-swap", "{'left':{'name':'l','shade':'light'}}", "DeviceNotFound: no box 'l'"},
        {"box_list", NULL, "[]"},
        {"box_list", "{'x':1}", "GenericError: Parameter 'x' is unexpected"},
        {"say", "{'what':'hi'}", "\"hi\""},
        {"raw", "{'x':1,'y':2}", "{\"x\": 1, \"y\": 2}"},
        {"not-here", NULL, "CommandNotFound: The command not-here has not been found"},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) err = NULL;
        g_autoptr(Json) j = run(cases[i].command, cases[i].args, &err);
        g_autofree char *text =
            j ? json_print(j, false) : g_strdup_printf("%s: %s", error_class_name(err->code), err->message);

        g_assert_cmpstr(text, ==, cases[i].out);
    }
    g_assert_cmpint(qmp_find("box_list")->flags, ==, QMP_ALLOW_OOB);
}

static GString *events;

static void note_event(const char *name, Json *data, int64_t at_ns)
{
    g_autofree char *text = data ? json_print(data, false) : g_strdup("-");

    g_string_append_printf(events, "%s %s;", name, text);
    json_unref(data);
}

static void events_go_to_the_hook(void)
{
    events = g_string_new(NULL);
    qapi_event_DONE(); /* nobody listens */
    qapi_set_emit_hook(note_event);
    qapi_event_BOX_MOVED(&(BoxMovedEvent){.to = (char *)"x", .has_by = true, .by = -2});
    qapi_event_DONE();
    g_assert_cmpstr(events->str, ==, "BOX_MOVED {\"to\": \"x\", \"by\": -2};DONE -;");
    g_string_free(events, true);
}

static const Json *entity(const Json *schema, const char *name)
{
    for (size_t i = 0; i < json_size(schema); i++) {
        if (!g_strcmp0(json_get_str(json_at(schema, i), "name"), name)) {
            return json_at(schema, i);
        }
    }
    return NULL;
}

static void introspection_leads_from_command_to_member(void)
{
    g_autoptr(Json) schema = parse(test_qapi_schema_json);
    const Json *command = entity(schema, "draw"), *arg, *variants;

    g_assert_null(entity(schema, "not-here"));
    g_assert_nonnull(json_get(entity(schema, "box_list"), "allow-oob"));
    arg = entity(schema, json_get_str(command, "arg-type"));
    g_assert_cmpstr(json_get_str(arg, "meta-type"), ==, "object");
    g_assert_cmpstr(json_get_str(arg, "tag"), ==, "kind");
    variants = json_get(arg, "variants");
    g_assert_cmpint(json_size(variants), ==, 3);
    g_assert_cmpstr(json_get_str(json_at(variants, 1), "case"), ==, "linux");
    g_assert_nonnull(entity(schema, json_get_str(json_at(variants, 1), "type")));
    for (size_t i = 0; i < json_size(schema); i++) {
        const Json *members = json_get(json_at(schema, i), "members");

        for (size_t k = 0; k < json_size(members); k++) {
            const char *type = json_get_str(json_at(members, k), "type");

            g_assert_true(!type || entity(schema, type));
        }
    }
}

int main(int argc, char **argv)
{
    qmp_set_commands(test_qmp_commands);
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qapi/gen/box_round_trips", box_round_trips);
    g_test_add_func("/qapi/gen/strict_input_names_the_member", strict_input_names_the_member);
    g_test_add_func("/qapi/gen/union_takes_the_chosen_branch", union_takes_the_chosen_branch);
    g_test_add_func("/qapi/gen/commands_are_called_through_the_table", commands_are_called_through_the_table);
    g_test_add_func("/qapi/gen/events_go_to_the_hook", events_go_to_the_hook);
    g_test_add_func("/qapi/gen/introspection_leads_from_command_to_member", introspection_leads_from_command_to_member);
    return g_test_run();
}
