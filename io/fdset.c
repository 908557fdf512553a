/* io/fdset.c - descriptors that management handed over.  Owner: main loop.  Page: docs/monitor.md.
 * Test: tests/unit/io/fdset-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "io/fdset.h"
#include "qapi/text.h"
#include "util/error.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#define FDS_MAX 1024 /* in all sets, and as many names */

typedef struct SetFd {
    int fd;
    char *note;
} SetFd;

typedef struct FdSet {
    int64_t id;
    GArray *fds; /* of SetFd */
} FdSet;

static GHashTable *names; /* char * -> fd + 1 */
static GArray *sets;      /* of FdSet, by id */
static unsigned set_fds;

/* ---- names ---- */

static void name_close(void *value)
{
    close(GPOINTER_TO_INT(value) - 1);
}

static GHashTable *names_table(void)
{
    if (!names) {
        names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, name_close);
    }
    return names;
}

bool fd_name_add(const char *name, int fd, GError **errp)
{
    if (!*name || g_ascii_isdigit(*name)) {
        close(fd);
        return fail(errp, "Parameter 'fdname' expects a name not starting with a digit");
    }
    if (g_hash_table_size(names_table()) >= FDS_MAX && !g_hash_table_contains(names, name)) {
        close(fd);
        return fail(errp, "descriptor '%s': more than %d names", name, FDS_MAX);
    }
    g_hash_table_replace(names, g_strdup(name), GINT_TO_POINTER(fd + 1));
    return true;
}

int fd_name_take(const char *name, GError **errp)
{
    void *key, *value;

    if (!g_hash_table_steal_extended(names_table(), name, &key, &value)) {
        fail(errp, "File descriptor named '%s' has not been found", name);
        return -1;
    }
    g_free(key);
    return GPOINTER_TO_INT(value) - 1;
}

bool fd_name_close(const char *name, GError **errp)
{
    return g_hash_table_remove(names_table(), name) ||
           fail(errp, "File descriptor named '%s' has not been found", name);
}

int fd_from_text(const char *text, GError **errp)
{
    uint64_t number;

    if (!g_ascii_isdigit(*text)) {
        return fd_name_take(text, errp);
    }
    if (!text_to_u64(text, &number) || number > INT_MAX || fcntl(number, F_GETFD) < 0) {
        fail(errp, "descriptor %s is not open", text);
        return -1;
    }
    fcntl(number, F_SETFD, FD_CLOEXEC);
    return number;
}

/* ---- sets ---- */

static void set_fd_clear(void *p)
{
    SetFd *f = p;

    close(f->fd);
    g_free(f->note);
    set_fds--;
}

static FdSet *set_find(int64_t id, unsigned *ret_at)
{
    for (unsigned i = 0; sets && i < sets->len; i++) {
        FdSet *s = &g_array_index(sets, FdSet, i);

        if (s->id == id) {
            *ret_at = i;
            return s;
        }
    }
    return NULL;
}

static int64_t free_id(void)
{
    int64_t id = 0;
    unsigned at;

    while (set_find(id, &at)) {
        id++;
    }
    return id;
}

static FdSet *set_new(int64_t id)
{
    FdSet s = {.id = id, .fds = g_array_new(false, false, sizeof(SetFd))};
    unsigned at = 0;

    g_array_set_clear_func(s.fds, set_fd_clear);
    if (!sets) {
        sets = g_array_new(false, false, sizeof(FdSet));
    }
    while (at < sets->len && g_array_index(sets, FdSet, at).id < id) {
        at++;
    }
    g_array_insert_val(sets, at, s);
    return &g_array_index(sets, FdSet, at);
}

bool fdset_add(int64_t *id, int fd, const char *note, GError **errp)
{
    SetFd f = {.fd = fd};
    unsigned at;
    FdSet *s;

    if (set_fds >= FDS_MAX) {
        close(fd);
        return fail(errp, "fdset: more than %d descriptors", FDS_MAX);
    }
    if (*id < 0) {
        *id = free_id();
    }
    s = set_find(*id, &at);
    if (!s) {
        s = set_new(*id);
    }
    f.note = g_strdup(note);
    set_fds++;
    g_array_append_val(s->fds, f);
    return true;
}

static void set_free(unsigned at)
{
    g_array_unref(g_array_index(sets, FdSet, at).fds);
    g_array_remove_index(sets, at);
}

bool fdset_remove(int64_t id, int fd, GError **errp)
{
    unsigned at;
    FdSet *s = set_find(id, &at);

    if (!s) {
        return fail(errp, "File descriptor named 'fdset-id:%" G_GINT64_FORMAT "' has not been found", id);
    }
    if (fd < 0) {
        set_free(at);
        return true;
    }
    for (unsigned i = 0; i < s->fds->len; i++) {
        if (g_array_index(s->fds, SetFd, i).fd == fd) {
            g_array_remove_index(s->fds, i);
            if (!s->fds->len) {
                set_free(at);
            }
            return true;
        }
    }
    return fail(errp, "File descriptor named 'fdset-id:%" G_GINT64_FORMAT ", fd:%d' has not been found", id, fd);
}

static bool mode_fits(int fd, int flags)
{
    int have = fcntl(fd, F_GETFL);

    return have >= 0 && (have & O_ACCMODE) == (flags & O_ACCMODE);
}

static int open_from_set(const char *path, const char *number, int flags, GError **errp)
{
    uint64_t id;
    unsigned at;
    FdSet *s = text_to_u64(number, &id) ? set_find(id, &at) : NULL;

    for (unsigned i = 0; s && i < s->fds->len; i++) {
        int fd = g_array_index(s->fds, SetFd, i).fd;

        if (mode_fits(fd, flags)) {
            int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

            if (copy < 0) {
                fail_errno(errp, errno, "%s: cannot duplicate descriptor %d", path, fd);
            } else if (flags & O_APPEND) {
                fcntl(copy, F_SETFL, fcntl(copy, F_GETFL) | O_APPEND);
            }
            return copy;
        }
    }
    fail(errp, s ? "%s: no descriptor of the set can be %s" : "%s: there is no such set (%s)", path,
         (flags & O_ACCMODE) == O_RDONLY ? "read" : (flags & O_ACCMODE) == O_WRONLY ? "written" : "read and written");
    return -1;
}

int fd_open(const char *path, int flags, int mode, GError **errp)
{
    int fd;

    if (g_str_has_prefix(path, "/dev/fdset/")) {
        return open_from_set(path, path + strlen("/dev/fdset/"), flags, errp);
    }
    fd = open(path, flags | O_CLOEXEC, mode);
    if (fd < 0) {
        fail_errno(errp, errno, "cannot open %s", path);
    }
    return fd;
}

Json *fdset_list(void)
{
    Json *list = json_list();

    for (unsigned i = 0; sets && i < sets->len; i++) {
        FdSet *s = &g_array_index(sets, FdSet, i);
        Json *set = json_dict(), *fds = json_list();

        for (unsigned k = 0; k < s->fds->len; k++) {
            SetFd *f = &g_array_index(s->fds, SetFd, k);
            Json *j = json_dict();

            json_set(j, "fd", json_int(f->fd));
            if (f->note) {
                json_set(j, "opaque", json_string(f->note));
            }
            json_append(fds, j);
        }
        json_set(set, "fdset-id", json_int(s->id));
        json_set(set, "fds", fds);
        json_append(list, set);
    }
    return list;
}
