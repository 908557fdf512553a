/* migration/incoming-memory.c - memory is found before it is needed, the guest's and the program's: no page fault in the pause, nor
 * after it.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Owner: the thread `prefault`; those who wait for it wait for the end of is_prefaulting, under the lock. */
#include "migration/incoming-private.h"

#include "system/ram.h"
#include "util/loop.h"
#include "util/program.h"

#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#define PREFAULT_NICE 5
#define PREFAULT_PIECE (4ull << 20) /* short: who maps something meanwhile waits for one */
#define PREFAULT_WAIT_NS (4 * NS_PER_SEC)
#define PREFAULT_REST_WAIT_NS (2 * NS_PER_SEC)

static bool prefault_block(const Incoming *n, RamBlock *b)
{
    for (uint64_t at = 0; at < b->size && !b->is_private; at += PREFAULT_PIECE) { /* what is private is mostly unused */
        if (interrupt_raised(n->interrupt) || time_monotonic_ns() >= atomic_load(&n->prefault_until_ns) ||
            madvise(b->host + at, MIN(PREFAULT_PIECE, b->size - at), MADV_POPULATE_WRITE)) {
            return false; /* an older kernel: pages come when they are touched */
        }
    }
    return true;
}

static void *prefault_thread(void *opaque)
{
    Incoming *n = opaque;

    setpriority(PRIO_PROCESS, gettid(), PREFAULT_NICE); /* of this thread only; it ends with its work */
    program_touch();
    for (unsigned i = 0; i < ram_count() && prefault_block(n, ram_block(i)); i++) {
    }
    g_mutex_lock(&n->lock);
    n->is_prefaulting = false;
    g_cond_broadcast(&n->wake);
    g_mutex_unlock(&n->lock);
    return NULL;
}

void incoming_wait_prefault(Incoming *n)
{
    g_mutex_lock(&n->lock);
    while (n->is_prefaulting) {
        g_cond_wait(&n->wake, &n->lock);
    }
    g_mutex_unlock(&n->lock);
}

void incoming_start_prefault(Incoming *n)
{
    n->is_prefaulting = true;
    atomic_store(&n->prefault_until_ns, INT64_MAX);
    g_thread_unref(g_thread_new("prefault", prefault_thread, n)); /* the program may end before it */
}

/* So that no page that comes has to wait for a fault.  But how long that takes depends on the host and on the guest's size,
 * and the source's deadline does not: what is missing then comes beside the pages. */
void incoming_wait_memory(Incoming *n)
{
    int64_t deadline = time_monotonic_ns() + PREFAULT_WAIT_NS;

    g_mutex_lock(&n->lock);
    while (n->is_prefaulting && g_cond_wait_until(&n->wake, &n->lock, deadline / NS_PER_US)) {
    }
    g_mutex_unlock(&n->lock);
}

/* Where memory comes slowly, the rest of it comes when the guest touches it.  But nothing of this is under way in the pause:
 * who maps something would wait for it. */
void incoming_hurry_prefault(Incoming *n)
{
    atomic_store(&n->prefault_until_ns, time_monotonic_ns() + PREFAULT_REST_WAIT_NS);
}
