/* tests/guest/isa/float.c - F and D: digests in all modes with flags, NaN boxing, fcsr, mstatus.FS.
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "isa.h"

typedef uint64_t Operation(uint64_t a, uint64_t b, uint64_t c);

/* Registers hold bit patterns; what a single instruction reads is boxed unless the test says so. */
#define FROM_FLOAT(name, text)                                                                     \
    static uint64_t do_##name(uint64_t a, uint64_t b, uint64_t c)                                  \
    {                                                                                              \
        uint64_t r;                                                                                \
                                                                                                   \
        __asm__ volatile("fmv.d.x fa0, %1\n fmv.d.x fa1, %2\n fmv.d.x fa2, %3\n" text              \
                         "\n fmv.x.d %0, fa0"                                                      \
                         : "=r"(r) : "r"(a), "r"(b), "r"(c) : "fa0", "fa1", "fa2");                \
        return r;                                                                                  \
    }
#define TO_INTEGER(name, text)                                                                     \
    static uint64_t do_##name(uint64_t a, uint64_t b, uint64_t c)                                  \
    {                                                                                              \
        uint64_t r;                                                                                \
                                                                                                   \
        __asm__ volatile("fmv.d.x fa0, %1\n fmv.d.x fa1, %2\n" text " %0, fa0"                     \
                         : "=r"(r) : "r"(a), "r"(b), "r"(c) : "fa0", "fa1");                       \
        return r;                                                                                  \
    }
#define COMPARE(name, text) TO_COMPARE(name, text " %0, fa0, fa1")
#define TO_COMPARE(name, text)                                                                     \
    static uint64_t do_##name(uint64_t a, uint64_t b, uint64_t c)                                  \
    {                                                                                              \
        uint64_t r;                                                                                \
                                                                                                   \
        __asm__ volatile("fmv.d.x fa0, %1\n fmv.d.x fa1, %2\n" text                                \
                         : "=r"(r) : "r"(a), "r"(b), "r"(c) : "fa0", "fa1");                       \
        return r;                                                                                  \
    }
#define FROM_INTEGER(name, text)                                                                   \
    static uint64_t do_##name(uint64_t a, uint64_t b, uint64_t c)                                  \
    {                                                                                              \
        uint64_t r;                                                                                \
                                                                                                   \
        __asm__ volatile(text " fa0, %1\n fmv.x.d %0, fa0" : "=r"(r) : "r"(a), "r"(b), "r"(c)      \
                         : "fa0");                                                                 \
        return r;                                                                                  \
    }

