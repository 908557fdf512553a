/* tests/unit/accel/interp-test.c - hand-made programs, random streams, code that changes, harts that stop and share.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "../target/fixture.h"

#include "accel/interp.h"
#include "system/clock.h"
#include "system/harts.h"

#define DATA (RAM_BASE + 0x200000)
#define FLAG (RAM_BASE + 0x300000) /* a program stores here when it is done */

static uint32_t enc_i(unsigned op, unsigned f3, unsigned rd, unsigned rs1, int imm)
{
    return op | rd << 7 | f3 << 12 | rs1 << 15 | (uint32_t)imm << 20;
}

static uint32_t enc_s(unsigned f3, unsigned rs1, unsigned rs2, int imm)
{
    return 0x23 | (imm & 31) << 7 | f3 << 12 | rs1 << 15 | rs2 << 20 | (uint32_t)(imm >> 5) << 25;
}

static uint32_t enc_b(unsigned f3, unsigned rs1, unsigned rs2, int imm)
{
    return 0x63 | f3 << 12 | rs1 << 15 | rs2 << 20 | (imm >> 11 & 1) << 7 | (imm >> 1 & 15) << 8 |
           (uint32_t)(imm >> 5 & 63) << 25 | (uint32_t)(imm >> 12 & 1) << 31;
}

#define ADDI(rd, rs1, imm) enc_i(0x13, 0, rd, rs1, imm)
#define LD(rd, rs1, imm) enc_i(3, 3, rd, rs1, imm)
#define SD(rs2, rs1, imm) enc_s(3, rs1, rs2, imm)
#define BNE(a, b, imm) enc_b(1, a, b, imm)
#define WFI 0x10500073u
#define J_SELF 0x0000006fu
#define FENCE_I 0x0000100fu
#define FENCE 0x0ff0000fu
enum { ZERO, RA, SP, GP, TP, T0, T1, T2, S0, S1, A0, A1, A2, A3, A4, A5 };

static void up(unsigned count, const char *props)
{
    harts_use_accel(&interp_accel);
    fixture_up(count, props);
}

static void down(void)
{
    interp_stop();
    fixture_down();
    harts_use_accel(NULL);
}

static void put_code(gpa_t gpa, const uint32_t *code, unsigned words)
{
    memcpy(ram_ptr(gpa, words * 4), code, words * 4);
    ram_written(gpa, words * 4);
}

static uint64_t load_shared(gpa_t gpa)
{
    return atomic_load((_Atomic uint64_t *)ram_ptr(gpa, 8));
}

/* Runs until the word at FLAG is not zero, then stops all harts. */
static void run_until_flag(void)
{
    gint64 limit = g_get_monotonic_time() + 200 * G_USEC_PER_SEC; /* against a hang; a busy machine takes a tenth of it */

    clock_enable();
    harts_resume_all();
    while (!load_shared(FLAG)) {
        g_assert_cmpint(g_get_monotonic_time(), <, limit);
        g_thread_yield();
    }
    harts_pause_all();
    clock_disable();
}

static void test_loop_sums(void)
{
    const uint32_t code[] = {
        ADDI(A0, ZERO, 0), ADDI(A1, ZERO, 1000), 0x00b50533 /* add a0,a0,a1 */, ADDI(A1, A1, -1), BNE(A1, ZERO, -8),
        SD(A0, S0, 0), SD(A2, S1, 0), J_SELF,
    };

    up(1, NULL);
    put_code(RAM_BASE, code, G_N_ELEMENTS(code));
    harts[0]->st.x[S0] = DATA;
    harts[0]->st.x[S1] = FLAG;
    harts[0]->st.x[A2] = 1;
    run_until_flag();
    g_assert_cmpuint(get64(DATA), ==, 500500);
    g_assert_cmphex(harts[0]->st.pc, ==, RAM_BASE + 28);
    down();
}

static void test_instruction_across_pages(void)
{
    const uint32_t tail[] = {ADDI(A0, A0, 7), SD(A0, S0, 0), SD(A2, S1, 0), J_SELF};

    up(1, NULL);
    for (unsigned at = 0; at < 0xffe; at += 2) {
        *(uint16_t *)ram_ptr(RAM_BASE + at, 2) = 1;
    }
    put_code(RAM_BASE + 0xffe, tail, G_N_ELEMENTS(tail));
    harts[0]->st.x[S0] = DATA;
    harts[0]->st.x[S1] = FLAG;
    harts[0]->st.x[A2] = 1;
    run_until_flag();
    g_assert_cmpuint(get64(DATA), ==, 7);
    down();
}

