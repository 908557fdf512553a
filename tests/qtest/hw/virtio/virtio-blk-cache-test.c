/* tests/qtest/hw/virtio/virtio-blk-cache-test.c - when a write counts as done: write-cache, cache= and CONFIG_WCE.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Whether a write waited for the disk is seen by a disk whose syncs hang. */
#include "../../hang.h"

enum { F_FLUSH = 9, F_CONFIG_WCE = 11, WRITEBACK = 32 };

static void write_is(Hang *h, bool cached)
{
    HangRequest r;

    hang_syncs(h);
    r = hang_submit(&h->d, HANG_OUT, 3, 3);
    if (cached) {
        hang_complete(&h->d, r);
    } else {
        hang_wait(h);
        g_assert_false(driver_has_used(&h->d, 0));
    }
    hang_end(h);
    if (!cached) {
        hang_complete(&h->d, r);
    }
}

static void the_mode_is_what_was_asked_for(void)
{
    static const struct {
        const char *drive, *device;
        bool is_cached, can_change, can_flush;
    } rows[] = {
        {"", "", true, true, true},
        {",cache=writeback", "", true, true, true},
        {",cache=writethrough", "", false, true, true},
        {",cache.writeback=off", "", false, true, true},
        {",cache=writethrough", ",write-cache=on", true, true, true},
        {"", ",write-cache=off", false, true, true},
        {"", ",write-cache=auto,config-wce=off", true, false, true},
        {",cache=writethrough", ",config-wce=off", false, false, false},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        Hang h = hang_start(rows[i].drive, rows[i].device);

        g_test_message("%s %s", rows[i].drive, rows[i].device);
        g_assert_cmpint(!!(h.d.offered & DRIVER_F(F_FLUSH)), ==, rows[i].can_flush);
        g_assert_cmpint(!!(h.d.offered & DRIVER_F(F_CONFIG_WCE)), ==, rows[i].can_change);
        g_assert_cmpuint(driver_config8(&h.d, WRITEBACK), ==, rows[i].is_cached);
        write_is(&h, rows[i].is_cached);
        hang_stop(&h);
    }
}

static void set_writeback(Driver *d, uint8_t value)
{
    qtest_writeb(d->q, d->base + REG_CONFIG + WRITEBACK, value);
}

static void the_driver_changes_the_mode(void)
{
    Hang h = hang_start("", "");

    set_writeback(&h.d, 0);
    g_assert_cmpuint(driver_config8(&h.d, WRITEBACK), ==, 0);
    write_is(&h, false);
    set_writeback(&h.d, 1);
    write_is(&h, true);
    set_writeback(&h.d, 7); /* neither */
    g_assert_cmpuint(driver_config8(&h.d, WRITEBACK), ==, 1);
    set_writeback(&h.d, 0);
    driver_restart(&h.d, ~UINT64_C(0), 1); /* a new driver begins anew */
    g_assert_cmpuint(driver_config8(&h.d, WRITEBACK), ==, 1);
    hang_stop(&h);
}

/* The guest has a write done, not flushed, and says that from now on nothing is cached: then this is not, either. */
static void what_was_cached_is_flushed(void)
{
    Hang h = hang_start("", "");

    hang_complete(&h.d, hang_submit(&h.d, HANG_OUT, 3, 3));
    hang_syncs(&h);
    set_writeback(&h.d, 0);
    hang_wait(&h);
    hang_end(&h);
    write_is(&h, false);
    hang_stop(&h);
}

/* virtio 1.2, 5.2.6.2 */
static void a_driver_that_cannot_flush_needs_not(void)
{
    Hang h = hang_start("", "");

    driver_restart(&h.d, ~(DRIVER_F(F_FLUSH) | DRIVER_F(F_CONFIG_WCE)), 1);
    g_assert_cmpuint(driver_config8(&h.d, WRITEBACK), ==, 0);
    write_is(&h, false);
    driver_restart(&h.d, ~DRIVER_F(F_CONFIG_WCE), 1);
    write_is(&h, true);
    set_writeback(&h.d, 0); /* not accepted, so not possible */
    g_assert_cmpuint(driver_config8(&h.d, WRITEBACK), ==, 1);
    hang_stop(&h);
}

static void assert_property(QTest *q, const char *name, const char *value)
{
    g_autoptr(Json) v = qtest_qmp_ok(q, "{'execute': 'qom-get', 'arguments': {'path': '/machine/peripheral/b0', "
                                        "'property': '%s'}}", name);
    g_autofree char *text = json_print(v, false);

    g_assert_cmpstr(text, ==, value);
}

static void what_libvirt_asks_for_is_kept(void)
{
    Hang h = hang_start("", ",write-cache=on,bootindex=1,id=b0");

    assert_property(h.d.q, "bootindex", "1");
    assert_property(h.d.q, "write-cache", "\"on\"");
    json_unref(qtest_qmp_ok(h.d.q, "{'execute': 'qom-set', 'arguments': {'path': '/machine/peripheral/b0', "
                                   "'property': 'bootindex', 'value': -1}}"));
    assert_property(h.d.q, "bootindex", "-1");
    hang_stop(&h);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/riscv64/virtio-blk-cache/the_mode_is_what_was_asked_for", the_mode_is_what_was_asked_for);
    g_test_add_func("/riscv64/virtio-blk-cache/the_driver_changes_the_mode", the_driver_changes_the_mode);
    g_test_add_func("/riscv64/virtio-blk-cache/what_was_cached_is_flushed", what_was_cached_is_flushed);
    g_test_add_func("/riscv64/virtio-blk-cache/a_driver_that_cannot_flush_needs_not",
                    a_driver_that_cannot_flush_needs_not);
    g_test_add_func("/riscv64/virtio-blk-cache/what_libvirt_asks_for_is_kept", what_libvirt_asks_for_is_kept);
    return g_test_run();
}
