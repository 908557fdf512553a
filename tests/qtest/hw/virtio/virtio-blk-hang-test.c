/* tests/qtest/hw/virtio/virtio-blk-hang-test.c - a disk that hangs: it holds up nobody else, and lies to no guest.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "../../hang.h"
#include "util/loop.h"

enum { PROMPT_MS = 400 }; /* 1 ms on an idle host; seconds for who waits for the disk */

static void assert_all(Driver *d, uint64_t at, uint8_t value)
{
    uint8_t data[HANG_SECTOR];

    qtest_memread(d->q, at, data, HANG_SECTOR);
    for (unsigned i = 0; i < HANG_SECTOR; i++) {
        g_assert_cmphex(data[i], ==, value);
    }
}

static void assert_prompt(int64_t began_ns, const char *what)
{
    const char *patience = g_getenv("BATON_PATIENCE");
    int64_t ms = (time_monotonic_ns() - began_ns) / NS_PER_MS;

    g_test_message("%s: %d ms", what, (int)ms);
    g_assert_cmpint(ms, <=, PROMPT_MS * (patience ? MAX(atoi(patience), 1) : 1));
}

static void qmp_answers(Driver *d)
{
    int64_t began = time_monotonic_ns();

    json_unref(qtest_qmp_ok(d->q, "{'execute': 'query-status'}"));
    assert_prompt(began, "query-status");
    began = time_monotonic_ns();
    json_unref(qtest_qmp_ok(d->q, "{'execute': 'query-block'}"));
    assert_prompt(began, "query-block");
}

/* Four of them, so that no worker is left. */
static void a_reset_does_not_wait(gconstpointer what)
{
    Hang h = hang_start("", "");
    int64_t began;
    HangRequest r;

    hang_all(&h);
    for (unsigned i = 0; i < 2; i++) { /* the ring has room for two */
        hang_submit(&h.d, GPOINTER_TO_UINT(what), i, 1);
        hang_wait(&h);
    }
    qmp_answers(&h.d);
    began = time_monotonic_ns();
    qtest_writel(h.d.q, h.d.base + REG_STATUS, 0);
    assert_prompt(began, "the guest's reset");
    qmp_answers(&h.d);
    driver_restart(&h.d, ~UINT64_C(0), 1);
    r = hang_submit(&h.d, HANG_OUT, 9, 9);
    began = time_monotonic_ns();
    json_unref(qtest_qmp_ok(h.d.q, "{'execute': 'system_reset'}"));
    json_unref(qtest_event(h.d.q, "RESET"));
    assert_prompt(began, "system_reset");
    qmp_answers(&h.d);
    hang_end(&h);
    driver_restart(&h.d, ~UINT64_C(0), 1);
    r = hang_submit(&h.d, HANG_IN, 9, 1);
    hang_complete(&h.d, r);
    assert_all(&h.d, r.data, 0); /* the write had not begun when it was revoked */
    hang_stop(&h);
}

static void memory_is_the_guests_after_a_reset(void)
{
    Hang h = hang_start("", "");
    HangRequest old, new;

    hang_all(&h);
    old = hang_submit(&h.d, HANG_IN, 0, 1);
    hang_wait(&h);
    qtest_writel(h.d.q, h.d.base + REG_STATUS, 0);
    qtest_memset(h.d.q, old.data, 0x77, HANG_SECTOR);
    qtest_memset(h.d.q, old.status, 0x77, 1);
    hang_end(&h);
    driver_restart(&h.d, ~UINT64_C(0), 1);
    new = hang_submit(&h.d, HANG_IN, 0, 1);
    hang_complete(&h.d, new); /* it began when the old one was over */
    assert_all(&h.d, new.data, 0);
    assert_all(&h.d, old.data, 0x77);
    g_assert_cmphex(qtest_readb(h.d.q, old.status), ==, 0x77);
    hang_stop(&h);
}

static void an_old_write_never_comes_behind_a_new_one(void)
{
    Hang h = hang_start("", "");
    g_autofree char *file = NULL;
    HangRequest old, new, flush;

    hang_all(&h);
    old = hang_submit(&h.d, HANG_OUT, 5, 0xaa);
    hang_wait(&h);
    qtest_writel(h.d.q, h.d.base + REG_STATUS, 0);
    qtest_memset(h.d.q, old.data, 0x77, HANG_SECTOR); /* nor does what the memory holds by now get to the disk */
    driver_restart(&h.d, ~UINT64_C(0), 1);
    hang_submit(&h.d, HANG_OUT, 6, 0xcc);
    qtest_writel(h.d.q, h.d.base + REG_STATUS, 0); /* this one waits, and is given up as well */
    driver_restart(&h.d, ~UINT64_C(0), 1);
    new = hang_submit(&h.d, HANG_OUT, 5, 0xbb);
    flush = hang_submit(&h.d, HANG_FLUSH, 0, 0);
    qmp_answers(&h.d);
    g_assert_false(driver_has_used(&h.d, 0));
    hang_end(&h);
    driver_wait(&h.d, 0, NULL);
    driver_wait(&h.d, 0, NULL);
    g_assert_cmpuint(qtest_readb(h.d.q, new.status), ==, 0);
    g_assert_cmpuint(qtest_readb(h.d.q, flush.status), ==, 0);
    g_assert_true(g_file_get_contents(h.disk, &file, NULL, NULL));
    for (unsigned i = 0; i < HANG_SECTOR; i++) {
        g_assert_cmphex((uint8_t)file[5 * HANG_SECTOR + i], ==, 0xbb);
        g_assert_cmphex((uint8_t)file[6 * HANG_SECTOR + i], ==, 0);
    }
    hang_stop(&h);
}

