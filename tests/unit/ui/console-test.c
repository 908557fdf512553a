/* tests/unit/ui/console-test.c - what a screen promises its device and its viewers.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "ui/console.h"

#include "util/error.h"

typedef struct Eye { /* a viewer that notes what it is told */
    ConsoleViewer v;
    GString *told; /* s: surface, n: none, u: update, c: cursor, m: moved */
    pixman_box32_t box;
    void (*react)(struct Eye *e, char what);
    Console *other;
    struct Eye *friend;
} Eye;

static void note(ConsoleViewer *v, char what)
{
    Eye *e = (Eye *)v;

    g_string_append_c(e->told, what);
    if (e->react) {
        e->react(e, what);
    }
}

static void eye_surface(ConsoleViewer *v)
{
    note(v, console_surface(v->console) ? 's' : 'n');
}

static void eye_update(ConsoleViewer *v, const pixman_box32_t *box)
{
    ((Eye *)v)->box = *box;
    note(v, 'u');
}

static void eye_cursor(ConsoleViewer *v)
{
    note(v, 'c');
}

static void eye_moved(ConsoleViewer *v)
{
    note(v, 'm');
}

static void eye_open(Eye *e)
{
    *e = (Eye){.v = {eye_surface, eye_update, eye_cursor, eye_moved}, .told = g_string_new(NULL)};
}

static void eye_close(Eye *e)
{
    console_unwatch(&e->v);
    g_string_free(e->told, TRUE);
}

static void assert_told(Eye *e, const char *what)
{
    g_assert_cmpstr(e->told->str, ==, what);
    g_string_truncate(e->told, 0);
}

static const ConsoleDevice no_ops;

static Console *make(unsigned width, unsigned height)
{
    Console *c = console_add(object_container("/machine"), 0, &no_ops, NULL, NULL);
    pixman_image_t *image = pixman_image_create_bits(PIXMAN_x8r8g8b8, width, height, NULL, 0);

    console_set_surface(c, image);
    pixman_image_unref(image);
    return c;
}

/* ---- the tests ---- */
static void viewers_are_told(void)
{
    Console *c = make(64, 32);
    ConsoleCursor *shape = console_cursor_new(16, 16);
    Eye a, b;
    int x, y;

    eye_open(&a);
    eye_open(&b);
    console_watch(c, &a.v);
    assert_told(&a, "sc");
    console_watch(c, &b.v);
    console_update(c, 1, 2, 3, 4);
    console_set_cursor(c, shape);
    console_set_cursor(c, shape); /* the same: nothing new */
    console_move_cursor(c, 5, -6);
    console_move_cursor(c, 5, -6);
    assert_told(&a, "ucm");
    assert_told(&b, "scucm");
    console_cursor_at(c, &x, &y);
    g_assert_cmpint(x, ==, 5);
    g_assert_cmpint(y, ==, -6);
    console_unwatch(&a.v);
    g_assert_null(a.v.console);
    console_set_surface(c, NULL);
    console_set_surface(c, NULL);
    console_update(c, 0, 0, 64, 32); /* of nothing */
    assert_told(&a, "");
    assert_told(&b, "n");
    console_cursor_unref(shape);
    console_remove(c);
    eye_close(&a);
    eye_close(&b);
}

