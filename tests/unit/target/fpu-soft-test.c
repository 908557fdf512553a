/* tests/unit/target/fpu-soft-test.c - the integer floating point against three independent checks:
 * vectors worked out by hand, a search through all numbers of a small format, and libc's fenv.
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "../../../target/riscv/fpu-soft.h"

#include <fenv.h>
#include <glib.h>
#include <math.h>

#include "../../../target/riscv/fpu-parts.h"

enum { RNE, RTZ, RDN, RUP, RMM };
enum { NX = FPU_NX, UF = FPU_UF, OF = FPU_OF, DZ = FPU_DZ, NV = FPU_NV };

typedef uint32_t Single(uint32_t a, uint32_t b, FpuStatus *s);
typedef uint64_t Double(uint64_t a, uint64_t b, FpuStatus *s);

static const struct {
    Single *op;
    uint32_t a, b;
    int rm;
    uint32_t want;
    int flags;
} single_vectors[] = {
    /* halfway between 1 and the next number */
    { soft_f32_add, 0x3f800000, 0x33800000, RNE, 0x3f800000, NX },
    { soft_f32_add, 0x3f800001, 0x33800000, RNE, 0x3f800002, NX },
    { soft_f32_add, 0x3f800000, 0x33800000, RMM, 0x3f800001, NX },
    { soft_f32_add, 0x3f800000, 0x33800000, RTZ, 0x3f800000, NX },
    { soft_f32_add, 0x3f800000, 0x33800000, RUP, 0x3f800001, NX },
    { soft_f32_add, 0x3f800000, 0x33800000, RDN, 0x3f800000, NX },
    { soft_f32_add, 0xbf800000, 0xb3800000, RDN, 0xbf800001, NX },
    { soft_f32_add, 0x3f800000, 0x33800001, RNE, 0x3f800001, NX },
    { soft_f32_add, 0x3f800000, 0x00000001, RUP, 0x3f800001, NX },
    { soft_f32_sub, 0x3f800000, 0x00000001, RTZ, 0x3f7fffff, NX },
    { soft_f32_sub, 0x3f800000, 0x00000001, RNE, 0x3f800000, NX },
    /* the sign of an exact zero */
    { soft_f32_sub, 0x3f800000, 0x3f800000, RNE, 0x00000000, 0 },
    { soft_f32_sub, 0x3f800000, 0x3f800000, RDN, 0x80000000, 0 },
    { soft_f32_add, 0x80000000, 0x80000000, RUP, 0x80000000, 0 },
    { soft_f32_add, 0x00000000, 0x80000000, RMM, 0x00000000, 0 },
    { soft_f32_mul, 0x80000000, 0x3f800000, RUP, 0x80000000, 0 },
    { soft_f32_div, 0x00000000, 0xbf800000, RNE, 0x80000000, 0 },
    /* overflow in each mode, both signs */
    { soft_f32_mul, 0x7f7fffff, 0x40000000, RNE, 0x7f800000, OF | NX },
    { soft_f32_mul, 0x7f7fffff, 0x40000000, RTZ, 0x7f7fffff, OF | NX },
    { soft_f32_mul, 0x7f7fffff, 0x40000000, RDN, 0x7f7fffff, OF | NX },
    { soft_f32_mul, 0x7f7fffff, 0x40000000, RUP, 0x7f800000, OF | NX },
    { soft_f32_mul, 0x7f7fffff, 0x40000000, RMM, 0x7f800000, OF | NX },
    { soft_f32_mul, 0xff7fffff, 0x40000000, RTZ, 0xff7fffff, OF | NX },
    { soft_f32_mul, 0xff7fffff, 0x40000000, RDN, 0xff800000, OF | NX },
    { soft_f32_mul, 0xff7fffff, 0x40000000, RUP, 0xff7fffff, OF | NX },
    /* half a step above the largest number overflows to nearest, a little less does not */
    { soft_f32_add, 0x7f7fffff, 0x73000000, RNE, 0x7f800000, OF | NX },
    { soft_f32_add, 0x7f7fffff, 0x72ffffff, RNE, 0x7f7fffff, NX },
    /* subnormal results: exact ones raise nothing */
    { soft_f32_mul, 0x00800000, 0x3f000000, RNE, 0x00400000, 0 },
    { soft_f32_mul, 0x00000001, 0x3f000000, RNE, 0x00000000, UF | NX },
    { soft_f32_mul, 0x00000001, 0x3f000000, RMM, 0x00000001, UF | NX },
    { soft_f32_mul, 0x00000003, 0x3f000000, RNE, 0x00000002, UF | NX },
    { soft_f32_mul, 0x80000001, 0x00000001, RDN, 0x80000001, UF | NX },
    { soft_f32_mul, 0x80000001, 0x00000001, RNE, 0x80000000, UF | NX },
    /* tininess after rounding: both round to the smallest normal number, but with an unbounded
     * exponent 0x3f7fffff times it keeps all bits and is tiny, while 1 - 2^-46 times it is not */
    { soft_f32_mul, 0x00800000, 0x3f7fffff, RNE, 0x00800000, UF | NX },
    { soft_f32_mul, 0x00800001, 0x3f7ffffe, RNE, 0x00800000, NX },
    { soft_f32_mul, 0x00800001, 0x3f7ffffe, RTZ, 0x007fffff, UF | NX },
    /* invalid and division by zero */
    { soft_f32_div, 0x3f800000, 0x80000000, RNE, 0xff800000, DZ },
    { soft_f32_div, 0x00000000, 0x00000000, RNE, F32_NAN, NV },
    { soft_f32_div, 0x7f800000, 0xff800000, RNE, F32_NAN, NV },
    { soft_f32_div, 0x7f800000, 0x00000000, RNE, 0x7f800000, 0 },
    { soft_f32_sub, 0x7f800000, 0x7f800000, RNE, F32_NAN, NV },
    { soft_f32_mul, 0x00000000, 0xff800000, RNE, F32_NAN, NV },
    /* payloads and signs of NaNs are lost; a signalling one is invalid */
    { soft_f32_add, 0xffc12345, 0x3f800000, RNE, F32_NAN, 0 },
    { soft_f32_add, 0x7f812345, 0x3f800000, RNE, F32_NAN, NV },
    { soft_f32_div, 0x7fc00001, 0x7f800001, RNE, F32_NAN, NV },
    { soft_f32_div, 0x3f800000, 0x40400000, RNE, 0x3eaaaaab, NX },
    { soft_f32_div, 0x3f800000, 0x40400000, RTZ, 0x3eaaaaaa, NX },
    /* minimumNumber, maximumNumber */
    { soft_f32_min, 0x00000000, 0x80000000, RNE, 0x80000000, 0 },
    { soft_f32_max, 0x80000000, 0x00000000, RNE, 0x00000000, 0 },
    { soft_f32_min, 0x7fc00000, 0x3f800000, RNE, 0x3f800000, 0 },
    { soft_f32_max, 0xbf800000, 0x7f800001, RNE, 0xbf800000, NV },
    { soft_f32_max, 0x7fc54321, 0xffc00000, RNE, F32_NAN, 0 },
    { soft_f32_min, 0xc0000000, 0xff800000, RNE, 0xff800000, 0 },
};

