/* tests/guest/serial-echo.c - sends back what comes on a serial port, and says how much it was.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * serial-echo DEVICE BYTES: echoes so many bytes, prints "BATON-ECHO DEVICE BYTES HASH" (FNV-1a, 64 bits) and ends. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

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

int main(int argc, char **argv)
{
    static uint8_t piece[16384];
    unsigned long long left = argc > 2 ? strtoull(argv[2], NULL, 0) : 0, all = left;
    int fd = argc > 2 ? open(argv[1], O_RDWR | O_NOCTTY | O_CLOEXEC) : -1;
    struct termios t;

    if (fd < 0) {
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
        } else {
            usleep(1000); /* nobody is connected */
        }
    }
    if (isatty(fd)) {
        tcdrain(fd);
    }
    printf("BATON-ECHO %s %llu %016llx\n", argv[1], all, (unsigned long long)hash);
    return 0;
}
