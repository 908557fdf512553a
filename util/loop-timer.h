/* util/loop-timer.h - private to the loop.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

void loop_timers_init(void); /* once, after the context exists */
