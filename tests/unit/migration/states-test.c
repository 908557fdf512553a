/* tests/unit/migration/states-test.c - promises of the sections of the device state.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "migration/states.h"

#include "migration/wire.h"
#include "system/handoff.h"
#include "system/vm-lock.h"

static unsigned loads;

static bool load(HandoffPart *p, StateReader *r, GError **errp)
{
    loads++;
    return true;
}

static void put_part(StateWriter *w, uint32_t id)
{
    state_put_u8(w, SECTION_FULL);
    state_put_be32(w, id);
    state_put_str8(w, "a part");
    state_put_be32(w, 0); /* instance */
    state_put_be32(w, 1); /* version */
    state_put_be32(w, 0); /* size */
    state_put_u8(w, SECTION_FOOTER);
    state_put_be32(w, id);
}

static void test_a_part_comes_once(void)
{
    HandoffPart part = {.name = "a part", .load = load};
    StateWriter *w = state_writer_new();
    g_autoptr(GError) err = NULL;
    const uint8_t *data;
    StateReader r;
    size_t size;

    put_part(w, 1);
    put_part(w, 2);
    state_put_u8(w, SECTION_EOF);
    data = state_writer_data(w, &size);
    state_reader_init(&r, data, size, "test");
    vm_lock();
    handoff_register(&part);
    g_assert_false(states_load(&r, &err));
    handoff_unregister(&part);
    vm_unlock();
    g_assert_cmpstr(err->message, ==, "device 'a part' (instance 0) comes twice");
    g_assert_cmpuint(loads, ==, 1);
    states_forget_loaded();
    state_writer_free(w);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/migration/states/a_part_comes_once", test_a_part_comes_once);
    return g_test_run();
}