static const struct {
    Double *op;
    uint64_t a, b;
    int rm;
    uint64_t want;
    int flags;
} double_vectors[] = {
    { soft_f64_add, 0x3ff0000000000000, 0x3ca0000000000000, RNE, 0x3ff0000000000000, NX },
    { soft_f64_add, 0x3ff0000000000000, 0x3ca0000000000000, RMM, 0x3ff0000000000001, NX },
    { soft_f64_add, 0x3ff0000000000001, 0x3ca0000000000000, RNE, 0x3ff0000000000002, NX },
    { soft_f64_mul, 0x7fefffffffffffff, 0x4000000000000000, RTZ, 0x7fefffffffffffff, OF | NX },
    { soft_f64_mul, 0x7fefffffffffffff, 0xc000000000000000, RDN, 0xfff0000000000000, OF | NX },
    { soft_f64_mul, 0x0010000000000000, 0x3fefffffffffffff, RNE, 0x0010000000000000, UF | NX },
    { soft_f64_mul, 0x0010000000000001, 0x3feffffffffffffe, RNE, 0x0010000000000000, NX },
    { soft_f64_mul, 0x0000000000000001, 0x3fe0000000000000, RUP, 0x0000000000000001, UF | NX },
    { soft_f64_div, 0xbff0000000000000, 0x0000000000000000, RNE, 0xfff0000000000000, DZ },
    { soft_f64_div, 0x3ff0000000000000, 0x4008000000000000, RNE, 0x3fd5555555555555, NX },
    { soft_f64_div, 0x3ff0000000000000, 0x4008000000000000, RUP, 0x3fd5555555555556, NX },
    { soft_f64_add, 0x7ff0000000000001, 0x7ff8000000000000, RNE, F64_NAN, NV },
    { soft_f64_sub, 0xfff8000000000123, 0x0000000000000000, RNE, F64_NAN, 0 },
    { soft_f64_min, 0x7ff0000000000001, 0x7ff0000000000001, RNE, F64_NAN, NV },
};

