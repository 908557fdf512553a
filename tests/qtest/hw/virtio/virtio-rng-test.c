/* tests/qtest/hw/virtio/virtio-rng-test.c - virtio-rng-device: bytes come, and no more than allowed.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

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

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/riscv64/virtio-rng/gives_bytes", "-device virtio-rng-device", gives_bytes);
    g_test_add_data_func("/riscv64/virtio-rng/gives_bytes_of_a_file",
                         "-object rng-random,id=r0,filename=/dev/urandom -device virtio-rng-device,rng=r0",
                         gives_bytes);
    g_test_add_func("/riscv64/virtio-rng/keeps_to_the_rate", keeps_to_the_rate);
    return g_test_run();
}
