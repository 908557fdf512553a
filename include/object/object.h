/* include/object/object.h - which types exist, what can be set on them, and the tree of what was made.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A type is a row (ObjectType) listed in main/types.c.  Single inheritance by name; the parent's struct is the first
 * member of the child's.  Objects are made in one way, object_create(), from a Json dict, whatever the user typed.
 * Guarded by: vm_lock. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "qapi/json.h"
#include "vmstate/vmstate.h"

typedef enum ObjectKind {
    KIND_DEVICE, KIND_OBJECT, KIND_NETDEV, KIND_CHARDEV, KIND_BLOCKDEV, KIND_MACHINE, KIND_CPU, KIND_ACCEL, KIND_BUS,
} ObjectKind;

enum { TYPE_USER_CREATABLE = 1 << 0, TYPE_HOTPLUG = 1 << 1 };

typedef struct Object Object;
typedef struct Property Property;

typedef struct ObjectType {
    const char *name, *parent, *about; /* "virtio-net-device", "virtio-device", one line of help */
    ObjectKind kind;
    uint32_t size;                     /* of the instance, zeroed when made; 0: abstract */
    const Property *props;             /* ends with {}; the parent's come first */
    const VMStateDescription *state;   /* required for devices; &vmstate_none says "nothing to save" */
    const char *bus;                   /* name of the bus type it plugs into, or NULL */
    bool (*realize)(Object *o, GError **errp); /* the parent rows' first, then the row's own */
    void (*unrealize)(Object *o);      /* of rows whose realize was called, half-realized too; the row's own first */
    void (*reset)(Object *o);          /* parents' first */
    const void *ops;                   /* by kind: VirtioOps, NetOps ... */
    unsigned flags;
} ObjectType;

struct Object { /* first member of every instance */
    const ObjectType *type;
    char *id;                          /* NULL: anonymous */
    Object *parent;
    GPtrArray *children;               /* of Object; owned */
    bool is_realized;
    unsigned users;                    /* others that point to it: object-del refuses */
    char *path;                        /* "/machine/peripheral/net0"; set when it enters the tree */
};

/* ---- properties ---- */
typedef struct PropType {
    const char *qapi_name;             /* "bool", "uint32", "size", "str" ... as device-list-properties says it */
    bool (*parse)(const Property *p, void *field, const Json *value, GError **errp); /* strings accepted for all types */
    Json *(*print)(const Property *p, const void *field);
    void (*clear)(const Property *p, void *field); /* frees what parse allocated */
} PropType;

struct Property {
    const char *name;
    const PropType *type;
    size_t offset;
    uint64_t defval;                   /* bool, integers, enums; strings start NULL unless defstr */
    uint64_t min, max;                 /* integers, when max != 0 */
    const char *defstr;
    const char *const *names;          /* enums: ends with NULL */
    unsigned flags;                    /* PROP_SETTABLE: qom-set works after realize; PROP_READONLY */
    const char *about;
    void (*changed)(Object *o, const Property *p); /* after qom-set */
};
enum {
    PROP_SETTABLE = 1 << 0, PROP_READONLY = 1 << 1, PROP_REQUIRED = 1 << 2,
    PROP_UNIQUE = 1 << 3, /* no two objects have the same value of a property of this name, unless it is the default */
};

/* Members: bool; uint8_t..uint64_t; uint64_t; char *; int; uint8_t[6]; char * (id of the thing, checked by realize). */
extern const PropType prop_bool, prop_u8, prop_u16, prop_u32, prop_u64, prop_i32, prop_i64, prop_size, prop_str, prop_enum,
    prop_mac, prop_on_off_auto, prop_link, prop_netdev, prop_chardev, prop_drive;
enum { ON_OFF_AUTO_AUTO, ON_OFF_AUTO_ON, ON_OFF_AUTO_OFF }; /* prop_on_off_auto, in an int */

