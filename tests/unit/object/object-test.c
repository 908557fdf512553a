/* tests/unit/object/object-test.c - rows become objects, and users are told what they may say.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "object/device.h"
#include "object/object.h"
#include "util/error.h"

#include <string.h>

static GString *history;

typedef struct Base {
    Device dev;
    uint32_t width;
    bool base_fails;
} Base;

typedef struct Thing {
    Base base;
    bool on;
    int mode, tri;
    uint64_t size;
    uint8_t mac[6];
    char *name, *must;
    int32_t delta, boot_index;
    bool fails;
} Thing;

static bool base_realize(Object *o, GError **errp)
{
    g_string_append(history, "base+ ");
    return ((Base *)o)->base_fails ? fail(errp, "base: told to fail") : true;
}

static void base_unrealize(Object *o)
{
    g_string_append(history, "base- ");
}

static bool thing_realize(Object *o, GError **errp)
{
    g_string_append(history, "thing+ ");
    return ((Thing *)o)->fails ? fail(errp, "thing: told to fail") : true;
}

static void thing_unrealize(Object *o)
{
    g_string_append(history, "thing- ");
}

static void base_reset(Object *o)
{
    g_string_append(history, "base0 ");
}

static void thing_reset(Object *o)
{
    g_string_append(history, "thing0 ");
}

static void width_changed(Object *o, const Property *p)
{
    g_string_append_printf(history, "%s=%u ", p->name, ((Base *)o)->width);
}

static const char *const modes[] = {"slow", "fast", NULL};
static const Property base_props[] = {
    {.name = "width", .type = &prop_u32, .offset = offsetof(Base, width), .defval = 8, .min = 1, .max = 64,
     .flags = PROP_SETTABLE, .changed = width_changed},
    PROP_BOOL("base-fails", Base, base_fails, false, "for the test"),
    {},
};
static const Property thing_props[] = {
    PROP_BOOL("on", Thing, on, true, "switch"),
    PROP_ENUM("mode", Thing, mode, 1, modes, "how fast"),
    PROP_SIZE("size", Thing, size, 4096, "bytes"),
    PROP_MAC("mac", Thing, mac, "address"),
    PROP_STR("name", Thing, name, "anon", "text"),
    PROP_BOOL("fails", Thing, fails, false, "for the test"),
    {.name = "tri", .type = &prop_on_off_auto, .offset = offsetof(Thing, tri)},
    {.name = "delta", .type = &prop_i32, .offset = offsetof(Thing, delta), .defval = (uint64_t)-5},
    PROP_BOOT_INDEX(Thing, boot_index),
    {.name = "must", .type = &prop_str, .offset = offsetof(Thing, must), .flags = PROP_REQUIRED},
    {},
};
static const ObjectType base_type = {
    .name = "test-base", .parent = "device", .kind = KIND_DEVICE, .props = base_props, .realize = base_realize,
    .unrealize = base_unrealize, .reset = base_reset,
};
static const ObjectType thing_type = {
    .name = "test-thing", .parent = "test-base", .kind = KIND_DEVICE, .size = sizeof(Thing), .props = thing_props,
    .realize = thing_realize, .unrealize = thing_unrealize, .reset = thing_reset, .flags = TYPE_USER_CREATABLE,
};
static const ObjectType *const types[] = {&base_type, &thing_type, NULL};

static Object *make(const char *json, GError **errp)
{
    g_autoptr(Json) props = json_parse(json, strlen(json), NULL);

    g_string_truncate(history, 0);
    g_assert_nonnull(props);
    return object_create(KIND_DEVICE, "test-thing", props, object_container("/machine/peripheral"), errp);
}

static void check(Object *o, const char *name, const char *expected)
{
    g_autoptr(Json) value = object_get(o, name, NULL);
    g_autofree char *text = json_print(value, false);

    g_assert_cmpstr(text, ==, expected);
}

static void defaults_and_values(void)
{
    Object *o = make("{'driver':'test-thing','id':'t0','must':'x'}", NULL);

    check(o, "on", "true");
    check(o, "mode", "\"fast\"");
    check(o, "size", "4096");
    check(o, "name", "\"anon\"");
    check(o, "width", "8");
    check(o, "delta", "-5");
    check(o, "tri", "\"auto\"");
    check(o, "mac", "\"00:00:00:00:00:00\"");
    object_delete(o);
    o = make("{'id':'t0','must':'x','on':'off','mode':'slow','size':'1.5M','mac':'52:54:00:12:34:56','width':'0x10',"
             "'delta':'-7','tri':true}", NULL);
    check(o, "on", "false");
    check(o, "mode", "\"slow\"");
    check(o, "size", "1572864");
    check(o, "mac", "\"52:54:00:12:34:56\"");
    check(o, "width", "16");
    check(o, "delta", "-7");
    check(o, "tri", "\"on\"");
    object_delete(o);
}

static void refuses_with_what_is_accepted(void)
{
    static const struct {
        const char *json, *text;
    } cases[] = {
        {"{'must':'x','nope':1}", "Property 'test-thing.nope' not found; accepted: width, base-fails, on, mode, size, mac, name, "
                                  "fails, tri, delta, bootindex, must"},
        {"{'must':'x','mode':'warp'}", "Parameter 'mode' does not accept value 'warp'; accepted: slow, fast"},
        {"{'must':'x','width':65}", "Parameter 'width' expects a number from 1 to 64"},
        {"{'must':'x','width':'-1'}", "Parameter 'width' expects a number from 1 to 64"},
        {"{'must':'x','on':3}", "Invalid parameter type for 'on', expected: boolean"},
        {"{'must':'x','mac':'52:54:00:12:34'}", "Parameter 'mac' expects an Ethernet 48-bit MAC address, e.g. "
                                                "52:54:00:12:34:56"},
        {"{'must':'x','id':'0bad'}", NULL},
        {"{'must':'x','size':'1Q'}", NULL},
        {"{}", "Parameter 'must' is missing"},
        {"{'must':'x','fails':true}", "thing: told to fail"},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) err = NULL;

        g_assert_null(make(cases[i].json, &err));
        g_assert_nonnull(err);
        if (cases[i].text) {
            g_assert_cmpstr(err->message, ==, cases[i].text);
        }
        g_assert_null(object_find("/machine/peripheral/device[0]"));
    }
    g_assert_null(object_create(KIND_NETDEV, "test-thing", NULL, NULL, NULL));
}

static void only_what_was_realized_is_unrealized(void)
{
    static const struct {
        const char *json, *rows;
    } cases[] = {
        {"{'must':'x','base-fails':true}", "base+ base- "},
        {"{'must':'x','fails':true}", "base+ thing+ thing- base- "},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_assert_null(make(cases[i].json, NULL));
        g_assert_cmpstr(history->str, ==, cases[i].rows);
    }
}

static void duplicate_id_is_refused(void)
{
    g_autoptr(GError) err = NULL;
    Object *o = make("{'must':'x','id':'t0'}", NULL);

    g_assert_null(make("{'must':'x','id':'t0'}", &err));
    g_assert_nonnull(strstr(err->message, "Duplicate ID 't0'"));
    object_delete(o);
}

static bool set_boot_index(Object *o, int64_t value, GError **errp)
{
    g_autoptr(Json) j = json_int(value);

    return object_set(o, "bootindex", j, errp);
}

static void unique_values_are_unique(void)
{
    Object *a = make("{'id':'a','must':'x','bootindex':1}", NULL), *b = make("{'id':'b','must':'x'}", NULL);
    g_autoptr(GError) err = NULL;

    g_assert_null(make("{'id':'c','must':'x','bootindex':'0x1'}", &err));
    g_assert_cmpstr(err->message, ==, "Property 'test-thing.bootindex': 1 is taken by '/machine/peripheral/a'");
    g_assert_false(set_boot_index(b, 1, NULL));
    check(b, "bootindex", "-1");
    g_assert_true(set_boot_index(a, 1, NULL)); /* its own */
    g_assert_true(set_boot_index(a, -1, NULL));
    g_assert_true(set_boot_index(b, 1, NULL));
    object_delete(a);
    object_delete(b);
}

