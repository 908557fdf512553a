/* monitor/hmp.c - the human monitor: from a line to a row, and its arguments.  Owner: main loop.
 * Page: docs/monitor.md.  Test: tests/unit/monitor/hmp-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "monitor-private.h"
#include "qapi/qmp.h"
#include "qapi/text.h"
#include "util/error.h"

#include <string.h>

/* ---- infos that others add ---- */

typedef struct Info {
    const char *name, *about;
    HmpInfoFn *fn;
} Info;

static GArray *infos;

void hmp_add_info(const char *name, const char *about, HmpInfoFn *fn)
{
    Info info = {name, about, fn};

    if (!infos) {
        infos = g_array_new(false, false, sizeof(Info));
    }
    g_array_append_val(infos, info);
}

bool hmp_run_info(const char *name, GString *out)
{
    for (unsigned i = 0; infos && i < infos->len; i++) {
        Info *info = &g_array_index(infos, Info, i);

        if (!strcmp(info->name, name)) {
            info->fn(out);
            return true;
        }
    }
    return false;
}

void hmp_each_info(void (*fn)(const char *name, const char *about, void *opaque), void *opaque)
{
    for (const HmpCommand *c = hmp_infos; c->name; c++) {
        fn(c->name, c->about, opaque);
    }
    for (unsigned i = 0; infos && i < infos->len; i++) {
        fn(g_array_index(infos, Info, i).name, g_array_index(infos, Info, i).about, opaque);
    }
}

/* ---- helpers of commands ---- */

void hmp_print_error(GString *out, GError *take)
{
    g_string_append_printf(out, "Error: %s\n", take->message);
    g_error_free(take);
}

Json *hmp_qmp(HmpCall *call, const char *command, Json *take_args)
{
    g_autoptr(Json) args = take_args;
    GError *err = NULL;
    Json *result = qmp_call(command, args, &err);

    if (!result) {
        hmp_print_error(call->out, err);
    }
    return result;
}

/* ---- words ---- */

/* The next word: up to a blank, or between quotes.  *at moves on; NULL at the end. */
static char *next_word(const char **at)
{
    GString *word;
    const char *p = *at;
    char quote = 0;

    while (*p == ' ') {
        p++;
    }
    if (!*p) {
        *at = p;
        return NULL;
    }
    word = g_string_new(NULL);
    if (*p == '"') {
        quote = *p++;
    }
    while (*p && (quote ? *p != quote : *p != ' ')) {
        if (quote && *p == '\\' && p[1]) {
            p++;
        }
        g_string_append_c(word, *p++);
    }
    *at = *p == quote && quote ? p + 1 : p;
    return g_string_free(word, false);
}

static bool name_matches(const char *names, const char *word)
{
    g_auto(GStrv) parts = g_strsplit(names, "|", -1);

    return g_strv_contains((const char *const *)parts, word);
}

static const HmpCommand *find(const HmpCommand *rows, const char *word)
{
    for (; rows->name; rows++) {
        if (name_matches(rows->name, word)) {
            return rows;
        }
    }
    return NULL;
}

/* ---- arguments ---- */

static Json *parse_value(char type, const char *key, const char *word, GError **errp)
{
    int64_t i;
    uint64_t u;
    bool b;

    switch (type) {
    case 'i':
        if (text_to_i64(word, &i)) {
            return json_int(i);
        }
        fail(errp, "'%s' has to be a number, not '%s'", key, word);
        return NULL;
    case 'z':
        if (text_to_size(word, 1, &u)) {
            return json_uint(u);
        }
        fail(errp, "'%s' has to be a size, not '%s'", key, word);
        return NULL;
    case 'b':
        if (text_to_bool(word, &b)) {
            return json_bool(b);
        }
        fail(errp, "'%s' has to be on or off, not '%s'", key, word);
        return NULL;
    default:
        return json_string(word);
    }
}

/* "-f=key:type": the word behind "-f" is a value. */
static bool parse_flag_value(const char *spec, const char **at, Json *args, GError **errp)
{
    g_auto(GStrv) parts = g_strsplit_set(spec, "=:", 3);
    const char *start = *at;
    g_autofree char *word = next_word(at), *text = NULL;
    Json *value;

    if (!word || strcmp(word, parts[0])) {
        *at = start;
        return true;
    }
    text = next_word(at);
    if (!text) {
        return fail(errp, "'%s' expects a value", parts[0]);
    }
    value = parse_value(*parts[2], parts[1], text, errp);
    if (value) {
        json_set(args, parts[1], value);
    }
    return value != NULL;
}

