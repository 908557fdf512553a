/* tests/unit/target/fixture.h - harts and some memory without a board.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "object/object.h"
#include "system/ram.h"
#include "system/runstate.h"
#include "system/vm-lock.h"
#include "target/hart-state.h"
#include "util/loop.h"

#include <string.h>

#define RAM_BASE 0x80000000ull
#define RAM_BYTES (4u << 20)

static inline void fixture_init(int *argc, char ***argv)
{
    static const ObjectType *const types[] = {&rv64_cpu_type, NULL};

    g_test_init(argc, argv, NULL);
    loop_init();
    runstate_init();
    types_register(types);
}

/* `props`: JSON of -cpu, or NULL. */
static inline Hart *fixture_up(unsigned count, const char *props)
{
    g_autoptr(Json) j = json_parse(props ? props : "{}", strlen(props ? props : "{}"), NULL);
    GError *err = NULL;

    g_assert_nonnull(ram_add("ram", RAM_BASE, RAM_BYTES, &err));
    g_assert_true(harts_create(j, count, &err));
    tlb_trackers_update();
    harts_set_reset_pc(RAM_BASE);
    for (unsigned i = 0; i < count; i++) {
        hart_reset(harts[i]);
    }
    return harts[0];
}

static inline void fixture_down(void)
{
    harts_delete_all();
    ram_free_all();
}

static inline void put64(gpa_t gpa, uint64_t v)
{
    memcpy(ram_ptr(gpa, 8), &v, 8);
}

static inline uint64_t get64(gpa_t gpa)
{
    uint64_t v;

    memcpy(&v, ram_ptr(gpa, 8), 8);
    return v;
}
