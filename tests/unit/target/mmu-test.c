/* tests/unit/target/mmu-test.c - page tables, A and D bits, PMP, TLB, accesses across pages.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "fixture.h"

#define ROOT (RAM_BASE + 0x10000)
#define MIDDLE (RAM_BASE + 0x11000)
#define LEAVES (RAM_BASE + 0x12000)
#define DATA (RAM_BASE + 0x100000)
enum { V = 1, R = 2, W = 4, X = 8, U = 16, A = 64, D = 128 };

static uint64_t pte(gpa_t to, unsigned bits)
{
    return to >> 12 << 10 | bits;
}

/* Sv39 with pages at 0x1000.. whose entries are at LEAVES + 8.., supervisor, all memory open by PMP. */
static Hart *paged(const char *props)
{
    Hart *h = fixture_up(1, props);
    uint64_t old;

    csr_modify(h, 0x3b0, CSR_WRITE, ~0ull, &old);
    csr_modify(h, 0x3a0, CSR_WRITE, 0x1f, &old);
    csr_modify(h, 0x30a, CSR_WRITE, ENVCFG_ADUE, &old);
    put64(ROOT, pte(MIDDLE, V));
    put64(MIDDLE, pte(LEAVES, V));
    csr_modify(h, 0x180, CSR_WRITE, (uint64_t)SATP_SV39 << 60 | ROOT >> 12, &old);
    h->st.priv = PRIV_S;
    tlb_update_context(h);
    return h;
}

static void test_permissions_and_faults(void)
{
    static const struct {
        unsigned bits;
        Access access;
        unsigned cause; /* 0: allowed */
        uint64_t status;
        unsigned priv;
    } cases[] = {
        {V | R | W | A | D, ACCESS_LOAD, 0, 0, PRIV_S}, {V | R | W | A | D, ACCESS_STORE, 0, 0, PRIV_S},
        {R | W | A | D, ACCESS_LOAD, 13, 0, PRIV_S}, {V | W | A | D, ACCESS_LOAD, 13, 0, PRIV_S},
        {V | R | A | D, ACCESS_STORE, 15, 0, PRIV_S}, {V | X | A, ACCESS_LOAD, 13, 0, PRIV_S},
        {V | X | A, ACCESS_LOAD, 0, MSTATUS_MXR, PRIV_S}, {V | R | U | A, ACCESS_LOAD, 13, 0, PRIV_S},
        {V | R | U | A, ACCESS_LOAD, 0, MSTATUS_SUM, PRIV_S}, {V | X | U | A, ACCESS_FETCH, 12, MSTATUS_SUM, PRIV_S},
        {V | X | U | A, ACCESS_FETCH, 0, 0, PRIV_U}, {V | R | A, ACCESS_LOAD, 13, 0, PRIV_U},
        {V | R | A, ACCESS_FETCH, 12, 0, PRIV_S},
        {V, ACCESS_LOAD, 13, 0, PRIV_S} /* a pointer at the last level */,
    };
    Hart *h = paged(NULL);
    Mapping map;

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        put64(LEAVES + 8, pte(DATA, cases[i].bits));
        h->st.mstatus = cases[i].status;
        h->st.priv = (uint8_t)cases[i].priv;
        g_assert_cmpint(mmu_translate(h, 0x1234, cases[i].access, tlb_data_mode(h), &map), ==, !cases[i].cause);
        if (cases[i].cause) {
            g_assert_cmpuint(h->exc_cause, ==, cases[i].cause);
            g_assert_cmphex(h->exc_tval, ==, 0x1234);
        } else {
            g_assert_cmphex(map.gpa, ==, DATA + 0x234);
        }
    }
    g_assert_false(mmu_translate(h, 1ull << 39, ACCESS_LOAD, PRIV_S, &map)); /* not canonical */
    put64(LEAVES + 8, pte(DATA, V | R | A) | 1ull << 63);                    /* reserved bits */
    g_assert_false(mmu_translate(h, 0x1000, ACCESS_LOAD, PRIV_S, &map));
    put64(MIDDLE, pte(DATA, V | R | A)); /* a large page out of line */
    g_assert_false(mmu_translate(h, 0x1000, ACCESS_LOAD, PRIV_S, &map));
    put64(MIDDLE, pte(RAM_BASE, V | R | A));
    g_assert_true(mmu_translate(h, 0x1000, ACCESS_LOAD, PRIV_S, &map));
    g_assert_cmphex(map.gpa, ==, RAM_BASE + 0x1000);
    g_assert_cmphex(map.page_size, ==, 2u << 20);
    fixture_down();
}

