/* system/devices.c - realized devices take part in saving and reset.  Guarded by: vm_lock.  Page: docs/object.md.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "system/devices.h"
#include "object/device.h"
#include "system/handoff.h"
#include "system/reset.h"

static bool has_state(const ObjectType *type)
{
    return type->state && type->state != &vmstate_none;
}

static void register_state(const ObjectType *type, Device *d)
{
    g_autofree char *id = NULL;

    if (!type) {
        return;
    }
    register_state(type_parent(type), d);
    if (has_state(type)) {
        id = d->bus_address ? g_strconcat(d->bus_address, "/", type->state->name, NULL) : NULL;
        state_register(id, type->state, d);
    }
}

static void device_reset(void *opaque)
{
    object_reset(opaque);
}

static void device_realized(Device *d)
{
    register_state(d->obj.type, d);
    reset_register(RESET_ORDER_DEVICE, device_reset, d);
}

static void device_unrealized(Device *d)
{
    reset_unregister(device_reset, d);
    for (const ObjectType *t = d->obj.type; t; t = type_parent(t)) {
        if (has_state(t)) {
            state_unregister(t->state, d);
        }
    }
}

void devices_init(void)
{
    static const DeviceHooks hooks = {.realized = device_realized, .unrealized = device_unrealized};

    device_set_hooks(&hooks);
}