static void vectors_hold(void)
{
    for (int i = 0; i < G_N_ELEMENTS(single_vectors); i++) {
        FpuStatus s = { .rm = single_vectors[i].rm };
        uint32_t got = single_vectors[i].op(single_vectors[i].a, single_vectors[i].b, &s);

        if (got != single_vectors[i].want || s.flags != single_vectors[i].flags) {
            g_error("single vector %d (%x, %x): %x flags %x", i, single_vectors[i].a,
                    single_vectors[i].b, got, s.flags);
        }
    }
    for (int i = 0; i < G_N_ELEMENTS(double_vectors); i++) {
        FpuStatus s = { .rm = double_vectors[i].rm };
        uint64_t got = double_vectors[i].op(double_vectors[i].a, double_vectors[i].b, &s);

        if (got != double_vectors[i].want || s.flags != double_vectors[i].flags) {
            g_error("double vector %d: %" G_GINT64_MODIFIER "x flags %x", i, got, s.flags);
        }
    }
}

static void fused_vectors_hold(void)
{
    static const struct {
        uint32_t a, b, c;
        int rm;
        uint32_t want;
        int flags;
    } rows[] = {
        { 0x3f800001, 0x3f800001, 0xbf800002, RNE, 0x28800000, 0 }, /* 2^-46: fused, exact */
        { 0x7f800000, 0x00000000, 0x7fc00000, RNE, F32_NAN, NV },   /* even with a quiet NaN */
        { 0x7fc00000, 0x00000000, 0x7f800001, RNE, F32_NAN, NV },
        { 0x7f800000, 0x3f800000, 0xff800000, RNE, F32_NAN, NV },
        { 0x3f800000, 0x3f800000, 0xbf800000, RDN, 0x80000000, 0 },
        { 0x3f800000, 0x3f800000, 0xbf800000, RNE, 0x00000000, 0 },
        { 0x80000000, 0x3f800000, 0x80000000, RNE, 0x80000000, 0 },
        { 0x00000000, 0x3f800000, 0x00000001, RNE, 0x00000001, 0 },
        { 0x7f7fffff, 0x40000000, 0xff7fffff, RNE, 0x7f7fffff, 0 }, /* no overflow in between */
        { 0x00000001, 0x00000001, 0x3f800000, RUP, 0x3f800001, NX },
        { 0x00000001, 0x80000001, 0x00800000, RTZ, 0x007fffff, UF | NX },
    };

    for (int i = 0; i < G_N_ELEMENTS(rows); i++) {
        FpuStatus s = { .rm = rows[i].rm };
        uint32_t got = soft_f32_fma(rows[i].a, rows[i].b, rows[i].c, &s);

        if (got != rows[i].want || s.flags != rows[i].flags) {
            g_error("fused vector %d: %x flags %x", i, got, s.flags);
        }
    }
}

