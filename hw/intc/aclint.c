/* hw/intc/aclint.c - software interrupts and timers of the harts, in the CLINT's layout.
 * Guarded by: vm_lock, except the read of mtime, which takes no lock.
 * Page: docs/devices/aclint.md.  Test: tests/qtest/hw/intc/aclint-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * msip at 0x0000 + 4 * hart, mtimecmp at 0x4000 + 8 * hart, mtime at 0xbff8 (RISC-V ACLINT 1.0, chapter 5).  mtime is
 * the machine's clock plus an offset; the offset travels with this device, the clock with the machine.  Only the
 * compare values are saved, the timers are armed from them again. */
#include "hw/intc.h"

#include "system/clock.h"
#include "system/harts.h"
#include "system/vm-lock.h"
#include "target/hart.h"
#include "util/error.h"
#include "util/log.h"

enum { MSIP_END = 0x4000, MTIMECMP_END = 0xbff8, MTIME = 0xbff8, MTIME_END = 0xc000 };

typedef struct Aclint Aclint;
typedef struct HartTimer {
    Aclint *aclint;
    unsigned hart;
    Timer *timer;
} HartTimer;

struct Aclint {
    MmioDevice mmio;
    struct {
        uint64_t timebase_offset;      /* a copy for saving; the clock has the true one */
        uint64_t mtimecmp[HARTS_MAX];
        uint32_t msip[HARTS_MAX];      /* 0 or 1 */
    } st;
    unsigned harts;
    HartTimer timers[HARTS_MAX];
};

void aclint_configure(Object *aclint, unsigned harts)
{
    g_assert(harts <= HARTS_MAX);
    ((Aclint *)aclint)->harts = harts;
}

/* The line follows mtime >= mtimecmp; while it is low the timer waits for that moment. */
static void timer_update(Aclint *a, unsigned hart)
{
    bool is_due = clock_timebase() >= a->st.mtimecmp[hart];

    timer_set(a->timers[hart].timer,
              is_due ? TIMER_NEVER : clock_timebase_deadline(a->st.mtimecmp[hart]));
    harts_set_line(hart, MIP_MTIP, is_due);
}

static void timer_fired(void *opaque)
{
    HartTimer *t = opaque;

    timer_update(t->aclint, t->hart);
}

static void update_all(Aclint *a)
{
    for (unsigned i = 0; i < a->harts; i++) {
        harts_set_line(i, MIP_MSIP, a->st.msip[i]);
        timer_update(a, i);
    }
}

static uint64_t registers_read(Aclint *a, uint64_t offset)
{
    if (offset < MSIP_END && offset / 4 < a->harts) {
        return a->st.msip[offset / 4];
    }
    if (offset >= MSIP_END && offset < MTIMECMP_END && (offset - MSIP_END) / 8 < a->harts) {
        return a->st.mtimecmp[(offset - MSIP_END) / 8] >> (offset & 4) * 8;
    }
    guest_error("aclint", "read at 0x%x: no such register", (unsigned)offset);
    return 0;
}

static uint64_t merged(uint64_t old, uint64_t offset, uint64_t value, unsigned size)
{
    if (size == 8) {
        return value;
    }
    return offset & 4 ? (uint32_t)old | value << 32 : (old & ~UINT64_C(0xffffffff)) | (uint32_t)value;
}

static void registers_write(Aclint *a, uint64_t offset, uint64_t value, unsigned size)
{
    unsigned hart = (offset - MSIP_END) / 8;

    if (offset < MSIP_END && offset / 4 < a->harts && size == 4) {
        a->st.msip[offset / 4] = value & 1;
        harts_set_line(offset / 4, MIP_MSIP, value & 1);
    } else if (offset >= MSIP_END && offset < MTIMECMP_END && hart < a->harts) {
        a->st.mtimecmp[hart] = merged(a->st.mtimecmp[hart], offset, value, size);
        timer_update(a, hart);
    } else if (offset >= MTIME && offset < MTIME_END) {
        uint64_t now = clock_timebase();

        clock_set_timebase_offset(clock_timebase_offset() + merged(now, offset, value, size) - now);
        update_all(a);
    } else {
        guest_error("aclint", "write of %u bytes at 0x%x: no such register", size, (unsigned)offset);
    }
}

