/* include/object/device.h - what all devices share.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "object/object.h"

/* First member of a device.  Realizing registers its state table under the bus address (or the table's name with a
 * running number), unrealizing takes it back; both are done by object/. */
typedef struct Device {
    Object obj;
    const char *bus_address; /* "virtio-mmio@10008000"; set before realize; prefixes the section name; may be NULL */
} Device;

/* system/ fills these in at start-up, so that object/ stays below it. */
typedef struct DeviceHooks {
    void (*realized)(Device *d);   /* register state and reset */
    void (*unrealized)(Device *d);
} DeviceHooks;
void device_set_hooks(const DeviceHooks *hooks);
