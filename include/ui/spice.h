/* include/ui/spice.h - the SPICE server, as the command line starts it.  Page: docs/spice.md.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Owner: main loop (vm_lock).  Only where the program was built with the feature `spice`. */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "qapi/json.h"

typedef struct SpiceSetup {
    const Json *options;        /* of -spice; strings, or JSON of the right type */
    const char *password;       /* what password-secret names; NULL: none */
    const char *guest_name;     /* NULL: none */
    const char *guest_uuid;     /* canonical text; NULL: none */
} SpiceSetup;

extern const char *const spice_option_keys[]; /* ends with NULL */

void spice_init(void); /* first, once: sessions can come and go with guests */
bool spice_start(const SpiceSetup *setup, GError **errp); /* once */
/* -display spice-app: listens on a socket of its own and starts the desktop's viewer.  After spice_start(), or instead. */
bool spice_start_viewer(const SpiceSetup *setup, GError **errp);
void spice_info(GString *out); /* `info spice` */
void spice_stop(void); /* also if it was never started */
