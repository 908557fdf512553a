/* include/hw/virtio-mmio.h - slots for virtio devices in the memory map.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "object/object.h"
#include "system/types.h"

#define VIRTIO_MMIO_SLOTS_MAX 8

/* Slot n of the board, at `base`, wired to input `irq` of the controller: bus "virtio-mmio-bus.<n>".  The slot is
 * visible to the guest, with device id 0, until a device is plugged in. */
Object *virtio_mmio_create(unsigned n, gpa_t base, Object *controller, int irq, GError **errp);
