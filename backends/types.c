/* backends/types.c - the rows of this folder, one line each.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/rng.h"

extern const ObjectType *const backend_types[];
const ObjectType *const backend_types[] = {&rng_backend_type, &rng_builtin_type, &rng_random_type, NULL};
