/* ui/spice/steps.h - tables of what happens to a session at a handoff, one row each.  Page: docs/spice.md.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Rows are tried from the top; one without a guard is the default of those above it.  What no row names is no event there. */
#pragma once

#include "channel.h"

typedef struct StepRow {    /* tables end with {} */
    uint32_t states;        /* bits 1 << state */
    int event;
    bool (*only_if)(const SpiceClient *client); /* NULL: always */
    void (*act)(SpiceClient *client);           /* the state is the next one by then; may end the session; NULL: nothing */
    int next;
} StepRow;

static inline const StepRow *step_find(const StepRow *rows, int state, int event, const SpiceClient *client)
{
    for (; rows->states; rows++) {
        if (rows->states >> state & 1 && rows->event == event && (!rows->only_if || rows->only_if(client))) {
            return rows;
        }
    }
    return NULL;
}
