/* chardev/qmp.c - the QMP commands about chardevs.  Page: docs/chardev.md.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "chardev/chardev.h"
#include "qapi/qapi-commands.h"
#include "ringbuf.h"
#include "util/error.h"

#include <string.h>

static void add_info(Chardev *c, void *opaque)
{
    ChardevInfoList ***tail = opaque;
    ChardevInfo *info = g_new0(ChardevInfo, 1);

    info->label = g_strdup(chardev_id(c));
    info->filename = chardev_describe(c);
    info->frontend_open = chardev_is_guest_open(c);
    QAPI_LIST_APPEND(*tail, info);
}

ChardevInfoList *qmp_query_chardev(GError **errp)
{
    ChardevInfoList *head = NULL, **tail = &head;

    chardev_foreach(add_info, &tail);
    return head;
}

static void add_backend(const char *name, const char *const *keys, void *opaque)
{
    ChardevBackendInfoList ***tail = opaque;
    ChardevBackendInfo *info = g_new0(ChardevBackendInfo, 1);

    info->name = g_strdup(name);
    QAPI_LIST_APPEND(*tail, info);
}

ChardevBackendInfoList *qmp_query_chardev_backends(GError **errp)
{
    ChardevBackendInfoList *head = NULL, **tail = &head;

    chardev_backends(add_backend, &tail);
    return head;
}

bool qmp_ringbuf_write(const RingbufWriteArgs *args, GError **errp)
{
    g_autofree guchar *bytes = NULL;
    gsize size;

    if (!args->has_format || args->format == DATA_FORMAT_UTF8) {
        return chardev_ringbuf_write(args->device, args->data, strlen(args->data), errp);
    }
    bytes = g_base64_decode(args->data, &size);
    return chardev_ringbuf_write(args->device, bytes, size, errp);
}

char *qmp_ringbuf_read(const RingbufReadArgs *args, GError **errp)
{
    g_autoptr(GByteArray) data = NULL;

    if (args->size <= 0) {
        fail(errp, "size must be greater than zero");
        return NULL;
    }
    data = chardev_ringbuf_read(args->device, args->size, errp);
    if (!data) {
        return NULL;
    }
    if (args->has_format && args->format == DATA_FORMAT_BASE64) {
        return g_base64_encode(data->data, data->len);
    }
    return g_utf8_make_valid((const char *)data->data, data->len);
}

bool qmp_chardev_resize(const ChardevResizeArgs *args, GError **errp)
{
    Chardev *c = chardev_find(args->id);

    if (!c) {
        return fail(errp, "Chardev '%s' not found", args->id);
    }
    chardev_set_size(c, args->cols, args->rows);
    return true;
}

bool qmp_chardev_remove(const ChardevRemoveArgs *args, GError **errp)
{
    return chardev_delete(args->id, errp);
}
