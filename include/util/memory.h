/* include/util/memory.h - memory that is there before it is needed.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define MEMORY_TOUCH_STEP 4096u

/* Zeroed memory is the kernel's one page of zeroes until it is written, also if it has been read: the first write then copies
 * the page and interrupts every processor that runs a thread of ours.  This has it done now.  Others may use the memory. */
static inline void memory_touch(void *at, size_t size)
{
    for (size_t i = 0; i < size; i += MEMORY_TOUCH_STEP) {
        __atomic_fetch_or((volatile uint8_t *)at + i, 0, __ATOMIC_RELAXED); /* volatile: clang would make it a read */
    }
}
