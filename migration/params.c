/* migration/params.c - capabilities and parameters, as rows.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "migration/params.h"

#include "util/error.h"
#include "util/loop.h"

#include <stdatomic.h>
#include <string.h>

static const struct {
    const char *name;
    int needs;
    const char *why;
} caps[CAP__MAX] = {
    [CAP_EVENTS] = {"events", -1, NULL},
    [CAP_RETURN_PATH] = {"return-path", -1, NULL},
    [CAP_PAUSE] = {"pause-before-switchover", -1, NULL},
    [CAP_VALIDATE_UUID] = {"validate-uuid", -1, NULL},
    [CAP_NETPASS] = {"netpass", CAP_RETURN_PATH, "the destination has to say when the guest runs"},
};

static const struct {
    const char *name;
    uint64_t normal, min, max;
} params[PARAM__MAX] = {
    [PARAM_MAX_BANDWIDTH] = {"max-bandwidth", 0, 0, INT64_MAX},
    [PARAM_DOWNTIME_LIMIT] = {"downtime-limit", 300, 0, 2000000},
    [PARAM_ANNOUNCE_INITIAL] = {"announce-initial", 50, 0, 100000},
    [PARAM_ANNOUNCE_MAX] = {"announce-max", 550, 0, 100000},
    [PARAM_ANNOUNCE_ROUNDS] = {"announce-rounds", 5, 0, 1000},
    [PARAM_ANNOUNCE_STEP] = {"announce-step", 100, 1, 10000},
    [PARAM_NETPASS_MAX_BYTES] = {"netpass-max-bytes", 64 << 20, 4096, 1ull << 34},
    [PARAM_NETPASS_LINGER] = {"netpass-linger-ms", 1000, 0, 60000},
    [PARAM_NETPASS_GATE] = {"netpass-gate-ms", 100, 0, 60000},
    [PARAM_NETPASS_BEST_EFFORT] = {"netpass-best-effort", 0, 0, 1},
    [PARAM_SETUP_DEADLINE] = {"setup-deadline-ms", 20000, 1, 3600000},
    [PARAM_SWITCHOVER_DEADLINE] = {"switchover-deadline-ms", 30000, 1, 3600000},
    [PARAM_READY_DEADLINE] = {"ready-deadline-ms", 20000, 1, 3600000},
    [PARAM_RUN_DEADLINE] = {"run-deadline-ms", 10000, 1, 3600000},
    [PARAM_TAIL_DEADLINE] = {"tail-deadline-ms", 5000, 1, 3600000},
    [PARAM_DISPLAY_TIMEOUT] = {"display-handoff-timeout", 30000, 0, 3600000},
    [PARAM_CONNECT_WAIT] = {"x-spice-connect-wait", 10000, 0, 60000},
};

static _Atomic uint32_t cap_bits;
static _Atomic uint64_t values[PARAM__MAX]; /* plus 1; 0: not set */

bool mig_cap(MigCap cap)
{
    return atomic_load(&cap_bits) >> cap & 1;
}

uint32_t mig_caps(void)
{
    return atomic_load(&cap_bits);
}

static int cap_index(const char *name)
{
    for (int i = 0; i < CAP__MAX; i++) {
        if (name && !strcmp(caps[i].name, name)) {
            return i;
        }
    }
    return -1;
}

static int param_index(const char *name)
{
    for (int i = 0; i < PARAM__MAX; i++) {
        if (!strcmp(params[i].name, name)) {
            return i;
        }
    }
    return -1;
}

bool mig_cap_named(const char *name)
{
    int i = cap_index(name);

    return i >= 0 && mig_cap(i);
}

uint64_t mig_param(MigParam p)
{
    uint64_t v = atomic_load(&values[p]);

    return v ? v - 1 : params[p].normal;
}

uint64_t mig_param_named(const char *name)
{
    int i = param_index(name);

    return i >= 0 ? mig_param(i) : 0;
}

int64_t mig_deadline(MigParam p)
{
    return time_monotonic_ns() + (int64_t)mig_param(p) * NS_PER_MS;
}

bool mig_caps_set(const Json *list, GError **errp)
{
    uint32_t bits = mig_caps();

    for (size_t i = 0; i < json_size(list); i++) {
        const Json *row = json_at(list, i);
        int cap = cap_index(json_get_str(row, "capability"));

        if (cap < 0) {
            return fail(errp, "there is no such capability");
        }
        bits = json_get_bool(json_get(row, "state")) ? bits | 1u << cap : bits & ~(1u << cap);
    }
    for (int i = 0; i < CAP__MAX; i++) {
        if (bits >> i & 1 && caps[i].needs >= 0 && !(bits >> caps[i].needs & 1)) {
            return fail(errp, "capability '%s' needs '%s': %s", caps[i].name, caps[caps[i].needs].name, caps[i].why);
        }
    }
    atomic_store(&cap_bits, bits);
    return true;
}

bool mig_params_set(const Json *dict, GError **errp)
{
    uint64_t wanted[PARAM__MAX] = {0};

    for (size_t i = 0; i < json_size(dict); i++) {
        int p = param_index(json_key_at(dict, i));
        uint64_t v;

        if (p < 0) {
            return fail(errp, "Parameter '%s' is unexpected", json_key_at(dict, i));
        }
        if (!json_to_uint64(json_value_at(dict, i), &v) || v < params[p].min || v > params[p].max) {
            return fail(errp, "parameter '%s' takes a number from %lu to %lu", params[p].name,
                        (unsigned long)params[p].min, (unsigned long)params[p].max);
        }
        wanted[p] = v + 1;
    }
    for (int i = 0; i < PARAM__MAX; i++) {
        if (wanted[i]) {
            atomic_store(&values[i], wanted[i]);
        }
    }
    return true;
}

Json *mig_caps_list(void)
{
    Json *list = json_list();

    for (int i = 0; i < CAP__MAX; i++) {
        Json *row = json_dict();

        json_set(row, "capability", json_string(caps[i].name));
        json_set(row, "state", json_bool(mig_cap(i)));
        json_append(list, row);
    }
    return list;
}

Json *mig_params_dict(void)
{
    Json *dict = json_dict();

    for (int i = 0; i < PARAM__MAX; i++) {
        json_set(dict, params[i].name, json_uint(mig_param(i)));
    }
    return dict;
}
