/* tests/unit/migration/params-test.c - capabilities and parameters are set whole or not at all; hellos that do not fit.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "migration/params.h"

#include "migration/hello.h"

#include <string.h>
#include <unistd.h>

static bool set_caps(const char *text, GError **errp)
{
    g_autoptr(Json) j = json_parse(text, strlen(text), NULL);

    return mig_caps_set(j, errp);
}

static bool set_params(const char *text, GError **errp)
{
    g_autoptr(Json) j = json_parse(text, strlen(text), NULL);

    return mig_params_set(j, errp);
}

static void test_a_need_is_named(void)
{
    g_autoptr(GError) err = NULL;

    g_assert_false(set_caps("[{'capability':'events','state':true},{'capability':'netpass','state':true}]", &err));
    g_assert_nonnull(strstr(err->message, "'netpass' needs 'return-path'"));
    g_assert_false(mig_cap(CAP_EVENTS)); /* all or none */
    g_assert_true(set_caps("[{'capability':'netpass','state':true},{'capability':'return-path','state':true}]", NULL));
    g_assert_false(set_caps("[{'capability':'return-path','state':false}]", NULL));
    g_assert_true(mig_cap_named("return-path"));
    g_assert_true(set_caps("[{'capability':'netpass','state':false},{'capability':'return-path','state':false}]", NULL));
    g_assert_cmphex(mig_caps(), ==, 0);
}

static void test_parameters_have_bounds(void)
{
    static const struct {
        const char *text, *error;
    } bad[] = {
        {"{'downtime-limit':5,'max-bandwidth':-1}", "'max-bandwidth' takes a number from 0"},
        {"{'downtime-limit':3000000}", "'downtime-limit' takes a number from 0 to 2000000"},
        {"{'nosuch':1}", "'nosuch' is unexpected"},
        {"{'announce-step':'x'}", "'announce-step' takes a number"},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) err = NULL;

        g_assert_false(set_params(bad[i].text, &err));
        g_assert_nonnull(strstr(err->message, bad[i].error));
    }
    g_assert_cmpuint(mig_param(PARAM_DOWNTIME_LIMIT), ==, 300);
    g_assert_true(set_params("{'downtime-limit':5,'max-bandwidth':0}", NULL));
    g_assert_cmpuint(mig_param_named("downtime-limit"), ==, 5);
}

typedef struct HelloCase {
    const char *machine, *uuid, *caps, *error;
} HelloCase;

static void check_hello(const HelloCase *c)
{
    StateWriter *w = state_writer_new();
    g_autoptr(GError) err = NULL;
    const uint8_t *data;
    StateReader r;
    size_t size;
    Hello h;

    hello_identity(c->machine, "guest", c->uuid);
    g_assert_true(set_caps(c->caps, NULL));
    hello_put(w, 77);
    hello_identity("virt", "guest", "u1");
    g_assert_true(set_caps("[{'capability':'validate-uuid','state':true},{'capability':'netpass','state':false}]", NULL));
    data = state_writer_data(w, &size);
    state_reader_init(&r, data, size, "hello");
    if (hello_check(&r, &h, &err)) {
        g_assert_null(c->error);
        g_assert_cmpuint(h.attempt, ==, 77);
        g_assert_cmpuint(h.pid, ==, getpid());
        g_assert_true(hello_is_same_host(&h));
    } else {
        g_assert_nonnull(c->error);
        g_assert_nonnull(strstr(err->message, c->error));
    }
    for (size_t cut = 0; cut < size; cut++) {
        state_reader_init(&r, data, cut, "hello");
        g_assert_false(hello_check(&r, &h, NULL));
    }
    state_writer_free(w);
}

static void test_a_hello_that_does_not_fit_is_refused(void)
{
    static const HelloCase cases[] = {
        {"virt", "u1", "[]", NULL},
        {"none", "u1", "[]", "comes from machine 'none', this is 'virt'"},
        {"virt", "u2", "[]", "UUID is 'u2', this is 'u1'"},
        {"virt", "u1", "[{'capability':'return-path','state':true},{'capability':'netpass','state':true}]",
         "'netpass' is on at the source and off here"},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        check_hello(&cases[i]);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/migration/params/a_need_is_named", test_a_need_is_named);
    g_test_add_func("/migration/params/parameters_have_bounds", test_parameters_have_bounds);
    g_test_add_func("/migration/hello/one_that_does_not_fit_is_refused", test_a_hello_that_does_not_fit_is_refused);
    return g_test_run();
}
