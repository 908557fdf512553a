/* net/user.h - what others may ask of a netdev of type user.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "net/port.h"

bool net_user_forward(NetPort *p, const char *rule, GError **errp); /* "tcp::5555-:22" */
void net_user_init(void);
