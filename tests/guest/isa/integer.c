/* tests/guest/isa/integer.c - RV64IM, Zba, Zbb, Zbs: digests, and corners by hand.
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "isa.h"

typedef uint64_t Binary(uint64_t a, uint64_t b);

#define RR(name, text)                                                                             \
    static uint64_t do_##name(uint64_t a, uint64_t b)                                              \
    {                                                                                              \
        uint64_t r;                                                                                \
                                                                                                   \
        __asm__ volatile(text " %0, %1, %2" : "=r"(r) : "r"(a), "r"(b));                           \
        return r;                                                                                  \
    }
#define R1(name, text)                                                                             \
    static uint64_t do_##name(uint64_t a, uint64_t b)                                              \
    {                                                                                              \
        uint64_t r;                                                                                \
                                                                                                   \
        __asm__ volatile(text : "=r"(r) : "r"(a));                                                 \
        return r + b * 0;                                                                          \
    }
#define BRANCH(name, text)                                                                         \
    static uint64_t do_##name(uint64_t a, uint64_t b)                                              \
    {                                                                                              \
        uint64_t r = 1;                                                                            \
                                                                                                   \
        __asm__ volatile(text " %1, %2, 1f\n li %0, 0\n1:" : "+r"(r) : "r"(a), "r"(b));            \
        return r;                                                                                  \
    }

#define REGISTER_ROWS(X)                                                                           \
    X(add, "add") X(sub, "sub") X(sll, "sll") X(slt, "slt") X(sltu, "sltu") X(xor, "xor")          \
    X(srl, "srl") X(sra, "sra") X(or, "or") X(and, "and") X(addw, "addw") X(subw, "subw")          \
    X(sllw, "sllw") X(srlw, "srlw") X(sraw, "sraw") X(mul, "mul") X(mulh, "mulh")                  \
    X(mulhsu, "mulhsu") X(mulhu, "mulhu") X(div, "div") X(divu, "divu") X(rem, "rem")              \
    X(remu, "remu") X(mulw, "mulw") X(divw, "divw") X(divuw, "divuw") X(remw, "remw")              \
    X(remuw, "remuw") X(add_uw, "add.uw") X(sh1add, "sh1add") X(sh2add, "sh2add")                  \
    X(sh3add, "sh3add") X(sh1add_uw, "sh1add.uw") X(sh2add_uw, "sh2add.uw")                        \
    X(sh3add_uw, "sh3add.uw") X(andn, "andn") X(orn, "orn") X(xnor, "xnor") X(max, "max")          \
    X(maxu, "maxu") X(min, "min") X(minu, "minu") X(rol, "rol") X(ror, "ror") X(rolw, "rolw")      \
    X(rorw, "rorw") X(bclr, "bclr") X(bext, "bext") X(binv, "binv") X(bset, "bset")
#define IMMEDIATE_ROWS(X)                                                                          \
    X(addi_1, "addi %0, %1, 1") X(addi_low, "addi %0, %1, -2048")                                  \
    X(addi_high, "addi %0, %1, 2047") X(addiw_1, "addiw %0, %1, 1")                                \
    X(addiw_low, "addiw %0, %1, -2048") X(sext_w, "addiw %0, %1, 0")                               \
    X(slti_low, "slti %0, %1, -2048") X(sltiu_1, "sltiu %0, %1, 1")                                \
    X(sltiu_low, "sltiu %0, %1, -1") X(xori_not, "xori %0, %1, -1")                                \
    X(ori_high, "ori %0, %1, 2047") X(andi_low, "andi %0, %1, -16")                                \
    X(slli_0, "slli %0, %1, 0") X(slli_31, "slli %0, %1, 31") X(slli_63, "slli %0, %1, 63")        \
    X(srli_1, "srli %0, %1, 1") X(srli_32, "srli %0, %1, 32") X(srli_63, "srli %0, %1, 63")        \
    X(srai_1, "srai %0, %1, 1") X(srai_40, "srai %0, %1, 40") X(srai_63, "srai %0, %1, 63")        \
    X(slliw_31, "slliw %0, %1, 31") X(slliw_0, "slliw %0, %1, 0")                                  \
    X(srliw_0, "srliw %0, %1, 0") X(srliw_31, "srliw %0, %1, 31")                                  \
    X(sraiw_0, "sraiw %0, %1, 0") X(sraiw_31, "sraiw %0, %1, 31")                                  \
    X(slli_uw_5, "slli.uw %0, %1, 5") X(slli_uw_40, "slli.uw %0, %1, 40") X(clz, "clz %0, %1")     \
    X(clzw, "clzw %0, %1") X(ctz, "ctz %0, %1") X(ctzw, "ctzw %0, %1") X(cpop, "cpop %0, %1")      \
    X(cpopw, "cpopw %0, %1") X(sext_b, "sext.b %0, %1") X(sext_h, "sext.h %0, %1")                 \
    X(zext_h, "zext.h %0, %1") X(rori_7, "rori %0, %1, 7") X(rori_60, "rori %0, %1, 60")           \
    X(roriw_7, "roriw %0, %1, 7") X(roriw_31, "roriw %0, %1, 31") X(orc_b, "orc.b %0, %1")         \
    X(rev8, "rev8 %0, %1") X(bclri_63, "bclri %0, %1, 63") X(bexti_33, "bexti %0, %1, 33")         \
    X(binvi_0, "binvi %0, %1, 0") X(bseti_63, "bseti %0, %1, 63") X(lui, "lui %0, 0x80000")        \
    X(lui_1, "lui %0, 1")
#define BRANCH_ROWS(X)                                                                             \
    X(beq, "beq") X(bne, "bne") X(blt, "blt") X(bge, "bge") X(bltu, "bltu") X(bgeu, "bgeu")

REGISTER_ROWS(RR)
IMMEDIATE_ROWS(R1)
BRANCH_ROWS(BRANCH)

#define ROW(name, text) { #name, do_##name },
static const struct {
    const char *name;
    Binary *run;
} rows[] = { REGISTER_ROWS(ROW) IMMEDIATE_ROWS(ROW) BRANCH_ROWS(ROW) };

static void digests(void)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t hash = i;

        for (int k = 0; k < 1500; k++) {
            uint64_t a = isa_operand(), b = k % 9 ? isa_operand() : a;

            hash = isa_mix(hash, rows[i].run(a, b));
        }
        isa_digest(rows[i].name, hash);
    }
}

static void corners(void)
{
    static const struct {
        const char *name;
        Binary *run;
        uint64_t a, b, want;
    } table[] = {
        { "div by zero", do_div, 42, 0, -1 },
        { "div overflow", do_div, INT64_MIN, -1, INT64_MIN },
        { "div truncates", do_div, -7, 2, -3 },
        { "divu by zero", do_divu, 42, 0, UINT64_MAX },
        { "rem by zero", do_rem, -42, 0, -42 },
        { "rem overflow", do_rem, INT64_MIN, -1, 0 },
        { "rem sign", do_rem, -7, 2, -1 },
        { "remu by zero", do_remu, 42, 0, 42 },
        { "divw by zero", do_divw, 5, UINT64_C(1) << 32, -1 },
        { "divw overflow", do_divw, 0x80000000, 0xffffffff, INT32_MIN },
        { "divuw by zero", do_divuw, 5, 0, -1 },
        { "divuw sign", do_divuw, 0xfffffffe, 1, -2 },
        { "remw by zero", do_remw, 0x180000000, 0, INT32_MIN },
        { "remw overflow", do_remw, 0x80000000, 0xffffffff, 0 },
        { "remuw by zero", do_remuw, 0xffffffff80000001, 0, 0xffffffff80000001 },
        { "mulh", do_mulh, INT64_MIN, INT64_MIN, UINT64_C(1) << 62 },
        { "mulh -1", do_mulh, -1, 1, -1 },
        { "mulhsu", do_mulhsu, -1, -1, -1 },
        { "mulhu", do_mulhu, -1, -1, -2 },
        { "mulw", do_mulw, 0x10000, 0x8000, INT32_MIN },
        { "sll 64", do_sll, 1, 64, 1 },
        { "sra 127", do_sra, INT64_MIN, 127, -1 },
        { "sllw 32", do_sllw, 0x80000001, 32, 0xffffffff80000001 },
        { "srlw", do_srlw, 0xffffffff80000000, 31, 1 },
        { "sraw", do_sraw, 0x7fffffff80000000, 31, -1 },
        { "addw wraps", do_addw, 0x7fffffff, 1, INT32_MIN },
        { "subw", do_subw, INT32_MIN, 1, 0x7fffffff },
        { "clz 0", do_clz, 0, 0, 64 },
        { "ctz 0", do_ctz, 0, 0, 64 },
        { "clzw 0", do_clzw, UINT64_C(1) << 40, 0, 32 },
        { "ctzw 0", do_ctzw, UINT64_C(1) << 40, 0, 32 },
        { "cpopw", do_cpopw, -1, 0, 32 },
        { "orc.b", do_orc_b, 0x0100200000008000, 0, 0xff00ff000000ff00 },
        { "rev8", do_rev8, 0x0102030405060708, 0, 0x0807060504030201 },
        { "rolw", do_rolw, 0x80000000, 1, 1 },
        { "rorw", do_rorw, 1, 33, INT32_MIN },
        { "add.uw", do_add_uw, 0xffffffffffffffff, 1, UINT64_C(1) << 32 },
        { "sh3add.uw", do_sh3add_uw, 0xffffffff80000000, 5, 0x400000005 },
        { "bext", do_bext, 2, 65, 1 },
        { "min", do_min, -1, 1, -1 },
        { "minu", do_minu, -1, 1, 1 },
        { "lui sign", do_lui, 0, 0, 0xffffffff80000000 },
        { "sltiu -1", do_sltiu_low, 5, 0, 1 },
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        CHECK(table[i].name, table[i].run(table[i].a, table[i].b), table[i].want);
    }
}

static void zero_and_jumps(void)
{
    uint64_t r, here, link;

    __asm__ volatile("li t0, 7\n add zero, t0, t0\n mv %0, zero" : "=r"(r) : : "t0");
    CHECK("x0 stays zero", r, 0);
    __asm__ volatile("1: auipc %0, 0\n la %1, 1b" : "=r"(r), "=r"(here));
    CHECK("auipc", r, here);
    __asm__ volatile("auipc %0, 0xfffff\n 1: auipc %1, 0" : "=r"(r), "=r"(here));
    CHECK("auipc backward", here - r, 4 + 4096);
    /* jalr with rd = rs1 takes the old value, and clears bit 0 */
    __asm__ volatile("la t1, 1f + 1\n jalr t1, t1\n 2: li %1, 99\n 1: mv %0, t1\n la %1, 2b"
                     : "=r"(link), "=&r"(here) : : "t1");
    CHECK("jalr rd = rs1", link, here);
    __asm__ volatile(".option push\n.option norvc\n jal %0, 1f\n 2: nop\n 1: la %1, 2b\n.option pop"
                     : "=&r"(link), "=&r"(here));
    CHECK("jal link", link, here);
    __asm__ volatile("c.li %0, -32" : "=r"(r));
    CHECK("c.li", r, -32);
    __asm__ volatile("c.lui %0, 0xfffe0" : "=r"(r));
    CHECK("c.lui", r, 0xfffffffffffe0000);
    r = 0x80000000;
    __asm__ volatile("c.addiw %0, -1" : "+r"(r));
    CHECK("c.addiw", r, 0x7fffffff);
    /* c.nop and compressed hints */
    __asm__ volatile(".hword 0x0001, 0x0005, 0x4005, 0x0006\n li %0, 1" : "=r"(r));
    CHECK("hints do nothing", r, 1);
}