static void test_accessed_and_dirty(void)
{
    Hart *h = paged(NULL);
    RamBlock *b = ram_block(0);
    Mapping map;

    memset((void *)b->dirty, 0, b->words * 8);
    put64(LEAVES + 8, pte(DATA, V | R | W));
    g_assert_true(mmu_translate(h, 0x1000, ACCESS_LOAD, PRIV_S, &map));
    g_assert_cmphex(get64(LEAVES + 8), ==, pte(DATA, V | R | W | A));
    g_assert_false(map.w); /* D has to be set by a store first */
    g_assert_cmphex(b->dirty[0] >> 0x12 & 1, ==, 1);
    g_assert_true(mmu_translate(h, 0x1000, ACCESS_STORE, PRIV_S, &map));
    g_assert_cmphex(get64(LEAVES + 8), ==, pte(DATA, V | R | W | A | D));
    h->st.menvcfg = 0; /* Svade: the guest sets them */
    put64(LEAVES + 8, pte(DATA, V | R | W | A));
    g_assert_true(mmu_translate(h, 0x1000, ACCESS_LOAD, PRIV_S, &map));
    g_assert_false(mmu_translate(h, 0x1000, ACCESS_STORE, PRIV_S, &map));
    g_assert_cmpuint(h->exc_cause, ==, CAUSE_STORE_PAGE);
    fixture_down();
}

static void test_dirty_bit_comes_before_the_tag(void)
{
    Hart *h = paged(NULL);
    RamBlock *b = ram_block(0);
    uint64_t page = (DATA - RAM_BASE) >> 12;

    put64(LEAVES + 8, pte(DATA, V | R | W | A | D));
    memset((void *)b->dirty, 0, b->words * 8);
    g_assert_true(hart_load(h, 0x1000, 8).ok);
    g_assert_false(tlb_hit(tlb_entry(h->dtlb, 0x1000)->w, 0x1000, 8));
    g_assert_cmphex(b->dirty[page / 64] >> page % 64 & 1, ==, 0);
    g_assert_true(hart_store(h, 0x1008, 8, 5));
    g_assert_true(tlb_hit(tlb_entry(h->dtlb, 0x1000)->w, 0x1000, 8));
    g_assert_true(tlb_hit(tlb_entry(h->dtlb, 0x1000)->r, 0x1000, 8));
    g_assert_cmphex(b->dirty[page / 64] >> page % 64 & 1, ==, 1);
    tlb_drop_writes(h);
    g_assert_false(tlb_hit(tlb_entry(h->dtlb, 0x1000)->w, 0x1000, 8));
    g_assert_true(tlb_hit(tlb_entry(h->dtlb, 0x1000)->r, 0x1000, 8));
    ram_set_code(b, page); /* a page with code gets none */
    g_assert_true(hart_store(h, 0x1008, 8, 6));
    g_assert_false(tlb_hit(tlb_entry(h->dtlb, 0x1000)->w, 0x1000, 8));
    g_assert_cmphex(get64(DATA + 8), ==, 6);
    fixture_down();
}

static void test_across_pages(void)
{
    Hart *h = paged(NULL);
    LoadResult r;

    put64(LEAVES + 8, pte(DATA, V | R | W | A | D));
    put64(LEAVES + 16, pte(DATA + 0x5000, V | R | W | A | D));
    for (unsigned at = 0xff9; at < 0x1000; at++) {
        g_assert_true(hart_store(h, 0x1000 + at, 8, 0x1122334455667788ull + at));
        r = hart_load(h, 0x1000 + at, 8);
        g_assert_true(r.ok);
        g_assert_cmphex(r.value, ==, 0x1122334455667788ull + at);
    }
    g_assert_cmphex(*(uint8_t *)ram_ptr(DATA + 0x5000, 1), ==, 0x87);
    put64(LEAVES + 16, 0);
    tlb_flush_all(h);
    put64(DATA + 0xff8, 0);
    g_assert_false(hart_store(h, 0x1ffc, 8, ~0ull)); /* all or nothing, and the part that failed */
    g_assert_cmphex(h->exc_tval, ==, 0x2000);
    g_assert_cmphex(get64(DATA + 0xff8), ==, 0);
    fixture_down();
}

static void test_asids_and_fences(void)
{
    Hart *h = paged(NULL);
    uint64_t old, space = (uint64_t)SATP_SV39 << 60 | ROOT >> 12;

    put64(LEAVES + 8, pte(DATA, V | R | A));
    put64(LEAVES + 16, pte(DATA, V | R | A));
    put64(DATA, 1);
    put64(DATA + 0x1000, 2);
    g_assert_cmpuint(hart_load(h, 0x1000, 8).value, ==, 1);
    csr_modify(h, 0x180, CSR_WRITE, space | 7ull << 44, &old);
    g_assert_false(tlb_hit(tlb_entry(h->dtlb, 0x1000)->r, 0x1000, 8));
    g_assert_cmpuint(hart_load(h, 0x1000, 8).value, ==, 1);
    put64(LEAVES + 8, pte(DATA + 0x1000, V | R | A));
    tlb_flush_page(h, 0x1000, false, 7);
    g_assert_cmpuint(hart_load(h, 0x1000, 8).value, ==, 2);
    csr_modify(h, 0x180, CSR_WRITE, space, &old);
    g_assert_true(tlb_hit(tlb_entry(h->dtlb, 0x1000)->r, 0x1000, 8)); /* the other space was not touched */
    tlb_flush_asid(h, 0);
    g_assert_cmpuint(hart_load(h, 0x1000, 8).value, ==, 2);
    put64(MIDDLE, pte(RAM_BASE, V | R | A)); /* slices of a large page go together */
    tlb_flush_all(h);
    g_assert_true(hart_load(h, 0x100000, 8).ok);
    g_assert_true(hart_load(h, 0x101000, 8).ok);
    tlb_flush_page(h, 0x5000, true, 0);
    g_assert_false(tlb_hit(tlb_entry(h->dtlb, 0x101000)->r, 0x101000, 8));
    fixture_down();
}

