/* tests/unit/migration/params-test.c - parameters and capabilities keep to their rows.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "migration/params.h"

#include "qapi/qapi-commands.h"

#include <string.h>

static bool busy;

static bool is_busy(void)
{
    return busy;
}

static void a_value_out_of_range_changes_nothing(void)
{
    MigrationParameters p = {.has_max_bandwidth = true, .max_bandwidth = 5, .has_downtime_limit = true,
                             .downtime_limit = 2000001};
    g_autoptr(GError) err = NULL;

    g_assert_false(qmp_migrate_set_parameters(&p, &err));
    g_assert_nonnull(strstr(err->message, "downtime-limit"));
    g_assert_cmpuint(mig_param(PARAM_MAX_BANDWIDTH), ==, 0);
    p.downtime_limit = 20;
    g_assert_true(qmp_migrate_set_parameters(&p, NULL));
    g_assert_cmpuint(mig_param_named("max-bandwidth"), ==, 5);
    g_assert_cmpuint(mig_param(PARAM_DOWNTIME_LIMIT), ==, 20);
    g_assert_cmpuint(mig_param_named("nosuch"), ==, 0);
}

static bool set(MigrationCapability c, bool on, GError **errp)
{
    MigrationCapabilityStatus status = {c, on};
    MigrationCapabilityStatusList list = {NULL, &status};
    MigrateSetCapabilitiesArgs args = {&list};

    return qmp_migrate_set_capabilities(&args, errp);
}

static void netpass_needs_the_return_path(void)
{
    g_autoptr(GError) err = NULL;

    g_assert_false(set(MIGRATION_CAPABILITY_NETPASS, true, &err));
    g_assert_false(mig_capability(MIGRATION_CAPABILITY_NETPASS));
    g_assert_true(set(MIGRATION_CAPABILITY_RETURN_PATH, true, NULL));
    g_assert_true(set(MIGRATION_CAPABILITY_NETPASS, true, NULL));
    g_assert_true(mig_capability_named("netpass"));
    g_assert_false(set(MIGRATION_CAPABILITY_RETURN_PATH, false, NULL));
}

static void capabilities_stay_while_a_migration_is_under_way(void)
{
    mig_params_set_busy(is_busy);
    busy = true;
    g_assert_false(set(MIGRATION_CAPABILITY_EVENTS, true, NULL));
    busy = false;
    g_assert_true(set(MIGRATION_CAPABILITY_EVENTS, true, NULL));
}

static void the_query_names_every_parameter(void)
{
    MigrationParameters *p = qmp_query_migrate_parameters(NULL);

    g_assert_true(p->has_max_bandwidth && p->has_switchover_ms && p->has_netpass_best_effort);
    g_assert_cmpuint(p->announce_rounds, ==, 5);
    MigrationParameters_free(p);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/migration/params/out_of_range_changes_nothing", a_value_out_of_range_changes_nothing);
    g_test_add_func("/migration/params/netpass_needs_the_return_path", netpass_needs_the_return_path);
    g_test_add_func("/migration/params/capabilities_stay_while_busy", capabilities_stay_while_a_migration_is_under_way);
    g_test_add_func("/migration/params/query_names_all", the_query_names_every_parameter);
    return g_test_run();
}
