/* include/system/types.h - guest addresses and page size.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint64_t gpa_t; /* guest physical */
typedef uint64_t gva_t; /* guest virtual */

#define PAGE_BITS 12
#define PAGE_BYTES (1u << PAGE_BITS)
#define PAGE_MASK_LOW (PAGE_BYTES - 1u)
#define HARTS_MAX 16
