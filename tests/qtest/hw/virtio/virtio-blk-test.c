/* tests/qtest/hw/virtio/virtio-blk-test.c - virtio-blk-device: requests, errors, what the file holds afterwards.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "../../virtio-driver.h"
#include "util/bytes.h"

enum { SIZE = 1 << 20, IN = 0, OUT = 1, FLUSH = 4, GET_ID = 8, DISCARD = 11, ZEROES = 13, SECTOR = 512 };
enum { OK = 0, IOERR = 1, UNSUPP = 2 };

typedef struct Disk {
    char *path;
    Driver d;
} Disk;

static Disk start(const char *drive, const char *device)
{
    Disk k = {0};
    g_autofree char *zeroes = g_malloc0(SIZE);
    int fd = g_file_open_tmp("baton-disk-XXXXXX", &k.path, NULL);
    QTest *q;

    g_assert_cmpint(write(fd, zeroes, SIZE), ==, SIZE);
    close(fd);
    q = qtest_start("-drive if=none,id=d0,format=raw,file=%s%s -device virtio-blk-device,drive=d0%s", k.path, drive,
                    device);
    driver_start(&k.d, q, 7, 2, ~UINT64_C(0), 1);
    return k;
}

static void stop(Disk k)
{
    qtest_quit(k.d.q);
    unlink(k.path);
    g_free(k.path);
}

static uint8_t request(Disk *k, uint32_t type, uint64_t sector, void *data, uint32_t size)
{
    Driver *d = &k->d;
    bool is_in = type == IN || type == GET_ID;
    uint8_t header[16] = {0}, status;
    DriverBuffer b[3] = {{driver_alloc(d, 16), 16}, {driver_alloc(d, size + 1), size, is_in},
                         {driver_alloc(d, 1), 1, true}};
    uint32_t written;

    store_le32(header, type);
    store_le64(header + 8, sector);
    qtest_memwrite(d->q, b[0].at, header, 16);
    qtest_memset(d->q, b[2].at, 0xee, 1);
    if (size && !is_in) {
        qtest_memwrite(d->q, b[1].at, data, size);
    }
    if (size == 0) {
        b[1] = b[2];
    }
    driver_add(d, 0, b, size ? 3 : 2, true);
    driver_wait(d, 0, &written);
    qtest_memread(d->q, b[2].at, &status, 1);
    if (is_in && size) {
        qtest_memread(d->q, b[1].at, data, size);
        g_assert_true(status != OK || type == GET_ID || written == size + 1);
    }
    return status;
}

static void what_is_written_is_read_and_in_the_file(void)
{
    Disk k = start("", ",serial=hello");
    uint8_t out[1024], in[1024];
    g_autofree char *file = NULL;
    char id[20];
    gsize size;

    g_assert_cmpuint(driver_config32(&k.d, 0), ==, SIZE / SECTOR);
    for (unsigned i = 0; i < sizeof(out); i++) {
        out[i] = i * 7;
    }
    g_assert_cmpuint(request(&k, OUT, 3, out, 1024), ==, OK);
    g_assert_cmpuint(request(&k, FLUSH, 0, NULL, 0), ==, OK);
    g_assert_cmpuint(request(&k, IN, 3, in, 1024), ==, OK);
    g_assert_cmpmem(in, 1024, out, 1024);
    g_assert_true(g_file_get_contents(k.path, &file, &size, NULL));
    g_assert_cmpuint(size, ==, SIZE);
    g_assert_cmpmem(file + 3 * SECTOR, 1024, out, 1024);
    g_assert_cmpuint(request(&k, GET_ID, 0, id, 20), ==, OK);
    g_assert_cmpstr(id, ==, "hello");
    stop(k);
}

static void zeroes_and_discard_change_only_their_range(void)
{
    Disk k = start(",discard=unmap", "");
    uint8_t ones[1536], in[1536], segment[16] = {0};

    memset(ones, 0xff, sizeof(ones));
    g_assert_cmpuint(request(&k, OUT, 8, ones, 1536), ==, OK);
    store_le64(segment, 9);
    store_le32(segment + 8, 1);
    g_assert_cmpuint(request(&k, ZEROES, 0, segment, 16), ==, OK);
    g_assert_cmpuint(request(&k, IN, 8, in, 1536), ==, OK);
    memset(ones + SECTOR, 0, SECTOR);
    g_assert_cmpmem(in, 1536, ones, 1536);
    store_le64(segment, 8);
    store_le32(segment + 8, 8);
    g_assert_cmpuint(request(&k, DISCARD, 0, segment, 16), ==, OK);
    store_le32(segment + 12, 2); /* a flag that does not exist */
    g_assert_cmpuint(request(&k, ZEROES, 0, segment, 16), ==, UNSUPP);
    stop(k);
}

static void requests_beyond_the_disk_are_refused(void)
{
    static const struct {
        uint32_t type;
        uint64_t sector;
        uint32_t size;
        uint8_t status;
    } bad[] = {
        {IN, SIZE / SECTOR, 512, IOERR}, {IN, SIZE / SECTOR - 1, 1024, IOERR}, {OUT, UINT64_MAX, 512, IOERR},
        {OUT, UINT64_MAX / SECTOR, 512, IOERR}, {IN, 0, 100, IOERR}, {99, 0, 0, UNSUPP},
    };
    Disk k = start("", "");
    uint8_t data[1024] = {0};

    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_assert_cmpuint(request(&k, bad[i].type, bad[i].sector, data, bad[i].size), ==, bad[i].status);
    }
    g_assert_cmpuint(driver_status(&k.d) & 64, ==, 0);
    stop(k);
}

