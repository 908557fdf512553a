/* qapi/json-stream.c - cuts a stream of bytes into JSON values.  Page: docs/monitor.md.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The scanner only finds where a value ends: brackets that match, strings that close, words that stop.  What is between
 * is json_parse()'s business.  Garbage: one error, then everything is skipped up to and with the next control character
 * or 0xff byte. */
#include "qapi/json.h"
#include "util/error.h"

#include <string.h>

struct JsonStream {
    JsonStreamFn *fn;
    void *opaque;
    GString *text;               /* of the value that is not yet whole */
    char open[JSON_MAX_DEPTH];   /* the brackets that wait for their partner */
    unsigned depth;
    char quote;                  /* inside a string: what ends it */
    bool is_escaped, is_skipping;
};

static void stream_reset(JsonStream *s)
{
    g_string_truncate(s->text, 0);
    if (s->text->allocated_len > 64 * 1024) {
        g_string_free(s->text, true);
        s->text = g_string_new(NULL);
    }
    s->depth = 0;
    s->quote = 0;
    s->is_escaped = false;
}

static bool is_reset(unsigned char c)
{
    return c < 0x20 || c == 0xff;
}

/* `at` is the byte that cannot be: it may itself be the one that ends the skipping. */
static void stream_garbage(JsonStream *s, unsigned char at, const char *what)
{
    GError *err = NULL;

    fail(&err, "JSON parse error, %s", what);
    stream_reset(s);
    s->is_skipping = !is_reset(at);
    s->fn(NULL, err, s->opaque);
}

static void stream_value(JsonStream *s)
{
    GError *err = NULL;
    Json *value = json_parse(s->text->str, s->text->len, &err);

    stream_reset(s);
    s->fn(value, err, s->opaque);
}

static void feed_quoted(JsonStream *s, unsigned char c)
{
    if (is_reset(c)) {
        stream_garbage(s, c, "stray control character in a string");
        return;
    }
    g_string_append_c(s->text, c);
    if (s->is_escaped) {
        s->is_escaped = false;
    } else if (c == '\\') {
        s->is_escaped = true;
    } else if (c == s->quote) {
        s->quote = 0;
        if (!s->depth) {
            stream_value(s);
        }
    }
}

static void feed_open(JsonStream *s, unsigned char c)
{
    if (!s->depth && s->text->len) {
        stream_value(s); /* a word that a bracket ends */
    }
    if (s->depth == JSON_MAX_DEPTH) {
        stream_garbage(s, c, "nested deeper than 64 levels");
        return;
    }
    s->open[s->depth++] = c;
    g_string_append_c(s->text, c);
}

static void feed_close(JsonStream *s, unsigned char c)
{
    if (!s->depth || s->open[s->depth - 1] != (c == '}' ? '{' : '[')) {
        stream_garbage(s, c, "stray closing bracket");
        return;
    }
    g_string_append_c(s->text, c);
    if (!--s->depth) {
        stream_value(s);
    }
}

static void feed_blank(JsonStream *s, unsigned char c)
{
    if (s->depth) {
        g_string_append_c(s->text, c);
    } else if (s->text->len) {
        stream_value(s);
    }
}

static void feed_quote(JsonStream *s, unsigned char c)
{
    if (!s->depth && s->text->len) {
        stream_value(s);
    }
    s->quote = c;
    g_string_append_c(s->text, c);
}

static void feed_bare(JsonStream *s, unsigned char c)
{
    switch (c) {
    case '{':
    case '[':
        feed_open(s, c);
        break;
    case '}':
    case ']':
        feed_close(s, c);
        break;
    case '"':
    case '\'':
        feed_quote(s, c);
        break;
    case ' ':
    case '\t':
    case '\r':
    case '\n':
        feed_blank(s, c);
        break;
    default:
        if (g_ascii_isalnum(c) || c == '-' || c == '+' || c == '.' || (s->depth && (c == ',' || c == ':'))) {
            g_string_append_c(s->text, c);
        } else {
            stream_garbage(s, c, "stray character");
        }
    }
}

static void feed_byte(JsonStream *s, unsigned char c)
{
    if (s->is_skipping) {
        s->is_skipping = !is_reset(c);
    } else if (s->text->len >= JSON_MAX_BYTES) {
        stream_garbage(s, c, "value is larger than the limit");
    } else if (s->quote) {
        feed_quoted(s, c);
    } else {
        feed_bare(s, c);
    }
}

JsonStream *json_stream_new(JsonStreamFn *fn, void *opaque)
{
    JsonStream *s = g_new0(JsonStream, 1);

    s->fn = fn;
    s->opaque = opaque;
    s->text = g_string_new(NULL);
    return s;
}

void json_stream_feed(JsonStream *s, const void *data, size_t size)
{
    const unsigned char *bytes = data;

    for (size_t i = 0; i < size; i++) {
        feed_byte(s, bytes[i]);
    }
}

bool json_stream_is_between(const JsonStream *s)
{
    return !s->text->len;
}

void json_stream_free(JsonStream *s)
{
    if (s) {
        g_string_free(s->text, true);
        g_free(s);
    }
}
