/* target/fpu-x86.h - the hot paths of target/fpu.h on the SSE unit; included by it only.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What always holds: MXCSR has its default control bits (round to nearest, all masked, no flush to
 * zero) whenever no function of the library runs; its sticky flags mean nothing outside.
 *
 * An operation is done inline, without a look at MXCSR, where the flags it could raise are known:
 * the mode is RNE, NX is set already, and the result excludes all others.  NV, DZ and OF always
 * leave a NaN or an infinity; UF always leaves a result not above the smallest normal number, and a
 * sum that small is exact.  Everything else goes to the fpu_slow_ functions.
 */
#pragma once

#include <emmintrin.h>
#include <string.h>

extern bool fpu_has_fma3; /* set before main() */

static inline float fpu_f32_value(uint32_t a)
{
    float v;

    memcpy(&v, &a, sizeof(v));
    return v;
}

static inline uint32_t fpu_f32_bits(float v)
{
    uint32_t a;

    memcpy(&a, &v, sizeof(a));
    return a;
}

static inline double fpu_f64_value(uint64_t a)
{
    double v;

    memcpy(&v, &a, sizeof(v));
    return v;
}

static inline uint64_t fpu_f64_bits(double v)
{
    uint64_t a;

    memcpy(&a, &v, sizeof(a));
    return a;
}

/* The assembler knows FMA3 whatever the compiler may assume of the host. */
static inline float fpu_f32_host_fma(float a, float b, float c)
{
    __asm__("vfmadd213ss %2, %1, %0" : "+x"(a) : "x"(b), "x"(c));
    return a;
}

static inline double fpu_f64_host_fma(double a, double b, double c)
{
    __asm__("vfmadd213sd %2, %1, %0" : "+x"(a) : "x"(b), "x"(c));
    return a;
}

static inline bool fpu_is_lazy(const FpuStatus *s)
{
    return __builtin_expect(s->rm == FPU_RM_RNE && (s->flags & FPU_NX), 1);
}

#define FPU_SLOW(f, uint)                                                                          \
    uint fpu_slow_##f##_add(uint a, uint b, FpuStatus *s);                                         \
    uint fpu_slow_##f##_sub(uint a, uint b, FpuStatus *s);                                         \
    uint fpu_slow_##f##_mul(uint a, uint b, FpuStatus *s);                                         \
    uint fpu_slow_##f##_div(uint a, uint b, FpuStatus *s);                                         \
    uint fpu_slow_##f##_sqrt(uint a, FpuStatus *s);                                                \
    uint fpu_slow_##f##_fma(uint a, uint b, uint c, FpuStatus *s);                                 \
    uint fpu_slow_##f##_min(uint a, uint b, FpuStatus *s);                                         \
    uint fpu_slow_##f##_max(uint a, uint b, FpuStatus *s);                                         \
    bool fpu_unordered_##f##_eq(uint a, uint b, FpuStatus *s);                                     \
    int32_t fpu_slow_##f##_to_i32(uint a, FpuStatus *s);                                           \
    uint32_t fpu_slow_##f##_to_u32(uint a, FpuStatus *s);                                          \
    int64_t fpu_slow_##f##_to_i64(uint a, FpuStatus *s);                                           \
    uint64_t fpu_slow_##f##_to_u64(uint a, FpuStatus *s);                                          \
    uint fpu_slow_i64_to_##f(int64_t a, FpuStatus *s);                                             \
    uint fpu_slow_u64_to_##f(uint64_t a, FpuStatus *s);                                            \
    uint32_t f##_class(uint a)

FPU_SLOW(f32, uint32_t);
FPU_SLOW(f64, uint64_t);
uint64_t fpu_slow_f32_to_f64(uint32_t a, FpuStatus *s);
uint32_t fpu_slow_f64_to_f32(uint64_t a, FpuStatus *s);

#define FPU_ORDINARY(f, uint, frac_bits, exp_max)                                                  \
    static inline bool fpu_##f##_is_finite(uint a)                                                 \
    {                                                                                              \
        return (a >> (frac_bits) & (exp_max)) != (exp_max);                                        \
    }                                                                                              \
    /* Finite and at least twice the smallest normal number: no flag but NX. */                    \
    static inline bool fpu_##f##_is_ordinary(uint a)                                               \
    {                                                                                              \
        return (a >> (frac_bits) & (exp_max)) - 2 < (exp_max) - 2;                                 \
    }

