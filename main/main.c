/* main/main.c - the program.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "assemble.h"
#include "block/block.h"
#include "chardev/chardev.h"
#include "hw/machine.h"
#include "migration/migration.h"
#include "monitor/monitor.h"
#include "net/net.h"
#include "qapi/qapi-commands.h"
#include "system/devices.h"
#include "system/harts.h"
#include "system/runstate.h"
#include "system/vm-lock.h"
#include "target/hart.h"
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

static void info_registers(GString *out)
{
    bool was_running = runstate_is_running();

    harts_pause_all(); /* registers belong to their thread */
    for (unsigned i = 0; harts_ops() && i < harts_count(); i++) {
        hart_dump(i, out);
    }
    if (was_running) {
        harts_resume_all();
    }
}

static void init_all(void)
{
    loop_init();
    runstate_init();
    vm_lock();
    types_register(program_types);
    types_register(hw_types);
    types_register(backend_types);
    qmp_set_commands(qmp_commands);
    runstate_set_event_hook(qapi_emit_at);
    devices_init();
    monitor_init();
    hmp_add_info("network", "NICs, netdevs and filters", net_info);
    hmp_add_info("registers", "state of the harts", info_registers);
    migration_init();
    block_init();
    net_init();
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
    init_all();
    if (!assemble(c, &err)) {
        code = failed(err);
    } else {
        code = loop_run();
    }
    monitor_flush_all();
    migration_shutdown();
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
    exit(code); /* harts and workers may still sleep somewhere; nothing of theirs is torn down under them */
}
