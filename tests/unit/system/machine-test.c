/* tests/unit/system/machine-test.c - memory, registers, clock and wires of a machine without devices.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "system/clock.h"
#include "system/dma.h"
#include "system/handoff.h"
#include "system/irq.h"
#include "system/ram.h"
#include "system/region.h"
#include "system/runstate.h"
#include "system/vm-lock.h"
#include "util/loop.h"

static void a_dma_write_sets_the_dirty_bit_of_each_page_it_touches(void)
{
    RamBlock *b = ram_add("ram", 0x80000000, 1 << 20, NULL);
    uint8_t data[2] = {1, 2};

    g_assert_nonnull(b);
    g_assert_true(dma_write(0x80000fff, data, 2));
    g_assert_cmphex(b->dirty[0], ==, 3);
    g_assert_false(dma_write(0x80000000 + (1 << 20) - 1, data, 2));
    g_assert_false(dma_read(0x1000, data, 1));
    g_assert_null(ram_add("other", 0x80000000 + (1 << 20) - 4096, 8192, NULL));
    ram_free_all();
}

static void private_memory_has_no_address_and_its_own_dirty_bits(void)
{
    RamBlock *b = ram_add_private("device.pixels", 1 << 20, NULL), *ram = ram_add("ram", 0, 1 << 20, NULL);
    uint8_t byte = 1;

    g_assert_nonnull(b);
    g_assert_nonnull(ram); /* at 0, where the other one would be if it were anywhere */
    g_assert_true(ram_at(0) == ram);
    g_assert_true(dma_write(0, &byte, 1));
    g_assert_cmphex(b->dirty[0], ==, 0);
    b->host[0x1fff] = b->host[0x2000] = 7;
    ram_private_written(b, 0x1fff, 2);
    ram_private_written(b, 0x5000, 0);
    g_assert_cmphex(b->dirty[0], ==, 6);
    ram_private_clear(b, 0x2000, 0x2000);
    g_assert_cmphex(b->dirty[0], ==, 14);
    g_assert_cmpuint(b->host[0x1fff], ==, 7);
    g_assert_cmpuint(b->host[0x2000], ==, 0);
    g_assert_null(ram_add_private("device.pixels", 1 << 20, NULL));
    ram_free_all();
}

static uint64_t seen_offset[4], seen_value[4];
static unsigned seen_size[4], seen_count;

static void reg_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    seen_offset[seen_count] = offset;
    seen_value[seen_count] = value;
    seen_size[seen_count++] = size;
}

static uint64_t reg_read(void *opaque, uint64_t offset, unsigned size)
{
    return 0x11111111 * (1 + offset / 4);
}

static void an_access_wider_than_the_region_allows_is_split(void)
{
    static const RegionOps ops = {reg_read, reg_write, 4, 4, 0};
    uint64_t value;

    g_assert_true(region_add("dev", 0x1000, 0x100, &ops, NULL, NULL));
    g_assert_false(region_add("dev2", 0x10ff, 1, &ops, NULL, NULL));
    g_assert_true(region_write(0x1008, 8, 0x1122334455667788));
    g_assert_cmpuint(seen_count, ==, 2);
    g_assert_cmphex(seen_value[1], ==, 0x11223344);
    g_assert_cmphex(seen_offset[1], ==, 12);
    g_assert_true(region_read(0x1000, 8, &value));
    g_assert_cmphex(value, ==, 0x2222222211111111);
    g_assert_false(region_read(0x1000, 2, &value));
    g_assert_false(region_read(0x1100, 4, &value));
    region_remove(0x1000);
}

static unsigned fired;

static void on_timer(void *opaque)
{
    fired++;
    loop_quit(0);
}

static void a_stopped_clock_stands_still_and_its_timers_wait(void)
{
    Timer *t = timer_new(on_timer, NULL);
    int64_t at = clock_virtual_ns();

    timer_set(t, at + NS_PER_MS);
    g_assert_cmpint(clock_virtual_ns(), ==, at);
    clock_enable();
    loop_run();
    g_assert_cmpuint(fired, ==, 1);
    g_assert_cmpint(clock_virtual_ns(), >=, at + NS_PER_MS);
    clock_disable();
    timer_set(t, at + NS_PER_SEC);
    timer_set_earlier(t, at + 2 * NS_PER_SEC);
    g_assert_cmpint(timer_deadline(t), ==, at + NS_PER_SEC);
    timer_set_earlier(t, at);
    g_assert_cmpint(timer_deadline(t), ==, at);
    clock_set_ns(5000);
    g_assert_cmpint(clock_virtual_ns(), ==, 5000);
    clock_set_timebase_offset(-50); /* the guest set mtime back to 0 */
    g_assert_cmpuint(clock_timebase(), ==, 0);
    g_assert_cmpint(clock_timebase_deadline(10), ==, 6000);
    g_assert_cmpint(clock_timebase_deadline(UINT64_MAX), ==, TIMER_NEVER);
    clock_set_timebase_offset(0);
    timer_free(t);
}

