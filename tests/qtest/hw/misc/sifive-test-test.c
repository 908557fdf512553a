/* tests/qtest/hw/misc/sifive-test-test.c - riscv.sifive.test: the guest ends and restarts the machine.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "../../libqtest.h"

enum { FINISHER = 0x100000 };

static void tell(QTest *q, uint32_t value)
{
    g_autofree char *answer = qtest_ask(q, "writel 0x%x 0x%x", FINISHER, value);
}

static void pass_ends_with_success(void)
{
    QTest *q = qtest_start("-smp 1");

    tell(q, 0x5555);
    json_unref(qtest_event(q, "SHUTDOWN"));
    g_assert_cmpint(qtest_wait_exit(q), ==, 0);
}

static void fail_ends_with_the_guests_code(void)
{
    QTest *q = qtest_start("-smp 1");

    tell(q, 42 << 16 | 0x3333);
    json_unref(qtest_event(q, "SHUTDOWN"));
    g_assert_cmpint(qtest_wait_exit(q), ==, 42);
}

static void reset_restarts(void)
{
    QTest *q = qtest_start("-smp 1");

    tell(q, 0x7777);
    json_unref(qtest_event(q, "RESET"));
    tell(q, 0x1234); /* means nothing */
    qtest_quit(q);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/riscv64/sifive-test/pass_ends_with_success", pass_ends_with_success);
    g_test_add_func("/riscv64/sifive-test/fail_ends_with_the_guests_code", fail_ends_with_the_guests_code);
    g_test_add_func("/riscv64/sifive-test/reset_restarts", reset_restarts);
    return g_test_run();
}
