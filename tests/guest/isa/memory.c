/* tests/guest/isa/memory.c - loads, stores, atomics: widths, misalignment, reservations, faults.
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "isa.h"

enum { HOLE = 0x40 }; /* an address of the virt board where nothing is */

static uint8_t pages[3 * 4096] __attribute__((aligned(4096)));

#define LOAD(name)                                                                                 \
    static uint64_t do_##name(const void *p)                                                       \
    {                                                                                              \
        uint64_t r;                                                                                \
                                                                                                   \
        __asm__ volatile(#name " %0, 0(%1)" : "=r"(r) : "r"(p) : "memory");                        \
        return r;                                                                                  \
    }
#define STORE(name)                                                                                \
    static void do_##name(void *p, uint64_t v)                                                     \
    {                                                                                              \
        __asm__ volatile(#name " %0, 0(%1)" : : "r"(v), "r"(p) : "memory");                        \
    }
LOAD(lb)
LOAD(lbu)
LOAD(lh)
LOAD(lhu)
LOAD(lw)
LOAD(lwu)
LOAD(ld)
STORE(sb)
STORE(sh)
STORE(sw)
STORE(sd)

static uint64_t bytes_at(const uint8_t *p, int size)
{
    uint64_t v = 0;

    while (size--) {
        v = v << 8 | p[size];
    }
    return v;
}

/* Each width at each distance from the end of a page, against bytes. */
static void widths_and_misalignment(void)
{
    for (int i = 0; i < sizeof(pages); i++) {
        pages[i] = isa_random();
    }
    for (int at = 4096 - 24; at < 4096 + 24; at++) {
        uint8_t *p = pages + at;
        uint64_t v = isa_random(), before = bytes_at(p - 8, 8), after;

        CHECK("lb", do_lb(p), (int8_t)*p);
        CHECK("lbu", do_lbu(p), *p);
        CHECK("lh", do_lh(p), (int16_t)bytes_at(p, 2));
        CHECK("lhu", do_lhu(p), bytes_at(p, 2));
        CHECK("lw", do_lw(p), (int32_t)bytes_at(p, 4));
        CHECK("lwu", do_lwu(p), bytes_at(p, 4));
        CHECK("ld", do_ld(p), bytes_at(p, 8));
        do_sd(p, v);
        CHECK("sd", bytes_at(p, 8), v);
        do_sw(p, ~v);
        CHECK("sw", bytes_at(p, 8), (v >> 32 << 32) | (uint32_t)~v);
        after = bytes_at(p, 8);
        do_sh(p, v);
        CHECK("sh", bytes_at(p, 8), (after >> 16 << 16) | (uint16_t)v);
        after = bytes_at(p, 8);
        do_sb(p, 0x123);
        CHECK("sb", bytes_at(p, 8), (after >> 8 << 8) | 0x23);
        CHECK("stores stay in their bytes", bytes_at(p - 8, 8), before);
    }
}

static void offsets(void)
{
    uint64_t r, base = (uint64_t)pages + 4096;

    do_sd(pages + 4096 - 2048, 0x1122334455667788);
    do_sd(pages + 4096 + 2040, 0x99aabbccddeeff00);
    __asm__ volatile("ld %0, -2048(%1)" : "=r"(r) : "r"(base));
    CHECK("lowest offset", r, 0x1122334455667788);
    __asm__ volatile("ld %0, 2040(%1)" : "=r"(r) : "r"(base));
    CHECK("high offset", r, 0x99aabbccddeeff00);
    __asm__ volatile("mv t0, %1\n ld t0, -2048(t0)\n mv %0, t0" : "=r"(r) : "r"(base) : "t0");
    CHECK("load over its base", r, 0x1122334455667788);
    __asm__ volatile("mv s1, %1\n mv a5, %2\n c.sd a5, 248(s1)\n c.ld a5, 248(s1)\n"
                     "c.sw s1, 124(s1)\n c.lw s1, 124(s1)\n add %0, a5, zero"
                     : "=r"(r) : "r"(base), "r"(base + 77) : "s1", "a5", "memory");
    CHECK("c.sd c.ld", r, base + 77);
    CHECK("c.sw", do_lw(pages + 4096 + 124), (int32_t)base);
}

#define AMO(name, text)                                                                            \
    static uint64_t do_##name(void *p, uint64_t v)                                                 \
    {                                                                                              \
        uint64_t r;                                                                                \
                                                                                                   \
        __asm__ volatile(text " %0, %1, (%2)" : "=r"(r) : "r"(v), "r"(p) : "memory");              \
        return r;                                                                                  \
    }
#define AMO_ROWS(X)                                                                                \
    X(swap_w, "amoswap.w") X(add_w, "amoadd.w.aq") X(xor_w, "amoxor.w.rl")                         \
    X(and_w, "amoand.w.aqrl") X(or_w, "amoor.w") X(min_w, "amomin.w") X(max_w, "amomax.w")         \
    X(minu_w, "amominu.w") X(maxu_w, "amomaxu.w") X(swap_d, "amoswap.d") X(add_d, "amoadd.d")      \
    X(xor_d, "amoxor.d") X(and_d, "amoand.d") X(or_d, "amoor.d") X(min_d, "amomin.d")              \
    X(max_d, "amomax.d") X(minu_d, "amominu.d") X(maxu_d, "amomaxu.d")
AMO_ROWS(AMO)

static const struct {
    const char *name;
    uint64_t (*run)(void *p, uint64_t v);
} amo_rows[] = {
#define ROW(name, text) { "amo" #name, do_##name },
    AMO_ROWS(ROW)
};

static void atomics(void)
{
    static uint64_t word[2];

    for (size_t i = 0; i < sizeof(amo_rows) / sizeof(amo_rows[0]); i++) {
        uint64_t hash = i;

        for (int k = 0; k < 600; k++) {
            bool is_word = i < 9;
            void *p = (uint8_t *)word + (is_word ? 4 * (k & 1) : 0);

            word[0] = isa_operand();
            hash = isa_mix(hash, amo_rows[i].run(p, isa_operand()));
            hash = isa_mix(hash, word[0]);
        }
        isa_digest(amo_rows[i].name, hash);
    }
    word[0] = 0xaaaaaaaa80000000;
    CHECK("amomin.w old sign", do_min_w(word, 1), INT32_MIN);
    CHECK("amomin.w keeps its neighbour", word[0], 0xaaaaaaaa80000000);
    CHECK("amomaxu.w old", do_maxu_w(word, 0xffffffff7fffffff), INT32_MIN);
    CHECK("amomaxu.w compares 32 bits", word[0], 0xaaaaaaaa80000000);
    __asm__ volatile("mv t0, %0\n amoadd.d t0, t0, (t0)" : : "r"(word) : "t0", "memory");
    CHECK("amoadd.d over its operands", word[0], 0xaaaaaaaa80000000 + (uint64_t)word);
}

static void reservations(void)
{
    static uint64_t word, other;
    uint64_t r, old;

    word = 0xf00000001;
    __asm__ volatile("lr.d %1, (%2)\n sc.d %0, %3, (%2)"
                     : "=&r"(r), "=&r"(old) : "r"(&word), "r"(7) : "memory");
    CHECK("sc.d succeeds", r, 0);
    CHECK("lr.d", old, 0xf00000001);
    CHECK("sc.d stores", word, 7);
    __asm__ volatile("sc.d %0, %2, (%1)" : "=&r"(r) : "r"(&word), "r"(9) : "memory");
    CHECK("a second sc.d fails", r != 0, 1);
    CHECK("and does not store", word, 7);
    __asm__ volatile("lr.d %0, (%1)\n sc.d %0, %3, (%2)"
                     : "=&r"(r) : "r"(&word), "r"(&other), "r"(9) : "memory");
    CHECK("sc.d elsewhere fails", r != 0, 1);
    CHECK("and does not store there", other, 0);
    __asm__ volatile("sc.d %0, %2, (%1)" : "=&r"(r) : "r"(&word), "r"(9) : "memory");
    CHECK("a failed sc.d ends the reservation", r != 0, 1);
    word = 0xffffffff80000000;
    __asm__ volatile("lr.w.aq %1, (%2)\n sc.w.rl %0, %3, (%2)"
                     : "=&r"(r), "=&r"(old) : "r"(&word), "r"(5) : "memory");
    CHECK("sc.w succeeds", r, 0);
    CHECK("lr.w extends the sign", old, INT32_MIN);
    CHECK("sc.w stores 32 bits", word, 0xffffffff00000005);
}

SNIPPET(try_lb, "lb a0, 0(a0)");
SNIPPET(try_lw, "lw a0, 0(a0)");
SNIPPET(try_sd, "sd a1, 0(a0)");
SNIPPET(try_fld, "fld fa0, 0(a0)");
SNIPPET(try_lr_d, "lr.d a0, (a0)");
SNIPPET(try_sc_d, "sc.d a0, a1, (a0)");
SNIPPET(try_amo_w, "amoadd.w a0, a1, (a0)");
SNIPPET(try_amo_d, "amoswap.d a0, a1, (a0)");
SNIPPET(try_jump, "jr a0");
SNIPPET(try_fence, "fence rw, rw\n fence.tso\n fence.i\n .word 0x0100000f"); /* and pause */

static void faults(void)
{
    isa_enter(MODE_M, try_lb, HOLE, 0);
    CHECK_TRAP("load from a hole", try_lb, CAUSE_LOAD_ACCESS, HOLE);
    CHECK("a load that faults writes no register", isa_m.a0, HOLE);
    isa_enter(MODE_M, try_sd, HOLE, 0);
    CHECK_TRAP("store to a hole", try_sd, CAUSE_STORE_ACCESS, HOLE);
    isa_enter(MODE_M, try_fld, HOLE, 0);
    CHECK_TRAP("fld from a hole", try_fld, CAUSE_LOAD_ACCESS, HOLE);
    isa_enter(MODE_M, try_amo_w, HOLE, 1);
    CHECK_TRAP("amo on a hole", try_amo_w, CAUSE_STORE_ACCESS, HOLE);
    isa_enter(MODE_M, try_lr_d, HOLE, 1);
    CHECK_TRAP("lr on a hole", try_lr_d, CAUSE_LOAD_ACCESS, HOLE);
    isa_enter(MODE_M, try_jump, HOLE, 0);
    CHECK("fetch from a hole", isa_m.cause, CAUSE_FETCH_ACCESS);
    CHECK("fetch from a hole epc", isa_m.epc, HOLE);
    CHECK("fetch from a hole tval", isa_m.tval, HOLE);
    isa_enter(MODE_M, try_lw, (uint64_t)pages + 1, 0);
    CHECK("a misaligned load does not trap", isa_m.cause, CAUSE_ECALL_M);
    isa_enter(MODE_M, try_fence, 0, 0);
    CHECK("fences do not trap", isa_m.cause, CAUSE_ECALL_M);
}

/* Without Zam a misaligned atomic traps, as misaligned or as an access fault. */
static void misaligned_atomics(void)
{
    static const struct {
        const char *name;
        const void *code;
        int offset;
        bool is_load;
    } rows[] = {
        { "misaligned amoadd.w", try_amo_w, 2, false },
        { "misaligned amoswap.d", try_amo_d, 4, false },
        { "misaligned lr.d", try_lr_d, 4, true },
        { "misaligned sc.d", try_sc_d, 4, false },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t at = (uint64_t)pages + rows[i].offset;
        uint64_t want = rows[i].is_load ? CAUSE_LOAD_MISALIGNED : CAUSE_STORE_MISALIGNED;

        isa_enter(MODE_M, rows[i].code, at, 1);
        if (isa_m.cause == CAUSE_ECALL_M) {
            isa_skip(rows[i].name); /* carried out: allowed by Zam, and what QEMU does */
            continue;
        }
        CHECK(rows[i].name, isa_m.cause == want || isa_m.cause == want + 1, true);
        CHECK(rows[i].name, isa_m.tval, at);
        CHECK(rows[i].name, isa_m.epc, rows[i].code);
    }
}

SNIPPET(cbo_clean, ".word 0x0015200f");
SNIPPET(cbo_flush, ".word 0x0025200f");
SNIPPET(cbo_inval, ".word 0x0005200f");
SNIPPET(cbo_zero, ".word 0x0045200f");

static void cache_blocks(void)
{
    uint8_t *p = pages + 256;

    memset(p - 64, 0x5a, 192);
    isa_enter(MODE_M, cbo_zero, (uint64_t)p + 13, 0);
    if (isa_m.cause == CAUSE_ILLEGAL) {
        isa_skip("Zicboz");
    } else {
        CHECK("cbo.zero", isa_m.cause, CAUSE_ECALL_M);
        CHECK("cbo.zero clears its block", bytes_at(p, 8) | bytes_at(p + 56, 8), 0);
        CHECK("cbo.zero ends there", p[64], 0x5a);
        CHECK("cbo.zero begins there", p[-1], 0x5a);
        isa_enter(MODE_M, cbo_zero, HOLE, 0);
        CHECK_TRAP("cbo.zero of a hole", cbo_zero, CAUSE_STORE_ACCESS, HOLE);
    }
    isa_enter(MODE_M, cbo_clean, (uint64_t)p, 0);
    if (isa_m.cause == CAUSE_ILLEGAL) {
        isa_skip("Zicbom");
        return;
    }
    CHECK("cbo.clean", isa_m.cause, CAUSE_ECALL_M);
    isa_enter(MODE_M, cbo_flush, (uint64_t)p + 64, 0);
    CHECK("cbo.flush", isa_m.cause, CAUSE_ECALL_M);
    isa_enter(MODE_M, cbo_inval, (uint64_t)p + 64, 0);
    CHECK("cbo.inval", isa_m.cause, CAUSE_ECALL_M);
    CHECK("and the data stay", p[64], 0x5a);
}

/* Code that was run, changed, and is run again after fence.i. */
static void changed_code(void)
{
    uint32_t *code = (uint32_t *)(pages + 4096);

    for (int i = 0; i < 6; i++) {
        code[0] = 0x00000513 | i << 20; /* li a0, i */
        code[1] = 0x00000073;           /* ecall */
        __asm__ volatile("fence.i" : : : "memory");
        for (int k = 0; k < 40; k++) {
            isa_enter(MODE_M, code, 99, 0);
        }
        CHECK("changed code", isa_m.a0, i);
    }
    /* an instruction across two pages */
    uint8_t *cut = pages + 2 * 4096 - 2;
    uint32_t word = 0x07b00513; /* li a0, 123 */

    memcpy(cut, &word, 4);
    word = 0x00000073;
    memcpy(cut + 4, &word, 4);
    __asm__ volatile("fence.i" : : : "memory");
    isa_enter(MODE_M, cut, 0, 0);
    CHECK("code across pages", isa_m.a0, 123);
    CHECK("code across pages ends", isa_m.epc, cut + 4);
    cut[3] = 0x08; /* now li a0, 139: only the part on the second page changed */
    __asm__ volatile("fence.i" : : : "memory");
    isa_enter(MODE_M, cut, 0, 0);
    CHECK("changed code across pages", isa_m.a0, 0x08b);
}

void isa_program(void)
{
    widths_and_misalignment();
    offsets();
    atomics();
    reservations();
    faults();
    misaligned_atomics();
    cache_blocks();
    changed_code();
}
