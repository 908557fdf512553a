/* tests/fuzz/firmware.c - images for -bios and -kernel: ELF, Linux' Image, raw.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Input: byte 0: where a raw image goes, in 64ths of memory; byte 1: is memory cut off; the rest is the file. */
#include "hw/riscv/loader.h"
#include "system/ram.h"
#include "replay.h"

#include <elf.h>

#define RAM_AT 0x80000000u
#define RAM_BYTES (256u << 10)

static const uint8_t *memory(void)
{
    static uint8_t *host;

    if (!host) {
        g_assert_nonnull(ram_add("fuzz.ram", RAM_AT, RAM_BYTES, NULL));
        host = ram_ptr(RAM_AT, RAM_BYTES);
    }
    return host;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GBytes) file = NULL;
    LoadRange ram = {RAM_AT, RAM_AT + RAM_BYTES};
    LoadedImage image = {0};
    GError *err = NULL;
    bool ok;

    memory();
    if (size < 2) {
        return 0;
    }
    ram.high -= data[1] & 1 ? RAM_BYTES / 2 : 0;
    file = g_bytes_new(data + 2, size - 2);
    ok = loader_parse("image", file, RAM_AT + (uint64_t)data[0] * (RAM_BYTES / 64), ram, &image, &err);
    fuzz_verdict(ok, err);
    if (ok) {
        g_assert_cmpuint(image.start, >=, ram.low);
        g_assert_cmpuint(image.start, <=, image.end);
        g_assert_cmpuint(image.end, <=, ram.high);
        g_assert_true(image.entry >= ram.low && image.entry <= ram.high);
        loader_write_all();
    }
    loader_forget();
    return 0;
}

static void put_elf(GByteArray *out, unsigned count, uint64_t virtual_base)
{
    Elf64_Ehdr eh = {
        .e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT}, .e_type = ET_EXEC, .e_machine = 243,
        .e_version = 1, .e_entry = virtual_base + 4, .e_phoff = sizeof(eh), .e_ehsize = sizeof(eh),
        .e_phentsize = sizeof(Elf64_Phdr), .e_phnum = count,
    };

    g_byte_array_append(out, (const uint8_t *)&eh, sizeof(eh));
    for (unsigned i = 0; i < count; i++) {
        Elf64_Phdr ph = {
            .p_type = i == 1 ? PT_NOTE : PT_LOAD, .p_offset = sizeof(eh), .p_vaddr = virtual_base + 0x1000 * i,
            .p_paddr = RAM_AT + 0x1000 * i, .p_filesz = 16 + i, .p_memsz = 32 + i, .p_align = 0x1000,
        };

        g_byte_array_append(out, (const uint8_t *)&ph, sizeof(ph));
    }
}

static GByteArray *make_seed(unsigned i)
{
    static const uint8_t raw[] = {0x13, 0, 0, 0, 0x6f, 0, 0, 0};
    GByteArray *seed = g_byte_array_append(g_byte_array_new(), (const uint8_t[]){i, 0}, 2);

    if (i == 0) {
        g_byte_array_append(seed, raw, sizeof(raw));
    } else if (i == 1) {
        uint8_t header[64] = {[17] = 2, [56] = 'R', 'S', 'C', 5};

        g_byte_array_append(seed, header, sizeof(header));
        g_byte_array_append(seed, raw, sizeof(raw));
    } else {
        put_elf(seed, i - 1, i & 1 ? 0xffffffff80000000u : RAM_AT);
    }
    return seed;
}

FUZZ_MAIN("firmware", make_seed, 6, 2000)
