/* target/riscv/fpu-parts.c - taking numbers apart, rounding them, putting them together.
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "fpu-parts.h"

const FpuFormat fpu_single = { .frac_bits = 23, .exp_bits = 8 };
const FpuFormat fpu_double = { .frac_bits = 52, .exp_bits = 11 };

static int exp_all_ones(const FpuFormat *format)
{
    return (1 << format->exp_bits) - 1;
}

static int bias(const FpuFormat *format)
{
    return exp_all_ones(format) >> 1;
}

uint64_t fpu_default_nan(const FpuFormat *format)
{
    uint64_t exp_and_quiet = (UINT64_C(2) << format->exp_bits) - 1;

    return exp_and_quiet << (format->frac_bits - 1);
}

static int leading_zeros(u128 v)
{
    uint64_t high = v >> 64;

    return high ? __builtin_clzll(high) : 64 + __builtin_clzll((uint64_t)v);
}

void fpu_normalise(FpuParts *p)
{
    int up;

    if (!p->sig) {
        p->kind = FPU_ZERO;
        return;
    }
    up = leading_zeros(p->sig) - (127 - FPU_TOP);
    p->sig = up < 0 ? fpu_shift_jam(p->sig, -up) : p->sig << up;
    p->exp -= up;
}

u128 fpu_shift_jam(u128 sig, int count)
{
    if (count == 0) {
        return sig;
    }
    if (count > 127) {
        return sig != 0;
    }
    return sig >> count | ((sig & (((u128)1 << count) - 1)) != 0);
}

FpuParts fpu_unpack(uint64_t bits, const FpuFormat *format)
{
    uint64_t frac = bits & ((UINT64_C(1) << format->frac_bits) - 1);
    int exp = (bits >> format->frac_bits) & exp_all_ones(format);
    FpuParts p = { .sign = bits >> (format->frac_bits + format->exp_bits) & 1 };

    if (exp == exp_all_ones(format)) {
        bool quiet = frac >> (format->frac_bits - 1);

        p.kind = !frac ? FPU_INF : quiet ? FPU_QNAN : FPU_SNAN;
        return p;
    }
    p.kind = FPU_FINITE;
    p.sig = exp ? frac | UINT64_C(1) << format->frac_bits : frac;
    p.exp = (exp ? exp : 1) - bias(format) + FPU_TOP - format->frac_bits;
    fpu_normalise(&p);
    return p;
}

bool fpu_rounds_up(uint8_t rm, bool sign, bool odd, bool half, bool below)
{
    switch (rm) {
    case FPU_RM_RNE:
        return half && (below || odd);
    case FPU_RM_RDN:
        return sign && (half || below);
    case FPU_RM_RUP:
        return !sign && (half || below);
    case FPU_RM_RMM:
        return half;
    default:
        return false;
    }
}

/* Cut `drop` bits off the significand and round what is left. */
static uint64_t round_at(const FpuParts *p, int drop, uint8_t rm, bool *ret_inexact)
{
    u128 jammed = fpu_shift_jam(p->sig, drop - 2);
    uint64_t kept = jammed >> 2;
    bool half = jammed & 2, below = jammed & 1;

    /* The jam bit of a shift by drop - 2 sits in the place of the bit below the half bit. */
    *ret_inexact = half || below;
    return kept + fpu_rounds_up(rm, p->sign, kept & 1, half, below);
}

static uint64_t overflow(bool sign, const FpuFormat *format, FpuStatus *s)
{
    uint64_t inf = (uint64_t)exp_all_ones(format) << format->frac_bits;
    bool to_inf = fpu_rounds_up(s->rm, sign, true, true, true);

    s->flags |= FPU_OF | FPU_NX;
    return to_inf ? inf : inf - 1;
}

static uint64_t pack_finite(const FpuParts *p, const FpuFormat *format, FpuStatus *s)
{
    int drop = FPU_TOP - format->frac_bits;
    int exp = p->exp + bias(format);
    bool inexact, ignored;
    uint64_t sig, magnitude;

    if (exp >= 1) {
        /* The leading one carries into the exponent, and so does a rounding that overflows. */
        if (exp >= exp_all_ones(format)) {
            return overflow(p->sign, format, s);
        }
        sig = round_at(p, drop, s->rm, &inexact);
        magnitude = ((uint64_t)(exp - 1) << format->frac_bits) + sig;
        if (magnitude >> format->frac_bits >= exp_all_ones(format)) {
            return overflow(p->sign, format, s);
        }
    } else {
        /* Tiny after rounding: rounded as if the exponent had no lower end, it stays below the
         * smallest normal number.  Just under it, the carry decides. */
        bool tiny = exp < 0 || !(round_at(p, drop, s->rm, &ignored) >> (format->frac_bits + 1));

        magnitude = round_at(p, drop + 1 - exp, s->rm, &inexact);
        if (tiny && inexact) {
            s->flags |= FPU_UF;
        }
    }
    if (inexact) {
        s->flags |= FPU_NX;
    }
    return magnitude;
}

uint64_t fpu_pack(const FpuParts *p, const FpuFormat *format, FpuStatus *s)
{
    uint64_t sign = (uint64_t)p->sign << (format->frac_bits + format->exp_bits);

    switch (p->kind) {
    case FPU_ZERO:
        return sign;
    case FPU_INF:
        return sign | (uint64_t)exp_all_ones(format) << format->frac_bits;
    case FPU_FINITE:
        return sign | pack_finite(p, format, s);
    default:
        return fpu_default_nan(format);
    }
}
