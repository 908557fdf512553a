/* tests/guest/isa/mixture.c - random blocks: what instructions do to each other.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A block uses all registers but ra, sp, gp, tp; s1 points into a scratch area and stays.
 * It runs several times, and again after a change of one instruction and fence.i.
 */
#include "isa.h"

enum { LENGTH = 48, BLOCKS = 400, BATCHES = 12, SCRATCH = 4096 };
enum { FORMAT_R, FORMAT_I, FORMAT_SHIFT, FORMAT_SHIFT_W, FORMAT_U, FORMAT_LOAD, FORMAT_STORE,
       FORMAT_BRANCH, FORMAT_JAL, FORMAT_ATOMIC, FORMAT_FR, FORMAT_FR4, FORMAT_TO_X, FORMAT_FROM_X,
       FORMAT_FLOAD, FORMAT_FSTORE, FORMAT_CSR, FORMAT_C_RR, FORMAT_C_PRIME, FORMAT_C_IMM,
       FORMAT_C_BRANCH, FORMAT_UNARY };

static const struct {
    uint32_t match;
    uint8_t format, weight;
} rows[] = {
    { 0x00000033, FORMAT_R, 2 }, { 0x40000033, FORMAT_R, 2 }, { 0x00001033, FORMAT_R, 1 },
    { 0x00002033, FORMAT_R, 1 }, { 0x00003033, FORMAT_R, 1 }, { 0x00004033, FORMAT_R, 1 },
    { 0x00005033, FORMAT_R, 1 }, { 0x40005033, FORMAT_R, 1 }, { 0x00006033, FORMAT_R, 1 },
    { 0x00007033, FORMAT_R, 1 }, { 0x0000003b, FORMAT_R, 2 }, { 0x4000003b, FORMAT_R, 1 },
    { 0x0000103b, FORMAT_R, 1 }, { 0x0000503b, FORMAT_R, 1 }, { 0x4000503b, FORMAT_R, 1 },
    { 0x02000033, FORMAT_R, 1 }, { 0x02001033, FORMAT_R, 1 }, { 0x02002033, FORMAT_R, 1 },
    { 0x02003033, FORMAT_R, 1 }, { 0x02004033, FORMAT_R, 1 }, { 0x02005033, FORMAT_R, 1 },
    { 0x02006033, FORMAT_R, 1 }, { 0x02007033, FORMAT_R, 1 }, { 0x0200003b, FORMAT_R, 1 },
    { 0x0200403b, FORMAT_R, 1 }, { 0x0200503b, FORMAT_R, 1 }, { 0x0200603b, FORMAT_R, 1 },
    { 0x0200703b, FORMAT_R, 1 }, { 0x0800003b, FORMAT_R, 1 }, { 0x20002033, FORMAT_R, 1 },
    { 0x20004033, FORMAT_R, 1 }, { 0x20006033, FORMAT_R, 1 }, { 0x2000203b, FORMAT_R, 1 },
    { 0x40007033, FORMAT_R, 1 }, { 0x40006033, FORMAT_R, 1 }, { 0x40004033, FORMAT_R, 1 },
    { 0x0a004033, FORMAT_R, 1 }, { 0x0a007033, FORMAT_R, 1 }, { 0x60001033, FORMAT_R, 1 },
    { 0x6000503b, FORMAT_R, 1 }, { 0x48005033, FORMAT_R, 1 }, { 0x68001033, FORMAT_R, 1 },
    { 0x00000013, FORMAT_I, 6 }, { 0x00002013, FORMAT_I, 1 }, { 0x00003013, FORMAT_I, 1 },
    { 0x00004013, FORMAT_I, 2 }, { 0x00006013, FORMAT_I, 1 }, { 0x00007013, FORMAT_I, 2 },
    { 0x0000001b, FORMAT_I, 4 }, { 0x00001013, FORMAT_SHIFT, 4 }, { 0x00005013, FORMAT_SHIFT, 4 },
    { 0x40005013, FORMAT_SHIFT, 2 }, { 0x60005013, FORMAT_SHIFT, 1 },
    { 0x48005013, FORMAT_SHIFT, 1 }, { 0x0000101b, FORMAT_SHIFT_W, 2 },
    { 0x0000501b, FORMAT_SHIFT_W, 2 }, { 0x4000501b, FORMAT_SHIFT_W, 1 },
    { 0x00000037, FORMAT_U, 3 }, { 0x00000017, FORMAT_U, 3 }, { 0x60001013, FORMAT_UNARY, 1 },
    { 0x60101013, FORMAT_UNARY, 1 }, { 0x60201013, FORMAT_UNARY, 1 },
    { 0x60401013, FORMAT_UNARY, 1 }, { 0x60501013, FORMAT_UNARY, 1 },
    { 0x6b805013, FORMAT_UNARY, 1 }, { 0x28705013, FORMAT_UNARY, 1 },
    { 0x0800403b, FORMAT_UNARY, 1 }, { 0x00000003, FORMAT_LOAD, 1 }, { 0x00001003, FORMAT_LOAD, 1 },
    { 0x00002003, FORMAT_LOAD, 3 }, { 0x00003003, FORMAT_LOAD, 4 }, { 0x00004003, FORMAT_LOAD, 1 },
    { 0x00005003, FORMAT_LOAD, 1 }, { 0x00006003, FORMAT_LOAD, 1 },
    { 0x00000023, FORMAT_STORE, 1 }, { 0x00001023, FORMAT_STORE, 1 },
    { 0x00002023, FORMAT_STORE, 2 }, { 0x00003023, FORMAT_STORE, 3 },
    { 0x00000063, FORMAT_BRANCH, 2 }, { 0x00001063, FORMAT_BRANCH, 2 },
    { 0x00004063, FORMAT_BRANCH, 1 }, { 0x00005063, FORMAT_BRANCH, 1 },
    { 0x00006063, FORMAT_BRANCH, 1 }, { 0x00007063, FORMAT_BRANCH, 1 },
    { 0x0000006f, FORMAT_JAL, 2 }, { 0x0000302f, FORMAT_ATOMIC, 1 },
    { 0x0800202f, FORMAT_ATOMIC, 1 }, { 0x8000202f, FORMAT_ATOMIC, 1 },
    { 0xe000302f, FORMAT_ATOMIC, 1 }, { 0x02007053, FORMAT_FR, 2 }, { 0x0a007053, FORMAT_FR, 1 },
    { 0x12007053, FORMAT_FR, 2 }, { 0x1a007053, FORMAT_FR, 1 }, { 0x00007053, FORMAT_FR, 1 },
    { 0x10001053, FORMAT_FR, 1 }, { 0x22000053, FORMAT_FR, 1 }, { 0x22001053, FORMAT_FR, 1 },
    { 0x22002053, FORMAT_FR, 1 }, { 0x2a000053, FORMAT_FR, 1 }, { 0x02007043, FORMAT_FR4, 1 },
    { 0x0200104b, FORMAT_FR4, 1 }, { 0x0000704f, FORMAT_FR4, 1 }, { 0xa2002053, FORMAT_TO_X, 1 },
    { 0xa2001053, FORMAT_TO_X, 1 }, { 0xa0000053, FORMAT_TO_X, 1 }, { 0xc2201053, FORMAT_TO_X, 1 },
    { 0xe2000053, FORMAT_TO_X, 1 }, { 0xe2001053, FORMAT_TO_X, 1 },
    { 0xd2207053, FORMAT_FROM_X, 1 },
    { 0xd0107053, FORMAT_FROM_X, 1 }, { 0xf2000053, FORMAT_FROM_X, 1 },
    { 0xf0000053, FORMAT_FROM_X, 1 },
    { 0x00002007, FORMAT_FLOAD, 1 }, { 0x00003007, FORMAT_FLOAD, 2 },
    { 0x00002027, FORMAT_FSTORE, 1 }, { 0x00003027, FORMAT_FSTORE, 2 },
    { 0x00102073, FORMAT_CSR, 1 },
    { 0x9002, FORMAT_C_RR, 4 }, { 0x8002, FORMAT_C_RR, 4 }, { 0x8c01, FORMAT_C_PRIME, 1 },
    { 0x8c21, FORMAT_C_PRIME, 1 }, { 0x8c41, FORMAT_C_PRIME, 1 }, { 0x8c61, FORMAT_C_PRIME, 1 },
    { 0x9c01, FORMAT_C_PRIME, 1 }, { 0x9c21, FORMAT_C_PRIME, 1 }, { 0x0001, FORMAT_C_IMM, 3 },
    { 0x4001, FORMAT_C_IMM, 2 }, { 0x2001, FORMAT_C_IMM, 2 }, { 0xc001, FORMAT_C_BRANCH, 2 },
    { 0xe001, FORMAT_C_BRANCH, 2 },
};

