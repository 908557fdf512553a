/* tests/unit/migration/model.h - both state tables, run against each other over a channel that may
 * break anywhere. SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Made from the rows: an action's messages are the events of those names on the other side, its
 * guest effect says who runs.  What comes from outside the tables (commands, deadlines, kills, a
 * cut wire, failing disks) is in model.c. */
#pragma once

#include "migration/machine.h"

#define MODEL_QUEUE 6
#define MODEL_GONE  63 /* as a state: the process is dead */

typedef struct ModelState {
    uint8_t source, destination;
    int8_t to_destination[MODEL_QUEUE],
        to_source[MODEL_QUEUE]; /* events of the receiver; -1: free */
    bool is_up, source_runs, destination_runs, is_alone;
} ModelState;

typedef struct ModelStep {
    ModelState next;
    char what[80];
} ModelStep;

/* `bug`: a mistake put in on purpose, by name; NULL: none.  Returns the possible steps; array owned
 * by the caller. */
ModelState model_start(void);
GArray *model_steps(const ModelState *s, bool is_parked, const char *bug);
/* NULL, or what is wrong with the state. */
const char *model_wrong(const ModelState *s);
