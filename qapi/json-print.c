/* qapi/json-print.c - JSON values to ASCII text.  Page: docs/monitor.md.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "qapi/json.h"

#include <string.h>

static void print_value(GString *out, const Json *j, bool pretty, unsigned depth);

static void print_unicode(GString *out, gunichar c)
{
    if (c > 0xffff) {
        c -= 0x10000;
        g_string_append_printf(out, "\\u%04x\\u%04x", 0xd800 + (c >> 10), 0xdc00 + (c & 0x3ff));
    } else {
        g_string_append_printf(out, "\\u%04x", c);
    }
}

static void print_char(GString *out, gunichar c)
{
    static const char special[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
    const char *found = c && c < 0x80 ? strchr(special, (int)c) : NULL;

    if (found) {
        g_string_append_c(out, '\\');
        g_string_append_c(out, letters[found - special]);
    } else if (c < 0x20 || c >= 0x7f) {
        print_unicode(out, c);
    } else {
        g_string_append_c(out, c);
    }
}

/* Strings come from us as well as from outside; bytes that are no UTF-8 become U+FFFD. */
static void print_string(GString *out, const char *s)
{
    g_string_append_c(out, '"');
    while (*s) {
        gunichar c = g_utf8_get_char_validated(s, -1);

        if (c == (gunichar)-1 || c == (gunichar)-2) {
            print_char(out, 0xfffd);
            s++;
        } else {
            print_char(out, c);
            s = g_utf8_next_char(s);
        }
    }
    g_string_append_c(out, '"');
}

static void print_double(GString *out, double d)
{
    char text[G_ASCII_DTOSTR_BUF_SIZE];

    g_ascii_formatd(text, sizeof(text), "%.15g", d);
    if (g_ascii_strtod(text, NULL) != d) {
        g_ascii_formatd(text, sizeof(text), "%.17g", d); /* all digits, where the short form is another number */
    }
    g_string_append(out, text);
}

static void new_line(GString *out, bool pretty, unsigned depth)
{
    if (pretty) {
        g_string_append_printf(out, "\n%*s", (int)depth * 4, "");
    }
}

static void print_list(GString *out, const Json *j, bool pretty, unsigned depth)
{
    g_string_append_c(out, '[');
    for (size_t i = 0; i < json_size(j); i++) {
        g_string_append(out, !i ? "" : pretty ? "," : ", ");
        new_line(out, pretty, depth + 1);
        print_value(out, json_at(j, i), pretty, depth + 1);
    }
    if (json_size(j)) {
        new_line(out, pretty, depth);
    }
    g_string_append_c(out, ']');
}

static void print_dict(GString *out, const Json *j, bool pretty, unsigned depth)
{
    g_string_append_c(out, '{');
    for (size_t i = 0; i < json_size(j); i++) {
        g_string_append(out, !i ? "" : pretty ? "," : ", ");
        new_line(out, pretty, depth + 1);
        print_string(out, json_key_at(j, i));
        g_string_append(out, ": ");
        print_value(out, json_value_at(j, i), pretty, depth + 1);
    }
    if (json_size(j)) {
        new_line(out, pretty, depth);
    }
    g_string_append_c(out, '}');
}

static void print_value(GString *out, const Json *j, bool pretty, unsigned depth)
{
    int64_t i;
    uint64_t u;

    switch (json_type(j)) {
    case JSON_NULL:
        g_string_append(out, "null");
        break;
    case JSON_BOOL:
        g_string_append(out, json_get_bool(j) ? "true" : "false");
        break;
    case JSON_INT:
        json_to_int64(j, &i);
        g_string_append_printf(out, "%" G_GINT64_FORMAT, i);
        break;
    case JSON_UINT:
        json_to_uint64(j, &u);
        g_string_append_printf(out, "%" G_GUINT64_FORMAT, u);
        break;
    case JSON_DOUBLE:
        print_double(out, json_get_double(j));
        break;
    case JSON_STRING:
        print_string(out, json_get_string(j));
        break;
    case JSON_LIST:
        print_list(out, j, pretty, depth);
        break;
    case JSON_DICT:
        print_dict(out, j, pretty, depth);
        break;
    }
}

char *json_print(const Json *j, bool pretty)
{
    GString *out = g_string_new(NULL);

    print_value(out, j, pretty, 0);
    return g_string_free(out, false);
}
