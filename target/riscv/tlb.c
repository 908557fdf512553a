/* target/riscv/tlb.c - the software TLB's tables: which one is current, filling, flushing; and the acknowledgements that
 * others wait for.  Owner: the hart's thread, but for the atomics.
 * Docs: docs/cpu.md.  Tests: tests/unit/target/mmu-test.c, tests/unit/accel/smp-test.c.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "target/riscv/tlb-private.h"

#include "util/memory.h"

#include <stdlib.h>
#include <string.h>

__thread Hart *hart_self;

static GMutex ack_mutex; /* leaf; with ack_cond: somebody has acknowledged */
static GCond ack_cond;
static _Atomic unsigned ack_waiters;

/* ---- tables ---- */

static void table_clear(Hart *h, Tlb *t)
{
    for (unsigned i = 0; i < TLB_SIZE; i++) {
        t->d[i].r = t->d[i].w = TLB_NONE;
    }
    for (unsigned i = 0; i < ITLB_SIZE; i++) {
        t->i[i].x = TLB_NONE;
    }
    t->is_stale = t->writes_stale = t->lost_x = false;
    t->large_mask = t->large_page = 0;
    t->id = ++h->last_table_id;
}

static void table_clear_writes(Tlb *t)
{
    for (unsigned i = 0; i < TLB_SIZE; i++) {
        t->d[i].w = TLB_NONE;
    }
    t->writes_stale = false;
}

static void table_refresh(Hart *h, Tlb *t)
{
    if (G_UNLIKELY(t->is_stale)) {
        table_clear(h, t);
    } else if (G_UNLIKELY(t->writes_stale)) {
        table_clear_writes(t);
    }
}

static Tlb *table_search(Hart *h, unsigned mode)
{
    uint64_t satp = (mode & TLB_MODE_PRIV) == PRIV_M ? 0 : h->st.satp;
    Tlb *oldest = NULL;

    for (unsigned i = 0; i < TLB_TABLES; i++) {
        Tlb *t = &h->tables[i];

        if (t->is_used && t->satp == satp && t->mode == mode) {
            return t;
        }
        if (!oldest || !t->is_used || (oldest->is_used && t->stamp < oldest->stamp)) {
            oldest = t;
        }
    }
    for (unsigned i = 0; i < TLB_MODES; i++) {
        if (h->by_mode[i] == oldest) {
            h->by_mode[i] = NULL;
        }
    }
    oldest->is_used = oldest->is_stale = true;
    oldest->satp = satp;
    oldest->mode = (uint8_t)mode;
    return oldest;
}

static Tlb *table_of(Hart *h, unsigned mode)
{
    Tlb *t = h->by_mode[mode];

    if (G_UNLIKELY(!t)) {
        t = h->by_mode[mode] = table_search(h, mode);
    }
    t->stamp = ++h->stamp;
    table_refresh(h, t);
    return t;
}

/* What the meaning of decoded code depends on: is the FPU on, and which rounding mode does "dynamic" mean. */
static unsigned code_mode(const Hart *h)
{
    return h->st.mstatus & MSTATUS_FS ? h->st.frm : 8;
}

static void update_jump_key(Hart *h)
{
    h->jump_key = h->fetch_table->id << 4 | code_mode(h);
}

unsigned tlb_data_mode(const Hart *h)
{
    uint64_t status = h->st.mstatus;
    unsigned priv = h->st.priv;
    unsigned mode;

    if (status & MSTATUS_MPRV && priv == PRIV_M) {
        priv = status >> MSTATUS_MPP_SHIFT & 3;
    }
    if (priv == PRIV_M) {
        return PRIV_M;
    }
    mode = priv | (status & MSTATUS_MXR ? TLB_MODE_MXR : 0);
    return priv == PRIV_S && status & MSTATUS_SUM ? mode | TLB_MODE_SUM : mode;
}

void tlb_update_context(Hart *h)
{
    h->fetch_table = table_of(h, h->st.priv);
    h->data_table = table_of(h, tlb_data_mode(h));
    h->dtlb = h->data_table->d;
    update_jump_key(h);
}

/* The satp register has changed: other tables may be meant. */
void tlb_new_space(Hart *h)
{
    memset(h->by_mode, 0, sizeof(h->by_mode));
    tlb_update_context(h);
}

/* ---- flushing ---- */

static void refresh_current(Hart *h)
{
    table_refresh(h, h->fetch_table);
    table_refresh(h, h->data_table);
    update_jump_key(h);
}

void tlb_flush_all(Hart *h)
{
    for (unsigned i = 0; i < TLB_TABLES; i++) {
        h->tables[i].is_stale = true;
    }
    refresh_current(h);
}

static bool is_bare(const Tlb *t)
{
    return t->satp >> SATP_MODE_SHIFT == SATP_BARE;
}

