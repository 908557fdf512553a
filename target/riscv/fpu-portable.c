/* target/riscv/fpu-portable.c - target/fpu.h on hosts without a fast path: the integer code itself.
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "target/fpu.h"

#include "fpu-soft.h"

#define FORWARD(f, uint)                                                                           \
    uint f##_add(uint a, uint b, FpuStatus *s)                                                     \
    {                                                                                              \
        return soft_##f##_add(a, b, s);                                                            \
    }                                                                                              \
    uint f##_sub(uint a, uint b, FpuStatus *s)                                                     \
    {                                                                                              \
        return soft_##f##_sub(a, b, s);                                                            \
    }                                                                                              \
    uint f##_mul(uint a, uint b, FpuStatus *s)                                                     \
    {                                                                                              \
        return soft_##f##_mul(a, b, s);                                                            \
    }                                                                                              \
    uint f##_div(uint a, uint b, FpuStatus *s)                                                     \
    {                                                                                              \
        return soft_##f##_div(a, b, s);                                                            \
    }                                                                                              \
    uint f##_min(uint a, uint b, FpuStatus *s)                                                     \
    {                                                                                              \
        return soft_##f##_min(a, b, s);                                                            \
    }                                                                                              \
    uint f##_max(uint a, uint b, FpuStatus *s)                                                     \
    {                                                                                              \
        return soft_##f##_max(a, b, s);                                                            \
    }                                                                                              \
    bool f##_eq(uint a, uint b, FpuStatus *s)                                                      \
    {                                                                                              \
        return soft_##f##_eq(a, b, s);                                                             \
    }                                                                                              \
    bool f##_lt(uint a, uint b, FpuStatus *s)                                                      \
    {                                                                                              \
        return soft_##f##_lt(a, b, s);                                                             \
    }                                                                                              \
    bool f##_le(uint a, uint b, FpuStatus *s)                                                      \
    {                                                                                              \
        return soft_##f##_le(a, b, s);                                                             \
    }                                                                                              \
    uint f##_sqrt(uint a, FpuStatus *s)                                                            \
    {                                                                                              \
        return soft_##f##_sqrt(a, s);                                                              \
    }                                                                                              \
    uint f##_fma(uint a, uint b, uint c, FpuStatus *s)                                             \
    {                                                                                              \
        return soft_##f##_fma(a, b, c, s);                                                         \
    }                                                                                              \
    uint32_t f##_class(uint a)                                                                     \
    {                                                                                              \
        return soft_##f##_class(a);                                                                \
    }                                                                                              \
    int32_t f##_to_i32(uint a, FpuStatus *s)                                                       \
    {                                                                                              \
        return soft_##f##_to_i32(a, s);                                                            \
    }                                                                                              \
    uint i32_to_##f(int32_t a, FpuStatus *s)                                                       \
    {                                                                                              \
        return soft_i32_to_##f(a, s);                                                              \
    }                                                                                              \
    uint32_t f##_to_u32(uint a, FpuStatus *s)                                                      \
    {                                                                                              \
        return soft_##f##_to_u32(a, s);                                                            \
    }                                                                                              \
    uint u32_to_##f(uint32_t a, FpuStatus *s)                                                      \
    {                                                                                              \
        return soft_u32_to_##f(a, s);                                                              \
    }                                                                                              \
    int64_t f##_to_i64(uint a, FpuStatus *s)                                                       \
    {                                                                                              \
        return soft_##f##_to_i64(a, s);                                                            \
    }                                                                                              \
    uint i64_to_##f(int64_t a, FpuStatus *s)                                                       \
    {                                                                                              \
        return soft_i64_to_##f(a, s);                                                              \
    }                                                                                              \
    uint64_t f##_to_u64(uint a, FpuStatus *s)                                                      \
    {                                                                                              \
        return soft_##f##_to_u64(a, s);                                                            \
    }                                                                                              \
    uint u64_to_##f(uint64_t a, FpuStatus *s)                                                      \
    {                                                                                              \
        return soft_u64_to_##f(a, s);                                                              \
    }

FORWARD(f32, uint32_t)
FORWARD(f64, uint64_t)

uint64_t f32_to_f64(uint32_t a, FpuStatus *s)
{
    return soft_f32_to_f64(a, s);
}

uint32_t f64_to_f32(uint64_t a, FpuStatus *s)
{
    return soft_f64_to_f32(a, s);
}
