/* accel/interp/blocks.c - making, finding and dropping decoded blocks.
 * Guarded by: code_mutex (a leaf) for writing; lookups take no lock.  Dropped pages are freed when every hart has been
 * at a safe point since (Hart.code_acked).  Docs: docs/cpu.md.  Tests: tests/unit/accel/interp-test.c.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "accel/interp/blocks.h"

#include "accel/interp/slab.h"

#include "util/log.h"
#include "util/loop.h"
#include "util/memory.h"
#include "util/tsan.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS 64u
#define ARENA_OPS 240u
#define TOUCH_BYTES (256u << 10)
#define PAGES_MAX 32768u /* with decoded code at a time */
#define CHUNK_BITS 6u    /* a page's code map: a bit per 64 bytes */
#define SEEN_NEVER 0u    /* decoded ahead, and not run since */

typedef struct Block {
    struct Block *next;
    uint16_t off;
    uint8_t mode;
    _Atomic uint8_t seen; /* SEEN_NEVER, or the period in which a hart last looked it up */
    Op *ops;
} Block;

typedef struct Arena {
    struct Arena *next;
    unsigned used;
    Op ops[ARENA_OPS];
} Arena;

typedef struct CodePage {
    _Atomic(Block *) buckets[BUCKETS];
    _Atomic uint64_t chunks; /* that hold decoded bytes */
    Arena *arenas;
    const RamBlock *ram;
    uint64_t page;
    struct CodePage *next_dead;
    uint32_t died;
} CodePage;

/* A guest that has just arrived decodes everything it touches: no system call and no page fault on that way. */
static Slab blocks = SLAB(Block), arenas = SLAB(Arena), pages = SLAB(CodePage); /* guarded by code_mutex */

static GMutex code_mutex;
static _Atomic(CodePage *) *page_maps[RAM_BLOCKS_MAX]; /* by RAM block, by page */
static _Atomic(const RamBlock *) map_blocks[RAM_BLOCKS_MAX]; /* set last: who finds it sees the map */
static CodePage *dead_pages;      /* guarded by code_mutex */
static unsigned page_count;       /* guarded by code_mutex */
static _Atomic uint32_t generation;
static _Atomic uint8_t period = 1; /* code_new_period() */
static bool one_insn;

uint32_t code_generation(void)
{
    return atomic_load(&generation);
}

void code_set_one_insn(bool on)
{
    one_insn = on;
}

/* ---- pages ---- */

static int map_index(const RamBlock *b)
{
    const RamBlock *seen;

    for (unsigned i = 0; i < RAM_BLOCKS_MAX; i++) {
        seen = atomic_load_explicit(&map_blocks[i], memory_order_acquire);
        if (seen == b || !seen) {
            return seen ? (int)i : -1;
        }
    }
    return -1;
}

static _Atomic(CodePage *) *page_slot(const RamBlock *b, uint64_t page)
{
    int i = map_index(b);

    return i >= 0 ? &page_maps[i][page] : NULL;
}

/* Under code_mutex: RAM blocks stay as they are once harts run. */
static void add_map(const RamBlock *b)
{
    for (unsigned i = 0; i < RAM_BLOCKS_MAX; i++) {
        if (!map_blocks[i]) {
            page_maps[i] = calloc(b->size >> PAGE_BITS, sizeof(CodePage *)); /* lazily zero: 8 bytes a page of RAM */
            g_assert(page_maps[i]);
            atomic_store_explicit(&map_blocks[i], b, memory_order_release);
            return;
        }
    }
    g_assert_not_reached();
}

static void page_free(CodePage *p)
{
    for (unsigned i = 0; i < BUCKETS; i++) {
        for (Block *b = atomic_load(&p->buckets[i]), *next; b; b = next) {
            next = b->next;
            slab_give(&blocks, b);
        }
    }
    for (Arena *a = p->arenas, *next; a; a = next) {
        next = a->next;
        slab_give(&arenas, a);
    }
    slab_give(&pages, p);
}

static bool everybody_saw(uint32_t died)
{
    for (unsigned i = 0; i < hart_total; i++) {
        if (atomic_load(&harts[i]->where) != WHERE_OUT && (int32_t)(atomic_load(&harts[i]->code_acked) - died) < 0) {
            return false;
        }
    }
    return true;
}

