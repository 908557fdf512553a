/* qapi/json-value.h - what a JSON value is made of.  Private to qapi/.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "qapi/json.h"

typedef struct JsonMember {
    char *key;
    Json *value;
} JsonMember;

struct Json {
    JsonType type;
    unsigned refs;
    union {
        bool b;
        int64_t i;
        uint64_t u;
        double d;
        char *s;
        GPtrArray *list; /* of Json */
        struct {
            GArray *members;   /* of JsonMember, in order of insertion */
            GHashTable *index; /* key -> position + 1, once there are many; else NULL */
        } dict;
    };
};
