/* chardev/chardev.c - the list of chardevs, and what front ends call.  Owner: main loop (vm_lock).
 * Page: docs/chardev.md.  Test: tests/unit/chardev/chardev-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "chardev/chardev.h"
#include "backend.h"
#include "io/fdset.h"
#include "object/object.h"
#include "qapi/opts.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static const ChardevBackend *const backends[] = {
    &backend_fd, &backend_file, &backend_null, &backend_pipe, &backend_pty, &backend_ringbuf, &backend_socket,
    &backend_spiceport, &backend_spicevmc, &backend_stdio,
};
static GPtrArray *all; /* of Chardev */

/* ---- for backends ---- */

void chardev_front_event(Chardev *c, ChardevEvent event)
{
    if (c->front && c->front->event) {
        c->front->event(c->opaque, event);
    }
}

void chardev_set_open(Chardev *c, bool open)
{
    if (c->is_open != open) {
        c->is_open = open;
        c->is_expected = false;
        TRACE(chardev_open, "%s %s", c->id, open ? "opened" : "closed");
        chardev_front_event(c, open ? CHARDEV_OPENED : CHARDEV_CLOSED);
        if (!open) {
            chardev_front_can_write(c); /* who waits for room would wait for ever */
        }
    }
}

size_t chardev_front_room(Chardev *c)
{
    return c->front && c->front->can_read ? c->front->can_read(c->opaque) : 0;
}

void chardev_front_read(Chardev *c, const uint8_t *data, size_t size)
{
    if (c->front && c->front->read) {
        c->front->read(c->opaque, data, size);
    }
}

void chardev_front_can_write(Chardev *c)
{
    if (c->wants_room && c->front && c->front->can_write) {
        c->wants_room = false;
        c->front->can_write(c->opaque);
    }
}

Chardev *chardev_new(const char *id, const ChardevBackend *backend)
{
    Chardev *c = g_new0(Chardev, 1);

    c->id = g_strdup(id);
    c->backend = backend;
    c->stream.in = c->stream.out = c->log_fd = -1;
    c->early = g_byte_array_new();
    c->late = g_byte_array_new();
    if (!all) {
        all = g_ptr_array_new();
    }
    g_ptr_array_add(all, c);
    return c;
}

void chardev_free(Chardev *c)
{
    g_ptr_array_remove(all, c);
    if (c->backend->close) {
        c->backend->close(c);
    }
    stream_stop(c);
    if (c->log_fd >= 0) {
        close(c->log_fd);
    }
    g_byte_array_unref(c->early);
    g_byte_array_unref(c->late);
    g_free(c->id);
    g_free(c);
}

unsigned chardev_count(void)
{
    return all ? all->len : 0;
}

Chardev *chardev_nth(unsigned i)
{
    return all->pdata[i];
}

size_t chardev_late_left(const Chardev *c)
{
    return c->late->len - c->late_read;
}

static void late_was_read(Chardev *c, size_t size)
{
    c->late_read += size;
    if (c->late_read >= c->late->len - c->late_read) {
        g_byte_array_remove_range(c->late, 0, c->late_read);
        c->late_read = 0;
    }
}

/* What the guest was told at the source comes before anything that is said here. */
static void give_late(Chardev *c)
{
    uint8_t piece[4096];
    size_t n;

    if (c->is_giving) {
        return;
    }
    c->is_giving = true;
    while ((n = MIN(chardev_late_left(c), sizeof(piece))) && (n = MIN(chardev_front_room(c), n))) {
        memcpy(piece, c->late->data + c->late_read, n);
        late_was_read(c, n);
        chardev_front_read(c, piece, n);
    }
    c->is_giving = false;
}

/* ---- making ---- */

static const ChardevBackend *backend_find(const char *name, GError **errp)
{
    GString *list = g_string_new(NULL);

    for (unsigned i = 0; i < G_N_ELEMENTS(backends); i++) {
        if (!g_strcmp0(backends[i]->name, name)) {
            g_string_free(list, true);
            return backends[i];
        }
        g_string_append_printf(list, "%s%s", i ? ", " : "", backends[i]->name);
    }
    fail(errp, "chardev: backend '%s' does not exist; accepted: %s", name ? name : "(none given)", list->str);
    g_string_free(list, true);
    return NULL;
}

