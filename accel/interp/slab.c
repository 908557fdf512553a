/* accel/interp/slab.c - objects of one size, from memory that is touched when it is mapped.
 * Guarded by: the caller's lock.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "accel/interp/slab.h"

#include <glib.h>
#include <sys/mman.h>

#define CHUNK_BYTES (2u << 20)

static void map_chunk(Slab *s)
{
    void *chunk = mmap(NULL, CHUNK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

    if (chunk == MAP_FAILED) {
        g_error("no memory for decoded code");
    }
    s->at = chunk;
    s->end = s->at + CHUNK_BYTES;
}

void *slab_take(Slab *s)
{
    void *object = s->free;

    if (object) {
        s->free = *(void **)object;
        return object;
    }
    if (!s->at || (size_t)(s->end - s->at) < s->size) {
        map_chunk(s);
    }
    object = s->at;
    s->at += s->size;
    return object;
}

void slab_give(Slab *s, void *object)
{
    *(void **)object = s->free;
    s->free = object;
}

void slab_warm_up(Slab *s)
{
    if (!s->at) {
        map_chunk(s);
    }
}
