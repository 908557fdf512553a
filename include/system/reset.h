/* include/system/reset.h - who is reset, in which order.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

enum { RESET_ORDER_MEMORY = 0, RESET_ORDER_DEVICE = 10, RESET_ORDER_BOARD = 20, RESET_ORDER_HARTS = 30 };
typedef void ResetFn(void *opaque);
void reset_register(int order, ResetFn *fn, void *opaque); /* within an order: as registered */
void reset_unregister(ResetFn *fn, void *opaque);
void reset_all(void); /* VM stopped, vm_lock held */
