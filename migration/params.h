/* migration/params.h - capabilities and parameters, as rows in params.c.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Owner: main loop; read by any thread (atomics). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "qapi/qapi-types.h"

typedef enum MigParam {
    PARAM_MAX_BANDWIDTH, PARAM_DOWNTIME_LIMIT, PARAM_ANNOUNCE_INITIAL, PARAM_ANNOUNCE_MAX, PARAM_ANNOUNCE_ROUNDS,
    PARAM_ANNOUNCE_STEP, PARAM_NETPASS_MAX_BYTES, PARAM_NETPASS_LINGER_MS, PARAM_NETPASS_GATE_MS,
    PARAM_NETPASS_BEST_EFFORT, PARAM_CONNECT_TIMEOUT_MS, PARAM_HELLO_TIMEOUT_MS, PARAM_READY_TIMEOUT_MS,
    PARAM_RUN_TIMEOUT_MS, PARAM_TAIL_TIMEOUT_MS, PARAM_SWITCHOVER_MS, PARAM__MAX,
} MigParam;

uint64_t mig_param(MigParam p);
int64_t mig_timeout_ns(MigParam p);               /* a *_TIMEOUT_MS from now, as a deadline of time_monotonic_ns() */
bool mig_capability(MigrationCapability c);
/* By QMP's name, for parts; unknown: false, 0. */
bool mig_capability_named(const char *name);
uint64_t mig_param_named(const char *name);
/* While this says true, capabilities and what is fixed during a migration cannot change; set by the engine. */
void mig_params_set_busy(bool (*is_busy)(void));
