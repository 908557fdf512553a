/* qapi/walk.c - from JSON to the schema's structs and back, by the tables that gen.py makes.
 * Page: docs/monitor.md.  Test: tests/unit/qapi/gen-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "qapi/walk.h"
#include "util/error.h"

#include <string.h>

#define BUILTIN(n, k, ctype) const QapiType qapi_type_##n = {.name = #n, .kind = k, .size = sizeof(ctype)}
BUILTIN(str, QAPI_STR, char *);
BUILTIN(number, QAPI_DOUBLE, double);
BUILTIN(int, QAPI_INT, int64_t);
BUILTIN(int8, QAPI_INT, int8_t);
BUILTIN(int16, QAPI_INT, int16_t);
BUILTIN(int32, QAPI_INT, int32_t);
BUILTIN(int64, QAPI_INT, int64_t);
BUILTIN(uint8, QAPI_UINT, uint8_t);
BUILTIN(uint16, QAPI_UINT, uint16_t);
BUILTIN(uint32, QAPI_UINT, uint32_t);
BUILTIN(uint64, QAPI_UINT, uint64_t);
BUILTIN(size, QAPI_UINT, uint64_t);
BUILTIN(bool, QAPI_BOOL, bool);
BUILTIN(null, QAPI_NULL, bool);
BUILTIN(any, QAPI_ANY, Json *);

typedef struct QapiNode { /* of any list; the value follows */
    struct QapiNode *next;
} QapiNode;

static void *node_value(const QapiNode *n)
{
    return (void *)(n + 1);
}

static bool is_inline(const QapiType *t)
{
    return t->kind == QAPI_BOOL || t->kind == QAPI_INT || t->kind == QAPI_UINT || t->kind == QAPI_DOUBLE ||
           t->kind == QAPI_NULL || t->kind == QAPI_ENUM;
}

/* ---- enums ---- */

const char *qapi_enum_str(const QapiType *t, int v)
{
    for (int i = 0; t->names[i]; i++) {
        if (i == v) {
            return t->names[i];
        }
    }
    return NULL;
}

int qapi_enum_find(const QapiType *t, const char *text)
{
    for (int i = 0; text && t->names[i]; i++) {
        if (!strcmp(t->names[i], text)) {
            return i;
        }
    }
    return -1;
}

/* ---- clear ---- */

static void clear_members(const QapiType *t, void *s)
{
    for (const QapiMember *m = t->members; m->name; m++) {
        qapi_clear(m->type, (char *)s + m->offset);
    }
}

static const QapiBranch *branch_of(const QapiType *t, const void *s)
{
    int tag = *(const int *)((const char *)s + t->tag_offset);

    for (const QapiBranch *b = t->branches; b->tag >= 0; b++) {
        if (b->tag == tag) {
            return b;
        }
    }
    return NULL;
}

/* The member of an alternate that a JSON type chooses. */
static bool chooses(const QapiType *t, JsonType type)
{
    switch (t->kind) {
    case QAPI_BOOL:
        return type == JSON_BOOL;
    case QAPI_INT:
    case QAPI_UINT:
        return type == JSON_INT || type == JSON_UINT;
    case QAPI_DOUBLE:
        return type == JSON_DOUBLE || type == JSON_INT || type == JSON_UINT;
    case QAPI_STR:
    case QAPI_ENUM:
        return type == JSON_STRING;
    case QAPI_NULL:
        return type == JSON_NULL;
    case QAPI_LIST:
        return type == JSON_LIST;
    case QAPI_STRUCT:
    case QAPI_UNION:
        return type == JSON_DICT;
    default:
        return false;
    }
}

static const QapiMember *choice_of(const QapiType *t, JsonType type)
{
    for (const QapiMember *m = t->members; m->name; m++) {
        if (chooses(m->type, type)) {
            return m;
        }
    }
    return NULL;
}

static void clear_struct(const QapiType *t, void *s)
{
    const QapiBranch *b;
    const QapiMember *m;

    if (t->kind == QAPI_ALTERNATE) {
        m = choice_of(t, *(JsonType *)s);
        if (m) {
            qapi_clear(m->type, (char *)s + m->offset);
        }
        return;
    }
    if (t->kind == QAPI_UNION) {
        b = branch_of(t, s);
        if (b) {
            qapi_clear(b->type, (char *)s + b->offset);
        }
    }
    clear_members(t, s);
}

static void clear_list(const QapiType *t, QapiNode *n)
{
    while (n) {
        QapiNode *next = n->next;

        qapi_clear(t->element, node_value(n));
        g_free(n);
        n = next;
    }
}

void qapi_clear(const QapiType *t, void *field)
{
    void **p = field;

    if (is_inline(t)) {
        return;
    }
    if (*p) {
        if (t->kind == QAPI_LIST) {
            clear_list(t, *p);
        } else if (t->kind == QAPI_ANY) {
            json_unref(*p);
        } else {
            if (t->kind != QAPI_STR) {
                clear_struct(t, *p);
            }
            g_free(*p);
        }
        *p = NULL;
    }
}

/* ---- read ---- */

