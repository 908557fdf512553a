/* tests/guest/input-watch.c - prints each event of /dev/input/event* on the console, in the order of reading.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * BATON-INPUT-DEVICE N name; BATON-INPUT-READY; then lines "E N type code value", SYN_REPORT as "E N 0 0 0".  SYN_DROPPED,
 * which says that the kernel's own queue ran over, is printed like any other and is code 3. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/input.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { DEVICES_MAX = 8, BATCH = 64 };

static struct pollfd devices[DEVICES_MAX];

/* event0 ... in order; the nodes are there once the modules have loaded. */
static unsigned open_all(void)
{
    unsigned count = 0;

    for (unsigned i = 0; i < DEVICES_MAX; i++) {
        char path[32], name[128] = "";
        int fd;

        snprintf(path, sizeof(path), "/dev/input/event%u", i);
        fd = open(path, O_RDWR | O_CLOEXEC);
        if (fd < 0) {
            break;
        }
        ioctl(fd, EVIOCGNAME(sizeof(name)), name);
        printf("BATON-INPUT-DEVICE %u %s\n", i, name);
        devices[count++] = (struct pollfd){ .fd = fd, .events = POLLIN };
    }
    return count;
}

static void print_events(unsigned i)
{
    struct input_event events[BATCH];
    ssize_t got = read(devices[i].fd, events, sizeof(events));

    if (got < 0) {
        printf("BATON-GUEST-ERROR read event%u: %s\n", i, strerror(errno));
        exit(1);
    }
    for (size_t n = 0; n < got / sizeof(events[0]); n++) {
        printf("E %u %u %u %d\n", i, events[n].type, events[n].code, events[n].value);
    }
}

/* The light of caps lock, as a desktop would turn it on: the way back to the emulator. */
static void light_up(void)
{
    struct input_event event[2] = { { .type = EV_LED, .code = LED_CAPSL, .value = 1 }, { .type = EV_SYN } };

    if (write(devices[0].fd, event, sizeof(event)) < 0) {
        printf("BATON-GUEST-ERROR light of event0: %s\n", strerror(errno));
    }
}

int main(void)
{
    unsigned count = open_all();

    if (!count) {
        printf("BATON-GUEST-ERROR no input devices\n");
        return 1;
    }
    light_up();
    printf("BATON-INPUT-READY %u\n", count);
    while (poll(devices, count, -1) > 0) {
        for (unsigned i = 0; i < count; i++) {
            if (devices[i].revents & POLLIN) {
                print_events(i);
            }
        }
    }
    return 0;
}
