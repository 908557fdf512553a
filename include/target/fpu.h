/* target/fpu.h - RISC-V F and D arithmetic on bit patterns: results, flags and NaNs bit-exact.
 * Unprivileged ISA, "F" and "D" chapters (F 2.2).  Pure: the only state is the caller's FpuStatus.
 * Docs: docs/fpu.md.  Tests: tests/unit/target/fpu-*-test.c.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Contract:
 * - Operands and results are IEEE 754 bit patterns.  Single operands are unboxed by the caller
 *   (fpu_unbox) and boxed again by him (fpu_box).
 * - s->rm is one of the five FPU_RM_* values: the caller has resolved "dynamic" and trapped on a
 *   reserved mode.  s->flags is sticky: functions only ever add bits, in the layout of fflags.
 * - A NaN that an operation makes or passes on is the canonical one, whatever the operands were.
 *   Moves, loads, stores and sign injection keep all bits.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum {
    FPU_NX = 1,  /* inexact */
    FPU_UF = 2,  /* underflow, tininess detected after rounding */
    FPU_OF = 4,  /* overflow */
    FPU_DZ = 8,  /* divide by zero */
    FPU_NV = 16, /* invalid operation */
};

enum {
    FPU_RM_RNE = 0, /* to nearest, ties to even */
    FPU_RM_RTZ = 1, /* towards zero */
    FPU_RM_RDN = 2, /* down */
    FPU_RM_RUP = 3, /* up */
    FPU_RM_RMM = 4, /* to nearest, ties to the larger magnitude */
    FPU_RM_COUNT,
};

typedef struct FpuStatus {
    uint8_t flags; /* FPU_NX .. FPU_NV, sticky */
    uint8_t rm;    /* FPU_RM_* */
} FpuStatus;

#define F32_NAN  UINT32_C(0x7fc00000)
#define F64_NAN  UINT64_C(0x7ff8000000000000)
#define F32_SIGN UINT32_C(0x80000000)
#define F64_SIGN UINT64_C(0x8000000000000000)

/* Single values in 64-bit registers: the upper half is ones, anything else reads as the canonical
 * NaN. */
static inline uint64_t fpu_box(uint32_t a)
{
    return UINT64_C(0xffffffff00000000) | a;
}

static inline uint32_t fpu_unbox(uint64_t a)
{
    return a >> 32 == UINT32_MAX ? (uint32_t)a : F32_NAN;
}

/* Sign injection: bits only, no flags, no canonical NaN. */
static inline uint32_t f32_sgnj(uint32_t a, uint32_t b)
{
    return (a & ~F32_SIGN) | (b & F32_SIGN);
}

static inline uint32_t f32_sgnjn(uint32_t a, uint32_t b)
{
    return (a & ~F32_SIGN) | (~b & F32_SIGN);
}

static inline uint32_t f32_sgnjx(uint32_t a, uint32_t b)
{
    return a ^ (b & F32_SIGN);
}

static inline uint64_t f64_sgnj(uint64_t a, uint64_t b)
{
    return (a & ~F64_SIGN) | (b & F64_SIGN);
}

static inline uint64_t f64_sgnjn(uint64_t a, uint64_t b)
{
    return (a & ~F64_SIGN) | (~b & F64_SIGN);
}

static inline uint64_t f64_sgnjx(uint64_t a, uint64_t b)
{
    return a ^ (b & F64_SIGN);
}

/* fma: a * b + c with one rounding; the caller flips signs for the other three forms.
 * eq is quiet, lt and le signal on any NaN.  min and max are IEEE 754-2019 minimumNumber and
 * maximumNumber.  class gives fclass's 10-bit mask.
 * To integers: saturating, NaN gives the largest value; the caller sign-extends 32-bit results.
 *
 * On x86-64 the same names are inline functions over the host's arithmetic; elsewhere they are the
 * integer implementation. */
#if defined(__x86_64__)
#include "target/fpu-x86.h"
#else
#define FPU_DECLARE(f, uint)                                                                       \
    uint f##_add(uint a, uint b, FpuStatus *s);                                                    \
    uint f##_sub(uint a, uint b, FpuStatus *s);                                                    \
    uint f##_mul(uint a, uint b, FpuStatus *s);                                                    \
    uint f##_div(uint a, uint b, FpuStatus *s);                                                    \
    uint f##_sqrt(uint a, FpuStatus *s);                                                           \
    uint f##_fma(uint a, uint b, uint c, FpuStatus *s);                                            \
    bool f##_eq(uint a, uint b, FpuStatus *s);                                                     \
    bool f##_lt(uint a, uint b, FpuStatus *s);                                                     \
    bool f##_le(uint a, uint b, FpuStatus *s);                                                     \
    uint f##_min(uint a, uint b, FpuStatus *s);                                                    \
    uint f##_max(uint a, uint b, FpuStatus *s);                                                    \
    uint32_t f##_class(uint a);                                                                    \
    int32_t f##_to_i32(uint a, FpuStatus *s);                                                      \
    uint32_t f##_to_u32(uint a, FpuStatus *s);                                                     \
    int64_t f##_to_i64(uint a, FpuStatus *s);                                                      \
    uint64_t f##_to_u64(uint a, FpuStatus *s);                                                     \
    uint i32_to_##f(int32_t a, FpuStatus *s);                                                      \
    uint u32_to_##f(uint32_t a, FpuStatus *s);                                                     \
    uint i64_to_##f(int64_t a, FpuStatus *s);                                                      \
    uint u64_to_##f(uint64_t a, FpuStatus *s)

FPU_DECLARE(f32, uint32_t);
FPU_DECLARE(f64, uint64_t);
uint64_t f32_to_f64(uint32_t a, FpuStatus *s);
uint32_t f64_to_f32(uint64_t a, FpuStatus *s);
#endif
