/* include/hw/mmio.h - devices whose registers sit in the physical address map.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A device names its registers in a table; decoding, tracing and complaints about registers that do not exist are done
 * here.  Guarded by: vm_lock. */
#pragma once

#include "object/device.h"
#include "system/irq.h"
#include "system/region.h"

typedef struct Register {
    uint32_t offset;
    const char *name;                        /* feeds trace, tests and docs; NULL ends the table */
    uint32_t (*read)(void *dev);             /* NULL: reads as zero (or the field) */
    void (*write)(void *dev, uint32_t value); /* NULL: writes are a guest error (or set the field) */
    uint32_t field;                          /* REGF: offset of a uint32_t member, from the start of the device */
    void (*changed)(void *dev);              /* REGF: after a write; NULL: read only */
    bool is_field;
} Register;
#define REG(off, text, rd, wr) {.offset = off, .name = text, .read = rd, .write = wr}
#define REGF(off, text, T, m, fn)                                                                  \
    {.offset = off, .name = text, .is_field = true, .field = offsetof(T, m), .changed = fn}

typedef struct MmioDevice { /* first member of the device */
    Device dev;
    gpa_t base;             /* set by the board before realize */
    Irq irq;                /* its line; wired by the board before realize */
    const Register *regs;
    const Register **index; /* by offset / width */
    unsigned width, index_count;
    const RegionOps *rest;  /* offsets that the table does not name */
} MmioDevice;

/* Puts the registers at m->base.  `width`: bytes of every register and of every access to it (1 or 4).  `rest` gets the
 * accesses at and beyond the table's end (NULL: guest error). */
bool mmio_map(MmioDevice *m, uint64_t size, unsigned width, const Register *regs, const RegionOps *rest,
              GError **errp);
/* The same for a device that decodes by itself. */
bool mmio_map_ops(MmioDevice *m, uint64_t size, const RegionOps *ops, GError **errp);
void mmio_unmap(MmioDevice *m);
const char *mmio_name(const MmioDevice *m); /* for guest_error() */

/* Board's way to make one: new, placed, wired to input `irq` of `controller` (NULL: none), realized. */
Object *mmio_create(const char *type, const char *id, gpa_t base, Object *controller, int irq, GError **errp);
