/* tests/qtest/hw/virtio/virtio-mmio-test.c - virtio-mmio: negotiation, queue registers, broken rings.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "../../virtio-driver.h"

enum { SLOT = 0x10008000 };

static void features_that_were_not_offered_are_refused(void)
{
    QTest *q = qtest_start("-device virtio-rng-device");

    qtest_writel(q, SLOT + REG_STATUS, 1);
    qtest_writel(q, SLOT + REG_STATUS, 3);
    qtest_writel(q, SLOT + REG_DRIVER_SEL, 0);
    qtest_writel(q, SLOT + REG_DRIVER, 1);
    qtest_writel(q, SLOT + REG_DRIVER_SEL, 1);
    qtest_writel(q, SLOT + REG_DRIVER, 1);
    qtest_writel(q, SLOT + REG_STATUS, 11);
    g_assert_cmpuint(qtest_readl(q, SLOT + REG_STATUS), ==, 3);
    qtest_writel(q, SLOT + REG_DRIVER_SEL, 0);
    qtest_writel(q, SLOT + REG_DRIVER, 0);
    qtest_writel(q, SLOT + REG_STATUS, 11);
    g_assert_cmpuint(qtest_readl(q, SLOT + REG_STATUS), ==, 11);
    qtest_quit(q);
}

static void queue_registers_are_checked(void)
{
    QTest *q = qtest_start("-device virtio-rng-device");

    qtest_writel(q, SLOT + REG_QUEUE_SEL, 1);
    g_assert_cmpuint(qtest_readl(q, SLOT + REG_QUEUE_MAX), ==, 0); /* there is one queue */
    qtest_writel(q, SLOT + REG_QUEUE_SEL, 0);
    g_assert_cmpuint(qtest_readl(q, SLOT + REG_QUEUE_MAX), ==, 8);
    qtest_writel(q, SLOT + REG_QUEUE_NUM, 7);
    qtest_writel(q, SLOT + REG_QUEUE_NUM, 16);
    qtest_writel(q, SLOT + REG_DESC, 0x1001); /* not in memory, not aligned */
    qtest_writel(q, SLOT + REG_QUEUE_READY, 1);
    g_assert_cmpuint(qtest_readl(q, SLOT + REG_QUEUE_READY), ==, 0);
    g_assert_cmpuint(qtest_readl(q, SLOT + REG_STATUS) & 64, ==, 64);
    qtest_writel(q, SLOT + REG_STATUS, 0);
    g_assert_cmpuint(qtest_readl(q, SLOT + REG_STATUS), ==, 0);
    qtest_writel(q, SLOT + REG_NOTIFY, 77); /* said in the guest log, nothing else */
    qtest_quit(q);
}

static void a_broken_ring_needs_a_reset_and_works_after_it(void)
{
    QTest *q = qtest_start("-device virtio-rng-device");
    Driver d;
    DriverBuffer bad = {0x40000000, 16, true}, good;

    driver_start(&d, q, 7, 4, 0, 1);
    driver_add(&d, 0, &bad, 1, true);
    g_assert_cmpuint(driver_status(&d) & 64, ==, 64);
    g_assert_true(qtest_irq(q, d.irq));
    g_assert_cmpuint(driver_ack(&d) & 2, ==, 2);
    g_assert_false(qtest_irq(q, d.irq));
    driver_restart(&d, 0, 1);
    good = (DriverBuffer){driver_alloc(&d, 16), 16, true};
    driver_add(&d, 0, &good, 1, true);
    driver_wait(&d, 0, NULL);
    qtest_quit(q);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/riscv64/virtio-mmio/features_that_were_not_offered_are_refused",
                    features_that_were_not_offered_are_refused);
    g_test_add_func("/riscv64/virtio-mmio/queue_registers_are_checked", queue_registers_are_checked);
    g_test_add_func("/riscv64/virtio-mmio/a_broken_ring_needs_a_reset_and_works_after_it",
                    a_broken_ring_needs_a_reset_and_works_after_it);
    return g_test_run();
}
