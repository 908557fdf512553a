/* ui/spice/confirm.c - how clients went, said once the destination has what they had still to say.  Owner: main loop (vm_lock).
 * Page: docs/spice.md.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A client ends its connections here as soon as it has said its last word, which may still be on its way to the destination
 * then.  Who has said nothing behind the guest has lost nothing. */
#include "confirm.h"

typedef struct Report {
    SpiceEnds ends;
    uint32_t session_id;
    unsigned unconfirmed;
    uint64_t tail_bytes;
    int64_t gap_ns;
} Report;

static GPtrArray *waiting; /* of Report; NULL: none yet.  As many as there were clients */

void confirm_report(const ClientMigration *m, uint32_t session_id, int64_t gap_ns)
{
    Report *r;

    if (!m->tail_bytes || !m->unconfirmed) {
        spice_event_migrate_complete(&m->ends, session_id, SPICE_WAY_SEAMLESS, NULL, m->tail_bytes, gap_ns);
        return;
    }
    waiting = waiting ? waiting : g_ptr_array_new_with_free_func(g_free);
    r = g_new(Report, 1);
    *r = (Report){m->ends, session_id, m->unconfirmed, m->tail_bytes, gap_ns};
    g_ptr_array_add(waiting, r);
}

static void say(const Report *r, SpiceWay way, const char *why)
{
    spice_event_migrate_complete(&r->ends, r->session_id, way, why, r->tail_bytes, r->gap_ns);
}

void confirm_one(uint32_t session_id)
{
    for (unsigned i = 0; waiting && i < waiting->len; i++) {
        Report *r = waiting->pdata[i];

        if (r->session_id == session_id && !--r->unconfirmed) {
            say(r, SPICE_WAY_SEAMLESS, NULL);
            g_ptr_array_remove_index(waiting, i);
            return;
        }
    }
}

void confirm_none(void)
{
    while (confirm_waiting()) {
        say(waiting->pdata[0], SPICE_WAY_LOST, CONFIRM_LOST);
        g_ptr_array_remove_index(waiting, 0);
    }
}

unsigned confirm_waiting(void)
{
    return waiting ? waiting->len : 0;
}
