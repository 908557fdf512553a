/* tests/unit/vmstate/vmstate-test.c - tables to bytes and back.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmstate/vmstate.h"

#include "util/error.h"

#include <string.h>

typedef struct Queue {
    uint16_t index;
    uint64_t address;
    bool is_ready;
} Queue;

typedef struct Thing {
    int unsaved;
    struct {
        uint64_t a;
        uint32_t used;
        uint8_t bytes[16];
        uint16_t words[5];
        int32_t negative;
        bool flag;
        bool flags[3];
        uint8_t mac[6];
        Queue queues[4];
        uint32_t extra;
    } st;
    unsigned saving_calls, loaded_calls;
} Thing;

static const VMStateDescription queue_state = {
    .name = "thing/queue",
    .version = 1,
    .fields = VMSTATE_FIELDS(VMSTATE_U16(Queue, index), VMSTATE_U64(Queue, address),
                             VMSTATE_BOOL(Queue, is_ready)),
};

static bool extra_needed(const void *instance)
{
    return ((const Thing *)instance)->st.extra != 0;
}

static const VMStateDescription extra_state = {
    .name = "thing/extra",
    .version = 1,
    .needed = extra_needed,
    .fields = VMSTATE_FIELDS(VMSTATE_U32(Thing, st.extra)),
};

static void thing_saving(void *instance)
{
    ((Thing *)instance)->saving_calls++;
}

static bool thing_loaded(void *instance, uint32_t version, GError **errp)
{
    Thing *t = instance;

    t->loaded_calls++;
    return t->st.a != 0xbad || fail(errp, "thing: a is bad");
}

VMSTATE_DEFINE_SPAN(Thing, st)
#define THING_FIELDS                                                                               \
    VMSTATE_U64(Thing, st.a), VMSTATE_U32(Thing, st.used),                                         \
        VMSTATE_VARRAY(Thing, st.bytes, st.used, VMS_U8, NULL),                                    \
        VMSTATE_U16_ARRAY(Thing, st.words), VMSTATE_I32(Thing, st.negative),                       \
        VMSTATE_BOOL(Thing, st.flag), VMSTATE_BOOL_ARRAY(Thing, st.flags),                         \
        VMSTATE_BYTES(Thing, st.mac)
static const VMStateDescription thing_state = {
    .name = "thing",
    .version = 2,
    .phase = VMSTATE_SAVE_DEVICE,
    VMSTATE_SPAN(Thing, st),
    .saving = thing_saving,
    .loaded = thing_loaded,
    .fields = VMSTATE_FIELDS(THING_FIELDS, VMSTATE_STRUCT_ARRAY(Thing, st.queues, &queue_state)),
    .subsections = (const VMStateDescription *const[]){&extra_state, NULL},
};

static const VMStateDescription forgetful_state = {
    .name = "thing",
    .version = 1,
    VMSTATE_SPAN(Thing, st),
    .fields = VMSTATE_FIELDS(THING_FIELDS),
};

typedef struct Fixture {
    StateWriter *w;
    const uint8_t *data;
    size_t size;
} Fixture;

static void save(Fixture *f, Thing *t)
{
    f->w = state_writer_new();
    vmstate_save(&thing_state, t, f->w);
    f->data = state_writer_data(f->w, &f->size);
}

static bool load_bytes(const void *data, size_t size, Thing *t, GError **errp)
{
    StateReader r;

    state_reader_init(&r, data, size, "section 'thing'");
    return vmstate_load(&thing_state, t, 2, &r, errp);
}

static void random_thing(Thing *t)
{
    memset(t, 0, sizeof(*t));
    t->st.a = (uint64_t)g_test_rand_int() << 32 | 1;
    t->st.used = g_test_rand_int_range(0, 17);
    for (unsigned i = 0; i < t->st.used; i++) {
        t->st.bytes[i] = g_test_rand_int();
    }
    for (unsigned i = 0; i < 5; i++) {
        t->st.words[i] = g_test_rand_int();
    }
    t->st.negative = g_test_rand_int();
    t->st.flag = g_test_rand_int() & 1;
    t->st.flags[2] = g_test_rand_int() & 1;
    t->st.mac[5] = g_test_rand_int();
    for (unsigned i = 0; i < 4; i++) {
        t->st.queues[i].index = g_test_rand_int();
        t->st.queues[i].address = g_test_rand_int();
        t->st.queues[i].is_ready = g_test_rand_int() & 1;
    }
    t->st.extra = g_test_rand_int() & 1 ? g_test_rand_int() : 0;
}

static void test_round_trip(void)
{
    for (unsigned i = 0; i < 500; i++) {
        Thing a, b = {0};
        GError *err = NULL;
        Fixture f;

        random_thing(&a);
        save(&f, &a);
        g_assert_true(load_bytes(f.data, f.size, &b, &err));
        g_assert_no_error(err);
        g_assert_cmpmem(&a.st, sizeof(a.st), &b.st, sizeof(b.st));
        g_assert_cmpuint(a.saving_calls, ==, 1);
        g_assert_cmpuint(b.loaded_calls, ==, 1);
        state_writer_free(f.w);
    }
}

static void test_integers_are_big_endian(void)
{
    Thing t = {.st = {.a = 0x0102030405060708, .used = 1, .bytes = {0x55}}};
    static const uint8_t want[] = {1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 1, 0x55};
    Fixture f;

    save(&f, &t);
    g_assert_cmpmem(f.data, sizeof(want), want, sizeof(want));
    state_writer_free(f.w);
}

/* Any cut, and any byte changed, ends in an error or in a valid instance: never in a wild store
 * (ASan watches). */
