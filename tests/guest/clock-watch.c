/* tests/guest/clock-watch.c - watches the guest's clocks from every hart, and tells the time to whoever asks.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A thread per hart reads each clock again and again.  What any of them has read before is the least that a later reading
 * may show, on whatever hart.  PORT_CLOCK answers with the time and what was seen so far. */
#include "traffic.h"
#include <arpa/inet.h>
#include <endian.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BURST = 8, NAP_NS = 4000000 };

typedef enum { WATCH_MONOTONIC, WATCH_REALTIME, WATCH_CSR, WATCHES } Watch;

static _Atomic uint64_t latest[WATCHES], backward[WATCHES], forward[WATCHES], samples;

static uint64_t clock_ns(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static uint64_t read_clock(Watch w)
{
    uint64_t ticks;

    if (w != WATCH_CSR) {
        return clock_ns(w == WATCH_MONOTONIC ? CLOCK_MONOTONIC : CLOCK_REALTIME);
    }
    __asm__ volatile("rdtime %0" : "=r"(ticks)::"memory");
    return ticks * 100;
}

static void raise_to(_Atomic uint64_t *most, uint64_t value)
{
    uint64_t seen = atomic_load(most);

    while (value > seen && !atomic_compare_exchange_weak(most, &seen, value)) {
    }
}

static void sample(Watch w)
{
    uint64_t before = atomic_load(&latest[w]), now;

    atomic_thread_fence(memory_order_seq_cst);
    now = read_clock(w);
    if (before && now < before) {
        raise_to(&backward[w], before - now);
    } else if (before) {
        raise_to(&forward[w], now - before);
    }
    raise_to(&latest[w], now);
}

static void *watch_hart(void *arg)
{
    struct timespec nap = { 0, NAP_NS };
    cpu_set_t hart;

    CPU_ZERO(&hart);
    CPU_SET((int)(intptr_t)arg, &hart);
    sched_setaffinity(0, sizeof(hart), &hart);
    for (;;) {
        for (int i = 0; i < BURST; i++) {
            for (Watch w = 0; w < WATCHES; w++) {
                sample(w);
            }
        }
        atomic_fetch_add(&samples, BURST);
        clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, NULL);
    }
    return NULL;
}

static uint64_t most_of(_Atomic uint64_t *steps)
{
    uint64_t most = 0;

    for (Watch w = 0; w < WATCHES; w++) {
        most = atomic_load(&steps[w]) > most ? atomic_load(&steps[w]) : most;
    }
    return most;
}

static void answer_forever(int fd)
{
    for (;;) {
        struct sockaddr_in from;
        socklen_t len = sizeof(from);
        ClockAnswer a;
        ssize_t got = recvfrom(fd, &a, sizeof(a), 0, (struct sockaddr *)&from, &len);

        if (got < (ssize_t)sizeof(a) || be32toh(a.magic) != TRAFFIC_MAGIC) {
            continue;
        }
        a.backward_ns = htobe64(most_of(backward));
        a.forward_ns = htobe64(most_of(forward));
        a.samples = htobe64(atomic_load(&samples));
        a.realtime_ns = htobe64(clock_ns(CLOCK_REALTIME));
        a.monotonic_ns = htobe64(clock_ns(CLOCK_MONOTONIC));
        if (sendto(fd, &a, sizeof(a), 0, (struct sockaddr *)&from, len) < 0) {
            perror("clock-watch");
        }
    }
}

int main(void)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(PORT_CLOCK) };
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), harts = sysconf(_SC_NPROCESSORS_ONLN);
    pthread_t thread;

    if (bind(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
        perror("BATON-GUEST-ERROR clock-watch");
        return 1;
    }
    for (int i = 0; i < harts; i++) {
        pthread_create(&thread, NULL, watch_hart, (void *)(intptr_t)i);
    }
    answer_forever(fd);
}
