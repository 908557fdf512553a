/* target/riscv/fpu-soft.c - add, multiply, divide, square root and fused multiply-add in integers.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Each operation makes the exact result, or one with a sticky bit far below the rounding place, and
 * fpu_pack rounds it once.
 */
#include "fpu-soft.h"

#include "fpu-parts.h"

enum {
    NARROW_SHIFT = 74,                  /* operands have at most 53 significant bits, so */
    NARROW_TOP = FPU_TOP - NARROW_SHIFT /* shifted down by this much they lose nothing */
};

static FpuParts invalid(FpuStatus *s)
{
    s->flags |= FPU_NV;
    return (FpuParts){ .kind = FPU_QNAN };
}

static FpuParts nan_of(FpuKind a, FpuKind b, FpuStatus *s)
{
    return a == FPU_SNAN || b == FPU_SNAN ? invalid(s) : (FpuParts){ .kind = FPU_QNAN };
}

static FpuParts zero_sum(bool a_sign, bool b_sign, const FpuStatus *s)
{
    return (FpuParts){ .kind = FPU_ZERO, .sign = a_sign == b_sign ? a_sign : s->rm == FPU_RM_RDN };
}

/* The sum of two finite nonzero numbers.  A shift by 0 or 1 loses nothing, as significands end at
 * bit 21 or higher; after a larger one at most one leading bit cancels, so the sticky bit stays far
 * below the rounding place. */
static FpuParts add_finite(FpuParts a, FpuParts b, const FpuStatus *s)
{
    if (a.exp < b.exp || (a.exp == b.exp && a.sig < b.sig)) {
        FpuParts swap = a;

        a = b;
        b = swap;
    }
    b.sig = fpu_shift_jam(b.sig, a.exp - b.exp);
    if (a.sign == b.sign) {
        a.sig += b.sig;
    } else {
        a.sig -= b.sig;
        if (!a.sig) {
            return zero_sum(a.sign, b.sign, s);
        }
    }
    fpu_normalise(&a);
    return a;
}

static FpuParts add(FpuParts a, FpuParts b, FpuStatus *s)
{
    if (fpu_is_nan(a.kind) || fpu_is_nan(b.kind)) {
        return nan_of(a.kind, b.kind, s);
    }
    if (a.kind == FPU_INF) {
        return b.kind == FPU_INF && a.sign != b.sign ? invalid(s) : a;
    }
    if (a.kind == FPU_ZERO && b.kind == FPU_ZERO) {
        return zero_sum(a.sign, b.sign, s);
    }
    if (b.kind == FPU_INF || a.kind == FPU_ZERO) {
        return b;
    }
    return b.kind == FPU_ZERO ? a : add_finite(a, b, s);
}

/* Neither operand is a NaN. */
static FpuParts multiply_numbers(FpuParts a, FpuParts b, FpuStatus *s)
{
    FpuParts r = { .kind = FPU_FINITE, .sign = a.sign != b.sign };

    if (a.kind == FPU_INF || b.kind == FPU_INF) {
        r.kind = FPU_INF;
        return a.kind == FPU_ZERO || b.kind == FPU_ZERO ? invalid(s) : r;
    }
    r.exp = a.exp + b.exp - 2 * NARROW_TOP + FPU_TOP;
    r.sig = (a.sig >> NARROW_SHIFT) * (b.sig >> NARROW_SHIFT);
    fpu_normalise(&r); /* turns into a zero where a or b is one */
    return r;
}

static FpuParts multiply(FpuParts a, FpuParts b, FpuStatus *s)
{
    if (fpu_is_nan(a.kind) || fpu_is_nan(b.kind)) {
        return nan_of(a.kind, b.kind, s);
    }
    return multiply_numbers(a, b, s);
}

/* Infinity times zero is invalid even where the addend is a quiet NaN (F, 2.2: fused operations). */
static FpuParts multiply_add(FpuParts a, FpuParts b, FpuParts c, FpuStatus *s)
{
    FpuParts product;

    if (fpu_is_nan(a.kind) || fpu_is_nan(b.kind)) {
        nan_of(a.kind, b.kind, s);
        return nan_of(FPU_QNAN, c.kind, s);
    }
    product = multiply_numbers(a, b, s);
    return add(product, c, s);
}

