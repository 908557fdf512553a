/* monitor/readline.c - a line editor for the human monitor: arrows, history, completion.  Owner: main loop.
 * Test: tests/unit/monitor/hmp-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "monitor-private.h"

#include <string.h>

#define LINE_MAX_BYTES 4096
#define HISTORY_MAX 64
#define PROMPT "(baton) "
#define CTRL(c) ((c) - 'A' + 1)

struct Readline {
    ReadlineFn *line_fn;
    ReadlineOutFn *out_fn;
    void *opaque;
    GString *line;
    size_t cursor;
    GPtrArray *history; /* of char *, oldest first */
    unsigned at;        /* history->len: the line being typed */
    enum { PLAIN, ESCAPE, BRACKET } state;
    int number;         /* ESC [ number ~ */
    bool was_cr;
};

static void put(Readline *r, const char *text)
{
    r->out_fn(text, r->opaque);
}

static void redraw(Readline *r)
{
    size_t back = r->line->len - r->cursor;
    g_autofree char *text = back ? g_strdup_printf("\r%s%s\033[K\033[%zuD", PROMPT, r->line->str, back)
                                 : g_strdup_printf("\r%s%s\033[K", PROMPT, r->line->str);

    put(r, text);
}

void readline_prompt(Readline *r)
{
    put(r, PROMPT);
    put(r, r->line->str);
}

static void set_line(Readline *r, const char *text)
{
    g_string_assign(r->line, text);
    r->cursor = r->line->len;
    redraw(r);
}

/* ---- history ---- */

static void remember(Readline *r)
{
    unsigned last = r->history->len;

    if (r->line->len && (!last || strcmp(r->history->pdata[last - 1], r->line->str))) {
        if (last == HISTORY_MAX) {
            g_ptr_array_remove_index(r->history, 0);
        }
        g_ptr_array_add(r->history, g_strdup(r->line->str));
    }
    r->at = r->history->len;
}

static void recall(Readline *r, int step)
{
    if ((step < 0 && r->at == 0) || (step > 0 && r->at >= r->history->len)) {
        return;
    }
    r->at += step;
    set_line(r, r->at < r->history->len ? r->history->pdata[r->at] : "");
}

/* ---- editing ---- */

static void insert(Readline *r, char c)
{
    if (r->line->len >= LINE_MAX_BYTES) {
        return;
    }
    g_string_insert_c(r->line, r->cursor++, c);
    if (r->cursor == r->line->len) {
        char text[2] = {c, 0};

        put(r, text);
    } else {
        redraw(r);
    }
}

static void erase(Readline *r, size_t from, size_t size)
{
    if (from + size <= r->line->len && size) {
        g_string_erase(r->line, from, size);
        r->cursor = from;
        redraw(r);
    }
}

static void erase_word(Readline *r)
{
    size_t from = r->cursor;

    while (from && r->line->str[from - 1] == ' ') {
        from--;
    }
    while (from && r->line->str[from - 1] != ' ') {
        from--;
    }
    erase(r, from, r->cursor - from);
}

static void move(Readline *r, size_t to)
{
    r->cursor = MIN(to, r->line->len);
    redraw(r);
}

static void finish(Readline *r)
{
    g_autofree char *line = g_strdup(r->line->str);

    put(r, "\r\n");
    remember(r);
    g_string_truncate(r->line, 0);
    r->cursor = 0;
    r->line_fn(line, r->opaque);
}

/* ---- completion ---- */

static size_t common_prefix(GPtrArray *words)
{
    size_t size = strlen(words->pdata[0]);

    for (unsigned i = 1; i < words->len; i++) {
        size_t k = 0;

        while (k < size && ((char *)words->pdata[i])[k] == ((char *)words->pdata[0])[k]) {
            k++;
        }
        size = k;
    }
    return size;
}

static void complete(Readline *r)
{
    g_autoptr(GPtrArray) words = NULL;
    const char *space = strrchr(r->line->str, ' ');
    size_t typed = strlen(space ? space + 1 : r->line->str), common;

    if (r->cursor != r->line->len) {
        return;
    }
    words = hmp_complete(r->line->str);
    if (!words->len) {
        return;
    }
    common = common_prefix(words);
    for (const char *p = (char *)words->pdata[0] + MIN(typed, common); typed < common; typed++) {
        insert(r, *p++);
    }
    if (words->len == 1) {
        insert(r, ' ');
        return;
    }
    put(r, "\r\n");
    for (unsigned i = 0; i < words->len; i++) {
        put(r, words->pdata[i]);
        put(r, "  ");
    }
    put(r, "\r\n");
    readline_prompt(r);
}

/* ---- bytes ---- */

static void control(Readline *r, uint8_t c)
{
    switch (c) {
    case CTRL('A'):
        move(r, 0);
        break;
    case CTRL('E'):
        move(r, r->line->len);
        break;
    case CTRL('B'):
        move(r, r->cursor ? r->cursor - 1 : 0);
        break;
    case CTRL('F'):
        move(r, r->cursor + 1);
        break;
    case CTRL('D'):
        erase(r, r->cursor, 1);
        break;
    case CTRL('H'):
    case 127:
        if (r->cursor) {
            erase(r, r->cursor - 1, 1);
        }
        break;
    case CTRL('I'):
        complete(r);
        break;
    case CTRL('K'):
        erase(r, r->cursor, r->line->len - r->cursor);
        break;
    case CTRL('L'):
        put(r, "\033[2J\033[H");
        redraw(r);
        break;
    case CTRL('N'):
        recall(r, 1);
        break;
    case CTRL('P'):
        recall(r, -1);
        break;
    case CTRL('U'):
        erase(r, 0, r->cursor);
        break;
    case CTRL('W'):
        erase_word(r);
        break;
    case '\033':
        r->state = ESCAPE;
        break;
    default:
        break;
    }
}

static void bracket(Readline *r, uint8_t c)
{
    if (g_ascii_isdigit(c)) {
        r->number = (r->number * 10 + c - '0') % 1000;
        return;
    }
    r->state = PLAIN;
    switch (c) {
    case 'A':
        recall(r, -1);
        break;
    case 'B':
        recall(r, 1);
        break;
    case 'C':
        move(r, r->cursor + 1);
        break;
    case 'D':
        move(r, r->cursor ? r->cursor - 1 : 0);
        break;
    case 'H':
        move(r, 0);
        break;
    case 'F':
        move(r, r->line->len);
        break;
    case '~':
        if (r->number == 3) {
            erase(r, r->cursor, 1);
        }
        break;
    default:
        break;
    }
}

void readline_byte(Readline *r, uint8_t c)
{
    bool after_cr = r->was_cr;

    r->was_cr = c == '\r';
    if (r->state == ESCAPE) {
        r->state = c == '[' || c == 'O' ? BRACKET : PLAIN;
        r->number = 0;
    } else if (r->state == BRACKET) {
        bracket(r, c);
    } else if (c == '\r' || c == '\n') {
        if (!(c == '\n' && after_cr)) {
            finish(r);
        }
    } else if (c < 0x20 || c == 127) {
        control(r, c);
    } else {
        insert(r, c);
    }
}

Readline *readline_new(ReadlineFn *line, ReadlineOutFn *out, void *opaque)
{
    Readline *r = g_new0(Readline, 1);

    r->line_fn = line;
    r->out_fn = out;
    r->opaque = opaque;
    r->line = g_string_new(NULL);
    r->history = g_ptr_array_new_with_free_func(g_free);
    return r;
}

void readline_free(Readline *r)
{
    if (r) {
        g_string_free(r->line, true);
        g_ptr_array_unref(r->history);
        g_free(r);
    }
}
