/* tests/unit/util/memory-test.c - memory that is there before it is needed.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/memory.h"

#include <glib.h>
#include <sys/mman.h>
#include <sys/resource.h>

enum { PAGES = 64, SIZE = PAGES * MEMORY_TOUCH_STEP };

static uint8_t *map(void)
{
    uint8_t *m = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    g_assert_true(m != MAP_FAILED);
    return m;
}

static long faults(void)
{
    struct rusage used;

    getrusage(RUSAGE_THREAD, &used);
    return used.ru_minflt;
}

static long faults_of_writes(volatile uint8_t *m)
{
    long before = faults();

    for (unsigned i = 0; i < PAGES; i++) {
        m[i * MEMORY_TOUCH_STEP + 5] = 1;
    }
    return faults() - before;
}

/* Reading maps the kernel's page of zeroes: that is what the first write would still have to copy. */
static void a_write_to_touched_memory_is_no_fault(void)
{
    uint8_t *read = map(), *touched = map(), sum = 0;

    for (unsigned i = 0; i < PAGES; i++) {
        sum |= *(volatile uint8_t *)&read[i * MEMORY_TOUCH_STEP] | *(volatile uint8_t *)&touched[i * MEMORY_TOUCH_STEP];
    }
    memory_touch(touched, SIZE);
    g_assert_cmpuint(sum, ==, 0);
    g_assert_cmpint(faults_of_writes(read), >=, PAGES / 2);
    g_assert_cmpint(faults_of_writes(touched), <, PAGES / 2);
    munmap(read, SIZE);
    munmap(touched, SIZE);
}

static void what_is_touched_stays_as_it_is(void)
{
    uint8_t bytes[2 * MEMORY_TOUCH_STEP + 1];

    for (unsigned i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)(i * 7);
    }
    memory_touch(bytes, 0);
    memory_touch(bytes, sizeof(bytes));
    for (unsigned i = 0; i < sizeof(bytes); i++) {
        g_assert_cmpuint(bytes[i], ==, (uint8_t)(i * 7));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/memory/a_write_to_touched_memory_is_no_fault", a_write_to_touched_memory_is_no_fault);
    g_test_add_func("/memory/what_is_touched_stays_as_it_is", what_is_touched_stays_as_it_is);
    return g_test_run();
}
