/* hw/core/mmio.c - register tables: decode, trace, refuse.
 * Guarded by: vm_lock.  Page: docs/devices/registers.md.  Test: tests/unit/hw/mmio-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/mmio.h"

#include "util/error.h"
#include "util/log.h"

#include <string.h>

#define REGISTERS_MAX 4096

const char *mmio_name(const MmioDevice *m)
{
    return m->dev.bus_address ? m->dev.bus_address : m->dev.obj.type->name;
}

static const Register *find(const MmioDevice *m, uint64_t offset)
{
    uint64_t i = offset / m->width;

    return i < m->index_count ? m->index[i] : NULL;
}

static bool is_for_rest(const MmioDevice *m, uint64_t offset)
{
    return m->rest && offset / m->width >= m->index_count;
}

static uint64_t table_read(void *opaque, uint64_t offset, unsigned size)
{
    MmioDevice *m = opaque;
    const Register *r = find(m, offset);
    uint64_t value = 0;

    if (is_for_rest(m, offset)) {
        return m->rest->read(m, offset, size);
    }
    if (!r || size != m->width || offset % m->width) {
        guest_error(mmio_name(m), "read of %u bytes at 0x%x: no such register", size,
                    (unsigned)offset);
        return 0;
    }
    if (r->is_field) {
        memcpy(&value, (char *)m + r->field, sizeof(uint32_t));
    } else if (r->read) {
        value = r->read(m);
    } else {
        guest_error(mmio_name(m), "%s is write only", r->name);
    }
    TRACE(mmio_read, "%s %s -> 0x%x", mmio_name(m), r->name, (unsigned)value);
    return value;
}

static void table_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    MmioDevice *m = opaque;
    const Register *r = find(m, offset);
    uint32_t v = value;

    if (is_for_rest(m, offset)) {
        m->rest->write(m, offset, value, size);
        return;
    }
    if (!r || size != m->width || offset % m->width) {
        guest_error(mmio_name(m), "write of %u bytes at 0x%x: no such register", size,
                    (unsigned)offset);
        return;
    }
    TRACE(mmio_write, "%s %s <- 0x%x", mmio_name(m), r->name, v);
    if (r->is_field && r->changed) {
        memcpy((char *)m + r->field, &v, sizeof(v));
        r->changed(m);
    } else if (r->write) {
        r->write(m, v);
    } else {
        guest_error(mmio_name(m), "%s is read only", r->name);
    }
}

static const RegionOps table_ops = {
    .read = table_read, .write = table_write, .min_size = 1, .max_size = 4,
};

static void make_index(MmioDevice *m, const Register *regs)
{
    uint32_t last = 0;

    for (const Register *r = regs; r->name; r++) {
        g_assert(r->offset % m->width == 0 && r->offset / m->width < REGISTERS_MAX);
        last = MAX(last, r->offset);
    }
    m->index_count = last / m->width + 1;
    m->index = g_new0(const Register *, m->index_count);
    for (const Register *r = regs; r->name; r++) {
        m->index[r->offset / m->width] = r;
    }
}

bool mmio_map(MmioDevice *m, uint64_t size, unsigned width, const Register *regs, const RegionOps *rest,
              GError **errp)
{
    m->regs = regs;
    m->width = width;
    m->rest = rest;
    make_index(m, regs);
    return mmio_map_ops(m, size, &table_ops, errp);
}

bool mmio_map_ops(MmioDevice *m, uint64_t size, const RegionOps *ops, GError **errp)
{
    if (!region_add(mmio_name(m), m->base, size, ops, m, errp)) {
        g_clear_pointer(&m->index, g_free);
        return false;
    }
    return true;
}

void mmio_unmap(MmioDevice *m)
{
    if (region_at(m->base) && region_at(m->base)->opaque == m) {
        region_remove(m->base);
    }
    g_clear_pointer(&m->index, g_free);
}

Object *mmio_create(const char *type, const char *id, gpa_t base, Object *controller, int irq, GError **errp)
{
    Object *o = object_new(type, id, object_container("/machine/unattached"));
    MmioDevice *m = (MmioDevice *)o;

    m->base = base;
    if (controller && !irq_input(controller, NULL, irq, &m->irq)) {
        fail(errp, "%s: interrupt controller has no input %d", id, irq);
        object_delete(o);
        return NULL;
    }
    if (!object_realize(o, errp)) {
        object_delete(o);
        return NULL;
    }
    return o;
}
