/* ui/spice/ticket.h - passwords that expire, and the RSA key they are told under.  Owner: main loop (vm_lock).
 * Page: docs/spice.md.  Test: tests/unit/ui/spice-ticket-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One key pair for all links, made anew when it is older than TICKET_KEY_LIFE_NS; a link keeps the one it has told. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "format.h"
#include "util/loop.h"

#define PASSWORD_MAX 60                          /* bytes; clients refuse longer ones */
#define TICKET_KEY_LIFE_NS (60 * NS_PER_SEC)
#define TICKET_NEVER INT64_MAX

typedef struct TicketKey TicketKey;              /* counted */
TicketKey *ticket_key(GError **errp);            /* the one of now; caller unrefs.  NULL: the library refuses RSA-1024 */
void ticket_key_unref(TicketKey *k);             /* NULL allowed */
const uint8_t *ticket_key_public(const TicketKey *k); /* TICKET_KEY_BYTES */

typedef struct Ticket {
    char *password;                              /* NULL or empty: none is set, nobody gets in */
    int64_t expires_ns;                          /* time_monotonic_ns(); TICKET_NEVER */
} Ticket;
bool ticket_set_password(Ticket *t, const char *password, GError **errp);
void ticket_clear(Ticket *t);
/* "now", "never", "+SECONDS" or seconds since 1970. */
bool ticket_parse_expiry(const char *text, int64_t *ret_monotonic_ns, GError **errp);

/* Takes the same time whatever is wrong with it. */
bool ticket_is_good(const Ticket *t, TicketKey *k, const uint8_t encrypted[TICKET_BYTES], const char **ret_why);
