/* main/types.c - every type the program knows, one line each.  What hw/ has is in hw/types.c.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "assemble.h"
#include "config-host.h"
#include "net/net.h"
#include "target/hart.h"

/* Managers ask whether the program can run guests without KVM by the name of this type. */
static const ObjectType accel_type = {.name = "accel", .kind = KIND_ACCEL, .about = "a way to run harts"};
static const ObjectType tcg_type = {.name = "tcg-accel", .parent = "accel", .kind = KIND_ACCEL, .size = sizeof(Object),
                                    .about = "software"};
static const ObjectType qtest_type = {.name = "qtest-accel", .parent = "accel", .kind = KIND_ACCEL,
                                      .size = sizeof(Object), .about = "test server"};

const ObjectType *const program_types[] = {
    &accel_type,
    &tcg_type,
    &qtest_type,
    &secret_type,
    &memory_backend_type,
    &memory_backend_ram_type,
    &iothread_type,
    &rv64_cpu_type,
    &netdev_type,
#if CONFIG_SLIRP
    &netdev_user_type,
#endif
    &netdev_tap_type,
    &netdev_stream_type,
    &netdev_dgram_type,
    &netfilter_type,
    &filter_buffer_type,
    &filter_dump_type,
    &filter_netpass_type,
    NULL,
};
