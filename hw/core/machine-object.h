/* hw/core/machine-object.h - the machine as an object; private to hw/.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "hw/machine.h"

typedef struct Machine { /* first member of a machine type's struct */
    Object obj;
    const MachineConfig *config; /* complete (sizes are not 0); while it is being realized, else NULL */
} Machine;
