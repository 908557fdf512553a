/* chardev/ringbuf.h - reading and writing a ringbuf chardev from outside.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "chardev/chardev.h"

bool chardev_ringbuf_write(const char *id, const void *data, size_t size, GError **errp);
GByteArray *chardev_ringbuf_read(const char *id, uint64_t most, GError **errp); /* NULL: error; caller frees */
