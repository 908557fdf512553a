/* util/loop.c - the main loop on glib's default context: watches and calls from other threads.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/loop.h"

#include "util/loop-timer.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define TURN_NS (5 * NS_PER_MS)

static GThread *main_thread;
static GMainLoop *main_loop;
static int exit_code;
static void (*lock_fn)(void);
static void (*unlock_fn)(void);

static int64_t clock_ns(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return t.tv_sec * NS_PER_SEC + t.tv_nsec;
}

int64_t time_monotonic_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

int64_t time_wall_ns(void)
{
    return clock_ns(CLOCK_REALTIME);
}

bool loop_in_main(void)
{
    return g_thread_self() == main_thread;
}

/* ---- the lock is dropped while the loop waits ---- */
static gint poll_unlocked(GPollFD *fds, guint count, gint timeout_ms)
{
    gint ready;

    if (unlock_fn) {
        unlock_fn();
    }
    ready = g_poll(fds, count, timeout_ms);
    if (lock_fn) {
        lock_fn();
    }
    return ready;
}

void loop_set_lock(void (*lock)(void), void (*unlock)(void))
{
    lock_fn = lock;
    unlock_fn = unlock;
}

/* ---- file descriptors ---- */
struct LoopWatch {
    GSource source; /* first: glib allocates the whole */
    int fd;
    GIOCondition want;
    gpointer tag;
    LoopFdFn *fn;
    void *opaque;
};

static gboolean watch_dispatch(GSource *source, GSourceFunc fn, gpointer opaque)
{
    LoopWatch *w = (LoopWatch *)source;
    GIOCondition ready = w->tag ? g_source_query_unix_fd(source, w->tag) : 0;

    if (ready & (w->want | G_IO_HUP | G_IO_ERR)) {
        w->fn(w->fd, ready, w->opaque);
    }
    return G_SOURCE_CONTINUE;
}

static GSourceFuncs watch_funcs = {.dispatch = watch_dispatch};

LoopWatch *loop_watch(int fd, GIOCondition want, LoopFdFn *fn, void *opaque)
{
    LoopWatch *w = (LoopWatch *)g_source_new(&watch_funcs, sizeof(LoopWatch));

    w->fd = fd;
    w->fn = fn;
    w->opaque = opaque;
    w->want = 0;
    w->tag = NULL;
    g_source_set_can_recurse(&w->source, FALSE);
    g_source_attach(&w->source, NULL);
    loop_watch_set(w, want);
    return w;
}

void loop_watch_set(LoopWatch *w, GIOCondition want)
{
    if (want == w->want) {
        return;
    }
    w->want = want;
    if (!want) { /* poll() reports HUP even with no events asked, so the descriptor has to leave the set */
        g_source_remove_unix_fd(&w->source, w->tag);
        w->tag = NULL;
    } else if (w->tag) {
        g_source_modify_unix_fd(&w->source, w->tag, want | G_IO_HUP | G_IO_ERR);
    } else {
        w->tag = g_source_add_unix_fd(&w->source, w->fd, want | G_IO_HUP | G_IO_ERR);
    }
}

void loop_watch_free(LoopWatch *w)
{
    if (w) {
        g_source_destroy(&w->source);
        g_source_unref(&w->source);
    }
}

/* ---- calls into the main loop ---- */
typedef struct LoopCall {
    LoopFn *fn;
    void *opaque;
    bool *done; /* loop_call_wait: set under calls_mutex */
} LoopCall;

static GMutex calls_mutex; /* leaf */
static GCond calls_cond;
static GQueue calls = G_QUEUE_INIT;
static int calls_fd = -1;

static void call_ready(void)
{
    uint64_t one = 1;

    while (write(calls_fd, &one, sizeof(one)) < 0 && errno == EINTR) {
    }
}

static void calls_push(LoopFn *fn, void *opaque, bool *done)
{
    LoopCall *call = g_new(LoopCall, 1);

    *call = (LoopCall){fn, opaque, done};
    g_mutex_lock(&calls_mutex);
    g_queue_push_tail(&calls, call);
    g_mutex_unlock(&calls_mutex);
    call_ready();
}

static LoopCall *calls_pop(void)
{
    LoopCall *call;

    g_mutex_lock(&calls_mutex);
    call = g_queue_pop_head(&calls);
    g_mutex_unlock(&calls_mutex);
    return call;
}

static unsigned calls_count(void)
{
    unsigned n;

    g_mutex_lock(&calls_mutex);
    n = calls.length;
    g_mutex_unlock(&calls_mutex);
    return n;
}

/* Those that wait now: one that is made meanwhile, by one of them perhaps, has made the descriptor readable again.  So who goes
 * on by calling itself lets others have the lock.  Nor do many that were made at once keep clients waiting. */
static void calls_ready(int fd, GIOCondition ready, void *opaque)
{
    int64_t until = time_monotonic_ns() + TURN_NS;
    uint64_t count;
    LoopCall *call;

    while (read(fd, &count, sizeof(count)) < 0 && errno == EINTR) {
    }
    for (unsigned left = calls_count(); left && (call = calls_pop()); left--) {
        call->fn(call->opaque);
        if (call->done) {
            g_mutex_lock(&calls_mutex);
            *call->done = true;
            g_cond_broadcast(&calls_cond);
            g_mutex_unlock(&calls_mutex);
        }
        g_free(call);
        if (left > 1 && time_monotonic_ns() >= until) {
            call_ready();
            break;
        }
    }
}

void loop_call(LoopFn *fn, void *opaque)
{
    calls_push(fn, opaque, NULL);
}

void loop_call_wait(LoopFn *fn, void *opaque)
{
    bool done = false;

    if (loop_in_main()) {
        fn(opaque);
        return;
    }
    calls_push(fn, opaque, &done);
    g_mutex_lock(&calls_mutex);
    while (!done) {
        g_cond_wait(&calls_cond, &calls_mutex);
    }
    g_mutex_unlock(&calls_mutex);
}

/* ---- life ---- */
void loop_init(void)
{
    if (main_thread) {
        return;
    }
    main_thread = g_thread_self();
    main_loop = g_main_loop_new(NULL, FALSE);
    g_main_context_set_poll_func(NULL, poll_unlocked);
    calls_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (calls_fd < 0) {
        g_error("the main loop needs a descriptor: %s", g_strerror(errno));
    }
    loop_watch(calls_fd, G_IO_IN, calls_ready, NULL);
    loop_timers_init();
}

int loop_run(void)
{
    g_assert(loop_in_main());
    g_main_loop_run(main_loop);
    return exit_code;
}

bool loop_is_running(void)
{
    return main_loop && g_main_loop_is_running(main_loop);
}

static void quit_now(void *opaque)
{
    exit_code = GPOINTER_TO_INT(opaque);
    g_main_loop_quit(main_loop);
}

void loop_quit(int code)
{
    loop_call(quit_now, GINT_TO_POINTER(code));
}
