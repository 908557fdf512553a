/* include/target/hart.h - what boards and monitors need of a hart.  The struct itself is private to target/ and accel/
 * (target/riscv/hart.h, included as "target/hart-state.h" by accel/).
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "object/device.h"
#include "system/types.h"

enum { MIP_SSIP = 1, MIP_MSIP = 3, MIP_STIP = 5, MIP_MTIP = 7, MIP_SEIP = 9, MIP_MEIP = 11 };

/* The type "rv64-riscv-cpu" (kind KIND_CPU) is a row as any other; -cpu rv64,zbb=off sets its properties. */
extern const ObjectType rv64_cpu_type;

/* What executes them; before harts_create().  NULL: nothing does. */
struct HartAccel;
void harts_use_accel(const struct HartAccel *accel);
/* Makes `count` harts from -cpu's dict ("zbb": false, ...), ids 0..count-1, registers state, reset and HartsOps. */
bool harts_create(const Json *cpu_props, unsigned count, GError **errp);
/* The ISA string for the device tree ("rv64imafdc_zicsr_..."), the list of extensions (NULL-ended; for
 * riscv,isa-extensions), the mmu type ("riscv,sv48") of hart 0. */
char *hart_isa_string(void);
char **hart_isa_extensions(void);
const char *hart_mmu_type(void);
/* Where the harts begin after reset. */
void harts_set_reset_pc(gpa_t pc);
/* mtimecmp of a hart (ACLINT): the interrupt line MTIP is driven by the ACLINT itself through harts_set_line(). */
unsigned hart_thread_id(unsigned hart);         /* for query-cpus-fast */
void hart_dump(unsigned hart, GString *out);    /* `info registers` */
bool hart_is_halted(unsigned hart);             /* in WFI */
