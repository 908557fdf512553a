/* ui/keys.h - between input.c and keys.c.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "vmstate/vmstate.h"

extern const VMStateDescription input_keys_state; /* what send-key has still to do */
void input_keys_init(void);
