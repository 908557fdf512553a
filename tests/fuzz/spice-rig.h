/* tests/fuzz/spice-rig.h - a machine to fuzz the SPICE server on: a screen, and a device for every kind of input.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "object/object.h"
#include "system/runstate.h"
#include "system/vm-lock.h"
#include "ui/console.h"
#include "ui/input.h"
#include "util/loop.h"

#include "replay.h"

static inline bool rig_has_room(InputSink *s, unsigned events)
{
    return g_random_int_range(0, 3);
}

static inline void rig_take(InputSink *s, const InputEvent *e)
{
    g_assert_true(e->kind != INPUT_ABS || (e->value >= 0 && e->value <= INPUT_AXIS_MAX));
}

static inline void rig_sync(InputSink *s)
{
}

static inline void rig_prepare(void)
{
    fuzz_hush();
    g_random_set_seed(1);
    loop_init();
    runstate_init();
    vm_lock();
    input_init();
}

/* Once the server is made. */
static inline Console *rig_plug(void)
{
    static InputSink sink = {.name = "all", .takes = 15, .room = rig_has_room, .event = rig_take, .sync = rig_sync};
    static const ConsoleDevice no_ops;
    Console *screen = console_add(object_container("/machine"), 0, &no_ops, NULL, NULL);

    console_set_surface(screen, pixman_image_create_bits(PIXMAN_x8r8g8b8, 100, 70, NULL, 0));
    input_add(&sink);
    return screen;
}