/* The program replaces one of its own instructions, as data, and calls it again after fence.i. */
static void test_code_that_changes_is_seen(void)
{
    const uint32_t code[] = {
        0x000300e7 /* jalr ra, t1 */, SD(A0, S0, 0), enc_s(2, T1, T0, 0) /* sw t0, 0(t1) */, FENCE_I, 0x000300e7,
        SD(A0, S0, 8), SD(A2, S1, 0), J_SELF,
    };
    const uint32_t callee[] = {ADDI(A0, ZERO, 11), 0x00008067 /* ret */};

    for (unsigned same_page = 0; same_page < 2; same_page++) {
        gpa_t at = RAM_BASE + (same_page ? 0x800 : 0x5000);

        up(1, NULL);
        put_code(RAM_BASE, code, G_N_ELEMENTS(code));
        put_code(at, callee, 2);
        harts[0]->st.x[S0] = DATA;
        harts[0]->st.x[S1] = FLAG;
        harts[0]->st.x[A2] = 1;
        harts[0]->st.x[T1] = at;
        harts[0]->st.x[T0] = ADDI(A0, ZERO, 22);
        run_until_flag();
        g_assert_cmpuint(get64(DATA), ==, 11);
        g_assert_cmpuint(get64(DATA + 8), ==, 22);
        down();
    }
}

/* A store loop never stops; still every round of the dirty log sees the page again. */
static void test_dirty_log_sees_every_round(void)
{
    const uint32_t code[] = {SD(A2, S1, 0), SD(A0, S0, 0), ADDI(A0, A0, 1), enc_b(0, ZERO, ZERO, -8)};
    uint64_t page = (DATA - RAM_BASE) >> 12, before;
    RamBlock *b;

    up(2, NULL);
    b = ram_block(0);
    put_code(RAM_BASE, code, G_N_ELEMENTS(code));
    for (unsigned i = 0; i < 2; i++) {
        harts[i]->st.x[S0] = DATA + i * 8;
        harts[i]->st.x[S1] = FLAG;
        harts[i]->st.x[A2] = 1;
    }
    clock_enable();
    harts_resume_all();
    while (!load_shared(FLAG)) {
        g_thread_yield();
    }
    for (unsigned round = 0; round < 200; round++) {
        atomic_exchange(&b->dirty[page / 64], 0);
        harts_drop_write_tlbs();
        before = load_shared(DATA);
        while (load_shared(DATA) == before) { /* it stores again, through the slow path first */
            g_thread_yield();
        }
        g_assert_cmphex(atomic_load(&b->dirty[page / 64]) >> page % 64 & 1, ==, 1);
    }
    harts_pause_all();
    down();
}

static void test_stops_and_goes_on(void)
{
    const uint32_t spin[] = {ADDI(A0, A0, 1), SD(A0, S0, 0), enc_b(0, ZERO, ZERO, -8)};
    const uint32_t wait[] = {WFI, enc_b(0, ZERO, ZERO, -4)};
    gint64 began, worst = 0;

    up(8, NULL);
    put_code(RAM_BASE, spin, 3);
    put_code(RAM_BASE + 0x1000, wait, 2);
    for (unsigned i = 0; i < 8; i++) {
        harts[i]->st.pc = RAM_BASE + (i % 2) * 0x1000;
        harts[i]->st.x[S0] = DATA + i * 8;
    }
    clock_enable();
    /* On a busy machine the host may not have run hart 1 at all in a hundred short rounds. */
    for (unsigned round = 0; round < 100 || (round < 20000 && !harts[1]->st.is_halted); round++) {
        uint64_t seen;

        harts_resume_all();
        while (load_shared(DATA) <= round) {
            g_thread_yield();
        }
        began = g_get_monotonic_time();
        harts_pause_all();
        worst = MAX(worst, g_get_monotonic_time() - began);
        seen = load_shared(DATA);
        g_assert_cmpuint(seen, ==, load_shared(DATA));
    }
    g_test_message("longest stop of 8 harts: %ld us", (long)worst);
    harts_resume_all(); /* a stop may have caught it on its way back to WFI */
    while (!*(volatile bool *)&harts[1]->st.is_halted) {
        g_thread_yield();
    }
    harts_pause_all();
    g_assert_true(harts[1]->st.is_halted);
    down();
}

