/* tools/view/connect.h - sockets of the viewer, in TLS where that is asked for.  Owner: main loop.  Page: docs/view.md.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "session.h"

#include <openssl/types.h>

/* Is it the certificate's subject?  "C=X, O=Y" and "C=X,O=Y" are the same; a comma within a name is "\,". */
bool connect_is_subject(X509 *cert, const char *wanted);
bool connect_load_ca(const char *file, GError **errp);  /* NULL: the system's; before the first connection in TLS */
/* Does not wait for the connection, but for the host's address, and, where it has several, a second each for all but the last.
 * A host that begins with '/' is a unix socket.  tls_port, where there is one, wins. */
SpiceWire *connect_to_place(const ViewPlace *to, GError **errp);