static bool check_options(const ChardevBackend *b, const char *id, const Json *options, GError **errp)
{
    static const char *const common[] = {"id", "backend", "mux", "logfile", "logappend"};
    g_autoptr(GPtrArray) accepted = g_ptr_array_new();
    g_autofree char *what = g_strdup_printf("chardev '%s'", id);

    for (const char *const *key = b->keys; key && *key; key++) {
        g_ptr_array_add(accepted, (void *)*key);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(common); i++) {
        g_ptr_array_add(accepted, (void *)common[i]);
    }
    g_ptr_array_add(accepted, NULL);
    return opts_check(options, (const char *const *)accepted->pdata, what, errp);
}

/* logfile=: what the front end writes goes there too, whether somebody listens or not.  A pipe is not waited for: not for its
 * reader, and one that is full misses what does not fit. */
static bool open_log(Chardev *c, const Json *options, GError **errp)
{
    const char *path = json_get_str(options, "logfile");
    bool append = false;

    if (!opts_get_bool(options, "logappend", &append, errp)) {
        return false;
    }
    c->log_fd = path ? fd_open(path, O_WRONLY | O_CREAT | O_NONBLOCK | (append ? O_APPEND : O_TRUNC), 0600, errp) : -1;
    if (path && c->log_fd < 0) {
        g_prefix_error(errp, "chardev '%s': logfile: ", c->id);
        return false;
    }
    return true;
}

/* With mux=on the name belongs to the mux; the backend proper hides behind it. */
static Chardev *with_mux(Chardev *base)
{
    Chardev *mux;
    char *id = base->id;

    base->id = g_strconcat(id, "-base", NULL);
    base->is_internal = true;
    mux = chardev_new(id, &backend_mux);
    g_free(id);
    mux->mux = base;
    if (!backend_mux.open(mux, NULL, NULL)) {
        g_assert_not_reached();
    }
    return mux;
}

Chardev *chardev_add(const Json *options, GError **errp)
{
    const char *id = json_get_str(options, "id");
    const ChardevBackend *b = backend_find(json_get_str(options, "backend"), errp);
    bool mux = false;
    Chardev *c;

    if (!b) {
        return NULL;
    }
    if (!id || !id_is_wellformed(id)) {
        fail(errp, id ? "chardev: '%s' is no identifier" : "chardev: no id specified%s", id ? id : "");
        return NULL;
    }
    if (chardev_find(id)) {
        fail(errp, "Chardev with id '%s' already exists", id);
        return NULL;
    }
    if (!check_options(b, id, options, errp) || !opts_get_bool(options, "mux", &mux, errp)) {
        return NULL;
    }
    c = chardev_new(id, b);
    if (!open_log(c, options, errp) || !b->open(c, options, errp)) {
        chardev_free(c);
        return NULL;
    }
    return mux ? with_mux(c) : c;
}

Chardev *chardev_find(const char *id)
{
    for (unsigned i = 0; all && i < all->len; i++) {
        Chardev *c = all->pdata[i];

        if (!strcmp(c->id, id) && !c->is_internal) {
            return c;
        }
    }
    return NULL;
}

bool chardev_delete(const char *id, GError **errp)
{
    Chardev *c = chardev_find(id);

    if (!c) {
        return fail(errp, "Chardev '%s' not found", id);
    }
    if (c->is_claimed || c->mux) {
        return fail(errp, "Chardev '%s' is busy", id);
    }
    chardev_free(c);
    return true;
}

Chardev *chardev_front(Chardev *c)
{
    Chardev *front;

    if (!c->mux) {
        return c;
    }
    front = chardev_new(c->id, &backend_mux_front);
    front->is_internal = true;
    front->impl = c;
    return front;
}

/* ---- front ends ---- */

bool chardev_claim(Chardev *c, const ChardevHandlers *handlers, void *opaque, GError **errp)
{
    if (c->is_claimed) {
        return fail(errp, "Device '%s' is in use", c->id);
    }
    if (c->mux) {
        return fail(errp, "chardev '%s': its users have to share it (mux=on)", c->id);
    }
    c->is_claimed = true;
    c->front = handlers;
    c->opaque = opaque;
    if (c->backend->guest_opened) {
        c->backend->guest_opened(c);
    }
    if (c->backend == &backend_mux_front && !c->backend->open(c, NULL, errp)) {
        chardev_release(c);
        return false;
    }
    /* A handle of a mux that is not in focus is told when it gets there. */
    if (c->is_open && (c->backend != &backend_mux_front || mux_front_is_focused(c))) {
        chardev_front_event(c, CHARDEV_OPENED);
    }
    chardev_accept_input(c);
    return true;
}

