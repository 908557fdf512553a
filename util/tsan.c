/* util/tsan.c - GLib's locks and hand-overs, announced to ThreadSanitizer; its options and suppressions.
 * In other builds this file is empty.  Contract: include/util/tsan.h.  Page: docs/testing.md.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/tsan.h"

#ifdef HAVE_TSAN
#include <sanitizer/tsan_interface.h>

/* Here the names mean GLib's own functions. */
#undef g_mutex_init
#undef g_mutex_clear
#undef g_mutex_lock
#undef g_mutex_trylock
#undef g_mutex_unlock
#undef g_cond_wait
#undef g_cond_wait_until
#undef g_thread_pool_new
#undef g_thread_pool_push
#undef g_bytes_unref
#undef g_atomic_ref_count_dec

/* ---- options: TSAN_OPTIONS in the environment goes before them ---- */
const char *__tsan_default_options(void);
const char *__tsan_default_suppressions(void);

/* Memory that a library touches by calls that the sanitizer intercepts (memcpy, free) is the library's own business:
 * its locks are not seen. */
const char *__tsan_default_options(void)
{
    return "ignore_noninstrumented_modules=1:second_deadlock_stack=1:history_size=4";
}

/* A line for each, and above it the reason. */
const char *__tsan_default_suppressions(void)
{
    return
        /* The migration's thread joins its reader.  A program that is told to quit does not wait for a migration that
         * hangs, and then nobody joins the reader although it may have ended. */
        "thread:do_row\n";
}

/* ---- guest memory ---- */
void AnnotateIgnoreReadsBegin(const char *file, int line);
void AnnotateIgnoreReadsEnd(const char *file, int line);
void AnnotateIgnoreWritesBegin(const char *file, int line);
void AnnotateIgnoreWritesEnd(const char *file, int line);

void tsan_guest_begin(void)
{
    AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
    AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
}

void tsan_guest_end(void)
{
    AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
    AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
}

/* ---- locks ---- */
void tsan_mutex_init(GMutex *m)
{
    g_mutex_init(m);
    __tsan_mutex_create(m, 0);
}

void tsan_mutex_clear(GMutex *m)
{
    __tsan_mutex_destroy(m, 0);
    g_mutex_clear(m);
}

/* A static GMutex is never initialised: the first lock makes it known. */
void tsan_mutex_lock(GMutex *m)
{
    __tsan_mutex_pre_lock(m, __tsan_mutex_linker_init);
    g_mutex_lock(m);
    __tsan_mutex_post_lock(m, __tsan_mutex_linker_init, 0);
}

gboolean tsan_mutex_trylock(GMutex *m)
{
    unsigned flags = __tsan_mutex_linker_init | __tsan_mutex_try_lock;
    gboolean done;

    __tsan_mutex_pre_lock(m, flags);
    done = g_mutex_trylock(m);
    __tsan_mutex_post_lock(m, done ? flags : flags | __tsan_mutex_try_lock_failed, 0);
    return done;
}

void tsan_mutex_unlock(GMutex *m)
{
    __tsan_mutex_pre_unlock(m, 0);
    g_mutex_unlock(m);
    __tsan_mutex_post_unlock(m, 0);
}

/* Who waits gives the mutex away and takes it again; the condition itself orders nothing more. */
static void before_wait(GMutex *m)
{
    __tsan_mutex_pre_unlock(m, 0);
    __tsan_mutex_post_unlock(m, 0);
}

static void after_wait(GMutex *m)
{
    __tsan_mutex_pre_lock(m, __tsan_mutex_linker_init);
    __tsan_mutex_post_lock(m, __tsan_mutex_linker_init, 0);
}

void tsan_cond_wait(GCond *c, GMutex *m)
{
    before_wait(m);
    g_cond_wait(c, m);
    after_wait(m);
}

gboolean tsan_cond_wait_until(GCond *c, GMutex *m, gint64 end)
{
    gboolean in_time;

    before_wait(m);
    in_time = g_cond_wait_until(c, m, end);
    after_wait(m);
    return in_time;
}

/* ---- thread pools: what was written before the push is there for the worker ---- */
typedef struct PoolWork {
    GFunc fn;
    gpointer opaque;
} PoolWork;

static void run_work(gpointer data, gpointer opaque)
{
    const PoolWork *w = opaque;

    __tsan_acquire(data);
    w->fn(data, w->opaque);
}

GThreadPool *tsan_thread_pool_new(GFunc fn, gpointer opaque, gint most, gboolean exclusive, GError **errp)
{
    PoolWork *w = g_new(PoolWork, 1); /* stays: workers may outlive the pool */

    *w = (PoolWork){fn, opaque};
    return g_thread_pool_new(run_work, w, most, exclusive, errp);
}

gboolean tsan_thread_pool_push(GThreadPool *pool, gpointer data, GError **errp)
{
    __tsan_release(data);
    return g_thread_pool_push(pool, data, errp);
}

/* ---- reference counts: the last one frees what the others have read ---- */
void tsan_bytes_unref(GBytes *b)
{
    if (b) {
        __tsan_release(b);
        __tsan_acquire(b);
    }
    g_bytes_unref(b);
}

gboolean tsan_atomic_ref_count_dec(gatomicrefcount *count)
{
    gboolean last;

    __tsan_release(count);
    last = g_atomic_ref_count_dec(count);
    if (last) {
        __tsan_acquire(count);
    }
    return last;
}
#endif
