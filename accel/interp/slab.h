/* accel/interp/slab.h - objects of one size, from memory that is touched when it is mapped.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The caller's lock guards a slab.  What is given back is used again; nothing goes back to the host. */
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef struct Slab {
    size_t size;       /* of an object; a multiple of 16 */
    void *free;        /* list of those given back, linked through their first word */
    uint8_t *at, *end; /* what was mapped last and is not yet used */
} Slab;
#define SLAB(T) {.size = (sizeof(T) + 15) & ~(size_t)15}

void *slab_take(Slab *s); /* not zeroed; ends the process when the host has no memory, as g_malloc() does */
void slab_give(Slab *s, void *object);
void slab_warm_up(Slab *s);