static void square_roots_hold(void)
{
    FpuStatus s = { .rm = RNE };

    g_assert_cmphex(soft_f32_sqrt(0x40800000, &s), ==, 0x40000000);
    g_assert_cmphex(soft_f32_sqrt(0x80000000, &s), ==, 0x80000000);
    g_assert_cmphex(soft_f64_sqrt(0x7ff0000000000000, &s), ==, 0x7ff0000000000000);
    g_assert_cmphex(soft_f32_sqrt(0x00000002, &s), ==, 0x1a800000); /* 2^-74 of 2^-148 */
    g_assert_cmpint(s.flags, ==, 0);
    g_assert_cmphex(soft_f64_sqrt(0x4000000000000000, &s), ==, 0x3ff6a09e667f3bcd);
    g_assert_cmpint(s.flags, ==, NX);
    g_assert_cmphex(soft_f64_sqrt(0xbff0000000000000, &s), ==, F64_NAN);
    g_assert_cmpint(s.flags, ==, NX | NV);
}

static void conversions_hold(void)
{
    static const struct {
        uint64_t a;
        int rm;
        int32_t i32;
        int i32_flags;
        uint32_t u32;
        int u32_flags;
        int64_t i64;
        int i64_flags;
        uint64_t u64;
        int u64_flags;
    } rows[] = {
        { 0x3fe0000000000000, RNE, 0, NX, 0, NX, 0, NX, 0, NX },                /* 0.5 */
        { 0x3fe0000000000000, RMM, 1, NX, 1, NX, 1, NX, 1, NX },
        { 0x3ff8000000000000, RNE, 2, NX, 2, NX, 2, NX, 2, NX },                /* 1.5 */
        { 0xbfe0000000000000, RNE, 0, NX, 0, NX, 0, NX, 0, NX },                /* -0.5 */
        { 0xbfe0000000000000, RDN, -1, NX, 0, NV, -1, NX, 0, NV },
        { 0xbff0000000000000, RTZ, -1, 0, 0, NV, -1, 0, 0, NV },                /* -1 */
        { 0xbfefffffffffffff, RTZ, 0, NX, 0, NX, 0, NX, 0, NX },
        { 0x41dfffffffe00000, RNE, INT32_MAX, NV, 0x80000000, NX, 0x80000000, NX, /* 2^31 - 0.5 */
          0x80000000, NX },
        { 0x41dfffffffe00000, RDN, INT32_MAX, NX, INT32_MAX, NX, INT32_MAX, NX, INT32_MAX, NX },
        { 0xc1e0000000000000, RNE, INT32_MIN, 0, 0, NV, INT32_MIN, 0, 0, NV },
        { 0xc1e0000000100000, RTZ, INT32_MIN, NX, 0, NV, INT32_MIN, NX, 0, NV },
        { 0x41f0000000000000, RNE, INT32_MAX, NV, UINT32_MAX, NV, INT64_C(1) << 32, 0,
          INT64_C(1) << 32, 0 },
        { 0x43e0000000000000, RNE, INT32_MAX, NV, UINT32_MAX, NV, INT64_MAX, NV,
          UINT64_C(1) << 63, 0 },
        { 0xc3e0000000000000, RNE, INT32_MIN, NV, 0, NV, INT64_MIN, 0, 0, NV },
        { 0x43f0000000000000, RNE, INT32_MAX, NV, UINT32_MAX, NV, INT64_MAX, NV, UINT64_MAX, NV },
        { 0x7fefffffffffffff, RNE, INT32_MAX, NV, UINT32_MAX, NV, INT64_MAX, NV, UINT64_MAX, NV },
        { 0xfff0000000000000, RNE, INT32_MIN, NV, 0, NV, INT64_MIN, NV, 0, NV },
        { 0xfff8000000000000, RNE, INT32_MAX, NV, UINT32_MAX, NV, INT64_MAX, NV, UINT64_MAX, NV },
        { 0x8000000000000000, RDN, 0, 0, 0, 0, 0, 0, 0, 0 },
        { 0x0000000000000001, RUP, 1, NX, 1, NX, 1, NX, 1, NX },
    };

    for (int i = 0; i < G_N_ELEMENTS(rows); i++) {
        FpuStatus s[4] = { { 0, rows[i].rm }, { 0, rows[i].rm }, { 0, rows[i].rm },
                           { 0, rows[i].rm } };

        g_assert_cmpint(soft_f64_to_i32(rows[i].a, &s[0]), ==, rows[i].i32);
        g_assert_cmpuint(soft_f64_to_u32(rows[i].a, &s[1]), ==, rows[i].u32);
        g_assert_cmpint(soft_f64_to_i64(rows[i].a, &s[2]), ==, rows[i].i64);
        g_assert_cmpuint(soft_f64_to_u64(rows[i].a, &s[3]), ==, rows[i].u64);
        g_assert_cmpint(s[0].flags, ==, rows[i].i32_flags);
        g_assert_cmpint(s[1].flags, ==, rows[i].u32_flags);
        g_assert_cmpint(s[2].flags, ==, rows[i].i64_flags);
        g_assert_cmpint(s[3].flags, ==, rows[i].u64_flags);
    }
}

