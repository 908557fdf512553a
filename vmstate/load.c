/* vmstate/load.c - from bytes to an instance.  The bytes come from outside: every count and value
 * is checked. SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmstate/walk.h"

#include "util/error.h"

#include <string.h>

static bool load_table(const VMStateDescription *d, void *instance, uint32_t version,
                       StateReader *r, unsigned depth, GError **errp);

static bool load_bool(void *at, StateReader *r, GError **errp)
{
    uint8_t v;

    if (!state_get_u8(r, &v, errp)) {
        return false;
    }
    if (v > 1) {
        return fail(errp, "%s: a bool is %u", r->what, v);
    }
    *(bool *)at = v;
    return true;
}

static bool load_element(const VMStateField *f, void *at, StateReader *r, unsigned depth,
                         GError **errp)
{
    switch (f->type) {
    case VMS_BOOL:
        return load_bool(at, r, errp);
    case VMS_U8:
        return state_get_u8(r, at, errp);
    case VMS_U16:
        return state_get_be16(r, at, errp);
    case VMS_U32:
    case VMS_I32:
        return state_get_be32(r, at, errp);
    case VMS_U64:
    case VMS_I64:
        return state_get_be64(r, at, errp);
    case VMS_BYTES:
        return state_get(r, at, f->size, errp);
    case VMS_STRUCT:
        return load_table(f->sub, at, f->sub->version, r, depth + 1, errp);
    }
    g_assert_not_reached();
}

static bool load_field(const VMStateField *f, void *instance, StateReader *r, unsigned depth,
                       GError **errp)
{
    uint32_t count = f->is_varray ? vmstate_varray_count(f, instance) : f->count;
    char *at = (char *)instance + f->offset;

    if (count > f->count) {
        return fail(errp, "%s: %u elements of '%s', at most %u fit", r->what, count, f->name,
                    f->count);
    }
    if (f->type == VMS_U8) {
        return state_get(r, at, count, errp);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!load_element(f, at + (size_t)i * f->size, r, depth, errp)) {
            return false;
        }
    }
    return true;
}

/* Is what comes next a subsection of `d`?  Its name starts with "<name of d>/"; anything else
 * belongs to who follows. */
static bool at_subsection(const VMStateDescription *d, const StateReader *r)
{
    size_t prefix = strlen(d->name);

    return state_left(r) >= 2 + prefix + 1 && r->at[0] == VMSTATE_SUBSECTION && r->at[1] > prefix &&
           !memcmp(r->at + 2, d->name, prefix) && r->at[2 + prefix] == '/';
}

static bool load_subsection(const VMStateDescription *d, void *instance, StateReader *r,
                            uint32_t *seen, unsigned depth, GError **errp)
{
    char name[256];
    uint32_t version;

    r->at++;
    if (!state_get_str8(r, name, errp) || !state_get_be32(r, &version, errp)) {
        return false;
    }
    for (unsigned i = 0; d->subsections && d->subsections[i]; i++) {
        if (strcmp(d->subsections[i]->name, name)) {
            continue;
        }
        g_assert(i < VMSTATE_SUBSECTIONS_MAX);
        if (*seen & 1u << i) {
            return fail(errp, "%s: subsection '%s' comes twice", r->what, name);
        }
        *seen |= 1u << i;
        return load_table(d->subsections[i], instance, version, r, depth + 1, errp);
    }
    return fail(errp, "%s: unknown subsection '%s'", r->what, name);
}

/* The device of a load that failed goes on being there: its timers run, users command it. */
static void forget_wrong_counts(const VMStateDescription *d, void *instance)
{
    for (const VMStateField *f = d->fields; f && f->name; f++) {
        if (f->is_varray && vmstate_varray_count(f, instance) > f->count) {
            memset((char *)instance + f->count_offset, 0, sizeof(uint32_t));
        }
    }
}

static bool load_members(const VMStateDescription *d, void *instance, uint32_t version,
                         StateReader *r, unsigned depth, GError **errp)
{
    uint32_t seen = 0;

    g_assert(depth < VMSTATE_DEPTH_MAX);
    if (version > d->version || version < vmstate_oldest(d)) {
        return fail(errp, "%s: version %u of '%s' cannot be read, only %u to %u", r->what, version,
                    d->name, vmstate_oldest(d), d->version);
    }
    if (d->loading && !d->loading(instance, errp)) {
        return false;
    }
    for (const VMStateField *f = d->fields; f && f->name; f++) {
        if (vmstate_field_exists(f, version) && !load_field(f, instance, r, depth, errp)) {
            g_prefix_error(errp, "field '%s': ", f->name);
            return false;
        }
    }
    while (at_subsection(d, r)) {
        if (!load_subsection(d, instance, r, &seen, depth, errp)) {
            return false;
        }
    }
    return !d->loaded || d->loaded(instance, version, errp);
}

static bool load_table(const VMStateDescription *d, void *instance, uint32_t version,
                       StateReader *r, unsigned depth, GError **errp)
{
    if (load_members(d, instance, version, r, depth, errp)) {
        return true;
    }
    forget_wrong_counts(d, instance);
    return false;
}

bool vmstate_load_next(const VMStateDescription *d, void *instance, uint32_t version,
                       StateReader *r, GError **errp)
{
    return load_table(d, instance, version, r, 0, errp);
}

bool vmstate_load(const VMStateDescription *d, void *instance, uint32_t version, StateReader *r,
                  GError **errp)
{
    if (!vmstate_load_next(d, instance, version, r, errp)) {
        return false;
    }
    if (state_left(r)) {
        return fail(errp, "%s: %zu bytes more than '%s' has", r->what, state_left(r), d->name);
    }
    return true;
}
