/* main/assemble.c - makes everything the command line asks for, in order.  Page: docs/map.md.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The order is the table `steps`: each may use what the ones above it made. */
#include "assemble.h"
#include "accel/interp.h"
#include "block/block.h"
#include "chardev/chardev.h"
#include "config-host.h"
#include "hw/machine.h"
#include "io/fdset.h"
#include "migration/migration.h"
#include "monitor/monitor.h"
#include "net/net.h"
#include "qapi/opts.h"
#include "qapi/text.h"
#include "system/clock.h"
#include "system/handoff.h"
#include "system/reset.h"
#include "system/runstate.h"
#include "target/hart.h"
#include "ui/spice.h"
#include "util/error.h"
#include "util/log.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static Chardev *serial_chardevs[MACHINE_SERIALS_MAX];

/* ---- descriptors, globals ---- */

static bool add_fds(const Config *c, GError **errp)
{
    for (unsigned i = 0; i < c->add_fds->len; i++) {
        const Json *o = c->add_fds->pdata[i];
        uint64_t fd = UINT64_MAX, set = UINT64_MAX;
        int64_t id;
        int copy;

        if (!opts_get_u64(o, "fd", &fd, errp) || !opts_get_u64(o, "set", &set, errp)) {
            return false;
        }
        if (fd < 3 || fd > INT_MAX || set > INT_MAX) {
            return fail(errp, "-add-fd: needs fd=N (not below 3) and set=N");
        }
        copy = fcntl((int)fd, F_DUPFD_CLOEXEC, 0);
        if (copy < 0) {
            return fail(errp, "-add-fd: descriptor %u is not open", (unsigned)fd);
        }
        fcntl((int)fd, F_SETFD, FD_CLOEXEC);
        id = set;
        if (!fdset_add(&id, copy, json_get_str(o, "opaque"), errp)) {
            return false;
        }
    }
    return true;
}

/* "driver.property=value" */
static bool add_short_global(const char *text, GError **errp)
{
    const char *equals = strchr(text, '='), *dot = NULL;
    g_autofree char *driver = NULL, *property = NULL;

    for (const char *p = text; equals && p < equals; p++) {
        dot = *p == '.' ? p : dot;
    }
    if (!dot) {
        return fail(errp, "expected driver.property=value");
    }
    driver = g_strndup(text, dot - text);
    property = g_strndup(dot + 1, equals - dot - 1);
    return type_set_global(driver, property, equals + 1, errp);
}

/* "driver=D,property=P,value=V": for drivers with a dot in their name. */
static bool add_long_global(const char *text, GError **errp)
{
    static const char *const keys[] = {"driver", "property", "value", NULL};
    g_autoptr(Json) o = opts_parse(text, NULL, NULL, errp);

    if (!o || !opts_check(o, keys, NULL, errp)) {
        return false;
    }
    for (unsigned i = 0; keys[i]; i++) {
        if (!json_get_str(o, keys[i])) {
            return fail(errp, "Parameter '%s' is missing", keys[i]);
        }
    }
    return type_set_global(json_get_str(o, "driver"), json_get_str(o, "property"), json_get_str(o, "value"), errp);
}

static bool add_globals(const Config *c, GError **errp)
{
    for (unsigned i = 0; i < c->globals->len; i++) {
        const char *text = c->globals->pdata[i];
        bool is_long = g_str_has_prefix(text, "driver=");

        if (!(is_long ? add_long_global(text, errp) : add_short_global(text, errp))) {
            g_prefix_error(errp, "-global %s: ", text);
            return false;
        }
    }
    return true;
}

/* ---- objects ---- */

/* Filters need their netdev; everything else comes first. */
static bool is_late_object(const Json *options)
{
    const char *name = json_get_str(options, "qom-type");

    return name && g_str_has_prefix(name, "filter-");
}