static const char *shown(const char *path)
{
    return path && *path ? path : "arguments";
}

static bool wrong_type(const char *path, const char *what, GError **errp)
{
    return fail(errp, "Invalid parameter type for '%s', expected: %s", shown(path), what);
}

static char *join(const char *path, const char *name)
{
    return path && *path ? g_strconcat(path, ".", name, NULL) : g_strdup(name);
}

static void store_int(void *field, size_t size, uint64_t v)
{
    switch (size) {
    case 1:
        *(uint8_t *)field = v;
        break;
    case 2:
        *(uint16_t *)field = v;
        break;
    case 4:
        *(uint32_t *)field = v;
        break;
    default:
        *(uint64_t *)field = v;
    }
}

static bool read_int(const QapiType *t, void *field, const Json *j, const char *path, GError **errp)
{
    int bits = t->size * 8;
    int64_t i = 0;
    uint64_t u = 0;
    bool fits;

    if (!json_is(j, JSON_INT) && !json_is(j, JSON_UINT)) {
        return wrong_type(path, "integer", errp);
    }
    if (t->kind == QAPI_INT) {
        fits = json_to_int64(j, &i) && (bits == 64 || (i >= -(1ll << (bits - 1)) && i < 1ll << (bits - 1)));
        u = i;
    } else {
        fits = json_to_uint64(j, &u) && (bits == 64 || u < 1ull << bits);
    }
    if (!fits) {
        return fail(errp, "Parameter '%s' expects %s", shown(path), t->name);
    }
    store_int(field, t->size, u);
    return true;
}

static bool read_enum(const QapiType *t, void *field, const Json *j, const char *path, GError **errp)
{
    const char *text = json_get_string(j);
    g_autofree char *list = NULL;
    int v = qapi_enum_find(t, text);

    if (!text) {
        return wrong_type(path, "string", errp);
    }
    if (v < 0) {
        list = g_strjoinv(", ", (char **)t->names);
        return fail(errp, "Parameter '%s' does not accept value '%s'; accepted: %s", shown(path), text, list);
    }
    *(int *)field = v;
    return true;
}

static bool read_scalar(const QapiType *t, void *field, const Json *j, const char *path, GError **errp)
{
    switch (t->kind) {
    case QAPI_BOOL:
        if (!json_is(j, JSON_BOOL)) {
            return wrong_type(path, "boolean", errp);
        }
        *(bool *)field = json_get_bool(j);
        return true;
    case QAPI_DOUBLE:
        if (!chooses(t, json_type(j))) {
            return wrong_type(path, "number", errp);
        }
        *(double *)field = json_get_double(j);
        return true;
    case QAPI_NULL:
        return json_is(j, JSON_NULL) || wrong_type(path, "null", errp);
    case QAPI_ENUM:
        return read_enum(t, field, j, path, errp);
    default:
        return read_int(t, field, j, path, errp);
    }
}

static bool knows(const QapiType *t, const void *s, const char *key)
{
    const QapiBranch *b;

    for (const QapiMember *m = t->members; m->name; m++) {
        if (!strcmp(m->name, key)) {
            return true;
        }
    }
    b = t->kind == QAPI_UNION ? branch_of(t, s) : NULL;
    return b && knows(b->type, *(void **)((char *)s + b->offset), key);
}

static bool read_member(const QapiMember *m, void *s, const Json *dict, const char *path, GError **errp)
{
    const Json *value = json_get(dict, m->name);
    g_autofree char *name = NULL;

    if (!value) {
        if (m->has != QAPI_REQUIRED) {
            return true;
        }
        name = join(path, m->name);
        return fail(errp, "Parameter '%s' is missing", name);
    }
    name = join(path, m->name);
    if (m->has != QAPI_REQUIRED && m->has != QAPI_NULLABLE) {
        *(bool *)((char *)s + m->has) = true;
    }
    return qapi_read(m->type, (char *)s + m->offset, value, name, errp);
}

/* The members, and of a union the chosen branch; keys that nobody knows are looked for by the outermost. */
static bool read_members(const QapiType *t, void *s, const Json *dict, const char *path, GError **errp)
{
    const QapiBranch *b;
    void **branch;

    for (const QapiMember *m = t->members; m->name; m++) {
        if (!read_member(m, s, dict, path, errp)) {
            return false;
        }
    }
    b = t->kind == QAPI_UNION ? branch_of(t, s) : NULL;
    if (!b) {
        return true;
    }
    branch = (void **)((char *)s + b->offset);
    *branch = g_malloc0(b->type->size);
    return read_members(b->type, *branch, dict, path, errp);
}

static bool read_dict(const QapiType *t, void *s, const Json *j, const char *path, GError **errp)
{
    if (!json_is(j, JSON_DICT)) {
        return wrong_type(path, "object", errp);
    }
    if (!read_members(t, s, j, path, errp)) {
        return false;
    }
    for (size_t i = 0; i < json_size(j); i++) {
        if (!knows(t, s, json_key_at(j, i))) {
            g_autofree char *name = join(path, json_key_at(j, i));

            return fail(errp, "Parameter '%s' is unexpected", name);
        }
    }
    return true;
}

