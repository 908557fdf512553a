/* target/riscv/isa.c - extensions: their bits, properties of -cpu and places in the ISA string.
 * Docs: docs/cpu.md.  Tests: tests/unit/target/csr-test.c.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "target/riscv/isa.h"

#include "util/error.h"

#include <string.h>

const Extension extensions[] = {
#define ROW(bit, name, needs, about) {EXT_##bit, name, needs},
    EXTENSION_LIST(ROW)
    {}
};

uint64_t isa_misa(uint32_t bits)
{
    uint64_t misa = 2ull << 62 | 1u << ('s' - 'a') | 1u << ('u' - 'a');

    for (const Extension *e = extensions; e->name; e++) {
        if (!e->name[1] && bits & EXT_BIT(e->bit)) {
            misa |= 1ull << (e->name[0] - 'a');
        }
    }
    return misa;
}

static const char *name_of(unsigned bit)
{
    for (const Extension *e = extensions; e->name; e++) {
        if (e->bit == bit) {
            return e->name;
        }
    }
    return "?";
}

bool isa_check(uint32_t bits, GError **errp)
{
    for (const Extension *e = extensions; e->name; e++) {
        uint32_t missing = bits & EXT_BIT(e->bit) ? e->needs & ~bits : 0;

        if (missing) {
            return fail(errp, "cpu: extension '%s' needs '%s'", e->name, name_of((unsigned)__builtin_ctz(missing)));
        }
    }
    if (!(bits & EXT_BIT(EXT_I)) || !(bits & EXT_BIT(EXT_ZICSR))) {
        return fail(errp, "cpu: 'i' and 'zicsr' cannot be switched off");
    }
    if (bits & EXT_BIT(EXT_SV48) && !(bits & EXT_BIT(EXT_SV39))) {
        return fail(errp, "cpu: 'sv48' needs 'sv39'");
    }
    return true;
}

static const Hart *first(void)
{
    g_assert(harts[0]);
    return harts[0];
}

char *hart_isa_string(void)
{
    GString *s = g_string_new("rv64");

    for (const Extension *e = extensions; e->name; e++) {
        if (first()->extensions & EXT_BIT(e->bit)) {
            g_string_append_printf(s, "%s%s", e->name[1] ? "_" : "", e->name);
        }
    }
    return g_string_free(s, FALSE);
}

char **hart_isa_extensions(void)
{
    GPtrArray *names = g_ptr_array_new();

    for (const Extension *e = extensions; e->name; e++) {
        if (first()->extensions & EXT_BIT(e->bit)) {
            g_ptr_array_add(names, g_strdup(e->name));
        }
    }
    g_ptr_array_add(names, NULL);
    return (char **)g_ptr_array_free(names, FALSE);
}

const char *hart_mmu_type(void)
{
    return first()->ext[EXT_SV48] ? "riscv,sv48" : first()->ext[EXT_SV39] ? "riscv,sv39" : "riscv,none";
}
