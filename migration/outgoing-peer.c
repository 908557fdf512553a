/* migration/outgoing-peer.c - the process at the other end: is it alive, and what its death proves.  Owner: main loop.
 * Page: docs/handoff.md.  Test: tests/handoff/rollback-test.py
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * In `unsure` nobody knows whether RUN arrived.  A pidfd that came with the hello proves the death of the other process:
 * then there cannot be two owners.  It does not prove that the guest never ran there; for that we want to have heard the
 * process until its end (it would have said VM_STARTED), and that nobody wrote to a disk.  With all three the guest goes on
 * here by itself, otherwise `cont` is the manager's word. */
#include "migration/outgoing.h"

#include "migration/parts.h"
#include "util/error.h"
#include "util/loop.h"

#include <poll.h>
#include <unistd.h>

#define LAST_HEARD_NS (1 * NS_PER_SEC) /* the channel may end so long before the process does, if both are one event */

static LoopWatch *watch;

bool outgoing_peer_is_dead(const Outgoing *o)
{
    struct pollfd p = {o->peer_pidfd, POLLIN, 0};

    return o->peer_pidfd >= 0 && poll(&p, 1, 0) == 1 && (p.revents & POLLIN);
}

static void explain(Outgoing *o, bool is_good, const char *text)
{
    g_autofree char *all = NULL;

    g_mutex_lock(&o->lock);
    all = g_strdup_printf("%s; process %u, which was to take the guest over, has ended: %s", o->error ? o->error : "?",
                          o->peer.pid, text);
    g_free(o->error);
    o->error = g_strdup(all);
    g_mutex_unlock(&o->lock);
    if (is_good) {
        info_report("%s", all);
    } else {
        warn_report("%s", all);
    }
}

static bool is_unsure(Outgoing *o)
{
    bool is;

    g_mutex_lock(&o->lock);
    is = o->machine.state == MIG_UNSURE;
    g_mutex_unlock(&o->lock);
    return is;
}

static void judge(void *opaque)
{
    Outgoing *o = opaque;
    g_autoptr(GError) err = NULL;

    if (!is_unsure(o)) {
        return; /* the manager's word came first */
    }
    if (!parts_take_back(HANDOFF_LONE, &err)) {
        g_autofree char *why = g_strdup_printf("the guest stays stopped: %s", err->message);

        explain(o, false, why);
    } else {
        explain(o, true, "the guest never ran there and goes on here");
        outgoing_post(EV_DIED);
    }
}

/* A thread: what it takes may not answer. */
static void *take_alone(void *opaque)
{
    parts_claim(HANDOFF_LONE);
    loop_call(judge, opaque);
    return NULL;
}

/* Called for either event, the end of the process and the end of what it said; acts at the second. */
static void look(void *opaque)
{
    Outgoing *o = opaque;
    bool matters = is_unsure(o), is_listening, was_heard;

    g_mutex_lock(&o->lock);
    is_listening = o->is_listening;
    was_heard = o->deaf_since_ns + LAST_HEARD_NS > time_monotonic_ns();
    g_mutex_unlock(&o->lock);
    if (matters && !outgoing_peer_is_dead(o)) {
        return;
    }
    if (matters && is_listening) {
        loop_watch_set(watch, 0); /* the reader will call */
        return;
    }
    g_clear_pointer(&watch, loop_watch_free);
    if (matters && was_heard) {
        g_thread_unref(g_thread_new("take-back", take_alone, o));
    } else if (matters) {
        explain(o, false, "whether the guest ran there is not known; 'cont' lets it go on here");
    }
}

static void died(int fd, GIOCondition ready, void *opaque)
{
    look(opaque);
}

static void start_watch(void *opaque)
{
    Outgoing *o = opaque;

    if (o->peer_pidfd >= 0 && !watch) {
        watch = loop_watch(o->peer_pidfd, G_IO_IN, died, o);
    }
}

void outgoing_watch_peer(Outgoing *o)
{
    loop_call(start_watch, o);
}

static void look_again(void *opaque)
{
    if (watch) {
        look(opaque);
    }
}

void outgoing_peer_is_silent(Outgoing *o)
{
    loop_call(look_again, o);
}

void outgoing_forget_peer(Outgoing *o)
{
    g_clear_pointer(&watch, loop_watch_free);
    if (o->peer_pidfd >= 0) {
        close(o->peer_pidfd);
        o->peer_pidfd = -1;
    }
}
