/* tools/view/outbox.h - what was said and is kept until the guest has it: numbers, a window, replay.  Pure.
 * Page: docs/view.md.  Test: tests/unit/tools/replay-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * first <= unsent <= next; kept are first to next - 1; those before `unsent` were said on the present connection. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct OutboxMessage {
    uint16_t type;
    GByteArray *body;
} OutboxMessage;

typedef struct Outbox {
    GQueue kept;                /* of OutboxMessage */
    uint64_t first, next;       /* numbers; the first one ever is 1 */
    uint64_t unsent;            /* to be said next */
    uint64_t said;              /* one more than the highest that was ever said */
    GList *at;                  /* of `unsent`; NULL: it is `next` */
    size_t sent_bytes;          /* of those before it */
    uint32_t max_bytes, max_messages;   /* that may be said and not committed; one message always may */
    bool is_held;               /* nothing may be said before outbox_adopt() */
} Outbox;

OutboxMessage *outbox_message_new(uint16_t type, const void *data, uint32_t size);
void outbox_message_free(void *m);

void outbox_init(Outbox *b);
void outbox_clear(Outbox *b);                           /* forgets all, and counts from 1 */
void outbox_add(Outbox *b, uint16_t type, const void *data, uint32_t size);
const OutboxMessage *outbox_next(Outbox *b);            /* said now; NULL: nothing may be */
void outbox_hold(Outbox *b);                            /* another connection: what was said there is not said here yet */
bool outbox_commit(Outbox *b, uint64_t seq);            /* false: it was never said */
void outbox_window(Outbox *b, uint32_t bytes, uint32_t messages);
/* false: never said.  *ret_lost: messages that nobody will say any more, because the server counts anew. */
bool outbox_adopt(Outbox *b, uint64_t next, uint64_t *ret_lost);
