/* main/main.c - the program.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "accel/interp.h"
#include "assemble.h"
#include "chardev/chardev.h"
#include "config-host.h"
#include "hw/machine.h"
#include "migration/migration.h"
#include "monitor/monitor.h"
#include "net/net.h"
#include "system/runstate.h"
#include "ui/spice.h"
#include "util/error.h"
#include "util/loop.h"

#include <locale.h>
#include <signal.h>
#include <stdlib.h>

static int failed(GError *err)
{
    error_report_free(NULL, err);
    return EXIT_FAILURE;
}

static int run(Config *c)
{
    GError *err = NULL;
    int code;

    if (c->help != HELP_NONE) {
        types_register(program_types);
        types_register(hw_types);
        types_register(backend_types);
        return help_show(c);
    }
    if (c->daemonize && !process_daemonize(&err)) { /* before the first thread */
        return failed(err);
    }
    program_init();
    if (!assemble(c, &err)) {
        code = failed(err);
    } else {
        code = loop_run();
    }
    monitor_flush_all();
    migration_shutdown();
    interp_end();
#if CONFIG_SPICE
    spice_stop();
#endif
    net_cleanup();
    chardev_close_all();
    return code;
}

int main(int argc, char **argv)
{
    GError *err = NULL;
    Config c;
    int code;

    setlocale(LC_CTYPE, "C.UTF-8");
    signal(SIGPIPE, SIG_IGN);
    config_init(&c);
    if (!cmdline_parse(argc, argv, &c, &err)) {
        config_clear(&c);
        return failed(err);
    }
    code = run(&c);
    config_clear(&c);
    if (runstate_get() == RUN_STATE_POSTMIGRATE) {
        process_step_back();
    }
    exit(code); /* harts and workers may still sleep somewhere; nothing of theirs is torn down under them */
}