static void test_interrupt_ends_wfi(void)
{
    const uint32_t code[] = {WFI, SD(A2, S1, 0), J_SELF};

    up(1, NULL);
    put_code(RAM_BASE, code, 3);
    harts[0]->st.x[S1] = FLAG;
    harts[0]->st.x[A2] = 1;
    harts[0]->st.mie = 1 << MIP_MSIP;
    clock_enable();
    harts_resume_all();
    harts_pause_all();
    g_assert_cmpuint(load_shared(FLAG), ==, 0);
    harts_set_line(0, MIP_MSIP, true);
    run_until_flag();
    down();
}

static void test_stimecmp_ends_wfi(void)
{
    const uint32_t code[] = {WFI, SD(A2, S1, 0), J_SELF};

    up(1, NULL);
    put_code(RAM_BASE, code, 3);
    harts[0]->st.x[S1] = FLAG;
    harts[0]->st.x[A2] = 1;
    harts[0]->st.mie = 1 << MIP_STIP;
    harts[0]->st.menvcfg = ENVCFG_STCE;
    harts[0]->st.stimecmp = clock_timebase() + TIMEBASE_HZ / 100;
    run_until_flag();
    g_assert_cmpuint(clock_timebase(), >=, harts[0]->st.stimecmp);
    down();
}

/* ---- random streams: blocks against single instructions ---- */

static uint32_t random_insn(void)
{
    static const uint8_t regs[] = {A0, A1, A2, A3, A4, A5, S0, T0};
#define REG regs[g_test_rand_int_range(0, G_N_ELEMENTS(regs))]

    for (;;) {
        unsigned id = (unsigned)g_test_rand_int_range(0, OP_COUNT);
        const InsnRow *row = insn_row(id);
        uint32_t raw = row->match | ((uint32_t)g_test_rand_int() & ~row->mask);

        switch (row->format) {
        case FMT_R: case FMT_R1: case FMT_I: case FMT_SH: case FMT_U: case FMT_FR: case FMT_FR1: case FMT_XF: case FMT_XFF:
        case FMT_FX: case FMT_F4:
            if (row->mask && id != OP_JALR && insn_decode(raw, EXT_ALL).id != OP_ILLEGAL) {
                return raw;
            }
            break;
        case FMT_L: case FMT_FL:
            return (raw & ~(31u << 15 | 0xfff00000u)) | SP << 15 | (uint32_t)g_test_rand_int_range(0, 256) << 20;
        case FMT_S: case FMT_FS:
            return enc_s(row->match >> 12 & 7, SP, REG, g_test_rand_int_range(0, 256)) | (row->match & 0x7f);
        case FMT_AMO:
            return id == OP_SC_W || id == OP_SC_D ? ADDI(A0, A0, 1) : (raw & ~(31u << 15)) | SP << 15;
        case FMT_B:
            return enc_b(row->match >> 12 & 7, REG, REG, 8); /* over the next one */
        default:
            break;
        }
    }
}

static void random_program(uint32_t *code, unsigned words)
{
    for (unsigned i = 0; i < words; i++) {
        do {
            code[i] = random_insn();
        } while ((code[i] >> 7 & 31) == SP || (code[i] >> 7 & 31) == S1 || (code[i] >> 7 & 31) == GP);
    }
    code[words - 2] = code[words - 1] = ADDI(A0, A0, 0);
}

static void run_program(const uint32_t *code, unsigned words, bool one_insn, gpa_t *ret_state, uint64_t *ret_memory)
{
    const uint32_t ending[] = {SD(GP, S1, 0), J_SELF};
    uint64_t *state = (uint64_t *)ret_state;

    interp_set_one_insn(one_insn);
    up(1, NULL);
    put_code(RAM_BASE, code, words);
    put_code(RAM_BASE + words * 4, ending, 2);
    for (unsigned i = 5; i < 32; i++) {
        harts[0]->st.x[i] = i * 0x9e3779b97f4a7c15ull >> i % 40;
        harts[0]->st.f[i] = i * 0xc2b2ae3d27d4eb4full;
    }
    harts[0]->st.mstatus = MSTATUS_FS;
    harts[0]->st.x[SP] = DATA;
    harts[0]->st.x[S1] = FLAG;
    harts[0]->st.x[GP] = 1;
    tlb_update_context(harts[0]);
    run_until_flag();
    memcpy(state, harts[0]->st.x, 256);
    memcpy(state + 32, harts[0]->st.f, 256);
    state[64] = harts[0]->fpu.flags;
    memcpy(ret_memory, ram_ptr(DATA, 512), 512);
    down();
    interp_set_one_insn(false);
}