static bool object_add(const Json *options, GError **errp)
{
    const char *name = json_get_str(options, "qom-type");

    if (!name) {
        return fail(errp, "Parameter 'qom-type' is missing");
    }
    if (!json_get(options, "id")) {
        return fail(errp, "Parameter 'id' is missing");
    }
    return object_create(KIND_OBJECT, name, options, object_container("/objects"), errp) != NULL;
}

static bool add_objects(const Config *c, bool late, GError **errp)
{
    for (unsigned i = 0; i < c->objects->len; i++) {
        const Json *o = c->objects->pdata[i];

        if (is_late_object(o) == late && !object_add(o, errp)) {
            g_prefix_error(errp, "-object %s: ", json_get_str(o, "qom-type") ? json_get_str(o, "qom-type") : "");
            return false;
        }
    }
    return true;
}

static bool add_early_objects(const Config *c, GError **errp)
{
    return add_objects(c, false, errp);
}

static bool add_filters(const Config *c, GError **errp)
{
    return add_objects(c, true, errp);
}

static bool add_chardevs(const Config *c, GError **errp)
{
    for (unsigned i = 0; i < c->chardevs->len; i++) {
        if (!chardev_add(c->chardevs->pdata[i], errp)) {
            g_prefix_error(errp, "-chardev: ");
            return false;
        }
    }
    return true;
}

/* ---- disks and network ---- */

static bool add_blockdevs(const Config *c, GError **errp)
{
    for (unsigned i = 0; i < c->blockdevs->len; i++) {
        if (!block_add(c->blockdevs->pdata[i], errp)) {
            g_prefix_error(errp, "-blockdev: ");
            return false;
        }
    }
    return true;
}

static Json *drive_options(const Json *drive, unsigned number)
{
    Json *options = json_copy(drive);
    g_autofree char *id = g_strdup_printf("drive%u", number);

    if (!json_get(options, "id") && !json_get(options, "node-name")) {
        json_set(options, "id", json_string(id));
    }
    return options;
}

static const char *drive_id(const Json *options)
{
    const char *id = json_get_str(options, "id");

    return id ? id : json_get_str(options, "node-name");
}

static bool add_drives(const Config *c, GError **errp)
{
    for (unsigned i = 0; i < c->drives->len; i++) {
        g_autoptr(Json) options = drive_options(c->drives->pdata[i], i);

        if (!block_add(options, errp)) {
            g_prefix_error(errp, "-drive: ");
            return false;
        }
    }
    return true;
}

static bool add_drive_devices(const Config *c, GError **errp)
{
    const MachineOps *ops = machine_ops(json_get_str(c->machine, "type"));

    for (unsigned i = 0; i < c->drives->len; i++) {
        g_autoptr(Json) options = drive_options(c->drives->pdata[i], i), device = json_dict();
        const char *interface = json_get_str(options, "if");

        if (interface && !strcmp(interface, "none")) {
            continue;
        }
        if (!ops || !ops->default_drive) {
            return fail(errp, "-drive: the machine has no disks by itself; use if=none and -device");
        }
        if (interface && strcmp(interface, "virtio")) {
            return fail(errp, "-drive if=%s: accepted: virtio, none", interface);
        }
        json_set(device, "driver", json_string(ops->default_drive));
        json_set(device, "drive", json_string(drive_id(options)));
        if (!device_add(device, errp)) {
            g_prefix_error(errp, "-drive: ");
            return false;
        }
    }
    return true;
}

static bool add_netdevs(const Config *c, GError **errp)
{
    for (unsigned i = 0; i < c->netdevs->len; i++) {
        if (!netdev_add(c->netdevs->pdata[i], errp)) {
            g_prefix_error(errp, "-netdev: ");
            return false;
        }
    }
    return true;
}

