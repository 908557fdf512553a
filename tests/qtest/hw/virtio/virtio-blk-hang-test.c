/* tests/qtest/hw/virtio/virtio-blk-hang-test.c - a disk that hangs: it holds up nobody else, and lies to no guest.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * hang-disk.c is preloaded into the program: reads, writes and syncs of the file `disk` wait while we have `lock`. */
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../virtio-driver.h"
#include "util/bytes.h"
#include "util/loop.h"

enum { SIZE = 1 << 20, IN = 0, OUT = 1, FLUSH = 4, SECTOR = 512, OK = 0, PROMPT_MS = 50 };

typedef struct Hang {
    char *dir, *disk;
    int lock, entered;
    Driver d;
} Hang;

typedef struct Request {
    uint64_t data, status;
} Request;

static char *in_dir(const Hang *h, const char *name)
{
    return g_build_filename(h->dir, name, NULL);
}

static void make_files(Hang *h)
{
    g_autofree char *zeroes = g_malloc0(SIZE), *lock = NULL, *entered = NULL;

    h->dir = g_dir_make_tmp("baton-hang-XXXXXX", NULL);
    h->disk = in_dir(h, "disk");
    lock = in_dir(h, "lock");
    entered = in_dir(h, "entered");
    g_assert_true(g_file_set_contents(h->disk, zeroes, SIZE, NULL));
    h->lock = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    g_assert_cmpint(mkfifo(entered, 0600), ==, 0);
    h->entered = open(entered, O_RDWR | O_CLOEXEC);
    g_assert_true(h->lock >= 0 && h->entered >= 0);
}

static Hang start(const char *more)
{
    Hang h = {0};
    QTest *q;

    make_files(&h);
    g_setenv("BATON_HANG", h.dir, TRUE);
    g_setenv("LD_PRELOAD", g_getenv("BATON_HANG_LIB"), TRUE);
    g_setenv("ASAN_OPTIONS", "verify_asan_link_order=0", TRUE);
    q = qtest_start("-drive if=none,id=d0,format=raw,file=%s -device virtio-blk-device,drive=d0 %s", h.disk, more);
    g_unsetenv("LD_PRELOAD");
    driver_start(&h.d, q, 7, 2, ~UINT64_C(0), 1);
    return h;
}

static void stop(Hang *h)
{
    static const char *const names[] = {"disk", "lock", "entered", "other"};

    qtest_quit(h->d.q);
    close(h->lock);
    close(h->entered);
    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = in_dir(h, names[i]);

        g_unlink(path);
    }
    g_rmdir(h->dir);
    g_free(h->dir);
    g_free(h->disk);
}

static void hang(Hang *h)
{
    g_assert_cmpint(flock(h->lock, LOCK_EX), ==, 0);
}

static void wait_until_it_hangs(Hang *h)
{
    char byte;

    qtest_read_fd(h->entered, &byte, 1);
}

static void let_go(Hang *h)
{
    g_assert_cmpint(flock(h->lock, LOCK_UN), ==, 0);
}

/* Data are `fill` for a write; the memory of a read holds `fill` before. */
static Request submit(Driver *d, uint32_t type, uint64_t sector, uint8_t fill)
{
    uint8_t header[16] = {0};
    uint64_t at = driver_alloc(d, 16);
    Request r = {driver_alloc(d, SECTOR), driver_alloc(d, 1)};
    DriverBuffer b[3] = {{at, 16}, {r.data, SECTOR, type == IN}, {r.status, 1, true}};

    store_le32(header, type);
    store_le64(header + 8, sector);
    qtest_memwrite(d->q, at, header, 16);
    qtest_memset(d->q, r.data, fill, SECTOR);
    qtest_memset(d->q, r.status, 0xee, 1);
    if (type == FLUSH) {
        b[1] = b[2];
    }
    driver_add(d, 0, b, type == FLUSH ? 2 : 3, true);
    return r;
}