static void what_began_has_its_own_bytes(void)
{
    Hang h = hang_start("", "");
    HangRequest old, new;

    hang_all(&h);
    old = hang_submit(&h.d, HANG_OUT, 5, 0xaa);
    hang_wait(&h);
    qtest_writel(h.d.q, h.d.base + REG_STATUS, 0);
    qtest_memset(h.d.q, old.data, 0x77, HANG_SECTOR);
    hang_end(&h);
    driver_restart(&h.d, ~UINT64_C(0), 1);
    new = hang_submit(&h.d, HANG_IN, 5, 1);
    hang_complete(&h.d, new);
    assert_all(&h.d, new.data, 0xaa);
    hang_stop(&h);
}

static void another_disk_goes_on(void)
{
    g_autofree char *other = g_strdup_printf("%s/baton-other-%d", g_get_tmp_dir(), getpid()), *more = NULL;
    g_autofree char *zeroes = g_malloc0(HANG_SIZE);
    Driver second;
    HangRequest r;
    Hang h;

    g_assert_true(g_file_set_contents(other, zeroes, HANG_SIZE, NULL));
    more = g_strdup_printf(" -drive if=none,id=d1,format=raw,file=%s -device virtio-blk-device,drive=d1", other);
    h = hang_start("", more);
    driver_start(&second, h.d.q, 6, 2, ~UINT64_C(0), 1);
    second.heap += 1 << 20;
    driver_restart(&second, ~UINT64_C(0), 1);
    hang_all(&h);
    for (unsigned i = 0; i < 2; i++) {
        hang_submit(&h.d, HANG_OUT, i, 1);
        hang_wait(&h);
    }
    r = hang_submit(&second, HANG_OUT, 3, 3);
    hang_complete(&second, r);
    hang_end(&h);
    driver_wait(&h.d, 0, NULL);
    driver_wait(&h.d, 0, NULL);
    hang_stop(&h);
    g_unlink(other);
}

/* The handoff waits for the disk; who gives up the handoff does not. */
static void a_handoff_can_be_cancelled(void)
{
    Hang h = hang_start("", "");
    int64_t began;
    HangRequest r;

    json_unref(qtest_qmp_ok(h.d.q, "{'execute': 'migrate-set-capabilities', 'arguments': {'capabilities': "
                                   "[{'capability': 'events', 'state': true}]}}"));
    hang_all(&h);
    r = hang_submit(&h.d, HANG_OUT, 0, 1);
    hang_wait(&h);
    json_unref(qtest_qmp_ok(h.d.q, "{'execute': 'migrate', 'arguments': {'uri': 'file:/dev/null'}}"));
    json_unref(qtest_event(h.d.q, "STOP"));
    qmp_answers(&h.d);
    began = time_monotonic_ns();
    json_unref(qtest_qmp_ok(h.d.q, "{'execute': 'migrate_cancel'}"));
    json_unref(qtest_event(h.d.q, "RESUME"));
    assert_prompt(began, "migrate_cancel until the guest runs");
    hang_end(&h);
    hang_complete(&h.d, r);
    hang_stop(&h);
}

static void the_program_can_be_ended(void)
{
    Hang h = hang_start("", "");
    int64_t began;

    hang_all(&h);
    hang_submit(&h.d, HANG_OUT, 0, 1);
    hang_wait(&h);
    began = time_monotonic_ns();
    json_unref(qtest_qmp_ok(h.d.q, "{'execute': 'quit'}"));
    hang_stop(&h);
    assert_prompt(began, "quit");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/riscv64/virtio-blk-hang/a_reset_does_not_wait/for_reads", GUINT_TO_POINTER(HANG_IN),
                         a_reset_does_not_wait);
    g_test_add_data_func("/riscv64/virtio-blk-hang/a_reset_does_not_wait/for_writes", GUINT_TO_POINTER(HANG_OUT),
                         a_reset_does_not_wait);
    g_test_add_func("/riscv64/virtio-blk-hang/memory_is_the_guests_after_a_reset", memory_is_the_guests_after_a_reset);
    g_test_add_func("/riscv64/virtio-blk-hang/an_old_write_never_comes_behind_a_new_one",
                    an_old_write_never_comes_behind_a_new_one);
    g_test_add_func("/riscv64/virtio-blk-hang/what_began_has_its_own_bytes", what_began_has_its_own_bytes);
    g_test_add_func("/riscv64/virtio-blk-hang/another_disk_goes_on", another_disk_goes_on);
    g_test_add_func("/riscv64/virtio-blk-hang/a_handoff_can_be_cancelled", a_handoff_can_be_cancelled);
    g_test_add_func("/riscv64/virtio-blk-hang/the_program_can_be_ended", the_program_can_be_ended);
    return g_test_run();
}
