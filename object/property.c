/* object/property.c - the types of properties: text or JSON to a member and back.
 * Page: docs/object.md.  Test: tests/unit/object/object-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "object/object.h"
#include "qapi/text.h"
#include "util/error.h"

#include <stdio.h>
#include <string.h>

static bool expected(const Property *p, const char *what, GError **errp)
{
    return fail(errp, "Invalid parameter type for '%s', expected: %s", p->name, what);
}

/* ---- bool ---- */

static bool parse_bool(const Property *p, void *field, const Json *value, GError **errp)
{
    const char *text = json_get_string(value);

    if (json_is(value, JSON_BOOL)) {
        *(bool *)field = json_get_bool(value);
        return true;
    }
    if (!text) {
        return expected(p, "boolean", errp);
    }
    if (!text_to_bool(text, field)) {
        return fail(errp, "Parameter '%s' expects 'on' or 'off'", p->name);
    }
    return true;
}

static Json *print_bool(const Property *p, const void *field)
{
    return json_bool(*(const bool *)field);
}

/* ---- integers ---- */

static bool value_u64(const Property *p, const Json *value, uint64_t limit, uint64_t *ret, GError **errp)
{
    const char *text = json_get_string(value);
    uint64_t v, max = p->max ? p->max : limit;

    if (!text && !json_is(value, JSON_INT) && !json_is(value, JSON_UINT)) {
        return expected(p, "integer", errp);
    }
    if (!(text ? text_to_u64(text, &v) : json_to_uint64(value, &v)) || v < p->min || v > max) {
        return fail(errp, "Parameter '%s' expects a number from %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT, p->name,
                    p->min, max);
    }
    *ret = v;
    return true;
}

