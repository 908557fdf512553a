/* main/objects.c - objects that managers always make: secrets, memory, I/O threads.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "assemble.h"
#include "util/error.h"
#include "util/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

/* ---- secret: text or a file, read when it is made ---- */

typedef struct Secret {
    Object obj;
    char *data, *file, *keyid, *iv;
    int format;
    GBytes *bytes;
} Secret;

#define SECRET_MAX (1024 * 1024)

/* No more than there may be: the file may be a device that never ends. */
static bool read_secret(const Secret *s, char **ret, gsize *ret_size, GError **errp)
{
    g_autofd int fd = open(s->file, O_RDONLY | O_CLOEXEC);
    g_autofree char *content = g_malloc(SECRET_MAX + 1);
    ssize_t got = fd < 0 ? -errno : fd_read_all(fd, content, SECRET_MAX + 1);

    if (got < 0) {
        return fail_errno(errp, -got, "secret '%s': cannot read '%s'", s->obj.id, s->file);
    }
    *ret = g_steal_pointer(&content);
    *ret_size = got;
    return true;
}

static bool secret_realize(Object *o, GError **errp)
{
    Secret *s = (Secret *)o;
    g_autofree char *content = NULL;
    gsize size;

    if (!!s->data == !!s->file) {
        return fail(errp, "secret '%s': give one of 'data' and 'file'", o->id);
    }
    if (s->keyid || s->iv) {
        return fail(errp, "secret '%s': encrypted secrets are not supported", o->id);
    }
    if (s->file && !read_secret(s, &content, &size, errp)) {
        return false;
    }
    if (s->data) {
        size = strlen(s->data);
        content = g_strdup(s->data);
    }
    if (size > SECRET_MAX) {
        return fail(errp, "secret '%s': larger than 1 MiB", o->id);
    }
    if (s->format == 1) {
        content = g_realloc(content, size + 1);
        content[size] = 0;
        g_base64_decode_inplace(content, &size);
    }
    s->bytes = g_bytes_new_take(g_steal_pointer(&content), size);
    return true;
}

static void secret_unrealize(Object *o)
{
    g_clear_pointer(&((Secret *)o)->bytes, g_bytes_unref);
}

char *secret_text(const char *id, GError **errp)
{
    Object *o = object_find_id(object_container("/objects"), id);
    const char *data;
    gsize size;

    if (!o || !object_is(o, "secret")) {
        fail(errp, "there is no secret '%s'", id);
        return NULL;
    }
    data = g_bytes_get_data(((Secret *)o)->bytes, &size);
    if (memchr(data, 0, size) || !g_utf8_validate(data, (gssize)size, NULL)) {
        fail(errp, "secret '%s' is no text", id);
        return NULL;
    }
    return g_strndup(data, size);
}

static const char *const secret_formats[] = {"raw", "base64", NULL};
static const Property secret_props[] = {
    PROP_STR("data", Secret, data, NULL, "the secret"),
    PROP_STR("file", Secret, file, NULL, "a file that holds it"),
    PROP_ENUM("format", Secret, format, 0, secret_formats, "how it is written"),
    PROP_STR("keyid", Secret, keyid, NULL, "secret that decrypts it"),
    PROP_STR("iv", Secret, iv, NULL, "initialisation vector"),
    {},
};
const ObjectType secret_type = {
    .name = "secret", .parent = "object", .kind = KIND_OBJECT, .size = sizeof(Secret), .props = secret_props,
    .realize = secret_realize, .unrealize = secret_unrealize, .flags = TYPE_USER_CREATABLE, .about = "a password or key",
};

/* ---- memory-backend-ram: says how large the machine's memory is ---- */

typedef struct MemoryBackend {
    Object obj;
    uint64_t size;
    bool share, prealloc;
} MemoryBackend;

static bool memory_realize(Object *o, GError **errp)
{
    return ((MemoryBackend *)o)->size || fail(errp, "memory backend '%s': can't create backend with size 0", o->id);
}

static const Property memory_props[] = {
    PROP_SIZE("size", MemoryBackend, size, 0, "bytes"),
    PROP_BOOL("share", MemoryBackend, share, false, "accepted"),
    PROP_BOOL("prealloc", MemoryBackend, prealloc, false, "accepted"),
    {},
};
const ObjectType memory_backend_type = {
    .name = "memory-backend", .parent = "object", .kind = KIND_OBJECT, .props = memory_props, .about = "guest memory",
};
const ObjectType memory_backend_ram_type = {
    .name = "memory-backend-ram", .parent = "memory-backend", .kind = KIND_OBJECT, .size = sizeof(MemoryBackend),
    .realize = memory_realize, .flags = TYPE_USER_CREATABLE, .about = "anonymous memory; -machine memory-backend=ID",
};

/* ---- iothread: accepted, nothing runs in it ---- */

const ObjectType iothread_type = {
    .name = "iothread", .parent = "object", .kind = KIND_OBJECT, .size = sizeof(Object), .flags = TYPE_USER_CREATABLE,
    .about = "accepted; disks have their own workers",
};