static void damage_is_clipped(void)
{
    static const struct {
        int x, y, width, height;
        pixman_box32_t box; /* x1 == x2: none */
    } cases[] = {
        {0, 0, 64, 32, {0, 0, 64, 32}},
        {1, 2, 3, 4, {1, 2, 4, 6}},
        {-5, -5, 10, 10, {0, 0, 5, 5}},
        {60, 30, 10, 10, {60, 30, 64, 32}},
        {0, 0, INT_MAX, INT_MAX, {0, 0, 64, 32}},
        {INT_MAX, INT_MAX, INT_MAX, INT_MAX, {}},
        {INT_MIN, INT_MIN, INT_MAX, INT_MAX, {}},
        {64, 0, 1, 1, {}},
        {0, 32, 1, 1, {}},
        {3, 3, 0, 5, {}},
        {3, 3, 5, -1, {}},
    };
    Console *c = make(64, 32);
    Eye e;

    eye_open(&e);
    console_watch(c, &e.v);
    assert_told(&e, "sc");
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        bool some = cases[i].box.x1 != cases[i].box.x2;

        console_update(c, cases[i].x, cases[i].y, cases[i].width, cases[i].height);
        assert_told(&e, some ? "u" : "");
        if (some) {
            g_assert_cmpint(e.box.x1, ==, cases[i].box.x1);
            g_assert_cmpint(e.box.y1, ==, cases[i].box.y1);
            g_assert_cmpint(e.box.x2, ==, cases[i].box.x2);
            g_assert_cmpint(e.box.y2, ==, cases[i].box.y2);
        }
    }
    console_remove(c);
    eye_close(&e);
}

static void leave(Eye *e, char what)
{
    console_unwatch(&e->v);
}

static void push_friend(Eye *e, char what)
{
    console_unwatch(&e->friend->v);
}

static void bring_friend(Eye *e, char what)
{
    if (!e->friend->v.console) {
        console_watch(e->v.console, &e->friend->v);
    }
}

static void remove_console(Eye *e, char what)
{
    Console *c = e->other;

    e->other = NULL;
    if (c) {
        console_remove(c);
    }
}

/* What the first of two viewers does in its callback, and what either is told by one update. */
static void viewers_come_and_go_while_they_are_told(void)
{
    static const struct {
        void (*react)(Eye *e, char what);
        bool friend_watches;
        const char *first, *second;
    } cases[] = {
        {leave, true, "u", "u"},
        {push_friend, true, "u", ""},
        {bring_friend, false, "u", "sc"},
        {remove_console, true, "ucn", "cn"},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        Console *c = make(8, 8);
        ConsoleCursor *shape = console_cursor_new(1, 1);
        Eye a, b;

        console_set_cursor(c, shape);
        eye_open(&a);
        eye_open(&b);
        console_watch(c, &a.v);
        if (cases[i].friend_watches) {
            console_watch(c, &b.v);
        }
        g_string_truncate(a.told, 0);
        g_string_truncate(b.told, 0);
        a.react = cases[i].react;
        a.friend = &b;
        a.other = c;
        console_update(c, 0, 0, 8, 8);
        assert_told(&a, cases[i].first);
        assert_told(&b, cases[i].second);
        a.react = NULL;
        if (cases[i].react != remove_console) {
            console_remove(c);
        }
        g_assert_null(a.v.console);
        g_assert_null(b.v.console);
        g_assert_null(console_at(0));
        eye_close(&a);
        eye_close(&b);
        g_assert_cmpuint(shape->refs, ==, 1);
        console_cursor_unref(shape);
    }
}

static void a_viewer_may_leave_at_once(void)
{
    Console *c = make(8, 8);
    Eye e;

    eye_open(&e);
    e.react = leave;
    console_watch(c, &e.v);
    assert_told(&e, "s");
    g_assert_null(e.v.console);
    console_remove(c);
    eye_close(&e);
}

static void surfaces_are_counted(void)
{
    Console *c = make(8, 8);
    pixman_image_t *image = pixman_image_create_bits(PIXMAN_x8r8g8b8, 4, 4, NULL, 0);
    pixman_image_t *other = pixman_image_create_bits(PIXMAN_x8r8g8b8, 4, 4, NULL, 0);

    console_set_surface(c, image);
    g_assert_true(console_surface(c) == image);
    g_assert_false(pixman_image_unref(image)); /* the console has one still */
    console_set_surface(c, other);
    console_remove(c);
    g_assert_true(pixman_image_unref(other));
}

