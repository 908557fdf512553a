/* ui/keys.h - between input.c, keys.c and their test.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "vmstate/vmstate.h"

extern const VMStateDescription input_keys_state; /* what send-key has still to do */
extern const VMStateDescription input_routes_state; /* which device has to hear that a key or button is up */
void input_keys_init(void);
