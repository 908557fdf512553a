/* qapi/opts.c - "a,key=value,..." to dicts.  Page: docs/monitor.md.  Test: tests/unit/qapi/opts-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "qapi/opts.h"
#include "qapi/text.h"
#include "util/error.h"

#include <string.h>

#define LIST_MAX 1024

/* ---- cutting ---- */

/* Up to the next single comma; ",," becomes one.  *at moves behind the comma; NULL at the end. */
static char *next_part(const char **at)
{
    GString *part = g_string_new(NULL);
    const char *p = *at;

    while (*p && (*p != ',' || p[1] == ',')) {
        g_string_append_c(part, *p);
        p += *p == ',' ? 2 : 1;
    }
    *at = *p ? p + 1 : NULL;
    return g_string_free(part, false);
}

static bool is_key(const char *s)
{
    if (!*s) {
        return false;
    }
    for (; *s; s++) {
        if (!g_ascii_isalnum(*s) && !strchr("-._/[]:", *s)) {
            return false;
        }
    }
    return true;
}

typedef bool PutFn(Json *dict, const char *key, const char *value, const void *opaque, GError **errp);

/* "key=value", "key", "nokey", and, in the first place, a bare value. */
static bool put_part(Json *dict, char *part, const char *implied, PutFn *put, const void *opaque, GError **errp)
{
    char *equals = strchr(part, '=');

    if (!strcmp(part, "help") || !strcmp(part, "?")) {
        json_set(dict, "help", json_bool(true));
        return true;
    }
    if (implied && (!equals || !(*equals = 0, is_key(part)))) {
        if (equals) {
            *equals = '=';
        }
        return put(dict, implied, part, opaque, errp);
    }
    if (equals) {
        *equals = 0;
    }
    if (!is_key(part)) {
        return fail(errp, "Expected key=value, not '%s'", part);
    }
    if (equals) {
        return put(dict, part, equals + 1, opaque, errp);
    }
    if (g_str_has_prefix(part, "no") && part[2]) {
        return put(dict, part + 2, "off", opaque, errp);
    }
    return put(dict, part, "on", opaque, errp);
}

static Json *parse_json(const char *text, GError **errp)
{
    g_autoptr(Json) j = json_parse(text, strlen(text), errp);

    if (j && !json_is(j, JSON_DICT)) {
        fail(errp, "Expected a JSON object");
        return NULL;
    }
    return g_steal_pointer(&j);
}

static Json *parse_parts(const char *text, const char *implied, PutFn *put, const void *opaque, GError **errp)
{
    g_autoptr(Json) dict = json_dict();
    const char *at = text;
    bool is_first = true;

    while (at) {
        g_autofree char *part = next_part(&at);

        if (!*part && (!is_first || !implied || !at)) { /* "virt," and "" are fine */
            continue;
        }
        if (!put_part(dict, part, is_first ? implied : NULL, put, opaque, errp)) {
            return NULL;
        }
        is_first = false;
    }
    return g_steal_pointer(&dict);
}

/* ---- flat ---- */

static bool put_flat(Json *dict, const char *key, const char *value, const void *opaque, GError **errp)
{
    const char *const *lists = opaque;
    const Json *old = json_get(dict, key);
    Json *list;

    if (!lists || !g_strv_contains(lists, key)) {
        json_set(dict, key, json_string(value));
        return true;
    }
    if (json_size(old) >= LIST_MAX) {
        return fail(errp, "Parameter '%s' is given more than %d times", key, LIST_MAX);
    }
    list = old ? json_ref(old) : json_list();
    json_append(list, json_string(value));
    json_set(dict, key, list);
    return true;
}

Json *opts_parse(const char *text, const char *implied, const char *const *lists, GError **errp)
{
    return *text == '{' ? parse_json(text, errp) : parse_parts(text, implied, put_flat, lists, errp);
}

/* ---- dotted keys ---- */

static bool is_number_text(const char *s)
{
    return *s && strspn(s, "0123456789") == strlen(s) && (*s != '0' || !s[1]);
}

/* Everything becomes dicts first; dicts whose keys are all numbers become lists at the end. */
static bool put_dotted(Json *dict, const char *key, const char *value, const void *opaque, GError **errp)
{
    g_auto(GStrv) parts = g_strsplit(key, ".", -1);
    Json *at = dict;
    char **part = parts;

    for (; part[1]; part++) {
        const Json *next = json_get(at, *part);

        if (part - parts > JSON_MAX_DEPTH / 2) {
            return fail(errp, "Parameter '%s' has too many dots", key);
        }
        if (!**part || (next && !json_is(next, JSON_DICT))) {
            return fail(errp, "Parameters '%s.*' used inconsistently", *part);
        }
        if (!next) {
            json_set(at, *part, json_dict());
            next = json_get(at, *part);
        }
        at = (Json *)next;
    }
    if (!**part || json_is(json_get(at, *part), JSON_DICT)) {
        return fail(errp, "Parameters '%s.*' used inconsistently", key);
    }
    json_set(at, *part, json_string(value));
    return true;
}

