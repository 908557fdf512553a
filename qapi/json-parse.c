/* qapi/json-parse.c - text to JSON values.  Hostile text costs at most JSON_MAX_DEPTH stack frames and JSON_MAX_VALUES
 * values.  Page: docs/monitor.md.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "qapi/json.h"
#include "util/error.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#define JSON_MAX_VALUES (1u << 20)

typedef struct Parser {
    const char *at, *end, *start;
    unsigned depth, values;
    GError **errp;
} Parser;

static Json *parse_value(Parser *p);

static Json *parse_fail(Parser *p, const char *what)
{
    fail(p->errp, "JSON parse error, %s at byte %zu", what, (size_t)(p->at - p->start));
    return NULL;
}

static void skip_blanks(Parser *p)
{
    while (p->at < p->end && strchr(" \t\r\n", *p->at) && *p->at) {
        p->at++;
    }
}

static bool next_is(Parser *p, char c)
{
    skip_blanks(p);
    if (p->at < p->end && *p->at == c) {
        p->at++;
        return true;
    }
    return false;
}

/* ---- strings ---- */

static int hex4(Parser *p)
{
    int value = 0;

    if (p->end - p->at < 4) {
        return -1;
    }
    for (int i = 0; i < 4; i++) {
        int digit = g_ascii_xdigit_value(p->at[i]);

        if (digit < 0) {
            return -1;
        }
        value = value << 4 | digit;
    }
    p->at += 4;
    return value;
}

/* Behind "\u": one or, for a surrogate pair, two groups of four digits. */
static bool parse_unicode(Parser *p, GString *out)
{
    int high = hex4(p), low;
    gunichar c = high;

    if (high <= 0 || (high >= 0xdc00 && high <= 0xdfff)) {
        return false;
    }
    if (high >= 0xd800 && high <= 0xdbff) {
        if (p->end - p->at < 2 || p->at[0] != '\\' || p->at[1] != 'u') {
            return false;
        }
        p->at += 2;
        low = hex4(p);
        if (low < 0xdc00 || low > 0xdfff) {
            return false;
        }
        c = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
    }
    g_string_append_unichar(out, c);
    return true;
}

static bool parse_escape(Parser *p, GString *out)
{
    static const char from[] = "\"'\\/bfnrt", to[] = "\"'\\/\b\f\n\r\t";
    const char *found;
    char c = p->at < p->end ? *p->at++ : 0;

    if (c == 'u') {
        return parse_unicode(p, out);
    }
    found = c ? strchr(from, c) : NULL;
    if (!found) {
        return false;
    }
    g_string_append_c(out, to[found - from]);
    return true;
}

static bool parse_text(Parser *p, GString *out)
{
    char quote = *p->at++;

    while (p->at < p->end && *p->at != quote) {
        const char *run = p->at;

        if (*p->at == '\\') {
            p->at++;
            if (!parse_escape(p, out)) {
                return parse_fail(p, "bad escape in a string") != NULL;
            }
            continue;
        }
        while (p->at < p->end && *p->at != quote && *p->at != '\\' && (unsigned char)*p->at >= 0x20) {
            p->at++;
        }
        if (p->at == run) {
            return parse_fail(p, "control character in a string") != NULL;
        }
        g_string_append_len(out, run, p->at - run);
    }
    if (p->at == p->end) {
        return parse_fail(p, "string is not closed") != NULL;
    }
    p->at++;
    if (!g_utf8_validate(out->str, out->len, NULL)) {
        return parse_fail(p, "invalid UTF-8 in a string") != NULL;
    }
    return true;
}

static char *parse_string(Parser *p)
{
    GString *out = g_string_new(NULL);

    if (!parse_text(p, out)) {
        g_string_free(out, true);
        return NULL;
    }
    return g_string_free(out, false);
}

/* ---- numbers and words ---- */

static size_t skip_digits(Parser *p)
{
    const char *from = p->at;

    while (p->at < p->end && g_ascii_isdigit(*p->at)) {
        p->at++;
    }
    return p->at - from;
}

static bool scan_number(Parser *p, bool *ret_integer)
{
    const char *first;
    bool is_integer = true;

    if (p->at < p->end && *p->at == '-') {
        p->at++;
    }
    first = p->at;
    if (!skip_digits(p) || (*first == '0' && p->at - first > 1)) {
        return false;
    }
    if (p->at < p->end && *p->at == '.') {
        p->at++;
        is_integer = false;
        if (!skip_digits(p)) {
            return false;
        }
    }
    if (p->at < p->end && (*p->at == 'e' || *p->at == 'E')) {
        p->at++;
        is_integer = false;
        if (p->at < p->end && (*p->at == '+' || *p->at == '-')) {
            p->at++;
        }
        if (!skip_digits(p)) {
            return false;
        }
    }
    *ret_integer = is_integer;
    return true;
}

