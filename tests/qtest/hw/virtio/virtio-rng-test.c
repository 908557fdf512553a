/* tests/qtest/hw/virtio/virtio-rng-test.c - virtio-rng-device: bytes come, and no more than allowed.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../virtio-driver.h"

static void gives_bytes(const void *args)
{
    QTest *q = qtest_start("%s", (const char *)args);
    Driver d;
    uint8_t seen[64], zero[64] = {0};
    DriverBuffer b;
    uint32_t written;

    driver_start(&d, q, 7, 4, ~UINT64_C(0), 1);
    for (unsigned i = 0; i < 20; i++) { /* more than once around the ring */
        b = (DriverBuffer){driver_alloc(&d, 64), 64, true};
        driver_add(&d, 0, &b, 1, true);
        driver_wait(&d, 0, &written);
        g_assert_cmpuint(written, ==, 64);
        qtest_memread(q, b.at, seen, 64);
        g_assert_cmpint(memcmp(seen, zero, 64), !=, 0);
    }
    qtest_quit(q);
}

static void keeps_to_the_rate(void)
{
    QTest *q = qtest_start("-device virtio-rng-device,max-bytes=96,period=1000");
    Driver d;
    DriverBuffer b[2];
    uint32_t written;

    driver_start(&d, q, 7, 4, ~UINT64_C(0), 1);
    for (unsigned i = 0; i < 2; i++) {
        b[i] = (DriverBuffer){driver_alloc(&d, 64), 64, true};
        driver_add(&d, 0, &b[i], 1, true);
        driver_wait(&d, 0, &written);
        g_assert_cmpuint(written, ==, i ? 32 : 64);
    }
    driver_add(&d, 0, &b[0], 1, true);
    qtest_clock_step(q, 900 * 1000000);
    g_assert_false(driver_has_used(&d, 0));
    qtest_clock_step(q, 200 * 1000000);
    driver_wait(&d, 0, &written);
    g_assert_cmpuint(written, ==, 64);
    qtest_quit(q);
}

typedef struct Fifo {
    QTest *q;
    int fd; /* what is written here is random */
    Driver d[2];
} Fifo;

static Fifo start_on_fifo(void)
{
    g_autofree char *folder = g_dir_make_tmp("baton-rng-XXXXXX", NULL), *path = g_build_filename(folder, "r", NULL);
    Fifo f;

    g_assert_cmpint(mkfifo(path, 0600), ==, 0);
    f.fd = open(path, O_RDWR | O_CLOEXEC);
    f.q = qtest_start("-object rng-random,id=r0,filename=%s -device virtio-rng-device,rng=r0 -device virtio-rng-device,rng=r0",
                      path);
    driver_start(&f.d[0], f.q, 7, 4, ~UINT64_C(0), 1);
    driver_start(&f.d[1], f.q, 6, 4, ~UINT64_C(0), 1);
    unlink(path);
    rmdir(folder);
    return f;
}

static void ask(Driver *d, DriverBuffer *b)
{
    *b = (DriverBuffer){driver_alloc(d, 4), 4, true};
    driver_add(d, 0, b, 1, true);
    g_assert_false(driver_has_used(d, 0));
}

static void two_share_a_generator(void)
{
    Fifo f = start_on_fifo();
    DriverBuffer b[2];
    uint32_t written;

    for (unsigned i = 0; i < 2; i++) {
        ask(&f.d[i], &b[i]);
    }
    g_assert_cmpint(write(f.fd, "eightbyt", 8), ==, 8);
    for (unsigned i = 0; i < 2; i++) {
        driver_wait(&f.d[i], 0, &written);
        g_assert_cmpuint(written, ==, 4);
    }
    close(f.fd);
    qtest_quit(f.q);
}

static void a_generator_in_use_stays(void)
{
    Fifo f = start_on_fifo();
    g_autoptr(Json) answer = qtest_qmp(f.q, "{'execute': 'object-del', 'arguments': {'id': 'r0'}}");
    DriverBuffer b;
    uint32_t written;

    g_assert_nonnull(json_get(answer, "error"));
    ask(&f.d[0], &b);
    g_assert_cmpint(write(f.fd, "four", 4), ==, 4);
    driver_wait(&f.d[0], 0, &written);
    close(f.fd);
    qtest_quit(f.q);
}

/* A pipe nobody writes to has ended; that is no end for ever. */
static void a_file_that_ended_may_go_on(void)
{
    Fifo f = start_on_fifo();
    g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", f.fd);
    int reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    DriverBuffer b;
    uint32_t written;

    close(f.fd);
    ask(&f.d[0], &b);
    g_snprintf(path, strlen(path) + 1, "/proc/self/fd/%d", reader);
    f.fd = open(path, O_WRONLY | O_CLOEXEC);
    g_assert_cmpint(write(f.fd, "four", 4), ==, 4);
    driver_wait(&f.d[0], 0, &written);
    g_assert_cmpuint(written, ==, 4);
    close(f.fd);
    close(reader);
    qtest_quit(f.q);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/riscv64/virtio-rng/gives_bytes", "-device virtio-rng-device", gives_bytes);
    g_test_add_data_func("/riscv64/virtio-rng/gives_bytes_of_a_file",
                         "-object rng-random,id=r0,filename=/dev/urandom -device virtio-rng-device,rng=r0",
                         gives_bytes);
    g_test_add_func("/riscv64/virtio-rng/keeps_to_the_rate", keeps_to_the_rate);
    g_test_add_func("/riscv64/virtio-rng/two_share_a_generator", two_share_a_generator);
    g_test_add_func("/riscv64/virtio-rng/a_generator_in_use_stays", a_generator_in_use_stays);
    g_test_add_func("/riscv64/virtio-rng/a_file_that_ended_may_go_on", a_file_that_ended_may_go_on);
    return g_test_run();
}