static void cursors_are_counted(void)
{
    Console *c = make(8, 8);
    ConsoleCursor *a = console_cursor_new(CURSOR_SIZE_MAX, CURSOR_SIZE_MAX), *b = console_cursor_new(1, 2);

    g_assert_null(console_cursor_new(0, 1));
    g_assert_null(console_cursor_new(1, CURSOR_SIZE_MAX + 1));
    a->pixels[CURSOR_SIZE_MAX * CURSOR_SIZE_MAX - 1] = 1;
    console_set_cursor(c, a);
    g_assert_cmpuint(a->refs, ==, 2);
    console_set_cursor(c, b);
    g_assert_cmpuint(a->refs, ==, 1);
    g_assert_true(console_cursor(c) == b);
    console_remove(c);
    g_assert_cmpuint(b->refs, ==, 1);
    console_cursor_unref(a);
    console_cursor_unref(b);
    console_cursor_unref(NULL);
}

static void screens_are_found(void)
{
    Object *device = object_container("/machine/peripheral/gpu0"), *other = object_container("/machine/peripheral/gpu1");
    Console *all[CONSOLES_MAX];
    GError *err = NULL;

    g_assert_null(console_find(NULL, 0, &err));
    g_assert_cmpstr(err->message, ==, "the machine has no screen");
    g_clear_error(&err);
    for (unsigned i = 0; i < CONSOLES_MAX; i++) {
        all[i] = console_add(device, i, &no_ops, NULL, NULL);
        g_assert_cmpuint(console_index(all[i]), ==, i);
    }
    g_assert_null(console_add(other, 0, &no_ops, NULL, &err));
    g_clear_error(&err);
    console_remove(all[3]);
    g_assert_null(console_at(3));
    all[3] = console_add(other, 0, &no_ops, NULL, NULL);
    g_assert_cmpuint(console_index(all[3]), ==, 3);
    g_assert_true(console_find(NULL, 0, NULL) == all[0]);
    g_assert_true(console_find("/machine/peripheral/gpu0", 5, NULL) == all[5]);
    g_assert_true(console_find("gpu1", 0, NULL) == all[3]);
    g_assert_null(console_find("gpu1", 1, &err));
    g_assert_cmpint(err->code, ==, ERROR_CLASS_GENERIC);
    g_clear_error(&err);
    g_assert_null(console_find("gpu2", 0, &err));
    g_assert_cmpint(err->code, ==, ERROR_CLASS_DEVICE_NOT_FOUND);
    g_clear_error(&err);
    g_assert_null(console_at(CONSOLES_MAX));
    for (unsigned i = 0; i < CONSOLES_MAX; i++) {
        console_remove(all[i]);
    }
}

static void take_wish(void *opaque, const ConsoleWish *wish)
{
    *(ConsoleWish *)opaque = *wish;
}

static void wishes_are_bounded(void)
{
    static const ConsoleDevice ops = {.wish = take_wish};
    ConsoleWish got = {}, want = {.is_on = true, .width = UINT32_MAX, .height = 600};
    Console *deaf = make(8, 8), *c = console_add(object_container("/machine"), 1, &ops, &got, NULL);

    g_assert_false(console_can_wish(deaf));
    console_wish(deaf, &want);
    g_assert_true(console_can_wish(c));
    console_wish(c, &want);
    g_assert_true(got.is_on);
    g_assert_cmpuint(got.width, ==, CONSOLE_SIZE_MAX);
    g_assert_cmpuint(got.height, ==, 600);
    console_remove(deaf);
    console_remove(c);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ui/console/viewers_are_told", viewers_are_told);
    g_test_add_func("/ui/console/damage_is_clipped", damage_is_clipped);
    g_test_add_func("/ui/console/viewers_come_and_go_while_they_are_told", viewers_come_and_go_while_they_are_told);
    g_test_add_func("/ui/console/a_viewer_may_leave_at_once", a_viewer_may_leave_at_once);
    g_test_add_func("/ui/console/surfaces_are_counted", surfaces_are_counted);
    g_test_add_func("/ui/console/cursors_are_counted", cursors_are_counted);
    g_test_add_func("/ui/console/screens_are_found", screens_are_found);
    g_test_add_func("/ui/console/wishes_are_bounded", wishes_are_bounded);
    return g_test_run();
}
