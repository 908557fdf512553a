/* target/riscv/fpu-soft-convert.c - comparisons, min and max, class and conversions in integers.
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "fpu-soft.h"

#include "fpu-parts.h"

/* -1, 0 or 1 for two numbers; zeros are equal whatever their sign. */
static int order(const FpuParts *a, const FpuParts *b)
{
    int bigger;

    if (a->kind == FPU_ZERO && b->kind == FPU_ZERO) {
        return 0;
    }
    if (a->kind == FPU_ZERO || b->kind == FPU_ZERO) {
        return a->kind == FPU_ZERO ? (b->sign ? 1 : -1) : (a->sign ? -1 : 1);
    }
    if (a->sign != b->sign) {
        return a->sign ? -1 : 1;
    }
    if (a->kind != b->kind) {
        bigger = a->kind == FPU_INF ? 1 : -1;
    } else if (a->kind == FPU_INF) {
        return 0;
    } else if (a->exp != b->exp) {
        bigger = a->exp > b->exp ? 1 : -1;
    } else {
        bigger = (a->sig > b->sig) - (a->sig < b->sig);
    }
    return a->sign ? -bigger : bigger;
}

static bool either(const FpuParts *a, const FpuParts *b, FpuKind kind)
{
    return a->kind == kind || b->kind == kind;
}

static bool equal(FpuParts a, FpuParts b, FpuStatus *s)
{
    s->flags |= either(&a, &b, FPU_SNAN) ? FPU_NV : 0;
    return !fpu_is_nan(a.kind) && !fpu_is_nan(b.kind) && order(&a, &b) == 0;
}

/* Whether a < b (limit -1) or a <= b (limit 0); signalling. */
static bool below(FpuParts a, FpuParts b, int limit, FpuStatus *s)
{
    if (fpu_is_nan(a.kind) || fpu_is_nan(b.kind)) {
        s->flags |= FPU_NV;
        return false;
    }
    return order(&a, &b) <= limit;
}

/* minimumNumber and maximumNumber: a NaN loses against a number, -0 is below +0. */
static FpuParts extreme(FpuParts a, FpuParts b, bool want_max, FpuStatus *s)
{
    int way;

    s->flags |= either(&a, &b, FPU_SNAN) ? FPU_NV : 0;
    if (fpu_is_nan(a.kind) || fpu_is_nan(b.kind)) {
        return fpu_is_nan(a.kind) ? b : a;
    }
    way = order(&a, &b);
    if (way == 0) {
        return a.sign == want_max ? b : a;
    }
    return (way > 0) == want_max ? a : b;
}

static uint32_t class_of(const FpuParts *p, bool is_subnormal)
{
    switch (p->kind) {
    case FPU_INF:
        return p->sign ? 1 << 0 : 1 << 7;
    case FPU_FINITE:
        return is_subnormal ? (p->sign ? 1 << 2 : 1 << 5) : (p->sign ? 1 << 1 : 1 << 6);
    case FPU_ZERO:
        return p->sign ? 1 << 3 : 1 << 4;
    case FPU_SNAN:
        return 1 << 8;
    default:
        return 1 << 9;
    }
}

/* The magnitude of a finite number below 2^66, rounded to an integer. */
static u128 integer_magnitude(const FpuParts *p, uint8_t rm, bool *ret_inexact)
{
    u128 jammed = fpu_shift_jam(p->sig, FPU_TOP - 2 - p->exp); /* two bits below the point */
    bool odd = jammed & 4, half = jammed & 2, rest = jammed & 1;

    *ret_inexact = half || rest;
    return (jammed >> 2) + fpu_rounds_up(rm, p->sign, odd, half, rest);
}

/* To an integer of [-min_magnitude, max]; what is outside saturates and is invalid, not inexact. */
static uint64_t to_integer(FpuParts p, uint64_t min_magnitude, uint64_t max, FpuStatus *s)
{
    bool inexact = false;
    u128 magnitude = 0;

    if (p.kind == FPU_ZERO) {
        return 0;
    }
    if (p.kind == FPU_FINITE && p.exp <= 65) {
        magnitude = integer_magnitude(&p, s->rm, &inexact);
        if (magnitude <= (p.sign ? min_magnitude : max)) {
            s->flags |= inexact ? FPU_NX : 0;
            return p.sign ? -(uint64_t)magnitude : (uint64_t)magnitude;
        }
    }
    s->flags |= FPU_NV;
    return p.sign && !fpu_is_nan(p.kind) ? -min_magnitude : max;
}

static FpuParts from_integer(bool sign, uint64_t magnitude)
{
    FpuParts p = { .kind = FPU_FINITE, .sign = sign, .exp = FPU_TOP, .sig = magnitude };

    fpu_normalise(&p);
    return p;
}

