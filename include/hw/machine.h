/* include/hw/machine.h - making the machine, and putting devices on it.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * main/ fills in a MachineConfig from the command line and calls machine_create() once, after chardevs, drives and
 * netdevs exist and before -device.  Order in main: types_register, object options, chardevs, block_add, netdevs,
 * machine_create, device_add for each -device (and -nic, -drive if=virtio), reset_all, start.
 * Owner: main loop. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "object/object.h"
#include "qapi/json.h"

#define MACHINE_SERIALS_MAX 4

struct Chardev;

typedef struct MachineConfig {         /* borrowed until machine_create() returns */
    uint64_t ram_size;                 /* bytes; 0: the machine's own default (128 MiB) */
    unsigned smp;                      /* harts, 1..HARTS_MAX; 0: 1 */
    bool no_harts;                     /* accel qtest: the board without anything that executes */
    const char *bios;                  /* NULL or "default": look for OpenSBI; "none"; a file */
    const char *kernel, *initrd, *append, *dtb; /* NULL: not given */
    const Json *cpu_props;             /* dict of -cpu rv64,...; NULL: none */
    const Json *machine_props;         /* dict of -machine without "type"; NULL: none */
    struct Chardev *serials[MACHINE_SERIALS_MAX]; /* NULL: not connected ("-serial none" or not given) */
} MachineConfig;

/* `name`: "virt" or "none" (NULL: the default machine, "virt").  An unknown name or property lists what is accepted. */
bool machine_create(const char *name, const MachineConfig *config, GError **errp);
Object *machine_object(void);          /* NULL before */
const char *machine_name(void);        /* "virt": what the stream's configuration says */
const char *machine_default_name(void);

/* A machine type is an ObjectType row of KIND_MACHINE named "<name>-machine"; its ops is this. */
typedef struct MachineOps {
    const char *name, *alias, *about;
    uint64_t default_ram;              /* 0: the machine has no memory */
    unsigned max_harts;
    const char *default_nic;           /* driver for -nic and the default NIC; NULL: none */
    const char *default_drive;         /* driver for -drive if=virtio (also the default interface); NULL: none */
    const char *default_ram_id;        /* name of the main RAM block */
    const char *default_cpu;           /* "rv64" */
} MachineOps;
const MachineOps *machine_ops(const char *name); /* NULL: no such machine */
void machine_foreach(void (*fn)(const MachineOps *ops, void *opaque), void *opaque);

/* -device and device_add: dict with "driver", maybe "id" and "bus", else properties.  The device takes the bus that
 * "bus" names, or the first one of its kind with a free slot: virtio-mmio-bus.7 first (0x10008000), as QEMU's users
 * expect.  An unknown driver, a driver that is not user creatable, a full bus: error.  Object: owned by the tree, below
 * /machine/peripheral (with id) or /machine/peripheral-anon. */
Object *device_add(const Json *options, GError **errp);

/* Rows of this folder, for main/types.c; each ends with NULL. */
extern const ObjectType *const hw_types[];
extern const ObjectType *const backend_types[]; /* rng-random, rng-builtin */
