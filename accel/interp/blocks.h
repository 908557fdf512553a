/* accel/interp/blocks.h - decoded blocks, between blocks.c, exec.c and threads.c.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A block is a run of instructions within a page, decoded to 16-byte operations.  It holds no virtual address, so one
 * serves every mapping of its page.  Blocks of a page link to each other directly (the slot after a branch) and die
 * together, so no link ever has to be undone.  Shared by all harts; docs/cpu.md has the rules. */
#pragma once

#include "target/hart-state.h"

#define BLOCK_INSNS_MAX 64u
#define CODE_MODES 16u /* low bits of Hart.jump_key */

typedef struct Op Op;
struct Op {
    uint16_t id;
    uint16_t off;    /* of the instruction in its page */
    uint8_t rd, rs1, rs2;
    uint8_t aux;     /* rounding mode; bytes of the instruction for jumps */
    union {
        int64_t imm;
        _Atomic(Op *) link; /* in the slot after a branch, in OP_END */
    };
};

/* The operations at h->st.pc, or NULL: a trap was taken and st.pc has moved. *ret_keep: they may be linked to and
 * remembered (not so for what crosses a page or a PMP boundary). */
Op *code_find(Hart *h, bool *ret_keep);
void code_written(gpa_t gpa, uint64_t size); /* HartsOps.code_written */
uint32_t code_generation(void);
void code_set_one_insn(bool on);
void code_free_all(void);           /* no hart runs */
void code_warm_up(void);            /* memory for the first few thousand blocks is there before the first is made */

/* ---- ahead.c: what the next process of this guest may decode before it runs ---- */
#define CODE_PAGE_BLOCKS_MAX 2048u
/* A page's blocks that have been used here: offset | mode << 12 each.  is_recent: some of them in this period. */
typedef void CodeListFn(void *opaque, gpa_t page, const uint16_t *blocks, unsigned count, bool is_recent);
void code_list_used(CodeListFn *fn, void *opaque);   /* any thread, while the guest runs */
void code_new_period(void);                          /* from now on what is used is recent; any thread */
void code_touch_maps(int64_t until_ns);              /* the tables by page are there before a hart needs them; any thread */
bool code_decode_ahead(gpa_t gpa, unsigned mode);    /* any thread; false: not done, and nothing is wrong */

void code_ahead_stop(void);           /* ends what is under way, waits */

void *hart_scratch_new(void);         /* Hart.accel: room for one instruction that may not be kept */

void interp_run(Hart *h);             /* exec.c: until Hart.exit is set or the hart waits */
