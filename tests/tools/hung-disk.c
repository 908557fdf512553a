/* tests/tools/hung-disk.c - preloaded into a program: its disk stops answering while a file exists.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * LD_PRELOAD=.../libhung-disk.so HUNG_DISK=/tmp/x/hung: reads, writes and flushes of the kinds that disks are driven with
 * wait until /tmp/x/hung is gone. */
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static void wait_for_disk(void)
{
    const char *sign = getenv("HUNG_DISK");
    struct timespec step = { 0, 1000000 };

    while (sign && access(sign, F_OK) == 0) {
        nanosleep(&step, NULL);
    }
}

typedef ssize_t Transfer(int fd, const struct iovec *iov, int count, off_t at);
typedef int Flush(int fd);

Transfer pwritev64, preadv64;

ssize_t pwritev64(int fd, const struct iovec *iov, int count, off_t at)
{
    wait_for_disk();
    return ((Transfer *)dlsym(RTLD_NEXT, "pwritev64"))(fd, iov, count, at);
}

ssize_t preadv64(int fd, const struct iovec *iov, int count, off_t at)
{
    wait_for_disk();
    return ((Transfer *)dlsym(RTLD_NEXT, "preadv64"))(fd, iov, count, at);
}

int fdatasync(int fd)
{
    wait_for_disk();
    return ((Flush *)dlsym(RTLD_NEXT, "fdatasync"))(fd);
}

int fsync(int fd)
{
    wait_for_disk();
    return ((Flush *)dlsym(RTLD_NEXT, "fsync"))(fd);
}
