/* tests/unit/migration/mutants.h - the tables with one mistake in them.
 * Page: docs/handoff.md.  SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "model.h"

typedef enum MutantKind {
    MUTANT_NO_ROW,
    MUTANT_NO_FROM,    /* value: which of its states */
    MUTANT_NO_GUARD,
    MUTANT_NEXT,       /* value: the state instead, or MACHINE_KEEP */
    MUTANT_ACTION,     /* value: the action instead */
    MUTANT_NO_EFFECT,  /* at: an action; value: which of its steps */
    MUTANT_SWAPPED,    /* value: this step and the next one change places */
    MUTANT_NO_MESSAGE, /* value: which of its messages */
    MUTANT_NO_POST,
} MutantKind;

typedef struct Mutant {
    int side, at, value; /* 0: outgoing, 1: incoming; row or action; see above */
    MutantKind kind;
    char text[160];
} Mutant;

GArray *mutants_of(const ModelTables *t); /* of Mutant; caller frees */

typedef struct MutantTables {
    ModelTables tables;
    MachineRow rows[MODEL_ROWS];
    MachineAction actions[32];
    int8_t from[MIG__MAX + 1], does[16];
    char sends[64];
} MutantTables;
void mutant_make(MutantTables *ret, const ModelTables *t, const Mutant *m);
/* NULL: nothing notices; or what does.  caller frees */
char *mutant_caught(const ModelTables *t, unsigned *ret_states);

/* A mutant that nothing catches, and why it does no harm: by the beginning of its text. */
typedef struct Harmless {
    const char *text, *why;
} Harmless;
extern const Harmless harmless[];
extern const unsigned harmless_count;
