/* ui/console.c - the screens of the guest and who looks at them.
 * Guarded by: vm_lock.  Page: docs/ui.md.  Test: tests/unit/ui/console-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "ui/console.h"

#include "util/error.h"

struct Console {
    Object *device;
    unsigned head, index;
    const ConsoleDevice *ops;
    void *opaque;
    pixman_image_t *surface;
    ConsoleCursor *cursor;
    int cursor_x, cursor_y;
    GPtrArray *viewers; /* of ConsoleViewer; NULL where one left while they were being called */
    unsigned calling;   /* so many calls of viewers are under way */
    bool is_removed;    /* while they were: it is freed when the last of them is over */
};

static Console *consoles[CONSOLES_MAX];

/* ---- cursors ---- */
ConsoleCursor *console_cursor_new(unsigned width, unsigned height)
{
    ConsoleCursor *c;

    if (!width || !height || width > CURSOR_SIZE_MAX || height > CURSOR_SIZE_MAX) {
        return NULL;
    }
    c = g_malloc0(sizeof(*c) + (size_t)width * height * sizeof(c->pixels[0]));
    c->refs = 1;
    c->width = width;
    c->height = height;
    return c;
}

ConsoleCursor *console_cursor_ref(ConsoleCursor *c)
{
    if (c) {
        c->refs++;
    }
    return c;
}

void console_cursor_unref(ConsoleCursor *c)
{
    if (c && --c->refs == 0) {
        g_free(c);
    }
}

/* ---- telling viewers ---- */
typedef enum News { NEWS_SURFACE, NEWS_UPDATE, NEWS_CURSOR, NEWS_CURSOR_MOVED } News;

static void tell(ConsoleViewer *v, News news, const pixman_box32_t *box)
{
    switch (news) {
    case NEWS_SURFACE:
        if (v->surface) {
            v->surface(v);
        }
        break;
    case NEWS_UPDATE:
        if (v->update) {
            v->update(v, box);
        }
        break;
    case NEWS_CURSOR:
        if (v->cursor) {
            v->cursor(v);
        }
        break;
    case NEWS_CURSOR_MOVED:
        if (v->cursor_moved) {
            v->cursor_moved(v);
        }
        break;
    }
}

static void free_console(Console *c)
{
    g_ptr_array_free(c->viewers, TRUE);
    g_free(c);
}

/* Nobody is called any more: the places of those who left go, and so does a console that was removed meanwhile. */
static void settle(Console *c)
{
    if (c->calling) {
        return;
    }
    for (unsigned i = c->viewers->len; i-- > 0;) {
        if (!c->viewers->pdata[i]) {
            g_ptr_array_remove_index(c->viewers, i);
        }
    }
    if (c->is_removed) {
        free_console(c);
    }
}

/* A viewer may leave, join or have the console removed meanwhile.  Who joins has been told by console_watch(). */
static void tell_all(Console *c, News news, const pixman_box32_t *box)
{
    unsigned count = c->viewers->len;

    c->calling++;
    for (unsigned i = 0; i < count; i++) {
        if (c->viewers->pdata[i]) {
            tell(c->viewers->pdata[i], news, box);
        }
    }
    c->calling--;
    settle(c);
}

/* ---- for display devices ---- */
Console *console_add(Object *device, unsigned head, const ConsoleDevice *ops, void *opaque, GError **errp)
{
    unsigned index = 0;
    Console *c;

    while (index < CONSOLES_MAX && consoles[index]) {
        index++;
    }
    if (index == CONSOLES_MAX) {
        fail(errp, "there are %u screens already", CONSOLES_MAX);
        return NULL;
    }
    c = g_new0(Console, 1);
    *c = (Console){.device = device, .head = head, .index = index, .ops = ops, .opaque = opaque,
                   .viewers = g_ptr_array_new()};
    consoles[index] = c;
    return c;
}

void console_remove(Console *c)
{
    if (!c || c->is_removed) {
        return;
    }
    consoles[c->index] = NULL;
    c->ops = NULL;
    c->calling++; /* keeps it until the end */
    c->is_removed = true;
    console_set_cursor(c, NULL);
    console_set_surface(c, NULL);
    for (unsigned i = 0; i < c->viewers->len; i++) {
        if (c->viewers->pdata[i]) {
            ((ConsoleViewer *)c->viewers->pdata[i])->console = NULL;
            c->viewers->pdata[i] = NULL;
        }
    }
    c->calling--;
    settle(c);
}

