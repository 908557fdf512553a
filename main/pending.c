/* main/pending.c - stands in for parts that have not landed; last in the library, so that the real ones win.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "migration/migration.h"
#include "net/net.h"
#include "target/hart.h"
#include "util/error.h"

#define PENDING __attribute__((weak))

PENDING const ObjectType rv64_cpu_type = {.name = "rv64-riscv-cpu", .kind = KIND_CPU};

PENDING bool harts_create(const Json *cpu_props, unsigned count, GError **errp)
{
    return fail(errp, "no harts yet");
}

PENDING char *hart_isa_string(void)
{
    return g_strdup("rv64imac");
}

PENDING char **hart_isa_extensions(void)
{
    return g_new0(char *, 1);
}

PENDING const char *hart_mmu_type(void)
{
    return "riscv,sv48";
}

PENDING void harts_set_reset_pc(gpa_t pc)
{
}

PENDING unsigned hart_thread_id(unsigned hart)
{
    return 0;
}

PENDING void hart_dump(unsigned hart, GString *out)
{
}

PENDING void migration_init(void)
{
}

PENDING void migration_set_identity(const char *machine, const char *name, const char *uuid)
{
}

PENDING bool migration_incoming_start(const char *uri, bool is_parked, GError **errp)
{
    return fail(errp, "no migration yet");
}

PENDING void migration_shutdown(void)
{
}
