/* tests/fuzz/replay.h - a fuzz target as an ordinary test: without libFuzzer it runs its corpus and made-up inputs.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * FUZZ_MAIN(name, make_seed, seeds, rounds) gives a main() that speaks TAP and runs
 *   - every file of the folder BATON_CORPUS (tests/data/fuzz/NAME): what fuzzing found, and small inputs that reach far;
 *   - every seed, and `rounds` copies of each with a few bytes changed.
 * `./configure --fuzz` builds with -DFUZZING instead: libFuzzer's main(); BATON_SEEDS=DIR has it write the seeds there. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Thousands of true warnings say nothing.  glibc's stderr is a variable; libFuzzer and the sanitizers keep the real one. */
static inline void fuzz_hush(void)
{
    static FILE *nowhere;

    if (!nowhere && !g_getenv("BATON_FUZZ_TALK")) {
        nowhere = fopen("/dev/null", "w");
        g_assert_nonnull(nowhere);
        stderr = nowhere;
    }
}

/* A decoder says yes, or no and why. */
static inline void fuzz_verdict(bool ok, GError *take)
{
    g_assert_true(ok == !take);
    if (take) {
        g_assert_cmpuint(strlen(take->message), >, 5);
        if (g_getenv("BATON_FUZZ_TALK")) {
            fprintf(stderr, "%s\n", take->message);
        }
        g_error_free(take);
    }
}

#ifdef FUZZING
int LLVMFuzzerInitialize(int *argc, char ***argv);

#define FUZZ_MAIN(name, make_seed, seeds, rounds)                                                  \
    int LLVMFuzzerInitialize(int *argc, char ***argv)                                              \
    {                                                                                              \
        const char *dir_ = g_getenv("BATON_SEEDS");                                                \
                                                                                                   \
        for (unsigned i_ = 0; dir_ && i_ < (seeds); i_++) {                                        \
            g_autoptr(GByteArray) seed_ = make_seed(i_);                                           \
            g_autofree char *path_ = g_strdup_printf("%s/seed-%02u", dir_, i_);                    \
                                                                                                   \
            g_assert_true(g_file_set_contents(path_, (const char *)seed_->data, seed_->len, NULL)); \
        }                                                                                          \
        if (dir_) {                                                                                \
            exit(0);                                                                               \
        }                                                                                          \
        return 0;                                                                                  \
    }
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

static inline int fuzz_by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Each file of the corpus once, by name.  A folder that is missing or empty is a mistake of the build, not luck. */
static inline void fuzz_corpus(void)
{
    const char *dir = g_getenv("BATON_CORPUS"), *name;
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    GDir *d;

    if (!dir) {
        g_test_skip("BATON_CORPUS is not set: meson test sets it");
        return;
    }
    d = g_dir_open(dir, 0, NULL);
    g_assert_nonnull(d);
    while ((name = g_dir_read_name(d))) {
        g_ptr_array_add(names, g_build_filename(dir, name, NULL));
    }
    g_dir_close(d);
    g_ptr_array_sort(names, fuzz_by_name);
    g_assert_cmpuint(names->len, >, 0);
    for (unsigned i = 0; i < names->len; i++) {
        g_autofree char *data = NULL;
        size_t size;

        g_test_message("%s", (char *)names->pdata[i]);
        g_assert_true(g_file_get_contents(names->pdata[i], &data, &size, NULL));
        LLVMFuzzerTestOneInput((const uint8_t *)data, size);
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
        g_test_add_func("/fuzz/" name "/corpus_does_no_harm", fuzz_corpus);                        \
        g_test_add_func("/fuzz/" name "/replays_without_harm", replays_without_harm);              \
        return g_test_run();                                                                       \
    }
#endif
