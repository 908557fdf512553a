/* tests/unit/migration/parts-test.c - messages on their way to the main loop.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "migration/parts.h"
#include "system/handoff.h"
#include "system/vm-lock.h"
#include "util/loop.h"

#include <stdatomic.h>

enum { MESSAGES = 400000, WAIT_MAX = 65536 };

static _Atomic unsigned delivered;
static unsigned taken;

static void part_message(HandoffPart *p, StateReader *r)
{
    g_assert_cmpuint(delivered - taken, <=, WAIT_MAX);
    g_assert_cmpuint(state_left(r), ==, 0);
    taken++;
}

static HandoffPart part = {.name = "x", .message = part_message};

static void *deliver_all(void *opaque)
{
    for (unsigned i = 0; i < MESSAGES; i++) {
        g_assert_true(parts_deliver((const uint8_t *)"\1x", 2, NULL));
        delivered++;
    }
    return NULL;
}

/* Nothing of them counts as bytes, and yet each is kept until it is taken. */
static void empty_messages_do_not_pile_up(void)
{
    GThread *thread = g_thread_new("reader", deliver_all, NULL);

    while (delivered < WAIT_MAX) {
        g_thread_yield();
    }
    while (taken < MESSAGES) {
        g_main_context_iteration(NULL, true);
    }
    g_thread_join(thread);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    loop_init();
    vm_lock();
    handoff_register(&part);
    g_test_add_func("/migration/parts/empty_messages_do_not_pile_up", empty_messages_do_not_pile_up);
    return g_test_run();
}
