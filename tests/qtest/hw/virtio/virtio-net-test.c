/* tests/qtest/hw/virtio/virtio-net-test.c - virtio-net-device: frames both ways, a full ring, filter, control queue.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The netdev is `stream`: frames on the socket with a 32-bit length before each. */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../virtio-driver.h"
#include "util/bytes.h"

enum { RX, TX, CTRL, HEADER = 12 };
enum { F_CTRL_VQ = 17, F_CTRL_RX = 18, F_CTRL_VLAN = 19, F_MRG = 15, F_STATUS = 16, F_ANNOUNCE = 21, F_MAC = 5 };
#define FEATURES                                                                                   \
    (DRIVER_F(F_CTRL_VQ) | DRIVER_F(F_CTRL_RX) | DRIVER_F(F_CTRL_VLAN) | DRIVER_F(F_MRG) | DRIVER_F(F_STATUS) | \
     DRIVER_F(F_ANNOUNCE) | DRIVER_F(F_MAC) | DRIVER_F(29))

typedef struct Net {
    Driver d;
    int fd;
} Net;

/* With a wire; more: what else the program is told. */
static QTest *start_program(const char *more, int *ret_fd)
{
    g_autofree char *dir = g_dir_make_tmp("baton-net-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "s", NULL);
    int listener = qtest_listen(path);
    QTest *q = qtest_start("-netdev stream,id=n0,server=off,addr.type=unix,addr.path=%s "
                           "-device virtio-net-device,netdev=n0,id=nic,mac=52:54:00:00:00:01 %s", path, more);

    *ret_fd = qtest_accept(listener);
    close(listener);
    unlink(path);
    rmdir(dir);
    return q;
}

static Net start(uint64_t features)
{
    Net n;
    QTest *q = start_program("", &n.fd);

    driver_start(&n.d, q, 7, 1, features, 3);
    return n;
}

static void stop(Net n)
{
    close(n.fd);
    qtest_quit(n.d.q);
}

static void wire_send(Net *n, const uint8_t *dst, unsigned mark, uint32_t size)
{
    g_autofree uint8_t *frame = g_malloc0(4 + size);

    store_be32(frame, size);
    memcpy(frame + 4, dst, 6);
    store_be16(frame + 4 + 12, 0x88b5);
    store_be32(frame + 4 + 14, mark);
    frame[4 + size - 1] = 0x77;
    g_assert_cmpint(send(n->fd, frame, 4 + size, MSG_NOSIGNAL), ==, 4 + size);
}

static uint64_t add_buffer(Net *n, uint32_t size)
{
    DriverBuffer b = {driver_alloc(&n->d, size), size, true};

    driver_add(&n->d, RX, &b, 1, true);
    return b.at;
}

static unsigned received_mark(Net *n, uint64_t at)
{
    uint32_t mark;

    qtest_memread(n->d.q, at + HEADER + 14, &mark, 4);
    return GUINT32_FROM_BE(mark);
}

static const uint8_t own[6] = {0x52, 0x54, 0, 0, 0, 1}, other[6] = {0x52, 0x54, 0, 0, 0, 2},
                     group[6] = {1, 0, 0x5e, 1, 2, 3}, all[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

static void transmits_frames_in_order(void)
{
    Net n = start(FEATURES);

    for (unsigned i = 0; i < 20; i++) {
        DriverBuffer b[2] = {{driver_alloc(&n.d, HEADER), HEADER}, {driver_alloc(&n.d, 60), 60}};
        uint8_t zero[HEADER] = {0}, frame[60] = {0}, seen[64];

        frame[14] = i;
        qtest_memwrite(n.d.q, b[0].at, zero, HEADER);
        qtest_memwrite(n.d.q, b[1].at, frame, 60);
        driver_add(&n.d, TX, b, 2, true);
        driver_wait(&n.d, TX, NULL);
        qtest_read_fd(n.fd, seen, 64);
        g_assert_cmpuint(load_be32(seen), ==, 60);
        g_assert_cmpmem(seen + 4, 60, frame, 60);
    }
    stop(n);
}

/* Reads one frame off the wire; its number must be the next. */
static void expect_frame(Net *n, unsigned *seen)
{
    uint8_t frame[4 + 1400];

    qtest_read_fd(n->fd, frame, sizeof(frame));
    g_assert_cmpuint(load_be32(frame), ==, 1400);
    g_assert_cmpuint(load_be32(frame + 4 + 14), ==, *seen);
    (*seen)++;
}

/* The wire is read only when the device has stopped taking frames. */
static void a_slow_wire_loses_nothing(void)
{
    enum { FRAMES = 600 };
    Net n = start(FEATURES);
    uint8_t bytes[HEADER + 1400] = {0};
    unsigned added = 0, used = 0, seen = 0, stalls = 0;

    while (used < FRAMES) {
        if (added < FRAMES && added - used < DRIVER_QUEUE) {
            DriverBuffer b = {driver_alloc(&n.d, sizeof(bytes)), sizeof(bytes)};

            store_be32(bytes + HEADER + 14, added++);
            qtest_memwrite(n.d.q, b.at, bytes, sizeof(bytes));
            driver_add(&n.d, TX, &b, 1, true);
        } else if (driver_has_used(&n.d, TX)) {
            driver_wait(&n.d, TX, NULL);
            used++;
        } else {
            stalls++;
            expect_frame(&n, &seen);
        }
    }
    while (seen < FRAMES) {
        expect_frame(&n, &seen);
    }
    g_assert_cmpuint(stalls, >, 0);
    stop(n);
}

static void a_full_ring_loses_nothing(void)
{
    Net n = start(FEATURES);
    uint64_t at[DRIVER_QUEUE];

    for (unsigned i = 0; i < 100; i++) {
        wire_send(&n, own, i, 60);
    }
    for (unsigned i = 0; i < 100; i++) {
        uint32_t written;

        at[i % DRIVER_QUEUE] = add_buffer(&n, 2048);
        driver_wait(&n.d, RX, &written);
        g_assert_cmpuint(written, ==, HEADER + 60);
        g_assert_cmpuint(received_mark(&n, at[i % DRIVER_QUEUE]), ==, i);
    }
    stop(n);
}

static void a_large_frame_spreads_over_buffers(void)
{
    Net n = start(FEATURES);
    uint64_t first = 0;
    uint32_t written, sum = 0;
    uint8_t header[HEADER];

    for (unsigned i = 0; i < 4; i++) {
        uint64_t at = add_buffer(&n, 400);

        first = first ? first : at;
    }
    wire_send(&n, own, 7, 1400);
    for (unsigned i = 0; i < 4; i++) {
        driver_wait(&n.d, RX, &written);
        sum += written;
    }
    g_assert_cmpuint(sum, ==, 1400 + HEADER);
    qtest_memread(n.d.q, first, header, HEADER);
    g_assert_cmpuint(load_le16(header + 10), ==, 4);
    g_assert_cmpuint(received_mark(&n, first), ==, 7);
    stop(n);
}

static uint8_t control(Net *n, uint8_t class, uint8_t command, const void *data, uint32_t size)
{
    uint8_t head[2] = {class, command}, ack;
    DriverBuffer b[3] = {{driver_alloc(&n->d, 2), 2}, {driver_alloc(&n->d, MAX(size, 1)), size},
                         {driver_alloc(&n->d, 1), 1, true}};

    qtest_memwrite(n->d.q, b[0].at, head, 2);
    if (size) {
        qtest_memwrite(n->d.q, b[1].at, data, size);
    } else {
        b[1] = b[2];
    }
    driver_add(&n->d, CTRL, b, size ? 3 : 2, true);
    driver_wait(&n->d, CTRL, NULL);
    qtest_memread(n->d.q, b[2].at, &ack, 1);
    return ack;
}

/* Sends one frame to each address, then one that always passes; those that came are the marks before it. */
static unsigned passes(Net *n)
{
    static const uint8_t *const to[] = {own, other, group, all};
    unsigned seen = 0;

    for (unsigned i = 0; i < 4; i++) {
        wire_send(n, to[i], i, 60);
    }
    wire_send(n, own, 99, 60);
    for (;;) {
        uint64_t at = add_buffer(n, 2048);
        unsigned mark;

        driver_wait(&n->d, RX, NULL);
        mark = received_mark(n, at);
        if (mark == 99) {
            return seen;
        }
        seen |= 1u << mark;
    }
}

static void the_filter_follows_the_driver(void)
{
    Net n = start(FEATURES);
    const uint8_t off = 0, on = 1;
    uint8_t table[4 + 6 + 4 + 6] = {1};

    g_assert_cmphex(passes(&n), ==, 0xf); /* promiscuous until told otherwise */
    g_assert_cmpuint(control(&n, 0, 0, &off, 1), ==, 0);
    g_assert_cmphex(passes(&n), ==, 0x9);
    g_assert_cmpuint(control(&n, 0, 1, &on, 1), ==, 0); /* all multicast */
    g_assert_cmphex(passes(&n), ==, 0xd);
    g_assert_cmpuint(control(&n, 0, 1, &off, 1), ==, 0);
    memcpy(table + 4, other, 6);
    table[10] = 1;
    memcpy(table + 14, group, 6);
    g_assert_cmpuint(control(&n, 1, 0, table, sizeof(table)), ==, 0);
    g_assert_cmphex(passes(&n), ==, 0xf);
    table[10] = 2; /* more addresses than bytes */
    g_assert_cmpuint(control(&n, 1, 0, table, sizeof(table)), ==, 1);
    g_assert_cmpuint(control(&n, 9, 0, &off, 1), ==, 1);
    g_assert_cmpuint(control(&n, 0, 0, NULL, 0), ==, 1);
    stop(n);
}

static void the_guest_is_asked_to_announce(void)
{
    Net n = start(FEATURES);

    g_assert_cmpuint(driver_config16(&n.d, 6), ==, 1); /* link up */
    json_unref(qtest_qmp_ok(n.d.q, "{'execute': 'announce-self', 'arguments': "
                            "{'initial': 50, 'max': 100, 'rounds': 1, 'step': 50}}"));
    qtest_clock_step(n.d.q, 100 * 1000000);
    qtest_wait_irq(n.d.q, n.d.irq, true);
    g_assert_cmpuint(driver_ack(&n.d) & 2, ==, 2);
    g_assert_cmpuint(driver_config16(&n.d, 6), ==, 3);
    g_assert_cmpuint(control(&n, 3, 0, NULL, 0), ==, 0);
    g_assert_cmpuint(driver_config16(&n.d, 6), ==, 1);
    g_assert_cmpuint(control(&n, 3, 0, NULL, 0), ==, 1);
    stop(n);
}

static void the_link_is_told(void)
{
    Net n = start(FEATURES);

    g_assert_cmpuint(driver_config8(&n.d, 0), ==, 0x52);
    json_unref(qtest_qmp_ok(n.d.q, "{'execute': 'set_link', 'arguments': {'name': 'nic', 'up': false}}"));
    g_assert_cmpuint(driver_config16(&n.d, 6), ==, 0);
    g_assert_cmpuint(driver_ack(&n.d) & 2, ==, 2);
    json_unref(qtest_qmp_ok(n.d.q, "{'execute': 'set_link', 'arguments': {'name': 'nic', 'up': true}}"));
    g_assert_cmpuint(driver_config16(&n.d, 6), ==, 1);
    stop(n);
}

static void wait_for(QTest *q, const char *command, const char *wanted)
{
    for (;;) {
        g_autoptr(Json) info = qtest_qmp_ok(q, "{'execute': '%s'}", command);
        const char *status = json_get_str(info, "status");

        g_assert_cmpstr(status, !=, "failed");
        if (!g_strcmp0(status, wanted)) {
            return;
        }
    }
}

static void move_by_file(Net *n)
{
    g_autofree char *dir = g_dir_make_tmp("baton-net-XXXXXX", NULL), *file = g_build_filename(dir, "state", NULL);
    g_autofree char *more = g_strdup_printf("-incoming file:%s", file);

    json_unref(qtest_qmp_ok(n->d.q, "{'execute': 'migrate', 'arguments': {'uri': 'file:%s'}}", file));
    wait_for(n->d.q, "query-migrate", "completed");
    stop(*n);
    n->d.q = start_program(more, &n->fd);
    qtest_intercept_in(n->d.q, "/machine/unattached/plic");
    wait_for(n->d.q, "query-status", "running");
    unlink(file);
    rmdir(dir);
}

static void set_link(Net *n, const char *name, bool is_up)
{
    json_unref(qtest_qmp_ok(n->d.q, "{'execute': 'set_link', 'arguments': {'name': '%s', 'up': %s}}", name,
                            is_up ? "true" : "false"));
}

/* Whichever end was named, over a handoff and a reset of the device; and comes up as one says. */
static void a_link_that_is_down_stays_down(const void *name)
{
    Net n = start(FEATURES);

    set_link(&n, name, false);
    move_by_file(&n);
    g_assert_cmpuint(driver_config16(&n.d, 6) & 1, ==, 0);
    driver_restart(&n.d, FEATURES, 3);
    g_assert_cmpuint(driver_config16(&n.d, 6) & 1, ==, 0);
    set_link(&n, name, true);
    g_assert_cmpuint(driver_config16(&n.d, 6) & 1, ==, 1);
    move_by_file(&n);
    g_assert_cmpuint(driver_config16(&n.d, 6) & 1, ==, 1);
    stop(n);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/riscv64/virtio-net/transmits_frames_in_order", transmits_frames_in_order);
    g_test_add_func("/riscv64/virtio-net/a_slow_wire_loses_nothing", a_slow_wire_loses_nothing);
    g_test_add_func("/riscv64/virtio-net/a_full_ring_loses_nothing", a_full_ring_loses_nothing);
    g_test_add_func("/riscv64/virtio-net/a_large_frame_spreads_over_buffers", a_large_frame_spreads_over_buffers);
    g_test_add_func("/riscv64/virtio-net/the_filter_follows_the_driver", the_filter_follows_the_driver);
    g_test_add_func("/riscv64/virtio-net/the_guest_is_asked_to_announce", the_guest_is_asked_to_announce);
    g_test_add_func("/riscv64/virtio-net/the_link_is_told", the_link_is_told);
    g_test_add_data_func("/riscv64/virtio-net/a_link_that_is_down_stays_down/nic", "nic", a_link_that_is_down_stays_down);
    g_test_add_data_func("/riscv64/virtio-net/a_link_that_is_down_stays_down/netdev", "n0", a_link_that_is_down_stays_down);
    return g_test_run();
}
