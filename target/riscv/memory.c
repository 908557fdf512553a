/* target/riscv/memory.c - accesses that miss the TLB: fill it, or go to a device, across a page, to a page with code.
 * Owner: the hart's thread.  A write tag is installed in this order: note the writer, look for code, set the dirty
 * bit, install, store (docs/cpu.md, "dirty log and code").
 * Tests: tests/unit/target/mmu-test.c.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "system/harts.h"
#include "system/region.h"
#include "target/riscv/tlb-private.h"
#include "util/log.h"
#include "util/tsan.h"

#include <string.h>

typedef struct Place { /* where an access goes */
    gpa_t gpa;
    RamBlock *ram;  /* NULL: a device, or nothing */
    uint8_t *host;
    bool may_keep_tag;
} Place;

static bool access_fault(Hart *h, gva_t va, Access access)
{
    h->exc_cause = access == ACCESS_LOAD ? CAUSE_LOAD_ACCESS : CAUSE_STORE_ACCESS;
    h->exc_tval = va;
    return false;
}

static bool misaligned(Hart *h, gva_t va, Access access)
{
    h->exc_cause = access == ACCESS_LOAD ? CAUSE_LOAD_MISALIGNED : CAUSE_STORE_MISALIGNED;
    h->exc_tval = va;
    return false;
}

static void install(Hart *h, gva_t va, const Mapping *map, const Place *place, bool r, bool w)
{
    gva_t page = va & ~(gva_t)PAGE_MASK_LOW;
    TlbEntry *e = tlb_entry(h->dtlb, va);
    uintptr_t addend = (uintptr_t)place->host - va;

    if ((e->r != page && e->w != page) || e->addend != addend) {
        e->r = e->w = TLB_NONE;
    }
    e->addend = addend;
    e->gpa = place->gpa & ~(gpa_t)PAGE_MASK_LOW;
    if (r) {
        e->r = page;
    }
    if (w) {
        e->w = page;
    }
    tlb_note_large(h->data_table, va, map->page_size);
}

/* Makes a page of RAM ready for stores; false: it holds code, so the store must be followed by code_written(). */
static bool open_for_writing(Hart *h, const Place *place)
{
    uint64_t page = (place->gpa - place->ram->gpa) >> PAGE_BITS;
    bool has_code;

    tlb_note_writer(h, place->ram, page);
    has_code = ram_has_code(place->ram, page);
    ram_set_dirty(place->ram, page);
    return !has_code;
}

/* [va, va+size) within a page. */
static bool resolve(Hart *h, gva_t va, unsigned size, Access access, Place *ret, Mapping *map)
{
    unsigned mode = tlb_data_mode(h), allowed;
    unsigned needed = access == ACCESS_LOAD ? PMP_R : PMP_W;

    if (!mmu_translate(h, va, access, mode, map)) {
        return false;
    }
    allowed = pmp_check(h, map->gpa, size, mode & TLB_MODE_PRIV, &ret->may_keep_tag);
    if (!(allowed & needed)) {
        return access_fault(h, va, access);
    }
    map->r = map->r && allowed & PMP_R;
    map->w = map->w && allowed & PMP_W;
    ret->gpa = map->gpa;
    ret->ram = h->last_ram;
    if (!ret->ram || ret->gpa - ret->ram->gpa >= ret->ram->size) {
        ret->ram = ram_at(ret->gpa);
        h->last_ram = ret->ram ? ret->ram : h->last_ram;
    }
    ret->host = ret->ram ? ret->ram->host + (ret->gpa - ret->ram->gpa) : NULL;
    return true;
}

GUEST_MEMORY static uint64_t host_load(const uint8_t *p, unsigned size)
{
    uint64_t v = 0;

    switch (size) {
    case 1: return *p;
    case 2: { uint16_t w; memcpy(&w, p, 2); return w; }
    case 4: { uint32_t w; memcpy(&w, p, 4); return w; }
    case 8: memcpy(&v, p, 8); return v;
    default: memcpy(&v, p, size); return v; /* a part of an access across a page */
    }
}

GUEST_MEMORY static void host_store(uint8_t *p, unsigned size, uint64_t v)
{
    switch (size) {
    case 1: *p = (uint8_t)v; break;
    case 2: { uint16_t w = (uint16_t)v; memcpy(p, &w, 2); break; }
    case 4: { uint32_t w = (uint32_t)v; memcpy(p, &w, 4); break; }
    default: memcpy(p, &v, size); break;
    }
}

static bool device_access(Hart *h, gva_t va, gpa_t gpa, unsigned size, Access access, uint64_t *value)
{
    uint32_t where = atomic_load_explicit(&h->where, memory_order_relaxed);
    bool done;

    if (gpa & (size - 1)) {
        return access_fault(h, va, access);
    }
    hart_set_where(h, where == WHERE_GUEST ? WHERE_DEVICE : where);
    done = access == ACCESS_LOAD ? region_read(gpa, size, value) : region_write(gpa, size, *value);
    hart_set_where(h, where);
    if (!done && log_enabled(LOG_GUEST_ERROR)) {
        g_autofree char *who = g_strdup_printf("hart %u", h->id);

        guest_error(who, "%s of %u bytes at 0x%lx, where nothing is", access == ACCESS_LOAD ? "load" : "store", size,
                    (unsigned long)gpa);
    }
    return done || access_fault(h, va, access);
}

