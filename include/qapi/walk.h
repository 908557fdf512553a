/* include/qapi/walk.h - tables that describe the schema's types, and the walk between C structs and JSON.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The tables are made by qapi/gen.py, as are typed wrappers (Foo_to_json, Foo_from_json, Foo_free); use those.
 * A "field" is what a member of that type is: the value itself for scalars, else a pointer. */
#pragma once

#include <stddef.h>

#include "qapi/json.h"

typedef struct QapiType QapiType;

#define QAPI_REQUIRED ((size_t)-1)
#define QAPI_NULLABLE ((size_t)-2) /* absent: NULL */

typedef struct QapiMember { /* ends with {} */
    const char *name;
    const QapiType *type;
    size_t offset, has; /* has: offset of has_x, or one of the two above */
} QapiMember;

typedef struct QapiBranch { /* ends with tag -1 */
    int tag;
    const QapiType *type;
    size_t offset;
} QapiBranch;

typedef enum QapiKind {
    QAPI_BOOL, QAPI_INT, QAPI_UINT, QAPI_DOUBLE, QAPI_STR, QAPI_ANY, QAPI_NULL, /* builtin */
    QAPI_ENUM, QAPI_STRUCT, QAPI_UNION, QAPI_ALTERNATE, QAPI_LIST,
} QapiKind;

struct QapiType {
    const char *name;
    QapiKind kind;
    size_t size;                 /* of the struct, or of the scalar */
    const char *const *names;    /* enums; ends with NULL */
    const QapiMember *members;   /* structs, unions; alternates: one per choice */
    size_t tag_offset;           /* unions */
    const QapiBranch *branches;
    const QapiType *element;     /* lists */
};

extern const QapiType qapi_type_str, qapi_type_number, qapi_type_int, qapi_type_int8, qapi_type_int16, qapi_type_int32,
    qapi_type_int64, qapi_type_uint8, qapi_type_uint16, qapi_type_uint32, qapi_type_uint64, qapi_type_size, qapi_type_bool,
    qapi_type_null, qapi_type_any;

/* Strict: unknown and missing members and wrong types are errors that name the member by its whole path.  On failure
 * the field is as it was. */
bool qapi_read(const QapiType *t, void *field, const Json *j, const char *path, GError **errp);
Json *qapi_write(const QapiType *t, const void *field); /* NULL list: []; other NULL: null */
void qapi_clear(const QapiType *t, void *field);        /* frees what the field holds, and zeroes it */
bool qapi_no_arguments(const Json *args, GError **errp);

const char *qapi_enum_str(const QapiType *t, int v);
int qapi_enum_find(const QapiType *t, const char *text); /* -1: none */

/* FooList *head = NULL, **tail = &head; QAPI_LIST_APPEND(tail, value); */
#define QAPI_LIST_APPEND(tail, v)                                                                                      \
    do {                                                                                                               \
        *(tail) = g_malloc0(sizeof(**(tail)));                                                                         \
        (*(tail))->value = (v);                                                                                        \
        (tail) = &(*(tail))->next;                                                                                     \
    } while (0)
