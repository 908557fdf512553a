/* main/process.c - the process among others: background, pid file, signals, name.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "assemble.h"
#include "system/ram.h"
#include "system/runstate.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/log.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

static int ready_fd = -1; /* to the parent of a daemon; -1: none */
static char *pidfile;
static pid_t pidfile_owner;

/* ---- the end ---- */

/* Giving back gigabytes takes the kernel a tenth of a second of the processor that a guest needs which has just been handed
 * over on the same host.  So it is done in small pieces and at a low priority, but not at the lowest: this process ends in
 * good time on a busy host too. */
#define STEP_BACK_NICE 10

void process_step_back(void)
{
    g_autoptr(GDir) tasks = g_dir_open("/proc/self/task", 0, NULL);
    const char *name;

    while (tasks && (name = g_dir_read_name(tasks))) {
        setpriority(PRIO_PROCESS, (id_t)strtoul(name, NULL, 10), STEP_BACK_NICE);
    }
    ram_give_back();
}

/* ---- background ---- */

/* The parent ends with what the child says: 0 once it is ready, 1 when the child ends before.  The child's messages go
 * to the stderr that both share until then. */
static void G_GNUC_NORETURN parent_wait(int fd)
{
    char status = 1;

    while (read(fd, &status, 1) < 0 && errno == EINTR) {
    }
    _exit(status);
}

bool process_daemonize(GError **errp)
{
    int fds[2];
    pid_t pid;

    if (pipe2(fds, O_CLOEXEC)) {
        return fail_errno(errp, errno, "-daemonize: cannot make a pipe");
    }
    pid = fork();
    if (pid < 0) {
        return fail_errno(errp, errno, "-daemonize: cannot fork");
    }
    if (pid > 0) {
        close(fds[1]);
        parent_wait(fds[0]);
    }
    close(fds[0]);
    ready_fd = fds[1];
    setsid();
    pid = fork(); /* so that no terminal can become ours again */
    if (pid < 0) {
        return fail_errno(errp, errno, "-daemonize: cannot fork");
    }
    if (pid > 0) {
        _exit(0);
    }
    umask(027);
    return true;
}

bool process_ready(GError **errp)
{
    g_autofd int null = -1;
    char ok = 0;

    if (ready_fd < 0) {
        return true;
    }
    null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0 || chdir("/")) {
        return fail_errno(errp, errno, "-daemonize: cannot leave the terminal");
    }
    dup2(null, 0);
    dup2(null, 1);
    dup2(null, 2);
    fd_write_all(ready_fd, &ok, 1);
    close(steal_fd(&ready_fd));
    return true;
}

/* ---- pid file ---- */

static void pidfile_remove(void)
{
    if (pidfile && getpid() == pidfile_owner) {
        unlink(pidfile);
    }
}

bool process_write_pidfile(const char *path, GError **errp)
{
    char text[32];
    int size = snprintf(text, sizeof(text), "%d\n", (int)getpid());
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0) {
        return fail_errno(errp, errno, "cannot create PID file %s", path);
    }
    if (fcntl(fd, F_SETLK, &lock)) {
        close(fd);
        return fail_errno(errp, errno, "cannot lock PID file %s", path);
    }
    if (ftruncate(fd, 0) || fd_write_all(fd, text, size) != size) {
        close(fd);
        return fail_errno(errp, errno, "cannot write PID file %s", path);
    }
    /* fd stays open: the lock says that we live */
    pidfile = g_canonicalize_filename(path, NULL);
    pidfile_owner = getpid();
    atexit(pidfile_remove);
    return true;
}

/* ---- signals and name ---- */

static gboolean on_signal(gpointer opaque)
{
    TRACE(process_signal, "%s", strsignal(GPOINTER_TO_INT(opaque)));
    vm_request_shutdown(SHUTDOWN_HOST_SIGNAL, 0);
    return G_SOURCE_CONTINUE;
}

void process_handle_signals(void)
{
    static const int ends[] = {SIGTERM, SIGINT, SIGHUP};

    for (unsigned i = 0; i < G_N_ELEMENTS(ends); i++) {
        g_unix_signal_add(ends[i], on_signal, GINT_TO_POINTER(ends[i]));
    }
}

void process_set_name(const char *name)
{
    prctl(PR_SET_NAME, name);
}
