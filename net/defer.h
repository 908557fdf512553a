/* net/defer.h - work that only the main loop may do, asked for by any holder of vm_lock.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A hart that sends a frame may find that a watch has to change; watches belong to the main thread.  Asking twice before
 * it ran is asking once; freeing with a call on its way is allowed.  Guarded by: vm_lock. */
#pragma once

#include "util/loop.h"

typedef struct NetDefer NetDefer;
NetDefer *net_defer_new(LoopFn *fn, void *opaque);
void net_defer(NetDefer *d);     /* soon, from the main loop */
void net_defer_now(NetDefer *d); /* at once when this is the main thread */
void net_defer_free(NetDefer *d);
