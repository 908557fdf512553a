/* tests/unit/qapi/opts-test.c - the grammar of the command line.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "qapi/opts.h"
#include "qapi/text.h"

#include <string.h>

static void check(Json *j, const char *text, const char *expected)
{
    g_autofree char *out = j ? json_print(j, false) : NULL;

    g_test_message("%s", text);
    g_assert_cmpstr(out, ==, expected);
    json_unref(j);
}

static void flat_grammar(void)
{
    static const char *const lists[] = {"fwd", NULL};
    static const struct {
        const char *text, *implied, *out;
    } cases[] = {
        {"socket,id=c,path=/a,,b,server", "backend", "{\"backend\": \"socket\", \"id\": \"c\", \"path\": \"/a,b\", "
                                                     "\"server\": \"on\"}"},
        {"a=1,a=2,nowait", NULL, "{\"a\": \"2\", \"wait\": \"off\"}"},
        {"virt,", "type", "{\"type\": \"virt\"}"},
        {"", "type", "{}"},
        {"x,help", "driver", "{\"driver\": \"x\", \"help\": true}"},
        {"?", "driver", "{\"help\": true}"},
        {"t,fwd=a,fwd=b", "type", "{\"type\": \"t\", \"fwd\": [\"a\", \"b\"]}"},
        {"a b=c", "type", "{\"type\": \"a b=c\"}"},
        {"id=x=y", NULL, "{\"id\": \"x=y\"}"},
        {"{\"a\": 1}", "type", "{\"a\": 1}"},
        {"=x", NULL, NULL},
        {"{\"a\": 1", "type", NULL},
        {"a=1,b c=2", NULL, NULL},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        check(opts_parse(cases[i].text, cases[i].implied, lists, NULL), cases[i].text, cases[i].out);
    }
}

static void dotted_grammar(void)
{
    static const struct {
        const char *text, *out;
    } cases[] = {
        {"stream,id=n,addr.type=unix,addr.path=/p", "{\"type\": \"stream\", \"id\": \"n\", \"addr\": {\"type\": \"unix\", "
                                                    "\"path\": \"/p\"}}"},
        {"x,l.0=a,l.1.k=b", "{\"type\": \"x\", \"l\": [\"a\", {\"k\": \"b\"}]}"},
        {"x,l.1=a", NULL},
        {"x,l.0=a,l.k=b", NULL},
        {"x,a=1,a.b=2", NULL},
        {"x,a.b=2,a=1", NULL},
        {"x,a..b=2", NULL},
        {"{'type': 'x'}", "{\"type\": \"x\"}"},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        check(keyval_parse(cases[i].text, "type", NULL), cases[i].text, cases[i].out);
    }
}

static void sizes(void)
{
    static const struct {
        const char *text;
        uint64_t unit, value;
        bool ok;
    } cases[] = {
        {"128", 1 << 20, 128 << 20, true}, {"2G", 1, 2ull << 30, true}, {"1.5k", 1, 1536, true}, {"0x10", 1, 16, true},
        {"16E", 1, 0, false},              {"1.5", 1, 0, false},        {"-1", 1, 0, false},     {"1MM", 1, 0, false},
        {"", 1, 0, false},                 {"1.5", 1024, 1536, true},
    };
    uint64_t v;

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_test_message("%s", cases[i].text);
        g_assert_cmpint(text_to_size(cases[i].text, cases[i].unit, &v), ==, cases[i].ok);
        g_assert_true(!cases[i].ok || v == cases[i].value);
    }
}

static void unknown_key_lists_the_accepted(void)
{
    static const char *const accepted[] = {"id", "path", NULL};
    g_autoptr(Json) opts = opts_parse("id=x,pth=y", NULL, NULL, NULL);
    g_autoptr(GError) err = NULL;

    g_assert_false(opts_check(opts, accepted, "chardev 'x'", &err));
    g_assert_cmpstr(err->message, ==, "chardev 'x': Invalid parameter 'pth'; accepted: id, path");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qapi/opts/flat_grammar", flat_grammar);
    g_test_add_func("/qapi/opts/dotted_grammar", dotted_grammar);
    g_test_add_func("/qapi/opts/sizes", sizes);
    g_test_add_func("/qapi/opts/unknown_key_lists_the_accepted", unknown_key_lists_the_accepted);
    return g_test_run();
}
