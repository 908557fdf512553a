/* tests/guest/isa/isa.h - bare-metal checks of the instruction set.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A program defines isa_program and prints, by the functions below, lines that isa-test.py reads:
 *   FAIL name: line got want     a check that did not hold (good ones are only counted)
 *   digest name HASH             results over many operands, to be the same on every emulator
 *   skip name                    the emulator says it does not have it
 *   done CHECKS FAILURES
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MODE_U = 0, MODE_S = 1, MODE_M = 3 };

enum {
    CAUSE_FETCH_ACCESS = 1,
    CAUSE_ILLEGAL = 2,
    CAUSE_BREAK = 3,
    CAUSE_LOAD_MISALIGNED = 4,
    CAUSE_LOAD_ACCESS = 5,
    CAUSE_STORE_MISALIGNED = 6,
    CAUSE_STORE_ACCESS = 7,
    CAUSE_ECALL_U = 8,
    CAUSE_ECALL_S = 9,
    CAUSE_ECALL_M = 11,
    CAUSE_FETCH_PAGE = 12,
    CAUSE_LOAD_PAGE = 13,
    CAUSE_STORE_PAGE = 15,
};

#define INTERRUPT (UINT64_C(1) << 63)

/* What the last trap to a mode left. */
typedef struct Trap {
    uint64_t cause, epc, tval, a0, a1, status, count;
} Trap;

extern volatile Trap isa_m, isa_s;
enum { OTHERS_GO = 0x52414853 };
extern volatile uint32_t isa_others; /* OTHERS_GO lets the other harts call isa_second */
void isa_second(uint64_t hart);      /* supplied by programs for several harts */

extern const char isa_strap[], isa_svector[], isa_trap[];

void isa_program(void); /* supplied by each program */
void isa_main(void);
/* Run code in a mode until it traps to M-mode; SNIPPETs end with ecall. */
void isa_enter(uint64_t mode, const void *code, uint64_t a0, uint64_t a1);
void isa_check(const char *name, int line, uint64_t got, uint64_t want);
void isa_digest(const char *name, uint64_t hash);
void isa_skip(const char *name);
void *memset(void *to, int byte, size_t size);
void *memcpy(void *to, const void *from, size_t size);

#define CHECK(name, got, want) isa_check(name, __LINE__, (uint64_t)(got), (uint64_t)(want))

/* A few instructions of their own, operands in a0 and a1, result in a0. */
#define SNIPPET(name, text)                                                                        \
    __asm__(".text\n.balign 4\n.globl " #name "\n" #name ":\n" text "\n ecall\n");                 \
    extern const char name[]

/* It trapped at its first instruction. */
#define CHECK_TRAP(name, code, want_cause, want_tval)                                              \
    (CHECK(name " cause", isa_m.cause, want_cause), CHECK(name " epc", isa_m.epc, code),           \
     CHECK(name " tval", isa_m.tval, want_tval))

#define CSR_READ(csr)                                                                              \
    ({                                                                                             \
        uint64_t v_;                                                                               \
        __asm__ volatile("csrr %0, " #csr : "=r"(v_) : : "memory");                                \
        v_;                                                                                        \
    })
#define CSR_WRITE(csr, value) __asm__ volatile("csrw " #csr ", %0" : : "r"(value) : "memory")
#define CSR_SET(csr, value)   __asm__ volatile("csrs " #csr ", %0" : : "r"(value) : "memory")
#define CSR_CLEAR(csr, value) __asm__ volatile("csrc " #csr ", %0" : : "r"(value) : "memory")

/* Write, and read what was kept. */
#define CSR_KEEPS(csr, value) ({ CSR_WRITE(csr, (uint64_t)(value)); CSR_READ(csr); })

/* The instruction at an address, as an illegal one is reported in mtval. */
static inline uint64_t isa_instruction(const void *code)
{
    const uint16_t *half = code;

    return (half[0] & 3) == 3 ? half[0] | (uint32_t)half[1] << 16 : half[0];
}

/* Let S and U reach all memory. */
static inline void isa_open_pmp(void)
{
    CSR_WRITE(pmpaddr0, ~UINT64_C(0) >> 10);
    CSR_WRITE(pmpcfg0, 0x1f);
}

static inline uint64_t isa_mix(uint64_t hash, uint64_t v)
{
    hash = (hash ^ v) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 29;
}

uint64_t isa_random(void);
/* Random, with all the ends: 0, -1, powers of two and their neighbours, small ones, halves. */
uint64_t isa_operand(void);
