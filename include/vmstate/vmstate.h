/* include/vmstate/vmstate.h - tables that say what of a device's state travels, and how.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Everything a guest can see of a device lives in one nested struct `st` of its instance and is named, member by
 * member, in a VMStateDescription.  What can be rebuilt stays outside `st` and is rebuilt in `loaded`.  The library is
 * pure: no threads, no I/O, no knowledge of devices.  Wire format (integers big-endian, as QEMU's VMState):
 * docs/migration-stream.md. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum VMStateSavePhase { /* order on the wire, and of loading; within a phase: order of registration */
    VMSTATE_SAVE_SETUP,         /* early: the source still runs; loaded before any RAM page */
    VMSTATE_SAVE_HARTS,         /* from here on the VM is stopped */
    VMSTATE_SAVE_IRQCHIP,       /* before anything that can raise a line while loading */
    VMSTATE_SAVE_BUS,           /* bridges, IOMMU: before what is behind them */
    VMSTATE_SAVE_DEVICE,
    VMSTATE_SAVE_BACKEND,       /* packet cache so far, display sessions; READY follows */
    VMSTATE_SAVE_STARTED,       /* after RUN: what reached the source late */
    VMSTATE_SAVE__MAX,
} VMStateSavePhase;

typedef enum VMStateType {
    VMS_BOOL, VMS_U8, VMS_U16, VMS_U32, VMS_U64,
    VMS_I32, VMS_I64,
    VMS_BYTES,  /* raw bytes */
    VMS_STRUCT, /* .sub describes each element */
} VMStateType;

typedef struct VMStateField {
    const char *name;
    VMStateType type;
    size_t offset;      /* from the start of the described struct */
    size_t size;        /* of one element in memory */
    uint32_t count;     /* elements (1: a scalar); for a varray: the most that are allowed */
    bool is_varray;     /* how many travel is in the uint32_t member at count_offset, loaded before */
    size_t count_offset;
    uint32_t since;     /* version that brought the field; 0 or 1: always there */
    const struct VMStateDescription *sub;
} VMStateField;

typedef struct VMStateDescription {
    const char *name;               /* at most 127 bytes */
    uint32_t version, oldest;       /* written; oldest that can be read (0: same as version 1) */
    VMStateSavePhase phase;
    const VMStateField *fields;     /* ends with {} */
    const struct VMStateDescription *const *subsections; /* ends with NULL; name starts with "<parent name>/" */
    bool (*needed)(const void *instance);               /* subsections: travels only if true (NULL: always) */
    void (*saving)(void *instance);                     /* bring `st` up to date; may not fail */
    bool (*loading)(void *instance, GError **errp);     /* before the fields */
    bool (*loaded)(void *instance, uint32_t version, GError **errp); /* check every value, rebuild the rest */
    /* The struct that must be covered whole: fields' offsets lie in [span_offset, +span_size).  By VMSTATE_SPAN. */
    size_t span_offset, span_size;
    void (*clear_padding)(void *span); /* zeroes the compiler's padding in the span; for the forgotten-field test */
} VMStateDescription;

extern const VMStateDescription vmstate_none; /* for what has nothing to save */

/* ---- tables ----
 *   VMSTATE_DEFINE_SPAN(GoldfishRtc, st)
 *   static const VMStateDescription rtc_state = {
 *       .name = "goldfish-rtc", .version = 1, .phase = VMSTATE_SAVE_DEVICE, VMSTATE_SPAN(GoldfishRtc, st),
 *       .fields = VMSTATE_FIELDS(VMSTATE_U64(GoldfishRtc, st.alarm_ns), VMSTATE_BOOL(GoldfishRtc, st.armed)),
 *   };
 * The width is that of the wire; a member of another C type does not compile. */
