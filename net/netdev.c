/* net/netdev.c - what all netdevs share, and netdev_add/netdev_del.  Guarded by: vm_lock.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "netdev.h"

#include "io/fdset.h"
#include "util/error.h"

#include "filter.h"

#include <fcntl.h>
#include <string.h>

/* ---- a property that keeps what the user gave ---- */
static bool json_parse_prop(const Property *p, void *field, const Json *value, GError **errp)
{
    Json **j = field;

    json_unref(*j);
    *j = json_copy(value);
    return true;
}

static Json *json_print_prop(const Property *p, const void *field)
{
    Json *const *j = field;

    return *j ? json_copy(*j) : json_null();
}

static void json_clear_prop(const Property *p, void *field)
{
    Json **j = field;

    json_unref(*j);
    *j = NULL;
}

const PropType prop_net_json = {"any", json_parse_prop, json_print_prop, json_clear_prop};

/* ---- the base row ---- */
static bool netdev_realize(Object *o, GError **errp)
{
    if (!o->id) {
        return fail(errp, "Parameter 'id' is missing");
    }
    if (net_port_find(o->id)) {
        return fail(errp, "Duplicate ID '%s' for netdev", o->id);
    }
    return true;
}

static void netdev_unrealize(Object *o)
{
    net_port_destroy(&netdev_of(o)->port);
}

const ObjectType netdev_type = {
    .name = "netdev",
    .about = "host end of a network cable",
    .kind = KIND_NETDEV,
    .realize = netdev_realize,
    .unrealize = netdev_unrealize,
};

void netdev_start(Netdev *nd, const NetPortOps *ops)
{
    net_port_init(&nd->port, nd->obj.id, ops, nd);
}

int netdev_parse_fd(const char *text, const char *id, GError **errp)
{
    int fd = fd_from_text(text, errp);

    if (fd < 0) {
        g_prefix_error(errp, "netdev '%s': ", id);
        return -1;
    }
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    return fd;
}

/* ---- adding and removing ---- */
bool netdev_add(const Json *options, GError **errp)
{
    const char *type = json_get_str(options, "type");

    if (!type) {
        return fail(errp, "Parameter 'type' is missing");
    }
    return object_create(KIND_NETDEV, type, options, object_container("/netdevs"), errp) != NULL;
}

void netdev_leave(const char *id)
{
    Object *o = object_find_id(object_container("/netdevs"), id);

    if (o) {
        net_filters_delete(netdev_of(o)->port.chain);
        object_delete(o);
    }
}

bool netdev_del(const char *id, GError **errp)
{
    Object *o = object_find_id(object_container("/netdevs"), id);

    if (!o) {
        return fail_class(errp, ERROR_CLASS_DEVICE_NOT_FOUND, "Device '%s' not found", id);
    }
    if (netdev_of(o)->port.peer) {
        return fail(errp, "netdev '%s': in use by '%s'", id, netdev_of(o)->port.peer->id);
    }
    net_filters_delete(netdev_of(o)->port.chain);
    object_delete(o);
    return true;
}