static Json *parse_number(Parser *p)
{
    const char *from = p->at;
    g_autofree char *text = NULL;
    bool is_integer;
    double d;

    if (!scan_number(p, &is_integer) || p->at - from > 400) {
        return parse_fail(p, "malformed number");
    }
    text = g_strndup(from, p->at - from);
    if (is_integer) {
        int64_t i;
        uint64_t u;

        errno = 0;
        i = g_ascii_strtoll(text, NULL, 10);
        if (!errno) {
            return json_int(i);
        }
        errno = 0;
        u = g_ascii_strtoull(text, NULL, 10);
        if (!errno && *text != '-') {
            return json_uint(u);
        }
    }
    d = g_ascii_strtod(text, NULL);
    return isfinite(d) ? json_double(d) : parse_fail(p, "number out of range");
}

static Json *parse_word(Parser *p)
{
    static const struct {
        const char *word;
        JsonType type;
        bool value;
    } words[] = {{"true", JSON_BOOL, true}, {"false", JSON_BOOL, false}, {"null", JSON_NULL, false}};
    const char *from = p->at;
    size_t size;

    while (p->at < p->end && g_ascii_isalnum(*p->at)) {
        p->at++;
    }
    size = p->at - from;
    for (unsigned i = 0; i < G_N_ELEMENTS(words); i++) {
        if (size == strlen(words[i].word) && !memcmp(from, words[i].word, size)) {
            return words[i].type == JSON_BOOL ? json_bool(words[i].value) : json_null();
        }
    }
    p->at = from;
    return parse_fail(p, "expecting a value");
}

/* ---- lists and dicts ---- */

static Json *parse_list(Parser *p)
{
    g_autoptr(Json) list = json_list();

    if (next_is(p, ']')) {
        return g_steal_pointer(&list);
    }
    do {
        Json *item = parse_value(p);

        if (!item) {
            return NULL;
        }
        json_append(list, item);
    } while (next_is(p, ','));
    return next_is(p, ']') ? g_steal_pointer(&list) : parse_fail(p, "expected ',' or ']'");
}

static bool parse_member(Parser *p, Json *dict)
{
    g_autofree char *key = NULL;
    Json *value;

    skip_blanks(p);
    if (p->at == p->end || (*p->at != '"' && *p->at != '\'')) {
        return parse_fail(p, "key is not a string in object") != NULL;
    }
    key = parse_string(p);
    if (!key) {
        return false;
    }
    if (json_get(dict, key)) {
        return parse_fail(p, "duplicate key") != NULL;
    }
    if (!next_is(p, ':')) {
        return parse_fail(p, "missing : in object pair") != NULL;
    }
    value = parse_value(p);
    if (!value) {
        return false;
    }
    json_set(dict, key, value);
    return true;
}

static Json *parse_dict(Parser *p)
{
    g_autoptr(Json) dict = json_dict();

    if (next_is(p, '}')) {
        return g_steal_pointer(&dict);
    }
    do {
        if (!parse_member(p, dict)) {
            return NULL;
        }
    } while (next_is(p, ','));
    return next_is(p, '}') ? g_steal_pointer(&dict) : parse_fail(p, "expected separator in dict");
}

static Json *parse_container(Parser *p)
{
    Json *j;

    if (p->depth == JSON_MAX_DEPTH) {
        return parse_fail(p, "nested deeper than 64 levels");
    }
    p->depth++;
    j = *p->at++ == '{' ? parse_dict(p) : parse_list(p);
    p->depth--;
    return j;
}

static Json *parse_quoted(Parser *p)
{
    g_autofree char *s = parse_string(p);

    return s ? json_string(s) : NULL;
}

static Json *parse_value(Parser *p)
{
    skip_blanks(p);
    if (p->at == p->end) {
        return parse_fail(p, "unexpected end of text");
    }
    if (++p->values > JSON_MAX_VALUES) {
        return parse_fail(p, "too many values");
    }
    switch (*p->at) {
    case '{':
    case '[':
        return parse_container(p);
    case '"':
    case '\'':
        return parse_quoted(p);
    case '-':
    case '0' ... '9':
        return parse_number(p);
    default:
        return parse_word(p);
    }
}

Json *json_parse(const char *text, size_t size, GError **errp)
{
    Parser p = {.at = text, .start = text, .end = text + size, .errp = errp};
    g_autoptr(Json) j = NULL;

    if (size > JSON_MAX_BYTES) {
        fail(errp, "JSON text of %zu bytes is larger than the limit of %d", size, JSON_MAX_BYTES);
        return NULL;
    }
    j = parse_value(&p);
    if (!j) {
        return NULL;
    }
    skip_blanks(&p);
    if (p.at != p.end) {
        return parse_fail(&p, "trailing characters");
    }
    return g_steal_pointer(&j);
}
