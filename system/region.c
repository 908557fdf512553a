/* system/region.c - device registers in the physical address map.  Guarded by: vm_lock; lookups are lock-free, since the
 * map is fixed while harts run.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "system/region.h"

#include "system/dma.h"
#include "system/ram.h"
#include "system/vm-lock.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/log.h"

#include <string.h>

static GPtrArray *regions; /* of Region, by address */

static int by_address(gconstpointer a, gconstpointer b)
{
    const Region *x = *(Region *const *)a, *y = *(Region *const *)b;

    return x->gpa < y->gpa ? -1 : x->gpa > y->gpa;
}

bool region_add(const char *name, gpa_t gpa, uint64_t size, const RegionOps *ops, void *opaque, GError **errp)
{
    Region *r;

    if (!regions) {
        regions = g_ptr_array_new();
    }
    for (unsigned i = 0; i < regions->len; i++) {
        r = regions->pdata[i];
        if (gpa < r->gpa + r->size && r->gpa < gpa + size) {
            return fail(errp, "registers of '%s' overlap those of '%s'", name, r->name);
        }
    }
    r = g_new0(Region, 1);
    *r = (Region){g_strdup(name), gpa, size, ops, opaque};
    g_ptr_array_add(regions, r);
    g_ptr_array_sort(regions, by_address);
    return true;
}

void region_remove(gpa_t gpa)
{
    Region *r = (Region *)region_at(gpa);

    if (r) {
        g_ptr_array_remove(regions, r);
        g_free(r->name);
        g_free(r);
    }
}

const Region *region_at(gpa_t gpa)
{
    unsigned low = 0, high = regions ? regions->len : 0;

    while (low < high) {
        unsigned middle = (low + high) / 2;
        const Region *r = regions->pdata[middle];

        if (gpa < r->gpa) {
            high = middle;
        } else if (gpa - r->gpa >= r->size) {
            low = middle + 1;
        } else {
            return r;
        }
    }
    return NULL;
}

void region_foreach(void (*fn)(const Region *r, void *opaque), void *opaque)
{
    for (unsigned i = 0; regions && i < regions->len; i++) {
        fn(regions->pdata[i], opaque);
    }
}

/* Takes vm_lock if the region wants it and the caller has not; says whether it did. */
static bool enter(const Region *r)
{
    bool take = !(r->ops->flags & REGION_LOCKLESS) && !vm_lock_held();

    if (take) {
        vm_lock();
    }
    return take;
}

/* The width of the pieces in which an access is handed on; 0: refused. */
static unsigned piece_size(const Region *r, gpa_t offset, unsigned size)
{
    unsigned min = r->ops->min_size ? r->ops->min_size : 1;
    unsigned max = r->ops->max_size ? r->ops->max_size : 8;

    if (size < min || offset + size > r->size || (offset & (MIN(size, max) - 1))) {
        return 0;
    }
    return MIN(size, max);
}

bool region_read(gpa_t gpa, unsigned size, uint64_t *ret)
{
    const Region *r = region_at(gpa);
    unsigned piece = r ? piece_size(r, gpa - r->gpa, size) : 0;
    uint64_t value = 0;
    bool entered;

    if (!piece || !r->ops->read) {
        return false;
    }
    entered = enter(r);
    for (unsigned at = 0; at < size; at += piece) {
        uint64_t part = r->ops->read(r->opaque, gpa - r->gpa + at, piece);

        value |= (piece < 8 ? part & ((1ull << piece * 8) - 1) : part) << at * 8;
    }
    if (entered) {
        vm_unlock();
    }
    *ret = value;
    return true;
}

bool region_write(gpa_t gpa, unsigned size, uint64_t value)
{
    const Region *r = region_at(gpa);
    unsigned piece = r ? piece_size(r, gpa - r->gpa, size) : 0;
    bool entered;

    if (!piece || !r->ops->write) {
        return false;
    }
    entered = enter(r);
    for (unsigned at = 0; at < size; at += piece) {
        uint64_t part = value >> at * 8;

        r->ops->write(r->opaque, gpa - r->gpa + at, piece < 8 ? part & ((1ull << piece * 8) - 1) : part, piece);
    }
    if (entered) {
        vm_unlock();
    }
    return true;
}

/* ---- RAM or registers ---- */
static unsigned access_size(gpa_t gpa, uint64_t left)
{
    unsigned size = 8;

    while (size > left || (gpa & (size - 1))) {
        size /= 2;
    }
    return size;
}

bool mem_read(gpa_t gpa, void *buf, uint64_t size)
{
    uint8_t *out = buf;

    if (ram_ptr(gpa, size)) {
        return dma_read(gpa, buf, size);
    }
    while (size) {
        unsigned n = access_size(gpa, size);
        uint8_t raw[8];
        uint64_t value;

        if (ram_at(gpa)) {
            n = 1;
            dma_read(gpa, raw, 1);
        } else if (region_read(gpa, n, &value)) {
            store_le64(raw, value);
        } else {
            return false;
        }
        memcpy(out, raw, n);
        out += n;
        gpa += n;
        size -= n;
    }
    return true;
}

/* Loaders and qtest write ROM too. */
static bool poke(gpa_t gpa, const void *buf, uint64_t size)
{
    void *p = ram_ptr(gpa, size);

    if (!p) {
        return false;
    }
    memcpy(p, buf, size);
    ram_written(gpa, size);
    return true;
}

bool mem_write(gpa_t gpa, const void *buf, uint64_t size)
{
    const uint8_t *in = buf;

    if (poke(gpa, buf, size)) {
        return true;
    }
    while (size) {
        unsigned n = access_size(gpa, size);
        uint8_t raw[8] = {0};

        if (ram_at(gpa)) {
            n = 1;
            poke(gpa, in, 1);
        } else {
            memcpy(raw, in, n);
            if (!region_write(gpa, n, load_le64(raw))) {
                return false;
            }
        }
        in += n;
        gpa += n;
        size -= n;
    }
    return true;
}