void console_set_surface(Console *c, pixman_image_t *image)
{
    pixman_image_t *old = c->surface;

    if (!image && !old) {
        return;
    }
    c->surface = image ? pixman_image_ref(image) : NULL;
    tell_all(c, NEWS_SURFACE, NULL);
    if (old) {
        pixman_image_unref(old); /* after the call: until then a viewer may look at it */
    }
}

void console_update(Console *c, int x, int y, int width, int height)
{
    int64_t right = (int64_t)x + width, bottom = (int64_t)y + height;
    pixman_box32_t box;

    if (!c->surface) {
        return;
    }
    box = (pixman_box32_t){MAX(x, 0), MAX(y, 0), MIN(right, pixman_image_get_width(c->surface)),
                           MIN(bottom, pixman_image_get_height(c->surface))};
    if (box.x1 < box.x2 && box.y1 < box.y2) {
        tell_all(c, NEWS_UPDATE, &box);
    }
}

void console_set_cursor(Console *c, ConsoleCursor *shape)
{
    ConsoleCursor *old = c->cursor;

    if (shape == old) {
        return;
    }
    c->cursor = console_cursor_ref(shape);
    tell_all(c, NEWS_CURSOR, NULL);
    console_cursor_unref(old);
}

void console_move_cursor(Console *c, int x, int y)
{
    if (x != c->cursor_x || y != c->cursor_y) {
        c->cursor_x = x;
        c->cursor_y = y;
        tell_all(c, NEWS_CURSOR_MOVED, NULL);
    }
}

/* ---- for viewers ---- */
void console_watch(Console *c, ConsoleViewer *v)
{
    g_assert(!v->console);
    v->console = c;
    g_ptr_array_add(c->viewers, v);
    c->calling++;
    tell(v, NEWS_SURFACE, NULL);
    if (v->console == c) {
        tell(v, NEWS_CURSOR, NULL);
    }
    c->calling--;
    settle(c);
}

void console_unwatch(ConsoleViewer *v)
{
    Console *c = v->console;
    unsigned i;

    if (!c) {
        return;
    }
    v->console = NULL;
    if (g_ptr_array_find(c->viewers, v, &i)) {
        c->viewers->pdata[i] = NULL;
    }
    settle(c);
}

Console *console_at(unsigned index)
{
    return index < CONSOLES_MAX ? consoles[index] : NULL;
}

static Console *find_of(const Object *device, unsigned head)
{
    for (unsigned i = 0; i < CONSOLES_MAX; i++) {
        if (consoles[i] && consoles[i]->device == device && consoles[i]->head == head) {
            return consoles[i];
        }
    }
    return NULL;
}

static Console *find_first(GError **errp)
{
    for (unsigned i = 0; i < CONSOLES_MAX; i++) {
        if (consoles[i] && consoles[i]->head == 0) {
            return consoles[i];
        }
    }
    fail(errp, "the machine has no screen");
    return NULL;
}

Console *console_find(const char *device, unsigned head, GError **errp)
{
    Object *o;
    Console *c;

    if (!device) {
        return find_first(errp);
    }
    o = *device == '/' ? object_find(device) : object_find_id(object_container("/machine/peripheral"), device);
    if (!o) {
        fail_class(errp, ERROR_CLASS_DEVICE_NOT_FOUND, "Device '%s' not found", device);
        return NULL;
    }
    c = find_of(o, head);
    if (!c) {
        fail(errp, "device '%s' has no screen %u", device, head);
    }
    return c;
}

unsigned console_index(const Console *c)
{
    return c->index;
}

unsigned console_head(const Console *c)
{
    return c->head;
}

Object *console_device(const Console *c)
{
    return c->device;
}

pixman_image_t *console_surface(const Console *c)
{
    return c->surface;
}

ConsoleCursor *console_cursor(const Console *c)
{
    return c->cursor;
}

void console_cursor_at(const Console *c, int *ret_x, int *ret_y)
{
    *ret_x = c->cursor_x;
    *ret_y = c->cursor_y;
}

bool console_can_wish(const Console *c)
{
    return c->ops && c->ops->wish;
}

void console_wish(Console *c, const ConsoleWish *wish)
{
    ConsoleWish w = *wish;

    if (console_can_wish(c)) {
        w.width = MIN(w.width, CONSOLE_SIZE_MAX);
        w.height = MIN(w.height, CONSOLE_SIZE_MAX);
        c->ops->wish(c->opaque, &w);
    }
}

void console_refresh(Console *c)
{
    if (c->ops && c->ops->refresh) {
        c->ops->refresh(c->opaque);
    }
}
