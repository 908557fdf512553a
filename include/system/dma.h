/* include/system/dma.h - how devices reach guest memory.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * false: some of the range is not RAM; nothing or a part was copied; the device reports guest_error().
 * Never called while the VM is frozen. */
#pragma once

#include <sys/uio.h>

#include "system/types.h"

bool dma_read(gpa_t from, void *to, uint64_t size);
bool dma_write(gpa_t to, const void *from, uint64_t size); /* copies, then sets the dirty bits */
bool dma_read_le16(gpa_t from, uint16_t *ret);
bool dma_write_le16(gpa_t to, uint16_t v);                 /* a single atomic store when aligned */
bool dma_write_le32(gpa_t to, uint32_t v);
/* Direct access for I/O by the host (preadv into guest memory): ret->iov_base is host memory.  After the host has
 * written, ram_written(gpa, size). */
bool dma_map(gpa_t gpa, uint64_t size, struct iovec *ret);
