/* include/qapi/opts.h - "a,key=value,..." as users type it, to dicts; and reading such dicts.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Text that starts with '{' is JSON.  Else: values are strings; ",," is a comma; the first part without '=' is the value of
 * `implied` (if given); "help" or "?" gives {"help": true}; a bare key is "on", "nokey" is key "off" (QEMU's old way). */
#pragma once

#include "qapi/json.h"

/* Flat.  A key given again replaces; the keys in `lists` (ends with NULL; NULL: none) collect a list instead. */
Json *opts_parse(const char *text, const char *implied, const char *const *lists, GError **errp);
/* Dotted keys make dicts, whole-number parts make lists without gaps: a.b=1,c.0=x -> {"a": {"b": "1"}, "c": ["x"]}. */
Json *keyval_parse(const char *text, const char *implied, GError **errp);

bool opts_wants_help(const Json *opts);
/* Each key is in `accepted` (ends with NULL), or the error lists them.  `what` leads: "chardev 'c0'"; or NULL. */
bool opts_check(const Json *opts, const char *const *accepted, const char *what, GError **errp);
/* Strings, or values of the right JSON type.  An absent key leaves *ret alone and is no error. */
bool opts_get_bool(const Json *opts, const char *key, bool *ret, GError **errp);
bool opts_get_u64(const Json *opts, const char *key, uint64_t *ret, GError **errp);
bool opts_get_size(const Json *opts, const char *key, uint64_t unit, uint64_t *ret, GError **errp);