static void complete(Driver *d, Request r)
{
    driver_wait(d, 0, NULL);
    g_assert_cmpuint(qtest_readb(d->q, r.status), ==, OK);
}

static void assert_all(Driver *d, uint64_t at, uint8_t value)
{
    uint8_t data[SECTOR];

    qtest_memread(d->q, at, data, SECTOR);
    for (unsigned i = 0; i < SECTOR; i++) {
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
    Hang h = start("");
    int64_t began;
    Request r;

    hang(&h);
    for (unsigned i = 0; i < 2; i++) { /* the ring has room for two */
        submit(&h.d, GPOINTER_TO_UINT(what), i, 1);
        wait_until_it_hangs(&h);
    }
    qmp_answers(&h.d);
    began = time_monotonic_ns();
    qtest_writel(h.d.q, h.d.base + REG_STATUS, 0);
    assert_prompt(began, "the guest's reset");
    qmp_answers(&h.d);
    driver_restart(&h.d, ~UINT64_C(0), 1);
    r = submit(&h.d, OUT, 9, 9);
    began = time_monotonic_ns();
    json_unref(qtest_qmp_ok(h.d.q, "{'execute': 'system_reset'}"));
    json_unref(qtest_event(h.d.q, "RESET"));
    assert_prompt(began, "system_reset");
    qmp_answers(&h.d);
    let_go(&h);
    driver_restart(&h.d, ~UINT64_C(0), 1);
    r = submit(&h.d, IN, 9, 1);
    complete(&h.d, r);
    assert_all(&h.d, r.data, 0); /* the write had not begun when it was revoked */
    stop(&h);
}

static void memory_is_the_guests_after_a_reset(void)
{
    Hang h = start("");
    Request old, new;

    hang(&h);
    old = submit(&h.d, IN, 0, 1);
    wait_until_it_hangs(&h);
    qtest_writel(h.d.q, h.d.base + REG_STATUS, 0);
    qtest_memset(h.d.q, old.data, 0x77, SECTOR);
    qtest_memset(h.d.q, old.status, 0x77, 1);
    let_go(&h);
    driver_restart(&h.d, ~UINT64_C(0), 1);
    new = submit(&h.d, IN, 0, 1);
    complete(&h.d, new); /* it began when the old one was over */
    assert_all(&h.d, new.data, 0);
    assert_all(&h.d, old.data, 0x77);
    g_assert_cmphex(qtest_readb(h.d.q, old.status), ==, 0x77);
    stop(&h);
}

static void an_old_write_never_comes_behind_a_new_one(void)
{
    Hang h = start("");
    g_autofree char *file = NULL;
    Request old, new, flush;

    hang(&h);
    old = submit(&h.d, OUT, 5, 0xaa);
    wait_until_it_hangs(&h);
    qtest_writel(h.d.q, h.d.base + REG_STATUS, 0);
    qtest_memset(h.d.q, old.data, 0x77, SECTOR); /* nor does what the memory holds by now get to the disk */
    driver_restart(&h.d, ~UINT64_C(0), 1);
    submit(&h.d, OUT, 6, 0xcc);
    qtest_writel(h.d.q, h.d.base + REG_STATUS, 0); /* this one waits, and is given up as well */
    driver_restart(&h.d, ~UINT64_C(0), 1);
    new = submit(&h.d, OUT, 5, 0xbb);
    flush = submit(&h.d, FLUSH, 0, 0);
    qmp_answers(&h.d);
    g_assert_false(driver_has_used(&h.d, 0));
    let_go(&h);
    driver_wait(&h.d, 0, NULL);
    driver_wait(&h.d, 0, NULL);
    g_assert_cmpuint(qtest_readb(h.d.q, new.status), ==, OK);
    g_assert_cmpuint(qtest_readb(h.d.q, flush.status), ==, OK);
    g_assert_true(g_file_get_contents(h.disk, &file, NULL, NULL));
    for (unsigned i = 0; i < SECTOR; i++) {
        g_assert_cmphex((uint8_t)file[5 * SECTOR + i], ==, 0xbb);
        g_assert_cmphex((uint8_t)file[6 * SECTOR + i], ==, 0);
    }
    stop(&h);
}

static void what_began_has_its_own_bytes(void)
{
    Hang h = start("");
    Request old, new;

    hang(&h);
    old = submit(&h.d, OUT, 5, 0xaa);
    wait_until_it_hangs(&h);
    qtest_writel(h.d.q, h.d.base + REG_STATUS, 0);
    qtest_memset(h.d.q, old.data, 0x77, SECTOR);
    let_go(&h);
    driver_restart(&h.d, ~UINT64_C(0), 1);
    new = submit(&h.d, IN, 5, 1);
    complete(&h.d, new);
    assert_all(&h.d, new.data, 0xaa);
    stop(&h);
}

static void another_disk_goes_on(void)
{
    g_autofree char *other = g_strdup_printf("%s/baton-other-%d", g_get_tmp_dir(), getpid()), *more = NULL;
    g_autofree char *zeroes = g_malloc0(SIZE);
    Driver second;
    Request r;
    Hang h;

    g_assert_true(g_file_set_contents(other, zeroes, SIZE, NULL));
    more = g_strdup_printf("-drive if=none,id=d1,format=raw,file=%s -device virtio-blk-device,drive=d1", other);
    h = start(more);
    driver_start(&second, h.d.q, 6, 2, ~UINT64_C(0), 1);
    second.heap += 1 << 20;
    driver_restart(&second, ~UINT64_C(0), 1);
    hang(&h);
    for (unsigned i = 0; i < 2; i++) {
        submit(&h.d, OUT, i, 1);
        wait_until_it_hangs(&h);
    }
    r = submit(&second, OUT, 3, 3);
    complete(&second, r);
    let_go(&h);
    driver_wait(&h.d, 0, NULL);
    driver_wait(&h.d, 0, NULL);
    stop(&h);
    g_unlink(other);
}

/* The handoff waits for the disk; who gives up the handoff does not. */
static void a_handoff_can_be_cancelled(void)
{
    Hang h = start("");
    int64_t began;
    Request r;

    json_unref(qtest_qmp_ok(h.d.q, "{'execute': 'migrate-set-capabilities', 'arguments': {'capabilities': "
                                   "[{'capability': 'events', 'state': true}]}}"));
    hang(&h);
    r = submit(&h.d, OUT, 0, 1);
    wait_until_it_hangs(&h);
    json_unref(qtest_qmp_ok(h.d.q, "{'execute': 'migrate', 'arguments': {'uri': 'file:/dev/null'}}"));
    json_unref(qtest_event(h.d.q, "STOP"));
    qmp_answers(&h.d);
    began = time_monotonic_ns();
    json_unref(qtest_qmp_ok(h.d.q, "{'execute': 'migrate_cancel'}"));
    json_unref(qtest_event(h.d.q, "RESUME"));
    assert_prompt(began, "migrate_cancel until the guest runs");
    let_go(&h);
    complete(&h.d, r);
    stop(&h);
}

static void the_program_can_be_ended(void)
{
    Hang h = start("");
    int64_t began;

    hang(&h);
    submit(&h.d, OUT, 0, 1);
    wait_until_it_hangs(&h);
    began = time_monotonic_ns();
    json_unref(qtest_qmp_ok(h.d.q, "{'execute': 'quit'}"));
    stop(&h);
    assert_prompt(began, "quit");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/riscv64/virtio-blk-hang/a_reset_does_not_wait/for_reads", GUINT_TO_POINTER(IN),
                         a_reset_does_not_wait);
    g_test_add_data_func("/riscv64/virtio-blk-hang/a_reset_does_not_wait/for_writes", GUINT_TO_POINTER(OUT),
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
