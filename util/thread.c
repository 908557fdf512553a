/* util/thread.c - how the kernel schedules a thread.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/thread.h"

#include <linux/sched.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

/* sched_setattr(2). The kernel's header has a struct sched_param of its own beside it, which <sched.h> has, too. */
typedef struct SchedAttr {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
} SchedAttr;

#define SLICE_NS 200000     /* of 0.1 to 100 ms that the kernel takes; its own is 1 to 3 ms */

void thread_is_waited_for(void)
{
    SchedAttr a = {.size = sizeof(a)};

    /* Whoever chose another policy knows better; and a negative nice value would not come to threads that this one starts. */
    if (syscall(SYS_sched_getattr, 0, &a, sizeof(a), 0) || a.policy != SCHED_NORMAL || a.nice < 0) {
        return;
    }
    a.flags |= SCHED_FLAG_RESET_ON_FORK; /* only this thread */
    a.runtime = SLICE_NS;
    syscall(SYS_sched_setattr, 0, &a, 0);
}
