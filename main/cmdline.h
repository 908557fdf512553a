/* main/cmdline.h - what the command line says, before anything is made of it.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "qapi/json.h"

typedef enum HelpTopic {
    HELP_NONE, HELP_OPTIONS, HELP_VERSION, HELP_DEVICE, HELP_MACHINE, HELP_CPU, HELP_NETDEV, HELP_OBJECT, HELP_LOG, HELP_TRACE,
    HELP_ACCEL, HELP_CHARDEV,
} HelpTopic;

typedef struct Config {
    HelpTopic help;
    char *help_about;                     /* "-device X,help": X */
    Json *machine, *cpu, *smp, *memory, *name, *rtc, *boot, *msg, *action, *spice; /* merged dicts; never NULL */
    GPtrArray *objects, *chardevs, *blockdevs, *drives, *netdevs, *nics, *devices, *mons, *add_fds, *accels; /* Json */
    GPtrArray *globals, *serials, *monitors, *qmps, *qmps_pretty, *traces, *log_items; /* char * */
    char *bios, *kernel, *initrd, *append, *dtb, *uuid, *pidfile, *incoming, *qtest, *qtest_log, *log_file, *display;
    bool has_spice; /* -spice was given */
    bool stopped, daemonize, only_migratable, no_reboot, no_shutdown, nographic, nodefaults;
} Config;

/* Has no effect but on *ret (cleared by config_clear).  Errors name what is accepted. */
bool cmdline_parse(int argc, char **argv, Config *ret, GError **errp);
void config_init(Config *c);
void config_clear(Config *c);

/* For -help and query-command-line-options. */
typedef struct OptionHelp {
    const char *name, *arg, *about;
    const char *const *keys; /* accepted keys; NULL: none are known */
} OptionHelp;
void cmdline_options(void (*fn)(const OptionHelp *o, void *opaque), void *opaque);
