/* include/qapi/text.h - numbers, sizes and switches as users type them.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

bool text_to_bool(const char *text, bool *ret);      /* on off yes no true false y n */
bool text_to_u64(const char *text, uint64_t *ret);   /* 12, 0x1f; all of the text */
bool text_to_i64(const char *text, int64_t *ret);
/* "128M", "1.5G", "0x1000"; suffixes B K M G T P E in powers of 1024; without one: units of `unit` (1: bytes). */
bool text_to_size(const char *text, uint64_t unit, uint64_t *ret);
