/* tests/qtest/hang.c - the test's side of hang-disk.c: files, locks, requests.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "hang.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/bytes.h"

static char *in_dir(const Hang *h, const char *name)
{
    return g_build_filename(h->dir, name, NULL);
}

static void make_files(Hang *h)
{
    g_autofree char *zeroes = g_malloc0(HANG_SIZE), *lock = NULL, *entered = NULL;

    h->dir = g_dir_make_tmp("baton-hang-XXXXXX", NULL);
    h->disk = in_dir(h, "disk");
    lock = in_dir(h, "lock");
    entered = in_dir(h, "entered");
    g_assert_true(g_file_set_contents(h->disk, zeroes, HANG_SIZE, NULL));
    h->lock = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    g_assert_cmpint(mkfifo(entered, 0600), ==, 0);
    h->entered = open(entered, O_RDWR | O_CLOEXEC);
    g_assert_true(h->lock >= 0 && h->entered >= 0);
}

Hang hang_start(const char *drive, const char *more)
{
    Hang h = {0};
    QTest *q;

    make_files(&h);
    g_setenv("BATON_HANG", h.dir, TRUE);
    g_setenv("LD_PRELOAD", g_getenv("BATON_HANG_LIB"), TRUE);
    g_setenv("ASAN_OPTIONS", "verify_asan_link_order=0", TRUE);
    q = qtest_start("-drive if=none,id=d0,format=raw,file=%s%s -device virtio-blk-device,drive=d0%s", h.disk, drive,
                    more);
    g_unsetenv("LD_PRELOAD");
    driver_start(&h.d, q, 7, 2, ~UINT64_C(0), 1);
    return h;
}

void hang_stop(Hang *h)
{
    static const char *const names[] = {"disk", "lock", "entered", "only-syncs"};

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

static void only_syncs(const Hang *h, bool only)
{
    g_autofree char *path = in_dir(h, "only-syncs");

    if (only) {
        g_assert_true(g_file_set_contents(path, "", 0, NULL));
    } else {
        g_unlink(path);
    }
}

void hang_all(Hang *h)
{
    only_syncs(h, false);
    g_assert_cmpint(flock(h->lock, LOCK_EX), ==, 0);
}

void hang_syncs(Hang *h)
{
    only_syncs(h, true);
    g_assert_cmpint(flock(h->lock, LOCK_EX), ==, 0);
}

void hang_wait(Hang *h)
{
    char byte;

    qtest_read_fd(h->entered, &byte, 1);
}

void hang_end(Hang *h)
{
    g_assert_cmpint(flock(h->lock, LOCK_UN), ==, 0);
}

HangRequest hang_submit(Driver *d, uint32_t type, uint64_t sector, uint8_t fill)
{
    uint8_t header[16] = {0};
    uint64_t at = driver_alloc(d, 16);
    HangRequest r = {driver_alloc(d, HANG_SECTOR), driver_alloc(d, 1)};
    DriverBuffer b[3] = {{at, 16}, {r.data, HANG_SECTOR, type == HANG_IN}, {r.status, 1, true}};

    store_le32(header, type);
    store_le64(header + 8, sector);
    qtest_memwrite(d->q, at, header, 16);
    qtest_memset(d->q, r.data, fill, HANG_SECTOR);
    qtest_memset(d->q, r.status, 0xee, 1);
    if (type == HANG_FLUSH) {
        b[1] = b[2];
    }
    driver_add(d, 0, b, type == HANG_FLUSH ? 2 : 3, true);
    return r;
}

void hang_complete(Driver *d, HangRequest r)
{
    driver_wait(d, 0, NULL);
    g_assert_cmpuint(qtest_readb(d->q, r.status), ==, 0);
}
