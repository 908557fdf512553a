/* include/system/harts.h - what the machine knows of its harts: how to stop, start and interrupt them.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * target/ and accel/ fill in HartsOps; nobody below them knows what a hart is. */
#pragma once

#include "system/types.h"

typedef struct HartsOps {
    const char *accel;                               /* "tcg" is what users call it */
    void (*resume_all)(void);                        /* let them run; returns at once */
    void (*pause_all)(void);                         /* ask and wait until each is parked.  vm_lock NOT held */
    void (*drop_write_tlbs)(void);                   /* bump the epoch, kick, wait until every running hart acknowledged
                                                        (a halted or paused one counts).  vm_lock NOT held; any thread */
    void (*code_written)(gpa_t gpa, uint64_t size);  /* DMA stored to pages with the code bit; any thread */
    void (*set_line)(unsigned hart, unsigned bit, bool level); /* mip bit; any thread; wakes it if needed */
    uint64_t (*instret)(unsigned hart);
} HartsOps;

void harts_register(const HartsOps *ops, unsigned count);
const HartsOps *harts_ops(void); /* NULL: no hart executes (accel qtest, machine none) */
unsigned harts_count(void);

/* NULL-safe wrappers. */
void harts_resume_all(void);
void harts_pause_all(void);       /* if vm_lock is held it is dropped meanwhile */
void harts_drop_write_tlbs(void);
void harts_code_written(gpa_t gpa, uint64_t size);
void harts_set_line(unsigned hart, unsigned bit, bool level);