#define PROP_BOOL(n, T, m, def, text) {.name = n, .type = &prop_bool, .offset = offsetof(T, m), .defval = def, .about = text}
#define PROP_U8(n, T, m, def, text) {.name = n, .type = &prop_u8, .offset = offsetof(T, m), .defval = def, .about = text}
#define PROP_U16(n, T, m, def, text) {.name = n, .type = &prop_u16, .offset = offsetof(T, m), .defval = def, .about = text}
#define PROP_U32(n, T, m, def, text) {.name = n, .type = &prop_u32, .offset = offsetof(T, m), .defval = def, .about = text}
#define PROP_U64(n, T, m, def, text) {.name = n, .type = &prop_u64, .offset = offsetof(T, m), .defval = def, .about = text}
#define PROP_SIZE(n, T, m, def, text) {.name = n, .type = &prop_size, .offset = offsetof(T, m), .defval = def, .about = text}
#define PROP_STR(n, T, m, def, text) {.name = n, .type = &prop_str, .offset = offsetof(T, m), .defstr = def, .about = text}
#define PROP_ENUM(n, T, m, def, table, text)                                                                           \
    {.name = n, .type = &prop_enum, .offset = offsetof(T, m), .defval = def, .names = table, .about = text}
#define PROP_MAC(n, T, m, text) {.name = n, .type = &prop_mac, .offset = offsetof(T, m), .about = text}
#define PROP_ID(n, T, m, kind, text) {.name = n, .type = &prop_##kind, .offset = offsetof(T, m), .about = text}
/* Kept for firmware that asks; nothing of ours boots from a device. */
#define PROP_BOOT_INDEX(T, m)                                                                                          \
    {.name = "bootindex", .type = &prop_i32, .offset = offsetof(T, m), .defval = (uint64_t)-1, .min = (uint64_t)-1,    \
     .max = INT32_MAX, .flags = PROP_SETTABLE | PROP_UNIQUE, .about = "place in the boot order; -1: none"}

/* ---- types ---- */
void types_register(const ObjectType *const *types); /* ends with NULL; once, by main */
const ObjectType *type_find(const char *name);
bool type_is(const ObjectType *type, const char *ancestor);
void type_foreach(void (*fn)(const ObjectType *type, void *opaque), void *opaque);
const ObjectType *type_parent(const ObjectType *type); /* NULL: the root */
const char *kind_name(ObjectKind kind);                /* "device", "object" ... in messages */
const char *kind_type_key(ObjectKind kind);            /* "driver", "qom-type", "type" ...: names the type in a dict */
bool object_is(const Object *o, const char *ancestor);

/* ---- life ---- */
/* Finds the row `type_name` (which must be of `kind`), sets the properties of `props` (the keys "id", "bus" of a device
 * and the one that names the type are no properties unless the row has such), puts it into the tree below `parent` as
 * `id` (or "device[N]"), realizes it.  An unknown type or property is an error that lists what is accepted.
 * props NULL: none.  Object: owned by its parent. */
Object *object_create(ObjectKind kind, const char *type_name, const Json *props, Object *parent, GError **errp);
/* The halves, for boards that wire devices by hand between them. */
Object *object_new(const char *type_name, const char *id, Object *parent);
bool object_realize(Object *o, GError **errp);
void object_delete(Object *o); /* unrealizes, children first, takes it out of the tree, frees */
void object_reset(Object *o);  /* the rows' reset, the root's first */
/* The properties in a dict, set; the keys object_create() leaves out are left out. */
bool object_set_props(Object *o, const Json *props, GError **errp);

/* ---- properties of instances ---- */
bool object_set(Object *o, const char *name, const Json *value, GError **errp);
bool object_set_str(Object *o, const char *name, const char *value, GError **errp);
Json *object_get(Object *o, const char *name, GError **errp);
const Property *type_property(const ObjectType *type, const char *name);
/* Every property of the row, the parents' first. */
void type_properties(const ObjectType *type, void (*fn)(const Property *p, void *opaque), void *opaque);
/* -global: another default for a property of a type and of those below it.  Checked at once. */
bool type_set_global(const char *type_name, const char *property, const char *value, GError **errp);
/* For device-list-properties: the value an instance starts with, or NULL if there is none. */
Json *property_default(const Property *p);

/* ---- the tree ---- "/", "/machine", "/machine/unattached", "/machine/peripheral", "/objects", "/chardevs" exist always */
Object *object_root(void);
Object *object_container(const char *path); /* made on demand */
Object *object_find(const char *path);      /* absolute, or a unique trailing part as QEMU allows; NULL if none */
Object *object_find_id(Object *container, const char *id);
const char *object_name(const Object *o);   /* the last part of its path */
bool id_is_wellformed(const char *id);      /* a letter, then letters, digits, '-', '.', '_'; at most 127 */
