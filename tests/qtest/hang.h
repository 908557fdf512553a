/* tests/qtest/hang.h - the program with a disk that hangs when the test says so.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * hang-disk.c is preloaded into the program: reads, writes and syncs of the file `disk` wait while we have `lock`. */
#pragma once

#include "virtio-driver.h"

enum { HANG_IN = 0, HANG_OUT = 1, HANG_FLUSH = 4, HANG_SIZE = 1 << 20, HANG_SECTOR = 512 };

typedef struct Hang {
    char *dir, *disk;
    int lock, entered;
    Driver d;
} Hang;

typedef struct HangRequest {
    uint64_t data, status;
} HangRequest;

/* `drive`: more options of the -drive, with a comma before; `more`: more arguments, which may go on with the -device's. */
Hang hang_start(const char *drive, const char *more);
void hang_stop(Hang *h);
void hang_all(Hang *h);   /* from now on */
void hang_syncs(Hang *h); /* these alone */
void hang_wait(Hang *h);  /* until one more call hangs */
void hang_end(Hang *h);
/* One sector.  Data are `fill` for a write; the memory of a read holds `fill` before. */
HangRequest hang_submit(Driver *d, uint32_t type, uint64_t sector, uint8_t fill);
void hang_complete(Driver *d, HangRequest r); /* the next that comes back is this one, and went well */
