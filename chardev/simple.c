/* chardev/simple.c - null, file, pipe, fd and ringbuf.  Owner: main loop (vm_lock).  Page: docs/chardev.md.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "backend.h"
#include "io/fdset.h"
#include "qapi/opts.h"
#include "ringbuf.h"
#include "util/error.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *required(const Chardev *c, const Json *options, const char *key, GError **errp)
{
    const char *value = json_get_str(options, key);

    if (!value) {
        fail(errp, "chardev '%s': %s: no %s given", c->id, c->backend->name, key);
    }
    return value;
}

/* ---- null ---- */

static bool null_open(Chardev *c, const Json *options, GError **errp)
{
    chardev_set_open(c, true);
    return true;
}

static size_t null_write(Chardev *c, const uint8_t *data, size_t size)
{
    return size;
}

static const char *const no_keys[] = {NULL};
const ChardevBackend backend_null = {.name = "null", .keys = no_keys, .open = null_open, .write = null_write};

/* ---- file ---- */

/* The other end of a pipe is not waited for: where nobody has it, we have both until somebody comes. */
static int open_end(const char *path, int flags, GError **errp)
{
    struct stat st;
    int fd = -1;

    if (stat(path, &st) || !S_ISFIFO(st.st_mode)) {
        return fd_open(path, flags, 0666, errp);
    }
    if (flags & O_WRONLY) {
        fd = fd_open(path, O_WRONLY | O_NONBLOCK, 0, NULL);
    }
    return fd >= 0 ? fd : fd_open(path, O_RDWR | O_NONBLOCK, 0, errp);
}

static bool file_open(Chardev *c, const Json *options, GError **errp)
{
    const char *path = required(c, options, "path", errp), *input = json_get_str(options, "input-path");
    bool append = false;
    int in = -1, out;

    if (!path || !opts_get_bool(options, "append", &append, errp)) {
        return false;
    }
    out = open_end(path, O_WRONLY | O_CREAT | (append ? O_APPEND : O_TRUNC), errp);
    if (out < 0) {
        g_prefix_error(errp, "chardev '%s': ", c->id);
        return false;
    }
    if (input) {
        in = open_end(input, O_RDONLY, errp);
        if (in < 0) {
            close(out);
            return false;
        }
    }
    c->impl = g_strdup(path);
    stream_start(c, in, out, false);
    return true;
}

static void path_close(Chardev *c)
{
    g_clear_pointer(&c->impl, g_free);
}

static char *path_describe(const Chardev *c)
{
    return g_strdup_printf("%s:%s", c->backend->name, c->impl ? (const char *)c->impl : "");
}

static void stay_open(Chardev *c)
{
    stream_end_input(c); /* the end of the input file is not the end of the chardev */
}

static const char *const file_keys[] = {"path", "append", "input-path", NULL};
const ChardevBackend backend_file = {.name = "file", .keys = file_keys, .open = file_open, .close = path_close,
                                     .hung_up = stay_open, .describe = path_describe};

/* ---- pipe: PATH.in and PATH.out, or PATH for both ---- */

static bool pipe_open(Chardev *c, const Json *options, GError **errp)
{
    const char *path = required(c, options, "path", errp);
    g_autofree char *in_path = g_strconcat(path ? path : "", ".in", NULL);
    g_autofree char *out_path = g_strconcat(path ? path : "", ".out", NULL);
    int in, out;

    if (!path) {
        return false;
    }
    in = open(in_path, O_RDWR | O_CLOEXEC);
    out = open(out_path, O_RDWR | O_CLOEXEC);
    if (in < 0 || out < 0) {
        if (in >= 0) {
            close(in);
        }
        if (out >= 0) {
            close(out);
        }
        in = out = open(path, O_RDWR | O_CLOEXEC);
        if (in < 0) {
            return fail_errno(errp, errno, "chardev '%s': cannot open pipe %s", c->id, path);
        }
    }
    c->impl = g_strdup(path);
    stream_start(c, in, out, false);
    return true;
}

static const char *const pipe_keys[] = {"path", NULL};
const ChardevBackend backend_pipe = {.name = "pipe", .keys = pipe_keys, .open = pipe_open, .close = path_close,
                                     .describe = path_describe};

/* ---- fd: an inherited or passed descriptor ---- */

static bool fd_backend_open(Chardev *c, const Json *options, GError **errp)
{
    const char *text = required(c, options, "fd", errp);
    int fd = text ? fd_from_text(text, errp) : -1;
    int mode;

    if (fd < 0) {
        return false;
    }
    mode = fcntl(fd, F_GETFL) & O_ACCMODE;
    stream_start(c, mode == O_WRONLY ? -1 : fd, mode == O_RDONLY ? -1 : fd, false);
    return true;
}

static const char *const fd_keys[] = {"fd", NULL};
const ChardevBackend backend_fd = {.name = "fd", .keys = fd_keys, .open = fd_backend_open};

/* ---- ringbuf: keeps the last bytes for ringbuf-read ---- */

typedef struct Ringbuf {
    uint8_t *data;
    uint64_t size, head, tail; /* positions count up; size is a power of two */
} Ringbuf;

static bool ringbuf_open(Chardev *c, const Json *options, GError **errp)
{
    uint64_t size = 64 * 1024;
    Ringbuf *r;

    if (!opts_get_size(options, "size", 1, &size, errp)) {
        return false;
    }
    if (!size || (size & (size - 1)) || size > 64 * 1024 * 1024) {
        return fail(errp, "chardev '%s': size of ringbuf chardev must be a power of two, at most 64M", c->id);
    }
    r = g_new0(Ringbuf, 1);
    r->size = size;
    r->data = g_malloc(size);
    c->impl = r;
    chardev_set_open(c, true);
    return true;
}

static void ringbuf_close(Chardev *c)
{
    Ringbuf *r = c->impl;

    if (r) {
        g_free(r->data);
        g_free(r);
        c->impl = NULL;
    }
}

static size_t ringbuf_store(Chardev *c, const uint8_t *data, size_t size)
{
    Ringbuf *r = c->impl;

    for (size_t i = 0; i < size; i++) {
        r->data[r->head++ & (r->size - 1)] = data[i];
    }
    r->tail = MAX(r->tail, r->head > r->size ? r->head - r->size : 0);
    return size;
}

bool chardev_ringbuf_write(const char *id, const void *data, size_t size, GError **errp)
{
    Chardev *c = chardev_find(id);

    if (!c || c->backend != &backend_ringbuf) {
        return fail(errp, "%s '%s'", c ? "No ring buffer: chardev" : "There is no chardev", id);
    }
    ringbuf_store(c, data, size);
    return true;
}

GByteArray *chardev_ringbuf_read(const char *id, uint64_t most, GError **errp)
{
    Chardev *c = chardev_find(id);
    GByteArray *out;
    Ringbuf *r;

    if (!c || c->backend != &backend_ringbuf) {
        fail(errp, "%s '%s'", c ? "No ring buffer: chardev" : "There is no chardev", id);
        return NULL;
    }
    r = c->impl;
    out = g_byte_array_new();
    while (out->len < most && r->tail < r->head) {
        g_byte_array_append(out, &r->data[r->tail++ & (r->size - 1)], 1);
    }
    return out;
}

static const char *const ringbuf_keys[] = {"size", NULL};
const ChardevBackend backend_ringbuf = {.name = "ringbuf", .keys = ringbuf_keys, .open = ringbuf_open,
                                        .close = ringbuf_close, .write = ringbuf_store};
