/* tests/guest/dirtier.c - writes to memory at so many MB/s over so many MiB; each page's count can be checked.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Page i of the area holds the round in which it was last written, so every page is `round` or `round - 1`.  A page that
 * went back in time was lost on its way; it is said on the console. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

enum { PAGE = 4096, TICK_NS = 10 * 1000 * 1000 };

static void wait_until(struct timespec *next)
{
    next->tv_nsec += TICK_NS;
    if (next->tv_nsec >= 1000000000) {
        next->tv_nsec -= 1000000000;
        next->tv_sec++;
    }
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, next, NULL);
}

int main(int argc, char **argv)
{
    uint64_t rate = (argc > 1 ? strtoull(argv[1], NULL, 0) : 10) * 1000000;
    uint64_t pages = (argc > 2 ? strtoull(argv[2], NULL, 0) : 64) << 8, at = 0, round = 1, wrong = 0;
    uint64_t per_tick = rate / 100 / PAGE ? rate / 100 / PAGE : 1;
    uint8_t *area = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct timespec next;

    if (area == MAP_FAILED || !pages) {
        perror("dirtier");
        return 1;
    }
    printf("BATON-GUEST-DIRTIES %llu MB/s\n", (unsigned long long)rate / 1000000);
    clock_gettime(CLOCK_MONOTONIC, &next);
    for (;;) {
        for (uint64_t n = 0; n < per_tick; n++) {
            volatile uint64_t *word = (uint64_t *)(area + at * PAGE);

            if (*word != round - 1) {
                wrong++;
                printf("BATON-GUEST-ERROR page %llu holds round %llu, not %llu (%llu wrong)\n",
                       (unsigned long long)at, (unsigned long long)*word, (unsigned long long)round - 1,
                       (unsigned long long)wrong);
            }
            *word = round;
            at = (at + 1) % pages;
            round += at == 0;
        }
        wait_until(&next);
    }
}
