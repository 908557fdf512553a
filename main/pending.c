/* main/pending.c - stands in for parts that have not landed; last in the library, so that the real ones win.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "migration/migration.h"
#include "net/net.h"
#include "util/error.h"

#define PENDING __attribute__((weak))

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
