/* net/qmp.c - the commands of qapi/net.json.  Main loop, vm_lock.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/net.h"
#include "net/port.h"
#include "qapi/qapi-commands.h"
#include "system/runstate.h"
#include "util/error.h"

#include <limits.h>

bool qmp_set_link(const SetLinkArgs *args, GError **errp)
{
    return vm_may_change(errp) && net_port_set_link(args->name, args->up, errp);
}

Json *qmp_netdev_add(const Json *args, GError **errp)
{
    return netdev_add(args, errp) ? json_dict() : NULL;
}

bool qmp_netdev_del(const NetdevDelArgs *args, GError **errp)
{
    return netdev_del(args->id, errp);
}

static uint32_t clamp_u32(int64_t v)
{
    return v < 0 || v > UINT32_MAX ? UINT32_MAX : v;
}

bool qmp_announce_self(const AnnounceParameters *args, GError **errp)
{
    NetAnnounce a = {.initial_ms = clamp_u32(args->initial),
                     .max_ms = clamp_u32(args->max),
                     .rounds = clamp_u32(args->rounds),
                     .step_ms = clamp_u32(args->step)};
    g_autoptr(Json) nics = args->interfaces ? json_list() : NULL;

    for (strList *l = args->interfaces; l; l = l->next) {
        json_append(nics, json_string(l->value));
    }
    return net_announce_start(&a, nics, args->id, errp);
}
