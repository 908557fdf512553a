/* util/program.c - the running program itself.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/program.h"

#include <link.h>
#include <unistd.h>

/* Between two variables the address sanitizer forbids to read. */
__attribute__((no_sanitize_address)) static int touch_object(struct dl_phdr_info *object, size_t size, void *pages)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    for (unsigned i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &object->dlpi_phdr[i];

        if (p->p_type != PT_LOAD || (p->p_flags & (PF_R | PF_W)) != PF_R) {
            continue;
        }
        for (uintptr_t at = object->dlpi_addr + p->p_vaddr, end = at + p->p_memsz; at < end; at = (at / page + 1) * page) {
            (void)*(const volatile char *)at;
            ++*(unsigned *)pages;
        }
    }
    return 0;
}

unsigned program_touch(void)
{
    unsigned pages = 0;

    dl_iterate_phdr(touch_object, &pages);
    return pages;
}
