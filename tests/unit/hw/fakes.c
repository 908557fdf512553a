/* tests/unit/hw/fakes.c - a board without harts and serial lines needs nothing of target/ and chardev/.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Weak: where the real ones are linked, they win. */
#include "chardev/chardev.h"
#include "target/hart.h"

#define WEAK __attribute__((weak))

WEAK bool harts_create(const Json *cpu_props, unsigned count, GError **errp)
{
    g_assert_not_reached();
}

WEAK void harts_set_reset_pc(gpa_t pc)
{
    g_assert_not_reached();
}

WEAK char *hart_isa_string(void)
{
    g_assert_not_reached();
}

WEAK char **hart_isa_extensions(void)
{
    g_assert_not_reached();
}

WEAK const char *hart_mmu_type(void)
{
    g_assert_not_reached();
}

WEAK bool chardev_claim(Chardev *c, const ChardevHandlers *handlers, void *opaque, GError **errp)
{
    g_assert_not_reached();
}

WEAK void chardev_release(Chardev *c)
{
    g_assert_not_reached();
}

WEAK size_t chardev_write(Chardev *c, const void *data, size_t size)
{
    g_assert_not_reached();
}

WEAK void chardev_accept_input(Chardev *c)
{
    g_assert_not_reached();
}