#define VMSTATE_TYPED_(T, m, ctype) (0 * sizeof(char[_Generic(((T *)0)->m, ctype: 1, default: -1)]))
#define VMSTATE_ELEM_(T, m, ctype) (0 * sizeof(char[_Generic(((T *)0)->m[0], ctype: 1, default: -1)]))
#define VMSTATE_SCALAR_(T, m, ctype, w)                                                                                \
    {.name = #m, .type = w, .offset = offsetof(T, m) + VMSTATE_TYPED_(T, m, ctype), .size = sizeof(ctype), .count = 1}
#define VMSTATE_BOOL(T, m) VMSTATE_SCALAR_(T, m, bool, VMS_BOOL)
#define VMSTATE_BOOL_SINCE(v, T, m)                                                                                    \
    {.name = #m, .type = VMS_BOOL, .offset = offsetof(T, m) + VMSTATE_TYPED_(T, m, bool), .size = sizeof(bool),        \
     .count = 1, .since = v}
#define VMSTATE_U32_SINCE(v, T, m)                                                                                     \
    {.name = #m, .type = VMS_U32, .offset = offsetof(T, m) + VMSTATE_TYPED_(T, m, uint32_t), .size = sizeof(uint32_t), \
     .count = 1, .since = v}
#define VMSTATE_U8(T, m) VMSTATE_SCALAR_(T, m, uint8_t, VMS_U8)
#define VMSTATE_U16(T, m) VMSTATE_SCALAR_(T, m, uint16_t, VMS_U16)
#define VMSTATE_U32(T, m) VMSTATE_SCALAR_(T, m, uint32_t, VMS_U32)
#define VMSTATE_U64(T, m) VMSTATE_SCALAR_(T, m, uint64_t, VMS_U64)
#define VMSTATE_I32(T, m) VMSTATE_SCALAR_(T, m, int32_t, VMS_I32)
#define VMSTATE_I64(T, m) VMSTATE_SCALAR_(T, m, int64_t, VMS_I64)
#define VMSTATE_COUNT_(T, m) (sizeof(((T *)0)->m) / sizeof(((T *)0)->m[0]))
#define VMSTATE_ARRAY_(T, m, ctype, w)                                                                                 \
    {.name = #m, .type = w, .offset = offsetof(T, m) + VMSTATE_ELEM_(T, m, ctype), .size = sizeof(ctype),              \
     .count = VMSTATE_COUNT_(T, m)}
#define VMSTATE_BOOL_ARRAY(T, m) VMSTATE_ARRAY_(T, m, bool, VMS_BOOL)
#define VMSTATE_U8_ARRAY(T, m) VMSTATE_ARRAY_(T, m, uint8_t, VMS_U8)
#define VMSTATE_U16_ARRAY(T, m) VMSTATE_ARRAY_(T, m, uint16_t, VMS_U16)
#define VMSTATE_U32_ARRAY(T, m) VMSTATE_ARRAY_(T, m, uint32_t, VMS_U32)
#define VMSTATE_U64_ARRAY(T, m) VMSTATE_ARRAY_(T, m, uint64_t, VMS_U64)
#define VMSTATE_BYTES(T, m)                                                                                            \
    {.name = #m, .type = VMS_BYTES, .offset = offsetof(T, m), .size = sizeof(((T *)0)->m), .count = 1}
#define VMSTATE_STRUCT(T, m, vmsd)                                                                                     \
    {.name = #m, .type = VMS_STRUCT, .offset = offsetof(T, m), .size = sizeof(((T *)0)->m), .count = 1, .sub = vmsd}
#define VMSTATE_STRUCT_ARRAY(T, m, vmsd)                                                                               \
    {.name = #m, .type = VMS_STRUCT, .offset = offsetof(T, m), .size = sizeof(((T *)0)->m[0]),                         \
     .count = VMSTATE_COUNT_(T, m), .sub = vmsd}
/* The first `n` (a uint32_t member, named before it, bounded by the array) elements of an embedded array travel. */
#define VMSTATE_VARRAY(T, m, n, w, vmsd)                                                                               \
    {.name = #m, .type = w, .offset = offsetof(T, m), .size = sizeof(((T *)0)->m[0]), .count = VMSTATE_COUNT_(T, m),   \
     .is_varray = true, .count_offset = offsetof(T, n) + VMSTATE_TYPED_(T, n, uint32_t), .sub = vmsd}
#define VMSTATE_FIELDS(...) (const VMStateField[]){__VA_ARGS__, {}}
/* Names the span of a table.  VMSTATE_DEFINE_SPAN(T, st) must stand before the table, at file scope. */
#define VMSTATE_SPAN(T, m)                                                                                             \
    .span_offset = offsetof(T, m), .span_size = sizeof(((T *)0)->m), .clear_padding = T##_clear_padding
#if defined(__GNUC__) && !defined(__clang__)
#define VMSTATE_DEFINE_SPAN(T, m)                                                                                      \
    static void T##_clear_padding(void *p)                                                                             \
    {                                                                                                                  \
        __builtin_clear_padding((__typeof__(((T *)0)->m) *)p);                                                         \
    }
#define VMSTATE_HAS_PADDING_TEST 1
#else
#define VMSTATE_DEFINE_SPAN(T, m)                                                                                      \
    static void T##_clear_padding(void *p)                                                                             \
    {                                                                                                                  \
        (void)p;                                                                                                       \
    }
#define VMSTATE_HAS_PADDING_TEST 0
#endif

/* ---- writer and reader: four functions each, so that the byte format is one file's choice ---- */
typedef struct StateWriter StateWriter; /* grows in memory */
typedef struct StateReader StateReader; /* over memory that the caller keeps */

StateWriter *state_writer_new(void);
void state_writer_free(StateWriter *w);
void state_put(StateWriter *w, const void *data, size_t size);
void state_put_u8(StateWriter *w, uint8_t v);
void state_put_be16(StateWriter *w, uint16_t v);
void state_put_be32(StateWriter *w, uint32_t v);
void state_put_be64(StateWriter *w, uint64_t v);
void state_put_str8(StateWriter *w, const char *s); /* length byte, bytes */
const uint8_t *state_writer_data(const StateWriter *w, size_t *ret_size);
void state_writer_reset(StateWriter *w);

void state_reader_init(StateReader *r, const void *data, size_t size, const char *what); /* `what` leads each error text */
bool state_get(StateReader *r, void *out, size_t size, GError **errp); /* all errors: "<what>: ends early ..." */
bool state_get_u8(StateReader *r, uint8_t *ret, GError **errp);
bool state_get_be16(StateReader *r, uint16_t *ret, GError **errp);
bool state_get_be32(StateReader *r, uint32_t *ret, GError **errp);
bool state_get_be64(StateReader *r, uint64_t *ret, GError **errp);
bool state_get_str8(StateReader *r, char ret[256], GError **errp); /* refuses what is no text */
size_t state_left(const StateReader *r);

struct StateReader {
    const uint8_t *at, *end;
    const char *what;
};

/* ---- the walk ---- */
void vmstate_save(const VMStateDescription *d, void *instance, StateWriter *w); /* `saving`, fields, subsections */
/* Reads what vmstate_save wrote in `version`; unknown subsection, bad bool (not 0/1), count over the bound, bytes left
 * over at the end of the reader: error.  The instance is then half loaded: throw it away. */
bool vmstate_load(const VMStateDescription *d, void *instance, uint32_t version, StateReader *r, GError **errp);
/* The same for state that is followed by something else (a footer): what is left over is the caller's. */
bool vmstate_load_next(const VMStateDescription *d, void *instance, uint32_t version, StateReader *r, GError **errp);
/* The table as JSON for the stream's trailing description (analyze-migration.py), of the fields as they were written. */
void vmstate_describe_json(const VMStateDescription *d, const void *instance, GString *out);
/* The table as text for tests/data/vmstate/NAME.txt. */
char *vmstate_describe_text(const VMStateDescription *d);
/* Forgotten-field test: NULL, or text naming the first byte of the span that no field covers. Caller frees. */
char *vmstate_uncovered(const VMStateDescription *d);