static Json *listify(const Json *j, const char *path, GError **errp);

static Json *list_of(const Json *dict, const char *path, GError **errp)
{
    g_autoptr(Json) list = json_list();

    for (size_t i = 0; i < json_size(dict); i++) {
        g_autofree char *key = g_strdup_printf("%zu", i), *name = g_strconcat(path, ".", key, NULL);
        const Json *item = json_get(dict, key);
        Json *made = item ? listify(item, name, errp) : NULL;

        if (!item) {
            fail(errp, "Parameter '%s' missing", name);
        }
        if (!made) {
            return NULL;
        }
        json_append(list, made);
    }
    return g_steal_pointer(&list);
}

static Json *listify(const Json *j, const char *path, GError **errp)
{
    g_autoptr(Json) dict = NULL;
    size_t numbers = 0;

    if (!json_is(j, JSON_DICT)) {
        return json_ref(j);
    }
    for (size_t i = 0; i < json_size(j); i++) {
        numbers += is_number_text(json_key_at(j, i));
    }
    if (numbers && numbers == json_size(j)) {
        return list_of(j, path, errp);
    }
    if (numbers) {
        fail(errp, "Parameters '%s.*' used inconsistently", path);
        return NULL;
    }
    dict = json_dict();
    for (size_t i = 0; i < json_size(j); i++) {
        const char *key = json_key_at(j, i);
        g_autofree char *name = *path ? g_strconcat(path, ".", key, NULL) : g_strdup(key);
        Json *made = listify(json_value_at(j, i), name, errp);

        if (!made) {
            return NULL;
        }
        json_set(dict, key, made);
    }
    return g_steal_pointer(&dict);
}

Json *keyval_parse(const char *text, const char *implied, GError **errp)
{
    g_autoptr(Json) dict = NULL;

    if (*text == '{') {
        return parse_json(text, errp);
    }
    dict = parse_parts(text, implied, put_dotted, NULL, errp);
    if (dict && json_size(dict) && is_number_text(json_key_at(dict, 0))) { /* only below a name may there be a list */
        fail(errp, "Invalid parameter '%s'", json_key_at(dict, 0));
        return NULL;
    }
    return dict ? listify(dict, "", errp) : NULL;
}

/* ---- reading ---- */

bool opts_wants_help(const Json *opts)
{
    return json_get_bool(json_get(opts, "help"));
}

bool opts_check(const Json *opts, const char *const *accepted, const char *what, GError **errp)
{
    for (size_t i = 0; i < json_size(opts); i++) {
        if (!g_strv_contains(accepted, json_key_at(opts, i))) {
            g_autofree char *list = g_strjoinv(", ", (char **)accepted);

            return fail(errp, "%s%sInvalid parameter '%s'; accepted: %s", what ? what : "", what ? ": " : "",
                        json_key_at(opts, i), *list ? list : "none");
        }
    }
    return true;
}

static bool wrong_value(const char *key, const Json *j, const char *what, GError **errp)
{
    g_autofree char *text = json_is(j, JSON_STRING) ? g_strdup(json_get_string(j)) : json_print(j, false);

    return fail(errp, "Parameter '%s' expects %s, not '%s'", key, what, text);
}

bool opts_get_bool(const Json *opts, const char *key, bool *ret, GError **errp)
{
    const Json *j = json_get(opts, key);
    const char *text = json_get_string(j);

    if (json_is(j, JSON_BOOL)) {
        *ret = json_get_bool(j);
        return true;
    }
    return !j || (text && text_to_bool(text, ret)) || wrong_value(key, j, "'on' or 'off'", errp);
}

bool opts_get_u64(const Json *opts, const char *key, uint64_t *ret, GError **errp)
{
    const Json *j = json_get(opts, key);
    const char *text = json_get_string(j);

    if (!j || (text ? text_to_u64(text, ret) : json_to_uint64(j, ret))) {
        return true;
    }
    return wrong_value(key, j, "a number", errp);
}

bool opts_get_size(const Json *opts, const char *key, uint64_t unit, uint64_t *ret, GError **errp)
{
    const Json *j = json_get(opts, key);
    const char *text = json_get_string(j);

    if (!j || (text ? text_to_size(text, unit, ret) : json_to_uint64(j, ret))) {
        return true;
    }
    return wrong_value(key, j, "a size, with an optional suffix k, M, G, T, P or E", errp);
}