static void store_ram(Hart *h, const Place *place, unsigned size, uint64_t value, bool is_open)
{
    if (place->ram->is_rom) {
        guest_error(place->ram->id, "store to read-only memory at 0x%lx", (unsigned long)place->gpa);
        return;
    }
    host_store(place->host, size, value);
    if (!is_open) {
        harts_code_written(place->gpa, size);
    }
}

static LoadResult load_across(Hart *h, gva_t va, unsigned size)
{
    unsigned first = PAGE_BYTES - (unsigned)(va & PAGE_MASK_LOW);
    Place a, b;
    Mapping map;
    LoadResult fault = {0, false};

    if (!resolve(h, va, first, ACCESS_LOAD, &a, &map) || !resolve(h, va + first, size - first, ACCESS_LOAD, &b, &map)) {
        return fault;
    }
    if (!a.ram || !b.ram) {
        misaligned(h, va, ACCESS_LOAD);
        return fault;
    }
    return (LoadResult){host_load(a.host, first) | host_load(b.host, size - first) << first * 8, true};
}

LoadResult hart_load(Hart *h, gva_t va, unsigned size)
{
    Place place;
    Mapping map;
    LoadResult result = {0, false};

    if (G_UNLIKELY((va & PAGE_MASK_LOW) + size > PAGE_BYTES)) {
        return load_across(h, va, size);
    }
    if (!resolve(h, va, size, ACCESS_LOAD, &place, &map)) {
        return result;
    }
    if (!place.ram) {
        result.ok = device_access(h, va, place.gpa, size, ACCESS_LOAD, &result.value);
        return result;
    }
    if (place.may_keep_tag) {
        install(h, va, &map, &place, map.r, false);
    }
    return (LoadResult){host_load(place.host, size), true};
}

static bool store_across(Hart *h, gva_t va, unsigned size, uint64_t value)
{
    unsigned first = PAGE_BYTES - (unsigned)(va & PAGE_MASK_LOW);
    Place a, b;
    Mapping map;

    if (!resolve(h, va, first, ACCESS_STORE, &a, &map) || !resolve(h, va + first, size - first, ACCESS_STORE, &b, &map)) {
        return false;
    }
    if (!a.ram || !b.ram) {
        return misaligned(h, va, ACCESS_STORE);
    }
    store_ram(h, &a, first, value, open_for_writing(h, &a));
    store_ram(h, &b, size - first, value >> first * 8, open_for_writing(h, &b));
    return true;
}

bool hart_store(Hart *h, gva_t va, unsigned size, uint64_t value)
{
    Place place;
    Mapping map;
    bool is_open;

    if (G_UNLIKELY((va & PAGE_MASK_LOW) + size > PAGE_BYTES)) {
        return store_across(h, va, size, value);
    }
    if (!resolve(h, va, size, ACCESS_STORE, &place, &map)) {
        return false;
    }
    if (!place.ram) {
        return device_access(h, va, place.gpa, size, ACCESS_STORE, &value);
    }
    is_open = open_for_writing(h, &place);
    if (is_open && place.may_keep_tag && !place.ram->is_rom) {
        install(h, va, &map, &place, map.r, map.w);
    }
    store_ram(h, &place, size, value, is_open);
    return true;
}

/* ---- atomics ---- */

/* The store itself is the caller's, so a page with code has to be emptied of it first: then it gets a tag, and who
 * decodes it again waits until this hart has dropped the tag, after the store. */
static bool open_for_atomic(Hart *h, const Place *place)
{
    for (unsigned tries = 0; tries < 1000; tries++) {
        if (open_for_writing(h, place)) {
            return true;
        }
        harts_code_written(place->gpa & ~(gpa_t)PAGE_MASK_LOW, PAGE_BYTES);
    }
    return false;
}

void *hart_atomic_ptr(Hart *h, gva_t va, unsigned size)
{
    Place place;
    Mapping map;

    if (va & (size - 1)) {
        misaligned(h, va, ACCESS_STORE);
        return NULL;
    }
    if (!resolve(h, va, size, ACCESS_STORE, &place, &map)) {
        return NULL;
    }
    if (!place.ram || place.ram->is_rom) {
        access_fault(h, va, ACCESS_STORE);
        return NULL;
    }
    if (open_for_atomic(h, &place) && place.may_keep_tag) {
        install(h, va, &map, &place, map.r, map.w);
    }
    return place.host;
}

