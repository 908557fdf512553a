/* main/options.c - the options of the command line, one row each.  Page: docs/user/command-line.md.
 * Test: tests/unit/main/cmdline-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmdline.h"
#include "config-host.h"
#include "qapi/opts.h"
#include "ui/spice.h"
#include "util/error.h"

#include <stddef.h>
#include <string.h>

#define ARGUMENTS_MAX 4096

typedef struct Option Option;
struct Option {
    const char *name, *arg, *about; /* arg NULL: takes none */
    bool (*take)(Config *c, const Option *o, const char *arg, GError **errp);
    size_t offset;                  /* of the member in Config that `take` fills */
    const char *implied;            /* key of the first value */
    HelpTopic help;                 /* "-x help" */
    const char *const *keys;        /* accepted; NULL: somebody else checks */
};

static void *member(Config *c, const Option *o)
{
    return (char *)c + o->offset;
}

/* ---- what rows do with their argument ---- */

static bool set_flag(Config *c, const Option *o, const char *arg, GError **errp)
{
    *(bool *)member(c, o) = true;
    return true;
}

static bool set_text(Config *c, const Option *o, const char *arg, GError **errp)
{
    char **field = member(c, o);

    g_free(*field);
    *field = g_strdup(arg);
    return true;
}

static bool add_text(Config *c, const Option *o, const char *arg, GError **errp)
{
    g_ptr_array_add(*(GPtrArray **)member(c, o), g_strdup(arg));
    return true;
}

static bool ignore(Config *c, const Option *o, const char *arg, GError **errp)
{
    return true;
}

static bool refuse(Config *c, const Option *o, const char *arg, GError **errp)
{
    return fail(errp, "%s", o->about);
}

static bool wants_help(Config *c, const Option *o, const Json *opts)
{
    if (!o->help || !opts_wants_help(opts)) {
        return false;
    }
    c->help = o->help;
    g_free(c->help_about);
    c->help_about = g_strdup(o->implied ? json_get_str(opts, o->implied) : NULL);
    return true;
}

static bool check_keys(const Option *o, const Json *opts, GError **errp)
{
    return !o->keys || opts_check(opts, o->keys, NULL, errp);
}

/* One more dict for the list. */
static bool add_dict(Config *c, const Option *o, Json *opts, GError **errp)
{
    if (opts && !wants_help(c, o, opts) && check_keys(o, opts, errp)) {
        g_ptr_array_add(*(GPtrArray **)member(c, o), opts);
        return true;
    }
    json_unref(opts);
    return c->help != HELP_NONE;
}

static bool add_opts(Config *c, const Option *o, const char *arg, GError **errp)
{
    static const char *const lists[] = {"hostfwd", "guestfwd", "dnssearch", NULL};

    return add_dict(c, o, opts_parse(arg, o->implied, lists, errp), errp);
}

static bool add_keyval(Config *c, const Option *o, const char *arg, GError **errp)
{
    return add_dict(c, o, keyval_parse(arg, o->implied, errp), errp);
}

/* -netdev and -nic: dotted keys for the types that have addresses, repeated keys for `user`. */
static bool add_netdev(Config *c, const Option *o, const char *arg, GError **errp)
{
    bool dotted = g_str_has_prefix(arg, "stream") || g_str_has_prefix(arg, "dgram") || strstr(arg, "addr.type=");

    return dotted ? add_keyval(c, o, arg, errp) : add_opts(c, o, arg, errp);
}

/* Repetitions are merged, the last one wins key by key. */
static bool merge(Config *c, const Option *o, const char *arg, GError **errp)
{
    g_autoptr(Json) opts = keyval_parse(arg, o->implied, errp);
    Json *into = *(Json **)member(c, o);

    if (!opts || wants_help(c, o, opts)) {
        return opts != NULL;
    }
    if (!check_keys(o, opts, errp)) {
        return false;
    }
    for (size_t i = 0; i < json_size(opts); i++) {
        json_set(into, json_key_at(opts, i), json_copy(json_value_at(opts, i)));
    }
    return true;
}

/* -cpu rv64,zbb=off,+zba,-zbs: the last two are QEMU's old way. */
static bool set_cpu(Config *c, const Option *o, const char *arg, GError **errp)
{
    g_auto(GStrv) parts = g_strsplit(arg, ",", -1);
    g_autoptr(GString) text = g_string_new(NULL);

    if (*arg == '{') {
        return merge(c, o, arg, errp);
    }
    for (char **p = parts; *p; p++) {
        bool sign = p != parts && (**p == '+' || **p == '-');

        g_string_append_printf(text, "%s%s%s", p == parts ? "" : ",", *p + sign,
                               !sign ? "" : **p == '+' ? "=on" : "=off");
    }
    return merge(c, o, text->str, errp);
}

