/* include/qapi/json.h - JSON values, the common currency of QMP, command line and properties.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Values are reference counted (not atomically: a value belongs to one thread at a time).  Dicts keep insertion order.
 * Getters return NULL / the default when the key is missing or of another type. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum JsonType { JSON_NULL, JSON_BOOL, JSON_INT, JSON_UINT, JSON_DOUBLE, JSON_STRING, JSON_LIST, JSON_DICT } JsonType;
typedef struct Json Json;

#define JSON_MAX_DEPTH 64
#define JSON_MAX_BYTES (64 * 1024 * 1024)

Json *json_null(void);
Json *json_bool(bool v);
Json *json_int(int64_t v);
Json *json_uint(uint64_t v); /* JSON_INT if it fits, else JSON_UINT */
Json *json_double(double v);
Json *json_string(const char *s);
Json *json_list(void);
Json *json_dict(void);
Json *json_ref(const Json *j);
void json_unref(Json *j); /* NULL allowed */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Json, json_unref)
Json *json_copy(const Json *j); /* deep */
bool json_equal(const Json *a, const Json *b);

JsonType json_type(const Json *j);
const char *json_type_name(JsonType t);
bool json_is(const Json *j, JsonType t); /* NULL allowed: false */

bool json_get_bool(const Json *j);
const char *json_get_string(const Json *j);
double json_get_double(const Json *j);                 /* of any number */
bool json_to_int64(const Json *j, int64_t *ret);       /* false: not an integer, or out of range */
bool json_to_uint64(const Json *j, uint64_t *ret);

size_t json_size(const Json *j);                       /* of a list or dict */
const Json *json_at(const Json *list, size_t i);
void json_append(Json *list, Json *take);              /* takes the reference */
const char *json_key_at(const Json *dict, size_t i);
const Json *json_value_at(const Json *dict, size_t i);
const Json *json_get(const Json *dict, const char *key);
void json_set(Json *dict, const char *key, Json *take); /* replaces in place; takes the reference */
bool json_remove(Json *dict, const char *key);
const char *json_get_str(const Json *dict, const char *key); /* string member or NULL */

/* Text to value: one value with blanks around it.  Single-quoted strings are accepted, as QMP does. */
Json *json_parse(const char *text, size_t size, GError **errp);
/* ASCII, non-ASCII escaped; `pretty` indents by four. Caller frees. */
char *json_print(const Json *j, bool pretty);

/* Values from a stream of bytes: feed() calls fn for each whole value, or with an error for garbage, after which it
 * picks up again at the next control character or 0xff byte (QMP's way out).  fn takes both. */
typedef struct JsonStream JsonStream;
typedef void JsonStreamFn(Json *value, GError *error, void *opaque);
JsonStream *json_stream_new(JsonStreamFn *fn, void *opaque);
void json_stream_feed(JsonStream *s, const void *data, size_t size);
bool json_stream_is_between(const JsonStream *s); /* nothing of a value has come yet */
void json_stream_free(JsonStream *s);
