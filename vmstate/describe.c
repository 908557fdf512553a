/* vmstate/describe.c - a table as JSON (the end of a stream), as text (golden files), and what it
 * forgets. SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmstate/walk.h"

#include <string.h>

/* ---- JSON: names are ours and plain ASCII, so nothing needs escaping ---- */
static void json_table(const VMStateDescription *d, const void *instance, GString *out);

static size_t wire_size(const VMStateField *f)
{
    unsigned width = vmstate_type_info(f->type)->width;

    return width ? width : f->size;
}

static void json_field(const VMStateField *f, const void *at, int index, uint32_t array_len,
                       bool *first, GString *out)
{
    g_string_append_printf(out, "%s{\"name\":\"%s\",\"type\":\"%s\",\"size\":%zu",
                           *first ? "" : ",", f->name, vmstate_type_info(f->type)->json,
                           wire_size(f));
    *first = false;
    if (index >= 0) {
        g_string_append_printf(out, ",\"index\":%d", index);
    } else if (array_len) {
        g_string_append_printf(out, ",\"array_len\":%u", array_len);
    }
    if (f->type == VMS_STRUCT) {
        g_string_append(out, ",\"struct\":");
        json_table(f->sub, at, out);
    }
    g_string_append_c(out, '}');
}

/* Equal elements are one entry with a length; structs differ (their arrays, subsections), so each
 * has its own. */
static void json_fields(const VMStateField *f, const void *instance, bool *first, GString *out)
{
    uint32_t count = f->is_varray ? MIN(vmstate_varray_count(f, instance), f->count) : f->count;
    const char *at = (const char *)instance + f->offset;
    bool is_array = f->is_varray || f->count != 1;

    if (!is_array) {
        json_field(f, at, -1, 0, first, out);
    } else if (f->type != VMS_STRUCT) {
        if (count) {
            json_field(f, at, -1, count, first, out);
        }
    } else {
        for (uint32_t i = 0; i < count; i++) {
            json_field(f, at + (size_t)i * f->size, i, 0, first, out);
        }
    }
}

static void json_subsections(const VMStateDescription *d, const void *instance, GString *out)
{
    bool first = true;

    for (const VMStateDescription *const *s = d->subsections; s && *s; s++) {
        if ((*s)->needed && !(*s)->needed(instance)) {
            continue;
        }
        g_string_append(out, first ? ",\"subsections\":[" : ",");
        first = false;
        json_table(*s, instance, out);
    }
    if (!first) {
        g_string_append_c(out, ']');
    }
}

static void json_table(const VMStateDescription *d, const void *instance, GString *out)
{
    bool first = true;

    g_string_append_printf(out, "{\"vmsd_name\":\"%s\",\"version\":%u,\"fields\":[", d->name,
                           d->version);
    for (const VMStateField *f = d->fields; f && f->name; f++) {
        json_fields(f, instance, &first, out);
    }
    g_string_append_c(out, ']');
    json_subsections(d, instance, out);
    g_string_append_c(out, '}');
}

void vmstate_describe_json(const VMStateDescription *d, const void *instance, GString *out)
{
    json_table(d, instance, out);
}

/* ---- text ---- */
static const char *phase_name(VMStateSavePhase phase)
{
    static const char *const names[VMSTATE_SAVE__MAX] = {
        [VMSTATE_SAVE_SETUP] = "setup",     [VMSTATE_SAVE_HARTS] = "harts",
        [VMSTATE_SAVE_IRQCHIP] = "irqchip", [VMSTATE_SAVE_BUS] = "bus",
        [VMSTATE_SAVE_DEVICE] = "device",   [VMSTATE_SAVE_BACKEND] = "backend",
        [VMSTATE_SAVE_STARTED] = "started",
    };

    g_assert(phase < VMSTATE_SAVE__MAX);
    return names[phase];
}

static void text_table(const VMStateDescription *d, int indent, GString *out);

static void text_field(const VMStateField *f, int indent, GString *out)
{
    g_string_append_printf(out, "%*s%s %s", indent, "", f->name, vmstate_type_info(f->type)->text);
    if (f->type == VMS_BYTES) {
        g_string_append_printf(out, "(%zu)", f->size);
    }
    if (f->is_varray) {
        g_string_append_printf(out, "[up to %u]", f->count);
    } else if (f->count != 1) {
        g_string_append_printf(out, "[%u]", f->count);
    }
    if (f->since > 1) {
        g_string_append_printf(out, " since %u", f->since);
    }
    g_string_append_c(out, '\n');
    if (f->type == VMS_STRUCT) {
        text_table(f->sub, indent + 4, out);
    }
}

