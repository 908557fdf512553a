/* system/reset.c - who is reset, in which order.  Guarded by: vm_lock.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "system/reset.h"

#include <glib.h>

typedef struct ResetEntry {
    int order;
    ResetFn *fn;
    void *opaque;
} ResetEntry;

static GArray *entries; /* of ResetEntry, by order */

void reset_register(int order, ResetFn *fn, void *opaque)
{
    ResetEntry entry = {order, fn, opaque};
    unsigned at = 0;

    if (!entries) {
        entries = g_array_new(FALSE, FALSE, sizeof(ResetEntry));
    }
    while (at < entries->len && g_array_index(entries, ResetEntry, at).order <= order) {
        at++;
    }
    g_array_insert_val(entries, at, entry);
}

void reset_unregister(ResetFn *fn, void *opaque)
{
    for (unsigned i = 0; entries && i < entries->len; i++) {
        ResetEntry *e = &g_array_index(entries, ResetEntry, i);

        if (e->fn == fn && e->opaque == opaque) {
            g_array_remove_index(entries, i);
            return;
        }
    }
}

void reset_all(void)
{
    for (unsigned i = 0; entries && i < entries->len; i++) {
        ResetEntry e = g_array_index(entries, ResetEntry, i);

        e.fn(e.opaque);
    }
}
