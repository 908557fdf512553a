/* tests/unit/hw/virt-fdt-test.c - the tree names every device of the board, and takes in the user's own.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include <libfdt.h>
#include <string.h>

#include "hw/riscv/virt.h"

static char *const extensions[] = {"i", "m", "zba", NULL};

static VirtFdt config(void)
{
    return (VirtFdt){.harts = 3, .ram_size = UINT64_C(5) << 30, .isa = "rv64im_zba", .mmu = "riscv,sv48",
                     .extensions = extensions, .append = "console=ttyS0", .initrd = 0x90000000,
                     .initrd_end = 0x90001234};
}

static const char *text_at(const void *fdt, const char *path, const char *name)
{
    int node = fdt_path_offset(fdt, path);

    g_assert_cmpint(node, >=, 0);
    return fdt_getprop(fdt, node, name, NULL);
}

static uint32_t cell_at(const void *fdt, const char *path, const char *name, unsigned i)
{
    int size, node = fdt_path_offset(fdt, path);
    const fdt32_t *cells;

    g_assert_cmpint(node, >=, 0);
    cells = fdt_getprop(fdt, node, name, &size);
    g_assert_nonnull(cells);
    g_assert_cmpint((i + 1) * 4, <=, size);
    return fdt32_to_cpu(cells[i]);
}

static void describes_the_board(void)
{
    VirtFdt f = config();
    g_autoptr(GBytes) tree = virt_fdt_make(&f, NULL);
    const void *fdt = g_bytes_get_data(tree, NULL);

    g_assert_cmpint(fdt_check_full(fdt, g_bytes_get_size(tree)), ==, 0);
    g_assert_cmpstr(text_at(fdt, "/chosen", "bootargs"), ==, "console=ttyS0");
    g_assert_cmpstr(text_at(fdt, "/chosen", "stdout-path"), ==, "/soc/serial@10000000");
    g_assert_cmphex(cell_at(fdt, "/chosen", "linux,initrd-end", 1), ==, 0x90001234);
    g_assert_cmphex(cell_at(fdt, "/memory@80000000", "reg", 2), ==, 1);
    g_assert_cmphex(cell_at(fdt, "/memory@80000000", "reg", 3), ==, 0x40000000);
    g_assert_cmpstr(text_at(fdt, "/cpus/cpu@2", "riscv,isa"), ==, "rv64im_zba");
    g_assert_cmpuint(cell_at(fdt, "/cpus/cpu@2", "reg", 0), ==, 2);
    g_assert_cmpuint(cell_at(fdt, "/soc/serial@10000000", "interrupts", 0), ==, 10);
    g_assert_cmpuint(cell_at(fdt, "/soc/virtio_mmio@10008000", "interrupts", 0), ==, 8);
    g_assert_cmpuint(cell_at(fdt, "/soc/plic@c000000", "riscv,ndev", 0), ==, 95);
    g_assert_cmpuint(cell_at(fdt, "/soc/plic@c000000", "interrupts-extended", 11), ==, 9);
    g_assert_cmpuint(cell_at(fdt, "/poweroff", "regmap", 0), ==, cell_at(fdt, "/soc/test@100000", "phandle", 0));
    g_assert_cmpuint(cell_at(fdt, "/soc/rtc@101000", "interrupt-parent", 0), ==,
                     cell_at(fdt, "/soc/plic@c000000", "phandle", 0));
}

static void each_phandle_is_given_once(void)
{
    VirtFdt f = config();
    g_autoptr(GBytes) tree = virt_fdt_make(&f, NULL);
    const void *fdt = g_bytes_get_data(tree, NULL);
    g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);

    for (int node = fdt_next_node(fdt, -1, NULL); node >= 0; node = fdt_next_node(fdt, node, NULL)) {
        uint32_t phandle = fdt_get_phandle(fdt, node);

        g_assert_true(phandle == 0 || g_hash_table_add(seen, GUINT_TO_POINTER(phandle)));
    }
    g_assert_cmpuint(g_hash_table_size(seen), ==, 3 * 2 + 2);
}

static void aclint_nodes_on_request(void)
{
    VirtFdt f = config();
    g_autoptr(GBytes) tree = NULL;
    const void *fdt;

    f.has_aclint_nodes = true;
    tree = virt_fdt_make(&f, NULL);
    fdt = g_bytes_get_data(tree, NULL);
    g_assert_cmpint(fdt_path_offset(fdt, "/soc/clint@2000000"), <, 0);
    g_assert_cmphex(cell_at(fdt, "/soc/mtimer@2004000", "reg", 1), ==, 0x200bff8);
    g_assert_cmphex(cell_at(fdt, "/soc/mtimer@2004000", "reg", 5), ==, 0x2004000);
}

static void the_seed_is_new_at_each_reset(void)
{
    VirtFdt f = config();
    g_autoptr(GBytes) tree = virt_fdt_make(&f, NULL);
    g_autofree void *a = g_memdup2(g_bytes_get_data(tree, NULL), g_bytes_get_size(tree));
    g_autofree void *b = g_memdup2(a, g_bytes_get_size(tree));

    virt_fdt_reseed(a);
    virt_fdt_reseed(b);
    g_assert_cmpint(memcmp(a, b, g_bytes_get_size(tree)), !=, 0);
}

static void adopts_the_users_tree_and_refuses_garbage(void)
{
    VirtFdt f = config();
    g_autoptr(GBytes) own = virt_fdt_make(&f, NULL), adopted = NULL, cut = NULL, noise = g_bytes_new("nothing", 7);

    f.append = "quiet";
    adopted = virt_fdt_adopt(own, &f, NULL);
    g_assert_nonnull(adopted);
    g_assert_cmpstr(text_at(g_bytes_get_data(adopted, NULL), "/chosen", "bootargs"), ==, "quiet");
    cut = g_bytes_new_from_bytes(own, 0, g_bytes_get_size(own) - 1);
    g_assert_null(virt_fdt_adopt(cut, &f, NULL));
    g_assert_null(virt_fdt_adopt(noise, &f, NULL));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/hw/virt-fdt/describes_the_board", describes_the_board);
    g_test_add_func("/hw/virt-fdt/each_phandle_is_given_once", each_phandle_is_given_once);
    g_test_add_func("/hw/virt-fdt/aclint_nodes_on_request", aclint_nodes_on_request);
    g_test_add_func("/hw/virt-fdt/the_seed_is_new_at_each_reset", the_seed_is_new_at_each_reset);
    g_test_add_func("/hw/virt-fdt/adopts_the_users_tree_and_refuses_garbage",
                    adopts_the_users_tree_and_refuses_garbage);
    return g_test_run();
}