static uint16_t code[4 * LENGTH + 16] __attribute__((aligned(4096)));
static uint64_t scratch[SCRATCH / 8];
static uint64_t registers[64];
static unsigned end; /* of the code, in half words */

__asm__(".text\n.balign 4\n"
        "run_block:\n" /* a0: code, a1: 32 integer and 32 floating point registers */
        " addi sp, sp, -112\n sd ra, 0(sp)\n sd s0, 8(sp)\n sd s1, 16(sp)\n sd s2, 24(sp)\n"
        " sd s3, 32(sp)\n sd s4, 40(sp)\n sd s5, 48(sp)\n sd s6, 56(sp)\n sd s7, 64(sp)\n"
        " sd s8, 72(sp)\n sd s9, 80(sp)\n sd s10, 88(sp)\n sd s11, 96(sp)\n"
        " la t0, kept_sp\n sd sp, 0(t0)\n mv ra, a0\n mv sp, a1\n"
        " .irp n,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n"
        " ld x\\n, 8 * \\n (sp)\n .endr\n"
        " .irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,"
        "16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n"
        " fld f\\n, 256 + 8 * \\n (sp)\n .endr\n"
        " jalr ra\n"
        " .irp n,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n"
        " sd x\\n, 8 * \\n (sp)\n .endr\n"
        " .irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,"
        "16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n"
        " fsd f\\n, 256 + 8 * \\n (sp)\n .endr\n"
        " la t0, kept_sp\n ld sp, 0(t0)\n ld ra, 0(sp)\n ld s0, 8(sp)\n ld s1, 16(sp)\n"
        " ld s2, 24(sp)\n ld s3, 32(sp)\n"
        " ld s4, 40(sp)\n ld s5, 48(sp)\n ld s6, 56(sp)\n ld s7, 64(sp)\n"
        " ld s8, 72(sp)\n ld s9, 80(sp)\n ld s10, 88(sp)\n ld s11, 96(sp)\n addi sp, sp, 112\n"
        " ret\n"
        ".local kept_sp\n.comm kept_sp, 8, 8\n");

