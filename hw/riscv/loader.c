/* hw/riscv/loader.c - firmware, kernel and initrd: read, check, place.
 * Owner: main loop.  Page: docs/devices/virt.md.  Test: tests/unit/hw/loader-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Nothing in a file is believed: each offset, size and address is checked against the file and against RAM before
 * anything is kept. */
#include "hw/riscv/loader.h"

#include "system/ram.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/fd.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#ifndef EM_RISCV
#define EM_RISCV 243
#endif
#define SEGMENTS_MAX 64

typedef struct Piece {
    gpa_t gpa;
    GBytes *bytes;
} Piece;
static GArray *pieces;

bool loader_add(const char *what, gpa_t gpa, GBytes *take, GError **errp)
{
    Piece p = {gpa, take};

    if (g_bytes_get_size(take) && !ram_ptr(gpa, g_bytes_get_size(take))) {
        g_bytes_unref(take);
        return fail(errp, "%s does not fit into the guest's memory at 0x%" G_GINT64_MODIFIER "x", what, gpa);
    }
    if (!pieces) {
        pieces = g_array_new(FALSE, FALSE, sizeof(Piece));
    }
    g_array_append_val(pieces, p);
    return true;
}

void loader_write_all(void)
{
    for (unsigned i = 0; pieces && i < pieces->len; i++) {
        const Piece *p = &g_array_index(pieces, Piece, i);
        size_t size;
        const void *data = g_bytes_get_data(p->bytes, &size);

        if (size) {
            memcpy(ram_ptr(p->gpa, size), data, size);
            ram_written(p->gpa, size);
        }
    }
}

void loader_forget(void)
{
    for (unsigned i = 0; pieces && i < pieces->len; i++) {
        g_bytes_unref(g_array_index(pieces, Piece, i).bytes);
    }
    g_clear_pointer(&pieces, g_array_unref);
}

GBytes *loader_read_file(const char *what, const char *path, uint64_t max, GError **errp)
{
    g_autofd int fd = open(path, O_RDONLY | O_CLOEXEC);
    g_autofree uint8_t *data = NULL;
    struct stat st;
    ssize_t got;

    if (fd < 0 || fstat(fd, &st) < 0) {
        fail_errno(errp, errno, "cannot open %s '%s'", what, path);
        return NULL;
    }
    if (!S_ISREG(st.st_mode)) {
        fail(errp, "%s '%s' is not a regular file", what, path);
        return NULL;
    }
    if ((uint64_t)st.st_size > max) {
        fail(errp, "%s '%s' has %" G_GINT64_FORMAT " bytes, more than the %" G_GUINT64_FORMAT " that fit", what, path,
             (gint64)st.st_size, max);
        return NULL;
    }
    data = g_try_malloc(MAX(st.st_size, 1));
    if (!data) {
        fail(errp, "no memory to read %s '%s'", what, path);
        return NULL;
    }
    got = fd_read_all(fd, data, st.st_size);
    if (got != st.st_size) {
        fail_errno(errp, got < 0 ? -got : EIO, "cannot read %s '%s'", what, path);
        return NULL;
    }
    return g_bytes_new_take(g_steal_pointer(&data), got);
}

static bool in_ram(LoadRange ram, gpa_t at, uint64_t size)
{
    return at >= ram.low && at <= ram.high && size <= ram.high - at;
}

/* ---- ELF ---- */
static bool add_segment(const char *what, GBytes *file, const Elf64_Phdr *ph, LoadRange ram, LoadedImage *image,
                        GError **errp)
{
    size_t size = g_bytes_get_size(file);

    if (ph->p_offset > size || ph->p_filesz > size - ph->p_offset || ph->p_filesz > ph->p_memsz) {
        return fail(errp, "%s: an ELF segment lies outside the file", what);
    }
    if (!in_ram(ram, ph->p_paddr, ph->p_memsz)) {
        return fail(errp, "%s: ELF segment of 0x%" G_GINT64_MODIFIER "x bytes at 0x%" G_GINT64_MODIFIER
                    "x does not fit into memory 0x%" G_GINT64_MODIFIER "x-0x%" G_GINT64_MODIFIER "x", what,
                    (uint64_t)ph->p_memsz, (uint64_t)ph->p_paddr, ram.low, ram.high);
    }
    image->start = MIN(image->start, ph->p_paddr);
    image->end = MAX(image->end, ph->p_paddr + ph->p_memsz);
    return loader_add(what, ph->p_paddr, g_bytes_new_from_bytes(file, ph->p_offset, ph->p_filesz), errp);
}

