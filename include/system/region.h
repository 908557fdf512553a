/* include/system/region.h - device registers in the physical address map.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Regions do not overlap each other or RAM, and are added before the harts start.  Callbacks run with vm_lock held,
 * unless REGION_LOCKLESS.  Sizes 1, 2, 4, 8; an access wider or narrower than the region allows is split or refused
 * (access fault) by the core, as the region says. */
#pragma once

#include <glib.h>

#include "system/types.h"

typedef struct RegionOps {
    uint64_t (*read)(void *opaque, uint64_t offset, unsigned size);
    void (*write)(void *opaque, uint64_t offset, uint64_t value, unsigned size);
    unsigned min_size, max_size; /* of an access that reaches the callbacks; 0: 1 and 8 */
    unsigned flags;
} RegionOps;
enum { REGION_LOCKLESS = 1 << 0 };

typedef struct Region {
    char *name;
    gpa_t gpa;
    uint64_t size;
    const RegionOps *ops;
    void *opaque;
} Region;

bool region_add(const char *name, gpa_t gpa, uint64_t size, const RegionOps *ops, void *opaque, GError **errp);
void region_remove(gpa_t gpa); /* VM stopped */
const Region *region_at(gpa_t gpa);
void region_foreach(void (*fn)(const Region *r, void *opaque), void *opaque);

/* Any thread, vm_lock NOT held (taken inside) -- or held, which is noticed.  false: nothing there, access fault. */
bool region_read(gpa_t gpa, unsigned size, uint64_t *ret);
bool region_write(gpa_t gpa, unsigned size, uint64_t value);

/* RAM or registers, as a qtest or a loader sees them. */
bool mem_read(gpa_t gpa, void *buf, uint64_t size);
bool mem_write(gpa_t gpa, const void *buf, uint64_t size);