static bool place_for_reserved(Hart *h, gva_t va, unsigned size, Place *ret)
{
    TlbEntry *e = tlb_entry(h->dtlb, va);
    Mapping map;

    if (tlb_hit(e->r, va, size)) {
        ret->gpa = e->gpa | (va & PAGE_MASK_LOW);
        ret->host = (uint8_t *)(e->addend + va);
        return true;
    }
    if (!resolve(h, va, size, ACCESS_LOAD, ret, &map)) {
        return false;
    }
    if (!ret->ram) {
        return access_fault(h, va, ACCESS_LOAD);
    }
    if (ret->may_keep_tag) {
        install(h, va, &map, ret, map.r, false);
    }
    return true;
}

GUEST_MEMORY static uint64_t load_atomic(const uint8_t *p, unsigned size)
{
    return size == 4 ? atomic_load((const _Atomic uint32_t *)p) : atomic_load((const _Atomic uint64_t *)p);
}

bool hart_load_reserved(Hart *h, gva_t va, unsigned size, uint64_t *ret)
{
    Place place;

    if (va & (size - 1)) {
        return misaligned(h, va, ACCESS_LOAD);
    }
    if (!place_for_reserved(h, va, size, &place)) {
        return false;
    }
    *ret = load_atomic(place.host, size);
    h->st.reserved_gpa = place.gpa;
    h->st.reserved_bytes = (uint8_t)size;
    h->st.reserved_value = *ret;
    return true;
}

GUEST_MEMORY static bool exchange(uint8_t *p, unsigned size, uint64_t expected, uint64_t value)
{
    uint32_t expected_w = (uint32_t)expected;

    return size == 4 ? atomic_compare_exchange_strong((_Atomic uint32_t *)p, &expected_w, (uint32_t)value)
                     : atomic_compare_exchange_strong((_Atomic uint64_t *)p, &expected, value);
}

bool hart_store_conditional(Hart *h, gva_t va, unsigned size, uint64_t value, uint64_t *ret_failed)
{
    unsigned reserved = h->st.reserved_bytes;
    TlbEntry *e = tlb_entry(h->dtlb, va);
    uint8_t *host;
    Place place;
    Mapping map;

    h->st.reserved_bytes = 0;
    *ret_failed = 1;
    if (va & (size - 1)) {
        return misaligned(h, va, ACCESS_STORE);
    }
    if (tlb_hit(e->w, va, size)) {
        host = (uint8_t *)(e->addend + va);
        place.gpa = e->gpa | (va & PAGE_MASK_LOW);
    } else {
        host = hart_atomic_ptr(h, va, size);
        if (!host || !resolve(h, va, size, ACCESS_STORE, &place, &map)) {
            return false;
        }
    }
    if (reserved == size && place.gpa == h->st.reserved_gpa) {
        *ret_failed = !exchange(host, size, h->st.reserved_value, value);
    }
    return true;
}

/* ---- cache blocks ---- */

static bool cbo_allowed(const Hart *h, unsigned id)
{
    uint64_t needed = id == OP_CBO_ZERO ? ENVCFG_CBZE : id == OP_CBO_INVAL ? ENVCFG_CBIE : ENVCFG_CBCFE;

    if (h->st.priv < PRIV_M && !(h->st.menvcfg & needed)) {
        return false;
    }
    return h->st.priv != PRIV_U || h->st.senvcfg & needed;
}

GUEST_MEMORY static void host_zero(uint8_t *p, unsigned size)
{
    for (unsigned at = 0; at < size; at += 8) {
        memset(p + at, 0, 8); /* a store each: nobody may see half of one */
    }
}

/* A kernel clears its pages with this. */
static bool zero_block(Hart *h, gva_t va, unsigned size)
{
    TlbEntry *e = tlb_entry(h->dtlb, va);

    if (tlb_hit(e->w, va, size)) {
        host_zero((uint8_t *)(e->addend + va), size);
        return true;
    }
    for (unsigned at = 0; at < size; at += 8) {
        if (!hart_store(h, va + at, 8, 0)) {
            return false;
        }
    }
    return true;
}

/* Guest memory is coherent, so cleaning and invalidating only check the address; faults are those of stores. */
bool hart_cbo(Hart *h, gva_t va, unsigned id)
{
    unsigned size = id == OP_CBO_ZERO ? h->cboz_bytes : h->cbom_bytes;
    gva_t block = va & ~(gva_t)(size - 1);
    Place place;
    Mapping map;

    if (!cbo_allowed(h, id)) {
        h->exc_cause = CAUSE_ILLEGAL;
        return false;
    }
    if (id == OP_CBO_ZERO) {
        if (!zero_block(h, block, size)) {
            h->exc_tval = va;
            return false;
        }
        return true;
    }
    if (resolve(h, va, 1, ACCESS_LOAD, &place, &map)) {
        return true;
    }
    h->exc_cause = h->exc_cause == CAUSE_LOAD_PAGE ? CAUSE_STORE_PAGE : CAUSE_STORE_ACCESS;
    return false;
}
