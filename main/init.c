/* main/init.c - everything that exists before a machine does; also for tests that make one.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "accel/interp.h"
#include "assemble.h"
#include "block/block.h"
#include "chardev/chardev.h"
#include "config-host.h"
#include "hw/machine.h"
#include "migration/migration.h"
#include "monitor/monitor.h"
#include "net/net.h"
#include "qapi/qapi-commands.h"
#include "qapi/qmp.h"
#include "system/devices.h"
#include "system/harts.h"
#include "system/runstate.h"
#include "system/vm-lock.h"
#include "target/hart.h"
#include "ui/input.h"
#include "ui/spice.h"
#include "util/loop.h"
#include "util/thread.h"

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

void program_init(void)
{
    thread_is_waited_for();
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
#if CONFIG_SPICE
    hmp_add_info("spice", "the SPICE server and who is connected", spice_info);
#endif
    migration_init();
    block_init();
    chardev_handoff_init();
    net_init();
    input_init();
#if CONFIG_SPICE
    spice_init();
#endif
    interp_init();
}
