/* include/accel/interp.h - the interpreter of decoded blocks, as an accelerator ("tcg" is what users call it).
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * main/ calls harts_use_accel(&interp_accel) before the machine is made.  Docs: docs/cpu.md. */
#pragma once

#include <stdbool.h>

struct HartAccel;
extern const struct HartAccel interp_accel;
void interp_init(void);            /* before any machine: takes part in handoffs (docs/cpu.md, "Decoding ahead") */
void interp_set_one_insn(bool on); /* blocks of one instruction, nothing fused: slow, for comparisons; before start */
void interp_stop(void);            /* tests: ends the threads; the VM is stopped */
void interp_end(void);             /* the program's end: decoding ahead is over; harts are not waited for. Main loop */