#define UINT_TYPE(bits)                                                                                                \
    static bool parse_u##bits(const Property *p, void *field, const Json *value, GError **errp)                        \
    {                                                                                                                  \
        uint64_t v;                                                                                                    \
                                                                                                                       \
        if (!value_u64(p, value, UINT##bits##_MAX, &v, errp)) {                                                        \
            return false;                                                                                              \
        }                                                                                                              \
        *(uint##bits##_t *)field = v;                                                                                  \
        return true;                                                                                                   \
    }                                                                                                                  \
    static Json *print_u##bits(const Property *p, const void *field)                                                   \
    {                                                                                                                  \
        return json_uint(*(const uint##bits##_t *)field);                                                              \
    }
UINT_TYPE(8)
UINT_TYPE(16)
UINT_TYPE(32)
UINT_TYPE(64)

static bool value_i64(const Property *p, const Json *value, int64_t min, int64_t max, int64_t *ret, GError **errp)
{
    const char *text = json_get_string(value);
    int64_t v;

    if (!text && !json_is(value, JSON_INT)) {
        return expected(p, "integer", errp);
    }
    if (p->max) {
        min = (int64_t)p->min;
        max = (int64_t)p->max;
    }
    if (!(text ? text_to_i64(text, &v) : json_to_int64(value, &v)) || v < min || v > max) {
        return fail(errp, "Parameter '%s' expects a number from %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT, p->name,
                    min, max);
    }
    *ret = v;
    return true;
}

static bool parse_i32(const Property *p, void *field, const Json *value, GError **errp)
{
    int64_t v;

    if (!value_i64(p, value, INT32_MIN, INT32_MAX, &v, errp)) {
        return false;
    }
    *(int32_t *)field = v;
    return true;
}

static Json *print_i32(const Property *p, const void *field)
{
    return json_int(*(const int32_t *)field);
}

static bool parse_i64(const Property *p, void *field, const Json *value, GError **errp)
{
    return value_i64(p, value, INT64_MIN, INT64_MAX, field, errp);
}

static Json *print_i64(const Property *p, const void *field)
{
    return json_int(*(const int64_t *)field);
}

static bool parse_size(const Property *p, void *field, const Json *value, GError **errp)
{
    const char *text = json_get_string(value);
    uint64_t v;

    if (!text) {
        return parse_u64(p, field, value, errp);
    }
    if (!text_to_size(text, 1, &v)) {
        return fail(errp, "Parameter '%s' expects a non-negative number below 2^64, with an optional suffix k, M, G, T, "
                    "P or E", p->name);
    }
    if (p->max && (v < p->min || v > p->max)) {
        return fail(errp, "Parameter '%s' expects a size from %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT, p->name,
                    p->min, p->max);
    }
    *(uint64_t *)field = v;
    return true;
}

/* ---- text ---- */

static bool parse_str(const Property *p, void *field, const Json *value, GError **errp)
{
    const char *text = json_get_string(value);

    if (!text) {
        return expected(p, "string", errp);
    }
    g_free(*(char **)field);
    *(char **)field = g_strdup(text);
    return true;
}

static Json *print_str(const Property *p, const void *field)
{
    return json_string(*(char *const *)field);
}

static void clear_str(const Property *p, void *field)
{
    g_clear_pointer((char **)field, g_free);
}

/* ---- enums ---- */

static bool parse_names(const Property *p, const char *const *names, int *field, const char *text, GError **errp)
{
    g_autofree char *list = NULL;

    for (int i = 0; names[i]; i++) {
        if (!strcmp(names[i], text)) {
            *field = i;
            return true;
        }
    }
    list = g_strjoinv(", ", (char **)names);
    return fail(errp, "Parameter '%s' does not accept value '%s'; accepted: %s", p->name, text, list);
}

static bool parse_enum(const Property *p, void *field, const Json *value, GError **errp)
{
    const char *text = json_get_string(value);

    return text ? parse_names(p, p->names, field, text, errp) : expected(p, "string", errp);
}

static Json *print_enum(const Property *p, const void *field)
{
    return json_string(p->names[*(const int *)field]);
}

static const char *const on_off_auto[] = {[ON_OFF_AUTO_AUTO] = "auto", [ON_OFF_AUTO_ON] = "on", [ON_OFF_AUTO_OFF] = "off", NULL};

static bool parse_on_off_auto(const Property *p, void *field, const Json *value, GError **errp)
{
    const char *text = json_get_string(value);
    bool is_on;

    if (json_is(value, JSON_BOOL)) {
        *(int *)field = json_get_bool(value) ? ON_OFF_AUTO_ON : ON_OFF_AUTO_OFF;
        return true;
    }
    if (text && text_to_bool(text, &is_on)) {
        *(int *)field = is_on ? ON_OFF_AUTO_ON : ON_OFF_AUTO_OFF;
        return true;
    }
    return text ? parse_names(p, on_off_auto, field, text, errp) : expected(p, "string", errp);
}

static Json *print_on_off_auto(const Property *p, const void *field)
{
    return json_string(on_off_auto[*(const int *)field]);
}

/* ---- Ethernet addresses ---- */

static bool parse_mac(const Property *p, void *field, const Json *value, GError **errp)
{
    const char *text = json_get_string(value);
    uint8_t mac[6];

    if (!text) {
        return expected(p, "string", errp);
    }
    for (int i = 0; i < 6; i++) {
        int high = g_ascii_xdigit_value(text[0]), low = high < 0 ? -1 : g_ascii_xdigit_value(text[1]);
        char end = low < 0 ? 'x' : text[2];

        if (low < 0 || (i < 5 ? end != ':' && end != '-' : end != 0)) {
            return fail(errp, "Parameter '%s' expects an Ethernet 48-bit MAC address, e.g. 52:54:00:12:34:56", p->name);
        }
        mac[i] = high << 4 | low;
        text += 3;
    }
    memcpy(field, mac, sizeof(mac));
    return true;
}

static Json *print_mac(const Property *p, const void *field)
{
    const uint8_t *m = field;
    char text[18];

    snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
    return json_string(text);
}

const PropType prop_bool = {"bool", parse_bool, print_bool, NULL};
const PropType prop_u8 = {"uint8", parse_u8, print_u8, NULL};
const PropType prop_u16 = {"uint16", parse_u16, print_u16, NULL};
const PropType prop_u32 = {"uint32", parse_u32, print_u32, NULL};
const PropType prop_u64 = {"uint64", parse_u64, print_u64, NULL};
const PropType prop_i32 = {"int32", parse_i32, print_i32, NULL};
const PropType prop_i64 = {"int64", parse_i64, print_i64, NULL};
const PropType prop_size = {"size", parse_size, print_u64, NULL};
const PropType prop_str = {"str", parse_str, print_str, clear_str};
const PropType prop_enum = {"str", parse_enum, print_enum, NULL};
const PropType prop_mac = {"str", parse_mac, print_mac, NULL};
const PropType prop_on_off_auto = {"OnOffAuto", parse_on_off_auto, print_on_off_auto, NULL};
const PropType prop_link = {"str", parse_str, print_str, clear_str};
const PropType prop_netdev = {"str", parse_str, print_str, clear_str};
const PropType prop_chardev = {"str", parse_str, print_str, clear_str};
const PropType prop_drive = {"str", parse_str, print_str, clear_str};

Json *property_default(const Property *p)
{
    if (p->type == &prop_bool) {
        return json_bool(p->defval);
    }
    if (p->type == &prop_enum) {
        return json_string(p->names[p->defval]);
    }
    if (p->type == &prop_on_off_auto) {
        return json_string(on_off_auto[p->defval]);
    }
    if (p->type == &prop_i32 || p->type == &prop_i64) {
        return json_int((int64_t)p->defval);
    }
    if (p->type == &prop_mac || p->type->clear) {
        return p->defstr ? json_string(p->defstr) : NULL;
    }
    return json_uint(p->defval);
}