void run_block(const void *code, uint64_t *registers);

static uint32_t below(uint32_t limit)
{
    return (isa_random() >> 33) % limit;
}

/* Few registers are used often, so that instructions meet. */
static uint32_t source(void)
{
    uint32_t r = below(3) ? 10 + below(6) : below(32);

    return r >= 1 && r <= 4 ? 9 : r;
}

static uint32_t target(void)
{
    uint32_t r = source();

    return r == 9 ? 5 + below(3) : r;
}

static uint32_t prime(void) /* x8 or x10 to x15 as compressed forms name them; not s1 */
{
    uint32_t r = below(7);

    return r ? r + 1 : 0;
}

static void put(uint32_t word, unsigned halves)
{
    code[end++] = word;
    if (halves == 2) {
        code[end++] = word >> 16;
    }
}

static void emit(unsigned row);

static unsigned pick(void)
{
    unsigned row;

    do {
        row = below(sizeof(rows) / sizeof(rows[0]));
    } while (below(6) >= rows[row].weight);
    return row;
}

/* A jump over the instruction behind it. */
static void emit_jump(uint32_t word, uint8_t format)
{
    unsigned at = end, row, distance;

    put(word, format == FORMAT_C_BRANCH ? 1 : 2);
    do {
        row = pick();
    } while (rows[row].format == FORMAT_BRANCH || rows[row].format == FORMAT_JAL ||
             rows[row].format == FORMAT_C_BRANCH);
    emit(row);
    distance = 2 * (end - at); /* at most 8 */
    if (format == FORMAT_C_BRANCH) {
        code[at] |= (distance >> 1 & 3) << 3 | (distance >> 3 & 3) << 10;
    } else if (format == FORMAT_BRANCH) {
        code[at] |= (distance >> 1 & 15) << 8;
    } else {
        code[at + 1] |= (distance >> 1) << 5;
    }
}