/* One part of `args`, "-d", "-f=key:type", or "key:type" with "?" behind when it may be left out. */
static bool parse_argument(const char *spec, const char **at, Json *args, GError **errp)
{
    g_auto(GStrv) parts = g_strsplit(spec, ":", 2);
    const char *start = *at;
    g_autofree char *word = NULL;
    Json *value;

    if (*spec == '-' && strchr(spec, '=')) {
        return parse_flag_value(spec, at, args, errp);
    }
    if (*spec == '-') {
        word = next_word(at);
        if (word && !strcmp(word, spec)) {
            json_set(args, spec + 1, json_bool(true));
        } else {
            *at = start;
        }
        return true;
    }
    if (*parts[1] == 'S') {
        word = g_strstrip(g_strdup(start));
        *at = start + strlen(start);
        word = *word ? word : (g_free(word), NULL);
    } else {
        word = next_word(at);
    }
    if (!word) {
        return g_str_has_suffix(spec, "?") || fail(errp, "'%s' is missing", parts[0]);
    }
    value = parse_value(*parts[1], parts[0], word, errp);
    if (value) {
        json_set(args, parts[0], value);
    }
    return value != NULL;
}

static Json *parse_arguments(const HmpCommand *c, const char *at, GError **errp)
{
    g_auto(GStrv) specs = g_strsplit(c->args ? c->args : "", " ", -1);
    g_autoptr(Json) args = json_dict();
    g_autofree char *extra = NULL;

    for (char **spec = specs; *spec; spec++) {
        if (**spec && !parse_argument(*spec, &at, args, errp)) {
            return NULL;
        }
    }
    extra = next_word(&at);
    if (extra) {
        fail(errp, "%s: too many arguments, from '%s' on", c->name, extra);
        return NULL;
    }
    return g_steal_pointer(&args);
}

/* ---- a line ---- */

static void run_row(const HmpCommand *c, const char *rest, GString *out, bool *ret_progress)
{
    GError *err = NULL;
    HmpCall call = {.out = out, .args = parse_arguments(c, rest, &err)};

    if (!call.args) {
        hmp_print_error(out, err);
        return;
    }
    if (c->qmp) {
        json_unref(hmp_qmp(&call, c->qmp, json_ref(call.args)));
    } else {
        c->run(&call);
    }
    *ret_progress = call.wants_progress;
    json_unref(call.args);
}

static void run_info(const char *rest, GString *out)
{
    g_autofree char *word = next_word(&rest);
    const HmpCommand *c = word ? find(hmp_infos, word) : NULL;
    bool progress;

    if (c) {
        run_row(c, rest, out, &progress);
    } else if (!word || !hmp_run_info(word, out)) {
        g_string_append_printf(out, word ? "unknown command: 'info %s'\n" : "info: 'help info' lists what there is%s\n",
                               word ? word : "");
    }
}

void hmp_line(const char *line, GString *out, bool *ret_progress)
{
    g_autofree char *word = next_word(&line);
    const HmpCommand *c;

    *ret_progress = false;
    if (!word || *word == '#') {
        return;
    }
    if (!strcmp(word, "info")) {
        run_info(line, out);
        return;
    }
    c = find(hmp_commands, word);
    if (c) {
        run_row(c, line, out, ret_progress);
    } else {
        g_string_append_printf(out, "unknown command: '%s'\n", word);
    }
}

char *hmp_run(const char *line)
{
    GString *out = g_string_new(NULL);
    bool progress;

    hmp_line(line, out, &progress);
    return g_string_free(out, false);
}

/* ---- completion ---- */

typedef struct Completion {
    const char *prefix;
    GPtrArray *words;
} Completion;

static void add_candidate(const char *names, const char *about, void *opaque)
{
    Completion *c = opaque;
    g_autofree char *name = g_strndup(names, strcspn(names, "|"));

    if (g_str_has_prefix(name, c->prefix)) {
        g_ptr_array_add(c->words, g_steal_pointer(&name));
    }
}

GPtrArray *hmp_complete(const char *line)
{
    Completion c = {.words = g_ptr_array_new_with_free_func(g_free)};
    const char *space = strrchr(line, ' ');

    c.prefix = space ? space + 1 : line;
    if (!space) {
        add_candidate("info", NULL, &c);
        for (const HmpCommand *row = hmp_commands; row->name; row++) {
            add_candidate(row->name, NULL, &c);
        }
    } else if (g_str_has_prefix(line, "info ") || g_str_has_prefix(line, "help ")) {
        hmp_each_info(add_candidate, &c);
    }
    return c.words;
}
