/* target/riscv/isa.h - the table of extensions, between isa.c and hart.c.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "target/hart-state.h"

/* In the canonical order of the ISA string: bit, name (of the property too), what it needs, help. */
#define EXTENSION_LIST(X)                                                                                              \
    X(I, "i", 0, "base integer instructions (always there)")                                                           \
    X(M, "m", 0, "multiplication and division")                                                                        \
    X(A, "a", 0, "atomic instructions")                                                                                \
    X(F, "f", EXT_BIT(EXT_ZICSR), "single-precision floating point")                                                   \
    X(D, "d", EXT_BIT(EXT_F), "double-precision floating point")                                                       \
    X(C, "c", 0, "compressed instructions")                                                                            \
    X(ZICBOM, "zicbom", 0, "cache block management")                                                                   \
    X(ZICBOZ, "zicboz", 0, "cache block zeroing")                                                                      \
    X(ZICNTR, "zicntr", EXT_BIT(EXT_ZICSR), "cycle, time and instret")                                                 \
    X(ZICSR, "zicsr", 0, "control and status registers (always there)")                                                \
    X(ZIFENCEI, "zifencei", 0, "fence.i")                                                                              \
    X(ZIHINTPAUSE, "zihintpause", 0, "pause hint")                                                                     \
    X(ZBA, "zba", 0, "address generation")                                                                             \
    X(ZBB, "zbb", 0, "basic bit manipulation")                                                                         \
    X(ZBS, "zbs", 0, "single-bit instructions")                                                                        \
    X(SSTC, "sstc", 0, "supervisor timer compare")                                                                     \
    X(SVADU, "svadu", 0, "hardware update of accessed and dirty bits")

typedef struct Extension {
    unsigned bit;
    const char *name;
    uint32_t needs;
} Extension;

extern const Extension extensions[]; /* ends with an empty row */
uint64_t isa_misa(uint32_t bits);
bool isa_check(uint32_t bits, GError **errp);
