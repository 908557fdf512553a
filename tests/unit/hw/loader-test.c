/* tests/unit/hw/loader-test.c - images go where they say, or are refused with the reason.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include <elf.h>
#include <glib.h>
#include <string.h>

#include "hw/riscv/loader.h"
#include "system/ram.h"
#include "util/bytes.h"

#define BASE UINT64_C(0x80000000)
#define SIZE UINT64_C(0x100000)
static const LoadRange ram = {BASE, BASE + SIZE};

typedef struct TestElf {
    Elf64_Ehdr eh;
    Elf64_Phdr ph;
    uint8_t code[32];
} TestElf;

static TestElf good_elf(void)
{
    TestElf e = {
        .eh = {.e_ident = ELFMAG, .e_type = ET_EXEC, .e_machine = 243, .e_version = 1, .e_entry = 0xffffffff80000004,
               .e_phoff = offsetof(TestElf, ph), .e_phentsize = sizeof(Elf64_Phdr), .e_phnum = 1},
        .ph = {.p_type = PT_LOAD, .p_offset = offsetof(TestElf, code), .p_vaddr = 0xffffffff80000000,
               .p_paddr = BASE + 0x1000, .p_filesz = 32, .p_memsz = 0x2000},
    };

    e.eh.e_ident[EI_CLASS] = ELFCLASS64;
    e.eh.e_ident[EI_DATA] = ELFDATA2LSB;
    memset(e.code, 0x13, sizeof(e.code));
    return e;
}

static bool parse(const void *data, size_t size, LoadedImage *ret, GError **errp)
{
    g_autoptr(GBytes) file = g_bytes_new(data, size);

    return loader_parse("test image", file, BASE + 0x200, ram, ret, errp);
}

static void an_elf_is_placed_by_its_headers_and_written_at_each_reset(void)
{
    TestElf e = good_elf();
    LoadedImage image;

    g_assert_true(parse(&e, sizeof(e), &image, NULL));
    g_assert_cmphex(image.entry, ==, BASE + 0x1004);
    g_assert_cmphex(image.end, ==, BASE + 0x3000);
    for (unsigned i = 0; i < 2; i++) {
        memset(ram_ptr(BASE, SIZE), 0, SIZE);
        loader_write_all();
        g_assert_cmpmem(ram_ptr(BASE + 0x1000, 32), 32, e.code, 32);
    }
    loader_forget();
}

static void bad_elf_files_are_refused(void)
{
    static const struct {
        size_t at;
        unsigned size;
        uint64_t value;
        const char *why;
    } damages[] = {
        {offsetof(TestElf, eh.e_machine), 2, 62, "*not a 64-bit little-endian RISC-V*"},
        {offsetof(TestElf, eh.e_phoff), 8, UINT64_MAX - 8, "*program headers*"},
        {offsetof(TestElf, eh.e_phnum), 2, 0xffff, "*program headers*"},
        {offsetof(TestElf, eh.e_phnum), 2, 3, "*program headers*"},
        {offsetof(TestElf, ph.p_offset), 8, UINT64_MAX, "*outside the file*"},
        {offsetof(TestElf, ph.p_filesz), 8, 33, "*outside the file*"},
        {offsetof(TestElf, ph.p_filesz), 8, UINT64_MAX, "*outside the file*"},
        {offsetof(TestElf, ph.p_memsz), 8, UINT64_MAX, "*does not fit*"},
        {offsetof(TestElf, ph.p_memsz), 8, SIZE, "*does not fit*"},
        {offsetof(TestElf, ph.p_paddr), 8, 0, "*does not fit*"},
        {offsetof(TestElf, ph.p_paddr), 8, UINT64_MAX - 16, "*does not fit*"},
        {offsetof(TestElf, ph.p_type), 4, PT_NOTE, "*entry point*"},
        {offsetof(TestElf, eh.e_entry), 8, 0x1000, "*entry point*"},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(damages); i++) {
        TestElf e = good_elf();
        g_autoptr(GError) err = NULL;
        LoadedImage image;

        memcpy((char *)&e + damages[i].at, &damages[i].value, damages[i].size);
        g_assert_false(parse(&e, sizeof(e), &image, &err));
        g_test_message("%s", err->message);
        g_assert_true(g_pattern_match_simple(damages[i].why, err->message));
    }
    for (size_t size = 4; size < offsetof(TestElf, code); size += 7) { /* cut off */
        TestElf e = good_elf();
        LoadedImage image;

        g_assert_false(parse(&e, size, &image, NULL));
    }
    loader_forget();
}

static void a_kernel_needs_the_room_that_its_header_names(void)
{
    g_autofree uint8_t *image = g_malloc0(4096);
    g_autoptr(GError) err = NULL;
    LoadedImage where;

    memcpy(image + 56, "RSC\x05", 4);
    store_le64(image + 16, 0x8000);
    g_assert_true(parse(image, 4096, &where, NULL));
    g_assert_cmphex(where.start, ==, BASE + 0x200);
    g_assert_cmphex(where.end, ==, BASE + 0x8200);
    store_le64(image + 16, UINT64_MAX);
    g_assert_false(parse(image, 4096, &where, &err));
    g_assert_nonnull(strstr(err->message, "memory ends"));
    g_clear_error(&err);
    memcpy(image, "\x1f\x8b", 2);
    g_assert_false(parse(image, 4096, &where, &err));
    g_assert_nonnull(strstr(err->message, "gunzip"));
    g_assert_false(parse(image, 0, &where, NULL));
    loader_forget();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_assert_nonnull(ram_add("ram", BASE, SIZE, NULL));
    g_test_add_func("/hw/loader/an_elf_is_placed_by_its_headers_and_written_at_each_reset",
                    an_elf_is_placed_by_its_headers_and_written_at_each_reset);
    g_test_add_func("/hw/loader/bad_elf_files_are_refused", bad_elf_files_are_refused);
    g_test_add_func("/hw/loader/a_kernel_needs_the_room_that_its_header_names",
                    a_kernel_needs_the_room_that_its_header_names);
    return g_test_run();
}
