/* tests/unit/target/hart-test.c - state that travels, CSRs, traps.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "fixture.h"

enum { MSTATUS = 0x300, MEDELEG = 0x302, MIDELEG = 0x303, MIE = 0x304, MIP = 0x344, MTVEC = 0x305, MENVCFG = 0x30a, SATP = 0x180,
       SSTATUS = 0x100, PMPCFG0 = 0x3a0, PMPADDR0 = 0x3b0, STIMECMP = 0x14d };

static uint64_t csr_get(Hart *h, unsigned number)
{
    uint64_t v = 0xdead;

    g_assert_true(csr_read(h, number, &v));
    return v;
}

static uint64_t csr_put(Hart *h, unsigned number, uint64_t v)
{
    uint64_t old;

    g_assert_true(csr_modify(h, number, CSR_WRITE, v, &old));
    return csr_get(h, number);
}

static void test_no_member_is_forgotten(void)
{
    g_autofree char *missing = vmstate_uncovered(rv64_cpu_type.state);

    g_assert_null(missing);
}

static void test_wire_format_is_the_agreed_one(void)
{
    const char *source = g_getenv("BATON_SOURCE");
    g_autofree char *path = g_build_filename(source ? source : ".", "tests", "data", "vmstate", "cpu.txt", NULL);
    g_autofree char *now = vmstate_describe_text(rv64_cpu_type.state), *then = NULL;

    if (g_getenv("BATON_REGENERATE")) {
        g_assert_true(g_file_set_contents(path, now, -1, NULL));
        return;
    }
    g_assert_true(g_file_get_contents(path, &then, NULL, NULL));
    g_assert_cmpstr(now, ==, then);
}

static void test_comes_back_as_it_was(void)
{
    Hart *h = fixture_up(2, NULL);
    StateWriter *w = state_writer_new();
    StateReader r;
    const uint8_t *data;
    size_t size;
    GError *err = NULL;

    for (unsigned i = 1; i < 32; i++) {
        h->st.x[i] = g_test_rand_int();
        h->st.f[i] = g_test_rand_int();
    }
    csr_put(h, MSTATUS, MSTATUS_MIE | 1ull << 13);
    h->fpu.flags = 21;
    h->fs_dirty = 1;
    h->st.is_halted = true;
    h->st.reserved_bytes = 8;
    atomic_store(&h->lines, 1u << MIP_MTIP);
    vmstate_save(rv64_cpu_type.state, h, w);
    data = state_writer_data(w, &size);
    state_reader_init(&r, data, size, "cpu");
    g_assert_true(vmstate_load(rv64_cpu_type.state, harts[1], 1, &r, &err));
    g_assert_cmpmem(&h->st, sizeof(h->st), &harts[1]->st, sizeof(h->st));
    g_assert_cmpuint(harts[1]->fpu.flags, ==, 21);
    g_assert_cmpuint(hart_mip(harts[1]), ==, 1u << MIP_MTIP);
    g_assert_cmphex(hart_mstatus(harts[1]) & (MSTATUS_FS | MSTATUS_SD), ==, MSTATUS_FS | MSTATUS_SD);
    state_writer_free(w);
    fixture_down();
}

static void test_impossible_state_is_refused(void)
{
    Hart *h = fixture_up(1, NULL);
    GError *err = NULL;

    h->st.priv = 2;
    g_assert_false(rv64_cpu_type.state->loaded(h, 1, &err));
    g_clear_error(&err);
    hart_reset(h);
    h->st.satp = 10ull << 60;
    g_assert_false(rv64_cpu_type.state->loaded(h, 1, &err));
    g_clear_error(&err);
    hart_reset(h);
    h->st.misa ^= 4;
    g_assert_false(rv64_cpu_type.state->loaded(h, 1, &err));
    g_clear_error(&err);
    fixture_down();
}

static void test_fields_read_back_what_was_kept(void)
{
    static const struct {
        unsigned number;
        uint64_t write, read;
    } cases[] = {
        {MSTATUS, ~0ull, 0x8000000a007e79aaull}, {MSTATUS, 2ull << 11, 0xa00001800ull}, {MEDELEG, ~0ull, 0xb3ff},
        {MIDELEG, ~0ull, 0x222}, {MIE, ~0ull, 0xaaa}, {MTVEC, 0x80000003, 0}, {MTVEC, 0x80000001, 0x80000001},
        {MENVCFG, ~0ull, 0xa0000000000000f1ull}, {SATP, 8ull << 60 | 0xffffull << 44 | 5, 8ull << 60 | 0xffffull << 44 | 5},
        {SATP, 10ull << 60 | 7, 8ull << 60 | 0xffffull << 44 | 5}, {SATP, 9ull << 60, 9ull << 60},
        {PMPADDR0, ~0ull, (1ull << 54) - 1}, {PMPCFG0, 0x1f, 0x1f}, {PMPCFG0, 0x02, 0x1f}, {0x301, 0, 0x800000000014112dull},
        {0x341, 3, 2}, {0x320, ~0ull, 5}, {0x306, ~0ull, 7}, {0x323, ~0ull, 0}, {0xb03, ~0ull, 0}, {0x003, ~0ull, 0xff},
    };
    Hart *h = fixture_up(1, NULL);

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        if (cases[i].number == MSTATUS && i == 1) {
            h->st.mstatus |= MSTATUS_MPP; /* a reserved privilege keeps the old one */
        }
        if (cases[i].number == 0x003) {
            csr_put(h, MSTATUS, MSTATUS_FS);
        }
        g_test_message("csr %03x", cases[i].number);
        g_assert_cmphex(csr_put(h, cases[i].number, cases[i].write), ==, cases[i].read);
    }
    fixture_down();
}

