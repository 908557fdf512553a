/* target/riscv/fpu-x86.c - what the inline paths of target/fpu-x86.h hand on: exact flags.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Finite operands in a mode the host has: one host instruction between a cleared MXCSR of that mode
 * and a read of its sticky flags, which mean what the flags of RISC-V mean (x86 detects tininess
 * after rounding, too).  NaNs, infinities and RMM are left to the integer implementation, so no
 * NaN rule of the host is ever seen: a NaN out of finite operands is an invalid operation.
 */
#include "target/fpu.h"

#include "fpu-soft.h"

bool fpu_has_fma3;

enum { MXCSR_DEFAULT = 0x1f80 };

/* In the order of FPU_RM_*: MXCSR.RC is 0 nearest, 1 down, 2 up, 3 to zero. */
static const uint32_t mode_of[] = {
    MXCSR_DEFAULT,
    MXCSR_DEFAULT | 3 << 13,
    MXCSR_DEFAULT | 1 << 13,
    MXCSR_DEFAULT | 2 << 13,
};

static const uint32_t mode_default = MXCSR_DEFAULT;

static __attribute__((constructor)) void find_fma3(void)
{
    __builtin_cpu_init();
    fpu_has_fma3 = __builtin_cpu_supports("fma");
}

static inline void take_flags(uint32_t mxcsr, FpuStatus *s)
{
    /* IE 0, DE 1, ZE 2, OE 3, UE 4, PE 5 */
    s->flags |= (mxcsr & 1) << 4 | (mxcsr & 4) << 1 | (mxcsr & 8) >> 1 | (mxcsr & 0x10) >> 3 |
                (mxcsr & 0x20) >> 5;
    if (s->rm != FPU_RM_RNE) {
        __asm__ volatile("ldmxcsr %0" : : "m"(mode_default));
    }
}

/* One asm each: the compiler does not know that MXCSR matters, and would move the operation. */
#define HOST(f, uint, real, name, instruction)                                                     \
    static inline uint host_##f##_##name(uint a_bits, uint b_bits, FpuStatus *s)                   \
    {                                                                                              \
        real a = fpu_##f##_value(a_bits), b = fpu_##f##_value(b_bits);                             \
        uint32_t mxcsr;                                                                            \
                                                                                                   \
        __asm__ volatile("ldmxcsr %[mode]\n\t" instruction "\n\tstmxcsr %[mxcsr]"                  \
                         : [a] "+&x"(a), [mxcsr] "=m"(mxcsr)                                       \
                         : [b] "x"(b), [mode] "m"(mode_of[s->rm]));                                \
        take_flags(mxcsr, s);                                                                      \
        return a != a ? fpu_##f##_nan : fpu_##f##_bits(a);                                         \
    }

#define HOST_FMA(f, uint, real, instruction)                                                       \
    static inline uint host_##f##_fma(uint a_bits, uint b_bits, uint c_bits, FpuStatus *s)         \
    {                                                                                              \
        real a = fpu_##f##_value(a_bits), b = fpu_##f##_value(b_bits), c = fpu_##f##_value(c_bits);\
        uint32_t mxcsr;                                                                            \
                                                                                                   \
        __asm__ volatile("ldmxcsr %[mode]\n\t" instruction "\n\tstmxcsr %[mxcsr]"                  \
                         : [a] "+&x"(a), [mxcsr] "=m"(mxcsr)                                       \
                         : [b] "x"(b), [c] "x"(c), [mode] "m"(mode_of[s->rm]));                    \
        take_flags(mxcsr, s);                                                                      \
        return fpu_##f##_bits(a);                                                                  \
    }

#define SLOW_BINARY(f, uint, name)                                                                 \
    uint fpu_slow_##f##_##name(uint a, uint b, FpuStatus *s)                                       \
    {                                                                                              \
        if (s->rm == FPU_RM_RMM || !fpu_##f##_is_finite(a) || !fpu_##f##_is_finite(b)) {           \
            return soft_##f##_##name(a, b, s);                                                     \
        }                                                                                          \
        return host_##f##_##name(a, b, s);                                                         \
    }

/* Equal numbers differ in the sign of zero at most, so or-ing takes the minimum and and-ing the
 * maximum. */
