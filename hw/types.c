/* hw/types.c - the rows of this folder, one line each.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "config-host.h"
#include "hw/machine.h"
#include "hw/mmio.h"
#include "hw/virtio.h"

extern const ObjectType virt_machine_type, none_machine_type, aclint_type, plic_type, ns16550a_type, goldfish_rtc_type,
    sifive_test_type, virtio_mmio_type, virtio_net_type, virtio_blk_type, virtio_rng_type, virtio_input_type, virtio_keyboard_type,
    virtio_mouse_type, virtio_tablet_type, virtio_gpu_type, virtio_serial_type, virtio_serial_port_type, virtconsole_type,
    virtserialport_type;

static const ObjectType machine_type = {
    .name = "machine", .kind = KIND_MACHINE, .about = "any machine",
};
static const ObjectType mmio_device_type = {
    .name = "mmio-device", .parent = "device", .kind = KIND_DEVICE, .about = "device with registers in the memory map",
};

const ObjectType *const hw_types[] = {
    &machine_type,
    &virt_machine_type,
    &none_machine_type,
    &mmio_device_type,
    &aclint_type,
    &plic_type,
    &ns16550a_type,
    &goldfish_rtc_type,
    &sifive_test_type,
    &virtio_mmio_type,
    &virtio_device_type,
    &virtio_net_type,
    &virtio_blk_type,
    &virtio_rng_type,
    &virtio_input_type,
    &virtio_keyboard_type,
    &virtio_mouse_type,
    &virtio_tablet_type,
#if CONFIG_PIXMAN
    &virtio_gpu_type,
#endif
    &virtio_serial_type,
    &virtio_serial_port_type,
    &virtconsole_type,
    &virtserialport_type,
    NULL,
};
