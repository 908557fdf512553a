/* include/target/insn.h - decoded instructions: what insn.def says of each.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Pure: no state but the table.  Docs: docs/cpu.md.  Tests: tests/unit/target/decode-test.c. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* Extensions as bits of Hart.extensions; names, properties and order in the ISA string: target/riscv/isa.c. */
enum {
    EXT_I, EXT_M, EXT_A, EXT_F, EXT_D, EXT_C, EXT_S, EXT_U,
    EXT_ZICBOM, EXT_ZICBOZ, EXT_ZICNTR, EXT_ZICSR, EXT_ZIFENCEI, EXT_ZIHINTPAUSE,
    EXT_ZBA, EXT_ZBB, EXT_ZBS, EXT_SSTC, EXT_SVADU, EXT_SV39, EXT_SV48, EXT_PMP,
    EXT_COUNT,
};
#define EXT_BIT(e) (1u << (e))
#define EXT_ALL (EXT_BIT(EXT_COUNT) - 1u)

enum { /* flags of a table line; see insn.def */
    INSN_PURE = 1 << 0, INSN_ENDS = 1 << 1, INSN_LINK = 1 << 2, INSN_FP = 1 << 3,
    INSN_RM = 1 << 4, INSN_RAW = 1 << 5, INSN_FRD = 1 << 6,
};

typedef enum InsnFormat { /* operands, as the assembler writes them */
    FMT_NONE, FMT_R, FMT_R1, FMT_I, FMT_SH, FMT_L, FMT_S, FMT_B, FMT_U, FMT_J, FMT_JR, FMT_FENCE,
    FMT_CSR, FMT_CSRI, FMT_FV, FMT_LR, FMT_AMO, FMT_CBO,
    FMT_FL, FMT_FS, FMT_F4, FMT_FR, FMT_FR1, FMT_XF, FMT_XFF, FMT_FX,
} InsnFormat;

typedef enum InsnId {
#define INSN(id, ...) OP_##id,
#define PSEUDO(id, ...) OP_##id,
#include "target/insn.def"
    OP_COUNT,
    OP_PAIRS_ = OP_COUNT - 1, /* the pairs go on from OP_COUNT; only interpreters know them */
#define PAIR(a, b, ...) OP_##a##_##b,
#include "target/insn.def"
    OP_ALL_COUNT,
} InsnId;

typedef struct InsnRow {
    const char *name;
    uint32_t match, mask;
    uint8_t format, ext, flags;
} InsnRow;

/* Fields that a format does not have are zero.  imm: sign-extended immediate, shift amount, csr number. */
typedef struct Insn {
    uint16_t id;   /* OP_ILLEGAL: no such instruction here */
    uint8_t len;   /* 2 or 4 */
    uint8_t rd, rs1, rs2, rs3, rm;
    uint32_t raw;  /* the bits, 16 or 32 of them */
    int64_t imm;
} Insn;

static inline unsigned insn_length(uint16_t low_half)
{
    return (low_half & 3) == 3 ? 4 : 2;
}

/* By InsnId; pseudo operations have a name only. */
const InsnRow *insn_row(unsigned id);
/* `raw`: 32 bits, of which the lower 16 count for a compressed one.  Extensions: EXT_BIT()s. */
Insn insn_decode(uint32_t raw, uint32_t extensions);
/* The name of a compressed form ("c.addi"), or of the 32-bit instruction. */
const char *insn_name(uint32_t raw, uint32_t extensions);
/* "addi a0, sp, -16"; targets of branches as addresses from pc. */
void insn_print(const Insn *insn, uint64_t pc, GString *out);
extern const char *const reg_names_x[32], *const reg_names_f[32];
