/* include/util/thread.h - how the kernel schedules this thread.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Somebody waits for what the calling thread does, and it does little at a time: when it wakes up it goes before threads that
 * compute.  It gets no larger share.  Linux 6.12 and later (sched_setattr(2), sched_runtime of SCHED_OTHER); before, nothing. */
void thread_is_waited_for(void);