static void a_read_only_disk_is_not_written(void)
{
    Disk k = start(",read-only=on", "");
    uint8_t data[512] = {1};

    g_assert_true(k.d.features & DRIVER_F(5));
    g_assert_cmpuint(request(&k, OUT, 0, data, 512), ==, IOERR);
    g_assert_cmpuint(request(&k, IN, 0, data, 512), ==, OK);
    g_assert_cmpuint(data[0], ==, 0);
    stop(k);
}

static void several_requests_are_in_flight_at_once(void)
{
    Disk k = start("", "");
    Driver *d = &k.d;
    uint64_t status = driver_alloc(d, 2), header = driver_alloc(d, 16), data = driver_alloc(d, 65536);
    uint8_t zero[16] = {0};

    qtest_memwrite(d->q, header, zero, 16);
    for (unsigned i = 0; i < 2; i++) {
        DriverBuffer b[3] = {{header, 16}, {data + 32768 * i, 32768, true}, {status + i, 1, true}};

        driver_add(d, 0, b, 3, false);
    }
    driver_notify(d, 0);
    driver_wait(d, 0, NULL);
    driver_wait(d, 0, NULL);
    g_assert_cmpuint(qtest_readw(d->q, status), ==, 0);
    stop(k);
}

/* The host refuses writes beyond half of the disk, as if it were full. */
static Disk start_half_full(const char *drive)
{
    struct rlimit old, half;
    Disk k;

    signal(SIGXFSZ, SIG_IGN); /* so that the program gets an error, not the signal */
    g_assert_cmpint(getrlimit(RLIMIT_FSIZE, &old), ==, 0);
    k = start("", "");
    qtest_quit(k.d.q);
    half = (struct rlimit){SIZE / 2, old.rlim_max};
    g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &half), ==, 0);
    driver_start(&k.d, qtest_start("-drive if=none,id=d0,format=raw,file=%s%s -device virtio-blk-device,drive=d0",
                                   k.path, drive), 7, 2, ~UINT64_C(0), 1);
    setrlimit(RLIMIT_FSIZE, &old);
    return k;
}

static void an_error_is_reported_to_the_guest(void)
{
    Disk k = start_half_full(",werror=report");
    uint8_t data[512] = {1};
    g_autoptr(Json) event = NULL;

    g_assert_cmpuint(request(&k, OUT, 1500, data, 512), ==, IOERR);
    event = qtest_event(k.d.q, "BLOCK_IO_ERROR");
    g_assert_cmpstr(json_get_str(json_get(event, "data"), "action"), ==, "report");
    g_assert_cmpstr(json_get_str(json_get(event, "data"), "device"), ==, "d0");
    stop(k);
}

static void an_error_stops_the_machine_and_cont_tries_again(void)
{
    Disk k = start_half_full(",werror=stop");
    Driver *d = &k.d;
    uint64_t header = driver_alloc(d, 16), data = driver_alloc(d, 512), status = driver_alloc(d, 1);
    DriverBuffer b[3] = {{header, 16}, {data, 512}, {status, 1, true}};
    struct rlimit limit;
    g_autoptr(Json) info = NULL;
    uint8_t head[16] = {OUT};

    store_le64(head + 8, 1500);
    qtest_memwrite(d->q, header, head, 16);
    qtest_memset(d->q, status, 0xee, 1);
    driver_add(d, 0, b, 3, true);
    json_unref(qtest_event(d->q, "BLOCK_IO_ERROR"));
    json_unref(qtest_event(d->q, "STOP"));
    info = qtest_qmp_ok(d->q, "{'execute': 'query-status'}");
    g_assert_cmpstr(json_get_str(info, "status"), ==, "io-error");
    g_assert_false(driver_has_used(d, 0));
    g_assert_cmpint(prlimit(qtest_pid(d->q), RLIMIT_FSIZE, NULL, &limit), ==, 0);
    limit.rlim_cur = limit.rlim_max;
    g_assert_cmpint(prlimit(qtest_pid(d->q), RLIMIT_FSIZE, &limit, NULL), ==, 0);
    json_unref(qtest_qmp_ok(d->q, "{'execute': 'cont'}"));
    driver_wait(d, 0, NULL);
    g_assert_cmpuint(qtest_readb(d->q, status), ==, OK);
    stop(k);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/riscv64/virtio-blk/what_is_written_is_read_and_in_the_file",
                    what_is_written_is_read_and_in_the_file);
    g_test_add_func("/riscv64/virtio-blk/zeroes_and_discard_change_only_their_range",
                    zeroes_and_discard_change_only_their_range);
    g_test_add_func("/riscv64/virtio-blk/requests_beyond_the_disk_are_refused", requests_beyond_the_disk_are_refused);
    g_test_add_func("/riscv64/virtio-blk/a_read_only_disk_is_not_written", a_read_only_disk_is_not_written);
    g_test_add_func("/riscv64/virtio-blk/several_requests_are_in_flight_at_once",
                    several_requests_are_in_flight_at_once);
    g_test_add_func("/riscv64/virtio-blk/an_error_is_reported_to_the_guest", an_error_is_reported_to_the_guest);
    g_test_add_func("/riscv64/virtio-blk/an_error_stops_the_machine_and_cont_tries_again",
                    an_error_stops_the_machine_and_cont_tries_again);
    return g_test_run();
}
