/* main/settings.c - what the command line settles without making anything: names, sizes, policy, logs.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "assemble.h"
#include "hw/machine.h"
#include "migration/migration.h"
#include "qapi/opts.h"
#include "qapi/text.h"
#include "system/clock.h"
#include "system/handoff.h"
#include "system/runstate.h"
#include "util/error.h"
#include "util/log.h"

#include <string.h>

Settings settings;

/* ---- settings without objects ---- */

bool set_messages(const Config *c, GError **errp)
{
    bool timestamp = false;

    if (!opts_get_bool(c->msg, "timestamp", &timestamp, errp)) {
        return false;
    }
    report_set_timestamps(timestamp);
    return true;
}

static bool set_trace(const char *text, GError **errp)
{
    static const char *const keys[] = {"enable", "file", "events", NULL};
    g_autoptr(Json) opts = opts_parse(text, "enable", NULL, errp);
    const char *pattern = opts ? json_get_str(opts, "enable") : NULL, *file;
    bool on;

    if (!opts || !opts_check(opts, keys, "-trace", errp)) {
        return false;
    }
    if (json_get(opts, "events")) {
        return fail(errp, "-trace events=: not supported; give patterns by enable=");
    }
    file = json_get_str(opts, "file");
    if (file && !log_open(file, errp)) {
        return false;
    }
    on = pattern && *pattern != '-';
    if (pattern && !trace_enable(pattern + !on, on)) {
        warn_report("trace event '%s' does not exist", pattern);
    }
    return true;
}

bool set_logs(const Config *c, GError **errp)
{
    unsigned flags;
    bool help;

    if (c->log_file && !log_open(c->log_file, errp)) {
        return false;
    }
    for (unsigned i = 0; i < c->log_items->len; i++) {
        if (!log_parse(c->log_items->pdata[i], &flags, &help, errp)) {
            return false;
        }
        if (help) {
            return fail(errp, "-d %s: 'help' stands alone", (const char *)c->log_items->pdata[i]);
        }
        log_flags |= flags;
    }
    for (unsigned i = 0; i < c->traces->len; i++) {
        if (!set_trace(c->traces->pdata[i], errp)) {
            return false;
        }
    }
    return true;
}

bool set_identity(const Config *c, GError **errp)
{
    const char *name = json_get_str(c->name, "guest"), *process = json_get_str(c->name, "process");
    const char *machine = json_get_str(c->machine, "type");

    if (c->uuid && !uuid_parse(c->uuid, settings.uuid)) {
        return fail(errp, "-uuid %s: failed to parse UUID string: wrong format", c->uuid);
    }
    if (process) {
        process_set_name(process);
    }
    info_set(name, c->uuid ? settings.uuid : NULL);
    migration_set_identity(machine ? machine : machine_default_name(), name, c->uuid ? settings.uuid : NULL);
    return true;
}

bool set_policy(const Config *c, GError **errp)
{
    static const struct {
        const char *key, *normal, *changed;
    } actions[] = {{"reboot", "reset", "shutdown"}, {"shutdown", "poweroff", "pause"}};
    bool changed[2] = {c->no_reboot, c->no_shutdown};

    for (unsigned i = 0; i < 2; i++) {
        const char *value = json_get_str(c->action, actions[i].key);

        if (value && strcmp(value, actions[i].normal) && strcmp(value, actions[i].changed)) {
            return fail(errp, "-action %s=%s: accepted: %s, %s", actions[i].key, value, actions[i].normal,
                        actions[i].changed);
        }
        changed[i] = value ? !strcmp(value, actions[i].changed) : changed[i];
    }
    vm_set_policy(changed[0], changed[1]);
    handoff_set_only_migratable(c->only_migratable);
    return true;
}

/* Before disks are opened and the board is reset: what belongs to the guest is not ours until it comes. */
bool expect_guest(const Config *c, GError **errp)
{
    if (c->incoming) {
        runstate_set(RUN_STATE_INMIGRATE);
    }
    return true;
}

bool check_rtc(const Config *c, GError **errp)
{
    const char *base = json_get_str(c->rtc, "base"), *clock = json_get_str(c->rtc, "clock");

    if (base && strcmp(base, "utc")) {
        return fail(errp, "-rtc base=%s: the clock follows the host's UTC; accepted: utc", base);
    }
    return !clock || !strcmp(clock, "host") || fail(errp, "-rtc clock=%s: accepted: host", clock);
}

bool choose_accel(const Config *c, GError **errp)
{
    if (!accel_choose(c->accels, &settings.accel, errp)) {
        return false;
    }
    if (settings.accel.has_steps) {
        clock_use_steps();
    }
    return true;
}

/* ---- sizes ---- */

static bool read_count(const Json *smp_opts, const char *key, uint64_t *ret, GError **errp)
{
    uint64_t value = 0;

    if (!json_get(smp_opts, key)) {
        return true;
    }
    if (!opts_get_u64(smp_opts, key, &value, errp) || !value || value > 1024) {
        g_clear_error(errp);
        return fail(errp, "-smp %s=%s: accepted: 1 to 1024", key, json_get_str(smp_opts, key));
    }
    *ret = value;
    return true;
}

bool set_smp(const Config *c, GError **errp)
{
    static const char *const levels[] = {"sockets", "dies", "clusters", "cores", "threads"};
    uint64_t cpus = 0, max = 0, product = 1, level, harts;
    unsigned given = 0; /* of the three that are worked out when they are missing */

    if (!read_count(c->smp, "cpus", &cpus, errp) || !read_count(c->smp, "maxcpus", &max, errp)) {
        return false;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(levels); i++) {
        level = 1;
        if (!read_count(c->smp, levels[i], &level, errp)) {
            return false;
        }
        given += json_get(c->smp, levels[i]) && i != 1 && i != 2; /* dies and clusters are one each */
        product *= level;
    }
    harts = cpus ? cpus : max ? max : product;
    if ((max ? max : harts) % product || (given == 3 && product != (max ? max : harts)) || harts > 1024) {
        return fail(errp, "-smp: the product of sockets, dies, clusters, cores and threads (%" G_GUINT64_FORMAT
                    ") does not fit %" G_GUINT64_FORMAT " harts; at most 1024", product, max ? max : harts);
    }
    settings.smp = harts;
    if (max && max < settings.smp) {
        return fail(errp, "-smp: maxcpus (%u) must be equal to or greater than cpus (%u)", (unsigned)max, settings.smp);
    }
    if (max > settings.smp) {
        return fail(errp, "-smp: harts cannot be added later; maxcpus must equal cpus (%u)", settings.smp);
    }
    return true;
}

bool set_memory(const Config *c, GError **errp)
{
    uint64_t size = 0, slots = 0;

    if (!opts_get_size(c->memory, "size", 1024 * 1024, &size, errp) || !opts_get_u64(c->memory, "slots", &slots, errp)) {
        g_prefix_error(errp, "-m: ");
        return false;
    }
    if (json_get(c->memory, "size") && !size) {
        return fail(errp, "-m: no memory at all");
    }
    if (slots) {
        return fail(errp, "-m: memory cannot be added later; slots must be 0");
    }
    settings.ram_size = (size + 4095) & ~4095ull;
    return true;
}