/* All compressed forms on registers, with every reachable register number in some of them. */
static void compressed(void)
{
    uint64_t hash = 0;

    for (int i = 0; i < 400; i++) {
        register uint64_t a __asm__("a0") = isa_operand();
        register uint64_t b __asm__("s1") = isa_operand();
        register uint64_t c __asm__("a5") = isa_operand();
        register uint64_t d __asm__("t3") = isa_operand();

        __asm__ volatile("c.sub a0, s1\n c.xor s1, a5\n c.or a5, a0\n c.and a5, s1\n"
                         "c.subw a5, a0\n c.addw a0, a5\n c.srli s1, 33\n c.srai a0, 3\n"
                         "c.andi a5, -7\n c.slli t3, 13\n c.add t3, a0\n c.mv a0, t3\n"
                         "c.addi t3, 31\n c.addi a0, -32\n c.srai a0, 1\n c.srli a5, 1\n"
                         "c.beqz a5, 1f\n c.addi s1, 1\n1: c.bnez s1, 2f\n c.addi a5, 3\n2:"
                         : "+r"(a), "+r"(b), "+r"(c), "+r"(d));
        hash = isa_mix(isa_mix(isa_mix(isa_mix(hash, a), b), c), d);
    }
    isa_digest("compressed", hash);
}

void isa_program(void)
{
    corners();
    zero_and_jumps();
    compressed();
    digests();
}
