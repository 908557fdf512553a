/* tests/guest/serial-echo.c - sends back what comes on a serial port, and says how much it was.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * serial-echo DEVICE BYTES: echoes so many bytes, prints "BATON-ECHO DEVICE BYTES HASH" (FNV-1a, 64 bits) and ends. */
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

enum { WAIT_MS = 30000 };

static uint64_t hash = 0xcbf29ce484222325;

static void add(const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        hash = (hash ^ data[i]) * 0x100000001b3;
    }
}

static int fail(const char *what, const char *device)
{
    printf("BATON-ECHO-ERROR %s %s: %s\n", what, device, strerror(errno));
    return 1;
}

static int write_all(int fd, const uint8_t *data, size_t size)
{
    while (size) {
        ssize_t n = write(fd, data, size);

        if (n < 0) {
            return -1;
        }
        data += n;
        size -= n;
    }
    return 0;
}

/* A port says when its other end comes, but only as a change: poll() would call "nobody is there" an event again and again. */
static int watch(int fd)
{
    struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLET };
    int changes = epoll_create1(EPOLL_CLOEXEC);

    return changes < 0 || epoll_ctl(changes, EPOLL_CTL_ADD, fd, &event) ? -1 : changes;
}

static void await_change(int changes)
{
    struct epoll_event event;

    epoll_wait(changes, &event, 1, -1);
}

/* The driver tells of its ports one after the other, perhaps after the shell has begun: the kernel says so for each, and once
 * more for its name, with which a console is there, too. */
static int open_when_there(const char *device)
{
    struct sockaddr_nl all = { .nl_family = AF_NETLINK, .nl_groups = 1 };
    int news = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
    struct pollfd wait = { .fd = news, .events = POLLIN };
    char event[8192];
    int n;

    if (news < 0 || bind(news, (struct sockaddr *)&all, sizeof(all))) {
        return -1;
    }
    for (;;) {
        int fd = open(device, O_RDWR | O_NOCTTY | O_CLOEXEC);

        if (fd >= 0 || (errno != ENODEV && errno != ENOENT && errno != ENXIO)) {
            close(news);
            return fd;
        }
        n = poll(&wait, 1, WAIT_MS);
        if (n <= 0) {
            errno = n ? errno : ETIMEDOUT;
            return -1;
        }
        recv(news, event, sizeof(event), 0);
    }
}

int main(int argc, char **argv)
{
    static uint8_t piece[16384];
    unsigned long long left = argc > 2 ? strtoull(argv[2], NULL, 0) : 0, all = left;
    int fd = argc > 2 ? open_when_there(argv[1]) : -1;
    int changes = fd < 0 ? -1 : watch(fd);
    struct termios t;

    if (changes < 0) {
        return fail("open", argc > 1 ? argv[1] : "nothing");
    }
    if (!tcgetattr(fd, &t)) {
        cfmakeraw(&t);
        tcsetattr(fd, TCSANOW, &t);
    }
    printf("BATON-ECHO-READY %s\n", argv[1]);
    fflush(stdout);
    while (left) {
        ssize_t n = read(fd, piece, left < sizeof(piece) ? left : sizeof(piece));

        if (n < 0 && errno != EINTR) {
            return fail("read", argv[1]);
        }
        if (n > 0) {
            add(piece, n);
            left -= n;
            if (write_all(fd, piece, n)) {
                return fail("write", argv[1]);
            }
        } else if (!n) {
            await_change(changes); /* nobody is connected */
        }
    }
    if (isatty(fd)) {
        tcdrain(fd);
    }
    printf("BATON-ECHO %s %llu %016llx\n", argv[1], all, (unsigned long long)hash);
    return 0;
}
