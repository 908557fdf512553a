/* main/accel.c - ways to run harts: which were asked for, which there are.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "assemble.h"
#include "util/error.h"

#include <string.h>

static const struct {
    const char *name, *about;
    bool is_there;
    AccelChoice choice;
} accels[] = {
    {"tcg", "decoded-block interpreter, one thread per hart", true, {"tcg", true, false}},
    {"interp", "the same, by its own name", true, {"tcg", true, false}},
    {"qtest", "nothing runs; the clock belongs to the test", true, {"qtest", false, true}},
    {"kvm", "needs a riscv64 host", false, {"kvm", false, false}},
    {"hvf", "needs a macOS host", false, {"hvf", false, false}},
    {"xen", "needs a Xen host", false, {"xen", false, false}},
};

bool accel_choose(const GPtrArray *wanted, AccelChoice *ret, GError **errp)
{
    const char *last = NULL;

    if (!wanted->len) {
        *ret = accels[0].choice;
        return true;
    }
    for (unsigned i = 0; i < wanted->len; i++) {
        last = json_get_str(wanted->pdata[i], "accel");
        for (unsigned k = 0; last && k < G_N_ELEMENTS(accels); k++) {
            if (!strcmp(accels[k].name, last) && accels[k].is_there) {
                *ret = accels[k].choice;
                return true;
            }
        }
    }
    return fail(errp, "accelerator '%s' is not available; accepted: tcg, interp, qtest", last ? last : "");
}

void accel_foreach(void (*fn)(const char *name, const char *about, void *opaque), void *opaque)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(accels); i++) {
        if (accels[i].is_there) {
            fn(accels[i].name, accels[i].about, opaque);
        }
    }
}
