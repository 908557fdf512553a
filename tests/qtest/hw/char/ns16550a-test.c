/* tests/qtest/hw/char/ns16550a-test.c - ns16550a: FIFOs, interrupts by priority, loopback, back-pressure.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../libqtest.h"

enum { UART = 0x10000000, RBR = UART, IER = UART + 1, IIR = UART + 2, LCR = UART + 3, MCR = UART + 4, LSR = UART + 5,
       MSR = UART + 6, SCR = UART + 7, IRQ = 10 };

typedef struct Serial {
    QTest *q;
    int fd;
} Serial;

static Serial start(void)
{
    g_autofree char *dir = g_dir_make_tmp("baton-uart-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "s", NULL);
    int listener = qtest_listen(path);
    Serial s;

    s.q = qtest_start("-serial unix:%s", path);
    s.fd = qtest_accept(listener);
    unlink(path);
    rmdir(dir);
    qtest_intercept_in(s.q, "/machine/unattached/plic");
    return s;
}

static void stop(Serial s)
{
    close(s.fd);
    qtest_quit(s.q);
}

/* The program reads its end in its own time; a QMP command is a turn of its loop. */
static void send_bytes(Serial s, const char *text)
{
    g_assert_cmpint(send(s.fd, text, strlen(text), MSG_NOSIGNAL), ==, strlen(text));
}

static void wait_ready(Serial s)
{
    while (!(qtest_readb(s.q, LSR) & 1)) {
    }
}

static void bytes_leave_and_arrive_in_order(void)
{
    Serial s = start();
    char text[6] = "";

    qtest_writeb(s.q, IIR, 1); /* FIFOs on */
    g_assert_cmphex(qtest_readb(s.q, IIR), ==, 0xc1);
    for (const char *c = "hello"; *c; c++) {
        qtest_writeb(s.q, RBR, *c);
        g_assert_cmphex(qtest_readb(s.q, LSR) & 0x60, ==, 0x60);
    }
    qtest_read_fd(s.fd, text, 5);
    g_assert_cmpstr(text, ==, "hello");
    send_bytes(s, "world, and more than the 16 bytes of the FIFO");
    for (const char *c = "world, and more than the 16 bytes of the FIFO"; *c; c++) {
        wait_ready(s);
        g_assert_cmpint(qtest_readb(s.q, RBR), ==, *c);
    }
    g_assert_cmphex(qtest_readb(s.q, LSR) & 3, ==, 0); /* empty, and no overrun */
    stop(s);
}

static void interrupts_come_by_priority(void)
{
    Serial s = start();

    qtest_writeb(s.q, IIR, 1 | 0x40); /* trigger at 4 */
    qtest_writeb(s.q, IER, 3);
    g_assert_true(qtest_irq(s.q, IRQ));              /* transmitter is empty */
    g_assert_cmphex(qtest_readb(s.q, IIR), ==, 0xc2);
    g_assert_false(qtest_irq(s.q, IRQ));             /* reading it cleared it */
    send_bytes(s, "ab");
    wait_ready(s);
    while ((qtest_readb(s.q, IIR) & 0xf) == 1) {     /* below the trigger: after four characters of silence */
        qtest_clock_step(s.q, 10000000);
    }
    g_assert_cmphex(qtest_readb(s.q, IIR), ==, 0xcc);
    send_bytes(s, "cd");
    while (qtest_readb(s.q, IIR) != 0xc4) {
    }
    g_assert_true(qtest_irq(s.q, IRQ));
    for (const char *c = "abcd"; *c; c++) {
        g_assert_cmpint(qtest_readb(s.q, RBR), ==, *c);
    }
    g_assert_cmphex(qtest_readb(s.q, IIR), ==, 0xc1);
    g_assert_false(qtest_irq(s.q, IRQ));
    stop(s);
}

static void divisor_scratch_and_line_registers_are_kept(void)
{
    QTest *q = qtest_start("-serial null");

    qtest_writeb(q, LCR, 0x83);
    qtest_writeb(q, RBR, 0x34);
    qtest_writeb(q, IER, 0x12);
    g_assert_cmphex(qtest_readb(q, RBR), ==, 0x34);
    g_assert_cmphex(qtest_readb(q, IER), ==, 0x12);
    qtest_writeb(q, LCR, 0x03);
    g_assert_cmphex(qtest_readb(q, LCR), ==, 0x03);
    g_assert_cmphex(qtest_readb(q, IER), ==, 0);
    qtest_writeb(q, SCR, 0x5a);
    g_assert_cmphex(qtest_readb(q, SCR), ==, 0x5a);
    qtest_quit(q);
}

static void loopback_returns_bytes_and_modem_lines(void)
{
    QTest *q = qtest_start("-serial null");

    g_assert_cmphex(qtest_readb(q, MSR) & 0xf0, ==, 0xb0);
    qtest_writeb(q, IIR, 1);
    qtest_writeb(q, MCR, 0x10 | 0x0a); /* loop, RTS, OUT2 */
    g_assert_cmphex(qtest_readb(q, MSR) & 0xf0, ==, 0x90);
    for (unsigned i = 0; i < 17; i++) {
        qtest_writeb(q, RBR, 'a' + i);
    }
    g_assert_cmphex(qtest_readb(q, LSR) & 3, ==, 3); /* the 17th was one too many */
    for (unsigned i = 0; i < 16; i++) {
        g_assert_cmpint(qtest_readb(q, RBR), ==, 'a' + i);
    }
    g_assert_cmphex(qtest_readb(q, LSR) & 3, ==, 0);
    qtest_quit(q);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/riscv64/ns16550a/bytes_leave_and_arrive_in_order", bytes_leave_and_arrive_in_order);
    g_test_add_func("/riscv64/ns16550a/interrupts_come_by_priority", interrupts_come_by_priority);
    g_test_add_func("/riscv64/ns16550a/divisor_scratch_and_line_registers_are_kept",
                    divisor_scratch_and_line_registers_are_kept);
    g_test_add_func("/riscv64/ns16550a/loopback_returns_bytes_and_modem_lines",
                    loopback_returns_bytes_and_modem_lines);
    return g_test_run();
}
