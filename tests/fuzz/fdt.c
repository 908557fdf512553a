/* tests/fuzz/fdt.c - a device tree from a file (-dtb): adopted with ours put in, or refused.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Input: byte 0: what we put in; the rest is the file. */
#include "../../hw/riscv/virt.h"
#include "replay.h"

#include <libfdt.h>

static char *const extensions[] = {"i", "m", NULL};

static VirtFdt wishes(uint8_t bits)
{
    return (VirtFdt){
        .harts = 1 + bits % 4, .ram_size = 1u << 20, .isa = "rv64im", .mmu = "riscv,sv39", .extensions = extensions,
        .append = bits & 0x10 ? "console=ttyS0" : NULL, .initrd = bits & 0x20 ? 0x80000000 : 0,
        .initrd_end = bits & 0x20 ? 0x80001000 : 0, .has_aclint_nodes = bits & 0x40,
    };
}

#ifdef FUZZING
/* libfdt is not built for coverage: so what it says of the file, and which tags follow each other, guide the fuzzer. */
static uint8_t seen[32 + 16 * 16] __attribute__((section("__libfuzzer_extra_counters")));

static void look(GBytes *file)
{
    size_t size;
    const void *data = g_bytes_get_data(file, &size);
    int at = 0, next = 0, before = 0;

    seen[size < sizeof(struct fdt_header) ? 31 : -fdt_check_full(data, size) & 31] = 1;
    if (size < sizeof(struct fdt_header) || fdt_check_header(data) || fdt_totalsize(data) > size) {
        return;
    }
    for (unsigned i = 0; i < 4096 && next >= 0; i++) {
        int tag = fdt_next_tag(data, at, &next) & 15;

        seen[32 + 16 * before + tag] = MIN(seen[32 + 16 * before + tag] + 1, 255);
        before = tag;
        if (tag == FDT_END || next <= at) {
            return;
        }
        at = next;
    }
}
#else
static void look(GBytes *file)
{
}
#endif

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GBytes) file = NULL;
    g_autoptr(GBytes) tree = NULL;
    g_autofree void *placed = NULL;
    GError *err = NULL;
    VirtFdt f;
    size_t placed_size;

    if (!size) {
        return 0;
    }
    f = wishes(data[0]);
    file = g_bytes_new(data + 1, size - 1); /* a copy of its own size: one byte further is not ours */
    look(file);
    tree = virt_fdt_adopt(file, &f, &err);
    fuzz_verdict(tree != NULL, err);
    if (!tree) {
        return 0;
    }
    placed_size = g_bytes_get_size(tree);
    g_assert_cmpuint(placed_size, <=, 2 * VIRT_FDT_MAX);
    placed = g_memdup2(g_bytes_get_data(tree, NULL), placed_size);
    g_assert_cmpint(fdt_check_full(placed, placed_size), ==, 0);
    for (unsigned i = 0; i < 2; i++) { /* as at each reset */
        virt_fdt_reseed(placed);
        g_assert_cmpint(fdt_check_full(placed, placed_size), ==, 0);
    }
    if (f.append) {
        g_assert_cmpstr(fdt_getprop(placed, fdt_path_offset(placed, "/chosen"), "bootargs", NULL), ==, f.append);
    }
    return 0;
}

static GByteArray *make_seed(unsigned i)
{
    static const uint8_t small_words[] = {0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 9};
    GByteArray *seed = g_byte_array_new();
    uint8_t bits = i << 4;
    VirtFdt f = wishes(bits);

    g_byte_array_append(seed, &bits, 1);
    if (i < 4) {
        g_autoptr(GBytes) tree = virt_fdt_make(&f, NULL);

        g_byte_array_append(seed, g_bytes_get_data(tree, NULL), g_bytes_get_size(tree));
    } else {
        uint32_t head[] = {0xd00dfeed, 72, 56, 72, 40, 17, 16, 0, 0, 16};

        for (unsigned n = 0; n < G_N_ELEMENTS(head); n++) {
            head[n] = GUINT32_TO_BE(head[n]);
        }
        g_byte_array_append(seed, (const uint8_t *)head, sizeof(head));
        g_byte_array_append(seed, (const uint8_t[16]){0}, 16);
        g_byte_array_append(seed, small_words, sizeof(small_words));
    }
    return seed;
}

FUZZ_MAIN("fdt", make_seed, 5, 500)
