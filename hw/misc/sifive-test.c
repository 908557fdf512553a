/* hw/misc/sifive-test.c - the guest's way to end or restart the machine with one store.
 * Guarded by: vm_lock.  Page: docs/devices/sifive-test.md.  Test: tests/qtest/hw/misc/sifive-test-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/mmio.h"
#include "system/runstate.h"
#include "util/log.h"

enum { FINISH_FAIL = 0x3333, FINISH_PASS = 0x5555, FINISH_RESET = 0x7777 };

static void finish(void *opaque, uint32_t value)
{
    unsigned what = value & 0xffff, code = value >> 16;

    switch (what) {
    case FINISH_FAIL:
        vm_request_shutdown(SHUTDOWN_GUEST_SHUTDOWN, code);
        break;
    case FINISH_PASS:
        vm_request_shutdown(SHUTDOWN_GUEST_SHUTDOWN, 0);
        break;
    case FINISH_RESET:
        vm_request_reset(SHUTDOWN_GUEST_RESET);
        break;
    default:
        guest_error("sifive-test", "value 0x%x means nothing", value);
    }
}

static const Register finisher_regs[] = {REG(0x0, "FINISHER", NULL, finish), {}};

static bool finisher_realize(Object *o, GError **errp)
{
    return mmio_map((MmioDevice *)o, 0x1000, 4, finisher_regs, NULL, errp);
}

static void finisher_unrealize(Object *o)
{
    mmio_unmap((MmioDevice *)o);
}

const ObjectType sifive_test_type = {
    .name = "riscv.sifive.test", .parent = "mmio-device", .kind = KIND_DEVICE, .size = sizeof(MmioDevice),
    .state = &vmstate_none, .realize = finisher_realize, .unrealize = finisher_unrealize,
    .about = "test finisher: power off, fail, reset",
};
