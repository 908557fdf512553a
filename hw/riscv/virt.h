/* hw/riscv/virt.h - the memory map of the virt board and what its device tree is made of.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>

#include "system/types.h"

enum VirtMap {
    VIRT_MROM = 0x1000, VIRT_MROM_SIZE = 0xf000,
    VIRT_TEST = 0x100000, VIRT_RTC = 0x101000, VIRT_CLINT = 0x2000000, VIRT_PLIC = 0xc000000,
    VIRT_UART = 0x10000000, VIRT_VIRTIO = 0x10001000, VIRT_VIRTIO_STRIDE = 0x1000,
};
#define VIRT_RAM UINT64_C(0x80000000)
enum { VIRT_UART_IRQ = 10, VIRT_RTC_IRQ = 11, VIRT_VIRTIO_IRQ = 1, VIRT_VIRTIO_COUNT = 8, VIRT_IRQ_COUNT = 96 };
#define VIRT_FDT_MAX (1024 * 1024)

typedef struct VirtFdt { /* what the tree says */
    unsigned harts;
    uint64_t ram_size;
    const char *isa, *mmu;      /* "rv64imafdc_...", "riscv,sv48" */
    char *const *extensions;    /* NULL-ended */
    const char *append;         /* NULL: none */
    gpa_t initrd, initrd_end;   /* equal: none */
    bool has_aclint_nodes;      /* mswi and mtimer instead of one clint */
} VirtFdt;

/* Packed tree. */
GBytes *virt_fdt_make(const VirtFdt *f, GError **errp);
/* The user's tree with bootargs and initrd put in. */
GBytes *virt_fdt_adopt(GBytes *file, const VirtFdt *f, GError **errp);
/* A new seed, at each reset; a tree without the property stays as it is. */
void virt_fdt_reseed(void *fdt);
