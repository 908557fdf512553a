/* hw/riscv/loader.h - firmware, kernel and initrd: files that are checked once and written into RAM at each reset.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "system/types.h"

#define LOADER_FILE_MAX (UINT64_C(4) << 30)

/* Where [low, high) is RAM, and what came out of a file. */
typedef struct LoadRange {
    gpa_t low, high;
} LoadRange;
typedef struct LoadedImage {
    gpa_t entry;
    gpa_t start, end; /* of the memory it occupies when it runs (with its bss) */
} LoadedImage;

/* Pieces are kept; loader_write_all() puts them into memory, in the order in which they were added. */
bool loader_add(const char *what, gpa_t gpa, GBytes *take, GError **errp);
void loader_write_all(void);
void loader_forget(void); /* tests */

GBytes *loader_read_file(const char *what, const char *path, uint64_t max, GError **errp);
/* An ELF file goes where its headers say; anything else to `raw_at`.  Everything must lie in `ram`. */
bool loader_add_image(const char *what, const char *path, gpa_t raw_at, LoadRange ram, LoadedImage *ret, GError **errp);

/* For tests and the fuzzer: the parser behind it, over memory. */
bool loader_parse(const char *what, GBytes *file, gpa_t raw_at, LoadRange ram, LoadedImage *ret, GError **errp);