void tlb_flush_asid(Hart *h, uint16_t asid)
{
    for (unsigned i = 0; i < TLB_TABLES; i++) {
        Tlb *t = &h->tables[i];

        t->is_stale = t->is_stale || (!is_bare(t) && (uint16_t)(t->satp >> SATP_ASID_SHIFT) == asid);
    }
    refresh_current(h);
}

static void table_flush_page(Hart *h, Tlb *t, gva_t page)
{
    TlbEntry *d = tlb_entry(t->d, page);
    ItlbEntry *i = itlb_entry(t, page);

    if (t->large_mask && (page & t->large_mask) == t->large_page) {
        t->is_stale = true;
        return;
    }
    if (d->r == page || d->w == page) {
        d->r = d->w = TLB_NONE;
    }
    /* The jump cache may know the page as long as the table's id stands, even if its ITLB entry was replaced. */
    if (i->x == page || t->lost_x) {
        t->id = ++h->last_table_id;
        t->lost_x = false;
    }
    if (i->x == page) {
        i->x = TLB_NONE;
    }
}

void tlb_flush_page(Hart *h, gva_t va, bool any_asid, uint16_t asid)
{
    gva_t page = va & ~(gva_t)PAGE_MASK_LOW;

    for (unsigned i = 0; i < TLB_TABLES; i++) {
        Tlb *t = &h->tables[i];

        if (t->is_used && !t->is_stale && !is_bare(t) &&
            (any_asid || (uint16_t)(t->satp >> SATP_ASID_SHIFT) == asid)) {
            table_flush_page(h, t, page);
        }
    }
    refresh_current(h);
}

void tlb_drop_writes(Hart *h)
{
    for (unsigned i = 0; i < TLB_TABLES; i++) {
        h->tables[i].writes_stale = true;
    }
    table_refresh(h, h->data_table);
    table_refresh(h, h->fetch_table);
}

void tlb_forget_jumps(Hart *h)
{
    for (unsigned i = 0; i < TLB_TABLES; i++) {
        h->tables[i].id = ++h->last_table_id;
    }
    update_jump_key(h);
}

/* ---- filling ---- */

/* Slices of large pages share one covering range, so that a fence of any address in it drops them all. */
void tlb_note_large(Tlb *t, gva_t va, uint64_t page_size)
{
    uint64_t mask = ~(page_size - 1);

    if (page_size <= PAGE_BYTES) {
        return;
    }
    if (!t->large_mask) {
        t->large_mask = mask;
        t->large_page = va & mask;
        return;
    }
    mask &= t->large_mask;
    while ((va ^ t->large_page) & mask) {
        mask <<= 1;
    }
    t->large_mask = mask;
    t->large_page &= mask;
}

bool tlb_fetch(Hart *h, gva_t pc, unsigned size, gpa_t *ret, bool *ret_whole_page)
{
    Tlb *t = h->fetch_table;
    gva_t page = pc & ~(gva_t)PAGE_MASK_LOW;
    ItlbEntry *e = itlb_entry(t, page);
    Mapping map;

    if (G_LIKELY(e->x == page)) {
        *ret = e->gpa | (pc & PAGE_MASK_LOW);
        *ret_whole_page = true;
        return true;
    }
    if (!mmu_translate(h, pc, ACCESS_FETCH, h->st.priv, &map)) {
        return false;
    }
    if (!(pmp_check(h, map.gpa, size, h->st.priv, ret_whole_page) & PMP_X) || !ram_at(map.gpa)) {
        h->exc_cause = CAUSE_FETCH_ACCESS;
        h->exc_tval = pc;
        return false;
    }
    *ret = map.gpa;
    if (*ret_whole_page) {
        t->lost_x = t->lost_x || e->x != TLB_NONE;
        *e = (ItlbEntry){page, map.gpa & ~(gpa_t)PAGE_MASK_LOW};
        tlb_note_large(t, pc, map.page_size);
    }
    return true;
}

/* ---- acknowledgements ---- */

static void tell_waiters(void)
{
    if (G_UNLIKELY(atomic_load(&ack_waiters))) {
        g_mutex_lock(&ack_mutex);
        g_cond_broadcast(&ack_cond);
        g_mutex_unlock(&ack_mutex);
    }
}

static void sync_writes(Hart *h)
{
    uint32_t wanted = atomic_load(&h->writes_wanted);

    if (wanted != atomic_load_explicit(&h->writes_acked, memory_order_relaxed)) {
        tlb_drop_writes(h);
        atomic_store(&h->writes_acked, wanted);
        tell_waiters();
    }
}

void hart_set_where(Hart *h, uint32_t where)
{
    atomic_store(&h->where, where);
    if (where == WHERE_GUEST) {
        sync_writes(h);
    } else {
        tell_waiters();
    }
}

