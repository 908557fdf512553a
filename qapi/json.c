/* qapi/json.c - JSON values: making, reading and comparing them.  Page: docs/monitor.md.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "qapi/json.h"
#include "qapi/json-value.h"

#include <math.h>
#include <string.h>

#define INDEX_FROM 12 /* members: below this a scan is faster than a hash table */

/* ---- making ---- */

static Json *json_new(JsonType type)
{
    Json *j = g_new0(Json, 1);

    j->type = type;
    j->refs = 1;
    return j;
}

Json *json_null(void)
{
    return json_new(JSON_NULL);
}

Json *json_bool(bool v)
{
    Json *j = json_new(JSON_BOOL);

    j->b = v;
    return j;
}

Json *json_int(int64_t v)
{
    Json *j = json_new(JSON_INT);

    j->i = v;
    return j;
}

Json *json_uint(uint64_t v)
{
    Json *j;

    if (v <= INT64_MAX) {
        return json_int(v);
    }
    j = json_new(JSON_UINT);
    j->u = v;
    return j;
}

Json *json_double(double v)
{
    Json *j = json_new(JSON_DOUBLE);

    j->d = v;
    return j;
}

Json *json_string(const char *s)
{
    Json *j = json_new(JSON_STRING);

    j->s = g_strdup(s ? s : "");
    return j;
}

static void json_unref_fn(void *p)
{
    json_unref(p);
}

Json *json_list(void)
{
    Json *j = json_new(JSON_LIST);

    j->list = g_ptr_array_new_with_free_func(json_unref_fn);
    return j;
}

static void member_clear(void *p)
{
    JsonMember *m = p;

    g_free(m->key);
    json_unref(m->value);
}

Json *json_dict(void)
{
    Json *j = json_new(JSON_DICT);

    j->dict.members = g_array_new(false, false, sizeof(JsonMember));
    g_array_set_clear_func(j->dict.members, member_clear);
    return j;
}

/* ---- life ---- */

Json *json_ref(const Json *j)
{
    Json *mine = (Json *)j;

    mine->refs++;
    return mine;
}

void json_unref(Json *j)
{
    if (!j || --j->refs) {
        return;
    }
    switch (j->type) {
    case JSON_STRING:
        g_free(j->s);
        break;
    case JSON_LIST:
        g_ptr_array_unref(j->list);
        break;
    case JSON_DICT:
        g_clear_pointer(&j->dict.index, g_hash_table_unref);
        g_array_unref(j->dict.members);
        break;
    default:
        break;
    }
    g_free(j);
}

Json *json_copy(const Json *j)
{
    Json *copy;

    switch (j->type) {
    case JSON_STRING:
        return json_string(j->s);
    case JSON_LIST:
        copy = json_list();
        for (size_t i = 0; i < json_size(j); i++) {
            json_append(copy, json_copy(json_at(j, i)));
        }
        return copy;
    case JSON_DICT:
        copy = json_dict();
        for (size_t i = 0; i < json_size(j); i++) {
            json_set(copy, json_key_at(j, i), json_copy(json_value_at(j, i)));
        }
        return copy;
    default:
        copy = json_new(j->type);
        copy->u = j->u; /* the widest member of the scalars */
        return copy;
    }
}

/* ---- reading ---- */

JsonType json_type(const Json *j)
{
    return j->type;
}

const char *json_type_name(JsonType t)
{
    static const char *const names[] = {
        [JSON_NULL] = "null",     [JSON_BOOL] = "boolean", [JSON_INT] = "integer", [JSON_UINT] = "integer",
        [JSON_DOUBLE] = "number", [JSON_STRING] = "string", [JSON_LIST] = "array", [JSON_DICT] = "object",
    };

    return names[t];
}

bool json_is(const Json *j, JsonType t)
{
    return j && j->type == t;
}

bool json_get_bool(const Json *j)
{
    return json_is(j, JSON_BOOL) && j->b;
}

const char *json_get_string(const Json *j)
{
    return json_is(j, JSON_STRING) ? j->s : NULL;
}

double json_get_double(const Json *j)
{
    switch (j ? j->type : JSON_NULL) {
    case JSON_INT:
        return j->i;
    case JSON_UINT:
        return j->u;
    case JSON_DOUBLE:
        return j->d;
    default:
        return 0;
    }
}

bool json_to_int64(const Json *j, int64_t *ret)
{
    if (!json_is(j, JSON_INT)) {
        return false;
    }
    *ret = j->i;
    return true;
}

bool json_to_uint64(const Json *j, uint64_t *ret)
{
    if (json_is(j, JSON_UINT)) {
        *ret = j->u;
        return true;
    }
    if (!json_is(j, JSON_INT) || j->i < 0) {
        return false;
    }
    *ret = j->i;
    return true;
}

/* ---- lists and dicts ---- */

