/* tests/unit/io/fdset-test.c - descriptors by name and in sets.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "io/fdset.h"

#include <fcntl.h>
#include <unistd.h>

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static void name_is_taken_once_and_replaced(void)
{
    int a = open("/dev/null", O_RDONLY), b = open("/dev/null", O_RDONLY), c = open("/dev/null", O_RDONLY);

    g_assert_true(fd_name_add("m", a, NULL));
    g_assert_true(fd_name_add("m", b, NULL));
    g_assert_false(is_open(a));
    g_assert_false(fd_name_add("9m", c, NULL));
    g_assert_false(is_open(c));
    g_assert_cmpint(fd_from_text("m", NULL), ==, b);
    g_assert_cmpint(fd_name_take("m", NULL), ==, -1);
    g_assert_true(fd_name_add("n", b, NULL));
    g_assert_true(fd_name_close("n", NULL));
    g_assert_false(is_open(b));
    g_assert_false(fd_name_close("n", NULL));
    g_assert_cmpint(fd_from_text("12345", NULL), ==, -1);
}

static void set_opens_a_duplicate_of_the_right_mode(void)
{
    int64_t id = -1;
    int r = open("/dev/null", O_RDONLY), w = open("/dev/null", O_WRONLY), copy;
    g_autoptr(Json) list = NULL;
    g_autofree char *path = NULL, *text = NULL;

    g_assert_true(fdset_add(&id, r, "reader", NULL));
    g_assert_cmpint(id, ==, 0);
    g_assert_true(fdset_add(&id, w, NULL, NULL));
    path = g_strdup_printf("/dev/fdset/%d", (int)id);
    copy = fd_open(path, O_WRONLY, 0, NULL);
    g_assert_cmpint(copy, >=, 0);
    g_assert_cmpint(fcntl(copy, F_GETFL) & O_ACCMODE, ==, O_WRONLY);
    close(copy);
    g_assert_cmpint(fd_open(path, O_RDWR, 0, NULL), ==, -1);
    g_assert_cmpint(fd_open("/dev/fdset/77", O_RDWR, 0, NULL), ==, -1);
    list = fdset_list();
    g_assert_cmpint(json_size(json_get(json_at(list, 0), "fds")), ==, 2);
    g_assert_true(fdset_remove(id, r, NULL));
    g_assert_false(is_open(r));
    g_assert_true(fdset_remove(id, -1, NULL));
    g_assert_false(is_open(w));
    g_assert_false(fdset_remove(id, -1, NULL));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/io/fdset/name_is_taken_once_and_replaced", name_is_taken_once_and_replaced);
    g_test_add_func("/io/fdset/set_opens_a_duplicate_of_the_right_mode", set_opens_a_duplicate_of_the_right_mode);
    return g_test_run();
}