static void test_blocks_are_single_steps(void)
{
    enum { WORDS = 600 };
    uint32_t code[WORDS];
    uint64_t states[2][65], memory[2][64];

    for (unsigned round = 0; round < 12; round++) {
        random_program(code, WORDS);
        for (unsigned one = 0; one < 2; one++) {
            run_program(code, WORDS, one, states[one], memory[one]);
        }
        g_assert_cmpmem(states[0], sizeof(states[0]), states[1], sizeof(states[1]));
        g_assert_cmpmem(memory[0], sizeof(memory[0]), memory[1], sizeof(memory[1]));
    }
}

/* ---- two harts ---- */

/* Each adds to one counter, by amoadd and by lr/sc in turn. */
static void test_nothing_is_lost_between_harts(void)
{
    const uint32_t code[] = {
        0x00c5a02f,                                                             /* amoadd.w x0, a2, (a1) */
        0x1005b52f | 0 /* lr.d a0, (a1) */, ADDI(A0, A0, 1), 0x18a5b6af,        /* sc.d a3, a0, (a1) */
        BNE(A3, ZERO, -12), ADDI(A4, A4, -1), BNE(A4, ZERO, -24), 0x00c4b02f,   /* amoadd.d x0, a2, (s1) */
        J_SELF,
    };

    up(2, NULL);
    put_code(RAM_BASE, code, G_N_ELEMENTS(code));
    for (unsigned i = 0; i < 2; i++) {
        harts[i]->st.x[A1] = DATA;
        harts[i]->st.x[A2] = 1;
        harts[i]->st.x[A4] = 20000;
        harts[i]->st.x[S1] = DATA + 64;
    }
    clock_enable();
    harts_resume_all();
    while (load_shared(DATA + 64) != 2) {
        g_thread_yield();
    }
    harts_pause_all();
    g_assert_cmpuint(get64(DATA), ==, 80000);
    down();
}

/* One hart writes a function anew and says so, the other fences and calls it: it never runs the old one. */
static void test_code_of_another_hart_is_seen(void)
{
    enum { ROUNDS = 1000 };
    const uint32_t writer[] = {
        enc_s(2, A0, A4, 0), FENCE, ADDI(A3, A3, 1), SD(A3, A1, 0), LD(T0, A2, 0), BNE(T0, A3, -4),
        0x00100337 /* lui t1, 0x100 */, 0x00670733 /* add a4, a4, t1 */, BNE(A3, A5, -32), SD(A3, S1, 0), J_SELF,
    };
    const uint32_t reader[] = {
        LD(T0, A1, 0), enc_b(0, T0, A3, -4), FENCE, FENCE_I, ADDI(A3, T0, 0), 0x000500e7 /* jalr ra, a0 */,
        0x40d383b3 /* sub t2, t2, a3 */, 0x007767b3 /* or a5, a4, t2 */, ADDI(A4, A5, 0), SD(A4, S0, 0), SD(A3, A2, 0),
        enc_b(0, ZERO, ZERO, -44),
    };
    const uint32_t callee[] = {ADDI(T2, ZERO, 0), 0x00008067};

    for (unsigned same_page = 0; same_page < 2; same_page++) {
        gpa_t at = RAM_BASE + (same_page ? 0x1800 : 0x5000);

        up(2, NULL);
        put_code(RAM_BASE, writer, G_N_ELEMENTS(writer));
        put_code(RAM_BASE + 0x1000, reader, G_N_ELEMENTS(reader));
        put_code(at, callee, 2);
        for (unsigned i = 0; i < 2; i++) {
            harts[i]->st.pc = RAM_BASE + i * 0x1000;
            harts[i]->st.x[A0] = at;
            harts[i]->st.x[A1] = DATA;
            harts[i]->st.x[A2] = DATA + 64;
            harts[i]->st.x[S0] = DATA + 128;
            harts[i]->st.x[S1] = FLAG;
        }
        harts[0]->st.x[A4] = ADDI(T2, ZERO, 1);
        harts[0]->st.x[A5] = ROUNDS;
        run_until_flag();
        g_assert_cmphex(get64(DATA + 128), ==, 0);
        g_assert_cmpuint(get64(DATA + 64), ==, ROUNDS);
        down();
    }
}

