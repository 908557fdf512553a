/* ui/spice/listener.h - where SPICE clients knock.  Owner: main loop (vm_lock).
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>

#include "config.h"

bool listeners_start(const SpiceConfig *c, GError **errp); /* all that the options name; then server_accept() for each */
void listeners_stop(void);                                 /* a unix socket's file goes */
