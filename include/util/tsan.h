/* include/util/tsan.h - what ThreadSanitizer has to be told; nothing at all in other builds.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A build with -fsanitize=thread includes this before anything else in every file (meson.build).  GLib itself is not
 * instrumented, and its locks are futexes of its own, so what they order is announced here: each call goes to a function
 * of util/tsan.c that makes the call between the announcements.  Threads need nothing: GLib makes and joins them by
 * pthread calls, which the sanitizer sees.  A primitive of GLib that is not in the list must be added before it is used:
 * rw-locks, asynchronous queues and sources attached by other threads are not.
 *
 * Guest memory: harts and the sender of pages access it at any time, by the guest's doing and by the dirty log's, so it
 * has races that are none of ours.  The functions that do so carry GUEST_MEMORY, or call tsan_guest_begin() and _end()
 * around a call; there is no other exception.  All other users of guest memory (devices, disks, the loader of a stream)
 * are ordered by vm_lock or a hand-over, and are checked.  Page: docs/testing.md. */
#pragma once

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define HAVE_TSAN 1
#endif
#elif defined(__SANITIZE_THREAD__)
#define HAVE_TSAN 1
#endif
#if defined(HAVE_TSAN) && !__has_include(<glib.h>) /* a tool of the tests that does without */
#undef HAVE_TSAN
#endif

#ifndef HAVE_TSAN
#define GUEST_MEMORY
static inline void tsan_guest_begin(void)
{
}
static inline void tsan_guest_end(void)
{
}
#else

#include <glib.h>

#ifdef __clang__ /* not even its atomics: they would be held against a copy of the page */
#define GUEST_MEMORY __attribute__((disable_sanitizer_instrumentation, noinline))
#else
#define GUEST_MEMORY __attribute__((no_sanitize("thread"), noinline))
#endif
void tsan_guest_begin(void); /* what this thread accesses until tsan_guest_end() is not looked at; its locks are */
void tsan_guest_end(void);

void tsan_mutex_init(GMutex *m);
void tsan_mutex_clear(GMutex *m);
void tsan_mutex_lock(GMutex *m);
gboolean tsan_mutex_trylock(GMutex *m);
void tsan_mutex_unlock(GMutex *m);
void tsan_cond_wait(GCond *c, GMutex *m);
gboolean tsan_cond_wait_until(GCond *c, GMutex *m, gint64 end);
GThreadPool *tsan_thread_pool_new(GFunc fn, gpointer opaque, gint most, gboolean exclusive, GError **errp);
gboolean tsan_thread_pool_push(GThreadPool *pool, gpointer data, GError **errp);
void tsan_bytes_unref(GBytes *b);
gboolean tsan_atomic_ref_count_dec(gatomicrefcount *count);

#define g_mutex_init tsan_mutex_init
#define g_mutex_clear tsan_mutex_clear
#define g_mutex_lock tsan_mutex_lock
#define g_mutex_trylock tsan_mutex_trylock
#define g_mutex_unlock tsan_mutex_unlock
#define g_cond_wait tsan_cond_wait
#define g_cond_wait_until tsan_cond_wait_until
#define g_thread_pool_new tsan_thread_pool_new
#define g_thread_pool_push tsan_thread_pool_push
#define g_bytes_unref tsan_bytes_unref
#undef g_atomic_ref_count_dec
#define g_atomic_ref_count_dec tsan_atomic_ref_count_dec
#endif
