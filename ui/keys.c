/* ui/keys.c - keys that are pressed for a while (send-key): what is still to be pressed and released.
 * Guarded by: vm_lock.  Page: docs/input.md.  Test: tests/unit/ui/input-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Held by the guest's clock, as QEMU does it: a guest that stands still does not see a key held for minutes.  What waits
 * goes with the guest, so that a key which went down here goes up there. */
#include "keys.h"

#include "system/clock.h"
#include "system/handoff.h"
#include "ui/input.h"
#include "util/error.h"
#include "util/loop.h"

#include <string.h>

enum { STEP_UP, STEP_DOWN, STEP_WAIT };

typedef struct KeyStep {
    uint32_t value;         /* UP, DOWN: Linux code; WAIT: milliseconds */
    uint8_t what;
} KeyStep;

typedef struct KeyQueue {
    struct {
        uint64_t due_ns;    /* the first step is a WAIT that ends then; 0: it has not begun */
        uint32_t count;
        KeyStep steps[KEY_STEPS_MAX];
    } st;
    Timer *timer;
    InputUser user;
} KeyQueue;

static KeyQueue queue;

static void pop(void)
{
    queue.st.count--;
    memmove(queue.st.steps, queue.st.steps + 1, queue.st.count * sizeof(KeyStep));
}

/* false: not over yet; the timer is set. */
static bool waited(uint32_t ms)
{
    uint64_t now = clock_virtual_ns();

    if (!queue.st.due_ns) {
        queue.st.due_ns = now + ms * NS_PER_MS;
    }
    if (now < queue.st.due_ns) {
        timer_set(queue.timer, queue.st.due_ns);
        return false;
    }
    queue.st.due_ns = 0;
    return true;
}

static void run(void *opaque)
{
    queue.user.is_waiting = !input_is_open(); /* then room() comes, should the guest go on here */
    while (queue.st.count && !queue.user.is_waiting) {
        const KeyStep *step = &queue.st.steps[0];
        const InputEvent e = {INPUT_KEY, step->value, step->what == STEP_DOWN};

        if (step->what == STEP_WAIT ? !waited(step->value) : !input_send(&queue.user, -1, &e, 1)) {
            return;
        }
        pop();
    }
}

static void room(InputUser *u)
{
    run(NULL);
}

static void add(unsigned what, uint32_t value)
{
    queue.st.steps[queue.st.count++] = (KeyStep){value, what};
}

bool input_press(const uint16_t *keys, unsigned count, uint32_t hold_ms, GError **errp)
{
    if (!input_has(INPUT_KEY, -1)) {
        return fail(errp, "there is no keyboard");
    }
    if (!input_is_open()) {
        return fail(errp, "the guest is not here, or on its way to another process");
    }
    if (count > KEY_STEPS_MAX || 2 * count + 1 > KEY_STEPS_MAX - queue.st.count) {
        return fail(errp, "%u keys are too many while %u presses, releases and pauses of at most %u wait", count,
                    queue.st.count, KEY_STEPS_MAX);
    }
    for (unsigned i = 0; i < count; i++) {
        add(STEP_DOWN, keys[i]);
    }
    add(STEP_WAIT, hold_ms);
    for (unsigned i = count; i-- > 0;) {
        add(STEP_UP, keys[i]);
    }
    run(NULL);
    return true;
}

/* ---- state ---- */
static bool step_loaded(void *opaque, uint32_t version, GError **errp)
{
    const KeyStep *step = opaque;

    if (step->what > STEP_WAIT || (step->what != STEP_WAIT && step->value >= INPUT_KEYS)) {
        return fail(errp, "keys to be sent: there is no step %u with %u", step->what, step->value);
    }
    return true;
}

static bool keys_loaded(void *opaque, uint32_t version, GError **errp)
{
    if (queue.st.due_ns > CLOCK_NS_MAX) {
        return fail(errp, "keys to be sent: a time that never comes");
    }
    queue.user.is_waiting = true; /* goes on when the guest is ours */
    timer_set(queue.timer, queue.st.due_ns ? (int64_t)queue.st.due_ns : TIMER_NEVER);
    return true;
}

static const VMStateDescription step_state = {
    .name = "key-step", .version = 1, .loaded = step_loaded,
    .fields = VMSTATE_FIELDS(VMSTATE_U32(KeyStep, value), VMSTATE_U8(KeyStep, what)),
};

VMSTATE_DEFINE_SPAN(KeyQueue, st)
const VMStateDescription input_keys_state = {
    .name = "input-keys", .version = 1, .phase = VMSTATE_SAVE_DEVICE, VMSTATE_SPAN(KeyQueue, st), .loaded = keys_loaded,
    .fields = VMSTATE_FIELDS(VMSTATE_U64(KeyQueue, st.due_ns), VMSTATE_U32(KeyQueue, st.count),
                             VMSTATE_VARRAY(KeyQueue, st.steps, st.count, VMS_STRUCT, &step_state)),
};

void input_keys_init(void)
{
    queue.timer = timer_new(run, NULL);
    queue.user.room = room;
    input_join(&queue.user);
    state_register(NULL, &input_keys_state, &queue);
}
