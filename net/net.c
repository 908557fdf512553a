/* net/net.c - the network layer's start and end.  Main loop, vm_lock.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/net.h"
#include "system/runstate.h"

#include "announce.h"
#include "chain.h"
#include "config-host.h"
#include "netpass.h"
#include "user.h"

static void run_state_changed(bool is_running, RunState s, void *opaque)
{
    net_world_set_running(opaque, is_running);
}

static bool is_expecting(void)
{
    return runstate_get() == RUN_STATE_INMIGRATE;
}

void net_init(void)
{
    net_world()->is_expecting = is_expecting;
    runstate_notify(STATE_ORDER_NET, run_state_changed, net_world());
    netpass_init();
    net_announce_init();
#if CONFIG_SLIRP
    net_user_init();
#endif
}

void net_cleanup(void)
{
    Object *all = object_container("/netdevs");

    while (all->children && all->children->len) {
        object_delete(all->children->pdata[all->children->len - 1]);
    }
}
