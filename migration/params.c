/* migration/params.c - capabilities and parameters: a row each.  Owner: main loop; read by any thread.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "migration/params.h"

#include "qapi/qapi-commands.h"
#include "util/error.h"
#include "util/loop.h"

#include <stdatomic.h>
#include <string.h>

#define MINUTES_MS(n) ((n) * 60 * 1000ull)

typedef struct ParamRow {
    const char *name;
    uint64_t min, max;
    bool is_bool, is_fixed; /* fixed: not while a migration is under way */
    size_t has_offset, offset;
} ParamRow;

#define ROW(member, ...)                                                                                               \
    .has_offset = offsetof(MigrationParameters, has_##member), .offset = offsetof(MigrationParameters, member), __VA_ARGS__

static const ParamRow rows[PARAM__MAX] = {
    [PARAM_MAX_BANDWIDTH] = {"max-bandwidth", 0, INT64_MAX, ROW(max_bandwidth)},
    [PARAM_DOWNTIME_LIMIT] = {"downtime-limit", 0, 2000000, ROW(downtime_limit)},
    [PARAM_ANNOUNCE_INITIAL] = {"announce-initial", 0, 100000, ROW(announce_initial)},
    [PARAM_ANNOUNCE_MAX] = {"announce-max", 0, 100000, ROW(announce_max)},
    [PARAM_ANNOUNCE_ROUNDS] = {"announce-rounds", 0, 1000, ROW(announce_rounds)},
    [PARAM_ANNOUNCE_STEP] = {"announce-step", 0, 10000, ROW(announce_step)},
    [PARAM_NETPASS_MAX_BYTES] = {"netpass-max-bytes", 1 << 17, 1ull << 40, ROW(netpass_max_bytes, .is_fixed = true)},
    [PARAM_NETPASS_LINGER_MS] = {"netpass-linger-ms", 0, MINUTES_MS(1), ROW(netpass_linger_ms)},
    [PARAM_NETPASS_GATE_MS] = {"netpass-gate-ms", 1, MINUTES_MS(1), ROW(netpass_gate_ms)},
    [PARAM_NETPASS_BEST_EFFORT] = {"netpass-best-effort", 0, 1, ROW(netpass_best_effort, .is_bool = true, .is_fixed = true)},
    [PARAM_CONNECT_TIMEOUT_MS] = {"connect-timeout-ms", 1, MINUTES_MS(60), ROW(connect_timeout_ms)},
    [PARAM_HELLO_TIMEOUT_MS] = {"hello-timeout-ms", 1, MINUTES_MS(60), ROW(hello_timeout_ms)},
    [PARAM_READY_TIMEOUT_MS] = {"ready-timeout-ms", 1, MINUTES_MS(60), ROW(ready_timeout_ms)},
    [PARAM_RUN_TIMEOUT_MS] = {"run-timeout-ms", 1, MINUTES_MS(60), ROW(run_timeout_ms)},
    [PARAM_TAIL_TIMEOUT_MS] = {"tail-timeout-ms", 1, MINUTES_MS(60), ROW(tail_timeout_ms)},
    [PARAM_SWITCHOVER_MS] = {"switchover-ms", 0, 10000, ROW(switchover_ms)},
};

static _Atomic uint64_t values[PARAM__MAX] = {
    [PARAM_DOWNTIME_LIMIT] = 300,        [PARAM_ANNOUNCE_INITIAL] = 50,
    [PARAM_ANNOUNCE_MAX] = 550,          [PARAM_ANNOUNCE_ROUNDS] = 5,
    [PARAM_ANNOUNCE_STEP] = 100,         [PARAM_NETPASS_MAX_BYTES] = 64 << 20,
    [PARAM_NETPASS_LINGER_MS] = 1000,    [PARAM_NETPASS_GATE_MS] = 100,
    [PARAM_CONNECT_TIMEOUT_MS] = 10000,  [PARAM_HELLO_TIMEOUT_MS] = 10000,
    [PARAM_READY_TIMEOUT_MS] = 10000,    [PARAM_RUN_TIMEOUT_MS] = 5000,
    [PARAM_TAIL_TIMEOUT_MS] = 5000,      [PARAM_SWITCHOVER_MS] = 4,
};

static _Atomic bool capabilities[MIGRATION_CAPABILITY__MAX];
static bool (*busy_fn)(void);

/* A capability that cannot be on without (or together with) another. */
static const struct {
    MigrationCapability capability, other;
    bool needs; /* false: conflicts */
    const char *why;
} relations[] = {
    {MIGRATION_CAPABILITY_NETPASS, MIGRATION_CAPABILITY_RETURN_PATH, true,
     "the other side has to answer before frames can be handed over"},
};

uint64_t mig_param(MigParam p)
{
    return atomic_load_explicit(&values[p], memory_order_relaxed);
}

int64_t mig_timeout_ns(MigParam p)
{
    return time_monotonic_ns() + (int64_t)mig_param(p) * NS_PER_MS;
}

bool mig_capability(MigrationCapability c)
{
    return atomic_load_explicit(&capabilities[c], memory_order_relaxed);
}

bool mig_capability_named(const char *name)
{
    for (int i = 0; i < MIGRATION_CAPABILITY__MAX; i++) {
        if (!strcmp(name, MigrationCapability_str(i))) {
            return mig_capability(i);
        }
    }
    return false;
}

uint64_t mig_param_named(const char *name)
{
    for (int i = 0; i < PARAM__MAX; i++) {
        if (!strcmp(name, rows[i].name)) {
            return mig_param(i);
        }
    }
    return 0;
}

void mig_params_set_busy(bool (*is_busy)(void))
{
    busy_fn = is_busy;
}

static bool is_busy(void)
{
    return busy_fn && busy_fn();
}

/* ---- QMP: capabilities ---- */
static bool check_relations(const bool wanted[MIGRATION_CAPABILITY__MAX], GError **errp)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(relations); i++) {
        if (wanted[relations[i].capability] && wanted[relations[i].other] != relations[i].needs) {
            return fail(errp, "capability '%s' %s '%s': %s", MigrationCapability_str(relations[i].capability),
                        relations[i].needs ? "needs" : "conflicts with", MigrationCapability_str(relations[i].other),
                        relations[i].why);
        }
    }
    return true;
}

