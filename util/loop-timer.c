/* util/loop-timer.c - timers of the main loop: one timerfd, set to the earliest deadline.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Setting and cancelling work from any thread (the mutex is a leaf); callbacks and freeing belong to the main thread. */
#include "util/loop-timer.h"

#include "util/loop.h"

#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define NOT_SET INT64_MAX

struct LoopTimer {
    LoopFn *fn;
    void *opaque;
    int64_t deadline_ns; /* NOT_SET: not in the heap */
    unsigned at;         /* its place in the heap */
};

static GMutex mutex;
static GPtrArray *heap; /* binary heap of LoopTimer, earliest first; guarded by mutex */
static int timer_fd = -1;
static int64_t armed_ns = NOT_SET;

static LoopTimer *heap_at(unsigned i)
{
    return heap->pdata[i];
}

static void heap_put(unsigned i, LoopTimer *t)
{
    heap->pdata[i] = t;
    t->at = i;
}

static void sift_up(unsigned i)
{
    LoopTimer *t = heap_at(i);

    while (i && heap_at((i - 1) / 2)->deadline_ns > t->deadline_ns) {
        heap_put(i, heap_at((i - 1) / 2));
        i = (i - 1) / 2;
    }
    heap_put(i, t);
}

static void sift_down(unsigned i)
{
    LoopTimer *t = heap_at(i);

    for (unsigned child; (child = 2 * i + 1) < heap->len; i = child) {
        if (child + 1 < heap->len && heap_at(child + 1)->deadline_ns < heap_at(child)->deadline_ns) {
            child++;
        }
        if (heap_at(child)->deadline_ns >= t->deadline_ns) {
            break;
        }
        heap_put(i, heap_at(child));
    }
    heap_put(i, t);
}

static void heap_remove(LoopTimer *t)
{
    unsigned at = t->at;
    LoopTimer *last = heap_at(heap->len - 1);

    g_ptr_array_set_size(heap, heap->len - 1);
    t->deadline_ns = NOT_SET;
    if (last != t) {
        heap_put(at, last);
        sift_up(at);
        sift_down(last->at);
    }
}

static void heap_insert(LoopTimer *t, int64_t deadline_ns)
{
    t->deadline_ns = deadline_ns;
    g_ptr_array_add(heap, t);
    t->at = heap->len - 1;
    sift_up(t->at);
}

static void arm(void)
{
    int64_t first = heap->len ? heap_at(0)->deadline_ns : NOT_SET;
    struct itimerspec when = {};

    if (first == armed_ns) {
        return;
    }
    armed_ns = first;
    if (first != NOT_SET) {
        first = MAX(first, 1); /* 0 would disarm */
        when.it_value.tv_sec = first / NS_PER_SEC;
        when.it_value.tv_nsec = first % NS_PER_SEC;
    }
    timerfd_settime(timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

static LoopTimer *take_due(int64_t now)
{
    LoopTimer *t = NULL;

    g_mutex_lock(&mutex);
    if (heap->len && heap_at(0)->deadline_ns <= now) {
        t = heap_at(0);
        heap_remove(t);
    } else {
        arm();
    }
    g_mutex_unlock(&mutex);
    return t;
}

static void timers_ready(int fd, GIOCondition ready, void *opaque)
{
    uint64_t expirations;
    int64_t now = time_monotonic_ns();
    LoopTimer *t;
    ssize_t n = read(fd, &expirations, sizeof(expirations));

    (void)n; /* nothing to read: the deadline moved meanwhile, which the heap knows */
    g_mutex_lock(&mutex);
    armed_ns = NOT_SET; /* it has fired: whatever is first now has to be armed anew */
    g_mutex_unlock(&mutex);
    while ((t = take_due(now))) {
        t->fn(t->opaque);
    }
}

void loop_timers_init(void)
{
    timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    g_assert(timer_fd >= 0);
    heap = g_ptr_array_new();
    loop_watch(timer_fd, G_IO_IN, timers_ready, NULL);
}

LoopTimer *loop_timer_new(LoopFn *fn, void *opaque)
{
    LoopTimer *t = g_new0(LoopTimer, 1);

    *t = (LoopTimer){.fn = fn, .opaque = opaque, .deadline_ns = NOT_SET};
    return t;
}

void loop_timer_set(LoopTimer *t, int64_t deadline_ns)
{
    g_mutex_lock(&mutex);
    if (t->deadline_ns != NOT_SET) {
        heap_remove(t);
    }
    if (deadline_ns != NOT_SET) {
        heap_insert(t, deadline_ns);
    }
    arm();
    g_mutex_unlock(&mutex);
}

void loop_timer_cancel(LoopTimer *t)
{
    loop_timer_set(t, NOT_SET);
}

bool loop_timer_pending(const LoopTimer *t)
{
    bool pending;

    g_mutex_lock(&mutex);
    pending = t->deadline_ns != NOT_SET;
    g_mutex_unlock(&mutex);
    return pending;
}

void loop_timer_free(LoopTimer *t)
{
    if (t) {
        loop_timer_cancel(t);
        g_free(t);
    }
}