static void free_dead(void)
{
    for (CodePage **at = &dead_pages; *at;) {
        CodePage *p = *at;

        if (everybody_saw(p->died)) {
            *at = p->next_dead;
            page_free(p);
        } else {
            at = &p->next_dead;
        }
    }
}

/* Under code_mutex.  The bit goes last: until then stores to the page still come here. */
static void drop_page(_Atomic(CodePage *) *slot)
{
    CodePage *p = atomic_exchange(slot, NULL);

    p->died = atomic_fetch_add(&generation, 1) + 1;
    p->next_dead = dead_pages;
    dead_pages = p;
    page_count--;
    ram_clear_code((RamBlock *)p->ram, p->page);
}

/* A hart that is out looks at the generation before it runs: no need to wake it. */
static void tell_harts(void)
{
    for (unsigned i = 0; i < hart_total; i++) {
        if (atomic_load(&harts[i]->where) != WHERE_OUT) {
            atomic_fetch_or(&harts[i]->exit, EXIT_SYNC);
        }
    }
}

static bool drop_if_touched(RamBlock *ram, uint64_t page, uint64_t chunks)
{
    _Atomic(CodePage *) *slot = page_slot(ram, page);
    CodePage *p = slot ? atomic_load(slot) : NULL;

    if (!p || !(atomic_load(&p->chunks) & chunks)) {
        return false;
    }
    drop_page(slot);
    return true;
}

static uint64_t chunk_mask(unsigned first, unsigned last)
{
    unsigned low = first >> CHUNK_BITS, high = last >> CHUNK_BITS;

    return (high == 63 ? ~0ull : (1ull << (high + 1)) - 1) & ~((1ull << low) - 1);
}

void code_written(gpa_t gpa, uint64_t size)
{
    RamBlock *ram = ram_at(gpa);
    bool dropped = false;

    g_mutex_lock(&code_mutex);
    for (gpa_t at = gpa, end = gpa + size, next; ram && at < end; at = next) {
        unsigned first = (unsigned)(at & PAGE_MASK_LOW);

        next = MIN(end, (at | PAGE_MASK_LOW) + 1);
        if (ram_has_code(ram, (at - ram->gpa) >> PAGE_BITS)) {
            dropped |= drop_if_touched(ram, (at - ram->gpa) >> PAGE_BITS,
                                       chunk_mask(first, first + (unsigned)(next - at) - 1));
        }
    }
    free_dead();
    g_mutex_unlock(&code_mutex);
    if (dropped) {
        tell_harts();
    }
}

static void drop_all(void)
{
    for (unsigned i = 0; i < RAM_BLOCKS_MAX && map_blocks[i]; i++) {
        for (uint64_t page = 0; page < map_blocks[i]->size >> PAGE_BITS; page++) {
            if (atomic_load_explicit(&page_maps[i][page], memory_order_relaxed)) {
                drop_page(&page_maps[i][page]);
            }
        }
    }
}

void code_warm_up(void)
{
    g_mutex_lock(&code_mutex);
    slab_warm_up(&blocks);
    slab_warm_up(&arenas);
    slab_warm_up(&pages);
    g_mutex_unlock(&code_mutex);
}

void code_touch_maps(int64_t until_ns)
{
    for (unsigned i = 0; i < RAM_BLOCKS_MAX; i++) {
        const RamBlock *b = ram_block(i);
        size_t size = b ? (b->size >> PAGE_BITS) * sizeof(CodePage *) : 0;
        uint8_t *map;

        if (!b) {
            continue;
        }
        g_mutex_lock(&code_mutex);
        if (map_index(b) < 0) {
            add_map(b);
        }
        g_mutex_unlock(&code_mutex);
        map = (uint8_t *)page_slot(b, 0);
        for (size_t at = 0; at < size && time_monotonic_ns() < until_ns; at += TOUCH_BYTES) {
            memory_touch(map + at, MIN(TOUCH_BYTES, size - at));
        }
    }
}

void code_free_all(void)
{
    g_mutex_lock(&code_mutex);
    drop_all();
    free_dead();
    for (unsigned i = 0; i < RAM_BLOCKS_MAX && map_blocks[i]; i++) {
        free(page_maps[i]);
        map_blocks[i] = NULL;
    }
    g_mutex_unlock(&code_mutex);
}

