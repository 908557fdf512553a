/* tests/unit/util/thread-test.c - what the kernel is told of a thread.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/thread.h"

#include <glib.h>
#include <linux/sched.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SLICE_NS 200000 /* as in util/thread.c */

typedef struct Attr { /* sched_setattr(2): its header and that of sched_setscheduler(2) do not go together */
    uint32_t size, sched_policy;
    uint64_t sched_flags;
    int32_t sched_nice;
    uint32_t sched_priority;
    uint64_t sched_runtime, sched_deadline, sched_period;
} Attr;

static Attr present(void)
{
    Attr a = {0};

    g_assert_cmpint(syscall(SYS_sched_getattr, 0, &a, sizeof(a), 0), ==, 0);
    return a;
}

static void *read_attr(void *ret)
{
    *(Attr *)ret = present();
    return NULL;
}

static void *be_waited_for(void *ret)
{
    Attr child;

    thread_is_waited_for();
    *(Attr *)ret = present();
    g_thread_join(g_thread_new("child", read_attr, &child));
    g_assert_cmpuint(child.sched_runtime, !=, SLICE_NS); /* what it starts computes */
    g_assert_cmpint(child.sched_nice, ==, present().sched_nice);
    return NULL;
}

static void *be_waited_for_in_batch(void *ret)
{
    Attr a = {.size = sizeof(a), .sched_policy = SCHED_BATCH};

    g_assert_cmpint(syscall(SYS_sched_setattr, 0, &a, 0), ==, 0);
    thread_is_waited_for();
    *(Attr *)ret = present();
    return NULL;
}

/* Linux before 6.12 takes the slice and forgets it, and says 0. */
static void only_the_thread_itself_goes_before_others(void)
{
    Attr before = present(), a;

    g_thread_join(g_thread_new("waited-for", be_waited_for, &a));
    g_assert_cmpuint(a.sched_policy, ==, before.sched_policy);
    g_assert_cmpint(a.sched_nice, ==, before.sched_nice);
    if (before.sched_runtime && before.sched_policy == SCHED_NORMAL && before.sched_nice >= 0) {
        g_assert_cmpuint(a.sched_runtime, ==, SLICE_NS);
    } else {
        g_assert_cmpuint(a.sched_runtime, ==, before.sched_runtime);
    }
    g_assert_cmpuint(present().sched_runtime, ==, before.sched_runtime);
}

static void another_policy_is_left_alone(void)
{
    Attr a;

    g_thread_join(g_thread_new("batch", be_waited_for_in_batch, &a));
    g_assert_cmpuint(a.sched_policy, ==, SCHED_BATCH);
    g_assert_false(a.sched_flags & SCHED_FLAG_RESET_ON_FORK);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/util/thread/only_the_thread_itself_goes_before_others", only_the_thread_itself_goes_before_others);
    g_test_add_func("/util/thread/another_policy_is_left_alone", another_policy_is_left_alone);
    return g_test_run();
}