void hart_sync(Hart *h)
{
    uint32_t generation;

    atomic_fetch_and(&h->exit, ~(uint32_t)EXIT_SYNC);
    sync_writes(h);
    if (harts_accel() && harts_accel()->code_generation) {
        generation = harts_accel()->code_generation();
        if (generation != atomic_load_explicit(&h->code_acked, memory_order_relaxed)) {
            tlb_forget_jumps(h);
            atomic_store(&h->code_acked, generation);
        }
    }
}

static bool has_dropped(Hart *h, uint32_t wanted)
{
    return atomic_load(&h->where) != WHERE_GUEST || (int32_t)(atomic_load(&h->writes_acked) - wanted) >= 0;
}

static void wait_dropped(Hart *h, uint32_t wanted)
{
    for (unsigned spins = 0; spins < 200 && !has_dropped(h, wanted); spins++) {
        atomic_signal_fence(memory_order_seq_cst); /* usually over within a microsecond */
    }
    if (has_dropped(h, wanted)) {
        return;
    }
    atomic_fetch_add(&ack_waiters, 1);
    g_mutex_lock(&ack_mutex);
    while (!has_dropped(h, wanted)) {
        g_cond_wait(&ack_cond, &ack_mutex);
    }
    g_mutex_unlock(&ack_mutex);
    atomic_fetch_sub(&ack_waiters, 1);
}

/* A hart that waits here counts as one that has dropped its own tags, so two of them do not wait for each other. */
void harts_drop_writes_of(uint32_t mask)
{
    uint32_t wanted[HARTS_MAX], where = WHERE_OUT;
    Hart *self = hart_self;

    if (self) {
        where = atomic_load(&self->where);
        hart_set_where(self, WHERE_DEVICE);
    }
    for (unsigned i = 0; i < hart_total; i++) {
        if (mask >> i & 1) {
            wanted[i] = atomic_fetch_add(&harts[i]->writes_wanted, 1) + 1;
            if (harts[i] != self && atomic_load(&harts[i]->where) == WHERE_GUEST) {
                atomic_fetch_or(&harts[i]->exit, EXIT_SYNC); /* one that sleeps is not in guest code */
            }
        }
    }
    for (unsigned i = 0; i < hart_total; i++) {
        if (mask >> i & 1 && harts[i] != self) {
            wait_dropped(harts[i], wanted[i]);
        }
    }
    if (self) {
        hart_set_where(self, where);
    }
}

/* ---- who may hold write tags ---- */

static _Atomic uint16_t *writer_maps[RAM_BLOCKS_MAX]; /* by block; 16 harts, 16 bits a page */
static const RamBlock *writer_blocks[RAM_BLOCKS_MAX];

static _Atomic uint16_t *writer_map(const RamBlock *b)
{
    for (unsigned i = 0; i < RAM_BLOCKS_MAX; i++) {
        if (writer_blocks[i] == b) {
            return writer_maps[i];
        }
    }
    return NULL;
}

void tlb_trackers_update(void)
{
    for (unsigned i = 0; i < RAM_BLOCKS_MAX; i++) {
        const RamBlock *b = ram_block(i);

        if (writer_blocks[i] != b) {
            free(writer_maps[i]);
            writer_blocks[i] = b;
            writer_maps[i] = b ? calloc(b->size >> PAGE_BITS, sizeof(uint16_t)) : NULL;
            memory_touch((void *)writer_maps[i], writer_maps[i] ? (b->size >> PAGE_BITS) * sizeof(uint16_t) : 0);
        }
    }
}

void tlb_note_writer(Hart *h, const RamBlock *b, uint64_t page)
{
    _Atomic uint16_t *map = writer_map(b);
    uint16_t bit = (uint16_t)(1u << h->id);

    if (map && !(atomic_load_explicit(&map[page], memory_order_relaxed) & bit)) {
        atomic_fetch_or(&map[page], bit);
    } else {
        atomic_thread_fence(memory_order_seq_cst);
    }
}

uint32_t tlb_take_writers(const RamBlock *b, uint64_t page)
{
    _Atomic uint16_t *map = writer_map(b);

    return map ? atomic_exchange(&map[page], 0) : (1u << hart_total) - 1;
}

/* ---- life ---- */

void tlb_init(Hart *h)
{
    h->tables = g_malloc0(sizeof(Tlb) * TLB_TABLES);
    h->jumps = g_new0(JumpEntry, JUMP_CACHE_SIZE);
    memory_touch(h->tables, sizeof(Tlb) * TLB_TABLES);
    memory_touch(h->jumps, sizeof(JumpEntry) * JUMP_CACHE_SIZE);
    for (unsigned i = 0; i < TLB_TABLES; i++) {
        table_clear(h, &h->tables[i]);
    }
    tlb_new_space(h);
}

void tlb_free(Hart *h)
{
    g_clear_pointer(&h->tables, g_free);
    g_clear_pointer(&h->jumps, g_free);
}