/* -machine virt,accel=kvm:tcg: the list of accelerators is an option of its own. */
static bool set_machine(Config *c, const Option *o, const char *arg, GError **errp)
{
    const char *accel;

    if (!merge(c, o, arg, errp)) {
        return false;
    }
    accel = json_get_str(c->machine, "accel");
    if (accel) {
        g_auto(GStrv) names = g_strsplit(accel, ":", -1);

        for (char **name = names; *name; name++) {
            Json *dict = json_dict();

            json_set(dict, "accel", json_string(*name));
            g_ptr_array_add(c->accels, dict);
        }
        json_remove(c->machine, "accel");
    }
    return true;
}

static bool add_accel(Config *c, const Option *o, const char *arg, GError **errp)
{
    return add_opts(c, o, arg, errp);
}

/* -initrd and friends are machine keys too, but stay text. */
static bool set_net(Config *c, const Option *o, const char *arg, GError **errp)
{
    if (strcmp(arg, "none")) {
        return fail(errp, "only 'none' is accepted; use -nic, or -netdev with -device");
    }
    return add_netdev(c, o, arg, errp);
}

static bool only_none(Config *c, const Option *o, const char *arg, GError **errp)
{
    return !strcmp(arg, "none") || fail(errp, "'%s' is not supported; accepted: none", arg);
}

#if CONFIG_SPICE
#define DISPLAYS "none, spice-app"
#define SPICE_KEYS spice_option_keys

static bool set_display(Config *c, const Option *o, const char *arg, GError **errp)
{
    return !strcmp(arg, "spice-app") ? set_text(c, o, arg, errp)
           : strcmp(arg, "none")     ? fail(errp, "'%s' is not supported; accepted: %s", arg, DISPLAYS)
                                     : set_text(c, o, arg, errp);
}

/* -spice: repetitions are merged, the last one wins key by key; channels are lists. */
static bool merge_spice(Config *c, const Option *o, const char *arg, GError **errp)
{
    static const char *const lists[] = {"tls-channel", "plaintext-channel", NULL};
    g_autoptr(Json) opts = opts_parse(arg, NULL, lists, errp);

    if (!opts || !opts_check(opts, spice_option_keys, NULL, errp)) {
        return false;
    }
    for (size_t i = 0; i < json_size(opts); i++) {
        json_set(c->spice, json_key_at(opts, i), json_copy(json_value_at(opts, i)));
    }
    c->has_spice = true;
    return true;
}
#else
#define DISPLAYS "none"
#define SPICE_KEYS NULL

static bool set_display(Config *c, const Option *o, const char *arg, GError **errp)
{
    return only_none(c, o, arg, errp) && set_text(c, o, arg, errp);
}

static bool merge_spice(Config *c, const Option *o, const char *arg, GError **errp)
{
    return fail(errp, "this program was built without the SPICE server");
}
#endif

static bool set_sandbox(Config *c, const Option *o, const char *arg, GError **errp)
{
    return g_str_has_prefix(arg, "off") || fail(errp, "system call filtering is not available; accepted: off");
}

static bool set_help(Config *c, const Option *o, const char *arg, GError **errp)
{
    c->help = o->help;
    return true;
}

static bool add_log(Config *c, const Option *o, const char *arg, GError **errp)
{
    if (!strcmp(arg, "help") || !strcmp(arg, "?")) {
        return set_help(c, o, arg, errp);
    }
    return add_text(c, o, arg, errp);
}

/* -readconfig: [group "id"] and key = "value" lines, each group as its option would say it. */
static bool read_config(Config *c, const Option *o, const char *arg, GError **errp);

/* ---- the rows ---- */

#define AT(m) offsetof(Config, m)
#define KEYS(...) (const char *const[]){__VA_ARGS__, NULL}

