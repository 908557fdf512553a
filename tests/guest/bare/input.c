/* tests/guest/bare/input.c - prints each event of the first input device, as tests/guest/input-watch.c does.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "bare.h"

enum { EVENTS = 64 };

typedef struct Event {
    uint16_t type, code;
    uint32_t value;
} Event;

static Queue queue;
static Event events[EVENTS];

static void give(uint16_t i)
{
    queue.desc[i] = (Desc) { (uintptr_t)&events[i], sizeof(events[i]), DESC_WRITE, 0 };
    queue_give(&queue, i);
}

bool input_init(void)
{
    VirtioFound input;

    if (!virtio_find(DEVICE_INPUT, 0, 0, &input)) {
        return false;
    }
    virtio_queue(input.regs, 0, &queue);
    virtio_start(input.regs);
    for (uint16_t i = 0; i < EVENTS && i < queue.size; i++) {
        give(i);
    }
    queue_kick(&queue);
    irq_enable(1 + input.slot);
    print("BATON-INPUT-DEVICE 0 Keyboard\n");
    return true;
}

static void print_event(const Event *e)
{
    print("E 0 ");
    print_number(e->type);
    print(" ");
    print_number(e->code);
    print(" ");
    print_number(e->value);
    print("\n");
}

void input_work(void)
{
    uint32_t id, len;
    bool any = false;

    while (queue.regs && queue_take(&queue, &id, &len)) {
        if (id >= EVENTS) {
            print("BATON-GUEST-ERROR an event that it does not have\n");
            continue;
        }
        print_event(&events[id]);
        give(id);
        any = true;
    }
    if (any) {
        queue_kick(&queue);
    }
}