/* Without C an instruction begins at a multiple of four: the jump traps, and writes nothing. */
static void test_misaligned_targets_trap_without_c(void)
{
    const uint32_t handler[] = {SD(A2, S1, 0), J_SELF};
    const uint32_t jumps[] = {0x006000ef /* jal ra, 6 */, 0x002500e7 /* jalr ra, 2(a0) */, enc_b(0, ZERO, ZERO, 6)};
    const uint64_t targets[] = {RAM_BASE + 6, RAM_BASE + 0x102, RAM_BASE + 6};

    for (unsigned i = 0; i < G_N_ELEMENTS(jumps); i++) {
        up(1, "{'c': false}");
        put_code(RAM_BASE, &jumps[i], 1);
        put_code(RAM_BASE + 0x1000, handler, 2);
        harts[0]->st.mtvec = RAM_BASE + 0x1000;
        harts[0]->st.x[A0] = RAM_BASE + 0x100;
        harts[0]->st.x[A2] = 1;
        harts[0]->st.x[S1] = FLAG;
        harts[0]->st.x[RA] = 5;
        run_until_flag();
        g_assert_cmphex(harts[0]->st.mcause, ==, CAUSE_FETCH_MISALIGNED);
        g_assert_cmphex(harts[0]->st.mepc, ==, RAM_BASE);
        g_assert_cmphex(harts[0]->st.mtval, ==, targets[i]);
        g_assert_cmpuint(harts[0]->st.x[RA], ==, 5);
        down();
    }
}

/* Store buffering with fences, message passing: outcomes that RVWMO forbids never show. */
static void test_litmus(void)
{
    const uint32_t sb[] = {SD(A2, A0, 0), FENCE, LD(A5, A1, 0), SD(A5, S0, 0), 0x00c4b02f, J_SELF};
    const uint32_t mp_writer[] = {SD(A2, A0, 0), 0x0110000f /* fence w,w */, SD(A2, A1, 0), 0x00c4b02f, J_SELF};
    const uint32_t mp_reader[] = {LD(A5, A1, 0), 0x0220000f /* fence r,r */, LD(A4, A0, 0), SD(A5, S0, 0), SD(A4, S0, 8),
                                         0x00c4b02f, J_SELF};

    up(2, NULL);
    put_code(RAM_BASE, sb, G_N_ELEMENTS(sb));
    put_code(RAM_BASE + 0x1000, mp_writer, G_N_ELEMENTS(mp_writer));
    put_code(RAM_BASE + 0x2000, mp_reader, G_N_ELEMENTS(mp_reader));
    clock_enable();
    for (unsigned round = 0; round < 200; round++) {
        bool is_sb = round & 1;

        memset(ram_ptr(DATA, 512), 0, 512);
        put64(FLAG, 0);
        for (unsigned i = 0; i < 2; i++) {
            Hart *h = harts[i];

            hart_reset(h);
            h->st.pc = is_sb ? RAM_BASE : RAM_BASE + 0x1000 + i * 0x1000;
            h->st.x[A0] = DATA + (is_sb && i ? 64 : 0);
            h->st.x[A1] = DATA + (is_sb && i ? 0 : 64);
            h->st.x[A2] = 1;
            h->st.x[S0] = DATA + 256 + i * 64;
            h->st.x[S1] = FLAG;
        }
        harts_resume_all();
        while (load_shared(FLAG) != 2) {
            g_thread_yield();
        }
        harts_pause_all();
        if (is_sb) {
            g_assert_false(get64(DATA + 256) == 0 && get64(DATA + 320) == 0);
        } else {
            g_assert_false(get64(DATA + 320) == 1 && get64(DATA + 328) == 0);
        }
    }
    down();
}

int main(int argc, char **argv)
{
    fixture_init(&argc, &argv);
    g_test_add_func("/accel/interp/loop_sums", test_loop_sums);
    g_test_add_func("/accel/interp/instruction_across_pages", test_instruction_across_pages);
    g_test_add_func("/accel/interp/code_that_changes_is_seen", test_code_that_changes_is_seen);
    g_test_add_func("/accel/interp/dirty_log_sees_every_round", test_dirty_log_sees_every_round);
    g_test_add_func("/accel/interp/stops_and_goes_on", test_stops_and_goes_on);
    g_test_add_func("/accel/interp/interrupt_ends_wfi", test_interrupt_ends_wfi);
    g_test_add_func("/accel/interp/stimecmp_ends_wfi", test_stimecmp_ends_wfi);
    g_test_add_func("/accel/interp/blocks_are_single_steps", test_blocks_are_single_steps);
    g_test_add_func("/accel/interp/nothing_is_lost_between_harts", test_nothing_is_lost_between_harts);
    g_test_add_func("/accel/interp/code_of_another_hart_is_seen", test_code_of_another_hart_is_seen);
    g_test_add_func("/accel/interp/misaligned_targets_trap_without_c", test_misaligned_targets_trap_without_c);
    g_test_add_func("/accel/interp/litmus", test_litmus);
    return g_test_run();
}
