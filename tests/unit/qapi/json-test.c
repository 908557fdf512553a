/* tests/unit/qapi/json-test.c - JSON in, JSON out, and what hostile text may not do.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "qapi/json.h"

#include <string.h>

static void round_trip(void)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"null", "null"},
        {" true ", "true"},
        {"-0", "0"},
        {"9223372036854775807", "9223372036854775807"},
        {"18446744073709551615", "18446744073709551615"},
        {"1.5e3", "1500"},
        {"3.155514", "3.155514"},
        {"0.1000000000000000055", "0.1"},
        {"0.30000000000000004", "0.30000000000000004"},
        {"'it''s'", NULL},
        {"'a\"b'", "\"a\\\"b\""},
        {"\"\\u00e4\\ud83d\\ude00\\n\"", "\"\\u00e4\\ud83d\\ude00\\n\""},
        {"\"\xc3\xa4\"", "\"\\u00e4\""},
        {"[]", "[]"},
        {"{'b': [1, {}], 'a': -1}", "{\"b\": [1, {}], \"a\": -1}"},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(Json) j = json_parse(cases[i].in, strlen(cases[i].in), NULL);
        g_autofree char *text = j ? json_print(j, false) : NULL;

        g_assert_cmpstr(text, ==, cases[i].out);
    }
}

static void refuses(void)
{
    static const char *const cases[] = {
        "", "{", "[1,]", "{'a'}", "{'a':1,}", "{'a':1 'b':2}", "01", "1.", "-", "+1", "nul", "tru e", "'a", "'\\x'",
        "'\\u0000'", "'\\ud800'", "'\\udc00\\ud800'", "'\xff'", "'\xc0\x80'", "'\x01'", "[1] 2", "{1:2}", "{'a':1,'a':2}",
        "1e999", "NaN",
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) err = NULL;
        Json *j = json_parse(cases[i], strlen(cases[i]), &err);


        g_assert_null(j);
        g_assert_nonnull(err);
    }
}

static void depth_is_bounded(void)
{
    g_autofree char *deep = g_strnfill(100000, '[');
    g_autoptr(GString) text = g_string_new(NULL);
    g_autoptr(Json) j = NULL;

    g_assert_null(json_parse(deep, strlen(deep), NULL));
    for (int i = 0; i < JSON_MAX_DEPTH; i++) {
        g_string_append_c(text, '[');
    }
    for (int i = 0; i < JSON_MAX_DEPTH; i++) {
        g_string_append_c(text, ']');
    }
    j = json_parse(text->str, text->len, NULL);
    g_assert_nonnull(j);
}

static void dict_keeps_order_and_finds(void)
{
    g_autoptr(Json) d = json_dict();
    g_autoptr(Json) copy = NULL;
    int64_t v;

    for (int i = 0; i < 100; i++) {
        g_autofree char *key = g_strdup_printf("k%d", i);

        json_set(d, key, json_int(i));
    }
    json_set(d, "k7", json_int(700));
    g_assert_cmpint(json_size(d), ==, 100);
    g_assert_cmpstr(json_key_at(d, 7), ==, "k7");
    g_assert_true(json_to_int64(json_get(d, "k7"), &v));
    g_assert_cmpint(v, ==, 700);
    copy = json_copy(d);
    g_assert_true(json_equal(d, copy));
    g_assert_true(json_remove(d, "k7"));
    g_assert_null(json_get(d, "k7"));
    g_assert_nonnull(json_get(d, "k99"));
    g_assert_cmpstr(json_key_at(d, 7), ==, "k8");
    g_assert_false(json_equal(d, copy));
    g_assert_cmpint(json_size(d), ==, 99);
}

static void integers_know_their_range(void)
{
    g_autoptr(Json) big = json_uint(UINT64_MAX), neg = json_int(-1), dbl = json_double(1);
    int64_t i;
    uint64_t u;

    g_assert_false(json_to_int64(big, &i));
    g_assert_true(json_to_uint64(big, &u));
    g_assert_cmpuint(u, ==, UINT64_MAX);
    g_assert_false(json_to_uint64(neg, &u));
    g_assert_false(json_to_int64(dbl, &i));
}

/* ---- stream ---- */

static void collect(Json *value, GError *error, void *opaque)
{
    GString *log = opaque;
    g_autofree char *text = value ? json_print(value, false) : g_strdup("!");

    g_assert_true(!value != !error);
    g_string_append_printf(log, "%s;", text);
    json_unref(value);
    g_clear_error(&error);
}

static const struct {
    const char *in, *out;
} stream_cases[] = {
    {"{}{}[1]'x'", "{};{};[1];\"x\";"},
    {"{'a': '}\\''}\n", "{\"a\": \"}'\"};"},
    {"1 2\n[3]", "1;2;[3];"},
    {"{'a': nonsense}{}", "!;{};"},
    {"{'a': [}\n{}", "!;{};"},
    {"}\n{}", "!;{};"},
    {"{'bad \n{}", "!;{};"},
    {"{'bad \xff{}", "!;{};"},
    {"{\x01{}", "!;{};"},
    {"{\xff{}", "!;{};"},
    {"%%p{}\n{}", "!;{};"},
    {"\xff{}", "!;{};"},
    {"null{}", "null;{};"},
    {"{'execute': 'x'\xff{}", "!;{};"},
};

static void stream_cuts_and_recovers(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(stream_cases); i++) {
        for (size_t piece = 1; piece <= strlen(stream_cases[i].in); piece += 3) {
            g_autoptr(GString) log = g_string_new(NULL);
            JsonStream *s = json_stream_new(collect, log);

            for (size_t at = 0; at < strlen(stream_cases[i].in); at += piece) {
                json_stream_feed(s, stream_cases[i].in + at, MIN(piece, strlen(stream_cases[i].in) - at));
            }
            g_assert_cmpstr(log->str, ==, stream_cases[i].out);
            json_stream_free(s);
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qapi/json/round_trip", round_trip);
    g_test_add_func("/qapi/json/refuses", refuses);
    g_test_add_func("/qapi/json/depth_is_bounded", depth_is_bounded);
    g_test_add_func("/qapi/json/dict_keeps_order_and_finds", dict_keeps_order_and_finds);
    g_test_add_func("/qapi/json/integers_know_their_range", integers_know_their_range);
    g_test_add_func("/qapi/json/stream_cuts_and_recovers", stream_cuts_and_recovers);
    return g_test_run();
}