static void text_table(const VMStateDescription *d, int indent, GString *out)
{
    g_string_append_printf(out, "%*s%s: version %u, reads %u", indent, "", d->name, d->version,
                           vmstate_oldest(d));
    if (!indent) {
        g_string_append_printf(out, ", phase %s", phase_name(d->phase));
    }
    g_string_append_printf(out, "%s\n", d->needed ? ", when needed" : "");
    for (const VMStateField *f = d->fields; f && f->name; f++) {
        text_field(f, indent + 4, out);
    }
    for (const VMStateDescription *const *s = d->subsections; s && *s; s++) {
        text_table(*s, indent + 4, out);
    }
}

char *vmstate_describe_text(const VMStateDescription *d)
{
    GString *out = g_string_new(NULL);

    text_table(d, 0, out);
    return g_string_free(out, FALSE);
}

/* ---- forgotten fields ----
 * Ones everywhere, the compiler zeroes the padding, the table zeroes what it names: what is left is
 * forgotten. gcc 12's builtin loses its way in and behind arrays of padded structs, so from the
 * first struct member on, a gap that alignment alone explains passes as padding; and a struct's own
 * table is looked at for itself. */
typedef struct Cover {
    uint8_t *bytes;
    size_t start, size;
    size_t doubtful; /* from here on the builtin is not to be trusted */
} Cover;

static void cover_range(Cover *c, size_t from, size_t size)
{
    for (size_t i = from; i < from + size; i++) {
        if (i >= c->start && i - c->start < c->size) {
            c->bytes[i - c->start] = 0;
        }
    }
}

static void cover_table(Cover *c, const VMStateDescription *d)
{
    for (const VMStateField *f = d->fields; f && f->name; f++) {
        cover_range(c, f->offset, f->count * f->size);
        if (f->type == VMS_STRUCT && f->offset - c->start < c->doubtful) {
            c->doubtful = f->offset - c->start;
        }
    }
    for (const VMStateDescription *const *s = d->subsections; s && *s; s++) {
        cover_table(c, *s);
    }
}

static char *uncovered_text(const VMStateDescription *d, size_t offset)
{
    const VMStateField *before = NULL;

    for (const VMStateField *f = d->fields; f && f->name; f++) {
        if (f->offset <= d->span_offset + offset && (!before || f->offset > before->offset)) {
            before = f;
        }
    }
    return g_strdup_printf("%s: byte %zu of the state is not saved (behind '%s')", d->name, offset,
                           before ? before->name : "its start");
}

static bool could_be_padding(size_t from, size_t to)
{
    return (to % 8 == 0 && to - from < 8) || (to % 4 == 0 && to - from < 4) ||
           (to % 2 == 0 && to - from < 2);
}

static char *first_gap(const VMStateDescription *d, const Cover *c)
{
    for (size_t i = 0, end; i < c->size; i = end + 1) {
        for (end = i; end < c->size && c->bytes[end]; end++) {
        }
        if (end > i && (i < c->doubtful || !could_be_padding(c->start + i, c->start + end))) {
            return uncovered_text(d, i);
        }
    }
    return NULL;
}

static char *uncovered(const VMStateDescription *d, size_t size);

static char *uncovered_structs(const VMStateDescription *d)
{
    char *text = NULL;

    for (const VMStateField *f = d->fields; f && f->name && !text; f++) {
        if (f->type == VMS_STRUCT) {
            text = uncovered(f->sub, f->size);
        }
    }
    for (const VMStateDescription *const *s = d->subsections; s && *s && !text; s++) {
        text = uncovered_structs(*s);
    }
    return text;
}

/* size: of the struct, for a table that names no span of its own; 0: it then has nothing to cover.
 */
static char *uncovered(const VMStateDescription *d, size_t size)
{
    Cover c = {.start = d->span_offset, .size = d->span_size ? d->span_size : size};
    char *text;

    c.doubtful = d->span_size && VMSTATE_HAS_PADDING_TEST ? SIZE_MAX : 0;
    c.bytes = g_malloc(c.size + 1);
    memset(c.bytes, 0xff, c.size);
    if (d->span_size) {
        d->clear_padding(c.bytes);
    }
    cover_table(&c, d);
    text = first_gap(d, &c);
    g_free(c.bytes);
    return text ? text : uncovered_structs(d);
}

char *vmstate_uncovered(const VMStateDescription *d)
{
    return uncovered(d, 0);
}