static void test_what_is_not_there_is_illegal(void)
{
    static const uint16_t none[] = {0x000, 0x200, 0x30c, 0x321, 0x7a0, 0x7a4, 0x747, 0xda0, 0xfb0, 0x3a1, 0x3c0, 0x5a8, 0xc80};
    Hart *h = fixture_up(1, "{'sstc': false, 'f': false, 'd': false}");
    uint64_t v;

    for (unsigned i = 0; i < G_N_ELEMENTS(none); i++) {
        g_assert_false(csr_read(h, none[i], &v));
    }
    g_assert_false(csr_read(h, STIMECMP, &v));
    g_assert_false(csr_modify(h, 0xf14, CSR_SET, 1, &v)); /* read-only */
    g_assert_cmphex(csr_put(h, MSTATUS, ~0ull) & MSTATUS_FS, ==, 0);
    g_assert_false(csr_read(h, 0x001, &v));
    g_assert_cmphex(csr_put(h, MENVCFG, ~0ull) & ENVCFG_STCE, ==, 0);
    h->st.priv = PRIV_S;
    g_assert_false(csr_read(h, MSTATUS, &v));
    h->st.mstatus |= MSTATUS_TVM;
    g_assert_false(csr_read(h, SATP, &v));
    g_assert_false(csr_read(h, 0xc01, &v)); /* mcounteren is clear */
    h->st.mcounteren = 7;
    g_assert_true(csr_read(h, 0xc01, &v));
    h->st.priv = PRIV_U;
    g_assert_false(csr_read(h, 0xc01, &v));
    fixture_down();
}

static void test_locked_pmp_stays(void)
{
    Hart *h = fixture_up(1, NULL);

    csr_put(h, PMPADDR0 + 1, 0x100);
    csr_put(h, PMPCFG0, 0x8f00); /* entry 1: locked, TOR */
    csr_put(h, PMPCFG0, 0);
    g_assert_cmphex(csr_get(h, PMPCFG0), ==, 0x8f00);
    g_assert_cmphex(csr_put(h, PMPADDR0 + 1, 1), ==, 0x100);
    g_assert_cmphex(csr_put(h, PMPADDR0, 1), ==, 0); /* its lower bound */
    fixture_down();
}

static void test_line_does_not_stick(void)
{
    Hart *h = fixture_up(1, NULL);
    uint64_t old;

    atomic_store(&h->lines, 1u << MIP_SEIP);
    g_assert_true(csr_modify(h, MIP, CSR_SET, 2, &old));
    g_assert_cmphex(old, ==, 1u << MIP_SEIP);
    atomic_store(&h->lines, 0);
    g_assert_cmphex(csr_get(h, MIP), ==, 2);
    fixture_down();
}