static JsonMember *member_at(const Json *dict, size_t i)
{
    return &g_array_index(dict->dict.members, JsonMember, i);
}

static void dict_index(Json *dict)
{
    dict->dict.index = g_hash_table_new(g_str_hash, g_str_equal);
    for (size_t i = 0; i < dict->dict.members->len; i++) {
        g_hash_table_insert(dict->dict.index, member_at(dict, i)->key, GSIZE_TO_POINTER(i + 1));
    }
}

/* Position, or -1. */
static ssize_t dict_position(const Json *dict, const char *key)
{
    if (dict->dict.index) {
        return (ssize_t)GPOINTER_TO_SIZE(g_hash_table_lookup(dict->dict.index, key)) - 1;
    }
    for (size_t i = 0; i < dict->dict.members->len; i++) {
        if (!strcmp(member_at(dict, i)->key, key)) {
            return i;
        }
    }
    return -1;
}

size_t json_size(const Json *j)
{
    if (json_is(j, JSON_LIST)) {
        return j->list->len;
    }
    return json_is(j, JSON_DICT) ? j->dict.members->len : 0;
}

const Json *json_at(const Json *list, size_t i)
{
    return json_is(list, JSON_LIST) && i < list->list->len ? list->list->pdata[i] : NULL;
}

void json_append(Json *list, Json *take)
{
    g_assert(json_is(list, JSON_LIST) && take);
    g_ptr_array_add(list->list, take);
}

const char *json_key_at(const Json *dict, size_t i)
{
    return json_is(dict, JSON_DICT) && i < json_size(dict) ? member_at(dict, i)->key : NULL;
}

const Json *json_value_at(const Json *dict, size_t i)
{
    return json_is(dict, JSON_DICT) && i < json_size(dict) ? member_at(dict, i)->value : NULL;
}

const Json *json_get(const Json *dict, const char *key)
{
    ssize_t at = json_is(dict, JSON_DICT) ? dict_position(dict, key) : -1;

    return at < 0 ? NULL : member_at(dict, at)->value;
}

void json_set(Json *dict, const char *key, Json *take)
{
    JsonMember m;
    ssize_t at;

    g_assert(json_is(dict, JSON_DICT) && take);
    at = dict_position(dict, key);
    if (at >= 0) {
        json_unref(member_at(dict, at)->value);
        member_at(dict, at)->value = take;
        return;
    }
    m = (JsonMember){.key = g_strdup(key), .value = take};
    g_array_append_val(dict->dict.members, m);
    if (dict->dict.index) {
        g_hash_table_insert(dict->dict.index, m.key, GSIZE_TO_POINTER((size_t)dict->dict.members->len));
    } else if (dict->dict.members->len > INDEX_FROM) {
        dict_index(dict);
    }
}

bool json_remove(Json *dict, const char *key)
{
    ssize_t at = json_is(dict, JSON_DICT) ? dict_position(dict, key) : -1;

    if (at < 0) {
        return false;
    }
    g_clear_pointer(&dict->dict.index, g_hash_table_unref);
    g_array_remove_index(dict->dict.members, at);
    if (dict->dict.members->len > INDEX_FROM) {
        dict_index(dict);
    }
    return true;
}

const char *json_get_str(const Json *dict, const char *key)
{
    return json_get_string(json_get(dict, key));
}

/* ---- comparing ---- */

static bool list_equal(const Json *a, const Json *b)
{
    if (json_size(a) != json_size(b)) {
        return false;
    }
    for (size_t i = 0; i < json_size(a); i++) {
        if (!json_equal(json_at(a, i), json_at(b, i))) {
            return false;
        }
    }
    return true;
}

static bool dict_equal(const Json *a, const Json *b)
{
    if (json_size(a) != json_size(b)) {
        return false;
    }
    for (size_t i = 0; i < json_size(a); i++) {
        if (!json_equal(json_value_at(a, i), json_get(b, json_key_at(a, i)))) {
            return false;
        }
    }
    return true;
}

static bool is_number(const Json *j)
{
    return j->type == JSON_INT || j->type == JSON_UINT || j->type == JSON_DOUBLE;
}

bool json_equal(const Json *a, const Json *b)
{
    if (!a || !b) {
        return a == b;
    }
    if (a->type != b->type) {
        return is_number(a) && is_number(b) && json_get_double(a) == json_get_double(b);
    }
    switch (a->type) {
    case JSON_NULL:
        return true;
    case JSON_BOOL:
        return a->b == b->b;
    case JSON_INT:
        return a->i == b->i;
    case JSON_UINT:
        return a->u == b->u;
    case JSON_DOUBLE:
        return a->d == b->d;
    case JSON_STRING:
        return !strcmp(a->s, b->s);
    case JSON_LIST:
        return list_equal(a, b);
    case JSON_DICT:
        return dict_equal(a, b);
    }
    g_assert_not_reached();
}