static uint64_t from_signed(int64_t a, const FpuFormat *format, FpuStatus *s)
{
    FpuParts p = from_integer(a < 0, a < 0 ? -(uint64_t)a : (uint64_t)a);

    return fpu_pack(&p, format, s);
}

static uint64_t from_unsigned(uint64_t a, const FpuFormat *format, FpuStatus *s)
{
    FpuParts p = from_integer(false, a);

    return fpu_pack(&p, format, s);
}

static uint64_t change_format(uint64_t a, const FpuFormat *from, const FpuFormat *to, FpuStatus *s)
{
    FpuParts p = fpu_unpack(a, from);

    s->flags |= p.kind == FPU_SNAN ? FPU_NV : 0;
    return fpu_pack(&p, to, s);
}

uint64_t soft_f32_to_f64(uint32_t a, FpuStatus *s)
{
    return change_format(a, &fpu_single, &fpu_double, s);
}

uint32_t soft_f64_to_f32(uint64_t a, FpuStatus *s)
{
    return change_format(a, &fpu_double, &fpu_single, s);
}

#define COMPARE(f, uint, format)                                                                   \
    bool soft_##f##_eq(uint a, uint b, FpuStatus *s)                                               \
    {                                                                                              \
        return equal(fpu_unpack(a, &format), fpu_unpack(b, &format), s);                           \
    }                                                                                              \
    bool soft_##f##_lt(uint a, uint b, FpuStatus *s)                                               \
    {                                                                                              \
        return below(fpu_unpack(a, &format), fpu_unpack(b, &format), -1, s);                       \
    }                                                                                              \
    bool soft_##f##_le(uint a, uint b, FpuStatus *s)                                               \
    {                                                                                              \
        return below(fpu_unpack(a, &format), fpu_unpack(b, &format), 0, s);                        \
    }                                                                                              \
    uint soft_##f##_min(uint a, uint b, FpuStatus *s)                                              \
    {                                                                                              \
        FpuParts r = extreme(fpu_unpack(a, &format), fpu_unpack(b, &format), false, s);            \
                                                                                                   \
        return fpu_pack(&r, &format, s);                                                           \
    }                                                                                              \
    uint soft_##f##_max(uint a, uint b, FpuStatus *s)                                              \
    {                                                                                              \
        FpuParts r = extreme(fpu_unpack(a, &format), fpu_unpack(b, &format), true, s);             \
                                                                                                   \
        return fpu_pack(&r, &format, s);                                                           \
    }                                                                                              \
    uint32_t soft_##f##_class(uint a)                                                              \
    {                                                                                              \
        FpuParts p = fpu_unpack(a, &format);                                                       \
        uint magnitude = (uint)(a << 1) >> 1;                                                      \
                                                                                                   \
        return class_of(&p, magnitude >> format.frac_bits == 0);                                   \
    }

#define CONVERT(f, uint, format)                                                                   \
    int32_t soft_##f##_to_i32(uint a, FpuStatus *s)                                                \
    {                                                                                              \
        return to_integer(fpu_unpack(a, &format), UINT64_C(1) << 31, INT32_MAX, s);                \
    }                                                                                              \
    uint32_t soft_##f##_to_u32(uint a, FpuStatus *s)                                               \
    {                                                                                              \
        return to_integer(fpu_unpack(a, &format), 0, UINT32_MAX, s);                               \
    }                                                                                              \
    int64_t soft_##f##_to_i64(uint a, FpuStatus *s)                                                \
    {                                                                                              \
        return to_integer(fpu_unpack(a, &format), UINT64_C(1) << 63, INT64_MAX, s);                \
    }                                                                                              \
    uint64_t soft_##f##_to_u64(uint a, FpuStatus *s)                                               \
    {                                                                                              \
        return to_integer(fpu_unpack(a, &format), 0, UINT64_MAX, s);                               \
    }                                                                                              \
    uint soft_i32_to_##f(int32_t a, FpuStatus *s)                                                  \
    {                                                                                              \
        return from_signed(a, &format, s);                                                         \
    }                                                                                              \
    uint soft_u32_to_##f(uint32_t a, FpuStatus *s)                                                 \
    {                                                                                              \
        return from_unsigned(a, &format, s);                                                       \
    }                                                                                              \
    uint soft_i64_to_##f(int64_t a, FpuStatus *s)                                                  \
    {                                                                                              \
        return from_signed(a, &format, s);                                                         \
    }                                                                                              \
    uint soft_u64_to_##f(uint64_t a, FpuStatus *s)                                                 \
    {                                                                                              \
        return from_unsigned(a, &format, s);                                                       \
    }

COMPARE(f32, uint32_t, fpu_single)
COMPARE(f64, uint64_t, fpu_double)
CONVERT(f32, uint32_t, fpu_single)
CONVERT(f64, uint64_t, fpu_double)