FPU_ORDINARY(f32, uint32_t, 23, 0xffu)
FPU_ORDINARY(f64, uint64_t, 52, 0x7ffu)

#define FPU_BINARY(f, uint, name, operator, is_plain)                                              \
    static inline uint f##_##name(uint a, uint b, FpuStatus *s)                                    \
    {                                                                                              \
        uint r = fpu_##f##_bits(fpu_##f##_value(a) operator fpu_##f##_value(b));                   \
                                                                                                   \
        if (fpu_is_lazy(s) && __builtin_expect(is_plain(r), 1)) {                                  \
            return r;                                                                              \
        }                                                                                          \
        return fpu_slow_##f##_##name(a, b, s);                                                     \
    }

#define FPU_COMPARE(f, uint, name, operator, unordered)                                            \
    static inline bool f##_##name(uint a, uint b, FpuStatus *s)                                    \
    {                                                                                              \
        if (__builtin_expect(__builtin_isunordered(fpu_##f##_value(a), fpu_##f##_value(b)), 0)) {  \
            return unordered;                                                                      \
        }                                                                                          \
        return fpu_##f##_value(a) operator fpu_##f##_value(b);                                     \
    }

#define FPU_EXTREME(f, uint, name, operator)                                                       \
    static inline uint f##_##name(uint a, uint b, FpuStatus *s)                                    \
    {                                                                                              \
        if (fpu_##f##_value(a) operator fpu_##f##_value(b)) {                                      \
            return a;                                                                              \
        }                                                                                          \
        return fpu_##f##_value(b) operator fpu_##f##_value(a) ? b : fpu_slow_##f##_##name(a, b, s);\
    }

/* A conversion to a 64-bit integer, in the two modes that need no change of MXCSR; INT64_MIN stands
 * for "does not fit", and for itself, which the slow path sorts out. */
#define FPU_TO_INTEGER(f, uint, type, name, fits)                                                  \
    static inline type f##_to_##name(uint a, FpuStatus *s)                                         \
    {                                                                                              \
        int64_t i = s->rm == FPU_RM_RTZ   ? fpu_##f##_truncate(a)                                  \
                    : s->rm == FPU_RM_RNE ? fpu_##f##_to_nearest(a)                                \
                                          : INT64_MIN;                                             \
                                                                                                   \
        if (!(fits)) {                                                                             \
            return fpu_slow_##f##_to_##name(a, s);                                                 \
        }                                                                                          \
        s->flags |= fpu_##f##_of_integer(i) != fpu_##f##_value(a) ? FPU_NX : 0;                    \
        return i;                                                                                  \
    }

static inline int64_t fpu_f32_truncate(uint32_t a)
{
    return _mm_cvttss_si64(_mm_set_ss(fpu_f32_value(a)));
}

static inline int64_t fpu_f64_truncate(uint64_t a)
{
    return _mm_cvttsd_si64(_mm_set_sd(fpu_f64_value(a)));
}

static inline int64_t fpu_f32_to_nearest(uint32_t a)
{
    return _mm_cvtss_si64(_mm_set_ss(fpu_f32_value(a)));
}

static inline int64_t fpu_f64_to_nearest(uint64_t a)
{
    return _mm_cvtsd_si64(_mm_set_sd(fpu_f64_value(a)));
}

static inline float fpu_f32_of_integer(int64_t i)
{
    return (float)i;
}

static inline double fpu_f64_of_integer(int64_t i)
{
    return (double)i;
}

#define FPU_INLINES(f, uint, exact_limit)                                                          \
    FPU_BINARY(f, uint, add, +, fpu_##f##_is_finite)                                               \
    FPU_BINARY(f, uint, sub, -, fpu_##f##_is_finite)                                               \
    FPU_BINARY(f, uint, mul, *, fpu_##f##_is_ordinary)                                             \
    FPU_BINARY(f, uint, div, /, fpu_##f##_is_ordinary)                                             \
    FPU_COMPARE(f, uint, eq, ==, fpu_unordered_##f##_eq(a, b, s))                                  \
    FPU_COMPARE(f, uint, lt, <, (s->flags |= FPU_NV, false))                                       \
    FPU_COMPARE(f, uint, le, <=, (s->flags |= FPU_NV, false))                                      \
    FPU_EXTREME(f, uint, min, <)                                                                   \
    FPU_EXTREME(f, uint, max, >)                                                                   \
    FPU_TO_INTEGER(f, uint, int32_t, i32, i == (int32_t)i)                                         \
    FPU_TO_INTEGER(f, uint, uint32_t, u32, i == (uint32_t)i)                                       \
    FPU_TO_INTEGER(f, uint, int64_t, i64, i != INT64_MIN)                                          \
    FPU_TO_INTEGER(f, uint, uint64_t, u64, i >= 0)                                                 \
    static inline uint f##_fma(uint a, uint b, uint c, FpuStatus *s)                               \
    {                                                                                              \
        if (fpu_has_fma3 && fpu_is_lazy(s)) {                                                      \
            uint r = fpu_##f##_bits(fpu_##f##_host_fma(fpu_##f##_value(a), fpu_##f##_value(b),     \
                                                       fpu_##f##_value(c)));                       \
                                                                                                   \
            if (__builtin_expect(fpu_##f##_is_ordinary(r), 1)) {                                   \
                return r;                                                                          \
            }                                                                                      \
        }                                                                                          \
        return fpu_slow_##f##_fma(a, b, c, s);                                                     \
    }                                                                                              \
    static inline uint i64_to_##f(int64_t a, FpuStatus *s)                                         \
    {                                                                                              \
        bool is_exact = (uint64_t)a + (exact_limit) <= 2 * (exact_limit);                          \
                                                                                                   \
        return is_exact || fpu_is_lazy(s) ? fpu_##f##_bits(fpu_##f##_of_integer(a))                \
                                          : fpu_slow_i64_to_##f(a, s);                             \
    }                                                                                              \
    static inline uint u64_to_##f(uint64_t a, FpuStatus *s)                                        \
    {                                                                                              \
        return a <= INT64_MAX ? i64_to_##f(a, s) : fpu_slow_u64_to_##f(a, s);                      \
    }                                                                                              \
    static inline uint i32_to_##f(int32_t a, FpuStatus *s)                                         \
    {                                                                                              \
        return i64_to_##f(a, s);                                                                   \
    }                                                                                              \
    static inline uint u32_to_##f(uint32_t a, FpuStatus *s)                                        \
    {                                                                                              \
        return i64_to_##f(a, s);                                                                   \
    }

FPU_INLINES(f32, uint32_t, UINT64_C(1) << 24)
FPU_INLINES(f64, uint64_t, UINT64_C(1) << 53)

static inline uint32_t f32_sqrt(uint32_t a, FpuStatus *s)
{
    __m128 v = _mm_set_ss(fpu_f32_value(a));
    uint32_t r = fpu_f32_bits(_mm_cvtss_f32(_mm_sqrt_ss(v)));

    return fpu_is_lazy(s) && fpu_f32_is_finite(r) ? r : fpu_slow_f32_sqrt(a, s);
}

static inline uint64_t f64_sqrt(uint64_t a, FpuStatus *s)
{
    __m128d v = _mm_set_sd(fpu_f64_value(a));
    uint64_t r = fpu_f64_bits(_mm_cvtsd_f64(_mm_sqrt_sd(v, v)));

    return fpu_is_lazy(s) && fpu_f64_is_finite(r) ? r : fpu_slow_f64_sqrt(a, s);
}

static inline uint64_t f32_to_f64(uint32_t a, FpuStatus *s)
{
    return fpu_f32_is_finite(a) ? fpu_f64_bits(fpu_f32_value(a)) : fpu_slow_f32_to_f64(a, s);
}

static inline uint32_t f64_to_f32(uint64_t a, FpuStatus *s)
{
    uint32_t r = fpu_f32_bits((float)fpu_f64_value(a));

    return fpu_is_lazy(s) && fpu_f32_is_ordinary(r) ? r : fpu_slow_f64_to_f32(a, s);
}