static bool add_nics(const Config *c, GError **errp)
{
    for (unsigned i = 0; i < c->nics->len; i++) {
        Json *netdev = NULL, *device = NULL;
        bool ok = net_nic_split(c->nics->pdata[i], &netdev, &device, errp) && (!netdev || netdev_add(netdev, errp)) &&
                  (!device || device_add(device, errp));

        json_unref(netdev);
        json_unref(device);
        if (!ok) {
            g_prefix_error(errp, "-nic: ");
            return false;
        }
    }
    return true;
}

static bool add_devices(const Config *c, GError **errp)
{
    for (unsigned i = 0; i < c->devices->len; i++) {
        const Json *options = c->devices->pdata[i];

        if (!device_add(options, errp)) {
            g_prefix_error(errp, "-device %s: ", json_get_str(options, "driver") ? json_get_str(options, "driver") : "");
            return false;
        }
    }
    return true;
}

/* ---- the machine ---- */

static bool uses_stdio(const GPtrArray *texts)
{
    for (unsigned i = 0; i < texts->len; i++) {
        if (strstr(texts->pdata[i], "stdio")) {
            return true;
        }
    }
    return false;
}

static bool has_stdio_chardev(const Config *c)
{
    for (unsigned i = 0; i < c->chardevs->len; i++) {
        if (!g_strcmp0(json_get_str(c->chardevs->pdata[i], "backend"), "stdio")) {
            return true;
        }
    }
    return false;
}

/* Without a display the terminal is where the guest speaks, unless somebody said otherwise. */
static const char *default_serial(const Config *c)
{
    bool terminal = c->nographic || (!c->display && !c->has_spice && !c->chardevs->len && isatty(0));
    bool taken = uses_stdio(c->qmps) || uses_stdio(c->monitors) || uses_stdio(c->qmps_pretty) || has_stdio_chardev(c);
    bool has_monitor = c->monitors->len || c->qmps->len || c->qmps_pretty->len || c->mons->len;

    if (!terminal || taken || c->nodefaults || c->daemonize) {
        return "none";
    }
    return has_monitor ? "stdio" : "mon:stdio";
}

/* "mon:..." is the guest's console and a human monitor in one. */
static bool add_serial(unsigned i, const char *text, GError **errp)
{
    g_autofree char *label = g_strdup_printf("serial%u", i);
    g_autoptr(GError) err = NULL;

    serial_chardevs[i] = chardev_from_short(label, text, &err);
    if (err) {
        g_propagate_prefixed_error(errp, g_steal_pointer(&err), "-serial %s: ", text);
        return false;
    }
    return true;
}

static bool add_serials(const Config *c, GError **errp)
{
    if (c->serials->len > MACHINE_SERIALS_MAX) {
        return fail(errp, "-serial: at most %d", MACHINE_SERIALS_MAX);
    }
    for (unsigned i = 0; i < c->serials->len; i++) {
        if (!add_serial(i, c->serials->pdata[i], errp)) {
            return false;
        }
    }
    return c->serials->len || add_serial(0, default_serial(c), errp);
}

/* Keys of -machine that are not the board's business. */
static bool take_machine_key(const char *key, const Json *value, GError **errp)
{
    static const char *const accepted[] = {"type", "usb", "dump-guest-core", "mem-merge", "graphics", "hpet", NULL};
    const char *id = json_get_string(value);
    g_autoptr(Json) size = NULL;
    Object *backend;

    if (g_strv_contains(accepted, key)) {
        return true;
    }
    if (!strcmp(key, "memory-backend")) {
        backend = id ? object_find_id(object_container("/objects"), id) : NULL;
        if (!backend || !object_is(backend, "memory-backend")) {
            return fail(errp, "-machine memory-backend=%s: there is no such memory backend", id ? id : "");
        }
        size = object_get(backend, "size", errp);
        return size && json_to_uint64(size, &settings.ram_size);
    }
    return false;
}