static bool read_alternate(const QapiType *t, void *s, const Json *j, const char *path, GError **errp)
{
    const QapiMember *m = choice_of(t, json_type(j));

    *(JsonType *)s = json_type(j);
    return m ? qapi_read(m->type, (char *)s + m->offset, j, path, errp) : wrong_type(path, t->name, errp);
}

static bool read_list(const QapiType *t, QapiNode **head, const Json *j, const char *path, GError **errp)
{
    QapiNode **tail = head;

    if (!json_is(j, JSON_LIST)) {
        return wrong_type(path, "array", errp);
    }
    for (size_t i = 0; i < json_size(j); i++) {
        g_autofree char *name = g_strdup_printf("%s[%zu]", shown(path), i);

        *tail = g_malloc0(sizeof(QapiNode) + sizeof(uint64_t));
        if (!qapi_read(t->element, node_value(*tail), json_at(j, i), name, errp)) {
            clear_list(t, *head);
            *head = NULL;
            return false;
        }
        tail = &(*tail)->next;
    }
    return true;
}

bool qapi_read(const QapiType *t, void *field, const Json *j, const char *path, GError **errp)
{
    void **p = field, *s;
    bool ok;

    if (is_inline(t)) {
        return read_scalar(t, field, j, path, errp);
    }
    switch (t->kind) {
    case QAPI_STR:
        if (!json_is(j, JSON_STRING)) {
            return wrong_type(path, "string", errp);
        }
        *p = g_strdup(json_get_string(j));
        return true;
    case QAPI_ANY:
        *p = json_ref(j);
        return true;
    case QAPI_LIST:
        return read_list(t, field, j, path, errp);
    default:
        break;
    }
    s = g_malloc0(t->size);
    ok = t->kind == QAPI_ALTERNATE ? read_alternate(t, s, j, path, errp) : read_dict(t, s, j, path, errp);
    if (!ok) {
        clear_struct(t, s);
        g_free(s);
        return false;
    }
    *p = s;
    return true;
}

/* ---- write ---- */

static Json *write_int(const QapiType *t, const void *field)
{
    bool is_signed = t->kind == QAPI_INT;

    switch (t->size) {
    case 1:
        return json_int(is_signed ? *(const int8_t *)field : *(const uint8_t *)field);
    case 2:
        return json_int(is_signed ? *(const int16_t *)field : *(const uint16_t *)field);
    case 4:
        return json_int(is_signed ? *(const int32_t *)field : (int64_t) * (const uint32_t *)field);
    default:
        return is_signed ? json_int(*(const int64_t *)field) : json_uint(*(const uint64_t *)field);
    }
}

static bool is_present(const QapiMember *m, const void *s)
{
    if (m->has == QAPI_REQUIRED) {
        return true;
    }
    return m->has == QAPI_NULLABLE ? *(void *const *)((const char *)s + m->offset) != NULL
                                   : *(const bool *)((const char *)s + m->has);
}

static void write_members(const QapiType *t, const void *s, Json *dict)
{
    const QapiBranch *b;

    for (const QapiMember *m = t->members; m->name; m++) {
        if (is_present(m, s)) {
            json_set(dict, m->name, qapi_write(m->type, (const char *)s + m->offset));
        }
    }
    b = t->kind == QAPI_UNION ? branch_of(t, s) : NULL;
    if (b && *(void *const *)((const char *)s + b->offset)) {
        write_members(b->type, *(void *const *)((const char *)s + b->offset), dict);
    }
}

static Json *write_list(const QapiType *t, const QapiNode *n)
{
    Json *list = json_list();

    for (; n; n = n->next) {
        json_append(list, qapi_write(t->element, node_value(n)));
    }
    return list;
}

static Json *write_record(const QapiType *t, const void *s)
{
    const QapiMember *m;
    Json *dict;

    if (t->kind == QAPI_ALTERNATE) {
        m = choice_of(t, *(const JsonType *)s);
        return m ? qapi_write(m->type, (const char *)s + m->offset) : json_null();
    }
    dict = json_dict();
    write_members(t, s, dict);
    return dict;
}

Json *qapi_write(const QapiType *t, const void *field)
{
    void *const *p = field;

    switch (t->kind) {
    case QAPI_BOOL:
        return json_bool(*(const bool *)field);
    case QAPI_INT:
    case QAPI_UINT:
        return write_int(t, field);
    case QAPI_DOUBLE:
        return json_double(*(const double *)field);
    case QAPI_NULL:
        return json_null();
    case QAPI_ENUM:
        return json_string(qapi_enum_str(t, *(const int *)field));
    case QAPI_STR:
        return json_string(*p);
    case QAPI_ANY:
        return *p ? json_ref(*p) : json_null();
    case QAPI_LIST:
        return write_list(t, *p);
    default:
        return *p ? write_record(t, *p) : json_null();
    }
}

bool qapi_no_arguments(const Json *args, GError **errp)
{
    return !json_size(args) || fail(errp, "Parameter '%s' is unexpected", json_key_at(args, 0));
}