static void comparisons_and_classes_hold(void)
{
    static const uint32_t of_class[] = { 0xff800000, 0xbf800000, 0x807fffff, 0x80000000, 0,
                                         0x00000001, 0x00800000, 0x7f800000, 0x7f800001,
                                         0xffc00000 };
    FpuStatus s = { .rm = RNE };

    for (int i = 0; i < G_N_ELEMENTS(of_class); i++) {
        g_assert_cmphex(soft_f32_class(of_class[i]), ==, 1 << i);
    }
    for (int i = 0; i < 8; i++) { /* the first eight are in ascending order, zeros equal */
        for (int k = 0; k < 8; k++) {
            bool same = i == k || (i == 3 && k == 4) || (i == 4 && k == 3);

            g_assert_cmpint(soft_f32_eq(of_class[i], of_class[k], &s), ==, same);
            g_assert_cmpint(soft_f32_lt(of_class[i], of_class[k], &s), ==, !same && i < k);
            g_assert_cmpint(soft_f32_le(of_class[i], of_class[k], &s), ==, same || i < k);
        }
    }
    g_assert_false(soft_f32_eq(F32_NAN, F32_NAN, &s));
    g_assert_cmpint(s.flags, ==, 0);
    g_assert_false(soft_f32_le(F32_NAN, F32_NAN, &s));
    g_assert_cmpint(s.flags, ==, NV);
    s.flags = 0;
    g_assert_false(soft_f32_eq(0x7f800001, 0, &s));
    g_assert_cmpint(s.flags, ==, NV);
}

/* A format of 2^7 positive numbers, 3 bits below the leading one.  Its values as integers in units
 * of a quarter of its smallest subnormal, so that every rounding case exists. */
static const FpuFormat tiny = { .frac_bits = 3, .exp_bits = 4 };

enum { TINY_INF = 15 << 3, TINY_NORMAL = 4 << 3 /* the smallest normal number in units */ };

static uint64_t tiny_units(int bits)
{
    int exp = bits >> 3, frac = bits & 7;

    return exp ? (uint64_t)(8 + frac) << (exp - 1 + 2) : (uint64_t)frac << 2;
}