static const Option options[] = {
    {"h", NULL, "this help", set_help, .help = HELP_OPTIONS},
    {"help", NULL, "this help", set_help, .help = HELP_OPTIONS},
    {"version", NULL, "name and version", set_help, .help = HELP_VERSION},

    {"machine", "[type=]name[,prop=value...]", "machine type (-machine help) and its properties", set_machine, AT(machine),
     "type", HELP_MACHINE},
    {"M", "[type=]name[,prop=value...]", "as -machine", set_machine, AT(machine), "type", HELP_MACHINE},
    {"cpu", "model[,prop=on|off...]", "CPU model (-cpu help) and its extensions", set_cpu, AT(cpu), "model", HELP_CPU},
    {"accel", "name", "how harts run: tcg, qtest; repeated: the first that works", add_accel, AT(accels), "accel",
     HELP_ACCEL, KEYS("accel", "thread", "tb-size", "one-insn-per-tb")},
    {"smp", "[cpus=]n[,maxcpus=][,sockets=][,cores=][,threads=]", "number of harts", merge, AT(smp), "cpus",
     .keys = KEYS("cpus", "maxcpus", "sockets", "dies", "clusters", "cores", "threads")},
    {"m", "[size=]megs[,slots=n,maxmem=size]", "memory; without a suffix in MiB", merge, AT(memory), "size",
     .keys = KEYS("size", "slots", "maxmem")},
    {"global", "driver.prop=value|driver=,property=,value=", "another default for a property", add_text, AT(globals)},
    {"rtc", "[base=utc|localtime|date][,clock=host]", "what the clock starts with", merge, AT(rtc), "base",
     .keys = KEYS("base", "clock", "driftfix")},
    {"boot", "[order=][,strict=on|off]...", "accepted; there is no boot menu here", merge, AT(boot), "order",
     .keys = KEYS("order", "once", "menu", "splash", "splash-time", "reboot-timeout", "strict")},
    {"name", "[guest=]name[,process=][,debug-threads=on|off]", "the guest's name", merge, AT(name), "guest",
     .keys = KEYS("guest", "process", "debug-threads")},
    {"uuid", "UUID", "the guest's UUID", set_text, AT(uuid)},

    {"bios", "file|none|default", "firmware", set_text, AT(bios)},
    {"kernel", "file", "kernel image", set_text, AT(kernel)},
    {"initrd", "file", "initial RAM disk", set_text, AT(initrd)},
    {"append", "text", "the kernel's command line", set_text, AT(append)},
    {"dtb", "file", "device tree instead of the machine's own", set_text, AT(dtb)},
    {"L", "path", "accepted", ignore},

    {"device", "driver[,prop=value...]", "adds a device (-device help, -device driver,help)", add_opts, AT(devices),
     "driver", HELP_DEVICE},
    {"object", "type,id=name[,prop=value...]", "makes an object (-object help)", add_opts, AT(objects), "qom-type",
     HELP_OBJECT},
    {"netdev", "type,id=name[,...]", "network backend (-netdev help)", add_netdev, AT(netdevs), "type", HELP_NETDEV},
    {"nic", "type[,model=][,mac=][,...]|none", "network backend and NIC in one", add_netdev, AT(nics), "type", HELP_NETDEV},
    {"net", "none", "no default NIC", set_net, AT(nics), "type"},
    {"blockdev", "driver=...,node-name=...", "disk node", add_keyval, AT(blockdevs), "driver"},
    {"drive", "file=...[,if=virtio|none][,format=raw][,id=]...", "disk and its device", add_opts, AT(drives), "file"},
    {"chardev", "backend,id=name[,...]", "character device (-chardev help)", add_opts, AT(chardevs), "backend",
     HELP_CHARDEV},
    {"mon", "[chardev=]id[,mode=readline|control][,pretty=on]", "monitor on a chardev", add_opts, AT(mons), "chardev",
     .keys = KEYS("chardev", "id", "mode", "pretty")},
    {"monitor", "chardev", "human monitor", add_text, AT(monitors)},
    {"qmp", "chardev", "QMP monitor", add_text, AT(qmps)},
    {"qmp-pretty", "chardev", "QMP monitor that indents", add_text, AT(qmps_pretty)},
    {"serial", "chardev", "serial port: stdio, mon:stdio, unix:PATH, tcp:H:P, file:PATH, pty, null, none, chardev:ID",
     add_text, AT(serials)},
    {"parallel", "none", "there is no parallel port", only_none},
    {"vga", "none", "no graphics card but what -device adds", only_none},
    {"display", DISPLAYS, "spice-app: a SPICE server of its own and the desktop's viewer", set_display, AT(display)},
    {"spice", "[port=][,tls-port=][,addr=][,unix=on][,disable-ticketing=on][,...]", "SPICE server (docs/spice.md)", merge_spice,
     AT(spice), .keys = SPICE_KEYS},
    {"audio", "none", "there is no sound", only_none},
    {"audiodev", "...", "accepted; there is no sound", ignore},
    {"nographic", NULL, "serial port and monitor on the terminal", set_flag, AT(nographic)},
    {"nodefaults", NULL, "no devices that were not asked for", set_flag, AT(nodefaults)},
    {"no-user-config", NULL, "accepted; there is none", ignore},

    {"S", NULL, "do not start the guest; `cont` does", set_flag, AT(stopped)},
    {"incoming", "uri|defer|channel", "wait for a guest", set_text, AT(incoming)},
    {"only-migratable", NULL, "refuse what cannot be migrated", set_flag, AT(only_migratable)},
    {"no-reboot", NULL, "a reset by the guest ends the program", set_flag, AT(no_reboot)},
    {"no-shutdown", NULL, "a shutdown by the guest only stops it", set_flag, AT(no_shutdown)},
    {"action", "reboot=reset|shutdown,shutdown=poweroff|pause", "what reset and shutdown do", merge, AT(action),
     .keys = KEYS("reboot", "shutdown", "panic", "watchdog")},
    {"pidfile", "file", "where the process id goes", set_text, AT(pidfile)},
    {"daemonize", NULL, "go into the background once everything is ready", set_flag, AT(daemonize)},
    {"add-fd", "fd=n,set=n[,opaque=text]", "an inherited descriptor for /dev/fdset/N", add_opts, AT(add_fds), "fd",
     .keys = KEYS("fd", "set", "opaque")},
    {"msg", "[timestamp=on|off][,guest-name=on|off]", "how messages look", merge, AT(msg), "timestamp",
     .keys = KEYS("timestamp", "guest-name")},
    {"overcommit", "...", "accepted", ignore},
    {"sandbox", "off", "there is no system call filter", set_sandbox},
    {"run-with", "...", "not supported", refuse},
    {"readconfig", "file", "options from a file", read_config},

    {"d", "item,...", "guest log (-d help)", add_log, AT(log_items), .help = HELP_LOG},
    {"D", "file", "where the guest log goes", set_text, AT(log_file)},
    {"trace", "[enable=]pattern[,file=]", "trace points (-trace help)", add_log, AT(traces), .help = HELP_TRACE},
    {"qtest", "chardev", "test server", set_text, AT(qtest)},
    {"qtest-log", "file|none", "log of the test server", set_text, AT(qtest_log)},
};