/* The page's record.  A new one: from its code bit on nobody gets a write tag; who may hold one drops it before
 * anything is decoded, so that a store through it cannot be missed.  Waiting needs the mutex to be free. */
static CodePage *page_get(RamBlock *ram, uint64_t page)
{
    _Atomic(CodePage *) *slot = page_slot(ram, page);
    CodePage *p = slot ? atomic_load_explicit(slot, memory_order_acquire) : NULL;
    uint32_t writers;

    if (p && ram_has_code(ram, page)) {
        return p;
    }
    g_mutex_lock(&code_mutex);
    if (!page_slot(ram, page)) {
        add_map(ram);
    }
    slot = page_slot(ram, page);
    p = atomic_load(slot);
    if (!p) {
        if (page_count >= PAGES_MAX) {
            drop_all();
        }
        free_dead();
        p = slab_take(&pages);
        memset(p, 0, sizeof(*p));
        p->ram = ram;
        p->page = page;
        page_count++;
        atomic_store(slot, p);
    }
    ram_set_code(ram, page);
    g_mutex_unlock(&code_mutex);
    writers = tlb_take_writers(ram, page);
    if (writers) {
        harts_drop_writes_of(writers);
    }
    return p;
}

/* ---- building ---- */

typedef struct Builder {
    Hart *h;
    const uint8_t *code;    /* of the page */
    unsigned off, mode;
    unsigned insns, count;
    bool is_done;
    Op ops[BLOCK_INSNS_MAX * 2 + 2];
} Builder;

static void builder_init(Builder *b, Hart *h, const uint8_t *code, unsigned off, unsigned mode)
{
    b->h = h;
    b->code = code;
    b->off = off;
    b->mode = mode;
    b->insns = b->count = 0;
    b->is_done = false;
}

static Op *emit(Builder *b, unsigned id, unsigned off)
{
    Op *op = &b->ops[b->count++];

    *op = (Op){.id = (uint16_t)id, .off = (uint16_t)off};
    return op;
}

static uint8_t dest(uint8_t rd)
{
    return rd ? rd : 32; /* Hart.x_sink */
}

/* Simpler operations for common special cases. */
static void simplify(Op *op, const Insn *d, uint8_t flags)
{
    if (flags & INSN_PURE && d->rd == 0) {
        op->id = OP_NOP;
    } else if (d->id == OP_ADDI && d->rs1 == 0) {
        op->id = OP_LI;
    } else if (d->id == OP_LUI) {
        op->id = OP_LI;
    } else if ((d->id == OP_ADDI && d->imm == 0) || (d->id == OP_ADD && d->rs2 == 0)) {
        op->id = OP_MV;
    } else if (d->id == OP_ADD && d->rs1 == 0) {
        op->id = OP_MV;
        op->rs1 = d->rs2;
    } else if ((d->id == OP_CSRRS || d->id == OP_CSRRC || d->id == OP_CSRRSI || d->id == OP_CSRRCI) && d->rs1 == 0) {
        op->id = OP_CSR_READ;
    }
}

/* lui or auipc and addi(w) on the same register: one constant.  Neither can trap, and who jumps between them gets a
 * block of its own. */
static bool fold_constant(Builder *b, const Insn *d)
{
    Op *last = b->count ? &b->ops[b->count - 1] : NULL;

    if (!last || !d->rd || d->rs1 != d->rd || last->rd != d->rd || (d->id != OP_ADDI && d->id != OP_ADDIW)) {
        return false;
    }
    if (last->id == OP_LI) {
        last->imm = d->id == OP_ADDI ? last->imm + d->imm : (int32_t)(last->imm + d->imm);
        return true;
    }
    if (last->id == OP_AUIPC && d->id == OP_ADDI) {
        last->imm += d->imm;
        return true;
    }
    return false;
}

