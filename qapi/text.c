/* qapi/text.c - numbers, sizes and switches as users type them.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "qapi/text.h"

#include <errno.h>
#include <glib.h>
#include <math.h>
#include <string.h>

bool text_to_bool(const char *text, bool *ret)
{
    static const struct {
        const char *word;
        bool value;
    } words[] = {{"on", true},   {"off", false}, {"yes", true}, {"no", false},
                 {"true", true}, {"false", false}, {"y", true}, {"n", false}};

    for (unsigned i = 0; i < G_N_ELEMENTS(words); i++) {
        if (!strcmp(text, words[i].word)) {
            *ret = words[i].value;
            return true;
        }
    }
    return false;
}

/* Decimal or 0x...; a leading zero does not make it octal. */
static bool scan_u64(const char *text, const char **ret_end, uint64_t *ret)
{
    bool is_hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
    char *end;

    if (!g_ascii_isdigit(*text) || (is_hex && !g_ascii_isxdigit(text[2]))) {
        return false;
    }
    errno = 0;
    *ret = g_ascii_strtoull(text, &end, is_hex ? 16 : 10);
    *ret_end = end;
    return !errno;
}

bool text_to_u64(const char *text, uint64_t *ret)
{
    const char *end;
    uint64_t value;

    if (!scan_u64(text, &end, &value) || *end) {
        return false;
    }
    *ret = value;
    return true;
}

bool text_to_i64(const char *text, int64_t *ret)
{
    bool is_negative = *text == '-';
    uint64_t value;

    if (!text_to_u64(text + is_negative, &value) || value > (uint64_t)INT64_MAX + is_negative) {
        return false;
    }
    *ret = is_negative ? -value : value;
    return true;
}

static bool size_suffix(const char *text, uint64_t unit, uint64_t *ret)
{
    static const char letters[] = "BKMGTPE";
    const char *found;

    if (!*text) {
        *ret = unit;
        return true;
    }
    found = strchr(letters, g_ascii_toupper(*text));
    if (!found || text[1]) {
        return false;
    }
    *ret = 1ull << 10 * (found - letters);
    return true;
}

bool text_to_size(const char *text, uint64_t unit, uint64_t *ret)
{
    const char *end;
    uint64_t whole, scale;
    double fraction = 0;

    if (!scan_u64(text, &end, &whole)) {
        return false;
    }
    if (*end == '.' && !(text[0] == '0' && text[1] == 'x')) {
        const char *dot = end;

        do {
            end++;
        } while (g_ascii_isdigit(*end));
        fraction = g_ascii_strtod(dot, NULL);
    }
    if (!size_suffix(end, unit, &scale) || (fraction && scale == 1)) {
        return false;
    }
    if (whole > (UINT64_MAX - (uint64_t)(fraction * scale)) / scale) {
        return false;
    }
    *ret = whole * scale + (uint64_t)(fraction * scale);
    return true;
}
