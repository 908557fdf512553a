/* tests/qtest/libqtest.h - starts the real program without harts and drives its devices over the qtest socket.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The test listens, the program connects.  Whatever is not answered within the deadline (60 s, times $BATON_PATIENCE)
 * fails the test; so does a program that ends with another code than 0. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "qapi/json.h"

typedef struct QTest QTest;

/* Arguments beside those of the harness, a shell's line: "-device virtio-rng-device". */
QTest *qtest_start(const char *fmt, ...) G_GNUC_PRINTF(1, 2);
void qtest_quit(QTest *q); /* SIGTERM; asserts a clean end */
/* The program ends by itself: waits for it, returns its exit code, and frees. */
int qtest_wait_exit(QTest *q);

/* ---- memory and registers ---- */
uint8_t qtest_readb(QTest *q, uint64_t at);
uint16_t qtest_readw(QTest *q, uint64_t at);
uint32_t qtest_readl(QTest *q, uint64_t at);
uint64_t qtest_readq(QTest *q, uint64_t at);
void qtest_writeb(QTest *q, uint64_t at, uint8_t v);
void qtest_writew(QTest *q, uint64_t at, uint16_t v);
void qtest_writel(QTest *q, uint64_t at, uint32_t v);
void qtest_writeq(QTest *q, uint64_t at, uint64_t v);
void qtest_memread(QTest *q, uint64_t at, void *to, size_t size);
void qtest_memwrite(QTest *q, uint64_t at, const void *from, size_t size);
void qtest_memset(QTest *q, uint64_t at, uint8_t v, size_t size);

/* ---- clock and interrupts ---- */
int64_t qtest_clock_step(QTest *q, int64_t ns);
int64_t qtest_clock_step_next(QTest *q); /* to the next timer */
void qtest_intercept_in(QTest *q, const char *path);
bool qtest_irq(QTest *q, unsigned n);    /* level of an intercepted line, as of the last answer */
/* Lets the program's main loop work until line n has this level. */
void qtest_wait_irq(QTest *q, unsigned n, bool level);

/* ---- QMP ---- */
Json *qtest_qmp(QTest *q, const char *fmt, ...) G_GNUC_PRINTF(2, 3); /* the whole answer; caller frees */
Json *qtest_qmp_ok(QTest *q, const char *fmt, ...) G_GNUC_PRINTF(2, 3); /* its "return"; caller frees */
Json *qtest_event(QTest *q, const char *name); /* waits for it; others before it are dropped; caller frees */

/* A raw request and its answer without "OK "; fails the test unless the answer is OK. */
char *qtest_ask(QTest *q, const char *fmt, ...) G_GNUC_PRINTF(2, 3);
int qtest_pid(QTest *q);
const char *qtest_dir(QTest *q); /* for the test's own sockets and files; removed at the end */

/* A unix socket on which the program connects; returns the accepted connection. */
int qtest_listen(const char *path);
int qtest_accept(int listener);
/* Reads until `size` bytes are there, under the deadline. */
void qtest_read_fd(int fd, void *to, size_t size);