#define SLOW(f, uint, real, suffix, sign)                                                          \
    static const uint fpu_##f##_nan = sign == F64_SIGN ? (uint)F64_NAN : F32_NAN;                  \
    HOST(f, uint, real, add, "add" suffix " %[b], %[a]")                                           \
    HOST(f, uint, real, sub, "sub" suffix " %[b], %[a]")                                           \
    HOST(f, uint, real, mul, "mul" suffix " %[b], %[a]")                                           \
    HOST(f, uint, real, div, "div" suffix " %[b], %[a]")                                           \
    HOST(f, uint, real, sqrt, "sqrt" suffix " %[b], %[a]")                                         \
    HOST_FMA(f, uint, real, "vfmadd213" suffix " %[c], %[b], %[a]")                                \
    SLOW_BINARY(f, uint, add)                                                                      \
    SLOW_BINARY(f, uint, sub)                                                                      \
    SLOW_BINARY(f, uint, div)                                                                      \
    uint fpu_slow_##f##_mul(uint a, uint b, FpuStatus *s)                                          \
    {                                                                                              \
        if (s->rm == FPU_RM_RMM || !fpu_##f##_is_finite(a) || !fpu_##f##_is_finite(b)) {           \
            return soft_##f##_mul(a, b, s);                                                        \
        }                                                                                          \
        if (!(uint)(a << 1) || !(uint)(b << 1)) {                                                  \
            return (a ^ b) & (uint)sign;                                                           \
        }                                                                                          \
        return host_##f##_mul(a, b, s);                                                            \
    }                                                                                              \
    uint fpu_slow_##f##_sqrt(uint a, FpuStatus *s)                                                 \
    {                                                                                              \
        bool is_hard = s->rm == FPU_RM_RMM || !fpu_##f##_is_finite(a);                             \
                                                                                                   \
        return is_hard ? soft_##f##_sqrt(a, s) : host_##f##_sqrt(a, a, s);                         \
    }                                                                                              \
    uint fpu_slow_##f##_fma(uint a, uint b, uint c, FpuStatus *s)                                  \
    {                                                                                              \
        bool is_hard = s->rm == FPU_RM_RMM || !fpu_##f##_is_finite(a) ||                           \
                       !fpu_##f##_is_finite(b) || !fpu_##f##_is_finite(c) || !fpu_has_fma3;        \
                                                                                                   \
        return is_hard ? soft_##f##_fma(a, b, c, s) : host_##f##_fma(a, b, c, s);                  \
    }                                                                                              \
    uint fpu_slow_##f##_min(uint a, uint b, FpuStatus *s)                                          \
    {                                                                                              \
        return fpu_##f##_value(a) == fpu_##f##_value(b) ? a | b : soft_##f##_min(a, b, s);         \
    }                                                                                              \
    uint fpu_slow_##f##_max(uint a, uint b, FpuStatus *s)                                          \
    {                                                                                              \
        return fpu_##f##_value(a) == fpu_##f##_value(b) ? a & b : soft_##f##_max(a, b, s);         \
    }                                                                                              \
    bool fpu_unordered_##f##_eq(uint a, uint b, FpuStatus *s)                                      \
    {                                                                                              \
        return soft_##f##_eq(a, b, s);                                                             \
    }                                                                                              \
    uint32_t f##_class(uint a)                                                                     \
    {                                                                                              \
        return soft_##f##_class(a);                                                                \
    }

#define SLOW_CONVERT(f, uint)                                                                      \
    int32_t fpu_slow_##f##_to_i32(uint a, FpuStatus *s)                                            \
    {                                                                                              \
        return soft_##f##_to_i32(a, s);                                                            \
    }                                                                                              \
    uint32_t fpu_slow_##f##_to_u32(uint a, FpuStatus *s)                                           \
    {                                                                                              \
        return soft_##f##_to_u32(a, s);                                                            \
    }                                                                                              \
    int64_t fpu_slow_##f##_to_i64(uint a, FpuStatus *s)                                            \
    {                                                                                              \
        return soft_##f##_to_i64(a, s);                                                            \
    }                                                                                              \
    uint64_t fpu_slow_##f##_to_u64(uint a, FpuStatus *s)                                           \
    {                                                                                              \
        return soft_##f##_to_u64(a, s);                                                            \
    }                                                                                              \
    uint fpu_slow_i64_to_##f(int64_t a, FpuStatus *s)                                              \
    {                                                                                              \
        return soft_i64_to_##f(a, s);                                                              \
    }                                                                                              \
    uint fpu_slow_u64_to_##f(uint64_t a, FpuStatus *s)                                             \
    {                                                                                              \
        return soft_u64_to_##f(a, s);                                                              \
    }

SLOW(f32, uint32_t, float, "ss", F32_SIGN)
SLOW(f64, uint64_t, double, "sd", F64_SIGN)
SLOW_CONVERT(f32, uint32_t)
SLOW_CONVERT(f64, uint64_t)

uint64_t fpu_slow_f32_to_f64(uint32_t a, FpuStatus *s)
{
    return soft_f32_to_f64(a, s);
}

uint32_t fpu_slow_f64_to_f32(uint64_t a, FpuStatus *s)
{
    double v = fpu_f64_value(a);
    uint32_t mxcsr;
    float r;

    if (s->rm == FPU_RM_RMM || !fpu_f64_is_finite(a)) {
        return soft_f64_to_f32(a, s);
    }
    __asm__ volatile("ldmxcsr %[mode]\n\tcvtsd2ss %[v], %[r]\n\tstmxcsr %[mxcsr]"
                     : [r] "=&x"(r), [mxcsr] "=m"(mxcsr)
                     : [v] "x"(v), [mode] "m"(mode_of[s->rm]));
    take_flags(mxcsr, s);
    return fpu_f32_bits(r);
}