bool qmp_migrate_set_capabilities(const MigrateSetCapabilitiesArgs *args, GError **errp)
{
    bool wanted[MIGRATION_CAPABILITY__MAX];

    if (is_busy()) {
        return fail(errp, "capabilities cannot change while a migration is under way");
    }
    for (int i = 0; i < MIGRATION_CAPABILITY__MAX; i++) {
        wanted[i] = mig_capability(i);
    }
    for (const MigrationCapabilityStatusList *l = args->capabilities; l; l = l->next) {
        wanted[l->value->capability] = l->value->state;
    }
    if (!check_relations(wanted, errp)) {
        return false;
    }
    for (int i = 0; i < MIGRATION_CAPABILITY__MAX; i++) {
        atomic_store(&capabilities[i], wanted[i]);
    }
    return true;
}

MigrationCapabilityStatusList *qmp_query_migrate_capabilities(GError **errp)
{
    MigrationCapabilityStatusList *list = NULL;

    for (int i = MIGRATION_CAPABILITY__MAX - 1; i >= 0; i--) {
        MigrationCapabilityStatusList *item = g_new0(MigrationCapabilityStatusList, 1);

        item->value = g_new0(MigrationCapabilityStatus, 1);
        item->value->capability = i;
        item->value->state = mig_capability(i);
        item->next = list;
        list = item;
    }
    return list;
}

/* ---- QMP: parameters ---- */
static uint64_t value_of(const ParamRow *row, const MigrationParameters *p)
{
    const char *member = (const char *)p + row->offset;

    return row->is_bool ? *(const bool *)member : *(const uint64_t *)member;
}

static bool is_given(const ParamRow *row, const MigrationParameters *p)
{
    return *(const bool *)((const char *)p + row->has_offset);
}

static bool check_value(const ParamRow *row, uint64_t value, GError **errp)
{
    if (value < row->min || value > row->max) {
        return fail(errp, "Parameter '%s' expects a value from %lu to %lu", row->name, (unsigned long)row->min,
                    (unsigned long)row->max);
    }
    if (row->is_fixed && is_busy()) {
        return fail(errp, "Parameter '%s' cannot change while a migration is under way", row->name);
    }
    return true;
}

bool qmp_migrate_set_parameters(const MigrationParameters *args, GError **errp)
{
    for (int i = 0; i < PARAM__MAX; i++) {
        if (is_given(&rows[i], args) && !check_value(&rows[i], value_of(&rows[i], args), errp)) {
            return false;
        }
    }
    for (int i = 0; i < PARAM__MAX; i++) {
        if (is_given(&rows[i], args)) {
            atomic_store(&values[i], value_of(&rows[i], args));
        }
    }
    return true;
}

MigrationParameters *qmp_query_migrate_parameters(GError **errp)
{
    MigrationParameters *p = g_new0(MigrationParameters, 1);

    for (int i = 0; i < PARAM__MAX; i++) {
        char *member = (char *)p + rows[i].offset;

        *(bool *)((char *)p + rows[i].has_offset) = true;
        if (rows[i].is_bool) {
            *(bool *)member = mig_param(i);
        } else {
            *(uint64_t *)member = mig_param(i);
        }
    }
    return p;
}