static void emit_insn(Builder *b, const Insn *d)
{
    const InsnRow *row = insn_row(d->id);
    unsigned frm = b->mode & 7, rm = d->rm == 7 ? frm : d->rm;
    Op *op;

    if (fold_constant(b, d)) {
        return;
    }
    op = emit(b, d->id, b->off);
    op->rd = row->flags & INSN_FRD ? d->rd : dest(d->rd);
    op->rs1 = d->rs1;
    op->rs2 = d->rs2;
    op->imm = row->flags & INSN_RAW ? d->raw : row->format == FMT_F4 ? d->rs3 : d->imm;
    op->aux = row->flags & INSN_RM ? (uint8_t)rm : d->len;
    if (d->id == OP_ILLEGAL || (row->flags & INSN_FP && (b->mode & 8 || (row->flags & INSN_RM && rm > 4)))) {
        op->id = OP_ILLEGAL;
        op->imm = d->raw;
        b->is_done = true;
        return;
    }
    simplify(op, d, row->flags);
    if (d->id == OP_JAL && d->imm & b->h->misaligned_mask) {
        op->id = OP_BAD_JUMP;
    }
    if (row->flags & INSN_LINK) {
        emit(b, OP_NOP, b->off)->link = NULL;
    }
    b->is_done = row->flags & INSN_ENDS && op->id != OP_CSR_READ;
}

static void log_insn(const Builder *b, const Insn *d)
{
    g_autoptr(GString) text = g_string_new(NULL);
    uint64_t pc = (b->h->st.pc & ~(uint64_t)PAGE_MASK_LOW) + b->off;

    insn_print(d, pc, text);
    log_printf(d->len == 2 ? "0x%08lx:  %04x       %s\n" : "0x%08lx:  %08x   %s\n", (unsigned long)pc, d->raw, text->str);
}

/* ---- pairs ---- */

#define PAIRS_EACH 24u
static struct {
    uint16_t second, pair;
} pairs[OP_COUNT][PAIRS_EACH]; /* by first; ends with pair 0 */

static void add_pair(unsigned first, unsigned second, unsigned pair)
{
    unsigned i = 0;

    while (pairs[first][i].pair) {
        i++;
    }
    g_assert(i < PAIRS_EACH - 1);
    pairs[first][i].second = (uint16_t)second;
    pairs[first][i].pair = (uint16_t)pair;
}

static void __attribute__((constructor)) pairs_init(void)
{
#define PAIR(a, b, ...) add_pair(OP_##a, OP_##b, OP_##a##_##b);
#include "target/insn.def"
}

static unsigned pair_of(unsigned first, unsigned second)
{
    for (unsigned i = 0; pairs[first][i].pair; i++) {
        if (pairs[first][i].second == second) {
            return pairs[first][i].pair;
        }
    }
    return 0;
}

static unsigned op_slots(const Op *op)
{
    return insn_row(op->id)->flags & INSN_LINK ? 2 : 1;
}

static void join_pairs(Builder *b)
{
    for (unsigned i = 0; i + 1 < b->count;) {
        unsigned next = i + op_slots(&b->ops[i]);
        unsigned pair = next == i + 1 ? pair_of(b->ops[i].id, b->ops[next].id) : 0;

        if (pair) {
            next += op_slots(&b->ops[next]);
            b->ops[i].id = (uint16_t)pair;
        }
        i = next;
    }
}

GUEST_MEMORY static uint16_t half_at(const uint8_t *p)
{
    uint16_t half;

    memcpy(&half, p, 2);
    return half;
}

static uint32_t raw_at(const Builder *b, unsigned off)
{
    uint16_t low = half_at(b->code + off), high = 0;

    if (insn_length(low) == 4 && off + 4 <= PAGE_BYTES) {
        high = half_at(b->code + off + 2);
    }
    return low | (uint32_t)high << 16;
}

static void build(Builder *b)
{
    unsigned max = one_insn ? 1 : BLOCK_INSNS_MAX;

    while (!b->is_done && b->insns < max && b->off < PAGE_BYTES) {
        uint32_t raw = raw_at(b, b->off);
        Insn d;

        if (insn_length((uint16_t)raw) == 4 && b->off + 4 > PAGE_BYTES) {
            break; /* crosses the page: on its own, see code_apart() */
        }
        d = insn_decode(raw, b->h->extensions);
        if (log_enabled(LOG_IN_ASM)) {
            log_insn(b, &d);
        }
        emit_insn(b, &d);
        b->off += d.len;
        b->insns++;
    }
    if (!b->is_done) {
        emit(b, b->off < PAGE_BYTES ? OP_END : OP_END_PAGE, b->off)->link = NULL;
    }
    if (!one_insn) {
        join_pairs(b);
    }
}