static Json *machine_properties(const Config *c, GError **errp)
{
    const char *name = json_get_str(c->machine, "type");
    g_autofree char *type_name = g_strconcat(name ? name : machine_default_name(), "-machine", NULL);
    const ObjectType *type = type_find(type_name);
    g_autoptr(Json) props = json_dict();

    for (size_t i = 0; i < json_size(c->machine); i++) {
        const char *key = json_key_at(c->machine, i);
        const Json *value = json_value_at(c->machine, i);
        g_autoptr(GError) err = NULL;
        bool is_the_boards = type && type_property(type, key);

        if (!is_the_boards && take_machine_key(key, value, &err)) {
            continue;
        }
        if (err) {
            g_propagate_error(errp, g_steal_pointer(&err));
            return NULL;
        }
        json_set(props, key, json_ref(value));
    }
    return g_steal_pointer(&props);
}

static Json *cpu_properties(const Config *c, GError **errp)
{
    static const char *const models[] = {"rv64", "max", "rv64-riscv-cpu", NULL};
    const char *model = json_get_str(c->cpu, "model");
    Json *props;

    if (model && !g_strv_contains(models, model)) {
        fail(errp, "-cpu %s: there is no such model; accepted: rv64, max", model);
        return NULL;
    }
    props = json_copy(c->cpu);
    json_remove(props, "model");
    return props;
}

static bool create_machine(const Config *c, GError **errp)
{
    g_autoptr(Json) props = machine_properties(c, errp), cpu = props ? cpu_properties(c, errp) : NULL;
    MachineConfig m;

    if (!cpu) {
        return false;
    }
    m = (MachineConfig){
        .ram_size = settings.ram_size, .smp = settings.smp, .no_harts = !settings.accel.has_harts,
        .bios = c->bios, .kernel = c->kernel,
        .initrd = c->initrd, .append = c->append, .dtb = c->dtb, .cpu_props = cpu, .machine_props = props,
    };
    memcpy(m.serials, serial_chardevs, sizeof(m.serials));
    harts_use_accel(settings.accel.has_harts ? &interp_accel : NULL);
    return machine_create(json_get_str(c->machine, "type"), &m, errp);
}

/* ---- displays ---- */

static bool start_spice(const Config *c, GError **errp)
{
#if CONFIG_SPICE
    bool has_viewer = !g_strcmp0(c->display, "spice-app");
    const char *id = json_get_str(c->spice, "password-secret");
    g_autofree char *password = id ? secret_text(id, errp) : NULL;
    SpiceSetup setup = {.options = c->spice, .password = password};

    if (!c->has_spice && !has_viewer) {
        return true;
    }
    info_get(&setup.guest_name, &setup.guest_uuid);
    if ((id && !password) || !(has_viewer ? spice_start_viewer(&setup, errp) : spice_start(&setup, errp))) {
        g_prefix_error(errp, has_viewer ? "-display spice-app: " : "-spice: ");
        return false;
    }
#endif
    return true;
}

/* ---- monitors ---- */

static Chardev *monitor_chardev(const char *option, const char *text, GError **errp)
{
    static unsigned count;
    g_autofree char *label = g_strdup_printf("compat_monitor%u", count++);
    GError *err = NULL;
    Chardev *c = chardev_from_short(label, text, &err);

    if (err) {
        g_propagate_prefixed_error(errp, err, "-%s %s: ", option, text);
    }
    return c;
}

typedef bool AddMonitorFn(Chardev *c, GError **errp);

static bool add_qmp(Chardev *c, GError **errp)
{
    return monitor_add_qmp(c, false, errp);
}

static bool add_qmp_pretty(Chardev *c, GError **errp)
{
    return monitor_add_qmp(c, true, errp);
}

static bool add_short_monitors(const char *option, const GPtrArray *texts, AddMonitorFn *add, GError **errp)
{
    for (unsigned i = 0; i < texts->len; i++) {
        g_autoptr(GError) err = NULL;
        Chardev *c = monitor_chardev(option, texts->pdata[i], &err);

        if (err) {
            g_propagate_error(errp, g_steal_pointer(&err));
            return false;
        }
        if (c && !add(c, errp)) {
            return false;
        }
    }
    return true;
}

