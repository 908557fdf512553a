/* include/hw/serial.h - serial ports: what the board sets before realize.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "hw/mmio.h"

struct Chardev;
/* Row "ns16550a": eight byte-wide registers.  NULL: nothing is connected, output vanishes. */
void ns16550a_configure(Object *uart, struct Chardev *chardev);
