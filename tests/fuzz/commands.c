/* tests/fuzz/commands.c - QMP commands of a client that means harm, run on a whole machine.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Input: a stream as a client sends it.  What reaches out of this process by its very purpose (files, sockets, scripts,
 * the end) is not run; everything else is, one after the other, and what it leaves behind stays for the next input. */
#define BOARD_BEGINS "-S"
#include "board.h"

static const char *const kept_away[] = {
    "quit", "memsave", "pmemsave", "migrate", "migrate-incoming", "netdev_add", "blockdev-add", "add-fd", "getfd",
    "query-qmp-schema", NULL,
};
/* Of "object-add" and "human-monitor-command". */
static const char *const harmless_objects[] = {"rng-builtin", "filter-buffer", "filter-netpass", "iothread", "secret", NULL};
static const char *const harmless_drivers[] = {"virtio-rng-device", "virtio-net-device", NULL};

static bool may_run(const char *name, const Json *args)
{
    const char *text;

    if (g_strv_contains(kept_away, name)) {
        return false;
    }
    if (!strcmp(name, "object-add")) {
        text = args ? json_get_str(args, "qom-type") : NULL;
        if (!g_strcmp0(text, "secret") && json_get_str(args, "file")) {
            return !strcmp(json_get_str(args, "file"), "/dev/zero");
        }
        return !text || g_strv_contains(harmless_objects, text);
    }
    if (!strcmp(name, "device_add")) {
        text = args ? json_get_str(args, "driver") : NULL;
        return !text || g_strv_contains(harmless_drivers, text);
    }
    if (!strcmp(name, "human-monitor-command")) {
        text = args ? json_get_str(args, "command-line") : NULL;
        return !text || g_str_has_prefix(text, "info ") || g_str_has_prefix(text, "help") || g_str_has_prefix(text, "x");
    }
    return true;
}

static void on_value(Json *take, GError *error, void *opaque)
{
    g_autoptr(Json) value = take;
    const char *name = value && json_is(value, JSON_DICT) ? json_get_str(value, "execute") : NULL;
    const Json *args = name ? json_get(value, "arguments") : NULL;
    g_autoptr(Json) answer = NULL;
    GError *err = NULL;

    g_clear_error(&error);
    if (!name || (args && !json_is(args, JSON_DICT)) || !may_run(name, args)) {
        return;
    }
    answer = qmp_call(name, args, &err);
    fuzz_verdict(answer != NULL, err);
    if (answer) {
        g_free(json_print(answer, false));
    }
    board_pump();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    JsonStream *s;

    if (size > 16 << 10) {
        return 0;
    }
    board_make();
    s = json_stream_new(on_value, NULL);
    json_stream_feed(s, data, size);
    json_stream_feed(s, "\n", 1);
    json_stream_free(s);
    vm_stop(RUN_STATE_PAUSED);
    return 0;
}

/* A seed for each command, with some arguments where a name alone does not reach anything. */
static const struct {
    const char *name, *args;
} known[] = {
    {"qom-list", "{\"path\":\"/machine\"}"},
    {"qom-get", "{\"path\":\"/machine\",\"property\":\"type\"}"},
    {"qom-set", "{\"path\":\"/objects/r0\",\"property\":\"x\",\"value\":1}"},
    {"qom-list-types", "{\"implements\":\"device\",\"abstract\":true}"},
    {"qom-list-properties", "{\"typename\":\"virtio-net-device\"}"},
    {"device-list-properties", "{\"typename\":\"virtio-blk-device\"}"},
    {"object-add", "{\"qom-type\":\"filter-buffer\",\"id\":\"f\",\"netdev\":\"n0\",\"interval\":1000}"},
    {"object-add", "{\"qom-type\":\"secret\",\"id\":\"s\",\"file\":\"/dev/zero\"}"},
    {"object-add", "{\"qom-type\":\"secret\",\"id\":\"s\",\"data\":\"YQ==\",\"format\":\"base64\"}"},
    {"object-del", "{\"id\":\"f\"}"},
    {"device_add", "{\"driver\":\"virtio-rng-device\",\"rng\":\"r0\",\"id\":\"x\"}"},
    {"device_del", "{\"id\":\"x\"}"},
    {"human-monitor-command", "{\"command-line\":\"info network\"}"},
    {"human-monitor-command", "{\"command-line\":\"xp /8xg 0x80000000\"}"},
    {"migrate-set-capabilities", "{\"capabilities\":[{\"capability\":\"netpass\",\"state\":true}]}"},
    {"migrate-set-parameters", "{\"downtime-limit\":300,\"netpass-max-bytes\":65536}"},
    {"set_link", "{\"name\":\"n0\",\"up\":false}"},
    {"announce-self", "{\"initial\":50,\"max\":500,\"rounds\":2,\"step\":50,\"id\":\"a\",\"interfaces\":[\"n0\"]}"},
    {"query-command-line-options", "{\"option\":\"netdev\"}"},
    {"trace-event-get-state", "{\"name\":\"mig_*\"}"},
    {"query-named-block-nodes", "{\"flat\":true}"},
    {"blockdev-del", "{\"node-name\":\"d1\"}"},
    {"netdev_del", "{\"id\":\"n1\"}"},
    {"cont", "{\"force\":true}"},
};

static GByteArray *make_seed(unsigned i)
{
    g_autofree char *text = NULL;

    board_make();
    if (i < G_N_ELEMENTS(known)) {
        text = g_strdup_printf("{\"execute\":\"%s\",\"arguments\":%s}", known[i].name, known[i].args);
    } else {
        text = g_strdup_printf("{\"execute\":\"%s\"}", qmp_table()[i - G_N_ELEMENTS(known)].name);
    }
    return g_byte_array_append(g_byte_array_new(), (const guint8 *)text, strlen(text));
}

static unsigned seed_count(void)
{
    unsigned n = 0;

    board_make();
    while (qmp_table()[n].name) {
        n++;
    }
    return n + G_N_ELEMENTS(known);
}

FUZZ_MAIN("commands", make_seed, seed_count(), 60)
