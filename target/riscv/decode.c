/* target/riscv/decode.c - from instruction words to operands, by the table in insn.def.
 * Docs: docs/cpu.md.  Tests: tests/unit/target/decode-test.c.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "target/insn.h"

enum { /* short names for the table's flag column */
    PURE = INSN_PURE, ENDS = INSN_ENDS, LINK = INSN_LINK, FP = INSN_FP, RM = INSN_RM, RAW = INSN_RAW, FRD = INSN_FRD,
};

static const InsnRow rows[OP_COUNT] = {
#define INSN(id, name, fmt, match, mask, ext, flags, ...) [OP_##id] = {name, match, mask, FMT_##fmt, EXT_##ext, flags},
#define PSEUDO(id, name, ...) [OP_##id] = {name, 0, 0, FMT_NONE, EXT_I, 0},
#include "target/insn.def"
};

typedef enum RvcFormat {
    RVC_CIW, RVC_CL_W, RVC_CL_D, RVC_CS_W, RVC_CS_D, RVC_CI, RVC_CI_LI, RVC_CI_16, RVC_CI_U, RVC_CI_SH, RVC_CI_W, RVC_CI_D,
    RVC_CB_SH, RVC_CB_I, RVC_CA, RVC_CJ, RVC_CB, RVC_CR, RVC_CR_J, RVC_CR_JL, RVC_CR_MV, RVC_C0, RVC_CSS_W, RVC_CSS_D,
} RvcFormat;
enum { ANY, IMM_NZ, RD_NZ, RS1_NZ, RS2_NZ };

typedef struct RvcRow {
    const char *name;
    uint16_t match, mask, base;
    uint8_t format, constraint;
} RvcRow;

static const RvcRow rvc_rows[] = {
#define RVC(name, fmt, match, mask, base, constraint) {name, match, mask, OP_##base, RVC_##fmt, constraint},
#include "target/insn.def"
};

/* Candidates by major opcode and bits 14:12, and for OP-FP also by nothing more: the lists stay short enough. */
#define BUCKET_MAX 80
static uint16_t buckets[256][BUCKET_MAX];
static uint8_t bucket_size[256];
/* Compressed forms all at once: row + 1 of each of the 2^16 halfwords is small and needs no search. */
static uint8_t rvc_row_of[65536];

static unsigned bucket_of(uint32_t raw)
{
    return (raw >> 2 & 31) << 3 | (raw >> 12 & 7);
}

static uint32_t bits(uint32_t v, unsigned high, unsigned low)
{
    return v >> low & ((2u << (high - low)) - 1);
}

static int64_t sign_extend(uint64_t v, unsigned width)
{
    return (int64_t)(v << (64 - width)) >> (64 - width);
}

/* ---- compressed ---- */

static int64_t imm_ci(uint32_t c)
{
    return sign_extend(bits(c, 12, 12) << 5 | bits(c, 6, 2), 6);
}

static int64_t imm_ci_16(uint32_t c)
{
    return sign_extend(bits(c, 12, 12) << 9 | bits(c, 6, 6) << 4 | bits(c, 5, 5) << 6 | bits(c, 4, 3) << 7 |
                           bits(c, 2, 2) << 5, 10);
}

static int64_t imm_ciw(uint32_t c)
{
    return bits(c, 12, 11) << 4 | bits(c, 10, 7) << 6 | bits(c, 6, 6) << 2 | bits(c, 5, 5) << 3;
}

static int64_t imm_cl_w(uint32_t c)
{
    return bits(c, 12, 10) << 3 | bits(c, 6, 6) << 2 | bits(c, 5, 5) << 6;
}

static int64_t imm_cl_d(uint32_t c)
{
    return bits(c, 12, 10) << 3 | bits(c, 6, 5) << 6;
}

static int64_t imm_ci_w(uint32_t c)
{
    return bits(c, 12, 12) << 5 | bits(c, 6, 4) << 2 | bits(c, 3, 2) << 6;
}

static int64_t imm_ci_d(uint32_t c)
{
    return bits(c, 12, 12) << 5 | bits(c, 6, 5) << 3 | bits(c, 4, 2) << 6;
}

static int64_t imm_cj(uint32_t c)
{
    return sign_extend(bits(c, 12, 12) << 11 | bits(c, 11, 11) << 4 | bits(c, 10, 9) << 8 | bits(c, 8, 8) << 10 |
                           bits(c, 7, 7) << 6 | bits(c, 6, 6) << 7 | bits(c, 5, 3) << 1 | bits(c, 2, 2) << 5, 12);
}

