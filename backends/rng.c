/* backends/rng.c - random bytes for guests: getrandom(), or a device file.
 * Owner: main loop.  Page: docs/devices/virtio-rng.md.  Test: tests/qtest/hw/virtio/virtio-rng-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/rng.h"

#include "util/error.h"
#include "util/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/random.h>
#include <unistd.h>

struct RngBackend {
    Object obj;
    char *filename; /* rng-random */
    int fd;         /* rng-random; else -1 */
    LoopWatch *watch;
    void (*waiter)(void *opaque);
    void *waiter_opaque;
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

ssize_t rng_read(RngBackend *r, void *buf, size_t size)
{
    ssize_t n;

    do {
        n = r->fd < 0 ? getrandom(buf, size, GRND_NONBLOCK) : read(r->fd, buf, size);
    } while (n < 0 && errno == EINTR);
    if (n < 0) {
        return errno == EAGAIN ? 0 : -errno;
    }
    return n;
}

static void ready(int fd, GIOCondition condition, void *opaque)
{
    RngBackend *r = opaque;
    void (*fn)(void *) = r->waiter;

    loop_watch_set(r->watch, 0);
    r->waiter = NULL;
    if (fn) {
        fn(r->waiter_opaque);
    }
}

void rng_wait(RngBackend *r, void (*fn)(void *opaque), void *opaque)
{
    r->waiter = fn;
    r->waiter_opaque = opaque;
    if (r->watch) {
        loop_watch_set(r->watch, fn ? G_IO_IN : 0);
    } else if (fn) {
        loop_call(fn, opaque); /* the kernel's generator is ready but for the first moments of the host */
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
    return true;
}

static void random_unrealize(Object *o)
{
    RngBackend *r = (RngBackend *)o;

    loop_watch_free(r->watch);
    if (r->filename && r->fd > 0) {
        close(r->fd);
    }
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
