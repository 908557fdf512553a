/* vmstate/save.c - from an instance to bytes, along its table.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmstate/walk.h"

#include <string.h>

static const VMStateField no_fields[] = {{}};
const VMStateDescription vmstate_none = {.name = "none", .version = 1, .fields = no_fields};

const VMStateTypeInfo *vmstate_type_info(VMStateType type)
{
    static const VMStateTypeInfo table[] = {
        [VMS_BOOL] = {"bool", "bool", 1},       [VMS_U8] = {"uint8", "u8", 1},
        [VMS_U16] = {"uint16", "u16", 2},       [VMS_U32] = {"uint32", "u32", 4},
        [VMS_U64] = {"uint64", "u64", 8},       [VMS_I32] = {"int32", "i32", 4},
        [VMS_I64] = {"int64", "i64", 8},        [VMS_BYTES] = {"buffer", "bytes", 0},
        [VMS_STRUCT] = {"struct", "struct", 0},
    };

    g_assert(type < G_N_ELEMENTS(table));
    return &table[type];
}

static void save_table(const VMStateDescription *d, void *instance, StateWriter *w, unsigned depth);

static void save_element(const VMStateField *f, void *at, StateWriter *w, unsigned depth)
{
    switch (f->type) {
    case VMS_BOOL:
        state_put_u8(w, *(bool *)at);
        break;
    case VMS_U8:
        state_put_u8(w, *(uint8_t *)at);
        break;
    case VMS_U16:
        state_put_be16(w, *(uint16_t *)at);
        break;
    case VMS_U32:
    case VMS_I32:
        state_put_be32(w, *(uint32_t *)at);
        break;
    case VMS_U64:
    case VMS_I64:
        state_put_be64(w, *(uint64_t *)at);
        break;
    case VMS_BYTES:
        state_put(w, at, f->size);
        break;
    case VMS_STRUCT:
        save_table(f->sub, at, w, depth + 1);
        break;
    }
}

static void save_field(const VMStateField *f, void *instance, StateWriter *w, unsigned depth)
{
    uint32_t count = f->is_varray ? vmstate_varray_count(f, instance) : f->count;
    char *at = (char *)instance + f->offset;

    count = MIN(count, f->count);
    if (f->type == VMS_U8) {
        state_put(w, at, count); /* the same bytes, in one go */
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        save_element(f, at + (size_t)i * f->size, w, depth);
    }
}

static void save_table(const VMStateDescription *d, void *instance, StateWriter *w, unsigned depth)
{
    g_assert(depth < VMSTATE_DEPTH_MAX && strlen(d->name) <= VMSTATE_NAME_MAX);
    if (d->saving) {
        d->saving(instance);
    }
    for (const VMStateField *f = d->fields; f && f->name; f++) {
        save_field(f, instance, w, depth);
    }
    for (const VMStateDescription *const *s = d->subsections; s && *s; s++) {
        if ((*s)->needed && !(*s)->needed(instance)) {
            continue;
        }
        state_put_u8(w, VMSTATE_SUBSECTION);
        state_put_str8(w, (*s)->name);
        state_put_be32(w, (*s)->version);
        save_table(*s, instance, w, depth + 1);
    }
}

void vmstate_save(const VMStateDescription *d, void *instance, StateWriter *w)
{
    save_table(d, instance, w, 0);
}