/* The rule as the standard says it: of the two neighbours choose by mode. */
static int choose(int low, uint64_t units, int rm, bool sign)
{
    uint64_t twice = 2 * units, middle = tiny_units(low) + tiny_units(low + 1);

    switch (rm) {
    case RTZ:
        return low;
    case RDN:
        return low + sign;
    case RUP:
        return low + !sign;
    case RMM:
        return low + (twice >= middle);
    default:
        return twice == middle ? low + (low & 1) : low + (twice > middle);
    }
}

/* Below the smallest normal number by at most a quarter step of the precision with an unbounded
 * exponent: these round up to it and are not tiny. */
static bool tiny_after_rounding(uint64_t units, int rm, bool sign)
{
    const uint64_t half_step = 1; /* steps just below it are 2 units wide */

    if (units + 2 * half_step <= TINY_NORMAL) {
        return true;
    }
    if (units >= TINY_NORMAL) {
        return false;
    }
    /* One unit, that is half a step, below: a tie whose even neighbour is the power of two. */
    return rm == RTZ || rm == (sign ? RUP : RDN);
}

static void small_format_is_exhausted(void)
{
    uint64_t top = tiny_units(TINY_INF); /* where the next power of two would be */

    for (uint64_t units = 1; units < 3 * top / 2; units++) {
        for (int k = 0; k < 2 * FPU_RM_COUNT; k++) {
            int rm = k >> 1, low = 0, want_flags;
            bool sign = k & 1, exact;
            FpuParts p = { .kind = FPU_FINITE, .sign = sign, .sig = units,
                           .exp = FPU_TOP - 2 - 3 - 6 }; /* smallest subnormal: 2^-9 */
            FpuStatus s = { .rm = rm };
            uint64_t got, want;

            while (low < TINY_INF - 1 && tiny_units(low + 1) <= units) {
                low++;
            }
            exact = tiny_units(low) == units;
            want = exact ? low : choose(low, units, rm, sign);
            want_flags = exact ? 0 : NX;
            if (units >= top || want == TINY_INF) {
                bool away = rm == RNE || rm == RMM || rm == (sign ? RDN : RUP);

                want = away ? TINY_INF : TINY_INF - 1;
                want_flags = OF | NX;
            } else if (!exact && tiny_after_rounding(units, rm, sign)) {
                want_flags |= UF;
            }
            fpu_normalise(&p);
            got = fpu_pack(&p, &tiny, &s);
            if (got != (want | sign << 7) || s.flags != want_flags) {
                g_error("%d units rm %d sign %d: %x flags %x, want %x flags %x", (int)units, rm,
                        sign, (int)got, s.flags, (int)want, want_flags);
            }
        }
        if (units > 4096) {
            units += units / 512; /* far above it is the same again */
        }
    }
}

