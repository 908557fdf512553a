/* tests/unit/state-bytes.h - what was saved, as bytes of their own.  For unit tests.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "vmstate/vmstate.h"

/* Frees the writer. */
static inline GBytes *state_bytes(StateWriter *take)
{
    size_t size;
    const uint8_t *data = state_writer_data(take, &size);
    GBytes *bytes = g_bytes_new(data, size);

    state_writer_free(take);
    return bytes;
}