enum { PAIRS_NS = 100 * 1000 }; /* how exactly wall time and monotonic time are read together */

/* The clock is `at` + what has passed since the host's wall time was `wall`; however long this thread is held up. */
static void assert_follows_wall(int64_t at, int64_t wall)
{
    int64_t before = time_wall_ns() - wall, passed = clock_virtual_ns() - at;

    g_assert_cmpint(passed, >=, before - PAIRS_NS);
    g_assert_cmpint(passed, <=, time_wall_ns() - wall + PAIRS_NS);
}

/* It started with `at`, at the earliest when the host's monotonic time was `since`. */
static void assert_began_with(int64_t at, int64_t since)
{
    g_assert_cmpint(clock_virtual_ns(), >=, at);
    g_assert_cmpint(clock_virtual_ns(), <=, at + time_monotonic_ns() - since);
}

static void pause_for_a_handoff(void)
{
    int64_t until = time_monotonic_ns() + 20000;

    clock_disable();
    clock_bridge_pause();
    while (time_monotonic_ns() < until) {
    }
    clock_enable();
}

static void the_pause_of_a_handoff_belongs_to_the_clock(void)
{
    int64_t before[2], virtual[2], after[2];

    clock_set_ns(1000);
    clock_enable();
    for (int i = 0; i < 2; i++) {
        before[i] = time_monotonic_ns();
        virtual[i] = clock_virtual_ns();
        after[i] = time_monotonic_ns();
        for (int n = 0; n < 100 && i == 0; n++) { /* given up each time: the source goes on, 2 ms in all */
            pause_for_a_handoff();
        }
    }
    g_assert_cmpint(virtual[1] - virtual[0], >=, before[1] - after[0]);
    g_assert_cmpint(virtual[1] - virtual[0], <=, after[1] - before[0]);
    clock_disable();
    g_assert_cmpint(clock_pause_wall_ns(), ==, 0); /* the user's stop */
}

static void a_clock_that_travelled_goes_on_with_the_wall(void)
{
    int64_t wall = time_wall_ns() - 5 * NS_PER_SEC, since;

    clock_set_ns(1000);
    clock_bridge_from(wall); /* it stopped elsewhere, five seconds ago */
    g_assert_cmpint(clock_virtual_ns(), ==, 1000);
    clock_enable();
    assert_follows_wall(1000, wall);
    clock_disable();
    clock_bridge_pause();
    clock_bridge_from(clock_pause_wall_ns());
    clock_enable();
    assert_follows_wall(1000, wall);
    clock_disable();
    clock_set_ns(1000);
    clock_bridge_from(time_wall_ns() - PAUSE_BRIDGED_NS - NS_PER_SEC); /* that was a stop */
    since = time_monotonic_ns();
    clock_enable();
    assert_began_with(1000, since);
    clock_disable();
}

static void a_clock_that_the_user_stops_in_the_pause_stands_from_then_on(void)
{
    int64_t since, began, stopped;

    clock_set_ns(1000);
    clock_enable();
    clock_disable();
    since = clock_virtual_ns();
    clock_bridge_from(time_wall_ns() - 5 * NS_PER_SEC);
    clock_bridge_end();
    stopped = clock_virtual_ns();
    g_assert_cmpint(stopped - since, >=, 5 * NS_PER_SEC - PAIRS_NS);
    g_assert_cmpint(clock_pause_wall_ns(), ==, 0);
    began = time_monotonic_ns();
    clock_enable();
    assert_began_with(stopped, began);
    clock_disable();
    clock_set_ns(0);
}