static void test_wrong_bytes_are_refused(void)
{
    Thing t, out;
    Fixture f;

    random_thing(&t);
    t.st.extra = 7;
    save(&f, &t);
    for (size_t cut = 0; cut < f.size - 21; cut++) {
        GError *err = NULL;

        memset(&out, 0, sizeof(out));
        g_assert_false(load_bytes(f.data, cut, &out, &err));
        g_assert_nonnull(strstr(err->message, "section 'thing'"));
        g_clear_error(&err);
    }
    for (unsigned i = 0; i < 3000; i++) {
        g_autofree uint8_t *copy = g_memdup2(f.data, f.size);
        g_autoptr(GError) err = NULL;

        copy[g_test_rand_int_range(0, f.size)] = g_test_rand_int();
        memset(&out, 0, sizeof(out));
        if (load_bytes(copy, f.size, &out, &err)) {
            g_assert_cmpuint(out.st.used, <=, 16);
        } else {
            g_assert_nonnull(err);
        }
    }
    state_writer_free(f.w);
}

static void expect_error(const uint8_t *data, size_t size, const char *text)
{
    g_autoptr(GError) err = NULL;
    Thing out = {0};

    g_assert_false(load_bytes(data, size, &out, &err));
    if (!strstr(err->message, text)) {
        g_error("'%s' does not contain '%s'", err->message, text);
    }
}

/* The device goes on being there: also where the stream ended between the count and its array. */
static void test_a_refused_load_leaves_no_count_beyond_its_array(void)
{
    Thing t = {.st = {.a = 5, .used = 2}}, out = {0};
    uint8_t copy[256];
    Fixture f;

    save(&f, &t);
    memcpy(copy, f.data, f.size);
    copy[11] = 17;
    g_assert_false(load_bytes(copy, f.size, &out, NULL));
    g_assert_cmpuint(out.st.used, ==, 0);
    out = (Thing){0};
    g_assert_false(load_bytes(copy, 12, &out, NULL));
    g_assert_cmpuint(out.st.used, ==, 0);
    state_writer_free(f.w);
}

static void test_each_error_has_its_text(void)
{
    Thing t = {.st = {.a = 5, .used = 2, .extra = 9}};
    uint8_t copy[256];
    Fixture f;

    save(&f, &t);
    g_assert_cmpuint(f.size, <, sizeof(copy) - 20);
    memcpy(copy, f.data, f.size);
    copy[11] = 17;
    expect_error(copy, f.size, "17 elements of 'st.bytes', at most 16 fit");
    copy[11] = 2;
    copy[8 + 4 + 2 + 10 + 4] = 2;
    expect_error(copy, f.size, "a bool is 2");
    copy[8 + 4 + 2 + 10 + 4] = 0;
    copy[f.size] = 0;
    expect_error(copy, f.size + 1, "1 bytes more");
    memcpy(copy + f.size, f.data + f.size - 21, 21);
    expect_error(copy, f.size + 21, "comes twice");
    copy[f.size - 9] = 'x';
    expect_error(copy, f.size, "unknown subsection 'thing/extrx'");
    copy[f.size - 9] = 'a';
    copy[f.size - 5] = 9;
    expect_error(copy, f.size, "version 9 of 'thing/extra' cannot be read");
    t.st.a = 0xbad;
    state_writer_free(f.w);
    save(&f, &t);
    expect_error(f.data, f.size, "thing: a is bad");
    state_writer_free(f.w);
}