/* ---- keeping ---- */

static Block *page_search(CodePage *p, unsigned off, unsigned mode)
{
    Block *b = atomic_load_explicit(&p->buckets[off >> 1 & (BUCKETS - 1)], memory_order_acquire);

    while (b && (b->off != off || b->mode != mode)) {
        b = b->next;
    }
    return b;
}

static Op *arena_take(CodePage *p, unsigned count)
{
    if (!p->arenas || p->arenas->used + count > ARENA_OPS) {
        Arena *a = slab_take(&arenas);

        a->used = 0;
        a->next = p->arenas;
        p->arenas = a;
    }
    p->arenas->used += count;
    return &p->arenas->ops[p->arenas->used - count];
}

/* Where a block begins. */
typedef struct Start {
    RamBlock *ram;
    uint64_t page;
    unsigned off, mode;
} Start;

/* Decoding happens under the mutex too: a store that comes after our read of the bytes finds the chunk marked.
 * NULL: p has been dropped; until the mutex is held it may be gone altogether. */
static Block *page_add(Hart *h, const Start *at, CodePage *p, unsigned seen)
{
    _Atomic(CodePage *) *slot = page_slot(at->ram, at->page);
    unsigned off = at->off;
    Builder b; /* its 2 KiB of operations stay as they are until they are made */
    Block *block;

    builder_init(&b, h, at->ram->host + (at->page << PAGE_BITS), off, at->mode);
    g_mutex_lock(&code_mutex);
    block = atomic_load(slot) == p ? page_search(p, off, b.mode) : NULL;
    if (atomic_load(slot) == p && !block) {
        atomic_fetch_or(&p->chunks, chunk_mask(off, MIN(off + BLOCK_INSNS_MAX * 4, PAGE_BYTES) - 1));
        build(&b);
        block = slab_take(&blocks);
        *block = (Block){atomic_load(&p->buckets[off >> 1 & (BUCKETS - 1)]), (uint16_t)off, (uint8_t)b.mode,
                         (uint8_t)seen, arena_take(p, b.count)};
        memcpy(block->ops, b.ops, b.count * sizeof(Op));
        atomic_store(&p->buckets[off >> 1 & (BUCKETS - 1)], block);
    }
    g_mutex_unlock(&code_mutex);
    return block;
}

/* ---- one instruction that may not be kept: it crosses a page, or a PMP region ends in its page ---- */

typedef struct Scratch {
    Op ops[4];
} Scratch;

void *hart_scratch_new(void)
{
    return g_new0(Scratch, 1);
}

static bool fetch_half(Hart *h, gva_t pc, uint16_t *ret)
{
    bool whole;
    gpa_t gpa;
    RamBlock *ram;

    if (!tlb_fetch(h, pc, 2, &gpa, &whole)) {
        return false;
    }
    ram = ram_at(gpa);
    *ret = half_at(ram->host + (gpa - ram->gpa));
    return true;
}

static Op *code_apart(Hart *h)
{
    Builder b = {.h = h, .off = (unsigned)(h->st.pc & PAGE_MASK_LOW), .mode = h->jump_key & (CODE_MODES - 1)};
    Scratch *scratch = h->accel;
    uint16_t low, high = 0;
    Insn d;

    if (!fetch_half(h, h->st.pc, &low) || (insn_length(low) == 4 && !fetch_half(h, h->st.pc + 2, &high))) {
        hart_trap(h, h->exc_cause, h->exc_tval);
        return NULL;
    }
    d = insn_decode(low | (uint32_t)high << 16, h->extensions);
    if (log_enabled(LOG_IN_ASM)) {
        log_insn(&b, &d);
    }
    emit_insn(&b, &d);
    emit(&b, OP_END_PAGE, b.off + d.len);
    memcpy(scratch->ops, b.ops, b.count * sizeof(Op));
    return scratch->ops;
}

static void note_seen(Block *b, unsigned now)
{
    if (atomic_load_explicit(&b->seen, memory_order_relaxed) != now) {
        atomic_store_explicit(&b->seen, (uint8_t)now, memory_order_relaxed);
    }
}