static void test_pmp(void)
{
    Hart *h = fixture_up(1, NULL);
    bool whole;
    uint64_t old;

    g_assert_cmpuint(pmp_check(h, RAM_BASE, 8, PRIV_S, &whole), ==, 0); /* no rule: nothing for S */
    g_assert_cmpuint(pmp_check(h, RAM_BASE, 8, PRIV_M, &whole), ==, 7);
    csr_modify(h, 0x3b0, CSR_WRITE, (RAM_BASE + 0x100) >> 2, &old);          /* 0: NA4, nothing */
    csr_modify(h, 0x3b1, CSR_WRITE, (RAM_BASE + 0x2000) >> 2, &old);         /* 1: TOR up to, read */
    csr_modify(h, 0x3b2, CSR_WRITE, (RAM_BASE + 0x4000) >> 2 | 0x1ff, &old); /* 2: NAPOT 4 KiB, read, locked */
    csr_modify(h, 0x3a0, CSR_WRITE, 0x990910, &old);
    g_assert_cmpuint(pmp_check(h, RAM_BASE + 0x100, 4, PRIV_S, &whole), ==, 0);
    g_assert_false(whole);
    g_assert_cmpuint(pmp_check(h, RAM_BASE + 0xfc, 8, PRIV_S, &whole), ==, 0); /* half in */
    g_assert_cmpuint(pmp_check(h, RAM_BASE + 0x104, 4, PRIV_S, &whole), ==, PMP_R);
    g_assert_false(whole);
    g_assert_cmpuint(pmp_check(h, RAM_BASE + 0x1ff8, 8, PRIV_U, &whole), ==, PMP_R);
    g_assert_true(whole);
    g_assert_cmpuint(pmp_check(h, RAM_BASE + 0x4008, 8, PRIV_M, &whole), ==, PMP_R); /* locked: M too */
    g_assert_cmpuint(pmp_check(h, RAM_BASE + 0x2000, 8, PRIV_S, &whole), ==, 0);
    fixture_down();
}

static void test_reservations(void)
{
    Hart *h = fixture_up(1, NULL);
    uint64_t v, failed;

    put64(DATA, 40);
    g_assert_true(hart_load_reserved(h, DATA, 8, &v));
    g_assert_true(hart_store_conditional(h, DATA, 8, 41, &failed));
    g_assert_cmpuint(failed, ==, 0);
    g_assert_true(hart_store_conditional(h, DATA, 8, 42, &failed));
    g_assert_cmpuint(failed, ==, 1);
    g_assert_true(hart_load_reserved(h, DATA, 8, &v));
    g_assert_true(hart_store_conditional(h, DATA + 8, 8, 42, &failed));
    g_assert_cmpuint(failed, ==, 1);
    g_assert_true(hart_load_reserved(h, DATA, 4, &v));
    put64(DATA, 50); /* another hart */
    g_assert_true(hart_store_conditional(h, DATA, 4, 42, &failed));
    g_assert_cmpuint(failed, ==, 1);
    g_assert_cmpuint(get64(DATA), ==, 50);
    g_assert_false(hart_load_reserved(h, DATA + 2, 4, &v));
    g_assert_cmpuint(h->exc_cause, ==, CAUSE_LOAD_MISALIGNED);
    g_assert_null(hart_atomic_ptr(h, DATA + 4, 8));
    g_assert_cmpuint(h->exc_cause, ==, CAUSE_STORE_MISALIGNED);
    g_assert_null(hart_atomic_ptr(h, 0x10, 8));
    g_assert_cmpuint(h->exc_cause, ==, CAUSE_STORE_ACCESS);
    fixture_down();
}

int main(int argc, char **argv)
{
    fixture_init(&argc, &argv);
    g_test_add_func("/target/mmu/permissions_and_faults", test_permissions_and_faults);
    g_test_add_func("/target/mmu/accessed_and_dirty", test_accessed_and_dirty);
    g_test_add_func("/target/tlb/dirty_bit_comes_before_the_tag", test_dirty_bit_comes_before_the_tag);
    g_test_add_func("/target/memory/across_pages", test_across_pages);
    g_test_add_func("/target/tlb/asids_and_fences", test_asids_and_fences);
    g_test_add_func("/target/pmp/regions", test_pmp);
    g_test_add_func("/target/memory/reservations", test_reservations);
    return g_test_run();
}
