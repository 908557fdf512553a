/* migration/params.h - capabilities and parameters, as rows.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Written by the main loop; read by any thread. */
#pragma once

#include "qapi/json.h"

typedef enum MigCap {
    CAP_EVENTS, CAP_RETURN_PATH, CAP_PAUSE, CAP_VALIDATE_UUID, CAP_NETPASS, CAP__MAX,
} MigCap;
typedef enum MigParam {
    PARAM_MAX_BANDWIDTH, PARAM_DOWNTIME_LIMIT, PARAM_ANNOUNCE_INITIAL, PARAM_ANNOUNCE_MAX, PARAM_ANNOUNCE_ROUNDS,
    PARAM_ANNOUNCE_STEP, PARAM_NETPASS_MAX_BYTES, PARAM_NETPASS_LINGER, PARAM_NETPASS_GATE, PARAM_NETPASS_BEST_EFFORT,
    PARAM_SETUP_DEADLINE, PARAM_SWITCHOVER_DEADLINE, PARAM_READY_DEADLINE, PARAM_RUN_DEADLINE, PARAM_TAIL_DEADLINE,
    PARAM_DISPLAY_TIMEOUT, PARAM_CONNECT_WAIT, PARAM__MAX,
} MigParam;

bool mig_cap(MigCap cap);
uint32_t mig_caps(void); /* bits */
bool mig_cap_named(const char *name);
uint64_t mig_param(MigParam p);
uint64_t mig_param_named(const char *name);
int64_t mig_deadline(MigParam p); /* now plus it */
bool mig_caps_set(const Json *list, GError **errp); /* all or none; checks needs */
bool mig_params_set(const Json *dict, GError **errp);
Json *mig_caps_list(void);
Json *mig_params_dict(void);