#define FLOAT_ROWS(X, t)                                                                           \
    X(fadd_##t, "fadd." #t " fa0, fa0, fa1") X(fsub_##t, "fsub." #t " fa0, fa0, fa1")              \
    X(fmul_##t, "fmul." #t " fa0, fa0, fa1") X(fdiv_##t, "fdiv." #t " fa0, fa0, fa1")              \
    X(fsqrt_##t, "fsqrt." #t " fa0, fa0") X(fmin_##t, "fmin." #t " fa0, fa0, fa1")                 \
    X(fmax_##t, "fmax." #t " fa0, fa0, fa1") X(fmadd_##t, "fmadd." #t " fa0, fa0, fa1, fa2")       \
    X(fmsub_##t, "fmsub." #t " fa0, fa0, fa1, fa2")                                                \
    X(fnmadd_##t, "fnmadd." #t " fa0, fa0, fa1, fa2")                                              \
    X(fnmsub_##t, "fnmsub." #t " fa0, fa0, fa1, fa2")                                              \
    X(fsgnj_##t, "fsgnj." #t " fa0, fa0, fa1") X(fsgnjn_##t, "fsgnjn." #t " fa0, fa0, fa1")        \
    X(fsgnjx_##t, "fsgnjx." #t " fa0, fa0, fa1")                                                   \
    X(fadd_rtz_##t, "fadd." #t " fa0, fa0, fa1, rtz")                                              \
    X(fmul_rup_##t, "fmul." #t " fa0, fa0, fa1, rup")                                              \
    X(fdiv_rmm_##t, "fdiv." #t " fa0, fa0, fa1, rmm")
#define COMPARE_ROWS(X, t) X(feq_##t, "feq." #t) X(flt_##t, "flt." #t) X(fle_##t, "fle." #t)
#define INTEGER_ROWS(X, t)                                                                         \
    X(fcvt_w_##t, "fcvt.w." #t) X(fcvt_wu_##t, "fcvt.wu." #t) X(fcvt_l_##t, "fcvt.l." #t)          \
    X(fcvt_lu_##t, "fcvt.lu." #t) X(fclass_##t, "fclass." #t)
#define BACK_ROWS(X, t)                                                                            \
    X(fcvt_##t##_w, "fcvt." #t ".w") X(fcvt_##t##_wu, "fcvt." #t ".wu")                            \
    X(fcvt_##t##_l, "fcvt." #t ".l") X(fcvt_##t##_lu, "fcvt." #t ".lu")

FLOAT_ROWS(FROM_FLOAT, s)
FLOAT_ROWS(FROM_FLOAT, d)
FROM_FLOAT(fcvt_d_s, "fcvt.d.s fa0, fa0")
FROM_FLOAT(fcvt_s_d, "fcvt.s.d fa0, fa0")
COMPARE_ROWS(COMPARE, s)
COMPARE_ROWS(COMPARE, d)
INTEGER_ROWS(TO_INTEGER, s)
INTEGER_ROWS(TO_INTEGER, d)
BACK_ROWS(FROM_INTEGER, s)
BACK_ROWS(FROM_INTEGER, d)
TO_INTEGER(fmv_x_w, "fmv.x.w")
FROM_INTEGER(fmv_w_x, "fmv.w.x")

enum { SINGLE, DOUBLE, INTEGER };

static const struct {
    const char *name;
    int kind;
    Operation *run;
} rows[] = {
#define SINGLE_ROW(name, text)  { #name, SINGLE, do_##name },
#define DOUBLE_ROW(name, text)  { #name, DOUBLE, do_##name },
#define INTEGER_ROW(name, text) { #name, INTEGER, do_##name },
    FLOAT_ROWS(SINGLE_ROW, s) FLOAT_ROWS(DOUBLE_ROW, d) COMPARE_ROWS(SINGLE_ROW, s)
    COMPARE_ROWS(DOUBLE_ROW, d) INTEGER_ROWS(SINGLE_ROW, s) INTEGER_ROWS(DOUBLE_ROW, d)
    BACK_ROWS(INTEGER_ROW, s) BACK_ROWS(INTEGER_ROW, d) SINGLE_ROW(fcvt_d_s, )
    DOUBLE_ROW(fcvt_s_d, ) SINGLE_ROW(fmv_x_w, ) INTEGER_ROW(fmv_w_x, )
};

/* Near one another and near the ends, often enough. */
static uint64_t float_operand(int kind)
{
    static const uint64_t special[] = {
        0, 1, 0xfffffffffffff, 0x10000000000000, 0x3ff0000000000000, 0x3ff0000000000001,
        0x3fe0000000000000, 0x4330000000000001, 0x41dfffffffe00000, 0x43e0000000000000,
        0x47f0000000000000, 0x3810000000000000, 0x7fefffffffffffff, 0x7ff0000000000000,
        0x7ff0000000000001, 0x7ff8000000000000,
    };
    uint64_t r = isa_random(), v = isa_random();

    if (kind == INTEGER) {
        return isa_operand();
    }
    if ((r & 3) == 0) {
        v = special[r >> 8 & 15] ^ (r >> 40 & 1) << 63;
    } else if ((r & 3) != 3) {
        v = (v & 0x800fffffffffffff) | (0x3f0 + (v >> 52 & 31)) << 52;
        v &= -(UINT64_C(1) << (r >> 8 & 63) % 53);
    }
    if (kind == SINGLE) {
        uint64_t exp = v >> 52 & 0x7ff;
        uint64_t narrow = exp == 0x7ff ? 255 : exp < 2 ? exp : (exp + 128) & 255;

        v = (v >> 63) << 31 | narrow << 23 | (v >> 29 & 0x7fffff) | (v & 1);
        v |= 0xffffffff00000000;
    }
    return v;
}

static void digests(void)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t hash = i;

        for (int k = 0; k < 1000; k++) {
            uint64_t a = float_operand(rows[i].kind), b = float_operand(rows[i].kind);
            uint64_t c = float_operand(rows[i].kind);

            CSR_WRITE(fcsr, (uint64_t)(k % 5) << 5 | (k & 8 ? 1 : 0));
            hash = isa_mix(hash, rows[i].run(a, b, c));
            hash = isa_mix(hash, CSR_READ(fflags));
        }
        isa_digest(rows[i].name, hash);
    }
    CSR_WRITE(fcsr, 0);
}

static void boxing(void)
{
    uint64_t r, one = 0x3f800000, boxed = 0xffffffff00000000;

    CHECK("unboxed reads as NaN", do_fadd_s(one, boxed | one, 0), boxed | 0x7fc00000);
    CHECK("half boxed too", do_fadd_s(0xfffffffe00000000 | one, boxed | one, 0),
          boxed | 0x7fc00000);
    CHECK("result is boxed", do_fadd_s(boxed | one, boxed | one, 0), boxed | 0x40000000);
    CHECK("sign injection reads boxes", do_fsgnj_s(one, boxed | 0x80000000, 0), boxed | 0xffc00000);
    CHECK("class of an unboxed", do_fclass_s(one, 0, 0), 1 << 9);
    CHECK("fmv.x.w takes the lower half", do_fmv_x_w(0x1234567880000000, 0, 0), INT32_MIN);
    CHECK("fmv.w.x boxes", do_fmv_w_x(0x12345678, 0, 0), boxed | 0x12345678);
    __asm__ volatile("flw fa0, 0(%1)\n fmv.x.d %0, fa0" : "=r"(r) : "r"(&one) : "fa0", "memory");
    CHECK("flw boxes", r, boxed | one);
    r = 0x1111111111111111;
    __asm__ volatile("fmv.d.x fa0, %1\n fsw fa0, 0(%0)" : : "r"(&r), "r"(0x22222222abcdef01)
                     : "fa0", "memory");
    CHECK("fsw stores the lower half", r, 0x11111111abcdef01);
    CHECK("sNaN by fsgnj stays", do_fsgnj_d(0x7ff0000000000123, 0, 0), 0x7ff0000000000123);
    CHECK("sNaN to fcvt.s.d", do_fcvt_s_d(0x7ff0000000000123, 0, 0), boxed | 0x7fc00000);
    CHECK("NaN is canonical", do_fadd_d(0xfff8000000000123, 0, 0), 0x7ff8000000000000);
}

SNIPPET(add_dynamic, "fadd.d fa0, fa0, fa0");
SNIPPET(add_reserved, ".word 0x02a55553"); /* fadd.d fa0, fa0, fa0 with rm = 5 */
SNIPPET(compare, "feq.d a0, fa0, fa0");
SNIPPET(load_float, "fld fa0, 0(a0)");
SNIPPET(move_float, "fmv.x.d a0, fa0");
SNIPPET(read_fcsr, "csrr a0, fcsr");
SNIPPET(load_compressed, "c.fldsp fa0, 0(sp)");

static void control_register(void)
{
    CHECK("fcsr keeps 8 bits", CSR_KEEPS(fcsr, -1), 0xff);
    CHECK("frm", CSR_READ(frm), 7);
    CHECK("fflags", CSR_READ(fflags), 0x1f);
    CSR_WRITE(frm, 2);
    CHECK("frm is a part of fcsr", CSR_READ(fcsr), 0x5f);
    CSR_WRITE(fflags, 0);
    CHECK("fflags is a part of fcsr", CSR_READ(fcsr), 0x40);
    do_fdiv_d(0x3ff0000000000000, 0, 0);
    CHECK("flags accumulate", CSR_READ(fflags), 8);
    do_fadd_d(0x3ff0000000000000, 1, 0);
    CHECK("flags accumulate further", CSR_READ(fflags), 9);
    for (int rm = 5; rm < 8; rm++) {
        CSR_WRITE(frm, rm);
        isa_enter(MODE_M, add_dynamic, 0, 0);
        CHECK_TRAP("reserved frm", add_dynamic, CAUSE_ILLEGAL, isa_instruction(add_dynamic));
        isa_enter(MODE_M, compare, 0, 0);
        CHECK("feq has no mode", isa_m.cause, CAUSE_ECALL_M);
    }
    CSR_WRITE(frm, 0);
    isa_enter(MODE_M, add_reserved, 0, 0);
    CHECK_TRAP("reserved rm", add_reserved, CAUSE_ILLEGAL, 0x02a55553);
    isa_enter(MODE_M, add_dynamic, 0, 0);
    CHECK("frm 0", isa_m.cause, CAUSE_ECALL_M);
    CSR_WRITE(fcsr, 0);
}

static void unit_off(void)
{
    static const void *const users[] = { add_dynamic, compare,   load_float,
                                         move_float,  read_fcsr, load_compressed };
    uint64_t word = 0;

    CSR_CLEAR(mstatus, 0x6000);
    for (size_t i = 0; i < sizeof(users) / sizeof(users[0]); i++) {
        isa_enter(MODE_M, users[i], (uint64_t)&word, 0);
        CHECK_TRAP("FS off", users[i], CAUSE_ILLEGAL, isa_instruction(users[i]));
    }
    CHECK("FS off: SD", CSR_READ(mstatus) >> 63, 0);
    CSR_SET(mstatus, 0x2000);
    isa_enter(MODE_M, load_float, (uint64_t)&word, 0);
    CHECK("FS turns dirty", CSR_READ(mstatus) >> 13 & 3, 3);
    CHECK("and so SD", CSR_READ(mstatus) >> 63, 1);
    CSR_CLEAR(mstatus, 0x4000);
    CSR_WRITE(fflags, 0);
    CHECK("a write of fflags turns it dirty", CSR_READ(mstatus) >> 13 & 3, 3);
    CSR_CLEAR(mstatus, 0x4000);
    do_fadd_d(0x3ff0000000000000, 1, 0);
    CHECK("an operation turns it dirty", CSR_READ(mstatus) >> 13 & 3, 3);
}

static void compressed(void)
{
    uint64_t area[40], r;

    for (int i = 0; i < 40; i++) {
        area[i] = isa_random();
    }
    __asm__ volatile("mv s0, %1\n c.fld fs0, 0(s0)\n c.fld fa5, 248(s0)\n c.fsd fs0, 8(s0)\n"
                     "mv t0, sp\n mv sp, s0\n c.fldsp ft0, 312(sp)\n c.fsdsp ft0, 16(sp)\n"
                     "mv sp, t0\n fmv.x.d %0, fa5"
                     : "=r"(r) : "r"(area) : "s0", "t0", "fs0", "fa5", "ft0", "memory");
    CHECK("c.fld", r, area[31]);
    CHECK("c.fsd", area[1], area[0]);
    CHECK("c.fldsp, c.fsdsp", area[2], area[39]);
}

void isa_program(void)
{
    boxing();
    control_register();
    compressed();
    digests();
    unit_off();
}