typedef struct Versioned {
    uint32_t a, b;
} Versioned;

static void test_old_versions_leave_new_fields_alone(void)
{
    static const VMStateField fields[] = {
        VMSTATE_U32(Versioned, a),
        {.name = "b",
         .type = VMS_U32,
         .offset = offsetof(Versioned, b),
         .size = 4,
         .count = 1,
         .since = 3},
        {},
    };
    static const VMStateDescription d = {.name = "v", .version = 3, .oldest = 2, .fields = fields};
    static const uint8_t bytes[] = {0, 0, 0, 1, 0, 0, 0, 2};
    Versioned v = {.b = 99};
    StateReader r;
    GError *err = NULL;

    state_reader_init(&r, bytes, 4, "v");
    g_assert_true(vmstate_load(&d, &v, 2, &r, &err));
    g_assert_cmpuint(v.a, ==, 1);
    g_assert_cmpuint(v.b, ==, 99);
    state_reader_init(&r, bytes, 8, "v");
    g_assert_true(vmstate_load(&d, &v, 3, &r, &err));
    g_assert_cmpuint(v.b, ==, 2);
    for (uint32_t version = 1; version < 6; version++) {
        if (version < 2 || version > 3) {
            state_reader_init(&r, bytes, 8, "v");
            g_assert_false(vmstate_load(&d, &v, version, &r, &err));
            g_assert_nonnull(strstr(err->message, "only 2 to 3"));
            g_clear_error(&err);
        }
    }
}

static void test_forgotten_member_is_named(void)
{
    g_autofree char *good = vmstate_uncovered(&thing_state);

    g_assert_cmpstr(good, ==, NULL);
    if (VMSTATE_HAS_PADDING_TEST) {
        g_autofree char *bad = vmstate_uncovered(&forgetful_state);

        g_assert_nonnull(bad);
        g_assert_nonnull(strstr(bad, "is not saved (behind 'st.mac')"));
    }
}

static void test_descriptions(void)
{
    Thing t = {.st = {.used = 3}};
    GString *json = g_string_new(NULL);
    g_autofree char *text = vmstate_describe_text(&thing_state);

    vmstate_describe_json(&thing_state, &t, json);
    g_assert_true(
        g_str_has_prefix(json->str, "{\"vmsd_name\":\"thing\",\"version\":2,\"fields\":["));
    g_assert_nonnull(strstr(json->str, "\"name\":\"st.bytes\",\"type\":\"uint8\",\"size\":1,"
                                       "\"array_len\":3}"));
    g_assert_nonnull(strstr(json->str, "\"index\":3,\"struct\":{\"vmsd_name\":\"thing/queue\""));
    g_assert_null(strstr(json->str, "thing/extra"));
    g_string_truncate(json, 0);
    t.st.used = 0;
    t.st.extra = 1;
    vmstate_describe_json(&thing_state, &t, json);
    g_assert_null(strstr(json->str, "st.bytes"));
    g_assert_nonnull(strstr(json->str, "\"subsections\":[{\"vmsd_name\":\"thing/extra\""));
    g_string_free(json, TRUE);
    g_assert_nonnull(strstr(text, "thing: version 2, reads 1, phase device\n    st.a u64\n"));
    g_assert_nonnull(strstr(text, "st.bytes u8[up to 16]\n"));
    g_assert_nonnull(strstr(text, "    thing/extra: version 1, reads 1, when needed\n"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vmstate/round_trip", test_round_trip);
    g_test_add_func("/vmstate/integers_are_big_endian", test_integers_are_big_endian);
    g_test_add_func("/vmstate/wrong_bytes_are_refused", test_wrong_bytes_are_refused);
    g_test_add_func("/vmstate/a_refused_load_leaves_no_count_beyond_its_array",
                    test_a_refused_load_leaves_no_count_beyond_its_array);
    g_test_add_func("/vmstate/each_error_has_its_text", test_each_error_has_its_text);
    g_test_add_func("/vmstate/old_versions_leave_new_fields_alone",
                    test_old_versions_leave_new_fields_alone);
    g_test_add_func("/vmstate/forgotten_member_is_named", test_forgotten_member_is_named);
    g_test_add_func("/vmstate/descriptions", test_descriptions);
    return g_test_run();
}
