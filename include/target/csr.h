/* include/target/csr.h - control and status registers: numbers, bits, access.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Privileged 1.13 chapters 2, 3, 10, 12.  Docs: docs/cpu.md.  Tests: tests/unit/target/csr-test.c. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct Hart;

enum { PRIV_U = 0, PRIV_S = 1, PRIV_M = 3 };

#define MSTATUS_SIE   (1ull << 1)
#define MSTATUS_MIE   (1ull << 3)
#define MSTATUS_SPIE  (1ull << 5)
#define MSTATUS_MPIE  (1ull << 7)
#define MSTATUS_SPP   (1ull << 8)
#define MSTATUS_MPP_SHIFT 11
#define MSTATUS_MPP   (3ull << 11)
#define MSTATUS_FS    (3ull << 13)
#define MSTATUS_MPRV  (1ull << 17)
#define MSTATUS_SUM   (1ull << 18)
#define MSTATUS_MXR   (1ull << 19)
#define MSTATUS_TVM   (1ull << 20)
#define MSTATUS_TW    (1ull << 21)
#define MSTATUS_TSR   (1ull << 22)
#define MSTATUS_UXL   (3ull << 32)
#define MSTATUS_XL64  (2ull << 32 | 2ull << 34) /* UXL and SXL: 64 bits, fixed */
#define MSTATUS_SD    (1ull << 63)

#define ENVCFG_FIOM  (1ull << 0)
#define ENVCFG_CBIE  (3ull << 4)
#define ENVCFG_CBIE_SHIFT 4
#define ENVCFG_CBCFE (1ull << 6)
#define ENVCFG_CBZE  (1ull << 7)
#define ENVCFG_ADUE  (1ull << 61)
#define ENVCFG_STCE  (1ull << 63)

#define COUNTER_CY 1u
#define COUNTER_TM 2u
#define COUNTER_IR 4u

#define SATP_MODE_SHIFT 60
#define SATP_ASID_SHIFT 44
#define SATP_PPN_MASK ((1ull << 44) - 1)
enum { SATP_BARE = 0, SATP_SV39 = 8, SATP_SV48 = 9 };

enum { /* exception codes */
    CAUSE_FETCH_MISALIGNED = 0, CAUSE_FETCH_ACCESS = 1, CAUSE_ILLEGAL = 2, CAUSE_BREAKPOINT = 3,
    CAUSE_LOAD_MISALIGNED = 4, CAUSE_LOAD_ACCESS = 5, CAUSE_STORE_MISALIGNED = 6, CAUSE_STORE_ACCESS = 7,
    CAUSE_ECALL_U = 8, CAUSE_ECALL_S = 9, CAUSE_ECALL_M = 11,
    CAUSE_FETCH_PAGE = 12, CAUSE_LOAD_PAGE = 13, CAUSE_STORE_PAGE = 15,
};
#define CAUSE_INTERRUPT (1ull << 63)

enum { CSR_WRITE, CSR_SET, CSR_CLEAR };

#define PMP_COUNT 16
enum { PMP_R = 1, PMP_W = 2, PMP_X = 4, PMP_A = 3 << 3, PMP_A_SHIFT = 3, PMP_L = 1 << 7 };
enum { PMP_OFF, PMP_TOR, PMP_NA4, PMP_NAPOT };

const char *csr_name(unsigned number); /* NULL: unknown */
/* Access as a csr instruction at the hart's privilege does it; false: illegal instruction, nothing changed. */
bool csr_read(struct Hart *h, unsigned number, uint64_t *ret);
bool csr_modify(struct Hart *h, unsigned number, int op, uint64_t operand, uint64_t *ret_old);