static FpuParts divide(FpuParts a, FpuParts b, FpuStatus *s)
{
    FpuParts r = { .kind = FPU_FINITE, .sign = a.sign != b.sign };
    u128 divisor;

    if (fpu_is_nan(a.kind) || fpu_is_nan(b.kind)) {
        return nan_of(a.kind, b.kind, s);
    }
    if (a.kind == b.kind && a.kind != FPU_FINITE) {
        return invalid(s); /* 0 / 0, inf / inf */
    }
    if (a.kind == FPU_ZERO || b.kind == FPU_INF) {
        r.kind = FPU_ZERO;
        return r;
    }
    if (a.kind == FPU_INF || b.kind == FPU_ZERO) {
        s->flags |= a.kind == FPU_INF ? 0 : FPU_DZ;
        r.kind = FPU_INF;
        return r;
    }
    divisor = b.sig >> NARROW_SHIFT;
    r.sig = a.sig / divisor; /* 74 or 75 bits */
    r.sig |= a.sig % divisor != 0;
    r.exp = a.exp - b.exp + NARROW_TOP;
    fpu_normalise(&r);
    return r;
}

/* The integer root, with the lowest bit sticky. */
static u128 root_jam(u128 square)
{
    u128 root = 0, rest = square;

    for (u128 bit = (u128)1 << FPU_TOP; bit; bit >>= 2) {
        if (rest >= root + bit) {
            rest -= root + bit;
            root = (root >> 1) + bit;
        } else {
            root >>= 1;
        }
    }
    return root << 1 | (rest != 0);
}

static FpuParts square_root(FpuParts a, FpuStatus *s)
{
    FpuParts r = { .kind = FPU_FINITE };
    bool odd = a.exp & 1;

    if (fpu_is_nan(a.kind)) {
        return nan_of(a.kind, FPU_QNAN, s);
    }
    if (a.kind == FPU_ZERO || (a.kind == FPU_INF && !a.sign)) {
        return a;
    }
    if (a.sign) {
        return invalid(s);
    }
    /* a = sig * 2^(exp - 126); with an even exponent of two the root halves it, and root_jam has
     * one bit more than the root. */
    r.sig = root_jam(odd ? a.sig << 1 : a.sig);
    r.exp = (a.exp - odd - FPU_TOP) / 2 - 1 + FPU_TOP;
    fpu_normalise(&r);
    return r;
}

#define BINARY(f, uint, format, op, function, flip)                                                \
    uint soft_##f##_##op(uint a, uint b, FpuStatus *s)                                             \
    {                                                                                              \
        FpuParts r = function(fpu_unpack(a, &format), fpu_unpack(b ^ (flip), &format), s);         \
                                                                                                   \
        return fpu_pack(&r, &format, s);                                                           \
    }

#define ARITHMETIC(f, uint, format, sign_bit)                                                      \
    BINARY(f, uint, format, add, add, 0)                                                           \
    BINARY(f, uint, format, sub, add, sign_bit)                                                    \
    BINARY(f, uint, format, mul, multiply, 0)                                                      \
    BINARY(f, uint, format, div, divide, 0)                                                        \
    uint soft_##f##_sqrt(uint a, FpuStatus *s)                                                     \
    {                                                                                              \
        FpuParts r = square_root(fpu_unpack(a, &format), s);                                       \
                                                                                                   \
        return fpu_pack(&r, &format, s);                                                           \
    }                                                                                              \
    uint soft_##f##_fma(uint a, uint b, uint c, FpuStatus *s)                                      \
    {                                                                                              \
        FpuParts r = multiply_add(fpu_unpack(a, &format), fpu_unpack(b, &format),                  \
                                  fpu_unpack(c, &format), s);                                      \
                                                                                                   \
        return fpu_pack(&r, &format, s);                                                           \
    }

ARITHMETIC(f32, uint32_t, fpu_single, F32_SIGN)
ARITHMETIC(f64, uint64_t, fpu_double, F64_SIGN)
