/* io/exec.c - a channel to or from a command.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "io/channel-private.h"

#include "util/error.h"
#include "util/fd.h"
#include "util/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static void child_setup(void *opaque)
{
    signal(SIGPIPE, SIG_DFL);
}

Channel *exec_start(const Address *a, bool out, Interrupt *interrupt, GError **errp)
{
    GError *err = NULL;
    GPid pid;
    int fd = -1;
    Channel *c;

    if (!g_spawn_async_with_pipes(NULL, a->argv, NULL,
                                  G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_SEARCH_PATH, child_setup,
                                  NULL, &pid, out ? &fd : NULL, out ? NULL : &fd, NULL, &err)) {
        fail(errp, "%s: cannot start: %s", a->text, err->message);
        g_error_free(err);
        return NULL;
    }
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    c = channel_new(out ? -1 : fd, out ? fd : -1, a->text, interrupt);
    c->child = pid;
    c->child_fd = syscall(SYS_pidfd_open, pid, 0);
    return c;
}

/* A command that hangs in the kernel, on a disk that does not answer, does not end when it is killed: nobody waits for it. */
static void *reap(void *opaque)
{
    while (waitpid(GPOINTER_TO_INT(opaque), NULL, 0) < 0 && errno == EINTR) {
    }
    return NULL;
}

bool exec_end(Channel *c, const Interrupt *interrupt, int64_t deadline_ns, GError **errp)
{
    IoWait why = c->child_fd >= 0 ? io_wait(c->child_fd, POLLIN, interrupt, deadline_ns) : IO_READY;
    pid_t pid = c->child;
    int status = 0;

    c->child = 0;
    if (c->child_fd >= 0) {
        close(c->child_fd);
    }
    if (why != IO_READY) {
        kill(pid, SIGKILL);
        g_thread_unref(g_thread_new("reap", reap, GINT_TO_POINTER(pid)));
        return io_fail(c->name, why, "waiting for the command's end", errp);
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (WIFEXITED(status) && !WEXITSTATUS(status)) {
        return true;
    }
    return fail(errp, "%s: the command ended with %s %d", c->name,
                WIFEXITED(status) ? "status" : "signal",
                WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
}
