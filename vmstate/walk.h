/* vmstate/walk.h - what saving, loading and describing a table share.  Private to vmstate/.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "vmstate/vmstate.h"

#define VMSTATE_SUBSECTION      0x05 /* QEMU's mark before a subsection */
#define VMSTATE_DEPTH_MAX       8    /* structs in structs */
#define VMSTATE_NAME_MAX        127
#define VMSTATE_SUBSECTIONS_MAX 32

typedef struct VMStateTypeInfo {
    const char *json; /* the type's name in the stream's description */
    const char *text; /* ... and in golden descriptions */
    unsigned width;   /* bytes on the wire; 0: as in memory (bytes), or by its own table (struct) */
} VMStateTypeInfo;

const VMStateTypeInfo *vmstate_type_info(VMStateType type);

static inline bool vmstate_field_exists(const VMStateField *f, uint32_t version)
{
    return f->since <= version;
}

static inline uint32_t vmstate_varray_count(const VMStateField *f, const void *instance)
{
    return *(const uint32_t *)((const char *)instance + f->count_offset);
}

static inline uint32_t vmstate_oldest(const VMStateDescription *d)
{
    return d->oldest ? d->oldest : 1;
}