/* ---- reading ---- */

static const Option *find_option(const char *name, GError **errp)
{
    GString *list;

    for (unsigned i = 0; i < G_N_ELEMENTS(options); i++) {
        if (!strcmp(options[i].name, name)) {
            return &options[i];
        }
    }
    list = g_string_new(NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(options); i++) {
        g_string_append_printf(list, " -%s", options[i].name);
    }
    fail(errp, "-%s: invalid option; accepted:%s", name, list->str);
    g_string_free(list, true);
    return NULL;
}

static bool take(Config *c, const Option *o, const char *arg, GError **errp)
{
    if (!g_utf8_validate(arg ? arg : "", -1, NULL)) {
        return fail(errp, "-%s: the argument is no valid UTF-8", o->name);
    }
    if (!o->take(c, o, arg, errp)) {
        g_prefix_error(errp, "-%s %s: ", o->name, arg ? arg : "");
        return false;
    }
    return true;
}

static const struct {
    const char *group, *id_key; /* [group "id"]: where the id goes */
} groups[] = {
    {"machine", NULL}, {"memory", NULL}, {"object", "id"}, {"device", "id"}, {"netdev", "id"}, {"chardev", "id"},
    {"mon", "id"},     {"drive", "id"},  {"name", NULL},   {"smp-opts", NULL}, {"rtc", NULL},  {"msg", NULL},
    {"spice", NULL},   {"accel", NULL},
};

static bool take_group(Config *c, const char *group, GString *text, GError **errp)
{
    const char *name = !strcmp(group, "memory") ? "m" : !strcmp(group, "smp-opts") ? "smp" : group;
    const Option *o = find_option(name, errp);

    return o && take(c, o, text->str, errp);
}

static bool group_is_known(const char *group)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(groups); i++) {
        if (!strcmp(groups[i].group, group)) {
            return true;
        }
    }
    return false;
}

static void append_option(GString *text, const char *key, const char *value)
{
    g_auto(GStrv) parts = g_strsplit(value, ",", -1);
    g_autofree char *doubled = g_strjoinv(",,", parts);

    g_string_append_printf(text, "%s%s=%s", text->len ? "," : "", key, doubled);
}

