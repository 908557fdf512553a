/* tests/guest/holder.c - fills so many MiB with data that does not compress, and keeps them.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "traffic.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    uint64_t mib = argc > 1 ? strtoull(argv[1], NULL, 0) : 64, words = mib << 17;
    uint64_t *p = mmap(NULL, mib << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint64_t x = 88172645463325252ULL;

    if (p == MAP_FAILED) {
        perror("holder");
        return 1;
    }
    for (uint64_t i = 0; i < words; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        p[i] = x;
    }
    printf("BATON-GUEST-HOLDS %llu MiB\n", (unsigned long long)mib);
    for (;;) {
        pause();
    }
}