/* To a host that is two seconds behind and back to one that is right: it never went back, and it is right again. */
static void a_clock_that_came_too_early_waits_for_true_time(void)
{
    int64_t wall = time_wall_ns() + 2 * NS_PER_SEC, since, true_ns;

    clock_set_ns(1000);
    clock_bridge_from(wall);
    since = time_monotonic_ns();
    clock_enable();
    assert_began_with(1000, since);
    clock_disable();
    clock_bridge_pause();
    true_ns = clock_pause_wall_ns() - (clock_virtual_ns() - 1000); /* wall time of its 1000 */
    g_assert_cmpint(true_ns, >=, wall - PAIRS_NS);
    g_assert_cmpint(true_ns, <=, wall + (time_monotonic_ns() - since) + PAIRS_NS);
    true_ns = clock_pause_wall_ns() - 2 * NS_PER_SEC; /* what this host calls that time */
    since = clock_virtual_ns();
    clock_set_ns(since);
    clock_bridge_from(true_ns);
    clock_enable();
    assert_follows_wall(since, true_ns);
    clock_disable();
    clock_set_ns(0);
}

static Irq out;
static bool level_in, level_watched;

static void on_in(void *opaque, int n, bool level)
{
    level_in = level;
}

static void on_watch(void *opaque, int n, bool level)
{
    level_watched = level;
}

static void an_intercepted_wire_still_reaches_its_device(void)
{
    struct Object *dev = (struct Object *)&out;

    irq_inputs_add(dev, NULL, on_in, NULL, 1);
    g_assert_true(irq_input(dev, NULL, 0, &out));
    g_assert_false(irq_input(dev, NULL, 1, &out));
    irq_outputs_add(dev, "sysbus-irq", &out, 1);
    g_assert_true(irq_intercept_out(dev, "sysbus-irq", on_watch, NULL));
    irq_set(&out, true);
    g_assert_true(level_in && level_watched);
    irq_forget(dev);
}

static GString *story;

static void listen(bool is_running, RunState s, void *opaque)
{
    g_string_append_printf(story, "%s%c", (const char *)opaque, is_running ? '+' : '-');
}

static void listeners_hear_a_start_in_order_and_a_stop_in_reverse(void)
{
    story = g_string_new(NULL);
    runstate_notify(20, listen, "b");
    runstate_notify(10, listen, "a");
    vm_start();
    g_assert_true(vm_stop(RUN_STATE_PAUSED));
    g_assert_false(vm_stop(RUN_STATE_PAUSED));
    g_assert_cmpstr(story->str, ==, "a+b+b-a-");
    g_string_free(story, TRUE);
}

static void blockers_are_refused_when_only_migratable(void)
{
    HandoffBlocker *b = handoff_block("device x cannot travel", NULL);
    g_autoptr(GError) err = NULL;

    g_assert_cmpstr(handoff_blocked(0), ==, "device x cannot travel");
    handoff_unblock(b);
    g_assert_null(handoff_blocked(0));
    handoff_set_only_migratable(true);
    g_assert_null(handoff_block("y", &err));
    g_assert_nonnull(err);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    loop_init();
    runstate_init();
    vm_lock();
    g_test_add_func("/system/ram/a_dma_write_sets_dirty_bits", a_dma_write_sets_the_dirty_bit_of_each_page_it_touches);
    g_test_add_func("/system/ram/private_memory_has_no_address", private_memory_has_no_address_and_its_own_dirty_bits);
    g_test_add_func("/system/region/wide_access_is_split", an_access_wider_than_the_region_allows_is_split);
    g_test_add_func("/system/clock/a_stopped_clock_stands_still", a_stopped_clock_stands_still_and_its_timers_wait);
    g_test_add_func("/system/clock/a_handoffs_pause_belongs_to_it", the_pause_of_a_handoff_belongs_to_the_clock);
    g_test_add_func("/system/clock/it_goes_on_elsewhere", a_clock_that_travelled_goes_on_with_the_wall);
    g_test_add_func("/system/clock/stops_for_the_user_in_a_pause", a_clock_that_the_user_stops_in_the_pause_stands_from_then_on);
    g_test_add_func("/system/clock/it_waits_and_never_goes_back", a_clock_that_came_too_early_waits_for_true_time);
    g_test_add_func("/system/irq/intercepted_wire_still_works", an_intercepted_wire_still_reaches_its_device);
    g_test_add_func("/system/runstate/listeners_in_order", listeners_hear_a_start_in_order_and_a_stop_in_reverse);
    g_test_add_func("/system/handoff/only_migratable", blockers_are_refused_when_only_migratable);
    return g_test_run();
}
