/* tests/qtest/hw/rtc/goldfish-rtc-test.c - goldfish_rtc: time and alarm.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "../../libqtest.h"

enum { RTC = 0x101000, TIME_LOW = RTC, TIME_HIGH = RTC + 4, ALARM_LOW = RTC + 8, ALARM_HIGH = RTC + 12,
       IRQ_ENABLED = RTC + 16, CLEAR_ALARM = RTC + 20, ALARM_STATUS = RTC + 24, CLEAR_INTERRUPT = RTC + 28, IRQ = 11 };

static uint64_t now(QTest *q)
{
    uint64_t low = qtest_readl(q, TIME_LOW);

    return low | (uint64_t)qtest_readl(q, TIME_HIGH) << 32;
}

static void set_alarm(QTest *q, uint64_t at)
{
    qtest_writel(q, ALARM_HIGH, at >> 32);
    qtest_writel(q, ALARM_LOW, at);
}

static void tells_the_time_and_can_be_set(void)
{
    QTest *q = qtest_start("-smp 1");
    uint64_t start = now(q), wall = g_get_real_time() * 1000;

    g_assert_cmpuint(wall - start, <, UINT64_C(120) * 1000000000);
    qtest_clock_step(q, 5000);
    g_assert_cmpuint(now(q) - start, ==, 5000);
    qtest_writel(q, TIME_HIGH, 0x1234);
    qtest_writel(q, TIME_LOW, 0x5678);
    g_assert_cmphex(now(q), ==, 0x123400005678);
    qtest_quit(q);
}

static void the_alarm_rings_once(void)
{
    QTest *q = qtest_start("-smp 1");

    qtest_intercept_in(q, "/machine/unattached/plic");
    qtest_writel(q, IRQ_ENABLED, 1);
    g_assert_cmpuint(qtest_readl(q, IRQ_ENABLED), ==, 1);
    set_alarm(q, now(q) + 1000);
    g_assert_cmpuint(qtest_readl(q, ALARM_STATUS), ==, 1);
    qtest_clock_step(q, 999);
    g_assert_false(qtest_irq(q, IRQ));
    qtest_clock_step(q, 1);
    g_assert_true(qtest_irq(q, IRQ));
    g_assert_cmpuint(qtest_readl(q, ALARM_STATUS), ==, 0);
    qtest_writel(q, CLEAR_INTERRUPT, 1);
    g_assert_false(qtest_irq(q, IRQ));
    set_alarm(q, now(q) + 1000);
    qtest_writel(q, CLEAR_ALARM, 1);
    qtest_clock_step(q, 2000);
    g_assert_false(qtest_irq(q, IRQ));
    set_alarm(q, now(q) - 1); /* in the past: at once */
    g_assert_true(qtest_irq(q, IRQ));
    g_assert_cmphex(qtest_readl(q, ALARM_LOW) | (uint64_t)qtest_readl(q, ALARM_HIGH) << 32, ==, now(q) - 1);
    qtest_quit(q);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/riscv64/goldfish-rtc/tells_the_time_and_can_be_set", tells_the_time_and_can_be_set);
    g_test_add_func("/riscv64/goldfish-rtc/the_alarm_rings_once", the_alarm_rings_once);
    return g_test_run();
}