static void test_delegation_and_return(void)
{
    Hart *h = fixture_up(1, NULL);

    h->st.stvec = 0x1000;
    h->st.mtvec = 0x2001;
    h->st.medeleg = 1 << CAUSE_LOAD_PAGE;
    h->st.priv = PRIV_U;
    h->st.pc = 0x4000;
    h->st.mstatus = MSTATUS_SIE | MSTATUS_MIE;
    hart_trap(h, CAUSE_LOAD_PAGE, 0x77);
    g_assert_cmphex(h->st.pc, ==, 0x1000);
    g_assert_cmpuint(h->st.priv, ==, PRIV_S);
    g_assert_cmphex(h->st.sepc, ==, 0x4000);
    g_assert_cmphex(h->st.stval, ==, 0x77);
    g_assert_cmphex(h->st.mstatus & (MSTATUS_SIE | MSTATUS_SPIE | MSTATUS_SPP), ==, MSTATUS_SPIE);
    hart_trap(h, CAUSE_ILLEGAL, 0x1234); /* not delegated */
    g_assert_cmphex(h->st.pc, ==, 0x2000);
    g_assert_cmphex(h->st.mstatus & MSTATUS_MPP, ==, 1ull << MSTATUS_MPP_SHIFT);
    g_assert_true(hart_mret(h));
    g_assert_cmpuint(h->st.priv, ==, PRIV_S);
    g_assert_false(hart_mret(h));
    g_assert_true(hart_sret(h));
    g_assert_cmpuint(h->st.priv, ==, PRIV_U);
    g_assert_cmphex(h->st.pc, ==, 0x4000);
    g_assert_cmphex(h->st.mstatus & MSTATUS_SIE, ==, MSTATUS_SIE);
    g_assert_false(hart_sret(h));
    fixture_down();
}

static void test_interrupts_by_priority(void)
{
    static const uint8_t order[] = {11, 3, 7, 9, 1, 5};
    Hart *h = fixture_up(1, NULL);

    h->st.mie = 0xaaa;
    h->st.mstatus = MSTATUS_MIE;
    h->st.mip = 0x222;
    atomic_store(&h->lines, 0x888);
    for (unsigned i = 0; i < G_N_ELEMENTS(order); i++) {
        h->st.priv = PRIV_M;
        h->st.mstatus |= MSTATUS_MIE;
        g_assert_true(hart_take_interrupt(h));
        g_assert_cmphex(h->st.mcause, ==, CAUSE_INTERRUPT | order[i]);
        g_assert_false(hart_take_interrupt(h)); /* MIE is off in the handler */
        h->st.mie &= ~(1ull << order[i]);
    }
    fixture_down();
}

static void test_isa_string_names_what_is_on(void)
{
    g_autofree char *isa = NULL;

    fixture_up(1, "{'zbb': false, 'sv48': 'off'}");
    isa = hart_isa_string();
    g_assert_cmpstr(isa, ==, "rv64imafdc_zicbom_zicboz_zicntr_zicsr_zifencei_zihintpause_zba_zbs_sstc_svadu");
    g_assert_cmpstr(hart_mmu_type(), ==, "riscv,sv39");
    g_assert_cmpint(insn_decode(0x6b805013, harts[0]->extensions).id, ==, OP_ILLEGAL);
    fixture_down();
}

int main(int argc, char **argv)
{
    fixture_init(&argc, &argv);
    g_test_add_func("/target/hart/no_member_is_forgotten", test_no_member_is_forgotten);
    g_test_add_func("/target/hart/wire_format_is_the_agreed_one", test_wire_format_is_the_agreed_one);
    g_test_add_func("/target/hart/comes_back_as_it_was", test_comes_back_as_it_was);
    g_test_add_func("/target/hart/impossible_state_is_refused", test_impossible_state_is_refused);
    g_test_add_func("/target/csr/fields_read_back_what_was_kept", test_fields_read_back_what_was_kept);
    g_test_add_func("/target/csr/what_is_not_there_is_illegal", test_what_is_not_there_is_illegal);
    g_test_add_func("/target/csr/locked_pmp_stays", test_locked_pmp_stays);
    g_test_add_func("/target/csr/line_does_not_stick", test_line_does_not_stick);
    g_test_add_func("/target/trap/delegation_and_return", test_delegation_and_return);
    g_test_add_func("/target/trap/interrupts_by_priority", test_interrupts_by_priority);
    g_test_add_func("/target/isa/string_names_what_is_on", test_isa_string_names_what_is_on);
    return g_test_run();
}
