/* tests/fuzz/qmp.c - bytes from a QMP client: the parser, the stream cutter, each command's argument types.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Input: a stream as a client sends it.  Handlers are not run; their arguments are read, written and read again. */
#include "qapi/json.h"
#include "qapi/qapi-types.h"
#include "replay.h"

static const QapiType *const types[] = {
    &qapi_type_ObjectOptions, &qapi_type_SocketAddress, &qapi_type_QmpCapabilitiesArgs, &qapi_type_QomSetArgs,
    &qapi_type_HumanMonitorCommandArgs, &qapi_type_RingbufReadArgs, &qapi_type_MemsaveArgs,
};

static void read_as(const QapiType *t, const Json *j)
{
    void *v = NULL, *again = NULL;
    Json *written, *rewritten;

    if (!qapi_read(t, &v, j, NULL, NULL)) {
        g_assert_null(v);
        return;
    }
    written = qapi_write(t, &v);
    g_assert_true(qapi_read(t, &again, written, NULL, NULL));
    rewritten = qapi_write(t, &again);
    g_assert_true(json_equal(written, rewritten));
    json_unref(written);
    json_unref(rewritten);
    qapi_clear(t, &v);
    qapi_clear(t, &again);
}

static void on_value(Json *value, GError *error, void *opaque)
{
    g_assert_true(!value != !error);
    if (value) {
        const Json *args = json_get(value, "arguments");
        char *text = json_print(value, false);
        Json *back = json_parse(text, strlen(text), NULL);

        g_assert_true(json_equal(value, back)); /* what we print we read back */
        for (unsigned i = 0; i < G_N_ELEMENTS(types); i++) {
            read_as(types[i], args ? args : value);
        }
        json_unref(back);
        g_free(text);
        json_unref(value);
    }
    g_clear_error(&error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    JsonStream *s = json_stream_new(on_value, NULL);

    json_stream_feed(s, data, size);
    json_stream_feed(s, "\n", 1);
    json_stream_free(s);
    return 0;
}

static const char *const seeds[] = {
    "{\"execute\":\"qmp_capabilities\",\"arguments\":{\"enable\":[\"oob\"]},\"id\":1}",
    "{'execute':'object-add','arguments':{'qom-type':'filter-buffer','id':'f','netdev':'n','interval':1000,'queue':'rx'}}",
    "{'arguments':{'qom-type':'secret','id':'s','data':'\\u00e4\\ud83d\\ude00\\\"','format':'base64'}}",
    "{'arguments':{'type':'inet','host':'::1','port':'1','ipv6':true,'to':65535}}{'type':'unix','path':'/p'}",
    "{'arguments':{'path':'/machine','property':'x','value':[1.5e3,-1,18446744073709551615,null,{'a':[]}]}}",
    "{'execute': 'x' \xff{}%%\n[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]{'bad \x01 \"",
    "{'arguments':{'val':18446744073709551615,'size':-1,'filename':''}}",
};

static GByteArray *make_seed(unsigned i)
{
    return g_byte_array_append(g_byte_array_new(), (const guint8 *)seeds[i], strlen(seeds[i]));
}

FUZZ_MAIN("qmp", make_seed, G_N_ELEMENTS(seeds), 4000)
