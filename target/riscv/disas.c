/* target/riscv/disas.c - decoded instructions as text, for -d in_asm.  Compressed ones show as what they expand to.
 * Docs: docs/cpu.md.  Tests: tests/unit/target/decode-test.c.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "target/csr.h"
#include "target/insn.h"

const char *const reg_names_x[32] = {
    "zero", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "s0", "s1", "a0", "a1", "a2", "a3", "a4", "a5",
    "a6", "a7", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6",
};
const char *const reg_names_f[32] = {
    "ft0", "ft1", "ft2", "ft3", "ft4", "ft5", "ft6", "ft7", "fs0", "fs1", "fa0", "fa1", "fa2", "fa3", "fa4", "fa5",
    "fa6", "fa7", "fs2", "fs3", "fs4", "fs5", "fs6", "fs7", "fs8", "fs9", "fs10", "fs11", "ft8", "ft9", "ft10", "ft11",
};

/* Operands of each format.  d s t: integer rd rs1 rs2; D S T R: floating point; i: immediate; u: upper immediate;
 * p: address; m: imm(rs1); a: (rs1); c: csr; z: small immediate in rs1's place; r: rounding mode if not dynamic. */
static const char *const patterns[] = {
    [FMT_NONE] = "", [FMT_R] = "dst", [FMT_R1] = "ds", [FMT_I] = "dsi", [FMT_SH] = "dsi", [FMT_L] = "dm",
    [FMT_S] = "tm", [FMT_B] = "stp", [FMT_U] = "du", [FMT_J] = "dp", [FMT_JR] = "dm", [FMT_FENCE] = "f",
    [FMT_CSR] = "dcs", [FMT_CSRI] = "dcz", [FMT_FV] = "st", [FMT_LR] = "da", [FMT_AMO] = "dta", [FMT_CBO] = "a",
    [FMT_FL] = "Dm", [FMT_FS] = "Tm", [FMT_F4] = "DSTRr", [FMT_FR] = "DSTr", [FMT_FR1] = "DSr", [FMT_XF] = "dSr",
    [FMT_XFF] = "dST", [FMT_FX] = "Dsr",
};
static const char *const rounding[] = {"rne", "rtz", "rdn", "rup", "rmm", "?", "?", "dyn"};

static void print_fence_set(unsigned set, GString *out)
{
    for (unsigned i = 0; i < 4; i++) {
        if (set & 8 >> i) {
            g_string_append_c(out, "iorw"[i]);
        }
    }
}

static void print_operand(const Insn *d, char what, uint64_t pc, GString *out)
{
    const char *csr;

    switch (what) {
    case 'd': g_string_append(out, reg_names_x[d->rd]); break;
    case 's': g_string_append(out, reg_names_x[d->rs1]); break;
    case 't': g_string_append(out, reg_names_x[d->rs2]); break;
    case 'D': g_string_append(out, reg_names_f[d->rd]); break;
    case 'S': g_string_append(out, reg_names_f[d->rs1]); break;
    case 'T': g_string_append(out, reg_names_f[d->rs2]); break;
    case 'R': g_string_append(out, reg_names_f[d->rs3]); break;
    case 'i': g_string_append_printf(out, "%" G_GINT64_FORMAT, d->imm); break;
    case 'z': g_string_append_printf(out, "%u", d->rs1); break;
    case 'u': g_string_append_printf(out, "0x%x", (uint32_t)d->imm >> 12); break;
    case 'p': g_string_append_printf(out, "0x%" G_GINT64_MODIFIER "x", pc + (uint64_t)d->imm); break;
    case 'm': g_string_append_printf(out, "%" G_GINT64_FORMAT "(%s)", d->imm, reg_names_x[d->rs1]); break;
    case 'a': g_string_append_printf(out, "(%s)", reg_names_x[d->rs1]); break;
    case 'r': g_string_append(out, rounding[d->rm]); break;
    case 'f':
        print_fence_set(d->imm >> 4 & 15, out);
        g_string_append(out, ", ");
        print_fence_set(d->imm & 15, out);
        break;
    case 'c':
        csr = csr_name((unsigned)d->imm);
        if (csr) {
            g_string_append(out, csr);
        } else {
            g_string_append_printf(out, "0x%x", (unsigned)d->imm);
        }
        break;
    default: g_assert_not_reached();
    }
}

void insn_print(const Insn *d, uint64_t pc, GString *out)
{
    const InsnRow *row = insn_row(d->id);
    const char *separator = " ";

    g_string_append(out, row->name);
    for (const char *p = patterns[row->format]; *p; p++) {
        if (*p == 'r' && (!(row->flags & INSN_RM) || d->rm == 7)) {
            continue;
        }
        g_string_append(out, separator);
        print_operand(d, *p, pc, out);
        separator = ", ";
    }
}