static void emit(unsigned row)
{
    uint32_t m = rows[row].match, rd = target() << 7, rs1 = source() << 15, rs2 = source() << 20;
    uint32_t fd = below(8) << 7, fs1 = below(8) << 15, fs2 = below(8) << 20, c;
    uint32_t base = 9 << 15, offset = (below(2000) - 1000) & 0xfff;

    switch (rows[row].format) {
    case FORMAT_R: put(m | rd | rs1 | rs2, 2); break;
    case FORMAT_I: put(m | rd | rs1 | below(4096) << 20, 2); break;
    case FORMAT_SHIFT: put(m | rd | rs1 | below(64) << 20, 2); break;
    case FORMAT_SHIFT_W: put(m | rd | rs1 | below(32) << 20, 2); break;
    case FORMAT_UNARY: put(m | rd | rs1, 2); break;
    case FORMAT_U: put(m | rd | below(1 << 20) << 12, 2); break;
    case FORMAT_LOAD: put(m | rd | base | offset << 20, 2); break;
    case FORMAT_STORE: put(m | base | rs2 | (offset & 31) << 7 | offset >> 5 << 25, 2); break;
    case FORMAT_ATOMIC: put(m | rd | base | rs2, 2); break;
    case FORMAT_FR: put(m | fd | fs1 | fs2, 2); break;
    case FORMAT_FR4: put(m | fd | fs1 | fs2 | below(8) << 27, 2); break;
    case FORMAT_TO_X: put(m | rd | fs1 | (m >> 28 == 0xa ? fs2 : 0), 2); break;
    case FORMAT_FROM_X: put(m | fd | rs1, 2); break;
    case FORMAT_FLOAD: put(m | fd | base | offset << 20, 2); break;
    case FORMAT_FSTORE: put(m | base | fs2 | (offset & 31) << 7 | offset >> 5 << 25, 2); break;
    case FORMAT_CSR: put(m | rd, 2); break;
    case FORMAT_C_RR:
        c = source() << 2;
        put(m | (rd ? rd : 5 << 7) | (c ? c : 10 << 2), 1);
        break;
    case FORMAT_C_PRIME: put(m | prime() << 7 | below(8) << 2, 1); break;
    case FORMAT_C_IMM: put(m | (rd ? rd : 6 << 7) | below(32) << 2 | below(2) << 12, 1); break;
    case FORMAT_C_BRANCH: emit_jump(m | prime() << 7, FORMAT_C_BRANCH); break;
    case FORMAT_JAL: emit_jump(m | rd, FORMAT_JAL); break;
    default: emit_jump(m | rs1 | rs2, FORMAT_BRANCH); break;
    }
}

static uint64_t run_hashed(uint64_t hash)
{
    registers[9] = (uint64_t)scratch + SCRATCH / 2;
    run_block(code, registers);
    for (int i = 5; i < 64; i++) {
        hash = isa_mix(hash, registers[i]);
    }
    for (int i = 0; i < SCRATCH / 8; i += 7) {
        hash = isa_mix(hash, scratch[i]);
    }
    return isa_mix(hash, CSR_READ(fcsr));
}

static void fill(void)
{
    for (int i = 5; i < 64; i++) {
        registers[i] = isa_operand();
    }
    for (int i = 32; i < 64; i++) { /* some near one another, some boxed */
        uint64_t v = isa_random();

        if (i & 1) {
            registers[i] = (v & 0x800fffffffffffff) | (0x3f8 + (v >> 53 & 15)) << 52;
        } else {
            registers[i] = 0xffffffff00000000 | (v & 0x807fffff) | (0x78 + (v >> 40 & 15)) << 23;
        }
    }
    for (int i = 0; i < SCRATCH / 8; i++) {
        scratch[i] = isa_operand();
    }
}

static uint64_t block(uint64_t hash)
{
    end = 0;
    for (int i = 0; i < LENGTH; i++) {
        emit(pick());
    }
    put(0x00008067, 2); /* ret */
    fill();
    for (int rounds = 0; rounds < 2; rounds++) {
        __asm__ volatile("fence.i" : : : "memory");
        CSR_WRITE(fcsr, isa_random() % 5 << 5);
        for (int i = 0; i < 3; i++) {
            hash = run_hashed(hash);
        }
        if ((code[0] & 3) == 3) { /* change the first instruction */
            code[0] = 0x0513;     /* addi a0, zero, what the upper half says */
            code[1] &= 0xfff0;
        } else {
            code[0] = 0x0505;     /* c.addi a0, 1 */
        }
    }
    return hash;
}

void isa_program(void)
{
    static char name[] = "mixture-A";

    for (int batch = 0; batch < BATCHES; batch++) {
        uint64_t hash = batch;

        for (int i = 0; i < BLOCKS; i++) {
            hash = block(hash);
        }
        isa_digest(name, hash);
        name[8]++;
    }
    CHECK("blocks come back", end > 0, 1);
}
