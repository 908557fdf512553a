/* include/hw/intc.h - interrupt controllers of RISC-V boards: what the board sets before realize.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "hw/mmio.h"
#include "system/types.h"

#define ACLINT_SIZE 0x10000
#define PLIC_SOURCES_MAX 128               /* interrupt 0 does not exist */
#define PLIC_CONTEXTS_MAX (2 * HARTS_MAX)  /* M and S of each hart */

/* Rows "riscv.aclint" and "riscv.plic".  Call between object_new() and object_realize(). */
void aclint_configure(Object *aclint, unsigned harts);
void plic_configure(Object *plic, unsigned harts, unsigned sources); /* inputs 1..sources-1 by irq_input(plic, NULL) */
