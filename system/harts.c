/* system/harts.c - what the machine knows of its harts.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "system/harts.h"

#include "system/vm-lock.h"

static const HartsOps *ops;
static unsigned hart_count;

void harts_register(const HartsOps *harts_ops, unsigned count)
{
    ops = harts_ops;
    hart_count = count;
}

const HartsOps *harts_ops(void)
{
    return ops;
}

unsigned harts_count(void)
{
    return hart_count;
}

void harts_resume_all(void)
{
    if (ops && ops->resume_all) {
        ops->resume_all();
    }
}

/* A hart may be waiting for vm_lock in the middle of an access, so the lock has to go while we wait for it. */
void harts_pause_all(void)
{
    bool was_held = vm_lock_held();

    if (!ops || !ops->pause_all) {
        return;
    }
    if (was_held) {
        vm_unlock();
    }
    ops->pause_all();
    if (was_held) {
        vm_lock();
    }
}

void harts_drop_write_tlbs(void)
{
    if (ops && ops->drop_write_tlbs) {
        ops->drop_write_tlbs();
    }
}

void harts_code_written(gpa_t gpa, uint64_t size)
{
    if (ops && ops->code_written) {
        ops->code_written(gpa, size);
    }
}

void harts_set_line(unsigned hart, unsigned bit, bool level)
{
    if (ops && ops->set_line) {
        ops->set_line(hart, bit, level);
    }
}