/* The region is lockless because firmware and harts without Sstc read mtime all the time. */
static bool take_lock(void)
{
    bool is_ours = !vm_lock_held();

    if (is_ours) {
        vm_lock();
    }
    return is_ours;
}

static uint64_t aclint_read(void *opaque, uint64_t offset, unsigned size)
{
    uint64_t value;

    if (offset >= MTIME && offset < MTIME_END) {
        value = clock_timebase() >> (offset & 4) * 8;
    } else {
        bool is_ours = take_lock();

        value = registers_read(opaque, offset);
        if (is_ours) {
            vm_unlock();
        }
    }
    return size == 4 ? (uint32_t)value : value;
}

static void aclint_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    bool is_ours = take_lock();

    registers_write(opaque, offset, value, size);
    if (is_ours) {
        vm_unlock();
    }
}

static const RegionOps aclint_ops = {
    .read = aclint_read, .write = aclint_write, .min_size = 4, .max_size = 8, .flags = REGION_LOCKLESS,
};

/* ---- life ---- */
static bool aclint_realize(Object *o, GError **errp)
{
    Aclint *a = (Aclint *)o;

    for (unsigned i = 0; i < a->harts; i++) {
        a->timers[i] = (HartTimer){a, i, timer_new(timer_fired, &a->timers[i])};
    }
    return mmio_map_ops(&a->mmio, ACLINT_SIZE, &aclint_ops, errp);
}

static void aclint_unrealize(Object *o)
{
    Aclint *a = (Aclint *)o;

    mmio_unmap(&a->mmio);
    for (unsigned i = 0; i < a->harts; i++) {
        timer_free(a->timers[i].timer);
    }
}

static void aclint_reset(Object *o)
{
    Aclint *a = (Aclint *)o;

    clock_set_timebase_offset(-(clock_timebase() - clock_timebase_offset()));
    for (unsigned i = 0; i < HARTS_MAX; i++) {
        a->st.msip[i] = 0;
        a->st.mtimecmp[i] = UINT64_MAX;
    }
    update_all(a);
}

static void aclint_saving(void *opaque)
{
    Aclint *a = opaque;

    a->st.timebase_offset = clock_timebase_offset();
}

static bool aclint_loaded(void *opaque, uint32_t version, GError **errp)
{
    Aclint *a = opaque;

    for (unsigned i = 0; i < HARTS_MAX; i++) {
        if (a->st.msip[i] > 1) {
            return fail(errp, "aclint: msip of hart %u is %u", i, a->st.msip[i]);
        }
    }
    clock_set_timebase_offset(a->st.timebase_offset);
    update_all(a);
    return true;
}

VMSTATE_DEFINE_SPAN(Aclint, st)
static const VMStateDescription aclint_state = {
    .name = "riscv-aclint", .version = 1, .phase = VMSTATE_SAVE_IRQCHIP, VMSTATE_SPAN(Aclint, st),
    .saving = aclint_saving, .loaded = aclint_loaded,
    .fields = VMSTATE_FIELDS(VMSTATE_U64(Aclint, st.timebase_offset), VMSTATE_U64_ARRAY(Aclint, st.mtimecmp),
                             VMSTATE_U32_ARRAY(Aclint, st.msip)),
};

const ObjectType aclint_type = {
    .name = "riscv.aclint", .parent = "mmio-device", .kind = KIND_DEVICE, .size = sizeof(Aclint),
    .state = &aclint_state, .realize = aclint_realize, .unrealize = aclint_unrealize, .reset = aclint_reset,
    .about = "timers and software interrupts of the harts",
};
