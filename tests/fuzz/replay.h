/* tests/fuzz/replay.h - a fuzz target as an ordinary test: without libFuzzer it runs its corpus and made-up inputs.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Build with -DFUZZING and -fsanitize=fuzzer to fuzz; else FUZZ_MAIN gives a main() that speaks TAP. */
#pragma once

#include <glib.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#ifdef FUZZING
#define FUZZ_MAIN(name, make_seed, seeds, rounds)
#else
/* Mostly a byte that means something: zeroes are seldom it. */
static inline size_t fuzz_place(const uint8_t *data, size_t size, GRand *rand)
{
    size_t at = g_rand_int_range(rand, 0, size);

    for (unsigned tries = 0; tries < 256 && data[at] == 0; tries++) {
        at = g_rand_int_range(rand, 0, size);
    }
    return at;
}

/* Each seed as it is, then `rounds` copies of it with a few bytes changed, from a fixed random sequence. */
static inline void fuzz_replay(const uint8_t *seed, size_t size, unsigned rounds)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(size);
    g_autofree uint8_t *copy = g_malloc(MAX(size, 1));

    LLVMFuzzerTestOneInput(seed, size);
    for (unsigned i = 0; i < rounds; i++) {
        memcpy(copy, seed, size);
        for (unsigned n = g_rand_int_range(rand, 1, 8); size && n; n--) {
            copy[fuzz_place(copy, size, rand)] = g_rand_int(rand);
        }
        LLVMFuzzerTestOneInput(copy, i % 4 || !size ? size : g_rand_int_range(rand, 0, size + 1));
    }
}

#define FUZZ_MAIN(name, make_seed, seeds, rounds)                                                  \
    static void replays_without_harm(void)                                                         \
    {                                                                                              \
        for (unsigned i_ = 0; i_ < (seeds); i_++) {                                                \
            g_autoptr(GByteArray) seed_ = make_seed(i_);                                           \
                                                                                                   \
            fuzz_replay(seed_->data, seed_->len, rounds);                                          \
        }                                                                                          \
    }                                                                                              \
    int main(int argc, char **argv)                                                                \
    {                                                                                              \
        g_test_init(&argc, &argv, NULL);                                                           \
        g_test_add_func("/fuzz/" name "/replays_without_harm", replays_without_harm);              \
        return g_test_run();                                                                       \
    }
#endif
