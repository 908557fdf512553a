/* bench/cpu/kernels/bytecode.c - a small interpreter with computed goto, running a loop of its own.
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "bench.h"

const char bench_name[] = "bytecode";

enum { PUSH, ADD, SUB, XOR, DUP, SWAP, LOAD, STORE, JUMP_IF, END };

static const int16_t program[] = {
    LOAD, 0, PUSH, 1, SUB, DUP, STORE, 0,          /* n = n - 1 */
    LOAD, 1, ADD, DUP, PUSH, 0x55, XOR, STORE, 1,  /* s = (s + n) ^ 0x55, keeping the sum */
    LOAD, 2, SWAP, ADD, STORE, 2,                  /* t += sum */
    LOAD, 0, JUMP_IF, 0, END,
};

static NOINLINE uint64_t run(const int16_t *code, uint64_t *cells)
{
    static const void *const labels[] = { &&push, &&add, &&sub, &&xor, &&dup,
                                          &&swap, &&load, &&store, &&jump_if, &&end };
    uint64_t stack[16], *sp = stack, held;
    const int16_t *pc = code;

#define NEXT goto *labels[*pc++]
    NEXT;
push:
    *sp++ = *pc++;
    NEXT;
add:
    sp--;
    sp[-1] += sp[0];
    NEXT;
sub:
    sp--;
    sp[-1] -= sp[0];
    NEXT;
xor:
    sp--;
    sp[-1] ^= sp[0];
    NEXT;
dup:
    sp[0] = sp[-1];
    sp++;
    NEXT;
swap:
    held = sp[-1];
    sp[-1] = sp[-2];
    sp[-2] = held;
    NEXT;
load:
    *sp++ = cells[*pc++];
    NEXT;
store:
    cells[*pc++] = *--sp;
    NEXT;
jump_if:
    pc = *--sp ? code + *pc : pc + 1;
    NEXT;
end:
    return cells[2];
#undef NEXT
}

uint64_t bench_run(void)
{
    uint64_t cells[3] = { 2500000, 1, 0 };

    return run(program, cells) ^ cells[1];
}
