/* include/system/vm-lock.h - the one big lock: device state, region map, object tree.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The main loop holds it while it runs handlers; a hart holds it during MMIO; the migration thread while it saves or
 * loads stopped devices.  Nobody blocks while holding it.  Order: vm_lock, then at most one leaf lock. */
#pragma once

#include <stdbool.h>

void vm_lock(void);
void vm_unlock(void);
bool vm_lock_held(void); /* by this thread */
