/* target/riscv/fpu-soft.h - the integer-only floating point: reference, and the path of last resort.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The same contract as target/fpu.h, each name with soft_ in front.  No host floating point and no
 * host rounding mode takes part, so the results are the same on every host.
 */
#pragma once

#include "target/fpu.h"

#define FPU_DECLARE_SOFT(f, uint)                                                                  \
    uint soft_##f##_add(uint a, uint b, FpuStatus *s);                                             \
    uint soft_##f##_sub(uint a, uint b, FpuStatus *s);                                             \
    uint soft_##f##_mul(uint a, uint b, FpuStatus *s);                                             \
    uint soft_##f##_div(uint a, uint b, FpuStatus *s);                                             \
    uint soft_##f##_sqrt(uint a, FpuStatus *s);                                                    \
    uint soft_##f##_fma(uint a, uint b, uint c, FpuStatus *s);                                     \
    bool soft_##f##_eq(uint a, uint b, FpuStatus *s);                                              \
    bool soft_##f##_lt(uint a, uint b, FpuStatus *s);                                              \
    bool soft_##f##_le(uint a, uint b, FpuStatus *s);                                              \
    uint soft_##f##_min(uint a, uint b, FpuStatus *s);                                             \
    uint soft_##f##_max(uint a, uint b, FpuStatus *s);                                             \
    uint32_t soft_##f##_class(uint a);                                                             \
    int32_t soft_##f##_to_i32(uint a, FpuStatus *s);                                               \
    uint32_t soft_##f##_to_u32(uint a, FpuStatus *s);                                              \
    int64_t soft_##f##_to_i64(uint a, FpuStatus *s);                                               \
    uint64_t soft_##f##_to_u64(uint a, FpuStatus *s);                                              \
    uint soft_i32_to_##f(int32_t a, FpuStatus *s);                                                 \
    uint soft_u32_to_##f(uint32_t a, FpuStatus *s);                                                \
    uint soft_i64_to_##f(int64_t a, FpuStatus *s);                                                 \
    uint soft_u64_to_##f(uint64_t a, FpuStatus *s)

FPU_DECLARE_SOFT(f32, uint32_t);
FPU_DECLARE_SOFT(f64, uint64_t);
uint64_t soft_f32_to_f64(uint32_t a, FpuStatus *s);
uint32_t soft_f64_to_f32(uint64_t a, FpuStatus *s);
