/* tests/unit/util/loop-test.c - the main loop keeps its promises.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/loop.h"

#include <string.h>
#include <unistd.h>

static char order[16];
static LoopTimer *timers[3];

static void note(void *opaque)
{
    strcat(order, opaque);
    if (strlen(order) == 3) {
        loop_quit(7);
    }
}

static void timers_fire_in_order_of_deadline(void)
{
    int64_t now = time_monotonic_ns();

    order[0] = 0;
    timers[0] = loop_timer_new(note, "a");
    timers[1] = loop_timer_new(note, "b");
    timers[2] = loop_timer_new(note, "c");
    loop_timer_set(timers[0], now + 3 * NS_PER_MS);
    loop_timer_set(timers[1], now + 2 * NS_PER_MS);
    loop_timer_set(timers[2], now - 1);
    loop_timer_set(timers[0], now + 1 * NS_PER_MS);
    g_assert_cmpint(loop_run(), ==, 7);
    g_assert_cmpstr(order, ==, "cab");
    for (unsigned i = 0; i < 3; i++) {
        loop_timer_free(timers[i]);
    }
}

static gpointer caller(gpointer opaque)
{
    loop_call(note, "1");
    loop_call_wait(note, "2");
    g_assert_cmpstr(order, ==, "12");
    loop_call(note, "3");
    return NULL;
}

static void calls_run_in_order_in_the_main_thread(void)
{
    GThread *t;

    order[0] = 0;
    t = g_thread_new("caller", caller, NULL);
    g_assert_cmpint(loop_run(), ==, 7);
    g_thread_join(t);
    g_assert_cmpstr(order, ==, "123");
}

static unsigned rounds;
static bool is_over;

static void call_again(void *opaque)
{
    g_assert_cmpuint(++rounds, <, 100000);
    if (!is_over) {
        loop_call(call_again, NULL);
    }
}

static void now_over(void *opaque)
{
    is_over = true;
    loop_quit(0);
}

static void a_call_that_calls_itself_lets_others_have_their_turn(void)
{
    LoopTimer *t = loop_timer_new(now_over, NULL);

    loop_timer_set(t, time_monotonic_ns());
    loop_call(call_again, NULL);
    loop_run();
    g_assert_true(is_over);
    loop_timer_free(t);
}

static void take_a_millisecond(void *opaque)
{
    int64_t until = time_monotonic_ns() + NS_PER_MS;

    while (time_monotonic_ns() < until) {
    }
    if (++rounds == 10) {
        loop_timer_set(opaque, 1);
    }
}

static unsigned rounds_seen;

static void see_rounds(void *opaque)
{
    rounds_seen = rounds;
}

static void many_calls_let_others_have_their_turn(void)
{
    LoopTimer *t = loop_timer_new(see_rounds, NULL);

    rounds = 0;
    for (unsigned i = 0; i < 300; i++) {
        loop_call(take_a_millisecond, t);
    }
    while (rounds < 300) {
        g_main_context_iteration(NULL, TRUE);
    }
    g_assert_cmpuint(rounds_seen, >=, 10);
    g_assert_cmpuint(rounds_seen, <, 30);
    loop_timer_free(t);
}

static unsigned reads;

static void readable(int fd, GIOCondition ready, void *opaque)
{
    char c;
    LoopWatch **watch = opaque;

    g_assert_cmpint(read(fd, &c, 1), ==, 1);
    if (++reads == 3) {
        loop_watch_free(*watch);
        loop_quit(0);
    }
}

static void a_watch_reports_until_all_is_read_and_may_free_itself(void)
{
    int fds[2];
    LoopWatch *watch;

    g_assert_cmpint(pipe(fds), ==, 0);
    g_assert_cmpint(write(fds[1], "xyz", 3), ==, 3);
    watch = loop_watch(fds[0], G_IO_IN, readable, &watch);
    loop_run();
    g_assert_cmpuint(reads, ==, 3);
    close(fds[0]);
    close(fds[1]);
}

static void never(int fd, GIOCondition ready, void *opaque)
{
    g_assert_not_reached();
}

static void a_parked_watch_is_silent_even_after_hang_up(void)
{
    int fds[2];
    LoopWatch *watch;

    g_assert_cmpint(pipe(fds), ==, 0);
    watch = loop_watch(fds[0], G_IO_IN, never, NULL);
    loop_watch_set(watch, 0);
    close(fds[1]);
    order[0] = 0;
    loop_call(note, "abc");
    g_assert_cmpint(loop_run(), ==, 7);
    loop_watch_free(watch);
    close(fds[0]);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    loop_init();
    g_test_add_func("/util/loop/timers_fire_in_order_of_deadline", timers_fire_in_order_of_deadline);
    g_test_add_func("/util/loop/a_call_that_calls_itself_lets_others_have_their_turn",
                    a_call_that_calls_itself_lets_others_have_their_turn);
    g_test_add_func("/util/loop/many_calls_let_others_have_their_turn",
                    many_calls_let_others_have_their_turn);
    g_test_add_func("/util/loop/calls_run_in_order_in_the_main_thread", calls_run_in_order_in_the_main_thread);
    g_test_add_func("/util/loop/a_watch_reports_until_all_is_read", a_watch_reports_until_all_is_read_and_may_free_itself);
    g_test_add_func("/util/loop/a_parked_watch_is_silent", a_parked_watch_is_silent_even_after_hang_up);
    return g_test_run();
}