static bool add_mon(const Json *options, GError **errp)
{
    const char *id = json_get_str(options, "chardev"), *mode = json_get_str(options, "mode");
    Chardev *c = id ? chardev_find(id) : NULL;
    bool pretty = false;

    if (!c) {
        return fail(errp, "-mon: chardev '%s' not found", id ? id : "");
    }
    if (!opts_get_bool(options, "pretty", &pretty, errp)) {
        return false;
    }
    if (!mode || !strcmp(mode, "readline")) {
        return monitor_add_hmp(chardev_front(c), errp);
    }
    if (strcmp(mode, "control")) {
        return fail(errp, "-mon mode=%s: accepted: readline, control", mode);
    }
    return monitor_add_qmp(chardev_front(c), pretty, errp);
}

/* "-serial mon:X" shares its chardev with a human monitor. */
static bool add_shared_monitors(const Config *c, GError **errp)
{
    const char *only = default_serial(c);

    for (unsigned i = 0; i < MAX(c->serials->len, 1); i++) {
        const char *text = c->serials->len ? c->serials->pdata[i] : only;
        g_autofree char *label = g_strdup_printf("serial%u", i);

        if (g_str_has_prefix(text, "mon:") && !monitor_add_hmp(chardev_front(chardev_find(label)), errp)) {
            return false;
        }
    }
    return true;
}

static bool add_monitors(const Config *c, GError **errp)
{
    for (unsigned i = 0; i < c->mons->len; i++) {
        if (!add_mon(c->mons->pdata[i], errp)) {
            return false;
        }
    }
    return add_short_monitors("monitor", c->monitors, monitor_add_hmp, errp) &&
           add_short_monitors("qmp", c->qmps, add_qmp, errp) &&
           add_short_monitors("qmp-pretty", c->qmps_pretty, add_qmp_pretty, errp) && add_shared_monitors(c, errp);
}

static bool start_qtest(const Config *c, GError **errp)
{
    Chardev *chardev;

    if (!c->qtest) {
        return true;
    }
    chardev = monitor_chardev("qtest", c->qtest, errp);
    return chardev && qtest_server_start(chardev, c->qtest_log, settings.accel.has_steps, errp);
}

/* ---- go ---- */

static bool write_pidfile(const Config *c, GError **errp)
{
    return !c->pidfile || process_write_pidfile(c->pidfile, errp);
}

static bool reset_machine(const Config *c, GError **errp)
{
    reset_all();
    return true;
}

static bool start_guest(const Config *c, GError **errp)
{
    if (c->incoming) {
        return migration_incoming_start(c->incoming, c->stopped, errp);
    }
    if (!c->stopped) {
        vm_start();
    }
    return true;
}

/* Until here a signal ends the process at once: a chardev with wait=on may have kept it from the loop. */
static bool handle_signals(const Config *c, GError **errp)
{
    process_handle_signals();
    return true;
}

static bool detach(const Config *c, GError **errp)
{
    return process_ready(errp);
}

static bool (*const steps[])(const Config *c, GError **errp) = {
    /* settings */
    set_messages, set_logs, set_policy, expect_guest, check_rtc, choose_accel, set_smp, set_memory, set_identity,
    add_globals, add_fds,
    /* what devices will name */
    add_early_objects, add_chardevs, add_serials, add_blockdevs, add_drives, add_netdevs, add_filters,
    /* the machine */
    create_machine, add_nics, add_drive_devices, add_devices,
    /* who looks at it and controls it */
    start_spice, add_monitors, start_qtest, write_pidfile,
    /* go */
    reset_machine, handle_signals, start_guest, detach,
};

bool assemble(const Config *c, GError **errp)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(steps); i++) {
        if (!steps[i](c, errp)) {
            return false;
        }
    }
    return true;
}