static int64_t imm_cb(uint32_t c)
{
    return sign_extend(bits(c, 12, 12) << 8 | bits(c, 11, 10) << 3 | bits(c, 6, 5) << 6 | bits(c, 4, 3) << 1 |
                           bits(c, 2, 2) << 5, 9);
}

static void rvc_operands(RvcFormat format, uint32_t c, Insn *d)
{
    uint8_t full = bits(c, 11, 7), second = bits(c, 6, 2), high = 8 + bits(c, 9, 7), low = 8 + bits(c, 4, 2);
    int64_t shift = bits(c, 12, 12) << 5 | bits(c, 6, 2);

    switch (format) {
    case RVC_CIW:   d->rd = low; d->rs1 = 2; d->imm = imm_ciw(c); break;
    case RVC_CL_W:  d->rd = low; d->rs1 = high; d->imm = imm_cl_w(c); break;
    case RVC_CL_D:  d->rd = low; d->rs1 = high; d->imm = imm_cl_d(c); break;
    case RVC_CS_W:  d->rs2 = low; d->rs1 = high; d->imm = imm_cl_w(c); break;
    case RVC_CS_D:  d->rs2 = low; d->rs1 = high; d->imm = imm_cl_d(c); break;
    case RVC_CI:    d->rd = d->rs1 = full; d->imm = imm_ci(c); break;
    case RVC_CI_LI: d->rd = full; d->imm = imm_ci(c); break;
    case RVC_CI_16: d->rd = d->rs1 = 2; d->imm = imm_ci_16(c); break;
    case RVC_CI_U:  d->rd = full; d->imm = imm_ci(c) << 12; break;
    case RVC_CI_SH: d->rd = d->rs1 = full; d->imm = shift; break;
    case RVC_CI_W:  d->rd = full; d->rs1 = 2; d->imm = imm_ci_w(c); break;
    case RVC_CI_D:  d->rd = full; d->rs1 = 2; d->imm = imm_ci_d(c); break;
    case RVC_CB_SH: d->rd = d->rs1 = high; d->imm = shift; break;
    case RVC_CB_I:  d->rd = d->rs1 = high; d->imm = imm_ci(c); break;
    case RVC_CA:    d->rd = d->rs1 = high; d->rs2 = low; break;
    case RVC_CJ:    d->imm = imm_cj(c); break;
    case RVC_CB:    d->rs1 = high; d->imm = imm_cb(c); break;
    case RVC_CR:    d->rd = d->rs1 = full; d->rs2 = second; break;
    case RVC_CR_J:  d->rs1 = full; break;
    case RVC_CR_JL: d->rd = 1; d->rs1 = full; break;
    case RVC_CR_MV: d->rd = full; d->rs2 = second; break;
    case RVC_C0:    break;
    case RVC_CSS_W: d->rs1 = 2; d->rs2 = second; d->imm = bits(c, 12, 9) << 2 | bits(c, 8, 7) << 6; break;
    case RVC_CSS_D: d->rs1 = 2; d->rs2 = second; d->imm = bits(c, 12, 10) << 3 | bits(c, 9, 7) << 6; break;
    }
}

static bool rvc_allowed(unsigned constraint, const Insn *d)
{
    switch (constraint) {
    case IMM_NZ: return d->imm != 0;
    case RD_NZ:  return d->rd != 0;
    case RS1_NZ: return d->rs1 != 0;
    case RS2_NZ: return d->rs2 != 0;
    default:     return true;
    }
}

static unsigned rvc_search(uint16_t c)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(rvc_rows); i++) {
        const RvcRow *row = &rvc_rows[i];
        Insn d = {0};

        if ((c & row->mask) == row->match) {
            rvc_operands(row->format, c, &d);
            if (rvc_allowed(row->constraint, &d)) {
                return i + 1;
            }
        }
    }
    return 0;
}

/* ---- 32 bits ---- */

static int64_t imm_s(uint32_t raw)
{
    return sign_extend(bits(raw, 31, 25) << 5 | bits(raw, 11, 7), 12);
}

static int64_t imm_b(uint32_t raw)
{
    return sign_extend(bits(raw, 31, 31) << 12 | bits(raw, 7, 7) << 11 | bits(raw, 30, 25) << 5 |
                           bits(raw, 11, 8) << 1, 13);
}

static int64_t imm_j(uint32_t raw)
{
    return sign_extend(bits(raw, 31, 31) << 20 | bits(raw, 19, 12) << 12 | bits(raw, 20, 20) << 11 |
                           bits(raw, 30, 21) << 1, 21);
}