static void rows_run_in_order(void)
{
    Object *o = make("{'must':'x'}", NULL);

    object_reset(o);
    g_assert_true(object_set_str(o, "width", "9", NULL));
    g_assert_false(object_set_str(o, "name", "late", NULL));
    object_delete(o);
    g_assert_cmpstr(history->str, ==, "base+ thing+ base0 thing0 width=9 thing- base- ");
}

static void tree_finds(void)
{
    Object *a = make("{'must':'x','id':'nic'}", NULL), *b = make("{'must':'x'}", NULL);

    g_assert_true(object_find("/machine/peripheral/nic") == a);
    g_assert_true(object_find("nic") == a);
    g_assert_true(object_find("peripheral/nic") == a);
    g_assert_cmpstr(b->path, ==, "/machine/peripheral/device[0]");
    g_assert_null(b->id);
    g_assert_null(object_find("ic"));
    g_assert_true(object_find("/") == object_root());
    object_new("container", "nic", object_container("/objects"));
    g_assert_null(object_find("nic")); /* two of them */
    object_delete(object_find("/objects/nic"));
    object_delete(a);
    object_delete(b);
    g_assert_true(object_is(object_root(), "object"));
    g_assert_true(type_is(&thing_type, "device"));
    g_assert_false(type_is(&base_type, "test-thing"));
}

/* The last test: globals stay. */
static void globals_are_defaults(void)
{
    g_autoptr(GError) err = NULL;
    Object *o;

    g_assert_false(type_set_global("test-base", "nope", "1", &err));
    g_clear_error(&err);
    g_assert_false(type_set_global("test-base", "width", "65", &err));
    g_clear_error(&err);
    g_assert_false(type_set_global("nope", "width", "1", &err));
    g_assert_true(type_set_global("test-base", "width", "17", NULL));
    g_assert_true(type_set_global("test-thing", "name", "global", NULL));
    o = make("{'must':'x'}", NULL);
    check(o, "width", "17");
    check(o, "name", "\"global\"");
    object_delete(o);
    o = make("{'must':'x','width':18}", NULL);
    check(o, "width", "18");
    object_delete(o);
}

int main(int argc, char **argv)
{
    history = g_string_new(NULL);
    types_register(types);
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/object/defaults_and_values", defaults_and_values);
    g_test_add_func("/object/refuses_with_what_is_accepted", refuses_with_what_is_accepted);
    g_test_add_func("/object/only_what_was_realized_is_unrealized", only_what_was_realized_is_unrealized);
    g_test_add_func("/object/duplicate_id_is_refused", duplicate_id_is_refused);
    g_test_add_func("/object/unique_values_are_unique", unique_values_are_unique);
    g_test_add_func("/object/rows_run_in_order", rows_run_in_order);
    g_test_add_func("/object/tree_finds", tree_finds);
    g_test_add_func("/object/globals_are_defaults", globals_are_defaults);
    return g_test_run();
}
