/* include/backends/rng.h - where random bytes for a guest come from.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Objects rng-builtin (the kernel's generator) and rng-random (a device file).  Owner: main loop. */
#pragma once

#include "object/object.h"

#include <sys/types.h>

typedef struct RngBackend RngBackend;

extern const ObjectType rng_backend_type, rng_builtin_type, rng_random_type;

/* Of an object's id; NULL id: a generator of the process's own. */
RngBackend *rng_find(const char *id, GError **errp);
/* Never blocks: bytes read, 0 if there are none now, -errno. */
ssize_t rng_read(RngBackend *r, void *buf, size_t size);
/* While somebody holds it object-del refuses. */
void rng_hold(RngBackend *r);
void rng_release(RngBackend *r);
/* fn is called once, by the main loop, when rng_read() is worth another try, for each that waits. */
void rng_wait(RngBackend *r, void (*fn)(void *opaque), void *opaque);
void rng_wait_no_more(RngBackend *r, void *opaque);
