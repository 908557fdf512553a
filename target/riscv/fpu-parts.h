/* target/riscv/fpu-parts.h - a number taken apart, in one form for every format.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What always holds: a FPU_FINITE number is sig * 2^(exp - 126) with bit 126 of sig set and bit 127
 * clear.  Bit 0 may be a sticky bit ("something nonzero was below"); every format rounds at bit 73
 * or higher, so it never mixes with bits that count.
 */
#pragma once

#include "target/fpu.h"

typedef unsigned __int128 u128;

enum { FPU_TOP = 126 }; /* the place of the leading one */

typedef enum FpuKind {
    FPU_ZERO,
    FPU_FINITE,
    FPU_INF,
    FPU_QNAN,
    FPU_SNAN,
} FpuKind;

typedef struct FpuParts {
    FpuKind kind;
    bool sign;
    int exp;
    u128 sig;
} FpuParts;

typedef struct FpuFormat {
    int frac_bits; /* below the leading one */
    int exp_bits;
} FpuFormat;

extern const FpuFormat fpu_single, fpu_double;

FpuParts fpu_unpack(uint64_t bits, const FpuFormat *format);
/* Round to the format, raise OF, UF and NX, and give the bit pattern. */
uint64_t fpu_pack(const FpuParts *p, const FpuFormat *format, FpuStatus *s);
uint64_t fpu_default_nan(const FpuFormat *format);
/* Bring the leading one to FPU_TOP, or turn into a zero. */
void fpu_normalise(FpuParts *p);
/* Shift right; what falls out is or-ed into bit 0. */
u128 fpu_shift_jam(u128 sig, int count);
/* Whether a magnitude has to grow, from its lowest kept bit and what was cut off. */
bool fpu_rounds_up(uint8_t rm, bool sign, bool odd, bool half, bool below);

static inline bool fpu_is_nan(FpuKind kind)
{
    return kind >= FPU_QNAN;
}
