/* tests/guest/disk-check.c - makes a file system on a disk, writes and flushes numbered blocks, reads them back.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Prints BATON-DISK-ROUND n after each round is on the disk and verified, BATON-DISK-OK after ROUNDS of them.  With a
 * second argument: goes on, with a pause and in silence, until a file of that name is there. */
#include "traffic.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS = 8, FILES = 9, PAUSE_NS = 200000000, FILE_BYTES = 2 << 20, BLOCK = 64 << 10 };

static uint8_t buf[BLOCK];

static int stop(const char *what, uint64_t n)
{
    printf("BATON-DISK-FAILED %s %llu: %s\n", what, (unsigned long long)n, strerror(errno));
    return 1;
}

static int run(const char *path, const char *arg1, const char *arg2)
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        execl("/bin/busybox", path, arg1, arg2, (char *)NULL);
        _exit(127);
    }
    return waitpid(pid, &status, 0) == pid ? status : -1;
}

static bool write_file(const char *path, uint64_t seed)
{
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644);
    bool ok = fd >= 0;

    for (uint64_t at = 0; ok && at < FILE_BYTES; at += BLOCK) {
        pattern_fill(seed, at, buf, BLOCK);
        ok = write(fd, buf, BLOCK) == BLOCK;
    }
    ok = ok && fsync(fd) == 0;
    close(fd);
    return ok;
}

static bool verify_file(const char *path, uint64_t seed)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool ok = fd >= 0;

    if (ok) {
        posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);   /* from the disk, not from the page cache */
    }
    for (uint64_t at = 0; ok && at < FILE_BYTES; at += BLOCK) {
        ok = read(fd, buf, BLOCK) == BLOCK && pattern_errors(seed, at, buf, BLOCK) == 0;
    }
    close(fd);
    return ok;
}

static bool one_round(int n)
{
    char path[64];

    for (int i = n > 2 ? n - 2 : 0; i < n; i++) {
        snprintf(path, sizeof(path), "/mnt/file%d", i % FILES);
        if (!verify_file(path, i + 1)) {
            return false;
        }
    }
    snprintf(path, sizeof(path), "/mnt/file%d", n % FILES);
    return write_file(path, n + 1) && verify_file(path, n + 1);
}

int main(int argc, char **argv)
{
    const char *disk = argc > 1 ? argv[1] : "/dev/vda", *until = argc > 2 ? argv[2] : NULL;
    struct timespec nap = { 0, PAUSE_NS };
    int n = 0;

    if (access(disk, F_OK) < 0) {
        return stop("no disk", 0);
    }
    mkdir("/mnt", 0755);
    if (mount(disk, "/mnt", "ext4", 0, NULL) < 0) {     /* a disk without a file system gets one */
        if (run("mke2fs", "-F", disk) != 0 || mount(disk, "/mnt", "ext4", 0, NULL) < 0) {
            return stop("mount", 0);
        }
    }
    for (; until ? access(until, F_OK) < 0 : n < ROUNDS; n++) {
        if (!one_round(n)) {
            return stop("round", n);
        }
        if (until) {
            nanosleep(&nap, NULL);
        } else {
            printf("BATON-DISK-ROUND %d\n", n);
        }
    }
    if (umount("/mnt") < 0) {
        return stop("unmount", 0);
    }
    printf("BATON-DISK-OK %d\n", n);
    return 0;
}