static bool read_line(Config *c, char *line, GString *text, char **group, GError **errp)
{
    char *key = g_strstrip(line), *value, *id;

    if (!*key || *key == '#') {
        return true;
    }
    if (*key == '[') {
        if (*group && !take_group(c, *group, text, errp)) {
            return false;
        }
        g_string_truncate(text, 0);
        key[strcspn(key, "]")] = 0;
        id = strchr(key, '"');
        value = g_strndup(key + 1, strcspn(key + 1, " \t"));
        g_free(*group);
        *group = value;
        if (!group_is_known(value)) {
            return fail(errp, "there is no group '%s'", value);
        }
        if (id) {
            id[1 + strcspn(id + 1, "\"")] = 0;
            append_option(text, "id", id + 1);
        }
        return true;
    }
    value = strchr(key, '=');
    if (!value || !*group) {
        return fail(errp, "expected [group] or key = \"value\", not '%s'", key);
    }
    *value++ = 0;
    value = g_strstrip(value);
    if (*value == '"') {
        value++;
        value[strcspn(value, "\"")] = 0;
    }
    append_option(text, g_strstrip(key), value);
    return true;
}

static bool read_config(Config *c, const Option *o, const char *arg, GError **errp)
{
    g_autofree char *content = NULL, *group = NULL;
    g_autoptr(GString) text = g_string_new(NULL);
    g_auto(GStrv) lines = NULL;
    gsize size;

    if (!g_file_get_contents(arg, &content, &size, errp)) {
        return false;
    }
    if (size > 1024 * 1024) {
        return fail(errp, "larger than 1 MiB");
    }
    lines = g_strsplit(content, "\n", -1);
    for (char **line = lines; *line; line++) {
        if (!read_line(c, *line, text, &group, errp)) {
            return false;
        }
    }
    return !group || take_group(c, group, text, errp);
}

bool cmdline_parse(int argc, char **argv, Config *c, GError **errp)
{
    if (argc > ARGUMENTS_MAX) {
        return fail(errp, "more than %d arguments", ARGUMENTS_MAX);
    }
    for (int i = 1; i < argc && c->help == HELP_NONE; i++) {
        const char *name = argv[i];
        const Option *o;

        if (*name != '-' || !name[1]) {
            return fail(errp, "'%s' is no option; a disk is given by -drive file=...", name);
        }
        name += name[1] == '-' && name[2] ? 2 : 1;
        o = find_option(name, errp);
        if (!o) {
            return false;
        }
        if (o->arg && i + 1 == argc) {
            return fail(errp, "-%s: requires an argument: %s", o->name, o->arg);
        }
        if (!take(c, o, o->arg ? argv[++i] : NULL, errp)) {
            return false;
        }
    }
    return true;
}

void cmdline_options(void (*fn)(const OptionHelp *o, void *opaque), void *opaque)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(options); i++) {
        OptionHelp help = {options[i].name, options[i].arg, options[i].about, options[i].keys};

        fn(&help, opaque);
    }
}

/* ---- life ---- */

static const size_t dict_members[] = {AT(machine), AT(cpu), AT(smp), AT(memory), AT(name), AT(rtc), AT(boot), AT(msg),
                                      AT(action), AT(spice)};
static const size_t json_lists[] = {AT(objects), AT(chardevs), AT(blockdevs), AT(drives), AT(netdevs), AT(nics),
                                    AT(devices), AT(mons), AT(add_fds), AT(accels)};
static const size_t text_lists[] = {AT(serials), AT(monitors), AT(qmps), AT(qmps_pretty), AT(traces), AT(log_items),
                                    AT(globals)};
static const size_t texts[] = {AT(bios), AT(kernel), AT(initrd), AT(append), AT(dtb), AT(uuid), AT(pidfile), AT(incoming),
                               AT(qtest), AT(qtest_log), AT(log_file), AT(display), AT(help_about)};

static void json_free_fn(void *p)
{
    json_unref(p);
}

#define FIELD(c, type, offset) (*(type *)((char *)(c) + (offset)))

void config_init(Config *c)
{
    *c = (Config){0};
    for (unsigned i = 0; i < G_N_ELEMENTS(dict_members); i++) {
        FIELD(c, Json *, dict_members[i]) = json_dict();
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(json_lists); i++) {
        FIELD(c, GPtrArray *, json_lists[i]) = g_ptr_array_new_with_free_func(json_free_fn);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(text_lists); i++) {
        FIELD(c, GPtrArray *, text_lists[i]) = g_ptr_array_new_with_free_func(g_free);
    }
}

void config_clear(Config *c)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(dict_members); i++) {
        json_unref(FIELD(c, Json *, dict_members[i]));
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(json_lists); i++) {
        g_ptr_array_unref(FIELD(c, GPtrArray *, json_lists[i]));
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(text_lists); i++) {
        g_ptr_array_unref(FIELD(c, GPtrArray *, text_lists[i]));
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_free(FIELD(c, char *, texts[i]));
    }
    *c = (Config){0};
}
