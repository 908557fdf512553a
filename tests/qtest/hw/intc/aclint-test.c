/* tests/qtest/hw/intc/aclint-test.c - riscv.aclint: time, compare values, software interrupts.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "../../libqtest.h"

enum { ACLINT = 0x2000000, MTIMECMP = ACLINT + 0x4000, MTIME = ACLINT + 0xbff8 };

static void mtime_follows_the_clock(void)
{
    QTest *q = qtest_start("-smp 1");
    uint64_t before = qtest_readq(q, MTIME);

    qtest_clock_step(q, 1000000000);
    g_assert_cmpuint(qtest_readq(q, MTIME) - before, ==, 10000000); /* 10 MHz */
    g_assert_cmpuint(qtest_readl(q, MTIME), ==, (uint32_t)(before + 10000000));
    qtest_writeq(q, MTIME, 0x123456789);
    g_assert_cmphex(qtest_readq(q, MTIME), ==, 0x123456789);
    g_assert_cmphex(qtest_readl(q, MTIME + 4), ==, 1);
    qtest_writel(q, MTIME + 4, 5);
    g_assert_cmphex(qtest_readq(q, MTIME), ==, 0x523456789);
    qtest_clock_step(q, 300);
    g_assert_cmphex(qtest_readq(q, MTIME), ==, 0x523456789 + 3);
    qtest_quit(q);
}

/* The timer that the compare value arms is the next thing on the clock. */
static void the_compare_value_arms_a_timer(void)
{
    QTest *q = qtest_start("-smp 2");
    uint64_t now = qtest_readq(q, MTIME);

    g_assert_cmphex(qtest_readq(q, MTIMECMP), ==, UINT64_MAX);
    qtest_writeq(q, MTIMECMP + 8, now + 1000);
    g_assert_cmpuint(qtest_readq(q, MTIMECMP + 8), ==, now + 1000);
    qtest_clock_step_next(q);
    g_assert_cmpuint(qtest_readq(q, MTIME), ==, now + 1000);
    qtest_writel(q, MTIMECMP, 7);
    qtest_writel(q, MTIMECMP + 4, 0x100);
    g_assert_cmphex(qtest_readq(q, MTIMECMP), ==, 0x10000000007);
    qtest_quit(q);
}

static void msip_keeps_one_bit(void)
{
    QTest *q = qtest_start("-smp 2");

    for (unsigned i = 0; i < 2; i++) {
        qtest_writel(q, ACLINT + 4 * i, 0xffffffff);
        g_assert_cmpuint(qtest_readl(q, ACLINT + 4 * i), ==, 1);
        qtest_writel(q, ACLINT + 4 * i, 0);
        g_assert_cmpuint(qtest_readl(q, ACLINT + 4 * i), ==, 0);
    }
    qtest_writel(q, ACLINT + 8, 1); /* there is no third hart */
    g_assert_cmpuint(qtest_readl(q, ACLINT + 8), ==, 0);
    qtest_quit(q);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/riscv64/aclint/mtime_follows_the_clock", mtime_follows_the_clock);
    g_test_add_func("/riscv64/aclint/the_compare_value_arms_a_timer", the_compare_value_arms_a_timer);
    g_test_add_func("/riscv64/aclint/msip_keeps_one_bit", msip_keeps_one_bit);
    return g_test_run();
}
