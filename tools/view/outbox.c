/* tools/view/outbox.c - what was said and is kept until the guest has it: numbers, a window, replay.  Pure.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "outbox.h"

OutboxMessage *outbox_message_new(uint16_t type, const void *data, uint32_t size)
{
    OutboxMessage *m = g_new0(OutboxMessage, 1);

    m->type = type;
    m->body = g_byte_array_sized_new(size);
    g_byte_array_append(m->body, data, size);
    return m;
}

void outbox_message_free(void *p)
{
    OutboxMessage *m = p;

    g_byte_array_unref(m->body);
    g_free(m);
}

void outbox_init(Outbox *b)
{
    *b = (Outbox){.first = 1, .next = 1, .unsent = 1, .said = 1, .max_bytes = UINT32_MAX, .max_messages = UINT32_MAX};
    g_queue_init(&b->kept);
}

/* What is kept was not said. */
static void count_from(Outbox *b, uint64_t first)
{
    b->first = b->unsent = b->said = first;
    b->next = first + b->kept.length;
    b->at = b->kept.head;
    b->sent_bytes = 0;
}

void outbox_clear(Outbox *b)
{
    g_queue_clear_full(&b->kept, outbox_message_free);
    count_from(b, 1);
}

void outbox_add(Outbox *b, uint16_t type, const void *data, uint32_t size)
{
    g_queue_push_tail(&b->kept, outbox_message_new(type, data, size));
    b->next++;
    b->at = b->at ? b->at : b->kept.tail;
}

static bool has_room(const Outbox *b, const OutboxMessage *m)
{
    uint64_t sent = b->unsent - b->first;

    return !sent || (sent < b->max_messages && b->sent_bytes + m->body->len <= b->max_bytes);
}

const OutboxMessage *outbox_next(Outbox *b)
{
    OutboxMessage *m = b->at ? b->at->data : NULL;

    if (!m || b->is_held || !has_room(b, m)) {
        return NULL;
    }
    b->sent_bytes += m->body->len;
    b->at = b->at->next;
    b->unsent++;
    b->said = MAX(b->said, b->unsent);
    return m;
}

void outbox_hold(Outbox *b)
{
    b->is_held = true;
    b->unsent = b->first;
    b->at = b->kept.head;
    b->sent_bytes = 0;
}

static void drop_first(Outbox *b)
{
    OutboxMessage *m = b->kept.head->data;

    if (b->unsent > b->first) {
        b->sent_bytes -= m->body->len;
    } else { /* said on an earlier connection only */
        b->unsent++;
        b->at = b->at->next;
    }
    b->first++;
    outbox_message_free(g_queue_pop_head(&b->kept));
}

bool outbox_commit(Outbox *b, uint64_t seq)
{
    if (seq >= b->said) {
        return false;
    }
    while (b->first <= seq) {
        drop_first(b);
    }
    return true;
}

void outbox_window(Outbox *b, uint32_t bytes, uint32_t messages)
{
    b->max_bytes = bytes;
    b->max_messages = messages;
}

bool outbox_adopt(Outbox *b, uint64_t next, uint64_t *ret_lost)
{
    *ret_lost = 0;
    if (next > b->said) {
        return false;
    }
    if (next < b->first) { /* of what was said, nobody knows what the guest has */
        while (b->first < b->said) {
            drop_first(b);
            ++*ret_lost;
        }
        count_from(b, MAX(next, 1));
    }
    outbox_hold(b);
    while (b->first < next) {
        drop_first(b);
    }
    b->is_held = false;
    return true;
}