Op *code_find(Hart *h, bool *ret_keep)
{
    Start at = {.off = (unsigned)(h->st.pc & PAGE_MASK_LOW), .mode = h->jump_key & (CODE_MODES - 1)};
    unsigned now = atomic_load_explicit(&period, memory_order_relaxed);
    bool whole;
    gpa_t gpa;
    uint16_t low;
    Block *b = NULL;

    *ret_keep = false;
    if (!tlb_fetch(h, h->st.pc, 2, &gpa, &whole)) {
        hart_trap(h, h->exc_cause, h->exc_tval);
        return NULL;
    }
    at.ram = ram_at(gpa);
    at.page = (gpa - at.ram->gpa) >> PAGE_BITS;
    low = half_at(at.ram->host + (gpa - at.ram->gpa));
    if (!whole || (at.off == PAGE_BYTES - 2 && insn_length(low) == 4)) {
        return code_apart(h);
    }
    while (!b) { /* again when the page is dropped in between */
        CodePage *p = page_get(at.ram, at.page);

        b = page_search(p, at.off, at.mode);
        b = b ? b : page_add(h, &at, p, now);
    }
    note_seen(b, now);
    *ret_keep = true;
    return b->ops;
}

/* ---- handing over what is known of the code (ahead.c) ---- */

void code_new_period(void)
{
    uint8_t now = (uint8_t)(atomic_load(&period) + 1);

    atomic_store(&period, now == SEEN_NEVER ? 1 : now);
    atomic_fetch_add(&generation, 1); /* jump caches are forgotten, so what runs is looked up again */
    tell_harts();
}

/* Under code_mutex.  Returns how many blocks of the page have been used; *ret_recent: one of them in this period. */
static unsigned page_list(CodePage *p, uint16_t *out, bool *ret_recent)
{
    unsigned n = 0, now = atomic_load(&period);

    *ret_recent = false;
    for (unsigned i = 0; i < BUCKETS; i++) {
        for (Block *b = atomic_load(&p->buckets[i]); b && n < CODE_PAGE_BLOCKS_MAX; b = b->next) {
            unsigned seen = atomic_load_explicit(&b->seen, memory_order_relaxed);

            if (seen != SEEN_NEVER) {
                out[n++] = (uint16_t)(b->off | b->mode << PAGE_BITS);
                *ret_recent |= seen == now;
            }
        }
    }
    return n;
}

void code_list_used(CodeListFn *fn, void *opaque)
{
    uint16_t list[CODE_PAGE_BLOCKS_MAX];

    for (unsigned i = 0; i < ram_count(); i++) {
        const RamBlock *ram = ram_block(i);

        for (uint64_t page = 0; page < ram->size >> PAGE_BITS; page++) {
            _Atomic(CodePage *) *slot;
            unsigned n = 0;
            bool recent = false;

            if (!(page & 63) && !atomic_load_explicit(&ram->code[page >> 6], memory_order_relaxed)) {
                page |= 63;
                continue;
            }
            if (!ram_has_code(ram, page)) {
                continue;
            }
            g_mutex_lock(&code_mutex);
            slot = page_slot(ram, page);
            if (slot && atomic_load(slot)) {
                n = page_list(atomic_load(slot), list, &recent);
            }
            g_mutex_unlock(&code_mutex);
            if (n) {
                fn(opaque, ram->gpa + (page << PAGE_BITS), list, n, recent);
            }
        }
    }
}

bool code_decode_ahead(gpa_t gpa, unsigned mode)
{
    Hart *h = harts[0]; /* what decoding looks at is the same in all of them */
    Start at = {.ram = ram_at(gpa), .off = (unsigned)(gpa & PAGE_MASK_LOW), .mode = mode};
    uint32_t low;
    bool is_full;

    if (!h || !at.ram || gpa & 1 || mode >= CODE_MODES || log_enabled(LOG_IN_ASM)) {
        return false;
    }
    at.page = (gpa - at.ram->gpa) >> PAGE_BITS;
    low = half_at(at.ram->host + (gpa - at.ram->gpa));
    if (!low || (at.off == PAGE_BYTES - 2 && insn_length((uint16_t)low) == 4)) {
        return false; /* nothing there, or not to be kept */
    }
    g_mutex_lock(&code_mutex);
    is_full = page_count >= PAGES_MAX / 2;
    g_mutex_unlock(&code_mutex);
    return !is_full && page_add(h, &at, page_get(at.ram, at.page), SEEN_NEVER) != NULL;
}