static uint64_t random64(void)
{
    static uint64_t state = 88172645463325252;

    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static int host_flags(void)
{
    int raised = fetestexcept(FE_ALL_EXCEPT);

    return (raised & FE_INVALID ? NV : 0) | (raised & FE_DIVBYZERO ? DZ : 0) |
           (raised & FE_OVERFLOW ? OF : 0) | (raised & FE_UNDERFLOW ? UF : 0) |
           (raised & FE_INEXACT ? NX : 0);
}

typedef union Bits {
    uint64_t u;
    double d;
} Bits;

static double host_compute(int op, volatile double a, volatile double b, volatile double c)
{
    volatile double r = 0;

    switch (op) {
    case 0: r = a + b; break;
    case 1: r = a - b; break;
    case 2: r = a * b; break;
    case 3: r = a / b; break;
    case 4: r = sqrt(a); break;
    default: r = fma(a, b, c); break;
    }
    return r;
}

static uint64_t soft_compute(int op, uint64_t a, uint64_t b, uint64_t c, FpuStatus *s)
{
    switch (op) {
    case 0: return soft_f64_add(a, b, s);
    case 1: return soft_f64_sub(a, b, s);
    case 2: return soft_f64_mul(a, b, s);
    case 3: return soft_f64_div(a, b, s);
    case 4: return soft_f64_sqrt(a, s);
    default: return soft_f64_fma(a, b, c, s);
    }
}

/* A C library may leave out flags of NaN operands and detect tininess before rounding; so numbers
 * only, and UF only where the host is known. */
static void agrees_with_libc(void)
{
    static const int modes[] = { FE_TONEAREST, FE_TOWARDZERO, FE_DOWNWARD, FE_UPWARD };
    int mask = OF | NX | NV | DZ;

#ifdef __x86_64__
    mask |= UF;
#endif
    for (int i = 0; i < 300000; i++) {
        uint64_t r = random64();
        int op = i % 6, rm = r & 3, host;
        Bits v[3], got, want;
        FpuStatus s = { .rm = rm };

        for (int k = 0; k < 3; k++) {
            uint64_t spread = r >> (8 + 4 * k) & 15;

            v[k].u = random64();
            if (spread < 12) { /* near each other, and near the lower end */
                uint64_t exp = (spread < 6 ? 0x3f8 : spread < 9 ? 0x1f8 : 0) + (v[k].u >> 52 & 63);

                v[k].u = (v[k].u & (F64_SIGN | 0xfffffffffffff)) | exp << 52;
            }
            if (v[k].u >> 52 == 0x7ff || v[k].u >> 52 == 0xfff) {
                v[k].u &= ~(UINT64_C(1) << 60);
            }
        }
        got.u = soft_compute(op, v[0].u, v[1].u, v[2].u, &s);
        fesetround(modes[rm]);
        feclearexcept(FE_ALL_EXCEPT);
        want.d = host_compute(op, v[0].d, v[1].d, v[2].d);
        host = host_flags();
        fesetround(FE_TONEAREST);
        if (isnan(want.d)) {
            want.u = F64_NAN;
        }
        if (got.u != want.u || (s.flags & mask) != (host & mask)) {
            g_error("op %d rm %d %a %a %a: %a/%x, libc %a/%x", op, rm, v[0].d, v[1].d, v[2].d,
                    got.d, s.flags, want.d, host);
        }
    }
}

/* RMM has no host mode.  The product of two singles is exact in a double, so the nearest can be
 * found by distances. */
static void ties_to_away_are_nearest(void)
{
    for (int i = 0; i < 100000; i++) {
        uint64_t r = random64();
        FpuStatus s = { .rm = RMM }, down = { .rm = RTZ };
        uint32_t a = 0x3f800000 | (r & 0x7fffff & -(1u << (r >> 58 & 15)));
        uint32_t b = 0x3f800000 | (r >> 24 & 0x7fffff & -(1u << (r >> 54 & 15)));
        uint64_t exact = soft_f64_mul(soft_f32_to_f64(a, &s), soft_f32_to_f64(b, &s), &s);
        uint32_t low = soft_f64_to_f32(exact, &down);
        uint64_t cut = exact & 0x1fffffff; /* the 29 bits a single does not have */

        g_assert_cmpint(s.flags, ==, 0);
        g_assert_cmphex(soft_f32_mul(a, b, &s), ==, low + (cut >= 0x10000000));
        g_assert_cmpint(s.flags, ==, cut ? NX : 0);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/target/fpu/soft/vectors_hold", vectors_hold);
    g_test_add_func("/target/fpu/soft/fused_vectors_hold", fused_vectors_hold);
    g_test_add_func("/target/fpu/soft/square_roots_hold", square_roots_hold);
    g_test_add_func("/target/fpu/soft/conversions_hold", conversions_hold);
    g_test_add_func("/target/fpu/soft/comparisons_and_classes_hold", comparisons_and_classes_hold);
    g_test_add_func("/target/fpu/soft/small_format_is_exhausted", small_format_is_exhausted);
    g_test_add_func("/target/fpu/soft/agrees_with_libc", agrees_with_libc);
    g_test_add_func("/target/fpu/soft/ties_to_away_are_nearest", ties_to_away_are_nearest);
    return g_test_run();
}
