/* include/net/net.h - network set-up: netdevs by options, -nic, addresses, announcing, what `info network` says.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Netdevs and filters are ObjectType rows (kinds KIND_NETDEV and KIND_OBJECT).  Guarded by: vm_lock, main loop. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "object/object.h"
#include "qapi/json.h"

/* Rows for main/types.c. */
extern const ObjectType netdev_type, netdev_user_type, netdev_tap_type, netdev_stream_type, netdev_dgram_type;
extern const ObjectType netfilter_type, filter_buffer_type, filter_dump_type, filter_netpass_type;

void net_init(void);    /* once, after runstate_init(): run state notifier, handoff parts */
void net_cleanup(void); /* at exit: netdevs closed, downscripts run */

/* -netdev and netdev_add: {"type": "tap", "id": "n0", ...}; -netdev stream,addr.type=unix,... gives nested dicts. */
bool netdev_add(const Json *options, GError **errp);
bool netdev_del(const char *id, GError **errp); /* with its filters; refuses while a NIC uses it */
void netdev_leave(const char *id);              /* the same, whoever uses it; none of this name: nothing */

/* -nic user|tap|stream|dgram|none[,model=][,mac=][,id=][,netdev options], as a dict with "type".  Gives the netdev's
 * options and the device's ({"driver", "netdev", "mac"}); both NULL for "none".  Caller frees. */
bool net_nic_split(const Json *options, Json **ret_netdev, Json **ret_device, GError **errp);
/* The default address of the next NIC without mac=: 52:54:00:12:34:56 and up, skipping those in use. */
void net_mac_default(uint8_t mac[6]);
bool net_mac_is_set(const uint8_t mac[6]);

void net_info(GString *out); /* `info network` */

/* ---- announcing ---- */
typedef struct NetAnnounce {
    uint32_t initial_ms, max_ms, rounds, step_ms;
} NetAnnounce;
NetAnnounce net_announce_default(void);                              /* the migration parameters announce-* */
bool net_announce_check(const NetAnnounce *a, GError **errp);        /* within 100000 ms, 1000 rounds, 10000 ms */
/* Starts rounds for the NICs named in `nics` (a list of ids; NULL: all).  The same `id` (NULL: "") starts anew. */
bool net_announce_start(const NetAnnounce *a, const Json *nics, const char *id, GError **errp);
