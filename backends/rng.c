/* backends/rng.c - random bytes for guests: getrandom(), or a device file.
 * Owner: main loop.  Page: docs/devices/virtio-rng.md.  Test: tests/qtest/hw/virtio/virtio-rng-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/rng.h"

#include "util/error.h"
#include "util/fd.h"
#include "util/log.h"
#include "util/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/random.h>
#include <unistd.h>

typedef struct Waiter {
    void (*fn)(void *opaque);
    void *opaque;
} Waiter;

struct RngBackend {
    Object obj;
    char *filename; /* rng-random */
    int fd;         /* rng-random; else -1 */
    LoopWatch *watch;
    LoopTimer *look; /* at a file that has ended: a pipe may have a writer later */
    bool has_ended, was_said;
    GArray *waiters; /* of Waiter; NULL: none yet */
};

static RngBackend own = {.fd = -1};

RngBackend *rng_find(const char *id, GError **errp)
{
    Object *o;

    if (!id) {
        return &own;
    }
    o = object_find_id(object_container("/objects"), id);
    if (!o || !object_is(o, "rng-backend")) {
        fail(errp, "there is no rng backend '%s'; make one with -object rng-random,id=%s", id, id);
        return NULL;
    }
    return (RngBackend *)o;
}

void rng_hold(RngBackend *r)
{
    r->obj.users++;
}

void rng_release(RngBackend *r)
{
    r->obj.users--;
}

static void note_end(RngBackend *r)
{
    r->has_ended = true;
    if (!r->was_said) {
        r->was_said = true;
        warn_report("rng-random '%s': '%s' has ended; it is looked at again every second", r->obj.id, r->filename);
    }
}

ssize_t rng_read(RngBackend *r, void *buf, size_t size)
{
    ssize_t n;

    do {
        n = r->fd < 0 ? getrandom(buf, size, GRND_NONBLOCK) : read(r->fd, buf, size);
    } while (n < 0 && errno == EINTR);
    r->has_ended = false;
    if (n < 0) {
        return errno == EAGAIN ? 0 : -errno;
    }
    if (n == 0 && size) {
        note_end(r);
    }
    return n;
}

/* Whoever is called may wait again: not in this round. */
static void call_waiters(void *opaque)
{
    RngBackend *r = opaque;
    g_autoptr(GArray) now = r->waiters;

    r->waiters = NULL;
    for (unsigned i = 0; now && i < now->len; i++) {
        Waiter *w = &g_array_index(now, Waiter, i);

        w->fn(w->opaque);
    }
}

static void ready(int fd, GIOCondition condition, void *opaque)
{
    loop_watch_set(((RngBackend *)opaque)->watch, 0);
    call_waiters(opaque);
}

void rng_wait(RngBackend *r, void (*fn)(void *opaque), void *opaque)
{
    Waiter w = {fn, opaque};

    r->waiters = r->waiters ? r->waiters : g_array_new(FALSE, FALSE, sizeof(Waiter));
    g_array_append_val(r->waiters, w);
    if (r->has_ended) {
        loop_timer_set(r->look, time_monotonic_ns() + NS_PER_SEC);
    } else if (r->watch) {
        loop_watch_set(r->watch, G_IO_IN);
    } else {
        loop_call(call_waiters, r); /* the kernel's generator is ready but for the first moments of the host */
    }
}

void rng_wait_no_more(RngBackend *r, void *opaque)
{
    for (unsigned i = r->waiters ? r->waiters->len : 0; i-- > 0;) {
        if (g_array_index(r->waiters, Waiter, i).opaque == opaque) {
            g_array_remove_index(r->waiters, i);
        }
    }
}

static bool random_realize(Object *o, GError **errp)
{
    RngBackend *r = (RngBackend *)o;

    r->fd = open(r->filename, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (r->fd < 0) {
        return fail_errno(errp, errno, "rng-random '%s': cannot open '%s'", o->id, r->filename);
    }
    r->watch = loop_watch(r->fd, 0, ready, r);
    r->look = loop_timer_new(call_waiters, r);
    return true;
}

static void random_unrealize(Object *o)
{
    RngBackend *r = (RngBackend *)o;

    loop_watch_free(r->watch);
    loop_timer_free(r->look);
    fd_clear(&r->fd);
    g_clear_pointer(&r->waiters, g_array_unref);
}

static bool builtin_realize(Object *o, GError **errp)
{
    ((RngBackend *)o)->fd = -1;
    return true;
}

static const Property random_props[] = {
    PROP_STR("filename", RngBackend, filename, "/dev/urandom", "device file to read"),
    {}
};

const ObjectType rng_backend_type = {.name = "rng-backend", .kind = KIND_OBJECT, .about = "source of random bytes"};
const ObjectType rng_builtin_type = {
    .name = "rng-builtin", .parent = "rng-backend", .kind = KIND_OBJECT, .size = sizeof(RngBackend),
    .realize = builtin_realize, .flags = TYPE_USER_CREATABLE, .about = "the host kernel's generator",
};
const ObjectType rng_random_type = {
    .name = "rng-random", .parent = "rng-backend", .kind = KIND_OBJECT, .size = sizeof(RngBackend),
    .props = random_props, .realize = random_realize, .unrealize = random_unrealize, .flags = TYPE_USER_CREATABLE,
    .about = "random bytes from a device file",
};
