/* tests/qtest/hw/riscv/virt-test.c - machine virt: where things are after a reset.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>
#include <unistd.h>

#include "../../libqtest.h"
#include "util/bytes.h"

static void a_kernel_lies_two_mib_above_the_firmware_and_comes_back_at_reset(void)
{
    g_autofree char *dir = g_dir_make_tmp("baton-virt-XXXXXX", NULL);
    g_autofree char *kernel = g_build_filename(dir, "k", NULL), *bios = g_build_filename(dir, "b", NULL);
    char image[128];
    QTest *q;
    uint64_t at[8];

    for (unsigned i = 0; i < sizeof(image); i++) {
        image[i] = i;
    }
    g_assert_true(g_file_set_contents(kernel, image, 128, NULL));
    g_assert_true(g_file_set_contents(bios, image + 64, 64, NULL));
    q = qtest_start("-m 64 -bios %s -kernel %s -append hello", bios, kernel);
    for (unsigned i = 0; i < 2; i++) {
        char seen[128];

        qtest_memread(q, 0x80000000, seen, 64);
        g_assert_cmpmem(seen, 64, image + 64, 64);
        qtest_memread(q, 0x80200000, seen, 128);
        g_assert_cmpmem(seen, 128, image, 128);
        qtest_memset(q, 0x80000000, 0, 64);
        qtest_memset(q, 0x80200000, 0xff, 128);
        json_unref(qtest_qmp_ok(q, "{'execute': 'system_reset'}"));
        json_unref(qtest_event(q, "RESET"));
    }
    qtest_memread(q, 0x1018, at, sizeof(at));
    g_assert_cmphex(at[0], ==, 0x80000000);           /* start */
    g_assert_cmphex(qtest_readl(q, at[1]), ==, 0xedfe0dd0); /* tree */
    g_assert_cmphex(at[2], ==, 0x4942534f);           /* fw_dynamic_info */
    g_assert_cmphex(at[4], ==, 0x80200000);           /* next stage */
    g_assert_cmphex(at[5], ==, 1);
    qtest_writel(q, 0x1000, 0);                       /* ROM as far as harts go; qtest may write it */
    qtest_quit(q);
    unlink(kernel);
    unlink(bios);
    rmdir(dir);
}

static void slots_without_a_device_say_so(void)
{
    QTest *q = qtest_start("-smp 1");

    for (unsigned i = 0; i < 8; i++) {
        g_assert_cmphex(qtest_readl(q, 0x10001000 + 0x1000 * i), ==, 0x74726976);
        g_assert_cmphex(qtest_readl(q, 0x10001008 + 0x1000 * i), ==, 0);
        g_assert_cmphex(qtest_readl(q, 0x10001070 + 0x1000 * i), ==, 0);
    }
    qtest_quit(q);
}

static void the_first_device_takes_the_highest_slot(void)
{
    QTest *q = qtest_start("-device virtio-rng-device -device virtio-net-device "
                           "-device virtio-rng-device,bus=virtio-mmio-bus.2");

    g_assert_cmpuint(qtest_readl(q, 0x10008008), ==, 4);
    g_assert_cmpuint(qtest_readl(q, 0x10007008), ==, 1);
    g_assert_cmpuint(qtest_readl(q, 0x10003008), ==, 4);
    g_assert_cmpuint(qtest_readl(q, 0x10006008), ==, 0);
    qtest_quit(q);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/riscv64/virt/a_kernel_lies_two_mib_above_the_firmware_and_comes_back_at_reset",
                    a_kernel_lies_two_mib_above_the_firmware_and_comes_back_at_reset);
    g_test_add_func("/riscv64/virt/slots_without_a_device_say_so", slots_without_a_device_say_so);
    g_test_add_func("/riscv64/virt/the_first_device_takes_the_highest_slot",
                    the_first_device_takes_the_highest_slot);
    return g_test_run();
}
