/* hw/core/device-add.c - -device: from a dict to a device on its bus.
 * Owner: main loop.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/machine.h"

#include "util/error.h"

Object *device_add(const Json *options, GError **errp)
{
    const char *driver = json_get_str(options, "driver");
    const ObjectType *type = driver ? type_find(driver) : NULL;
    bool has_id = json_get_str(options, "id") != NULL;

    if (!driver) {
        fail(errp, "Parameter 'driver' is missing");
        return NULL;
    }
    if (type && type->kind == KIND_DEVICE && type->size && !(type->flags & TYPE_USER_CREATABLE)) {
        fail(errp, "device '%s' is a part of the machine, it cannot be added", driver);
        return NULL;
    }
    return object_create(KIND_DEVICE, driver, options,
                         object_container(has_id ? "/machine/peripheral" : "/machine/peripheral-anon"), errp);
}
