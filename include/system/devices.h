/* include/system/devices.h - realized devices take part in saving and reset.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Once, before the first device: from then on each device that is realized has its state tables (those of its row and of
 * the parent rows, the parents' first) registered under its bus address, and its reset in RESET_ORDER_DEVICE. */
void devices_init(void);
