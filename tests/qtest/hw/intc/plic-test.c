/* tests/qtest/hw/intc/plic-test.c - riscv.plic: priorities, thresholds, claims and completions.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "../../libqtest.h"

enum { PLIC = 0xc000000, PENDING = PLIC + 0x1000, ENABLE = PLIC + 0x2000, THRESHOLD = PLIC + 0x200000,
       CLAIM = PLIC + 0x200004, UART = 0x10000000 };

static void set_line(QTest *q, unsigned n, bool level)
{
    g_free(qtest_ask(q, "set_irq_in /machine/unattached/plic unnamed-gpio-in %u %d", n, level));
}

static void enable(QTest *q, unsigned context, unsigned n)
{
    uint64_t at = ENABLE + 0x80 * context + n / 32 * 4;

    qtest_writel(q, at, qtest_readl(q, at) | 1u << n % 32);
}

static void registers_keep_what_they_can(void)
{
    QTest *q = qtest_start("-smp 2");

    qtest_writel(q, PLIC + 4 * 5, 0xffffffff);
    g_assert_cmpuint(qtest_readl(q, PLIC + 4 * 5), ==, 7);
    qtest_writel(q, PLIC, 3); /* interrupt 0 does not exist */
    g_assert_cmpuint(qtest_readl(q, PLIC), ==, 0);
    qtest_writel(q, ENABLE, 0xffffffff);
    g_assert_cmphex(qtest_readl(q, ENABLE), ==, 0xfffffffe);
    qtest_writel(q, ENABLE + 0x80 * 3 + 8, 0xffffffff); /* sources 64..95, hart 1 S */
    g_assert_cmphex(qtest_readl(q, ENABLE + 0x80 * 3 + 8), ==, 0xffffffff);
    qtest_writel(q, ENABLE + 12, 0xffffffff);           /* sources from 96 on are not there */
    g_assert_cmphex(qtest_readl(q, ENABLE + 12), ==, 0);
    qtest_writel(q, THRESHOLD + 0x1000, 0xff);
    g_assert_cmpuint(qtest_readl(q, THRESHOLD + 0x1000), ==, 7);
    qtest_writel(q, THRESHOLD + 0x1000 * 4, 1);         /* no third hart */
    g_assert_cmpuint(qtest_readl(q, THRESHOLD + 0x1000 * 4), ==, 0);
    qtest_quit(q);
}

static void claims_go_by_priority_then_by_number(void)
{
    QTest *q = qtest_start("-smp 1");
    static const struct {
        unsigned n, priority;
    } lines[] = {{40, 2}, {33, 5}, {70, 5}, {3, 1}};
    static const unsigned order[] = {33, 70, 40, 3, 0};

    for (unsigned i = 0; i < G_N_ELEMENTS(lines); i++) {
        qtest_writel(q, PLIC + 4 * lines[i].n, lines[i].priority);
        enable(q, 1, lines[i].n);
        set_line(q, lines[i].n, true);
    }
    g_assert_cmphex(qtest_readl(q, PENDING + 4), ==, 1u << 8 | 1u << 1);
    for (unsigned i = 0; i < G_N_ELEMENTS(order); i++) {
        g_assert_cmpuint(qtest_readl(q, CLAIM + 0x1000), ==, order[i]);
    }
    g_assert_cmpuint(qtest_readl(q, CLAIM), ==, 0); /* M mode has none enabled */
    qtest_quit(q);
}

static void a_level_that_stays_high_comes_again_after_completion(void)
{
    QTest *q = qtest_start("-smp 1");

    qtest_writel(q, PLIC + 4 * 9, 1);
    enable(q, 0, 9);
    set_line(q, 9, true);
    g_assert_cmpuint(qtest_readl(q, CLAIM), ==, 9);
    g_assert_cmpuint(qtest_readl(q, CLAIM), ==, 0);
    g_assert_cmpuint(qtest_readl(q, PENDING), ==, 0);
    qtest_writel(q, CLAIM + 0x1000, 9); /* S mode has not enabled it: ignored */
    g_assert_cmpuint(qtest_readl(q, PENDING), ==, 0);
    qtest_writel(q, CLAIM, 9);
    g_assert_cmphex(qtest_readl(q, PENDING), ==, 1 << 9);
    g_assert_cmpuint(qtest_readl(q, CLAIM), ==, 9);
    set_line(q, 9, false);
    qtest_writel(q, CLAIM, 9);
    g_assert_cmpuint(qtest_readl(q, PENDING), ==, 0);
    qtest_quit(q);
}

static void a_reset_forgets_everything(void)
{
    QTest *q = qtest_start("-smp 1");

    qtest_writel(q, PLIC + 4 * 9, 1);
    enable(q, 0, 9);
    qtest_writel(q, THRESHOLD, 3);
    json_unref(qtest_qmp_ok(q, "{'execute': 'system_reset'}"));
    json_unref(qtest_event(q, "RESET"));
    g_assert_cmpuint(qtest_readl(q, PLIC + 4 * 9), ==, 0);
    g_assert_cmpuint(qtest_readl(q, ENABLE), ==, 0);
    g_assert_cmpuint(qtest_readl(q, THRESHOLD), ==, 0);
    qtest_quit(q);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/riscv64/plic/registers_keep_what_they_can", registers_keep_what_they_can);
    g_test_add_func("/riscv64/plic/claims_go_by_priority_then_by_number", claims_go_by_priority_then_by_number);
    g_test_add_func("/riscv64/plic/a_level_that_stays_high_comes_again_after_completion",
                    a_level_that_stays_high_comes_again_after_completion);
    g_test_add_func("/riscv64/plic/a_reset_forgets_everything", a_reset_forgets_everything);
    return g_test_run();
}