/* A kernel is linked for virtual addresses and entered at the physical one of the same segment. */
static gpa_t physical_entry(const Elf64_Ehdr *eh, const Elf64_Phdr *ph, gpa_t entry)
{
    if (eh->e_entry >= ph->p_vaddr && eh->e_entry - ph->p_vaddr < ph->p_memsz) {
        return eh->e_entry - ph->p_vaddr + ph->p_paddr;
    }
    return entry;
}

static bool parse_elf(const char *what, GBytes *file, LoadRange ram, LoadedImage *ret, GError **errp)
{
    size_t size;
    const uint8_t *data = g_bytes_get_data(file, &size);
    LoadedImage image = {.start = UINT64_MAX};
    Elf64_Ehdr eh;

    if (size < sizeof(eh)) {
        return fail(errp, "%s: the ELF header is cut off", what);
    }
    memcpy(&eh, data, sizeof(eh));
    if (eh.e_ident[EI_CLASS] != ELFCLASS64 || eh.e_ident[EI_DATA] != ELFDATA2LSB || eh.e_machine != EM_RISCV) {
        return fail(errp, "%s: not a 64-bit little-endian RISC-V ELF file", what);
    }
    if (eh.e_phentsize != sizeof(Elf64_Phdr) || eh.e_phnum == 0 || eh.e_phnum > SEGMENTS_MAX || eh.e_phoff > size ||
        eh.e_phnum * sizeof(Elf64_Phdr) > size - eh.e_phoff) {
        return fail(errp, "%s: the ELF program headers are not usable (%u of %u bytes)", what, eh.e_phnum,
                    eh.e_phentsize);
    }
    image.entry = eh.e_entry;
    for (unsigned i = 0; i < eh.e_phnum; i++) {
        Elf64_Phdr ph;

        memcpy(&ph, data + eh.e_phoff + i * sizeof(ph), sizeof(ph));
        if (ph.p_type != PT_LOAD || ph.p_memsz == 0) {
            continue;
        }
        if (!add_segment(what, file, &ph, ram, &image, errp)) {
            return false;
        }
        image.entry = physical_entry(&eh, &ph, image.entry);
    }
    if (image.end == 0 || !in_ram(ram, image.entry, 4)) {
        return fail(errp, "%s: ELF entry point 0x%" G_GINT64_MODIFIER "x is not in memory", what, image.entry);
    }
    *ret = image;
    return true;
}

/* ---- raw, with the header of Linux' Image if it is there ---- */
enum { IMAGE_HEADER = 64, IMAGE_SIZE_AT = 16, IMAGE_MAGIC_AT = 56 };

static bool parse_raw(const char *what, GBytes *file, gpa_t at, LoadRange ram, LoadedImage *ret, GError **errp)
{
    size_t size;
    const uint8_t *data = g_bytes_get_data(file, &size);
    uint64_t needed = size;

    if (size == 0) {
        return fail(errp, "%s: the file is empty", what);
    }
    if (size >= 2 && data[0] == 0x1f && data[1] == 0x8b) {
        return fail(errp, "%s: compressed files are not supported; unpack it with gunzip", what);
    }
    if (size >= IMAGE_HEADER && !memcmp(data + IMAGE_MAGIC_AT, "RSC\x05", 4)) {
        needed = MAX(needed, load_le64(data + IMAGE_SIZE_AT));
    }
    if (!in_ram(ram, at, needed)) {
        return fail(errp, "%s needs 0x%" G_GINT64_MODIFIER "x bytes at 0x%" G_GINT64_MODIFIER
                    "x, memory ends at 0x%" G_GINT64_MODIFIER "x", what, needed, at, ram.high);
    }
    *ret = (LoadedImage){at, at, at + needed};
    return loader_add(what, at, g_bytes_ref(file), errp);
}

bool loader_parse(const char *what, GBytes *file, gpa_t raw_at, LoadRange ram, LoadedImage *ret, GError **errp)
{
    size_t size;
    const uint8_t *data = g_bytes_get_data(file, &size);

    if (size >= SELFMAG && !memcmp(data, ELFMAG, SELFMAG)) {
        return parse_elf(what, file, ram, ret, errp);
    }
    return parse_raw(what, file, raw_at, ram, ret, errp);
}

bool loader_add_image(const char *what, const char *path, gpa_t raw_at, LoadRange ram, LoadedImage *ret, GError **errp)
{
    g_autofree char *name = g_strdup_printf("%s '%s'", what, path);
    g_autoptr(GBytes) file = loader_read_file(what, path, LOADER_FILE_MAX, errp);

    return file && loader_parse(name, file, raw_at, ram, ret, errp);
}