static void operands(InsnFormat format, uint32_t raw, Insn *d)
{
    uint8_t rd = bits(raw, 11, 7), rs1 = bits(raw, 19, 15), rs2 = bits(raw, 24, 20);
    int64_t imm_i = (int32_t)raw >> 20;

    switch (format) {
    case FMT_NONE: break;
    case FMT_R: case FMT_AMO: case FMT_FR: case FMT_XFF: d->rd = rd; d->rs1 = rs1; d->rs2 = rs2; break;
    case FMT_R1: case FMT_LR: case FMT_FR1: case FMT_XF: case FMT_FX: d->rd = rd; d->rs1 = rs1; break;
    case FMT_I: case FMT_L: case FMT_FL: case FMT_JR: d->rd = rd; d->rs1 = rs1; d->imm = imm_i; break;
    case FMT_SH: d->rd = rd; d->rs1 = rs1; d->imm = bits(raw, 25, 20); break;
    case FMT_S: case FMT_FS: d->rs1 = rs1; d->rs2 = rs2; d->imm = imm_s(raw); break;
    case FMT_B: d->rs1 = rs1; d->rs2 = rs2; d->imm = imm_b(raw); break;
    case FMT_U: d->rd = rd; d->imm = (int32_t)(raw & 0xfffff000u); break;
    case FMT_J: d->rd = rd; d->imm = imm_j(raw); break;
    case FMT_FENCE: d->imm = bits(raw, 31, 20); break;
    case FMT_CSR: case FMT_CSRI: d->rd = rd; d->rs1 = rs1; d->imm = bits(raw, 31, 20); break;
    case FMT_FV: d->rs1 = rs1; d->rs2 = rs2; break;
    case FMT_CBO: d->rs1 = rs1; break;
    case FMT_F4: d->rd = rd; d->rs1 = rs1; d->rs2 = rs2; d->rs3 = bits(raw, 31, 27); break;
    }
}

static void __attribute__((constructor)) decode_init(void)
{
    for (unsigned id = 0; id < OP_COUNT; id++) {
        const InsnRow *row = &rows[id];

        for (unsigned funct = 0; row->mask && funct < 8; funct++) {
            unsigned bucket = bucket_of((row->match & ~0x7000u) | funct << 12);

            if ((row->mask >> 12 & 7 & (funct ^ (row->match >> 12))) == 0) {
                g_assert(bucket_size[bucket] < BUCKET_MAX);
                buckets[bucket][bucket_size[bucket]++] = (uint16_t)id;
            }
        }
    }
    for (unsigned c = 0; c < 65536; c++) {
        rvc_row_of[c] = (c & 3) != 3 ? (uint8_t)rvc_search((uint16_t)c) : 0;
    }
}

const InsnRow *insn_row(unsigned id)
{
    return &rows[id];
}

static Insn decode_compressed(uint16_t c, uint32_t extensions)
{
    Insn d = {.id = OP_ILLEGAL, .len = 2, .raw = c};
    unsigned found = rvc_row_of[c];

    if (found && extensions & EXT_BIT(EXT_C)) {
        const RvcRow *row = &rvc_rows[found - 1];

        if (extensions & EXT_BIT(rows[row->base].ext)) {
            d.id = row->base;
            rvc_operands(row->format, c, &d);
        }
    }
    return d;
}

Insn insn_decode(uint32_t raw, uint32_t extensions)
{
    unsigned bucket = bucket_of(raw);

    if ((raw & 3) != 3) {
        return decode_compressed((uint16_t)raw, extensions);
    }
    for (unsigned i = 0; i < bucket_size[bucket]; i++) {
        unsigned id = buckets[bucket][i];
        const InsnRow *row = &rows[id];

        if ((raw & row->mask) == row->match && extensions & EXT_BIT(row->ext)) {
            Insn d = {.id = (uint16_t)id, .len = 4, .raw = raw};

            operands(row->format, raw, &d);
            d.rm = row->flags & INSN_RM ? bits(raw, 14, 12) : 0;
            if (row->flags & INSN_RM && (d.rm == 5 || d.rm == 6)) {
                break; /* reserved rounding modes */
            }
            return d;
        }
    }
    return (Insn){.id = OP_ILLEGAL, .len = 4, .raw = raw};
}

const char *insn_name(uint32_t raw, uint32_t extensions)
{
    Insn d = insn_decode(raw, extensions);

    if (d.id != OP_ILLEGAL && d.len == 2) {
        return rvc_rows[rvc_row_of[d.raw] - 1].name;
    }
    return rows[d.id].name;
}
