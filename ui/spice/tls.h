/* ui/spice/tls.h - TLS over a wire, as -spice tls-port wants it.  Owner: main loop (vm_lock).  Page: docs/spice.md.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>

#include "config.h"
#include "wire.h"

struct ssl_st;

bool tls_init(const SpiceConfig *c, GError **errp); /* reads key and certificates */
void tls_end(void);
SpiceWire *tls_wire(SpiceWire *lower);              /* takes lower; we are the server */
/* Takes lower and an SSL of whoever we are; done (NULL allowed) is called before that is freed. */
SpiceWire *tls_wire_of(SpiceWire *lower, struct ssl_st *take, void (*done)(const struct ssl_st *ssl));