void chardev_release(Chardev *c)
{
    c->is_claimed = c->knows_guest = false;
    c->front = NULL;
    c->opaque = NULL;
    c->wants_room = false;
    if (c->backend->guest_opened) {
        c->backend->guest_opened(c);
    }
    chardev_accept_input(c);
    if (c->backend == &backend_mux_front) {
        chardev_free(c);
    }
}

static void log_written(Chardev *c, const void *data, size_t size)
{
    ssize_t done = fd_write_all(c->log_fd, data, size);

    if (done == -EAGAIN) {
        if (!c->has_log_gap) {
            warn_report("chardev '%s': who reads the log is too slow; a part of it is missing", c->id);
        }
        c->has_log_gap = true;
    } else if (done != (ssize_t)size) {
        warn_report("chardev '%s': the log file cannot be written any more", c->id);
        close(c->log_fd);
        c->log_fd = -1;
    }
}

size_t chardev_write(Chardev *c, const void *data, size_t size)
{
    size_t done = size;

    if (c->is_open || c->is_expected) {
        done = c->backend->write ? c->backend->write(c, data, size) : stream_write(c, data, size);
    }
    if (c->log_fd >= 0 && done) {
        log_written(c, data, done);
    }
    if (done < size) {
        c->wants_room = true;
    }
    return done;
}

void chardev_accept_input(Chardev *c)
{
    give_late(c);
    if (c->backend->input) {
        c->backend->input(c);
    } else {
        stream_input(c);
    }
}

bool chardev_is_open(const Chardev *c)
{
    return c->is_open || c->is_expected;
}

void chardev_set_guest_open(Chardev *c, bool is_open)
{
    bool was_open = chardev_is_guest_open(c);

    c->knows_guest = true;
    c->is_guest_open = is_open;
    if (was_open != is_open && c->backend->guest_opened) {
        c->backend->guest_opened(c);
    }
}

bool chardev_is_guest_open(const Chardev *c)
{
    return c->knows_guest ? c->is_guest_open : c->is_claimed;
}

void chardev_set_size(Chardev *c, uint16_t cols, uint16_t rows)
{
    if (c->cols != cols || c->rows != rows) {
        c->cols = cols;
        c->rows = rows;
        chardev_front_event(c, CHARDEV_RESIZED);
    }
}

void chardev_size(const Chardev *c, uint16_t *ret_cols, uint16_t *ret_rows)
{
    *ret_cols = c->cols;
    *ret_rows = c->rows;
}

bool chardev_is_claimed(const Chardev *c)
{
    return c->is_claimed;
}

int chardev_take_fd(Chardev *c)
{
    ChardevStream *s = &c->stream;
    int fd;

    if (!s->fd_count) {
        return -1;
    }
    fd = s->fds[0];
    memmove(s->fds, s->fds + 1, --s->fd_count * sizeof(s->fds[0]));
    return fd;
}

const char *chardev_id(const Chardev *c)
{
    return c->id;
}

char *chardev_describe(const Chardev *c)
{
    if (c->mux) {
        return chardev_describe(c->mux);
    }
    return c->backend->describe ? c->backend->describe(c) : g_strdup(c->backend->name);
}

void chardev_foreach(void (*fn)(Chardev *c, void *opaque), void *opaque)
{
    for (unsigned i = 0; all && i < all->len; i++) {
        Chardev *c = all->pdata[i];

        if (!c->is_internal) {
            fn(c, opaque);
        }
    }
}

void chardev_backends(void (*fn)(const char *name, const char *const *keys, void *opaque), void *opaque)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(backends); i++) {
        fn(backends[i]->name, backends[i]->keys, opaque);
    }
}

void chardev_close_all(void)
{
    for (unsigned i = 0; all && i < all->len; i++) {
        Chardev *c = all->pdata[i];

        c->front = NULL;
        if (c->backend->close) {
            c->backend->close(c);
        }
        stream_stop(c);
    }
}
